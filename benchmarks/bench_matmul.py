"""Matrix products against NumPy's OpenBLAS and torch: cubes, layers forward and backward, public shapes.

All public shapes take minutes: `--slice 2/8` times every eighth case from the third on and adds its rows to
those that the same commit has written on the same machine. Every public shape that a peer wins is listed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from common import Report, finish, options, peer, shapes
from strop import ops
from strop.bench.report import Row, geometric_mean

MOST_FLOPS = 1e10
MOST_BYTES = 2e9
PUBLIC = "public "

Shape = tuple[int, int, int]  # M, N, K


def uniform(rng, shape: tuple[int, ...], dtype=np.float32) -> np.ndarray:
    return rng.random(shape, dtype=dtype) - dtype(0.5)


def right(out: np.ndarray, a: np.ndarray, b: np.ndarray) -> bool:
    """Three rows against float64, within the roundings of their terms."""
    rows = [0, len(a) // 2, len(a) - 1]
    part, whole = a[rows].astype(np.float64), b.astype(np.float64)
    bound = (b.shape[0] + 2) * np.finfo(out.dtype).eps * (np.abs(part) @ np.abs(whole))
    return bool((np.abs(out[rows] - part @ whole) <= bound).all())


def product(report: Report, name: str, shape: Shape, flags: str = "NN", dtype=np.float32) -> None:
    """The bare product; a T in `flags` says that an operand is stored transposed."""
    rng = np.random.default_rng(0)
    m, n, k = shape
    transpose_a, transpose_b = (flag == "T" for flag in flags)
    a = uniform(rng, (k, m) if transpose_a else (m, k), dtype)
    b = uniform(rng, (n, k) if transpose_b else (k, n), dtype)
    out, theirs = np.empty((m, n), dtype), np.empty((m, n), dtype)
    left, right_side = (a.T if transpose_a else a), (b.T if transpose_b else b)

    def strop() -> None:
        ops.matmul(a, b, transpose_a=transpose_a, transpose_b=transpose_b, out=out)

    strop()
    assert right(out, left, right_side), f"matmul gives wrong numbers for {name}"
    calls = {"strop": strop, "numpy": lambda: np.matmul(left, right_side, out=theirs)}
    if torch := peer("torch"):
        x, y, z = (torch.from_numpy(array) for array in (a, b, np.empty_like(out)))
        x, y = (x.T if transpose_a else x), (y.T if transpose_b else y)
        calls["torch"] = lambda: torch.mm(x, y, out=z)
    moved = float(a.nbytes + b.nbytes + out.nbytes)
    report.compare(name, calls, flops=2.0 * m * n * k, moved=moved, itemsize=out.itemsize)


def fused(report: Report, name: str, shape: Shape, activation: str) -> None:
    """Bias and activation within the product, beside the bare product: what they cost."""
    rng = np.random.default_rng(0)
    m, n, k = shape
    x, weight, bias = uniform(rng, (m, k)), uniform(rng, (k, n)), uniform(rng, (n,))
    out, bare = np.empty((m, n), np.float32), np.empty((m, n), np.float32)
    calls = {
        "strop": lambda: ops.matmul(x, weight, bias=bias, activation=activation, out=out),
        "bare product": lambda: ops.matmul(x, weight, out=bare),
    }
    report.compare(f"{activation} {name}", calls, flops=2.0 * m * n * k)


def backward(report: Report, name: str, shape: Shape) -> None:
    """All gradients of relu(x weight + bias), against torch's autograd of Linear and relu."""
    rng = np.random.default_rng(0)
    m, n, k = shape
    x, weight, bias, grad = (uniform(rng, size) for size in ((m, k), (k, n), (n,), (m, n)))
    y = ops.matmul(x, weight, bias=bias, activation="relu")

    def strop() -> tuple[np.ndarray | None, ...]:
        return ops.matmul_backward(grad, x, weight, output=y, activation="relu", bias=True)

    calls: dict[str, Callable[[], object]] = {"strop": strop}
    if torch := peer("torch"):
        leaves = [torch.from_numpy(array).requires_grad_() for array in (x, weight.T.copy(), bias)]
        out, upstream = torch.relu(torch.nn.functional.linear(*leaves)), torch.from_numpy(grad)
        calls["torch autograd"] = lambda: torch.autograd.grad(out, leaves, upstream, retain_graph=True)
    dz = np.where(y > 0, grad, 0)
    grad_a, grad_b, _ = strop()
    assert grad_a is not None
    assert grad_b is not None
    assert right(grad_a, dz, weight.T), f"matmul_backward gives wrong numbers for {name}"
    assert right(grad_b, x.T, dz), f"matmul_backward gives wrong numbers for {name}"
    report.compare(f"backward {name}", calls, flops=4.0 * m * n * k)


