"""Tables of numbers and of names made ready: scaled columns and one-hot columns, by what the training rows show."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .moments import Moments, blocks, numbers

Array = NDArray[Any]


class Scaler:
    """Base of the scalers: `(x - offset) / scale` by column, and back."""

    def __init__(self) -> None:
        self.offset: Array | None = None
        self.scale: Array | None = None

    def fit(self, x: Any) -> Self:
        """Learn from the training rows, some megabytes at a time.

        Args:
            x: numbers, (N, D) or (N,): an array, a memory map, a pandas frame, or an iterable of such.

        Raises:
            ValueError: there is no row, or a number is NaN or infinite.
        """
        raise NotImplementedError(f"{type(self).__name__}: a scaler must have a fit")

    def transform(self, x: Any) -> Array:
        """The scaled numbers: float32 of float32, float64 of anything else.

        Raises:
            ValueError: the scaler has not been fitted, or x has other columns.
        """
        array, offset, scale = self._ready("transform", x)
        result: Array = (array - offset) / scale
        return result

    def fit_transform(self, x: Any) -> Array:
        """Learn from x and scale it."""
        return self.fit(x).transform(x)

    def inverse_transform(self, x: Any) -> Array:
        """The numbers that x was scaled from.

        Raises:
            ValueError: the scaler has not been fitted, or x has other columns.
        """
        array, offset, scale = self._ready("inverse_transform", x)
        result: Array = array * scale + offset
        return result

    def get_config(self) -> dict[str, Any]:
        """What was learnt, of JSON's types alone, as `from_config` takes it."""
        learnt = {"offset": self.offset, "scale": self.scale}
        return {name: None if value is None else value.tolist() for name, value in learnt.items()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The scaler that `get_config` described."""
        scaler = cls()
        scaler._restore(config)
        return scaler

    def _restore(self, config: dict[str, Any]) -> None:
        self.offset, self.scale = (
            None if config[name] is None else np.asarray(config[name], np.float64)
            for name in ("offset", "scale")
        )

    def _learn(self, offset: Array, scale: Array) -> Self:
        self.offset, self.scale = offset, np.where(scale == 0, 1.0, scale)
        return self

    def _checked(self, x: Any) -> Iterable[Array]:
        """Blocks of rows, all finite and of one width."""
        op = f"{type(self).__name__}.fit"
        width: tuple[int, ...] | None = None
        begin = 0
        for block in blocks(op, x):
            width = block.shape[1:] if width is None else width
            if block.ndim > 2 or block.shape[1:] != width:
                raise ValueError(f"{op}: x must have shape (N, D) or (N,); got {block.shape}")
            if block.dtype.kind == "f" and not (good := np.isfinite(block)).all():
                at = tuple(int(i) for i in np.argwhere(~good)[0])
                place = (at[0] + begin, *at[1:])
                raise ValueError(f"{op}: x must be finite; got {block[at]} at {place}")
            begin += len(block)
            if len(block):
                yield block
        if not begin:
            raise ValueError(f"{op}: x must have a row; got none")

    def _ready(self, method: str, x: Any) -> tuple[Array, Array, Array]:
        op = f"{type(self).__name__}.{method}"
        if self.offset is None or self.scale is None:
            raise ValueError(f"{op}: the scaler must be fitted; call fit first")
        array = numbers(op, x)
        array = array.astype(np.float32 if array.dtype == np.float32 else np.float64)
        if array.shape[1:] != self.offset.shape:
            raise ValueError(
                f"{op}: x must have shape {('N', *self.offset.shape)} as in fit; got {array.shape}".replace(
                    "'N'", "N"
                )
            )
        return array, self.offset.astype(array.dtype), self.scale.astype(array.dtype)


class StandardScaler(Scaler):
    """Every column gets mean 0 and variance 1 over the training rows; a constant one is only centred.

    Example:
        >>> scaler = StandardScaler()
        >>> scaler.fit_transform([[1.0, 7.0], [3.0, 7.0]])
        array([[-1.,  0.],
               [ 1.,  0.]])
        >>> scaler.inverse_transform([[0.0, 1.0]])
        array([[2., 8.]])
    """

    def fit(self, x: Any) -> Self:
        """Learn mean and deviation of every column, in float64; see `Scaler.fit`."""
        moments: Moments | None = None
        for block in self._checked(x):
            moments = moments or Moments(tuple(range(1, block.ndim)))
            moments.add(block)
        assert moments is not None
        return self._learn(moments.mean, np.sqrt(moments.variance))


class MinMaxScaler(Scaler):
    """Every column goes from the least to the most of a range over the training rows; a constant one to the least.

    Args:
        feature_range: the least and the most.

    Raises:
        ValueError: feature_range is no rising pair.

    Example:
        >>> scaler = MinMaxScaler()
        >>> scaler.fit_transform([[1.0, 7.0], [3.0, 7.0], [2.0, 7.0]])
        array([[0. , 0. ],
               [1. , 0. ],
               [0.5, 0. ]])
    """

    def __init__(self, feature_range: tuple[float, float] = (0.0, 1.0)) -> None:
        super().__init__()
        pair = tuple(feature_range)
        if len(pair) != 2 or not pair[0] < pair[1]:
            raise ValueError(f"MinMaxScaler: feature_range must be a rising pair; got {feature_range}")
        self.feature_range = (float(pair[0]), float(pair[1]))

    def fit(self, x: Any) -> Self:
        """Learn the least and the most of every column; see `Scaler.fit`."""
        low = high = None
        for block in self._checked(x):
            least, most = (f(block, axis=0).astype(np.float64) for f in (np.min, np.max))
            low = least if low is None else np.minimum(low, least)
            high = most if high is None else np.maximum(high, most)
        assert low is not None
        assert high is not None
        least, most = self.feature_range
        scale = (high - low) / (most - least)
        return self._learn(low - least * np.where(scale == 0, 1.0, scale), scale)

    def get_config(self) -> dict[str, Any]:
        """What was learnt, of JSON's types alone, as `from_config` takes it."""
        return {**super().get_config(), "feature_range": list(self.feature_range)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The scaler that `get_config` described."""
        scaler = cls(tuple(config["feature_range"]))
        scaler._restore(config)
        return scaler


class OneHotEncoder:
    """Columns of names or numbers as one-hot columns, in sorted order of what the training rows hold.

    Args:
        handle_unknown: what a value does that was not there: `"error"`, or `"ignore"`, which gives zeros.

    Raises:
        ValueError: handle_unknown is another.

    Example:
        >>> encoder = OneHotEncoder()
        >>> encoder.fit_transform(["red", "blue", "red"])
        array([[0., 1.],
               [1., 0.],
               [0., 1.]], dtype=float32)
        >>> encoder.categories
        [['blue', 'red']]
    """

    def __init__(self, handle_unknown: str = "error") -> None:
        if handle_unknown not in ("error", "ignore"):
            raise ValueError(
                f"OneHotEncoder: handle_unknown must be 'error' or 'ignore'; got {handle_unknown!r}"
            )
        self.handle_unknown = handle_unknown
        #: The values of each column, in the order of their one-hot columns.
        self.categories: list[list[Any]] | None = None

    def fit(self, x: Any) -> Self:
        """Learn the values of each column of x, (N,) or (N, D)."""
        self.categories = [sorted(set(column)) for column in _columns("OneHotEncoder.fit", x)]
        return self

    def transform(self, x: Any) -> Array:
        """One-hot columns, float32, those of the first column of x first.

        Raises:
            ValueError: a value was not there in fit, or x has other columns.
        """
        op = "OneHotEncoder.transform"
        if self.categories is None:
            raise ValueError(f"{op}: the encoder must be fitted; call fit first")
        columns = _columns(op, x)
        if len(columns) != len(self.categories):
            raise ValueError(f"{op}: x must have {len(self.categories)} columns; got {len(columns)}")
        parts = []
        for i, (values, column) in enumerate(zip(self.categories, columns, strict=True)):
            places = {value: place for place, value in enumerate(values)}
            part = np.zeros((len(column), len(values)), np.float32)
            for row, value in enumerate(column):
                place = places.get(value)
                if place is not None:
                    part[row, place] = 1
                elif self.handle_unknown == "error":
                    raise ValueError(f"{op}: values must be known from fit; got {value!r} at ({row}, {i})")
            parts.append(part)
        return np.concatenate(parts, axis=1)

    def fit_transform(self, x: Any) -> Array:
        """Learn the values of x and encode it."""
        return self.fit(x).transform(x)

    def inverse_transform(self, x: Any) -> list[Any]:
        """The values: one list of one column, else a list of tuples; None where no one-hot column is set."""
        op = "OneHotEncoder.inverse_transform"
        if self.categories is None:
            raise ValueError(f"{op}: the encoder must be fitted; call fit first")
        array = np.asarray(x)
        widths = [len(values) for values in self.categories]
        if array.ndim != 2 or array.shape[1] != sum(widths):
            raise ValueError(f"{op}: x must have {sum(widths)} columns; got shape {array.shape}")
        parts = np.split(array, np.cumsum(widths)[:-1], axis=1)
        columns = [
            [values[row.argmax()] if row.any() else None for row in part]
            for values, part in zip(self.categories, parts, strict=True)
        ]
        return columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))


def _columns(op: str, x: Any) -> list[list[Any]]:
    """The columns as lists of Python's values."""
    array = x.to_numpy() if hasattr(x, "to_numpy") else x
    if not isinstance(array, np.ndarray):
        array = np.array(list(array), object)
    if array.ndim not in (1, 2) or not len(array):
        raise ValueError(f"{op}: x must have shape (N,) or (N, D) and a row; got {array.shape}")
    columns: list[list[Any]] = [array.tolist()] if array.ndim == 1 else array.T.tolist()
    return columns
