"""How a figure is taken.

`device`: a pair of events around each call, after 2 GB were written, which empties the caches and lets the host run
ahead: the median is what the device takes, cold. Where the working set is four times L2 or more, nothing is in the
caches anyhow. `warm`: the same without the write, many calls between two events. `calls`: the host's clock around many
calls in a row and one wait, which is what a program sees; for small work that is the host's time.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from .place import Place

WARM_UP = 3
WINDOW = 2e-3  # seconds between two marks, at least, where several calls stand between them
LEAST, MOST = 7, 100


def figures(seconds: list[float]) -> dict[str, float]:
    """Median, first and ninth tenth, in microseconds.

    Example:
        >>> figures([3e-6, 1e-6, 2e-6])
        {'us': 2.0, 'low_us': 1.0, 'high_us': 3.0, 'count': 3}
    """
    ordered = sorted(seconds)
    tenth = len(ordered) // 10
    return {
        "us": round(statistics.median(ordered) * 1e6, 3),
        "low_us": round(ordered[tenth] * 1e6, 3),
        "high_us": round(ordered[-1 - tenth] * 1e6, 3),
        "count": len(ordered),
    }


def _first(place: Place, call: Callable[[], Any]) -> float:
    """Seconds of a call when all is compiled and allocated."""
    for _ in range(WARM_UP):
        call()
    place.synchronize()
    start = time.perf_counter()
    call()
    place.synchronize()
    return max(time.perf_counter() - start, 1e-7)


def _repeats(once: float, budget: float) -> int:
    return max(LEAST, min(MOST, int(budget / once)))


def device(place: Place, call: Callable[[], Any], budget: float) -> dict[str, float]:
    """Seconds on the device alone, caches empty."""
    once = _first(place, call) + 1e-3  # the write
    marks = []
    for _ in range(_repeats(once, budget)):
        place.flush()
        begin = place.mark()
        call()
        marks.append((begin, place.mark()))
    place.synchronize()
    return figures([place.between(*pair) for pair in marks])


def warm(place: Place, call: Callable[[], Any], budget: float) -> dict[str, float]:
    """Seconds a call between events around many."""
    once = _first(place, call)
    each = max(1, min(1000, int(WINDOW / once)))
    marks = []
    for _ in range(_repeats(once * each, budget)):
        begin = place.mark()
        for _ in range(each):
            call()
        marks.append((begin, place.mark()))
    place.synchronize()
    return figures([place.between(*pair) / each for pair in marks])


def calls(place: Place, call: Callable[[], Any], budget: float) -> dict[str, float]:
    """Seconds of a call by the host's clock, many in a row and one wait."""
    once = _first(place, call)
    each = max(1, min(1000, int(5 * WINDOW / once)))
    found = []
    for _ in range(_repeats(once * each, budget)):
        start = time.perf_counter()
        for _ in range(each):
            call()
        place.synchronize()
        found.append((time.perf_counter() - start) / each)
    return figures(found)


WAYS = {"device": device, "warm": warm, "calls": calls}
