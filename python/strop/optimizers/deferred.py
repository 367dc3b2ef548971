"""A table under the exact deferred Adam: dense Adam's result at the cost of the rows that are touched."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ops
from .._backend import cpu
from ..rowgrad import RowGrad

Array = NDArray[Any]


class DeferredTable:
    """The live arrays of a table whose untouched rows are behind, and what they have missed.

    A row is caught up before it is read (`gather`) and stepped when it has a gradient (`step`). Whoever wants to
    look at the whole table takes `caught_up()`, a copy, so that looking changes no bit of the run; `flush()` brings
    the live arrays up to date in place.

    Args:
        param: float32 or float64, (V, D); kept by reference.
        state: moment1, moment2 and, for AMSGrad, max_moment2, like param.
        rule: beta1, beta2, eps, bias_correction of the Adam that drives it.
        done: steps taken so far, all of which the arrays hold.
    """

    def __init__(self, param: Array, state: dict[str, Any], rule: dict[str, Any], done: int) -> None:
        gap = ops.choose_gap(rule["beta1"], rule["beta2"], amsgrad="max_moment2" in state)
        if gap is None:
            raise ValueError("DeferredTable: beta1 and beta2 must be such that a gap has a polynomial")
        self.param, self.state, self.rule = param, state, rule
        self.last = np.full(len(param), done, np.int32)
        self.clock = ops.AdamClock(
            beta1=rule["beta1"],
            beta2=rule["beta2"],
            eps=rule["eps"],
            hat=True,
            bias_correction=rule["bias_correction"],
            amsgrad="max_moment2" in state,
            degree=gap[0],
            window=gap[1],
        )
        if param.dtype == np.float32:
            self.clock.use_float32()
        self.clock.restart(done)

    def gather(self, rows: Array) -> Array:
        """Copies of rows, caught up in place first: what a forward pass reads.

        Args:
            rows: int32 or int64, (R,), each once.

        Returns:
            (R, D).
        """
        result: Array = cpu.deferred_adam_catch_up(
            self.clock, param=self.param, **self.state, last=self.last, rows=rows, gather=True
        )
        return result

    def step(self, grad: RowGrad, learning_rate: float, weight_decay: float) -> None:
        """Take the next step for the rows of a coalesced gradient; the others will be told later.

        A rate below 0, or a decay that takes a whole parameter away, has no logarithm: then all rows move.
        """
        number = self.clock.last + 1
        settings = self.rule | {"learning_rate": learning_rate, "weight_decay": weight_decay, "step": number}
        if learning_rate < 0 or learning_rate * weight_decay >= 1:
            self.flush()
            ops.adam_step(param=self.param, grad=grad.to_dense(), **self.state, **settings)
            self.restart(number)
            return
        cpu.deferred_adam_catch_up(self.clock, param=self.param, **self.state, last=self.last, rows=grad.rows)
        cpu.adam_rows(
            param=self.param, grad=grad.values, rows=grad.rows, **self.state, last=self.last, **settings
        )
        self.clock.advance(learning_rate, weight_decay)

    def flush(self) -> None:
        """Bring every row up to date in place, and forget the steps."""
        cpu.deferred_adam_catch_up(self.clock, param=self.param, **self.state, last=self.last)
        self.clock.restart(self.clock.last)

    def restart(self, done: int) -> None:
        """Say that the arrays hold the result of step `done`: after a dense step, or after loading."""
        self.last[:] = done
        self.clock.restart(done)

    def caught_up(self) -> dict[str, Array]:
        """Copies of param and the state, every row up to date; nothing is written."""
        copies = {"param": self.param.copy(), **{name: array.copy() for name, array in self.state.items()}}
        cpu.deferred_adam_catch_up(self.clock, **copies, last=self.last.copy())
        return copies
