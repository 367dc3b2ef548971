"""Models as one file: numbers as safetensors, settings as JSON inside it.

Weights are tensors `<layer>/<weight>`, the optimizer's state `optimizer/<slot>/<layer>/<weight>`; layers, the arguments of
compile, the step count and the random streams are one JSON text under `strop` in the file's metadata. Any safetensors
reader opens the weights.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import _random
from .._files import atomic_write
from ._restore import FORMAT, MAX_LAYERS, STATE, layer_streams, read_document, restore, version
from ._safetensors import Stored, make_header, open_tensors

if TYPE_CHECKING:
    from .sequential import Sequential

Array = NDArray[Any]
FilePath = str | os.PathLike[str]

SUFFIXES = ("", ".safetensors", ".strop")


class Saving:
    """What a model does with files; the functions of this module as methods."""

    def save(self, filepath: FilePath, overwrite: bool = True) -> None:
        """Write layers, weights, optimizer and random streams to one file; see `strop.models.save`."""
        save(self, filepath, overwrite)  # type: ignore[arg-type]

    def save_weights(self, filepath: FilePath, overwrite: bool = True) -> None:
        """Write the weights alone; see `strop.models.save_weights`."""
        save_weights(self, filepath, overwrite)  # type: ignore[arg-type]

    def load_weights(self, filepath: FilePath, skip_mismatch: bool = False) -> list[str]:
        """Set the weights from a file; see `strop.models.load_weights`."""
        return load_weights(self, filepath, skip_mismatch)  # type: ignore[arg-type]

    def to_json(self, **kwargs: Any) -> str:
        """The layers and their settings as JSON, without weights; kwargs are those of `json.dumps`."""
        return _dumps("to_json", _describe(self), **kwargs)


def save(model: Sequential, filepath: FilePath, overwrite: bool = True) -> None:
    """Write a model to one file: layers, weights, what compile chose, optimizer state, random streams.

    The file is written whole or not at all: a save that is killed leaves the old file. What `load_model` makes of it
    predicts and trains on bit for bit.

    Args:
        model: a built model.
        filepath: ends in `.safetensors`, `.strop`, or has no suffix.
        overwrite: False refuses an existing file.

    Raises:
        ValueError: the suffix is that of another format, the model is not built, or a setting is not JSON.
        FileExistsError: the file exists and overwrite is False; nothing has been written then.
        OSError: the file cannot be written; the old one is whole.

    Example:
        >>> import tempfile, strop
        >>> model = strop.Sequential([strop.Input((2,)), strop.layers.Dense(1)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save(model, f"{folder}/model.safetensors")
        ...     again = load_model(f"{folder}/model.safetensors")
        >>> bool((again.predict([[1.0, 2.0]], verbose=0) == model.predict([[1.0, 2.0]], verbose=0)).all())
        True
    """
    path = check_path("save", filepath)
    _require_built("save", model)
    tensors = model.weight_tensors()
    if any(name.startswith(STATE) for name in tensors):
        raise ValueError(
            "save: layers must not be named 'optimizer'; got one; the file keeps that name for its state"
        )
    compiled = model.get_compile_config()
    if compiled is not None:
        tensors |= {STATE + name: array for name, array in model.optimizer.state_tensors().items()}
    document = {
        **_describe(model),
        "compile": compiled,
        "iterations": None if compiled is None else model.optimizer.iterations,
        "streams": {
            "global": _random.get_state(),
            "layers": {name: streams.get_state() for name, streams in layer_streams(model).items()},
        },
    }
    _write("save", path, tensors, document, overwrite)


def save_weights(model: Sequential, filepath: FilePath, overwrite: bool = True) -> None:
    """Write the weights alone to a file, for `load_weights` of a model with the same layers.

    Args:
        model: a built model.
        filepath: ends in `.safetensors`, `.strop`, or has no suffix.
        overwrite: False refuses an existing file.

    Raises:
        ValueError: the suffix is that of another format, or the model is not built.
        FileExistsError: the file exists and overwrite is False; nothing has been written then.
        OSError: the file cannot be written; the old one is whole.
    """
    path = check_path("save_weights", filepath)
    _require_built("save_weights", model)
    document = {"format": FORMAT, "version": version()}
    _write("save_weights", path, model.weight_tensors(), document, overwrite)


def load_model(
    filepath: FilePath,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Sequential:
    """The model that `save` wrote.

    Classes and functions are found by name among strop's own and `custom_objects`, nowhere else: a file cannot make
    this call import or run anything.

    Args:
        filepath: ends in `.safetensors`, `.strop`, or has no suffix.
        custom_objects: the user's own layers, losses, functions, by the names under which they were saved.
        compile: whether to compile as the saved model was, with its optimizer's state, and to set strop's random
            streams as they were, so that training goes on as if it had not stopped. False only predicts.
        safe_mode: True; there is no other mode.

    Raises:
        ValueError: the file is damaged or hostile, or a custom name is not in custom_objects.
        TypeError: an argument has another type.
        OSError: the file cannot be read.
    """
    path = check_path("load_model", filepath)
    if custom_objects is not None and not isinstance(custom_objects, Mapping):
        raise TypeError(f"load_model: custom_objects must be a dict; got {type(custom_objects).__name__}")
    if safe_mode is not True:
        raise ValueError(
            f"load_model: safe_mode must be True; got {safe_mode!r}; give your own classes as custom_objects"
        )
    with open_tensors(path, "load_model") as (tensors, metadata):
        document = read_document("load_model", metadata)
        return restore(document, tensors, dict(custom_objects or {}), compile)


def load_weights(model: Sequential, filepath: FilePath, skip_mismatch: bool = False) -> list[str]:
    """Set a model's weights from a file that `save` or `save_weights` wrote, or any safetensors file of these names.

    Every name, shape and dtype is checked, and every number read, before the first weight is written.

    Args:
        model: a built model.
        filepath: ends in `.safetensors`, `.strop`, or has no suffix.
        skip_mismatch: True leaves out what does not fit.

    Returns:
        The names left out: weights of the model that keep their numbers, then tensors that have no place in it.

    Raises:
        ValueError: the file is damaged, or does not fit the model and skip_mismatch is False.
        OSError: the file cannot be read.
    """
    op = "load_weights"
    path = check_path(op, filepath)
    _require_built(op, model)
    specs = model.weight_specs()
    with open_tensors(path, op) as (tensors, _):
        tensors = {k: t for k, t in tensors.items() if k in specs or not k.startswith(STATE)}
        problems = _mismatches(specs, tensors)
        if problems and not skip_mismatch:
            more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
            raise ValueError(f"{op}: {next(iter(problems.values()))}{more}; skip_mismatch=True leaves it out")
        loaded = {name: np.asarray(tensors[name]) for name in specs if name not in problems}
    model.assign_weight_tensors(loaded)
    return list(problems)


def _mismatches(
    specs: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]], tensors: Mapping[str, Stored]
) -> dict[str, str]:
    """What does not fit, by name, with the text that says why."""
    problems = {}
    for name, (shape, dtype) in specs.items():
        if name not in tensors:
            problems[name] = f"file must hold {name!r}; got no such tensor"
        elif tensors[name].shape != shape:
            problems[name] = f"{name!r} must have shape {shape}; got {tensors[name].shape}"
        elif str(tensors[name].dtype) != str(dtype):
            problems[name] = f"{name!r} must be {dtype}; got {tensors[name].dtype}"
    unknown = {n: f"file must hold weights of the model only; got {n!r}" for n in tensors if n not in specs}
    return problems | unknown


def check_path(op: str, filepath: FilePath) -> str:
    """The path as text, if its suffix does not lie about what is in the file.

    Raises:
        TypeError: it is no path.
        ValueError: the suffix is another one; one of digits alone, as in `model-0.25`, is part of the name.
    """
    if not isinstance(filepath, str | os.PathLike) or not isinstance(os.fspath(filepath), str):
        raise TypeError(f"{op}: filepath must be a text or a path; got {type(filepath).__name__}")
    path = os.fspath(filepath)
    pure = PurePath(path)
    suffix = pure.suffix.lower()
    if suffix in SUFFIXES or suffix[1:].isdigit():
        return path
    raise ValueError(
        f"{op}: filepath must end in .safetensors, .strop or no suffix; got {pure.name!r}"
        f"; write {pure.with_suffix('.safetensors').name!r}"
    )


def _require_built(op: str, model: Sequential) -> None:
    if not model.built:
        raise ValueError(f"{op}: model must be built; call build, or start the model with an Input")


def _describe(model: Any) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": version(),
        "class": type(model).__name__,
        "config": model.get_config(),
    }


def _dumps(op: str, document: Any, **kwargs: Any) -> str:
    try:
        return json.dumps(document, allow_nan=False, **kwargs)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{op}: get_config must hold what JSON can; got {error}") from error


def _write(
    op: str, path: str, tensors: Mapping[str, Array], document: Mapping[str, Any], overwrite: bool
) -> None:
    if len(document.get("config", {}).get("layers", [])) > MAX_LAYERS:
        raise ValueError(f"{op}: model must have at most {MAX_LAYERS} layers; got more")
    metadata = {"strop": _dumps(op, document, separators=(",", ":"))}
    read_document(op, metadata)  # what we could not read back is not written
    head, arrays = make_header(tensors, metadata, op)
    with atomic_write(path, overwrite=overwrite) as file:
        file.write(head)
        for array in arrays:
            file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
