"""What `compile` was given, output by output."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import losses
from .. import metrics as metric_module
from ..training.objective import Objective
from .structure import Structure

#: Metrics that depend on shapes which compile does not know yet.
CHOSEN_BY_SHAPE = ("accuracy", "acc", "crossentropy", "ce")


def loss_of(structure: Structure, given: Any, weights: Any) -> tuple[Any, float]:
    """The loss of a model, and its factor: a `Loss`, an `Objective` of several outputs, or None.

    Raises:
        TypeError: a factor is no number.
        ValueError: a name is unknown, or the losses are not those of the outputs.
    """
    factors = [_factor(weight) for weight in _by_output(structure, "loss_weights", weights, "one number")]
    if given is None:
        return None, factors[0]
    described = isinstance(given, dict) and set(given) == {"class_name", "config"}
    one = described or not isinstance(given, list | tuple | dict)
    each = [given] * len(factors) if one else _by_output(structure, "loss", given, "one loss")
    made = [losses.get(loss, "compile") for loss in each]
    if not structure.several:
        return made[0], factors[0]
    if not any(made):
        return None, 1.0
    return Objective(structure.names, made, factors), 1.0


def metrics_of(structure: Structure, argument: str, given: Any, loss: Any) -> list[list[Any]]:
    """The metrics of each output.

    Raises:
        TypeError: they are no list; of several outputs no list or dict.
        ValueError: a name is unknown, or they are not those of the outputs.
    """
    if not structure.several:
        by_output = structure.only("compile", argument, given)
        if by_output is not None and not isinstance(by_output, list | tuple):
            if by_output is given:
                raise TypeError(
                    f"compile: {argument} must be a list; got {type(given).__name__}; write [{given!r}]"
                )
            by_output = [by_output]
        each = [list(by_output or [])]
        if len(each[0]) == 1 and isinstance(each[0][0], list | tuple):
            each = [list(each[0][0])]
    else:
        if given is not None and not isinstance(given, list | tuple | dict):
            raise TypeError(
                f"compile: {argument} must be a list or dict by output; got {type(given).__name__}"
            )
        none = [None] * len(structure.names)
        parts = structure.parted("compile", argument, given, missing=True) if given else none
        each = [_listed(part) for part in parts]
    for metrics in each:
        for metric in metrics:
            if metric not in CHOSEN_BY_SHAPE:
                metric_module.get(metric, "compile")
    if isinstance(loss, Objective):
        for name, own, metrics in zip(structure.names, loss.losses, each, strict=True):
            if own is None and metrics:
                raise ValueError(f"compile: {argument} must be of outputs with a loss; got some of {name!r}")
    return each


def _by_output(structure: Structure, argument: str, given: Any, what: str) -> Sequence[Any]:
    """An entry per output; None where a dict has none."""
    if structure.several:
        if given is None:
            return [None] * len(structure.names)
        return structure.parted("compile", argument, given, missing=True)
    given = structure.only("compile", argument, given)
    if isinstance(given, list | tuple) and len(given) == 1:
        return [given[0]]
    if isinstance(given, list | tuple | dict):
        raise TypeError(f"compile: {argument} must be {what}; got {type(given).__name__}")
    return [given]


def _factor(weight: Any) -> float:
    if weight is None:
        return 1.0
    if isinstance(weight, bool) or not isinstance(weight, int | float):
        raise TypeError(f"compile: loss_weights must be one number; got {type(weight).__name__}")
    if not math.isfinite(weight):
        raise ValueError(f"compile: loss_weights must be finite; got {weight}")
    return float(weight)


def _listed(metrics: Any) -> list[Any]:
    if metrics is None:
        return []
    return list(metrics) if isinstance(metrics, list | tuple) else [metrics]
