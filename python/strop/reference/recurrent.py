"""Recurrent cells over whole sequences, step by step, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .activation import activation as apply

Float64 = NDArray[np.float64]

#: Gates of each cell, in the order of their columns: one; i, f, c, o; z, r, h.
GATES = {"simple_rnn": 1, "lstm": 4, "gru": 3, "gru_reset_before": 3}


def step(
    cell: str, x: Float64, h: Float64, c: Float64, weights: list[Any], act: Any, rec: Any, factor: Any
) -> tuple[Float64, Float64]:
    """h and c (B, H) behind one step on x (B, D)."""
    kernel, recurrent_kernel, bias = weights
    wx, units = x @ kernel, h.shape[1]
    met = h * factor
    if cell == "gru":
        inner_bias = 0 if bias is None else bias[1]
        inner = met @ recurrent_kernel + inner_bias
        wx = wx if bias is None else wx + bias[0]
    else:
        inner = met @ recurrent_kernel
        wx = wx if bias is None else wx + bias
    x_part = [wx[:, g * units : (g + 1) * units] for g in range(GATES[cell])]
    h_part = [inner[:, g * units : (g + 1) * units] for g in range(GATES[cell])]
    if cell == "simple_rnn":
        return act(x_part[0] + h_part[0]), c
    if cell == "lstm":
        i, f, o = (rec(x_part[g] + h_part[g]) for g in (0, 1, 3))
        c = f * c + i * act(x_part[2] + h_part[2])
        return o * act(c), c
    z, r = (rec(x_part[g] + h_part[g]) for g in (0, 1))
    if cell == "gru":
        value = act(x_part[2] + r * h_part[2])
    else:
        value = act(x_part[2] + (r * met) @ recurrent_kernel[:, 2 * units :])
    return z * h + (1 - z) * value, c


def recurrent(
    x: NDArray[Any],
    kernel: NDArray[Any],
    recurrent_kernel: NDArray[Any],
    bias: NDArray[Any] | None = None,
    *,
    cell: str,
    initial_state: Any = None,
    mask: NDArray[Any] | None = None,
    factor: NDArray[Any] | None = None,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    backwards: bool = False,
    zeros: bool = False,
) -> tuple[Float64, Float64, Float64]:
    """Outputs (B, T, H) in order of processing, and the last h and c (B, H).

    Args:
        x: (B, T, D).
        kernel: (D, G H).
        recurrent_kernel: (H, G H).
        bias: (G H,); of gru (2, G H).
        cell: a key of GATES.
        initial_state: a list of h and, of an LSTM, c; zeros if None.
        mask: (B, T), False where a step copies the state.
        factor: (B, H), of h before it meets the recurrent kernel.
        activation: of the values.
        recurrent_activation: of the gates.
        backwards: from the last step to the first.
        zeros: the output of a masked step is 0 and not a copy.

    Example:
        >>> one = np.ones((1, 1))
        >>> recurrent(np.ones((1, 2, 1)), one, one, cell="simple_rnn", activation="linear")[0].ravel()
        array([1., 2.])
    """
    x = np.asarray(x, np.float64)
    weights = [None if w is None else np.asarray(w, np.float64) for w in (kernel, recurrent_kernel, bias)]
    batch, steps, _ = x.shape
    units = recurrent_kernel.shape[0]
    states = [np.zeros((batch, units)) for _ in range(2)]
    for k, given in enumerate(initial_state or []):
        states[k] = np.asarray(given, np.float64)
    h, c = states
    scale = 1.0 if factor is None else np.asarray(factor, np.float64)

    def act(v: Float64) -> Float64:
        return apply(v, name=activation)

    def rec(v: Float64) -> Float64:
        return apply(v, name=recurrent_activation)

    out = np.zeros((batch, steps, units))
    for s in range(steps):
        t = steps - 1 - s if backwards else s
        new_h, new_c = step(cell, x[:, t], h, c, weights, act, rec, scale)
        kept = np.ones((batch, 1), bool) if mask is None else mask[:, t, None]
        h, c = np.where(kept, new_h, h), np.where(kept, new_c, c)
        out[:, s] = np.where(kept, h, 0) if zeros else h
    return out, h, c


def recurrent_backward(
    grad: NDArray[Any],
    x: NDArray[Any],
    kernel: NDArray[Any],
    recurrent_kernel: NDArray[Any],
    bias: NDArray[Any] | None = None,
    *,
    grad_states: Any = (),
    initial_state: Any = None,
    wanted: str = "x kernel recurrent_kernel bias states",
    **settings: Any,
) -> dict[str, Any]:
    """Gradients of sum(grad * outputs) + sum(grad_states * states), by central differences of `recurrent`.

    Args:
        grad: (B, T, H).
        x: and the other arrays: as of `recurrent`.
        kernel: as of `recurrent`.
        recurrent_kernel: as of `recurrent`.
        bias: as of `recurrent`.
        grad_states: gradients by the last h and c, each (B, H).
        initial_state: as of `recurrent`.
        wanted: the gradients to work out.
        settings: as of `recurrent`.

    Example:
        >>> one = np.ones((1, 1))
        >>> x = np.ones((1, 2, 1))
        >>> grads = recurrent_backward(x, x, one, one, cell="simple_rnn", activation="linear", wanted="x")
        >>> grads["x"].ravel().round(6)
        array([2., 1.])
    """
    states = [np.array(s, np.float64) for s in initial_state or []]
    arrays = {
        "x": np.array(x, np.float64),
        "kernel": np.array(kernel, np.float64),
        "recurrent_kernel": np.array(recurrent_kernel, np.float64),
        "bias": None if bias is None else np.array(bias, np.float64),
    }

    def value() -> float:
        out, *last = recurrent(**arrays, initial_state=states, **settings)  # type: ignore[arg-type]
        total = float((np.asarray(grad, np.float64) * out).sum())
        return total + sum(float((g * s).sum()) for g, s in zip(grad_states, last, strict=False))

    def differences(array: Float64) -> Float64:
        result = np.zeros_like(array)
        for at in np.ndindex(array.shape):
            kept = array[at]
            array[at] = kept + 1e-5
            high = value()
            array[at] = kept - 1e-5
            low = value()
            array[at] = kept
            result[at] = (high - low) / 2e-5
        return result

    found: dict[str, Any] = {}
    for key in wanted.split():
        if key == "states":
            found[key] = [differences(s) for s in states]
        elif arrays[key] is not None:
            found[key] = differences(arrays[key])  # type: ignore[arg-type]
    return found
