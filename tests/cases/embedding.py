"""Tables and ids: empty ones, one row, repeated ids, widths around the lanes."""

#: (V, D, shape of ids)
CASES = [
    (1, 1, (1,)),
    (5, 3, (0,)),
    (5, 0, (4,)),
    (7, 16, (3, 5)),
    (100, 17, (64,)),
    (1000, 8, (5, 2, 3)),
    (50, 64, (4097,)),
]

BENCH_CASES = [(10_000, 64, 1 << 14), (88_587, 16, 1 << 16), (1_000_000, 64, 1 << 16)]
