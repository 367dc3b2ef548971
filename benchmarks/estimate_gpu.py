"""Predicted times of every line of `make gpu-check`, ours and the peers', from bytes, operations and launches.

`python benchmarks/estimate_gpu.py` writes docs/gpu-estimates.md. Nothing here was measured on a GPU: the constants are
assumptions, each with where it comes from, and a prediction may be off by a factor of two. `make gpu-check` measures.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from on_gpu.table import LINES, RATES, REAL, UNIQUE, Line, Size, V
from on_gpu.verdict import floor_us

DOCS = Path(__file__).parents[1] / "docs" / "gpu-estimates.md"

#: Bytes a second: of a copy in memory, and from the second-level cache.
MEMORY = {"H100": 3.0e12, "H200": 4.3e12}
L2 = 5.5e12

#: name: (microseconds or a share, what it is and where it comes from)
CONSTANTS = {
    "launch": (1.3, "us a kernel takes beside its work inside a graph or a full queue; published for H100"),
    "replay": (5.0, "us of the host for a replay of a graph; 2.5 to 10 are published"),
    "strop call": (
        8.0,
        "us of the host for one op of ours: arguments of CuPy arrays read one by one; assumed",
    ),
    "torch launch": (8.0, "us of the host for a launch by eager torch; 300 to 500 us for a step of 40 to 60"),
    "jax call": (40.0, "us of the host for a call of a jitted function with several arrays; assumed"),
    "graph turn": (
        60,
        "us between two graphs of fit, while the device waits for the host: places copied, the batches gathered, "
        "losses and outputs fetched; assumed",
    ),
    "loads a kernel": (3, "loads in a row that a small kernel of a step waits for; assumed"),
    "stream": (0.93, "share of the copy bandwidth that a kernel of ours reaches on long arrays; the target"),
    "peer stream": (0.88, "the same of torch's fused and eager kernels; 0.85 to 0.92 assumed"),
    "compiled stream": (0.92, "the same of compiled kernels; assumed"),
    "one processor": (80e3, "bytes a microsecond that one multiprocessor can move; assumed"),
    "gather": (0.6, "share of the cache's bandwidth that a gather of short rows reaches; the target"),
    "dependent load": (
        0.1,
        "us between two loads of one thread that wait for each other, cache hit; assumed",
    ),
    "atomic": (0.001, "us an atomic takes that another one to its address waits for; assumed"),
    "product": (0.8, "share of the arithmetic peak that large products reach by cuBLASLt; assumed"),
    "sort passes": (3, "passes of 8 bits over keys of the text model: 17 bits of a row"),
    "sort launches": (
        10,
        "of CUB's radix sort: 2 clears, a histogram, its sum, and for each pass a clear and a kernel",
    ),
}


def constant(name: str) -> float:
    return float(CONSTANTS[name][0])


@dataclass(frozen=True)
class Work:
    """What a contender does for a line.

    `memory` and `cached` are bytes from memory and from the second-level cache, `serial` loads of one thread in a row,
    `blocks` those of the grid if they are fewer than the multiprocessors, `host` microseconds of the host where calls
    are not replayed, `adds` those of atomics to the busiest address, `idle` microseconds in which the device waits.
    """

    memory: float
    launches: int = 1
    cached: float = 0.0
    flops: float = 0.0
    rate: str = "fp32"
    serial: float = 0.0
    share: str = "stream"
    host: float = 0.0
    blocks: float = math.inf
    adds: float = 0.0
    idle: float = 0.0

    def microseconds(self, device: str, takes: str) -> float:
        """On a device: launches, then bytes or operations; for calls in a row the host's time where that is more."""
        bandwidth = min(constant(self.share) * MEMORY[device], self.blocks * constant("one processor") * 1e6)
        moved = self.memory / bandwidth + self.cached / (constant("gather") * L2)
        operations = self.flops / (constant("product") * RATES[self.rate])
        own = (
            max(moved, operations) * 1e6
            + self.serial * constant("dependent load")
            + self.adds * constant("atomic")
            + self.idle
        )
        total = own + self.launches * constant("launch")
        return max(total, self.host) if takes == "calls" else total


