"""Paired timing: ours and every peer in one process, window by window, best and median of many.

A benchmark file has `run(report)`, which calls `report.compare(...)` for each case, and ends in
`main(run, __file__)`. Peers are optional: `peer("torch")` is the module or None.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import strop
from strop import config

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
SHAPES = ROOT.parent / "shared" / "shapes"
sys.path.insert(0, str(ROOT / "tests"))  # the cases, one list for tests and benchmarks

WINDOW = 0.0008  # seconds: shorter than a scheduler's slice, so that the best window is an undisturbed one


def peer(name: str) -> ModuleType | None:
    """The module of a peer, or None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def shapes(kind: str) -> list[dict[str, Any]]:
    """Public operator shapes, or none where the folder is absent."""
    path = SHAPES / f"{kind}.json"
    return json.loads(path.read_text())["shapes"] if path.exists() else []


def processor() -> str:
    """The processor's name as the system gives it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.machine()


def copy_bandwidth() -> float:
    """GB/s of a copy beyond every cache, both directions counted: what memory can do."""
    source, target = np.ones(1 << 25, np.float32), np.empty(1 << 25, np.float32)
    best = min(timed(lambda: np.copyto(target, source), 1) for _ in range(8))
    return 2 * source.nbytes / best / 1e9


def commit() -> str:
    """The short commit, with a plus where the tree differs from it."""
    git = ["git", "-C", str(ROOT)]
    try:
        name = subprocess.run(
            [*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        )
        dirty = subprocess.run(
            [*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return name.stdout.strip() + ("+" if dirty.stdout.strip() else "")


def machine() -> dict[str, Any]:
    """What gave the figures."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "copy_gb_s": round(copy_bandwidth(), 1),
        "isa": config.isa(),
        "threads": config.num_threads(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "strop": strop.__version__,
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d"),
    }


def timed(call: Callable[[], object], repeats: int) -> float:
    """Seconds of one call, the mean over `repeats` in a row."""
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def best_of_windows(calls: dict[str, Callable[[], object]], seconds: float) -> dict[str, list[float]]:
    """Per call, the seconds of each of its windows; the calls take turns."""
    repeats = {}
    for name, call in calls.items():
        call()
        repeats[name] = max(1, int(WINDOW / max(timed(call, 1), 1e-9)))
    windows: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or min(map(len, windows.values())) < 5:
        for name, call in calls.items():
            windows[name].append(timed(call, repeats[name]))
    return windows


class Report:
    """Collects rows, prints each as it comes, writes them as JSON."""

    def __init__(self, stem: str, seconds: float = 0.4) -> None:
        self.stem, self.seconds = stem, seconds
        self.machine = machine()
        self.rows: list[dict[str, Any]] = []
        facts = self.machine
        print(f"\n{stem}: {facts['processor']}, {facts['threads']} threads, {facts['isa']}", end="")
        print(f", load {facts['load']:.1f}")

    def compare(
        self, name: str, calls: dict[str, Callable[[], object]], *, flops: float = 0, moved: float = 0
    ) -> dict[str, Any]:
        """Time `calls` in turn; the first is ours. `flops` and `moved` (bytes) are those of one call."""
        windows = best_of_windows(calls, self.seconds)
        best = {key: min(times) for key, times in windows.items()}
        ours, *peers = best
        row: dict[str, Any] = {"case": name, "us": {key: round(1e6 * t, 3) for key, t in best.items()}}
        row["median_us"] = {key: round(1e6 * statistics.median(times), 3) for key, times in windows.items()}
        text = f"  {name:<34}" + "".join(f"{key} {1e6 * t:>10.2f} us  " for key, t in best.items())
        if peers:
            row["ratio"] = round(min(best[key] for key in peers) / best[ours], 3)
            text += f"ratio {row['ratio']:.2f}  "
        if flops:
            row["gflop_s"] = round(flops / best[ours] / 1e9, 1)
            text += f"{row['gflop_s']:.1f} GFLOP/s  "
        if moved:
            row["gb_s"] = round(moved / best[ours] / 1e9, 1)
            text += f"{row['gb_s']:.1f} GB/s ({row['gb_s'] / self.machine['copy_gb_s']:.0%} of copy)"
        print(text, flush=True)
        self.rows.append(row)
        return row

    def geometric_mean(self) -> float:
        """Of the ratios to the best peer, over the rows that have one."""
        ratios = [row["ratio"] for row in self.rows if "ratio" in row]
        return float(np.exp(np.mean(np.log(ratios)))) if ratios else float("nan")

    def write(self) -> Path:
        """Write `results/<stem>.json`."""
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{self.stem}.json"
        path.write_text(json.dumps({"machine": self.machine, "rows": self.rows}, indent=1) + "\n")
        if any("ratio" in row for row in self.rows):
            print(f"  geometric mean of the ratios to the best peer: {self.geometric_mean():.2f}")
        return path


def main(run: Callable[[Report], None], file: str) -> None:
    """What every benchmark file ends in."""
    report = Report(Path(file).stem.removeprefix("bench_"))
    run(report)
    print(f"  wrote {report.write().relative_to(ROOT)}")
