"""What the classifier and the regressor share: the model, its fit, its pickle."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from .. import _random, optimizers
from .._names import check_whole
from ..callbacks import EarlyStopping
from ..layers import Dense, Dropout, Input
from ..models import Sequential, load_model
from ..regularizers import L2

Array = NDArray[Any]


class StropEstimator(BaseEstimator):  # type: ignore[misc]
    """Base of the estimators; a subclass knows the targets."""

    model: Callable[[int, int], Any] | None
    hidden_layer_sizes: Sequence[int]
    activation: str
    alpha: float
    dropout: float
    dtype: str | None
    optimizer: Any
    learning_rate: float | None
    batch_size: Any
    max_iter: int
    shuffle: bool
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int
    tol: float
    callbacks: Sequence[Any] | None
    random_state: Any
    verbose: Any
    warm_start: bool
    n_iter_: int
    loss_curve_: list[float]

    def _keep(self, settings: dict[str, Any]) -> None:
        """Keep what the constructor was given, as it is and under its names: scikit-learn copies estimators by that."""
        for name in self._get_param_names():
            setattr(self, name, settings[name])

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train.

        Args:
            X: numbers, (N, D): an array or a table.
            y: classes, (N,), of a classifier; numbers, (N,) or (N, O), of a regressor.
            sample_weight: 0 or more, (N,).

        Returns:
            The estimator.
        """
        return self._fit(X, y, sample_weight, goes_on=self.warm_start)

    # ---- what a subclass gives ---------------------------------------------

    def _read_targets(self, y: Any, first: bool, classes: Any = None) -> Array:
        """The targets as the model reads them; with `first` what they are is learnt."""
        raise NotImplementedError

    def _outputs(self) -> tuple[int, str, Any]:
        """Units, activation and loss of the last layer of the default model."""
        raise NotImplementedError

    def _sizes(self) -> int:
        """Classes or outputs, as the user's function is told."""
        raise NotImplementedError

    def _held_out(self, x: Array, y: Array, weight: Array, seed: int) -> tuple[list[Array], list[Array]]:
        """Training and validation parts of x, y and weight, for early stopping."""
        from sklearn.model_selection import train_test_split

        parts = train_test_split(
            x, y, weight, test_size=self.validation_fraction, random_state=seed, stratify=self._strata(y)
        )
        return parts[0::2], parts[1::2]

    def _strata(self, y: Array) -> Array | None:
        """Classes to hold in equal shares on both sides, or None."""
        return None

    # ---- the fit -----------------------------------------------------------

    def _fit(
        self, x: Any, y: Any, sample_weight: Any, *, goes_on: bool, once: bool = False, classes: Any = None
    ) -> Self:
        op = type(self).__name__
        check_whole(op, "max_iter", self.max_iter, 1)
        first = not (goes_on and hasattr(self, "model_"))
        x, y = validate_data(self, x, y, reset=first, dtype=[np.float64, np.float32], **self._target_checks())
        target = self._read_targets(y, first, classes)
        weight = _check_sample_weight(sample_weight, x, dtype=np.float64, ensure_non_negative=True)
        weight = self._weigh_classes(weight, target)
        if not weight.sum() > 0:
            raise ValueError(f"{op}: sample_weight must weigh a sample; got zeros, so no class has a weight")
        weight = weight * (len(weight) / weight.sum())  # the mean loss, also where some weigh nothing
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        # Streams of its own for each call that goes on, or every epoch would shuffle alike.
        own = _random.generator(seed, "fits", 0 if first else self.n_iter_)
        with _random.seeded(int(own.integers(2**32))):
            if first:
                self.model_ = self._make(x.shape[1], x.dtype)
                self.n_iter_, self.loss_curve_ = 0, []
            self._train(x, self._as_model_reads(target), weight, seed, once=once)
        return self

    def _train(self, x: Array, target: Array, weight: Array, seed: int, *, once: bool) -> None:
        held_out = None
        if self.early_stopping and not once:
            (x, target, weight), held_out = self._held_out(x, target, weight, seed)
        batch = min(200, len(x)) if self.batch_size == "auto" else self.batch_size
        watching = [] if once else [self._stopper(held_out is not None)]
        history = self.model_.fit(
            x,
            target,
            sample_weight=weight,
            batch_size=batch,
            epochs=1 if once else self.max_iter,
            shuffle=self.shuffle,
            validation_data=None if held_out is None else tuple(held_out),
            callbacks=[*watching, *(self.callbacks or [])],
            verbose=int(self.verbose),
        )
        self.n_iter_ += len(history.epoch)
        self.loss_curve_ = [*self.loss_curve_, *history.history["loss"]]
        if held_out is not None:
            self.validation_loss_curve_ = history.history["val_loss"]

    def _stopper(self, validating: bool) -> EarlyStopping:
        return EarlyStopping(
            "val_loss" if validating else "loss",
            min_delta=self.tol,
            patience=self.n_iter_no_change,
            restore_best_weights=validating,
        )

    def _target_checks(self) -> dict[str, Any]:
        return {}

    def _weigh_classes(self, weight: Array, target: Array) -> Array:
        return weight

    def _as_model_reads(self, target: Array) -> Array:
        return target

    def _make(self, features: int, dtype: np.dtype[Any]) -> Any:
        op = type(self).__name__
        if self.model is not None:
            if not callable(self.model) or hasattr(self.model, "fit"):
                raise TypeError(
                    f"{op}: model must be a function of the numbers of features and outputs that makes a compiled "
                    f"model; got {type(self.model).__name__}"
                )
            made = self.model(features, self._sizes())
            if not callable(getattr(made, "fit", None)) or getattr(made, "loss", None) is None:
                raise TypeError(f"{op}: model must return a compiled model; got {type(made).__name__}")
            return made
        units, activation, loss = self._outputs()
        settings: dict[str, Any] = {"dtype": str(dtype) if self.dtype is None else self.dtype}
        penalty = L2(self.alpha) if self.alpha else None
        made = Sequential([Input((features,))])
        for width in np.atleast_1d(np.asarray(self.hidden_layer_sizes, dtype=int)):
            made.add(Dense(int(width), self.activation, kernel_regularizer=penalty, **settings))
            if self.dropout:
                made.add(Dropout(self.dropout, **settings))
        made.add(Dense(units, activation, kernel_regularizer=penalty, **settings))
        optimizer = optimizers.get(self.optimizer)
        if optimizer is self.optimizer:  # an object: each fit has its own, with its settings
            optimizer = type(optimizer).from_config(optimizer.get_config())
        if self.learning_rate is not None:
            optimizer.learning_rate = self.learning_rate
        made.compile(optimizer, loss)
        return made

    def _output(self, x: Any) -> Array:
        """What the model says of the samples, (N, units), float64."""
        check_is_fitted(self)
        x = validate_data(self, x, reset=False, dtype=[np.float64, np.float32])
        output: Array = self.model_.predict(x, batch_size=min(1024, len(x)), verbose=0).astype(np.float64)
        return output

    # ---- pickling ----------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """The settings, and the model as the bytes of its file."""
        state: dict[str, Any] = dict(super().__getstate__())
        if "model_" in state:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model.strop"
                state.pop("model_").save(path)
                state["model_file"] = path.read_bytes()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """The model is read as any file is: nothing in it runs."""
        state = dict(state)
        data = state.pop("model_file", None)
        super().__setstate__(state)
        if data is not None:
            before = _random.get_state()
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model.strop"
                path.write_bytes(data)
                try:
                    self.model_ = load_model(path)
                finally:
                    _random.set_state(before)  # those of the file belong to the run that wrote it
