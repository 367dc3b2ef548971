"""A stand-in for CuPy whose memory is the host's: what strop uses of it, with CuPy's names and refusals.

Nothing is converted unasked: a NumPy array among its own is a TypeError, and so is `numpy.asarray` of one of them. A
computation wants its arrays on the current device. `test_cuda_models.py` compares names and parameters with CuPy
itself where that is installed. With the module that runs the kernels as fibres (tests/simt) the results are right.
"""

from __future__ import annotations

import ctypes
import inspect
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import fake_streams
from fake_streams import MemoryPool


class OutOfMemoryError(MemoryError):
    def __init__(self, size: int, total: int, limit: int = 0) -> None:
        super().__init__(f"Out of memory allocating {size:,} bytes (allocated so far: {total:,} bytes).")


OutOfMemoryError.__module__ = "cupy.cuda.memory"


class State:
    """What a test sets and reads."""

    place: Any = ctypes.c_int(0)  # of the current device's number, as Device.use and the kernels set it
    devices = 2
    free = 1 << 34  # bytes that CUDA says are left
    allocations_left: int | None = None  # after so many, memory is out
    moved = 0  # bytes that were copied from the host
    moves = 0  # in so many copies
    fetched = 0  # arrays that were copied to the host


state = State()


def share_device(module: str) -> None:
    """Let the kernels' module, by its path, and this one know one current device."""
    symbol = fake_streams.use_module(module).simt_device
    symbol.restype = ctypes.POINTER(ctypes.c_int)
    state.place = symbol().contents


class Memory:
    def __init__(self, pointer: int) -> None:
        self.ptr = pointer


class MemoryPointer:
    def __init__(self, array: np.ndarray, device: int) -> None:
        self.ptr = array.ctypes.data if array.size else 0
        self.mem = Memory(self.ptr)
        self.device_id = device


def _host(value: Any) -> Any:
    """The host's array of one of ours, a number as it is; all else is refused, as CuPy does."""
    if isinstance(value, ndarray):
        if value.data.device_id != made.current_device():
            raise ValueError(
                f"Array device must be same as the current device: array device = {value.data.device_id} "
                f"while current = {made.current_device()}"
            )
        if value.size and value.data.mem.ptr == 0:
            raise AssertionError("memory that was given back is read")
        return value.host
    if isinstance(value, bool | int | float | np.generic):
        return value
    if isinstance(value, list | tuple) and any(isinstance(v, ndarray) for v in value):
        return type(value)(map(_host, value))
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}")
    return value


def _made(result: Any) -> Any:
    return ndarray(np.asarray(result), made.current_device())


def _computing(name: str) -> None:
    if fake_streams.capturing():
        raise AssertionError(f"cupy.{name} runs while a stream is captured")


def _moving(size: int) -> None:
    state.moved += size
    state.moves += 1


def _taking_memory(size: int) -> None:
    if state.allocations_left is not None:
        if state.allocations_left == 0:
            raise OutOfMemoryError(size, 0)
        state.allocations_left -= 1


