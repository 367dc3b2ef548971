"""Convolution of each channel by kernels of its own, and its gradients."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from .._backend import kernels
from .conv import NO_PADS, Pads, Pair

Array = NDArray[Any]


def depthwise_conv(
    x: Array,
    kernel: Array,
    *,
    strides: Pair = (1, 1),
    padding: Pads = NO_PADS,
    dilation: Pair = (1, 1),
    bias: Array | None = None,
    activation: str | None = None,
    out: Array | None = None,
) -> Array:
    """Return `activation(z + bias)`, where channel `c * D + d` of z is channel c of x under `kernel[:, :, c, d]`.

    `z[n, i, j, c * D + d]` is the sum over h and w of `x[n, i * sh + h * dh - top, j * sw + w * dw - left, c] *
    kernel[h, w, c, d]`, where x is 0 outside. An image has the same bits in any batch and for any number of threads.

    Args:
        x: float32 or float64, (N, H, W, C).
        kernel: like x, (KH, KW, C, D).
        strides: pixels from window to window, down and across; (1, 1) by default.
        padding: zeros ((above, below), (left, right)) of the image; none by default.
        dilation: pixels from tap to tap, down and across; (1, 1) by default.
        bias: like x, (C D,); added to every pixel.
        activation: `"relu"`, `"sigmoid"`, `"tanh"`; None or `"linear"` for none.
        out: like x, (N, OH, OW, C D); overwritten. It may not overlap an input. By default a new array.

    Returns:
        (N, OH, OW, C D), sizes as of `conv`.

    Raises:
        TypeError: an array is neither of NumPy nor of CuPy, or has another dtype than x.
        ValueError: shapes do not fit, the kernel is larger than the padded image, an array is strided, a setting is
            out of range, or the activation is unknown. Nothing has been written then.
        NotImplementedError: the arrays are on a GPU.

    Example:
        >>> import numpy as np
        >>> x = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]).reshape(1, 1, 3, 2)
        >>> depthwise_conv(x, np.array([[1.0, 1.0], [2.0, 0.0]]).reshape(1, 2, 2, 1))[0, 0]
        array([[ 5., 10.],
               [ 8., 20.]])
    """
    module = kernels("depthwise_conv", x)
    result: Array = module.depthwise_conv(x, kernel, strides, padding, dilation, bias, activation, out)
    return result


def depthwise_conv_backward(
    grad: Array,
    x: Array,
    kernel: Array,
    *,
    strides: Pair = (1, 1),
    padding: Pads = NO_PADS,
    dilation: Pair = (1, 1),
    output: Array | None = None,
    activation: str | None = None,
    bias: bool = False,
    need_x: bool = True,
) -> tuple[Array | None, Array, Array | None]:
    """Return the gradients of `output = depthwise_conv(x, kernel, ...)`.

    Args:
        grad: float32 or float64, (N, OH, OW, C D): the gradient by the output.
        x: like grad, (N, H, W, C).
        kernel: like grad, (KH, KW, C, D).
        strides: as given to `depthwise_conv`.
        padding: as given to `depthwise_conv`.
        dilation: as given to `depthwise_conv`.
        output: like grad: what `depthwise_conv` returned. Needed with an activation.
        activation: as given to `depthwise_conv`.
        bias: whether to return the gradient of a bias.
        need_x: False leaves grad_x out, as the first layer of a model does.

    Returns:
        (grad_x, grad_kernel, grad_bias), of the shapes of x and kernel, (C D,); the first and the last may be None.
        The gradient of relu at 0 is 0.

    Raises:
        TypeError: an array is neither of NumPy nor of CuPy, or has another dtype than x.
        ValueError: shapes do not fit, an array is strided, a setting is out of range, or output is missing.
        NotImplementedError: the arrays are on a GPU.

    Example:
        >>> import numpy as np
        >>> x, kernel = np.arange(3.0).reshape(1, 1, 3, 1), np.array([1.0, 2.0]).reshape(1, 2, 1, 1)
        >>> [grad.ravel() for grad in depthwise_conv_backward(np.ones((1, 1, 2, 1)), x, kernel, bias=True)]
        [array([1., 3., 2.]), array([1., 3.]), array([2.])]
    """
    module = kernels("depthwise_conv_backward", grad)
    result: tuple[Array | None, Array, Array | None] = module.depthwise_conv_backward(
        grad, x, kernel, strides, padding, dilation, output, activation, bias, need_x
    )
    return result
