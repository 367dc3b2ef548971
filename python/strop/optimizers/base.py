"""What every optimizer of the Keras dialect does around its update rule.

The order is Keras': accumulate, clip, decay, update, average.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._names import check_kwargs
from ..rowgrad import RowGrad
from .clipping import accumulate, clip
from .schedules import LearningRateSchedule
from .schedules import registry as schedule_registry
from .settings import check_unit_interval, require_finite_settings
from .state import OptimizerState, array_of

Array = NDArray[Any]
Grad = Array | RowGrad | None
Rate = float | LearningRateSchedule | Callable[[], float]

SPARSE = (None, "exact", "touched", "dense")


class Optimizer(OptimizerState):
    """Base of the optimizers; a rule is a subclass with `slots`, `update` and `update_rows`.

    Args:
        learning_rate: float, a schedule, or a function without arguments.
        weight_decay: decoupled decay: every parameter that is not excluded shrinks by `learning_rate * weight_decay`.
        clipnorm: greatest norm of the gradient of one parameter.
        clipvalue: greatest absolute value in a gradient.
        global_clipnorm: greatest norm of all gradients together.
        use_ema: keep an exponential moving average of each parameter.
        ema_momentum: share of the average that is kept at each step.
        ema_overwrite_frequency: steps after which parameters are set to their averages.
        gradient_accumulation_steps: calls of apply whose mean gradient makes one update.
        name: for people.
        sparse: what a `RowGrad` means: `"exact"`, dense Adam's result, deferred; `"touched"`, other rows stand still;
            `"dense"`, every row at every step; None, exact inside a model and dense on arrays of the caller.

    Raises:
        ValueError: a setting is out of range.
        TypeError: an unknown keyword.
    """

    def __init__(
        self,
        learning_rate: Rate,
        *,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        sparse: str | None = None,
        **unknown: Any,
    ) -> None:
        self.op = type(self).__name__
        check_kwargs(self.op, unknown, self._keywords())
        require_finite_settings(
            self.op,
            weight_decay=weight_decay,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
        )
        check_unit_interval(self.op, closed=True, ema_momentum=ema_momentum)
        if sparse not in SPARSE:
            raise ValueError(f"{self.op}: sparse must be 'exact', 'touched', 'dense' or None; got {sparse!r}")
        if sparse == "exact" and use_ema:
            raise ValueError(f"{self.op}: sparse='exact' cannot be had with use_ema; use sparse='dense'")
        steps = gradient_accumulation_steps
        if steps is not None and steps < 2:
            raise ValueError(f"{self.op}: gradient_accumulation_steps must be 2 or more; got {steps}")
        self.learning_rate = learning_rate
        self.weight_decay, self.clipnorm, self.clipvalue = weight_decay, clipnorm, clipvalue
        self.global_clipnorm, self.use_ema, self.ema_momentum = global_clipnorm, use_ema, ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.gradient_accumulation_steps = steps
        self.name, self.sparse = name or self.op.lower(), sparse
        #: Updates taken so far.
        self.iterations = 0
        self.reset()

    # ---- the rule: what a subclass writes ----------------------------------

    def update(
        self,
        params: list[Array],
        grads: list[Array],
        state: dict[str, list[Array]],
        rate: float,
        decay: float,
    ) -> None:
        """One step of all dense gradients in one call; checks all of them before it writes."""
        raise NotImplementedError(f"{self.op}: a rule must have an update")

    def update_rows(
        self, param: Array, grad: RowGrad, state: dict[str, Any], rate: float, decay: float
    ) -> None:
        """One step of the rows that have a gradient; the others stand still."""
        raise NotImplementedError(f"{self.op}: a RowGrad must be dense for this rule; use sparse='dense'")

    # ---- the learning rate -------------------------------------------------

    @property
    def learning_rate(self) -> float:
        """The rate of the next update."""
        rate = self._rate
        if isinstance(rate, LearningRateSchedule):
            return float(rate(self.iterations))
        return float(rate()) if callable(rate) else rate

    @learning_rate.setter
    def learning_rate(self, rate: Rate) -> None:
        if not isinstance(rate, LearningRateSchedule) and not callable(rate):
            rate = float(rate)
            if not (rate >= 0 and np.isfinite(rate)):
                raise ValueError(f"{self.op}: learning_rate must be 0 or more; got {rate}")
        self._rate: Rate = rate

    # ---- a step ------------------------------------------------------------

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Grad, Any]]) -> None:
        """Take one step from pairs, as `zip(grads, params)` gives them; see `apply`."""
        pairs = list(grads_and_vars)
        self.apply([grad for grad, _ in pairs], [param for _, param in pairs])

    def apply(self, grads: Sequence[Grad], params: Sequence[Any] | None = None) -> None:
        """Take one step: update every parameter in place.

        The optimizer keeps the parameters of the first call by reference. Code that rebinds a name
        (`W = W - ...`) leaves it with the old array; write `W -= ...`.

        Args:
            grads: one per parameter: an array like it, a `RowGrad` of its shape, or None to leave it alone.
            params: arrays or variables, in the same order at every call; None: those of the call before.

        Raises:
            TypeError: a gradient has another dtype than its parameter, or is no array.
            ValueError: counts or shapes differ, an array is strided or read-only, or all gradients are None. No
                parameter has changed then, not even the first.
        """
        grads = list(grads)
        self._check(grads, params)
        steps = self.gradient_accumulation_steps
        if steps:
            self._pending.append(grads)
            if len(self._pending) < steps:
                return
            grads = accumulate(self._pending)
            self._pending = []
        grads = clip(grads, self.clipvalue, self.clipnorm, self.global_clipnorm)
        self._step(grads)
        self.iterations += 1
        if self.use_ema:
            self._average()

    def _check(self, grads: list[Grad], params: Sequence[Any] | None) -> None:
        if params is not None and len(grads) != len(params):
            raise ValueError(f"{self.op}: grads must be as many as params ({len(params)}); got {len(grads)}")
        if all(grad is None for grad in grads):
            raise ValueError(f"{self.op}: grads must have at least one that is not None; got none")
        if not self._params:
            if params is None:
                raise ValueError(f"{self.op}: params must be given in the first call; got None")
            self.build(params)
        elif params is not None and any(
            array_of(p) is not a for p, a in zip(params, self._arrays, strict=False)
        ):
            self._adopt(params)
        if len(grads) != len(self._arrays):
            raise ValueError(
                f"{self.op}: params must be those of the first call ({len(self._arrays)}); got {len(grads)}"
            )
        for i, (grad, array) in enumerate(zip(grads, self._arrays, strict=True)):
            if grad is None:
                continue
            if not isinstance(grad, np.ndarray | RowGrad):
                raise TypeError(
                    f"{self.op}: grads[{i}] must be a numpy array or a RowGrad; got {type(grad).__name__}"
                )
            if grad.shape != array.shape:
                raise ValueError(
                    f"{self.op}: grads[{i}] must have the shape of params[{i}] {array.shape}; got {grad.shape}"
                )
            if grad.dtype != array.dtype:
                raise TypeError(
                    f"{self.op}: grads[{i}] must be {array.dtype} like params[{i}]; "
                    f"got a {grad.dtype} array of shape {grad.shape}"
                )

    def _adopt(self, params: Sequence[Any]) -> None:
        """Other arrays of the same shapes in the same places: identity is by position."""
        arrays = [array_of(p) for p in params]
        if [(a.shape, a.dtype) for a in arrays] != [(a.shape, a.dtype) for a in self._arrays]:
            raise ValueError(
                f"{self.op}: params must have the shapes and dtypes of the first call; got others"
            )
        for place, table in self._tables.items():
            table.flush()
            table.param = arrays[place]
        self._params, self._arrays = list(params), arrays

    def _step(self, grads: list[Grad]) -> None:
        """The update of all parameters: dense ones first, since that call checks them all."""
        rate = self.learning_rate
        dense: dict[float, list[int]] = {}
        rows: list[tuple[int, RowGrad]] = []
        for i, grad in enumerate(grads):
            if grad is None:
                if i in self._tables:  # the step counts for it, but moves nothing
                    self._tables[i].flush()
                    self._tables[i].restart(self.iterations + 1)
                continue
            if isinstance(grad, RowGrad):
                if i in self._tables or self._touched(i):
                    rows.append((i, grad.coalesce()))
                    continue
                grads[i] = grad.to_dense()
            elif i in self._tables:
                self._tables[i].flush()
            dense.setdefault(self._decay(i), []).append(i)
        for decay, places in dense.items():
            state = {name: [arrays[i] for i in places] for name, arrays in self._slots.items()}
            self.update([self._arrays[i] for i in places], [grads[i] for i in places], state, rate, decay)  # type: ignore[misc]
            for i in places:
                if i in self._tables:
                    self._tables[i].restart(self.iterations + 1)
        for i, row_grad in rows:
            if i in self._tables:
                self._tables[i].step(row_grad, rate, self._decay(i))
            else:
                self.update_rows(self._arrays[i], row_grad, self._state(i), rate, self._decay(i))

    def _touched(self, place: int) -> bool:
        return self.sparse == "touched" or (
            self.sparse != "dense" and self.rows_are_exact(self._decay(place))
        )

    def _average(self) -> None:
        for average, array in zip(self._averages, self._arrays, strict=True):
            average *= self.ema_momentum
            average += (1 - self.ema_momentum) * array
        if self.ema_overwrite_frequency and self.iterations % self.ema_overwrite_frequency == 0:
            self.finalize_variable_values()

    def finalize_variable_values(self, params: Sequence[Any] | None = None) -> None:
        """Set the parameters to their averages (`use_ema`)."""
        for average, array in zip(self._averages, self._arrays, strict=True):
            array[...] = average

    # ---- saving ------------------------------------------------------------

    @classmethod
    def _keywords(cls) -> list[str]:
        names = [
            "learning_rate",
            "momentum",
            "nesterov",
            "beta_1",
            "beta_2",
            "epsilon",
            "amsgrad",
            "bias_correction",
        ]
        return [*names, *(Optimizer.__init__.__kwdefaults__ or {})]

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them; a schedule as its class name and config."""
        rate: Any = self._rate
        if isinstance(rate, LearningRateSchedule):
            rate = {"class": type(rate).__name__, "config": rate.get_config()}
        elif callable(rate):
            rate = self.learning_rate
        names = Optimizer.__init__.__kwdefaults__ or {}
        return {"learning_rate": rate, **{name: getattr(self, name) for name in names}}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Optimizer:
        """The optimizer that `get_config` described."""
        config = dict(config)
        rate = config.get("learning_rate")
        if isinstance(rate, dict):
            schedule = schedule_registry.get(rate.get("class", ""))
            if schedule is None:
                raise ValueError(
                    f"{cls.__name__}: learning_rate must be a known schedule; got {rate.get('class')!r}"
                )
            config["learning_rate"] = schedule.from_config(rate["config"])
        return cls(**config)
