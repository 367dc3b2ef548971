"""Small helpers around training data."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._random import set_random_seed
from .preprocessing.sequence import pad_sequences

__all__ = ["normalize", "pad_sequences", "plot_model", "set_random_seed", "to_categorical"]

Array = NDArray[Any]


def to_categorical(x: ArrayLike, num_classes: int | None = None) -> Array:
    """Class ids as one-hot rows.

    Args:
        x: whole numbers, (N,) or (N, 1).
        num_classes: C; None is one more than the largest.

    Returns:
        float32, (N, C).

    Raises:
        TypeError: x does not hold whole numbers.
        IndexError: an id is below 0 or at least num_classes.

    Example:
        >>> to_categorical([0, 2])
        array([[1., 0., 0.],
               [0., 0., 1.]], dtype=float32)
    """
    op = "to_categorical"
    ids = np.asarray(x)
    if ids.dtype.kind == "f" and (ids == ids.astype(np.int64)).all():
        ids = ids.astype(np.int64)
    if ids.dtype.kind not in "iub":
        raise TypeError(f"{op}: x must hold whole numbers; got a {ids.dtype} array of shape {ids.shape}")
    shape = ids.shape[:-1] if ids.ndim > 1 and ids.shape[-1] == 1 else ids.shape
    ids = ids.reshape(shape).astype(np.int64)
    count = int(ids.max(initial=-1)) + 1 if num_classes is None else int(num_classes)
    bad = np.argwhere((ids < 0) | (ids >= count))
    if bad.size:
        at = tuple(int(i) for i in bad[0])
        raise IndexError(f"{op}: x must lie in [0, {count}); got {ids[at]} at {at}")
    result = np.zeros((ids.size, count), np.float32)
    result[np.arange(ids.size), ids.ravel()] = 1
    return result.reshape(*shape, count)


def normalize(x: ArrayLike, axis: int = -1, order: int = 2) -> Array:
    """x over its norm along an axis; a row of zeros stays.

    Args:
        x: numbers.
        axis: along which the norm is taken.
        order: of the norm.

    Example:
        >>> normalize([[3.0, 4.0], [0.0, 0.0]])
        array([[0.6, 0.8],
               [0. , 0. ]])
    """
    array = np.asarray(x)
    if array.dtype.kind != "f":
        array = array.astype(np.float64)
    length = np.atleast_1d(np.linalg.norm(array, order, axis))
    length[length == 0] = 1
    result: Array = array / np.expand_dims(length, axis)
    return result


def plot_model(model: Any, *, show_shapes: bool = True, ax: Any = None) -> Any:
    """Draw the layers of a model; see `strop.plot.network`.

    Args:
        model: a `Sequential` or a `Model`.
        show_shapes: write shapes and numbers of parameters into the boxes.
        ax: matplotlib Axes to draw into; None makes a figure.

    Returns:
        The Axes; `ax.figure.savefig("model.png")` writes the picture.

    Raises:
        ImportError: matplotlib is absent.
    """
    from .plot.network import network

    return network(model, show_shapes=show_shapes, ax=ax)
