"""Gradient descent with momentum against torch's fused one and against plain NumPy."""

from __future__ import annotations

import numpy as np

from common import Report, main, peer
from strop import ops, reference


def run(report: Report) -> None:
    from cases.sgd import BENCH_SIZES

    torch = peer("torch")
    rng = np.random.default_rng(0)
    for size in report.cases(BENCH_SIZES):
        param, grad = (rng.normal(size=size).astype(np.float32) for _ in range(2))
        velocity = np.zeros_like(param)
        want, _ = reference.sgd_step(param, grad, velocity, learning_rate=1e-3, momentum=0.9)
        settings = {"learning_rate": 1e-3, "momentum": 0.9}
        arrays = {"param": param, "grad": grad, "velocity": velocity}
        ops.sgd_step(**arrays, **settings)
        assert np.abs(param - want).max() < 1e-6, "sgd_step gives wrong numbers"

        def plain(p=param.copy(), v=velocity.copy(), g=grad):
            v[:] = 0.9 * v - 1e-3 * g
            p += v

        calls = {"strop": lambda a=arrays, s=settings: ops.sgd_step(**a, **s), "numpy": plain}
        if torch:
            weight = torch.nn.Parameter(torch.from_numpy(param.copy()))
            weight.grad = torch.from_numpy(grad)
            calls["torch"] = torch.optim.SGD([weight], lr=1e-3, momentum=0.9, fused=True).step
        report.compare(f"momentum {size:,}", calls, moved=20.0 * size)


if __name__ == "__main__":
    main(run, __file__)
