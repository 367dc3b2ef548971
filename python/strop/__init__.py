"""Neural networks on NumPy arrays: fused C++ kernels under a thin Keras-like layer.

Example:
    >>> import numpy as np
    >>> import strop
    >>> from strop.layers import Dense
    >>> model = strop.Sequential([Dense(8, activation="relu"), Dense(1, activation="sigmoid")])
    >>> model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    >>> x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> history = model.fit(x, [0, 1, 1, 0], epochs=5, verbose=0)
    >>> model.predict(x, verbose=0).shape
    (4, 1)
"""

__version__ = "0.1.0"

from . import (
    activations,
    callbacks,
    config,
    constraints,
    data,
    datasets,
    initializers,
    layers,
    losses,
    metrics,
    model_selection,
    models,
    ops,
    optim,
    optimizers,
    plot,
    preprocessing,
    regularizers,
    utils,
)
from ._backend import synchronize
from ._device import device
from .layers import Input
from .models import Model, Sequential
from .rowgrad import RowGrad

__all__ = [
    "Input",
    "Model",
    "RowGrad",
    "Sequential",
    "__version__",
    "activations",
    "callbacks",
    "config",
    "constraints",
    "data",
    "datasets",
    "device",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "model_selection",
    "models",
    "ops",
    "optim",
    "optimizers",
    "plot",
    "preprocessing",
    "regularizers",
    "synchronize",
    "utils",
]
