"""Elementwise losses with their gradients against torch's forward and backward."""

from __future__ import annotations

import numpy as np

from common import Report, main, peer
from strop import ops, reference

PEERS = {
    "mean_squared_error": "mse_loss",
    "mean_absolute_error": "l1_loss",
    "binary_cross_entropy": "binary_cross_entropy_with_logits",
    "huber": "huber_loss",
    "poisson": "poisson_nll_loss",
    "hinge": None,
    "log_cosh": None,
    "kl_divergence": None,
}

#: What torch takes besides prediction and target.
SETTINGS = {"poisson": {"log_input": False, "eps": 1e-7}}


def run(report: Report) -> None:
    from cases.loss import BENCH_SIZES, function

    torch = peer("torch")
    rng = np.random.default_rng(0)
    for name, rival in report.cases(list(PEERS.items())):
        for size in report.cases(BENCH_SIZES):
            pred = rng.normal(size=size).astype(np.float32)
            target = rng.uniform(size=size).astype(np.float32)
            if name in ("poisson", "kl_divergence"):
                pred = rng.uniform(0.1, 1, size).astype(np.float32)
            got, want = function(ops, name)(pred, target), function(reference, name)(pred, target)
            assert abs(got[0] - want[0]) < 1e-6 * (1 + abs(want[0]))
            calls = {"strop": lambda p=pred, t=target, loss=function(ops, name): loss(p, t)}
            if torch and rival:
                leaf, aim = torch.from_numpy(pred).requires_grad_(), torch.from_numpy(target)

                def torch_loss(
                    p=leaf, t=aim, f=getattr(torch.nn.functional, rival), more=SETTINGS.get(name, {})
                ):
                    p.grad = None
                    f(p, t, **more).backward()

                calls["torch"] = torch_loss
            report.compare(f"{name} {size:,}", calls, moved=12.0 * size)


if __name__ == "__main__":
    main(run, __file__)
