"""Optimizer steps with a first moment that work element by element: Adamax, NAdam, RAdam, Lion."""

from __future__ import annotations

from ..rowgrad import RowGrad
from .update import Arrays, Count, Rate, take_step


def adamax_step(
    *,
    param: Arrays,
    grad: Arrays | RowGrad,
    moment1: Arrays,
    max_grad: Arrays,
    learning_rate: Rate,
    step: Count,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-7,
    dialect: str = "keras",
    weight_decay: float | list[float] = 0.0,
    l2: float = 0.0,
    grad_scale: Rate = 1.0,
) -> None:
    """Take one Adamax step in place, on one array or on a list of arrays in one call.

    Adam with a decaying maximum of the size of the gradient in place of the root of the second moment.

    Args:
        param: float32 or float64, any shape; updated.
        grad: like param; only read. With a `RowGrad` only its rows move.
        moment1: like param, zeros before the first step; updated.
        max_grad: like param, zeros before the first step; updated.
        learning_rate: step length; a number, or a CuPy float64 array without axes, read when the kernel runs.
        step: number of this step; the first is 1. Or a CuPy int64 array without axes.
        beta1: decay of the first moment, in [0, 1).
        beta2: decay of the maximum, in [0, 1).
        eps: added to the maximum (`"keras"`) or to each size before it is compared (`"torch"`).
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
        >>> param, moment1, max_grad = np.ones(1), np.zeros(1), np.zeros(1)
        >>> adamax_step(param=param, grad=np.array([0.1]), moment1=moment1, max_grad=max_grad,
        ...             learning_rate=0.1, step=1)
        >>> print(f"{param[0]:.10f}")
        0.9000001000

    References:
        Kingma and Ba, Adam, 2015, section 7.1.
    """
    settings = (learning_rate, step, beta1, beta2, eps, dialect, weight_decay, l2, grad_scale)
    take_step("adamax_step", param, grad, (moment1, max_grad), *settings)


def nadam_momentum(step: int, beta1: float, momentum_decay: float) -> float:
    """The momentum mu of one NAdam step: `beta1 * (1 - 0.96 ** (step * momentum_decay) / 2)`.

    Example:
        >>> nadam_momentum(1, 0.5, 1.0)
        0.26
    """
    return float(beta1 * (1 - 0.5 * 0.96 ** (step * momentum_decay)))


def nadam_step(
    *,
    param: Arrays,
    grad: Arrays | RowGrad,
    moment1: Arrays,
    moment2: Arrays,
    learning_rate: Rate,
    step: Count,
    mu_product: Rate,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-7,
    momentum_decay: float = 1.0,
    weight_decay: float | list[float] = 0.0,
    l2: float = 0.0,
    grad_scale: Rate = 1.0,
) -> None:
    """Take one NAdam step in place, on one array or on a list of arrays in one call.

    Adam with Nesterov's look ahead along the first moment, and a momentum that grows with the steps. Keras and
    torch compute the same; they differ in momentum_decay.

    Args:
        param: float32 or float64, any shape; updated.
        grad: like param; only read. With a `RowGrad` only its rows move.
        moment1: like param, zeros before the first step; updated.
        moment2: like param, zeros before the first step; updated.
        learning_rate: step length; a number, or a CuPy float64 array without axes, read when the kernel runs.
        step: number of this step; the first is 1. Or a CuPy int64 array without axes.
        mu_product: product of `nadam_momentum` over the steps before this one; 1 at the first. Where step is an array,
            a CuPy float64 array of it by step - 1, which goes on with zeros.
        beta1: decay of the first moment, in [0, 1).
        beta2: decay of the second moment, in [0, 1).
        eps: added to the corrected root of the second moment.
        momentum_decay: how fast the momentum grows: 1 in Keras, 0.004 in torch.
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
        >>> param, moment1, moment2 = np.ones(1), np.zeros(1), np.zeros(1)
        >>> nadam_step(param=param, grad=np.array([0.1]), moment1=moment1, moment2=moment2,
        ...            learning_rate=0.1, step=1, mu_product=1.0)
        >>> print(f"{param[0]:.10f}")
        0.8937213259

    References:
        Dozat, Incorporating Nesterov momentum into Adam, 2016.
    """
    settings = (
        learning_rate, step, mu_product, beta1, beta2, eps, momentum_decay, weight_decay, l2, grad_scale,
    )  # fmt: skip
    take_step("nadam_step", param, grad, (moment1, moment2), *settings)


