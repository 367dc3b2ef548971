# The compiled CUDA kernels; absent from a build without nvcc. See `_cpu.pyi`.
from typing import Any

def __getattr__(name: str) -> Any: ...
