"""`python -m strop train imdb`: the tutorial's review classifier, from data to a saved model."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from .. import utils
from ..callbacks import History
from ..layers import Dense, Embedding, GlobalAveragePooling1D
from ..models import Sequential, load_model
from . import reviews

SENTENCES = [
    "A wonderful film with brilliant acting, one of the best I have seen.",
    "The plot is dull, the acting is terrible and it was a waste of time.",
    "Beautiful pictures and a great story that I would love to see again.",
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("what", choices=["imdb"], help="the data set: movie reviews")
    parser.add_argument("--data", help="an imdb.npz, or a CSV with the columns label and text")
    parser.add_argument(
        "--test-data", help="a CSV to test on; without it a fifth of the CSV in --data is kept"
    )
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--words", type=int, default=10_000, help="the most frequent words that are kept")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--output", type=Path, default=Path("demo-output"), help="folder for model, words and curves"
    )


def run(options: argparse.Namespace) -> None:
    """Train, report, save, load back, classify three sentences."""
    data = reviews.load(options.data, options.words, options.test_data)
    print(f"{len(data.x_train):,} reviews to train on, {len(data.x_test):,} to test on\n")
    utils.set_random_seed(options.seed)
    # The last fifth validates, so it must not be one class: any order of the file will do after this.
    order = np.random.RandomState(options.seed).permutation(len(data.x_train))
    model = Sequential(
        [
            Embedding(data.vocabulary, 16, input_length=data.x_train.shape[1]),
            GlobalAveragePooling1D(),
            Dense(24, activation="relu"),
            Dense(1, activation="sigmoid"),
        ],
        name="reviews",
    )
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy", "precision", "recall"])
    model.summary()
    print()
    start = time.perf_counter()
    history = model.fit(
        data.x_train[order],
        data.y_train[order],
        batch_size=options.batch_size,
        epochs=options.epochs,
        validation_split=0.2,
    )
    seconds = time.perf_counter() - start
    _print_history(history)
    scores = model.evaluate(data.x_test, data.y_test, verbose=0, return_dict=True)
    print(
        f"Test accuracy {scores['accuracy']:.4f}, precision {scores['precision']:.4f}, recall {scores['recall']:.4f}"
    )
    print(f"Training took {seconds:.2f} s\n")
    _save(model, data, history, options.output)
    if data.words is not None:
        again = load_model(options.output / "reviews.safetensors")
        print("Read back from the file, the model says:")
        classify(again, data.words, SENTENCES)


def _print_history(history: History) -> None:
    """The epochs as a table."""
    names = list(history.history)
    widths = [max(len(name), 6) for name in names]
    print("\nepoch  " + "  ".join(f"{name:>{width}}" for name, width in zip(names, widths, strict=True)))
    for i, epoch in enumerate(history.epoch):
        cells = (f"{history.history[name][i]:>{width}.4f}" for name, width in zip(names, widths, strict=True))
        print(f"{epoch + 1:>5}  " + "  ".join(cells))
    print()


def _save(model: Sequential, data: reviews.Reviews, history: History, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / "reviews.safetensors")
    print(f"Saved {folder / 'reviews.safetensors'}")
    if data.words is not None:
        data.words.save(folder / "words.json")
        print(f"Saved {folder / 'words.json'}")
    try:
        plot_history(history, folder / "curves.png")
        print(f"Saved {folder / 'curves.png'}\n")
    except ImportError as error:
        print(f"{error}\n")


def plot_history(history: History, path: Path) -> None:
    """Curves of loss and accuracy as a PNG.

    Raises:
        ImportError: matplotlib is absent; the message says how to get it.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError('curves: matplotlib must be installed; pip install "strop[plot]"') from None
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    epochs = [epoch + 1 for epoch in history.epoch]
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        axes.plot(epochs, history.history[name], marker="o", label="training")
        axes.plot(epochs, history.history[f"val_{name}"], marker="s", label="validation")
        axes.set_xlabel("epoch")
        axes.set_ylabel(name)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=120)


def classify(model: Sequential, words: reviews.Words, texts: list[str]) -> None:
    """Print the verdict on each text."""
    for text, (share,) in zip(texts, model.predict(words.encode(texts), verbose=0), strict=True):
        verdict = "good" if share > 0.5 else "bad"
        print(f"  {share:6.1%} good -> {verdict:<4}  {text}")
