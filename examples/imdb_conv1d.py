"""Film reviews by their phrases: Conv1D looks at five words at a time, and the strongest phrase counts.

The reviews as numbers, imdb.npz, are looked for on disk and downloaded if they are not there.

python examples/imdb_conv1d.py [--data imdb.npz] [--epochs 5] [--length 400] [--filters 128]
"""

import argparse
import time

import numpy as np

import strop
from strop.callbacks import EarlyStopping
from strop.datasets import imdb
from strop.layers import Conv1D, Dense, Dropout, Embedding, GlobalMaxPooling1D, SpatialDropout1D
from strop.preprocessing.sequence import pad_sequences


def build(words, length, filters):
    """Each filter is a detector of a phrase of five words; pooling keeps its strongest answer, wherever it was."""
    model = strop.Sequential(
        [
            strop.Input((length,)),
            Embedding(words, 64),
            SpatialDropout1D(0.2),  # drops a whole column of the word vectors, not single numbers
            Conv1D(filters, 5, activation="relu"),
            GlobalMaxPooling1D(),
            Dropout(0.3),
            Dense(64, activation="relu"),
            Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    return model


def main(
    data="imdb.npz",
    epochs=5,
    length=400,
    filters=128,
    words=10_000,
    batch_size=64,
    train=25_000,
    test=25_000,
    seed=0,
):
    strop.utils.set_random_seed(seed)

    # ---- data: the last words of each review, zeros in front of a shorter one
    (x_train, y_train), (x_test, y_test) = imdb.load_data(path=data, num_words=words)
    x_train, y_train = pad_sequences(x_train[:train], maxlen=length), y_train[:train]
    x_test, y_test = pad_sequences(x_test[:test], maxlen=length), y_test[:test]
    print(f"{len(x_train)} reviews of {length} words, {np.mean(x_train == 0):.0%} of them padding")

    # ---- model and training
    model = build(words, length, filters)
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
    parser.add_argument("--length", type=int, default=400, help="words of a review that are read, its last")
    parser.add_argument("--filters", type=int, default=128, help="phrases that are looked for")
    parser.add_argument("--words", type=int, default=10_000, help="the most frequent words that are kept")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--train", type=int, default=25_000, help="reviews to train on")
    parser.add_argument("--test", type=int, default=25_000, help="reviews to test on")
    parser.add_argument("--seed", type=int, default=0)
    try:
        main(**vars(parser.parse_args()))
    except OSError as error:
        raise SystemExit(f"{error}") from None
