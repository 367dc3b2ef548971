"""The training loop: epochs, batches, validation, metrics, callbacks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _random
from .data import Data
from .plan import Plan

Array = NDArray[Any]
Logs = dict[str, Any]

#: The callbacks of a call, and its progress bar or None.
Calls = tuple[Any, Any]

#: Steps whose predictions are held back until the metrics see them together: their cost is per call.
BLOCK = 64


class Averages:
    """Loss and metrics over an epoch: the loss weighted by batch size, metrics fed in blocks."""

    def __init__(self, plan: Plan, metrics: list[tuple[str, Any, bool]]) -> None:
        self.plan, self.metrics = plan, metrics
        self.reset()

    def reset(self) -> None:
        """Start an epoch."""
        self.total, self.count = 0.0, 0
        self._held: list[tuple[Array, Array, Array | None]] = []
        for _, metric, _ in self.metrics:
            metric.reset_state()

    def add(self, loss: float, output: Array, batch: Data) -> None:
        """Take in one batch."""
        self.total += loss * len(batch)
        self.count += len(batch)
        if self.metrics and batch.y is not None:
            self._held.append((batch.y, output, batch.weight))
            if len(self._held) >= BLOCK:
                self._release()

    def _release(self) -> None:
        if not self._held:
            return
        targets, outputs, weights = zip(*self._held, strict=True)
        self._held = []
        target = np.concatenate(targets)
        predicted = self.plan.head.forward(np.concatenate(outputs))
        weight = None if weights[0] is None else np.concatenate([w for w in weights if w is not None])
        for _, metric, weighted in self.metrics:
            metric.update_state(target, predicted, weight if weighted else None)

    def logs(self) -> Logs:
        """The values so far, the loss first, metrics as compiled."""
        self._release()
        values: Logs = {"loss": self.total / self.count if self.count else 0.0}
        for name, metric, _ in self.metrics:
            values[name] = metric.result()
        return values


def batches(data: Data, size: int, order: Array | None, steps: int | None = None) -> Any:
    """The batches of an epoch; the last one may be short."""
    count = math.ceil(len(data) / size)
    for i in range(count if steps is None else min(steps, count)):
        begin, end = i * size, min((i + 1) * size, len(data))
        yield data.part(begin, end) if order is None else data.take(order[begin:end])


def run_epoch(
    plan: Plan,
    data: Data,
    *,
    batch_size: int,
    shuffle: bool,
    optimizer: Any,
    averages: Averages,
    calls: Calls,
    stopped: Callable[[], bool],
    steps: int | None = None,
) -> Logs:
    """Train on every batch once; the logs of the epoch."""
    averages.reset()
    callbacks, progress = calls
    begins, ends = callbacks.wants("on_train_batch_begin"), callbacks.wants("on_train_batch_end")
    order = _random.streams.generator("shuffling").permutation(len(data)) if shuffle else None
    try:
        for i, batch in enumerate(batches(data, batch_size, order, steps)):
            if begins:
                callbacks.on_train_batch_begin(i)
            loss, output = plan.train_step(batch.x, batch.y, batch.weight, optimizer)
            averages.add(loss, output, batch)
            if progress is not None:
                progress.update(i + 1, averages.logs)
            if ends:
                callbacks.on_train_batch_end(i, averages.logs())
            if stopped():
                break
    finally:
        optimizer.flush()  # an interrupted epoch leaves whole weights too
    return averages.logs()


def run_evaluation(
    plan: Plan,
    data: Data,
    *,
    batch_size: int,
    averages: Averages,
    calls: Calls,
    steps: int | None = None,
) -> Logs:
    """Loss and metrics with the weights as they stand."""
    averages.reset()
    callbacks, progress = calls
    begins, ends = callbacks.wants("on_test_batch_begin"), callbacks.wants("on_test_batch_end")
    penalty = plan.penalty()
    for i, batch in enumerate(batches(data, batch_size, None, steps)):
        if begins:
            callbacks.on_test_batch_begin(i)
        loss, output = plan.test_step(batch.x, batch.y, batch.weight)
        averages.add(loss + penalty, output, batch)
        if progress is not None:
            progress.update(i + 1, averages.logs)
        if ends:
            callbacks.on_test_batch_end(i, averages.logs())
    return averages.logs()


def run_prediction(plan: Plan, x: Array, *, batch_size: int, calls: Calls, empty: Array) -> Array:
    """The model's output for every sample, in a fresh array."""
    callbacks, progress = calls
    outputs = []
    for i, batch in enumerate(batches(Data(x), batch_size, None)):
        callbacks.on_predict_batch_begin(i)
        outputs.append(plan.predict(batch.x))
        if progress is not None:
            progress.update(i + 1)
        callbacks.on_predict_batch_end(i)
    return np.concatenate(outputs) if outputs else empty
