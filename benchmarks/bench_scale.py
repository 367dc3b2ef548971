"""How an epoch of the review classifier grows with data, batch, embedding width and vocabulary.

`python benchmarks/bench_scale.py`. One of the four changes, the others stay at 20,000 reviews of 500 ids, batch 32,
width 16, 88,585 words. Writes scale.json and scale.png: four curves, each with the slope of a straight line through the
logarithms. A slope of 1 means twice the size, twice the time; 0 means that size costs nothing.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np

import strop
from common import Report, finish, options
from reviews import LENGTH, WORDS, invented
from strop.bench import pictures
from strop.callbacks import Callback
from strop.layers import Dense, Embedding, GlobalAveragePooling1D

SECONDS = 90

BASE = {"samples": 20_000, "batch": 32, "width": 16, "vocabulary": WORDS}

#: By what changes: the label of the axis, the values, those of a quick run.
CURVES = {
    "samples": ("reviews", (2_500, 5_000, 10_000, 20_000, 40_000, 80_000), (200, 400)),
    "batch": ("reviews per batch", (8, 16, 32, 64, 128, 256, 512), (16, 32)),
    "width": ("width of the embedding", (4, 8, 16, 32, 64, 128), (4, 8)),
    "vocabulary": (
        "words (rows of the table)",
        (1_000, 10_000, 88_585, 300_000, 1_000_000, 3_000_000, 10_000_000),
        (1_000, 10_000),
    ),
}
QUICK_BASE = {**BASE, "samples": 200}
EPOCHS = 4  # the first is not counted: it pays for untouched memory


class Clock(Callback):
    """Seconds of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self._start)


def fits(sizes: dict[str, int]) -> bool:
    """Whether a table with its moments, and a copy of it, has room in half of what memory is free."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 4 * 4 * sizes["vocabulary"] * sizes["width"] + 4 * LENGTH * sizes["samples"] < free / 2


def epoch_seconds(sizes: dict[str, int]) -> float:
    """The best epoch of a fresh model."""
    x, y = invented(sizes["samples"], vocabulary=sizes["vocabulary"])
    strop.utils.set_random_seed(0)
    model = strop.Sequential(
        [
            Embedding(sizes["vocabulary"], sizes["width"], input_length=LENGTH),
            GlobalAveragePooling1D(),
            Dense(24, activation="relu"),
            Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    clock = Clock()
    model.fit(x, y, batch_size=sizes["batch"], epochs=EPOCHS, callbacks=[clock], verbose=0)
    return min(clock.seconds[1:])


def slope(values: list[int], seconds: list[float]) -> float:
    """Of the straight line through the logarithms."""
    return float(np.polyfit(np.log(values), np.log(seconds), 1)[0])


def short(value: float) -> str:
    """A number with a k or an M, for a tick."""
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:.3g}{letter}"
    return f"{value:g}"


def draw(rows: list[dict], base: dict[str, int], path) -> None:
    figure = pictures.new_figure(12, 3.6)
    panels = figure.subplots(1, len(rows), sharey=True)
    for axes, row, colour in zip(panels, rows, pictures.COLOURS, strict=False):
        values, seconds = row["values"], row["epoch_s"]
        middle = np.exp(np.log(seconds).mean())
        line = middle * (np.array(values) / np.exp(np.log(values).mean())) ** row["slope"]
        axes.plot(values, line, "-", color=colour, linewidth=1, alpha=0.7)
        axes.plot(values, seconds, "o", color=colour, markersize=5)
        axes.axvline(base[row["case"]], color="black", linewidth=0.6, linestyle=":")
        place = {"transform": axes.transAxes, "color": colour, "va": "top", "fontsize": 12}
        axes.text(0.05, 0.95, f"slope {row['slope']:.2f}", **place)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks(values, [short(v) for v in values], fontsize=8)
        axes.set_xticks([], minor=True)
        axes.set_xlabel(row["axis"])
        axes.grid(alpha=0.25)
    every = [s for row in rows for s in row["epoch_s"]]
    ticks = [t for p in range(-6, 4) for t in (10.0**p, 2 * 10.0**p, 5 * 10.0**p)]
    panels[0].set_ylim(min(every) / 1.5, max(every) * 3)
    panels[0].set_yticks([t for t in ticks if min(every) / 1.5 < t < max(every) * 3])
    panels[0].yaxis.set_major_formatter("{x:g}")
    panels[0].set_yticks([], minor=True)
    panels[0].set_ylabel("seconds per epoch")
    figure.savefig(path, dpi=120)


def run(report: Report) -> None:
    quick = report.settings.quick
    base = QUICK_BASE if quick else BASE
    epoch_seconds({**base, "samples": 200})  # loads what is loaded at first use
    for name, (axis, full, short) in CURVES.items():
        values, seconds = [], []
        for value in short if quick else full:
            sizes = {**base, name: value}
            if not fits(sizes):
                print(f"  {name} {value:,}: left out, memory is too small")
                continue
            values.append(value)
            seconds.append(round(epoch_seconds(sizes), 5))
            print(f"  {name} {value:>10,} {seconds[-1]:>10.4f} s per epoch", flush=True)
        row = {
            "case": name,
            "axis": axis,
            "values": values,
            "epoch_s": seconds,
            "slope": slope(values, seconds),
        }
        print(f"  {name}: slope {row['slope']:.2f}\n", flush=True)
        report.rows.append(row)
    report.rows.append({"case": "base", **base})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options(parser, __file__)
    report = Report("scale")
    run(report)
    finish(report)
    path = report.settings.output / "scale.png"
    try:
        *curves, base = report.rows
        draw(curves, base, path)
        print(f"  drew {path}")
    except ImportError as error:
        print(f"  {error}")


if __name__ == "__main__":
    main()
