"""The step program: a plan's steps in C++, one call for many batches.

A plan whose steps are a bag, Dense layers and a loss that has a kernel, under an optimizer that is its rule alone,
needs no Python between its kernels. The program calls the same kernels on the same numbers in the same order, so a
model trained by it has the bits of one trained step by step. Everything else is trained by the plan itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._backend import cpu
from ..activations.base import Activation as Function
from ..layers import Flatten
from ..ops import ACTIVATIONS
from ..optimizers.deferred import DeferredTable
from ..optimizers.linear import LinearTable
from ..optimizers.parameters import adopt, array_of
from .check import checking
from .data import Data
from .loss_kernels import loss_kernel
from .plan import Plan
from .steps import DenseStep, LayerStep
from .table_steps import BagStep

Array = NDArray[Any]

#: Seconds after which a call returns, so that Ctrl-C and the progress bar do not wait for long.
LIMIT = 0.05

#: The rules that a program has, and their state as it takes it.
_STATES = {
    "adam": ("moment1", "moment2", "max_moment2"),
    "sgd": ("velocity",),
    "rmsprop": ("mean_square", "mean_grad", "velocity"),
}

#: The losses, the outputs, the targets, the weights, and the masks of the outputs' rows, of some batches; those of
#: several outputs are tuples.
Stretch = tuple[list[Any], Any, Any, Any, Any]


class Program:
    """A plan that runs in C++; made by `training_program` or `reading_program`."""

    def __init__(self, compiled: Any, samples_class: Any, optimizer: Any = None, rule: Any = None) -> None:
        self._compiled, self._samples_class = compiled, samples_class
        self._optimizer, self._rule = optimizer, rule
        self._arrays = _arrays_of(optimizer)

    def serves(self, optimizer: Any, rule: dict[str, Any]) -> bool:
        """Whether it was made for this optimizer as it stands."""
        arrays = _arrays_of(optimizer)
        same = self._optimizer is optimizer and self._rule == rule and len(arrays) == len(self._arrays)
        return same and all(a is b for a, b in zip(arrays, self._arrays, strict=True))

    def _samples(self, data: Data) -> Any:
        if self._samples_class not in data.read_by_program:
            y = None if data.y is None else np.ascontiguousarray(data.y)
            samples = self._samples_class(np.ascontiguousarray(data.x), y, data.weight)
            data.read_by_program[self._samples_class] = samples
        return data.read_by_program[self._samples_class]

    def train(self, data: Data, size: int, order: Array | None, count: int, most: int) -> Iterator[Stretch]:
        """Train on the first `count` batches; each stretch is at most `most` of them."""
        samples = self._samples(data)
        optimizer, end = self._optimizer, min(count * size, len(data))
        at = 0
        while at < end:
            stop = min(at + most * size, end)
            rates = optimizer.rates(-(-(stop - at) // size))
            stop = min(stop, at + len(rates) * size)
            self._compiled.steps = optimizer.iterations
            try:
                values, output = self._compiled.train(samples, order, at, stop, size, rates, LIMIT)
            finally:
                optimizer.iterations = self._compiled.steps
            stop = at + len(output)
            yield values.tolist(), output, *data.targets(order, at, stop), None
            at = stop

    def read(self, data: Data, size: int, count: int, most: int) -> Iterator[Stretch]:
        """Losses and outputs of the first `count` batches, without training; no losses where there is no target."""
        samples = self._samples(data)
        at, end = 0, min(count * size, len(data))
        while at < end:
            stop = min(at + most * size, end)
            values, output = self._compiled.evaluate(samples, at, stop, size, data.y is not None, LIMIT)
            stop = at + len(output)
            yield values.tolist(), output, *data.targets(None, at, stop), None
            at = stop


def _arrays_of(optimizer: Any) -> list[Array]:
    """The arrays that a program of this optimizer writes."""
    return (
        []
        if optimizer is None
        else [a for arrays in (optimizer._arrays, *optimizer._slots.values()) for a in arrays]
    )


def training_program(plan: Plan, optimizer: Any) -> Program | None:
    """The program that trains a plan, or None where the plan must do it. The plan keeps it for the next epoch."""
    if plan.device.is_gpu or not plan.is_chain or checking():
        return None
    rule = optimizer.plain_rule()
    loss = loss_kernel(plan)
    if rule is None or loss is None or plan.penalized or not plan.variables:
        return None
    if not all(a is array_of(v) for a, v in zip(optimizer._arrays, plan.variables, strict=True)):
        adopt(optimizer, plan.variables)
    if plan.program is None or not plan.program.serves(optimizer, rule):
        compiled, samples_class = _new(plan, loss, **rule)
        built = _build(compiled, plan, optimizer)
        plan.program = Program(compiled, samples_class, optimizer, rule) if built else None
    kept: Program | None = plan.program
    return kept


def reading_program(plan: Plan, losses: bool) -> Program | None:
    """The program that evaluates a plan, or only predicts, or None where the plan must do it.

    Without `losses` it predicts, and the loss that it was made with is never read.
    """
    loss = loss_kernel(plan)
    if plan.device.is_gpu or not plan.is_chain or (losses and loss is None):
        return None
    compiled, samples_class = _new(plan, loss or ("mean_squared_error", 0.0))
    return Program(compiled, samples_class) if _build(compiled, plan, None) else None


def _new(plan: Plan, loss: tuple[str, float], **rule: Any) -> tuple[Any, Any]:
    wide = plan.dtype == np.float64
    made = (cpu.StepProgram64 if wide else cpu.StepProgram32)(
        loss=loss[0], setting=loss[1], **{name: rule.get(name, {}) for name in _STATES}
    )
    return made, cpu.StepSamples64 if wide else cpu.StepSamples32


def _build(compiled: Any, plan: Plan, optimizer: Any) -> bool:
    """Add the plan's steps; False if one of them has no place in a program."""
    steps = list(plan.steps)
    if steps and isinstance(steps[0], BagStep):
        if not _add_bag(compiled, steps.pop(0), optimizer):
            return False
    elif steps and _is_flatten(steps[0]):
        steps.pop(0)
    dense = [step for step in steps if isinstance(step, DenseStep)]
    if not dense or len(dense) != len(steps) or plan.mixed_dtypes:
        return False
    if any(len(step.layer.input_shape or ()) != 2 for step in dense):
        return False
    place = len(plan.variables) - sum(len(step.variables) for step in dense)
    for step in dense:
        function = step.activation
        if type(function) is not Function or function.kernel not in ACTIVATIONS:
            return False
        _add_dense(compiled, step, function, optimizer, place)
        place += len(step.variables)
    return True


