"""cuBLASLt, NVIDIA's library of matrix products, for large products where it is installed.

It is never needed: the package's own kernels compute every shape. `cuda.pathfinder`, which comes with CuPy,
knows where the library is; it is asked once, at the first product on a GPU.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

from ._backend import kernels

_asked: set[int] = set()  # kernel modules for which the library has been looked for


def find() -> str | None:
    """The path of the library, or None where it is not, or where `STROP_CUBLAS=0` turns it off.

    Example:
        >>> import os
        >>> os.environ["STROP_CUBLAS"] = "0"
        >>> print(find())
        None
        >>> del os.environ["STROP_CUBLAS"]
    """
    if os.environ.get("STROP_CUBLAS") == "0":
        return None
    try:
        from cuda.pathfinder import load_nvidia_dynamic_lib
    except ImportError:
        return None
    try:
        path = load_nvidia_dynamic_lib("cublasLt").abs_path
    except RuntimeError:  # its DynamicLibNotFoundError is one
        return None
    return str(path) if path else None


def matmul_kernels(op: str, array: object) -> Any:
    """The kernel module for an array, which has been told of the library if it is that of CUDA."""
    module = kernels(op, array)
    if id(module) not in _asked:
        _asked.add(id(module))
        if hasattr(module, "bind_cublaslt"):
            _bind(module)
    return module


def _bind(module: Any) -> None:
    path = find()
    if path is None:
        return
    try:
        module.bind_cublaslt(path)
    except RuntimeError as error:
        warnings.warn(
            f"matmul: cuBLASLt is not used, the package's own kernels are: {error}; STROP_CUBLAS=0 leaves it alone",
            RuntimeWarning,
            stacklevel=4,
        )