def eager(launches: int) -> float:
    return launches * constant("torch launch")


def per(n_bytes: float, launches: int, share: str = "peer stream") -> Callable[[Size], Work]:
    """Bytes for each of `n` elements."""
    return lambda s: Work(n_bytes * s["n"], launches, share=share, host=eager(launches))


def tokens(s: Size) -> float:
    return float(s["batch"] * s["length"])


def unique(s: Size) -> float:
    return float(UNIQUE[s["batch"]])


def dense_adam(s: Size) -> float:
    """Bytes of Adam over the whole table and of a gradient of zeros that is filled first."""
    return 32.0 * s["rows"] * s["width"]


# ---- what each contender does, by kernel ---------------------------------------


def torch_fused(s: Size) -> Work:
    """A block for 65,536 parameters: 22 of them for the text model's table."""
    return Work(28.0 * s["n"], share="peer stream", host=eager(4), blocks=math.ceil(s["n"] / 65_536))


def our_bag(s: Size) -> Work:
    memory, cached = 4 * tokens(s) + 4 * s["width"] * s["batch"], 4 * s["width"] * REAL * tokens(s)
    return Work(memory, 1, cached, host=constant("strop call"))


def torch_bag(s: Size) -> Work:
    """A thread for a feature of a bag, token after token; 8 bytes a token of offset2bag are written."""
    return Work(
        12 * tokens(s), 3, 4 * s["width"] * tokens(s), serial=s["length"], share="peer stream", host=eager(3)
    )


def our_plan(s: Size) -> Work:
    """Where tokens are few, one launch whose blocks of 512 rows each read all ids.

    Else keys of all slots, sorted by the bits of the row, padding last, and the unique rows written: 8 bytes for the
    keys, 4 for the histogram, 8 a pass, 8 for the rows.
    """
    readers = math.ceil(s["rows"] / 512)
    if tokens(s) < 1 << 16 and readers * tokens(s) <= 6 << 20:
        return Work(8 * tokens(s), 1, 4 * readers * tokens(s))
    return Work((20 + 8 * constant("sort passes")) * tokens(s), 3 + int(constant("sort launches")))


def sum_launches(s: Size) -> int:
    """Of the gradient per row; the last block puts few chunks of 256 ids together."""
    return 1 if tokens(s) <= 64 * 256 else 2


def our_update(s: Size) -> Work:
    """A plan, a sum per row over its tokens, Adam of the unique rows, which reads that sum again."""
    plan = our_plan(s)
    memory = plan.memory + 4 * REAL * tokens(s) + 32 * s["width"] * unique(s)
    cached = plan.cached + 4 * s["width"] * REAL * tokens(s)
    return Work(memory, plan.launches + sum_launches(s) + 1, cached, host=2 * constant("strop call"))


def torch_update(s: Size) -> Work:
    """Keys and values of 64 bits, sorted over all bits; a dense gradient; Adam over the whole table."""
    return Work(
        264 * tokens(s) + dense_adam(s), 12, 8 * s["width"] * tokens(s), share="peer stream", host=eager(12)
    )


def step_launches(s: Size) -> dict[str, int]:
    """The nodes of a graph for each step of the review model, as tests/test_gpu_estimates.py counts them."""
    batch = s["batch"]
    nodes = {"row plan": our_plan(s).launches, "rows caught up": 1, "bag": 1}
    if batch <= 1024:  # of dense_chain.cu; several blocks share a ticket, which is cleared
        nodes["layers, loss and gradients"] = 1 if batch <= 32 else 2
    else:
        nodes |= {"layers": 2, "loss": 1 if batch <= 4096 else 2, "gradients": 4}
    return nodes | {
        "gradient per row": sum_launches(s),
        "rows stepped": 1,
        "numbers": 1,
        "other parameters": 1,
    }