class ndarray:  # noqa: N801
    def __init__(self, array: np.ndarray, device: int | None = None) -> None:
        self.host = array
        self.data = MemoryPointer(array, made.current_device() if device is None else device)

    shape = property(lambda self: self.host.shape)
    dtype = property(lambda self: self.host.dtype)
    ndim = property(lambda self: self.host.ndim)
    size = property(lambda self: self.host.size)
    nbytes = property(lambda self: self.host.nbytes)
    itemsize = property(lambda self: self.host.itemsize)
    T = property(lambda self: self._view(self.host.T))
    device = property(lambda self: Device(self.data.device_id))

    @property
    def flags(self) -> Any:
        flags = self.host.flags
        return types.SimpleNamespace(c_contiguous=flags.c_contiguous, f_contiguous=flags.f_contiguous)

    def _view(self, array: np.ndarray) -> ndarray:
        view = ndarray(array, self.data.device_id)
        if array.size:
            view.data.mem = self.data.mem
        return view

    # ---- to the host, which is always asked for ------------------------------

    def get(
        self, stream: Any = None, order: str = "C", out: np.ndarray | None = None, blocking: bool = True
    ) -> np.ndarray:
        _computing("ndarray.get")
        state.fetched += 1
        if out is None:
            return self.host.copy(order)
        out[...] = self.host
        return out

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        raise AssertionError("CuPy's own arrays are read by their attributes")

    def item(self) -> Any:
        return self.get().item()

    def tolist(self) -> Any:
        return self.get().tolist()

    def __bool__(self) -> bool:
        return bool(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def __float__(self) -> float:
        return float(self.get())

    # ---- views and copies ----------------------------------------------------

    def __len__(self) -> int:
        return len(self.host)

    def __iter__(self) -> Iterator[ndarray]:
        return (self[i] for i in range(len(self)))

    @staticmethod
    def _key(key: Any) -> tuple[Any, bool]:
        keys = key if isinstance(key, tuple) else (key,)
        if any(isinstance(k, np.ndarray | list) for k in keys):
            raise AssertionError("places on the host choose elements of the device: CuPy would copy them")
        computes = any(isinstance(k, ndarray) for k in keys)
        return tuple(_host(k) for k in keys) + ((...,) if ... not in keys and not computes else ()), computes

    def __getitem__(self, key: Any) -> ndarray:
        keys, computes = self._key(key)
        if computes:
            _computing("ndarray.__getitem__")
            return _made(_host(self)[keys])
        return self._view(self.host[keys])

    def __setitem__(self, key: Any, value: Any) -> None:
        keys, _ = self._key(key)
        target = self.host[keys]
        plain = isinstance(value, ndarray) and value.shape == target.shape and value.dtype == target.dtype
        if not plain or not target.flags.c_contiguous:  # else one copy within the device
            _computing("ndarray.__setitem__")
        elif fake_streams.capturing() and value.host.flags.c_contiguous:
            return fake_streams.submit_copy(target, _host(value))
        self.host[keys] = _host(value)
        return None

    def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> ndarray:
        return self._view(self.host.reshape(*shape, order=order))

    def ravel(self, order: str = "C") -> ndarray:
        return self._view(self.host.ravel(order))

    def view(self, dtype: Any = None) -> ndarray:
        return self._view(self.host.view(dtype))

    def copy(self, order: str = "C") -> ndarray:
        if fake_streams.capturing():
            copied = empty(self.shape, self.dtype)
            copied[...] = self
            return copied
        _taking_memory(self.nbytes)
        return ndarray(self.host.copy(order))

    def astype(
        self, dtype: Any, order: str = "K", casting: Any = None, subok: Any = None, copy: bool = True
    ) -> ndarray:
        if not copy and self.dtype == dtype:
            return self
        _computing("ndarray.astype")
        return _made(_host(self).astype(dtype, order=order))

    def set(self, arr: np.ndarray, stream: Any = None) -> None:
        _computing("ndarray.set")
        if arr.dtype != self.dtype or arr.shape != self.shape or not arr.flags.c_contiguous:
            raise AssertionError("CuPy's set takes an array of the same dtype and shape, in C order")
        _moving(arr.nbytes)
        self.host[...] = arr

    def fill(self, value: Any) -> None:
        if fake_streams.capturing() and value == 0:
            return fake_streams.submit_clear(self.host)
        if value != 0:  # else CuPy clears the memory
            _computing("ndarray.fill")
        self.host.fill(value)
        return None

    def free(self) -> None:
        """What CuPy's pool does to memory that it takes back."""
        self.data.mem.ptr = 0

    # ---- what NumPy's functions do with one ----------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        out = settings.pop("out", None)
        if method != "__call__":
            return NotImplemented
        return getattr(made, ufunc.__name__)(*inputs, **settings, **({"out": out[0]} if out else {}))

    def __array_function__(self, function: Any, kinds: Any, args: Any, settings: Any) -> Any:
        named = getattr(made, function.__name__, None)
        return NotImplemented if named is None else named(*args, **settings)


class Foreign:
    """An array of another library, by __cuda_array_interface__ alone."""

    def __init__(self, array: np.ndarray, *, read_only: bool = False, **more: object) -> None:
        self.host = array
        self.about = {
            "shape": array.shape,
            "typestr": array.dtype.str,
            "data": (array.ctypes.data, read_only),
            "version": 3,
            "strides": None if array.flags.c_contiguous else array.strides,
            **more,
        }

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return self.about


class Dlpack:
    """An array of another library on the first device, by DLPack alone."""

    def __init__(self, array: np.ndarray) -> None:
        self.host = array

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, 0)