def _is_flatten(step: Any) -> bool:
    return isinstance(step, LayerStep) and type(step.layer) is Flatten


def _add_bag(compiled: Any, step: Any, optimizer: Any) -> bool:
    variable = step.embedding.table
    if step.pooling.keepdims:
        return False
    if optimizer is None or not step.variables:
        compiled.set_reader(variable.value, step.pad_id)
        return True
    table = variable.deferred
    if isinstance(table, DeferredTable) and table is optimizer._tables.get(0):
        arrays = [table.param, *_states(optimizer, 0)]
        compiled.set_deferred_bag(table.clock, [*arrays, table.last], optimizer._decays[0], step.pad_id)
        return True
    if isinstance(table, LinearTable) and table is optimizer._tables.get(0):
        compiled.set_linear_bag(
            table.clock,
            list(table.state.values()),
            _states(optimizer, 0),
            table.param,
            table.last,
            table.push,
            optimizer._decays[0],
            step.pad_id,
        )
        return True
    if table is None and not optimizer.slots() and optimizer._touched(0) and not optimizer._decays[0]:
        compiled.set_sgd_bag(variable._value, step.pad_id)
        return True
    return False


def _states(optimizer: Any, place: int) -> list[Array | None]:
    """The state of a parameter in the program's order, None where its rule has none."""
    (name,) = optimizer.rule_numbers()
    slots = optimizer._slots
    return [slots[slot][place] if slot in slots else None for slot in _STATES[name]]


def _add_dense(compiled: Any, step: DenseStep, function: Function, optimizer: Any, place: int) -> None:
    layer = step.layer
    settings = [
        function._kernel_settings.get(key, value) for key, value in ACTIVATIONS[function.kernel].items()
    ]
    trained = optimizer is not None and bool(step.variables)
    states, decays = [], []
    if trained:
        places = range(place, place + len(step.variables))
        states = [_states(optimizer, i) for i in places]
        decays = [optimizer._decays[i] for i in places]
    compiled.add_dense(
        layer.kernel._value,
        layer.bias._value if layer.use_bias else None,
        function.kernel,
        [*settings, 0.0, 0.0, 0.0][:3],
        function.fused is not None,
        trained,
        states,
        decays,
    )
