"""Points of the ROC and of the precision-recall curve, exact: one for each distinct score."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._device import to_host
from ..training.data import rectangular

Array = NDArray[Any]


def roc_points(
    y_true: ArrayLike, y_score: ArrayLike, sample_weight: ArrayLike | None = None
) -> tuple[Array, Array, Array]:
    """Rates of false and of true positives as the threshold falls past every distinct score.

    Args:
        y_true: 0 or 1, (N,); both must be there.
        y_score: (N,): the higher, the more likely 1. A probability or any other number.
        sample_weight: 0 or more, (N,); None weighs all alike.

    Returns:
        False-positive rates, true-positive rates and thresholds, float64, each (P + 1,) for P distinct scores. A
        sample counts as positive where its score is at least the threshold; the first one is infinite.

    Raises:
        ValueError: lengths differ, a label is neither 0 nor 1, a score is NaN, or a class has no weight.
        TypeError: an argument holds other things than numbers.

    Example:
        >>> false, true, thresholds = roc_points([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
        >>> false.tolist(), true.tolist()
        ([0.0, 0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0])

    References:
        Fawcett, An introduction to ROC analysis, 2006.
    """
    op = "roc_points"
    false, true, thresholds = _counts(op, y_true, y_score, sample_weight)
    for label, count in ((1, true[-1]), (0, false[-1])):
        if not count > 0:
            raise ValueError(f"{op}: y_true must hold both 0 and 1; got no {label} that has weight")
    zero = np.zeros(1)
    return (
        np.concatenate([zero, false / false[-1]]),
        np.concatenate([zero, true / true[-1]]),
        np.concatenate([[np.inf], thresholds]),
    )


def roc_area(y_true: ArrayLike, y_score: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """The area under the ROC curve: how often a 1 scores above a 0, ties counting half.

    Args:
        y_true: 0 or 1, (N,).
        y_score: (N,).
        sample_weight: 0 or more, (N,).

    Returns:
        A float in [0, 1]; 0.5 is chance.

    Raises:
        ValueError: as of `roc_points`.

    Example:
        >>> roc_area([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
        0.75
    """
    false, true, _ = roc_points(y_true, y_score, sample_weight)
    return float(np.sum(np.diff(false) * (true[1:] + true[:-1])) / 2)


def precision_recall_points(
    y_true: ArrayLike, y_score: ArrayLike, sample_weight: ArrayLike | None = None
) -> tuple[Array, Array, Array]:
    """Precision and recall as the threshold falls past every distinct score.

    Args:
        y_true: 0 or 1, (N,); a 1 must be there.
        y_score: (N,).
        sample_weight: 0 or more, (N,).

    Returns:
        Precision, recall and thresholds, float64, each (P + 1,) for P distinct scores. The first point, at an infinite
        threshold, has recall 0 and by convention precision 1.

    Raises:
        ValueError: lengths differ, a label is neither 0 nor 1, a score is NaN, or no 1 has weight.
        TypeError: an argument holds other things than numbers.

    Example:
        >>> precision, recall, thresholds = precision_recall_points([0, 1, 1], [0.2, 0.6, 0.9])
        >>> recall.tolist(), precision.round(3).tolist()
        ([0.0, 0.5, 1.0, 1.0], [1.0, 1.0, 1.0, 0.667])
    """
    op = "precision_recall_points"
    false, true, thresholds = _counts(op, y_true, y_score, sample_weight)
    if not true[-1] > 0:
        raise ValueError(f"{op}: y_true must hold a 1; got none that has weight")
    found = true + false
    # Before the first sample that has weight nothing is predicted: precision 1 as at recall 0.
    precision = np.divide(true, found, out=np.ones_like(found), where=found > 0)
    return (
        np.concatenate([[1.0], precision]),
        np.concatenate([[0.0], true / true[-1]]),
        np.concatenate([[np.inf], thresholds]),
    )


def average_precision(y_true: ArrayLike, y_score: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """The mean precision over the steps of recall: the sum of `(recall_i - recall_{i-1}) * precision_i`.

    Nothing is interpolated between points, which would flatter the model.

    Args:
        y_true: 0 or 1, (N,).
        y_score: (N,).
        sample_weight: 0 or more, (N,).

    Returns:
        A float in (0, 1]; chance is the share of ones.

    Raises:
        ValueError: as of `precision_recall_points`.

    Example:
        >>> round(average_precision([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 4)
        0.8333
    """
    precision, recall, _ = precision_recall_points(y_true, y_score, sample_weight)
    return float(np.sum(np.diff(recall) * precision[1:]))


def _counts(op: str, y_true: Any, y_score: Any, sample_weight: Any) -> tuple[Array, Array, Array]:
    """Weights of the false and the true positives at each distinct score, from the highest down."""
    labels = column(op, "y_true", y_true)
    scores = column(op, "y_score", y_score)
    same_length(op, "y_score", scores, labels)
    if not len(labels):
        raise ValueError(f"{op}: y_true must hold a sample; got 0")
    bad = np.flatnonzero((labels != 0) & (labels != 1))
    if bad.size:
        raise ValueError(f"{op}: y_true must be 0 or 1; got {labels[bad[0]]:g} at sample {bad[0]}")
    nan = np.flatnonzero(np.isnan(scores))
    if nan.size:
        raise ValueError(f"{op}: y_score must be a number; got nan at sample {nan[0]}")
    weights = np.ones(len(labels))
    if sample_weight is not None:
        weights = column(op, "sample_weight", sample_weight)
        same_length(op, "sample_weight", weights, labels)
        bad = np.flatnonzero(~(weights >= 0) | np.isinf(weights))
        if bad.size:
            raise ValueError(
                f"{op}: sample_weight must be finite and 0 or more; got {weights[bad[0]]:g} at sample {bad[0]}"
            )
    order = np.argsort(-scores, kind="stable")
    labels, scores, weights = labels[order], scores[order], weights[order]
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))  # the last sample of each score
    true = np.cumsum(weights * labels)[last]
    false = np.cumsum(weights * (1 - labels))[last]
    return false, true, scores[last]


def column(op: str, name: str, value: Any) -> Array:
    """One float64 per sample, from (N,) or (N, 1)."""
    array = to_host(rectangular(op, name, value))
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(f"{op}: {name} must have one value per sample; got shape {array.shape}")
    return array.astype(np.float64)


def same_length(op: str, name: str, value: Array, other: Array) -> None:
    """Refuse another number of samples than y_true has."""
    if len(value) != len(other):
        raise ValueError(f"{op}: {name} must have as many samples as y_true ({len(other)}); got {len(value)}")
