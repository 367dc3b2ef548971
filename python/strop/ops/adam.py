"""Adam, AdamW and AMSGrad steps."""

from __future__ import annotations

from .._backend import kernels
from ..rowgrad import RowGrad
from .update import Arrays, Count, Rate


def adam_step(
    *,
    param: Arrays,
    grad: Arrays | RowGrad,
    moment1: Arrays,
    moment2: Arrays,
    max_moment2: Arrays | None = None,
    learning_rate: Rate,
    step: Count,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-7,
    eps_mode: str = "hat",
    weight_decay: float | list[float] = 0.0,
    bias_correction: bool = True,
    l2: float = 0.0,
    grad_scale: Rate = 1.0,
) -> None:
    """Take one Adam step in place, on one array or on a list of arrays in one call.

    Args:
        param: float32 or float64, any shape; updated.
        grad: like param; only read. With a `RowGrad` only its rows move, as in torch's SparseAdam: the
            others stand still, which is not what dense Adam does.
        moment1: like param, zeros before the first step; updated.
        moment2: like param, zeros before the first step; updated.
        max_moment2: like param, zeros before the first step; updated. Given, the step is AMSGrad's.
        learning_rate: step length; a number, or a CuPy float64 array without axes, read when the kernel runs.
        step: number of this step; the first is 1. Or a CuPy int64 array without axes.
        beta1: decay of the first moment, in [0, 1).
        beta2: decay of the second moment, in [0, 1).
        eps: added to the root of the second moment.
        eps_mode: `"hat"` adds eps before the bias correction, as Keras and TensorFlow do; `"torch"`
            after it, as torch and algorithm 1 of the paper do.
        weight_decay: decoupled decay (AdamW): `param *= 1 - learning_rate * weight_decay` first; one number, or a
            list with one per array.
        bias_correction: False leaves both corrections out, as some textbooks do.
        l2: coupled decay, torch's `weight_decay`: the rule sees `grad_scale * grad + l2 * param`; 0 or more. With a
            `RowGrad` only its rows see it.
        grad_scale: multiplies the gradient first: -1 to maximize, a clipping factor, one over a count; a number, or an
            array as learning_rate may be.

    Raises:
        TypeError: an array is not a NumPy array, or has another dtype than its parameter.
        ValueError: shapes or list lengths differ; an array is strided, read-only or overlaps another;
            a setting is out of range. Nothing has been written then.

    Example:
        >>> import numpy as np
        >>> param, moment1, moment2 = np.ones(1), np.zeros(1), np.zeros(1)
        >>> adam_step(param=param, grad=np.array([0.1]), moment1=moment1, moment2=moment2,
        ...           learning_rate=0.1, step=1)
        >>> print(f"{param[0]:.10f}")
        0.9000031622

    References:
        Kingma and Ba, Adam, 2015; Loshchilov and Hutter, Decoupled weight decay, 2019; Reddi et al., On
        the convergence of Adam and beyond, 2018.
    """
    state = (moment1, moment2, max_moment2)
    settings = (
        learning_rate, step, beta1, beta2, eps, eps_mode, weight_decay, bias_correction, l2, grad_scale,
    )  # fmt: skip
    if isinstance(grad, RowGrad):
        once = grad.coalesce()
        kernels("adam_step", param).adam_rows(param, once.values, once.rows, *state, *settings)
    else:
        kernels("adam_step", param).adam_step(param, grad, *state, *settings)
