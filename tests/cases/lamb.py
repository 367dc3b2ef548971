"""Sizes from the code's edges: lanes of 4, 8 and 16, the block of 1,024 of a norm, the chunk of 16 blocks, a group."""

SIZES = [0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 33, 1000, 1023, 1024, 1025, 16_384, 16_385, 100_003, 600_001]

SETTINGS = [
    {},
    {"weight_decay": 0.1},
    {"weight_decay": 0.1, "dialect": "keras", "eps": 1e-7},
    {"beta1": 0.3, "beta2": 0.5, "grad_scale": -2.0},
    {"l2": 0.1, "weight_decay": 0.01, "grad_scale": 0.5},
]

#: A table of 10,000 parameters, one in the second-level cache, one beyond every cache.
BENCH_SIZES = [10_000, 131_072, 25_000_000]