def public_shapes() -> list[tuple[Shape, str]]:
    """The distinct shapes of the public lists that are small enough to repeat."""
    found: dict[tuple[Shape, str], None] = {}
    for s in shapes("gemm"):
        m, n, k = s["m"], s["n"], s["k"]
        if 2.0 * m * n * k <= MOST_FLOPS and 4.0 * max(m * k, k * n, m * n) <= MOST_BYTES:
            found[(m, n, k), "NT"[s["ta"]] + "NT"[s["tb"]]] = None
    return list(found)


def cases(report: Report) -> list[tuple[Callable[..., None], tuple[object, ...]]]:
    """Every case as a function and what it takes after the report."""
    from cases.matmul import BENCH, LAYERS, MODEL

    found: list[tuple[Callable[..., None], tuple[object, ...]]] = []
    for shape in [*report.cases(BENCH, quick=2), *report.cases(MODEL)]:
        found.append((product, ("x".join(map(str, shape)), shape)))
    for flags in ("TN", "NT", "TT"):
        for size in report.cases((32, 256, 1024)):
            found.append((product, (f"{size}^3 {flags}", (size, size, size), flags)))
    for size in report.cases((64, 256, 1024)):
        found.append((product, (f"float64 {size}^3", (size, size, size), "NN", np.float64)))
    for shape in report.cases(LAYERS):
        name = "x".join(map(str, shape))
        found.append((fused, (name, shape, "relu")))
        found.append((backward, (name, shape)))
    for shape, flags in public_shapes():
        name = "x".join(map(str, shape)) + " " + flags
        found.append((product, (PUBLIC + name, shape, flags)))
    return found


def earlier_rows(report: Report, path: Path) -> list[Row]:
    """The rows of the slices before, if they tell of this commit on this machine."""
    if not path.exists():
        return []
    content = json.loads(path.read_text())
    same = all(content["machine"].get(key) == report.machine[key] for key in ("commit", "processor", "isa"))
    new = {row["case"] for row in report.rows}
    return [row for row in content["rows"] if row["case"] not in new] if same else []


def summary(rows: list[Row]) -> None:
    """How the public shapes stand, and those that a peer wins."""
    public = [row for row in rows if row["case"].startswith(PUBLIC) and "ratio" in row]
    if not public:
        return
    ratios = [row["ratio"] for row in public]
    lost = sorted((row for row in public if row["ratio"] < 1), key=lambda row: row["ratio"])
    print(f"\n  public shapes: {len(ratios)}, geometric mean {geometric_mean(ratios):.2f}", end="")
    print(f", won {1 - len(lost) / len(ratios):.0%}, least {min(ratios):.2f}")
    for row in lost:
        print(f"  lost: {row['case'].removeprefix(PUBLIC):<28}{row['ratio']:.2f}x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slice", default="0/1", metavar="I/N", help="every Nth case from the Ith on")
    first, step = map(int, options(parser, __file__).slice.split("/"))
    report = Report("matmul")
    for run, arguments in cases(report)[first::step]:
        run(report, *arguments)
    if step > 1:
        report.rows += earlier_rows(report, report.settings.output / "matmul.json")
    summary(report.rows)
    finish(report)


if __name__ == "__main__":
    main()
