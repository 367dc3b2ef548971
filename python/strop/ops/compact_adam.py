"""Adam steps with moments of 16 or 8 bits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._backend import array_module, kernels
from .._memory import zeros_beside
from ..rowgrad import RowGrad
from .update import Arrays, Count, Rate

_SUFFIXES: dict[Any, str] = {np.dtype(np.uint16): ".bfloat16", np.dtype(np.uint8): ".8bit"}
#: Elements that share one scale; the same as kMomentBlock of the kernel.
BLOCK = 256
#: Smaller parameters keep moments of float32: biases and scales are few, and every figure of them counts.
LEAST_SIZE = 4096
#: In narrower rows a scale of 4 bytes per row leaves an 8-bit moment no smaller than bfloat16.
LEAST_WIDTH = 8


def moment_spec(
    shape: tuple[int, ...], state_dtype: str | None, *, touched: bool = False
) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype of a moment of a float32 parameter.

    Args:
        shape: of the parameter.
        state_dtype: None: float32; `"bfloat16"`: uint16, like the parameter; `"8bit"`: uint8, a packed row for each
            row along the first axis, or one for a vector. What is too small for it keeps float32: fewer than 4,096
            elements, or with `"8bit"` rows of fewer than 8.
        touched: single elements of a vector may be updated, so that `"8bit"` leaves a vector in float32.

    Example:
        >>> moment_spec((10_000, 16), "8bit")
        ((10000, 20), dtype('uint8'))
    """
    size = math.prod(shape)
    if state_dtype is None or size < LEAST_SIZE:
        return shape, np.dtype(np.float32)
    if state_dtype == "bfloat16":
        return shape, np.dtype(np.uint16)
    rows, width = (1, size) if len(shape) == 1 else (shape[0], size // shape[0])
    if width < LEAST_WIDTH or (touched and len(shape) == 1):
        return shape, np.dtype(np.float32)
    return (rows, width + 4 * -(-width // BLOCK)), np.dtype(np.uint8)


def stored_name(name: str, dtype: np.dtype[Any] | str) -> str:
    """What a moment is called in a file, whose reader shall not take its bits for numbers.

    Example:
        >>> stored_name("moment1", np.dtype(np.uint16)), stored_name("moment1", np.dtype(np.float32))
        ('moment1.bfloat16', 'moment1')
    """
    return name + _SUFFIXES.get(dtype, "")


def zero_moment(param: NDArray[Any], state_dtype: str | None, *, touched: bool = False) -> NDArray[Any]:
    """A moment before the first step, as `moment_spec` has it.

    Example:
        >>> param = np.ones((1000, 64), np.float32)
        >>> [zero_moment(param, kind).nbytes / param.size for kind in (None, "bfloat16", "8bit")]
        [4.0, 2.0, 1.0625]
    """
    shape, dtype = moment_spec(param.shape, state_dtype, touched=touched)
    library: Any = array_module(param)
    if library is not np:
        zeros: NDArray[Any] = library.zeros(shape, dtype)
        return zeros
    return zeros_beside(param, dtype) if shape == param.shape else np.zeros(shape, dtype)


def compact_adam_step(
    *,
    param: Arrays,
    grad: Arrays | RowGrad,
    moment1: Arrays,
    moment2: Arrays,
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
    """Take one Adam step in place with moments in fewer bits than float32; the arithmetic is float32's.

    How a parameter's moments are kept is told by their dtype, and may differ from parameter to parameter:

    * **uint16** are the bits of bfloat16. They are rounded up or down by chance, so that the mean is exact. To the
      nearest, a second moment would stand still: with `beta2=0.999` a step moves it by up to a thousandth, and half a
      unit is two to four thousandths. The chance is a hash of the step and the element: it is the same on every
      thread and instruction set, and in a run that goes on from a file.
    * **uint8** are codes of blocks of 256 elements within a row, as bitsandbytes has them: a share of the greatest in
      the block, in seven decades. They are rounded to the nearest: the scale of a block is float32 and moves at every
      step, so nothing stands still. Of the second moment the root is kept, which has twice as many decades, and a
      number above 0 never becomes 0: else a small gradient beside large ones would be divided by epsilon alone. A NaN
      or an infinite gradient spoils its block and not its element only.
    * **float32**: `adam_step`.

    Args:
        param: float32, any shape; updated.
        grad: like param; only read. With a `RowGrad` only its rows move, and only their blocks.
        moment1: as `zero_moment` makes it, zeros before the first step; updated.
        moment2: like moment1; updated.
        learning_rate: step length; a number, or a CuPy float64 array without axes, read when the kernel runs.
        step: number of this step; the first is 1. A number, or a CuPy int64 array without axes.
        beta1: decay of the first moment, in [0, 1).
        beta2: decay of the second moment, in [0, 1).
        eps: added to the root of the second moment.
        eps_mode: `"hat"` or `"torch"`, as for `adam_step`.
        weight_decay: decoupled decay (AdamW); one number, or a list with one per array.
        bias_correction: False leaves both corrections out.
        l2: coupled decay: the rule sees `grad_scale * grad + l2 * param`; 0 or more.
        grad_scale: multiplies the gradient first.

    Raises:
        TypeError: an array is not a NumPy array; param is not float32; a moment has none of the three dtypes, or not
            that of the other; a `RowGrad` meets 8-bit moments of a vector, which is one row.
        ValueError: shapes or list lengths differ; an array is strided, read-only or overlaps another; a setting is
            out of range. Nothing has been written then.

    Example:
        >>> param = np.ones((1000, 16), np.float32)
        >>> moment1, moment2 = zero_moment(param, "8bit"), zero_moment(param, "8bit")
        >>> compact_adam_step(param=param, grad=np.full_like(param, 0.1), moment1=moment1, moment2=moment2,
        ...                   learning_rate=0.1, step=1)
        >>> print(f"{param[0, 0]:.6f} {moment1.nbytes / param.size} bytes")
        0.900003 1.25 bytes

    References:
        Dettmers et al., 8-bit optimizers via block-wise quantization, 2022; Kingma and Ba, Adam, 2015.
    """
    state = (moment1, moment2)
    settings = (
        learning_rate, step, beta1, beta2, eps, eps_mode, weight_decay, bias_correction, l2, grad_scale,
    )  # fmt: skip
    if isinstance(grad, RowGrad):
        once = grad.coalesce()
        kernels("compact_adam_step", param).compact_adam_rows(
            param, once.values, once.rows, *state, *settings
        )
    else:
        kernels("compact_adam_step", param).compact_adam_step(param, grad, *state, *settings)
