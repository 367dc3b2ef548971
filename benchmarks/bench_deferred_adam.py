"""A training step of a table under the exact deferred Adam: its cost should not grow with the table.

The peers compute something else or pay for every row: torch's SparseAdam lets the other rows stand still, and its
fused dense Adam moves them all.
"""

from __future__ import annotations

import numpy as np

from common import Report, main, peer
from strop.layers import Variable
from strop.optimizers import Adam
from strop.rowgrad import RowGrad


def run(report: Report) -> None:
    from cases.deferred_adam import BENCH_CASES

    torch = peer("torch")
    rng = np.random.default_rng(0)
    for rows, width, touched in report.cases(BENCH_CASES):
        table = Variable("t", np.zeros((rows, width), np.float32), sparse_rows=True)
        optimizer = Adam(1e-3)
        optimizer.build([table])
        batches = [np.unique(rng.zipf(1.2, 4 * touched) % rows)[:touched] for _ in range(50)]
        grads = [
            RowGrad.trusted(b, rng.normal(size=(len(b), width)).astype(np.float32), (rows, width))
            for b in batches
        ]
        turn = iter(range(10**9))

        def step(grads=grads, table=table, optimizer=optimizer, turn=turn):
            grad = grads[next(turn) % len(grads)]
            table.deferred.gather(grad.rows)
            optimizer.apply([grad])

        calls = {"strop": step}
        if torch and rows < 1_000_000:
            weight = torch.nn.Parameter(torch.zeros(rows, width))
            indices = [torch.from_numpy(b)[None] for b in batches]
            sparse = [
                torch.sparse_coo_tensor(
                    i, torch.from_numpy(g.values), (rows, width), is_coalesced=True, check_invariants=False
                )
                for i, g in zip(indices, grads, strict=True)
            ]
            rule = torch.optim.SparseAdam([weight], lr=1e-3)

            def torch_step(sparse=sparse, weight=weight, rule=rule, turn=turn):
                weight.grad = sparse[next(turn) % len(sparse)]
                rule.step()

            calls["torch SparseAdam"] = torch_step
            dense = torch.nn.Parameter(torch.zeros(rows, width))
            dense.grad = torch.zeros(rows, width)
            calls["torch dense"] = torch.optim.Adam([dense], lr=1e-3, fused=True).step
        report.compare(f"{rows:,} x {width}, {touched:,} rows touched", calls)


if __name__ == "__main__":
    main(run, __file__)
