"""What moments of 16 and 8 bits cost: the review classifier, trained from several seeds with each kind of state.

`python benchmarks/accuracy_compact_adam.py [DATA] [--seeds 5] [--epochs 1]`. DATA is an imdb.npz. All kinds start from
the same weights and take the same batches in the same order; prints loss and accuracy on the test reviews.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import strop
from common import ROOT
from strop.datasets import imdb
from strop.layers import Dense, Embedding, GlobalAveragePooling1D
from strop.preprocessing.sequence import pad_sequences

KINDS = (None, "bfloat16", "8bit")
WORDS, LENGTH = 10_000, 500


def fit(train: tuple, test: tuple, seed: int, epochs: int, kind: str | None) -> dict[str, float]:
    strop.utils.set_random_seed(seed)
    layers = [Embedding(WORDS, 16), GlobalAveragePooling1D(), Dense(24, "relu"), Dense(1, "sigmoid")]
    model = strop.Sequential([strop.Input((LENGTH,)), *layers])
    optimizer = strop.optimizers.Adam(state_dtype=kind)
    model.compile(optimizer=optimizer, loss="binary_crossentropy", metrics=["accuracy"])
    start = time.perf_counter()
    history = model.fit(*train, batch_size=32, epochs=epochs, verbose=0).history
    seconds = time.perf_counter() - start
    loss, accuracy = model.evaluate(*test, batch_size=512, verbose=0)
    kept = sum(array.nbytes for arrays in optimizer._slots.values() for array in arrays)
    return {
        "train loss": history["loss"][-1],
        "test loss": loss,
        "test accuracy": accuracy,
        "seconds": seconds,
        "state MB": kept / 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", default=str(ROOT.parent / "shared" / "data" / "imdb" / "imdb.npz"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=1)
    options = parser.parse_args()
    (x, y), (x_test, y_test) = imdb.load_data(path=options.data, num_words=WORDS)
    train, test = (pad_sequences(x, maxlen=LENGTH), y), (pad_sequences(x_test, maxlen=LENGTH), y_test)
    columns = ("train loss", "test loss", "test accuracy", "seconds", "state MB")
    print(f"  {'':<20}" + "".join(f"{name:>16}" for name in columns))
    for kind in KINDS:
        runs = [fit(train, test, seed, options.epochs, kind) for seed in range(options.seeds)]
        for seed, run in enumerate(runs):
            print(f"  {f'{kind}, seed {seed}':<20}" + "".join(f"{run[name]:>16.5f}" for name in columns))
        means = [np.mean([run[name] for run in runs]) for name in columns]
        spreads = [np.std([run[name] for run in runs], ddof=1) if len(runs) > 1 else 0 for name in columns]
        print(f"  {f'{kind}, mean':<20}" + "".join(f"{value:>16.5f}" for value in means))
        print(f"  {f'{kind}, deviation':<20}" + "".join(f"{value:>16.5f}" for value in spreads), flush=True)


if __name__ == "__main__":
    main()
