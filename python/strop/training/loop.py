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
from .averages import Averages, AveragesOfSeveral, Logs
from .data import Data
from .feed import Feed
from .placing import BLOCK, joined, joined_on_host
from .plan import Plan
from .structure import each, leaves, rows
from .turns import reading_turns, reading_turns_of_feed, training_turns, training_turns_of_feed

Array = NDArray[Any]

#: The callbacks of a call, and its progress bar or None.
Calls = tuple[Any, Any]


def run_epoch(
    plan: Plan,
    data: Data | Feed,
    *,
    batch_size: int,
    shuffle: bool,
    optimizer: Any,
    averages: Averages | AveragesOfSeveral,
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
                averages.add(stretch, rows(stretch[1]) if isinstance(data, Feed) else batch_size)
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
    averages: Averages | AveragesOfSeveral,
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
            averages.add(stretch, rows(stretch[1]) if isinstance(data, Feed) else batch_size)
            done += len(stretch[0])
            if progress is not None:
                progress.update(done, averages.logs)
            if ends:
                callbacks.on_test_batch_end(done - 1, averages.logs())
    logs = averages.logs()
    plan.synchronize()
    return logs


def run_prediction(plan: Plan, data: Data | Feed, *, batch_size: int, calls: Calls, empty: Any) -> Any:
    """The model's output for every sample, in a fresh array of the library of x; of several outputs a tuple."""
    callbacks, progress = calls
    hooked = callbacks.wants("on_predict_batch_begin") or callbacks.wants("on_predict_batch_end")
    if isinstance(data, Feed):
        turns = reading_turns_of_feed(plan, data, losses=False)
    else:
        turns = reading_turns(plan, data, batch_size, None, hooked)
    given_on_gpu = isinstance(data, Data) and on_gpu(leaves(data.x)[0])
    fetching = plan.device.is_gpu and not given_on_gpu
    outputs: list[Any] = []
    held: list[Any] = []
    shapes: list[tuple[int, ...]] = []
    done = 0
    with closing(turns):  # type: ignore[type-var]
        for turn in turns:
            if hooked:
                callbacks.on_predict_batch_begin(done)
            output = plan.head.forward(turn()[1])
            own = [array.shape[1:] for array in leaves(output)]
            shapes = shapes or own
            if own != shapes:
                first, other = next(pair for pair in zip(shapes, own, strict=True) if pair[0] != pair[1])
                raise ValueError(
                    f"predict: outputs must have one shape; got {first} of the first batch and "
                    f"{other} of batch {done}; predict batches of other lengths one by one"
                )
            (held if fetching else outputs).append(output)
            done += 1 if isinstance(data, Feed) else -(-rows(output) // batch_size)
            if held and (hooked or len(held) == BLOCK):
                outputs.append(_joined(held, joined_on_host))
                held = []
            if progress is not None:
                progress.update(done)
            if hooked:
                callbacks.on_predict_batch_end(done - 1)
    if held:
        outputs.append(_joined(held, joined_on_host))
    if given_on_gpu:
        if not outputs:
            return each(lambda array: to_device(array, plan.device), empty)
        return each(lambda array: array.copy(), _joined(outputs, joined))
    plan.synchronize()
    return _joined(outputs, np.concatenate) if outputs else empty


def _joined(parts: list[Any], join: Callable[[Any], Any]) -> Any:
    """What several batches gave, one after another, output by output."""
    if isinstance(parts[0], tuple):
        return tuple(join(list(of_output)) for of_output in zip(*parts, strict=True))
    return join(parts)
