"""compile, fit, evaluate, predict: what a model does with data."""

from __future__ import annotations

import copy
import threading
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import losses, metrics as metric_module, optimizers
from .._names import check_kwargs
from .._serial import described, restored
from ..callbacks import CallbackList, History, ProgressBar
from ..layers import Layer
from ..layers.embedding import as_ids
from ..training import data as border
from ..training.data import Data
from ..training.loop import Averages, run_epoch, run_evaluation, run_prediction
from ..training.plan import Plan

Array = NDArray[Any]
Metrics = list[tuple[str, Any, bool]]

#: Metrics that depend on shapes which compile does not know yet.
CHOSEN_BY_SHAPE = ("accuracy", "acc", "crossentropy", "ce")


class Trainer:
    """The training side of a model; `Sequential` adds the layers."""

    layers: list[Layer]

    def __init__(self) -> None:
        self.optimizer: Any = None
        self.loss: Any = None
        self.stop_training = False
        self.history: History | None = None
        self._compiled: dict[str, Any] | None = None
        self._metrics: Metrics = []
        self._plan: Plan | None = None
        self._busy = threading.Lock()

    # ---- what the model gives ----------------------------------------------

    built: bool
    output_shape: tuple[int | None, ...] | None
    dtype: np.dtype[Any]

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
            weighted_metrics: the same, with the weights.
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
                raise TypeError(f"compile: {name} must be a list; got {type(given).__name__}; write [{given!r}]")
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

    # ---- data in -----------------------------------------------------------

    def _inputs(self, op: str, x: Any, name: str = "x") -> Array:
        """x as the first layer reads it; builds the model by its shape."""
        array = border.rectangular(op, name, x)
        if not self.layers:
            raise ValueError(f"{op}: model must have a layer; got an empty one")
        first = self.layers[0]
        if first.reads_ids:
            array = as_ids(f"{first.op} {first.name!r}", array)
        elif array.ndim == 1 and self._expects_column():
            array = array[:, None]
        if not self.built:
            self.build((None, *array.shape[1:]))
        self._fit_shape(op, name, array)
        if first.reads_ids:
            first.check_ids(array)  # type: ignore[attr-defined]
            return array
        return np.ascontiguousarray(array, first.dtype)

    def _expects_column(self) -> bool:
        shape = self.layers[0].input_shape
        return shape is None or len(shape) == 2

    def _fit_shape(self, op: str, name: str, array: Array) -> None:
        first = self.layers[0]
        wanted = first.input_shape or ()
        if first.reads_ids:  # other lengths still run
            if array.ndim != len(wanted):
                raise ValueError(f"{op}: {name} must have {len(wanted)} axes; got shape {array.shape}")
            return
        shapes_fit = len(wanted) == array.ndim and all(
            w is None or w == n for w, n in zip(wanted[1:], array.shape[1:], strict=True)
        )
        if not shapes_fit:
            raise ValueError(f"{op}: {name} must have shape {wanted}; got {array.shape}")

    def _data(
        self,
        op: str,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        class_weight: Mapping[Any, float] | None = None,
        name: str = "",
    ) -> Data:
        """Checked inputs, targets and weights."""
        if sample_weight is not None and class_weight is not None:
            raise ValueError(f"{op}: sample_weight and class_weight must not be given together; got both")
        inputs = self._inputs(op, x, f"{name}x")
        assert self.output_shape is not None
        target = border.rectangular(op, f"{name}y", y)
        border.require_count(op, f"{name}y", target, len(inputs))
        self.loss = self.loss.choose(self.output_shape, target.shape)
        target = self.loss.prepare_targets(target, self.output_shape, self.dtype, op=op, argument=f"{name}y")
        weight = None
        if sample_weight is not None:
            weight = border.per_sample(op, f"{name}sample_weight", sample_weight, len(inputs), self.dtype)
        elif class_weight is not None:
            weight = border.class_weights(op, class_weight, target, self.dtype)
        return Data(inputs, target, weight)

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
            metric_module.resolve(m, self.loss, self.output_shape, target_shape) for m in [*plain, *weighted]  # type: ignore[arg-type]
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
        last = self.layers[-1]
        activation = getattr(last, "activation", None)
        if activation is not None and activation.name == "softmax" and self.output_shape[-1] == 1:  # type: ignore[index]
            warnings.warn(
                f"fit: softmax on the single unit of {last.name!r} is always 1; use sigmoid", UserWarning, stacklevel=4
            )

    @property
    def metrics_names(self) -> list[str]:
        """Names of what `evaluate` returns, the loss first."""
        return ["loss", *(name for name, _, _ in self._metrics)]

    # ---- fit ---------------------------------------------------------------

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Sequence[Any] | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Mapping[Any, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int = 1,
    ) -> History:
        """Train on data.

        Args:
            x: the inputs, (N, ...): an array or nested lists.
            y: the targets, N of them.
            batch_size: samples per step, 32; the last batch of an epoch may be short.
            epochs: number of the last epoch: with initial_epoch 3, `epochs=5` runs two.
            verbose: 1 or `"auto"` a progress bar, 2 a line per epoch, 0 nothing.
            callbacks: list of `strop.callbacks.Callback`.
            validation_split: share of the samples, from the end, that is held out for validation.
            validation_data: (x, y) or (x, y, sample_weight); wins over validation_split.
            shuffle: whether each epoch takes the samples in a new order.
            class_weight: factor of the loss of each class, as a dict; others weigh 1.
            sample_weight: factor of the loss of each sample, (N,).
            initial_epoch: epochs that have been run before.
            steps_per_epoch: at most so many batches per epoch.
            validation_steps: at most so many batches of validation.
            validation_batch_size: samples per step of validation; batch_size if None.
            validation_freq: validate after every so many epochs.

        Returns:
            The `History`: `history.history` has a list of floats for each name, `history.epoch` the epochs.

        Raises:
            ValueError: the model has no loss, shapes or counts do not fit, a label is NaN or no class, the split
                leaves nothing. Nothing has been trained then.
            IndexError: an id is outside the table of the embedding.
            RuntimeError: another thread is fitting this model.

        Example:
            >>> import strop
            >>> model = strop.Sequential([strop.layers.Dense(1)])
            >>> model.compile(optimizer="sgd", loss="mse")
            >>> history = model.fit([[0.0], [1.0]], [[0.0], [2.0]], epochs=3, verbose=0)
            >>> len(history.history["loss"])
            3
        """
        if not self._busy.acquire(blocking=False):
            raise RuntimeError("fit: model must be trained by one call at a time; got a second one")
        try:
            self._require_compiled("fit")
            size = _positive("fit", "batch_size", batch_size, 32)
            train = self._data("fit", x, y, sample_weight, class_weight)
            if not len(train):
                raise ValueError("fit: x must have a sample; got 0")
            held_out: Data | None = None
            if validation_data is not None:
                held_out = self._validation(validation_data)
            elif validation_split:
                train, held_out = self._split(train, validation_split)
            return self._fit(
                train,
                held_out,
                size=size,
                validation_size=_positive("fit", "validation_batch_size", validation_batch_size, size),
                epochs=_positive("fit", "epochs", epochs, 1, least=0),
                verbose=verbose,
                callbacks=callbacks,
                shuffle=shuffle,
                initial_epoch=initial_epoch,
                steps=_optional("fit", "steps_per_epoch", steps_per_epoch),
                validation_steps=_optional("fit", "validation_steps", validation_steps),
                validation_freq=_positive("fit", "validation_freq", validation_freq, 1),
            )
        finally:
            self._busy.release()

    def _validation(self, given: Any) -> Data:
        if not isinstance(given, list | tuple) or len(given) not in (2, 3):
            raise ValueError("fit: validation_data must be (x, y) or (x, y, sample_weight); got something else")
        return self._data("fit", *given, name="validation_")

    def _split(self, data: Data, share: float) -> tuple[Data, Data]:
        place = border.split_place("fit", share, len(data))
        assert data.y is not None
        text = border.missing_class_warning(data.y, place, share)
        if text:
            warnings.warn(text, UserWarning, stacklevel=3)
        held_out = data.part(place, len(data))
        return data.part(0, place), held_out

    def _fit(
        self,
        train: Data,
        held_out: Data | None,
        *,
        size: int,
        validation_size: int,
        epochs: int,
        verbose: Any,
        callbacks: Sequence[Any] | None,
        shuffle: bool,
        initial_epoch: int,
        steps: int | None,
        validation_steps: int | None,
        validation_freq: int,
    ) -> History:
        plan, averages = self._ready("fit", train)
        validating = Averages(plan, fresh(self._metrics))
        if not self.optimizer._params and plan.variables:
            self.optimizer.build(plan.variables)
        count = min(-(-len(train) // size), steps or len(train))
        produced = self.metrics_names
        produced += [f"val_{name}" for name in produced] if held_out is not None else []
        history, progress = History(), ProgressBar(verbose, steps=count, epochs=epochs)
        runner = CallbackList(
            [history, *(callbacks or [])],
            model=self,
            params={"verbose": verbose, "epochs": epochs, "steps": count},
            log_names=produced,
            progress=progress,
        )
        self.stop_training = False
        self.history: History | None = None
        self._compiled: dict[str, Any] | None = None
        self._metrics: Metrics = []
        self._plan: Plan | None = None
        self._busy = threading.Lock()

    # ---- what the model gives ----------------------------------------------

    built: bool
    output_shape: tuple[int | None, ...] | None
    dtype: np.dtype[Any]

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
            weighted_metrics: the same, with the weights.
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
                raise TypeError(f"compile: {name} must be a list; got {type(given).__name__}; write [{given!r}]")
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

    # ---- data in -----------------------------------------------------------

    def _inputs(self, op: str, x: Any, name: str = "x") -> Array:
        """x as the first layer reads it; builds the model by its shape."""
        array = border.rectangular(op, name, x)
        if not self.layers:
            raise ValueError(f"{op}: model must have a layer; got an empty one")
        first = self.layers[0]
        if first.reads_ids:
            array = as_ids(f"{first.op} {first.name!r}", array)
        elif array.ndim == 1 and self._expects_column():
            array = array[:, None]
        if not self.built:
            self.build((None, *array.shape[1:]))
        self._fit_shape(op, name, array)
        if first.reads_ids:
            first.check_ids(array)  # type: ignore[attr-defined]
            return array
        return np.ascontiguousarray(array, first.dtype)

    def _expects_column(self) -> bool:
        shape = self.layers[0].input_shape
        return shape is None or len(shape) == 2

    def _fit_shape(self, op: str, name: str, array: Array) -> None:
        first = self.layers[0]
        wanted = first.input_shape or ()
        if first.reads_ids:  # other lengths still run
            if array.ndim != len(wanted):
                raise ValueError(f"{op}: {name} must have {len(wanted)} axes; got shape {array.shape}")
            return
        shapes_fit = len(wanted) == array.ndim and all(
            w is None or w == n for w, n in zip(wanted[1:], array.shape[1:], strict=True)
        )
        if not shapes_fit:
            raise ValueError(f"{op}: {name} must have shape {wanted}; got {array.shape}")

    def _data(
        self,
        op: str,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        class_weight: Mapping[Any, float] | None = None,
        name: str = "",
    ) -> Data:
        """Checked inputs, targets and weights."""
        if sample_weight is not None and class_weight is not None:
            raise ValueError(f"{op}: sample_weight and class_weight must not be given together; got both")
        inputs = self._inputs(op, x, f"{name}x")
        assert self.output_shape is not None
        target = border.rectangular(op, f"{name}y", y)
        border.require_count(op, f"{name}y", target, len(inputs))
        self.loss = self.loss.choose(self.output_shape, target.shape)
        target = self.loss.prepare_targets(target, self.output_shape, self.dtype, op=op, argument=f"{name}y")
        weight = None
        if sample_weight is not None:
            weight = border.per_sample(op, f"{name}sample_weight", sample_weight, len(inputs), self.dtype)
        elif class_weight is not None:
            weight = border.class_weights(op, class_weight, target, self.dtype)
        return Data(inputs, target, weight)

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
            metric_module.resolve(m, self.loss, self.output_shape, target_shape) for m in [*plain, *weighted]  # type: ignore[arg-type]
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
        last = self.layers[-1]
        activation = getattr(last, "activation", None)
        if activation is not None and activation.name == "softmax" and self.output_shape[-1] == 1:  # type: ignore[index]
            warnings.warn(
                f"fit: softmax on the single unit of {last.name!r} is always 1; use sigmoid", UserWarning, stacklevel=4
            )

    @property
    def metrics_names(self) -> list[str]:
        """Names of what `evaluate` returns, the loss first."""
        return ["loss", *(name for name, _, _ in self._metrics)]

    # ---- fit ---------------------------------------------------------------

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Sequence[Any] | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Mapping[Any, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int = 1,
    ) -> History:
        """Train on data.

        Args:
            x: the inputs, (N, ...): an array or nested lists.
            y: the targets, N of them.
            batch_size: samples per step, 32; the last batch of an epoch may be short.
            epochs: number of the last epoch: with initial_epoch 3, `epochs=5` runs two.
            verbose: 1 or `"auto"` a progress bar, 2 a line per epoch, 0 nothing.
            callbacks: list of `strop.callbacks.Callback`.
            validation_split: share of the samples, from the end, that is held out for validation.
            validation_data: (x, y) or (x, y, sample_weight); wins over validation_split.
            shuffle: whether each epoch takes the samples in a new order.
            class_weight: factor of the loss of each class, as a dict; others weigh 1.
            sample_weight: factor of the loss of each sample, (N,).
            initial_epoch: epochs that have been run before.
            steps_per_epoch: at most so many batches per epoch.
            validation_steps: at most so many batches of validation.
            validation_batch_size: samples per step of validation; batch_size if None.
            validation_freq: validate after every so many epochs.

        Returns:
            The `History`: `history.history` has a list of floats for each name, `history.epoch` the epochs.

        Raises:
            ValueError: the model has no loss, shapes or counts do not fit, a label is NaN or no class, the split
                leaves nothing. Nothing has been trained then.
            IndexError: an id is outside the table of the embedding.
            RuntimeError: another thread is fitting this model.

        Example:
            >>> import strop
            >>> model = strop.Sequential([strop.layers.Dense(1)])
            >>> model.compile(optimizer="sgd", loss="mse")
            >>> history = model.fit([[0.0], [1.0]], [[0.0], [2.0]], epochs=3, verbose=0)
            >>> len(history.history["loss"])
            3
        """
        if not self._busy.acquire(blocking=False):
            raise RuntimeError("fit: model must be trained by one call at a time; got a second one")
        try:
            self._require_compiled("fit")
            size = _positive("fit", "batch_size", batch_size, 32)
            train = self._data("fit", x, y, sample_weight, class_weight)
            if not len(train):
                raise ValueError("fit: x must have a sample; got 0")
            held_out: Data | None = None
            if validation_data is not None:
                held_out = self._validation(validation_data)
            elif validation_split:
                train, held_out = self._split(train, validation_split)
            return self._fit(
                train,
                held_out,
                size=size,
                validation_size=_positive("fit", "validation_batch_size", validation_batch_size, size),
                epochs=_positive("fit", "epochs", epochs, 1, least=0),
                verbose=verbose,
                callbacks=callbacks,
                shuffle=shuffle,
                initial_epoch=initial_epoch,
                steps=_optional("fit", "steps_per_epoch", steps_per_epoch),
                validation_steps=_optional("fit", "validation_steps", validation_steps),
                validation_freq=_positive("fit", "validation_freq", validation_freq, 1),
            )
        finally:
            self._busy.release()

    def _validation(self, given: Any) -> Data:
        if not isinstance(given, list | tuple) or len(given) not in (2, 3):
            raise ValueError("fit: validation_data must be (x, y) or (x, y, sample_weight); got something else")
        return self._data("fit", *given, name="validation_")

    def _split(self, data: Data, share: float) -> tuple[Data, Data]:
        place = border.split_place("fit", share, len(data))
        assert data.y is not None
        text = border.missing_class_warning(data.y, place, share)
        if text:
            warnings.warn(text, UserWarning, stacklevel=3)
        held_out = data.part(place, len(data))
        return data.part(0, place), held_out

    def _fit(
        self,
        train: Data,
        held_out: Data | None,
        *,
        size: int,
        validation_size: int,
        epochs: int,
        verbose: Any,
        callbacks: Sequence[Any] | None,
        shuffle: bool,
        initial_epoch: int,
        steps: int | None,
        validation_steps: int | None,
        validation_freq: int,
    ) -> History:
        plan, averages = self._ready("fit", train)
        validating = Averages(plan, fresh(self._metrics))
        if not self.optimizer._params and plan.variables:
            self.optimizer.build(plan.variables)
        count = min(-(-len(train) // size), steps or len(train))
        produced = [name for name in self.metrics_names]
        produced += [f"val_{name}" for name in self.metrics_names] if held_out is not None else []
        runner = CallbackList(
            callbacks,
            model=self,
            params={"verbose": verbose, "epochs": epochs, "steps": count},
            verbose=verbose,
            produced=produced,
        )
        self.stop_training = False
        self.history = history
        runner.on_train_begin()
        for epoch in range(initial_epoch, epochs):
            runner.on_epoch_begin(epoch)
            logs = run_epoch(
                plan,
                train,
                batch_size=size,
                shuffle=shuffle,
                optimizer=self.optimizer,
                averages=averages,
                callbacks=runner,
                stopped=lambda: self.stop_training,
                steps=steps,
            )
            if held_out is not None and (epoch + 1 - initial_epoch) % validation_freq == 0:
                runner.on_test_begin()
                values = run_evaluation(
                    plan,
                    held_out,
                    batch_size=validation_size,
                    averages=validating,
                    callbacks=runner,
                    steps=validation_steps,
                )
                runner.on_test_end(values)
                logs.update({f"val_{name}": value for name, value in values.items()})
            runner.on_epoch_end(epoch, logs)
            if self.stop_training:
                break
        runner.on_train_end()
        return history

    # ---- evaluate, predict, single batches ---------------------------------

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Sequence[Any] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """Loss and metrics on data, with the weights as they stand.

        Args:
            x: the inputs, (N, ...).
            y: the targets, N of them.
            batch_size: samples per step, 32.
            verbose: 1 or `"auto"` a progress bar, 2 a line, 0 nothing.
            sample_weight: factor of the loss of each sample, (N,).
            steps: at most so many batches.
            callbacks: list of `strop.callbacks.Callback`.
            return_dict: True returns a dict by name.

        Returns:
            The loss as a float; with metrics a list in the order of `metrics_names`.

        Raises:
            ValueError: the model has no loss, or shapes or labels do not fit.

        Example:
            >>> import strop
            >>> model = strop.Sequential([strop.layers.Dense(1, kernel_initializer="ones")])
            >>> model.compile(loss="mse", optimizer="sgd")
            >>> model.evaluate([[1.0]], [[3.0]], verbose=0)
            4.0
        """
        self._require_compiled("evaluate")
        data = self._data("evaluate", x, y, sample_weight)
        plan, averages = self._ready("evaluate", data)
        size = _positive("evaluate", "batch_size", batch_size, 32)
        steps = _optional("evaluate", "steps", steps)
        count = min(-(-len(data) // size), steps or len(data))
        runner = CallbackList(
            callbacks, model=self, params={"verbose": verbose, "steps": count}, verbose=verbose, evaluating=True
        )
        runner.on_test_begin()
        logs = run_evaluation(plan, data, batch_size=size, averages=averages, callbacks=runner, steps=steps)
        runner.on_test_end(logs)
        if return_dict:
            return logs
        values = list(logs.values())
        return values[0] if len(values) == 1 else values

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Sequence[Any] | None = None,
    ) -> Array:
        """The model's output for every sample; needs no compile, and may run from many threads.

        Args:
            x: the inputs, (N, ...).
            batch_size: samples per step, 32.
            verbose: 1 a progress bar, 0 or `"auto"` nothing.
            steps: at most so many batches.
            callbacks: list of `strop.callbacks.Callback`.

        Returns:
            (N, units), of the model's float type, a fresh array; (0, units) for no samples.

        Raises:
            ValueError: x does not fit the first layer.
            IndexError: an id is outside the table of the embedding.
        """
        inputs = self._inputs("predict", x)
        size = _positive("predict", "batch_size", batch_size, 32)
        if steps is not None:
            inputs = inputs[: size * _positive("predict", "steps", steps, 1)]
        assert self.output_shape is not None
        runner = CallbackList(callbacks, model=self, params={"verbose": verbose}, verbose=0, evaluating=True)
        runner.on_predict_begin()
        empty = np.zeros((0, *(n or 0 for n in self.output_shape[1:])), self.dtype)
        plan = self._plan or self.make_plan(None)
        result = run_prediction(plan, inputs, batch_size=size, callbacks=runner, empty=empty)
        runner.on_predict_end()
        return result

    def __call__(self, x: Any, training: bool = False) -> Array:
        """The model's output for one batch."""
        plan = self._plan or self.make_plan(None) if self.built else None
        inputs = self._inputs("call", x)
        plan = plan or self.make_plan(None)
        return np.array(plan.head.forward(plan.forward(inputs, training)[0]))

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[Any, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One step of training on one batch; returns this batch's loss and metrics."""
        if not self._busy.acquire(blocking=False):
            raise RuntimeError("train_on_batch: model must be trained by one call at a time; got a second one")
        try:
            self._require_compiled("train_on_batch")
            data = self._data("train_on_batch", x, y, sample_weight, class_weight)
            plan, averages = self._ready("train_on_batch", data)
            assert data.y is not None
            loss, output = plan.train_step(data.x, data.y, data.weight, self.optimizer)
            averages.add(loss, output, data)
        finally:
            self._busy.release()
        return _values(averages.logs(), return_dict)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Loss and metrics of one batch."""
        self._require_compiled("test_on_batch")
        data = self._data("test_on_batch", x, y, sample_weight)
        plan, averages = self._ready("test_on_batch", data)
        runner = CallbackList(None, model=self, params={}, verbose=0, evaluating=True)
        size = max(len(data), 1)
        return _values(
            run_evaluation(plan, data, batch_size=size, averages=averages, callbacks=runner), return_dict
        )

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

    def compile_from_config(self, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> None:
        """Compile as `get_compile_config` described."""
        config = restored(config, custom_objects or {}, "load_model")
        entry = config["optimizer"]
        known = {**optimizers.registry, **(custom_objects or {})}
        if entry["class"] not in known:
            raise ValueError(f"load_model: optimizer must be known or in custom_objects; got {entry['class']!r}")
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


def _values(logs: dict[str, Any], return_dict: bool) -> Any:
    if return_dict:
        return logs
    values = list(logs.values())
    return values[0] if len(values) == 1 else values


def _positive(op: str, name: str, value: Any, default: int, least: int = 1) -> int:
    """A whole number of at least `least`."""
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{op}: {name} must be an int; got {type(value).__name__}")
    if value < least:
        raise ValueError(f"{op}: {name} must be {least} or more; got {value}")
    return int(value)


def _optional(op: str, name: str, value: Any) -> int | None:
    return None if value is None else _positive(op, name, value, 1)
