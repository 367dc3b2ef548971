"""Cells, sizes from the kernel's edges, masks: (B, T, D, H)."""

CELLS = ("simple_rnn", "lstm", "gru", "gru_reset_before")

SHAPES = [
    (1, 1, 1, 1),
    (0, 3, 2, 4),
    (3, 0, 2, 4),
    (2, 3, 0, 4),
    (1, 5, 3, 16),
    (2, 4, 5, 7),
    (3, 7, 4, 15),
    (4, 3, 16, 17),
    (5, 2, 3, 33),
    (9, 6, 10, 50),
    (33, 3, 8, 112),
    (2, 2, 4, 400),
]

#: Of the steps of three rows: pre-padded, post-padded, in the middle, all, none.
MASKS = {
    "pre": [[0, 0, 1, 1, 1], [0, 1, 1, 1, 1], [1, 1, 1, 1, 1]],
    "post": [[1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 1, 1]],
    "middle": [[1, 0, 1, 0, 1], [0, 1, 0, 1, 0], [1, 1, 0, 0, 1]],
    "all": [[0, 0, 0, 0, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]],
    "every": [[0, 0, 0, 0, 0]] * 3,
    "none": [[1, 1, 1, 1, 1]] * 3,
}

#: Batch, steps, inputs, units.
BENCH_SHAPES = [(32, 200, 64, 64), (32, 200, 32, 64), (128, 100, 128, 128)]
