"""Models: chains and graphs of layers that are compiled, fitted, evaluated and saved."""

from .functional import Model
from .saving import load_model
from .sequential import Sequential

__all__ = ["Model", "Sequential", "load_model"]
