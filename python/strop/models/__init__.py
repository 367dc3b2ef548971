"""Models: a chain of layers that is compiled, fitted, evaluated and saved."""

from .saving import load_model
from .sequential import Sequential

__all__ = ["Sequential", "load_model"]
