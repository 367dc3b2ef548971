"""Losses fused with their gradients: one pass gives both."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from .._backend import kernels

Array = NDArray[Any]
LossAndGradient = tuple[float, Array]


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
    result: LossAndGradient = kernels("mean_squared_error", pred).mean_squared_error(
        pred, target, sample_weight
    )
    return result


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
    result: LossAndGradient = kernels("mean_absolute_error", pred).mean_absolute_error(
        pred, target, sample_weight
    )
    return result


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
