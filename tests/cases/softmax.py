"""Rows and classes: one class, a lane less and more, the block of 256, a vocabulary."""

SHAPES = [
    (0, 3),
    (1, 1),
    (3, 2),
    (5, 15),
    (5, 16),
    (5, 17),
    (2, 255),
    (2, 257),
    (65, 10),
    (3, 5000),
    (7, 1),
    (70, 4),
    (130, 33),
    (3, 64),
]

BENCH_SHAPES = [(32, 10), (256, 1000), (64, 50_257)]
