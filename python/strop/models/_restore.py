"""A model from the settings and the tensors of a file, neither of which is believed."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from .. import _random, metrics
from .._serial import restored
from .._tensors import StoredTensor
from ..layers import Layer, Variable
from ..ops import stored_name

if TYPE_CHECKING:
    from .base import BaseModel

Array = NDArray[Any]
Custom = Mapping[str, Any]
Spec = tuple[tuple[int, ...], np.dtype[Any]]

OP = "load_model"
#: What the names of the optimizer's tensors begin with.
OPTIMIZER = "optimizer/"
MAX_LAYERS = 10_000
#: The deferred tables count steps in int32.
MAX_ITERATIONS = 2**31 - 1


def misfit(name: str, spec: Spec, tensors: Mapping[str, StoredTensor]) -> str | None:
    """Why a weight cannot come from a file, or None."""
    shape, dtype = spec
    if name not in tensors:
        return f"file must hold {name!r}; got none"
    tensor = tensors[name]
    if (tensor.shape, str(tensor.dtype)) != (shape, str(dtype)):
        return f"{name!r} must be {dtype} of shape {shape}; got {tensor.dtype} {tensor.shape}"
    return None


class UnfitError(ValueError):
    """A weight of the file is not what a layer wants; the layer says nothing of its own to it."""


class _Weights:
    """Gives layers their weights from the file while they are built.

    A layer that made its own first would allocate what the settings say, which may be terabytes, and would draw
    random numbers only to see them overwritten.
    """

    def __init__(self, tensors: Mapping[str, StoredTensor]) -> None:
        self._left = {name: t for name, t in tensors.items() if not name.startswith(OPTIMIZER)}
        self._taken: set[str] = set()

    @contextmanager
    def given_to(self, layers: Iterable[Layer]) -> Iterator[None]:
        """Inside the block layers that are built take their weights from the file."""
        given = []
        for layer in layers:
            for part, prefix in layer.parts():
                given.append(vars(part))
                given[-1]["add_variable"] = self._adder(part, f"{layer.name}/{prefix}")
        try:
            yield
        finally:
            for attributes in given:
                del attributes["add_variable"]

    def _adder(self, layer: Layer, prefix: str) -> Callable[..., Variable]:
        def add_variable(name: str, shape: tuple[int, ...], initializer: Any, **settings: Any) -> Variable:
            variable = Variable(name, self._take(prefix + name, tuple(shape), layer.dtype), **settings)
            layer.variables.append(variable)
            return variable

        return add_variable

    def _take(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        problem = misfit(name, (shape, dtype), self._left)
        if problem:
            raise UnfitError(f"{OP}: {problem}")
        self._taken.add(name)
        return np.asarray(self._left.pop(name))

    def finish(self, model: BaseModel) -> None:
        """Set what layers made in ways of their own; nothing of the file may be left over."""
        own = {n: self._take(n, *spec) for n, spec in model.weight_specs().items() if n not in self._taken}
        if self._left:
            raise ValueError(
                f"{OP}: file must hold the model's weights only; got {next(iter(self._left))!r} too"
            )
        model.assign_weight_tensors(own)


def restore_layers(
    content: Mapping[str, Any], tensors: Mapping[str, StoredTensor], custom: Custom
) -> BaseModel:
    """The model without what compile chose.

    Raises:
        ValueError: a class is unknown, or the weights are not those of the layers.
    """
    from .functional import Model
    from .redrawing import made_layers
    from .sequential import Sequential

    models: dict[str, Any] = {"Model": Model, "Sequential": Sequential, **custom}
    if content["class"] not in models:
        raise ValueError(f"{OP}: model class must be known or in custom_objects; got {content['class']!r}")
    for name in ("layers", "calls"):
        entries = content["model"].get(name, [] if name == "calls" else None)
        if not isinstance(entries, list) or len(entries) > MAX_LAYERS:
            raise ValueError(f"{OP}: {name} must be a list of at most {MAX_LAYERS}; got something else")
    config = restored(content["model"], custom, OP)
    layers = made_layers(OP, config, custom)
    weights = _Weights(tensors)
    with weights.given_to(layers):
        model: BaseModel = models[content["class"]].redrawn(config, layers, OP)
    if not model.built:
        raise ValueError(f"{OP}: settings must be those of a built model; got no layers or no input shape")
    weights.finish(model)
    return model


def restore_compiled(model: BaseModel, config: Any, custom: Custom) -> None:
    """Compile; metrics are made objects here, which a later save can describe again.

    Raises:
        ValueError: a name is unknown.
    """
    config = restored(config, custom, OP)
    for name in ("metrics", "weighted_metrics"):
        config[name] = _made_metrics(config[name])
    model.compile_from_config(config, dict(custom))


def _made_metrics(described: Any) -> Any:
    """Metrics of a list, or of a list for each output."""
    if isinstance(described, list):
        return [_made_metrics(each) for each in described]
    return metrics.get(described, OP) if isinstance(described, dict) else described


def not_decaying(model: BaseModel) -> list[str]:
    """The weights that were excluded from the optimizer's weight decay."""
    optimizer = model.optimizer
    return [v.path for v in model.variables if optimizer.weight_decay and not optimizer._decay_of(v)]


