"""Saving and loading: one safetensors file with the weights, the optimizer's state and, as JSON, everything else.

Nothing runs from a file and nothing is compressed; the file is one rename. Class names are looked up in strop's own
registries or in the caller's `custom_objects`; no name in a file is ever imported.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from .. import __version__, _random
from .._files import atomic_write
from .._json import read_json
from ._tensors import NAME, read_tensors

Array = NDArray[Any]

FORMAT = 1
KEY = "strop"
OPTIMIZER = "optimizer/"
MAX_LAYERS = 10_000
REFUSED = (".h5", ".hdf5", ".keras", ".pkl", ".pickle", ".pt", ".pth", ".npz", ".npy", ".json")


def _check_suffix(op: str, path: str | os.PathLike[str]) -> str:
    text = os.fspath(path)
    suffix = Path(text).suffix.lower()
    if suffix in REFUSED:
        raise ValueError(f"{op}: filepath must end in .safetensors or .strop; got {text!r}")
    return text


def _write(
    op: str, path: str | os.PathLike[str], tensors: dict[str, Array], content: dict[str, Any], overwrite: bool
) -> None:
    for name in tensors:
        if not NAME.fullmatch(name):
            raise ValueError(f"{op}: names of weights must be of letters, digits and _./-; got {name!r}")
    text = json.dumps({"format": FORMAT, "version": __version__, **content}, allow_nan=False)
    data = safetensors.numpy.save({k: np.ascontiguousarray(v) for k, v in tensors.items()}, {KEY: text})
    with atomic_write(path, overwrite=overwrite) as file:
        file.write(data)


def save(model: Any, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
    """Save a model whole: layers, weights, compile arguments, optimizer state, random streams.

    Args:
        model: a built model.
        filepath: ends in .safetensors, .strop, or nothing.
        overwrite: False refuses an existing file.

    Raises:
        ValueError: the suffix belongs to another format, or the model is not built.
        FileExistsError: the file exists and overwrite is False; nothing is written.
        OSError: the folder is missing or the disk is full; an old file is whole.
    """
    path = _check_suffix("save", filepath)
    if not model.built:
        raise ValueError("save: model must be built; call build, or start the model with an Input")
    tensors = model.weight_tensors()
    compiled = model.get_compile_config()
    iterations = 0
    if compiled is not None and model.optimizer._params:
        iterations = model.optimizer.iterations
        tensors |= {OPTIMIZER + name: tensor for name, tensor in model.optimizer.state_tensors().items()}
    content = {
        "model": model.get_config(),
        "compile": compiled,
        "iterations": iterations,
        "random": _random.get_state(),
    }
    _write("save", path, tensors, content, overwrite)


def load_model(
    filepath: str | os.PathLike[str],
    custom_objects: dict[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Any:
    """Load a model that `save` wrote; it predicts and goes on training bit for bit.

    Args:
        filepath: the file.
        custom_objects: functions and classes of the user's by the names in the file.
        compile: False leaves the compile arguments and the optimizer's state out.
        safe_mode: only True; there is no unsafe mode.

    Returns:
        A new `Sequential`.

    Raises:
        ValueError: the file is damaged, of another format, or names something unknown.
        OSError: the file cannot be read.

    Example:
        >>> import tempfile, strop
        >>> model = strop.Sequential([strop.Input((2,)), strop.layers.Dense(1)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(f"{folder}/m.safetensors")
        ...     again = strop.models.load_model(f"{folder}/m.safetensors")
        >>> bool((again.predict([[1.0, 2.0]], verbose=0) == model.predict([[1.0, 2.0]], verbose=0)).all())
        True
    """
    op = "load_model"
    if not safe_mode:
        raise ValueError(f"{op}: safe_mode must be True; there is no unsafe mode")
    path = _check_suffix(op, filepath)
    tensors, metadata = read_tensors(path, op)
    content = _content(op, path, metadata)
    state = {k.removeprefix(OPTIMIZER): t for k, t in tensors.items() if k.startswith(OPTIMIZER)}
    weights = {k: t for k, t in tensors.items() if not k.startswith(OPTIMIZER)}
    try:
        _check_size(content, tensors)
        model = _build(content, custom_objects)
        _require_fit(op, path, model.weight_specs(), weights)
        model.assign_weight_tensors(weights)
        if compile and content["compile"] is not None:
            model.compile_from_config(content["compile"], custom_objects)
            if state or content["iterations"]:
                model.optimizer.build(model.make_plan(model.loss).variables)
                model.optimizer.load_state_tensors(state, _count(content["iterations"]))
            _random.set_state(content["random"])
    except (
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        RecursionError,
        OverflowError,
        MemoryError,
    ) as error:
        raise ValueError(
            f"{op}: {path} must hold a whole model; got {type(error).__name__}: {error}"
        ) from None
    return model


def _build(content: dict[str, Any], custom_objects: dict[str, Any] | None) -> Any:
    from .sequential import Sequential

    return Sequential.from_config(content["model"], custom_objects)


def _content(op: str, path: str, metadata: dict[str, str]) -> dict[str, Any]:
    if KEY not in metadata:
        raise ValueError(
            f"{op}: {path} must be a model that strop saved; got a file without {KEY!r} in its metadata"
        )
    content = read_json(metadata[KEY], f"{op}: {path}")
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, dict) else content
        raise ValueError(f"{op}: {path} must have format {FORMAT}; got {str(found)[:40]}")
    return content


def _check_size(content: dict[str, Any], tensors: dict[str, Array]) -> None:
    """No size is believed: a model whose weights are not in the file is not made."""
    layers = content["model"]["layers"]
    if not isinstance(layers, list) or len(layers) > MAX_LAYERS:
        raise TypeError("layers that are no list of at most 10,000")
    largest = max((t.size for t in tensors.values()), default=0)
    for entry in layers:
        config = entry["config"]
        sizes = [config.get(name, 0) for name in ("input_dim", "output_dim", "units", "input_length")]
        if not all(size is None or (type(size) is int and 0 <= size < 2**31) for size in sizes):
            raise TypeError("a size that is no whole number")
        dim, width, units = (size or 0 for size in sizes[:3])
        if dim * width > largest or units > largest:
            raise TypeError("a layer larger than its weights")
    shape = content["model"].get("build_input_shape")
    if shape is not None and len(shape) == 2 and shape[1] is not None and shape[1] > max(largest, 2**20):
        raise TypeError("an input larger than any weight")


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**31:
        raise TypeError("iterations that are no count")
    return value


def _require_fit(op: str, path: str, specs: dict[str, Any], tensors: dict[str, Array]) -> None:
    given = {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}
    for name, (shape, dtype) in specs.items():
        if name not in given:
            raise ValueError(f"{op}: {path} must hold {name!r}; got none")
        if given[name] != (shape, dtype):
            got = f"{given[name][1]} {given[name][0]}"
            raise ValueError(f"{op}: {name!r} must be {dtype} of shape {shape}; got {got}")
    extra = sorted(set(given) - set(specs))
    if extra:
        raise ValueError(f"{op}: {path} must hold the model's weights only; got {extra[0]!r} too")


def save_weights(model: Any, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
    """Save the weights alone; any safetensors reader opens them.

    Args:
        model: a built model.
        filepath: ends in .safetensors, .strop, or nothing.
        overwrite: False refuses an existing file.

    Raises:
        ValueError: the suffix belongs to another format, or the model is not built.
        FileExistsError: the file exists and overwrite is False.
        OSError: the folder is missing or the disk is full; an old file is whole.
    """
    path = _check_suffix("save_weights", filepath)
    if not model.built:
        raise ValueError("save_weights: model must be built; call build, or start the model with an Input")
    _write("save_weights", path, model.weight_tensors(), {"model": model.get_config()}, overwrite)


def load_weights(model: Any, filepath: str | os.PathLike[str], skip_mismatch: bool = False) -> list[str]:
    """Load weights by name; every name, shape and dtype is checked before the first is written.

    Args:
        model: a built model with the same layers.
        filepath: a file of `save_weights` or `save`.
        skip_mismatch: True leaves out what does not fit.

    Returns:
        The names that were left out.

    Raises:
        ValueError: the file is damaged or does not fit; the model is as it was.
        OSError: the file cannot be read.
    """
    op = "load_weights"
    path = _check_suffix(op, filepath)
    if not model.built:
        raise ValueError(f"{op}: model must be built; call build, or start the model with an Input")
    tensors, _ = read_tensors(path, op)
    tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(OPTIMIZER)}
    specs = model.weight_specs()
    if not skip_mismatch:
        _require_fit(op, path, specs, tensors)
        model.assign_weight_tensors(tensors)
        return []
    fitting = {n: t for n, t in tensors.items() if n in specs and (t.shape, t.dtype) == specs[n]}
    model.assign_weight_tensors(fitting)
    return sorted((set(specs) | set(tensors)) - set(fitting))
