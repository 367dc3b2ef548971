"""Sums, maxima and norms against NumPy and torch."""

from __future__ import annotations

import numpy as np

from common import Report, main, peer
from strop import ops


def run(report: Report) -> None:
    from cases.reduction import BENCH_CASES

    torch = peer("torch")
    rng = np.random.default_rng(0)
    for shape, axis in report.cases(BENCH_CASES):
        x = rng.normal(size=shape).astype(np.float32)
        assert np.allclose(ops.sum(x, axis=axis), x.sum(axis=axis, dtype=np.float64), atol=1e-2)
        for name in ("sum", "max"):
            calls = {
                "strop": lambda x=x, a=axis, name=name: getattr(ops, name)(x, axis=a),
                "numpy": lambda x=x, a=axis, name=name: getattr(np, name)(x, axis=a),
            }
            if torch:
                tensor = torch.from_numpy(x)
                function, dims = (
                    (torch.sum if name == "sum" else torch.amax),
                    axis if axis is not None else (),
                )
                calls["torch"] = lambda t=tensor, f=function, d=dims: f(t, dim=d)
            report.compare(f"{name} {shape} axis {axis}", calls, moved=4.0 * x.size)
        if not isinstance(axis, tuple):
            calls = {"strop": lambda x=x, a=axis: ops.argmax(x, axis=a)}
            if torch:
                calls["torch"] = lambda t=torch.from_numpy(x), a=axis: torch.argmax(t, a)
            report.compare(f"argmax {shape} axis {axis}", calls, moved=4.0 * x.size)


if __name__ == "__main__":
    main(run, __file__)
