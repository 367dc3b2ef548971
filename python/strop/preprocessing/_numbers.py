"""What the Tokenizer is made of: texts in batches, counts that add up, words as ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ..ops import WordTable

BATCH = 1 << 22  # characters: 8 MB of scratch, 20 ms until Ctrl-C is heard
PLAIN = (str, np.str_)  # subclasses may have a `lower` or `split` of their own


def batches(op: str, texts: Iterable[Any], plain: bool) -> Iterator[tuple[Any, int]]:
    """The texts in order, read once: runs of plain strings as lists with their length, all else alone, with -1.

    Args:
        op: the function that messages begin with.
        texts: strings or lists of words.
        plain: whether plain strings come as lists.
    """
    if isinstance(texts, str):
        raise TypeError(f"{op}: texts must be a list of strings; got one str; write [text]")
    run: list[str] = []
    size = 0
    try:
        for place, text in enumerate(texts):
            if plain and type(text) in PLAIN:
                run.append(text)
                size += len(text)
                if size >= BATCH:
                    yield run, size
                    run, size = [], 0
                continue
            if not isinstance(text, str | list):
                raise TypeError(f"{op}: texts must hold strings; got {type(text).__name__} at {place}")
            for word in text if isinstance(text, list) else ():
                if word is None or isinstance(word, bytes):
                    kind = type(word).__name__
                    raise TypeError(f"{op}: texts must hold strings; got {kind} in the list at {place}")
            if run:
                yield run, size
                run, size = [], 0
            yield text, -1
    except Exception:
        if run:  # what came before an error is counted
            yield run, size
        raise
    if run:
        yield run, size


def add_counts(counts: Any, more: dict[Any, int]) -> None:
    """Add counts to a dict of counts; whatever kind of dict the user has put there."""
    if not counts and type(counts) in (dict, Counter):
        dict.update(counts, more)
        return
    get = counts.get
    for key, count in more.items():
        counts[key] = get(key, 0) + count


class Numbers:
    """What words become: ids below a limit, and one id for the words that are unknown or too rare.

    Args:
        index: the id of each word.
        limit: ids given are below this; None or 0 is all.
        oov_token: its id stands for other words; None leaves them out.
    """

    def __init__(self, index: Any, limit: Any, oov_token: Any) -> None:
        self.index, self.limit = index, limit
        self.has_token, self.token = oov_token is not None, index.get(oov_token)
        self._table: tuple[Any, list[Any], Any] | None = None

    def of(self, words: Iterable[Any]) -> list[int]:
        """The ids of words, looked up one by one."""
        get, limit, token = self.index.get, self.limit, self.token
        if not self.has_token and token is None and not limit:
            return [i for i in map(get, words) if i is not None]
        ids = []
        for word in words:
            i = get(word)
            if i is None:
                if self.has_token:
                    ids.append(token)
            elif not (limit and i >= limit):
                ids.append(i)
            elif token is not None:
                ids.append(token)
        return ids

    def worth_a_table(self, size: int) -> bool:
        """Whether so many characters pay for a table of the words, which is made from the index as it stands now.

        A word costs 100 ns to enter and a character 40 ns without the table. Only str and int are entered.
        """
        if self._table is not None:
            return True
        if size < 3 * len(self.index) or type(self.index) is not dict:
            return False
        return set(map(type, self.index)) <= {str} and set(map(type, self.index.values())) <= {int}

    def of_texts(self, texts: Sequence[str], delimiters: str, lower: bool) -> list[list[int]]:
        """The ids of the words of texts, from the table."""
        if self._table is None:
            table = WordTable(delimiters, lower)
            table.add(list(self.index))
            rare = self.token if self.token is not None else self
            limit, values = self.limit, list(self.index.values())
            if limit:
                values = [rare if i >= limit else i for i in values]
            # This object marks what is left out.
            self._table = table, values, self.token if self.has_token else self
        table, values, unknown = self._table
        rows: list[list[int]] = table.sequences(texts, values, unknown, self)
        return rows
