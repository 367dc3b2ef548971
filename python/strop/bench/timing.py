"""Windows of repeated calls, taken in turn."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

Call = Callable[[], Any]

WINDOW = 0.0008  # seconds: shorter than a scheduler's slice, so that the best window is an undisturbed one

LEAST_WINDOWS = 5


def timed(call: Call, repeats: int) -> float:
    """Seconds of one call, the mean over `repeats` in a row.

    Example:
        >>> timed(lambda: None, 10) >= 0
        True
    """
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def best_of_windows(calls: Mapping[str, Call], seconds: float) -> dict[str, list[float]]:
    """Per call, the seconds of each of its windows; the calls take turns.

    Args:
        calls: what to time, by name.
        seconds: how long to go on, for all calls together; five windows of each are taken in any case.

    Example:
        >>> windows = best_of_windows({"a": lambda: None, "b": lambda: None}, 0.01)
        >>> min(len(times) for times in windows.values()) >= 5
        True
    """
    repeats = {}
    for name, call in calls.items():
        call()
        repeats[name] = max(1, int(WINDOW / max(timed(call, 1), 1e-9)))
    windows: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or min(map(len, windows.values())) < LEAST_WINDOWS:
        for name, call in calls.items():
            windows[name].append(timed(call, repeats[name]))
    return windows


def best_together(calls: list[Call], windows: int) -> float:
    """Seconds of the best window in which all calls ran at once, each on a thread of its own.

    Example:
        >>> best_together([lambda: None, lambda: None], 3) > 0
        True
    """
    barrier = threading.Barrier(len(calls))
    spans: list[list[tuple[float, float]]] = [[] for _ in calls]

    def run(place: int) -> None:
        calls[place]()
        for _ in range(windows):
            barrier.wait()
            begin = time.perf_counter()
            calls[place]()
            spans[place].append((begin, time.perf_counter()))

    workers = [threading.Thread(target=run, args=(i,)) for i in range(1, len(calls))]
    for worker in workers:
        worker.start()
    run(0)
    for worker in workers:
        worker.join()
    best = math.inf
    for window in zip(*spans, strict=True):
        begins, ends = zip(*window, strict=True)
        best = min(best, max(ends) - min(begins))
    return best
