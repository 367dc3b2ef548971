"""Layers, with Keras' names and meanings; channels last."""

from .affine import RandomRotation, RandomTranslation, RandomZoom
from .augmentation import RandomCrop, RandomFlip
from .base import Layer
from .core import Activation, Dense, Flatten, Input
from .embedding import Embedding
from .pooling import GlobalAveragePooling1D
from .preprocessing import Normalization, Rescaling
from .regularization import Dropout
from .variable import Variable

__all__ = [
    "Activation",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlobalAveragePooling1D",
    "Input",
    "Layer",
    "Normalization",
    "RandomCrop",
    "RandomFlip",
    "RandomRotation",
    "RandomTranslation",
    "RandomZoom",
    "Rescaling",
    "Variable",
]

#: Class names, for saved models.
registry: dict[str, type[Layer]] = {
    cls.__name__: cls
    for cls in (
        Activation,
        Dense,
        Dropout,
        Embedding,
        Flatten,
        GlobalAveragePooling1D,
        Normalization,
        RandomCrop,
        RandomFlip,
        RandomRotation,
        RandomTranslation,
        RandomZoom,
        Rescaling,
    )
}
