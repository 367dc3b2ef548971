"""The border: what users pass in becomes arrays that the steps read without looking again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._arrays import rectangular as rectangular
from .._backend import on_gpu
from .structure import each, leaves, rows

Array = NDArray[Any]


@dataclass(frozen=True)
class Data:
    """Inputs, targets and weights of some samples, of equal length; of several inputs or outputs tuples of arrays."""

    x: Any
    y: Any = None
    weight: Any = None
    #: The samples as a step program reads them, by its class of samples; made when first asked for.
    read_by_program: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)
    #: The samples on a GPU, by device, or None where they do not fit; moved when first asked for.
    on_device: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return rows(self.x)

    @property
    def several(self) -> bool:
        """Whether there are several inputs or outputs."""
        return isinstance(self.x, tuple) or isinstance(self.y, tuple)

    @property
    def arrays(self) -> list[Array]:
        """All arrays."""
        return [array for value in (self.x, self.y, self.weight) for array in leaves(value)]

    @property
    def nbytes_on_host(self) -> int:
        """Bytes that are not on a GPU yet."""
        return sum(array.nbytes for array in self.arrays if not on_gpu(array))

    def mapped(self, function: Callable[[Array], Array]) -> Data:
        """A function of every array."""
        return Data(each(function, self.x), each(function, self.y), each(function, self.weight))

    def part(self, begin: int, end: int) -> Data:
        """The samples from begin to end, without copying."""
        return self.mapped(lambda array: array[begin:end])

    def targets(self, order: Array | None, begin: int, end: int) -> tuple[Any, Any]:
        """Targets and weights of samples by their places in the order; without one, not copied."""
        places: Any = slice(begin, end) if order is None else order[begin:end]
        return each(lambda array: array[places], self.y), each(lambda array: array[places], self.weight)

    def take(self, places: Array) -> Data:
        """The samples of these rows, copied."""
        return self.mapped(lambda array: array.take(places, axis=0))


def per_sample(op: str, name: str, value: Any, count: int, dtype: Any) -> Array:
    """One weight per sample."""
    array = np.ascontiguousarray(rectangular(op, name, value), dtype)
    if array.shape not in ((count,), (count, 1)):
        raise ValueError(f"{op}: {name} must have one value per sample ({count}); got shape {array.shape}")
    if not np.isfinite(array).all() or (array < 0).any():
        raise ValueError(
            f"{op}: {name} must be finite and 0 or more; got {array[~(array >= 0) | np.isinf(array)][0]}"
        )
    return array.reshape(count)


def class_weights(op: str, weights: Mapping[Any, float], y: Array, dtype: Any) -> Array:
    """The weight of each sample's class; classes that are not named weigh 1."""
    if not isinstance(weights, Mapping):
        raise TypeError(f"{op}: class_weight must be a dict; got {type(weights).__name__}")
    classes = y.argmax(axis=-1) if y.ndim > 1 and y.shape[-1] > 1 else y.reshape(len(y), -1)[:, 0]
    result = np.ones(len(y), dtype)
    for key, weight in weights.items():
        for number in (key, weight):
            if not isinstance(number, int | float | np.number | np.bool_):
                raise TypeError(
                    f"{op}: class_weight must be a dict of numbers by class; got {type(number).__name__}"
                )
        if not (weight >= 0 and math.isfinite(weight)):
            raise ValueError(f"{op}: class_weight must be finite and 0 or more; got {weight} for class {key}")
        result[classes == key] = weight
    return result


def require_count(op: str, name: str, value: Array, count: int, like: str = "x") -> None:
    """Refuse another number of samples than x has."""
    if len(value) != count:
        raise ValueError(f"{op}: {name} must have as many samples as {like} ({count}); got {len(value)}")


@contextmanager
def numbered(op: str, name: str, number: int) -> Iterator[str]:
    """How messages about a batch begin, which is put in front of those that begin otherwise."""
    where = f"{op}: {name.replace('_', ' ')}batch {number}"
    try:
        yield where
    except (IndexError, TypeError, ValueError) as error:
        if str(error).startswith(where):
            raise
        kind = next(k for k in (IndexError, TypeError, ValueError) if isinstance(error, k))
        raise kind(f"{where}: {error}") from error


def unpacked(op: str, batch: Any) -> tuple[Any, Any, Any]:
    """x, y and weight of a batch, None for what it has not; a list counts as a tuple, as in Keras."""
    if not isinstance(batch, tuple | list):
        return batch, None, None
    if not 1 <= len(batch) <= 3:
        raise ValueError(f"{op} must be (x, y) or (x, y, sample_weight); got {len(batch)} entries")
    entries = [*batch, None, None]
    return entries[0], entries[1], entries[2]


def split_place(op: str, share: float, count: int) -> int:
    """How many samples stay for training: `floor(n * (1 - share))`; the tail validates."""
    if not isinstance(share, float | int | np.number):
        raise TypeError(f"{op}: validation_split must be a number in [0, 1); got {type(share).__name__}")
    if not 0 < share < 1:
        raise ValueError(f"{op}: validation_split must lie in [0, 1); got {share}")
    place = math.floor(count * (1.0 - share))
    if place == 0 or place == count:
        side = "0 left to train on" if place == 0 else "0 left to validate on"
        raise ValueError(
            f"{op}: validation_split must leave samples on both sides; got {share} of {count} samples ({side})"
        )
    return place


def missing_class_warning(y: Array, place: int, share: float) -> str | None:
    """The text of a warning if a side of the split lacks a class that it ought to have.

    A class of share s is missing among m samples by chance with probability `(1 - s)^m`; below a thousandth
    the data is sorted.
    """
    labels = y.argmax(axis=-1) if y.ndim > 1 and y.shape[-1] > 1 else y.reshape(len(y), -1)[:, 0]
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) > 1000 or len(classes) * 10 > len(labels) + 10:
        return None  # not classes but values
    for part, words in ((labels[place:], "last"), (labels[:place], "first")):
        present = np.unique(part)
        for value, count in zip(classes, counts, strict=True):
            if value not in present and (1 - count / len(labels)) ** len(part) < 1e-3:
                percent = round(100 * (share if words == "last" else 1 - share))
                held, whole = (_listed(c) for c in (present, classes))
                taken = "taken" if words == "last" else "left"
                return (
                    f"fit: the {words} {percent}% of y, {taken} by validation_split, holds only {held} of {whole}; "
                    "shuffle x and y together or pass validation_data"
                )
    return None


def _listed(classes: Array) -> str:
    texts = [f"{c:g}" for c in classes.tolist()]
    return f"class {texts[0]}" if len(texts) == 1 else f"[{', '.join(texts)}]"
