"""What `compile` chooses: optimizer, loss, metrics; and how that is saved."""

from __future__ import annotations

import copy
import functools
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from .. import losses, optimizers
from .. import metrics as metric_module
from .._device import building, memory_for_steps
from .._names import check_kwargs
from .._serial import described, restored
from ..callbacks import History
from ..layers import Layer
from ..training.data import Data
from ..training.loop import Averages
from ..training.plan import Plan

P = ParamSpec("P")
R = TypeVar("R")

Metrics = list[tuple[str, Any, bool]]

#: Metrics that depend on shapes which compile does not know yet.
CHOSEN_BY_SHAPE = ("accuracy", "acc", "crossentropy", "ce")


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
        self._metrics: Metrics = []
        self._plan: Plan | None = None
        self._busy = threading.Lock()

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
    def last_layer(self) -> Layer:
        """The layer that gives the output."""
        return self.layers[-1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The float type of the output."""
        raise NotImplementedError

    def build(self, input_shape: Sequence[int | None] | None = None) -> None:
        """Make all weights."""
        raise NotImplementedError

    def make_plan(self, loss: Any) -> Plan:
        """The step plan for a loss."""
        raise NotImplementedError

    # ---- compile -----------------------------------------------------------

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Sequence[Any] | None = None,
        weighted_metrics: Sequence[Any] | None = None,
        **ignored: Any,
    ) -> None:
        """Choose how the model is trained.

        Args:
            optimizer: name or `Optimizer`.
            loss: name, `Loss`, or function of (y_true, y_pred); None for a model that only predicts.
            loss_weights: a factor of the loss.
            metrics: list of names, metrics or functions; they ignore sample and class weights.
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
        for name, given in (("metrics", metrics), ("weighted_metrics", weighted_metrics)):
            if given is not None and not isinstance(given, list | tuple):
                raise TypeError(
                    f"compile: {name} must be a list; got {type(given).__name__}; write [{given!r}]"
                )
        if loss_weights is not None and not isinstance(loss_weights, int | float):
            raise TypeError(f"compile: loss_weights must be one number; got {type(loss_weights).__name__}")
        made_optimizer = optimizers.get(optimizer)
        made_loss = losses.get(loss, "compile")
        for identifier in [*(metrics or []), *(weighted_metrics or [])]:
            if identifier not in CHOSEN_BY_SHAPE:
                metric_module.get(identifier, "compile")
        self.optimizer, self.loss = made_optimizer, made_loss
        self._compiled = {
            "optimizer": optimizer,
            "loss": loss,
            "metrics": list(metrics or []),
            "weighted_metrics": list(weighted_metrics or []),
            "loss_weights": loss_weights,
        }
        self._metrics = []
        self._plan = None

    def _require_compiled(self, op: str) -> dict[str, Any]:
        if self._compiled is None:
            raise ValueError(f"{op}: model must be compiled; call compile first")
        if self.loss is None:
            raise ValueError(f"{op}: model must be compiled with a loss; got None")
        return self._compiled

    def _ready(self, op: str, data: Data) -> tuple[Plan, Averages]:
        """The plan and the metrics; they are made when the shapes are known."""
        compiled = self._require_compiled(op)
        if self._plan is None or self._plan.loss is not self.loss:
            self._plan = self.make_plan(self.loss)
            self._warn_of_single_softmax()
        if not self._metrics:
            assert data.y is not None
            self._metrics = self._make_metrics(compiled, data.y.shape)
        return self._plan, Averages(self._plan, fresh(self._metrics))

    def _make_metrics(self, compiled: dict[str, Any], target_shape: tuple[int, ...]) -> Metrics:
        plain, weighted = compiled["metrics"], compiled["weighted_metrics"]
        made = [
            metric_module.resolve(m, self.loss, self.output_shape or (), target_shape)
            for m in [*plain, *weighted]
        ]
        names = [m.name for m in made]
        for i in range(len(plain), len(made)):  # a name in both lists
            if names[i] in names[: len(plain)]:
                names[i] = f"weighted_{names[i]}"
        return [
            (name, metric, i >= len(plain))
            for i, (name, metric) in enumerate(zip(metric_module.unique_names(names), made, strict=True))
        ]

    def _warn_of_single_softmax(self) -> None:
        last = self.last_layer
        activation = getattr(last, "activation", None)
        if activation is not None and activation.name == "softmax" and self.output_shape[-1] == 1:  # type: ignore[index]
            warnings.warn(
                f"fit: softmax on the single unit of {last.name!r} is always 1; use sigmoid",
                UserWarning,
                stacklevel=4,
            )

    @property
    def metrics_names(self) -> list[str]:
        """Names of what `evaluate` returns, the loss first."""
        return ["loss", *(name for name, _, _ in self._metrics)]

    # ---- saving ------------------------------------------------------------

    def get_compile_config(self) -> dict[str, Any] | None:
        """The arguments of compile, of JSON's types alone; None if it was not called."""
        if self._compiled is None:
            return None
        return {
            "optimizer": {"class": type(self.optimizer).__name__, "config": self.optimizer.get_config()},
            "loss": described(self.loss),
            "metrics": [described(m) for m in self._compiled["metrics"]],
            "weighted_metrics": [described(m) for m in self._compiled["weighted_metrics"]],
            "loss_weights": self._compiled["loss_weights"],
        }

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
