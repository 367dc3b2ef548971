"""Neural networks on NumPy arrays: fused C++ kernels under a thin Keras-like layer."""

__version__ = "0.1.0"
