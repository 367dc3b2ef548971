"""SimpleRNN: a recurrent layer without gates."""

from __future__ import annotations

from typing import Any

from .recurrent import INITIALIZERS, PENALTIES, RUNNING, Recurrent


class SimpleRNN(Recurrent):
    """A recurrent layer without gates: `h = activation(x @ kernel + h @ recurrent_kernel + bias)`.

    (N, T, D) becomes (N, units), or (N, T, units) with return_sequences. A masked step copies state and output.

    Args:
        units: size of the state and of the output.
        activation: name or function; those of `strop.ops.CELL_ACTIVATIONS` are fast.
        use_bias: whether a bias is added.
        given: the settings by place, in Keras' order.
        settings: what every recurrent layer takes; `LSTM` describes it.

    Raises:
        TypeError: a size is no int, or a rate no number.
        ValueError: a size is not 1 or more, a rate lies outside [0, 1], or a name is unknown.

    Example:
        >>> import numpy as np
        >>> layer = SimpleRNN(1, "linear", return_sequences=True, kernel_initializer="ones")
        >>> layer.build_once((None, None, 1))
        (None, None, 1)
        >>> layer.set_weights([np.ones((1, 1)), np.ones((1, 1)), np.zeros(1)])
        >>> layer(np.array([[[1.0], [2.0], [3.0]]])).ravel()
        array([1., 3., 6.], dtype=float32)
    """

    order = (*INITIALIZERS, *PENALTIES, *RUNNING, "seed")

    def __init__(
        self, units: int, activation: Any = "tanh", use_bias: bool = True, *given: Any, **settings: Any
    ) -> None:
        super().__init__(units, activation, use_bias=use_bias, **self._named(given, settings))

    @property
    def cell(self) -> str:
        """The name of the cell in `strop.ops.CELLS`."""
        return "simple_rnn"