#: For each graph: places copied, samples and targets gathered, losses and outputs collected.
GRAPH_LAUNCHES = 5


def steps_of_graph(s: Size) -> float:
    """Steps for each launch of a graph over an epoch, as `training/graph.py` cuts it."""
    batches = steps = s["samples"] // s["batch"]
    launches = 0
    for count in (64, 8, 1):
        if count == 1 or count * s["batch"] * (4 * s["length"] + 4) <= 1 << 28:
            launches += steps // count
            steps %= count
    return batches / launches


def our_step(s: Size) -> Work:
    """All launches of a step in one graph with those of its neighbours; ids are gathered, rows caught up."""
    bag, update = our_bag(s), our_update(s)
    launches = sum(step_launches(s).values())
    a_graph = steps_of_graph(s)
    memory = bag.memory + update.memory + 8 * tokens(s) + 24 * s["width"] * unique(s)
    return Work(
        memory,
        launches,
        bag.cached + update.cached,
        serial=launches * constant("loads a kernel"),
        idle=(constant("graph turn") + GRAPH_LAUNCHES * constant("launch")) / a_graph,
    )


def torch_step(s: Size, *, captured: bool) -> Work:
    bag, update = torch_bag(s), torch_update(s)
    launches = 32 if captured else 50
    host = constant("replay") + eager(2) if captured else eager(launches)
    memory, cached = bag.memory + update.memory, bag.cached + update.cached
    return Work(memory, launches, cached, serial=s["length"], share="peer stream", host=host)


def jax_step(s: Size) -> Work:
    """Gather and mean in one kernel, a scatter by atomics, padding's to one row, Adam over the whole table."""
    memory, adds = 4 * tokens(s) + dense_adam(s), (1 - REAL) * tokens(s)
    return Work(
        memory, 20, 8 * s["width"] * tokens(s), share="compiled stream", host=constant("jax call"), adds=adds
    )


def product(s: Size, *, launches: int, extra: float = 0.0, share: str = "stream", host: float = 0.0) -> Work:
    m, n, k = s["m"], s["n"], s["k"]
    memory = 4.0 * (m * k + k * n + m * n) + extra * m * n
    return Work(
        memory, launches, flops=2.0 * m * n * k, rate=s["precision"] or "fp32", share=share, host=host
    )


def sparse_adam(s: Size) -> Work:
    """torch's: about ten sparse and indexed operations, each reading and writing rows."""
    return Work(120.0 * s["width"] * s["count"], 20, share="peer stream", host=eager(20))


Contenders = dict[str, Callable[[Size], Work]]

CONTENDERS: dict[str, Contenders] = {
    "adam": {"strop": per(28, 1, "stream"), "torch fused": torch_fused},
    "sgd": {
        "strop": lambda s: Work((20.0 if s["momentum"] else 12.0) * s["n"]),
        "torch fused": lambda s: Work((20.0 if s["momentum"] else 12.0) * s["n"], share="peer stream"),
    },
    "lookup": {
        "strop": lambda s: Work(lookup_bytes(s), cached=cached_rows(s)),
        "torch": lambda s: Work(
            lookup_bytes(s) + 4 * s["tokens"], cached=cached_rows(s), share="peer stream"
        ),
        "cupy": lambda s: Work(lookup_bytes(s) + 4 * s["tokens"], cached=cached_rows(s), share="peer stream"),
    },
    "bag_forward": {"strop": our_bag, "torch": torch_bag},
    "bag_update": {"strop": our_update, "torch": torch_update},
    "row_adam": {
        "strop": lambda s: Work(s["count"] * (28.0 * s["width"] + 8)),
        "torch sparse": sparse_adam,
    },
    "deferred": {
        "strop": lambda s: Work(s["count"] * (28.0 * s["width"] + 24), 2, 24.0 * s["width"] * s["count"]),
        "torch fused": lambda s: torch_fused({"n": s["rows"] * s["width"]}),
    },
    "pointwise_loss": {
        "strop": per(12, 2, "stream"),
        "torch": per(36, 5),
        "torch compiled": per(12, 3, "compiled stream"),
    },
    "cross_entropy": {
        "strop": lambda s: Work(8.0 * s["n"] * s["classes"], 2),
        "torch": lambda s: Work(24.0 * s["n"] * s["classes"], 5, share="peer stream"),
        "torch compiled": lambda s: Work(12.0 * s["n"] * s["classes"], 4, share="compiled stream"),
    },
    "matmul": {
        "strop": lambda s: product(s, launches=1, host=constant("strop call")),
        "torch": lambda s: product(s, launches=2, extra=8.0, share="peer stream", host=eager(2)),
    },
    "step": {
        "strop": our_step,
        "torch": lambda s: torch_step(s, captured=False),
        "torch compiled": lambda s: torch_step(s, captured=True),
        "jax": jax_step,
    },
}


