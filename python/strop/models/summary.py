"""The table that `model.summary()` prints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def shape_text(shape: tuple[int | None, ...] | None) -> str:
    """A shape for people; a question mark where the model is not built yet."""
    return "?" if shape is None else str(shape)


def summary_lines(
    name: str, rows: Sequence[tuple[str, str, str]], totals: Sequence[tuple[str, int]]
) -> list[str]:
    """The lines of the table: layer (class), output shape, parameters."""
    header = ("Layer (type)", "Output shape", "Params")
    table = [header, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(3)]
    rule = "-" * (sum(widths) + 4)

    def line(row: tuple[str, str, str]) -> str:
        return f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}"

    lines = [f'Model "{name}"', rule, line(header), rule, *(line(row) for row in rows), rule]
    return [*lines, *(f"{label} {count:,}" for label, count in totals)]


def print_summary(model: Any, print_fn: Callable[[str], object] | None = None) -> None:
    """Print the table of a model."""
    rows = []
    shape = model.build_input_shape
    for layer in model.layers:
        shape = layer.compute_output_shape(shape) if layer.built and shape is not None else None
        count = f"{layer.count_params():,}" if layer.built else "?"
        rows.append((f"{layer.name} ({layer.op})", shape_text(shape), count))
    trainable = sum(v._value.size for layer in model.layers for v in layer.trainable_variables)
    total = model.count_params() if model.built else 0
    totals = [
        ("Total params:", total),
        ("Trainable params:", trainable),
        ("Frozen params:", total - trainable),
    ]
    for line in summary_lines(model.name, rows, totals if model.built else []):
        (print_fn or print)(line)
