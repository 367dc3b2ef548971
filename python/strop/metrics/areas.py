"""Counts above thresholds, and the area of the curve through them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .base import Array

METHODS = ("interpolation", "minoring", "majoring")


def counts_by_bucket(
    truth: Array, score: Array, weight: Array | None, thresholds: Sequence[float] | int | None
) -> Array:
    """(L, 2, K): for each of L rows, the weights of positive and of negative labels above each of K thresholds.

    A number of thresholds stands for even ones. Their first is below 0 and their last above 1. Which bucket a
    score falls into is computed in float32, as in Keras. NaN is above none, but counts among the labels: the
    first threshold has all of them.
    """
    if isinstance(thresholds, int):
        count = thresholds
        cut = np.clip(score, 0, 1).astype(np.float32) * np.float32(count - 1)
        bucket = np.ceil(cut) - 1
    else:
        inner = np.asarray(thresholds, np.float32)
        count = len(inner) + 2
        bucket = np.searchsorted(inner, score.astype(np.float32), side="left")
    missing = np.isnan(score)
    place = np.where(missing, 0, np.maximum(bucket, 0)).astype(np.intp)
    result = np.zeros((len(score), 2, count))
    for row, out in enumerate(result):
        for kind, chosen in enumerate((truth[row], ~truth[row])):
            use = chosen & ~missing[row]
            held = np.bincount(place[row][use], None if weight is None else weight[row][use], count)
            out[kind] = held[::-1].cumsum()[::-1]
            lost = chosen & missing[row]
            out[kind, 0] += np.count_nonzero(lost) if weight is None else weight[row][lost].sum()
    return result


def counts_by_score(kept: list[tuple[Array, Array, Array | None]]) -> list[Array]:
    """For each row the same counts with every score as a threshold, from the lowest to above the highest."""
    if not kept:
        return []
    truth, score = (np.concatenate([batch[i] for batch in kept], axis=1) for i in (0, 1))
    parts = [np.ones(batch[1].shape) if batch[2] is None else batch[2] for batch in kept]
    weight = np.concatenate(parts, axis=1)
    result = []
    for labels, scores, weights in zip(truth, score, weight, strict=True):
        values = np.where(np.isnan(scores), -np.inf, scores)
        order = np.argsort(-values, kind="stable")
        ends = np.flatnonzero(np.append(np.diff(values[order]) != 0, True)) if len(order) else order
        columns = [np.cumsum((weights * kind)[order])[ends] for kind in (labels, ~labels)]
        result.append(np.array([np.append(column[::-1], 0.0) for column in columns]))
    return result


def area(above: Array, false_above: Array, curve: str, method: str) -> float:
    """The area under the curve from counts at rising thresholds, of which the first is below all scores."""
    positives, negatives = above[0], false_above[0]
    if curve == "PR" and method == "interpolation":
        return _interpolated_precision(above, false_above, positives)
    recall = _ratio(above, positives)
    if curve == "ROC":
        x, y = _ratio(false_above, negatives), recall
    else:
        x, y = recall, _ratio(above, above + false_above)
    left, right = y[:-1], y[1:]
    height: Any = {
        "interpolation": (left + right) / 2,
        "minoring": np.minimum(left, right),
        "majoring": np.maximum(left, right),
    }[method]
    return float(((x[:-1] - x[1:]) * height).sum())


def _interpolated_precision(above: Array, false_above: Array, positives: float) -> float:
    """Right positives, and all positives P, change evenly between two thresholds; precision is their ratio.

    The integral of `(a + slope P) / P` is `slope P + a log P`.
    """
    right, predicted = above, above + false_above
    gained, more = right[:-1] - right[1:], predicted[:-1] - predicted[1:]
    slope = _ratio(gained, more)
    start = right[1:] - slope * predicted[1:]
    both = (predicted[:-1] > 0) & (predicted[1:] > 0)
    ratio = np.divide(predicted[:-1], predicted[1:], out=np.ones(len(slope)), where=both)
    return float(_ratio(slope * (gained + start * np.log(ratio)), positives).sum())


def _ratio(part: Array, whole: Any) -> Array:
    """part / whole, 0 where whole is 0."""
    whole = np.broadcast_to(np.asarray(whole, np.float64), part.shape)
    ratio: Array = np.divide(part, whole, out=np.zeros(part.shape), where=whole != 0)
    return ratio
