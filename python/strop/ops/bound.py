"""Optimizer steps whose arrays stay the same: checked once, then launched at every call."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .._backend import check_cuda, kernels, on_gpu
from .update import Count, Rate


def bind(step: Callable[..., None], **arguments: Any) -> Callable[..., None]:
    """Make a call of a step that looks at none of its arrays again.

    All is checked here, as the step itself does. A call then only launches the kernel.

    Args:
        step: an optimizer step of `strop.ops`, such as `adam_step`; not `nadam_step`, whose mu_product is another at
            every call.
        arguments: of the step, but for the three of the call. The arrays are held, so that their memory stays.

    Returns:
        A function `(learning_rate, step=1, grad_scale=1.0)` that takes one step; its numbers may be CuPy arrays as for
        the step itself. A step that is not counted ignores its number.

    Raises:
        TypeError: step is `nadam_step`, an array is of another library, device or dtype, or a setting no number.
        ValueError: shapes differ, an array is strided or overlaps another, or a setting is out of range.

    Example:
        >>> import numpy as np
        >>> from strop import ops
        >>> param, grad = np.ones(2), np.zeros(2)
        >>> step = bind(ops.sgd_step, param=param, grad=grad)
        >>> grad[:] = 1.0
        >>> step(0.25)
        >>> param
        array([0.75, 0.75])
    """
    if "mu_product" in step.__annotations__:
        raise TypeError(
            "bind: step must have no numbers but its rate, its number and a scale; got nadam_step"
        )
    param = arguments["param"]
    first = param[0] if isinstance(param, list | tuple) and param else param
    names = [name for name in ("learning_rate", "step") if name in step.__annotations__]
    if on_gpu(first):
        check_cuda("bind")
        once = functools.partial(step, **arguments, **dict.fromkeys(names, 1))
        made: Callable[..., None] = kernels("Bound", param).Bound(once)
        return made

    kernel = step

    def call(learning_rate: Rate, step: Count = 1, grad_scale: Rate = 1.0) -> None:
        numbers = {"learning_rate": learning_rate, "step": step}
        kernel(**arguments, **{name: numbers[name] for name in names}, grad_scale=grad_scale)

    return call
