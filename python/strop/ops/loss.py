"""Losses fused with their gradients: one pass gives both."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from .._backend import kernels

Array = NDArray[Any]
LossAndGradient = tuple[float, Array]


#: What `pointwise_loss` computes, by name.
POINTWISE_LOSSES = (
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "squared_hinge",
)


def pointwise_loss(
    pred: Array, target: Array, *, name: str, sample_weight: Array | None = None, delta: float = 1.0
) -> LossAndGradient:
    """A loss that is a term per element, and its gradient by pred.

    With the error e = pred - target the terms are

    * `huber`: e^2 / 2 up to delta, `delta (|e| - delta / 2)` beyond it; `log_cosh`: log(cosh(e));
    * `mean_squared_error`: e^2; `mean_absolute_error`: |e|;
      `mean_absolute_percentage_error`: 100 |e| / max(|target|, 1e-7);
    * `mean_squared_logarithmic_error`: `(log(1 + pred) - log(1 + target))^2`, both at least 1e-7;
    * `poisson`: `pred - target log(pred + 1e-7)`;
    * `hinge`, `squared_hinge`: `max(1 - target pred, 0)` and its square, targets -1 and 1;
    * `kl_divergence`: `target log(target / pred)`, both cut to [1e-7, 1]: added over the last axis, where the
      others are averaged.

    Args:
        pred: float32 or float64, (N, ...); then the loss is the mean over the rows.
        target: like pred.
        name: one of `POINTWISE_LOSSES`.
        sample_weight: like pred, one value per row; a row's term is multiplied by it, and the sum is still
            divided by the number of rows.
        delta: of huber.

    Returns:
        The loss as a Python float, and its gradient, an array like pred.

    Raises:
        TypeError: dtypes differ.
        ValueError: the name is unknown, shapes differ or an array is strided.

    Example:
        >>> import numpy as np
        >>> pointwise_loss(np.array([[0.5, 3.0]]), np.zeros((1, 2)), name="huber")
        (1.3125, array([[0.25, 0.5 ]]))
    """
    module = kernels("pointwise_loss", pred)
    result: LossAndGradient = module.pointwise_loss(name, pred, target, sample_weight, delta)
    return result


def mean_squared_error(pred: Array, target: Array, *, sample_weight: Array | None = None) -> LossAndGradient:
    """Mean of `(pred - target)^2`, and its gradient by pred.

    Args:
        pred: float32 or float64, (N, ...); the loss is the mean over the last axis, then over the rows.
        target: like pred.
        sample_weight: like pred, one value per row; a row's term is multiplied by it, and the sum is still
            divided by the number of rows.

    Returns:
        The loss as a Python float, and its gradient, an array like pred.

    Raises:
        TypeError: dtypes differ.
        ValueError: shapes differ or an array is strided.

    Example:
        >>> import numpy as np
        >>> mean_squared_error(np.array([1.0, 3.0]), np.array([1.0, 1.0]))
        (2.0, array([0., 2.]))
    """
    return pointwise_loss(pred, target, name="mean_squared_error", sample_weight=sample_weight)


def mean_absolute_error(pred: Array, target: Array, *, sample_weight: Array | None = None) -> LossAndGradient:
    """Mean of `|pred - target|`, and its gradient by pred, which is 0 where they are equal.

    Args:
        pred: float32 or float64, (N, ...); the loss is the mean over the last axis, then over the rows.
        target: like pred.
        sample_weight: like pred, one value per row, as in `mean_squared_error`.

    Returns:
        The loss as a Python float, and its gradient, an array like pred.

    Raises:
        TypeError: dtypes differ.
        ValueError: shapes differ or an array is strided.

    Example:
        >>> import numpy as np
        >>> mean_absolute_error(np.array([1.0, 3.0]), np.array([1.0, 1.0]))
        (1.0, array([0. , 0.5]))
    """
    return pointwise_loss(pred, target, name="mean_absolute_error", sample_weight=sample_weight)


def binary_cross_entropy(
    logits: Array, target: Array, *, sample_weight: Array | None = None, probabilities: Array | None = None
) -> LossAndGradient:
    """Binary cross-entropy of `sigmoid(logits)`, and its gradient by the logits.

    Computed from the logits z as `max(z, 0) - z y + log(1 + exp(-|z|))`, so it is finite for every
    finite z, and a saturated unit still has a gradient.

    Args:
        logits: float32 or float64, (N, ...); the loss is the mean over the last axis, then over the rows.
        target: like logits, values in [0, 1].
        sample_weight: like logits, one value per row, as in `mean_squared_error`.
        probabilities: like logits; if given, receives `sigmoid(logits)` from the same pass.

    Returns:
        The loss as a Python float, and its gradient `(sigmoid(z) - y) w / size`, an array like logits.

    Raises:
        TypeError: dtypes differ.
        ValueError: shapes differ, an array is strided, or probabilities overlaps an input.

    Example:
        >>> import numpy as np
        >>> loss, grad = binary_cross_entropy(np.array([[2.0], [-1.0]]), np.array([[1.0], [0.0]]))
        >>> print(f"{loss:.6f}", grad.ravel().round(6))
        0.220095 [-0.059601  0.134471]
    """
    result: LossAndGradient = kernels("binary_cross_entropy", logits).binary_cross_entropy(
        logits, target, sample_weight, probabilities
    )
    return result


def softmax_cross_entropy(
    logits: Array,
    target: Array,
    *,
    sample_weight: Array | None = None,
    ignore_class: int | None = None,
    label_smoothing: float = 0.0,
    probabilities: Array | None = None,
) -> LossAndGradient:
    """Cross-entropy of `softmax(logits)`, and its gradient by the logits.

    Args:
        logits: float32 or float64, (..., C).
        target: probabilities like logits, or int32 or int64 labels in [0, C), one per row.
        sample_weight: like logits, one value per row; the sum is still divided by the number of rows.
        ignore_class: rows with this label add nothing and do not count.
        label_smoothing: share of the target that is spread evenly over the classes.
        probabilities: like logits; if given, receives `softmax(logits)` from the same pass.

    Returns:
        The loss as a Python float, and its gradient, an array like logits.

    Raises:
        TypeError: dtypes differ.
        ValueError: shapes differ, a label is no class, or an array is strided.

    Example:
        >>> import numpy as np
        >>> logits = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
        >>> loss, grad = softmax_cross_entropy(logits, np.array([2, 0]), sample_weight=np.array([1.0, 3.0]))
        >>> print(f"{loss:.6f}")
        1.851721
    """
    result: LossAndGradient = kernels("softmax_cross_entropy", logits).softmax_cross_entropy(
        logits, target, sample_weight, ignore_class, label_smoothing, probabilities
    )
    return result