def radam_step(
    *,
    param: Arrays,
    grad: Arrays | RowGrad,
    moment1: Arrays,
    moment2: Arrays,
    learning_rate: Rate,
    step: Count,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float | list[float] = 0.0,
    l2: float = 0.0,
    grad_scale: Rate = 1.0,
) -> None:
    """Take one RAdam step in place, on one array or on a list of arrays in one call.

    Adam whose step is shortened while few gradients have been seen. In the first steps, five at beta2 = 0.999, the
    second moment is not used at all.

    Args:
        param: float32 or float64, any shape; updated.
        grad: like param; only read. With a `RowGrad` only its rows move.
        moment1: like param, zeros before the first step; updated.
        moment2: like param, zeros before the first step; updated.
        learning_rate: step length; a number, or a CuPy float64 array without axes, read when the kernel runs.
        step: number of this step; the first is 1. Or a CuPy int64 array without axes.
        beta1: decay of the first moment, in [0, 1).
        beta2: decay of the second moment, in [0, 1).
        eps: added to the root of the second moment before it is corrected, as torch does.
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
        >>> param, moment1, moment2 = np.ones(1), np.zeros(1), np.zeros(1)
        >>> radam_step(param=param, grad=np.array([0.1]), moment1=moment1, moment2=moment2,
        ...            learning_rate=0.1, step=1)
        >>> print(f"{param[0]:.10f}")
        0.9900000000

    References:
        Liu et al., On the variance of the adaptive learning rate and beyond, 2020.
    """
    settings = (learning_rate, step, beta1, beta2, eps, weight_decay, l2, grad_scale)
    take_step("radam_step", param, grad, (moment1, moment2), *settings)


def lion_step(
    *,
    param: Arrays,
    grad: Arrays | RowGrad,
    moment1: Arrays,
    learning_rate: Rate,
    beta1: float = 0.9,
    beta2: float = 0.99,
    weight_decay: float | list[float] = 0.0,
    l2: float = 0.0,
    grad_scale: Rate = 1.0,
) -> None:
    """Take one Lion step in place, on one array or on a list of arrays in one call.

    Every element moves by the learning rate, along the sign of a mixture of the gradient and its running mean.

    Args:
        param: float32 or float64, any shape; updated.
        grad: like param; only read. With a `RowGrad` only its rows move.
        moment1: like param, zeros before the first step; updated.
        learning_rate: step length; a tenth to a third of what Adam takes.
        beta1: share of the mean in the mixture, in [0, 1).
        beta2: decay of the mean, in [0, 1).
        weight_decay: decoupled decay: `param *= 1 - learning_rate * weight_decay` first; one number, or a list with
            one per array.
        l2: coupled decay: the rule sees `grad_scale * grad + l2 * param`; 0 or more.
        grad_scale: multiplies the gradient first: -1 to maximize, a clipping factor, one over a count; a number, or an
            array as learning_rate may be.

    Raises:
        TypeError: an array is not a NumPy array, or has another dtype than its parameter.
        ValueError: shapes or list lengths differ; an array is strided, read-only or overlaps another; a setting is
            out of range. Nothing has been written then.

    Example:
        >>> import numpy as np
        >>> param, moment1 = np.ones(1), np.zeros(1)
        >>> lion_step(param=param, grad=np.array([0.1]), moment1=moment1, learning_rate=0.1)
        >>> print(param)
        [0.9]

    References:
        Chen et al., Symbolic discovery of optimization algorithms, 2023.
    """
    settings = (learning_rate, beta1, beta2, weight_decay, l2, grad_scale)
    take_step("lion_step", param, grad, (moment1,), *settings)
