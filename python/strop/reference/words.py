"""Texts as words: counting and finding."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def _words(text: str, delimiters: str, lower: bool) -> list[str]:
    if lower:
        text = text.lower()
    words = [""]
    for character in text:
        if character in delimiters:
            words.append("")
        else:
            words[-1] += character
    return [word for word in words if word]


def count_words(
    texts: list[str], *, delimiters: str, lower: bool = True
) -> tuple[list[str], list[int], list[int]]:
    """The words in order of first appearance, how often each comes, and in how many texts."""
    counts: dict[str, int] = {}
    documents: dict[str, int] = {}
    for text in texts:
        words = _words(text, delimiters, lower)
        for word in words:
            counts[word] = counts.get(word, 0) + 1
        for word in dict.fromkeys(words):
            documents[word] = documents.get(word, 0) + 1
    return list(counts), list(counts.values()), list(documents.values())


def find_words(
    texts: list[str], words: list[str], *, delimiters: str, lower: bool = True
) -> tuple[Array, Array]:
    """For each word of each text its place in words, -1 where it is unknown; where each text begins and ends."""
    places = {word: place for place, word in enumerate(words)}
    rows = [[places.get(word, -1) for word in _words(text, delimiters, lower)] for text in texts]
    offsets = np.cumsum([0, *map(len, rows)])
    return np.array([place for row in rows for place in row], np.int32), offsets