ndarray.__module__ = "cupy"

#: CuPy's functions that compute, with CuPy's parameters, which are fewer than NumPy's.
FUNCTIONS = {
    "all": "a, axis=None, out=None, keepdims=False",
    "any": "a, axis=None, out=None, keepdims=False",
    "argmax": "a, axis=None, dtype=None, out=None, keepdims=False",
    "broadcast_to": "array, shape",
    "clip": "a, a_min, a_max, out=None",
    "concatenate": "tup, axis=0, out=None, *, dtype=None, casting='same_kind'",
    "expand_dims": "a, axis",
    "fill_diagonal": "a, val, wrap=False",
    "max": "a, axis=None, out=None, keepdims=False",
    "mean": "a, axis=None, dtype=None, out=None, keepdims=False",
    "min": "a, axis=None, out=None, keepdims=False",
    "moveaxis": "a, source, destination",
    "stack": "tup, axis=0, out=None, *, dtype=None, casting='same_kind'",
    "sum": "a, axis=None, dtype=None, out=None, keepdims=False",
    "take": "a, indices, axis=None, out=None",
    "take_along_axis": "a, indices, axis",
    "transpose": "a, axes=None",
    "where": "condition, x=None, y=None",
}
#: Of their arguments these are views.
VIEWS = ("broadcast_to", "expand_dims", "moveaxis", "transpose")
METHODS = ("all", "any", "argmax", "max", "mean", "min", "sum", "take")
UFUNCS = [
    "abs", "absolute", "add", "bitwise_and", "bitwise_or", "divide", "equal", "exp", "floor", "greater",
    "greater_equal", "invert", "isfinite", "less", "less_equal", "log", "log1p", "logical_and", "logical_not",
    "logical_or", "matmul", "maximum", "minimum", "multiply", "negative", "not_equal", "power", "sign", "sqrt",
    "square", "subtract", "true_divide",
]  # fmt: skip
_OPERATORS = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "pow": "power", "matmul": "matmul",
    "and": "bitwise_and", "or": "bitwise_or", "eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal",
    "gt": "greater", "ge": "greater_equal",
}  # fmt: skip


def _ufunc(name: str) -> Callable[..., Any]:
    def function(*args: Any, out: Any = None, casting: str = "same_kind", dtype: Any = None) -> Any:
        _computing(name)
        settings = {} if dtype is None else {"dtype": dtype}
        result = getattr(np, name)(*map(_host, args), out=None if out is None else _host(out), **settings)
        return _made(result) if out is None else out

    return function


def _function(name: str, parameters: str) -> Callable[..., Any]:
    signature = inspect.signature(eval(f"lambda {parameters}: 0"))

    def function(*args: Any, **settings: Any) -> Any:
        bound = signature.bind(*args, **settings)
        if name not in VIEWS:
            _computing(name)
        out = bound.arguments.get("out")
        result = getattr(np, name)(*map(_host, bound.args), **{k: _host(v) for k, v in bound.kwargs.items()})
        return (None if result is None else _made(result)) if out is None else out

    function.__signature__ = signature
    return function


def _operators() -> None:
    for short, name in _OPERATORS.items():
        ours = _ufunc(name)
        setattr(ndarray, f"__{short}__", lambda a, b, f=ours: f(a, b))
        setattr(ndarray, f"__r{short}__", lambda a, b, f=ours: f(b, a))
        if short in ("add", "sub", "mul", "truediv"):
            setattr(ndarray, f"__i{short}__", lambda a, b, f=ours: f(a, b, out=a))
    for short, name in (("neg", "negative"), ("abs", "absolute"), ("invert", "invert")):
        ours = _ufunc(name)
        setattr(ndarray, f"__{short}__", lambda a, f=ours: f(a))
    ndarray.__hash__ = None  # type: ignore[assignment]
    for name in METHODS:
        setattr(ndarray, name, _function(name, FUNCTIONS[name]))


