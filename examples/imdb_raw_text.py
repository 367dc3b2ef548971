"""Is a film review good or bad? From raw texts to a model that judges sentences of your own.

Get the 50,000 reviews from https://ai.stanford.edu/~amaas/data/sentiment/ and unpack them; --data is the folder
aclImdb. A folder with train.csv and test.csv (or .csv.gz) that have the columns `label` (0 or 1) and `text` will do
as well.

python examples/imdb_raw_text.py --data aclImdb [--epochs 10] [--words 10000] [--length 500]
"""

import argparse
import csv
import gzip
import time
from pathlib import Path

import numpy as np

import strop
from strop.callbacks import EarlyStopping
from strop.layers import Dense, Embedding, GlobalAveragePooling1D
from strop.preprocessing.sequence import pad_sequences
from strop.preprocessing.text import Tokenizer

SENTENCES = [
    "A wonderful film: the best story and the most moving performance I have seen this year.",
    "Boring, far too long, and the worst dialogue ever. A complete waste of time.",
    "I expected little and was pleasantly surprised, although the ending is weak.",
]


def read(folder, part):
    """Texts and labels of a part, "train" or "test"; 1 is a good review."""
    for name in (f"{part}.csv", f"{part}.csv.gz"):
        if (folder / name).exists():
            opened = gzip.open if name.endswith(".gz") else open
            with opened(folder / name, "rt", encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
            return [row["text"] for row in rows], np.array([int(row["label"]) for row in rows])
    if not (folder / part / "pos").is_dir():
        raise FileNotFoundError(
            f"no reviews in {str(folder)!r}: neither {part}/pos nor {part}.csv; "
            "get them from https://ai.stanford.edu/~amaas/data/sentiment/"
        )
    texts, labels = [], []
    for label, side in enumerate(("neg", "pos")):
        for path in sorted((folder / part / side).glob("*.txt")):
            texts.append(path.read_text(encoding="utf-8"))
            labels.append(label)
    return texts, np.array(labels)


def main(data, epochs=10, words=10_000, length=500, train=25_000, test=25_000, seed=0):
    strop.utils.set_random_seed(seed)
    start = time.perf_counter()

    # ---- texts, in random order: the files have one class after the other
    rng = np.random.default_rng(seed)
    (texts, y_train), (test_texts, y_test) = (read(Path(data), part) for part in ("train", "test"))
    order, test_order = rng.permutation(len(texts))[:train], rng.permutation(len(test_texts))[:test]
    texts, y_train = [texts[i] for i in order], y_train[order]
    test_texts, y_test = [test_texts[i] for i in test_order], y_test[test_order]
    print(f"{len(texts)} reviews to train on, {len(test_texts)} to test on\n\n{texts[0][:300]} ...\n")

    # ---- a number for each word, by how frequent it is; a test review brings no new words
    tokenizer = Tokenizer(num_words=words, oov_token="<unknown>")
    tokenizer.fit_on_texts(texts)
    x_train = pad_sequences(tokenizer.texts_to_sequences(texts), maxlen=length)
    x_test = pad_sequences(tokenizer.texts_to_sequences(test_texts), maxlen=length)
    print(f"{len(tokenizer.word_index)} words, {tokenizer.vocab_size} kept; it ends with {x_train[0, -8:]},")
    print(f"that is: {tokenizer.sequences_to_texts([x_train[0, -8:]])[0]}\n")

    # ---- model: a vector per word, their mean over the review, two layers
    model = strop.Sequential(
        [
            Embedding(tokenizer.vocab_size, 16, input_length=length),
            GlobalAveragePooling1D(),
            Dense(24, activation="relu"),
            Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    model.summary()

    # ---- training; the last fifth says when it is enough
    stop = EarlyStopping(monitor="val_loss", patience=2, restore_best_weights=True)
    model.fit(x_train, y_train, epochs=epochs, validation_split=0.2, callbacks=[stop])
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    seconds = time.perf_counter() - start
    print(f"\ntest accuracy {accuracy:.4f}; {seconds:.1f} s from the files to here\n")

    # ---- sentences of your own go the same way
    ids = pad_sequences(tokenizer.texts_to_sequences(SENTENCES), maxlen=length)
    chances = model.predict(ids, verbose=0).ravel()
    for sentence, chance in zip(SENTENCES, chances, strict=True):
        print(f"{chance:.2f} good: {sentence}")
    return {"accuracy": accuracy, "seconds": seconds, "chances": chances}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", default="aclImdb", help="folder aclImdb, or one with train.csv and test.csv"
    )
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--words", type=int, default=10_000, help="the most frequent words that are kept")
    parser.add_argument("--length", type=int, default=500, help="words of a review that are read, its last")
    parser.add_argument("--train", type=int, default=25_000, help="reviews to train on")
    parser.add_argument("--test", type=int, default=25_000, help="reviews to test on")
    parser.add_argument("--seed", type=int, default=0)
    try:
        main(**vars(parser.parse_args()))
    except OSError as error:
        raise SystemExit(f"{error}") from None
