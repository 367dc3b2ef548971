"""A table under the exact deferred Adam: dense Adam's result at the cost of the rows that are touched."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ops
from .._backend import array_module, on_gpu
from .._device import device_of
from .._interrupts import HeldInterrupt
from ..ops.deferred_adam import adam_clock
from ..rowgrad import RowGrad

Array = NDArray[Any]

#: Beyond this share of touched rows a dense pass is cheaper than catching up the touched ones.
DENSE_SHARE = 0.6


class DeferredTable:
    """The live arrays of a table whose untouched rows are behind, and what they have missed.

    A forward pass reads caught-up copies of rows (`gather`); a row is brought up to date itself when it has a
    gradient (`step`). Whoever wants to look at the whole table takes `read()` or `caught_up()`, copies too, so that
    looking changes no bit of the run; `flush()` brings the live arrays up to date in place.

    On a GPU the clock is in device memory too, and `catch_up` and `step` are one launch each, without a word from the
    host: they may be captured in a CUDA graph, the step with a rate from device memory. Then the host says `counted`
    after a launch, and flushes between two when `room` has run out.

    Args:
        param: float32 or float64, (V, D), of NumPy or of CuPy; kept by reference.
        state: moment1, moment2 and, for AMSGrad, max_moment2, like param.
        rule: beta1, beta2 and eps of the Adam that drives it, bias_correction (True) and eps_mode ("hat").
        done: steps taken so far, all of which the arrays hold.
        replay: catch up step by step, to the very bits of the dense pass, at about its cost for rows that are read
            seldom; else to what float32 can tell.

    Raises:
        ValueError: the betas are such that only a dense pass is exact.

    Example:
        >>> param, state = np.ones((3, 2)), {"moment1": np.zeros((3, 2)), "moment2": np.zeros((3, 2))}
        >>> rule = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-7, "bias_correction": True}
        >>> table = DeferredTable(param, state, rule, 0)
        >>> rows = np.array([1])
        >>> table.gather(rows)
        array([[1., 1.]])
        >>> table.step(RowGrad(rows, [[0.1, 0.1]], (3, 2)), learning_rate=0.1, weight_decay=0.0)
        >>> table.read().round(4)
        array([[1. , 1. ],
               [0.9, 0.9],
               [1. , 1. ]])
    """

    def __init__(
        self, param: Array, state: dict[str, Any], rule: dict[str, Any], done: int, *, replay: bool = False
    ) -> None:
        amsgrad = "max_moment2" in state
        gap = ops.choose_gap(rule["beta1"], rule["beta2"], amsgrad=amsgrad)
        if gap is None:
            raise ValueError(
                "DeferredTable: beta1 and beta2 must be such that a gap has a polynomial; "
                f"got {rule['beta1']} and {rule['beta2']}"
            )
        self.param, self.state, self.rule, self.replay = param, state, dict(rule), replay
        #: Whether steps may be captured in a CUDA graph.
        self.capturable = on_gpu(param)
        with device_of(param).current():
            self.last: Array = array_module(param).empty(len(param), np.int32)
            self.clock = adam_clock(
                param,
                beta1=rule["beta1"],
                beta2=rule["beta2"],
                eps=rule["eps"],
                hat=rule.get("eps_mode", "hat") == "hat",
                bias_correction=rule.get("bias_correction", True),
                amsgrad=amsgrad,
                degree=gap[0],
                window=gap[1],
            )
        self.clock.restart(done, self.last)
        self._gathered: tuple[Array, Array] | None = None

    @property
    def outstanding(self) -> bool:
        """Whether any row may be behind."""
        behind: bool = self.clock.last > self.clock.base
        return behind

    @property
    def room(self) -> int:
        """How many steps may be taken before the table wants a flush."""
        steps: int = self.clock.room
        return steps

    def counted(self, steps: int, weight_decay: float) -> None:
        """Say that so many steps with rates in device memory have been taken, as by a launch of a graph.

        Each is thought to lose half of a parameter by decay, if there is any, which only `room` depends on.
        """
        self._gathered = None
        self.clock.count(steps, 0.5**steps if weight_decay else 1.0)

    def _catch_up(self, rows: Array | None = None, **options: Any) -> Array | None:
        return ops.deferred_adam_catch_up(
            self.clock,
            param=self.param,
            **self.state,
            last=self.last,
            rows=rows,
            **{"replay": self.replay} | options,
        )

    def gather(self, rows: Array) -> Array:
        """Copies of rows as they are at this step: what a forward pass reads. Nothing in the table changes.

        The next `step` of these very rows takes the copies over instead of working them out again.

        Args:
            rows: int32 or int64, (R,), each once.

        Returns:
            (R, D), read-only.
        """
        result = self._catch_up(rows, write=False)
        assert result is not None
        if not self.capturable:
            result.flags.writeable = False
        self._gathered = (rows, result)
        return result

    def catch_up(self, rows: Array) -> None:
        """Bring rows up to date in place; rows as for `gather`."""
        self._gathered = None
        self._catch_up(rows)

    def step(self, grad: RowGrad, learning_rate: float, weight_decay: float) -> None:
        """Take the next step for the rows of a gradient; the others will be told when they are read.

        Where most rows are touched, or where the missed step would have no closed form (a rate below 0, a decay that
        takes a whole parameter away), all rows move now. On a GPU most rows are no more than many.

        Args:
            grad: gradient of some rows, each once.
            learning_rate: step length; on a GPU it may be an array without axes, float64, in device memory. It must be
                0 or more there, and below 1 over weight_decay: nobody looks. The host counts such a step when it is
                told, by `counted`.
            weight_decay: decoupled decay.
        """
        if self.capturable:
            return self._device_step(grad, learning_rate, weight_decay)
        many = len(grad.rows) > DENSE_SHARE * len(self.param)
        if many or not (learning_rate >= 0 and learning_rate * weight_decay < 1):
            return self._dense_step(grad, learning_rate, weight_decay)
        if self.clock.full:
            self.flush()
        self._take(grad, learning_rate, weight_decay, self.replay)
        return None

    def _take(self, grad: RowGrad, learning_rate: float, weight_decay: float, replay: bool) -> None:
        gathered, self._gathered = self._gathered, None
        known = gathered[1] if gathered is not None and gathered[0] is grad.rows else None
        ops.deferred_adam_step(
            self.clock,
            param=self.param,
            grad=grad,
            **self.state,
            last=self.last,
            caught_up=known,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            replay=replay,
        )

    def _device_step(self, grad: RowGrad, learning_rate: Any, weight_decay: float) -> None:
        if on_gpu(learning_rate) or (learning_rate >= 0 and learning_rate * weight_decay < 1):
            if not on_gpu(learning_rate) and self.clock.full:
                self.flush()
            return self._take(grad, learning_rate, weight_decay, self.replay)
        self.flush()  # no closed form: the other rows take the step one by one, and at once
        self._take(grad, learning_rate, weight_decay, replay=True)
        self._catch_up(replay=True)
        self.clock.restart(self.clock.last)
        return None

    def _dense_step(self, grad: RowGrad, learning_rate: float, weight_decay: float) -> None:
        self.flush()
        number = self.clock.last + 1
        held = HeldInterrupt()
        with held:
            ops.adam_step(
                param=self.param,
                grad=grad.to_dense(),
                **self.state,
                **self.rule,
                learning_rate=learning_rate,
                weight_decay=weight_decay,
                step=number,
            )
        self.restart(number)
        held.release()

    def flush(self) -> None:
        """Bring every row up to date in place, and forget the steps."""
        if self.outstanding:
            self._gathered = None
            self._catch_up()
            self.clock.restart(self.clock.last)

    def restart(self, done: int) -> None:
        """Say that the arrays hold the result of step `done`: after a dense step, or after loading."""
        self._gathered = None
        self.clock.restart(done, self.last)

    def read(self) -> Array:
        """A copy of the parameter, every row up to date; nothing is written."""
        result = self._catch_up(write=False)
        assert result is not None
        return result

    def caught_up(self) -> dict[str, Array]:
        """Copies of param and the state, every row up to date; nothing is written."""
        arrays = {"param": self.param, **self.state}
        with device_of(self.param).current():
            copies: dict[str, Any] = {name: array.copy() for name, array in arrays.items()}
            last = self.last.copy()
        if self.outstanding:
            ops.deferred_adam_catch_up(self.clock, **copies, last=last, replay=self.replay)
        return copies
