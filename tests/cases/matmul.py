"""Shapes from the code's edges: tiles of 4, 6 and 8 rows by 8 to 48 columns, blocks of K, the thin shapes.

A shape is (M, N, K).
"""

#: One side at its edges while the others are small.
EDGES = [
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    11,
    12,
    13,
    15,
    16,
    17,
    23,
    24,
    25,
    31,
    32,
    33,
    40,
    47,
    48,
    49,
    63,
    64,
    65,
    97,
]
SMALL = [(m, 9, 7) for m in EDGES] + [(7, n, 9) for n in EDGES] + [(9, 7, k) for k in EDGES]

#: Beyond the direct path: packed operands, several blocks of K (384 of float32, 256 of float64), panels
#: that end within a vector, thin shapes that the threads share.
LARGE = [
    (200, 300, 500),
    (65, 130, 1000),
    (20, 3100, 400),
    (193, 3100, 385),
    (500, 16, 2000),
    (385, 64, 769),
    (1, 3000, 1000),
    (3, 2100, 801),
    (4, 1500, 2000),
    (700, 1, 2000),
    (701, 2, 700),
    (3000, 4, 33),
    (128, 512, 257),
]

#: Products of the text model's layers, forward and backward, batch 32.
MODEL = [(32, 24, 16), (32, 1, 24), (32, 16, 24), (16, 24, 32), (24, 1, 32)]

#: Enough work for every thread to get some.
PARALLEL = [
    (301, 290, 270),
    (1000, 40, 700),
    (5, 3000, 1500),
    (9000, 3, 900),
    (1, 9001, 700),
    (9001, 1, 700),
    (64, 2000, 333),
]

#: Headline sizes of the benchmark beside the public shapes.
BENCH = [(s, s, s) for s in (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)] + [
    (32, 24, 16),
    (256, 10, 128),
    (33, 65, 127),
    (4096, 24, 16),
    (2048, 2048, 32),
]

#: Dense layers, (batch, units, inputs): from a text model's to a transformer's.
LAYERS = [
    (32, 24, 16),
    (128, 512, 784),
    (256, 1024, 1024),
    (2048, 256, 256),
    (10000, 32, 64),
]
