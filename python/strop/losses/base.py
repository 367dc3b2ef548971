"""What a loss is: values per sample, their reduction to one number, and the gradient of that number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._backend import array_module, on_gpu
from .._names import Configurable, snake_case
from . import targets

Array = NDArray[Any]
ValueAndGrad = tuple[float, Array]

REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none")


class Loss(Configurable):
    """A loss: `loss(y_true, y_pred, sample_weight=None)` is one number.

    A class of one's own defines `call`, values per sample, and, to be trained, `gradient`, the derivative of
    a sample's value by its prediction. Both get float arrays of one shape (N, ..., D).

    Args:
        name: for histories and messages.
        reduction: `"sum_over_batch_size"` (the same as `"mean"`) divides the weighted sum by the number of
            samples, not by the sum of the weights; `"mean_with_sample_weight"` does the latter;
            `"sum"` does not divide; `"none"` gives the values per sample.

    Raises:
        ValueError: the reduction is unknown.

    Example:
        >>> import numpy as np
        >>> class Cubic(Loss):
        ...     def call(self, y_true, y_pred):
        ...         return np.mean(np.abs(y_true - y_pred) ** 3, axis=-1)
        ...     def gradient(self, y_true, y_pred):
        ...         return -3 * np.sign(y_true - y_pred) * (y_true - y_pred) ** 2 / y_pred.shape[-1]
        >>> Cubic()([[1.0], [0.0]], [[3.0], [0.0]])
        4.0
    """

    #: Keras' dtype of the computation; ours is float64 here whatever it is.
    ignored = frozenset({"dtype"})
    #: The last activation of a model whose logits this loss can take: "sigmoid", "softmax" or None.
    logits_activation: str | None = None
    #: Whether accuracy makes no sense beside it.
    regression = False
    #: Whether targets are int32 or int64 class ids, one per row.
    takes_class_ids = False

    def __init__(self, name: str | None = None, reduction: str | None = "sum_over_batch_size") -> None:
        reduction = "none" if reduction is None else reduction
        if reduction not in REDUCTIONS:
            raise ValueError(
                f"{type(self).__name__}: reduction must be one of {', '.join(REDUCTIONS)}; got {reduction!r}"
            )
        self.name = snake_case(type(self).__name__) if name is None else name
        self.reduction = reduction

    # ---- what a class defines

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Values per sample, (N, ...), from arrays (N, ..., D)."""
        raise NotImplementedError(f"{type(self).__name__}: call must be defined by the class")

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        """The derivative of each sample's value by its prediction, like y_pred."""
        raise NotImplementedError(f"{type(self).__name__}: gradient must be defined to be trained")

    @property
    def has_gradient(self) -> bool:
        """Whether it can be trained; `fit` asks before the first step."""
        return type(self).gradient is not Loss.gradient

    def check_values(self, op: str, argument: str, y_true: Array) -> None:
        """Refuse labels that the loss has no value for."""
        targets.require_finite(op, argument, y_true, self.name)

    # ---- what a loop calls

    def check_targets(self, y_true: ArrayLike, output_shape: tuple[int | None, ...], op: str = "fit") -> None:
        """Refuse targets that do not fit a model, before its first step.

        Args:
            y_true: the targets of the whole fit.
            output_shape: of the model, (None, ..., D).
            op: the function that messages begin with.

        Raises:
            TypeError: y_true does not hold numbers.
            ValueError: its shape is not the model's, or a label is NaN or out of range.
        """
        self.prepare_targets(y_true, output_shape, op=op)

    def prepare_targets(
        self,
        y_true: ArrayLike,
        output_shape: tuple[int | None, ...],
        dtype: Any = np.float32,
        op: str = "fit",
        argument: str = "y",
    ) -> Array:
        """Checked targets in the form that needs no conversion in the steps; rows may be cut from it."""
        array = targets.number_array(op, argument, y_true)
        # An axis of any length, as that of the steps may be, has the length that the targets have.
        own = array.shape + (0,) * len(output_shape)
        shape = (own[0], *(own[i] if d is None else d for i, d in enumerate(output_shape[1:], 1)))
        array = self.align_target(op, argument, array, shape, "the model's output")
        self.check_values(op, argument, array)
        return array if self.takes_class_ids else np.ascontiguousarray(array, dtype)

    def choose(self, output_shape: tuple[int | None, ...], target_shape: tuple[int | None, ...]) -> Loss:
        """The loss for these shapes: itself, unless it is one that depends on them."""
        return self

    def rows_kept(self, target: Array) -> Array | None:
        """Which rows of a prepared target the mean is over; None for all."""
        return None

    def align_target(self, op: str, argument: str, array: Array, shape: targets.Shape, like: str) -> Array:
        """The target in the shape that `call` takes for predictions of a shape."""
        return targets.dense_target(op, argument, array, shape, like)

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        """Values per sample, neither weighted nor reduced: (N,), or (N, ...) for outputs of more axes."""
        target, pred = self._align(y_true, y_pred)
        return self.call(target, pred)

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:
        """The loss as a Python float, of CuPy arrays as one without axes; with `"none"` the weighted values.

        Args:
            y_true: the targets, (N, ..., D); (N,) is the same as (N, 1).
            y_pred: the predictions.
            sample_weight: one number per sample, or None.

        Raises:
            ValueError: shapes differ, or a label is no class.
        """
        target, pred = self._align(y_true, y_pred)
        values = array_module(pred).asarray(self.call(target, pred))
        weight = None
        if sample_weight is not None:
            weight = targets.row_weight(type(self).__name__, sample_weight, values.shape, np.float64)
            values = values * weight
        if self.reduction == "none":
            return values.astype(pred.dtype)
        return number(values.sum(dtype=np.float64) * self._scale(target, values.size, weight))

    def value_and_grad(
        self, y_true: ArrayLike, y_pred: Array, sample_weight: ArrayLike | None = None
    ) -> ValueAndGrad:
        """The loss and its gradient by the predictions.

        Args:
            y_true: the targets.
            y_pred: float32 or float64, (N, ..., D).
            sample_weight: one number per sample, or None.

        Returns:
            A Python float, of CuPy arrays one without axes that nobody waits for, and a new array like y_pred.
        """
        target, pred = self._align(y_true, y_pred)
        library = array_module(pred)
        values, grad = (library.asarray(each(target, pred)) for each in (self.call, self.gradient))
        return self._reduced(target, values, grad.astype(np.float64, copy=False), sample_weight, y_pred)

    def value_and_grad_from_logits(
        self,
        y_true: ArrayLike,
        logits: Array,
        sample_weight: ArrayLike | None = None,
        probabilities: Array | None = None,
    ) -> ValueAndGrad:
        """The loss of `logits_activation(logits)` and its gradient by the logits.

        Args:
            y_true: the targets.
            logits: float32 or float64, C-contiguous, (N, ..., D).
            sample_weight: one number per sample, or None.
            probabilities: like logits; receives the activation's result from the same pass.
        """
        raise NotImplementedError(f"{type(self).__name__}: logits must be those of a cross-entropy")

    # ---- steps of the above

    def _align(self, y_true: Any, y_pred: Any) -> tuple[Array, Array]:
        """Both as arrays of one float type, (N, D) at least; a pair that is so already passes untouched."""
        library = array_module(y_pred)
        if (
            type(y_true) is type(y_pred) is library.ndarray
            and y_true.shape == y_pred.shape
            and y_true.dtype == y_pred.dtype
            and y_pred.ndim > 1
            and y_pred.dtype.kind == "f"
        ):
            return y_true, y_pred
        op = type(self).__name__
        pred = targets.number_array(op, "y_pred", y_pred)
        if pred.dtype.kind != "f" or not isinstance(y_pred, library.ndarray):
            pred = pred.astype(np.float32)
        if pred.ndim == 1:
            pred = pred.reshape(-1, 1)
        if pred.ndim == 0:
            raise ValueError(f"{op}: y_pred must have an axis; got a single number")
        target = targets.number_array(op, "y_true", y_true)
        target = self.align_target(op, "y_true", target, pred.shape, "y_pred")
        return target.astype(pred.dtype, copy=False), pred

    def _scale(self, target: Array, count: Any, weight: Array | None) -> Any:
        """What the weighted sum of `count` values is multiplied by; numbers of a GPU stay there."""
        if self.reduction == "none":
            raise ValueError(f"{type(self).__name__}: reduction must give one number here; got 'none'")
        if self.reduction == "sum":
            return 1.0
        if self.reduction == "mean_with_sample_weight" and weight is not None:
            return inverse(weight.sum(dtype=np.float64))
        return inverse(count)

    def _reduced(
        self, target: Array, values: Array, grad: Array, sample_weight: ArrayLike | None, y_pred: Array
    ) -> ValueAndGrad:
        """One number from the values per sample, and its gradient from theirs."""
        weight = None
        if sample_weight is not None:
            weight = targets.row_weight(type(self).__name__, sample_weight, values.shape, np.float64)
            values = values * weight
            grad = grad * weight[..., None]
        scale = self._scale(target, values.size, weight)
        return number(values.sum(dtype=np.float64) * scale), self._finish(grad * scale, y_pred)

    def _finish(self, grad: Array, y_pred: Array) -> Array:
        """The gradient in the shape and type of the predictions as given."""
        if grad.shape == y_pred.shape and grad.dtype == y_pred.dtype and grad.flags.c_contiguous:
            return grad
        result: Array = array_module(grad).ascontiguousarray(grad, dtype=y_pred.dtype).reshape(y_pred.shape)
        return result

    def _by_kernel(
        self,
        kernel: Callable[..., ValueAndGrad],
        target: Array,
        pred: Array,
        sample_weight: ArrayLike | None,
        **settings: Any,
    ) -> ValueAndGrad:
        """Value and gradient from a kernel, which divides by the number of rows."""
        weight = None
        if sample_weight is not None:
            rows = pred.shape[:-1]
            weight = targets.row_weight(type(self).__name__, sample_weight, rows, pred.dtype)
        contiguous = array_module(pred).ascontiguousarray
        value, grad = kernel(contiguous(pred), contiguous(target), sample_weight=weight, **settings)
        if self.reduction in ("sum_over_batch_size", "mean"):
            return value, grad
        rows_counted = self._rows_counted(target, pred)
        factor = self._scale(target, rows_counted, weight) * rows_counted
        grad *= factor.astype(grad.dtype) if on_gpu(factor) else grad.dtype.type(factor)
        return value * factor, grad

    def _rows_counted(self, target: Array, pred: Array) -> Any:
        return int(np.prod(pred.shape[:-1]))


def number(value: Any) -> Any:
    """A number as a Python float; one of a GPU stays there, as an array without axes."""
    return value if on_gpu(value) else float(value)


def inverse(count: Any) -> Any:
    """1 over a number, and 0 for 0."""
    if on_gpu(count):
        library = array_module(count)
        return library.where(count != 0, 1.0 / library.where(count != 0, count, 1), 0.0)
    return 1.0 / float(count) if count else 0.0
