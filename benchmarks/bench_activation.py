"""Activations against torch: one pass over memory, or the polynomial."""

from __future__ import annotations

import numpy as np

from common import Report, main, peer
from strop import ops, reference


def run(report: Report) -> None:
    from cases.activation import BENCH_SIZES

    torch = peer("torch")
    peers = {"relu": "relu", "sigmoid": "sigmoid", "tanh": "tanh", "gelu": "gelu", "silu": "silu"}
    rng = np.random.default_rng(0)
    for name in report.cases(list(peers)):
        for size in report.cases(BENCH_SIZES):
            x = rng.normal(size=size).astype(np.float32)
            out = np.empty_like(x)
            assert np.abs(ops.activation(x, name=name) - reference.activation(x, name=name)).max() < 1e-6
            calls = {"strop": lambda x=x, out=out, name=name: ops.activation(x, name=name, out=out)}
            if torch:
                tensor, function = torch.from_numpy(x), getattr(torch.nn.functional, peers[name])
                calls["torch"] = lambda tensor=tensor, function=function: function(tensor)
            report.compare(f"{name} {size:,}", calls, moved=8.0 * size)


if __name__ == "__main__":
    main(run, __file__)
