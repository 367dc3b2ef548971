"""Recurrent cells over whole sequences, forward and backward in one call each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from .._backend import kernels

Array = NDArray[Any]

#: Cells that `recurrent` computes, with the number of their gates.
CELLS = {"simple_rnn": 1, "lstm": 4, "gru": 3, "gru_reset_before": 3}

#: Activations that its kernel knows: their slope follows from their value.
CELL_ACTIVATIONS = ("linear", "relu", "sigmoid", "tanh", "hard_sigmoid")


@dataclass(frozen=True)
class Recurrence:
    """What `recurrent` returns.

    Args:
        output: like x, (B, T, H) in the order in which the steps were taken; None with sequences=False.
        states: the last h, and of an LSTM the last c: like x, (B, H) each.
        saved: what `recurrent_backward` needs; None with save=False.

    Example:
        >>> import numpy as np
        >>> one = np.ones((1, 1))
        >>> run = recurrent(np.ones((1, 2, 1)), one, one, cell="simple_rnn", activation="linear")
        >>> isinstance(run, Recurrence), len(run.states)
        (True, 1)
    """

    output: Array | None
    states: list[Array]
    saved: tuple[Any, ...] | None


def recurrent(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array | None = None,
    *,
    cell: str,
    initial_state: Sequence[Array] | None = None,
    mask: Array | None = None,
    factor: Array | None = None,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    backwards: bool = False,
    zeros: bool = False,
    sequences: bool = True,
    save: bool = True,
) -> Recurrence:
    """Run a recurrent cell over sequences.

    With W the kernel, U the recurrent kernel, s the recurrent activation and a the activation:

    * `simple_rnn`: `h = a(x W + h U + b)`
    * `lstm`, gates i, f, c, o: `c = f c + i a(x Wc + h Uc + bc)`, `h = o a(c)`; i, f and o are
      `s(x W + h U + b)`
    * `gru`, gates z, r, h: `n = a(x Wh + b0h + r (h Uh + b1h))`, `h = z h + (1 - z) n`; z and r are
      `s(x W + b0 + h U + b1)`
    * `gru_reset_before`: the same with `n = a(x Wh + bh + (r h) Uh)` and one bias

    A masked step copies h and c. What a row of the batch gives depends neither on the rows beside it nor on
    the number of threads.

    Args:
        x: float32 or float64, (B, T, D).
        kernel: like x, (D, G H); G gates side by side.
        recurrent_kernel: like x, (H, G H).
        bias: like x, (G H,), of `gru` (2, G H); None for none.
        cell: one of `strop.ops.CELLS`.
        initial_state: h and, of an LSTM, c: like x, (B, H) each; zeros by default.
        mask: bool, (B, T): False where a step is masked; by default none is.
        factor: like x, (B, H): h is multiplied by it before it meets the recurrent kernel, as dropout does.
        activation: one of `strop.ops.CELL_ACTIVATIONS`.
        recurrent_activation: the same, of the gates.
        backwards: True takes the steps from the last to the first.
        zeros: True makes the output of a masked step 0 instead of a copy of the one before.
        sequences: False keeps the last state alone.
        save: False keeps nothing for `recurrent_backward`.

    Returns:
        A `Recurrence`: output, states, and what the backward pass needs.

    Raises:
        TypeError: an array is no NumPy array, or has another dtype than x.
        ValueError: shapes do not fit, an array is strided, or a name is unknown.

    Example:
        >>> import numpy as np
        >>> x, one = np.array([[[1.0], [2.0]]]), np.array([[1.0]])
        >>> run = recurrent(x, one, one, cell="simple_rnn", activation="linear")
        >>> run.output.ravel(), run.states[0]
        (array([1., 3.]), array([[3.]]))

    References:
        Hochreiter and Schmidhuber, Long short-term memory, 1997. Cho et al., Learning phrase representations
        using RNN encoder-decoder, 2014.
    """
    h, c = _states("recurrent", "initial_state", cell, initial_state)
    settings = (cell, activation, recurrent_activation, backwards, zeros)
    call = kernels("recurrent", x).recurrent
    output, *rest = call(x, kernel, recurrent_kernel, bias, mask, h, c, factor, *settings, sequences, save)
    final_h, final_c, *saved = rest
    states = [final_h] if final_c is None else [final_h, final_c]
    inputs = (x, kernel, recurrent_kernel, *saved, mask, c, factor, *settings, bias is not None)
    return Recurrence(output, states, inputs if save else None)


def recurrent_backward(
    grad: Array | None,
    run: Recurrence,
    *,
    grad_states: Sequence[Array | None] | None = None,
    need_x: bool = True,
) -> tuple[Array | None, Array, Array, Array | None, list[Array]]:
    """Return the gradients of `recurrent`, by backpropagation through time.

    Gradients that fade below the least normal number of their type become 0.

    Args:
        grad: like x, (B, T, H): the gradient by the output; None is 0.
        run: what `recurrent` returned for the same weights, with save=True.
        grad_states: gradients by the last h and, of an LSTM, c: (B, H) each; None is 0.
        need_x: False leaves out the gradient by x, as the first layer of a model does.

    Returns:
        (grad_x, grad_kernel, grad_recurrent_kernel, grad_bias, grad_states): like the arrays of the forward
        pass; grad_x None without need_x, grad_bias None without bias; grad_states a list by h and, of an
        LSTM, c.

    Raises:
        TypeError: a dtype differs from that of x.
        ValueError: a shape does not fit, an array is strided, or run was made with save=False.

    Example:
        >>> import numpy as np
        >>> x, one = np.array([[[1.0], [2.0]]]), np.array([[1.0]])
        >>> run = recurrent(x, one, one, cell="simple_rnn", activation="linear")
        >>> recurrent_backward(np.ones((1, 2, 1)), run)[0].ravel()
        array([2., 1.])

    References:
        Werbos, Backpropagation through time: what it does and how to do it, 1990.
    """
    if run.saved is None:
        raise ValueError("recurrent_backward: run must have been saved; got one made with save=False")
    x, cell = run.saved[0], run.saved[9]
    by_h, by_c = _states("recurrent_backward", "grad_states", cell, grad_states)
    call = kernels("recurrent_backward", x).recurrent_backward
    *grads, grad_h, grad_c = call(grad, by_h, by_c, *run.saved, need_x)
    return (*grads, [grad_h] if grad_c is None else [grad_h, grad_c])


def _states(op: str, name: str, cell: str, given: Sequence[Any] | None) -> tuple[Any, Any]:
    """h and c of a list as long as the cell has states."""
    if given is None:
        return None, None
    count = 2 if cell == "lstm" else 1
    if len(given) != count:
        raise ValueError(f"{op}: {name} must have {count} arrays for {cell}; got {len(given)}")
    return (given[0], given[1]) if count == 2 else (given[0], None)
