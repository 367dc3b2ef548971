"""Penalties on weights, added to the loss, and their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import ops
from ._backend import array_module, on_gpu
from ._names import Configurable, check_number, from_config, resolve

Array = NDArray[Any]


def _sum(x: Array) -> Any:
    total = x.sum(dtype=np.float64)
    return total if on_gpu(x) else float(total)  # on a GPU nobody waits for it


def _product(a: Array, b: Array) -> Array:
    """a @ b; on a GPU by strop's own kernel, since CuPy's wants cuBLAS."""
    if not on_gpu(a):
        result: Array = a @ b
        return result
    contiguous = array_module(a).ascontiguousarray
    return ops.matmul(contiguous(a), contiguous(b))


class Regularizer(Configurable):
    """A penalty: `regularizer(w)` is its value, `regularizer.gradient(w)` its gradient.

    A class of one's own defines both and, to be saved, `get_config`.
    """

    def __call__(self, w: Array) -> float:
        """The penalty of w, added up in float64; of a GPU's array a number that stays there."""
        raise NotImplementedError(f"{type(self).__name__}: __call__ must be defined by the class")

    def gradient(self, w: Array) -> Array:
        """The gradient of the penalty: a new array like w."""
        raise NotImplementedError(f"{type(self).__name__}: gradient must be defined by the class")


class L1L2(Regularizer):
    """`l1 * sum(|w|) + l2 * sum(w^2)`.

    There is no 1/2 on the squares: the gradient is `l1 * sign(w) + 2 * l2 * w`, and under plain SGD it is
    torch's `weight_decay = 2 * l2`. The gradient of `|w|` at 0 is 0.

    Args:
        l1: 0 or more.
        l2: 0 or more.

    Raises:
        ValueError: a factor is negative or not finite.

    Example:
        >>> import numpy as np
        >>> penalty = L1L2(0.1, 0.2)
        >>> round(penalty(np.array([[1.0, -2.0], [3.0, 0.0]])), 6)
        3.4
        >>> penalty.gradient(np.array([1.0, 0.0]))
        array([0.5, 0. ])
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = check_number("L1L2", "l1", l1, low=0)
        self.l2 = check_number("L1L2", "l2", l2, low=0)

    def __call__(self, w: Array) -> float:
        """The penalty of w."""
        penalty = self.l1 * _sum(np.abs(w)) if self.l1 else 0.0
        if self.l2:
            penalty += self.l2 * _sum(np.square(w, dtype=np.float64))
        return penalty

    def gradient(self, w: Array) -> Array:
        """`l1 * sign(w) + 2 * l2 * w`."""
        grad: Array = w * w.dtype.type(2 * self.l2)
        if self.l1:
            grad += w.dtype.type(self.l1) * np.sign(w)
        return grad


class L1(L1L2):
    """`l1 * sum(|w|)`.

    Example:
        >>> import numpy as np
        >>> round(L1(0.1)(np.array([[1.0, -2.0], [3.0, 0.0]])), 6)
        0.6
    """

    def __init__(self, l1: float = 0.01) -> None:
        super().__init__(l1=check_number("L1", "l1", l1, low=0))


class L2(L1L2):
    """`l2 * sum(w^2)`, without 1/2.

    Example:
        >>> import numpy as np
        >>> round(L2(0.1)(np.array([[1.0, -2.0], [3.0, 0.0]])), 6)
        1.4
    """

    def __init__(self, l2: float = 0.01) -> None:
        super().__init__(l2=check_number("L2", "l2", l2, low=0))


class OrthogonalRegularizer(Regularizer):
    """`factor` times the mean of |cosine| over all pairs of rows (or columns) of a matrix.

    Args:
        factor: 0 or more.
        mode: `"rows"` or `"columns"`.

    Raises:
        ValueError: mode is another; or, when called, w is no matrix.

    Example:
        >>> import numpy as np
        >>> penalty = OrthogonalRegularizer(0.1)
        >>> penalty(np.eye(3)), round(penalty(np.ones((3, 3))), 6)
        (0.0, 0.1)
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        self.factor = check_number("OrthogonalRegularizer", "factor", factor, low=0)
        if mode not in ("rows", "columns"):
            raise ValueError(f"OrthogonalRegularizer: mode must be 'rows' or 'columns'; got {mode!r}")
        self.mode = mode

    def _unit_rows(self, w: Array) -> tuple[Array, Array, Array, float]:
        """Unit vectors, their lengths, the cosines off the diagonal, and factor over the number of pairs."""
        if w.ndim != 2:
            raise ValueError(f"OrthogonalRegularizer: w must have 2 axes; got shape {w.shape}")
        rows = (w if self.mode == "rows" else w.T).astype(np.float64)
        length = np.maximum(np.sqrt(np.square(rows).sum(axis=1, keepdims=True)), 1e-7)
        unit = rows / length
        cosines = _product(unit, unit.T)
        np.fill_diagonal(cosines, 0)
        pairs = len(rows) * (len(rows) - 1) / 2
        return unit, length, cosines, self.factor / pairs if pairs else 0.0

    def __call__(self, w: Array) -> float:
        """The penalty of w, a matrix."""
        _, _, cosines, scale = self._unit_rows(w)
        return 0.5 * scale * _sum(abs(cosines))  # type: ignore[no-any-return]

    def gradient(self, w: Array) -> Array:
        """The gradient through the division by the lengths: nothing along a vector itself."""
        unit, length, cosines, scale = self._unit_rows(w)
        pull = _product(np.sign(cosines), unit)
        grad = scale / length * (pull - (pull * unit).sum(axis=1, keepdims=True) * unit)
        grad = grad if self.mode == "rows" else grad.T
        result: Array = array_module(w).ascontiguousarray(grad, dtype=w.dtype)
        return result


l1, l2, l1_l2 = L1, L2, L1L2

#: The regularizers by class name.
registry: dict[str, type[Regularizer]] = {cls.__name__: cls for cls in (L1, L2, L1L2, OrthogonalRegularizer)}
_names: dict[str, type[Regularizer]] = {"l1": L1, "l2": L2, "l1l2": L1L2, "l1_l2": L1L2} | {
    "orthogonal_regularizer": OrthogonalRegularizer,
    **registry,
}


def get(identifier: object, op: str = "regularizers.get") -> Regularizer | None:
    """The regularizer for a name, a config or an object; None for None.

    Args:
        identifier: `"l1"`, `"l2"`, `"l1l2"`, a `Regularizer`, a class, any object that can be called on an
            array and has `gradient`, what `get_config` gave with its class name, or None.
        op: the function that messages begin with.

    Raises:
        ValueError: the name is unknown.
        TypeError: the identifier is of another kind, or has no gradient.

    Example:
        >>> get("l2").get_config()
        {'l2': 0.01}
    """
    what = "regularizer must be a known name, a Regularizer or a callable with gradient(w)"
    if identifier is None or isinstance(identifier, Regularizer):
        return identifier
    if isinstance(identifier, str):
        return resolve(_names, identifier, op, what)()
    if isinstance(identifier, dict):
        return from_config(registry, identifier, op, what)
    if isinstance(identifier, type) and issubclass(identifier, Regularizer):
        return identifier()
    if callable(identifier) and callable(getattr(identifier, "gradient", None)):
        return identifier  # type: ignore[return-value]
    raise TypeError(f"{op}: {what}; got {getattr(identifier, '__name__', type(identifier).__name__)}")
