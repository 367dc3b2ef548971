"""What users pass in becomes arrays and batches that the steps read without looking again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._backend import array_module, on_gpu
from .._device import input_array, to_host
from ..data._rows import take
from ..layers.embedding import as_ids
from ..training import data as border
from ..training.data import Data
from ..training.feed import Feed
from ..training.sources import WHOLE_BYTES, FromFile, Source, in_file, source_of
from .batches import Batches
from .compiled import Compiled

Array = NDArray[Any]


class Feeding(Compiled):
    """Inputs, targets and weights, checked before the first step, or batch by batch where they come so."""

    def _inputs(self, op: str, x: Any, name: str = "x") -> Array:
        """x as the first layer reads it; builds the model by its shape."""
        array = border.rectangular(op, name, input_array(op, name, x, self.device))
        if not self.layers:
            raise ValueError(f"{op}: model must have a layer; got an empty one")
        first = self.layers[0]
        if first.reads_ids:
            array = as_ids(f"{first.op} {first.name!r}", array)
        elif array.ndim == 1 and self._expects_column():
            array = array[:, None]
        if not self.built:
            self.build((None, *array.shape[1:]))
        self._fit_shape(op, name, array)
        if first.reads_ids:
            if not (
                op == "call" and on_gpu(array)
            ):  # model(x) of a GPU's ids does not wait: kernels note a bad one
                first.check_ids(array)  # type: ignore[attr-defined]
            return array
        result: Array = array_module(array).ascontiguousarray(array, first.dtype)
        return result

    def _expects_column(self) -> bool:
        shape = self.fed_shape
        return shape is None or len(shape) == 2

    def _fit_shape(self, op: str, name: str, array: Array) -> None:
        first = self.layers[0]
        wanted = self.fed_shape or ()
        if first.reads_ids:  # other lengths still run
            if array.ndim != len(wanted):
                raise ValueError(f"{op}: {name} must have {len(wanted)} axes; got shape {array.shape}")
            return
        shapes_fit = len(wanted) == array.ndim and all(
            w is None or w == n for w, n in zip(wanted[1:], array.shape[1:], strict=True)
        )
        if not shapes_fit:
            raise ValueError(f"{op}: {name} must have shape {wanted}; got {array.shape}")

    # ---- arrays in memory ---------------------------------------------------

    def _data(
        self,
        op: str,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        class_weight: Mapping[Any, float] | None = None,
        name: str = "",
    ) -> Data:
        """Checked inputs, targets and weights."""
        self._one_weight(op, sample_weight, class_weight)
        inputs = self._inputs(op, x, f"{name}x")
        target, weight = self._targets(op, y, sample_weight, class_weight, len(inputs), name)
        return Data(inputs, target, weight)

    def _one_weight(self, op: str, sample_weight: Any, class_weight: Any) -> None:
        if sample_weight is not None and class_weight is not None:
            raise ValueError(f"{op}: sample_weight and class_weight must not be given together; got both")

    def _targets(
        self, op: str, y: Any, sample_weight: Any, class_weight: Any, count: int, name: str
    ) -> tuple[Array, Array | None]:
        """Checked targets and weights of so many samples; the model is built."""
        assert self.output_shape is not None
        # The targets are checked on the host, where the metrics want them, too.
        target = to_host(border.rectangular(op, f"{name}y", input_array(op, f"{name}y", y, self.device)))
        border.require_count(op, f"{name}y", target, count)
        self.loss = self.loss.choose(self.output_shape, target.shape)
        target = self.loss.prepare_targets(target, self.output_shape, self.dtype, op=op, argument=f"{name}y")
        weight = None
        if sample_weight is not None:
            given = input_array(op, f"{name}sample_weight", sample_weight, self.device)
            given = to_host(given) if on_gpu(given) else given
            weight = border.per_sample(op, f"{name}sample_weight", given, count, self.dtype)
        elif class_weight is not None:
            weight = border.class_weights(op, class_weight, target, self.dtype)
        return target, weight

    def _first(self, op: str, data: Data | Feed, epoch: int) -> Data:
        """The samples, or the first batch of a feed, by whose shapes a model is made ready."""
        if not isinstance(data, Feed):
            return data
        batch = data.first(epoch)
        if batch is None:
            raise ValueError(f"{op}: x must give a batch; got none")
        return batch

    # ---- what gives batches -------------------------------------------------

    def _samples(
        self,
        op: str,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[Any, float] | None = None,
        *,
        batch_size: int | None,
        steps: int | None,
        shuffle: bool = False,
        anew: bool = True,
        name: str = "",
    ) -> Data | Feed:
        """Checked samples where they are arrays in memory, and otherwise a feed of batches.

        Args:
            op: the function that messages begin with.
            x: what the user gave, as y and sample_weight.
            y: targets.
            sample_weight: weights.
            class_weight: weights by class.
            batch_size: what the user gave.
            steps: batches of an epoch.
            shuffle: whether another order is taken in every epoch, where the order is ours.
            anew: whether every epoch begins anew; see `Feed`.
            name: what the names of the arguments begin with.
        """
        self._one_weight(op, sample_weight, class_weight)
        source = source_of(x, shuffle)
        if source is None:
            if not self._lies_in_file(x, y):
                return self._data(op, x, y, sample_weight, class_weight, name)
            return self._file_feed(
                op, x, y, sample_weight, class_weight, batch_size or 32, steps, shuffle, name
            )
        for argument, value in (("y", y), ("sample_weight", sample_weight)):
            if value is not None:
                raise ValueError(
                    f"{op}: {argument} must be None where {name}x gives batches; got {type(value).__name__}"
                )
        word = "validation_steps" if name else "steps_per_epoch" if op == "fit" else "steps"
        self._check_source(op, source, batch_size, steps, word)
        return Feed(op, source, Batches(self, op, name, class_weight).trained, steps, anew=anew)

    def _inputs_or_feed(self, op: str, x: Any, batch_size: int | None, steps: int | None) -> Array | Feed:
        """Checked inputs, or a feed of them."""
        source = source_of(x, False)
        if source is not None:
            self._check_source(op, source, batch_size, steps, "steps")
        elif self._lies_in_file(x, None):
            source = FromFile(x, None, None, batch_size or 32, False)
        else:
            return self._inputs(op, x)
        return Feed(op, source, Batches(self, op, "", None).read, steps, anew=True)

    def _check_source(
        self, op: str, source: Source, batch_size: int | None, steps: int | None, word: str
    ) -> None:
        if batch_size is not None:
            raise ValueError(
                f"{op}: batch_size must be None where x gives batches; got {batch_size}; "
                "use batch of the dataset"
            )
        if steps is None and source.count() == math.inf:
            raise ValueError(f"{op}: {word} must be given for a dataset without end; got None")

    def _lies_in_file(self, x: Any, y: Any) -> bool:
        """Whether x, or what it must be converted to, should not be had in memory as a whole; or y so."""
        if isinstance(y, np.ndarray) and y.nbytes > WHOLE_BYTES and in_file(y):
            return True
        if not in_file(x) or not self.layers:
            return False
        first = self.layers[0]
        fits = x.dtype in (np.int32, np.int64) if first.reads_ids else x.dtype == first.dtype
        return not (isinstance(x, np.ndarray) and fits and x.flags.c_contiguous)

    def _file_feed(
        self,
        op: str,
        x: Any,
        y: Any,
        sample_weight: Any,
        class_weight: Any,
        size: int,
        steps: int | None,
        shuffle: bool,
        name: str,
    ) -> Feed:
        """Batches gathered from files. Targets that are small are checked now, with the same messages as in memory."""
        if len(x) == 0:
            raise ValueError(f"{op}: {name}x must have a sample; got 0")
        self._inputs(op, take(x, slice(0, 1)), f"{name}x")
        whole = not (isinstance(y, np.ndarray) and y.nbytes > WHOLE_BYTES and in_file(y))
        weight = None
        if whole:
            y, weight = self._targets(op, y, sample_weight, class_weight, len(x), name)
        else:
            border.require_count(op, f"{name}y", y, len(x))
            if sample_weight is not None:
                weight = border.per_sample(op, f"{name}sample_weight", sample_weight, len(x), self.dtype)
        batches = Batches(self, op, name, class_weight)
        prepare = batches.trained_on_checked if whole else batches.trained
        return Feed(op, FromFile(x, y, weight, size, shuffle, checked=whole), prepare, steps, anew=True)

    def _file_parts(
        self, feed: Feed, place: int, validation_size: int, steps: int | None, weighted: bool
    ) -> tuple[Feed, Feed]:
        """A feed from files in two: the samples before a place and those from it on, with weights or without."""
        source = feed.source
        assert isinstance(source, FromFile)
        train = source.samples(range(place), source.size, source.shuffle)
        held_out = source.samples(range(place, len(source.x)), validation_size, False)
        prepare = feed.prepare
        if not weighted:
            held_out.weight = None
            own = Batches(self, feed.op, "", None)
            prepare = own.trained_on_checked if source.checked else own.trained
        return (
            Feed(feed.op, train, feed.prepare, feed.steps, anew=True),
            Feed(feed.op, held_out, prepare, steps, anew=True),
        )


def positive(op: str, name: str, value: Any, default: int, least: int = 1) -> int:
    """A whole number of at least `least`."""
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{op}: {name} must be an int; got {type(value).__name__}")
    if value < least:
        raise ValueError(f"{op}: {name} must be {least} or more; got {value}")
    return int(value)


def optional(op: str, name: str, value: Any) -> int | None:
    """A whole number of at least 1, or None."""
    return None if value is None else positive(op, name, value, 1)
