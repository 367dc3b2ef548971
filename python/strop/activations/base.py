"""The objects with a gradient that layers hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import ArrayLike, NDArray

from .. import config, ops
from .._backend import array_module
from .._names import nearest

Array = NDArray[Any]

_ALIASES = {"swish": "silu"}
_PRESETS: dict[str, tuple[str, dict[str, float]]] = {"relu6": ("relu", {"max_value": 6.0})}
_ALONG_ROWS = ("softmax", "log_softmax")

#: Every name an `Activation` may have.
NAMES = sorted([*ops.ACTIVATIONS, *_ALONG_ROWS, *_ALIASES, *_PRESETS])


def float_array(x: ArrayLike) -> Array:
    """A C-contiguous float array; whole numbers become the default float type."""
    library = array_module(x)
    array = library.asarray(x)
    if array.dtype.kind in "biu" or not isinstance(x, library.ndarray):
        array = array.astype(config.floatx())
    result: Array = library.ascontiguousarray(array).reshape(array.shape)
    return result


class Activation:
    """An elementwise activation, or softmax along the last axis, with its gradient.

    Called on an array it is the function; a layer uses `forward` and `backward`, which take float arrays
    of one type in C order and convert nothing.

    Args:
        name: a name that `activations.get` knows.
        settings: those of the function of that name.

    Raises:
        ValueError: the name is unknown.
        TypeError: a setting does not belong to the activation.

    Example:
        >>> import numpy as np
        >>> relu = Activation("relu")
        >>> x = np.array([-1.0, 2.0])
        >>> y = relu.forward(x)
        >>> y, relu.backward(np.ones(2), x, y)
        (array([0., 2.]), array([0., 1.]))
    """

    #: Whether `backward` can be called; `fit` asks before the first step.
    has_gradient = True

    def __init__(self, name: str, **settings: float) -> None:
        kernel = _ALIASES.get(name, name)
        preset: dict[str, float] = {}
        if kernel in _PRESETS:
            kernel, preset = _PRESETS[kernel]
        known = {} if kernel in _ALONG_ROWS else ops.ACTIVATIONS.get(kernel)
        if known is None:
            raise ValueError(f"Activation: name must be a known name; got {name!r}{nearest(name, NAMES)}")
        for key in settings:
            if key not in known or key in preset:
                raise TypeError(f"Activation: {name} takes {', '.join(known) or 'no settings'}; got {key}")
        self.name = name
        self.settings = settings
        self.kernel = kernel
        self._kernel_settings = {**preset, **settings}

    @property
    def fused(self) -> str | None:
        """The name under which `ops.matmul` can apply it to its result, or None."""
        return self.kernel if self.kernel in ops.FUSED_ACTIVATIONS and not self._kernel_settings else None

    def forward(self, x: Array) -> Array:
        """The activation of x; x itself if linear."""
        if self.kernel == "linear":
            return x
        if self.kernel == "softmax":
            return ops.softmax(x)
        if self.kernel == "log_softmax":
            return ops.log_softmax(x)
        return ops.activation(x, name=self.kernel, out=None, **self._kernel_settings)

    def backward(self, grad: Array, x: Array, y: Array) -> Array:
        """The gradient by x, from the gradient by y = forward(x); grad itself if linear."""
        if self.kernel == "linear":
            return grad
        if self.kernel == "softmax":
            return ops.softmax_backward(grad, y)
        if self.kernel == "log_softmax":
            return ops.log_softmax_backward(grad, y)
        return ops.activation_backward(grad, x, y, name=self.kernel, **self._kernel_settings)

    def __call__(self, x: ArrayLike) -> Array:
        """The activation of an array, a list or a number, as a new array."""
        array = float_array(x)
        y = self.forward(array)
        return y.copy() if y is array else y

    def __repr__(self) -> str:
        return f"Activation({', '.join([repr(self.name), *(f'{k}={v}' for k, v in self.settings.items())])})"

    def get_config(self) -> dict[str, Any]:
        """The name and the settings."""
        return {"name": self.name, **self.settings}

    @classmethod
    def from_config(cls, settings: dict[str, Any]) -> Activation:
        """The activation that `get_config` described."""
        return cls(**settings)


class CallableActivation(Activation):
    """A function of the user's; trainable if it has an attribute `backward(grad, x, y)`.

    Example:
        >>> import numpy as np
        >>> square = CallableActivation(lambda x: x * x)
        >>> square.forward(np.array([3.0])), square.has_gradient
        (array([9.]), False)
    """

    fused = None

    def __init__(self, function: Callable[[Array], Array]) -> None:
        self.name = getattr(function, "__name__", type(function).__name__)
        self.settings = {}
        self.kernel = ""
        self.function = function
        self.has_gradient = callable(getattr(function, "backward", None))

    def forward(self, x: Array) -> Array:
        """What the function gives, as a C-contiguous array of x's type."""
        y: Array = array_module(x).ascontiguousarray(self.function(x), x.dtype)
        if y.shape != x.shape:
            raise ValueError(f"{self.name}: result must have the shape of x {x.shape}; got {y.shape}")
        return y

    def backward(self, grad: Array, x: Array, y: Array) -> Array:
        """What the function's own `backward` gives."""
        if not self.has_gradient:
            raise NotImplementedError(
                f"{self.name}: activation must have a gradient to be trained; got a callable without "
                f"backward; set {self.name}.backward to a function of (grad, x, y)"
            )
        backward: Callable[..., Array] = self.function.backward  # type: ignore[attr-defined]
        result: Array = array_module(x).ascontiguousarray(backward(grad, x, y), x.dtype)
        return result
