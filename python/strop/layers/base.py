"""What every layer is: variables, a forward and a backward pass, a config.

The passes are pure functions of their arguments and the weights: `forward` writes nothing on the layer, so that many
threads may predict on one model. What `backward` needs travels in `saved`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .. import config, initializers, regularizers
from .._arrays import rectangular
from .._backend import array_module, on_gpu
from .._device import Device, building, find, input_array, to_device, to_host
from .._names import Constructor, check_kwargs, snake_case
from .._random import Streams
from .._serial import described
from ..rowgrad import RowGrad
from .symbolic import Call, OfFirstCall, connected, is_symbolic, misfit, sample_shape
from .variable import Variable, check_weights, move_layers, placed

Array = NDArray[Any]
Shape = tuple[int | None, ...]
Grads = list[Array | RowGrad | None]


class Layer(metaclass=Constructor):
    """Base of the layers.

    Args:
        name: unique within a model; None takes the class name, with a number if there are several.
        dtype: `"float32"` or `"float64"`; None is `strop.config.floatx()`.
        trainable: False freezes the weights.
        input_shape: shape of one sample, if this is the first layer and the model should be built at once.
        input_dim: the same for a sample of one axis, as its size.
        activity_regularizer: penalty on the output, over the batch size; it is part of the loss.
    """

    #: Whether a mask that comes in goes out.
    passes_mask = False
    #: Whether a mask changes what the layer computes.
    uses_mask = False
    #: Whether the layer reads ids and not numbers.
    reads_ids = False
    #: Whether a mask begins here.
    starts_mask = False
    #: Whether inputs must have as many axes as those that the layer was built for.
    fixed_rank = False
    #: Whether the layer has several inputs: shapes, arrays and masks come as lists then.
    takes_list = False
    #: Whether states may come with the input, in a list.
    takes_states = False
    #: The first call on symbolic tensors.
    first_call: Call | None = None
    #: The symbolic tensor that it was first called on, and the one that it gave then, or lists of several.
    input, output = OfFirstCall("input"), OfFirstCall("output")

    def __init__(
        self,
        *,
        name: str | None = None,
        dtype: str | None = None,
        trainable: bool = True,
        input_shape: tuple[int | None, ...] | None = None,
        input_dim: int | None = None,
        activity_regularizer: Any = None,
        **unknown: Any,
    ) -> None:
        self.op = type(self).__name__
        check_kwargs(self.op, unknown, self._keywords())
        if dtype not in (None, "float32", "float64"):
            raise ValueError(f"{self.op}: dtype must be 'float32' or 'float64'; got {dtype!r}")
        if name is not None and (not isinstance(name, str) or not name or "/" in name):
            raise ValueError(f"{self.op}: name must be a text without '/'; got {name!r}")
        self.given_name = name
        #: Whether a model has given it its name.
        self.in_model = False
        self.name = name or snake_case(self.op)
        self.dtype = np.dtype(dtype or config.floatx())
        self.trainable = trainable
        self.activity_regularizer = regularizers.get(activity_regularizer, self.op)
        given = input_shape if input_dim is None else (input_dim,)
        self.input_shape: Shape | None = None
        if given is not None:
            self.input_shape = sample_shape(self.op, "input_shape", given)
        self.built = False
        self.variables: list[Variable] = []
        #: Where the variables live, or will.
        self.device = building()

    # ---- what a layer writes -----------------------------------------------

    def build(self, input_shape: Shape) -> None:
        """Make the variables for inputs of this shape, whose batch axis is None."""

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the output, from that of the input."""
        return input_shape

    def forward(self, x: Array, *, training: bool = False, mask: Array | None = None) -> tuple[Array, Any]:
        """The output, and what `backward` needs."""
        raise NotImplementedError(f"{self.op}: a layer must have a forward")

    def backward(self, grad: Array, saved: Any, need_x: bool = True) -> tuple[Array | None, Grads]:
        """The gradient by the input, or None where nobody needs it, and one per trainable variable."""
        raise NotImplementedError(f"{self.op}: a layer must have a backward to be trained")

    def compute_mask(self, x: Array, mask: Array | None) -> Array | None:
        """The mask of the output."""
        return mask if self.passes_mask else None

    def keeps_mask(self, masked: Sequence[bool]) -> bool:
        """Whether a mask goes out, if these inputs have one."""
        return self.passes_mask and all(masked)

    def get_config(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        settings = {"name": self.name, "dtype": self.dtype.name, "trainable": self.trainable}
        if self.activity_regularizer is not None:
            settings["activity_regularizer"] = described(self.activity_regularizer)
        return settings

    @classmethod
    def from_config(cls, settings: dict[str, Any]) -> Self:
        """The layer that `get_config` described."""
        return cls(**settings)

    # ---- what every layer has ----------------------------------------------

    def build_once(self, input_shape: Any) -> Any:
        """Build if that has not been done; the shape of the output. A layer with several inputs takes a list."""
        if not self.built:
            self.build(input_shape)
            self.built = True
            self.input_shape = input_shape
            for variable in self.variables:
                variable.path = f"{self.name}/{variable.name}"
        self.check_rank(input_shape)
        return self.compute_output_shape(input_shape)

    def check_rank(self, input_shape: Any) -> None:
        """Refuse inputs with another number of axes than the layer was built for, where it reads no other."""
        wanted: Any = self.input_shape
        if self.built and self.fixed_rank and wanted is not None and len(input_shape) != len(wanted):
            raise ValueError(
                f"{self.op} {self.name!r}: inputs must have {len(wanted)} axes, as in {wanted}; got shape {input_shape}"
            )

    def build_from(self, input_shape: Any, sources: Sequence[str]) -> Any:
        """`build_once` within a model; what it refuses is said with the layer's name and what gives the input.

        A layer that is built must have the same weights for the new shape.

        Args:
            input_shape: as for `build`.
            sources: names of what gives the inputs; none where they come from outside.

        Raises:
            ValueError: the shape does not fit the layer.
        """
        try:
            if self.built and input_shape != self.input_shape:
                self.check_rank(input_shape)
                self._check_again(input_shape)
            return self.build_once(input_shape)
        except ValueError as error:
            if type(error) is not ValueError:  # not of the layer's build, but of what gives it its weights
                raise
            raise ValueError(misfit(self, str(error), input_shape, sources)) from error

    def _check_again(self, input_shape: Any) -> None:
        """Build once more, with the variables that are there."""
        held = {v.name: v for v in self.variables}

        def same(name: str, shape: tuple[int, ...], *_: Any, **settings: Any) -> Variable:
            if name not in held or held[name].shape != tuple(shape):
                wanted: Any = self.input_shape
                if isinstance(input_shape, tuple) and len(input_shape) == len(wanted):
                    raise ValueError(f"inputs must have last axis {wanted[-1]}; got shape {input_shape}")
                raise ValueError(f"inputs must have shape {wanted}; got shape {input_shape}")
            return held[name]

        vars(self)["add_variable"] = same
        try:
            self.build(input_shape)
        finally:
            del vars(self)["add_variable"]

    def parts(self) -> list[tuple[Layer, str]]:
        """The layers that make the variables, each with what the names of its variables begin with here."""
        return [(self, "")]

    def random_streams(self) -> dict[str, Streams]:
        """The random streams of seeds of its own and of layers in it, each by what names begin with there."""
        found = {prefix: getattr(part, "_streams", None) for part, prefix in self.parts()}
        return {prefix: streams for prefix, streams in found.items() if streams is not None}

    def rename(self, name: str) -> None:
        """Take another name, in the paths of the variables too."""
        for variable in self.variables:
            variable.path = name + variable.path.removeprefix(self.name)
        self.name = name

    def add_variable(
        self,
        name: str,
        shape: tuple[int, ...],
        initializer: Any,
        *,
        trainable: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        sparse_rows: bool = False,
    ) -> Variable:
        """Make a variable with the numbers of an initializer."""
        path = f"{self.name}/{name}"
        variable = Variable(
            name,
            placed(
                "build", path, initializers.fill(initializer, shape, self.dtype, weight=path), self.device
            ),
            trainable=trainable,
            regularizer=regularizer,
            constraint=constraint,
            sparse_rows=sparse_rows,
        )
        self.variables.append(variable)
        return variable

    @property
    def trainable_variables(self) -> list[Variable]:
        """Those that the optimizer moves."""
        return [v for v in self.variables if v.trainable and self.trainable]

    def call(self, x: Any, training: bool = False) -> Array:
        """The output for an array, of the library of x; builds the layer on first use."""
        with self.device.current():
            given = input_array(f"{self.op} {self.name!r}", "x", x, self.device)
            array = self.as_input(given)
            self.build_once((None, *array.shape[1:]))
            y = self.forward(to_device(array, self.device), training=training)[0]
            return y if on_gpu(given) else to_host(y)

    def __call__(self, x: Any, *args: Any, **settings: Any) -> Any:
        """`call` of an array; of a symbolic tensor the symbolic tensor that the layer gives."""
        return connected(self, x) if is_symbolic(x) else self.call(x, *args, **settings)

    def as_input(self, x: Any) -> Array:
        """A C-contiguous array of the type that the layer reads, of the library of x."""
        array = rectangular(f"{self.op} {self.name!r}", "x", x)
        result: Array = array_module(array).ascontiguousarray(array, self.dtype)
        return result

    def to(self, device: str | Device) -> Self:
        """Move the variables to a device; `strop.Sequential.to` does so for a model and its optimizer.

        Args:
            device: `"cpu"`, `"cuda"` or `"cuda:1"`.

        Raises:
            MemoryError: they do not fit there; nothing has moved then.
        """
        move_layers("to", f"layer {self.name!r}", [self], find("to", device))
        return self

    def get_weights(self) -> list[Array]:
        """Copies of the weights on the host, in the order in which they were made."""
        return [v.numpy() for v in self.variables]

    def set_weights(self, weights: list[Any]) -> None:
        """Set all weights; shapes are checked before the first is written.

        Raises:
            ValueError: the count or a shape differs; nothing has changed then.
        """
        check_weights(f"set_weights: {self.op} {self.name!r}", self.variables, weights)
        for variable, weight in zip(self.variables, weights, strict=True):
            variable.assign(np.asarray(weight))

    def count_params(self) -> int:
        """How many numbers the weights hold."""
        return sum(v._value.size for v in self.variables)

    @classmethod
    def _keywords(cls) -> list[str]:
        code = cls.__init__.__code__
        names = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
        return [*names, *(Layer.__init__.__kwdefaults__ or {})]

    def __repr__(self) -> str:
        return f"<{self.op} {self.name!r}>"
