"""The turns of an epoch: each, when called, runs the next batches and gives their stretch.

Arrays are run in stretches of many batches, what comes batch by batch in stretches of one. A turn is not run when it
is made, so that callbacks can come first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Any

from numpy.typing import NDArray

from .data import Data
from .feed import Feed
from .graph import graph_program
from .placing import BLOCK, batches, moved
from .plan import Plan
from .program import Stretch, reading_program, training_program
from .structure import rows

Array = NDArray[Any]
Turn = Callable[[], Stretch]


def training_turns(
    plan: Plan, optimizer: Any, data: Data, size: int, order: Array | None, steps: int | None, hooked: bool
) -> Iterator[Turn]:
    """Turns that train on samples in an order, on at most `steps` batches; one batch each if they are hooked."""
    count = steps_of(data, size, steps)
    program: Any = (
        graph_program(plan, optimizer, data) if plan.device.is_gpu else training_program(plan, optimizer)
    )
    if program is None:
        stretches = train_by_plan(plan, optimizer, data, size, order, count)
    else:
        stretches = program.train(data, size, order, count, 1 if hooked else BLOCK)
    return _turns(stretches, size, count)


def reading_turns(plan: Plan, data: Data, size: int, steps: int | None, hooked: bool) -> Iterator[Turn]:
    """Turns that read samples in their own order: losses, without penalties, and outputs."""
    count = steps_of(data, size, steps)
    program = reading_program(plan, data.y is not None)
    if program is None:
        stretches = read_by_plan(plan, data, size, count)
    else:
        stretches = program.read(data, size, count, 1 if hooked else BLOCK)
    return _turns(stretches, size, count)


def training_turns_of_feed(plan: Plan, optimizer: Any, feed: Feed, epoch: int) -> Iterator[Turn]:
    """Turns that train on the batches of a feed, by the plan's program where it has one."""
    program = training_program(plan, optimizer)

    def run(batch: Data) -> Stretch:
        if program is not None:
            return next(program.train(batch, len(batch), None, 1, 1))
        there = moved(batch, plan.device)
        loss, output, mask = plan.train_step(there.x, there.y, there.weight, optimizer)
        return [loss], output, batch.y, batch.weight, mask

    return _turns_of_feed(feed, epoch, run)


def reading_turns_of_feed(plan: Plan, feed: Feed, losses: bool) -> Iterator[Turn]:
    """Turns that read the batches of a feed, for their losses or only for the outputs."""
    program = reading_program(plan, losses)

    def run(batch: Data) -> Stretch:
        size = len(batch)
        return next(
            read_by_plan(plan, batch, size, 1) if program is None else program.read(batch, size, 1, 1)
        )

    return _turns_of_feed(feed, 0, run)


def steps_of(data: Data, size: int, steps: int | None) -> int:
    """How many batches an epoch has, at most `steps`."""
    count = math.ceil(len(data) / size)
    return count if steps is None else min(steps, count)


def _turns(stretches: Iterator[Stretch], size: int, count: int) -> Iterator[Turn]:
    done = 0

    def run() -> Stretch:
        nonlocal done
        stretch = next(stretches)
        done += math.ceil(rows(stretch[1]) / size)
        return stretch

    while done < count:
        yield run


def _turns_of_feed(feed: Feed, epoch: int, run: Callable[[Data], Stretch]) -> Iterator[Turn]:
    with closing(feed.epoch(epoch)) as read:  # type: ignore[type-var]
        for batch in read:
            yield partial(run, batch)


def train_by_plan(
    plan: Plan, optimizer: Any, data: Data, size: int, order: Array | None, count: int
) -> Iterator[Stretch]:
    """Train on the first `count` batches, one by one."""
    for i, batch in enumerate(batches(data, size, order, count, plan.device)):
        loss, output, mask = plan.train_step(batch.x, batch.y, batch.weight, optimizer)
        yield [loss], output, *data.targets(order, i * size, i * size + len(batch)), mask


def read_by_plan(plan: Plan, data: Data, size: int, count: int) -> Iterator[Stretch]:
    """Losses, without penalties, and outputs of the first `count` batches."""
    for i, batch in enumerate(batches(data, size, None, count, plan.device)):
        if batch.y is None:
            yield [], plan.forward(batch.x)[0], None, None, None
        else:
            loss, output, mask = plan.test_step(batch.x, batch.y, batch.weight)
            yield [loss], output, *data.targets(None, i * size, i * size + len(batch)), mask
