"""safetensors files that may be hostile: the header is checked whole before a tensor is touched.

A file is 8 bytes of header length, a JSON header, and the tensors one after the other. Any safetensors reader opens
what is written here; the reader here is stricter than the library's, which keeps the last of duplicate keys. A tensor
is read when it is asked for, into an array of its own, so that nothing is in memory twice.
"""

from __future__ import annotations

import errno
import math
import os
import re
import reprlib
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from ._files import atomic_write
from ._json import read_json
from ._memory import aligned_zeros

Array = NDArray[Any]
Place = tuple[str, tuple[int, ...], int, int]
FilePath = str | os.PathLike[str]

MAX_HEADER = 16 << 20
#: A value takes up to 64 bytes of memory, so that these take 32 MB; 10,000 Dense layers are 450,000.
MAX_VALUES = 500_000
#: Python keeps a text with a single wide character at 4 bytes per character.
MAX_WIDE_HEADER = 4 << 20
_WIDE = re.compile(rb"[^\x00-\x7f]|\\u[dD][89abAB]")
MAX_AXES = 8
NAME = re.compile(r"[A-Za-z0-9_./-]{1,255}")
DTYPES = {"F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8", "BOOL": "|b1", "U8": "|u1", "U16": "<u2"}
#: Dtypes of the format that are checked and not read: what holds them may hold our weights too.
OTHER_SIZES = {
    "I8": 1,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "I16": 2,
    "F16": 2,
    "BF16": 2,
    "U32": 4,
    "U64": 8,
}


class StoredTensor:
    """One tensor of an open file; `numpy.asarray` reads it into a fresh array."""

    def __init__(self, file: IO[bytes], path: FilePath, op: str, place: Place, start: int) -> None:
        kind, self.shape, begin, _ = place
        self._file, self._path, self._op, self._begin = file, path, op, start + begin
        #: NumPy's dtype, or the format's name of one that is not read.
        self.dtype = np.dtype(DTYPES[kind]) if kind in DTYPES else kind

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        array = aligned_zeros(np.broadcast_to(np.zeros((), self.dtype), self.shape))
        raw = array.reshape(-1).view(np.uint8)
        self._file.seek(self._begin)
        if self._file.readinto(raw.data) != raw.size:  # type: ignore[attr-defined]
            raise _damaged(self._op, self._path, "a file that changes while it is read")
        return array if dtype is None else array.astype(dtype, copy=False)


@contextmanager
def open_tensors(path: FilePath, op: str) -> Iterator[tuple[dict[str, StoredTensor], dict[str, str]]]:
    """The tensors of a file, which stays open inside the block, and the texts of `__metadata__`.

    Raises:
        ValueError: the file is damaged.
        OSError: it cannot be read, or is no regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would wait for its writer
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"{op}: file must be a regular file; got another kind", os.fspath(path))
    with os.fdopen(descriptor, "rb") as file:
        try:
            places, metadata, start = _read_header(file, status.st_size, op, path)
            yield {n: StoredTensor(file, path, op, place, start) for n, place in places.items()}, metadata
        except OSError as error:
            if error.errno is not None and error.filename is None:
                error.filename = os.fspath(path)  # read() itself does not know
            raise


def write_tensors(
    path: FilePath, tensors: Mapping[str, Array], metadata: dict[str, str], op: str, *, overwrite: bool
) -> None:
    """Write a file that `open_tensors` takes, all at once.

    Raises:
        ValueError: names or metadata are more than the reader takes; nothing has been written then.
        FileExistsError: the file exists and overwrite is False.
        OSError: it cannot be written; the old one is whole.
    """
    data = safetensors.numpy.save({k: np.asarray(v, order="C") for k, v in tensors.items()}, metadata)
    length = int.from_bytes(data[:8], "little")
    if length > MAX_HEADER:
        raise ValueError(f"{op}: names and settings must take at most {MAX_HEADER} bytes; got {length}")
    _check_header(data[8 : 8 + length], len(data) - 8 - length, op, path)
    with atomic_write(path, overwrite=overwrite) as file:
        file.write(data)


def _damaged(op: str, path: FilePath, what: str) -> ValueError:
    return ValueError(f"{op}: {os.fspath(path)} must be a whole safetensors file; got {what}")


def _read_header(
    file: IO[bytes], size: int, op: str, path: FilePath
) -> tuple[dict[str, Place], dict[str, str], int]:
    """Checked places, metadata, and where the tensors begin."""
    start = file.read(8)
    if len(start) < 8:
        raise _damaged(op, path, f"{size} bytes")
    length = int.from_bytes(start, "little")
    if length > MAX_HEADER or 8 + length > size:
        raise _damaged(op, path, f"a header of {length} bytes in {size}")
    places, metadata = _check_header(file.read(length), size - 8 - length, op, path)
    return places, metadata, 8 + length


def _check_header(raw: bytes, size: int, op: str, path: FilePath) -> tuple[dict[str, Place], dict[str, str]]:
    if len(raw) > MAX_WIDE_HEADER and _WIDE.search(raw):
        raise _damaged(op, path, f"a header of {len(raw)} bytes with wide characters")
    header = read_json(raw, f"{op}: {os.fspath(path)}", max_values=MAX_VALUES)
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
        places[name] = (entry["dtype"], tuple(entry["shape"]), begin, end)
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
    if not isinstance(kind, str) or not (kind in DTYPES or kind in OTHER_SIZES):
        return f"the dtype {reprlib.repr(kind)} of {name!r}"
    numbers_good = all(
        isinstance(part, list) and all(type(n) is int and 0 <= n < 2**63 for n in part)
        for part in (shape, offsets)
    )
    if not numbers_good or len(shape) > MAX_AXES or len(offsets) != 2:
        return f"the shape or the place of {name!r}"
    itemsize = np.dtype(DTYPES[kind]).itemsize if kind in DTYPES else OTHER_SIZES[kind]
    if offsets[1] - offsets[0] != math.prod(shape) * itemsize:
        return f"{offsets[1] - offsets[0]} bytes for shape {shape} of {name!r}"
    return None
