"""Scores by the number of training samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _random
from .validation import BuildModel, Maker, Samples, make_splits, repeatable, score

Array = NDArray[Any]


@dataclass
class LearningCurve:
    """What `learning_curve` found; `strop.plot.learning_curve` draws it."""

    #: Numbers of training samples, (S,).
    sizes: Array
    #: Scores on the samples trained on, by name, the loss first: (S, folds) each.
    train: dict[str, Array]
    #: Scores on the samples held out, by name: (S, folds) each.
    validation: dict[str, Array]

    def __str__(self) -> str:
        name = list(self.train)[min(1, len(self.train) - 1)]
        rows = [f"{'samples':>8}  {'training ' + name:>20}  {'validation ' + name:>22}"]
        for i, size in enumerate(self.sizes):
            train, validation = self.train[name][i].mean(), self.validation[name][i].mean()
            rows.append(f"{size:>8}  {train:>20.4f}  {validation:>22.4f}")
        return "\n".join(rows)


def learning_curve(
    build_model: BuildModel,
    x: Any,
    y: Any,
    sizes: ArrayLike = (0.1, 0.325, 0.55, 0.775, 1.0),
    folds: int = 5,
    *,
    stratify: bool | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    sample_weight: Any = None,
    callbacks: Sequence[Any] | Callable[[], Sequence[Any]] | None = None,
    verbose: Any = 0,
    **fit_settings: Any,
) -> LearningCurve:
    """Train fresh models on more and more samples, and score each on what it has seen and on what it has not.

    A gap that closes says that more data will help; two lines that have met say that it will not. Each smaller set is
    the beginning of the next larger one, and all are tested on the same fold.

    Args:
        build_model: makes a new compiled model at each call, without arguments.
        x: the inputs, (N, ...).
        y: the targets, N of them.
        sizes: numbers of training samples; or shares of them, in (0, 1].
        folds: how many, from 2 to N.
        stratify: hold each class in the same share in every fold; None does so where the loss is one of classes.
        shuffle: draw the samples of each fold and of each epoch; False takes them in the order they stand.
        seed: int in [0, 2**32): the curve then repeats, whatever ran before.
        sample_weight: weights of training and of the losses, (N,).
        callbacks: for every fit: a list, or a function that makes one for each.
        verbose: as in `fit`.
        fit_settings: the other arguments of `fit`: epochs, batch_size, class_weight, validation_split, ...

    Returns:
        A `LearningCurve`: `sizes`, and `train` and `validation` by name of the score.

    Raises:
        ValueError: a size is more than a fold's training samples, or folds cannot be made of these samples.
        TypeError: build_model cannot be called or gives no model, or gives one model twice.

    Example:
        >>> import numpy as np, strop
        >>> def build():
        ...     model = strop.Sequential([strop.layers.Dense(1)])
        ...     model.compile("sgd", "mse")
        ...     return model
        >>> x = np.linspace(0, 1, 40)
        >>> curve = learning_curve(build, x, 2 * x, sizes=[5, 20], folds=4, epochs=2, seed=1)
        >>> curve.sizes.tolist(), curve.validation["loss"].shape
        ([5, 20], (2, 4))
    """
    op = "learning_curve"
    samples = Samples.of(op, x, y, sample_weight)
    maker = Maker(op, build_model)
    with repeatable(op, seed, 0):
        first = maker()
    splits = make_splits(op, samples.y, folds, stratify, shuffle, seed, first)
    counts = _counts(op, sizes, min(len(train) for train, _ in splits))
    train_scores: dict[str, Array] = {}
    test_scores: dict[str, Array] = {}
    for j, (train, test) in enumerate(splits):
        with repeatable(op, seed, j):
            order = _random.streams.generator("shuffling").permutation(train) if shuffle else train
        for i, count in enumerate(counts):
            with repeatable(op, seed, j):
                model = maker()
                part = samples.take(order[:count])
                model.fit(
                    part.x,
                    part.y,
                    sample_weight=part.weight,
                    shuffle=shuffle,
                    verbose=verbose,
                    callbacks=callbacks() if callable(callbacks) else callbacks,
                    **fit_settings,
                )
                for table, seen in ((train_scores, part), (test_scores, samples.take(test))):
                    for name, value in score(model, seen).items():
                        table.setdefault(name, np.zeros((len(counts), len(splits))))[i, j] = value
    return LearningCurve(counts, train_scores, test_scores)


def _counts(op: str, sizes: ArrayLike, most: int) -> Array:
    """Numbers of samples, rising, without repetition."""
    given = np.asarray(sizes)
    if given.ndim != 1 or not given.size or given.dtype.kind not in "iuf":
        raise ValueError(f"{op}: sizes must be a list of numbers; got {sizes!r}")
    if given.dtype.kind == "f":
        bad = given[~((given > 0) & (given <= 1))]
        if bad.size:
            raise ValueError(f"{op}: sizes must be whole numbers or shares in (0, 1]; got {bad[0]:g}")
        given = np.maximum(np.floor(given * most + 1e-9), 1)
    counts = np.unique(given.astype(np.int64))
    if counts[0] < 1 or counts[-1] > most:
        bad_count = counts[0] if counts[0] < 1 else counts[-1]
        raise ValueError(
            f"{op}: sizes must lie in [1, {most}], the training samples of a fold; got {bad_count}"
        )
    return counts
