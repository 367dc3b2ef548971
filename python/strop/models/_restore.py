"""A model from the description and the tensors of a file, neither of which is believed."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _random
from .. import layers as layer_module
from .._json import read_json
from .._names import nearest
from .._serial import restored
from ..layers import Layer, Variable
from ._safetensors import MAX_VALUES, Stored

if TYPE_CHECKING:
    from .sequential import Sequential

FORMAT = 1
#: What the names of the optimizer's tensors begin with.
STATE = "optimizer/"
MAX_LAYERS = 10_000
#: The deferred tables count steps in int32.
MAX_ITERATIONS = 2**31 - 1

OP = "load_model"


def version() -> str:
    """The version of strop that writes a file, for people."""
    from .. import __version__

    return __version__


def read_document(op: str, metadata: Mapping[str, str]) -> dict[str, Any]:
    """The JSON under `strop` in a file's metadata.

    Raises:
        ValueError: there is none, it is damaged, or a newer strop wrote it.
    """
    text = metadata.get("strop")
    if text is None or not text.isascii():
        raise ValueError(f"{op}: file must be one that save wrote; got none of its settings")
    document = read_json(text, op, max_values=MAX_VALUES)
    if not isinstance(document, dict) or type(document.get("format")) is not int:
        raise ValueError(f"{op}: file must be one that save wrote; got no format number")
    if document["format"] != FORMAT:
        raise ValueError(
            f"{op}: format must be {FORMAT}; got {document['format']}; a newer strop may read it"
        )
    return document


def restore(
    document: Mapping[str, Any], tensors: Mapping[str, Stored], custom: Mapping[str, Any], compiled: bool
) -> Sequential:
    """The model of a document, with the numbers of tensors.

    Raises:
        ValueError: something in it is not what save writes.
        OSError: the file cannot be read.
    """
    if "config" not in document:
        raise ValueError(f"{OP}: file must hold a whole model; got weights alone; use load_weights")
    try:
        model = _restore_layers(document, tensors, custom)
        if compiled and document["compile"] is not None:
            model.compile_from_config(document["compile"], dict(custom))
            _restore_optimizer(model, document["iterations"], tensors)
            _restore_streams(model, document["streams"])
        return model
    except (ValueError, OSError, MemoryError):
        raise
    except Exception as error:  # settings of the wrong kind surface anywhere: TypeError, KeyError, ...
        raise ValueError(
            f"{OP}: settings must be those that save wrote; got {type(error).__name__}: {error}"
        ) from error


def _restore_layers(
    document: Mapping[str, Any], tensors: Mapping[str, Stored], custom: Mapping[str, Any]
) -> Sequential:
    from .sequential import Sequential

    known = {"Sequential": Sequential, **custom}
    name = document["class"]
    if name not in known:
        raise ValueError(f"{OP}: model class must be known or in custom_objects; got {name!r}")
    config = restored(document["config"], custom, OP)
    entries = config["layers"]
    if len(entries) > MAX_LAYERS:
        raise ValueError(f"{OP}: model must have at most {MAX_LAYERS} layers; got {len(entries)}")
    _require_known(entries, custom)
    model: Sequential = known[name].from_config(config | {"layers": [], "build_input_shape": None})
    model.build_input_shape = _shape(config["build_input_shape"])
    weights = _Weights(tensors)
    for entry in entries:
        weights.add_layer(model, _make_layer(entry, custom))
    if not model.built:
        raise ValueError(f"{OP}: settings must be those of a built model; got no input shape")
    weights.finish(model)
    return model


def _require_known(entries: list[Any], custom: Mapping[str, Any]) -> None:
    known = {**layer_module.registry, **custom}
    unknown = sorted({str(e["class"]) for e in entries if e["class"] not in known})
    if unknown:
        raise ValueError(
            f"{OP}: layer classes must be known or in custom_objects; got {', '.join(map(repr, unknown[:10]))}"
            f"{nearest(unknown[0], known)}"
        )


def _make_layer(entry: Mapping[str, Any], custom: Mapping[str, Any]) -> Layer:
    classes: dict[str, Any] = {**layer_module.registry, **custom}
    layer: Layer = classes[entry["class"]].from_config(entry["config"])
    return layer


def _shape(shape: Any) -> tuple[int | None, ...]:
    if not isinstance(shape, list) or not all(n is None or (type(n) is int and n >= 0) for n in shape):
        raise ValueError(f"{OP}: build_input_shape must be a list of sizes; got {type(shape).__name__}")
    return tuple(shape)


class _Weights:
    """Gives layers their weights from the file while they are built.

    A layer that made its own first would allocate what the settings say, which may be terabytes; and would draw
    random numbers only to see them overwritten.
    """

    def __init__(self, tensors: Mapping[str, Stored]) -> None:
        self._left = {name: t for name, t in tensors.items() if not name.startswith(STATE)}
        self._taken: set[str] = set()

    def add_layer(self, model: Sequential, layer: Layer) -> None:
        """Append a layer whose weights come from the file."""
        attributes = vars(layer)
        attributes["add_variable"] = self._adder(layer)
        try:
            model.add(layer)
        finally:
            del attributes["add_variable"]

    def _adder(self, layer: Layer) -> Callable[..., Variable]:
        def add_variable(name: str, shape: tuple[int, ...], initializer: Any, **settings: Any) -> Variable:
            value = self._take(f"{layer.name}/{name}", tuple(shape), layer.dtype)
            variable = Variable(name, value, **settings)
            layer.variables.append(variable)
            return variable

        return add_variable

    def _take(self, path: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        if path not in self._left:
            raise ValueError(f"{OP}: file must hold {path!r}; got no such tensor")
        _require_fit(path, self._left[path], shape, dtype)
        self._taken.add(path)
        return np.asarray(self._left.pop(path))

    def finish(self, model: Sequential) -> None:
        """Set what layers made in ways of their own; nothing of the file may be left over."""
        specs = model.weight_specs()
        own = {p: self._take(p, *spec) for p, spec in specs.items() if p not in self._taken}
        if self._left:
            raise ValueError(
                f"{OP}: file must hold weights of the model only; got {next(iter(self._left))!r}"
            )
        model.assign_weight_tensors(own)


def _require_fit(path: str, tensor: Stored, shape: tuple[int, ...], dtype: Any) -> None:
    if tensor.shape != shape:
        raise ValueError(f"{OP}: {path!r} must have shape {shape}; got {tensor.shape}")
    if str(tensor.dtype) != str(dtype):
        raise ValueError(f"{OP}: {path!r} must be {dtype}; got {tensor.dtype}")


def _restore_optimizer(model: Sequential, iterations: Any, tensors: Mapping[str, Stored]) -> None:
    """Step count and state; all names, shapes and dtypes are checked before any state is made."""
    optimizer = model.optimizer
    if type(iterations) is not int or not 0 <= iterations < MAX_ITERATIONS:
        raise ValueError(f"{OP}: iterations must lie in [0, {MAX_ITERATIONS}); got {iterations!r}")
    state = {name.removeprefix(STATE): t for name, t in tensors.items() if name.startswith(STATE)}
    slots = [*optimizer.slots(), *(["average"] if optimizer.use_ema else [])]
    specs = model.weight_specs()
    paths = set()
    for name, tensor in state.items():
        slot, _, path = name.partition("/")
        if slot not in slots or path not in specs:
            raise ValueError(f"{OP}: optimizer's state must be {slots} of the weights; got {name!r}")
        _require_fit(STATE + name, tensor, *specs[path])
        paths.add(path)
    if len(state) != len(slots) * len(paths):
        raise ValueError(
            f"{OP}: optimizer's state must be {slots} of each weight it trains; got a part of them"
        )
    variables = model.make_plan(model.loss).variables
    if paths and paths != {v.path for v in variables}:
        warnings.warn(
            f"{OP}: the optimizer's state is not that of the trainable weights, so it starts afresh",
            UserWarning,
            stacklevel=4,
        )
        return
    optimizer.iterations = iterations
    if state:
        optimizer.build(variables)
        optimizer.load_state_tensors(state, iterations)


def _restore_streams(model: Sequential, saved: Mapping[str, Any]) -> None:
    """The random streams; strop's own come last, when nothing can fail any more."""
    own = layer_streams(model)
    if set(own) != set(saved["layers"]):
        raise ValueError(
            f"{OP}: streams must be those of the layers with a seed; got {sorted(saved['layers'])}"
        )
    for name, streams in own.items():
        streams.set_state(saved["layers"][name])
    _random.set_state(saved["global"])


def layer_streams(model: Sequential) -> dict[str, _random.Streams]:
    """The random streams of layers that have a seed of their own, by the layer's name."""
    found = {layer.name: getattr(layer, "_streams", None) for layer in model.layers}
    return {name: streams for name, streams in found.items() if streams is not None}
