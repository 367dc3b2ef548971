"""The matrix product with bias and activation in one pass, and its gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._backend import cpu, kernels

_matmul = cpu.matmul
_matmul_backward = cpu.matmul_backward


def matmul(
    a: NDArray[Any],
    b: NDArray[Any],
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    bias: NDArray[Any] | None = None,
    activation: str | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Multiply two matrices, add a bias and apply an activation, in one pass.

    `out[i, j] = activation(sum over k of a[i, k] * b[k, j] + bias[j])`

    A row of the result has the same bits whatever rows are computed with it and however many
    threads work: a product on a batch equals the products on its rows.

    Args:
        a: float32 or float64, (M, K), or (K, M) with transpose_a.
        b: like a, (K, N), or (N, K) with transpose_b.
        transpose_a: multiply by the transpose of a, without copying it.
        transpose_b: multiply by the transpose of b, without copying it.
        bias: like a, (N,); added to every row.
        activation: `"relu"`, `"sigmoid"`, `"tanh"`; None or `"linear"` for none.
        out: like a, (M, N); overwritten. It may not overlap an input. By default a new array.

    Returns:
        (M, N), out if it was given. With K = 0 it is activation(bias), or activation(0).

    Raises:
        TypeError: an array is not a NumPy array, or has another dtype than a.
        ValueError: shapes do not fit; an array is strided; out is read-only or overlaps an input; the
            activation is unknown. Nothing has been written then.

    Example:
        >>> import numpy as np
        >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
        >>> weight = np.array([[1.0, 0.0, -1.0], [0.0, 1.0, 1.0]])
        >>> matmul(x, weight, bias=np.array([0.0, 0.0, -1.5]), activation="relu")
        array([[1., 2., 0.],
               [3., 4., 0.]])

    References:
        Goto and van de Geijn, Anatomy of high-performance matrix multiplication, 2008.
    """
    call = _matmul if type(a) is np.ndarray else kernels("matmul", a).matmul
    return call(a, b, transpose_a, transpose_b, bias, activation, out)  # type: ignore[no-any-return]


def matmul_backward(
    grad: NDArray[Any],
    a: NDArray[Any],
    b: NDArray[Any],
    *,
    output: NDArray[Any] | None = None,
    activation: str | None = None,
    bias: bool = False,
    need_a: bool = True,
) -> tuple[NDArray[Any] | None, NDArray[Any], NDArray[Any] | None]:
    """Return the gradients of `output = activation(a @ b + bias)`.

    With `dz = grad * activation'(a @ b + bias)`, worked out from the output:
    `grad_a = dz @ b.T`, `grad_b = a.T @ dz`, `grad_bias = dz.sum(axis=0)`.

    Args:
        grad: float32 or float64, (M, N): the gradient with respect to the output.
        a: like grad, (M, K).
        b: like grad, (K, N).
        output: like grad, (M, N): what `matmul` returned. Needed with an activation.
        activation: as given to `matmul`.
        bias: whether to return the gradient of a bias.
        need_a: False leaves grad_a out, as the first layer of a model does.

    Returns:
        (grad_a, grad_b, grad_bias): (M, K) or None, (K, N), (N,) or None. The gradient of relu at 0
        is 0.

    Raises:
        TypeError: an array is not a NumPy array, or has another dtype than grad.
        ValueError: shapes do not fit, an array is strided, the activation is unknown, or output is
            missing.

    Example:
        >>> import numpy as np
        >>> x, weight = np.array([[1.0, 2.0]]), np.array([[3.0], [-1.0]])
        >>> y = matmul(x, weight, activation="relu")
        >>> grad_x, grad_weight, _ = matmul_backward(np.ones((1, 1)), x, weight, output=y, activation="relu")
        >>> grad_x
        array([[ 3., -1.]])
        >>> grad_weight
        array([[1.],
               [2.]])
    """
    call = _matmul_backward if type(grad) is np.ndarray else kernels("matmul_backward", grad).matmul_backward
    return call(grad, a, b, output, activation, bias, need_a)  # type: ignore[no-any-return]
