"""Optimizer steps that work element by element: RMSprop, Adagrad, Adadelta, Rprop; `update_moments` has the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from .._backend import kernels
from ..rowgrad import RowGrad

Arrays = NDArray[Any] | Sequence[NDArray[Any]]
#: Numbers of a step: Python's, or CuPy arrays without axes, float64 and int64.
Rate = float | NDArray[Any]
Count = int | NDArray[Any]


def take_step(
    op: str, param: Arrays, grad: Arrays | RowGrad, states: tuple[Arrays | None, ...], *settings: Any
) -> None:
    """Call the kernel of `op` on all of the arrays, or on the rows of a `RowGrad`."""
    rows = None
    if isinstance(grad, RowGrad):
        once = grad.coalesce()
        grad, rows = once.values, once.rows
    getattr(kernels(op, param), op)(param, grad, rows, *states, *settings)


def rmsprop_step(
    *,
    param: Arrays,
    grad: Arrays | RowGrad,
    mean_square: Arrays,
    mean_grad: Arrays | None = None,
    velocity: Arrays | None = None,
    learning_rate: Rate,
    rho: float = 0.9,
    momentum: float = 0.0,
    eps: float = 1e-7,
    dialect: str = "keras",
    weight_decay: float | list[float] = 0.0,
    l2: float = 0.0,
    grad_scale: Rate = 1.0,
) -> None:
    """Take one RMSprop step in place, on one array or on a list of arrays in one call.

    The gradient is divided by the root of a running mean of its squares. The Keras dialect adds eps inside the
    root and keeps the learning rate in the velocity. The torch dialect does neither.

    Args:
        param: float32 or float64, any shape; updated.
        grad: like param; only read. With a `RowGrad` only its rows move.
        mean_square: like param, zeros before the first step; updated.
        mean_grad: like param, zeros before the first step; updated. Given, the step is centered: the variance
            stands in place of the mean square.
        velocity: like param, zeros before the first step; updated. None: no momentum.
        learning_rate: step length; a number, or a CuPy float64 array without axes, read when the kernel runs.
        rho: share of the means that is kept, in [0, 1]; torch's alpha.
        momentum: share of the velocity that is kept.
        eps: added to the mean square (`"keras"`) or to its root (`"torch"`).
        dialect: `"keras"` or `"torch"`.
        weight_decay: decoupled decay: `param *= 1 - learning_rate * weight_decay` first; one number, or a list with
            one per array.
        l2: coupled decay, torch's weight_decay: the rule sees `grad_scale * grad + l2 * param`; 0 or more.
        grad_scale: multiplies the gradient first: -1 to maximize, a clipping factor, one over a count; a number, or an
            array as learning_rate may be.

    Raises:
        TypeError: an array is not a NumPy array, or has another dtype than its parameter.
        ValueError: shapes or list lengths differ; an array is strided, read-only or overlaps another; a setting is
            out of range; momentum comes without velocity. Nothing has been written then.

    Example:
        >>> import numpy as np
        >>> param, mean_square = np.ones(1), np.zeros(1)
        >>> rmsprop_step(param=param, grad=np.array([0.1]), mean_square=mean_square, learning_rate=0.1)
        >>> print(f"{param[0]:.10f}")
        0.6837880442

    References:
        Tieleman and Hinton, Neural networks for machine learning, lecture 6.5, 2012; Graves, Generating sequences
        with recurrent neural networks, 2013 (centered).
    """
    states = (mean_square, mean_grad, velocity)
    settings = (learning_rate, rho, momentum, eps, dialect, weight_decay, l2, grad_scale)
    take_step("rmsprop_step", param, grad, states, *settings)


def adagrad_step(
    *,
    param: Arrays,
    grad: Arrays | RowGrad,
    sum_square: Arrays,
    learning_rate: Rate,
    eps: float = 1e-7,
    dialect: str = "keras",
    weight_decay: float | list[float] = 0.0,
    l2: float = 0.0,
    grad_scale: Rate = 1.0,
) -> None:
    """Take one Adagrad step in place, on one array or on a list of arrays in one call.

    The gradient is divided by the root of the sum of all its squares so far. The Keras dialect adds eps inside the
    root, torch's outside.

    Args:
        param: float32 or float64, any shape; updated.
        grad: like param; only read. With a `RowGrad` only its rows move, which is what the rule does with zeros in
            the others.
        sum_square: like param; before the first step Keras has 0.1 in it, torch 0; updated.
        learning_rate: step length, a number or an array as for `adam_step`; torch's lr_decay is the caller's.
        eps: added to the sum (`"keras"`) or to its root (`"torch"`).
        dialect: `"keras"` or `"torch"`.
        weight_decay: decoupled decay: `param *= 1 - learning_rate * weight_decay` first; one number, or a list with
            one per array.
        l2: coupled decay, torch's weight_decay: the rule sees `grad_scale * grad + l2 * param`; 0 or more.
        grad_scale: multiplies the gradient first: -1 to maximize, a clipping factor, one over a count; a number, or an
            array as learning_rate may be.

    Raises:
        TypeError: an array is not a NumPy array, or has another dtype than its parameter.
        ValueError: shapes or list lengths differ; an array is strided, read-only or overlaps another; a setting is
            out of range. Nothing has been written then.

    Example:
        >>> import numpy as np
        >>> param, sum_square = np.ones(1), np.full(1, 0.1)
        >>> adagrad_step(param=param, grad=np.array([0.1]), sum_square=sum_square, learning_rate=0.1)
        >>> print(f"{param[0]:.10f}")
        0.9698488792

    References:
        Duchi et al., Adaptive subgradient methods for online learning and stochastic optimization, 2011.
    """
    settings = (learning_rate, eps, dialect, weight_decay, l2, grad_scale)
    take_step("adagrad_step", param, grad, (sum_square,), *settings)


def adadelta_step(
    *,
    param: Arrays,
    grad: Arrays | RowGrad,
    mean_square: Arrays,
    mean_square_move: Arrays,
    learning_rate: Rate,
    rho: float = 0.95,
    eps: float = 1e-7,
    weight_decay: float | list[float] = 0.0,
    l2: float = 0.0,
    grad_scale: Rate = 1.0,
) -> None:
    """Take one Adadelta step in place, on one array or on a list of arrays in one call.

    The gradient is scaled by the ratio of two roots: of the running mean of the squares of its moves, and of that
    of its own squares. Keras and torch compute the same.

    Args:
        param: float32 or float64, any shape; updated.
        grad: like param; only read. With a `RowGrad` only its rows move.
        mean_square: like param, zeros before the first step; updated.
        mean_square_move: like param, zeros before the first step; updated.
        learning_rate: multiplies the move; 1 in the paper; a number or an array as for `adam_step`.
        rho: share of the means that is kept, in [0, 1].
        eps: added inside both roots.
        weight_decay: decoupled decay: `param *= 1 - learning_rate * weight_decay` first; one number, or a list with
            one per array.
        l2: coupled decay, torch's weight_decay: the rule sees `grad_scale * grad + l2 * param`; 0 or more.
        grad_scale: multiplies the gradient first: -1 to maximize, a clipping factor, one over a count; a number, or an
            array as learning_rate may be.

    Raises:
        TypeError: an array is not a NumPy array, or has another dtype than its parameter.
        ValueError: shapes or list lengths differ; an array is strided, read-only or overlaps another; a setting is
            out of range. Nothing has been written then.

    Example:
        >>> import numpy as np
        >>> param, mean_square, mean_square_move = np.ones(1), np.zeros(1), np.zeros(1)
        >>> adadelta_step(param=param, grad=np.array([0.1]), mean_square=mean_square,
        ...               mean_square_move=mean_square_move, learning_rate=0.1)
        >>> print(f"{param[0]:.10f}")
        0.9998585928

    References:
        Zeiler, ADADELTA: an adaptive learning rate method, 2012.
    """
    settings = (learning_rate, rho, eps, weight_decay, l2, grad_scale)
    take_step("adadelta_step", param, grad, (mean_square, mean_square_move), *settings)


def rprop_step(
    *,
    param: Arrays,
    grad: Arrays | RowGrad,
    previous_grad: Arrays,
    step_size: Arrays,
    etas: tuple[float, float] = (0.5, 1.2),
    step_sizes: tuple[float, float] = (1e-6, 50.0),
    grad_scale: Rate = 1.0,
) -> None:
    """Take one Rprop step in place, on one array or on a list of arrays in one call.

    Each element has a step of its own. It grows while the sign of the gradient stays. Where the sign turns it
    shrinks, and the element rests for this step. Only the signs of the gradient count: for whole batches.

    Args:
        param: float32 or float64, any shape; updated.
        grad: like param; only read. With a `RowGrad` only its rows move.
        previous_grad: like param, zeros before the first step; updated; 0 where the element rested.
        step_size: like param, the learning rate before the first step; updated.
        etas: factors by which a step shrinks and grows.
        step_sizes: least and greatest step.
        grad_scale: multiplies the gradient first: -1 to maximize, a clipping factor, one over a count; a number, or an
            array as learning_rate may be.

    Raises:
        TypeError: an array is not a NumPy array, or has another dtype than its parameter.
        ValueError: shapes or list lengths differ; an array is strided, read-only or overlaps another; a setting is
            out of range. Nothing has been written then.

    Example:
        >>> import numpy as np
        >>> param, previous_grad, step_size = np.ones(1), np.zeros(1), np.full(1, 0.1)
        >>> for grad in (0.1, 0.2, -0.1):
        ...     rprop_step(param=param, grad=np.array([grad]), previous_grad=previous_grad, step_size=step_size)
        >>> print(param.round(10), step_size.round(10))
        [0.78] [0.06]

    References:
        Riedmiller and Braun, A direct adaptive method for faster backpropagation learning: the RPROP algorithm, 1993.
    """
    take_step("rprop_step", param, grad, (previous_grad, step_size), *etas, *step_sizes, grad_scale)
