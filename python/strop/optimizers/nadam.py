"""Nadam, the Keras dialect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ops
from .._device import device_of, to_device
from .base import Optimizer
from .rate import Rate
from .settings import check_not_negative, check_unit_interval

Array = NDArray[Any]


class Nadam(Optimizer):
    """Nadam: Adam that looks ahead along its mean gradient, as Nesterov's momentum does.

    The share of the mean gradient grows over the first steps, `beta_1 (1 - 0.5 * 0.96^t)`. torch's NAdam raises 0.96
    to `0.004 t` and so starts from half the share for much longer.

    Args:
        learning_rate: float, a schedule, or a function without arguments.
        beta_1: decay of the mean gradient.
        beta_2: decay of the mean square.
        epsilon: added to the root of the mean square.
        more: settings of every `Optimizer` in Keras' order: weight_decay, clipnorm, clipvalue, global_clipnorm,
            use_ema, ema_momentum, ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name.
        settings: the same by name, and sparse.

    Raises:
        ValueError: a setting is out of range.
        TypeError: an unknown keyword.

    Example:
        >>> import numpy as np
        >>> param = np.ones(1)
        >>> Nadam(0.1).apply([np.array([0.1])], [param])
        >>> print(f"{param[0]:.10f}")
        0.8937213259

    References:
        Dozat, Incorporating Nesterov momentum into Adam, 2016.
    """

    own = ("beta_1", "beta_2", "epsilon")
    kernel = ops.nadam_step

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        *more: Any,
        **settings: Any,
    ) -> None:
        super().__init__(learning_rate, *more, **settings)
        check_unit_interval(self.op, beta_1=beta_1, beta_2=beta_2)
        check_not_negative(self.op, epsilon=epsilon)
        self._product = (1, 1.0)
        self._products: Array | None = None
        self.beta_1, self.beta_2, self.epsilon = float(beta_1), float(beta_2), float(epsilon)

    def slots(self) -> tuple[str, ...]:
        """Names of the state arrays of a parameter."""
        return ("moment1", "moment2")

    def numbers(self) -> dict[str, Any]:
        """The rule's numbers for the next update, as its op takes them."""
        return {
            "step": self.next_step,
            "mu_product": self._mu_product(self.iterations + 1) if self._given is None else self._products,
            "beta1": self.beta_1,
            "beta2": self.beta_2,
            "eps": self.epsilon,
        }

    def prepare_numbers(self) -> None:
        """Bring to the device what a step looks up there: the products of the shares, up to 1e-18."""
        if self._products is None:
            products = [1.0]
            while products[-1] > 1e-18:
                products.append(products[-1] * ops.nadam_momentum(len(products), self.beta_1, 1.0))
            self._products = to_device(np.array(products), device_of(self._arrays[0]))

    def move(self, convert: Callable[[Array], Array]) -> None:
        """Take other arrays in place of all that the optimizer holds."""
        super().move(convert)
        self._products = None

    def _mu_product(self, step: int) -> float:
        """The product of the shares before a step: a function of the step, kept from one to the next."""
        first, product = self._product
        if step < first:
            first, product = 1, 1.0
        for each in range(first, step if product else first):
            product *= ops.nadam_momentum(each, self.beta_1, 1.0)
            if not product:  # from about step 7,000 on
                break
        self._product = (step, product)
        return product
