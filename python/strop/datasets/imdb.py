"""The IMDB movie reviews (Maas et al. 2011): 25,000 to train, 25,000 to test, as ids of words."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._json import read_json
from ._find import find
from ._npz import read_npz

Array = NDArray[Any]
Split = tuple[Array, Array]

_FOLDER = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
_REVIEWS = "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f"
_WORDS_MD5 = "bfafd718b763782e994055a2d397834f"


def load_data(
    path: str | os.PathLike[str] = "imdb.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
) -> tuple[Split, Split]:
    """Load the reviews: ids of words by frequency, 0 = padding, 1 = start, 2 = rare word, rank r = r + 3.

    Looked for in this order: path; `$STROP_DATA`; the cache and `~/.keras/datasets`; the published address, whose file
    must have the published SHA-256. A line says which it was.

    Args:
        path: an imdb.npz, in Keras' layout or the flat one (`x_train_flat`, `x_train_offsets`, `y_train`, ...), or
            a folder with it.
        num_words: ids from this on become oov_char; None keeps all.
        skip_top: ids below this become oov_char.
        maxlen: reviews of this length or longer are dropped.
        seed: of the shuffling.
        start_char: the first id of every review; None leaves it out.
        oov_char: stands for ids that are left out; None drops them.
        index_from: added to every rank.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: x holds an int32 array per review, views of one flat array; y is
        int64, 1 for a good review.

    Raises:
        FileNotFoundError: path does not exist.
        ValueError: the file is damaged or has another hash, or no review is short enough for maxlen.
        OSError: nothing was found, and the download failed.
    """
    op = "imdb.load_data"
    found, where = find(op, path, "imdb.npz", _FOLDER + "imdb.npz", _REVIEWS, 64 << 20)
    print(f"{op}: reviews from {where}")
    content = read_npz(found, op)
    generator = np.random.RandomState(seed)
    splits = []
    for name in ("train", "test"):
        flat, offsets, y = _split(op, found, content, name)
        order = np.arange(len(y))
        generator.shuffle(order)
        splits.append(_chosen(flat, offsets, y, order, start_char, index_from, maxlen))
    if maxlen is not None and not all(len(y) for _, _, y in splits):
        raise ValueError(f"{op}: maxlen must leave reviews in both splits; got {maxlen}")
    if not num_words:  # the largest id itself becomes oov_char, as in Keras
        num_words = max(int(flat.max(initial=0)) for flat, _, _ in splits)
    limited = [_limit(*split, skip_top, num_words, oov_char) for split in splits]
    train, test = (_views(flat, offsets, y) for flat, offsets, y in limited)
    return train, test


def get_word_index(path: str | os.PathLike[str] = "imdb_word_index.json") -> dict[str, int]:
    """The rank of each of the 88,584 words, the most frequent 1; `load_data` gives rank + 3.

    Args:
        path: an imdb_word_index.json or a folder with it; looked for as in `load_data`.

    Raises:
        FileNotFoundError: path does not exist.
        ValueError: the file is damaged or has another hash.
        OSError: nothing was found, and the download failed.
    """
    op = "imdb.get_word_index"
    name = "imdb_word_index.json"
    found, _ = find(op, path, name, _FOLDER + name, _WORDS_MD5, 16 << 20)
    if found.stat().st_size > 16 << 20:
        raise ValueError(f"{op}: {found} must be at most 16 MiB; got {found.stat().st_size} bytes")
    index = read_json(found.read_bytes(), op)
    if not isinstance(index, dict) or not all(type(rank) is int for rank in index.values()):
        raise ValueError(f"{op}: {found} must map words to ranks; got something else")
    return index


def _split(op: str, path: Path, content: dict[str, Any], name: str) -> tuple[Array, Array, Array]:
    """Flat ranks, offsets and labels of a split, from either layout."""
    try:
        y = np.asarray(content[f"y_{name}"]).astype(np.int64)
        if f"x_{name}_flat" in content:
            flat = np.asarray(content[f"x_{name}_flat"])
            offsets = np.asarray(content[f"x_{name}_offsets"]).astype(np.int64)
        else:
            rows = content[f"x_{name}"]
            if not isinstance(rows, list):
                raise ValueError(
                    f"{op}: {path} must hold the reviews; got x_{name} that is no array of lists"
                )
            lengths = np.fromiter(map(len, rows), np.int64, len(rows))
            offsets = np.concatenate([[0], np.cumsum(lengths)])
            flat = np.fromiter((i for row in rows for i in row), np.int64, int(offsets[-1]))
    except (KeyError, OverflowError) as error:
        raise ValueError(f"{op}: {path} must hold the reviews; got no {error}") from None
    good = flat.ndim == offsets.ndim == y.ndim == 1 and flat.dtype.kind in "iu" and len(offsets) == len(y) + 1
    good = good and offsets[0] == 0 and offsets[-1] == len(flat) and bool((np.diff(offsets) >= 0).all())
    if not good or (flat.size and (flat.min() < 0 or flat.max() > 2**30)):
        raise ValueError(f"{op}: {path} must hold the reviews; got arrays of {name} that do not fit")
    return flat.astype(np.int32, copy=False), offsets, y


def _chosen(
    flat: Array,
    offsets: Array,
    y: Array,
    order: Array,
    start_char: int | None,
    index_from: int,
    maxlen: int | None,
) -> tuple[Array, Array, Array]:
    """The reviews in their new order, shifted, each after its start mark, without those that are too long."""
    gap = 0 if start_char is None else 1
    lengths = np.diff(offsets) + gap
    if maxlen is not None:
        order = order[lengths[order] < maxlen]
    bounds = np.concatenate([[0], np.cumsum(lengths[order])])
    out = np.empty(bounds[-1], np.int32)
    # Copying row by row takes half the time of one index for all.
    begins, ends = offsets[:-1][order].tolist(), offsets[1:][order].tolist()
    for begin, end, to in zip(begins, ends, (bounds[:-1] + gap).tolist(), strict=True):
        out[to : to + end - begin] = flat[begin:end]
    out += np.int32(index_from)
    if start_char is not None:
        out[bounds[:-1]] = start_char
    return out, bounds, y[order]


def _limit(
    flat: Array, offsets: Array, y: Array, skip_top: int, num_words: int, oov_char: int | None
) -> tuple[Array, Array, Array]:
    dropped = (flat < skip_top) | (flat >= num_words)
    if oov_char is not None:
        np.putmask(flat, dropped, np.int32(oov_char))
        return flat, offsets, y
    before = np.searchsorted(np.flatnonzero(dropped), offsets)  # dropped ids before each review
    return flat[~dropped], offsets - before, y


def _views(flat: Array, offsets: Array, y: Array) -> Split:
    rows = np.empty(len(y), object)
    bounds = offsets.tolist()
    for i in range(len(y)):
        rows[i] = flat[bounds[i] : bounds[i + 1]]
    return rows, y
