"""The table that `model.summary()` prints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def shape_text(shape: tuple[int | None, ...] | None) -> str:
    """A shape for people; a question mark where the model is not built yet."""
    return "?" if shape is None else str(shape)


def summary_lines(
    name: str, rows: Sequence[Sequence[str]], totals: Sequence[tuple[str, int]], *, connected: bool = False
) -> list[str]:
    """The lines of the table: layer (class), output shape, parameters and, if asked, what it is connected to."""
    header = ["Layer (type)", "Output shape", "Params", "Connected to"][: 4 if connected else 3]
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    rule = "-" * (sum(widths) + 2 * len(widths) - 2)

    def line(row: Sequence[str]) -> str:
        cells = [
            f"{cell:>{width}}" if i == 2 else f"{cell:<{width}}"
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()

    lines = [f'Model "{name}"', rule, line(header), rule, *(line(row) for row in rows), rule]
    return [*lines, *(f"{label} {count:,}" for label, count in totals)]


def rows_of(model: Any) -> list[tuple[str, ...]]:
    """A row for each layer; of a graph one for each input, too, and what gives the inputs of a layer's calls."""
    if not hasattr(model, "network"):
        return _rows_of_chain(model)
    calls = _calls(model)
    rows: list[tuple[str, ...]] = [
        (f"{t.source} (Input)", shape_text(t.shape), "0", "") for t in model.inputs
    ]
    for layer in model.layers:
        given = calls[id(layer)]
        sources = ", ".join(source.source for call in given for source in call.inputs)
        shape = ", ".join(shape_text(tensor.shape) for tensor in given[0].outputs)
        rows.append((f"{layer.name} ({layer.op})", shape, f"{layer.count_params():,}", sources))
    return rows


def _rows_of_chain(model: Any) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    shape = model.build_input_shape
    for layer in model.layers:
        shape = layer.compute_output_shape(shape) if layer.built and shape is not None else None
        count = f"{layer.count_params():,}" if layer.built else "?"
        rows.append((f"{layer.name} ({layer.op})", shape_text(shape), count))
    return rows


def edges_of(model: Any) -> list[tuple[int, int]]:
    """Which row's output which row reads, by their places in `rows_of`."""
    if not hasattr(model, "network"):
        return [(i, i + 1) for i in range(len(model.layers) - 1)]
    place: dict[int, int] = {id(t): i for i, t in enumerate(model.inputs)}
    of_layer = {id(layer): len(place) + i for i, layer in enumerate(model.layers)}
    for call in model.network.calls:
        place |= {id(tensor): of_layer[id(call.layer)] for tensor in call.outputs}
    pairs = [
        (place[id(source)], of_layer[id(call.layer)])
        for call in model.network.calls
        for source in call.inputs
    ]
    return list(dict.fromkeys(pairs))  # h and c go from one box to another as one


def _calls(model: Any) -> dict[int, list[Any]]:
    """The calls of each layer, by its id."""
    calls: dict[int, list[Any]] = {}
    for call in model.network.calls:
        calls.setdefault(id(call.layer), []).append(call)
    return calls


def print_summary(model: Any, print_fn: Callable[[str], object] | None = None) -> None:
    """Print the table of a model."""
    rows = rows_of(model)
    trainable = sum(v._value.size for layer in model.layers for v in layer.trainable_variables)
    total = model.count_params() if model.built else 0
    totals = [
        ("Total params:", total),
        ("Trainable params:", trainable),
        ("Frozen params:", total - trainable),
    ]
    for line in summary_lines(
        model.name, rows, totals if model.built else [], connected=hasattr(model, "network")
    ):
        (print_fn or print)(line)
