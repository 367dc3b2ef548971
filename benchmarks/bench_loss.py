"""Elementwise losses with their gradients against torch's forward and backward."""

from __future__ import annotations

import numpy as np

from common import Report, main, peer
from strop import ops, reference

PEERS = {
    "mean_squared_error": "mse_loss",
    "mean_absolute_error": "l1_loss",
    "binary_cross_entropy": "binary_cross_entropy_with_logits",
}


def run(report: Report) -> None:
    from cases.loss import BENCH_SIZES

    torch = peer("torch")
    rng = np.random.default_rng(0)
    for name, function in report.cases(list(PEERS.items())):
        for size in report.cases(BENCH_SIZES):
            pred = rng.normal(size=size).astype(np.float32)
            target = rng.uniform(size=size).astype(np.float32)
            got, want = getattr(ops, name)(pred, target), getattr(reference, name)(pred, target)
            assert abs(got[0] - want[0]) < 1e-6
            calls = {"strop": lambda p=pred, t=target, name=name: getattr(ops, name)(p, t)}
            if torch:
                leaf, aim = torch.from_numpy(pred).requires_grad_(), torch.from_numpy(target)

                def torch_loss(p=leaf, t=aim, f=getattr(torch.nn.functional, function)):
                    p.grad = None
                    f(p, t).backward()

                calls["torch"] = torch_loss
            report.compare(f"{name} {size:,}", calls, moved=12.0 * size)


if __name__ == "__main__":
    main(run, __file__)
