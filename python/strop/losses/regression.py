"""Losses between numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._names import check_number
from . import targets
from .base import Array
from .pointwise import EPSILON, PointwiseLoss


class MeanSquaredError(PointwiseLoss):
    """Mean of `(y_true - y_pred)^2`.

    Args:
        reduction: as in `Loss`.
        name: for histories and messages.

    Example:
        >>> MeanSquaredError()([[0, 1], [0, 0]], [[1, 1], [1, 0]])
        0.5
    """

    kernel = "mean_squared_error"
    regression = True

    def terms(self, y: Array, p: Array) -> Any:
        """`(p - y)^2`."""
        return np.square(p - y)

    def slopes(self, y: Array, p: Array) -> Any:
        """`2 (p - y)`."""
        return 2 * (p - y)


class MeanAbsoluteError(PointwiseLoss):
    """Mean of `|y_true - y_pred|`; its gradient is 0 where they are equal.

    Args:
        reduction: as in `Loss`.
        name: for histories and messages.

    Example:
        >>> MeanAbsoluteError()([[0, 1], [0, 0]], [[1, 1], [3, 0]])
        1.0
    """

    kernel = "mean_absolute_error"
    regression = True

    def terms(self, y: Array, p: Array) -> Any:
        """`|p - y|`."""
        return np.abs(p - y)

    def slopes(self, y: Array, p: Array) -> Any:
        """The sign of `p - y`."""
        return np.sign(p - y)


class MeanAbsolutePercentageError(PointwiseLoss):
    """Mean of `100 |y_true - y_pred| / max(|y_true|, 1e-7)`.

    A target of 0 therefore weighs 1e9 times its error: leave such samples out, or take another loss.

    Args:
        reduction: as in `Loss`.
        name: for histories and messages.

    Example:
        >>> MeanAbsolutePercentageError()([[2, 1]], [[1, 1]])
        25.0
    """

    kernel = "mean_absolute_percentage_error"
    regression = True

    def terms(self, y: Array, p: Array) -> Any:
        """`100 |p - y| / max(|y|, 1e-7)`."""
        return 100 * np.abs(p - y) / np.maximum(np.abs(y), EPSILON)

    def slopes(self, y: Array, p: Array) -> Any:
        """The sign of `p - y`, 100 times over `max(|y|, 1e-7)`."""
        return 100 * np.sign(p - y) / np.maximum(np.abs(y), EPSILON)


class MeanSquaredLogarithmicError(PointwiseLoss):
    """Mean of `(log(1 + y_true) - log(1 + y_pred))^2`, both cut at 1e-7 from below.

    A prediction below the cut has gradient 0.

    Args:
        reduction: as in `Loss`.
        name: for histories and messages.

    Example:
        >>> round(MeanSquaredLogarithmicError()([[0, 1]], [[1, 1]]), 6)
        0.240226
    """

    kernel = "mean_squared_logarithmic_error"
    regression = True

    def check_values(self, op: str, argument: str, y_true: Array) -> None:
        """Targets are not negative: the cut would change them."""
        targets.require_not_negative(op, argument, y_true, self.name)

    def terms(self, y: Array, p: Array) -> Any:
        """`(log1p(p) - log1p(y))^2`."""
        return np.square(_log(p) - _log(y))

    def slopes(self, y: Array, p: Array) -> Any:
        """`2 (log1p(p) - log1p(y)) / (1 + p)`; 0 where p is cut."""
        return np.where(p < EPSILON, 0, 2 * (_log(p) - _log(y)) / (1 + p))


def _log(x: Array) -> Array:
    logs: Array = np.log1p(np.maximum(x, EPSILON))
    return logs


class Huber(PointwiseLoss):
    """Mean of `e^2 / 2` where the error e is at most delta, of `delta (|e| - delta / 2)` beyond it.

    Args:
        delta: where the parabola becomes a line; 0 or more.
        reduction: as in `Loss`.
        name: for histories and messages.

    Raises:
        ValueError: delta is negative or not finite.

    Example:
        >>> Huber()([[0, 0]], [[0.5, 3]])
        1.3125

    References:
        Huber, Robust estimation of a location parameter, 1964.
    """

    kernel = "huber"
    regression = True

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str = "huber_loss",
    ) -> None:
        super().__init__(reduction, name)
        self.delta = check_number("Huber", "delta", delta, low=0)

    def kernel_settings(self) -> dict[str, float]:
        """The delta."""
        return {"delta": self.delta}

    def terms(self, y: Array, p: Array) -> Any:
        """The parabola or the line."""
        error = np.abs(p - y)
        inside = np.minimum(error, self.delta)
        return inside * (error - inside / 2)

    def slopes(self, y: Array, p: Array) -> Any:
        """The error, cut to [-delta, delta]."""
        return np.clip(p - y, -self.delta, self.delta)


class LogCosh(PointwiseLoss):
    """Mean of `log(cosh(y_pred - y_true))`: a parabola near 0, `|e| - log 2` far from it.

    Args:
        reduction: as in `Loss`.
        name: for histories and messages.

    Example:
        >>> round(LogCosh()([[0, 0]], [[0.5, 3]]), 6)
        1.214722
    """

    kernel = "log_cosh"
    regression = True

    def terms(self, y: Array, p: Array) -> Any:
        """`|e| + log1p(exp(-2 |e|)) - log 2`."""
        error = np.abs(p - y)
        return error + np.log1p(np.expm1(-2 * error) / 2)

    def slopes(self, y: Array, p: Array) -> Any:
        """`tanh(p - y)`."""
        return np.tanh(p - y)


class Poisson(PointwiseLoss):
    """Mean of `y_pred - y_true log(y_pred + 1e-7)`, for targets that are counts.

    It is the negative log-likelihood without the part that y_true alone decides. It is NaN for predictions
    below -1e-7: let the model end in softplus or exponential.

    Args:
        reduction: as in `Loss`.
        name: for histories and messages.

    Example:
        >>> round(Poisson()([[1, 2]], [[1, 1]]), 6)
        1.0
    """

    kernel = "poisson"
    regression = True

    def check_values(self, op: str, argument: str, y_true: Array) -> None:
        """Targets are not negative."""
        targets.require_not_negative(op, argument, y_true, self.name)

    def terms(self, y: Array, p: Array) -> Any:
        """`p - y log(p + 1e-7)`."""
        return p - y * np.log(p + EPSILON)

    def slopes(self, y: Array, p: Array) -> Any:
        """`1 - y / (p + 1e-7)`."""
        return 1 - y / (p + EPSILON)
