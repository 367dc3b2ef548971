"""A feed: checked batches of one call, epoch by epoch, from whatever source.

The first batch of an epoch can be looked at before the epoch begins, since a model is built by it. With a number of
steps per epoch the source is read on from epoch to epoch, as in Keras, and begun anew when it ends.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from .data import Data
from .sources import Source

_END: Any = object()


class Feed:
    """Batches for training, evaluation or prediction.

    Args:
        op: the function that messages begin with.
        source: where batches come from.
        prepare: makes a checked batch of its number in the epoch and what the source gave.
        steps: batches of an epoch; None is all of a pass.
        anew: True begins every epoch with a new pass, and takes a pass of fewer batches than `steps` as it is.
    """

    def __init__(
        self,
        op: str,
        source: Source,
        prepare: Callable[[int, Any], Data],
        steps: int | None = None,
        *,
        anew: bool = False,
    ) -> None:
        self.op, self.source, self.steps = op, source, steps
        self.prepare, self._anew = prepare, anew or steps is None
        #: The pass that is being read, its number, how far, and the epoch that goes on with it.
        self._reader: Iterator[Any] | None = None
        self._pass, self._at, self._next = 0, 0, -1
        self._length: int | None = None
        self._spent = False
        #: The epoch that has been looked at, its first batch, and the rest.
        self._held: tuple[int, Data, Iterator[Data]] | None = None

    @property
    def count(self) -> int | None:
        """Batches of an epoch, or None where only reading tells."""
        known = self.source.count()
        if self.steps is None or (self._anew and known is not None):
            steps = math.inf if self.steps is None else self.steps
            known = known if known is None else min(known, steps)
            return None if known is None else int(known)
        return self.steps

    def first(self, epoch: int) -> Data | None:
        """The first batch of an epoch, or None if there is none; the epoch will begin with it."""
        if self._held is None or self._held[0] != epoch:
            self._drop()
            batches = self._batches(epoch)
            batch = next(batches, None)
            if batch is None:
                return None
            self._held = (epoch, batch, batches)
        return self._held[1]

    def epoch(self, epoch: int) -> Iterator[Data]:
        """The batches of an epoch."""
        if self._held is None or self._held[0] != epoch:
            self._drop()
            return self._batches(epoch)
        _, batch, rest = self._held
        self._held = None
        return _chained(batch, rest)

    def close(self) -> None:
        """Let go of files and threads."""
        self._drop()
        self._close_reader()

    # ---- reading -----------------------------------------------------------

    def _batches(self, epoch: int) -> Iterator[Data]:
        reader = self._opened(epoch)
        done, ended = 0, False
        try:
            while self.steps is None or done < self.steps:
                raw = next(reader, _END)
                if raw is _END:
                    self._length = self._at
                    if not done and self._at and not self.source.one_shot:
                        reader = self._next_pass()  # the epoch before took the last batch
                        continue
                    ended = True
                    break
                self._at += 1
                yield _with_own_targets(self.prepare(done, raw))
                done += 1
        finally:
            self._next = epoch + 1
            if self._anew:
                self._close_reader()
        if ended or self._at == self.source.count():
            self._close_reader()
            self._pass += 1
        self.source.epoch_ends()
        if self.steps is not None and 0 < done < self.steps and not (self._anew and self.source.count()):
            self.warn_of_end(done, epoch)

    def warn_of_end(self, done: int, epoch: int) -> None:
        """Say that there were too few batches; of a generator once, since there will be no more."""
        if self._spent:
            return
        self._spent = self.source.one_shot
        wanted = "" if self.steps is None else f" of {self.steps}"
        warnings.warn(
            f"{self.op}: x ran out of data after {done}{wanted} batches in epoch {epoch}; repeat the dataset, "
            "or pass a generator that goes on",
            UserWarning,
            stacklevel=2,
        )

    def _opened(self, epoch: int) -> Iterator[Any]:
        """The reader of a pass, where the epoch begins."""
        if self._reader is not None and self._next == epoch:
            return self._reader
        self._close_reader()
        number, skip = self._place(epoch)
        if skip and self._length is None and self.source.count() is None:
            self._length = self._shorter(skip)
            number, skip = self._place(epoch)
        self._pass, self._at = number, skip
        self._reader = self.source.open(number, skip)
        return self._reader

    def _shorter(self, count: int) -> int | None:
        """The length of a pass that has fewer batches than `count`, by reading it, or None."""
        reader = self.source.open(0)
        return next((taken for taken in range(count) if next(reader, _END) is _END), None)

    def _next_pass(self) -> Iterator[Any]:
        self._close_reader()
        self._pass, self._at = self._pass + 1, 0
        self._reader = self.source.open(self._pass)
        return self._reader

    def _place(self, epoch: int) -> tuple[int, int]:
        """The pass of an epoch, and the batches of it that earlier epochs have taken."""
        if self._anew or self.steps is None:
            return epoch, 0
        if self.source.one_shot:
            return 0, 0
        if self._next == epoch:
            return self._pass, 0
        length = self.source.count() if self._length is None else self._length
        if length is None or length == math.inf:
            return 0, epoch * self.steps
        epochs = max(math.ceil(length / self.steps), 1)
        return epoch // epochs, epoch % epochs * self.steps

    def _close_reader(self) -> None:
        if self._reader is not None and not self.source.one_shot and hasattr(self._reader, "close"):
            self._reader.close()
        self._reader = None

    def _drop(self) -> None:
        if self._held is not None:
            self._held[2].close()  # type: ignore[attr-defined]
            self._held = None


def _with_own_targets(batch: Data) -> Data:
    """The batch with copies of targets and weights: metrics count them some steps later, when the source may have
    written the next batch into the same memory."""
    return Data(batch.x, _copied(batch.y), _copied(batch.weight))


def _copied(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_copied, value))
    return value if value is None else value.copy()


def _chained(first: Data, rest: Any) -> Iterator[Data]:
    try:
        yield first
        yield from rest
    finally:
        rest.close()
