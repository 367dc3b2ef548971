"""Loss and metrics over an epoch, of one output or of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .placing import BLOCK, joined_on_host, numbers_on_host
from .program import Stretch

Array = NDArray[Any]
Logs = dict[str, Any]


class Averages:
    """Loss and metrics over an epoch: the loss weighted by batch size, metrics fed in blocks.

    Of a masked output every metric counts the rows that are not masked: the mask is a weight of 0 or 1.
    """

    def __init__(self, head: Any, metrics: list[tuple[str, Any, bool]]) -> None:
        self.head, self.metrics = head, metrics
        self.reset()

    def reset(self) -> None:
        """Start an epoch."""
        self.total, self.count = 0.0, 0
        self._losses: list[tuple[Any, int]] = []
        self._held: list[tuple[Array, Array, Array | None, Array | None]] = []
        for _, metric, _ in self.metrics:
            metric.reset_state()

    def add(self, stretch: Stretch, size: int) -> None:
        """Take in some batches of `size` samples, the last of which may be short; targets and weights on the host."""
        losses, output, y, weight, mask = stretch
        left = len(output)
        for loss in losses:
            self._losses.append((loss, min(size, left)))
            left -= size
        if self.metrics and y is not None:
            if self._held and self._held[-1][1].shape[1:] != output.shape[1:]:
                self._release()  # texts of another length
            self._held.append((y, output, weight, mask))
        if len(self._losses) >= BLOCK:
            self._release()

    def _release(self) -> None:
        """Count what was held back. Of a GPU, losses and outputs are fetched here: for a block of steps one wait."""
        values = numbers_on_host([loss for loss, _ in self._losses])
        for value, (_, size) in zip(values, self._losses, strict=True):
            self.total += value * size
            self.count += size
        self._losses = []
        if not self._held:
            return
        targets, outputs, weights, masks = zip(*self._held, strict=True)
        self._held = []
        target = np.concatenate(targets)
        predicted = self.head.forward(joined_on_host(outputs))
        weight = None if weights[0] is None else np.concatenate([w for w in weights if w is not None])
        plain = None
        if masks[0] is not None:
            plain = joined_on_host(masks).astype(predicted.dtype)
            weight = plain if weight is None else plain * weight.reshape(-1, *[1] * (plain.ndim - 1))
        for _, metric, weighted in self.metrics:
            metric.update_state(target, predicted, weight if weighted else plain)

    def logs(self) -> Logs:
        """The values so far, the loss first, metrics as compiled."""
        self._release()
        values: Logs = {"loss": self.total / self.count if self.count else 0.0}
        for name, metric, _ in self.metrics:
            values[name] = metric.result()
        return values


class AveragesOfSeveral:
    """The loss over an epoch, that of each output if several have one, and the metrics of each."""

    def __init__(
        self, plan: Any, names: Sequence[str], metrics: Sequence[list[tuple[str, Any, bool]]]
    ) -> None:
        trained = plan.loss.trained
        #: What `LossParts.parts` are of: the names, or none where there is but one.
        self._trained = {k: f"{names[k]}_loss" for k in trained} if len(trained) > 1 else {}
        self._places = trained
        self._total = Averages(plan.head, [])
        self._outputs = [Averages(head, own) for head, own in zip(plan.head, metrics, strict=True)]

    def reset(self) -> None:
        """Start an epoch."""
        for averages in (self._total, *self._outputs):
            averages.reset()

    def add(self, stretch: Stretch, size: int) -> None:
        """Take in some batches of `size` samples, the last of which may be short."""
        losses, outputs, y, weight, masks = stretch
        self._total.add(([loss.total for loss in losses], outputs[0], None, None, None), size)
        for k, averages in enumerate(self._outputs):
            parts = [loss.parts[self._places.index(k)] for loss in losses] if k in self._places else []
            target, own = (None if each is None else each[k] for each in (y, weight))
            averages.add((parts, outputs[k], target, own, None if masks is None else masks[k]), size)

    def logs(self) -> Logs:
        """The values so far: the loss, the outputs' losses, the metrics output by output."""
        each = [averages.logs() for averages in self._outputs]
        values = self._total.logs()
        values |= {name: each[k]["loss"] for k, name in self._trained.items()}
        for logs in each:
            values |= {name: value for name, value in logs.items() if name != "loss"}
        return values