def restore_optimizer(
    model: BaseModel, content: Mapping[str, Any], tensors: Mapping[str, StoredTensor]
) -> None:
    """Step count, exclusions and state; all names, shapes and dtypes are checked before any state is made.

    Raises:
        ValueError: the state is not that of this optimizer and these weights.
    """
    optimizer = model.optimizer
    iterations, no_decay = content["iterations"], content["no_decay"]
    pending_calls = content.get("pending_calls", 0)
    if type(pending_calls) is not int:
        raise ValueError(f"{OP}: pending_calls must be a whole number; got {type(pending_calls).__name__}")
    if type(iterations) is not int or not 0 <= iterations < MAX_ITERATIONS:
        raise ValueError(f"{OP}: iterations must lie in [0, {MAX_ITERATIONS}); got {iterations!r}")
    state = {name.removeprefix(OPTIMIZER): t for name, t in tensors.items() if name.startswith(OPTIMIZER)}
    slots = optimizer.state_names(pending_calls)
    specs = model.weight_specs()
    trained = set()
    for name in state:
        stored, _, weight = name.partition("/")
        slot = stored.partition(".")[0]
        if slot not in slots or weight not in specs:
            raise ValueError(f"{OP}: optimizer state must be {slots} of the weights; got {name!r}")
        spec = optimizer.slot_spec(slot, *specs[weight])
        wanted = f"{stored_name(slot, spec[1])}/{weight}"
        problem = misfit(wanted, spec, state)
        if problem:
            raise ValueError(f"{OP}: optimizer state {problem}")
        trained.add(weight)
    if len(state) != len(slots) * len(trained):
        raise ValueError(
            f"{OP}: optimizer state must be {slots} of each weight it trains; got a part of them"
        )
    if not set(no_decay) <= set(specs):
        raise ValueError(f"{OP}: no_decay must name weights; got {sorted(set(no_decay) - set(specs))[0]!r}")
    excluded = set(no_decay)
    optimizer.exclude_from_weight_decay([v for v in model.variables if v.path in excluded])
    variables = model.make_plan(model.loss).variables
    if trained and trained != {v.path for v in variables}:
        warnings.warn(
            f"{OP}: the optimizer's state is not that of the trainable weights, so it starts afresh",
            UserWarning,
            stacklevel=3,
        )
        return
    optimizer.iterations = iterations
    if state:
        optimizer.build(variables)
        optimizer.load_state_tensors(cast(dict[str, Array], state), iterations, pending_calls)


def layer_streams(model: BaseModel) -> dict[str, _random.Streams]:
    """The random streams of layers that have a seed of their own, and of layers in layers, by the layer's name."""
    return {
        f"{layer.name}/{prefix}" if prefix else layer.name: streams
        for layer in model.layers
        for prefix, streams in layer.random_streams().items()
    }


def restore_streams(model: BaseModel, own: Mapping[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    """Set the streams of layers; return strop's own, checked, for the caller to set when nothing can fail any more.

    Raises:
        ValueError: a state is damaged, or is not one of these layers.
    """
    streams = layer_streams(model)
    if set(streams) != set(own):
        raise ValueError(f"{OP}: random streams must be those of layers with a seed; got {sorted(own)}")
    for name, state in own.items():
        streams[name].set_state(state)
    checked = _random.Streams(0)
    checked.set_state(shared)
    return checked.get_state()
