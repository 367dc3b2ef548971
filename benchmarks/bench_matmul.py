"""Matrix products against NumPy's OpenBLAS and torch: cubes, the text model's layers, public shapes.

`STROP_BENCH_EVERY=5` takes every fifth public shape; the default is all that fit in ten seconds of
one core each.
"""

from __future__ import annotations

import os

import numpy as np

from common import Report, main, peer, shapes
from strop import ops

MOST_FLOPS = 4e11
MOST_BYTES = 2e9


def operands(rng, rows: int, columns: int, transposed: bool, dtype) -> np.ndarray:
    shape = (columns, rows) if transposed else (rows, columns)
    return rng.random(shape, dtype=dtype) - dtype(0.5)


def right(out: np.ndarray, a: np.ndarray, b: np.ndarray) -> bool:
    """Three rows against float64, within the roundings of their terms."""
    rows = [0, len(a) // 2, len(a) - 1]
    part, whole = a[rows].astype(np.float64), b.astype(np.float64)
    bound = (b.shape[0] + 2) * np.finfo(out.dtype).eps * (np.abs(part) @ np.abs(whole))
    return bool((np.abs(out[rows] - part @ whole) <= bound).all())


def compare(report: Report, rng, name: str, shape, transposes=(False, False), dtype=np.float32) -> None:
    m, n, k = shape
    transpose_a, transpose_b = transposes
    a = operands(rng, m, k, transpose_a, dtype)
    b = operands(rng, k, n, transpose_b, dtype)
    out, theirs = np.empty((m, n), dtype), np.empty((m, n), dtype)
    left, right_side = (a.T if transpose_a else a), (b.T if transpose_b else b)

    def strop() -> None:
        ops.matmul(a, b, transpose_a=transpose_a, transpose_b=transpose_b, out=out)

    strop()
    assert right(out, left, right_side), f"matmul gives wrong numbers for {shape}"
    calls = {"strop": strop, "numpy": lambda: np.matmul(left, right_side, out=theirs)}
    if torch := peer("torch"):
        x, y, z = (torch.from_numpy(array) for array in (a, b, np.empty_like(out)))
        x, y = (x.T if transpose_a else x), (y.T if transpose_b else y)
        calls["torch"] = lambda: torch.mm(x, y, out=z)
    moved = float(a.nbytes + b.nbytes + out.nbytes)
    report.compare(name, calls, flops=2.0 * m * n * k, moved=moved, itemsize=out.itemsize)


def public_shapes() -> list[tuple[tuple[int, int, int], tuple[bool, bool]]]:
    """The distinct shapes of the public lists that are small enough to repeat."""
    found = {}
    for s in shapes("gemm"):
        m, n, k = s["m"], s["n"], s["k"]
        if 2.0 * m * n * k <= MOST_FLOPS and 4.0 * max(m * k, k * n, m * n) <= MOST_BYTES:
            found[(m, n, k), (s["ta"], s["tb"])] = None
    return list(found)[:: int(os.environ.get("STROP_BENCH_EVERY", "1"))]


def run(report: Report) -> None:
    from cases.matmul import BENCH, MODEL

    rng = np.random.default_rng(0)
    for shape in [*report.cases(BENCH, quick=2), *report.cases(MODEL)]:
        compare(report, rng, "x".join(map(str, shape)), shape)
    for size in report.cases((64, 256, 1024)):
        compare(report, rng, f"float64 {size}^3", (size, size, size), dtype=np.float64)
    first = len(report.rows)
    for shape, transposes in public_shapes():
        name = "x".join(map(str, shape)) + " " + "".join("NT"[flag] for flag in transposes)
        compare(report, rng, name, shape, transposes)
    ratios = np.array([row["ratio"] for row in report.rows[first:]])
    if ratios.size:
        mean, won = np.exp(np.log(ratios).mean()), (ratios > 1).mean()
        print(
            f"  public shapes: {ratios.size}, geometric mean {mean:.2f}, won {won:.0%}, least {ratios.min():.2f}"
        )


if __name__ == "__main__":
    main(run, __file__)
