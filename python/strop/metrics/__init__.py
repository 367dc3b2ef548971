"""Metrics: figures over all batches of an epoch. Counts accumulate; they are not means of batches."""

from __future__ import annotations

import warnings
from typing import Any

from .. import losses
from .._names import from_config, nearest, snake_case, unique_names
from .accuracy import Accuracy, BinaryAccuracy, CategoricalAccuracy, HingeAccuracy, SparseCategoricalAccuracy
from .auc import AUC
from .base import FunctionMetric, LossMetric, Mean, Metric, Sum
from .confusion import FalseNegatives, FalsePositives, Precision, Recall, TrueNegatives, TruePositives
from .from_losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    KLDivergence,
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    RootMeanSquaredError,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)
from .fscore import F1Score, FBetaScore
from .matrix import ConfusionMatrix
from .regression import R2Score
from .top_k import SparseTopKCategoricalAccuracy, TopKCategoricalAccuracy

__all__ = [
    "AUC",
    "Accuracy",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "ConfusionMatrix",
    "CosineSimilarity",
    "F1Score",
    "FBetaScore",
    "FalseNegatives",
    "FalsePositives",
    "FunctionMetric",
    "Hinge",
    "HingeAccuracy",
    "KLDivergence",
    "LogCoshError",
    "LossMetric",
    "Mean",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Metric",
    "Poisson",
    "Precision",
    "R2Score",
    "Recall",
    "RootMeanSquaredError",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "SquaredHinge",
    "Sum",
    "TopKCategoricalAccuracy",
    "TrueNegatives",
    "TruePositives",
    "get",
    "names",
    "registry",
    "resolve",
    "unique_names",
]

Shape = tuple[int | None, ...]

_CLASSES: tuple[type[Any], ...] = (
    AUC,
    Accuracy,
    BinaryAccuracy,
    BinaryCrossentropy,
    CategoricalAccuracy,
    CategoricalCrossentropy,
    CategoricalHinge,
    ConfusionMatrix,
    CosineSimilarity,
    F1Score,
    FBetaScore,
    FalseNegatives,
    FalsePositives,
    Hinge,
    HingeAccuracy,
    KLDivergence,
    LogCoshError,
    LossMetric,
    Mean,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    Precision,
    R2Score,
    Recall,
    RootMeanSquaredError,
    SparseCategoricalAccuracy,
    SparseCategoricalCrossentropy,
    SparseTopKCategoricalAccuracy,
    SquaredHinge,
    Sum,
    TopKCategoricalAccuracy,
    TrueNegatives,
    TruePositives,
)

#: The metrics by class name.
registry: dict[str, type[Any]] = {cls.__name__: cls for cls in _CLASSES}

_HIDDEN = ("LossMetric", "Mean", "Sum")

#: Every string that stands for a metric; the names of losses do too.
names: dict[str, type[Any]] = {
    name: cls for key, cls in registry.items() if key not in _HIDDEN for name in (key, snake_case(key))
} | {
    "acc": Accuracy,
    "fbeta_score": FBetaScore,
    "logcosh": LogCoshError,
    "rmse": RootMeanSquaredError,
    "sparse_top_k_categorical_accuracy": SparseTopKCategoricalAccuracy,
    "top_k_categorical_accuracy": TopKCategoricalAccuracy,
}
_SHORT: dict[str, type[Any]] = {
    "bce": BinaryCrossentropy,
    "mae": MeanAbsoluteError,
    "mape": MeanAbsolutePercentageError,
    "mse": MeanSquaredError,
    "msle": MeanSquaredLogarithmicError,
}
names |= _SHORT | {name.upper(): cls for name, cls in _SHORT.items()}


def get(identifier: object, op: str = "metrics.get") -> Metric:
    """The metric for a name, a config, an object or a function.

    Args:
        identifier: a name of a metric or a loss; a `Metric` or its class; a `Loss`; a function
            of (y_true, y_pred); or a config with its class name. A string is also the metric's name.
        op: the function that messages begin with.

    Raises:
        ValueError: the name is unknown.
        TypeError: the identifier is of another kind.

    Example:
        >>> get("precision").name, get("mae").name, get("bce").name
        ('precision', 'mae', 'bce')
    """
    what = "metrics must be known names, Metrics or callables"
    if isinstance(identifier, Metric):
        return identifier
    if isinstance(identifier, str):
        if identifier in names:
            made: Metric = names[identifier](name=identifier)
            return made
        loss = losses.names.get(identifier)
        if loss is None:
            hint = nearest(identifier, [*names, *losses.names])
            raise ValueError(f"{op}: {what}; got {identifier!r}{hint}")
        return LossMetric(loss(), identifier)
    if isinstance(identifier, dict):
        from_file: Metric = from_config(registry, identifier, op, what)
        return from_file
    if isinstance(identifier, losses.Loss):
        return LossMetric(identifier)
    if isinstance(identifier, type):
        if issubclass(identifier, Metric):
            return identifier()
    elif callable(identifier):
        return FunctionMetric(identifier)
    raise TypeError(f"{op}: {what}; got {getattr(identifier, '__name__', type(identifier).__name__)}")


def resolve(
    identifier: object,
    loss: losses.Loss | None,
    output_shape: Shape,
    target_shape: Shape,
    op: str = "compile",
) -> Metric:
    """As `get`; `"accuracy"`, `"acc"`, `"crossentropy"` and `"ce"` become what the shapes ask for.

    One unit, or a binary cross-entropy, asks for BinaryAccuracy; hinge and squared hinge for HingeAccuracy;
    labels (N,) or (N, 1) beside several units for SparseCategoricalAccuracy; labels of the output's shape for
    CategoricalAccuracy.

    Args:
        identifier: as in `get`.
        loss: of the model.
        output_shape: of the model, (None, ..., C).
        target_shape: of y.
        op: the function that messages begin with.

    Raises:
        ValueError: the name is unknown, or the metric has no figure for such an output.

    Example:
        >>> resolve("accuracy", None, (None, 3), (None,)).__class__.__name__
        'SparseCategoricalAccuracy'
    """
    if identifier in ("crossentropy", "ce"):
        return LossMetric(losses.Crossentropy().choose(output_shape, target_shape), str(identifier))
    if identifier not in ("accuracy", "acc"):
        metric = get(identifier, op)
        metric.check_output(output_shape)
        return metric
    if loss is not None and loss.regression:
        warnings.warn(
            f"{op}: metrics holds {identifier!r} beside the regression loss {loss.name!r}; "
            "accuracy counts right classes; 'mae' is the mean distance of numbers",
            UserWarning,
            stacklevel=3,
        )
    classes = output_shape[-1] if len(output_shape) > 1 else 1
    name = str(identifier)
    if isinstance(loss, losses.Hinge | losses.SquaredHinge):
        return HingeAccuracy(name)
    if classes == 1 or isinstance(loss, losses.BinaryCrossentropy | losses.BinaryFocalCrossentropy):
        return BinaryAccuracy(name)
    if len(target_shape) < len(output_shape) or target_shape[-1] == 1:
        return SparseCategoricalAccuracy(name)
    return CategoricalAccuracy(name)
