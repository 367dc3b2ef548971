"""Layers, with Keras' names and meanings; channels last."""

from .base import Layer
from .bidirectional import Bidirectional
from .core import Activation, Dense, Flatten, Input
from .embedding import Embedding
from .gru import GRU
from .lstm import LSTM
from .masking import Masking
from .pooling import GlobalAveragePooling1D
from .regularization import Dropout
from .simple_rnn import SimpleRNN
from .variable import Variable
from .wrappers import TimeDistributed

__all__ = [
    "GRU",
    "LSTM",
    "Activation",
    "Bidirectional",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlobalAveragePooling1D",
    "Input",
    "Layer",
    "Masking",
    "SimpleRNN",
    "TimeDistributed",
    "Variable",
]

#: Class names, for saved models.
registry: dict[str, type[Layer]] = {
    cls.__name__: cls
    for cls in (
        GRU,
        LSTM,
        Activation,
        Bidirectional,
        Dense,
        Dropout,
        Embedding,
        Flatten,
        GlobalAveragePooling1D,
        Masking,
        SimpleRNN,
        TimeDistributed,
    )
}
