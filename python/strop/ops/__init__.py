"""Every kernel as a function on arrays: allocate, call, return.

Arrays are positional and scalars keyword-only. `out=None` allocates the result; `*_step` updates in
place and returns None; `<op>_backward(grad, ...)` takes the upstream gradient first and returns
gradients in the order of the forward's arrays.

All float arrays of one call are float32, or all float64; C-contiguous. Ids are int32 or int64.
"""

from .activation import ACTIVATIONS, FUSED_ACTIVATIONS, activation, activation_backward
from .adam import adam_step
from .loss import binary_cross_entropy, mean_absolute_error, mean_squared_error, softmax_cross_entropy
from .matmul import matmul, matmul_backward
from .reduction import argmax, max, mean, norm, sum
from .softmax import log_softmax, log_softmax_backward, softmax, softmax_backward

__all__ = [
    "ACTIVATIONS",
    "FUSED_ACTIVATIONS",
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
