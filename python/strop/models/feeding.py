"""Data of every kind as checked samples, or as a feed of checked batches."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data._rows import take
from ..training import data as border
from ..training.data import Data
from ..training.feed import Feed
from ..training.sources import WHOLE_BYTES, FromFile, Source, in_file, source_of
from ..training.structure import each, leaves, rows
from .batches import Batches
from .checking import Checking

Array = NDArray[Any]


class Feeding(Checking):
    """Samples of one call: arrays in memory, rows of files, or what gives batches."""

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
            if not self._lies_in_file(op, x, y, name):
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

    def _inputs_or_feed(self, op: str, x: Any, batch_size: int | None, steps: int | None) -> Data | Feed:
        """Checked inputs, or a feed of them."""
        source = source_of(x, False)
        if source is not None:
            self._check_source(op, source, batch_size, steps, "steps")
        elif self._lies_in_file(op, x, None):
            source = FromFile(self._parted(op, x), None, None, batch_size or 32, False)
        else:
            return Data(self._inputs(op, x))
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

    def _parted(self, op: str, x: Any, name: str = "") -> Any:
        """Several inputs as a tuple; one as it is."""
        structure = self.input_structure
        if not structure.several:
            return structure.only(op, f"{name}x", x, len(self.fed_shape or ()))
        return tuple(structure.parted(op, f"{name}x", x))

    def _lies_in_file(self, op: str, x: Any, y: Any, name: str = "") -> bool:
        """Whether some of x, or what it must be converted to, should not be had in memory as a whole; or of y so."""
        if any(_large(array) for array in self._target_arrays(y)):
            return True
        if not self.layers:
            return False
        parts = self._parted(op, x, name)
        several = parts if self.input_structure.several else (parts,)
        return any(self._must_be_read(part, place) for place, part in enumerate(several))

    def _target_arrays(self, y: Any) -> list[Any]:
        if not self.output_structure.several or not isinstance(y, list | tuple | dict):
            return [y]
        return list(y.values() if isinstance(y, dict) else y)

    def _must_be_read(self, x: Any, place: int) -> bool:
        if x is None or not in_file(x):
            return False
        first = self.readers(place)[0]
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
        x = self._parted(op, x, name)
        count = rows(x)
        if count == 0:
            raise ValueError(f"{op}: {name}x must have a sample; got 0")
        labels = [f"{name}x[{label!r}]" for label in self.input_structure.names]
        for array, label in zip(leaves(x), labels, strict=False):
            border.require_count(op, label, array, count, labels[0])
        self._inputs(op, each(lambda array: take(array, slice(0, 1)), x), f"{name}x")
        whole = not any(_large(array) for array in self._target_arrays(y))
        weight = sample_weight
        if whole:
            y, weight = self._targets(op, y, sample_weight, class_weight, count, name)
        else:
            if self.output_structure.several:
                y = tuple(self.output_structure.parted(op, f"{name}y", y, missing=True))
            for array in leaves(y):
                border.require_count(op, f"{name}y", array, count)
            weight = self._weights(op, sample_weight, count, name)
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
        held_out = source.samples(range(place, rows(source.x)), validation_size, False)
        prepare = feed.prepare
        if not weighted:
            held_out.weight = None
            own = Batches(self, feed.op, "", None)
            prepare = own.trained_on_checked if source.checked else own.trained
        return (
            Feed(feed.op, train, feed.prepare, feed.steps, anew=True),
            Feed(feed.op, held_out, prepare, steps, anew=True),
        )


def _large(y: Any) -> bool:
    """Whether targets lie in a file and are too many to be read whole."""
    return isinstance(y, np.ndarray) and y.nbytes > WHOLE_BYTES and in_file(y)
