"""The specification: every kernel in plain NumPy, float64, no cleverness.

Nothing in the package imports this; tests and benchmarks compare the kernels with it.
"""

from .activation import activation, activation_backward
from .adam import adam_step
from .batch_norm import (
    batch_norm,
    batch_norm_backward,
    batch_norm_inference,
    group_norm,
    group_norm_backward,
)
from .compact_adam import compact_adam_step
from .conv import conv, conv_backward
from .deferred_adam import deferred_adam_catch_up, gap_coefficients
from .depthwise_conv import depthwise_conv, depthwise_conv_backward
from .embedding import compact_ids, embedding_lookup, embedding_lookup_backward
from .embedding_bag import embedding_bag, embedding_bag_scatter
from .lamb import lamb_step
from .layer_norm import layer_norm, layer_norm_backward
from .loss import (
    binary_cross_entropy,
    mean_absolute_error,
    mean_squared_error,
    pointwise_loss,
    softmax_cross_entropy,
)
from .matmul import matmul, matmul_backward
from .pool import average_pool, average_pool_backward, max_pool, max_pool_backward
from .recurrent import recurrent, recurrent_backward
from .reduction import argmax, max, mean, norm, sum
from .sgd import sgd_step
from .softmax import log_softmax, log_softmax_backward, softmax, softmax_backward
from .update import adadelta_step, adagrad_step, rmsprop_step, rprop_step
from .update_moments import adamax_step, lion_step, nadam_step, radam_step
from .words import count_words, find_words

__all__ = [
    "activation",
    "activation_backward",
    "adadelta_step",
    "adagrad_step",
    "adam_step",
    "adamax_step",
    "argmax",
    "average_pool",
    "average_pool_backward",
    "batch_norm",
    "batch_norm_backward",
    "batch_norm_inference",
    "binary_cross_entropy",
    "compact_adam_step",
    "compact_ids",
    "conv",
    "conv_backward",
    "count_words",
    "deferred_adam_catch_up",
    "depthwise_conv",
    "depthwise_conv_backward",
    "embedding_bag",
    "embedding_bag_scatter",
    "embedding_lookup",
    "embedding_lookup_backward",
    "find_words",
    "gap_coefficients",
    "group_norm",
    "group_norm_backward",
    "lamb_step",
    "layer_norm",
    "layer_norm_backward",
    "lion_step",
    "log_softmax",
    "log_softmax_backward",
    "matmul",
    "matmul_backward",
    "max",
    "max_pool",
    "max_pool_backward",
    "mean",
    "mean_absolute_error",
    "mean_squared_error",
    "nadam_step",
    "norm",
    "pointwise_loss",
    "radam_step",
    "recurrent",
    "recurrent_backward",
    "rmsprop_step",
    "rprop_step",
    "sgd_step",
    "softmax",
    "softmax_backward",
    "softmax_cross_entropy",
    "sum",
]
