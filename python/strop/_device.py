"""Where arrays live: the host, or a GPU; the only place that moves them from one to the other.

Example:
    >>> import strop
    >>> with strop.device("cpu"):
    ...     layer = strop.layers.Dense(2)
    >>> str(layer.device)
    'cpu'
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _backend
from ._backend import cupy, on_gpu

Array = NDArray[Any]


@dataclass(frozen=True)
class Device:
    """The host, or a GPU by its number.

    Args:
        number: of the GPU, as CUDA counts them; None is the host.

    Example:
        >>> str(Device(1)), str(Device())
        ('cuda:1', 'cpu')
    """

    number: int | None = None

    @property
    def is_gpu(self) -> bool:
        """Whether it is one."""
        return self.number is not None

    def __str__(self) -> str:
        return f"cuda:{self.number}" if self.is_gpu else "cpu"

    def current(self) -> AbstractContextManager[Any]:
        """Make it CuPy's device while the block runs, as CuPy's own kernels want it; nothing to do for the host."""
        made: AbstractContextManager[Any] = (
            cupy("device").cuda.Device(self.number) if self.is_gpu else nullcontext()
        )
        return made


HOST = Device()

_building: ContextVar[Device] = ContextVar("strop_device", default=HOST)


def building() -> Device:
    """Where layers are built that are made now."""
    return _building.get()


@contextmanager
def device(name: str | Device) -> Iterator[Device]:
    """Build the layers and models that are made inside a `with` block on a device.

    Args:
        name: `"cpu"`, `"cuda"` (CuPy's current device, which is 0 unless told) or `"cuda:1"`.

    Raises:
        ValueError: the name is another, or there is no such GPU.
        NotImplementedError: this build has no CUDA kernels.
        ImportError: CuPy is not installed.
        RuntimeError: there is no driver, or it is too old.

    Example:
        >>> import strop
        >>> with strop.device("cpu"):
        ...     model = strop.Sequential([strop.Input((3,)), strop.layers.Dense(1)])
        >>> str(model.device)
        'cpu'
    """
    token = _building.set(find("device", name))
    try:
        yield _building.get()
    finally:
        _building.reset(token)


def find(op: str, name: str | Device) -> Device:
    """The device of a name, if there is one here; see `device` for what is raised."""
    if isinstance(name, Device):
        return name
    if not isinstance(name, str):
        raise TypeError(f"{op}: device must be a str; got {type(name).__name__}")
    if name == "cpu":
        return HOST
    match = re.fullmatch(r"cuda(?::(\d{1,4}))?", name)
    if match is None:
        raise ValueError(f"{op}: device must be 'cpu', 'cuda' or 'cuda:' and a number; got {name!r}")
    count = _count(op)
    number = cupy(op).cuda.Device().id if match[1] is None else int(match[1])
    if number >= count:
        raise ValueError(
            f"{op}: device must be one of {', '.join(f'cuda:{i}' for i in range(count))}; got {name!r}"
        )
    return Device(number)


def _count(op: str) -> int:
    """The GPUs that can be used; an error that says what is missing if there is none."""
    module = _backend.cuda()
    if module is None:
        raise NotImplementedError(
            f"{op}: this build has no CUDA kernels; install the package where nvcc is found"
        )
    about = module.driver()
    if about["reason"]:
        raise RuntimeError(f"{op}: CUDA is not available: {about['reason']}")
    cupy(op)
    return int(about["devices"])


def device_of(array: Any) -> Device:
    """Where a NumPy or CuPy array lives."""
    return Device(array.data.device_id) if on_gpu(array) else HOST


def input_array(op: str, name: str, value: Any, where: Device) -> Any:
    """What a model on a device reads: a GPU's array as CuPy's, without a copy; any other value as it came.

    Raises:
        TypeError: the array is on a GPU and the model is not, or it is on another GPU.
        ValueError: its memory was given back.
    """
    array = _gpu_array(value)
    if array is None:
        return value
    kind = type(value).__module__.split(".")[0]
    if not where.is_gpu:
        raise TypeError(
            f"{op}: {name} must be a numpy array; got a {kind} array on {device_of(array)}; "
            "move it to the host, or the model with to('cuda')"
        )
    if device_of(array) != where:
        raise TypeError(
            f"{op}: {name} must be on {where} like the model; got a {kind} array on {device_of(array)}; "
            f"move it with cupy.asarray under cupy.cuda.Device({where.number})"
        )
    if array.size and not array.data.mem.ptr:
        raise ValueError(f"{op}: {name} must hold memory; got a freed {kind} array of shape {array.shape}")
    return array


#: Codes of DLPack for memory of CUDA, plain and managed.
_DLPACK_CUDA = (2, 13)


def _gpu_array(value: Any) -> Any:
    """A GPU's array of any library as CuPy's; None for all else."""
    if on_gpu(value):
        return value
    if isinstance(value, np.ndarray | list | tuple):
        return None
    if hasattr(value, "__dlpack_device__"):
        kind = int(value.__dlpack_device__()[0])
        return cupy("from_dlpack").from_dlpack(value) if kind in _DLPACK_CUDA else None
    # Of torch every tensor's class has this, but only those on a GPU give one.
    return cupy("asarray").asarray(value) if hasattr(value, "__cuda_array_interface__") else None


def to_device(array: Array, where: Device) -> Array:
    """The array on a device: itself if it is there, else a copy in C order."""
    if device_of(array) == where:
        return array
    if not where.is_gpu:
        return to_host(array)
    with where.current():
        moved: Array = cupy("to").asarray(array, order="C")
    return moved


def to_host(array: Any) -> Array:
    """The array on the host: itself if it is there, else a copy, for which the host waits."""
    copied: Array = array.get() if on_gpu(array) else np.asarray(array)
    return copied


def free_bytes(where: Device) -> int:
    """Memory of a GPU that can still be taken: what CUDA has left and what CuPy's pool keeps."""
    library = cupy("to")
    with where.current():
        left, _ = library.cuda.Device(where.number).mem_info
        return int(left) + int(library.get_default_memory_pool().free_bytes())


@contextmanager
def memory_for(op: str, what: str, arrays: Iterable[Any], where: Device) -> Iterator[None]:
    """Say what was to be moved where CuPy only says that memory ran out."""
    try:
        yield
    except MemoryError as error:
        if not where.is_gpu:
            raise
        need = sum(a.nbytes for a in arrays)
        raise MemoryError(
            f"{op}: {what} must fit into the memory of {where}; got {bytes_text(need)} and "
            f"{bytes_text(free_bytes(where))} free; cupy.get_default_memory_pool().free_all_blocks() gives back "
            "what other arrays held"
        ) from error


@contextmanager
def memory_for_steps(op: str, where: Device) -> Iterator[None]:
    """Memory of the arrays that steps make: on the host a step takes what the one before it had.

    The same text where CuPy had none left.
    """
    if not where.is_gpu:
        before = _backend.cpu.start_recycling()
        try:
            yield
        finally:
            _backend.cpu.stop_recycling(before)
        return
    try:
        yield
    except MemoryError as error:
        if not type(error).__module__.startswith("cupy"):
            raise
        raise MemoryError(
            f"{op}: a step must fit into the memory of {where}; got {bytes_text(free_bytes(where))} free; "
            "take a smaller batch_size, or give back what other arrays held by "
            "cupy.get_default_memory_pool().free_all_blocks()"
        ) from error


def bytes_text(count: int) -> str:
    """A count of bytes for messages."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
