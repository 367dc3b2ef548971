"""Softmax, its logarithm and its cross-entropy with gradient against torch's, forward and backward."""

from __future__ import annotations

import numpy as np

from common import Report, main, peer, shapes
from strop import ops, reference


def run(report: Report) -> None:
    from cases.softmax import BENCH_SHAPES

    torch = peer("torch")
    public = {(int(np.prod(s["shape"][:-1])), s["shape"][-1]) for s in shapes("softmax")}
    rng = np.random.default_rng(0)
    for rows, classes in [*report.cases(BENCH_SHAPES), *sorted(public)]:
        logits = rng.normal(size=(rows, classes)).astype(np.float32)
        labels = rng.integers(0, classes, rows)
        got = ops.softmax_cross_entropy(logits, labels)[0]
        assert abs(got - reference.softmax_cross_entropy(logits, labels)[0]) < 1e-4
        calls = {"strop": lambda z=logits, y=labels: ops.softmax_cross_entropy(z, y)}
        if torch:
            leaf, aim = torch.from_numpy(logits).requires_grad_(), torch.from_numpy(labels)

            def torch_loss(z=leaf, y=aim):
                z.grad = None
                torch.nn.functional.cross_entropy(z, y).backward()

            calls["torch"] = torch_loss
        report.compare(f"cross-entropy {rows} x {classes}", calls, moved=8.0 * rows * classes)
        for name in ("softmax", "log_softmax"):
            forward, backward = getattr(ops, name), getattr(ops, f"{name}_backward")
            output = forward(logits)
            calls = {"strop": lambda z=logits, f=forward: f(z)}
            back = {"strop": lambda g=logits, y=output, f=backward: f(g, y)}
            if torch:
                tensor, result = torch.from_numpy(logits), torch.from_numpy(output)
                function = getattr(torch, name)
                slope = getattr(torch, f"_{name}_backward_data")
                calls["torch"] = lambda z=tensor, f=function: f(z, -1)
                back["torch"] = lambda g=tensor, y=result, f=slope: f(g, y, -1, torch.float32)
            report.compare(f"{name} {rows} x {classes}", calls, moved=8.0 * rows * classes)
            report.compare(f"{name} backward {rows} x {classes}", back, moved=12.0 * rows * classes)


if __name__ == "__main__":
    main(run, __file__)
