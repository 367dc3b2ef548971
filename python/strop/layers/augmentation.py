"""Pictures mirrored and cropped at random while training; channels last.

Each picture of a batch has a draw of its own. Draws come from the layer's seed, or else from strop's stream for
augmentation, on the host, and so do not depend on threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _random
from .._backend import kernels, on_gpu
from .base import Grads, Layer, Shape
from .core import whole_number
from .sampling import Sampling, resized
from .windows import check_data_format

Array = NDArray[Any]


class RandomImage(Layer):
    """Base of the layers that change pictures while training and pass them through otherwise."""

    def __init__(self, seed: int | None = None, data_format: str | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        check_data_format(self.op, data_format)
        self.seed = None if seed is None else _random.check_seed(self.op, seed)
        self._streams = None if seed is None else _random.Streams(seed)

    def build(self, input_shape: Shape) -> None:
        """Refuse what is no batch of pictures."""
        if len(input_shape) != 4:
            raise ValueError(
                f"{self.op} {self.name!r}: inputs must have 4 axes (batch, height, width, channels); "
                f"got shape {input_shape}"
            )

    def sampling(self, x: Array, generator: np.random.Generator) -> Sampling:
        """Where the pixels of the output are read, by a draw."""
        raise NotImplementedError(f"{self.op}: a layer must have a sampling")

    def forward(self, x: Array, *, training: bool = False, mask: Array | None = None) -> tuple[Array, Any]:
        """The output, and where its pixels were read."""
        if not training:
            return x, None
        if on_gpu(x):
            kernels(self.op, x)  # says that there is no CUDA kernel
        sampling = self.sampling(x, (self._streams or _random.streams).generator("augmentation"))
        return sampling.forward(x), sampling

    def backward(self, grad: Array, saved: Any, need_x: bool = True) -> tuple[Array | None, Grads]:
        """The gradient by the input."""
        if not need_x:
            return None, []
        return (grad if saved is None else saved.backward(grad)), []

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {**super().get_config(), "seed": self.seed}


class RandomFlip(RandomImage):
    """Mirrors pictures, each with probability 1/2, left to right, top to bottom, or both by one draw.

    Args:
        mode: `"horizontal"`, `"vertical"` or `"horizontal_and_vertical"`.
        seed: None draws from strop's stream for augmentation.
        data_format: only `"channels_last"` or None.
        settings: name, dtype, trainable, input_shape.

    Raises:
        ValueError: mode is another.

    Example:
        >>> import numpy as np
        >>> layer = RandomFlip("horizontal", seed=1)
        >>> layer(np.arange(3.0).reshape(1, 1, 3, 1), training=True).ravel()
        array([2., 1., 0.], dtype=float32)
    """

    def __init__(
        self,
        mode: str = "horizontal_and_vertical",
        seed: int | None = None,
        data_format: str | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(seed, data_format, **settings)
        self.mode = one_of(self.op, "mode", mode, ("horizontal", "vertical", "horizontal_and_vertical"))
        self._axes = [axis for axis, word in ((1, "vertical"), (2, "horizontal")) if word in mode]

    def forward(self, x: Array, *, training: bool = False, mask: Array | None = None) -> tuple[Array, Any]:
        """The output, and which pictures were mirrored."""
        if not training:
            return x, None
        if on_gpu(x):
            kernels(self.op, x)
        flipped = (self._streams or _random.streams).generator("augmentation").random(len(x)) <= 0.5
        return self._mirrored(x, flipped), flipped

    def _mirrored(self, x: Array, flipped: Array) -> Array:
        y = x.copy()
        y[flipped] = np.flip(x[flipped], tuple(self._axes))
        return y

    def backward(self, grad: Array, saved: Any, need_x: bool = True) -> tuple[Array | None, Grads]:
        """The gradient by the input."""
        if not need_x:
            return None, []
        return (grad if saved is None else self._mirrored(grad, saved)), []

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {**super().get_config(), "mode": self.mode}


class RandomCrop(RandomImage):
    """Cuts out a part at a random place while training; otherwise the largest part of the same shape, made to fit.

    Pictures that are too small are resized while training, too.

    Args:
        height: of the output.
        width: of the output.
        seed: None draws from strop's stream for augmentation.
        data_format: only `"channels_last"` or None.
        settings: name, dtype, trainable, input_shape.

    Raises:
        ValueError: height or width is not 1 or more.

    Example:
        >>> import numpy as np
        >>> RandomCrop(1, 2, seed=0)(np.arange(8.0).reshape(1, 2, 4, 1), training=True).ravel()
        array([1., 2.], dtype=float32)
    """

    def __init__(
        self,
        height: int,
        width: int,
        seed: int | None = None,
        data_format: str | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(seed, data_format, **settings)
        self.height = whole_number(self.op, "height", height)
        self.width = whole_number(self.op, "width", width)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape with the new height and width."""
        return (input_shape[0], self.height, self.width, input_shape[3])

    def sampling(self, x: Array, generator: np.random.Generator) -> Sampling:
        """Where the pixels of the output are read, by a draw."""
        count, height, width = x.shape[:3]
        if height <= self.height or width <= self.width:
            return self._fitted(x)
        top = generator.integers(height - self.height + 1, size=(count, 1, 1))
        left = generator.integers(width - self.width + 1, size=(count, 1, 1))
        rows, columns = top + np.arange(self.height)[:, None], left + np.arange(self.width)
        return Sampling(rows, columns, (count, height, width), "nearest")

    def _fitted(self, x: Array) -> Sampling:
        count, height, width = x.shape[:3]
        if not height or not width:
            raise ValueError(f"{self.op} {self.name!r}: inputs must have a pixel; got shape {x.shape}")
        part_height = max(min(height, int(width * self.height / self.width)), 1)
        part_width = max(min(width, int(height * self.width / self.height)), 1)
        box = ((height - part_height) // 2, (width - part_width) // 2, part_height, part_width)
        return Sampling(*resized(count, box, self.height, self.width), (count, height, width))

    def forward(self, x: Array, *, training: bool = False, mask: Array | None = None) -> tuple[Array, Any]:
        """The output, and where its pixels were read."""
        if training:
            return super().forward(x, training=True)
        if on_gpu(x):
            kernels(self.op, x)
        sampling = self._fitted(x)
        return sampling.forward(x), sampling

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {**super().get_config(), "height": self.height, "width": self.width}


def one_of(op: str, name: str, value: Any, known: tuple[str, ...]) -> str:
    """The value, if it is a known name."""
    if value not in known:
        raise ValueError(f"{op}: {name} must be one of {', '.join(map(repr, known))}; got {value!r}")
    return str(value)
