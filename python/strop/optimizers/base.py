"""What every optimizer of the Keras dialect does around its update rule.

The order is Keras': accumulate, clip, decay, update, average, constrain.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import is_
from typing import Any, ClassVar, Self

from numpy.typing import NDArray

from .._backend import kernels
from .._interrupts import HeldInterrupt
from .._memory import copy_into
from .._names import Constructor, check_kwargs
from ..rowgrad import RowGrad
from .accumulation import average
from .clipping import clip
from .parameters import adopt, array_of, check_grads, check_params, places_of
from .rate import Rate
from .schedules import rate_config, rate_from_config
from .settings import (
    check_above_0,
    check_count,
    check_not_negative,
    check_one_clip,
    check_sparse,
    check_unit_interval,
    keywords,
)
from .state import OptimizerState

Array = NDArray[Any]
Grad = Array | RowGrad | None


class Optimizer(OptimizerState, metaclass=Constructor):
    """Base of the optimizers; a rule is a subclass with `own`, `slots`, `kernel` and `numbers`.

    Args:
        learning_rate: float, a schedule, or a function without arguments.
        weight_decay: decoupled decay: every parameter that is not excluded shrinks by `learning_rate * weight_decay`.
        clipnorm: greatest norm of the gradient of one parameter.
        clipvalue: greatest absolute value in a gradient.
        global_clipnorm: greatest norm of all gradients together.
        use_ema: keep an exponential moving average of each parameter; `fit` ends by writing it into the parameter.
        ema_momentum: share of the average that is kept at each step.
        ema_overwrite_frequency: steps after which parameters are set to their averages.
        loss_scale_factor: what the loss was multiplied by; `apply` divides the gradients by it.
        gradient_accumulation_steps: calls of apply whose mean gradient makes one update. A schedule counts the calls,
            as in Keras.
        name: for people.
        sparse: what a `RowGrad` means: `"exact"`, the dense result, rows deferred where the rule allows it;
            `"touched"`, other rows stand still; `"dense"`, every row at every step; None, exact inside a model and
            dense on arrays of the caller.

    Raises:
        ValueError: a setting is out of range, or two ways of clipping are given.
        TypeError: an unknown keyword.
    """

    #: Settings of the rule alone, as its constructor names them.
    own: ClassVar[tuple[str, ...]] = ()
    #: The op of the rule: `kernel(param=, grad=, <slots>=, learning_rate=, weight_decay=, grad_scale=, <numbers>=)`.
    kernel: ClassVar[Callable[..., None]]

    def __init__(
        self,
        learning_rate: Rate,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        *,
        sparse: str | None = None,
        **unknown: Any,
    ) -> None:
        self.op = type(self).__name__
        if unknown:
            check_kwargs(self.op, unknown, keywords(type(self)))
        clips = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        check_not_negative(self.op, weight_decay=weight_decay, **clips)
        check_one_clip(self.op, **clips)
        check_unit_interval(self.op, closed=True, ema_momentum=ema_momentum)
        check_count(self.op, "ema_overwrite_frequency", ema_overwrite_frequency, 1)
        check_above_0(self.op, loss_scale_factor=loss_scale_factor)
        check_count(self.op, "gradient_accumulation_steps", gradient_accumulation_steps, 2)
        check_sparse(self.op, sparse, use_ema)
        self.learning_rate = learning_rate
        self.weight_decay, self.clipnorm, self.clipvalue = weight_decay, clipnorm, clipvalue
        self.global_clipnorm, self.use_ema, self.ema_momentum = global_clipnorm, bool(use_ema), ema_momentum
        self.ema_overwrite_frequency, self.loss_scale_factor = ema_overwrite_frequency, loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.name, self.sparse = name or self.op.lower(), sparse
        # Whoever steps holds it. A list, whose pop is atomic, can be copied and pickled; a lock cannot.
        self._free = [True]
        self.reset()

    # ---- the rule: what a subclass writes ----------------------------------

    def numbers(self) -> dict[str, Any]:
        """The rule's numbers for the next update, as its op takes them."""
        return {}

    def update(
        self, params: Any, grads: Any, state: dict[str, Any], rate: float, decays: Any, scale: float
    ) -> None:
        """One step of an array or a list of arrays; it checks all of them before it writes.

        Of a `RowGrad` the rows alone move.
        """
        type(self).kernel(
            param=params,
            grad=grads,
            **state,
            learning_rate=rate,
            weight_decay=decays,
            grad_scale=scale,
            **self.numbers(),
        )

    def plain_rule(self) -> dict[str, Any] | None:
        """The rule's name and numbers for a step program, if a step is that rule and nothing around it."""
        around = (self.clipnorm, self.clipvalue, self.global_clipnorm, self._pending)
        if any(around) or self.use_ema or self._constrained:
            return None
        return self.rule_numbers()

    def rule_numbers(self) -> dict[str, Any] | None:
        """The rule's name and numbers, for rules that a step program has."""
        return None

    # ---- a step ------------------------------------------------------------

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Grad, Any]]) -> int:
        """Take one step from pairs, as `zip(grads, params)` gives them; see `apply`.

        Returns:
            The updates taken so far.
        """
        pairs = list(grads_and_vars)
        self.apply([grad for grad, _ in pairs], [param for _, param in pairs])
        return self.iterations

    def apply(self, grads: Sequence[Grad], params: Sequence[Any] | None = None) -> None:
        """Take one step: update every parameter in place.

        The optimizer keeps the parameters of the first call by reference. Code that rebinds a name
        (`W = W - ...`) leaves it with the old array; write `W -= ...`.

        Args:
            grads: one per parameter: an array like it, a `RowGrad` of its shape, or None to leave it alone.
            params: arrays or variables. Those of the first call may come in any order, or some of them alone; other
                arrays of the same shapes take their places. None: all of the first call.

        Raises:
            TypeError: a gradient has another dtype than its parameter, or is no array.
            ValueError: counts or shapes differ, an array is strided or read-only, or all gradients are None. No
                parameter has changed then, not even the first.
            RuntimeError: another thread is in the middle of a step.
        """
        self.take(grads, params, 1 / self.loss_scale_factor if self.loss_scale_factor else 1.0)

    def take(self, grads: Sequence[Grad], params: Sequence[Any] | None, scale: float) -> None:
        """Take one step as `apply` does, with gradients of which each is first multiplied by `scale`."""
        try:
            self._free.pop()
        except IndexError:
            raise RuntimeError(
                f"{self.op}: apply must be called by one thread at a time; got a second call"
            ) from None
        try:
            self._take(grads, params, scale)
        finally:
            self._free.append(True)

    def _take(self, grads: Sequence[Grad], params: Sequence[Any] | None, scale: float) -> None:
        if params is not None and len(grads) != len(params):
            raise ValueError(f"{self.op}: grads must be as many as params ({len(params)}); got {len(grads)}")
        if not len(grads) and not self._params and params is not None:
            return  # a model without parameters, as in Keras
        if not self._params:
            if params is None:
                raise ValueError(f"{self.op}: params must be given in the first call; got None")
            check_grads(self.op, grads, check_params(self.op, params))
            self.build(params)
        elif params is not None and not (
            len(params) == len(self._arrays)
            and (all(map(is_, params, self._arrays)) or all(map(is_, map(array_of, params), self._arrays)))
        ):
            places = places_of(params, self._arrays)
            if places is None:
                adopt(self, params)
            else:
                placed = dict(zip(places, grads, strict=True))
                grads = [placed.get(place) for place in range(len(self._arrays))]
        plain = kernels("gradients_fit", self._arrays).gradients_fit(grads, self._arrays)
        if not plain:
            check_grads(self.op, grads, self._arrays)
        given, updates = list(grads), self.iterations
        last = self._pending is None or self._pending.calls + 1 == self._pending.steps
        # It may fail: read before a gradient is added.
        rate = self._given[0] if self._given else self.learning_rate if last else 0.0
        held = HeldInterrupt()
        means = given if self._pending is None else self._pending.add(given)
        if means is not None:
            clipped, scale = clip(means, scale, self.clipvalue, self.clipnorm, self.global_clipnorm)
            self._step(clipped, plain, rate, scale, held)
        self._calls += self._given is None
        if self.use_ema:
            with held:
                average(self._averages, self._arrays, self.ema_momentum if updates else 0.0)
            if self.ema_overwrite_frequency and (updates + 1) % self.ema_overwrite_frequency == 0:
                self.finalize_variable_values()
        for i in self._constrained:
            if given[i] is not None:
                with held:
                    self._params[i].constraint.apply(self._arrays[i])
        held.release()

    def _step(self, grads: list[Any], plain: bool, rate: float, scale: float, held: HeldInterrupt) -> None:
        """The update of all parameters: dense ones first, since that call checks them all."""
        if plain and not self._tables:  # every gradient an array: nothing to sort out
            with held:
                self.update(self._arrays, grads, self._slots, rate, self._decays, scale)
            return
        if any(not isinstance(grads[i], RowGrad) for i in self._tables):
            self.refuse_given("a step without rows of a parameter whose rows are deferred")
        places: list[int] = []
        dense: list[Array] = []
        rows: list[tuple[int, RowGrad]] = []
        for i, grad in enumerate(grads):
            table = self._tables.get(i)
            if isinstance(grad, RowGrad):
                if table is None and self.sparse == "exact" and not self.rows_are_exact(self._decays[i]):
                    table = self._defer(i)
                if table is not None or self._touched(i):
                    rows.append((i, grad.coalesce()))
                    continue
                grad = grad.to_dense()
            if grad is not None:
                places.append(i)
                dense.append(grad)
                if table is not None:
                    table.flush()
        if places:
            if places != self._dense[0]:
                state = {name: [arrays[i] for i in places] for name, arrays in self._slots.items()}
                params, decays = [self._arrays[i] for i in places], [self._decays[i] for i in places]
                self._dense = (places, params, state, decays)
            _, params, state, decays = self._dense
            with held:
                self.update(params, dense, state, rate, decays, scale)
        for i, grad in rows:
            with held:
                if i in self._tables:
                    self._tables[i].step(grad.scaled(scale), rate, self._decays[i])
                else:
                    self.update(self._arrays[i], grad, self._state(i), rate, self._decays[i], scale)
        for i, table in self._tables.items():
            if not isinstance(
                grads[i], RowGrad
            ):  # a dense step, or none: the step counts, and nothing is outstanding
                table.flush()
                table.restart(self.iterations + 1)

    def _touched(self, place: int) -> bool:
        exact = self.sparse != "dense" and self.rows_are_exact(self._decays[place])
        return exact or self.sparse == "touched"

    def finalize_variable_values(self, var_list: Sequence[Any] | None = None) -> None:
        """Set the parameters to their averages, if there are any (`use_ema`)."""
        if self._calls:
            for mean, array in zip(self._averages, self._arrays, strict=False):
                copy_into(array, mean)

    # ---- saving ------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them; a schedule as its class name and config."""
        around = [name for name in inspect.signature(Optimizer).parameters if hasattr(self, name)]
        settings = {name: getattr(self, name) for name in (*around, *self.own)}
        return {**settings, "learning_rate": rate_config(self._rate)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The optimizer that `get_config` described."""
        settings = dict(config)
        if isinstance(settings.get("learning_rate"), dict):
            settings["learning_rate"] = rate_from_config(cls.__name__, settings["learning_rate"])
        return cls(**settings)
