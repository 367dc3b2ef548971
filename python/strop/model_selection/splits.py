"""Which samples train and which test, fold by fold."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _random
from .._device import to_host
from .._names import check_whole

Array = NDArray[Any]
Split = tuple[Array, Array]


def k_fold(
    count: int, folds: int = 5, *, shuffle: bool = True, seed: int | None = None, op: str = "k_fold"
) -> list[Split]:
    """Split samples into folds of equal size; each sample is tested once.

    Args:
        count: number of samples, at least `folds`.
        folds: how many, at least 2. The first `count % folds` of them have one sample more.
        shuffle: draw the samples of each fold; False cuts them in the order they stand.
        seed: int in [0, 2**32); None draws from strop's stream for shuffling.
        op: the function that messages begin with.

    Returns:
        For each fold the places of the training and of the test samples, int64, both rising.

    Raises:
        ValueError: folds is below 2 or above count.

    Example:
        >>> [test.tolist() for _, test in k_fold(5, 2, shuffle=False)]
        [[0, 1, 2], [3, 4]]
    """
    check_folds(op, folds, count)
    order = _generator(op, seed).permutation(count) if shuffle else np.arange(count)
    parts = np.array_split(order, folds)
    fold_of = np.empty(count, np.int64)
    for i, part in enumerate(parts):
        fold_of[part] = i
    return _splits(fold_of, folds)


def stratified_k_fold(
    y: ArrayLike,
    folds: int = 5,
    *,
    shuffle: bool = True,
    seed: int | None = None,
    op: str = "stratified_k_fold",
) -> list[Split]:
    """Split samples into folds that hold each class in the same share; each sample is tested once.

    The counts of a class in two folds differ by at most one, and so do the sizes of the folds.

    Args:
        y: classes: numbers or texts, (N,) or (N, 1); or one-hot rows, (N, C).
        folds: how many, at least 2 and at most the samples of the rarest class.
        shuffle: draw the samples of each fold; False deals them out in the order they stand.
        seed: int in [0, 2**32); None draws from strop's stream for shuffling.
        op: the function that messages begin with.

    Returns:
        For each fold the places of the training and of the test samples, int64, both rising.

    Raises:
        ValueError: folds is below 2, or a class has fewer samples than folds.

    Example:
        >>> [test.tolist() for _, test in stratified_k_fold([0, 0, 0, 0, 1, 1], 2, shuffle=False)]
        [[0, 2, 4], [1, 3, 5]]
    """
    labels = classes_of(op, y)
    check_folds(op, folds, len(labels))
    classes, places, counts = np.unique(labels, return_inverse=True, return_counts=True)
    rarest = counts.argmin()
    if counts[rarest] < folds:
        raise ValueError(
            f"{op}: y must hold each class at least {folds} times, once per fold; "
            f"got class {classes[rarest]} {counts[rarest]} times; use fewer folds or no stratification"
        )
    order = _generator(op, seed).permutation(len(labels)) if shuffle else np.arange(len(labels))
    # Dealt out class by class, as cards are, without starting afresh at each class.
    dealt = order[np.argsort(places.reshape(-1)[order], kind="stable")]
    fold_of = np.empty(len(labels), np.int64)
    fold_of[dealt] = np.arange(len(labels)) % folds
    return _splits(fold_of, folds)


def check_folds(op: str, folds: int, count: int) -> None:
    """Refuse a number of folds that these samples cannot have."""
    check_whole(op, "folds", folds, 2)
    if folds > count:
        raise ValueError(f"{op}: folds must be at most the number of samples ({count}); got {folds}")


def classes_of(op: str, y: ArrayLike) -> Array:
    """One class per sample, from labels or one-hot rows."""
    labels = to_host(y)
    if labels.ndim == 2:
        labels = labels.argmax(1) if labels.shape[1] > 1 else labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(f"{op}: y must have one class per sample to stratify; got shape {labels.shape}")
    return labels


def _generator(op: str, seed: int | None) -> np.random.Generator:
    if seed is None:
        return _random.streams.generator("shuffling")
    return _random.generator(_random.check_seed(op, seed), "folds")


def _splits(fold_of: Array, folds: int) -> list[Split]:
    return [(np.flatnonzero(fold_of != i), np.flatnonzero(fold_of == i)) for i in range(folds)]
