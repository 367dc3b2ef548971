"""The bag of a review model against torch: ids of words by Zipf's law, padded in front to one length."""

from __future__ import annotations

import numpy as np

from common import Report, main, peer
from strop import ops, reference


def padded_reviews(rng, rows, count, width):
    """Ids like those of reviews: lengths about a log-normal, the rest padding."""
    ids = np.zeros((count, width), np.int32)
    share = 1 / np.arange(1, rows)
    bounds = np.cumsum(share / share.sum())
    for row in ids:
        length = min(width, 1 + int(rng.lognormal(5.2, 0.6)))
        row[width - length :] = 1 + np.searchsorted(bounds, rng.uniform(size=length)).clip(max=rows - 2)
    return ids


def run(report: Report) -> None:
    from cases.embedding_bag import BENCH_CASES

    torch = peer("torch")
    rng = np.random.default_rng(0)
    for rows, width, count, length in report.cases(BENCH_CASES):
        table = rng.normal(size=(rows, width)).astype(np.float32)
        ids = padded_reviews(rng, rows, count, length)
        tokens = int((ids != 0).sum())
        grad = rng.normal(size=(count, width)).astype(np.float32)
        want = reference.embedding_bag(table, ids[:8])
        assert np.abs(ops.embedding_bag(table, ids[:8]) - want).max() < 1e-5
        forward = {"strop": lambda t=table, i=ids: ops.embedding_bag(t, i)}
        backward = {"strop": lambda g=grad, i=ids, r=rows: ops.embedding_bag_backward(g, i, num_rows=r)}
        if torch:
            weight = torch.from_numpy(table).requires_grad_()
            index, upstream = torch.from_numpy(ids), torch.from_numpy(grad)
            bag = torch.nn.functional.embedding_bag
            forward["torch"] = lambda i=index, w=weight.detach(): bag(i, w, mode="mean")

            def torch_backward(i=index, w=weight, g=upstream):
                w.grad = None
                bag(i, w, mode="mean", sparse=True).backward(g)

            backward["torch forward + backward"] = torch_backward
        row = report.compare(f"forward {rows:,} x {width}, {count} x {length}", forward)
        print(f"{'':38}{1e3 * row['us']['strop'] / tokens:.3f} ns per id that is no padding")
        report.compare(f"backward {rows:,} x {width}, {count} x {length}", backward)


if __name__ == "__main__":
    main(run, __file__)
