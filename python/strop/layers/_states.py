"""What layers share whose input may be a list of a sequence and the states to begin with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._device import input_array
from .base import Layer, Shape
from .symbolic import connected, is_symbolic


class TakesStates(Layer):
    """Base of SimpleRNN, LSTM, GRU and Bidirectional."""

    uses_mask = True
    takes_states = True
    #: How many outputs come before the states.
    sequence_outputs = 1

    @property
    def state_shapes(self) -> list[Shape]:
        """Shapes of the states, without the samples."""
        raise NotImplementedError

    def build_from(self, input_shape: Any, sources: Sequence[str]) -> Any:
        """`build_once` within a model; the layer is built by the shape of the sequence alone.

        Raises:
            ValueError: a shape does not fit the layer.
        """
        if not isinstance(input_shape, list):
            return super().build_from(input_shape, sources)
        where = f"{self.op} {self.name!r}"
        sequence, *states = input_shape
        wanted = self.state_shapes
        if len(states) != len(wanted):
            raise ValueError(
                f"{where}: inputs must be a sequence and {len(wanted)} initial states; got "
                f"{len(states)} from {' and '.join(map(repr, sources[1:]))}"
            )
        for shape, own, source in zip(states, wanted, sources[1:], strict=True):
            if shape[1:] != own:
                raise ValueError(
                    f"{where}: initial states must have shape {(None, *own)}; got {shape} from {source!r}"
                )
        return super().build_from(sequence, sources[:1])

    def keeps_mask(self, masked: Sequence[bool]) -> bool:
        """Whether the mask of the sequence goes out."""
        return self.passes_mask and masked[0]

    def call(self, x: Any, training: bool = False, *, mask: Any = None, initial_state: Any = None) -> Any:
        """The output for a sequence, or a list of it and the states.

        Args:
            x: (N, T, D), or a list of it and the initial states.
            training: whether dropout acts.
            mask: bool, (N, T), False where a step is masked.
            initial_state: a list of h and, of an LSTM, c: (N, units) each; or h alone.
        """
        xs = list(x) if isinstance(x, list | tuple) and x and hasattr(x[0], "ndim") else [x]
        xs += _listed(initial_state)
        where = f"{self.op} {self.name!r}"
        arrays = [self.as_input(input_array(where, "x", each, self.device)) for each in xs]
        self.build_once((None, *arrays[0].shape[1:]))
        mask = None if mask is None else np.ascontiguousarray(mask, bool)
        given: Any = arrays if len(arrays) > 1 else arrays[0]
        return self.forward(given, training=training, mask=mask)[0]

    def __call__(self, x: Any, training: bool = False, *, mask: Any = None, initial_state: Any = None) -> Any:
        """`call` of arrays; of symbolic tensors the symbolic tensor that the layer gives, or a list of several."""
        states = _listed(initial_state)
        if not is_symbolic(x) and not is_symbolic(states):
            return self.call(x, training, mask=mask, initial_state=initial_state)
        if mask is not None:
            raise ValueError(
                f"{self.op} {self.name!r}: mask must be None for a symbolic tensor; got {type(mask).__name__}"
            )
        return connected(self, [*_listed(x), *states] if states else x)


def _listed(given: Any) -> list[Any]:
    if given is None:
        return []
    return list(given) if isinstance(given, list | tuple) else [given]
