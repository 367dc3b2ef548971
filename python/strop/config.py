"""Settings: threads, instruction set, default float type, and the page that shows them.

Environment variables, read once at import:

| variable            | meaning                                                                   |
|---------------------|---------------------------------------------------------------------------|
| `STROP_NUM_THREADS` | threads for kernels, 1 to 1024; default: see below                         |
| `STROP_ISA`         | instruction set: `baseline`, `avx2`, `avx512`, `neon`; default: the widest |
| `STROP_CHECK`       | `1` looks at every id before a CUDA kernel runs, which waits for the device; and stops \
training where a loss or a gradient is not finite, with the step and the layer that first gave it |
| `STROP_CUBLAS`      | `0` leaves NVIDIA's cuBLASLt alone: large products use the package's own kernels |
| `STROP_DATA`        | a data file or folder that the loaders of `strop.datasets` try first       |
| `STROP_CACHE`       | where downloads are kept; default: `$XDG_CACHE_HOME/strop` or `~/.cache/strop` |
| `STROP_OFFLINE`     | `1` forbids every download                                                 |

Unless told, kernels use as many threads as the affinity mask, `OMP_NUM_THREADS` and the processor
quota of the control group (a container's limit, rounded up) allow, the least of them.

**The same bits.** The result of every kernel, and so of every training run, is the same bit for bit
for any number of threads and from run to run. Across instruction sets it is the same on all that have
fused multiply-add (`avx2`, `avx512`, `neon`); optimizer steps, embedding bags and reductions are the
same on `baseline` too. Products of matrices and exponentials round differently there.
"""

from __future__ import annotations

import importlib.util
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from . import _backend, _cublas
from ._backend import cpu, cuda_text, cupy_text
from ._threads import MOST, default_threads

_floatx = "float32"


def num_threads() -> int:
    """Threads that a kernel may use.

    Example:
        >>> num_threads() >= 1
        True
    """
    return int(cpu.num_threads())


def set_num_threads(count: int) -> None:
    """Set how many threads a kernel may use. Results have the same bits for any number.

    Args:
        count: from 1 to 1024. The setting belongs to strop and holds for every thread of the program;
            NumPy's and OpenMP's own stay as they are.

    Raises:
        ValueError: count is less than 1 or more than 1024.
        TypeError: count is not a whole number.

    Example:
        >>> before = num_threads()
        >>> set_num_threads(1)
        >>> num_threads()
        1
        >>> set_num_threads(before)
    """
    if isinstance(count, bool) or not isinstance(count, int | np.integer):
        raise TypeError(f"set_num_threads: count must be an int; got {type(count).__name__}")
    if not 1 <= count <= MOST:
        raise ValueError(f"set_num_threads: count must lie in [1, {MOST}]; got {count}")
    cpu.set_num_threads(int(count))


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Use another number of threads inside a `with` block.

    Example:
        >>> with threads(1):
        ...     num_threads()
        1
    """
    before = num_threads()
    set_num_threads(count)
    try:
        yield
    finally:
        set_num_threads(before)


def floatx() -> str:
    """The float type of new layers: `"float32"` or `"float64"`.

    Example:
        >>> floatx()
        'float32'
    """
    return _floatx


def set_floatx(value: str) -> None:
    """Set the float type of layers made from now on.

    Args:
        value: `"float32"` (default) or `"float64"` (for checking; half as fast).

    Raises:
        ValueError: any other value.
    """
    global _floatx
    if value not in ("float32", "float64"):
        raise ValueError(f"set_floatx: value must be 'float32' or 'float64'; got {value!r}")
    _floatx = value


def isa() -> str:
    """The instruction set in use.

    Example:
        >>> isa() in ("baseline", "avx2", "avx512", "neon")
        True
    """
    return str(cpu.active_isa())


def _extra(module: str, extra: str) -> str:
    if importlib.util.find_spec(module) is not None:
        return f"{module} present"
    return f'{module} absent: pip install "strop[{extra}]"'


def _cublaslt_text() -> str:
    path = _cublas.find()
    if path is not None:
        return f"found: {path}"
    if os.environ.get("STROP_CUBLAS") == "0":
        return "left alone: STROP_CUBLAS=0"
    return f'absent, large products take longer: pip install "{_backend.cupy_extra("-full")}"'


def show() -> str:
    """A page of text: version, instruction sets, threads, CUDA, extras.

    Example:
        >>> print(show())  # doctest: +ELLIPSIS
        strop ...
    """
    from . import __version__

    built = cpu.built_isas()
    sets = ", ".join(name + ("" if here else " (not on this processor)") for name, here in built.items())
    workers = {
        "pool": "the package's own pool",
        "openmp": f"OpenMP {cpu.openmp}",
        "std": "std::thread",
    }[cpu.threads_name()]
    rows = [
        ("strop", __version__),
        ("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        ("numpy", np.__version__),
        ("sets built", sets),
        ("set in use", isa()),
        ("threads", f"{num_threads()} (default {default_threads()}), run by {workers}"),
        ("compiler", cpu.compiler),
        ("cuda", cuda_text()),
        ("cupy", cupy_text()),
        *([] if _backend.cuda() is None else [("cublaslt", _cublaslt_text())]),
        ("plot", _extra("matplotlib", "plot")),
    ]
    return "\n".join(f"{name:<12}{text}" for name, text in rows)
