"""Reading npz files that may be hostile.

Keras' imdb.npz holds pickled object arrays. This is the one place where a pickle is read, by an unpickler that knows
three names, as inert stand-ins: nothing that a file asks for is ever made, imported or called.
"""

from __future__ import annotations

import contextlib
import io
import pickle
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from .. import config

Array = NDArray[Any]

MAX_MEMBERS = 64
MAX_BYTES = 2 << 30
MAX_RATIO, RATIO_FROM = 200, 16 << 20
MAX_PICKLE = 256 << 20
MAX_ITEMS = 100_000_000
MAX_HEADER = 10_000


class _Stand:
    """In the place of an array or a dtype: keeps the state it is given and does nothing."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


def _reconstruct(*_: Any) -> _Stand:
    return _Stand()


_KNOWN = {
    ("numpy", "ndarray"): _Stand,
    ("numpy", "dtype"): _Stand,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"the name {module}.{name}")
        return _KNOWN[module, name]


def read_npz(path: Path, op: str) -> dict[str, Any]:
    """The arrays of an npz file; a pickled array of lists comes as a list of lists of ints.

    Raises:
        ValueError: the file is damaged, too large, or holds something else.
        OSError: it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check_members(members)
            with contextlib.ExitStack() as stack, ThreadPoolExecutor(config.num_threads()) as threads:
                files = [stack.enter_context(archive.open(info)) for info in members]
                content = list(threads.map(_read_member, files, members))
        return {
            info.filename.removesuffix(".npy"): _read_npy(member)
            for info, member in zip(members, content, strict=True)
        }
    except OSError as error:
        if error.filename is not None:  # the path itself; else a seek to where a damaged index points
            raise
        raise ValueError(f"{op}: {path} must be a whole npz file; got {error}") from None
    except Exception as error:  # zlib, struct, unicode, pickle: whatever a damaged file brings out
        raise ValueError(
            f"{op}: {path} must be a whole npz file; got {type(error).__name__}: {error}"
        ) from None


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MAX_MEMBERS:
        raise ValueError(f"{len(members)} members")
    if sum(info.file_size for info in members) > MAX_BYTES:
        raise ValueError("more than 2 GiB")
    if len({info.filename for info in members}) != len(members):
        raise ValueError("two members of one name")
    for info in members:
        name = info.filename
        if any(part in name for part in ("/", "\\", "..", ":")) or (info.external_attr >> 28) == 0xA:
            raise ValueError(f"the member name {name!r}")
        if info.flag_bits & 1:
            raise ValueError("an encrypted member")
        if info.file_size > RATIO_FROM and info.file_size > MAX_RATIO * max(info.compress_size, 1):
            raise ValueError(f"a member packed {info.file_size // max(info.compress_size, 1)}:1")


def _read_member(file: IO[bytes], info: zipfile.ZipInfo) -> bytes:
    """What takes the time, on threads: zlib runs without Python's lock."""
    content = file.read(info.file_size)
    if len(content) != info.file_size:
        raise ValueError("a member that ends early")
    return content


def _read_npy(content: bytes) -> Any:
    file = io.BytesIO(content)
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"npy version {version}")
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read_header(file, max_header_size=MAX_HEADER)
    left = len(content) - file.tell()
    if dtype.hasobject:
        if left > MAX_PICKLE:
            raise ValueError("a pickle of more than 256 MiB")
        return _read_lists(file, shape)
    count = 1
    for extent in shape:
        count *= int(extent)
    if count * dtype.itemsize != left or count < 0:
        raise ValueError(f"shape {shape} in {left} bytes")
    array: Array = np.frombuffer(content, dtype, offset=file.tell())
    return array.reshape(shape, order="F" if fortran else "C")


def _read_lists(file: io.BytesIO, shape: tuple[int, ...]) -> list[list[int]]:
    """The state of a pickled 1-D object array whose elements are lists of plain ints."""
    stand = _Unpickler(file).load()
    state = stand.state if isinstance(stand, _Stand) else None
    if not isinstance(state, tuple) or len(state) != 5:
        raise ValueError("a pickle that is no array")
    inner_shape, lists = state[1], state[4]
    if inner_shape != shape or len(shape) != 1 or not isinstance(lists, list) or len(lists) != shape[0]:
        raise ValueError("a pickled array that is not 1-D")
    total = 0
    for row in lists:
        if type(row) is not list:
            raise ValueError(f"a row of type {type(row).__name__}")
        total += len(row)
        if total > MAX_ITEMS:
            raise ValueError("more than 1e8 ids")
        if not set(map(type, row)) <= {int}:
            raise ValueError("a row with other things than ints")
    return lists
