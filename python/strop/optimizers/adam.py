"""Adam and AdamW, the Keras dialect."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ops
from .base import Optimizer
from .deferred import DeferredTable
from .rate import Rate
from .settings import check_float32, check_not_negative, check_state_dtype, check_unit_interval
from .state import Spec

Array = NDArray[Any]


class Adam(Optimizer):
    """Adam: each step is the mean gradient over its own mean size.

    `param -= learning_rate * m_hat / (sqrt(v_hat) + epsilon_hat)`. epsilon is added before the bias correction
    ("epsilon hat"), as in Keras and TensorFlow; torch adds its smaller one after. For a gradient of 1e-6 that is a
    factor of 4.

    Args:
        learning_rate: float, a schedule, or a function without arguments.
        beta_1: decay of the mean gradient.
        beta_2: decay of the mean square.
        epsilon: added to the root of the mean square.
        amsgrad: divide by the greatest mean square so far.
        bias_correction: False leaves the correction of the first steps out, as some textbooks do.
        state_dtype: how the moments of large parameters are kept: None, as the parameter; `"bfloat16"`, half of that;
            `"8bit"`, about a quarter. float32 parameters, no amsgrad, and not `sparse="exact"`. What it costs:
            docs/optimizer-state.md.
        more: settings of every `Optimizer` in Keras' order: weight_decay, clipnorm, clipvalue, global_clipnorm,
            use_ema, ema_momentum, ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name.
        settings: the same by name, and sparse.

    Raises:
        ValueError: a setting is out of range.
        TypeError: an unknown keyword.

    Example:
        >>> import numpy as np
        >>> param = np.ones(1)
        >>> Adam(0.1).apply([np.array([0.1])], [param])
        >>> print(f"{param[0]:.10f}")
        0.9000031622

    References:
        Kingma and Ba, Adam, 2015; Reddi et al., On the convergence of Adam and beyond, 2018.
    """

    own = ("beta_1", "beta_2", "epsilon", "amsgrad", "bias_correction", "state_dtype")
    kernel = ops.adam_step

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        *more: Any,
        bias_correction: bool = True,
        state_dtype: str | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(learning_rate, *more, **settings)
        check_unit_interval(self.op, beta_1=beta_1, beta_2=beta_2)
        check_not_negative(self.op, epsilon=epsilon)
        self.beta_1, self.beta_2, self.epsilon = float(beta_1), float(beta_2), float(epsilon)
        self.amsgrad, self.bias_correction = bool(amsgrad), bool(bias_correction)
        check_state_dtype(self.op, state_dtype, self.sparse, self.amsgrad)
        self.state_dtype = state_dtype

    def slots(self) -> tuple[str, ...]:
        """Names of the state arrays of a parameter."""
        return ("moment1", "moment2", "max_moment2") if self.amsgrad else ("moment1", "moment2")

    def slot_spec(self, slot: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Spec:
        """Shape and dtype of a state array of a parameter."""
        if self.state_dtype is None or slot not in self.slots():
            return super().slot_spec(slot, shape, dtype)
        return ops.moment_spec(shape, self.state_dtype, touched=self.sparse == "touched")

    def new_slot(self, slot: str, param: Array) -> Array:
        """A state array before the first step."""
        if self.state_dtype is None:
            return super().new_slot(slot, param)
        return ops.zero_moment(param, self.state_dtype, touched=self.sparse == "touched")

    def check_arrays(self, arrays: list[Array]) -> None:
        """Refuse float64 where moments are of fewer bits."""
        check_float32(self.op, self.state_dtype, arrays, [f"[{i}]" for i in range(len(arrays))])

    def _rule(self) -> dict[str, Any]:
        return {
            "beta1": self.beta_1,
            "beta2": self.beta_2,
            "eps": self.epsilon,
            "bias_correction": self.bias_correction,
        }

    def rule_numbers(self) -> dict[str, Any] | None:
        """The rule's numbers for a step program."""
        plain = type(self) in (Adam, AdamW) and self.state_dtype is None
        return {"adam": self._rule()} if plain else None

    def numbers(self) -> dict[str, Any]:
        """The rule's numbers for the next update, as its op takes them."""
        return {"step": self.next_step, **self._rule()}

    def update(
        self, params: Any, grads: Any, state: dict[str, Any], rate: float, decays: Any, scale: float
    ) -> None:
        """One step of an array or a list of arrays."""
        step = ops.adam_step if self.state_dtype is None else ops.compact_adam_step
        step(
            param=params,
            grad=grads,
            **state,
            learning_rate=rate,
            weight_decay=decays,
            grad_scale=scale,
            **self.numbers(),
        )

    def defer(self, param: Array, state: dict[str, Array]) -> DeferredTable | None:
        """A deferred table for this parameter, or None where only the dense pass is exact."""
        if param.ndim != 2 or self.state_dtype is not None:
            return None
        if ops.choose_gap(self.beta_1, self.beta_2, amsgrad=self.amsgrad) is None:
            return None
        return DeferredTable(param, state, self._rule(), self.iterations)


class AdamW(Adam):
    """Adam with decoupled weight decay: parameters also shrink by `learning_rate * weight_decay` each step.

    Args:
        learning_rate: float, a schedule, or a function without arguments.
        weight_decay: the decay; note its place, before beta_1.
        beta_1: decay of the mean gradient.
        beta_2: decay of the mean square.
        epsilon: added to the root of the mean square.
        amsgrad: divide by the greatest mean square so far.
        more: as for `Adam`, from clipnorm on.
        settings: as for `Adam`.

    Raises:
        ValueError: a setting is out of range.
        TypeError: an unknown keyword, or weight_decay is None.

    Example:
        >>> import numpy as np
        >>> param = np.ones(1)
        >>> AdamW(0.1).apply([np.array([0.1])], [param])
        >>> print(f"{param[0]:.10f}")
        0.8996031622

    References:
        Loshchilov and Hutter, Decoupled weight decay regularization, 2019.
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        *more: Any,
        **settings: Any,
    ) -> None:
        if weight_decay is None:
            raise TypeError("AdamW: weight_decay must be a number; got None; use Adam")
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay, *more, **settings)
