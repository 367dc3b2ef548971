"""A function of the user's as a loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from .._backend import array_module
from .base import Array, Loss


class FunctionLoss(Loss):
    """A function of the user's: `function(y_true, y_pred)` gives values per sample.

    To be trained it needs an attribute `gradient(y_true, y_pred)`: the derivative of each sample's value by
    its prediction, an array like y_pred.

    Example:
        >>> import numpy as np
        >>> loss = FunctionLoss(lambda y_true, y_pred: np.max(np.abs(y_true - y_pred), axis=-1))
        >>> loss([[1.0, 2.0]], [[1.0, 5.0]]), loss.has_gradient
        (3.0, False)
    """

    def __init__(self, function: Callable[[Array, Array], Array], **settings: Any) -> None:
        super().__init__(settings.pop("name", getattr(function, "__name__", None)), **settings)
        self.function = function

    @property
    def has_gradient(self) -> bool:
        """Whether the function has a `gradient`."""
        return callable(getattr(self.function, "gradient", None))

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """What the function gives, one value per sample."""
        values: Array = array_module(y_pred).asarray(self.function(y_true, y_pred))
        if values.shape != y_pred.shape[:-1]:
            raise ValueError(
                f"{self.name}: result must have one value per sample, shape {y_pred.shape[:-1]}; "
                f"got {values.shape}"
            )
        return values

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        """What the function's own `gradient` gives."""
        if not self.has_gradient:
            raise NotImplementedError(
                f"{self.name}: loss must have a gradient to be trained; got a callable without gradient; "
                f"set {self.name}.gradient to a function of (y_true, y_pred)"
            )
        result: Array = array_module(y_pred).asarray(self.function.gradient(y_true, y_pred))  # type: ignore[attr-defined]
        return result

    @classmethod
    def from_config(cls, settings: dict[str, Any]) -> Self:
        """Not possible: a function is not written to a file."""
        raise ValueError("FunctionLoss: a callable must come back through custom_objects; got a config")
