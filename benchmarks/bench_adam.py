"""Dense Adam against torch's fused one: ns per parameter in cache and from memory."""

from __future__ import annotations

import numpy as np

from common import Report, main, peer
from strop import ops, optimizers, reference


def run(report: Report) -> None:
    from cases.adam import BENCH_SIZES, BENCH_TENSORS

    rng = np.random.default_rng(0)
    for size in report.cases(BENCH_SIZES):
        param, grad = (rng.normal(size=size).astype(np.float32) for _ in range(2))
        moment1, moment2 = np.zeros_like(param), np.zeros_like(param)
        want, *_ = reference.adam_step(param, grad, moment1, moment2, learning_rate=1e-3, step=1)
        state = {"param": param, "moment1": moment1, "moment2": moment2}
        ops.adam_step(**state, grad=grad, learning_rate=1e-3, step=1)
        assert np.abs(param - want).max() < 1e-6, "adam_step gives wrong numbers"
        calls = {"strop": lambda s=state, g=grad: ops.adam_step(**s, grad=g, learning_rate=1e-3, step=10)}
        if torch := peer("torch"):
            weight = torch.nn.Parameter(torch.from_numpy(param.copy()))
            weight.grad = torch.from_numpy(grad)
            calls["torch"] = torch.optim.Adam([weight], fused=True).step
        row = report.compare(f"{size:,} parameters", calls, moved=28.0 * size)
        print(f"{'':38}{1e3 * row['us']['strop'] / size:.3f} ns per parameter")
    for sizes in (BENCH_TENSORS, BENCH_SIZES[:1]):
        params, grads = ([rng.normal(size=size).astype(np.float32) for size in sizes] for _ in range(2))
        optimizer = optimizers.Adam(1e-3)
        calls = {"strop": lambda o=optimizer, p=params, g=grads: o.apply(g, p)}
        if torch := peer("torch"):
            weights = [torch.nn.Parameter(torch.from_numpy(param.copy())) for param in params]
            for weight, grad in zip(weights, grads, strict=True):
                weight.grad = torch.from_numpy(grad)
            calls["torch"] = torch.optim.Adam(weights, fused=True).step
        report.compare(f"optimizer, {len(sizes)} x {sizes[0]:,}", calls, moved=28.0 * sum(sizes))


if __name__ == "__main__":
    main(run, __file__)
