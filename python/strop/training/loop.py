"""The training loop: epochs, batches, validation, metrics, callbacks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _random
from .._backend import on_gpu
from .._device import to_device
from .data import Data
from .placing import BLOCK, batches, joined, joined_on_host, numbers_on_host
from .plan import Plan
from .program import Stretch, reading_program, training_program

Array = NDArray[Any]
Logs = dict[str, Any]

#: The callbacks of a call, and its progress bar or None.
Calls = tuple[Any, Any]


class Averages:
    """Loss and metrics over an epoch: the loss weighted by batch size, metrics fed in blocks."""

    def __init__(self, plan: Plan, metrics: list[tuple[str, Any, bool]]) -> None:
        self.plan, self.metrics = plan, metrics
        self.reset()

    def reset(self) -> None:
        """Start an epoch."""
        self.total, self.count = 0.0, 0
        self._losses: list[tuple[Any, int]] = []
        self._held: list[tuple[Array, Array, Array | None]] = []
        for _, metric, _ in self.metrics:
            metric.reset_state()

    def add(self, losses: list[Any], output: Array, y: Array | None, weight: Array | None, size: int) -> None:
        """Take in some batches of `size` samples, the last of which may be short; targets and weights on the host."""
        left = len(output)
        for loss in losses:
            self._losses.append((loss, min(size, left)))
            left -= size
        if self.metrics and y is not None:
            self._held.append((y, output, weight))
        if len(self._losses) >= BLOCK:
            self._release()

    def _release(self) -> None:
        """Count what was held back. Of a GPU, losses and outputs are fetched here: for a block of steps one wait."""
        values = numbers_on_host([loss for loss, _ in self._losses])
        for value, (_, size) in zip(values, self._losses, strict=True):
            self.total += value * size
            self.count += size
        self._losses = []
        if not self._held:
            return
        targets, outputs, weights = zip(*self._held, strict=True)
        self._held = []
        target = np.concatenate(targets)
        predicted = self.plan.head.forward(joined_on_host(outputs))
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


def train_by_plan(
    plan: Plan, optimizer: Any, data: Data, size: int, order: Array | None, count: int
) -> Iterator[Stretch]:
    """Train on the first `count` batches, one by one."""
    for i, batch in enumerate(batches(data, size, order, count, plan.device)):
        loss, output = plan.train_step(batch.x, batch.y, batch.weight, optimizer)
        yield [loss], output, *data.targets(order, i * size, i * size + len(batch))


def read_by_plan(plan: Plan, data: Data, size: int, count: int) -> Iterator[Stretch]:
    """Losses, without penalties, and outputs of the first `count` batches."""
    for i, batch in enumerate(batches(data, size, None, count, plan.device)):
        if batch.y is None:
            yield [], plan.forward(batch.x)[0], None, None
        else:
            loss, output = plan.test_step(batch.x, batch.y, batch.weight)
            yield [loss], output, *data.targets(None, i * size, i * size + len(batch))


def read(plan: Plan, data: Data, size: int, count: int, most: int) -> Iterator[Stretch]:
    """The same, by the plan's program where it has one."""
    program = reading_program(plan)
    return read_by_plan(plan, data, size, count) if program is None else program.read(data, size, count, most)


def steps_of(data: Data, size: int, steps: int | None) -> int:
    """How many batches an epoch has, at most `steps`."""
    count = math.ceil(len(data) / size)
    return count if steps is None else min(steps, count)


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
    count = steps_of(data, batch_size, steps)
    program = training_program(plan, optimizer)
    if program is None:
        stretches = train_by_plan(plan, optimizer, data, batch_size, order, count)
    else:
        stretches = program.train(data, batch_size, order, count, 1 if begins or ends else BLOCK)
    done = 0
    try:
        while done < count:
            if begins:
                callbacks.on_train_batch_begin(done)
            losses, output, y, weight = next(stretches)
            averages.add(losses, output, y, weight, batch_size)
            done += len(losses)
            if progress is not None:
                progress.update(done, averages.logs)
            if ends:
                callbacks.on_train_batch_end(done - 1, averages.logs())
            if stopped():
                break
    finally:
        optimizer.flush()  # an interrupted epoch leaves whole weights too
    logs = averages.logs()
    plan.synchronize()
    return logs


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
    count = steps_of(data, batch_size, steps)
    stretches = read(plan, data, batch_size, count, 1 if begins or ends else BLOCK)
    done = 0
    while done < count:
        if begins:
            callbacks.on_test_batch_begin(done)
        losses, output, y, weight = next(stretches)
        averages.add([loss + penalty for loss in losses], output, y, weight, batch_size)
        done += len(losses)
        if progress is not None:
            progress.update(done, averages.logs)
        if ends:
            callbacks.on_test_batch_end(done - 1, averages.logs())
    logs = averages.logs()
    plan.synchronize()
    return logs


def run_prediction(plan: Plan, x: Array, *, batch_size: int, calls: Calls, empty: Array) -> Array:
    """The model's output for every sample, in a fresh array of the library of x."""
    callbacks, progress = calls
    data = Data(x)
    count = steps_of(data, batch_size, None)
    hooked = callbacks.wants("on_predict_batch_begin") or callbacks.wants("on_predict_batch_end")
    stretches = read(plan, data, batch_size, count, 1 if hooked else BLOCK)
    fetching = plan.device.is_gpu and not on_gpu(x)
    outputs: list[Array] = []
    held: list[Array] = []
    done = 0
    while done < count:
        if hooked:
            callbacks.on_predict_batch_begin(done)
        output = plan.head.forward(next(stretches)[1])
        (held if fetching else outputs).append(output)
        done += -(-len(output) // batch_size)
        if held and (hooked or len(held) == BLOCK or done == count):
            outputs.append(joined_on_host(held))
            held = []
        if progress is not None:
            progress.update(done)
        if hooked:
            callbacks.on_predict_batch_end(done - 1)
    if on_gpu(x):
        return joined(outputs).copy() if outputs else to_device(empty, plan.device)
    plan.synchronize()
    return np.concatenate(outputs) if outputs else empty
