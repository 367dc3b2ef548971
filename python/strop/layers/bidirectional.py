"""Bidirectional: a recurrent layer that reads a sequence from both ends."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._states import TakesStates
from .base import Grads, Shape
from .recurrent import Recurrent
from .wrappers import Wrapper, check_inner, layer_config

Array = NDArray[Any]

_MODES = ("concat", "sum", "mul", "ave", None)
_SAME = ("return_sequences", "return_state", "stateful")


class Bidirectional(TakesStates, Wrapper):
    """Two copies of a recurrent layer, one of which reads from the end; outputs are merged step by step.

    As in Keras the copies have new weights, and with return_sequences the output of a masked step is 0.

    Args:
        layer: SimpleRNN, LSTM or GRU.
        merge_mode: `"concat"`, `"sum"`, `"mul"`, `"ave"`; None gives a list of both outputs.
        weights: to start with: the forward layer's, then the backward layer's.
        backward_layer: in place of the second copy; it has the other go_backwards, and the same
            return_sequences, return_state and stateful.
        settings: name, trainable, input_shape, activity_regularizer.

    Raises:
        TypeError: a layer is no recurrent layer.
        ValueError: the merge mode is unknown, the layers do not go together, or one has an activity_regularizer, which
            the wrapper takes itself.

    Example:
        >>> import numpy as np
        >>> from strop.layers import LSTM
        >>> layer = Bidirectional(LSTM(4, return_sequences=True))
        >>> layer(np.zeros((2, 5, 3))).shape
        (2, 5, 8)

    References:
        Schuster and Paliwal, Bidirectional recurrent neural networks, 1997.
    """

    prefixes = ("forward_", "backward_")

    def __init__(
        self,
        layer: Recurrent,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Recurrent | None = None,
        **settings: Any,
    ) -> None:
        op = "Bidirectional"
        for name, each in (("layer", layer), ("backward_layer", backward_layer)):
            if name == "backward_layer" and each is None:
                continue
            if not isinstance(check_inner(op, name, each), Recurrent):
                raise TypeError(f"{op}: {name} must be SimpleRNN, LSTM or GRU; got {type(each).__name__}")
        if merge_mode not in _MODES:
            raise ValueError(
                f"{op}: merge_mode must be 'concat', 'sum', 'mul', 'ave' or None; got {merge_mode!r}"
            )
        config = layer.get_config()
        own_name = layer.name.removeprefix("forward_")
        self.forward_layer = type(layer).from_config(config | {"name": f"forward_{own_name}"})
        turned = {"name": f"backward_{own_name}", "go_backwards": not layer.go_backwards}
        self.backward_layer = backward_layer or type(layer).from_config(config | turned)
        if self.backward_layer.go_backwards == layer.go_backwards:
            raise ValueError(
                f"{op}: backward_layer must have the other go_backwards; got {layer.go_backwards} twice"
            )
        for name in _SAME:
            one, two = getattr(layer, name), getattr(self.backward_layer, name)
            if one != two:
                raise ValueError(f"{op}: backward_layer must have {name}={one} like layer; got {two}")
        super().__init__(self.forward_layer, self.backward_layer, **settings)
        self.merge_mode, self._weights, self._own_backward = merge_mode, weights, backward_layer is not None
        self.return_sequences, self.return_state = layer.return_sequences, layer.return_state
        self.passes_mask = self.return_sequences
        for each in self.halves:
            each.zero_output_for_mask = self.return_sequences

    @property
    def halves(self) -> tuple[Recurrent, Recurrent]:
        """The forward and the backward layer."""
        return self.forward_layer, self.backward_layer

    @property
    def state_shapes(self) -> list[Shape]:
        """Shapes of the states of both halves, without the samples."""
        return [shape for layer in self.halves for shape in layer.state_shapes]

    @property
    def sequence_outputs(self) -> int:  # type: ignore[override]
        """How many outputs come before the states."""
        return 2 if self.merge_mode is None else 1

    def build(self, input_shape: Any) -> None:
        """Make the variables of both layers."""
        for layer, prefix in zip(self.halves, self.prefixes, strict=True):
            layer.build_once(input_shape)
            self.adopt(layer, prefix)
        if self._weights is not None:
            self.set_weights(self._weights)
            self._weights = None

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the merged output; a list with merge_mode None or return_state."""
        shapes = [layer.compute_output_shape(input_shape) for layer in self.halves]
        states = []
        if self.return_state:
            states = [*shapes[0][1:], *shapes[1][1:]]
            shapes = [shape[0] for shape in shapes]
        if self.merge_mode is None:
            return [*shapes, *states]
        if self.merge_mode == "concat":
            merged = (*shapes[0][:-1], shapes[0][-1] + shapes[1][-1])
        else:
            merged = shapes[0]
        return [merged, *states] if self.return_state else merged

    def compute_mask(self, x: Any, mask: Any) -> Any:
        """The mask of the steps, where they are returned."""
        first = mask[0] if isinstance(mask, list) else mask
        outputs = [first if self.return_sequences else None] * self.sequence_outputs
        states = [None] * (len(self.state_shapes) if self.return_state else 0)
        return [*outputs, *states] if len(outputs) + len(states) > 1 else outputs[0]

    def forward(self, x: Any, *, training: bool = False, mask: Any = None) -> tuple[Any, Any]:
        """The output, or a list of outputs and states, and what `backward` needs."""
        outputs, states, saved = [], [], []
        for layer, xs in zip(self.halves, self._inputs(x), strict=True):
            y, own = layer.forward(xs, training=training, mask=mask)
            if self.return_state:
                y, *rest = y
                states += rest
            outputs.append(y)
            saved.append(own)
        if self.return_sequences:
            outputs[1] = outputs[1][:, ::-1]
        merged = self._merged(outputs)
        if self.return_state or self.merge_mode is None:
            merged = [*(merged if self.merge_mode is None else [merged]), *states]
        return merged, (saved, outputs, isinstance(x, list | tuple))

    def _inputs(self, x: Any) -> list[Any]:
        """Each half's inputs: the sequence, and its half of the initial states."""
        if not isinstance(x, list | tuple):
            return [x, x]
        count = self.forward_layer.state_count
        return [[x[0], *x[1 : 1 + count]], [x[0], *x[1 + count :]]]

    def _merged(self, outputs: list[Array]) -> Any:
        one, two = outputs
        if self.merge_mode == "concat":
            return np.concatenate((one, two), axis=-1)
        if self.merge_mode == "mul":
            return one * two
        if self.merge_mode is None:
            return [one, np.ascontiguousarray(two)]
        return one + two if self.merge_mode == "sum" else (one + two) * one.dtype.type(0.5)

    def backward(self, grad: Any, saved: Any, need_x: bool = True) -> tuple[Any, Grads]:
        """The gradient by the input, or a list by it and the initial states; and by the weights."""
        each, outputs, several = saved
        grads = list(grad) if isinstance(grad, list | tuple) else [grad]
        by_outputs = grads if self.merge_mode is None else self._parted(grads[0], outputs)
        by_x, own, by_states = None, Grads(), []
        at = self.sequence_outputs
        for k, layer in enumerate(self.halves):
            one = by_outputs[k]
            if one is not None:
                one = one[:, ::-1] if k == 1 and self.return_sequences else one
                one = np.ascontiguousarray(one)
            if self.return_state:
                one = [one, *grads[at : at + layer.state_count]]
                at += layer.state_count
            back, more = layer.backward(one, each[k], need_x)
            own += more
            if several:
                back, *rest = back
                by_states += rest
            if back is not None:
                by_x = back if by_x is None else by_x + back
        return ([by_x, *by_states] if several else by_x), own if self.trainable else []

    def _parted(self, grad: Array | None, outputs: list[Array]) -> list[Array | None]:
        """The gradients by both outputs."""
        one, two = outputs
        if grad is None:
            return [None, None]
        if self.merge_mode == "concat":
            return [grad[..., : one.shape[-1]], grad[..., one.shape[-1] :]]
        if self.merge_mode == "mul":
            return [grad * two, grad * one]
        half = grad if self.merge_mode == "sum" else grad * grad.dtype.type(0.5)
        return [half, half]

    def reset_state(self) -> None:
        """Begin the next call of both layers with zeros; of stateful ones."""
        for layer in self.halves:
            layer.reset_state()

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        settings = {**super().get_config(), "merge_mode": self.merge_mode}
        forward = layer_config(self.forward_layer)
        forward["config"]["name"] = self.forward_layer.name.removeprefix("forward_")
        settings["layer"] = forward
        if self._own_backward:
            settings["backward_layer"] = layer_config(self.backward_layer)
        return settings
