"""Images and kernels from the code's edges: tiles of rows and columns, blocks of the sum, bands, pads, groups.

A case is (x, kernel, settings): shapes (N, H, W, C) and (KH, KW, C / groups, F).
"""

from __future__ import annotations

from typing import Any

Case = tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]

SAME_3 = {"padding": ((1, 1), (1, 1))}

#: One axis at its edges while the others are small.
SMALL: list[Case] = [
    *(((2, 5, w, 3), (3, 2, 3, 5), {}) for w in (2, 3, 8, 9, 10, 17, 18, 25)),
    *(((2, 4, 5, c), (3, 3, c, 7), SAME_3) for c in (1, 2, 3, 4, 5, 7, 8, 9, 16, 17)),
    *(((1, 5, 5, 3), (2, 3, 3, f), {}) for f in (1, 2, 4, 7, 8, 9, 15, 16, 17, 24, 31, 33, 48, 49, 65)),
    *(((2, 11, 10, 2), (kh, kw, 2, 3), SAME_3) for kh, kw in ((1, 1), (1, 3), (2, 2), (4, 5), (7, 1))),
    *(((n, 3, 3, 2), (2, 2, 2, 3), {}) for n in (0, 1, 3, 17)),
]

#: What each setting does, alone and with others.
SETTINGS: list[Case] = [
    ((2, 9, 8, 3), (3, 3, 3, 4), {"strides": (2, 2)}),
    ((2, 9, 8, 3), (3, 3, 3, 4), {"strides": (1, 3), **SAME_3}),
    ((2, 9, 8, 3), (2, 3, 3, 4), {"strides": (4, 5)}),
    ((2, 9, 8, 3), (3, 3, 3, 4), {"dilation": (2, 2)}),
    ((2, 9, 8, 3), (3, 2, 3, 4), {"dilation": (1, 3), "padding": ((0, 2), (3, 1))}),
    ((2, 9, 8, 3), (3, 2, 3, 4), {"dilation": (3, 1), "strides": (2, 1)}),
    ((2, 9, 8, 6), (3, 3, 2, 9), {"groups": 3, **SAME_3}),
    ((2, 9, 8, 34), (3, 1, 17, 40), {"groups": 2, "strides": (2, 1)}),
    ((2, 7, 7, 5), (3, 3, 1, 10), {"groups": 5, "dilation": (2, 1), **SAME_3}),
    ((1, 3, 3, 2), (3, 3, 2, 3), {"padding": ((5, 0), (0, 6))}),
    ((2, 2, 2, 2), (3, 3, 2, 3), {"padding": ((4, 4), (4, 4)), "strides": (3, 3)}),
    ((2, 9, 8, 3), (1, 1, 3, 4), {}),
    ((2, 9, 8, 3), (1, 1, 3, 4), {"strides": (2, 2)}),
    ((2, 9, 8, 3), (1, 1, 3, 4), {"padding": ((1, 0), (0, 0))}),
    ((2, 1, 20, 3), (1, 5, 3, 4), {"padding": ((0, 0), (4, 0))}),
    ((2, 20, 1, 3), (5, 1, 3, 4), {"padding": ((4, 0), (0, 0)), "strides": (2, 1)}),
]

#: Axes of length 0.
EMPTY: list[Case] = [
    ((0, 5, 5, 2), (3, 3, 2, 4), {}),
    ((2, 5, 5, 0), (3, 3, 0, 4), {}),
    ((2, 5, 5, 2), (3, 3, 2, 0), {}),
    ((2, 0, 5, 2), (3, 3, 2, 4), {}),
    ((2, 1, 0, 2), (1, 3, 2, 4), {"padding": ((0, 0), (1, 1))}),
]

#: Several blocks of the sum, several panels, several bands, several parts of the batch.
LARGE: list[Case] = [
    ((3, 9, 9, 130), (3, 3, 130, 20), SAME_3),
    ((2, 6, 7, 70), (2, 3, 70, 110), {}),
    ((1, 70, 90, 16), (3, 3, 16, 33), SAME_3),
    ((2, 1, 3000, 24), (1, 3, 24, 40), {"padding": ((0, 0), (2, 0))}),
    ((33, 8, 8, 3), (3, 3, 3, 16), {}),
    ((5, 28, 28, 1), (5, 5, 1, 32), {}),
    ((2, 300, 3, 8), (2, 2, 8, 8), {}),
    ((2, 5, 5, 400), (1, 2, 400, 9), {"dilation": (1, 2)}),
]

#: Enough work for every thread to get some.
PARALLEL: list[Case] = [
    ((40, 26, 26, 8), (3, 3, 8, 32), SAME_3),
    ((17, 13, 13, 32), (3, 3, 32, 64), {}),
    ((3, 60, 60, 16), (3, 3, 16, 48), {"strides": (2, 1)}),
    ((2, 1, 20000, 32), (1, 5, 32, 32), {"padding": ((0, 0), (4, 0))}),
    ((9, 20, 20, 64), (3, 3, 16, 64), {"groups": 4, **SAME_3}),
]
