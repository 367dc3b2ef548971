"""Embedding lookup against NumPy and torch, and the pass that finds unique ids."""

from __future__ import annotations

import numpy as np

from common import Report, main, peer
from strop import ops


def run(report: Report) -> None:
    from cases.embedding import BENCH_CASES

    torch = peer("torch")
    rng = np.random.default_rng(0)
    for rows, width, count in report.cases(BENCH_CASES):
        table = rng.normal(size=(rows, width)).astype(np.float32)
        ids = rng.integers(0, rows, count)
        out = np.empty((count, width), np.float32)
        assert (ops.embedding_lookup(table, ids) == table[ids]).all()
        calls = {
            "strop": lambda t=table, i=ids, o=out: ops.embedding_lookup(t, i, out=o),
            "numpy": lambda t=table, i=ids, o=out: np.take(t, i, axis=0, out=o, mode="clip"),
        }
        if torch:
            weight, index = torch.from_numpy(table), torch.from_numpy(ids)
            calls["torch"] = lambda w=weight, i=index: torch.nn.functional.embedding(i, w)
        report.compare(f"lookup {rows:,} x {width}, {count:,} ids", calls, moved=8.0 * width * count)
        scratch = ops.CompactScratch(rows)
        calls = {
            "strop": lambda i=ids, r=rows, s=scratch: ops.compact_ids(i, num_rows=r, scratch=s),
            "numpy": lambda i=ids: np.unique(i, return_inverse=True),
        }
        report.compare(f"unique of {count:,} ids below {rows:,}", calls)


if __name__ == "__main__":
    main(run, __file__)
