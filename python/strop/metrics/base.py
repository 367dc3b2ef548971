"""What a metric is: counts in float64 that grow batch by batch, and a result read from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._backend import on_gpu
from .._names import Configurable, from_config, snake_case, to_config
from ..losses import Loss
from ..losses import registry as losses_registry
from ..losses.targets import dense_target, number_array, row_weight

Array = NDArray[Any]
Result = float | list[float]


class Metric(Configurable):
    """A figure over all batches of an epoch: `reset_state`, `update_state` per batch, `result`.

    A class of one's own defines the three and, to be saved, `get_config`.

    Args:
        name: for histories; None is the class name in snake_case.
    """

    #: Keras' dtype of the counts; ours are float64 whatever it is.
    ignored = frozenset({"dtype"})

    def __init__(self, name: str | None = None) -> None:
        self.name = snake_case(type(self).__name__) if name is None else name
        self.reset_state()

    def reset_state(self) -> None:
        """Forget all batches."""
        raise NotImplementedError(f"{type(self).__name__}: reset_state must be defined by the class")

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Add a batch: `(y_true, y_pred, sample_weight=None)`."""
        raise NotImplementedError(f"{type(self).__name__}: update_state must be defined by the class")

    def result(self) -> Result:
        """The figure over the batches so far; a list where there are several thresholds."""
        raise NotImplementedError(f"{type(self).__name__}: result must be defined by the class")

    def check_output(self, output_shape: tuple[int | None, ...]) -> None:
        """Refuse a model whose output the metric has no figure for, before its first step."""

    def __call__(self, *args: Any, **kwargs: Any) -> Result:
        """Add a batch and give the result."""
        self.update_state(*args, **kwargs)
        return self.result()


def refuse_gpu(op: str, **arguments: Any) -> None:
    """Refuse arrays of a GPU: metrics count on the host, and a copy there is asked for.

    Raises:
        TypeError: one is CuPy's.
    """
    for name, array in arguments.items():
        if on_gpu(array):
            raise TypeError(f"{op}: {name} must be a numpy array; got a cupy array; move it with .get()")


class Reduction(Metric):
    """Base of those that keep a weighted sum and the sum of the weights."""

    def reset_state(self) -> None:
        """Forget all batches."""
        self.total = 0.0
        self.count = 0.0

    def add(self, values: Array, sample_weight: ArrayLike | None) -> None:
        """Add values (N, ...), each with the weight of its sample."""
        if sample_weight is None:
            self.total += float(values.sum(dtype=np.float64))
            self.count += values.size
            return
        weight = row_weight(self.name, sample_weight, values.shape, np.float64)
        self.total += float((values * weight).sum(dtype=np.float64))
        self.count += float(weight.sum())

    def result(self) -> Result:
        """The weighted mean; 0.0 before the first sample."""
        return self.total / self.count if self.count else 0.0


class Mean(Reduction):
    """The weighted mean of the values given: `update_state(values, sample_weight=None)`.

    Example:
        >>> metric = Mean()
        >>> metric.update_state([1.0, 3.0])
        >>> metric([5.0], sample_weight=[2.0])
        3.5
    """

    def update_state(self, values: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Add values."""
        refuse_gpu(self.name, values=values, sample_weight=sample_weight)
        self.add(number_array(self.name, "values", values), sample_weight)


class Sum(Mean):
    """The weighted sum of the values given.

    Example:
        >>> Sum()([1.0, 3.0])
        4.0
    """

    def result(self) -> float:
        """The sum."""
        return self.total


def aligned(op: str, y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
    """Both as arrays of one shape (N, ..., D); (N,) is the same as (N, 1)."""
    pred = number_array(op, "y_pred", y_pred)
    if pred.ndim < 2:
        pred = pred.reshape(-1, 1)
    return dense_target(op, "y_true", number_array(op, "y_true", y_true), pred.shape, "y_pred"), pred


def class_ids(op: str, y_true: ArrayLike, pred: Array) -> Array:
    """Class ids as given, one for each row of the predictions (N, ..., C)."""
    target = number_array(op, "y_true", y_true)
    rows = pred.shape[:-1]
    if target.shape == (*rows, 1):
        target = target.reshape(rows)
    if target.shape != rows:
        raise ValueError(
            f"{op}: y_true must hold one class id per sample, shape {rows}; got shape {target.shape}"
        )
    return target


class MeanOverSamples(Reduction):
    """Base of the metrics that are a mean of a value per sample; a class defines `values`."""

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        """A value for each sample, (N, ...)."""
        raise NotImplementedError(f"{type(self).__name__}: values must be defined by the class")

    def update_state(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Add a batch."""
        refuse_gpu(self.name, y_true=y_true, y_pred=y_pred, sample_weight=sample_weight)
        self.add(self.values(y_true, y_pred), sample_weight)


class LossMetric(MeanOverSamples):
    """The mean of a loss over the samples.

    Example:
        >>> from strop.losses import MeanSquaredError
        >>> LossMetric(MeanSquaredError())([[1.0], [2.0]], [[1.0], [4.0]])
        2.0
    """

    def __init__(self, loss: Loss, name: str | None = None) -> None:
        self.loss = loss
        super().__init__(loss.name if name is None else name)

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        """The loss of each sample."""
        return self.loss.values(y_true, y_pred)

    def get_config(self) -> dict[str, Any]:
        """The loss as a config, and the name."""
        if type(self) is LossMetric:
            return {"loss": to_config(self.loss), "name": self.name}
        return super().get_config()

    @classmethod
    def from_config(cls, settings: dict[str, Any]) -> Self:
        """The metric that `get_config` described."""
        settings = dict(settings)
        if isinstance(settings.get("loss"), dict):
            what = "loss must be a known class"
            settings["loss"] = from_config(losses_registry, settings["loss"], cls.__name__, what)
        return cls(**settings)


class FunctionMetric(MeanOverSamples):
    """The mean of `function(y_true, y_pred)`: an array of values per sample, or one mean for the batch.

    Example:
        >>> import numpy as np
        >>> FunctionMetric(lambda y_true, y_pred: np.abs(y_true - y_pred).max())([[1.0]], [[4.0]])
        3.0
    """

    def __init__(self, function: Callable[[Array, Array], Any], name: str | None = None) -> None:
        self.function = function
        super().__init__(getattr(function, "__name__", None) if name is None else name)

    def values(self, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
        """What the function gives; one number counts for every sample of the batch."""
        pred = np.asarray(y_pred)
        values = np.asarray(self.function(np.asarray(y_true), pred), np.float64)
        return np.broadcast_to(values, pred.shape[:1]) if values.ndim == 0 else values
