"""Layers, with Keras' names and meanings; channels last."""

from .activation import ELU, LeakyReLU, ReLU, Softmax
from .base import Layer
from .batch_normalization import BatchNormalization
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
from .normalization import GroupNormalization, LayerNormalization
from .pooling import AveragePooling1D, AveragePooling2D, MaxPooling1D, MaxPooling2D
from .preprocessing import Normalization, Rescaling
from .regularization import Dropout, GaussianNoise, SpatialDropout1D
from .reshaping import Permute, RepeatVector, Reshape
from .variable import Variable

__all__ = [
    "ELU",
    "Activation",
    "Add",
    "Average",
    "AveragePooling1D",
    "AveragePooling2D",
    "BatchNormalization",
    "Concatenate",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GroupNormalization",
    "Input",
    "Layer",
    "LayerNormalization",
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
        BatchNormalization,
        Concatenate,
        Dense,
        Dropout,
        ELU,
        Embedding,
        Flatten,
        GaussianNoise,
        GlobalAveragePooling1D,
        GlobalAveragePooling2D,
        GlobalMaxPooling1D,
        GlobalMaxPooling2D,
        GroupNormalization,
        LayerNormalization,
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
        Softmax,
        SpatialDropout1D,
        Subtract,
    )
}
