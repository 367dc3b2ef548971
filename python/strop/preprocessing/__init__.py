"""From raw texts and tables to arrays that a model reads."""

from . import sequence, text
from .splitting import shuffle, train_test_split
from .tables import MinMaxScaler, OneHotEncoder, StandardScaler

__all__ = [
    "MinMaxScaler",
    "OneHotEncoder",
    "StandardScaler",
    "sequence",
    "shuffle",
    "text",
    "train_test_split",
]
