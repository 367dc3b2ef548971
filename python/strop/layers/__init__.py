"""Layers, with Keras' names and meanings; channels last."""

from .base import Layer
from .convolutional import Conv1D, Conv2D
from .core import Activation, Dense, Flatten, Input
from .embedding import Embedding
from .pooling import GlobalAveragePooling1D
from .regularization import Dropout
from .separable import DepthwiseConv2D, SeparableConv2D
from .variable import Variable

__all__ = [
    "Activation",
    "Conv1D",
    "Conv2D",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlobalAveragePooling1D",
    "Input",
    "Layer",
    "SeparableConv2D",
    "Variable",
]

#: Class names, for saved models.
registry: dict[str, type[Layer]] = {
    cls.__name__: cls
    for cls in (
        Activation,
        Conv1D,
        Conv2D,
        Dense,
        DepthwiseConv2D,
        Dropout,
        Embedding,
        Flatten,
        GlobalAveragePooling1D,
        SeparableConv2D,
    )
}
