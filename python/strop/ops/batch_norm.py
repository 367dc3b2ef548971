"""Batch normalization over all axes but the last, group normalization within a sample, and their gradients."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from .._backend import kernels

Array = NDArray[Any]
Results = tuple[Array, Array, Array]


def batch_norm(
    x: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    *,
    mask: Array | None = None,
    epsilon: float = 1e-3,
) -> Results:
    """`(x - mean) / sqrt(variance + epsilon) * gamma + beta` for each channel, over all axes but the last.

    The variance is biased. It is summed from distances, so that an offset of all float32 numbers costs no digits.

    Args:
        x: float32 or float64, (..., C).
        gamma: like x, (C,); None is 1.
        beta: like gamma; None is 0.
        mask: bool, x's shape without the last axis: rows that count in mean and variance. All rows are normalized.
        epsilon: added to the variance; torch has 1e-5.

    Returns:
        The normalized array; mean and variance, float64, (C,). Without a row that counts they are 0.

    Raises:
        TypeError: x is no float array, or dtypes differ.
        ValueError: a shape does not fit, or an array is strided.

    Example:
        >>> import numpy as np
        >>> y, mean, variance = batch_norm(np.array([[1.0], [5.0]]))
        >>> y.ravel().round(6), mean, variance
        (array([-0.999875,  0.999875]), array([3.]), array([4.]))

    References:
        Ioffe, Szegedy: Batch Normalization, arXiv 1502.03167.
    """
    result: Results = kernels("batch_norm", x).batch_norm(x, gamma, beta, mask, epsilon)
    return result


def batch_norm_backward(
    grad: Array,
    x: Array,
    gamma: Array | None,
    mean: Array,
    variance: Array,
    *,
    mask: Array | None = None,
    epsilon: float = 1e-3,
    need_x: bool = True,
) -> tuple[Array | None, Array, Array]:
    """The gradients by x, gamma and beta of `batch_norm`.

    Args:
        grad: float32 or float64, the gradient by the normalized array.
        x: like grad, what `batch_norm` was given.
        gamma: as there.
        mean: what it returned.
        variance: what it returned.
        mask: as there.
        epsilon: as there.
        need_x: False leaves out the gradient by x.

    Returns:
        Arrays like x (or None), gamma and beta.

    Raises:
        TypeError: dtypes differ.
        ValueError: a shape does not fit, or an array is strided.

    Example:
        >>> import numpy as np
        >>> x = np.array([[1.0], [5.0]])
        >>> _, mean, variance = batch_norm(x)
        >>> batch_norm_backward(np.array([[1.0], [2.0]]), x, None, mean, variance)[2]
        array([3.])
    """
    call = kernels("batch_norm_backward", grad).batch_norm_backward
    result: tuple[Array | None, Array, Array] = call(grad, x, gamma, mean, variance, mask, epsilon, need_x)
    return result


def batch_norm_inference(
    x: Array,
    mean: Array,
    variance: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    *,
    epsilon: float = 1e-3,
) -> Array:
    """`batch_norm` with a mean and a variance that are given: a scale and a shift for each channel.

    Args:
        x: float32 or float64, (..., C).
        mean: like x, (C,).
        variance: like mean.
        gamma: like mean; None is 1.
        beta: like mean; None is 0.
        epsilon: added to the variance.

    Returns:
        An array like x.

    Raises:
        TypeError: x is no float array, or dtypes differ.
        ValueError: a shape does not fit, or an array is strided.

    Example:
        >>> import numpy as np
        >>> batch_norm_inference(np.array([[1.0], [5.0]]), np.array([1.0]), np.array([4.0]), epsilon=0).ravel()
        array([0., 2.])
    """
    call = kernels("batch_norm_inference", x).batch_norm_inference
    result: Array = call(x, mean, variance, gamma, beta, epsilon)
    return result


def group_norm(
    x: Array, gamma: Array | None = None, beta: Array | None = None, *, groups: int, epsilon: float = 1e-3
) -> Results:
    """`(x - mean) / sqrt(variance + epsilon) * gamma + beta` over the places and one group of channels of a sample.

    Args:
        x: float32 or float64, (N, ..., C).
        gamma: like x, (C,); None is 1.
        beta: like gamma; None is 0.
        groups: how many groups of neighbours the channels form; C of them normalize each channel by itself.
        epsilon: added to the variance; torch has 1e-5.

    Returns:
        The normalized array; mean and variance, float64, (N, groups).

    Raises:
        TypeError: x is no float array, or dtypes differ.
        ValueError: groups does not divide C, a shape does not fit, or an array is strided.

    Example:
        >>> import numpy as np
        >>> group_norm(np.array([[1.0, 3.0, 5.0, 5.0]]), groups=2, epsilon=1e-12)[0]
        array([[-1.,  1.,  0.,  0.]])

    References:
        Wu, He: Group Normalization, arXiv 1803.08494.
    """
    result: Results = kernels("group_norm", x).group_norm(x, gamma, beta, groups, epsilon)
    return result


def group_norm_backward(
    grad: Array,
    x: Array,
    gamma: Array | None,
    mean: Array,
    variance: Array,
    *,
    groups: int,
    epsilon: float = 1e-3,
    need_x: bool = True,
) -> tuple[Array | None, Array, Array]:
    """The gradients by x, gamma and beta of `group_norm`.

    Args:
        grad: float32 or float64, the gradient by the normalized array.
        x: like grad, what `group_norm` was given.
        gamma: as there.
        mean: what it returned.
        variance: what it returned.
        groups: as there.
        epsilon: as there.
        need_x: False leaves out the gradient by x.

    Returns:
        Arrays like x (or None), gamma and beta.

    Raises:
        TypeError: dtypes differ.
        ValueError: a shape does not fit, or an array is strided.

    Example:
        >>> import numpy as np
        >>> x = np.array([[1.0, 3.0]])
        >>> _, mean, variance = group_norm(x, groups=1)
        >>> group_norm_backward(np.ones((1, 2)), x, None, mean, variance, groups=1)[2]
        array([1., 1.])
    """
    call = kernels("group_norm_backward", grad).group_norm_backward
    result: tuple[Array | None, Array, Array] = call(grad, x, gamma, mean, variance, groups, epsilon, need_x)
    return result
