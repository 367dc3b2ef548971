"""Optimizers with torch's names, rules and defaults, for anyone's NumPy arrays.

Example:
    >>> import numpy as np
    >>> weight, bias = np.ones((2, 2), np.float32), np.zeros(2, np.float32)
    >>> optimizer = SGD({"W": weight, "b": bias}, lr=0.5)
    >>> optimizer.step({"W": np.ones((2, 2), np.float32), "b": None})
    >>> weight[0], bias
    (array([0.5, 0.5], dtype=float32), array([0., 0.], dtype=float32))
"""

from . import lr_scheduler
from .accumulation import GradientAccumulator
from .adadelta import Adadelta
from .adagrad import Adagrad
from .adam import Adam, AdamW, SparseAdam
from .adamax import Adamax
from .averaging import ExponentialMovingAverage
from .base import Optimizer
from .clip import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm
from .lamb import LAMB
from .lion import Lion
from .nadam import NAdam
from .radam import RAdam
from .rmsprop import RMSprop
from .rprop import Rprop
from .sgd import SGD

__all__ = [
    "LAMB",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "ExponentialMovingAverage",
    "GradientAccumulator",
    "Lion",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SparseAdam",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
    "lr_scheduler",
]
