"""LSTM: a recurrent layer with a cell state that gates write, forget and show."""

from __future__ import annotations

from typing import Any

from .. import initializers
from .._serial import described
from .recurrent import INITIALIZERS, PENALTIES, RUNNING, Array, Recurrent


class LSTM(Recurrent):
    """Long short-term memory: (N, T, D) becomes (N, units), or (N, T, units) with return_sequences.

    With gates i, f, o (sigmoid) and the candidate g (tanh) from `x @ kernel + h @ recurrent_kernel + bias`, whose
    columns are in the order i, f, g, o: `c = f * c + i * g`, `h = o * tanh(c)`. A masked step copies state and
    output. torch has the order i, f, g, o and two biases, whose sum is this one; ONNX has i, o, f, c.

    Args:
        units: size of the state and of the output.
        activation: of the candidate and the cell state; those of `strop.ops.CELL_ACTIVATIONS` are fast.
        recurrent_activation: of the gates.
        use_bias: whether a bias is added.
        given: the arguments below by place, in Keras' order.
        unit_forget_bias: True starts the bias of the forget gate at 1.
        kernel_initializer: how the kernel (D, 4 units) starts.
        recurrent_initializer: how the recurrent kernel (units, 4 units) starts.
        bias_initializer: how the bias (4 units,) starts.
        kernel_regularizer: penalty on the kernel; recurrent_regularizer and bias_regularizer likewise.
        kernel_constraint: what is done to the kernel after each update; recurrent_constraint and bias_constraint
            likewise.
        dropout: share of the inputs that is set to 0 while training: one draw per sample for all steps and gates.
        recurrent_dropout: the same share of h, before it meets the recurrent kernel.
        return_sequences: True gives the output of every step.
        return_state: True gives a list of the output, the last h and the last c.
        go_backwards: True reads from the last step to the first, and gives the outputs in that order.
        stateful: True begins each call where the one before ended, until `reset_state()`.
        seed: of the dropout; None draws from strop's stream for dropout.
        settings: name, dtype, trainable, input_shape, activity_regularizer.

    Raises:
        TypeError: a size is no int, or a rate no number.
        ValueError: a size is not 1 or more, a rate lies outside [0, 1], or a name is unknown.

    Example:
        >>> import numpy as np
        >>> x = np.zeros((2, 5, 3))
        >>> LSTM(4)(x).shape, LSTM(4, return_sequences=True)(x).shape
        ((2, 4), (2, 5, 4))
        >>> [a.shape for a in LSTM(4, return_state=True)(x)]
        [(2, 4), (2, 4), (2, 4)]

    References:
        Hochreiter and Schmidhuber, Long short-term memory, 1997. Gal and Ghahramani, A theoretically grounded
        application of dropout in recurrent neural networks, 2016.
    """

    state_count = 2
    order = (*INITIALIZERS, "unit_forget_bias", *PENALTIES, "seed", *RUNNING, "use_cudnn")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        *given: Any,
        unit_forget_bias: bool = True,
        **settings: Any,
    ) -> None:
        named = self._named(given, settings)
        self.unit_forget_bias = bool(named.pop("unit_forget_bias", unit_forget_bias))
        super().__init__(units, activation, recurrent_activation, use_bias=use_bias, **named)

    @property
    def cell(self) -> str:
        """The name of the cell in `strop.ops.CELLS`."""
        return "lstm"

    @property
    def first_bias(self) -> Any:
        """How the bias starts: with unit_forget_bias the forget gate's part at 1."""
        return self._forgetting if self.unit_forget_bias else self.initializers[2]

    def _forgetting(self, shape: tuple[int, ...], dtype: Any) -> Array:
        bias = initializers.fill(self.initializers[2], shape, dtype, weight=f"{self.name}/bias")
        bias[self.units : 2 * self.units] = 1
        return bias

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {
            **super().get_config(),
            "recurrent_activation": described(self.recurrent_activation),
            "unit_forget_bias": self.unit_forget_bias,
        }
