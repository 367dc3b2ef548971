"""An optimizer for thinc's models, with thinc's own settings and schedules.

Only the import changes: `from strop.adapters.thinc import Adam` in place of `from thinc.api import Adam`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ops
from .._memory import zeros_beside

__all__ = ["SGD", "Adam"]

Array = NDArray[Any]

#: Greatest share of a mean of parameters that thinc keeps at a step.
MAX_DECAY = 0.9999


def update(optimizer: Any, key: Any, weights: Array, gradient: Array, lr_scale: float) -> Array:
    """One step of thinc's `Optimizer.__call__`, fused: L2, clip, rule, decay, average; the gradient is set to 0."""
    optimizer.nr_update[key] += 1
    count = optimizer.nr_update[key]

    def now(schedule: Any) -> float:
        return float(schedule(optimizer.step, key=key, last_score=optimizer.last_score))

    weights = np.ascontiguousarray(weights)
    grad = np.ascontiguousarray(gradient, weights.dtype)
    decay, clip, rate = now(optimizer.L2), now(optimizer.grad_clip), lr_scale * now(optimizer.learn_rate)
    beta1, beta2 = now(optimizer.b1), now(optimizer.b2)
    if decay and not optimizer.L2_is_weight_decay:
        grad = grad + weights.dtype.type(decay) * weights
    norm = float(ops.norm(grad)) if clip else 0.0
    scale = clip / norm if clip and norm >= clip else 1.0
    if beta2:
        for slot in (optimizer.mom1, optimizer.mom2):
            if key not in slot:
                slot[key] = zeros_beside(weights).reshape(-1)  # thinc keeps them flat
        ops.adam_step(
            param=weights.reshape(-1),
            grad=grad.reshape(-1),
            moment1=optimizer.mom1[key],
            moment2=optimizer.mom2[key],
            learning_rate=rate,
            step=count,
            beta1=beta1,
            beta2=beta2,
            eps=now(optimizer.eps),  # before the bias correction, as in the Keras dialect
            grad_scale=scale,
        )
    else:
        ops.sgd_step(param=weights, grad=grad, learning_rate=rate, grad_scale=scale)
    gradient.fill(0)
    if decay and optimizer.L2_is_weight_decay:  # after the step, as thinc has it
        weights *= 1 - rate * decay
    if optimizer.averages is not None:
        if key not in optimizer.averages:
            optimizer.averages[key] = zeros_beside(weights)
        moved = 1 - min((1 + count) / (10 + count), MAX_DECAY)
        # mean -= moved * (mean - weights), as one pass
        ops.sgd_step(
            param=optimizer.averages[key], grad=weights, learning_rate=moved, l2=1.0, grad_scale=-1.0
        )
    return weights


@cache
def _optimizer() -> type:
    try:
        from thinc.optimizers import Optimizer
    except ImportError as error:
        raise ImportError("strop.adapters.thinc: thinc must be installed; pip install thinc") from error

    def call(self: Any, key: Any, weights: Any, gradient: Any, *, lr_scale: float = 1.0) -> tuple[Any, Any]:
        if len(gradient) < 1:
            return weights, gradient
        return update(self, key, weights, gradient, lr_scale), gradient

    return type("Optimizer", (Optimizer,), {"__call__": call, "__module__": __name__, "__slots__": ()})


def Adam(  # noqa: N802, thinc's name
    learn_rate: Any = 0.001,
    *,
    L2: Any = 0.0,
    beta1: Any = 0.9,
    beta2: Any = 0.999,
    eps: Any = 1e-8,
    grad_clip: Any = 1.0,
    L2_is_weight_decay: bool = True,
    use_averages: bool = True,
) -> Any:
    """Adam for a thinc model, a `thinc.api.Optimizer` with the settings of `thinc.api.Adam`.

    Args:
        learn_rate: float or a schedule of thinc's, as are all but the last two.
        L2: decay of the weights.
        beta1: decay of the mean gradient.
        beta2: decay of the mean square.
        eps: added to the root of the mean square, before the bias correction as in thinc.
        grad_clip: greatest norm of the gradient of one parameter; 0 for none.
        L2_is_weight_decay: shrink weights after the step; False adds `L2 * weights` to the gradient.
        use_averages: keep a moving average of each parameter in `averages`.

    Raises:
        ImportError: thinc is not installed.
    """
    return _optimizer()(
        learn_rate,
        L2=L2,
        beta1=beta1,
        beta2=beta2,
        eps=eps,
        grad_clip=grad_clip,
        L2_is_weight_decay=L2_is_weight_decay,
        use_averages=use_averages,
    )


def SGD(  # noqa: N802, thinc's name
    learn_rate: Any,
    *,
    L2: Any = 0.0,
    grad_clip: Any = 1.0,
    L2_is_weight_decay: bool = True,
    use_averages: bool = True,
) -> Any:
    """Gradient descent for a thinc model, a `thinc.api.Optimizer` with the settings of `thinc.api.SGD`.

    Args:
        learn_rate: float or a schedule of thinc's, as are the next two.
        L2: decay of the weights.
        grad_clip: greatest norm of the gradient of one parameter; 0 for none.
        L2_is_weight_decay: shrink weights after the step; False adds `L2 * weights` to the gradient.
        use_averages: keep a moving average of each parameter in `averages`.

    Raises:
        ImportError: thinc is not installed.
    """
    return _optimizer()(
        learn_rate,
        L2=L2,
        beta1=0.0,
        beta2=0.0,
        grad_clip=grad_clip,
        L2_is_weight_decay=L2_is_weight_decay,
        use_averages=use_averages,
    )
