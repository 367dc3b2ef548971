"""Rescaling and Normalization: inputs are shifted and scaled by numbers that no optimizer moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import initializers
from .._backend import kernels, on_gpu
from ..preprocessing.moments import Moments, blocks
from .base import Grads, Layer, Shape
from .scaled import check_sizes

Array = NDArray[Any]


class Rescaling(Layer):
    """`x * scale + offset`, in training and afterwards.

    Args:
        scale: the factor; a list has one for each channel.
        offset: what is added; a list has one for each channel.
        settings: name, dtype, trainable, input_shape.

    Raises:
        TypeError: scale or offset is no number and no list of them.

    Example:
        >>> import numpy as np
        >>> Rescaling(1 / 255, -0.5)(np.array([[255, 0]], np.uint8))
        array([[ 0.5, -0.5]], dtype=float32)
    """

    passes_mask = True

    def __init__(self, scale: Any, offset: Any = 0.0, **settings: Any) -> None:
        super().__init__(**settings)
        self.scale, self.offset = (
            _numbers(self.op, name, v) for name, v in (("scale", scale), ("offset", offset))
        )
        self._scale, self._offset = (np.asarray(v, self.dtype) for v in (self.scale, self.offset))

    def build(self, input_shape: Shape) -> None:
        """Refuse another number of channels than scale and offset have."""
        for name, value in (("scale", self._scale), ("offset", self._offset)):
            if value.ndim and (len(input_shape) < 2 or value.shape != (input_shape[-1],)):
                raise ValueError(
                    f"{self.op} {self.name!r}: inputs must have last axis {value.size} like {name}; "
                    f"got shape {input_shape}"
                )

    def forward(self, x: Array, *, training: bool = False, mask: Array | None = None) -> tuple[Array, Any]:
        """The output; `backward` needs nothing."""
        _require_host(self, x)
        y = x * self._scale
        y += self._offset
        return y, None

    def backward(self, grad: Array, saved: Any, need_x: bool = True) -> tuple[Array | None, Grads]:
        """The gradient by the input."""
        return grad * self._scale if need_x else None, []

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {**super().get_config(), "scale": self.scale, "offset": self.offset}


class Normalization(Layer):
    """`(x - mean) / sqrt(variance)`: every feature gets mean 0 and variance 1 over the data it was adapted to.

    A feature that is constant has variance 0 and is only centred.

    Args:
        axis: the axes whose places have a mean each; None takes one mean of all numbers.
        mean: what `adapt` would find; a number or a list. Needs variance.
        variance: the same.
        invert: True goes back: `x * sqrt(variance) + mean`.
        settings: name, dtype, trainable, input_shape.

    Raises:
        ValueError: one of mean and variance is missing, or their shapes differ.

    Example:
        >>> import numpy as np
        >>> layer = Normalization()
        >>> layer.adapt(np.array([[1.0, 7.0], [3.0, 7.0]]))
        >>> layer(np.array([[1.0, 7.0], [5.0, 8.0]]))
        array([[-1.,  0.],
               [ 3.,  1.]], dtype=float32)

    References:
        Chan, Golub and LeVeque, Updating formulae and a pairwise algorithm for computing sample variances, 1979.
    """

    passes_mask = True
    fixed_rank = True

    def __init__(
        self,
        axis: int | Sequence[int] | None = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        axes = () if axis is None else (axis,) if isinstance(axis, int | np.integer) else tuple(axis)
        self.axis, self.invert = axis, bool(invert)
        self._axes = tuple(int(a) for a in axes)
        if (mean is None) != (variance is None):
            raise ValueError(f"{self.op}: mean and variance must be given together; got one of them")
        self.given = (
            None if mean is None else (_table(self.op, "mean", mean), _table(self.op, "variance", variance))
        )
        if self.given is not None:
            given_mean, given_variance = self.given
            if given_mean.shape != given_variance.shape or given_mean.ndim > len(self._axes):
                raise ValueError(
                    f"{self.op}: mean and variance must have one shape of at most {len(self._axes)} axes; "
                    f"got {given_mean.shape} and {given_variance.shape}"
                )
            if not (given_variance >= 0).all():
                raise ValueError(f"{self.op}: variance must be 0 or more; got {given_variance.min()}")

    def build(self, input_shape: Shape) -> None:
        """Make mean and variance, unless they were given."""
        rank = len(input_shape)
        kept = sorted({a % rank for a in self._axes if -rank <= a < rank})
        known = [input_shape[a] for a in kept]
        if len(kept) != len(self._axes) or 0 in kept or None in known:
            raise ValueError(
                f"{self.op} {self.name!r}: axis must name axes of known length behind the batch; "
                f"got {self.axis} for inputs of shape {input_shape}"
            )
        shape = tuple(n for n in known if n is not None)
        self._kept, self._shape = tuple(kept), shape
        #: The shape in which mean and variance meet the input.
        self._aligned = tuple(input_shape[a] or 0 if a in kept else 1 for a in range(rank))
        if self.given is None:
            self.mean = self.add_variable("mean", shape, initializers.get("zeros"), trainable=False)
            self.variance = self.add_variable("variance", shape, initializers.get("ones"), trainable=False)
            return
        try:
            self._fixed = tuple(np.broadcast_to(v, shape) for v in self.given)
        except ValueError:
            raise ValueError(
                f"{self.op} {self.name!r}: mean must fit the shape {shape} of axis {self.axis}; "
                f"got {self.given[0].shape}"
            ) from None

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Find the mean and the variance of data, in float64 and some megabytes at a time.

        Args:
            data: an array or a memory map (N, ...), or an iterable of batches: a `strop.data.Dataset`, a generator, a
                list of arrays. Of a batch that is a tuple the first entry counts.
            steps: at most so many batches.

        Raises:
            ValueError: there is no sample, a batch has another shape, or mean and variance were given.
        """
        op = f"{self.op} {self.name!r}"
        if self.given is not None:
            raise ValueError(f"{op}: adapt must find mean and variance; got both from the constructor")
        moments: Moments | None = None
        for batch in blocks(op, data, steps):
            if moments is None:
                self.build_once((None, *batch.shape[1:]))
                moments = Moments(self._kept)
            good = batch.ndim == len(self._aligned) and all(
                batch.shape[a] == n for a, n in zip(self._kept, self._shape, strict=True)
            )
            if not good:
                raise ValueError(
                    f"{op}: data must have shape {self.input_shape} like the layer; got {batch.shape}"
                )
            moments.add(batch)
        if moments is None or not moments.count:
            raise ValueError(f"{op}: data must have a sample; got none")
        self.mean.assign(moments.mean)
        self.variance.assign(moments.variance)

    def _mean_and_deviation(self, x: Array) -> tuple[Array, Array]:
        """Both in the type of x, aligned with its axes; the deviation of a constant is 1."""
        mean, variance = self._fixed if self.given else (self.mean._value, self.variance._value)
        deviation = np.sqrt(variance, dtype=np.float64)
        deviation = np.where(deviation == 0, 1.0, deviation)
        return mean.astype(x.dtype).reshape(self._aligned), deviation.astype(x.dtype).reshape(self._aligned)

    def forward(self, x: Array, *, training: bool = False, mask: Array | None = None) -> tuple[Array, Any]:
        """The output, and the deviation."""
        _require_host(self, x)
        check_sizes(self, x, self._kept, self._shape)
        mean, deviation = self._mean_and_deviation(x)
        if self.invert:
            y = x * deviation
            y += mean
        else:
            y = x - mean
            y /= deviation
        return y, deviation

    def backward(self, grad: Array, saved: Any, need_x: bool = True) -> tuple[Array | None, Grads]:
        """The gradient by the input."""
        if not need_x:
            return None, []
        return (grad * saved if self.invert else grad / saved), []

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        mean, variance = (None, None) if self.given is None else (v.tolist() for v in self.given)
        axis = self.axis if self.axis is None or isinstance(self.axis, int) else list(self._axes)
        return {
            **super().get_config(),
            "axis": axis,
            "mean": mean,
            "variance": variance,
            "invert": self.invert,
        }


def _numbers(op: str, name: str, value: Any) -> float | list[float]:
    """A finite number or a list of them."""
    table = _table(op, name, value)
    if table.ndim > 1:
        raise ValueError(
            f"{op}: {name} must be a number or have one for each channel; got shape {table.shape}"
        )
    numbers: float | list[float] = table.tolist()
    return numbers


def _table(op: str, name: str, value: Any) -> Array:
    try:
        table = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise TypeError(
            f"{op}: {name} must be a number or a list of them; got {type(value).__name__}"
        ) from None
    if not np.isfinite(table).all():
        raise ValueError(f"{op}: {name} must be finite; got {table[~np.isfinite(table)][0]}")
    return table


def _require_host(layer: Layer, x: Array) -> None:
    """These layers are NumPy expressions, which a GPU's arrays do not have."""
    if on_gpu(x):
        kernels(layer.op, x)
