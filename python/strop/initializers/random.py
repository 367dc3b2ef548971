"""Initializers that draw from one distribution whatever the shape of the weight."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._names import check_number, snake_case
from .._random import check_seed, generator, streams
from .base import Initializer, Shape, float_type

Array = NDArray[Any]


class RandomInitializer(Initializer):
    """Base of those that draw: each call draws the same numbers from the object's own seed.

    A class of one's own defines `draw`.
    """

    def __init__(self, seed: int | None = None) -> None:
        name = type(self).__name__
        self.seed = None if seed is None else check_seed(name, seed)
        self._seed = streams.new_seed("weights") if self.seed is None else self.seed
        self._first_weight: str | None = None

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """The numbers, from this generator alone."""
        raise NotImplementedError(f"{type(self).__name__}: draw must be defined by the class")

    def __call__(self, shape: Shape, dtype: Any = None) -> Array:
        """The numbers of this object's seed."""
        return self.draw(generator(self._seed), tuple(shape), float_type(dtype))

    def note_use(self, weight: str) -> None:
        """Warn if an object without a seed now fills a second weight."""
        if self._first_weight is None:
            self._first_weight = weight
        elif self.seed is None and weight != self._first_weight:
            name = type(self).__name__
            warnings.warn(
                f"{name}: one unseeded object fills {weight!r} with the numbers of {self._first_weight!r}; "
                f"pass the name {snake_case(name)!r}, or an object for each weight",
                UserWarning,
                stacklevel=3,
            )


def uniform(
    rng: np.random.Generator, low: float, high: float, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> Array:
    """Uniform numbers in [low, high)."""
    x = rng.random(shape, dtype=dtype.type)
    x *= dtype.type(high - low)
    x += dtype.type(low)
    return x


def normal(
    rng: np.random.Generator, mean: float, stddev: float, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> Array:
    """Normal numbers."""
    x = rng.standard_normal(shape, dtype=dtype.type)
    x *= dtype.type(stddev)
    x += dtype.type(mean)
    return x


def truncated_normal(
    rng: np.random.Generator, mean: float, stddev: float, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> Array:
    """Normal numbers; those beyond 2 stddev are drawn again."""
    x = rng.standard_normal(math.prod(shape), dtype=dtype.type)
    beyond = np.flatnonzero(np.abs(x) > 2)
    while beyond.size:
        x[beyond] = rng.standard_normal(beyond.size, dtype=dtype.type)
        beyond = beyond[np.abs(x[beyond]) > 2]
    x *= dtype.type(stddev)
    x += dtype.type(mean)
    return x.reshape(shape)


class RandomUniform(RandomInitializer):
    """Uniform numbers in [minval, maxval)."""

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> None:
        self.minval = check_number("RandomUniform", "minval", minval)
        self.maxval = check_number("RandomUniform", "maxval", maxval, low=self.minval)
        super().__init__(seed)

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """Uniform numbers."""
        return uniform(rng, self.minval, self.maxval, shape, dtype)


class RandomNormal(RandomInitializer):
    """Normal numbers."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        self.mean = check_number(type(self).__name__, "mean", mean)
        self.stddev = check_number(type(self).__name__, "stddev", stddev, low=0)
        super().__init__(seed)

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """Normal numbers."""
        return normal(rng, self.mean, self.stddev, shape, dtype)


class TruncatedNormal(RandomNormal):
    """Normal numbers, none beyond 2 stddev; their deviation is therefore 0.88 stddev."""

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """Normal numbers within 2 stddev."""
        return truncated_normal(rng, self.mean, self.stddev, shape, dtype)


class Orthogonal(RandomInitializer):
    """Rows or columns, whichever are fewer, at right angles and of length gain.

    Example:
        >>> import numpy as np
        >>> w = Orthogonal(seed=1)((4, 16), "float64")
        >>> bool(np.allclose(w @ w.T, np.eye(4)))
        True

    References:
        Saxe et al., Exact solutions to the nonlinear dynamics of learning, 2014.
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        self.gain = check_number("Orthogonal", "gain", gain)
        super().__init__(seed)

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """The orthogonal factor of a normal matrix, its signs fixed so that every direction is as likely."""
        if len(shape) < 2:
            raise ValueError(f"Orthogonal: shape must have 2 or more axes; got {shape}")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
        q *= np.where(np.diagonal(r) < 0, -1.0, 1.0)
        return np.ascontiguousarray(self.gain * (q if rows >= columns else q.T), dtype).reshape(shape)
