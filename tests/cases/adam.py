"""Sizes from the code's edges: lanes of 4, 8 and 16, the chunk of 16,384, the threading threshold."""

SIZES = [0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33, 1000, 16_384, 16_385, 100_003]

SETTINGS = {
    "keras": {"eps": 1e-7, "eps_mode": "hat"},
    "torch": {"eps": 1e-8, "eps_mode": "torch"},
    "decay": {"weight_decay": 0.01},
    "textbook": {"bias_correction": False},
    "large eps": {"eps": 1e-3, "beta1": 0.8, "beta2": 0.99},
}

#: Headline sizes of the benchmark: the tutorial's table, and one beyond every cache.
BENCH_SIZES = [10_000, 1_417_392, 16_777_216]

#: Many small tensors in one call: what a step costs beside its arithmetic.
BENCH_TENSORS = [100] * 100
