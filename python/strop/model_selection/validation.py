"""k-fold cross-validation: a fresh model for each fold, tested on the samples it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _random
from .._device import to_host
from ..callbacks import History
from ..training.data import per_sample, rectangular, require_count
from .splits import Split, k_fold, stratified_k_fold

Array = NDArray[Any]
BuildModel = Callable[[], Any]


@dataclass
class CrossValidation:
    """What `cross_validate` found. Printed, it is a line per score: mean and spread over the folds."""

    #: Scores on the samples held out, by name, the loss first: (folds,) each.
    scores: dict[str, Array]
    #: The history of each fold's fit, with `val_` values of its test samples.
    histories: list[History]
    #: The places of the training and of the test samples of each fold.
    splits: list[Split]
    #: What the fold's model says of each sample that it has not seen, (N, ...); None unless asked for.
    predictions: Array | None = field(default=None, repr=False)

    @property
    def mean(self) -> dict[str, float]:
        """The mean of each score over the folds."""
        return {name: float(values.mean()) for name, values in self.scores.items()}

    @property
    def spread(self) -> dict[str, float]:
        """The standard deviation of each score over the folds, with one less than the folds in the denominator."""
        return {name: float(values.std(ddof=1)) for name, values in self.scores.items()}

    def __str__(self) -> str:
        width = max(map(len, self.scores))
        mean, spread = self.mean, self.spread
        return "\n".join(f"{name:<{width}} {mean[name]:.4f} +- {spread[name]:.4f}" for name in self.scores)


def cross_validate(
    build_model: BuildModel,
    x: Any,
    y: Any,
    folds: int = 5,
    *,
    stratify: bool | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    sample_weight: Any = None,
    return_predictions: bool = False,
    callbacks: Sequence[Any] | Callable[[], Sequence[Any]] | None = None,
    verbose: Any = 0,
    **fit_settings: Any,
) -> CrossValidation:
    """Train a fresh model on all folds but one and test it on that one, for each fold in turn.

    The test samples of a fold are the `validation_data` of its fit, so that the history shows them epoch by epoch. A
    callback that chooses by them, as early stopping does, makes the scores too good. Give `validation_split` then: the
    callbacks look at that share of the training samples, and nothing looks at the test samples before the score.

    Args:
        build_model: makes a new compiled model at each call, without arguments.
        x: the inputs, (N, ...).
        y: the targets, N of them.
        folds: how many, from 2 to N.
        stratify: hold each class in the same share in every fold; None does so where the loss is one of classes.
        shuffle: draw the samples of each fold and of each epoch; False takes them in the order they stand.
        seed: int in [0, 2**32): folds, weights, shuffling and dropout then repeat, whatever ran before. None goes on
            with strop's streams.
        sample_weight: weights of training and of the test loss, (N,).
        return_predictions: keep what each fold's model says of its test samples.
        callbacks: for every fit: a list, or a function that makes one for each fold.
        verbose: as in `fit`.
        fit_settings: the other arguments of `fit`: epochs, batch_size, class_weight, validation_split, ...

    Returns:
        A `CrossValidation`: `scores`, `mean`, `spread`, `histories`, `splits`.

    Raises:
        ValueError: folds cannot be made of these samples, or shapes do not fit.
        TypeError: build_model cannot be called or gives no model, or gives one model twice.

    Example:
        >>> import numpy as np, strop
        >>> def build():
        ...     model = strop.Sequential([strop.layers.Dense(1)])
        ...     model.compile("sgd", "mse", metrics=["mae"])
        ...     return model
        >>> x = np.linspace(0, 1, 20)
        >>> result = cross_validate(build, x, 2 * x, folds=4, epochs=5, seed=1)
        >>> result.scores["mae"].shape, len(result.histories)
        ((4,), 4)

    References:
        Kohavi, A study of cross-validation and bootstrap for accuracy estimation and model selection, 1995.
    """
    op = "cross_validate"
    samples = Samples.of(op, x, y, sample_weight)
    for name in ("validation_data", "sample_weight", "x", "y"):
        if name in fit_settings:
            raise TypeError(f"{op}: fit settings must leave {name} to the folds; got {name}")
    maker = Maker(op, build_model)
    with repeatable(op, seed, 0):
        first = maker()
    splits = make_splits(op, samples.y, folds, stratify, shuffle, seed, first)
    scores: dict[str, list[float]] = {}
    histories = []
    predictions: Array | None = None
    for i, (train, test) in enumerate(splits):
        with repeatable(op, seed, i):
            model = first if i == 0 and seed is None else maker()
            part, held_out = samples.take(train), samples.take(test)
            inner = (
                {} if fit_settings.get("validation_split") else {"validation_data": held_out.for_validation()}
            )
            history = model.fit(
                part.x,
                part.y,
                sample_weight=part.weight,
                shuffle=shuffle,
                verbose=verbose,
                callbacks=callbacks() if callable(callbacks) else callbacks,
                **inner,
                **fit_settings,
            )
            histories.append(history)
            for name, value in score(model, held_out).items():
                scores.setdefault(name, []).append(value)
            if return_predictions:
                output = to_host(model.predict(held_out.x, verbose=0))
                if predictions is None:
                    predictions = np.empty((len(samples.x), *output.shape[1:]), output.dtype)
                predictions[test] = output
    return CrossValidation({k: np.array(v) for k, v in scores.items()}, histories, splits, predictions)


class Maker:
    """Calls the user's function and refuses what is no new model."""

    def __init__(self, op: str, build_model: BuildModel) -> None:
        if not callable(build_model) or hasattr(build_model, "fit"):  # a model can be called too
            raise TypeError(
                f"{op}: build_model must be a function that makes a model; got {type(build_model).__name__}"
            )
        self._op, self._build = op, build_model
        self._last: Any = None

    def __call__(self) -> Any:
        """A new model."""
        model = self._build()
        if not callable(getattr(model, "fit", None)) or not callable(getattr(model, "evaluate", None)):
            raise TypeError(f"{self._op}: build_model must return a model; got {type(model).__name__}")
        if model is self._last:
            raise TypeError(
                f"{self._op}: build_model must make a new model at each call; got one object twice"
            )
        self._last = model
        return model


