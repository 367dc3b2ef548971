"""Sizes as for Adam: lanes, the chunk of 16,384, several tensors in one call."""

SIZES = [0, 1, 3, 7, 15, 16, 17, 33, 1000, 16_384, 16_385, 100_003]

SETTINGS = [
    {},
    {"weight_decay": 0.1},
    {"momentum": 0.9},
    {"momentum": 0.9, "nesterov": True},
    {"momentum": 0.9, "dialect": "torch"},
    {"momentum": 0.9, "dampening": 0.5, "dialect": "torch"},
    {"momentum": 0.9, "nesterov": True, "dialect": "torch", "weight_decay": 0.1},
]

BENCH_SIZES = [10_000, 1_417_392, 16_777_216]
