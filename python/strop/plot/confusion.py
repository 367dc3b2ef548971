"""The confusion matrix as a table in colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._axes import axes_for
from .points import column, same_length

Array = NDArray[Any]

#: With more classes than this the numbers would overlap.
MOST_WRITTEN = 20


def confusion_matrix(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    labels: Sequence[str] | None = None,
    normalize: str | None = None,
    sample_weight: ArrayLike | None = None,
    ax: Any = None,
) -> Any:
    """Draw how many samples of each class were taken for which.

    Args:
        y_true: classes, (N,): numbers or texts.
        y_pred: classes, (N,); or what `predict` gives: (N, C) takes the largest column, (N, 1) floats count as 1 above
            0.5, as in the metrics, with classes 0 ... C - 1.
        labels: names of the classes, in sorted order of what stands in y_true and y_pred, or of 0 ... C - 1.
        normalize: None writes counts; `"true"` shares of each row, whose diagonal is the recall; `"pred"` shares of
            each column, whose diagonal is the precision; `"all"` shares of everything.
        sample_weight: 0 or more, (N,).
        ax: matplotlib Axes to draw into; None makes a figure.

    Returns:
        The Axes; `ax.images[0].get_array()` has the numbers.

    Raises:
        ValueError: lengths differ, labels are not as many as classes, classes are no whole numbers, as scores of shape
            (N,) are not, or normalize is unknown.
        ImportError: matplotlib is absent.

    Example:
        >>> ax = confusion_matrix(["ham", "spam", "ham"], ["ham", "spam", "spam"])
        >>> ax.images[0].get_array().tolist()
        [[1.0, 1.0], [0.0, 1.0]]
    """
    op = "plot.confusion_matrix"
    if normalize not in (None, "true", "pred", "all"):
        raise ValueError(f"{op}: normalize must be None, 'true', 'pred' or 'all'; got {normalize!r}")
    truth, predicted, classes = _classes(op, y_true, y_pred)
    names = [f"{c}" for c in classes]
    if labels is not None:
        names = [str(label) for label in labels]
        if len(names) != len(classes):
            raise ValueError(f"{op}: labels must name each class ({len(classes)}); got {len(names)}")
    weights = None
    if sample_weight is not None:
        weights = column(op, "sample_weight", sample_weight)
        same_length(op, "sample_weight", weights, truth)
    count = len(classes)
    table = np.bincount(truth * count + predicted, weights, count * count).reshape(count, count)
    table = _shares(table.astype(np.float64), normalize)
    side = min(9.0, 2.6 + 0.55 * count)
    ax = axes_for(op, ax, side + 0.6, side)
    _draw(ax, table, names, normalize)
    return ax


def _shares(table: Array, normalize: str | None) -> Array:
    if normalize is None:
        return table
    whole = table.sum() if normalize == "all" else table.sum(1 if normalize == "true" else 0, keepdims=True)
    result: Array = np.divide(table, whole, out=np.zeros_like(table), where=whole != 0)
    return result


def _draw(ax: Any, table: Array, names: list[str], normalize: str | None) -> None:
    top = 1.0 if normalize in ("true", "pred") else max(float(table.max(initial=0)), 1e-9)
    image = ax.imshow(table, cmap="Blues", vmin=0, vmax=top)
    places = range(len(names))
    turned = max(map(len, names)) > 4 and len(names) > 3
    ax.set_xticks(places, names, rotation=45 if turned else 0, ha="right" if turned else "center")
    ax.set_yticks(places, names)
    ax.set_xlabel("predicted class")
    ax.set_ylabel("true class")
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)
    if len(names) > MOST_WRITTEN:
        ax.figure.colorbar(image, ax=ax, shrink=0.8)
        return
    whole = normalize is None and (table == np.floor(table)).all()
    size = 11 if len(names) <= 5 else 9 if len(names) <= 12 else 6
    for i, j in np.ndindex(table.shape):
        text = f"{table[i, j]:.0f}" if whole else f"{table[i, j]:.2f}"
        # Past 55 % of the scale "Blues" is dark enough for white.
        shade = "white" if table[i, j] > 0.55 * top else "#222222" if table[i, j] else "#999999"
        ax.text(j, i, text, ha="center", va="center", color=shade, fontsize=size)


def _classes(op: str, y_true: Any, y_pred: Any) -> tuple[Array, Array, Array]:
    """Places of the true and of the predicted classes in the sorted classes, and these."""
    truth, predicted = (np.asarray(each) for each in (y_true, y_pred))
    least = 0
    if predicted.ndim == 2 and predicted.shape[1] > 1:
        least = predicted.shape[1]
        predicted = predicted.argmax(1)
    elif predicted.ndim == 2:
        predicted = predicted[:, 0]
        if predicted.dtype.kind == "f":
            least, predicted = 2, (predicted > 0.5).astype(np.int64)
    if truth.ndim == 2 and truth.shape[1] == 1:
        truth = truth[:, 0]
    if truth.ndim == 2 and least:
        truth = truth.argmax(1)
    for name, array in (("y_true", truth), ("y_pred", predicted)):
        if array.ndim != 1:
            raise ValueError(f"{op}: {name} must have one class per sample; got shape {array.shape}")
        # Below 2**53 every whole number is exact.
        if array.dtype.kind == "f" and (odd := ~((np.trunc(array) == array) & (abs(array) < 2.0**53))).any():
            at = int(odd.argmax())
            hint = "" if np.isnan(array[at]) else "; give scores as (N, 1)"
            raise ValueError(f"{op}: {name} must hold classes; got {array[at]:g} at sample {at}{hint}")
    same_length(op, "y_pred", predicted, truth)
    if not len(truth):
        raise ValueError(f"{op}: y_true must hold a sample; got 0")
    if (truth.dtype.kind in "US") != (predicted.dtype.kind in "US"):
        raise ValueError(
            f"{op}: y_pred must hold classes like y_true; got {predicted.dtype.name} beside {truth.dtype.name}"
        )
    truth, predicted = (a.astype(np.int64) if a.dtype.kind == "f" else a for a in (truth, predicted))
    if least:
        bad = np.flatnonzero((truth < 0) | (truth >= least))
        if bad.size:
            raise ValueError(
                f"{op}: y_true must lie in [0, {least}) for these predictions; "
                f"got {truth[bad[0]]} at sample {bad[0]}"
            )
        return truth.astype(np.int64), predicted, np.arange(least)
    classes, places = np.unique(np.concatenate([truth, predicted]), return_inverse=True)
    places = places.reshape(-1)
    return places[: len(truth)], places[len(truth) :], classes