@dataclass
class Samples:
    """Inputs, targets and weights of equal length."""

    x: Array
    y: Array
    weight: Array | None

    @classmethod
    def of(cls, op: str, x: Any, y: Any, weight: Any) -> Samples:
        """What the user passed in, checked."""
        inputs, targets = (rectangular(op, name, _plain(each)) for name, each in (("x", x), ("y", y)))
        require_count(op, "y", targets, len(inputs))
        if weight is not None:
            weight = per_sample(op, "sample_weight", _plain(weight), len(inputs), np.float64)
        return cls(inputs, targets, weight)

    def take(self, rows: Array) -> Samples:
        """The samples of these rows."""
        return Samples(self.x[rows], self.y[rows], None if self.weight is None else self.weight[rows])

    def for_validation(self) -> tuple[Any, ...]:
        """As `fit` takes validation data."""
        return (self.x, self.y) if self.weight is None else (self.x, self.y, self.weight)


def _plain(value: Any) -> Any:
    """The array in a table or a series of pandas."""
    return value.to_numpy() if hasattr(value, "to_numpy") else value


def make_splits(
    op: str, y: Array, folds: int, stratify: bool | None, shuffle: bool, seed: int | None, model: Any
) -> list[Split]:
    """The folds; whether to stratify is asked of the model's loss where the caller does not say."""
    if stratify is None:
        loss = getattr(model, "loss", None)
        whole = y.dtype.kind in "iub" or bool((y == np.floor(y)).all())
        stratify = loss is not None and not getattr(loss, "regression", True) and whole and y.ndim <= 2
    if stratify:
        return stratified_k_fold(to_host(y), folds, shuffle=shuffle, seed=seed, op=op)
    return k_fold(len(y), folds, shuffle=shuffle, seed=seed, op=op)


def score(model: Any, samples: Samples) -> dict[str, float]:
    """Loss and metrics by name."""
    values: dict[str, float] = model.evaluate(
        samples.x, samples.y, sample_weight=samples.weight, verbose=0, return_dict=True
    )
    return values


@contextmanager
def repeatable(op: str, seed: int | None, draw: int) -> Iterator[None]:
    """With a seed, streams of the block's own, and those of before afterwards."""
    if seed is None:
        yield
        return
    own = _random.generator(_random.check_seed(op, seed), "fits", draw)
    with _random.seeded(int(own.integers(2**32))):
        yield
