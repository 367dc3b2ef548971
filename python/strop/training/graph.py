"""A plan on a GPU as CUDA graphs: one launch for many batches.

A step of a small model takes a dozen kernels of a microsecond or two, and Python needs ten times as long to start
them. So `Plan.train_step` itself is recorded for some batches in a row, and one launch of the graph does them all.
What differs from launch to launch, the samples, the rates and the numbers of the steps, stands in arrays that the host
fills before. The kernels and their order are those of steps one by one, and so are the bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _random
from .._device import to_device, to_host
from .._interrupts import HeldInterrupt
from ..activations.base import Activation as Function
from ..layers import Layer
from .block import DROPOUT, Block, arrays_of
from .capture import Recorder
from .check import checking
from .data import Data
from .placing import resident, taken
from .plan import Plan, Result

Array = NDArray[Any]
Stretch = tuple[list[Any], Array, Array | None, Array | None, Array | None]

#: Batches of a graph. With 64 the launch and the wait for its results, about 30 us, are one part in twenty.
STEPS = (64, 8, 1)
#: Bytes of samples that a graph may have for itself.
ROOM = 1 << 28


class GraphProgram:
    """A plan that trains by graphs; made by `graph_program`.

    A batch size is trained step by step when it comes first: CUDA loads a kernel when it first runs, and an error has
    its own words then. What cannot be recorded stays so.
    """

    def __init__(self, plan: Plan, optimizer: Any) -> None:
        self._plan, self.optimizer = plan, optimizer
        self._recorder = Recorder()
        self._begin()

    def _begin(self) -> None:
        self._stands = _standing(self._plan, self.optimizer)
        self._streams = _streams_of(self._plan)
        self._graphs: dict[Any, tuple[Any, Block]] = {}
        self._met: set[Any] = set()
        self._fails = False

    def _refresh(self) -> None:
        """Forget graphs that do not do what steps one by one would do now."""
        settings, arrays = _standing(self._plan, self.optimizer)
        same = settings == self._stands[0] and len(arrays) == len(self._stands[1])
        if not (same and all(a is b for a, b in zip(arrays, self._stands[1], strict=True))):
            self._begin()

    def train(self, data: Data, size: int, order: Array | None, count: int, most: int) -> Iterator[Stretch]:
        """Train on the first `count` batches; each stretch is at most `most` of them."""
        whole = resident(data, self._plan.device)
        assert whole is not None
        at, end = 0, min(count * size, len(data))
        while at < end:
            self._refresh()
            batch = min(size, end - at)
            steps = self._steps(whole, batch, min(most, (end - at) // batch))
            places = np.arange(at, at + steps * batch) if order is None else order[at : at + steps * batch]
            rates = self.optimizer.rates(steps)
            found = self._graph(whole, batch, steps) if len(rates) == steps and min(rates) >= 0 else None
            if found is None:
                places = places[:batch]
                losses, output, mask = self._one_step(whole, places)
            else:
                losses, output, mask = self._launch(*found, whole, places, rates)
            stop = at + len(places)
            yield losses, output, *data.targets(order, at, stop), mask
            at = stop

    def _one_step(self, whole: Data, places: Array) -> tuple[list[Any], Array, Array | None]:
        batch = taken(whole, to_device(np.ascontiguousarray(places), self._plan.device))
        loss, output, mask = self._plan.train_step(batch.x, batch.y, batch.weight, self.optimizer)
        return [float(to_host(loss))], to_host(output), None if mask is None else to_host(mask)

    def _launch(
        self, graph: Any, block: Block, whole: Data, places: Array, rates: list[float]
    ) -> tuple[list[Any], Array, Array | None]:
        optimizer = self.optimizer
        block.fill(whole, places, rates, optimizer.iterations + 1)
        held = HeldInterrupt()
        with held:
            graph.launch()
            optimizer.counted(block.steps)
            for stream, draws in zip(block.streams, block.draws, strict=True):
                stream.skip(DROPOUT, draws)
        held.release()
        output, mask = block.output.get(), None if block.mask is None else block.mask.get()
        return (
            block.losses.get().tolist(),
            output.reshape(-1, *output.shape[2:]),
            None if mask is None else mask.reshape(-1, *mask.shape[2:]),
        )

    def _steps(self, whole: Data, size: int, most: int) -> int:
        """The batches of the next graph: as many as may be, so that few graphs serve any count."""
        room = min((table.room for table in self.optimizer._tables.values()), default=most)
        if room == 0:
            self.optimizer.flush()
            room = min(table.room for table in self.optimizer._tables.values())
        bytes_of_batch = size * sum(a.nbytes // max(len(a), 1) for a in arrays_of(whole) if a is not None)
        most = min(most, room)
        return next((n for n in STEPS if n <= most and n * bytes_of_batch <= ROOM), 1)

    def _graph(self, whole: Data, size: int, steps: int) -> tuple[Any, Block] | None:
        """The graph of so many batches, recorded when it is first wanted, or None where steps go one by one."""
        shapes = tuple(None if a is None else (a.shape[1:], a.dtype) for a in arrays_of(whole))
        key = (size, steps, shapes)
        if key not in self._graphs:
            if self._fails or (size, shapes) not in self._met:
                self._met.add((size, shapes))
                return None
            try:
                self._graphs[key] = self._record(whole, size, steps)
            except Exception:
                self._fails = True
                return None
        return self._graphs[key]

    def _record(self, whole: Data, size: int, steps: int) -> tuple[Any, Block]:
        block: Any = None

        def work() -> None:
            nonlocal block
            block = Block(whole, size, steps, self._streams)
            with ExitStack() as stack:
                drawn = [
                    stack.enter_context(stream.counted_by(DROPOUT, block.counts[i]))
                    for i, stream in enumerate(block.streams)
                ]
                block.record(self._step_of(block))
                block.draws = [next(numbers) for numbers in drawn]

        self.optimizer.prepare_numbers()  # tables from the host come before the recording
        return self._recorder.record(work), block

    def _step_of(self, block: Block) -> Any:
        plan, optimizer = self._plan, self.optimizer

        def step(k: int, batch: Data) -> Result:
            with optimizer.numbers_from(block.rates[k], block.numbers[k]):
                return plan.train_step(batch.x, batch.y, batch.weight, optimizer)

        return step


def graph_program(plan: Plan, optimizer: Any, data: Data) -> GraphProgram | None:
    """The program that trains a plan by graphs, or None where steps go one by one. The plan keeps it."""
    if (
        not plan.variables
        or data.several
        or checking()
        or not getattr(optimizer, "capturable", False)
        or not all(map(_recordable, [optimizer, *_parts_of(plan)]))
        or resident(data, plan.device) is None
    ):
        return None
    if plan.program is None or plan.program.optimizer is not optimizer:
        plan.program = GraphProgram(plan, optimizer)
    kept: GraphProgram = plan.program
    return kept


def _parts_of(plan: Plan) -> list[Any]:
    """What a step of a plan runs: its layers and loss, and the layers, functions and penalties in them."""
    parts: list[Any] = [plan.loss]
    layers = list(plan.layers)
    for layer in layers:  # it grows by layers in layers
        for thing in vars(layer).values():
            for each in thing if isinstance(thing, list | tuple) else [thing]:
                if isinstance(each, Layer) and each not in layers:
                    layers.append(each)
                parts += [each] if isinstance(each, Function) else []
        parts += [layer, *(v.regularizer for v in layer.variables if v.regularizer is not None)]
    return parts + [thing.function for thing in parts if callable(getattr(thing, "function", None))]


def _own(thing: Any) -> bool:
    """Whether a class, an object or a function is strop's."""
    return str(getattr(thing, "__module__", "")).split(".")[0] == __name__.split(".")[0]


