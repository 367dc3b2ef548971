"""From raw text to padded arrays of ids."""

from . import sequence, text

__all__ = ["sequence", "text"]
