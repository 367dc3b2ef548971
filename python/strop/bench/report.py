"""The rows of one benchmark: timed, printed as they come, written as JSON."""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from .._files import atomic_write
from .machine import Machine, measure
from .peers import PEERS
from .settings import Settings
from .timing import Call, best_of_windows

T = TypeVar("T")
Row = dict[str, Any]

#: Of the JSON; raised when a field changes its meaning.
SCHEMA = 1


class Report:
    """Times the cases of one benchmark.

    Args:
        stem: name of the benchmark, and of its file of results.
        seconds: time for a case and its peers together; the settings' if None.
        settings: see `Settings`.

    Example:
        >>> report = Report("demo", settings=Settings(quick=True, seconds=0.001))  # doctest: +ELLIPSIS
        demo...
        >>> row = report.compare("nothing", {"strop": lambda: None, "numpy": lambda: None})  # doctest: +ELLIPSIS
        <BLANKLINE>
        ...
        >>> sorted(row["us"])
        ['numpy', 'strop']
    """

    def __init__(self, stem: str, seconds: float | None = None, *, settings: Settings | None = None) -> None:
        self.stem, self.settings = stem, settings or Settings()
        self.seconds = self.settings.seconds if seconds is None or self.settings.quick else seconds
        self.rows: list[Row] = []
        self._columns: list[str] = []
        self._start = time.perf_counter()
        given = self.settings.machine
        self._machine = restored(given) if given is not None else measure(self.settings.quick)
        if given is None:
            print("\n".join([stem, *(f"  {line}" for line in self._machine.lines())]), flush=True)

    @property
    def machine(self) -> dict[str, Any]:
        """What gave the figures."""
        return self._machine.as_dict()

    def cases(self, given: Sequence[T], quick: int = 1) -> Sequence[T]:
        """The cases to run: all, or the first `quick` of them in a quick run."""
        return self.settings.cases(given, quick)

    def compare(
        self,
        name: str,
        calls: Mapping[str, Call],
        *,
        flops: float = 0,
        moved: float = 0,
        itemsize: int = 4,
    ) -> Row:
        """Time `calls` in turn; the first is ours. Peers that were not asked for are left out.

        Args:
            name: of the case.
            calls: what to time, by name; a peer's name begins with that of its library.
            flops: floating-point operations of one call.
            moved: bytes that one call must read and write at least.
            itemsize: bytes of a number, for the peak of multiply-adds.
        """
        windows = best_of_windows(
            {key: call for key, call in calls.items() if self._wanted(key)}, self.seconds
        )
        best = {key: min(times) for key, times in windows.items()}
        ours, *others = best
        row: Row = {"case": name, "us": {key: round(1e6 * t, 3) for key, t in best.items()}}
        row["median_us"] = {key: round(1e6 * statistics.median(times), 3) for key, times in windows.items()}
        if others:
            row["ratio"] = round(min(best[key] for key in others) / best[ours], 3)
        if flops:
            row["gflop_s"] = round(flops / best[ours] / 1e9, 2)
        if moved:
            row["gb_s"] = round(moved / best[ours] / 1e9, 2)
        if flops or moved:
            row.update(flops=flops, bytes=moved, **self._bound(best[ours], flops, moved, itemsize))
        self._print(row)
        self.rows.append(row)
        return row

    def _wanted(self, key: str) -> bool:
        library = key.split()[0].lower()
        return library not in PEERS or library in self.settings.peers

    def _bound(self, seconds: float, flops: float, moved: float, itemsize: int) -> Row:
        """What bounds a case on this machine, and the share of that bound which it reaches."""
        arithmetic = flops / self._machine.fma(itemsize) / 1e9
        traffic = moved / self._machine.copy(moved) / 1e9
        bound = "fma" if arithmetic >= traffic else "copy"
        return {"bound": bound, "share": round(max(arithmetic, traffic) / seconds, 4)}

    def _print(self, row: Row) -> None:
        if list(row["us"]) != self._columns:
            self._columns = list(row["us"])
            titles = "".join(f"{key + ' us':>{_width(key)}}" for key in self._columns)
            print(f"\n  {'':<34}{titles}{'ratio':>9}  rate and share of the peak")
        cells = "".join(f"{t:>{_width(key)},.2f}" for key, t in row["us"].items())
        ratio = f"{row['ratio']:.2f}x" if "ratio" in row else ""
        print(f"  {row['case']:<34}{cells}{ratio:>9}  {rate_text(row)}".rstrip(), flush=True)

    def geometric_mean(self) -> float:
        """Of the ratios to the best peer, over the rows that have one."""
        return geometric_mean([row["ratio"] for row in self.rows if "ratio" in row])

    def write(self) -> Path:
        """Write `<stem>.json` into the folder of results."""
        self.settings.output.mkdir(parents=True, exist_ok=True)
        path = self.settings.output / f"{self.stem}.json"
        took = round(time.perf_counter() - self._start, 1)
        content = {
            "schema": SCHEMA,
            "benchmark": self.stem,
            "quick": self.settings.quick,
            "took_s": took,
            "machine": self.machine,
            "rows": self.rows,
        }
        with atomic_write(path) as file:
            file.write((json.dumps(content, indent=1) + "\n").encode())
        return path


def _width(key: str) -> int:
    return max(len(key) + 5, 13)


def rate_text(row: Row) -> str:
    """Rate of a row in the unit of what bounds it, and the share of the machine's peak.

    Example:
        >>> rate_text({"bound": "copy", "share": 0.5, "gb_s": 20.0})
        '20.0 GB/s, 50% of copy'
    """
    if "bound" not in row:
        return ""
    if row["bound"] == "fma":
        return f"{row['gflop_s']:.1f} GFLOP/s, {row['share']:.0%} of fma"
    return f"{row['gb_s']:.1f} GB/s, {row['share']:.0%} of copy"


def geometric_mean(values: Sequence[float]) -> float:
    """The root of the product; nan of nothing.

    Example:
        >>> round(geometric_mean([2, 8]), 3)
        4.0
    """
    return math.exp(sum(map(math.log, values)) / len(values)) if values else math.nan


def restored(path: Path) -> Machine:
    """The machine that a run has measured for all of its benchmarks.

    Raises:
        ValueError: the file holds something else.
    """
    try:
        return Machine(**json.loads(path.read_text()))
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(f"bench: machine must be a file that measure wrote; got {error}") from None
