"""What the device and the way to it cost by themselves: copies, launches, replays of a graph, calls from Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from strop import _backend, ops

from . import timing
from .place import Place

GRAPHS = (1, 2, 4, 8)  # launches in a graph
IN_L2 = (8, 16, 32)  # MB touched by a copy


def copy_bandwidth(place: Place, budget: float) -> dict[str, Any]:
    """GB/s of a copy of 1 GB within the device, read and written counted."""
    count = 1003 if place.simulated else 1 << 28
    source, target = place.random((count,)), place.zeros((count,))

    def copy() -> None:
        target[...] = source

    found = timing.warm(place, copy, budget)
    return {"copy_gb_s": round(8 * count / found["us"] / 1e3, 1), "copy": found}


def l2_bandwidth(place: Place, budget: float) -> dict[str, Any]:
    """GB/s of a copy that stays in the second-level cache, by MB touched; and of a sum that reads so many."""
    rows: dict[str, Any] = {}
    for megabytes in IN_L2:
        count = 1003 if place.simulated else megabytes << 17
        source, target = place.random((count,)), place.zeros((count,))

        def copy(source: Any = source, target: Any = target) -> None:
            target[...] = source

        found = timing.warm(place, copy, budget / len(IN_L2))
        rows[str(megabytes)] = round(8 * count / found["us"] / 1e3, 1)
    return {"l2_copy_gb_s": rows}


def _tiny(place: Place) -> Callable[[], None]:
    param, grad = place.random((1,)), place.random((1,))
    return lambda: ops.sgd_step(param=param, grad=grad, learning_rate=0.1)


def launches(place: Place, budget: float) -> dict[str, Any]:
    """Microseconds of calls that do next to nothing: the host's part, by way of the call; and CuPy's own."""
    param, grad = place.random((1,)), place.random((1,))
    module = _backend.kernels("sgd_step", param)
    ways = {
        "ops": _tiny(place),
        "binding": lambda: module.sgd_step(param, grad, learning_rate=0.1),
        "cupy": lambda: place.cupy.add(param, grad, out=param),
    }
    if place.torch is not None:
        tensor, other = place.to_torch(param), place.to_torch(grad)
        ways["torch"] = lambda: tensor.add_(other)
    return {"call_us": {n: timing.calls(place, c, budget / len(ways))["us"] for n, c in ways.items()}}


def replays(place: Place, budget: float) -> dict[str, Any]:
    """Microseconds of a graph of so many launches: on the device, and by the host's clock."""
    call = _tiny(place)
    on_device, by_host = {}, {}
    for count in GRAPHS:

        def several(count: int = count) -> None:
            for _ in range(count):
                call()

        graph = place.replay(several)
        on_device[str(count)] = timing.warm(place, graph, budget / 8)["us"]
        by_host[str(count)] = timing.calls(place, graph, budget / 8)["us"]
    first, last = str(GRAPHS[0]), str(GRAPHS[-1])
    each = (on_device[last] - on_device[first]) / (GRAPHS[-1] - GRAPHS[0])
    return {"graph_us": on_device, "graph_host_us": by_host, "launch_in_graph_us": round(each, 3)}


COSTS = {"copy": copy_bandwidth, "l2": l2_bandwidth, "launches": launches, "replays": replays}
