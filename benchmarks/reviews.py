"""Reviews for benchmarks: the IMDB ones where they are at hand, else invented ones of the same shape."""

from __future__ import annotations

import os

import numpy as np

from common import IN_CHECKOUT, ROOT
from strop.datasets import imdb
from strop.preprocessing.sequence import pad_sequences

LENGTH = 500
MEAN, SPREAD = 5.2, 0.6  # of the logarithm of a review's length: 218 words on average, as IMDB's
WORDS = 88_585  # ids in use with all words kept; the tutorial's table


def invented(
    count: int, *, length: int = LENGTH, vocabulary: int = WORDS, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Padded ids (count, length) with words by Zipf's law, and labels that the words decide."""
    rng = np.random.default_rng(seed)
    lengths = np.minimum(length, 1 + rng.lognormal(MEAN, SPREAD, count).astype(np.int64))
    bounds = np.cumsum(1 / np.arange(1, vocabulary))
    draws = rng.uniform(0, bounds[-1], int(lengths.sum()))
    words = (1 + np.searchsorted(bounds, draws)).clip(max=vocabulary - 1)
    filled = np.arange(length) >= length - lengths[:, None]
    ids = np.zeros((count, length), np.int32)
    ids[filled] = words
    mood = np.random.default_rng(1).normal(size=vocabulary)
    mood[:50] = 0  # the most frequent words say nothing
    scores = np.add.reduceat(mood[words], np.cumsum(lengths) - lengths) / np.sqrt(lengths)
    return ids, (scores > np.median(scores)).astype(np.int64)


def padded(path: str | None, num_words: int | None, quick: bool = False) -> tuple[dict[str, np.ndarray], str]:
    """Train and test arrays of the classifier, and where they come from; nothing is downloaded."""
    beside = ROOT.parent / "shared" / "data" / "imdb" / "imdb.npz"
    if path is None and IN_CHECKOUT and beside.exists():
        path = str(beside)
    if not quick:
        before = os.environ.get("STROP_OFFLINE")
        os.environ["STROP_OFFLINE"] = "1"
        try:
            source = {} if path is None else {"path": path}
            (x_train, y_train), (x_test, y_test) = imdb.load_data(**source, num_words=num_words)
            arrays = [
                pad_sequences(x_train, maxlen=LENGTH),
                y_train,
                pad_sequences(x_test, maxlen=LENGTH),
                y_test,
            ]
            return dict(zip(("x_train", "y_train", "x_test", "y_test"), arrays, strict=True)), "IMDB"
        except OSError:
            if path is not None:
                raise
        finally:
            os.environ.pop("STROP_OFFLINE") if before is None else os.environ.update(STROP_OFFLINE=before)
    count = 1000 if quick else 25_000
    x, y = invented(2 * count, vocabulary=num_words or WORDS)
    halves = {"x_train": x[:count], "y_train": y[:count], "x_test": x[count:], "y_test": y[count:]}
    return halves, "invented reviews of IMDB's shape"
