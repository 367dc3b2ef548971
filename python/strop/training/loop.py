"""The training loop: epochs, batches, validation, metrics, callbacks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _random
from .._backend import on_gpu
from .._device import to_device
from .data import Data
from .feed import Feed
from .placing import BLOCK, joined, joined_on_host, numbers_on_host
from .plan import Plan
from .program import Stretch
from .turns import reading_turns, reading_turns_of_feed, training_turns, training_turns_of_feed

Array = NDArray[Any]
Logs = dict[str, Any]

#: The callbacks of a call, and its progress bar or None.
Calls = tuple[Any, Any]


class Averages:
    """Loss and metrics over an epoch: the loss weighted by batch size, metrics fed in blocks.

    Of a masked output every metric counts the rows that are not masked: the mask is a weight of 0 or 1.
    """

    def __init__(self, plan: Plan, metrics: list[tuple[str, Any, bool]]) -> None:
        self.plan, self.metrics = plan, metrics
        self.reset()

    def reset(self) -> None:
        """Start an epoch."""
        self.total, self.count = 0.0, 0
        self._losses: list[tuple[Any, int]] = []
        self._held: list[tuple[Array, Array, Array | None, Array | None]] = []
        for _, metric, _ in self.metrics:
            metric.reset_state()

    def add(self, stretch: Stretch, size: int) -> None:
        """Take in some batches of `size` samples, the last of which may be short; targets and weights on the host."""
        losses, output, y, weight, mask = stretch
        left = len(output)
        for loss in losses:
            self._losses.append((loss, min(size, left)))
            left -= size
        if self.metrics and y is not None:
            if self._held and self._held[-1][1].shape[1:] != output.shape[1:]:
                self._release()  # texts of another length
            self._held.append((y, output, weight, mask))
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
        targets, outputs, weights, masks = zip(*self._held, strict=True)
        self._held = []
        target = np.concatenate(targets)
        predicted = self.plan.head.forward(joined_on_host(outputs))
        weight = None if weights[0] is None else np.concatenate([w for w in weights if w is not None])
        plain = None
        if masks[0] is not None:
            plain = joined_on_host(masks).astype(predicted.dtype)
            weight = plain if weight is None else plain * weight.reshape(-1, *[1] * (plain.ndim - 1))
        for _, metric, weighted in self.metrics:
            metric.update_state(target, predicted, weight if weighted else plain)

    def logs(self) -> Logs:
        """The values so far, the loss first, metrics as compiled."""
        self._release()
        values: Logs = {"loss": self.total / self.count if self.count else 0.0}
        for name, metric, _ in self.metrics:
            values[name] = metric.result()
        return values


def run_epoch(
    plan: Plan,
    data: Data | Feed,
    *,
    batch_size: int,
    shuffle: bool,
    optimizer: Any,
    averages: Averages,
    calls: Calls,
    stopped: Callable[[], bool],
    steps: int | None = None,
    epoch: int = 0,
) -> Logs:
    """Train on every batch once; the logs of the epoch."""
    averages.reset()
    callbacks, progress = calls
    begins, ends = callbacks.wants("on_train_batch_begin"), callbacks.wants("on_train_batch_end")
    if isinstance(data, Feed):
        turns = training_turns_of_feed(plan, optimizer, data, epoch)
    else:
        order = _random.streams.generator("shuffling").permutation(len(data)) if shuffle else None
        turns = training_turns(plan, optimizer, data, batch_size, order, steps, begins or ends)
    done = 0
    try:
        with closing(turns):  # type: ignore[type-var]
            for turn in turns:
                if begins:
                    callbacks.on_train_batch_begin(done)
                stretch = turn()
                averages.add(stretch, len(stretch[1]) if isinstance(data, Feed) else batch_size)
                done += len(stretch[0])
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
    data: Data | Feed,
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
    penalty = plan.penalty() if plan.penalized else None
    if isinstance(data, Feed):
        turns = reading_turns_of_feed(plan, data, losses=True)
    else:
        turns = reading_turns(plan, data, batch_size, steps, begins or ends)
    done = 0
    with closing(turns):  # type: ignore[type-var]
        for turn in turns:
            if begins:
                callbacks.on_test_batch_begin(done)
            stretch = turn()
            if penalty is not None:
                stretch = ([loss + penalty for loss in stretch[0]], *stretch[1:])
            averages.add(stretch, len(stretch[1]) if isinstance(data, Feed) else batch_size)
            done += len(stretch[0])
            if progress is not None:
                progress.update(done, averages.logs)
            if ends:
                callbacks.on_test_batch_end(done - 1, averages.logs())
    logs = averages.logs()
    plan.synchronize()
    return logs


def run_prediction(plan: Plan, x: Array | Feed, *, batch_size: int, calls: Calls, empty: Array) -> Array:
    """The model's output for every sample, in a fresh array of the library of x."""
    callbacks, progress = calls
    hooked = callbacks.wants("on_predict_batch_begin") or callbacks.wants("on_predict_batch_end")
    if isinstance(x, Feed):
        turns = reading_turns_of_feed(plan, x, losses=False)
    else:
        turns = reading_turns(plan, Data(x), batch_size, None, hooked)
    fetching = plan.device.is_gpu and not on_gpu(x)
    outputs: list[Array] = []
    held: list[Array] = []
    shape: tuple[int, ...] | None = None
    done = 0
    with closing(turns):  # type: ignore[type-var]
        for turn in turns:
            if hooked:
                callbacks.on_predict_batch_begin(done)
            output = plan.head.forward(turn()[1])
            shape = output.shape[1:] if shape is None else shape
            if output.shape[1:] != shape:
                raise ValueError(
                    f"predict: outputs must have one shape; got {shape} of the first batch and "
                    f"{output.shape[1:]} of batch {done}; predict batches of other lengths one by one"
                )
            (held if fetching else outputs).append(output)
            done += 1 if isinstance(x, Feed) else -(-len(output) // batch_size)
            if held and (hooked or len(held) == BLOCK):
                outputs.append(joined_on_host(held))
                held = []
            if progress is not None:
                progress.update(done)
            if hooked:
                callbacks.on_predict_batch_end(done - 1)
    if held:
        outputs.append(joined_on_host(held))
    if on_gpu(x):
        return joined(outputs).copy() if outputs else to_device(empty, plan.device)
    plan.synchronize()
    return np.concatenate(outputs) if outputs else empty