def _recordable(thing: Any) -> bool:
    """Whether a graph may hold what it does: it is strop's own, or says so by `capturable = True`.

    A graph repeats what the GPU was told. What other code draws, counts or looks up on the host would stay what it was
    when it was recorded, and nobody would see it.
    """
    if _own(thing):
        return True
    said = (thing, *type(thing).__mro__) if hasattr(thing, "__dict__") else type(thing).__mro__
    return any(vars(each).get("capturable") is True for each in said)


def _streams_of(plan: Plan) -> list[_random.Streams]:
    """What the plan's steps draw from."""
    return [_random.streams, *(stream for layer in plan.layers for stream in layer.random_streams().values())]


def _standing(plan: Plan, optimizer: Any) -> tuple[list[Any], list[Any]]:
    """What a graph has taken over: settings by their values, arrays by their memory."""
    layers = plan.layers
    settings: list[Any] = [
        _numbers_of(thing) for thing in (optimizer, *_parts_of(plan)) if hasattr(thing, "__dict__")
    ]
    settings += [*optimizer._decays, *(stream.seed for stream in _streams_of(plan))]
    arrays = [v._value for layer in layers for v in layer.variables]
    arrays += [*optimizer._arrays, *optimizer._tables.values()]
    return settings, arrays + [a for slot in optimizer._slots.values() for a in slot]


def _numbers_of(thing: Any) -> dict[str, Any]:
    """The settings of an optimizer, a loss or a layer that are numbers, names or switches."""
    plain = (bool, int, float, str, type(None))
    return {n: v for n, v in vars(thing).items() if isinstance(v, plain) and n not in ("_calls", "_rate")}
