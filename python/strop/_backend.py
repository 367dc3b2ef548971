"""Which kernel module serves these arrays: `strop._cpu` for NumPy, `strop._cuda` for CuPy.

Nothing falls back in silence: an array of another library is refused with the way out.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import importlib.util
import os
import sys
from typing import Any

import numpy as np

from ._threads import MOST, default_threads


def _load_cpu() -> Any:
    # For a build with OpenMP: libgomp lets a worker spin 15 ms for the next region (300,000 rounds of
    # 50 ns) and burns a core between steps; 1,000 rounds are 50 us. It reads the variable once, when
    # `_cpu` loads it, so the setting is ours alone and the user's environment is as it was afterwards.
    ours = "GOMP_SPINCOUNT" not in os.environ and "OMP_WAIT_POLICY" not in os.environ
    if ours:
        os.environ["GOMP_SPINCOUNT"] = "1000"
    try:
        from . import _cpu
    except ImportError as error:
        raise ImportError(
            "strop: the compiled module strop._cpu is missing or does not load "
            f"({error}); install the package with `pip install .` from the repository root, "
            "and start Python outside the source tree"
        ) from error
    finally:
        if ours:
            del os.environ["GOMP_SPINCOUNT"]
    return _cpu


cpu: Any = _load_cpu()


@functools.cache
def cuda() -> Any | None:
    """The module of CUDA kernels, loaded at the first call, or None where this build has none."""
    try:
        from . import _cuda
    except ImportError:
        if importlib.util.find_spec(f"{__package__}._cuda") is None:
            return None
        raise  # it is there and does not load: that is no build without CUDA
    return _cuda


def cuda_text() -> str:
    """One line: what the CUDA kernels were built for, and what keeps them from running here.

    Example:
        >>> isinstance(cuda_text(), str)
        True
    """
    module = cuda()
    if module is None:
        return "not built; install the package where nvcc is found"
    about = module.driver()
    major, minor = about["runtime"] // 1000, about["runtime"] % 1000 // 10
    built = f"built with {major}.{minor} for architectures {module.architectures}"
    if about["reason"]:
        return f"{built}; not available: {about['reason']}{_way_out(about)}"
    return f"{built}; devices: {about['devices']}"


def _way_out(about: dict[str, Any]) -> str:
    """What to do about a driver that is missing or too old."""
    if about["reason"] == "no driver":
        return "; install NVIDIA's driver where there is a GPU"
    return "; update NVIDIA's driver" if about["reason"].startswith("driver too old") else ""


def cupy_text() -> str:
    """One line: whether CuPy is here, which is found without importing it, and how to get it.

    Example:
        >>> isinstance(cupy_text(), str)
        True
    """
    if importlib.util.find_spec("cupy") is None:
        return f'absent: pip install "{cupy_extra()}"'
    for name in ("cupy-cuda13x", "cupy-cuda12x", "cupy"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return f"{importlib.metadata.version(name)}, from {name}"
    return "present"


def cupy_extra(kind: str = "") -> str:
    """The extra that brings the CuPy of this build's CUDA; with `"-full"` NVIDIA's libraries, too."""
    module = cuda()
    major = module.driver()["runtime"] // 1000 if module is not None else 13
    return f"strop[cuda{major}{kind}]"


def cupy(op: str) -> Any:
    """CuPy, imported at the first call.

    Raises:
        ImportError: it is not installed; the message names the extra that brings it.
    """
    try:
        import cupy
    except ImportError as error:
        raise ImportError(f'{op}: arrays on a GPU are CuPy arrays; pip install "{cupy_extra()}"') from error
    return cupy


def on_gpu(array: object) -> bool:
    """Whether an array is CuPy's."""
    module = type(array).__module__
    return module == "cupy" or module.startswith("cupy.")


def _has_interface(array: object) -> bool:
    # Of torch every tensor's class has the interface, but only tensors on a GPU give one.
    return on_gpu(array) or hasattr(array, "__cuda_array_interface__")


def _cuda_kernels(op: str) -> Any:
    module = cuda()
    if module is None:
        raise NotImplementedError(_no_cuda(op))
    if not hasattr(module, op):
        raise NotImplementedError(f"{op}: no CUDA kernel yet; move the arrays to the CPU with .get()")
    return module


def check_cuda(op: str) -> None:
    """Refuse arrays on a GPU where this build has no CUDA kernels.

    Raises:
        NotImplementedError: it has none.
    """
    if cuda() is None:
        raise NotImplementedError(_no_cuda(op))


def _no_cuda(op: str) -> str:
    return (
        f"{op}: this build has no CUDA kernels; move the arrays to the CPU with .get(), or install "
        "the package where nvcc is found"
    )


def synchronize() -> None:
    """Wait for the current CUDA stream and say what its kernels have found wrong; without a GPU, nothing.

    Raises:
        IndexError: a kernel met an id outside its table since the last call. It has read nothing there
            and given zeros.
    """
    module = cuda()
    if module is None or module.driver()["reason"]:
        return
    place = module.take_bad_id()
    if place >= 0:
        raise IndexError(
            f"synchronize: ids must lie in their table; got one that does not, element {place} of its "
            "array; STROP_CHECK=1 names it at the call"
        )


def _choose_isa() -> None:
    name = os.environ.get("STROP_ISA")
    if not name:
        return
    built = cpu.built_isas()
    if name not in built:
        raise ValueError(f"STROP_ISA: value must be one of {', '.join(built)}; got {name!r}")
    if not cpu.set_isa(name):
        raise ValueError(f"STROP_ISA: value must be a set this processor has; got {name!r}")


def _choose_threads() -> None:
    text = os.environ.get("STROP_NUM_THREADS")
    if not text:
        cpu.set_num_threads(default_threads())
        return
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise ValueError(f"STROP_NUM_THREADS: value must be a whole number in [1, {MOST}]; got {text!r}")
    cpu.set_num_threads(int(text))


_choose_isa()
_choose_threads()


def kernels(op: str, array: object) -> Any:
    """The kernel module for the library that `array`, or the first array of a list, belongs to.

    Example:
        >>> import numpy as np
        >>> kernels("matmul", np.zeros(3)).__name__
        'strop._cpu'
    """
    if isinstance(array, np.ndarray):
        return cpu
    if isinstance(array, list | tuple) and array:
        array = array[0]
    if _has_interface(array):
        return _cuda_kernels(op)
    return cpu  # its checks name the argument and what it was


def array_module(array: object) -> Any:
    """The library of an array: numpy, or cupy, whose functions have the same names.

    Example:
        >>> import numpy as np
        >>> array_module(np.zeros(3)) is np
        True
    """
    return sys.modules["cupy"] if on_gpu(array) else np


def cupy_present() -> bool:
    """Whether CuPy has been imported by the program; strop itself never imports it unasked."""
    return "cupy" in sys.modules
