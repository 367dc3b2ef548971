"""Shapes (N, H, W, C), window, strides and pads: channels around the lanes of every set, windows that tile, leave rows
over, overlap, or lie partly on padding."""

CASES = [
    ((1, 1, 1, 1), (1, 1), (1, 1), "valid"),
    ((2, 4, 6, 3), (2, 2), (2, 2), "valid"),
    ((2, 5, 7, 16), (2, 2), (2, 2), "valid"),
    ((2, 5, 7, 17), (2, 2), (2, 2), "same"),
    ((1, 6, 6, 15), (2, 3), (3, 4), "valid"),
    ((3, 7, 8, 5), (3, 3), (1, 1), "same"),
    ((2, 9, 5, 33), (3, 2), (2, 1), ((1, 2), (1, 0))),
    ((2, 9, 8, 65), (3, 3), (2, 2), "same"),
    ((2, 6, 9, 4), (2, 3), (2, 2), ((1, 1), (2, 2))),
    ((1, 1, 70, 8), (1, 67), (1, 1), "valid"),
    ((2, 5, 4, 9), (5, 4), (5, 4), "valid"),
    ((1, 3, 3, 2), (7, 7), (2, 2), ((3, 6), (4, 2))),
    ((40, 12, 12, 32), (2, 2), (2, 2), "valid"),
]

#: (N, H, W, C), window, strides, padding of the first layers of small networks.
BENCH_CASES = [
    ((32, 26, 26, 32), (2, 2), (2, 2), "valid"),
    ((256, 26, 26, 32), (2, 2), (2, 2), "valid"),
    ((32, 56, 56, 64), (3, 3), (2, 2), "same"),
    ((8, 112, 112, 64), (3, 3), (2, 2), "same"),
]
