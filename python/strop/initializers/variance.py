"""Initializers whose spread follows from the number of inputs and outputs of the weight."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._names import check_number
from .base import Shape
from .random import RandomInitializer, normal, truncated_normal, uniform

Array = NDArray[Any]

#: Deviation of a standard normal cut at 2: the sigma drawn from is divided by it.
TRUNCATED_STDDEV = 0.87962566103423978

MODES = ("fan_in", "fan_out", "fan_avg")
DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "uniform")


def fans(shape: Shape) -> tuple[int, int]:
    """Inputs and outputs of a weight (..., in, out): leading axes count in both.

    Example:
        >>> fans((3, 20, 40)), fans((16, 24)), fans((7,)), fans(())
        ((60, 120), (16, 24), (7, 7), (1, 1))
    """
    if len(shape) < 2:
        return (shape[0], shape[0]) if shape else (1, 1)
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


class VarianceScaling(RandomInitializer):
    """Numbers of variance `scale / fan`.

    `"uniform"` draws from [-limit, limit) with `limit = sqrt(3 scale / fan)`. `"truncated_normal"` cuts a
    normal at 2 sigma and takes sigma = sqrt(scale / fan) / 0.8796, so that the result has the variance.

    Args:
        scale: more than 0.
        mode: the fan: `"fan_in"`, `"fan_out"` or their mean `"fan_avg"`.
        distribution: `"truncated_normal"`, `"untruncated_normal"` or `"uniform"`.
        seed: int in [0, 2**32); None takes one from the stream `weights`.

    Raises:
        ValueError: a setting is out of range.

    Example:
        >>> w = VarianceScaling(scale=3.0, distribution="uniform", seed=1)((9, 100))
        >>> bool(0.99 < abs(w).max() <= 1)
        True
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
    ) -> None:
        self.scale = check_number("VarianceScaling", "scale", scale)
        if self.scale <= 0:
            raise ValueError(f"VarianceScaling: scale must be more than 0; got {self.scale}")
        if mode not in MODES:
            raise ValueError(f"VarianceScaling: mode must be one of {', '.join(MODES)}; got {mode!r}")
        distribution = "truncated_normal" if distribution == "normal" else distribution
        if distribution not in DISTRIBUTIONS:
            raise ValueError(
                f"VarianceScaling: distribution must be one of {', '.join(DISTRIBUTIONS)}; "
                f"got {distribution!r}"
            )
        self.mode = mode
        self.distribution = distribution
        super().__init__(seed)

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """Numbers of the variance that the shape asks for."""
        fan_in, fan_out = fans(shape)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, fan)
        if self.distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return uniform(rng, -limit, limit, shape, dtype)
        if self.distribution == "untruncated_normal":
            return normal(rng, 0.0, math.sqrt(variance), shape, dtype)
        return truncated_normal(rng, 0.0, math.sqrt(variance) / TRUNCATED_STDDEV, shape, dtype)


class GlorotUniform(VarianceScaling):
    """Uniform with variance `2 / (inputs + outputs)`, also called Xavier.

    Example:
        >>> w = GlorotUniform(seed=1)((16, 24))
        >>> bool(abs(w).max() <= 0.387299)
        True

    References:
        Glorot and Bengio, Understanding the difficulty of training deep networks, 2010.
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_avg", "uniform", seed)


class GlorotNormal(VarianceScaling):
    """Truncated normal with variance `2 / (inputs + outputs)`, also called Xavier."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_avg", "truncated_normal", seed)


class HeUniform(VarianceScaling):
    """Uniform with variance `2 / inputs`, for relu.

    References:
        He et al., Delving deep into rectifiers, 2015.
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(2.0, "fan_in", "uniform", seed)


class HeNormal(VarianceScaling):
    """Truncated normal with variance `2 / inputs`, for relu."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(2.0, "fan_in", "truncated_normal", seed)


class LecunUniform(VarianceScaling):
    """Uniform with variance `1 / inputs`.

    References:
        LeCun et al., Efficient backprop, 1998.
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_in", "uniform", seed)


class LecunNormal(VarianceScaling):
    """Truncated normal with variance `1 / inputs`, for selu."""

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(1.0, "fan_in", "truncated_normal", seed)
