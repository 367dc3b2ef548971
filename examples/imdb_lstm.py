"""Film reviews read word by word: an LSTM instead of the mean of all words.

The reviews as numbers, imdb.npz, are looked for on disk and downloaded if they are not there.

python examples/imdb_lstm.py [--data imdb.npz] [--epochs 5] [--length 200] [--units 64] [--bidirectional]
"""

import argparse
import time

import numpy as np

import strop
from strop.callbacks import EarlyStopping
from strop.datasets import imdb
from strop.layers import LSTM, Bidirectional, Dense, Dropout, Embedding
from strop.optimizers import Adam
from strop.preprocessing.sequence import pad_sequences


def build(words, length, units, bidirectional):
    """A vector per word; the LSTM reads them one after the other; its last output decides."""
    reader = LSTM(units)
    model = strop.Sequential(
        [
            strop.Input((length,)),
            # mask_zero: the zeros in front of a short review are not read, they are no words.
            Embedding(words, 32, mask_zero=True),
            Bidirectional(reader) if bidirectional else reader,
            Dropout(0.5),
            Dense(1, activation="sigmoid"),
        ]
    )
    # clipnorm: over 200 steps a gradient can grow large; its direction is kept, its length is cut.
    model.compile(optimizer=Adam(0.001, clipnorm=1.0), loss="binary_crossentropy", metrics=["accuracy"])
    return model


def main(
    data="imdb.npz",
    epochs=5,
    length=200,
    units=64,
    words=10_000,
    batch_size=64,
    train=25_000,
    test=25_000,
    bidirectional=False,
    seed=0,
):
    strop.utils.set_random_seed(seed)

    # ---- data: the last words of each review, zeros in front of a shorter one
    (x_train, y_train), (x_test, y_test) = imdb.load_data(path=data, num_words=words)
    x_train, y_train = pad_sequences(x_train[:train], maxlen=length), y_train[:train]
    x_test, y_test = pad_sequences(x_test[:test], maxlen=length), y_test[:test]
    print(f"{len(x_train)} reviews of {length} words, {np.mean(x_train == 0):.0%} of them padding")

    # ---- model and training
    model = build(words, length, units, bidirectional)
    model.summary()
    start = time.perf_counter()
    stop = EarlyStopping(patience=1, restore_best_weights=True)  # it soon knows the training reviews by heart
    history = model.fit(
        x_train, y_train, batch_size=batch_size, epochs=epochs, validation_split=0.2, callbacks=[stop]
    )
    seconds = time.perf_counter() - start

    _, accuracy = model.evaluate(x_test, y_test, batch_size=500, verbose=0)
    print(f"\ntest accuracy {accuracy:.4f} after {seconds:.1f} s of training")
    return {"accuracy": accuracy, "seconds": seconds, "loss": history.history["loss"]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="imdb.npz", help="imdb.npz or a folder with it")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--length", type=int, default=200, help="words of a review that are read, its last")
    parser.add_argument("--units", type=int, default=64, help="size of the LSTM's state")
    parser.add_argument("--words", type=int, default=10_000, help="the most frequent words that are kept")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--train", type=int, default=25_000, help="reviews to train on")
    parser.add_argument("--test", type=int, default=25_000, help="reviews to test on")
    parser.add_argument("--bidirectional", action="store_true", help="read from both ends")
    parser.add_argument("--seed", type=int, default=0)
    try:
        main(**vars(parser.parse_args()))
    except OSError as error:
        raise SystemExit(f"{error}") from None
