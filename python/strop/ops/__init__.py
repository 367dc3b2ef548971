"""Every kernel as a function on arrays: allocate, call, return.

Arrays are positional and scalars keyword-only. `out=None` allocates the result; `*_step` updates in
place and returns None; `<op>_backward(grad, ...)` takes the upstream gradient first and returns
gradients in the order of the forward's arrays.

All float arrays of one call are float32, or all float64; C-contiguous. Ids are int32 or int64.
"""

from .activation import ACTIVATIONS, FUSED_ACTIVATIONS, activation, activation_backward
from .adam import adam_step
from .batch_norm import (
    batch_norm,
    batch_norm_backward,
    batch_norm_inference,
    group_norm,
    group_norm_backward,
)
from .bound import bind
from .compact_adam import compact_adam_step, moment_spec, stored_name, zero_moment
from .conv import conv, conv_backward
from .deferred_adam import AdamClock, choose_gap, deferred_adam_catch_up, deferred_adam_step
from .depthwise_conv import depthwise_conv, depthwise_conv_backward
from .embedding import CompactScratch, compact_ids, embedding_lookup, embedding_lookup_backward
from .embedding_bag import embedding_bag, embedding_bag_backward, embedding_bag_scatter
from .lamb import lamb_step
from .layer_norm import layer_norm, layer_norm_backward
from .loss import (
    POINTWISE_LOSSES,
    binary_cross_entropy,
    mean_absolute_error,
    mean_squared_error,
    pointwise_loss,
    softmax_cross_entropy,
)
from .matmul import matmul, matmul_backward
from .pool import average_pool, average_pool_backward, max_pool, max_pool_backward
from .recurrent import CELL_ACTIVATIONS, CELLS, Recurrence, recurrent, recurrent_backward
from .reduction import argmax, max, mean, norm, sum
from .sgd import sgd_step
from .softmax import log_softmax, log_softmax_backward, softmax, softmax_backward
from .update import adadelta_step, adagrad_step, rmsprop_step, rprop_step
from .update_moments import adamax_step, lion_step, nadam_momentum, nadam_step, radam_step
from .words import WordTable, count_words, find_words

__all__ = [
    "ACTIVATIONS",
    "CELLS",
    "CELL_ACTIVATIONS",
    "FUSED_ACTIVATIONS",
    "POINTWISE_LOSSES",
    "AdamClock",
    "CompactScratch",
    "Recurrence",
    "WordTable",
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
    "bind",
    "choose_gap",
    "compact_adam_step",
    "compact_ids",
    "conv",
    "conv_backward",
    "count_words",
    "deferred_adam_catch_up",
    "deferred_adam_step",
    "depthwise_conv",
    "depthwise_conv_backward",
    "embedding_bag",
    "embedding_bag_backward",
    "embedding_bag_scatter",
    "embedding_lookup",
    "embedding_lookup_backward",
    "find_words",
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
    "moment_spec",
    "nadam_momentum",
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
    "stored_name",
    "sum",
    "zero_moment",
]
