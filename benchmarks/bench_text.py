"""Tokenizer, `load_data` and `pad_sequences` against Keras; raw reviews to a tested model against fastText.

These are jobs of whole seconds, so a figure is the best of a few runs, ours and the peer's in turn.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import itertools
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import strop
from common import ROOT, Report, main, peer
from strop.datasets import imdb
from strop.preprocessing.sequence import pad_sequences
from strop.preprocessing.text import Tokenizer

FOLDER = ROOT.parent / "shared" / "data" / "imdb"
RUNS = 3


def compare(report: Report, name: str, calls: dict[str, Callable[[], object]], runs: int = RUNS) -> None:
    """The best of a few runs each, in turn; the first call is ours."""
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(runs):
        for key, call in calls.items():
            start = time.perf_counter()
            kept = call()
            best[key] = min(best[key], time.perf_counter() - start)
            del kept
    ours, *peers = best.values()
    row: dict[str, Any] = {"case": name, "us": {key: round(1e6 * t) for key, t in best.items()}}
    text = f"  {name:<34}" + "".join(f"{key} {t:>8.3f} s  " for key, t in best.items())
    if peers:
        row["ratio"] = round(min(peers) / ours, 2)
        text += f"ratio {row['ratio']:.2f}"
    print(text, flush=True)
    report.rows.append(row)


def read(name: str) -> tuple[list[str], np.ndarray]:
    with gzip.open(FOLDER / f"{name}.csv.gz", "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], np.array([int(row["label"]) for row in rows])


def write_lines(path: Path, texts: list[str], labels: np.ndarray, *, cleaned: bool) -> None:
    """One review a line, after its label as fastText has it."""
    if cleaned:
        texts = [" ".join(strop.preprocessing.text.text_to_word_sequence(text)) for text in texts]
    lines = [f"__label__{y} {' '.join(text.split())}\n" for text, y in zip(texts, labels, strict=True)]
    random.Random(0).shuffle(lines)  # the labels are sorted, and fastText takes the texts as they come
    path.write_text("".join(lines), encoding="utf-8")


def read_lines(path: Path) -> tuple[list[str], np.ndarray]:
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [line[11:] for line in lines], np.array([line[9] == "1" for line in lines], np.float32)


def ours_from_file(train: Path, test: Path) -> float:
    """Test accuracy of a linear model on the mean of 16-wide embeddings of all words, as fastText's is.

    Three epochs with a learning rate that falls to 0, as fastText's does. Five folds of the training texts chose both.
    """
    (x_train, y_train), (x_test, y_test) = read_lines(train), read_lines(test)
    tokenizer = Tokenizer()
    tokenizer.fit_on_texts(x_train)
    ids = pad_sequences(tokenizer.texts_to_sequences(x_train), maxlen=1000)
    steps = 3 * -(-len(ids) // 32)
    rate = strop.optimizers.schedules.PolynomialDecay(0.01, steps, 0.0)
    layers = strop.layers
    model = strop.Sequential(
        [
            layers.Embedding(tokenizer.vocab_size, 16, mask_zero=True),
            layers.GlobalAveragePooling1D(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(strop.optimizers.Adam(rate), "binary_crossentropy", metrics=["accuracy"])
    model.fit(ids, y_train, epochs=3, verbose=0)
    ids = pad_sequences(tokenizer.texts_to_sequences(x_test), maxlen=1000)
    return float(model.evaluate(ids, y_test, batch_size=512, verbose=0)[1])


def fasttext_from_file(fasttext: Any, train: Path, test: Path, epochs: int) -> float:
    try:
        model = fasttext.train_supervised(str(train), dim=16, epoch=epochs, thread=2, verbose=0)
    except RuntimeError as error:  # "Encountered NaN": its threads race
        print(f"  fastText: {error}")
        return float("nan")
    return float(model.test(str(test))[1])


def whole_way(report: Report, texts: dict[str, tuple[list[str], np.ndarray]]) -> None:
    fasttext = peer("fasttext")
    with tempfile.TemporaryDirectory() as folder:
        for cleaned in (False, True):
            paths = [Path(folder) / f"{name}.txt" for name in texts]
            for path, (rows, labels) in zip(paths, texts.values(), strict=True):
                write_lines(path, rows, labels, cleaned=cleaned)
            accuracies: dict[str, list[float]] = {}

            def noted(name: str, accuracy: float) -> None:
                accuracies.setdefault(name, []).append(accuracy)

            calls = {"strop": lambda: noted("strop", ours_from_file(*paths))}
            for epochs in (10, 5) if fasttext else ():
                key = f"fastText, {epochs} epochs"
                calls[key] = lambda k=key, e=epochs: noted(k, fasttext_from_file(fasttext, *paths, e))
            compare(report, "cleaned lines to accuracy" if cleaned else "raw lines to accuracy", calls, 2)
            report.rows[-1]["accuracy"] = {key: round(max(found), 4) for key, found in accuracies.items()}
            print("    accuracy " + ", ".join(f"{k} {max(v):.4f}" for k, v in accuracies.items()))


def against_keras(report: Report, rows: list[str]) -> None:
    def tokenized(module: Any) -> Any:
        tokenizer = module()
        tokenizer.fit_on_texts(rows)
        return tokenizer.word_index, tokenizer.texts_to_sequences(rows)

    def loaded(module: Any, path: Path) -> Any:
        with contextlib.redirect_stdout(io.StringIO()):
            return module.load_data(path=str(path))

    flat = FOLDER / "imdb.npz"
    splits = loaded(imdb, flat)
    lists = [[row.tolist() for row in x] for x, _ in splits]
    calls = {"strop": lambda: tokenized(Tokenizer)}
    pads = {"strop": lambda: [pad_sequences(x, maxlen=500) for x in lists]}
    loads = {"strop": lambda: loaded(imdb, flat)}
    with tempfile.TemporaryDirectory() as folder:
        if peer("keras"):
            from keras.src.datasets import imdb as keras_imdb
            from keras.src.legacy.preprocessing.text import Tokenizer as KerasTokenizer
            from keras.utils import pad_sequences as keras_pad

            assert tokenized(Tokenizer) == tokenized(KerasTokenizer)
            calls["keras"] = lambda: tokenized(KerasTokenizer)
            pads["keras"] = lambda: [keras_pad(x, maxlen=500) for x in lists]
            for a, b in zip(pads["strop"](), pads["keras"](), strict=True):
                assert (a == b).all()
            # Keras reads lists in a pickle, and only what it has downloaded.
            pickled = keras_layout(Path(folder), flat)
            keras_imdb.get_file = lambda *_, **__: str(pickled)
            loads["strop, pickled"] = lambda: loaded(imdb, pickled)
            loads["keras, pickled"] = lambda: loaded(keras_imdb, pickled)
        compare(report, "Tokenizer: fit, transform", calls, 2)
        compare(report, "pad_sequences of lists", pads)
        compare(
            report,
            "pad_sequences of arrays",
            {"strop": lambda: [pad_sequences(x, maxlen=500) for x, _ in splits]},
        )
        compare(report, "imdb.load_data", loads, 2)


def keras_layout(folder: Path, flat: Path) -> Path:
    """The same reviews as Keras publishes them."""
    content: dict[str, Any] = {}
    with np.load(flat) as file:
        for name in ("train", "test"):
            bounds = file[f"x_{name}_offsets"].tolist()
            ids = file[f"x_{name}_flat"].tolist()
            rows = np.empty(len(bounds) - 1, object)
            rows[:] = [ids[a:b] for a, b in itertools.pairwise(bounds)]
            content |= {f"x_{name}": rows, f"y_{name}": file[f"y_{name}"]}
    np.savez(folder / "imdb.npz", **content)
    return folder / "imdb.npz"


def run(report: Report) -> None:
    if not FOLDER.is_dir():
        print(f"  skipped: no reviews at {FOLDER}")
        return
    texts = {name: read(name) for name in ("train", "test")}
    against_keras(report, texts["train"][0])
    whole_way(report, texts)


if __name__ == "__main__":
    main(run, __file__)
