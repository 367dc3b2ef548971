"""The specification: every kernel in plain NumPy, float64, no cleverness.

Nothing in the package imports this; tests and benchmarks compare the kernels with it.
"""

from .adam import adam_step

__all__ = ["adam_step"]
