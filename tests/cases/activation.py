"""Every activation with its settings; values where the formulas change and where they overflow."""

import numpy as np

NAMES = {
    "linear": {},
    "relu": {"negative_slope": 0.1, "max_value": 3.0, "threshold": 0.5},
    "sigmoid": {},
    "tanh": {},
    "elu": {"alpha": 0.7},
    "exponential": {},
    "gelu": {},
    "gelu_tanh": {},
    "hard_sigmoid": {},
    "leaky_relu": {"negative_slope": 0.3},
    "mish": {},
    "selu": {},
    "silu": {},
    "softplus": {},
    "softsign": {},
}

SIZES = [0, 1, 3, 15, 16, 17, 1000, 16_385]

EDGES = np.array([0.0, -0.0, 1e-40, -1e-40, 0.5, -0.5, 3.0, -3.0, 20.0, -20.0, 80.0, -80.0])

BENCH_SIZES = [32 * 24, 1 << 16, 1 << 22]
