"""Weights of recurrent layers in the layouts of torch and ONNX, as SimpleRNN, LSTM and GRU take them.

strop has Keras' layout: (inputs, gates) kernels with the gates i, f, c, o of an LSTM and z, r, h of a GRU. The others
have one row per gate and unit, two biases, and gates in other orders: torch i, f, c, o and r, z, h; ONNX i, o, f, c and
z, r, h.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]

#: Where each of our gates stands in theirs.
ORDERS = {
    "torch": {"simple_rnn": (0,), "lstm": (0, 1, 2, 3), "gru": (1, 0, 2)},
    "onnx": {"simple_rnn": (0,), "lstm": (0, 2, 3, 1), "gru": (0, 1, 2), "gru_reset_before": (0, 1, 2)},
}


def from_torch(
    cell: str,
    weight_ih: ArrayLike,
    weight_hh: ArrayLike,
    bias_ih: ArrayLike | None = None,
    bias_hh: ArrayLike | None = None,
) -> list[Array]:
    """The weights of one layer and direction of `torch.nn.RNN`, `LSTM` or `GRU`.

    Args:
        cell: `"simple_rnn"`, `"lstm"` or `"gru"`, which is `GRU(reset_after=True)`.
        weight_ih: (G H, D): `weight_ih_l0`, as an array.
        weight_hh: (G H, H): `weight_hh_l0`.
        bias_ih: (G H,): `bias_ih_l0`; None for a layer without bias.
        bias_hh: (G H,): `bias_hh_l0`.

    Returns:
        What `set_weights` of the layer takes: kernel, recurrent kernel, bias.

    Raises:
        ValueError: the cell is none of torch's, or a shape does not fit.

    Example:
        >>> weights = from_torch("lstm", np.zeros((8, 3)), np.zeros((8, 2)), np.ones(8), np.ones(8))
        >>> [w.shape for w in weights], float(weights[2].max())
        ([(3, 8), (2, 8), (8,)], 2.0)
    """
    return _converted("from_torch", "torch", cell, weight_ih, weight_hh, bias_ih, bias_hh)


def from_onnx(
    cell: str, w: ArrayLike, r: ArrayLike, b: ArrayLike | None = None, direction: int = 0
) -> list[Array]:
    """The weights of one direction of ONNX's RNN, LSTM or GRU.

    Args:
        cell: `"simple_rnn"`, `"lstm"`, `"gru"` for linear_before_reset=1, or `"gru_reset_before"` for 0, ONNX's
            default.
        w: (directions, G H, D).
        r: (directions, G H, H).
        b: (directions, 2 G H), or None.
        direction: which of them.

    Returns:
        What `set_weights` of the layer takes: kernel, recurrent kernel, bias.

    Raises:
        ValueError: the cell is unknown, or a shape does not fit.

    Example:
        >>> weights = from_onnx("gru", np.zeros((1, 6, 3)), np.zeros((1, 6, 2)), np.ones((1, 12)))
        >>> [w.shape for w in weights]
        [(3, 6), (2, 6), (2, 6)]
    """
    one, two = (None, None) if b is None else np.split(np.asarray(b)[direction], 2)
    return _converted("from_onnx", "onnx", cell, np.asarray(w)[direction], np.asarray(r)[direction], one, two)


def _converted(
    op: str, kind: str, cell: str, w: ArrayLike, r: ArrayLike, *biases: ArrayLike | None
) -> list[Array]:
    orders = ORDERS[kind]
    if cell not in orders:
        raise ValueError(f"{op}: cell must be {', '.join(orders)}; got {cell!r}")
    order = orders[cell]
    kernel, recurrent_kernel = np.asarray(w), np.asarray(r)
    units = recurrent_kernel.shape[-1]
    rows = len(order) * units
    shapes = [(rows, kernel.shape[-1]), (rows, units), *[(rows,)] * 2]
    arrays = [kernel, recurrent_kernel, *[None if b is None else np.asarray(b) for b in biases]]
    for array, shape in zip(arrays, shapes, strict=True):
        if array is not None and array.shape != shape:
            raise ValueError(f"{op}: arrays of {cell} must have shape {shape}; got {array.shape}")

    def ours(array: Array) -> Array:
        """Gates in our order along the last axis."""
        gates = array.reshape(len(order), units, *array.shape[1:])[list(order)]
        return np.ascontiguousarray(gates.reshape(array.shape).T)

    result = [ours(kernel), ours(recurrent_kernel)]
    given = [ours(b) for b in arrays[2:] if b is not None]
    if given:
        result.append(np.stack(given) if cell == "gru" else np.sum(given, axis=0))
    return result
