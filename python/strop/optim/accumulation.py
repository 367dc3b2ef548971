"""Gradients of several micro-batches made into one."""

from __future__ import annotations

from typing import Any

from .._names import check_whole
from ..optimizers.accumulation import Accumulator
from .gradients import label, leaves, listed, present, rebuild


class GradientAccumulator:
    """Adds up the gradients of micro-batches until there is one to step with.

    Gradients are copied or added at once, so their owner may overwrite them between two calls. None counts as zeros; a
    parameter whose gradients are all None gets None. `RowGrad`s stay sparse until a dense gradient joins them.

    Args:
        steps: micro-batches that make one gradient.
        reduction: `"mean"`, the gradient of the mean loss over micro-batches of one size, or `"sum"`.

    Raises:
        ValueError: steps is no whole number from 1, or reduction is unknown.

    Example:
        >>> import numpy as np
        >>> from strop.optim import SGD
        >>> weight = np.ones(1)
        >>> optimizer, accumulator = SGD([weight], lr=0.1), GradientAccumulator(2)
        >>> for gradient in (1.0, 3.0, 5.0, 7.0):
        ...     grads = accumulator.add([np.array([gradient])])
        ...     if grads is not None:
        ...         optimizer.step(grads)
        >>> weight
        array([0.2])
    """

    op = "GradientAccumulator"

    def __init__(self, steps: int, reduction: str = "mean") -> None:
        check_whole(self.op, "steps", steps, 1)
        if reduction not in ("mean", "sum"):
            raise ValueError(f"{self.op}: reduction must be 'mean' or 'sum'; got {reduction!r}")
        self.steps, self.reduction = steps, reduction
        self._structure: Any = None
        self._paths: list[tuple[Any, ...]] = []
        self.reset()

    def __repr__(self) -> str:
        return f"{self.op}({self.calls} of {self.steps} micro-batches, {self.reduction})"

    @property
    def calls(self) -> int:
        """Micro-batches that have been added since the last gradient was made."""
        return self._sums.calls

    def reset(self) -> None:
        """Forget what has been added."""
        self._sums = Accumulator(self.steps, self.reduction)
        self._kinds: list[tuple[Any, Any] | None] = []

    def add(self, grads: Any) -> Any | None:
        """Add the gradients of one micro-batch.

        Args:
            grads: as `Optimizer.step` takes them, in the same structure until a gradient has been made.

        Returns:
            The mean or the sum, in that structure, if this was the last micro-batch of it; else None.

        Raises:
            TypeError: a gradient is no array of floats and no `RowGrad`, or of another dtype than before.
            ValueError: the structure or a shape is another than before, or an array is strided. Nothing has been added
                then.
        """
        grads = listed(grads)
        present(self.op, grads, written=False)
        found = list(leaves(grads))
        self._check(found)
        if not self.calls:
            self._structure, self._paths = grads, [path for path, _ in found]
            self._kinds = [None] * len(found)
        for i, (_, grad) in enumerate(found):
            if grad is not None:
                self._kinds[i] = (grad.shape, grad.dtype)
        made = self._sums.add([grad for _, grad in found])
        return None if made is None else rebuild(self._structure, iter(made))

    def take(self) -> Any | None:
        """The mean or the sum of the micro-batches so far, for the last ones of an epoch; None if there are none."""
        made = self._sums.take()
        return None if made is None else rebuild(self._structure, iter(made))

    def _check(self, found: list[tuple[tuple[Any, ...], Any]]) -> None:
        if not self.calls:
            return
        if [path for path, _ in found] != self._paths:
            raise ValueError(
                f"{self.op}: grads must keep the structure of the first micro-batch "
                f"({len(self._paths)} gradients); got {len(found)} in another one"
            )
        for (path, grad), kind in zip(found, self._kinds, strict=True):
            if grad is None or kind is None:
                continue
            shape, dtype = kind
            if grad.shape != shape:
                raise ValueError(
                    f"{self.op}: grads{label(path)} must have shape {shape} as before; got {grad.shape}"
                )
            if grad.dtype != dtype:
                raise TypeError(f"{self.op}: grads{label(path)} must be {dtype} as before; got {grad.dtype}")
