"""Layers, with Keras' names and meanings; channels last."""

from .activation import ELU, LeakyReLU, ReLU, Softmax
from .base import Layer
from .convolutional import Conv1D, Conv2D
from .core import Activation, Dense, Flatten, Input
from .embedding import Embedding
from .global_pooling import (
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
)
from .merge import Merge
from .merging import Add, Average, Concatenate, Maximum, Minimum, Multiply, Subtract
from .pooling import AveragePooling1D, AveragePooling2D, MaxPooling1D, MaxPooling2D
from .preprocessing import Normalization, Rescaling
from .regularization import Dropout, GaussianNoise, SpatialDropout1D
from .reshaping import Permute, RepeatVector, Reshape
from .separable import DepthwiseConv2D, SeparableConv2D
from .variable import Variable

__all__ = [
    "ELU",
    "Activation",
    "Add",
    "Average",
    "AveragePooling1D",
    "AveragePooling2D",
    "Concatenate",
    "Conv1D",
    "Conv2D",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "Embedding",
    "Flatten",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "Input",
    "Layer",
    "LeakyReLU",
    "MaxPooling1D",
    "MaxPooling2D",
    "Maximum",
    "Merge",
    "Minimum",
    "Multiply",
    "Normalization",
    "Permute",
    "ReLU",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "SeparableConv2D",
    "Softmax",
    "SpatialDropout1D",
    "Subtract",
    "Variable",
]

#: Class names, for saved models.
registry: dict[str, type[Layer]] = {
    cls.__name__: cls
    for cls in (
        Activation,
        Add,
        Average,
        AveragePooling1D,
        AveragePooling2D,
        Concatenate,
        Conv1D,
        Conv2D,
        Dense,
        DepthwiseConv2D,
        Dropout,
        ELU,
        Embedding,
        Flatten,
        GaussianNoise,
        GlobalAveragePooling1D,
        GlobalAveragePooling2D,
        GlobalMaxPooling1D,
        GlobalMaxPooling2D,
        LeakyReLU,
        MaxPooling1D,
        MaxPooling2D,
        Maximum,
        Minimum,
        Multiply,
        Normalization,
        Permute,
        ReLU,
        RepeatVector,
        Rescaling,
        Reshape,
        SeparableConv2D,
        Softmax,
        SpatialDropout1D,
        Subtract,
    )
}
