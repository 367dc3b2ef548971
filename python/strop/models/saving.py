"""Saving and loading: one safetensors file with the weights, the optimizer's state and, as JSON, everything else.

Nothing runs from a file and nothing is compressed; the file is one rename. Class names are looked up in strop's own
registries or in the caller's `custom_objects`; no name in a file is ever imported.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _random
from .._checkpoint import check_path, read_content, write_checkpoint
from .._device import HOST, building, device, to_host
from .._tensors import NAME, open_tensors
from ._restore import (
    MAX_LAYERS,
    OPTIMIZER,
    layer_streams,
    misfit,
    not_decaying,
    restore_compiled,
    restore_layers,
    restore_optimizer,
    restore_streams,
)

Array = NDArray[Any]


def _require_built(op: str, model: Any) -> None:
    if not model.built:
        raise ValueError(f"{op}: model must be built; call build, or start the model with an Input")


def _write(op: str, path: str, tensors: dict[str, Array], content: dict[str, Any], overwrite: bool) -> None:
    """Write what a reader takes; what it would refuse is refused here."""
    for name in tensors:
        if not NAME.fullmatch(name):
            raise ValueError(f"{op}: names of weights must be of letters, digits and _./-; got {name!r}")
    if len(content["model"]["layers"]) > MAX_LAYERS:
        raise ValueError(f"{op}: model must have at most {MAX_LAYERS} layers; got more")
    write_checkpoint(op, path, tensors, content, "settings of layers", overwrite=overwrite)


def save(model: Any, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
    """Save a model whole: layers, weights, compile arguments, optimizer state, random streams.

    Args:
        model: a built model.
        filepath: ends in .safetensors, .strop, or nothing.
        overwrite: False refuses an existing file.

    Raises:
        ValueError: the suffix belongs to another format, the model is not built, or a setting is not JSON.
        FileExistsError: the file exists and overwrite is False; nothing is written.
        OSError: the folder is missing or the disk is full; an old file is whole.
    """
    path = check_path("save", filepath)
    _require_built("save", model)
    tensors = model.weight_tensors()
    if any(name.startswith(OPTIMIZER) for name in tensors):
        raise ValueError(
            "save: layers must not be named 'optimizer', which the file keeps for its state; got one"
        )
    compiled = model.get_compile_config()
    if compiled is not None:
        tensors |= {OPTIMIZER + name: to_host(t) for name, t in model.optimizer.state_tensors().items()}
    content = {
        "class": type(model).__name__,
        "model": model.get_config(),
        "compile": compiled,
        "iterations": 0 if compiled is None else model.optimizer.iterations,
        "pending_calls": 0 if compiled is None else model.optimizer.pending_calls,
        "no_decay": [] if compiled is None else not_decaying(model),
        "random": _random.get_state(),
        "layer_random": {name: streams.get_state() for name, streams in layer_streams(model).items()},
    }
    _write("save", path, tensors, content, overwrite)


def load_model(
    filepath: str | os.PathLike[str],
    custom_objects: dict[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Any:
    """Load a model that `save` wrote, from whatever device; it predicts and goes on training bit for bit.

    It is built on the host, or where `strop.device` says.

    Args:
        filepath: ends in .safetensors, .strop, or nothing.
        custom_objects: functions and classes of the user's by the names in the file.
        compile: False leaves out the compile arguments, the optimizer's state and the random streams, which are
            strop's own, for all models.
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
    if custom_objects is not None and not isinstance(custom_objects, Mapping):
        raise TypeError(f"{op}: custom_objects must be a dict; got {type(custom_objects).__name__}")
    if not safe_mode:
        raise ValueError(f"{op}: safe_mode must be True; there is no unsafe mode")
    path = check_path(op, filepath)
    custom = dict(custom_objects or {})
    with open_tensors(path, op) as (tensors, metadata):
        content = read_content(op, path, metadata, "a model that strop saved")
        if "class" not in content:
            raise ValueError(f"{op}: {path} must hold a whole model; got weights alone; use load_weights")
        streams = _random.get_state()
        try:
            with device(HOST):
                model = restore_layers(content, tensors, custom)
                if compile and content["compile"] is not None:
                    restore_compiled(model, content["compile"], custom)
                    restore_optimizer(model, content, tensors)
                    streams = restore_streams(model, content["layer_random"], content["random"])
        except (ValueError, OSError, MemoryError):
            raise
        except Exception as error:  # settings of a wrong kind surface anywhere: TypeError, KeyError, ...
            raise ValueError(
                f"{op}: {path} must hold a whole model; got {type(error).__name__}: {error}"
            ) from error
        finally:
            _random.set_state(streams)  # initializers draw a seed when they are made
    if building().is_gpu:
        model.to(building())
    return model


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
    path = check_path("save_weights", filepath)
    _require_built("save_weights", model)
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
    path = check_path(op, filepath)
    _require_built(op, model)
    specs = model.weight_specs()
    with open_tensors(path, op) as (stored, _):
        stored = {name: t for name, t in stored.items() if name in specs or not name.startswith(OPTIMIZER)}
        unfit = {name: problem for name, spec in specs.items() if (problem := misfit(name, spec, stored))}
        extra = {
            name: f"{path} must hold the model's weights only; got {name!r} too"
            for name in sorted(set(stored) - set(specs))
        }
        left_out = unfit | extra
        if left_out and not skip_mismatch:
            raise ValueError(f"{op}: {next(iter(left_out.values()))}")
        tensors = {name: np.asarray(stored[name]) for name in specs if name not in unfit}
    model.assign_weight_tensors(tensors)
    return sorted(left_out)
