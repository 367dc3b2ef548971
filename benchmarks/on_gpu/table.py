"""The lines: what is computed at which size, what it moves, what it must show. Nothing here needs a GPU.

A size is what the line's function takes; `tiny` is the same for a simulated device. Bytes are those that must be moved
at least, as in the floors; `from_l2` are those of them that the second-level cache can give.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Size = dict[str, Any]

#: Words of the text model's table, values of a row, ids of a review; the share of ids that are no padding.
V, D, T, REAL = 88_587, 16, 500, 0.445
#: Different words in a batch of so many reviews, by Zipf's law.
UNIQUE = {32: 3_552, 128: 10_600, 512: 28_300, 2048: 59_400, 8192: 85_000}


@dataclass(frozen=True)
class Target:
    """`value` is a ratio: the peer's time by ours, or the floor's (`"floor"`)."""

    against: str
    least: float


@dataclass(frozen=True)
class Line:
    """One figure.

    `takes` says how it is timed: `"device"` is the time on the device alone, `"calls"` that of calls in a row, as a
    program makes them, which for small work is the host's.
    """

    name: str
    kernel: str
    what: str
    size: Size
    tiny: Size
    moved: Callable[[Size], float]
    targets: tuple[Target, ...]
    takes: str = "device"
    from_l2: Callable[[Size], float] = lambda size: 0.0
    flops: Callable[[Size], float] = lambda size: 0.0
    rate: str = "fp32"


def targets(**least: float) -> tuple[Target, ...]:
    """`torch_fused=1.03` as a target against `torch fused`."""
    return tuple(Target(name.replace("_", " "), value) for name, value in least.items())


def _tokens(size: Size) -> float:
    return float(size["batch"] * size.get("length", T))


def _bag_moved(size: Size) -> float:
    """Ids of 4 bytes, and a row for each bag."""
    return 4 * _tokens(size) + 4.0 * size["width"] * size["batch"]


def _bag_rows(size: Size) -> float:
    return 4.0 * size["width"] * REAL * _tokens(size)


def _update_moved(size: Size) -> float:
    """Keys sorted, 28 bytes each, and parameter and moments of the unique rows read and written."""
    rows = UNIQUE.get(size["batch"], size["batch"])
    return 28 * REAL * _tokens(size) + 24.0 * size["width"] * rows


def _bag(batch: int, name: str, what: str, least: tuple[Target, ...], **more: Any) -> Line:
    size = {"batch": batch, "length": T, "width": D, "rows": V}
    tiny = {"batch": 3, "length": 20, "width": D, "rows": 50}
    kernel = more.pop("kernel", "bag_forward")
    moved = _bag_moved if kernel == "bag_forward" else _update_moved
    return Line(name, kernel, what, size, tiny, moved, least, from_l2=_bag_rows, **more)


def _product(name: str, what: str, m: int, n: int, k: int, least: tuple[Target, ...], **more: Any) -> Line:
    settings = {name: more.pop(name, None) for name in ("activation", "precision")}
    size = {"m": m, "n": n, "k": k, **settings}
    tiny = {**size, "m": min(m, 9), "n": min(n, 17), "k": min(k, 16)}
    return Line(
        name,
        "matmul",
        what,
        size,
        tiny,
        lambda s: 4.0 * (s["m"] * s["k"] + s["k"] * s["n"] + s["m"] * s["n"]),
        least,
        flops=lambda s: 2.0 * s["m"] * s["n"] * s["k"],
        **more,
    )


def _step(batch: int, least: tuple[Target, ...]) -> Line:
    def moved(s: Size) -> float:
        return 4 * _tokens(s) + _update_moved(s)

    size = {"batch": batch, "length": T, "width": D, "rows": V, "samples": max(25_000, 32 * batch)}
    tiny = {"batch": 4, "length": 12, "width": D, "rows": 60, "samples": 16}
    return Line(
        f"step-{batch}",
        "step",
        f"training step of the review model, batch {batch}",
        size,
        tiny,
        moved,
        least,
        takes="calls",
        from_l2=lambda s: 2 * 4.0 * D * REAL * _tokens(s),
    )


def _elements(
    name: str, kernel: str, what: str, n: int, per: float, least: tuple[Target, ...], **more: Any
) -> Line:
    extra = more.pop("size", {})
    return Line(
        name, kernel, what, {"n": n, **extra}, {"n": 1003, **extra}, lambda s: per * s["n"], least, **more
    )


LINES: tuple[Line, ...] = (
    _elements(
        "adam-134M", "adam", "Adam, 134 M parameters", 1 << 27, 28, targets(torch_fused=1.03, floor=0.93)
    ),
    _elements(
        "adam-1.4M", "adam", "Adam, the text model's table, 1.4 M", V * D, 28, targets(torch_fused=2.0, floor=0.9)
    ),
    _elements(
        "sgd-134M",
        "sgd",
        "SGD, 134 M parameters",
        1 << 27,
        12,
        targets(torch_fused=1.03, floor=0.93),
        size={"momentum": 0.0},
    ),
    _elements(
        "momentum-134M",
        "sgd",
        "SGD with momentum, 134 M parameters",
        1 << 27,
        20,
        targets(torch_fused=1.03, floor=0.93),
        size={"momentum": 0.9},
    ),
    Line(
        "lookup-128",
        "lookup",
        "lookup of 1 M rows of 128",
        {"tokens": 1 << 20, "width": 128, "rows": 1 << 20},
        {"tokens": 65, "width": 128, "rows": 40},
        lambda s: s["tokens"] * (8.0 * s["width"] + 4),
        targets(torch=1.1, cupy=1.1, floor=0.9),
    ),
    Line(
        "lookup-16",
        "lookup",
        "lookup of 4.1 M rows of 16 in the text model's table",
        {"tokens": 8192 * T, "width": D, "rows": V},
        {"tokens": 65, "width": D, "rows": 40},
        lambda s: s["tokens"] * (4.0 * s["width"] + 4),
        targets(torch=1.5, floor=0.9),
        from_l2=lambda s: 4.0 * s["tokens"] * s["width"],
    ),
    _bag(8192, "bag-8192", "bag, forward, 8192 reviews", targets(torch=3.0, floor=0.6)),
    _bag(128, "bag-128", "bag, forward, 128 reviews", targets(torch=8.0)),
    _bag(32, "bag-32", "bag, forward, 32 reviews", targets(torch=8.0)),
    _bag(
        8192,
        "bag-update-8192",
        "bag, backward and Adam of its rows, 8192 reviews",
        targets(torch=5.0, floor=0.4),
        kernel="bag_update",
    ),
    _bag(
        128,
        "bag-update-128",
        "bag, backward and Adam of its rows, 128 reviews",
        targets(torch=10.0),
        kernel="bag_update",
        takes="calls",
    ),
    Line(
        "row-adam",
        "row_adam",
        "Adam of 1 M rows of 64 in a table of 2 M",
        {"count": 1 << 20, "width": 64, "rows": 1 << 21},
        {"count": 7, "width": 64, "rows": 20},
        lambda s: s["count"] * (28.0 * s["width"] + 8),
        targets(torch_sparse=4.0, floor=0.8),
    ),
    *(
        Line(
            f"deferred-{batch}",
            "deferred",
            f"exact deferred Adam of the rows of {batch} reviews",
            {"count": UNIQUE[batch], "width": D, "rows": V},
            {"count": 5, "width": D, "rows": 20},
            lambda s: s["count"] * (28.0 * s["width"] + 24),
            targets(torch_fused=3.0),
        )
        for batch in (32, 512)
    ),
    *(
        _elements(
            f"{name}-67M", "pointwise_loss", f"{text} with gradient, 67 M", 1 << 26, 12,
            targets(torch=2.5, torch_compiled=1.1, floor=0.92), size={"loss": name},
        )
        for name, text in (("mse", "mean squared error"), ("bce", "binary cross-entropy of logits"))
    ),
    Line(
        "cross-entropy",
        "cross_entropy",
        "softmax cross-entropy with gradient, 8192 rows of 50,257",
        {"n": 8192, "classes": 50_257},
        {"n": 3, "classes": 257},
        lambda s: 8.0 * s["n"] * s["classes"],
        targets(torch=2.0, torch_compiled=1.3, floor=0.85),
    ),
    _product("matmul-4096", "matmul with bias and relu, 4096 cubed, float32", 4096, 4096, 4096,
             targets(torch=1.0, floor=0.95), activation="relu"),
    _product("matmul-tf32", "matmul with bias and relu, 4096 cubed, tf32", 4096, 4096, 4096,
             targets(torch=1.0, floor=0.95), activation="relu", precision="tf32", rate="tf32"),
    _product("layer-32", "layer of the text model, 32 x 16 x 16, relu", 32, 16, 16,
             targets(torch=2.0), activation="relu", takes="calls"),
    _product("layer-8192", "layer of the text model, 8192 x 16 x 16, relu", 8192, 16, 16,
             targets(torch=2.0), activation="relu"),
    _step(32, targets(torch=30.0, torch_compiled=6.0, jax=6.0)),
    _step(128, targets(torch=8.0, torch_compiled=6.0)),
    _step(512, targets(torch=8.0, torch_compiled=6.0)),
    _step(2048, targets(torch=8.0, torch_compiled=6.0)),
    _step(8192, targets(torch=8.0, torch_compiled=6.0, floor=0.6)),
)  # fmt: skip

#: Operations a second, by what multiplies: of an H100 and an H200 alike.
RATES = {"fp32": 60e12, "tf32": 400e12, "bf16": 800e12}

#: Lines of the design's table that strop does not offer, and why.
ABSENT = {
    "matmul bf16": "arrays are float32 or float64: no bf16 in strop",
    "softmax cross-entropy bf16": "the same",
}


def named(name: str) -> Line:
    """The line of that name."""
    return next(line for line in LINES if line.name == name)
