"""Data sets: found on disk or downloaded, with a checked hash; nothing is fetched at import."""

from . import imdb, mnist, snippets

__all__ = ["imdb", "mnist", "snippets"]
