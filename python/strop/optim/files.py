"""An optimizer's settings and state as one safetensors file, which any reader of that format opens."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._checkpoint import check_path, read_content, write_checkpoint
from .._tensors import open_tensors
from ..ops import stored_name

Array = NDArray[Any]

#: What the names of the tensors begin with: `state/<place>/<name>`.
STATE = "state"
MAX_DIGITS = 9
WHAT = "an optimizer that strop saved"


def save(op: str, path: str | os.PathLike[str], state_dict: dict[str, Any], overwrite: bool) -> None:
    """Write a state: arrays as tensors, everything else as JSON in the metadata."""
    path = check_path(op, path)
    tensors: dict[str, Array] = {}
    numbers: dict[str, Any] = {}
    for place, state in state_dict["state"].items():
        arrays = {name: value for name, value in state.items() if isinstance(value, np.ndarray)}
        tensors |= {f"{STATE}/{place}/{stored_name(n, a.dtype)}": a for n, a in arrays.items()}
        numbers[str(place)] = {name: value for name, value in state.items() if name not in arrays}
    content = {"optimizer": {"class": op, "state": numbers, "param_groups": state_dict["param_groups"]}}
    write_checkpoint(op, path, tensors, content, "settings of param_groups", overwrite=overwrite)


@contextmanager
def opened(op: str, path: str | os.PathLike[str]) -> Iterator[dict[str, Any]]:
    """The state in a file, whose tensors can be read inside the block.

    Raises:
        ValueError: the file is damaged or holds no state of this optimizer.
        OSError: it cannot be read.
    """
    path = check_path(op, path)
    with open_tensors(path, op) as (tensors, metadata):
        content = read_content(op, path, metadata, WHAT).get("optimizer")
        if not isinstance(content, dict) or content.get("class") != op:
            found = content.get("class") if isinstance(content, dict) else None
            raise ValueError(f"{op}: {path} must hold the state of {op}; got {str(found)[:40]}")
        numbers = content.get("state")
        if not isinstance(numbers, dict) or not all(isinstance(each, dict) for each in numbers.values()):
            raise ValueError(f"{op}: {path} must have a dict per parameter as its state; got something else")
        states: dict[int, dict[str, Any]] = {_place(op, key): dict(each) for key, each in numbers.items()}
        for name, tensor in tensors.items():
            parts = name.split("/")
            if len(parts) != 3 or parts[0] != STATE or _place(op, parts[1]) not in states:
                raise ValueError(f"{op}: {path} must hold tensors state/<place>/<name> alone; got {name!r}")
            slot = parts[2].partition(".")[0]
            if parts[2] != stored_name(slot, tensor.dtype) or slot in states[int(parts[1])]:
                raise ValueError(f"{op}: {path} must name each state array by its dtype; got {name!r}")
            states[int(parts[1])][slot] = tensor
        yield {"state": states, "param_groups": content.get("param_groups")}


def _place(op: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise ValueError(f"{op}: state must be of places of params; got {text[:40]!r}")
    return int(text)
