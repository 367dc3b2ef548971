"""Counting and finding the words of texts against `str.split` with Counter and dict."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np

from common import Report, main
from strop import ops


def run(report: Report) -> None:
    from cases.words import BENCH_CASES, ENDS

    rng = np.random.default_rng(0)
    table = str.maketrans(dict.fromkeys(ENDS, " "))
    for vocabulary, texts, length in BENCH_CASES:
        names = np.array([f"{'word' * (i % 3)}{i:x}" for i in range(vocabulary)])
        rows = [" ".join(names[rng.zipf(1.3, length) % vocabulary]) for _ in range(texts)]
        size = sum(map(len, rows))
        words, counts, _ = ops.count_words(rows, delimiters=ENDS)

        def cut(rows: list[str]) -> list[list[str]]:
            return [row.lower().translate(table).split(" ") for row in rows]

        counted = Counter(itertools.chain.from_iterable(cut(rows)))
        assert dict(zip(words, counts, strict=True)) == {w: n for w, n in counted.items() if w}
        calls = {
            "strop": lambda r=rows: ops.count_words(r, delimiters=ENDS),
            "Counter": lambda r=rows: Counter(itertools.chain.from_iterable(cut(r))),
        }
        report.compare(f"count, {size:,} characters, {len(words):,} words", calls, moved=size)
        place = {word: i for i, word in enumerate(words)}
        calls = {
            "strop": lambda r=rows, w=words: ops.find_words(r, w, delimiters=ENDS),
            "dict": lambda r=rows, p=place: [p.get(w, -1) for row in cut(r) for w in row],
        }
        report.compare(f"find, {size:,} characters, {len(words):,} words", calls, moved=size)


if __name__ == "__main__":
    main(run, __file__)
