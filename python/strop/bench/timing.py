"""Windows of repeated calls, taken in turn."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

Call = Callable[[], Any]

WINDOW = 0.0008  # seconds: shorter than a scheduler's slice, so that the best window is an undisturbed one

ROUNDS = 3
LEAST = 2


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


def settle() -> None:
    """Wait until no thread of this process works, at most half a second.

    Threads of libgomp and OpenBLAS spin for 15 to 100 ms after their work; what is measured meanwhile has a core less.

    Example:
        >>> settle()
    """
    for _ in range(100):
        begin = time.process_time()
        time.sleep(0.005)
        if time.process_time() - begin < 0.0005:
            return


def best_of_windows(calls: Mapping[str, Call], seconds: float) -> dict[str, list[float]]:
    """Per call, the seconds of each of its windows; the calls take turns, a burst of windows each.

    Args:
        calls: what to time, by name.
        seconds: of windows, for all calls together; every call gets `ROUNDS` bursts of `LEAST` windows in any case.

    Example:
        >>> windows = best_of_windows({"a": lambda: None, "b": lambda: None}, 0.01)
        >>> min(len(times) for times in windows.values()) >= ROUNDS * LEAST
        True
    """
    repeats = {}
    for name, call in calls.items():
        call()
        repeats[name] = max(1, int(WINDOW / max(timed(call, 1), 1e-9)))
    windows: dict[str, list[float]] = {name: [] for name in calls}
    burst = seconds / len(calls) / ROUNDS
    for _ in range(ROUNDS):
        for name, call in calls.items():
            settle()
            end = time.perf_counter() + burst
            count = 0
            while count < LEAST or time.perf_counter() < end:
                windows[name].append(timed(call, repeats[name]))
                count += 1
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
