"""GRU: a recurrent layer with an update and a reset gate."""

from __future__ import annotations

from typing import Any

from .._serial import described
from .recurrent import INITIALIZERS, PENALTIES, RUNNING, Recurrent


class GRU(Recurrent):
    """Gated recurrent unit: (N, T, D) becomes (N, units), or (N, T, units) with return_sequences.

    With gates z and r (sigmoid) and the candidate n (tanh), whose columns are in the order z, r, n:
    `h = z * h + (1 - z) * n`. With reset_after, `n = tanh(x @ kernel + b0 + r * (h @ recurrent_kernel + b1))`, and
    the bias is (2, 3 units); else `n = tanh(x @ kernel + b + (r * h) @ recurrent_kernel)`. A masked step copies
    state and output. torch has the order r, z, n and reset_after; ONNX z, r, h, with linear_before_reset for
    reset_after.

    Args:
        units: size of the state and of the output.
        activation: of the candidate; those of `strop.ops.CELL_ACTIVATIONS` are fast.
        recurrent_activation: of the gates.
        use_bias: whether a bias is added.
        given: the arguments below by place, in Keras' order.
        reset_after: whether the reset gate acts behind the product with the recurrent kernel.
        settings: what every recurrent layer takes; `LSTM` describes it.

    Raises:
        TypeError: a size is no int, or a rate no number.
        ValueError: a size is not 1 or more, a rate lies outside [0, 1], or a name is unknown.

    Example:
        >>> import numpy as np
        >>> layer = GRU(4, return_sequences=True)
        >>> layer(np.zeros((2, 5, 3))).shape
        (2, 5, 4)
        >>> [w.shape for w in layer.get_weights()]
        [(3, 12), (4, 12), (2, 12)]

    References:
        Cho et al., Learning phrase representations using RNN encoder-decoder for statistical machine translation,
        2014.
    """

    order = (*INITIALIZERS, *PENALTIES, "seed", *RUNNING, "reset_after", "use_cudnn")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        *given: Any,
        reset_after: bool = True,
        **settings: Any,
    ) -> None:
        named = self._named(given, settings)
        self.reset_after = bool(named.pop("reset_after", reset_after))
        super().__init__(units, activation, recurrent_activation, use_bias=use_bias, **named)

    @property
    def cell(self) -> str:
        """The name of the cell in `strop.ops.CELLS`."""
        return "gru" if self.reset_after else "gru_reset_before"

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {
            **super().get_config(),
            "recurrent_activation": described(self.recurrent_activation),
            "reset_after": self.reset_after,
        }
