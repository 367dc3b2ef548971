"""What `fit` wrote down, as curves over the epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._names import nearest
from ..callbacks.monitor import higher_is_better
from ._axes import LEGEND, axes_for, colour, tidy


def history(
    history: Any,
    metrics: str | Sequence[str] = "loss",
    *,
    best: bool = True,
    ax: Any = None,
) -> Any:
    """Draw values of a fit over its epochs: on training data solid, on validation data dashed.

    Where the dashed line turns while the solid one goes on, the model learns its training data by heart.

    Args:
        history: what `fit` returned, or a dict of lists like its `history`.
        metrics: a name or a list of names, without `val_`.
        best: mark the best value of each line of validation, the model that early stopping would keep.
        ax: matplotlib Axes to draw into; None makes a figure.

    Returns:
        The Axes.

    Raises:
        ValueError: there is no such value, or it is not one number per epoch.
        TypeError: history is something else.
        ImportError: matplotlib is absent.

    Example:
        >>> ax = history({"loss": [0.7, 0.4, 0.2], "val_loss": [0.7, 0.5, 0.6]})
        >>> ax.get_legend_handles_labels()[1]
        ['training', 'validation, best 0.5000 at epoch 2']
    """
    op = "plot.history"
    values, epochs = _values(op, history)
    names = [metrics] if isinstance(metrics, str) else list(metrics)
    if not names:
        raise ValueError(f"{op}: metrics must name a value; got none")
    lines = []
    for i, name in enumerate(names):
        if name not in values and f"val_{name}" not in values:
            known = [key for key in values if not key.startswith("val_")]
            raise ValueError(
                f"{op}: metrics must be values of this fit ({', '.join(known)}); got {name!r}{nearest(name, known)}"
            )
        for key in (name, f"val_{name}"):
            if key in values:
                lines.append((key, i, *_points(op, key, values[key], epochs)))
    ax = axes_for(op, ax)
    for key, i, x, y in lines:
        _draw(ax, key, i, x, y, best=best, named=len(names) > 1)
    tidy(ax, "epoch", names[0] if len(names) == 1 else "value")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(**LEGEND)
    return ax


def _draw(ax: Any, key: str, place: int, x: Any, y: Any, *, best: bool, named: bool) -> None:
    name = key.removeprefix("val_")
    held_out = key != name
    # One metric: its two lines have two colours. Several: a colour each, the dashes tell the lines apart.
    shade = colour(place if named else place + held_out)
    label = ("validation" if held_out else "training") + (f" {name}" if named else "")
    finite = np.flatnonzero(np.isfinite(y))
    if held_out and best and finite.size:
        pick = np.argmax if higher_is_better("plot.history", key, "auto") else np.argmin
        at = finite[pick(y[finite])]
        label += f", best {y[at]:.4f} at epoch {x[at]}"
        ax.plot(x[at], y[at], marker="o", markersize=9, fillstyle="none", color=shade, linestyle="none")
    few = len(x) <= 30
    ax.plot(
        x,
        y,
        color=shade,
        linestyle="--" if held_out else "-",
        linewidth=1.6,
        marker=("s" if held_out else "o") if few else None,
        markersize=3.5,
        label=label,
    )


def _values(op: str, given: Any) -> tuple[Mapping[str, Any], Sequence[int] | None]:
    """The lists by name, and the numbers of the epochs from 1 where they are known."""
    epochs = getattr(given, "epoch", None)
    values = getattr(given, "history", given)
    if not isinstance(values, Mapping):
        raise TypeError(
            f"{op}: history must be what fit returns, or a dict of lists; got {type(given).__name__}"
        )
    return values, None if epochs is None else [epoch + 1 for epoch in epochs]


def _points(op: str, key: str, value: Any, epochs: Sequence[int] | None) -> tuple[Any, Any]:
    """Epochs and values of a line; with `validation_freq` there are fewer values than epochs."""
    try:
        y = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        y = np.zeros((0, 0))
    if y.ndim != 1 or not y.size:
        raise ValueError(f"{op}: {key} must have one number per epoch; got something else")
    x = np.arange(1, len(y) + 1)
    if epochs is not None and len(epochs):
        every = len(epochs) // len(y)
        if every > 1:
            x = np.asarray(epochs)[every - 1 :: every][: len(y)]
        elif len(epochs) == len(y):
            x = np.asarray(epochs)
    return x, y
