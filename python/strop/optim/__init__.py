"""Optimizers with torch's names, rules and defaults, for anyone's NumPy arrays.

Example:
    >>> import numpy as np
    >>> weight, bias = np.ones((2, 2), np.float32), np.zeros(2, np.float32)
    >>> optimizer = SGD({"W": weight, "b": bias}, lr=0.5)
    >>> optimizer.step({"W": np.ones((2, 2), np.float32), "b": None})
    >>> weight[0], bias
    (array([0.5, 0.5], dtype=float32), array([0., 0.], dtype=float32))
"""

from .adam import Adam, AdamW, SparseAdam
from .base import Optimizer
from .sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "SparseAdam"]
