"""A text as words, and words as hashes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'


def text_to_word_sequence(
    text: str, filters: str = FILTERS, lower: bool = True, split: str = " "
) -> list[str]:
    """The words of a text: lowered, filtered characters turned into the separator, split.

    Apostrophes and everything beyond ASCII stay.

    Args:
        text: one text.
        filters: characters that end a word.
        lower: whether the text is lowered first.
        split: the separator.

    Raises:
        TypeError: text is no string.
        ValueError: split is empty.

    Example:
        >>> text_to_word_sequence("Don't STOP-now! It's 5.30")
        ["don't", 'stop', 'now', "it's", '5', '30']
    """
    if not isinstance(text, str):
        raise TypeError(f"text_to_word_sequence: text must be a string; got {type(text).__name__}")
    if lower:
        text = text.lower()
    return [word for word in text.translate(filter_table(filters, split)).split(split) if word]


def filter_table(filters: str, split: str) -> dict[int, str]:
    """For `str.translate`: every filtered character becomes the whole separator."""
    return dict.fromkeys(map(ord, filters), split)


def hashing_trick(
    text: str,
    n: int,
    hash_function: str | Callable[[str], int] | None = None,
    filters: str = FILTERS,
    lower: bool = True,
    split: str = " ",
    analyzer: Callable[[str], Iterable[str]] | None = None,
) -> list[int]:
    """Words as numbers from 1 to n - 1 by a hash; two words may share one.

    Args:
        text: one text.
        n: one more than the largest number.
        hash_function: `"md5"`, the default, which repeats from run to run, or a function of a word.
        filters: as in `text_to_word_sequence`.
        lower: as in `text_to_word_sequence`.
        split: as in `text_to_word_sequence`.
        analyzer: a function that gives the words itself.

    Raises:
        ValueError: n is less than 2, or the hash function's name is unknown.

    Example:
        >>> hashing_trick("a b c a", 10)
        [2, 5, 8, 2]
    """
    if n < 2:
        raise ValueError(f"hashing_trick: n must be 2 or more; got {n}")
    if hash_function in (None, "md5"):
        hash_function = _md5
    if not callable(hash_function):
        raise ValueError(f"hashing_trick: hash_function must be 'md5' or a function; got {hash_function!r}")
    words = analyzer(text) if analyzer else text_to_word_sequence(text, filters, lower, split)
    return [hash_function(word) % (n - 1) + 1 for word in words]


def _md5(word: str) -> int:
    import hashlib

    return int(hashlib.md5(word.encode(), usedforsecurity=False).hexdigest(), 16)


def one_hot(
    text: str,
    n: int,
    filters: str = FILTERS,
    lower: bool = True,
    split: str = " ",
    analyzer: Callable[[str], Iterable[str]] | None = None,
) -> list[int]:
    """The same as `hashing_trick` with its default hash.

    Example:
        >>> one_hot("a b", 10)
        [2, 5]
    """
    return hashing_trick(text, n, None, filters, lower, split, analyzer)
