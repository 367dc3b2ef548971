"""The safetensors format, read as if every byte were hostile.

A file is 8 bytes with the length of a header, the header in JSON (each tensor's dtype, shape and place), and the numbers,
little-endian, without gaps. Nothing in it can be run and nothing is compressed, so a checked file never makes us
allocate more than its own length. https://github.com/huggingface/safetensors states the format.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import reprlib
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._json import read_json

Array = NDArray[Any]

MAX_HEADER = 16 << 20
#: Python keeps a text with one wide character at 4 bytes per character.
MAX_WIDE_HEADER = 4 << 20
MAX_VALUES = 500_000
MAX_AXES = 8

_NAME = re.compile(r"[A-Za-z0-9_./-]{1,255}")
_SIZES = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "U16": 2,
    "I16": 2,
    "F16": 2,
    "BF16": 2,
    "U32": 4,
    "I32": 4,
    "F32": 4,
    "U64": 8,
    "I64": 8,
    "F64": 8,
}
#: What weights are made of; other dtypes are checked and never read.
_FLOATS = {"F32": "float32", "F64": "float64"}


class Entry(NamedTuple):
    """What the header says of one tensor."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


class Stored:
    """One tensor of an open file: its numbers are read when it is made an array.

    Args:
        file: the open file.
        op: the function that messages begin with.
        entry: what the header says.
        start: where the numbers begin in the file.
    """

    def __init__(self, file: IO[bytes], op: str, entry: Entry, start: int) -> None:
        self._file, self._op, self._entry, self._start = file, op, entry, start
        self.shape = entry.shape
        #: A name as NumPy's, or the format's own for what strop does not read.
        self.dtype = np.dtype(_FLOATS[entry.dtype]) if entry.dtype in _FLOATS else entry.dtype

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """The numbers, in a fresh array."""
        array: Array = np.empty(self.shape, self.dtype)
        raw = array.reshape(-1).view(np.uint8)
        self._file.seek(self._start + self._entry.begin)
        if self._file.readinto(raw.data) != raw.size:  # type: ignore[attr-defined]
            raise ValueError(f"{self._op}: file must stay whole while it is read; got its end early")
        return array if dtype is None else array.astype(dtype, copy=False)


