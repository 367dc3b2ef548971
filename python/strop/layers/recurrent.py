"""What the recurrent layers share: weights, states, dropout, both passes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _random, activations, constraints, initializers, ops, regularizers
from .._names import check_share
from .._serial import described
from ._cells import run_cell, run_cell_backward
from ._states import TakesStates
from .base import Grads, Shape
from .core import whole_number

Array = NDArray[Any]

_WEIGHTS = ("kernel", "recurrent", "bias")

#: Arguments in the order in which Keras takes them by place, where its cells agree.
INITIALIZERS = tuple(f"{weight}_initializer" for weight in _WEIGHTS)
PENALTIES = (
    *(f"{weight}_regularizer" for weight in _WEIGHTS),
    "activity_regularizer",
    *(f"{weight}_constraint" for weight in _WEIGHTS),
    "dropout",
    "recurrent_dropout",
)
RUNNING = ("return_sequences", "return_state", "go_backwards", "stateful", "unroll")


class Recurrent(TakesStates):
    """Base of SimpleRNN, LSTM and GRU: (N, T, D) becomes (N, units), or (N, T, units) with return_sequences.

    A list of inputs is the sequence and the initial states. With `stateful` every call, of `predict` too, begins
    with the states that the call before ended with, until `reset_state`: such a layer belongs to one thread.
    """

    #: How many states there are: h, and c of an LSTM.
    state_count = 1
    #: Arguments behind use_bias, in the order in which Keras takes them by place.
    order: tuple[str, ...] = ()

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        *,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        seed: int | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.units = whole_number(self.op, "units", units)
        self.activation = activations.get(activation, self.op)
        self.recurrent_activation = activations.get(recurrent_activation, self.op)
        self.use_bias = bool(use_bias)
        self.initializers = [
            initializers.get(each, self.op)
            for each in (kernel_initializer, recurrent_initializer, bias_initializer)
        ]
        self.regularizers = [
            regularizers.get(each, self.op)
            for each in (kernel_regularizer, recurrent_regularizer, bias_regularizer)
        ]
        self.constraints = [
            constraints.get(each, self.op)
            for each in (kernel_constraint, recurrent_constraint, bias_constraint)
        ]
        self.dropout = check_share(self.op, "dropout", dropout)
        self.recurrent_dropout = check_share(self.op, "recurrent_dropout", recurrent_dropout)
        self.return_sequences, self.return_state = bool(return_sequences), bool(return_state)
        self.go_backwards, self.stateful = bool(go_backwards), bool(stateful)
        self.passes_mask = self.return_sequences
        #: Whether the output of a masked step is 0; Bidirectional sets it, as in Keras.
        self.zero_output_for_mask = False
        self.seed = seed
        self._streams = None if seed is None else _random.Streams(seed)
        #: Of a stateful layer: where the last call ended, or None.
        self.states: list[Array] | None = None

    @property
    def state_shapes(self) -> list[Shape]:
        """Shapes of the states, without the samples."""
        return [(self.units,)] * self.state_count

    @property
    def cell(self) -> str:
        """The name of the cell in `strop.ops.CELLS`."""
        raise NotImplementedError

    # ---- variables ---------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Make kernel, recurrent kernel and bias."""
        shape = input_shape[0] if isinstance(input_shape, list) else input_shape
        if len(shape) != 3 or shape[-1] is None:
            raise ValueError(
                f"{self.op} {self.name!r}: inputs must have 3 axes (batch, steps, features), the last one known; "
                f"got shape {shape}"
            )
        width = ops.CELLS[self.cell] * self.units
        shapes = ((shape[-1], width), (self.units, width), (2, width) if self.cell == "gru" else (width,))
        names = ("kernel", "recurrent_kernel", "bias")
        made = []
        for k, name in enumerate(names if self.use_bias else names[:2]):
            made.append(
                self.add_variable(
                    name,
                    shapes[k],
                    self.first_bias if name == "bias" else self.initializers[k],
                    regularizer=self.regularizers[k],
                    constraint=self.constraints[k],
                )
            )
        self.kernel, self.recurrent_kernel = made[:2]
        self.bias = made[2] if self.use_bias else None

    @property
    def first_bias(self) -> Any:
        """How the bias starts."""
        return self.initializers[2]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(N, T, units) or (N, units); with return_state a list with those of the states."""
        shape: Shape = input_shape[0] if isinstance(input_shape, list) else input_shape
        state = (shape[0], self.units)
        output = (*shape[:2], self.units) if self.return_sequences else state
        return [output, *[state] * self.state_count] if self.return_state else output

    def compute_mask(self, x: Any, mask: Any) -> Any:
        """The mask of the steps, where they are returned."""
        first = mask[0] if isinstance(mask, list) else mask
        first = first if self.return_sequences else None
        return [first, *[None] * self.state_count] if self.return_state else first

    # ---- passes ------------------------------------------------------------

    def forward(self, x: Any, *, training: bool = False, mask: Any = None) -> tuple[Any, Any]:
        """The output, or a list of it and the states, and what `backward` needs."""
        xs = list(x) if isinstance(x, list | tuple) else [x]
        self._check(xs)
        mask = mask[0] if isinstance(mask, list) else mask
        states = xs[1:] or self.states
        if self.stateful and states is not None and len(states[0]) != len(xs[0]):
            raise ValueError(
                f"{self.op} {self.name!r}: batches must have {len(states[0])} samples, as the states kept; got "
                f"{len(xs[0])}; call reset_state first"
            )
        factors = self._factors(xs[0]) if training else (None, None)
        sequence = xs[0] if factors[0] is None else xs[0] * factors[0]
        run = self._run(sequence, states, mask, factors[1], training)
        if self.stateful:
            self.states = [state.copy() for state in run.states]
        output = run.output if self.return_sequences else run.states[0]
        saved = (run, sequence, states, mask, factors, isinstance(x, list | tuple))
        if not self.return_state:
            return output, saved
        return [output if self.return_sequences else output.copy(), *run.states], saved

    def _check(self, xs: list[Array]) -> None:
        """Refuse inputs that do not fit the weights."""
        where = f"{self.op} {self.name!r}"
        if xs[0].ndim != 3 or xs[0].shape[-1] != self.kernel.shape[0]:
            raise ValueError(
                f"{where}: inputs must have shape (batch, steps, {self.kernel.shape[0]}); got {xs[0].shape}"
            )
        if len(xs) not in (1, 1 + self.state_count):
            raise ValueError(
                f"{where}: inputs must be a sequence and {self.state_count} initial states; got {len(xs)} arrays"
            )
        for state in xs[1:]:
            if state.shape != (len(xs[0]), self.units):
                raise ValueError(
                    f"{where}: initial states must have shape {(len(xs[0]), self.units)}; got {state.shape}"
                )

    def _factors(self, x: Array) -> tuple[Array | None, Array | None]:
        """What dropout multiplies by, one draw per sample for all steps and gates: inputs, and h."""
        shapes = ((len(x), 1, x.shape[-1]), (len(x), self.units))
        return tuple(  # type: ignore[return-value]
            self._draw(rate, shape, x.dtype)
            for rate, shape in zip((self.dropout, self.recurrent_dropout), shapes, strict=True)
        )

    def _draw(self, rate: float, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array | None:
        if rate in (0, 1):
            return np.zeros(shape, dtype) if rate else None
        kept = (self._streams or _random.streams).generator("dropout").random(shape, np.float32) >= rate
        result: Array = kept * dtype.type(1 / (1 - rate))
        return result

    @property
    def _in_kernel(self) -> bool:
        """Whether the kernel knows both activations."""
        both = (self.activation, self.recurrent_activation)
        return all(a.kernel in ops.CELL_ACTIVATIONS and not a._kernel_settings for a in both)

    def _run(
        self, x: Array, states: Sequence[Array] | None, mask: Array | None, factor: Array | None, save: bool
    ) -> Any:
        weights = (self.kernel.value, self.recurrent_kernel.value, self.bias.value if self.bias else None)
        settings: dict[str, Any] = {
            "cell": self.cell,
            "initial_state": states,
            "mask": mask,
            "factor": factor,
            "backwards": self.go_backwards,
            "zeros": self.zero_output_for_mask,
        }
        if not self._in_kernel:
            return run_cell(x, *weights, self.activation, self.recurrent_activation, **settings)
        return ops.recurrent(
            x,
            *weights,
            activation=self.activation.kernel,
            recurrent_activation=self.recurrent_activation.kernel,
            sequences=self.return_sequences,
            save=save,
            **settings,
        )

    def backward(self, grad: Any, saved: Any, need_x: bool = True) -> tuple[Any, Grads]:
        """The gradient by the input, or a list by it and the initial states; and by the weights."""
        run, x, states, mask, factors, several = saved
        if run.saved is None:
            run = self._run(x, states, mask, factors[1], True)
        grads = list(grad) if isinstance(grad, list | tuple) else [grad, *[None] * self.state_count]
        by_out, by_states = grads[0], grads[1:]
        if not self.return_sequences:
            both = [each for each in (by_out, by_states[0]) if each is not None]
            by_states[0], by_out = sum(both[1:], both[0]) if both else None, None
        call = ops.recurrent_backward if self._in_kernel else run_cell_backward
        by_x, *by_weights, by_initial = call(by_out, run, grad_states=by_states, need_x=need_x)
        if by_x is not None and factors[0] is not None:
            by_x *= factors[0]
        own: Grads = by_weights[: 2 + self.use_bias] if self.trainable else []
        return ([by_x, *by_initial] if several else by_x), own

    def reset_state(self) -> None:
        """Begin the next call with zeros; of a stateful layer."""
        self.states = None

    # ---- config ------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        settings = {**super().get_config(), "units": self.units, "activation": described(self.activation)}
        settings["use_bias"] = self.use_bias
        for k, weight in enumerate(_WEIGHTS):
            settings[f"{weight}_initializer"] = described(self.initializers[k])
            settings[f"{weight}_regularizer"] = described(self.regularizers[k])
            settings[f"{weight}_constraint"] = described(self.constraints[k])
        names = "dropout recurrent_dropout return_sequences return_state go_backwards stateful seed"
        return settings | {name: getattr(self, name) for name in names.split()}

    @classmethod
    def _named(cls, given: Sequence[Any], settings: dict[str, Any]) -> dict[str, Any]:
        """The settings with those that came by place.

        Raises:
            TypeError: there are too many, or one came by name, too.
        """
        if len(given) > len(cls.order):
            raise TypeError(
                f"{cls.__name__}: arguments must be known ones; got {len(given) - len(cls.order)} too many"
            )
        named = dict(zip(cls.order, given, strict=False))
        for name in named:
            if name in settings:
                raise TypeError(f"{cls.__name__}: {name} must be given once; got it by place and by name")
        return named | settings

    @classmethod
    def _keywords(cls) -> list[str]:
        return [*super()._keywords(), *(Recurrent.__init__.__kwdefaults__ or {})]
