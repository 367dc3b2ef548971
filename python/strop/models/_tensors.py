"""safetensors files that may be hostile: the header is checked whole before a tensor is touched.

A file is 8 bytes of header length, a JSON header, and the tensors one after the other. Any safetensors reader opens
what is written here; the reader here is stricter than the library's, which keeps the last of duplicate keys.
"""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._json import read_json

Array = NDArray[Any]

MAX_HEADER = 16 << 20
MAX_AXES = 8
NAME = re.compile(r"[A-Za-z0-9_./-]{1,255}")
DTYPES = {"F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8", "BOOL": "|b1", "U8": "|u1"}


def read_tensors(path: str | os.PathLike[str], op: str) -> tuple[dict[str, Array], dict[str, str]]:
    """The tensors, read-only views of one buffer, and the texts of `__metadata__`.

    Raises:
        ValueError: the file is damaged.
        OSError: it cannot be read.
    """
    with Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(8)
        if len(start) < 8:
            raise ValueError(f"{op}: {os.fspath(path)} must be a whole safetensors file; got {size} bytes")
        length = int.from_bytes(start, "little")
        if length > MAX_HEADER or 8 + length > size:
            raise _damaged(op, path, f"a header of {length} bytes in {size}")
        header = read_json(file.read(length), f"{op}: {os.fspath(path)}")
        places, metadata = _check_header(header, size - 8 - length, op, path)
        data = np.fromfile(file, np.uint8)
    if len(data) != size - 8 - length:
        raise _damaged(op, path, "a file that changes while it is read")
    tensors = {}
    for name, (kind, shape, begin, end) in places.items():
        tensor = data[begin:end].view(kind) if end > begin else np.zeros(0, kind)
        tensors[name] = tensor.reshape(shape)
    return tensors, metadata


def _damaged(op: str, path: str | os.PathLike[str], what: str) -> ValueError:
    return ValueError(f"{op}: {os.fspath(path)} must be a whole safetensors file; got {what}")


def _check_header(
    header: Any, size: int, op: str, path: str | os.PathLike[str]
) -> tuple[dict[str, tuple[str, tuple[int, ...], int, int]], dict[str, str]]:
    if not isinstance(header, dict):
        raise _damaged(op, path, "a header that is no object")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise _damaged(op, path, "metadata that is not text")
    places = {}
    for name, entry in header.items():
        problem = _problem(name, entry)
        if problem:
            raise _damaged(op, path, problem)
        begin, end = entry["data_offsets"]
        places[name] = (DTYPES[entry["dtype"]], tuple(entry["shape"]), begin, end)
    reached = 0
    for begin, end in sorted((begin, end) for _, _, begin, end in places.values()):
        if begin != reached:
            raise _damaged(op, path, f"a gap or an overlap at byte {min(begin, reached)}")
        reached = end
    if reached != size:
        raise _damaged(op, path, f"tensors of {reached} bytes in {size}")
    return places, metadata


def _problem(name: str, entry: Any) -> str | None:
    """What is wrong with a header's entry, or None."""
    if not NAME.fullmatch(name) or ".." in name.split("/"):
        return f"the name {name[:64]!r}"
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        return f"an entry of {name!r} without dtype, shape and data_offsets"
    kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(kind, str) or kind not in DTYPES:
        return f"the dtype {str(kind)[:20]!r} of {name!r}"
    numbers_good = all(
        isinstance(part, list) and all(type(n) is int and 0 <= n < 2**63 for n in part)
        for part in (shape, offsets)
    )
    if not numbers_good or len(shape) > MAX_AXES or len(offsets) != 2:
        return f"the shape or the place of {name!r}"
    if offsets[1] - offsets[0] != math.prod(shape) * np.dtype(DTYPES[kind]).itemsize:
        return f"{offsets[1] - offsets[0]} bytes for shape {shape} of {name!r}"
    return None
