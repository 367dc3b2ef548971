"""Adam with moments of 16 and 8 bits against float32's: ns per parameter, bytes, and how far the update turns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from common import Report, main
from strop import ops, reference
from strop.rowgrad import RowGrad

KINDS = {"bfloat16": 20.0, "8bit": 16.0, "float32": 28.0}  # bytes that a step moves per parameter


def state_of(param: np.ndarray, kind: str) -> dict[str, np.ndarray]:
    state_dtype = None if kind == "float32" else kind
    moments = {name: ops.zero_moment(param, state_dtype) for name in ("moment1", "moment2")}
    return {"param": param.copy(), **moments}


def check(state: dict[str, np.ndarray], grad: np.ndarray, kind: str) -> None:
    """Two steps, the second from moments that were kept; the reference decodes and encodes on its own."""
    for step in (1, 2):
        want, *_ = reference.compact_adam_step(**state, grad=grad, learning_rate=1e-3, step=step)
        ops.compact_adam_step(**state, grad=grad, learning_rate=1e-3, step=step)
        assert np.abs(state["param"] - want).max() < 1e-6, f"compact_adam_step gives wrong numbers, {kind}"


def dense(report: Report, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    param, grad = (rng.normal(size=shape).astype(np.float32) for _ in range(2))
    states = {kind: state_of(param, kind) for kind in KINDS}
    size = param.size
    for kind, state in states.items():
        if size < 2_000_000:
            check(state, grad, kind)
    calls: dict[str, Callable[[], None]] = {
        kind: lambda s=state: ops.compact_adam_step(**s, grad=grad, learning_rate=1e-3, step=10)
        for kind, state in states.items()
    }
    for kind in ("bfloat16", "8bit"):
        ours = {kind: calls[kind], "float32": calls["float32"]}
        row = report.compare(
            f"{kind}, {' x '.join(map('{:,}'.format, shape))}", ours, moved=KINDS[kind] * size
        )
        kept = sum(states[kind][name].nbytes for name in ("moment1", "moment2")) / size
        row["state_bytes"] = kept
        print(
            f"{'':38}{1e3 * row['us'][kind] / size:.3f} ns and {kept:.3f} bytes of state per parameter, "
            f"float32 {1e3 * row['us']['float32'] / size:.3f} and 8"
        )


def rows(report: Report, shape: tuple[int, int], touched: int) -> None:
    rng = np.random.default_rng(0)
    param = rng.normal(size=shape).astype(np.float32)
    chosen = np.sort(rng.choice(shape[0], touched, replace=False))
    grad = RowGrad.trusted(chosen, rng.normal(size=(touched, shape[1])).astype(np.float32), shape)
    states = {kind: state_of(param, kind) for kind in KINDS}
    calls: dict[str, Callable[[], None]] = {
        kind: lambda s=state: ops.compact_adam_step(**s, grad=grad, learning_rate=1e-3, step=10)
        for kind, state in states.items()
    }
    for kind in ("bfloat16", "8bit"):
        ours = {kind: calls[kind], "float32": calls["float32"]}
        report.compare(f"{kind}, {touched:,} rows of {shape[0]:,} x {shape[1]}", ours)


#: Gradients of a step: noise about a mean, each element with a scale of its own.
PROBLEMS = {
    "scales 1 to 100": lambda rng, shape, scale, t: rng.normal(0.3, 1, shape) * scale,
    "scales 1 to 100,000": lambda rng, shape, scale, t: rng.normal(0.3, 1, shape) * scale**2.5,
    "rows, one in 20": lambda rng, shape, scale, t: (
        rng.normal(0.3, 1, shape) * scale * (rng.random((shape[0], 1)) < 0.05)
    ),
    "falling to a hundredth": lambda rng, shape, scale, t: rng.normal(0.3, 1, shape) * scale * 10 ** (-2 * t),
}


def turned(problem: str, steps: int, shape: tuple[int, int] = (200, 64)) -> dict[str, tuple[float, float]]:
    """Cosine between the updates with compact and with float32 moments, and |difference| / |update|, late in a run."""
    rng = np.random.default_rng(1)
    scale = 10.0 ** rng.uniform(-2, 0, shape)
    states = {kind: state_of(np.zeros(shape, np.float32), kind) for kind in KINDS}
    found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
    for step in range(1, steps + 1):
        grad = PROBLEMS[problem](rng, shape, scale, step / steps).astype(np.float32)
        updates = {}
        for kind, state in states.items():
            state["param"][:] = 0
            ops.compact_adam_step(**state, grad=grad, learning_rate=1.0, step=step)
            updates[kind] = -state["param"].ravel().astype(np.float64)
        want = updates["float32"]
        if step > steps // 2 and step % 20 == 0:
            for kind, got in updates.items():
                cosine = got @ want / np.linalg.norm(got) / np.linalg.norm(want)
                found[kind].append((cosine, np.linalg.norm(got - want) / np.linalg.norm(want)))
    return {kind: tuple(np.mean(pairs, axis=0)) for kind, pairs in found.items()}


def run(report: Report) -> None:
    from cases.compact_adam import BENCH_ROWS, BENCH_SHAPES

    for shape in report.cases(BENCH_SHAPES):
        dense(report, shape)
    if not report.settings.quick:
        rows(report, *BENCH_ROWS)
    steps = 200 if report.settings.quick else 2000
    print(
        f"\n  {f'update after {steps} steps':<34}{'bfloat16':>20}{'8bit':>20}   cosine, relative difference"
    )
    for problem in report.cases(list(PROBLEMS)):
        found = turned(problem, steps)
        cells = "".join(f"{found[k][0]:>12.5f} {found[k][1]:>7.2%}" for k in ("bfloat16", "8bit"))
        print(f"  {problem:<34}{cells}", flush=True)
        assert found["bfloat16"][0] > 0.99, "bfloat16 turns the update"
        assert found["8bit"][0] > 0.9, "8 bits turn the update"
        report.rows.append({"case": problem, "steps": steps, "update": {k: found[k] for k in found}})


if __name__ == "__main__":
    main(run, __file__)
