"""Cross-entropy with class ids, and the choice of a cross-entropy by shape."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import ops
from .._backend import array_module, on_gpu
from . import targets
from .base import Array, Loss, ValueAndGrad
from .crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CrossEntropy,
    gradient_by_probabilities,
    log_probabilities,
)


class SparseCategoricalCrossentropy(CrossEntropy):
    """`-log p[label]`, labels of shape (N,) or (N, 1); p is first divided by its sum.

    Args:
        from_logits: y_pred holds logits z, p = softmax(z).
        ignore_class: samples with this label add nothing and do not count.
        reduction: as in `Loss`.
        axis: the axis of the classes.
        name: for histories and messages.

    Raises:
        ValueError: when called, a label is no class.

    Example:
        >>> loss = SparseCategoricalCrossentropy(ignore_class=-1)
        >>> round(loss([1, -1], [[0.1, 0.7, 0.2], [0.5, 0.25, 0.25]]), 6)
        0.356675
    """

    takes_class_ids = True

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str = "sparse_categorical_crossentropy",
    ) -> None:
        super().__init__(from_logits, axis, reduction, name)
        if ignore_class is not None and (
            isinstance(ignore_class, bool) or not isinstance(ignore_class, int | np.integer)
        ):
            raise TypeError(
                f"SparseCategoricalCrossentropy: ignore_class must be an int; got {ignore_class!r}"
            )
        self.ignore_class = None if ignore_class is None else int(ignore_class)
        self.logits_activation = None if self.from_logits else "softmax"

    def check_values(self, op: str, argument: str, y_true: Array) -> None:
        """Nothing more: the labels were checked against the classes when they were aligned."""

    def align_target(self, op: str, argument: str, array: Array, shape: targets.Shape, like: str) -> Array:
        """Class ids, one for each row of the predictions."""
        return targets.labels(op, argument, array, shape[:-1], shape[-1], self.ignore_class)

    def _align(self, y_true: Any, y_pred: Any) -> tuple[Array, Array]:
        library = array_module(y_pred)
        pred: Array = library.asarray(self._last(y_pred))
        if (
            isinstance(y_true, library.ndarray)
            and y_true.dtype.char in "ilq"
            and y_true.shape == pred.shape[:-1]
            and pred.ndim > 1
            and pred.dtype.kind == "f"
        ):
            return y_true, pred
        if pred.dtype.kind != "f" or not isinstance(y_pred, library.ndarray):
            pred = targets.number_array(type(self).__name__, "y_pred", pred).astype(np.float32)
        op = type(self).__name__
        if pred.ndim < 2:
            raise ValueError(f"{op}: y_pred must have 2 or more axes; got shape {pred.shape}")
        target = targets.number_array(op, "y_true", y_true)
        return self.align_target(op, "y_true", target, pred.shape, "y_pred"), pred

    def rows_kept(self, target: Array) -> Array | None:
        """Those whose label is not ignored."""
        return None if self.ignore_class is None else self._kept(target)

    def _kept(self, y_true: Array) -> Array:
        return y_true == y_true if self.ignore_class is None else y_true != self.ignore_class  # type: ignore[no-any-return]

    def _scale(self, target: Array, count: Any, weight: Array | None) -> Any:
        if self.ignore_class is not None:
            kept = self._kept(target)
            count = self._rows_counted(target, target)
            weight = None if weight is None else weight * kept
        return super()._scale(target, count, weight)

    def _rows_counted(self, target: Array, pred: Array) -> Any:
        if self.ignore_class is None:
            return target.size
        kept = self._kept(target).sum()
        return np.maximum(kept, 1) if on_gpu(kept) else max(1, int(kept))

    def _checked(self, y_true: Array, classes: int) -> Array:
        if on_gpu(y_true):  # looked at on the host before they were moved
            return y_true
        op = type(self).__name__
        return targets.labels(op, "y_true", y_true, y_true.shape, classes, self.ignore_class)

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """The term of the label's class; 0 for ignored samples."""
        labels, kept = self._checked(y_true, y_pred.shape[-1]), self._kept(y_true)
        logs = log_probabilities(y_pred, self.from_logits)
        chosen = np.take_along_axis(logs, np.where(kept, labels, 0)[..., None], axis=-1)[..., 0]
        return np.where(kept, -chosen, 0.0)

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        """As of the one-hot labels; 0 for ignored samples."""
        classes = y_pred.shape[-1]
        one_hot = (y_true[..., None] == array_module(y_true).arange(classes)) & self._kept(y_true)[..., None]
        return gradient_by_probabilities(one_hot.astype(np.float64), y_pred)

    def value_and_grad_from_logits(
        self,
        y_true: ArrayLike,
        logits: Array,
        sample_weight: ArrayLike | None = None,
        probabilities: Array | None = None,
    ) -> ValueAndGrad:
        """`logsumexp(z) - z[label]` and `(p - onehot) w / n`, by the kernel."""
        target, pred = self._align(y_true, logits)
        value, grad = self._by_kernel(
            ops.softmax_cross_entropy,
            target,
            pred,
            sample_weight,
            ignore_class=self.ignore_class,
            probabilities=probabilities,
        )
        return value, self._finish(grad, logits)


class Crossentropy(Loss):
    """The cross-entropy that fits the shapes: binary, categorical or sparse categorical.

    One unit is binary; class ids for several units are sparse categorical; else categorical. The names
    `"crossentropy"` and `"ce"` stand for it.

    Example:
        >>> round(Crossentropy()([1, 0], [[0.1, 0.7, 0.2], [0.5, 0.25, 0.25]]), 6)
        0.524911
    """

    def __init__(
        self,
        from_logits: bool = False,
        reduction: str | None = "sum_over_batch_size",
        name: str = "crossentropy",
    ) -> None:
        super().__init__(name, reduction)
        self.from_logits = bool(from_logits)

    @property
    def has_gradient(self) -> bool:
        """Each of the three has."""
        return True

    def choose(self, output_shape: tuple[int | None, ...], target_shape: tuple[int | None, ...]) -> Loss:
        """The cross-entropy for these shapes."""
        settings: dict[str, Any] = {"from_logits": self.from_logits, "reduction": self.reduction}
        if output_shape[-1] == 1 or len(output_shape) < 2:
            return BinaryCrossentropy(**settings)
        if len(target_shape) < len(output_shape) or target_shape[-1] == 1:
            return SparseCategoricalCrossentropy(**settings)
        return CategoricalCrossentropy(**settings)

    def _chosen(self, y_true: ArrayLike, y_pred: ArrayLike) -> Loss:
        return self.choose(np.shape(y_pred), np.shape(y_true))

    def prepare_targets(
        self,
        y_true: ArrayLike,
        output_shape: tuple[int | None, ...],
        dtype: Any = np.float32,
        op: str = "fit",
        argument: str = "y",
    ) -> Array:
        """As the chosen cross-entropy does it."""
        return self.choose(output_shape, np.shape(y_true)).prepare_targets(
            y_true, output_shape, dtype, op, argument
        )

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        """Values per sample of the chosen cross-entropy."""
        return self._chosen(y_true, y_pred).values(y_true, y_pred)

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:
        """The chosen cross-entropy."""
        return self._chosen(y_true, y_pred)(y_true, y_pred, sample_weight)

    def value_and_grad(
        self, y_true: ArrayLike, y_pred: Array, sample_weight: ArrayLike | None = None
    ) -> ValueAndGrad:
        """Value and gradient of the chosen cross-entropy."""
        return self._chosen(y_true, y_pred).value_and_grad(y_true, y_pred, sample_weight)
