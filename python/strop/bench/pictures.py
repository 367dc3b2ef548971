"""Results as pictures: the roofline, and the ratios to the best peer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..plot._axes import COLOURS, new_figure
from .machine import Machine, size_text

Results = dict[str, dict[str, Any]]

MARKS = "os^Dv<>P*X"


def roofline(results: Results, path: Path) -> bool:
    """What arithmetic bounds against intensity, what memory bounds against bytes, each under its roof.

    Returns:
        False, and no file, where no result has a rate.
    """
    rows = {name: [row for row in content["rows"] if "bound" in row] for name, content in results.items()}
    rows = {name: found for name, found in rows.items() if found}
    if not rows:
        return False
    figure = new_figure(11, 4.8)
    machine = Machine(**next(iter(results.values()))["machine"])
    left, right = figure.subplots(1, 2)
    styles = {
        name: {"color": COLOURS[i % len(COLOURS)], "marker": MARKS[i % len(MARKS)], "label": name}
        for i, name in enumerate(rows)
    }
    _arithmetic(left, machine, rows, styles)
    _traffic(right, machine, rows, styles)
    for axes in (left, right):
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.grid(alpha=0.25, which="major")
        axes.legend(fontsize=8, loc="lower right")
    figure.suptitle(f"{machine.processor}, {machine.threads} threads, {machine.isa}", fontsize=10)
    figure.savefig(path, dpi=120)
    return True


def _arithmetic(axes: Any, machine: Machine, rows: dict[str, Any], styles: dict[str, Any]) -> None:
    """Kernels that count operations: GFLOP/s against operations per byte."""
    peak = machine.fma()
    intensity = np.geomspace(0.05, 2000, 400)
    roofs = machine.copy_gb_s[str(machine.threads)]
    for (size, rate), dash in zip(roofs, ("-", "--", "-.", ":"), strict=False):
        axes.plot(
            intensity,
            np.minimum(peak, intensity * rate),
            dash,
            color="black",
            linewidth=1,
            label=f"{rate:.0f} GB/s within {size_text(size)}",
        )
    axes.axhline(machine.fma_gflop_s["1"], color="black", linewidth=0.6, alpha=0.5)
    for count in dict.fromkeys([1, machine.threads]):
        rate = machine.fma_gflop_s[str(count)]
        words = f"{rate:.0f} GFLOP/s, {count} thread{'s' if count > 1 else ''}"
        axes.text(intensity[-1], rate * 1.06, words, fontsize=8, ha="right")
    for name, found in rows.items():
        points = [
            (row["flops"] / row["bytes"], row["gflop_s"]) for row in found if row["flops"] and row["bytes"]
        ]
        if points:
            x, y = zip(*points, strict=True)
            axes.plot(x, y, linestyle="none", markersize=4, alpha=0.7, **styles[name])
    axes.set_ylim(bottom=0.3, top=peak * 2)
    axes.set_title("bound by arithmetic", fontsize=10)
    axes.set_xlabel("floating-point operations per byte")
    axes.set_ylabel("GFLOP/s")


def _traffic(axes: Any, machine: Machine, rows: dict[str, Any], styles: dict[str, Any]) -> None:
    """Kernels that memory bounds: GB/s against the bytes of one call."""
    counts = dict.fromkeys([str(machine.threads), "1"])
    for threads, dash in zip(counts, ("-", "--"), strict=False):
        sizes, rates = zip(*machine.copy_gb_s[threads], strict=True)
        word = "thread" if threads == "1" else "threads"
        axes.plot(sizes, rates, dash, color="black", linewidth=1, label=f"copy, {threads} {word}")
    for name, found in rows.items():
        points = [(row["bytes"], row["gb_s"]) for row in found if row["bound"] == "copy"]
        if points:
            x, y = zip(*points, strict=True)
            axes.plot(x, y, linestyle="none", markersize=5, alpha=0.8, **styles[name])
    axes.set_title("bound by memory", fontsize=10)
    axes.set_xlabel("bytes read and written by one call")
    axes.set_ylabel("GB/s")


def ratios(results: Results, path: Path) -> bool:
    """The speed of every case against the best peer, a line of dots for each benchmark, with their geometric mean.

    Returns:
        False, and no file, where no result has a ratio.
    """
    found = {
        name: [row["ratio"] for row in content["rows"] if "ratio" in row] for name, content in results.items()
    }
    found = {name: values for name, values in reversed(found.items()) if values}
    if not found:
        return False
    figure = new_figure(9, 0.45 * len(found) + 1.3)
    from matplotlib.ticker import LogLocator

    axes = figure.subplots()
    spread = np.random.default_rng(0)
    for i, values in enumerate(found.values()):
        height = i + spread.uniform(-0.18, 0.18, len(values))
        colours = [COLOURS[0] if ratio >= 1 else COLOURS[1] for ratio in values]
        axes.scatter(values, height, s=14, c=colours, alpha=0.6, linewidths=0)
        mean = float(np.exp(np.log(values).mean()))
        axes.plot([mean, mean], [i - 0.32, i + 0.32], color="black", linewidth=2)
        axes.annotate(
            f"{mean:.2f}", (mean, i + 0.32), fontsize=8, ha="center", va="bottom", annotation_clip=False
        )
    axes.set_yticks(range(len(found)), [f"{name} ({len(values)})" for name, values in found.items()])
    axes.set_ylim(-0.6, len(found) - 0.2)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.tick_params(axis="x", which="minor", labelsize=8)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.grid(alpha=0.25, axis="x")
    axes.set_xlabel("times as fast as the best peer (a dot is a case, the bar their geometric mean)")
    figure.savefig(path, dpi=120)
    return True
