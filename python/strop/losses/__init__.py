"""Losses, as classes that reduce to one number with its gradient and as functions per sample."""

from __future__ import annotations

from typing import Any

from .._names import from_config, resolve, snake_case
from .base import Loss
from .crossentropy import BinaryCrossentropy, CategoricalCrossentropy
from .focal import BinaryFocalCrossentropy, CategoricalFocalCrossentropy
from .function import FunctionLoss
from .functions import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_hinge,
    cosine_similarity,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from .hinge import CategoricalHinge, Hinge, SquaredHinge
from .regression import (
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
)
from .similarity import CosineSimilarity, KLDivergence
from .sparse import Crossentropy, SparseCategoricalCrossentropy

__all__ = [
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "Crossentropy",
    "FunctionLoss",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_hinge",
    "cosine_similarity",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "names",
    "poisson",
    "registry",
    "sparse_categorical_crossentropy",
    "squared_hinge",
]

_CLASSES: tuple[type[Any], ...] = (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Crossentropy,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)

#: The losses by class name.
registry: dict[str, type[Any]] = {cls.__name__: cls for cls in _CLASSES}

_SHORT: dict[str, type[Any]] = {
    "bce": BinaryCrossentropy,
    "kld": KLDivergence,
    "mae": MeanAbsoluteError,
    "mape": MeanAbsolutePercentageError,
    "mse": MeanSquaredError,
    "msle": MeanSquaredLogarithmicError,
}

#: Every string that stands for a loss.
names: dict[str, type[Any]] = {
    **registry,
    **{snake_case(name): cls for name, cls in registry.items()},
    **_SHORT,
    **{name.upper(): cls for name, cls in _SHORT.items()},
    "ce": Crossentropy,
    "logcosh": LogCosh,
}

_FUNCTIONS: dict[Any, type[Any]] = {
    function: names[function.__name__]
    for function in (
        binary_crossentropy,
        binary_focal_crossentropy,
        categorical_crossentropy,
        categorical_focal_crossentropy,
        categorical_hinge,
        cosine_similarity,
        hinge,
        huber,
        kl_divergence,
        log_cosh,
        mean_absolute_error,
        mean_absolute_percentage_error,
        mean_squared_error,
        mean_squared_logarithmic_error,
        poisson,
        sparse_categorical_crossentropy,
        squared_hinge,
    )
}


def get(identifier: object, op: str = "losses.get") -> Loss | None:
    """The loss for a name, a config, an object or a function; None for None.

    Args:
        identifier: a name, as `"binary_crossentropy"`, `"mse"`, `"ce"`; a `Loss` or its class; a function of
            this module or of the user's; a config with its class name; or None.
        op: the function that messages begin with.

    Raises:
        ValueError: the name is unknown.
        TypeError: the identifier is of another kind.

    Example:
        >>> get("mse").name
        'mean_squared_error'
    """
    what = "loss must be a known name, a Loss or a callable"
    if identifier is None or isinstance(identifier, Loss):
        return identifier
    if isinstance(identifier, str):
        made: Loss = resolve(names, identifier, op, what)()
        return made
    if isinstance(identifier, dict):
        from_file: Loss = from_config(registry, identifier, op, what)
        return from_file
    if isinstance(identifier, type):
        if issubclass(identifier, Loss):
            return identifier()
    elif callable(identifier):
        cls: Any = next((cls for function, cls in _FUNCTIONS.items() if function is identifier), None)
        loss: Loss = FunctionLoss(identifier) if cls is None else cls()
        return loss
    raise TypeError(f"{op}: {what}; got {getattr(identifier, '__name__', type(identifier).__name__)}")
