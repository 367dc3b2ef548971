"""Runs benchmarks one after the other, each in a process of its own, and sums up."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import pictures
from .catalogue import Benchmark
from .machine import Machine, measure
from .peers import absent_lines
from .report import geometric_mean
from .settings import SECONDS, Settings, as_arguments


def duration(seconds: float) -> str:
    """A span of time in words.

    Example:
        >>> duration(8), duration(100), duration(1000)
        ('8 s', '2 min', '17 min')
    """
    return f"{max(seconds, 1):.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def estimate(benchmarks: Sequence[Benchmark], settings: Settings) -> float:
    """About how many seconds a run will take: half of a full run's time follows `seconds`."""
    if settings.quick:
        return sum(0.7 if b.group == "kernels" else 4 for b in benchmarks)
    return sum(b.seconds for b in benchmarks) * (1 + settings.seconds / SECONDS) / 2


def run(benchmarks: Sequence[Benchmark], settings: Settings, threads: int | None = None) -> int:
    """Run all, print tables and a summary, write results and pictures.

    Args:
        benchmarks: what to run.
        settings: see `Settings`.
        threads: how many threads strop and its peers may use; None leaves each its default.

    Returns:
        How many benchmarks failed.
    """
    settings.output.mkdir(parents=True, exist_ok=True)
    machine = measure(settings.quick)
    print("\n".join(machine.lines()))
    for line in absent_lines():
        print(line)
    print(f"peers: {', '.join(settings.peers) or 'none'}")
    left = estimate(benchmarks, settings)
    print(
        f"{len(benchmarks)} benchmarks, about {duration(left)}; Ctrl-C stops and keeps what is done\n",
        flush=True,
    )
    failed, done = run_each(benchmarks, settings, machine, threads)
    if len(failed) + len(done) < len(benchmarks):
        print("\nstopped", flush=True)
    print_summary(load(settings.output, done))
    print(f"results are in {settings.output}")
    draw(settings.output)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return len(failed)


def run_each(
    benchmarks: Sequence[Benchmark], settings: Settings, machine: Machine, threads: int | None
) -> tuple[list[str], list[str]]:
    """The names of those that failed and of those that ran, until all have or Ctrl-C."""
    begin = time.perf_counter()
    failed: list[str] = []
    done: list[str] = []
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(KeyboardInterrupt):
        path = Path(folder) / "machine.json"
        path.write_text(json.dumps(machine.as_dict()))
        settings = replace(settings, machine=path)
        for i, benchmark in enumerate(benchmarks):
            expected = estimate(benchmarks[:i], settings)  # what has run says how fast this machine is
            pace = (time.perf_counter() - begin) / expected if expected else 1
            rest = pace * estimate(benchmarks[i:], settings)
            print(f"[{i + 1}/{len(benchmarks)}, about {duration(rest)} left] {benchmark.title}", flush=True)
            start = time.perf_counter()
            command = [sys.executable, str(benchmark.path), *as_arguments(settings)]
            code = subprocess.run(command, env=environment(threads), check=False).returncode
            (failed if code else done).append(benchmark.name)
            print(f"  {'failed' if code else 'took'} {time.perf_counter() - start:.0f} s\n", flush=True)
    return failed, done


def environment(threads: int | None) -> dict[str, str]:
    """The variables for a benchmark's process."""
    names = ["STROP_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"]
    limits = dict.fromkeys(names, str(threads)) if threads is not None else {}
    return {**os.environ, **limits, "TF_CPP_MIN_LOG_LEVEL": "3"}


def load(output: Path, names: Sequence[str] | None = None) -> dict[str, dict[str, Any]]:
    """The results in a folder, by benchmark: those named, or all."""
    found = {}
    for path in sorted(output.glob("*.json")):
        content = json.loads(path.read_text())
        if "rows" in content and (names is None or path.stem in names):
            found[path.stem] = content
    return found


def print_summary(results: dict[str, dict[str, Any]]) -> None:
    """One line for each benchmark: how it stands to the best peer, and how near it comes to the machine's peak."""
    if not results:
        return
    print(f"{'':<16}{'cases':>6}{'mean ratio':>12}{'least':>8}{'won':>7}{'best share of peak':>22}")
    for name, content in results.items():
        rows = content["rows"]
        ratios = [row["ratio"] for row in rows if "ratio" in row]
        cells = ["", "", ""]
        if ratios:
            won = sum(ratio > 1 for ratio in ratios) / len(ratios)
            cells = [f"{geometric_mean(ratios):.2f}x", f"{min(ratios):.2f}x", f"{won:.0%}"]
        shares = [(row["share"], row["bound"]) for row in rows if "share" in row]
        share = f"{max(shares)[0]:.0%} of {max(shares)[1]}" if shares else ""
        print(f"{name:<16}{len(rows):>6}{cells[0]:>12}{cells[1]:>8}{cells[2]:>7}{share:>22}")
    print("ratio: time of the best peer by ours; its mean is the geometric one", flush=True)


def draw(output: Path) -> None:
    """Both pictures, or a line that says what they need."""
    results = load(output)
    try:
        for name, picture in (("roofline.png", pictures.roofline), ("ratios.png", pictures.ratios)):
            if picture(results, output / name):
                print(f"drew {output / name}")
    except ImportError as error:
        print(error)
