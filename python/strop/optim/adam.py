"""Adam, AdamW and SparseAdam, the torch dialect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ops
from ..optimizers.settings import check_float32, check_state_dtype
from .base import Optimizer
from .settings import at_least_0, check_betas, decoupled_or_not

Array = NDArray[Any]


class Adam(Optimizer):
    """Adam: each step is the mean gradient over its own mean size.

    `param -= lr * m_hat / (sqrt(v_hat) + eps)`. eps is added after the bias correction, as in torch and in the paper;
    Keras adds its larger one before. For a gradient of 1e-6 that is a factor of 4.

    Args:
        params: a list, a tuple or a dict of arrays, nested as it may be, or parameter groups; see `Optimizer`.
        lr: learning rate.
        betas: decay of the mean gradient and of the mean square.
        eps: added to the root of the mean square.
        weight_decay: coupled decay (L2): the rule sees `grad + weight_decay * param`.
        amsgrad: divide by the greatest mean square so far.
        maximize: go up the gradient.
        decoupled_weight_decay: shrink parameters by `lr * weight_decay` instead, as `AdamW` does.
        state_dtype: how the moments of large parameters are kept: None, as the parameter; `"bfloat16"`, half of that;
            `"8bit"`, about a quarter. float32 parameters, no amsgrad, and not `sparse="exact"`. What it costs:
            docs/optimizer-state.md.
        settings: `sparse` and `check_finite` of every `Optimizer`.

    Raises:
        TypeError: a parameter is no array, a setting no number, or a keyword is unknown.
        ValueError: a setting is out of range, parameters overlap or are strided, or `sparse="exact"` comes with a
            coupled decay or with `state_dtype`.

    Example:
        >>> import numpy as np
        >>> weight = np.ones(1)
        >>> Adam([weight], lr=0.1).step([np.array([0.1])])
        >>> print(f"{weight[0]:.10f}")
        0.9000000100

    References:
        Kingma and Ba, Adam, 2015; Reddi et al., On the convergence of Adam and beyond, 2018.
    """

    every_slot = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
        state_dtype: str | None = None,
        **settings: Any,
    ) -> None:
        self.state_dtype = state_dtype
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults, **settings)

    def check(self, settings: dict[str, Any]) -> None:
        """Refuse settings that are out of range."""
        check_betas(self.op, settings)
        at_least_0(self.op, settings, "eps", "weight_decay")
        check_state_dtype(self.op, self.state_dtype, self.sparse, settings["amsgrad"])

    def check_arrays(self, arrays: list[Array], labels: list[str]) -> None:
        """Refuse float64 where moments are of fewer bits."""
        check_float32(self.op, self.state_dtype, arrays, labels)

    def slots(self, settings: dict[str, Any]) -> tuple[str, ...]:
        """Names of the state arrays under these settings."""
        return self.every_slot if settings["amsgrad"] else self.every_slot[:2]

    def slot_spec(self, name: str, param: Array) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Shape and dtype of a state array."""
        if self.state_dtype is None:
            return super().slot_spec(name, param)
        return ops.moment_spec(param.shape, self.state_dtype, touched=self.sparse == "touched")

    def new_slot(self, name: str, param: Array, settings: dict[str, Any]) -> Array:
        """A state array before the first step."""
        if self.state_dtype is None:
            return super().new_slot(name, param, settings)
        return ops.zero_moment(param, self.state_dtype, touched=self.sparse == "touched")

    def update(
        self, params: Any, grads: Any, slots: Mapping[str, Any], phase: Any, settings: dict[str, Any]
    ) -> None:
        """One step of all these parameters in one call."""
        state = {"moment1": slots["exp_avg"], "moment2": slots["exp_avg_sq"]}
        kernel: Any = ops.compact_adam_step
        if self.state_dtype is None:
            kernel, state["max_moment2"] = ops.adam_step, slots.get("max_exp_avg_sq")
        kernel(
            param=params,
            grad=grads,
            **state,
            learning_rate=settings["lr"],
            step=self.number(phase),
            beta1=settings["betas"][0],
            beta2=settings["betas"][1],
            eps=settings["eps"],
            eps_mode=self.eps_mode,
            **decoupled_or_not(settings),
        )

    #: Where eps is added.
    eps_mode = "torch"

    def deferred_rule(self, settings: dict[str, Any]) -> dict[str, Any] | None:
        """The numbers of a deferred table, where decay is decoupled or none."""
        if settings["weight_decay"] and not settings["decoupled_weight_decay"]:
            return None
        beta1, beta2 = settings["betas"]
        return {"beta1": beta1, "beta2": beta2, "eps": settings["eps"], "eps_mode": self.eps_mode}


class AdamW(Adam):
    """Adam with decoupled weight decay: parameters also shrink by `lr * weight_decay` at each step.

    Args:
        params: a list, a tuple or a dict of arrays, nested as it may be, or parameter groups; see `Optimizer`.
        lr: learning rate.
        betas: decay of the mean gradient and of the mean square.
        eps: added to the root of the mean square.
        weight_decay: the decay.
        amsgrad: divide by the greatest mean square so far.
        maximize: go up the gradient.
        settings: `state_dtype` of `Adam`, `sparse` and `check_finite` of every `Optimizer`.

    Raises:
        TypeError: a parameter is no array, a setting no number, or a keyword is unknown.
        ValueError: a setting is out of range, or parameters overlap or are strided.

    Example:
        >>> import numpy as np
        >>> weight = np.ones(1)
        >>> AdamW([weight], lr=0.1).step([np.array([0.1])])
        >>> print(f"{weight[0]:.10f}")
        0.8990000100

    References:
        Loshchilov and Hutter, Decoupled weight decay regularization, 2019.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        **settings: Any,
    ) -> None:
        settings["decoupled_weight_decay"] = True
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, **settings)

    def plain_settings(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """The settings of a group; a state that comes from elsewhere cannot couple the decay, as in torch."""
        return super().plain_settings({**group, "decoupled_weight_decay": True})


class SparseAdam(Adam):
    """Adam of the rows that have a gradient; the others stand still, moments and all, as in torch's SparseAdam.

    That is a rule of its own and not dense Adam's result: see `Adam(sparse="exact")` for that. eps is added before the
    bias correction, so `Adam(sparse="touched")` differs from this one by the place of eps. A gradient that is an
    array touches every row.

    Args:
        params: a list, a tuple or a dict of arrays, nested as it may be, or parameter groups; see `Optimizer`.
        lr: learning rate.
        betas: decay of the mean gradient and of the mean square.
        eps: added to the root of the mean square.
        maximize: go up the gradient.
        check_finite: refuse gradients with NaN or infinity.
        ignored: `foreach fused capturable differentiable` of torch; they change nothing here.

    Raises:
        TypeError: a parameter is no array, a setting no number, or a keyword is unknown.
        ValueError: a setting is out of range, or parameters overlap or are strided.

    Example:
        >>> import numpy as np, strop
        >>> table = np.ones((3, 1))
        >>> SparseAdam([table], lr=0.1).step([strop.RowGrad([1], [[0.1]], (3, 1))])
        >>> table.ravel().round(6)
        array([1. , 0.9, 1. ])
    """

    eps_mode = "hat"

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        *,
        maximize: bool = False,
        check_finite: bool = False,
        **ignored: Any,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, maximize=maximize, sparse="touched", check_finite=check_finite, **ignored
        )

    def plain_settings(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """The settings of a group; torch's SparseAdam has no decay in its states."""
        return super().plain_settings({"weight_decay": 0.0, **group})
