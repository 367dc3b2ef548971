"""scikit-learn's multi-layer perceptrons, trained by strop's optimizers.

Only the import changes. Settings, attributes, `partial_fit`, early stopping, warm start, learning-rate schedules and
pickles stay scikit-learn's, and so do the numbers but for rounding.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from .. import optimizers

__all__ = ["MLPClassifier", "MLPRegressor", "StropOptimizer"]  # noqa: F822, made when they are asked for


class StropOptimizer:
    """A mix-in for `MLPClassifier` and `MLPRegressor`: write it before the class of scikit-learn.

    Override `make_optimizer` for another rule than that of `solver`.

    Example:
        >>> from strop.optimizers import AdamW
        >>> class Decayed(StropOptimizer):  # in your program: (StropOptimizer, sklearn.neural_network.MLPClassifier)
        ...     learning_rate_init = 1e-3
        ...     def make_optimizer(self, original):
        ...         return AdamW(self.learning_rate_init, weight_decay=1e-2)
        >>> Decayed().make_optimizer(None).weight_decay
        0.01
    """

    @property
    def _optimizer(self) -> Any:
        # scikit-learn asks with hasattr whether training goes on, hence AttributeError and not None.
        try:
            return self.__dict__["_optimizer"]
        except KeyError:
            raise AttributeError("_optimizer") from None

    @_optimizer.setter
    def _optimizer(self, original: Any) -> None:
        self.__dict__["_optimizer"] = Replacement(original, self.make_optimizer(original))

    def make_optimizer(self, original: Any) -> optimizers.Optimizer:
        """The optimizer for one training.

        Args:
            original: scikit-learn's, with the settings of the estimator.

        Returns:
            An optimizer of `strop.optimizers`. With `solver="sgd"` its learning rate follows the estimator's schedule.
        """
        if hasattr(original, "beta_1"):  # epsilon stands before the bias correction, as in the Keras dialect
            return optimizers.Adam(
                original.learning_rate_init, original.beta_1, original.beta_2, original.epsilon
            )
        nesterov = bool(original.nesterov and original.momentum)
        return optimizers.SGD(original.learning_rate_init, original.momentum, nesterov)


class Replacement:
    """What scikit-learn's training loop calls; the schedule and the decision to stop stay with the original."""

    def __init__(self, original: Any, optimizer: optimizers.Optimizer) -> None:
        for name in ("velocities", "ms", "vs"):  # the original's state: 1 or 2 copies of the parameters
            if hasattr(original, name):
                setattr(original, name, [])
        self.original, self.optimizer = original, optimizer
        self.scheduled = hasattr(original, "lr_schedule")

    def update_params(self, params: list[Any], grads: list[Any]) -> None:
        """Take one step in place."""
        if self.scheduled:
            self.optimizer.learning_rate = self.original.learning_rate
        self.optimizer.apply(
            [np.ascontiguousarray(g, p.dtype) for p, g in zip(params, grads, strict=True)], params
        )

    def __getattr__(self, name: str) -> Any:
        if name == "original":  # while it is being unpickled
            raise AttributeError(name)
        return getattr(self.original, name)


@cache
def _trained_by_strop(name: str) -> type:
    try:
        from sklearn import neural_network
    except ImportError as error:
        raise ImportError(
            "strop.adapters.sklearn: scikit-learn must be installed; pip install scikit-learn"
        ) from error
    original = getattr(neural_network, name)
    if "_optimizer" not in original._fit_stochastic.__code__.co_names:
        raise NotImplementedError(
            "strop.adapters.sklearn: scikit-learn must keep its optimizer in _optimizer; got a version without"
        )
    return type(name, (StropOptimizer, original), {"__module__": __name__, "__doc__": original.__doc__})


def __getattr__(name: str) -> Any:
    if name in ("MLPClassifier", "MLPRegressor"):
        return _trained_by_strop(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
