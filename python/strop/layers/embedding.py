"""Embedding: a row of numbers for each id."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import ops
from .._backend import array_module, kernels, on_gpu
from .base import Grads, Shape
from .core import whole_number
from .declared import Declared

Array = NDArray[Any]


def as_ids(op: str, x: ArrayLike) -> Array:
    """int32 or int64 ids; floats pass only if they are whole numbers."""
    library = array_module(x)
    array = library.asarray(x)
    if array.dtype.kind == "f":
        whole = array.astype(np.int64)
        if not (whole == array).all():
            raise TypeError(f"{op}: ids must be whole numbers; got {array.dtype} with fractions")
        array = whole
    if array.dtype.kind not in "iu":
        raise TypeError(f"{op}: ids must be whole numbers; got a {array.dtype} array of shape {array.shape}")
    if array.dtype == np.uint64 and array.size and array.max() > np.iinfo(np.int64).max:
        raise IndexError(f"{op}: ids must fit into int64; got {array.max()}")
    kind = np.int32 if array.dtype.itemsize < 4 or array.dtype == np.int32 else np.int64
    result: Array = library.ascontiguousarray(array, kind)
    return result


def first_bad_id(ids: Array, count: int) -> tuple[int, ...] | None:
    """Where the first id outside [0, count) stands, or None; of ids on a GPU the host waits for the answer."""
    if on_gpu(ids):
        place = kernels("first_bad_id", ids).first_bad_id(ids, count)
        return None if place < 0 else tuple(int(i) for i in np.unravel_index(place, ids.shape))
    if not ids.size or (ids.min() >= 0 and ids.max() < count):
        return None
    return tuple(int(i) for i in np.argwhere((ids < 0) | (ids >= count))[0])


class Embedding(Declared):
    """A trained row of numbers for each id: ids (N, T) become (N, T, output_dim).

    Args:
        input_dim: rows of the table: the largest id plus 1.
        output_dim: length of a row.
        embeddings_initializer: how the table starts, U(-0.05, 0.05).
        embeddings_regularizer: penalty on the table; it makes the gradient dense.
        embeddings_constraint: what is done to the table after each update.
        mask_zero: True makes id 0 padding: later layers leave those steps out.
        weights: a table to start from, as an array or a list with one.
        input_length: ids per sample, which builds the model at once; other lengths still run.
        settings: name, dtype, trainable.

    Raises:
        ValueError: a size is not 1 or more, or a name is unknown.

    Example:
        >>> import numpy as np
        >>> layer = Embedding(4, 2, weights=[np.array([[9, 9], [1, 2], [3, 4], [5, 6]])])
        >>> layer(np.array([[1, 3]]))
        array([[[1., 2.],
                [5., 6.]]], dtype=float32)
    """

    reads_ids = True

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        input_length: int | None = None,
        **settings: Any,
    ) -> None:
        if input_length is not None:
            settings.setdefault("input_shape", (whole_number("Embedding", "input_length", input_length),))
        super().__init__(**settings)
        self.input_dim = whole_number(self.op, "input_dim", input_dim)
        self.output_dim = whole_number(self.op, "output_dim", output_dim)
        self.declare(embeddings=(embeddings_initializer, embeddings_regularizer, embeddings_constraint))
        self.mask_zero = self.starts_mask = mask_zero
        self.input_length = input_length
        self._start = None
        if weights is not None:
            self._start = np.asarray(weights[0] if isinstance(weights, list | tuple) else weights)
            if self._start.shape != (input_dim, output_dim):
                raise ValueError(
                    f"Embedding: weights must have shape {(input_dim, output_dim)}; got {self._start.shape}"
                )

    def build(self, input_shape: Shape) -> None:
        """Make the table."""
        self.table = self.add_declared(
            "embeddings",
            (self.input_dim, self.output_dim),
            initializer=None if self._start is None else _given(self._start),
            sparse_rows=True,
        )
        self._start = None

    @property
    def embeddings(self) -> Array:
        """A copy of the table on the host."""
        return self.table.numpy()

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape and one axis more."""
        return (*input_shape, self.output_dim)

    def as_input(self, x: Any) -> Array:
        """Ids as int32 or int64, all inside the table."""
        ids = as_ids(f"{self.op} {self.name!r}", x)
        self.check_ids(ids)
        return ids

    def check_ids(self, ids: Array) -> None:
        """Refuse ids outside the table, naming the first and where it stands.

        Raises:
            IndexError: an id is below 0 or at least input_dim.
        """
        at = first_bad_id(ids, self.input_dim)
        if at is None:
            return
        raise IndexError(
            f"{self.op} {self.name!r}: ids must lie in [0, {self.input_dim}); got {int(ids[at])} at {at}"
            "; input_dim is the largest id plus 1"
        )

    def forward(self, x: Array, *, training: bool = False, mask: Array | None = None) -> tuple[Array, Any]:
        """The output, and what `backward` needs."""
        return ops.embedding_lookup(self.table.value, x), x

    def backward(self, grad: Array, saved: Any, need_x: bool = True) -> tuple[Array | None, Grads]:
        """No gradient by ids; a `RowGrad` by the table."""
        if not self.trainable:
            return None, []
        return None, [ops.embedding_lookup_backward(grad, saved, num_rows=self.input_dim)]

    def compute_mask(self, x: Array, mask: Array | None) -> Array | None:
        """Where an id is not 0, if mask_zero."""
        return x != 0 if self.mask_zero else None

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            **self.declared_config(),
            "mask_zero": self.mask_zero,
            "input_length": self.input_length,
        }


def _given(value: Array) -> Any:
    def initializer(shape: tuple[int, ...], dtype: str) -> Array:
        return np.array(value, dtype)

    return initializer
