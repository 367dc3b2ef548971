"""Data sets: found on disk or downloaded, with a checked hash; nothing is fetched at import."""

from . import imdb, snippets

__all__ = ["imdb", "snippets"]
