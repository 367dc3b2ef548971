"""Take the figures: `python -m on_gpu --results FILE [--simulate] [--seconds S] [NAME ...]`.

Each result is a line of JSON, written as it comes: what was begun and not ended broke the process. `gpu_check.py`
starts this again with what is left.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import losses, optimizers, products, steps, tables, timing
from .costs import COSTS
from .place import Place, SimulatedPlace
from .prepared import Prepared
from .table import LINES, Line
from .verdict import all_names

MAKE: dict[str, Callable[..., Prepared]] = {
    "adam": optimizers.adam,
    "sgd": optimizers.sgd,
    "row_adam": optimizers.row_adam,
    "deferred": optimizers.deferred,
    "lookup": tables.lookup,
    "bag_forward": tables.bag_forward,
    "bag_update": tables.bag_update,
    "pointwise_loss": losses.pointwise_loss,
    "cross_entropy": losses.cross_entropy,
    "matmul": products.matmul,
    "step": steps.step,
}


def figure(place: Place, line: Line, way: str, name: str, call: Any, budget: float) -> dict[str, Any]:
    """One contender's time. JAX has its own streams, so the host's clock takes it, over many calls."""
    if hasattr(call, "seconds"):
        return {**timing.figures(call.seconds(budget)), "way": "epochs"}
    used = "calls" if name == "jax" else way
    return {**timing.WAYS[used](place, call, budget), "way": used}


def run_line(place: Place, line: Line, seconds: float) -> dict[str, Any]:
    size = line.tiny if place.simulated else line.size
    prepared = MAKE[line.kernel](place, **size)
    prepared.check()
    contenders = {"strop": prepared.ours, **prepared.peers}
    moved = line.moved(size) + line.from_l2(size)
    in_l2 = not place.simulated and moved < 4 * place.about()["l2_mb"] * 1e6
    ways = [line.takes] + (["calls" if line.takes == "device" else "device"] if in_l2 else [])
    each = seconds / len(contenders) / len(ways)
    figures = {w: {n: figure(place, line, w, n, c, each) for n, c in contenders.items()} for w in ways}
    return {
        "size": size,
        "moved": moved,
        "in_l2": in_l2,
        "ways": figures,
        "note": prepared.note,
        "failed": prepared.failed,
    }


def results_of(place: Place, names: list[str], seconds: float) -> Any:
    """Name after name: first that it begins, then what it gave."""
    kept: dict[str, Callable[[], dict[str, Any]]] = {
        f"cost:{name}": lambda cost=cost: cost(place, seconds) for name, cost in COSTS.items()
    } | {line.name: lambda line=line: run_line(place, line, seconds) for line in LINES}
    for name in names or all_names():
        yield {"name": name, "begin": True}
        start = time.perf_counter()
        try:
            found = kept[name]()
        except Exception as error:
            traceback.print_exc()
            found = {"error": f"{type(error).__name__}: {error}"[:1000]}
        yield {"name": name, "took_s": round(time.perf_counter() - start, 2), **found}
        gc.collect()
        place.give_back()


def summary(row: dict[str, Any]) -> str:
    """A result in a line of text."""
    if "error" in row:
        return str(row["error"])
    if "ways" in row:
        way, figures = next(iter(row["ways"].items()))
        return way + ": " + ", ".join(f"{name} {each['us']:,.1f} us" for name, each in figures.items())
    return ", ".join(f"{key} {value}" for key, value in row.items() if key not in ("name", "copy"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="on_gpu", description=__doc__.splitlines()[0])
    parser.add_argument(
        "names", nargs="*", help="costs as cost:copy, lines as adam-134M; all of them by default"
    )
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--simulate", action="store_true", help="tiny sizes on the kernels as fibres")
    parser.add_argument(
        "--seconds", type=float, default=1.5, help="of timing for a line, all contenders together"
    )
    parser.add_argument("--no-peers", action="store_true")
    options = parser.parse_args()
    place = (SimulatedPlace if options.simulate else Place)(peers=not options.no_peers)
    with options.results.open("a") as file:

        def write(row: dict[str, Any]) -> None:
            file.write(json.dumps(row) + "\n")
            file.flush()
            if "begin" not in row:
                print(f"  {row['name']}: {summary(row)}", flush=True)

        write({"name": "about", "about": place.about()})
        for row in results_of(place, options.names, options.seconds):
            write(row)


if __name__ == "__main__":
    main()