class Device:
    def __init__(self, device: int | None = None) -> None:
        self.id = made.current_device() if device is None else int(device)
        self._before: list[int] = []

    mem_info = property(lambda self: (state.free, 1 << 37))

    def __enter__(self) -> Device:
        self._before.append(made.current_device())
        self.use()
        return self

    def __exit__(self, *error: object) -> None:
        Device(self._before.pop()).use()

    def use(self) -> None:
        if not 0 <= self.id < state.devices:
            raise RuntimeError("cudaErrorInvalidDevice: invalid device ordinal")
        state.place.value = self.id

    def synchronize(self) -> None:
        pass


def empty(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    """Memory as a pool gives it: NaN or -1."""
    array = np.empty(shape, dtype)
    _taking_memory(array.nbytes)
    memory = fake_streams.pooled(array.nbytes)
    if memory is not None:
        array = np.ndarray(array.shape, dtype, memory.chunk)
    array.view(np.uint8 if array.ndim else dtype)[...] = 255 if array.ndim else np.array(-1).astype(dtype)
    made = _made(array)
    if memory is not None:
        made.data.mem = memory
    return made


def zeros(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    result = empty(shape, dtype)
    result.fill(0)
    return result


def full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C") -> ndarray:
    _computing("full")
    return _made(np.full(shape, fill_value, dtype))


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> ndarray:
    _computing("arange")
    return _made(np.arange(start, stop, step, dtype))


def _asarray(
    a: Any, dtype: Any = None, order: str | None = None, *, copy: bool | None = None, blocking: bool = False
) -> ndarray:
    if isinstance(a, ndarray):
        here = a if a.data.device_id == made.current_device() else a.copy()
        return here if dtype is None else here.astype(dtype, copy=False)
    if isinstance(a, Foreign):
        return _made(a.host)
    array = np.array(a, dtype, order="C")
    _computing("asarray")
    _taking_memory(array.nbytes)
    _moving(array.nbytes)
    return _made(array)


def from_dlpack(array: Any, *, device: Any = None, copy: bool | None = None) -> ndarray:
    if array.__dlpack_device__()[0] != 2:
        raise ValueError("CuPy takes arrays of a GPU")
    return ndarray(array.host, array.__dlpack_device__()[1])


def asarray(array: object, device: int = 0) -> ndarray:
    """A copy of a host's array on a device, for tests."""
    return ndarray(np.array(array, order="C"), device)


def _module() -> types.ModuleType:
    module: Any = types.ModuleType("cupy")
    module.ndarray = ndarray
    module.current_device = lambda: state.place.value  # not CuPy's: where the kernels' module keeps it
    for function in (empty, zeros, full, arange, from_dlpack):
        setattr(module, function.__name__, function)
    module.ones = lambda shape, dtype=float, order="C": full(shape, 1, dtype)
    module.asarray = _asarray
    module.asnumpy = lambda a, stream=None, order="C", out=None, *, blocking=True: a.get(stream, order, out)
    module.ascontiguousarray = lambda a, dtype=None: (
        a
        if a.flags.c_contiguous and dtype in (None, a.dtype)
        else _made(np.ascontiguousarray(_host(a), dtype))
    )
    module.empty_like = lambda prototype, dtype=None: empty(prototype.shape, dtype or prototype.dtype)
    module.zeros_like = lambda a, dtype=None: zeros(a.shape, dtype or a.dtype)
    for name in UFUNCS:
        setattr(module, name, _ufunc(name))
    for name, parameters in FUNCTIONS.items():
        setattr(module, name, _function(name, parameters))
    module.get_default_memory_pool = lambda: MemoryPool()
    module.cuda = types.SimpleNamespace(
        get_current_stream=fake_streams.current_stream,
        using_allocator=fake_streams.using_allocator,
        Device=Device,
        Graph=fake_streams.Graph,
        Memory=fake_streams.Memory,
        MemoryPointer=fake_streams.MemoryPointer,
        MemoryPool=MemoryPool,
        Stream=fake_streams.Stream,
        memory=types.SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
        runtime=types.SimpleNamespace(CUDARuntimeError=fake_streams.CUDARuntimeError),
    )
    return module


made: Any = types.SimpleNamespace(current_device=lambda: 0)
cupy = made = _module()
_operators()


@contextmanager
def installed() -> Iterator[types.ModuleType]:
    """`import cupy` gives the module above."""
    before = sys.modules.get("cupy")
    sys.modules["cupy"] = cupy
    try:
        yield cupy
    finally:
        del sys.modules["cupy"]
        if before is not None:
            sys.modules["cupy"] = before
