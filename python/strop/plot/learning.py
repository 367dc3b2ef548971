"""Scores by the number of training samples: would more data help?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._names import nearest
from ._axes import LEGEND, axes_for, colour, tidy

Array = NDArray[Any]


def learning_curve(curve: Any, metric: str | None = None, *, ax: Any = None) -> Any:
    """Draw training and validation scores over the number of training samples; the band is one standard deviation.

    Where the two lines are apart and closing, more data will help. Where they have met, a larger model may.

    Args:
        curve: what `strop.model_selection.learning_curve` returned: it has `sizes` (S,), and `train` and `validation`,
            dicts of scores (S, folds) by name.
        metric: the score to draw; None takes the first metric, or the loss where there is no other.
        ax: matplotlib Axes to draw into; None makes a figure.

    Returns:
        The Axes.

    Raises:
        ValueError: there is no such score, or shapes differ.
        TypeError: curve is something else.
        ImportError: matplotlib is absent.

    Example:
        >>> from types import SimpleNamespace
        >>> scores = {"loss": [[0.2, 0.4], [0.3, 0.3]]}
        >>> curve = SimpleNamespace(sizes=[10, 100], train=scores, validation=scores)
        >>> learning_curve(curve).get_xlabel()
        'training samples'
    """
    op = "plot.learning_curve"
    parts = [getattr(curve, name, None) for name in ("sizes", "train", "validation")]
    sizes, train, validation = parts
    if sizes is None or not isinstance(train, Mapping) or not isinstance(validation, Mapping):
        raise TypeError(
            f"{op}: curve must be what model_selection.learning_curve returns; got {type(curve).__name__}"
        )
    known = [name for name in train if name in validation]
    if not known:
        raise ValueError(f"{op}: curve must hold a score; got none")
    name = metric if metric is not None else known[min(1, len(known) - 1)]
    if name not in known:
        raise ValueError(
            f"{op}: metric must be a score of this curve ({', '.join(known)}); got {name!r}{nearest(name, known)}"
        )
    x = np.asarray(sizes, np.float64)
    scores = [
        _scores(op, part, table[name], x) for part, table in (("train", train), ("validation", validation))
    ]
    ax = axes_for(op, ax)
    for i, (label, table) in enumerate(zip(("training", "validation"), scores, strict=True)):
        mean, spread = table.mean(1), table.std(1)
        ax.fill_between(x, mean - spread, mean + spread, color=colour(i), alpha=0.18, linewidth=0)
        ax.plot(x, mean, "-o" if i == 0 else "--s", color=colour(i), linewidth=1.6, markersize=4, label=label)
    if x.min() > 0 and x.max() / x.min() >= 20:
        ax.set_xscale("log")
    tidy(ax, "training samples", name)
    ax.legend(**LEGEND)
    return ax


def _scores(op: str, part: str, value: Any, sizes: Array) -> Array:
    table = np.asarray(value, np.float64)
    if table.ndim != 2 or len(table) != len(sizes) or not table.size:
        raise ValueError(
            f"{op}: {part} must have scores ({len(sizes)}, folds) for {len(sizes)} sizes; got shape {table.shape}"
        )
    return table
