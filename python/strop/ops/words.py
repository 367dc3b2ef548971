"""Words of texts: counted, and found in a list."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from .._backend import cpu

Array = NDArray[Any]

#: A table that counts words over many calls, or finds them: `WordTable(delimiters, lower)`.
WordTable = cpu.WordTable


def count_words(
    texts: list[str], *, delimiters: str, lower: bool = True
) -> tuple[list[str], list[int], list[int]]:
    """Count the words of texts: what stands between delimiters and is not empty.

    Args:
        texts: strings of any characters.
        delimiters: characters that end a word.
        lower: whether texts are lowered first, as `str.lower` does.

    Returns:
        The words in order of first appearance, how often each comes, and in how many texts.

    Raises:
        TypeError: texts is no list, or holds something other than str.

    Example:
        >>> count_words(["The cat, the dog", "a cat"], delimiters=" ,")
        (['the', 'cat', 'dog', 'a'], [2, 2, 1, 1], [1, 2, 1, 1])
    """
    table = WordTable(delimiters, lower)
    table.count(texts)
    result: tuple[list[str], list[int], list[int]] = table.counts()
    return result


def find_words(
    texts: list[str], words: list[str], *, delimiters: str, lower: bool = True
) -> tuple[Array, Array]:
    """Where the words of texts stand in a list of words.

    Args:
        texts: strings of any characters.
        words: each once; they are not lowered.
        delimiters: characters that end a word.
        lower: whether texts are lowered first, as `str.lower` does.

    Returns:
        int32, the places of all words of all texts, -1 for a word that is not in the list; and int64, (texts + 1):
        the words of text i are those from `offsets[i]` to `offsets[i + 1]`.

    Raises:
        TypeError: texts or words is no list, or holds something other than str.
        ValueError: a word comes twice.

    Example:
        >>> find_words(["The cat, a dog", "dog"], ["the", "dog"], delimiters=" ,")
        (array([ 0, -1, -1,  1,  1], dtype=int32), array([0, 4, 5]))
    """
    table = WordTable(delimiters, lower)
    table.add(words)
    result: tuple[Array, Array] = table.find(texts)
    return result
