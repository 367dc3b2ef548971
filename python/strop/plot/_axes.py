"""Figures without a window, colours that everyone tells apart, and a look that needs no global setting."""

from __future__ import annotations

import functools
import io
from typing import Any

#: Okabe and Ito's colours without their yellow, which white paper swallows: told apart by everyone.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")

#: A legend that stays readable where a line runs under it.
LEGEND = {"fontsize": 9, "framealpha": 0.8, "edgecolor": "none"}


def new_figure(width: float, height: float) -> Any:
    """An empty figure that no window and no `pyplot` knows of.

    Args:
        width: inches.
        height: inches.

    Raises:
        ImportError: matplotlib is absent; the message says how to get it.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError('no pictures: matplotlib must be installed; pip install "strop[plot]"') from None
    figure: Any = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    # A notebook draws the figures that pyplot knows; this is how it asks any other object for its picture.
    figure._repr_png_ = functools.partial(_png, figure)
    return figure


def _png(figure: Any) -> bytes:
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=100)
    return data.getvalue()


def axes_for(op: str, ax: Any, width: float = 5.6, height: float = 3.8) -> Any:
    """The given Axes, or those of a new figure.

    Raises:
        TypeError: ax is something else.
    """
    if ax is None:
        figure = new_figure(width, height)
        ax = figure.subplots()
        ax._repr_png_ = figure._repr_png_
        return ax
    if not callable(getattr(ax, "plot", None)) or not hasattr(ax, "figure") or not hasattr(ax, "imshow"):
        raise TypeError(f"{op}: ax must be a matplotlib Axes or None; got {type(ax).__name__}")
    return ax


def tidy(ax: Any, xlabel: str, ylabel: str) -> None:
    """Labels, a pale grid behind the lines, and no frame above and to the right."""
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    ax.grid(alpha=0.25, linewidth=0.6)
    ax.set_axisbelow(True)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def colour(place: int) -> str:
    """The colour of the line at a place; the eighth and the first differ, the ninth is the first again."""
    return COLOURS[place % len(COLOURS)]
