"""The greatest or the mean of windows over the middle axes, and their gradients; padding is never counted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._backend import kernels

Array = NDArray[Any]
Sizes = int | tuple[int, ...]
Pads = str | tuple[tuple[int, int], ...]


def whole_numbers(op: str, name: str, value: Any, rank: int) -> tuple[int, ...]:
    """One int from 1 to 2**31 for each of `rank` axes; a single one counts for all.

    Example:
        >>> whole_numbers("max_pool", "window", 2, 2)
        (2, 2)
    """
    values = tuple(value) if isinstance(value, list | tuple) else (value,) * rank
    what = f"{op}: {name} must be {'an int' if rank == 1 else f'{rank} ints'} of 1 or more; got {value!r}"
    if any(isinstance(each, bool) or not isinstance(each, int | np.integer) for each in values):
        raise TypeError(what)
    if len(values) != rank or min(values) < 1:
        raise ValueError(what)
    if max(values) >= 2**31:
        raise ValueError(f"{op}: {name} must be below 2**31; got {value!r}")
    return tuple(int(each) for each in values)


def same_pads(size: int, window: int, stride: int) -> tuple[int, int]:
    """What `"same"` puts before and behind an axis; the odd one behind.

    Example:
        >>> same_pads(5, 2, 2)
        (0, 1)
    """
    total = max((-(-size // stride) - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


def _pads(
    op: str, padding: Any, sizes: tuple[int, ...], window: tuple[int, ...], strides: tuple[int, ...]
) -> tuple[tuple[int, int], ...]:
    """Pairs (before, after), one for each axis."""
    if padding == "valid":
        return ((0, 0),) * len(sizes)
    if padding == "same":
        return tuple(map(same_pads, sizes, window, strides))
    try:
        pairs = tuple((int(before), int(after)) for before, after in padding)
        fit = all(0 <= pad < size for pair, size in zip(pairs, window, strict=True) for pad in pair)
    except (TypeError, ValueError):
        fit = False
    if not fit:
        raise ValueError(
            f"{op}: padding must be 'valid', 'same' or a pair (before, after) for each axis, 0 or more and below "
            f"the window {window}; got {padding!r}"
        )
    return pairs


def _sizes(
    op: str, shape: tuple[int, ...], window: Any, strides: Any, padding: Any
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Window, strides and pads as the kernels take them; a sequence has height 1."""
    rank = 1 if len(shape) == 3 else 2
    window = whole_numbers(op, "window", window, rank)
    strides = window if strides is None else whole_numbers(op, "strides", strides, rank)
    pads = _pads(op, padding, shape[1:-1] if len(shape) == rank + 2 else (0,) * rank, window, strides)
    flat = tuple(pad for pair in pads for pad in pair)
    return (window, strides, flat) if rank == 2 else ((1, *window), (1, *strides), (0, 0, *flat))


def _shape(x: Any) -> tuple[int, ...]:
    return getattr(x, "shape", ())  # the kernels refuse what is no array


def max_pool(x: Array, *, window: Sizes, strides: Sizes | None = None, padding: Pads = "valid") -> Array:
    """The greatest element of each window; NaN where there is one.

    Along an axis of n elements there are `(n + before + after - window) // stride + 1` windows. An axis of 0 gives
    one of 0.

    Args:
        x: float32 or float64, (N, H, W, C) or (N, T, C).
        window: height and width of a window, or one number for each axis.
        strides: from one window to the next; None is `window`.
        padding: `"valid"` adds nothing. `"same"` adds what gives `ceil(n / stride)` windows, an odd one behind. Or
            pairs (before, after), each below the window, one for each axis. What is added is never counted.

    Returns:
        An array of x's dtype, (N, windows along H, along W, C) or (N, windows, C).

    Raises:
        TypeError: x is no float array, or a size no int.
        ValueError: x has other axes or is strided, a size is out of range, or x is smaller than a window.

    Example:
        >>> import numpy as np
        >>> max_pool(np.arange(9.0).reshape(1, 3, 3, 1), window=2, strides=1).ravel()
        array([4., 5., 7., 8.])
    """
    op = "max_pool"
    result: Array = kernels(op, x).max_pool(x, *_sizes(op, _shape(x), window, strides, padding))
    return result


def average_pool(x: Array, *, window: Sizes, strides: Sizes | None = None, padding: Pads = "valid") -> Array:
    """The mean of each window; padding neither adds to it nor to the count.

    Args:
        x: float32 or float64, (N, H, W, C) or (N, T, C).
        window: as in `max_pool`.
        strides: as in `max_pool`.
        padding: as in `max_pool`.

    Returns:
        An array of x's dtype, (N, windows along H, along W, C) or (N, windows, C).

    Raises:
        TypeError: x is no float array, or a size no int.
        ValueError: x has other axes or is strided, a size is out of range, or x is smaller than a window.

    Example:
        >>> import numpy as np
        >>> average_pool(np.arange(1.0, 6).reshape(1, 5, 1), window=3, strides=2, padding="same").ravel()
        array([1.5, 3. , 4.5])
    """
    op = "average_pool"
    result: Array = kernels(op, x).average_pool(x, *_sizes(op, _shape(x), window, strides, padding))
    return result


def max_pool_backward(
    grad: Array,
    x: Array,
    output: Array,
    *,
    window: Sizes,
    strides: Sizes | None = None,
    padding: Pads = "valid",
) -> Array:
    """The gradient by x of `max_pool`: it goes to the first of the greatest, or to the first NaN.

    Args:
        grad: float32 or float64, the gradient by the output.
        x: like grad, what `max_pool` was given.
        output: like grad, what it returned.
        window: as in `max_pool`.
        strides: as in `max_pool`.
        padding: as in `max_pool`.

    Returns:
        An array like x.

    Raises:
        TypeError: dtypes differ, or a size is no int.
        ValueError: shapes do not fit, an array is strided or a size is out of range.

    Example:
        >>> import numpy as np
        >>> x = np.array([[[3.0], [3.0], [1.0], [2.0]]])
        >>> max_pool_backward(np.array([[[1.0], [5.0]]]), x, max_pool(x, window=2), window=2).ravel()
        array([1., 0., 0., 5.])
    """
    op = "max_pool_backward"
    sizes = _sizes(op, _shape(x), window, strides, padding)
    result: Array = kernels(op, grad).max_pool_backward(grad, x, output, *sizes)
    return result


def average_pool_backward(
    grad: Array,
    *,
    shape: tuple[int, ...],
    window: Sizes,
    strides: Sizes | None = None,
    padding: Pads = "valid",
) -> Array:
    """The gradient by x of `average_pool`: equal shares for all that a window has.

    Args:
        grad: float32 or float64, the gradient by the output.
        shape: that of x.
        window: as in `max_pool`.
        strides: as in `max_pool`.
        padding: as in `max_pool`.

    Returns:
        An array of grad's dtype and that shape.

    Raises:
        TypeError: grad is no float array, or a size no int.
        ValueError: shapes do not fit, grad is strided or a size is out of range.

    Example:
        >>> import numpy as np
        >>> average_pool_backward(np.array([[[1.0], [5.0]]]), shape=(1, 4, 1), window=2).ravel()
        array([0.5, 0.5, 2.5, 2.5])
    """
    op = "average_pool_backward"
    sizes = _sizes(op, tuple(shape), window, strides, padding)
    result: Array = kernels(op, grad).average_pool_backward(grad, list(shape), *sizes)
    return result
