"""The state of a fit under way, in one file: all that the next epoch depends on."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _random
from .._checkpoint import read_content, write_checkpoint
from .._device import to_host
from .._tensors import NAME, StoredTensor, open_tensors
from ._restore import MAX_ITERATIONS, layer_streams, misfit

Array = NDArray[Any]

OP = "BackupAndRestore"
WEIGHTS, OPTIMIZER, HELD = "weights/", "optimizer/", "held/"
#: Marks, in JSON, what JSON has no form for.
MARK = "$"


def packed(value: Any, arrays: dict[str, Array], what: str) -> Any:
    """A value in JSON's types; arrays go into `arrays`, floats that are not finite become texts.

    Args:
        value: numbers, texts, arrays, None, and lists and dicts of them.
        arrays: takes the arrays, by the names under which the value refers to them.
        what: whose value it is, for messages.

    Raises:
        TypeError: something else is inside.

    Example:
        >>> arrays = {}
        >>> packed({"best": math.inf, "weights": [np.zeros(2)]}, arrays, "EarlyStopping")
        {'$': 'dict', 'items': {'best': {'$': 'float', 'text': 'inf'}, 'weights': [{'$': 'array', 'name': 'held/0'}]}}
        >>> list(arrays)
        ['held/0']
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {MARK: "float", "text": str(value)}
    if isinstance(value, np.ndarray):
        name = f"{HELD}{len(arrays)}"
        arrays[name] = value
        return {MARK: "array", "name": name}
    if isinstance(value, list | tuple):
        return [packed(each, arrays, what) for each in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {MARK: "dict", "items": {key: packed(each, arrays, what) for key, each in value.items()}}
    raise TypeError(
        f"{OP}: state of {what} must be numbers, texts and arrays, in lists and dicts; got {type(value).__name__}"
    )


def unpacked(value: Any, tensors: Mapping[str, StoredTensor]) -> Any:
    """What was packed; tuples come as lists.

    Raises:
        ValueError: it was not.
    """
    if isinstance(value, list):
        return [unpacked(each, tensors) for each in value]
    if not isinstance(value, dict):
        return value
    kind = value.get(MARK)
    if kind == "dict" and isinstance(value.get("items"), dict):
        return {key: unpacked(each, tensors) for key, each in value["items"].items()}
    if kind == "float" and value.get("text") in ("nan", "inf", "-inf"):
        return float(value["text"])
    if kind == "array" and value.get("name") in tensors:
        return np.asarray(tensors[value["name"]])
    raise ValueError(f"{OP}: file must hold a packed state; got another structure")


class Backup:
    """What a model writes and reads for `BackupAndRestore`."""

    def save_backup(self: Any, path: str | os.PathLike[str], kept: Mapping[str, Any]) -> None:
        """Write weights, optimizer, random streams and what the callback keeps, in one rename.

        Args:
            path: the file.
            kept: state of the fit and of its callbacks.

        Raises:
            TypeError: something in it has no form in a file.
            OSError: the file cannot be written; an old one is whole.
        """
        arrays: dict[str, Array] = {}
        rate = self.optimizer._rate
        content = {
            "backup": packed(kept, arrays, "a callback"),
            "iterations": self.optimizer.iterations,
            "pending_calls": self.optimizer.pending_calls,
            "learning_rate": float(rate) if isinstance(rate, float) else None,
            "random": _random.get_state(),
            "layer_random": {name: each.get_state() for name, each in layer_streams(self).items()},
        }
        arrays |= {WEIGHTS + name: array for name, array in self.weight_tensors().items()}
        arrays |= {OPTIMIZER + name: to_host(array) for name, array in self.optimizer.state_tensors().items()}
        for name in arrays:
            if not NAME.fullmatch(name):
                raise ValueError(f"{OP}: names of weights must be of letters, digits and _./-; got {name!r}")
        write_checkpoint(OP, os.fspath(path), arrays, content, "state of callbacks", overwrite=True)

    def load_backup(self: Any, path: str | os.PathLike[str], check: Callable[[Any], None]) -> Any:
        """Set the model to a backup, and return what the callback kept; all is checked before the first write.

        Args:
            path: the file.
            check: raises where what the callback kept does not fit.

        Raises:
            ValueError: the file is damaged or of another model or optimizer. Nothing has changed then.
            OSError: the file cannot be read.
        """
        path = os.fspath(path)
        with open_tensors(path, OP) as (tensors, metadata):
            content = read_content(OP, path, metadata, "a backup of a fit")
            wanted = {"backup", "iterations", "pending_calls", "learning_rate", "random", "layer_random"}
            if not wanted <= set(content):
                raise ValueError(f"{OP}: {path} must be a backup of a fit; got another file of strop's")
            stored = {part: _part(tensors, part) for part in (WEIGHTS, OPTIMIZER)}
            specs = self.weight_specs()
            for name, spec in specs.items():
                problem = misfit(name, spec, stored[WEIGHTS])
                if problem:
                    raise ValueError(f"{OP}: {problem}; to start afresh remove {path}")
            extra = sorted(set(stored[WEIGHTS]) - set(specs))
            if extra:
                raise ValueError(f"{OP}: {path} must hold the model's weights only; got {extra[0]!r} too")
            kept = unpacked(content["backup"], tensors)
            check(kept)
            streams = _checked_streams(self, content)
            numbers = [content["iterations"], content["pending_calls"]]
            if not all(type(n) is int and 0 <= n < MAX_ITERATIONS for n in numbers):
                raise ValueError(f"{OP}: iterations must lie in [0, {MAX_ITERATIONS}); got {numbers[0]!r}")
            rate = content["learning_rate"]
            if not (rate is None or (isinstance(rate, float) and math.isfinite(rate) and rate >= 0)):
                raise ValueError(f"{OP}: learning_rate must be a number of at least 0; got {rate!r}")
            weights = {name: np.asarray(stored[WEIGHTS][name]) for name in specs}
            state = {name: np.asarray(tensor) for name, tensor in stored[OPTIMIZER].items()}
            self.optimizer.load_state_tensors(state, *numbers)
        self.assign_weight_tensors(weights)
        if rate is not None and isinstance(self.optimizer._rate, float):
            self.optimizer.learning_rate = rate
        for target, given in streams:
            target.set_state(given)
        return kept


def _part(tensors: Mapping[str, StoredTensor], prefix: str) -> dict[str, StoredTensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def _checked_streams(model: Any, content: Mapping[str, Any]) -> list[tuple[_random.Streams, Any]]:
    """Every random stream with the state it will have; a damaged one is refused."""
    own, layers = content["layer_random"], layer_streams(model)
    if not isinstance(own, dict) or set(own) != set(layers):
        raise ValueError(f"{OP}: random streams must be those of layers with a seed; got others")
    pairs = [(_random.streams, content["random"]), *((layers[name], own[name]) for name in layers)]
    for _, state in pairs:
        _random.Streams(0).set_state(state)
    return pairs
