"""The specification: every kernel in plain NumPy, float64, no cleverness.

Nothing in the package imports this; tests and benchmarks compare the kernels with it.
"""

from .activation import activation, activation_backward
from .adam import adam_step
from .loss import binary_cross_entropy, mean_absolute_error, mean_squared_error, softmax_cross_entropy
from .matmul import matmul, matmul_backward
from .reduction import argmax, max, mean, norm, sum
from .softmax import log_softmax, log_softmax_backward, softmax, softmax_backward

__all__ = [
    "activation",
    "activation_backward",
    "adam_step",
    "argmax",
    "binary_cross_entropy",
    "log_softmax",
    "log_softmax_backward",
    "matmul",
    "matmul_backward",
    "max",
    "mean",
    "mean_absolute_error",
    "mean_squared_error",
    "norm",
    "softmax",
    "softmax_backward",
    "softmax_cross_entropy",
    "sum",
]