def in_cache(s: Size) -> bool:
    return bool(4 * s["rows"] * s["width"] < 30e6)


def lookup_bytes(s: Size) -> float:
    return s["tokens"] * ((4.0 if in_cache(s) else 8.0) * s["width"] + 4)


def cached_rows(s: Size) -> float:
    return 4.0 * s["tokens"] * s["width"] if in_cache(s) else 0.0


# ---- the page ------------------------------------------------------------------


def predicted(line: Line, device: str) -> dict[str, float]:
    """Microseconds by contender."""
    return {
        name: work(line.size).microseconds(device, line.takes)
        for name, work in CONTENDERS[line.kernel].items()
    }


def short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}" if value < 10 else f"{value:.0f}"


def row(line: Line, device: str) -> str:
    times = predicted(line, device)
    ours = times["strop"]
    floor = floor_us(line, line.size, MEMORY[device] / 1e9, L2 / 1e9)
    work = CONTENDERS[line.kernel]["strop"](line.size)
    peers = [f"{name} {short(us)} ({us / ours:.2g}x)" for name, us in times.items() if name != "strop"]
    goals = []
    for target in line.targets:
        reached = floor / ours if target.against == "floor" else times.get(target.against, 0.0) / ours
        word = "not predicted" if reached == 0 else "yes" if reached >= target.least else "no"
        goals.append(f"{target.against} {target.least:g}: {word}")
    cells = [
        line.what,
        f"{(work.memory + work.cached) / 1e6:,.3g}",
        str(work.launches),
        short(floor),
        short(ours),
        ", ".join(peers),
        "; ".join(goals),
    ]
    return "| " + " | ".join(cells) + " |"


def page() -> str:
    text = [
        "# Predicted times on a GPU",
        "",
        "Written by `benchmarks/estimate_gpu.py`. **No GPU has given any of these figures.** They follow from bytes,",
        "operations and launches by the constants below and may be off by a factor of two; `make gpu-check` measures",
        "the same lines.",
        "",
        "A time is launches x `launch` + bytes / (share x bandwidth), or operations if those take longer, + loads in",
        f"a row x `dependent load`. The table of the text model has {V:,} rows; a share of {REAL} of a review's ids is",
        "no padding. Small calls from Python in a row cost at least the host's time.",
        "",
        "| constant | value | what |",
        "| --- | --- | --- |",
        *(f"| {name} | {value:g} | {what} |" for name, (value, what) in CONSTANTS.items()),
        *(f"| memory of an {name} | {rate / 1e12:g} TB/s | of a copy |" for name, rate in MEMORY.items()),
        f"| second-level cache | {L2 / 1e12:g} TB/s | the least of the published figures |",
        *(f"| {name} products | {rate / 1e12:g} TFLOP/s | peak |" for name, rate in RATES.items()),
    ]
    for device in MEMORY:
        text += [
            "",
            f"## {device}, predicted",
            "",
            "| line | MB | launches | floor, us | strop, us | peers, us | targets |",
            "| --- | --- | --- | --- | --- | --- | --- |",
            *(row(line, device) for line in LINES),
        ]
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    DOCS.write_text(page())
