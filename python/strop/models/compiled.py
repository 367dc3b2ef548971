"""What `compile` chooses: optimizer, loss, metrics; and how that is saved."""

from __future__ import annotations

import copy
import functools
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from .. import metrics as metric_module
from .. import optimizers
from .._device import building, memory_for_steps
from .._names import check_kwargs
from .._serial import described, restored
from ..callbacks import History
from ..layers import Layer
from ..training.averages import Averages, AveragesOfSeveral
from ..training.data import Data
from ..training.objective import Objective
from ..training.plan import Plan
from .objectives import loss_of, metrics_of
from .structure import ONE

P = ParamSpec("P")
R = TypeVar("R")

Metrics = list[tuple[str, Any, bool]]


class Compiled:
    """The settings of training; a model adds the layers."""

    layers: list[Layer]

    def __init__(self) -> None:
        #: Where the weights live, or will: what `to` said, or else where the model was made.
        self.device = building()
        self.optimizer: Any = None
        self.loss: Any = None
        self.stop_training = False
        self.history: History | None = None
        self._compiled: dict[str, Any] | None = None
        #: Of each output its metrics; made when the shapes are known.
        self._metrics: list[Metrics] = []
        #: Of the loss of one output.
        self._factor = 1.0
        self._plan: Plan | None = None
        self._busy = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """What is copied and pickled: all but the plan, which is made again."""
        return {name: value for name, value in vars(self).items() if name not in ("_plan", "_busy")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._plan, self._busy = None, threading.Lock()

    # ---- what the model gives ----------------------------------------------

    @property
    def built(self) -> bool:
        """Whether every layer has its weights."""
        raise NotImplementedError

    @property
    def output_shape(self) -> tuple[int | None, ...] | None:
        """The shape of the output, with None for the batch axis."""
        raise NotImplementedError

    @property
    def fed_shape(self) -> tuple[int | None, ...] | None:
        """The shape of what the first layer reads, with None for the batch axis; None where it is not known."""
        return self.layers[0].input_shape

    @property
    def last_layers(self) -> list[Layer]:
        """The layers that give the outputs."""
        return self.layers[-1:]

    #: How inputs and outputs are given.
    input_structure = output_structure = ONE

    @property
    def fed_shapes(self) -> list[Any]:
        """The shapes of the inputs."""
        return [self.fed_shape]

    @property
    def output_shapes(self) -> list[Any]:
        """The shapes of the outputs."""
        return [self.output_shape]

    @property
    def output_dtypes(self) -> list[np.dtype[Any]]:
        """The float types of the outputs."""
        return [self.dtype]

    def readers(self, place: int) -> list[Layer]:
        """The layers that read an input."""
        return self.layers[:1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The float type of the output."""
        raise NotImplementedError

    def build(self, input_shape: Sequence[int | None] | None = None) -> None:
        """Make all weights."""
        raise NotImplementedError

    def make_plan(self, loss: Any, factor: float = 1.0) -> Plan:
        """The step plan for a loss, times a factor."""
        raise NotImplementedError

    # ---- compile -----------------------------------------------------------

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        **ignored: Any,
    ) -> None:
        """Choose how the model is trained.

        Args:
            optimizer: name or `Optimizer`.
            loss: name, `Loss`, or function of (y_true, y_pred); None for a model that only predicts. Of several
                outputs one for all, a list, or a dict by name; an output whose loss is None is not trained.
            loss_weights: a factor of the loss; of several outputs a list, or a dict by name. The loss that is
                reported is the sum with factors, the losses of the outputs are without.
            metrics: list of names, metrics or functions; they ignore sample and class weights. Of several outputs a
                list of such lists, or a dict by name.
            weighted_metrics: the same, with the weights. Steps of a sequence that are masked count in none of them.
            ignored: jit_compile, run_eagerly, steps_per_execution, auto_scale_loss mean nothing here.

        Raises:
            ValueError: a name is unknown; the message has the nearest one.
            TypeError: an argument has another type, or a keyword is unknown.

        Example:
            >>> import strop
            >>> model = strop.Sequential([strop.layers.Dense(1)])
            >>> model.compile(optimizer="sgd", loss="mse", metrics=["mae"])
        """
        check_kwargs("compile", ignored, ["optimizer", "loss", "loss_weights", "metrics", "weighted_metrics"])
        made_optimizer = optimizers.get(optimizer)
        made_loss, factor = loss_of(self.output_structure, loss, loss_weights)
        plain, weighted = (
            metrics_of(self.output_structure, name, given, made_loss)
            for name, given in (("metrics", metrics), ("weighted_metrics", weighted_metrics))
        )
        self.optimizer, self.loss, self._factor = made_optimizer, made_loss, factor
        self._compiled = {"metrics": plain, "weighted_metrics": weighted, "loss_weights": loss_weights}
        self._metrics = []
        self._plan = None

    def _require_compiled(self, op: str) -> dict[str, Any]:
        if self._compiled is None:
            raise ValueError(f"{op}: model must be compiled; call compile first")
        if self.loss is None:
            raise ValueError(f"{op}: model must be compiled with a loss; got None")
        return self._compiled

    def _ready(self, op: str, data: Data) -> tuple[Plan, Averages | AveragesOfSeveral]:
        """The plan and the metrics; they are made when the shapes are known."""
        compiled = self._require_compiled(op)
        if self._plan is None or self._plan.loss is not self.loss:
            self._plan = self.make_plan(self.loss, self._factor)
            self._warn_of_single_softmax()
        if not self._metrics:
            targets = data.y if self.output_structure.several else (data.y,)
            self._metrics = [
                self._make_metrics(compiled, place, () if y is None else y.shape)
                for place, y in enumerate(targets)
            ]
        return self._plan, self._averages(self._plan)

    def _averages(self, plan: Plan) -> Averages | AveragesOfSeveral:
        metrics = [fresh(own) for own in self._metrics]
        if not self.output_structure.several:
            return Averages(plan.head, metrics[0])
        return AveragesOfSeveral(plan, self.output_structure.names, metrics)

    def _make_metrics(self, compiled: dict[str, Any], place: int, target_shape: tuple[int, ...]) -> Metrics:
        plain, weighted = compiled["metrics"][place], compiled["weighted_metrics"][place]
        several = self.output_structure.several
        loss = self.loss.losses[place] if several else self.loss
        made = [
            metric_module.resolve(m, loss, self.output_shapes[place] or (), target_shape)
            for m in [*plain, *weighted]
        ]
        names = [m.name for m in made]
        for i in range(len(plain), len(made)):  # a name in both lists
            if names[i] in names[: len(plain)]:
                names[i] = f"weighted_{names[i]}"
        names = metric_module.unique_names(names)
        if several:
            names = [f"{self.output_structure.names[place]}_{name}" for name in names]
        return [
            (name, metric, i >= len(plain)) for i, (name, metric) in enumerate(zip(names, made, strict=True))
        ]

    def _warn_of_single_softmax(self) -> None:
        for last, shape in zip(self.last_layers, self.output_shapes, strict=True):
            activation = getattr(last, "activation", None)
            if activation is not None and activation.name == "softmax" and shape[-1] == 1:
                warnings.warn(
                    f"fit: softmax on the single unit of {last.name!r} is always 1; use sigmoid",
                    UserWarning,
                    stacklevel=4,
                )

    @property
    def metrics_names(self) -> list[str]:
        """Names of what `evaluate` returns, the loss first."""
        trained = self.loss.trained if isinstance(self.loss, Objective) else []
        losses = [f"{self.output_structure.names[k]}_loss" for k in trained] if len(trained) > 1 else []
        return ["loss", *losses, *(name for metrics in self._metrics for name, _, _ in metrics)]

    # ---- saving ------------------------------------------------------------

    def get_compile_config(self) -> dict[str, Any] | None:
        """The arguments of compile, of JSON's types alone; None if it was not called."""
        if self._compiled is None:
            return None
        loss, factors = self.loss, self._compiled["loss_weights"]
        if isinstance(loss, Objective):
            factors = list(loss.factors)
            loss = [described(each) for each in loss.losses]
        elif factors is not None:
            factors = self._factor
        return {
            "optimizer": {"class": type(self.optimizer).__name__, "config": self.optimizer.get_config()},
            "loss": loss if isinstance(loss, list) else described(loss),
            **{
                name: self._alone([[described(m) for m in own] for own in self._compiled[name]])
                for name in ("metrics", "weighted_metrics")
            },
            "loss_weights": factors,
        }

    def _alone(self, values: list[Any]) -> Any:
        """The values of several outputs, or that of the one there is."""
        return values if self.output_structure.several else values[0]

    def compile_from_config(
        self, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> None:
        """Compile as `get_compile_config` described."""
        config = restored(config, custom_objects or {}, "load_model")
        entry = config["optimizer"]
        known = {**optimizers.registry, **(custom_objects or {})}
        if entry["class"] not in known:
            raise ValueError(
                f"load_model: optimizer must be known or in custom_objects; got {entry['class']!r}"
            )
        self.compile(
            optimizer=known[entry["class"]].from_config(entry["config"]),
            loss=config["loss"],
            metrics=config["metrics"],
            weighted_metrics=config["weighted_metrics"],
            loss_weights=config["loss_weights"],
        )


def fresh(metrics: Metrics) -> Metrics:
    """Copies with nothing counted, so that calls in several threads do not meet."""
    copies = [(name, copy.deepcopy(metric), weighted) for name, metric, weighted in metrics]
    for _, metric, _ in copies:
        metric.reset_state()
    return copies


def on_own_device(method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """Make the model's device CuPy's while the method runs, and say what a user can do where its memory runs out."""
    op = method.__name__.strip("_")

    @functools.wraps(method)
    def call(self: Any, /, *args: P.args, **settings: P.kwargs) -> R:
        with self.device.current(), memory_for_steps(op, self.device):
            return method(self, *args, **settings)

    return call
