"""Images and kernels from the code's edges: lanes of channels, a few sums at a time, pads, several kernels a channel.

A case is (x, kernel, settings): shapes (N, H, W, C) and (KH, KW, C, D).
"""

from __future__ import annotations

from .conv import SAME_3, Case

SMALL: list[Case] = [
    *(((2, 5, w, 3), (3, 2, 3, 1), {}) for w in (2, 3, 5, 6, 7, 9)),
    *(((2, 4, 5, c), (3, 3, c, 1), SAME_3) for c in (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 65)),
    *(((1, 5, 5, 3), (2, 3, 3, d), {}) for d in (2, 3, 6, 11)),
    *(((2, 11, 10, 2), (kh, kw, 2, 1), SAME_3) for kh, kw in ((1, 1), (1, 3), (2, 2), (4, 5), (7, 1))),
    *(((n, 3, 3, 2), (2, 2, 2, 2), {}) for n in (0, 1, 3, 17)),
]

SETTINGS: list[Case] = [
    ((2, 9, 8, 3), (3, 3, 3, 1), {"strides": (2, 2)}),
    ((2, 9, 8, 3), (3, 3, 3, 2), {"strides": (1, 3), **SAME_3}),
    ((2, 9, 8, 3), (3, 3, 3, 2), {"dilation": (2, 2)}),
    ((2, 9, 8, 3), (3, 2, 3, 1), {"dilation": (1, 3), "padding": ((0, 2), (3, 1))}),
    ((2, 9, 8, 3), (3, 2, 3, 1), {"dilation": (3, 1), "strides": (2, 1)}),
    ((1, 3, 3, 2), (3, 3, 2, 3), {"padding": ((5, 0), (0, 6))}),
    ((2, 2, 2, 2), (3, 3, 2, 1), {"padding": ((4, 4), (4, 4)), "strides": (3, 3)}),
    ((2, 1, 20, 3), (1, 5, 3, 1), {"padding": ((0, 0), (4, 0))}),
]

#: Axes of length 0.
EMPTY: list[Case] = [
    ((0, 5, 5, 2), (3, 3, 2, 1), {}),
    ((2, 5, 5, 2), (3, 3, 2, 0), {}),
    ((2, 0, 5, 2), (3, 3, 2, 1), {}),
]

#: Several bands and parts of the batch; enough work for every thread to get some.
LARGE: list[Case] = [
    ((3, 40, 40, 70), (3, 3, 70, 1), SAME_3),
    ((17, 28, 28, 32), (5, 5, 32, 1), {}),
    ((2, 1, 9000, 48), (1, 3, 48, 2), {"padding": ((0, 0), (2, 0))}),
]
