"""Text as ids of words: cleaning, counting, numbering. The same results as Keras' Tokenizer."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._json import read_json
from ..ops import WordTable
from ._numbers import Numbers, add_counts, batches
from .words import FILTERS, hashing_trick, one_hot, text_to_word_sequence

__all__ = [
    "Tokenizer",
    "hashing_trick",
    "one_hot",
    "text_to_word_sequence",
    "tokenizer_from_json",
]

Array = NDArray[Any]

MODES = ("binary", "count", "freq", "tfidf")


class Tokenizer:
    """Numbers the words of a collection of texts by how often they come, the most frequent first.

    Ids start at 1; 0 is left for padding. `word_index` always has all words, and `num_words` limits what
    `texts_to_sequences` gives: ids below it, so `num_words - 1` words.

    Args:
        num_words: ids given are below this; None or 0 is all.
        filters: characters that end a word.
        lower: whether texts are lowered.
        split: the separator of words.
        char_level: True numbers characters.
        oov_token: takes id 1 and stands for words that are unknown or too rare; None leaves them out.
        document_count: texts seen before.
        analyzer: a function that gives the words of a text itself.

    Example:
        >>> tokenizer = Tokenizer()
        >>> tokenizer.fit_on_texts(["a a a b b c", "d"])
        >>> tokenizer.word_index
        {'a': 1, 'b': 2, 'c': 3, 'd': 4}
        >>> tokenizer.texts_to_sequences(["a b x"])
        [[1, 2]]
    """

    def __init__(
        self,
        num_words: int | None = None,
        filters: str = FILTERS,
        lower: bool = True,
        split: str = " ",
        char_level: bool = False,
        oov_token: str | None = None,
        document_count: int = 0,
        analyzer: Callable[[str], Iterable[str]] | None = None,
    ) -> None:
        self.num_words, self.filters, self.lower, self.split = num_words, filters, lower, split
        self.char_level, self.oov_token, self.analyzer = char_level, oov_token, analyzer
        self.document_count = document_count
        self.word_counts: Counter[str] = Counter()
        self.word_docs: Counter[str] = Counter()
        self.index_docs: Counter[int] = Counter()
        self.word_index: dict[str, int] = {}
        self.index_word: dict[int, str] = {}

    @property
    def vocab_size(self) -> int:
        """The right `input_dim` of an Embedding: one more than the largest id that is given."""
        size = len(self.word_index) + 1
        return min(self.num_words, size) if self.num_words else size

    # ---- words -------------------------------------------------------------

    def _words_of(self, text: Any) -> Sequence[str]:
        if isinstance(text, list):
            return [word.lower() for word in text] if self.lower else text
        if self.char_level:
            return str.lower(text) if self.lower else text
        if self.analyzer is not None:
            return list(self.analyzer(text))
        return text_to_word_sequence(text, self.filters, self.lower, self.split)

    def _delimiters(self) -> str | None:
        """The characters that end a word, if that is all there is to it: then the kernel can cut the texts."""
        plain = not self.char_level and self.analyzer is None
        if plain and type(self.filters) is type(self.split) is str and len(self.split) == 1:
            return self.filters + self.split
        return None

    def fit_on_texts(self, texts: Iterable[Any]) -> None:
        """Count the words of texts; counts add up over calls, so ids may move.

        Args:
            texts: strings, or lists of words, which are lowered but not filtered; read once.

        Raises:
            TypeError: texts is one string, or something inside is no string; what came before it has been counted.
        """
        delimiters = self._delimiters()
        table: Any = None
        try:
            for part, size in batches("fit_on_texts", texts, delimiters is not None):
                if size >= 0:
                    table = table or WordTable(delimiters, bool(self.lower))
                    table.count(part)
                    self.document_count += len(part)
                    continue
                self._add(table)  # words are kept in the order of their first appearance
                table = None
                self.document_count += 1
                words = self._words_of(part)
                add_counts(self.word_counts, Counter(words))
                add_counts(self.word_docs, dict.fromkeys(words, 1))
        finally:
            self._add(table)
        self._number()

    def _add(self, table: Any) -> None:
        if table:
            words, counts, documents = table.counts()
            add_counts(self.word_counts, dict(zip(words, counts, strict=True)))
            add_counts(self.word_docs, dict(zip(words, documents, strict=True)))

    def _number(self) -> None:
        words = sorted(self.word_counts, key=self.word_counts.__getitem__, reverse=True)
        if self.oov_token is not None:
            words.insert(0, self.oov_token)
        # A token that is also a word keeps the word's own, later id.
        self.word_index = dict(zip(words, range(1, len(words) + 1), strict=True))
        self.index_word = {i: word for word, i in self.word_index.items()}
        for word, count in self.word_docs.items():
            self.index_docs[self.word_index[word]] = count

    def fit_on_sequences(self, sequences: Sequence[Iterable[int]]) -> None:
        """Count the ids of sequences, for `sequences_to_matrix(mode="tfidf")` without texts."""
        self.document_count += len(sequences)
        for sequence in sequences:
            add_counts(self.index_docs, dict.fromkeys(sequence, 1))

    # ---- ids ---------------------------------------------------------------

    def texts_to_sequences(self, texts: Iterable[Any]) -> list[list[int]]:
        """The ids of the words of each text.

        Args:
            texts: as for `fit_on_texts`.

        Returns:
            A list of ids per text; unknown and rare words are left out, or become the id of oov_token.
        """
        delimiters = self._delimiters()
        numbers = Numbers(self.word_index, self.num_words, self.oov_token)
        rows: list[list[int]] = []
        for part, size in batches("texts_to_sequences", texts, delimiters is not None):
            if size < 0:
                rows.append(numbers.of(self._words_of(part)))
            elif delimiters is not None and numbers.worth_a_table(size):
                rows += numbers.of_texts(part, delimiters, bool(self.lower))
            else:
                rows += [numbers.of(self._words_of(text)) for text in part]
        return rows

    def texts_to_sequences_generator(self, texts: Iterable[Any]) -> Iterator[list[int]]:
        """The same, one text at a time."""
        numbers = Numbers(self.word_index, self.num_words, self.oov_token)
        for text, _ in batches("texts_to_sequences", texts, False):
            numbers.index = self.word_index
            yield numbers.of(self._words_of(text))

    def sequences_to_texts(self, sequences: Iterable[Iterable[int]]) -> list[str]:
        """The words of each sequence of ids, joined by blanks."""
        return list(self.sequences_to_texts_generator(sequences))

    def sequences_to_texts_generator(self, sequences: Iterable[Iterable[int]]) -> Iterator[str]:
        """The same, one sequence at a time."""
        limit, words = self.num_words, self.index_word
        token = self.word_index.get(self.oov_token)  # type: ignore[arg-type]
        for sequence in sequences:
            row = []
            for i in sequence:
                word = words.get(i)
                if word is not None and not (limit and i >= limit):
                    row.append(word)
                elif token is not None and (word is not None or self.oov_token is not None):
                    row.append(words[token])
            yield " ".join(row)

    # ---- matrices ----------------------------------------------------------

    def texts_to_matrix(self, texts: Iterable[Any], mode: str = "binary") -> Array:
        """One row of numbers per text, one column per id; see `sequences_to_matrix`."""
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode)

    def sequences_to_matrix(self, sequences: Sequence[Sequence[int]], mode: str = "binary") -> Array:
        """One row per sequence, one column per id.

        Args:
            sequences: ids.
            mode: `"binary"`, `"count"`, `"freq"` (count over the length), `"tfidf"`:
                `(1 + log(count)) * log(1 + documents / (1 + documents with the word))`.

        Returns:
            float64, (N, num_words).

        Raises:
            ValueError: the mode is unknown, or nothing has been fitted.
            IndexError: an id is negative.
        """
        op = "sequences_to_matrix"
        if mode not in MODES:
            raise ValueError(f"{op}: mode must be one of {', '.join(MODES)}; got {mode!r}")
        if not self.num_words and not self.word_index:
            raise ValueError(f"{op}: num_words must be given, or texts fitted first; got neither")
        if mode == "tfidf" and not self.document_count:
            raise ValueError(f"{op}: texts must be fitted before mode='tfidf'; got none")
        width = self.num_words or len(self.word_index) + 1
        matrix = np.zeros((len(sequences), width))
        for n, (row, sequence) in enumerate(zip(matrix, sequences, strict=True)):
            found = Counter(i for i in sequence if i < width)
            if found:
                if min(found) < 0:
                    raise IndexError(f"{op}: ids must be 0 or more; got {min(found)} in sequence {n}")
                row[list(found)] = self._cells(mode, found, len(sequence))
        return matrix

    def _cells(self, mode: str, found: Counter[int], length: int) -> Array | float:
        counts = np.array(list(found.values()), np.float64)
        if mode == "binary":
            return 1
        if mode == "count":
            return counts
        if mode == "freq":
            return counts / length
        documents = np.array([self.index_docs.get(i, 0) for i in found])
        weights: Array = (1 + np.log(counts)) * np.log(1 + self.document_count / (1 + documents))
        return weights

    # ---- files -------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The settings and counts, in Keras' layout."""
        names = ("num_words", "filters", "lower", "split", "char_level", "oov_token", "document_count")
        counts = ("word_counts", "word_docs", "index_docs", "index_word", "word_index")
        return {
            **{name: getattr(self, name) for name in names},
            **{name: json.dumps(getattr(self, name)) for name in counts},
        }

    def to_json(self, **kwargs: Any) -> str:
        """The tokenizer as text that Keras reads too; `kwargs` go to `json.dumps`."""
        return json.dumps({"class_name": "Tokenizer", "config": self.get_config()}, **kwargs)


def tokenizer_from_json(json_string: str) -> Tokenizer:
    """The tokenizer that `to_json` wrote, here or in Keras.

    Raises:
        ValueError: the text is no tokenizer.

    Example:
        >>> tokenizer = Tokenizer(num_words=5)
        >>> tokenizer.fit_on_texts(["a b a"])
        >>> tokenizer_from_json(tokenizer.to_json()).word_index
        {'a': 1, 'b': 2}
    """
    op = "tokenizer_from_json"
    try:
        config = dict(read_json(json_string, op)["config"])
        counts = {
            name: read_json(config.pop(name), op)
            for name in ("word_counts", "word_docs", "index_docs", "index_word", "word_index")
        }
        tokenizer = Tokenizer(**config)
        tokenizer.word_counts, tokenizer.word_docs = (
            Counter(counts["word_counts"]),
            Counter(counts["word_docs"]),
        )
        tokenizer.index_docs = Counter({int(i): count for i, count in counts["index_docs"].items()})
        tokenizer.index_word = {int(i): word for i, word in counts["index_word"].items()}
        tokenizer.word_index = {word: int(i) for word, i in counts["word_index"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{op}: json_string must be a Tokenizer; got something else ({error})") from None
    return tokenizer
