"""Reviews for the demo, from whichever source is at hand, and the words that turn a sentence into ids."""

from __future__ import annotations

import csv
import gzip
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._files import atomic_write
from .._json import read_json
from ..datasets import imdb, snippets
from ..preprocessing.sequence import pad_sequences
from ..preprocessing.text import Tokenizer, text_to_word_sequence

Array = NDArray[Any]

LENGTH = 500


@dataclass
class Words:
    """How a text becomes ids: the id of each word, and those of a start mark and of unknown words."""

    ids: dict[str, int]
    start: int | None = None
    unknown: int | None = None
    length: int = LENGTH

    def encode(self, texts: list[str]) -> Array:
        """Padded ids, (N, length)."""
        rows = []
        for text in texts:
            found = [self.ids.get(word, self.unknown) for word in text_to_word_sequence(text)]
            start = [] if self.start is None else [self.start]
            rows.append(start + [i for i in found if i is not None])
        return pad_sequences(rows, maxlen=self.length)

    def save(self, path: Path) -> None:
        """Write the words as JSON."""
        with atomic_write(path) as file:
            file.write(json.dumps(vars(self)).encode())

    @classmethod
    def load(cls, path: Path) -> Words:
        """Read what `save` wrote.

        Raises:
            ValueError: the file holds something else.
        """
        content = read_json(path.read_bytes(), f"predict: {path}")
        try:
            words = cls(**content)
        except TypeError:
            raise ValueError(f"predict: {path} must hold words; got something else") from None
        if not isinstance(words.ids, dict) or not all(type(i) is int for i in words.ids.values()):
            raise ValueError(f"predict: {path} must map words to ids; got something else")
        return words


@dataclass
class Reviews:
    """Padded ids and labels, the table size they need, and the words, if those are known."""

    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    vocabulary: int
    words: Words | None


def load(path: str | None, num_words: int) -> Reviews:
    """The first source that is there: a path; the IMDB reviews from disk or their address; rated snippets.

    Each source that fails says why before the next is tried.

    Raises:
        ValueError: a file is damaged.
        OSError: a path was given and cannot be read, or no source is left.
    """
    path = path or _given_file()
    if path is not None and not path.endswith(".npz") and not Path(path).is_dir():
        return from_texts(*read_csv(Path(path)), num_words)
    try:
        return from_imdb(path, num_words)
    except OSError as error:
        if path is not None:
            raise
        print(f"The IMDB reviews are not at hand: {error}")
    print("Falling back to 10,605 short review snippets; expect a lower accuracy than on whole reviews.")
    (x_train, y_train), (x_test, y_test) = snippets.load_data()
    return from_texts(x_train, y_train, x_test, y_test, num_words)


def _given_file() -> str | None:
    """A text file named by `$STROP_DATA`; npz files and folders are found by the loader itself."""
    given = os.environ.get("STROP_DATA", "")
    return given if given.endswith((".csv", ".csv.gz")) else None


def from_imdb(path: str | None, num_words: int) -> Reviews:
    """The IMDB reviews, cut to the most frequent words."""
    source = {} if path is None else {"path": path}
    (x_train, y_train), (x_test, y_test) = imdb.load_data(**source, num_words=num_words)  # type: ignore[arg-type]
    words = None
    try:
        beside = None if path is None else Path(path).parent / "imdb_word_index.json"
        index = (
            imdb.get_word_index(beside) if beside is not None and beside.exists() else imdb.get_word_index()
        )
        words = Words({w: r + 3 for w, r in index.items() if r + 3 < num_words}, start=1, unknown=2)
    except (OSError, ValueError) as error:
        print(f"Without the list of words no sentence can be classified: {error}")
    return Reviews(
        pad_sequences(x_train, maxlen=LENGTH),
        y_train,
        pad_sequences(x_test, maxlen=LENGTH),
        y_test,
        num_words,
        words,
    )


def from_texts(
    x_train: list[str], y_train: Array, x_test: list[str], y_test: Array, num_words: int
) -> Reviews:
    """Raw texts, numbered by the words of the training texts."""
    tokenizer = Tokenizer(num_words=num_words, oov_token="<OOV>")
    tokenizer.fit_on_texts(x_train)
    ids = {word: i for word, i in tokenizer.word_index.items() if i < num_words}
    longest = max(len(row) for row in tokenizer.texts_to_sequences(x_train))
    words = Words(ids, unknown=tokenizer.word_index["<OOV>"], length=min(LENGTH, longest))
    return Reviews(words.encode(x_train), y_train, words.encode(x_test), y_test, tokenizer.vocab_size, words)


def read_csv(path: Path) -> tuple[list[str], Array, list[str], Array]:
    """Texts and labels of a CSV with the columns `label` and `text`; every fifth row is kept for the test.

    Raises:
        ValueError: the columns are missing, or a label is neither 0 nor 1.
    """
    with gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open(newline="") as file:
        try:
            rows = list(csv.DictReader(file))
            labels = np.array([int(row["label"]) for row in rows])
            texts = [str(row["text"]) for row in rows]
        except (KeyError, ValueError, csv.Error, EOFError, UnicodeDecodeError) as error:
            raise ValueError(
                f"train: {path} must be a CSV with the columns label (0 or 1) and text; got {error}"
            ) from None
    if len(rows) < 10 or not set(labels.tolist()) <= {0, 1}:
        raise ValueError(f"train: {path} must hold 10 rows or more with labels 0 and 1; got {len(rows)} rows")
    print(f"train: {len(rows):,} texts from {path}")
    order = np.random.RandomState(0).permutation(len(rows))
    test, train = order[: len(rows) // 5], order[len(rows) // 5 :]
    return [texts[i] for i in train], labels[train], [texts[i] for i in test], labels[test]
