"""Tables under the rules that move a row without a gradient linearly: SGD, RMSprop, Adagrad and Adadelta."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._backend import cpu
from ..rowgrad import RowGrad

Array = NDArray[Any]


class LinearTable:
    """The live arrays of a table whose untouched rows are behind, as a `DeferredTable` is for Adam.

    Without a gradient these rules multiply each state by a number and add a multiple of the first one to the
    parameter. Any number of such steps is two products and a sum. On a GPU nothing is deferred: there these rules take
    the dense pass, which is as exact.

    Args:
        param: float32 or float64, (V, D); kept by reference.
        state: arrays like param; that which moves the parameter first.
        factors: what a step without a gradient multiplies each by.
        push: what a step without a gradient adds of the first to the parameter.
        update: the rule: `update(param, grad, state, learning_rate, weight_decay, scale)`.
        done: steps taken so far, all of which the arrays hold.
    """

    def __init__(
        self,
        param: Array,
        state: dict[str, Array],
        factors: Mapping[str, float],
        push: float,
        update: Callable[..., None],
        done: int,
    ) -> None:
        self.param, self.state, self.push, self._update = param, state, push, update
        self.clock = cpu.LinearClock([factors[name] for name in state], param.dtype == np.float32)
        self.last = np.full(len(param), done, np.int32)
        self.clock.restart(done)

    @property
    def outstanding(self) -> bool:
        """Whether any row may be behind."""
        behind: bool = self.clock.last > self.clock.base
        return behind

    def _peek(self, rows: Array | None = None) -> Array:
        copies: Array = self.clock.catch_up(
            self.param, list(self.state.values()), self.last, rows, write=False
        )
        return copies

    def gather(self, rows: Array) -> Array:
        """Copies of rows as they are at this step: what a forward pass reads. Nothing in the table changes.

        Args:
            rows: int32 or int64, (R,), each once.

        Returns:
            (R, D), read-only.
        """
        result = self._peek(rows)
        result.flags.writeable = False
        return result

    def catch_up(self, rows: Array | None) -> None:
        """Bring rows up to date in place; rows as for `gather`, None is all of them."""
        self.clock.catch_up(self.param, list(self.state.values()), self.last, rows)

    def step(self, grad: RowGrad, learning_rate: float, weight_decay: float) -> None:
        """Take the next step for the rows of a gradient; the others will be told when they are read."""
        if self.clock.full:
            self.flush()
        self.catch_up(grad.rows)
        self._update(self.param, grad, self.state, learning_rate, weight_decay, 1.0)
        self.clock.advance(self.push, learning_rate * weight_decay)
        self.last[grad.rows] = self.clock.last

    def flush(self) -> None:
        """Bring every row up to date in place, and forget the steps."""
        if self.outstanding:
            self.catch_up(None)
            self.clock.restart(self.clock.last)

    def restart(self, done: int) -> None:
        """Say that the arrays hold the result of step `done`: after a dense step, or after loading."""
        self.last[:] = done
        self.clock.restart(done)

    def read(self) -> Array:
        """A copy of the parameter, every row up to date; nothing is written."""
        return self._peek()

    def caught_up(self) -> dict[str, Array]:
        """Copies of param and the state, every row up to date; nothing is written."""
        copies = {name: array.copy() for name, array in {"param": self.param, **self.state}.items()}
        state = [copies[name] for name in self.state]
        self.clock.catch_up(copies["param"], state, self.last.copy(), None)
        return copies
