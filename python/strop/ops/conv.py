"""Convolution of images, channels last, with bias and activation in the same pass, and its gradients."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from .._backend import kernels

Array = NDArray[Any]
Pair = tuple[int, int]
Pads = tuple[Pair, Pair]

NO_PADS: Pads = ((0, 0), (0, 0))


def conv(
    x: Array,
    kernel: Array,
    *,
    strides: Pair = (1, 1),
    padding: Pads = NO_PADS,
    dilation: Pair = (1, 1),
    groups: int = 1,
    bias: Array | None = None,
    activation: str | None = None,
    out: Array | None = None,
) -> Array:
    """Return `activation(conv(x, kernel) + bias)`.

    The kernel is not turned: `out[n, i, j, f]` is the sum over h, w and c of
    `x[n, i * sh + h * dh - top, j * sw + w * dw - left, c] * kernel[h, w, c, f]`, where x is 0 outside. An axis of
    length 1 makes it a convolution of sequences. A pad is a number: infinity or NaN in the kernel times it is NaN.

    An image has the same bits in any batch and for any number of threads, as `strop.config` promises.

    Args:
        x: float32 or float64, (N, H, W, C).
        kernel: like x, (KH, KW, C / groups, F).
        strides: pixels from window to window, down and across; (1, 1) by default.
        padding: zeros ((above, below), (left, right)) of the image; none by default.
        dilation: pixels from tap to tap, down and across; (1, 1) by default.
        groups: the channels and the filters fall into so many groups, each filter sees its own; 1 by default.
        bias: like x, (F,); added to every pixel.
        activation: `"relu"`, `"sigmoid"`, `"tanh"`; None or `"linear"` for none.
        out: like x, (N, OH, OW, F); overwritten. It may not overlap an input. By default a new array.

    Returns:
        (N, OH, OW, F) with `OH = (H + above + below - (KH - 1) * dh - 1) // sh + 1`, OW likewise; 0 of an image
        without pixels.

    Raises:
        TypeError: an array is neither of NumPy nor of CuPy, or has another dtype than x.
        ValueError: shapes do not fit, the kernel is larger than the padded image, an array is strided, a setting is
            out of range, or the activation is unknown. Nothing has been written then.
        NotImplementedError: the arrays are on a GPU.

    Example:
        >>> import numpy as np
        >>> x = np.arange(9.0).reshape(1, 3, 3, 1)
        >>> kernel = np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(2, 2, 1, 1)
        >>> conv(x, kernel)[0, :, :, 0]
        array([[27., 37.],
               [57., 67.]])
    """
    module = kernels("conv", x)
    result: Array = module.conv(x, kernel, strides, padding, dilation, groups, bias, activation, out)
    return result


def conv_backward(
    grad: Array,
    x: Array,
    kernel: Array,
    *,
    strides: Pair = (1, 1),
    padding: Pads = NO_PADS,
    dilation: Pair = (1, 1),
    groups: int = 1,
    output: Array | None = None,
    activation: str | None = None,
    bias: bool = False,
    need_x: bool = True,
) -> tuple[Array | None, Array, Array | None]:
    """Return the gradients of `output = activation(conv(x, kernel) + bias)`.

    Args:
        grad: float32 or float64, (N, OH, OW, F): the gradient by the output.
        x: like grad, (N, H, W, C).
        kernel: like grad, (KH, KW, C / groups, F).
        strides: as given to `conv`.
        padding: as given to `conv`.
        dilation: as given to `conv`.
        groups: as given to `conv`.
        output: like grad: what `conv` returned. Needed with an activation.
        activation: as given to `conv`.
        bias: whether to return the gradient of a bias.
        need_x: False leaves grad_x out, as the first layer of a model does.

    Returns:
        (grad_x, grad_kernel, grad_bias), of the shapes of x and kernel, (F,); the first and the last may be None.
        The gradient of relu at 0 is 0.

    Raises:
        TypeError: an array is neither of NumPy nor of CuPy, or has another dtype than x.
        ValueError: shapes do not fit, an array is strided, a setting is out of range, or output is missing.
        NotImplementedError: the arrays are on a GPU.

    Example:
        >>> import numpy as np
        >>> x, kernel = np.array([1.0, 0.0, 0.0, 2.0]), np.array([1.0, 2.0, 3.0])
        >>> grads = conv_backward(np.ones((1, 1, 2, 1)), x.reshape(1, 1, 4, 1), kernel.reshape(1, 3, 1, 1), bias=True)
        >>> [grad.ravel() for grad in grads]
        [array([1., 3., 5., 3.]), array([1., 0., 2.]), array([2.])]
    """
    module = kernels("conv_backward", grad)
    result: tuple[Array | None, Array, Array | None] = module.conv_backward(
        grad, x, kernel, strides, padding, dilation, groups, output, activation, bias, need_x
    )
    return result
