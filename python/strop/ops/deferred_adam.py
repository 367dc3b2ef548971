"""The exact deferred Adam: rows without a gradient are left alone and caught up when they are next read.

Dense Adam moves every row at every step, because its moments decay. What it does to a row over a gap depends on the
row through the root of its second moment alone, so one polynomial per gap, shared by all rows, does the work of all
its steps: see `csrc/math/deferred_adam.h`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._backend import cpu, kernels
from ..rowgrad import RowGrad
from .update import Rate

Array = NDArray[Any]

#: The steps that rows have missed: `AdamClock(beta1=, beta2=, eps=, hat=, bias_correction=, amsgrad=, degree=,
#: window=)`, then `restart(base)`, and `advance(learning_rate, weight_decay)` after every step. That of NumPy arrays;
#: `adam_clock` makes the one of a table.
AdamClock = cpu.AdamClock

#: Degrees that the kernel has, the largest window, and the errors below which float32 does not see them.
DEGREES = (3, 4, 8)
MAX_WINDOW = 1024
REMAINDER = 2.0**-23
TAIL = 2.0**-30


def adam_clock(param: Array, **settings: Any) -> Any:
    """The clock of a table, where its arrays are: an `AdamClock`, or one in device memory.

    That of a GPU is read by the kernels when they run and put forward by the launch of the step, so that steps may be
    captured in a CUDA graph. It starts at step 0.

    Args:
        param: the table, float32 or float64.
        settings: those of `AdamClock`.

    Example:
        >>> clock = adam_clock(np.ones((3, 2), np.float32), beta1=0.9, beta2=0.999, eps=1e-7, hat=True,
        ...                    bias_correction=True, amsgrad=False, degree=3, window=256)
        >>> clock.last, clock.room
        (0, 65536)
    """
    clock = kernels("AdamClock", param).AdamClock(**settings)
    if param.dtype == np.float32:
        clock.use_float32()
    return clock


def gap_remainder(beta1: float, beta2: float, degree: int) -> float:
    """The greatest relative error of the polynomial of this degree, reached where eps is negligible.

    Example:
        >>> print(f"{gap_remainder(0.9, 0.999, 3):.1e}")
        1.3e-08
    """
    j = np.arange(1, 4 * MAX_WINDOW)
    log_terms = j * (math.log(beta1) - 0.5 * math.log(beta2)) if beta1 > 0 else np.where(j > 0, -np.inf, 0)
    terms = np.exp(log_terms)
    shrink = -np.expm1(0.5 * j * math.log(beta2))
    total = terms.sum()
    return float((terms * shrink ** (degree + 1)).sum() / total) if total > 0 else 0.0


def gap_window(beta1: float, beta2: float) -> int:
    """Steps after which what is left of a moment moves no parameter by more than 2^-30 learning rates.

    Example:
        >>> gap_window(0.9, 0.999)
        256
    """
    ratio = beta1 / math.sqrt(beta2)
    if ratio <= 0:
        return 64
    bound = (1 - beta1) / math.sqrt((1 - beta2) * (1 - beta1**2 / beta2))
    steps = math.log(TAIL * (1 - ratio) / bound) / math.log(ratio)
    return max(64, 64 * math.ceil(steps / 64))


def choose_gap(beta1: float, beta2: float, *, amsgrad: bool = False) -> tuple[int, int] | None:
    """The degree and window for these betas, or None where only the dense pass is exact.

    Example:
        >>> choose_gap(0.9, 0.999)
        (3, 256)
        >>> choose_gap(0.9, 0.95) is None
        True
    """
    if not (0 <= beta1 < 1 and 0 < beta2 < 1) or beta1**2 >= beta2:
        return None
    window = gap_window(beta1, beta2)
    if window > MAX_WINDOW:
        return None
    for degree in DEGREES:
        if amsgrad or gap_remainder(beta1, beta2, degree) <= REMAINDER:
            return (degree, window)
    return None


def deferred_adam_catch_up(
    clock: Any,
    *,
    param: Array,
    moment1: Array,
    moment2: Array,
    max_moment2: Array | None = None,
    last: Array,
    rows: Array | None = None,
    gather: bool = False,
    write: bool = True,
    replay: bool = False,
) -> Array | None:
    """Bring rows to the clock's last step, as dense Adam with zero gradients would have done.

    Args:
        clock: the clock of `adam_clock`, advanced once per step.
        param: float32 or float64, (V, D); updated.
        moment1: like param; updated.
        moment2: like param; updated.
        max_moment2: like param, for AMSGrad; it stands still without a gradient.
        last: int32, (V,): the step that each row holds; updated.
        rows: int32 or int64, (R,), each once; None: all rows. On a GPU places at the end may hold the least int64:
            no row.
        gather: True returns a copy of the rows.
        write: False changes nothing and returns the rows as they would be.
        replay: True takes the missed steps one by one: the very bits of the dense kernel, at its cost.

    Returns:
        The rows, (R, D), if gather or not write; else None.

    Raises:
        TypeError: dtypes differ, or last is not int32.
        IndexError: a row is outside the table; on a GPU at the next `strop.synchronize()`.
        ValueError: shapes differ, an array is strided or read-only, or last has a step that the clock lacks; on a GPU
            such a row counts as one outside the table.

    Example:
        >>> clock = AdamClock(beta1=0.9, beta2=0.999, eps=1e-7, hat=True, bias_correction=True, amsgrad=False,
        ...                   degree=3, window=256)
        >>> clock.restart(1)  # the row has taken step 1
        >>> param, last = np.array([[1.0]]), np.array([1], np.int32)
        >>> moment1, moment2 = np.array([[0.1]]), np.array([[0.001]])
        >>> clock.advance(0.1, 0.0)  # and misses step 2
        >>> deferred_adam_catch_up(clock, param=param, moment1=moment1, moment2=moment2, last=last)
        >>> print(f"{param[0, 0]:.6f}")
        0.932994
    """
    result: Array | None = kernels("deferred_adam_catch_up", param).deferred_adam_catch_up(
        clock,
        param=param,
        moment1=moment1,
        moment2=moment2,
        max_moment2=max_moment2,
        last=last,
        rows=rows,
        gather=gather,
        write=write,
        replay=replay,
    )
    return result


def deferred_adam_step(
    clock: Any,
    *,
    param: Array,
    grad: RowGrad,
    moment1: Array,
    moment2: Array,
    max_moment2: Array | None = None,
    last: Array,
    caught_up: Array | None = None,
    learning_rate: Rate,
    weight_decay: float = 0.0,
    replay: bool = False,
) -> None:
    """Take the clock's next step: the rows of grad are caught up and stepped, the others have missed it.

    Args:
        clock: the clock of `adam_clock`; advanced by this step, on a GPU in the same launch.
        param: float32 or float64, (V, D); updated.
        grad: gradient of the rows that the batch has read.
        moment1: like param; updated.
        moment2: like param; updated.
        max_moment2: like param, for AMSGrad; updated.
        last: int32, (V,): the step that each row holds; updated.
        caught_up: like the values of grad: its rows as `deferred_adam_catch_up(..., write=False)` has just given them,
            so that they are not worked out again; None works them out. The bits are the same.
        learning_rate: step length, 0 or more; it may change at every step. A number, or a CuPy float64 array without
            axes, read when the kernel runs: nobody looks at it, and the clock does not count the step on the host.
        weight_decay: decoupled decay; `learning_rate * weight_decay` must stay below 1.
        replay: True catches up step by step.

    Raises:
        TypeError: dtypes differ, or last is not int32.
        ValueError: shapes differ, an array is strided or read-only, last has a step that the clock lacks, or the
            rate is out of range. Nothing has been written then.

    Example:
        >>> clock = AdamClock(beta1=0.9, beta2=0.999, eps=1e-7, hat=True, bias_correction=True, amsgrad=False,
        ...                   degree=3, window=256)
        >>> param, moment1, moment2 = np.ones((2, 1)), np.zeros((2, 1)), np.zeros((2, 1))
        >>> last = np.zeros(2, np.int32)
        >>> deferred_adam_step(clock, param=param, grad=RowGrad([1], [[0.1]], (2, 1)), moment1=moment1,
        ...                    moment2=moment2, last=last, learning_rate=0.1)
        >>> param.ravel().round(4), last
        (array([1. , 0.9]), array([0, 1], dtype=int32))
    """
    once = grad.coalesce()
    if once is not grad:
        caught_up = None  # other rows, or in another order
    kernels("deferred_adam_step", param).deferred_adam_step(
        clock,
        param=param,
        grad=once.values,
        rows=once.rows,
        moment1=moment1,
        moment2=moment2,
        max_moment2=max_moment2,
        last=last,
        caught_up=caught_up,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        replay=replay,
    )
