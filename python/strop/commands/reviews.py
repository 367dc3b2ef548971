"""Reviews for the demo, from whichever source is at hand, and the words that turn a sentence into ids."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._files import atomic_write
from .._json import read_json
from ..datasets import imdb, snippets
from ..preprocessing.sequence import pad_sequences
from ..preprocessing.text import Tokenizer

Array = NDArray[Any]

LENGTH = 500
OOV = "<OOV>"  # with characters that no word of a text has
MAX_BYTES, MAX_RATIO, RATIO_FROM = 2 << 30, 200, 16 << 20


@dataclass
class Words:
    """How a text becomes ids: the id of each word, and those of a start mark and of unknown words."""

    ids: dict[str, int]
    start: int | None = None
    unknown: int | None = None
    length: int = LENGTH

    def encode(self, texts: list[str]) -> Array:
        """Padded ids, (N, length)."""
        tokenizer = Tokenizer(oov_token=None if self.unknown is None else OOV)
        tokenizer.word_index = dict(self.ids)
        if self.unknown is not None:
            tokenizer.word_index[OOV] = self.unknown
        rows = tokenizer.texts_to_sequences(texts)
        if self.start is not None:
            rows = [[self.start, *row] for row in rows]
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


def load(path: str | None, num_words: int, test_path: str | None = None) -> Reviews:
    """The first source that is there: a path; the IMDB reviews from disk or their address; rated snippets.

    Each source that fails says why before the next is tried.

    Args:
        path: an npz file, a folder or a CSV; None looks for one.
        num_words: ids are below this.
        test_path: a second CSV, to test on; None keeps a fifth of the first.

    Raises:
        ValueError: a file is damaged.
        OSError: a path was given and cannot be read, or no source is left.
    """
    path = path or _given_file()
    if path is not None and not path.endswith(".npz") and not Path(path).is_dir():
        train = read_csv(Path(path))
        test = None if test_path is None else read_csv(Path(test_path))
        return from_texts(*(split(*train) if test is None else (*train, *test)), num_words)
    if test_path is not None:
        raise ValueError(f"train: data must be a CSV beside a CSV to test on; got {path}")
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
    tokenizer = Tokenizer(num_words=num_words, oov_token=OOV)
    tokenizer.fit_on_texts(x_train)
    train, test = tokenizer.texts_to_sequences(x_train), tokenizer.texts_to_sequences(x_test)
    ids = {word: i for word, i in tokenizer.word_index.items() if i < num_words}
    longest = max(1, *map(len, train))
    words = Words(ids, unknown=tokenizer.word_index[OOV], length=min(LENGTH, longest))
    return Reviews(
        pad_sequences(train, maxlen=words.length),
        y_train,
        pad_sequences(test, maxlen=words.length),
        y_test,
        tokenizer.vocab_size,
        words,
    )


def read_csv(path: Path) -> tuple[list[str], Array]:
    """Texts and labels of a CSV, gzipped or not, with the columns `label` and `text`.

    Raises:
        ValueError: the file is damaged or too large, the columns are missing, or a label is neither 0 nor 1.
        OSError: it cannot be read.
    """
    try:
        rows = csv.reader(io.StringIO(_content(path).decode(), newline=""))
        header = next(rows, [])
        if not {"label", "text"} <= set(header):
            raise ValueError(f"the columns {', '.join(header[:5]) or 'of an empty file'}")
        label, text = header.index("label"), header.index("text")
        kept = [row for row in rows if row]
        if any(len(row) <= max(label, text) for row in kept):
            raise ValueError("a row with too few of them")
        texts, labels = [row[text] for row in kept], np.array([int(row[label]) for row in kept])
    except (ValueError, csv.Error, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(
            f"train: {path} must be a CSV with the columns label (0 or 1) and text; got {error}"
        ) from None
    if len(texts) < 10 or not set(labels.tolist()) <= {0, 1}:
        raise ValueError(
            f"train: {path} must hold 10 rows or more with labels 0 and 1; got {len(texts)} rows"
        )
    print(f"train: {len(texts):,} texts from {path}")
    return texts, labels


def _content(path: Path) -> bytes:
    """The file's bytes; of a packed one never more than they may become."""
    if path.suffix != ".gz":
        return path.read_bytes()
    limit = min(MAX_BYTES, max(RATIO_FROM, MAX_RATIO * path.stat().st_size))
    parts, size = [], 0
    with gzip.open(path) as file:
        while part := file.read(1 << 22):
            parts.append(part)
            size += len(part)
            if size > limit:
                raise ValueError(f"more than {limit} bytes unpacked")
    return b"".join(parts)


def split(texts: list[str], labels: Array) -> tuple[list[str], Array, list[str], Array]:
    """Texts to train on and a fifth to test on, both in random order."""
    order = np.random.RandomState(0).permutation(len(texts))
    test, train = order[: len(texts) // 5], order[len(texts) // 5 :]
    return [texts[i] for i in train], labels[train], [texts[i] for i in test], labels[test]
