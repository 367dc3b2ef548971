"""The layers of a model as boxes, and what flows between them as arrows."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from ..models.summary import edges_of, rows_of
from ._axes import axes_for, colour

#: Inches from row to row and from box to box.
ROW, COLUMN = 0.85, 2.6
#: From the middle of a box to its upper or lower edge, in rows.
EDGE = 0.24


def network(model: Any, *, show_shapes: bool = True, ax: Any = None) -> Any:
    """Draw a model: a box for each layer, from the input at the top to the output, and arrows along the data.

    Args:
        model: a `Sequential` or a `Model`.
        show_shapes: write each output's shape and the number of parameters into the boxes.
        ax: matplotlib Axes to draw into; None makes a figure of the size of the model.

    Returns:
        The Axes.

    Raises:
        TypeError: model is something else.
        ValueError: it has no layer.
        ImportError: matplotlib is absent.

    Example:
        >>> import strop
        >>> x = strop.Input((4,))
        >>> sum = strop.layers.Add()([x, strop.layers.Dense(4)(x)])
        >>> ax = network(strop.Model(x, sum))
        >>> [text.get_text().split(chr(10))[0] for text in ax.texts if text.get_text()]
        ['input (Input)', 'dense (Dense)', 'add (Add)']
    """
    op = "plot.network"
    if not hasattr(model, "layers") or not hasattr(model, "make_plan"):
        raise TypeError(f"{op}: model must be a Sequential or a Model; got {type(model).__name__}")
    rows, edges = rows_of(model), edges_of(model)
    if not model.layers:
        raise ValueError(f"{op}: model must have a layer; got an empty one")
    level = _levels(len(rows), edges)
    places = _places(level)
    wide = max(Counter(level).values())
    ax = axes_for(op, ax, max(wide * COLUMN, 3.2), (max(level) + 1) * ROW + 0.3)
    for source, target in edges:
        _arrow(ax, places[source], places[target], bent=level[target] - level[source] > 1)
    for (title, shape, count, *_), place in zip(rows, places, strict=True):
        known = f"{title}\n{shape}, {count} parameters" if show_shapes else title
        shade = colour(0 if count not in ("0", "?") else 7)
        box = {"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": shade}
        ax.text(*place, known, ha="center", va="center", fontsize=8, bbox=box, zorder=3)
    ax.set_xlim(-wide / 2 - 0.2, wide / 2 + 0.2)
    ax.set_ylim(-max(level) - 0.6, 0.6)
    ax.set_title(model.name, fontsize=10)
    ax.set_axis_off()
    return ax


def _levels(count: int, edges: list[tuple[int, int]]) -> list[int]:
    """Of each box the longest way from an input: a box stands below all that it reads."""
    level = [0] * count
    for _ in range(count):  # a layer that is called twice may stand before what it reads
        before = list(level)
        for source, target in edges:
            if source < target:
                level[target] = max(level[target], level[source] + 1)
        if level == before:
            break
    return level


def _places(level: list[int]) -> list[tuple[float, float]]:
    """Where each box stands: those of one level side by side around the middle."""
    sizes, seen = Counter(level), defaultdict[int, int](int)
    places = []
    for row in level:
        places.append((seen[row] - (sizes[row] - 1) / 2, -float(row)))
        seen[row] += 1
    return places


def _arrow(ax: Any, begin: tuple[float, float], end: tuple[float, float], *, bent: bool) -> None:
    style = "arc3,rad=-0.35" if bent else "arc3"
    arrow = {"arrowstyle": "-|>", "color": "#666666", "shrinkA": 0, "shrinkB": 0, "connectionstyle": style}
    (x, y), (to_x, to_y) = begin, end
    ax.annotate("", xy=(to_x, to_y + EDGE), xytext=(x, y - EDGE), arrowprops=arrow)
