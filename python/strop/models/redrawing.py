"""A drawn model from its config: layers, then the tensors that they give of one another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from .. import layers as layer_module
from .._names import nearest
from ..layers import Input, Layer
from ..layers.symbolic import Symbolic, connected

#: Inputs of all calls that a config may name.
MAX_READERS = 100_000


@contextmanager
def of_model(op: str, config: Any) -> Iterator[None]:
    """Says of a config what it lacks.

    Raises:
        TypeError: it is no dict.
        ValueError: an entry is missing while it is read.
    """
    if not isinstance(config, Mapping):
        raise TypeError(f"{op}: config must be a dict; got {type(config).__name__}")
    try:
        yield
    except KeyError as error:
        raise ValueError(f"{op}: config must be what get_config gives; got one without {error}") from error


def made_layers(op: str, config: Mapping[str, Any], custom: Mapping[str, Any]) -> list[Layer]:
    """The layers of a config, without weights.

    Raises:
        ValueError: a class is unknown.
    """
    known: dict[str, Any] = {**layer_module.registry, **custom}
    entries = _listed(op, "layers", config["layers"])
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("config", {}), dict):
            raise ValueError(f"{op}: layers must be dicts of class and config; got {str(entry)[:60]}")
    unknown = sorted({str(entry["class"]) for entry in entries} - set(known))
    if unknown:
        raise ValueError(
            f"{op}: layer classes must be known or in custom_objects; "
            f"got {', '.join(map(repr, unknown[:10]))}{nearest(unknown[0], known)}"
        )
    return [known[entry["class"]].from_config(entry["config"]) for entry in entries]


def redrawn_tensors(config: Mapping[str, Any], layers: Sequence[Layer], op: str) -> tuple[Any, Any, int]:
    """Inputs and outputs of the model of a config, as it was drawn, and how many calls lie between them.

    Raises:
        ValueError: the config names a tensor before it is made, or a layer that is not there.
    """
    tensors: list[Symbolic] = [_input(op, entry) for entry in _listed(op, "inputs", config["inputs"])]
    inputs = list(tensors)
    by_name = {layer.name: layer for layer in layers}
    calls = _listed(op, "calls", config["calls"])
    if sum(len(call["inputs"]) for call in calls) > MAX_READERS:
        raise ValueError(f"{op}: calls must have at most {MAX_READERS} inputs in all; got more")
    for call in calls:
        name, sources = call["layer"], _listed(op, "inputs of a call", call["inputs"])
        if not isinstance(name, str) or name not in by_name:
            raise ValueError(f"{op}: calls must name layers of the model; got {name!r}")
        if not sources or not all(type(k) is int and 0 <= k < len(tensors) for k in sources):
            raise ValueError(
                f"{op}: inputs of {name!r} must be tensors in [0, {len(tensors)}); got {str(sources)[:60]}"
            )
        chosen = [tensors[k] for k in sources]
        layer = by_name[name]
        made = connected(layer, chosen if layer.takes_list or len(chosen) > 1 else chosen[0])
        tensors += made if isinstance(made, list) else [made]
    given = config.get("given", {"inputs": None, "outputs": None})
    places = config.get("outputs", [len(tensors) - 1])
    if not isinstance(places, list) or not all(type(k) is int and 0 <= k < len(tensors) for k in places):
        raise ValueError(f"{op}: outputs must be tensors in [0, {len(tensors)}); got {str(places)[:60]}")
    if not isinstance(given, dict) or set(given) != {"inputs", "outputs"}:
        raise ValueError(f"{op}: given must be a dict of inputs and outputs; got {str(given)[:60]}")
    outputs = [tensors[k] for k in places]
    return _given(op, given["inputs"], inputs), _given(op, given["outputs"], outputs), len(calls)


def _given(op: str, described: Any, tensors: list[Symbolic]) -> Any:
    """Tensors as `Structure.described` says: None, `"list"`, or the keys of a dict."""
    if described is None and len(tensors) == 1:
        return tensors[0]
    if described == "list":
        return tensors
    keys = described if isinstance(described, list) else []
    if len(set(map(str, keys))) != len(tensors) or not all(isinstance(key, str) for key in keys):
        raise ValueError(
            f"{op}: given must be None, 'list' or a key for each of {len(tensors)} tensors; got {str(described)[:60]}"
        )
    return dict(zip(keys, tensors, strict=True))


def _listed(op: str, name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{op}: {name} must be a list; got {type(value).__name__}")
    return value


def _input(op: str, entry: Any) -> Input:
    shape = _listed(op, "shape of an input", entry["shape"])
    if not all(n is None or (type(n) is int and n >= 0) for n in shape):
        raise ValueError(f"{op}: shape of an input must be a list of sizes; got {str(shape)[:60]}")
    return Input(tuple(shape), dtype=entry["dtype"], name=entry["name"])
