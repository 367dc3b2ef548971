"""Pictures shifted, turned and zoomed at random while training; channels last."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .augmentation import RandomImage, one_of
from .sampling import FILL_MODES, INTERPOLATIONS, Sampling, affine

Array = NDArray[Any]
Factor = float | tuple[float, float]


class RandomAffine(RandomImage):
    """Base of the layers whose pixels are read at places that an affine map gives."""

    def __init__(
        self,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(seed, data_format, **settings)
        self.fill_mode = one_of(self.op, "fill_mode", fill_mode, FILL_MODES)
        self.interpolation = one_of(self.op, "interpolation", interpolation, INTERPOLATIONS)
        self.fill_value = float(fill_value)

    def matrix(self, draw: Any, count: int, height: int, width: int) -> Array:
        """The maps from output to input, (count, 6); see `sampling.affine`."""
        raise NotImplementedError(f"{self.op}: a layer must have a matrix")

    def sampling(self, x: Array, generator: np.random.Generator) -> Sampling:
        """Where the pixels of the output are read, by a draw."""
        count, height, width = x.shape[:3]

        def draw(bounds: tuple[float, float]) -> Array:
            drawn: Array = generator.uniform(*bounds, (count,))
            return drawn

        rows, columns = affine(self.matrix(draw, count, height, width), height, width)
        return Sampling(
            rows, columns, (count, height, width), self.interpolation, self.fill_mode, self.fill_value
        )

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {
            **super().get_config(),
            "fill_mode": self.fill_mode,
            "interpolation": self.interpolation,
            "fill_value": self.fill_value,
        }


class RandomTranslation(RandomAffine):
    """Shifts pictures down and to the right by random shares of their size.

    Args:
        height_factor: shares of the height, (least, most), negative ones up; one number f is (-f, f).
        width_factor: shares of the width, negative ones to the left.
        fill_mode: what comes in from outside: `"reflect"`, `"wrap"`, `"constant"` or `"nearest"`.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: None draws from strop's stream for augmentation.
        fill_value: the constant.
        data_format: only `"channels_last"` or None.
        settings: name, dtype, trainable, input_shape.

    Raises:
        ValueError: a factor lies outside [-1, 1], or a mode is unknown.

    Example:
        >>> import numpy as np
        >>> layer = RandomTranslation(0.0, (0.25, 0.25), fill_mode="constant")
        >>> layer(np.arange(1.0, 5.0).reshape(1, 1, 4, 1), training=True).ravel()
        array([0., 1., 2., 3.], dtype=float32)
    """

    def __init__(
        self,
        height_factor: Factor,
        width_factor: Factor,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **settings)
        self.height_factor = _bounds(self.op, "height_factor", height_factor)
        self.width_factor = _bounds(self.op, "width_factor", width_factor)

    def matrix(self, draw: Any, count: int, height: int, width: int) -> Array:
        """The maps from output to input."""
        down, right = draw(self.height_factor) * height, draw(self.width_factor) * width
        zero, one = np.zeros(count), np.ones(count)
        return np.stack([one, zero, -right, zero, one, -down], axis=1)

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        factors = {"height_factor": list(self.height_factor), "width_factor": list(self.width_factor)}
        return {**super().get_config(), **factors}


class RandomRotation(RandomAffine):
    """Turns pictures around their centre.

    Args:
        factor: shares of a whole turn, (least, most), positive ones counter-clockwise; one number f is (-f, f).
        fill_mode: what comes in from outside: `"reflect"`, `"wrap"`, `"constant"` or `"nearest"`.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: None draws from strop's stream for augmentation.
        fill_value: the constant.
        data_format: only `"channels_last"` or None.
        settings: name, dtype, trainable, input_shape.

    Raises:
        ValueError: factor lies outside [-1, 1], or a mode is unknown.

    Example:
        >>> import numpy as np
        >>> quarter = RandomRotation((0.25, 0.25))
        >>> quarter(np.arange(4.0).reshape(1, 2, 2, 1), training=True).reshape(2, 2)
        array([[1., 3.],
               [0., 2.]], dtype=float32)
    """

    def __init__(
        self,
        factor: Factor,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **settings)
        self.factor = _bounds(self.op, "factor", factor)

    def matrix(self, draw: Any, count: int, height: int, width: int) -> Array:
        """The maps from output to input."""
        angle = draw(self.factor) * (2 * math.pi)
        # Rounded at 15 digits, so that quarter turns have whole numbers and give the pixels themselves.
        cos, sin = np.cos(angle).round(15), np.sin(angle).round(15)
        x, y = (width - 1) / 2, (height - 1) / 2
        return np.stack([cos, -sin, x - cos * x + sin * y, sin, cos, y - sin * x - cos * y], axis=1)

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {**super().get_config(), "factor": list(self.factor)}


class RandomZoom(RandomAffine):
    """Makes pictures smaller or larger around their centre.

    Args:
        height_factor: how much more of the height is seen, (least, most): .2 is a fifth more, so things get smaller,
            -.2 a fifth less; one number f is (-f, f).
        width_factor: the same for the width; None draws one number for both.
        fill_mode: what comes in from outside: `"reflect"`, `"wrap"`, `"constant"` or `"nearest"`.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: None draws from strop's stream for augmentation.
        fill_value: the constant.
        data_format: only `"channels_last"` or None.
        settings: name, dtype, trainable, input_shape.

    Raises:
        ValueError: a factor lies outside (-1, 1], or a mode is unknown.

    Example:
        >>> import numpy as np
        >>> RandomZoom((-0.5, -0.5))(np.arange(5.0).reshape(1, 1, 5, 1), training=True).ravel()
        array([1. , 1.5, 2. , 2.5, 3. ], dtype=float32)
    """

    def __init__(
        self,
        height_factor: Factor,
        width_factor: Factor | None = None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **settings)
        self.height_factor = _bounds(self.op, "height_factor", height_factor, open_below=True)
        self.width_factor = (
            None if width_factor is None else _bounds(self.op, "width_factor", width_factor, open_below=True)
        )

    def matrix(self, draw: Any, count: int, height: int, width: int) -> Array:
        """The maps from output to input."""
        down = 1 + draw(self.height_factor)
        across = down if self.width_factor is None else 1 + draw(self.width_factor)
        zero = np.zeros(count)
        x, y = (width - 1) / 2 * (1 - across), (height - 1) / 2 * (1 - down)
        return np.stack([across, zero, x, zero, down, y], axis=1)

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        width = None if self.width_factor is None else list(self.width_factor)
        return {**super().get_config(), "height_factor": list(self.height_factor), "width_factor": width}


def _bounds(op: str, name: str, value: Any, *, open_below: bool = False) -> tuple[float, float]:
    """The least and the most of a factor."""
    given = list(value) if isinstance(value, list | tuple) else [value]
    if any(isinstance(v, str) or not hasattr(v, "__float__") or np.ndim(v) for v in given):
        raise TypeError(f"{op}: {name} must be a number or two; got {value!r}")
    pair = given if isinstance(value, list | tuple) else [-abs(value), abs(value)]
    left = "(" if open_below else "["
    if len(pair) != 2 or not all(-1 <= v <= 1 and not (open_below and v == -1) for v in pair):
        raise ValueError(f"{op}: {name} must lie in {left}-1, 1]; got {value}")
    low, high = sorted(map(float, pair))
    return low, high
