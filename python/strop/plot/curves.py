"""ROC and precision-recall curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._device import to_host
from ..training.data import rectangular
from ._axes import LEGEND, axes_for, colour, tidy
from .points import (
    average_precision,
    column,
    precision_recall_points,
    roc_area,
    roc_points,
    same_length,
)

Array = NDArray[Any]

#: Beside colours, for print without them.
DASHES = ("-", "--", "-.", ":")


def roc_curve(
    y_true: ArrayLike,
    y_score: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    labels: Sequence[str] | None = None,
    ax: Any = None,
) -> Any:
    """Draw the rate of true positives over that of false positives, with the area under the curve.

    Draw again into the same Axes to compare models.

    Args:
        y_true: class ids, (N,): 0 and 1, or 0 ... C - 1 beside scores (N, C).
        y_score: (N,) or (N, 1), the higher the more likely 1; or (N, C) with a column per class: for two classes the
            second column is drawn, for more each class against all others.
        sample_weight: 0 or more, (N,).
        labels: names of the curves in the legend.
        ax: matplotlib Axes to draw into; None makes a figure.

    Returns:
        The Axes.

    Raises:
        ValueError: lengths differ, a score is NaN, a class is missing or out of range.
        ImportError: matplotlib is absent.

    Example:
        >>> ax = roc_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], labels=["model"])
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['model, area 0.750', 'chance']
    """
    curves = _curves("plot.roc_curve", y_true, y_score, labels)
    drawn = []
    for name, truth, score in curves:
        false, true, _ = roc_points(truth, score, sample_weight)
        drawn.append((_legend(name, "area", roc_area(truth, score, sample_weight)), false, true))
    ax = axes_for("plot.roc_curve", ax, 4.6, 4.2)
    if "chance" not in ax.get_legend_handles_labels()[1]:
        ax.plot([0, 1], [0, 1], linestyle=":", linewidth=1, color="#777777", label="chance", zorder=1)
        tidy(ax, "false-positive rate", "true-positive rate (recall)")
        ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    _lines(ax, drawn, lambda x, y, **style: ax.plot(x, y, **style))
    _reference_last(ax, "chance", "lower right")
    return ax


def precision_recall_curve(
    y_true: ArrayLike,
    y_score: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    labels: Sequence[str] | None = None,
    ax: Any = None,
) -> Any:
    """Draw precision over recall, with the average precision: the curve to look at where ones are rare.

    The line is a staircase: between two thresholds there is no model, and a straight line would flatter it.

    Args:
        y_true: class ids, (N,): 0 and 1, or 0 ... C - 1 beside scores (N, C).
        y_score: (N,) or (N, 1), the higher the more likely 1; or (N, C) as for `roc_curve`.
        sample_weight: 0 or more, (N,).
        labels: names of the curves in the legend.
        ax: matplotlib Axes to draw into; None makes a figure.

    Returns:
        The Axes.

    Raises:
        ValueError: lengths differ, a score is NaN, a class is missing or out of range.
        ImportError: matplotlib is absent.

    Example:
        >>> ax = precision_recall_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['average precision 0.833', 'chance, 0.500']
    """
    curves = _curves("plot.precision_recall_curve", y_true, y_score, labels)
    drawn = []
    for name, truth, score in curves:
        precision, recall, _ = precision_recall_points(truth, score, sample_weight)
        value = average_precision(truth, score, sample_weight)
        drawn.append((_legend(name, "average precision", value), recall, precision))
    # With nothing predicted right of the last threshold every sample counts as 1: precision there is the share of ones.
    chance = drawn[0][2][-1]
    ax = axes_for("plot.precision_recall_curve", ax, 4.6, 4.2)
    if not any(text.startswith("chance") for text in ax.get_legend_handles_labels()[1]):
        if len(curves) == 1:
            label = f"chance, {chance:.3f}"
            ax.axhline(chance, linestyle=":", linewidth=1, color="#777777", label=label, zorder=1)
        tidy(ax, "recall", "precision")
        ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    _lines(ax, drawn, lambda x, y, **style: ax.step(x, y, where="pre", **style))
    _reference_last(ax, "chance", "lower left")
    return ax


def _legend(name: str, what: str, value: float) -> str:
    return f"{name}, {what} {value:.3f}" if name else f"{what} {value:.3f}"


def _lines(ax: Any, drawn: list[tuple[str, Array, Array]], draw: Callable[..., Any]) -> None:
    before = sum(1 for line in ax.lines if line.get_gid() == "curve")
    for i, (label, x, y) in enumerate(drawn, start=before):
        draw(x, y, color=colour(i), linestyle=DASHES[i % 4], linewidth=1.6, label=label, gid="curve")


def _reference_last(ax: Any, name: str, place: str) -> None:
    """The legend, the line of chance behind the curves."""
    pairs = list(zip(*ax.get_legend_handles_labels(), strict=True))
    pairs.sort(key=lambda pair: pair[1].startswith(name))
    ax.legend([line for line, _ in pairs], [text for _, text in pairs], loc=place, **LEGEND)


def _curves(
    op: str, y_true: ArrayLike, y_score: ArrayLike, labels: Sequence[str] | None
) -> list[tuple[str, Array, Array]]:
    """Name, labels of 0 and 1, and scores of each curve."""
    truth = column(op, "y_true", y_true)
    scores = to_host(rectangular(op, "y_score", y_score))
    if scores.ndim == 1:
        scores = scores[:, None]
    if scores.ndim != 2 or not scores.shape[1]:
        raise ValueError(f"{op}: y_score must be (N,) or (N, C); got shape {scores.shape}")
    same_length(op, "y_score", scores, truth)
    classes = scores.shape[1]
    if classes > 2:
        outside = np.flatnonzero((truth < 0) | (truth >= classes) | (truth != np.floor(truth)))
        if outside.size:
            raise ValueError(
                f"{op}: y_true must lie in [0, {classes}) for {classes} columns of y_score; "
                f"got {truth[outside[0]]:g} at sample {outside[0]}"
            )
        found = [((truth == c).astype(np.float64), scores[:, c]) for c in range(classes)]
    else:
        found = [(truth, scores[:, -1])]
    names = [f"class {c}" for c in range(classes)] if classes > 2 else [""]
    if labels is not None:
        names = [labels] if isinstance(labels, str) else [str(each) for each in labels]
        if len(names) != len(found):
            raise ValueError(f"{op}: labels must name each curve ({len(found)}); got {len(names)}")
    return [(name, *pair) for name, pair in zip(names, found, strict=True)]
