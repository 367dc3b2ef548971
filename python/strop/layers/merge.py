"""What layers with several inputs share: shapes that broadcast, masks, gradients of broadcast inputs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._backend import array_module, on_gpu
from .._device import input_array, to_device, to_host
from .base import Layer, Shape

Array = NDArray[Any]


class Merge(Layer):
    """Base of the layers with several inputs: shapes, arrays and masks come as lists.

    The inputs may have different shapes that broadcast; one with fewer axes gets axes of length 1 behind that of the
    samples. A subclass says in `merge` what is computed and in `shares` each input's gradient.
    """

    passes_mask = True
    takes_list = True
    #: What stands in for a masked step, so that it does not count; None leaves it as it is.
    neutral: float | None = None

    def build(self, input_shape: Any) -> None:
        """Refuse inputs whose shapes do not broadcast."""
        self._check_list(input_shape)
        if _broadcast(_aligned_shapes(input_shape)) is None:
            raise ValueError(
                f"{self.op} {self.name!r}: inputs must have shapes that broadcast; got shapes "
                f"{' and '.join(map(str, input_shape))}"
            )

    def _check_list(self, input_shape: Any) -> None:
        if not isinstance(input_shape, list) or not input_shape:
            raise ValueError(
                f"{self.op} {self.name!r}: inputs must be a list of tensors; got shape {input_shape}"
            )

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """The shape to which the inputs broadcast."""
        shape = _broadcast(_aligned_shapes(input_shape))
        assert shape is not None
        return shape

    def merge(self, xs: list[Array]) -> Array:
        """The output, from inputs with equally many axes."""
        raise NotImplementedError(f"{self.op}: a layer must have a merge")

    def shares(self, grad: Array, xs: list[Array], y: Array) -> list[Array]:
        """The gradient by each input, of the output's shape."""
        raise NotImplementedError(f"{self.op}: a layer must have shares to be trained")

    def forward(self, x: Any, *, training: bool = False, mask: Any = None) -> tuple[Array, Any]:
        """The output, and what `backward` needs."""
        count = max(array.ndim for array in x)
        xs = [_with_axes(array, count) for array in x]
        masks = (
            [None] * len(xs) if self.neutral is None or mask is None else [_spread(m, count) for m in mask]
        )
        library = array_module(xs[0])
        for i, own in enumerate(masks):
            if own is not None:
                xs[i] = library.where(own, xs[i], xs[i].dtype.type(self.neutral))
        with np.errstate(over="ignore", invalid="ignore"):  # infinity, as from the kernels
            y = library.ascontiguousarray(self.merge(xs))
        if masks and all(own is not None for own in masks):
            y = library.where(any_of(masks), y, y.dtype.type(0))
        return y, (xs, y, masks, [array.shape for array in x])

    def backward(self, grad: Array, saved: Any, need_x: bool = True) -> Any:
        """The gradients by the inputs."""
        xs, y, masks, shapes = saved
        library = array_module(grad)
        backs = []
        for share, x, own, shape in zip(self.shares(grad, xs, y), xs, masks, shapes, strict=True):
            share = share if own is None else library.where(own, share, share.dtype.type(0))
            backs.append(_summed(share, x.shape).reshape(shape))
        return backs, []

    def compute_mask(self, x: Any, mask: Any) -> Array | None:
        """Where any input counts; None unless all have a mask."""
        if mask is None or any(m is None for m in mask):
            return None
        return any_of(mask)

    def keeps_mask(self, masked: Sequence[bool]) -> bool:
        """Whether a mask goes out, if these inputs have one."""
        return all(masked)

    def call(self, x: Any, training: bool = False) -> Array:
        """The output for a list of arrays, of the library of the first; builds the layer on first use."""
        if not isinstance(x, list | tuple) or not x:
            raise ValueError(f"{self.op} {self.name!r}: x must be a list of arrays; got {type(x).__name__}")
        with self.device.current():
            given = [
                input_array(f"{self.op} {self.name!r}", f"x[{i}]", v, self.device) for i, v in enumerate(x)
            ]
            arrays = [self.as_input(array) for array in given]
            self.build_once([(None, *array.shape[1:]) for array in arrays])
            y = self.forward([to_device(array, self.device) for array in arrays], training=training)[0]
            return y if on_gpu(given[0]) else to_host(y)


def _aligned_shapes(shapes: Sequence[Shape]) -> list[Shape]:
    """The shapes with equally many axes."""
    count = max(len(shape) for shape in shapes)
    return [(*shape[:1], *(1,) * (count - len(shape)), *shape[1:]) for shape in shapes]


def _broadcast(shapes: Sequence[Shape]) -> Shape | None:
    """The shape to which these broadcast, or None."""
    sizes: list[int | None] = []
    for along in zip(*shapes, strict=True):
        known = {n for n in along if n not in (None, 1)}
        if len(known) > 1:
            return None
        sizes.append(known.pop() if known else None if None in along else 1)
    return tuple(sizes)


def _with_axes(x: Array, count: int) -> Array:
    return x if x.ndim == count else x.reshape(x.shape[:1] + (1,) * (count - x.ndim) + x.shape[1:])


def _spread(mask: Array | None, count: int) -> Array | None:
    """A mask with as many axes as what it masks."""
    return None if mask is None else mask.reshape(mask.shape + (1,) * (count - mask.ndim))


def any_of(masks: Sequence[Any]) -> Array:
    """Where any of the masks counts."""
    return reduce(or_, masks)


def _summed(grad: Array, shape: tuple[int, ...]) -> Array:
    """A gradient summed over the axes along which an input was broadcast."""
    axes = tuple(i for i, (n, m) in enumerate(zip(grad.shape, shape, strict=True)) if n != m)
    return grad.sum(axis=axes, keepdims=True) if axes else grad
