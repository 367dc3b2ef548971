"""Models: a chain of layers that is compiled, fitted, evaluated and saved."""

from .sequential import Sequential

__all__ = ["Sequential"]