@contextmanager
def open_tensors(path: str | os.PathLike[str], op: str) -> Iterator[tuple[dict[str, Stored], dict[str, str]]]:
    """The tensors by name and the metadata of a file, which stays open inside the block.

    Raises:
        ValueError: the content is damaged or hostile.
        OSError: the file cannot be read, or is no regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would wait for its writer
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            number = errno.EISDIR if stat.S_ISDIR(status.st_mode) else errno.EINVAL
            raise OSError(number, f"{op}: file must be a regular file; got another kind", os.fspath(path))
        try:
            entries, metadata, start = read_header(file, status.st_size, op)
            yield {name: Stored(file, op, entry, start) for name, entry in entries.items()}, metadata
        except OSError as error:
            if error.errno is not None and error.filename is None:
                error.filename = os.fspath(path)
            raise


def read_header(file: IO[bytes], size: int, op: str) -> tuple[dict[str, Entry], dict[str, str], int]:
    """The checked entries and metadata of a file of `size` bytes, and where its numbers begin."""
    if size < 8:
        raise ValueError(f"{op}: file must be a safetensors file; got {size} bytes")
    length = int.from_bytes(file.read(8), "little")
    if length > min(MAX_HEADER, size - 8):
        raise ValueError(
            f"{op}: header must be at most {MAX_HEADER} bytes and inside the file of {size}; got {length}"
        )
    raw = file.read(length)
    if not raw.startswith(b"{"):
        raise ValueError(f"{op}: file must be a safetensors file; got no JSON object at its start")
    if len(raw) > MAX_WIDE_HEADER and not raw.isascii():
        raise ValueError(f"{op}: header of more than {MAX_WIDE_HEADER} bytes must be ASCII; got {len(raw)}")
    entries, metadata = check_header(raw, size - 8 - length, op)
    return entries, metadata, 8 + length


def check_header(raw: bytes, data_size: int, op: str) -> tuple[dict[str, Entry], dict[str, str]]:
    """The entries and the metadata of a header over `data_size` bytes of numbers.

    Raises:
        ValueError: it is not what the format allows.
    """
    header = read_json(raw, op, max_values=MAX_VALUES)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ValueError(f"{op}: __metadata__ must hold texts; got other values")
    entries = {check_name(name, op): _entry(name, info, op) for name, info in header.items()}
    _check_places(entries, data_size, op)
    return entries, metadata


def check_name(name: str, op: str) -> str:
    """The name of a tensor, if it is one that every reader takes."""
    if not _NAME.fullmatch(name) or not {"", ".", ".."}.isdisjoint(name.split("/")):
        raise ValueError(
            f"{op}: tensor names must be 1 to 255 of A-Z a-z 0-9 _ . - with single / between; got {reprlib.repr(name)}"
        )
    return name


def _entry(name: str, info: Any, op: str) -> Entry:
    if not isinstance(info, dict) or set(info) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{op}: {name!r} must have dtype, shape and data_offsets; got something else")
    dtype, shape, offsets = info["dtype"], info["shape"], info["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _SIZES:
        raise ValueError(f"{op}: dtype of {name!r} must be one of the format; got {reprlib.repr(dtype)}")
    if not _sizes(shape) or len(shape) > MAX_AXES:
        raise ValueError(
            f"{op}: shape of {name!r} must be at most {MAX_AXES} sizes; got {reprlib.repr(shape)}"
        )
    if not _sizes(offsets) or len(offsets) != 2 or offsets[1] < offsets[0]:
        raise ValueError(
            f"{op}: data_offsets of {name!r} must be two rising sizes; got {reprlib.repr(offsets)}"
        )
    wanted = math.prod(shape) * _SIZES[dtype]
    if offsets[1] - offsets[0] != wanted:
        raise ValueError(
            f"{op}: {name!r} must take {wanted} bytes for {dtype} {shape}; got {offsets[1] - offsets[0]}"
        )
    return Entry(dtype, tuple(shape), offsets[0], offsets[1])


def _sizes(values: Any) -> bool:
    return isinstance(values, list) and all(type(v) is int and 0 <= v < 1 << 63 for v in values)


def _check_places(entries: Mapping[str, Entry], data_size: int, op: str) -> None:
    """Every byte of the numbers belongs to exactly one tensor."""
    at = 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1][2:]):
        if entry.begin != at:
            kind = "an overlap" if entry.begin < at else "a gap"
            raise ValueError(f"{op}: {name!r} must begin at byte {at}; got {kind}, {entry.begin}")
        at = entry.end
    if at != data_size:
        raise ValueError(f"{op}: tensors must take all {data_size} bytes behind the header; got {at}")


def make_header(
    tensors: Mapping[str, Array], metadata: Mapping[str, str], op: str
) -> tuple[bytes, list[Array]]:
    """The header with its length, and the arrays in the order in which they are written.

    Raises:
        ValueError: the reader would refuse it: a name, a dtype, too much metadata.
    """
    names = {np.dtype(name): code for code, name in _FLOATS.items()}
    # Wide numbers first, so that each tensor lies aligned: the header is padded to 8 bytes.
    order = sorted(tensors, key=lambda name: -tensors[name].dtype.itemsize)
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    at = 0
    for name in order:
        array = tensors[name]
        if array.dtype not in names:
            raise ValueError(f"{op}: {name!r} must be float32 or float64; got {array.dtype}")
        header[name] = {
            "dtype": names[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [at, at + array.nbytes],
        }
        at += array.nbytes
    raw = json.dumps(header, separators=(",", ":")).encode("ascii")
    raw += b" " * (-len(raw) % 8)
    if len(raw) > MAX_HEADER:
        raise ValueError(f"{op}: names and settings must take at most {MAX_HEADER} bytes; got {len(raw)}")
    check_header(raw, at, op)
    return len(raw).to_bytes(8, "little") + raw, [tensors[name] for name in order]
