"""Is it the same training? One epoch of the tutorial beside dense float64 Adam with Keras' rules, in plain NumPy.

`python benchmarks/parity_imdb.py [DATA] [--steps N]`. Both start from the same weights and take the same batches in the
same order; the model trains in float32 with the deferred update on. Prints the largest difference of each weight.
"""

from __future__ import annotations

import argparse
import json

import numpy as np

import strop
from common import RESULTS, ROOT
from strop import reference
from strop.bench import measure
from strop.datasets import imdb
from strop.layers import Dense, Embedding, GlobalAveragePooling1D
from strop.preprocessing.sequence import pad_sequences

RATE, BATCH = 1e-3, 32


def gradients(weights, x, y):
    """Loss gradients of the model, by hand, float64; the table's as (rows, values)."""
    table, w1, b1, w2, b2 = weights
    rows, slots = np.unique(x, return_inverse=True)
    counts = np.zeros((len(x), len(rows)))
    np.add.at(counts, (np.repeat(np.arange(len(x)), x.shape[1]), slots.ravel()), 1)
    share = counts / x.shape[1]
    pooled = share @ table[rows]
    hidden = np.maximum(pooled @ w1 + b1, 0)
    logits = (hidden @ w2 + b2)[:, 0]
    d_logits = ((1 / (1 + np.exp(-logits)) - y) / len(y))[:, None]
    d_hidden = (d_logits @ w2.T) * (hidden > 0)
    d_table = np.zeros_like(table)
    d_table[rows] = share.T @ (d_hidden @ w1.T)
    return [d_table, pooled.T @ d_hidden, d_hidden.sum(0), hidden.T @ d_logits, d_logits.sum(0)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", default=str(ROOT.parent / "shared" / "data" / "imdb" / "imdb.npz"))
    parser.add_argument("--steps", type=int, default=None)
    options = parser.parse_args()
    (x, y), _ = imdb.load_data(path=options.data, num_words=10_000)
    x = pad_sequences(x, maxlen=500)
    if options.steps:
        x, y = x[: options.steps * BATCH], y[: options.steps * BATCH]
    strop.utils.set_random_seed(0)
    layers = [Embedding(88_585, 16), GlobalAveragePooling1D(), Dense(24, "relu"), Dense(1, "sigmoid")]
    model = strop.Sequential([strop.Input((500,)), *layers])
    model.compile(optimizer="adam", loss="binary_crossentropy")
    weights = [w.astype(np.float64) for w in model.get_weights()]
    start = [w.copy() for w in weights]
    moments = [(np.zeros_like(w), np.zeros_like(w)) for w in weights]
    model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)
    for step in range(1, -(-len(x) // BATCH) + 1):
        part = slice((step - 1) * BATCH, step * BATCH)
        grads = gradients(weights, x[part], y[part])
        for i, grad in enumerate(grads):
            weights[i], *moments[i], _ = reference.adam_step(
                weights[i], grad, *moments[i], learning_rate=RATE, step=step
            )
    names = ["embeddings", "kernel 1", "bias 1", "kernel 2", "bias 2"]
    result = {}
    for name, got, want, first in zip(names, model.get_weights(), weights, start, strict=True):
        result[name] = float(np.abs(got - want).max())
        print(
            f"{name:<12} largest difference {result[name]:.2e}, largest move {np.abs(want - first).max():.3f}"
        )
    if options.steps is None:
        path = RESULTS / "parity_imdb.json"
        path.write_text(
            json.dumps({"machine": measure().as_dict(), "largest_difference": result}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
