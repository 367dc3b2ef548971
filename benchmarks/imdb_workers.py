"""The tutorial's ten-epoch fit in one library, in a process of its own: prints one line of JSON.

Run by bench_imdb.py as `python imdb_workers.py LIBRARY DATA.npz SEED EPOCHS`. All get the same padded
arrays, batch 32, Adam with Keras' defaults, the last fifth held out, accuracy per epoch.
"""

from __future__ import annotations

import json
import os
import sys
import time

import numpy as np

VOCABULARY, DIMENSION, UNITS, BATCH = 88_585, 16, 24, 32


def strop_fit(data, seed, epochs):
    import strop
    from strop.layers import Dense, Embedding, GlobalAveragePooling1D

    strop.utils.set_random_seed(seed)
    model = strop.Sequential(
        [
            Embedding(VOCABULARY, DIMENSION, input_length=data["x_train"].shape[1]),
            GlobalAveragePooling1D(),
            Dense(UNITS, activation="relu"),
            Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    start = time.perf_counter()
    history = model.fit(data["x_train"], data["y_train"], epochs=epochs, validation_split=0.2, verbose=0)
    seconds = time.perf_counter() - start
    return seconds, history.history["loss"], model.evaluate(data["x_test"], data["y_test"], verbose=0)[1]


def keras_fit(data, seed, epochs):
    import keras
    from keras.layers import Dense, Embedding, GlobalAveragePooling1D

    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((data["x_train"].shape[1],), dtype="int32"),
            Embedding(VOCABULARY, DIMENSION),
            GlobalAveragePooling1D(),
            Dense(UNITS, activation="relu"),
            Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    start = time.perf_counter()
    history = model.fit(data["x_train"], data["y_train"], epochs=epochs, validation_split=0.2, verbose=0)
    seconds = time.perf_counter() - start
    return seconds, history.history["loss"], model.evaluate(data["x_test"], data["y_test"], verbose=0)[1]


def torch_fit(data, seed, epochs):
    """Torch in its best form: EmbeddingBag, fused dense Adam, no data loader, validation once per epoch."""
    import torch

    torch.manual_seed(seed)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    bag = torch.nn.EmbeddingBag(VOCABULARY, DIMENSION, mode="mean")
    torch.nn.init.uniform_(bag.weight, -0.05, 0.05)
    relu, sigmoid = torch.nn.ReLU(), torch.nn.Linear(UNITS, 1)
    model = torch.nn.Sequential(bag, torch.nn.Linear(DIMENSION, UNITS), relu, sigmoid)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-7, fused=True)
    loss_of = torch.nn.BCEWithLogitsLoss()
    x, y = torch.from_numpy(data["x_train"]), torch.from_numpy(data["y_train"]).float()
    split = int(len(x) * 0.8)
    losses = []
    start = time.perf_counter()
    for _ in range(epochs):
        total = torch.zeros(())
        correct = 0
        for rows in torch.randperm(split).split(BATCH):
            target = y[rows]
            logits = model(x[rows])[:, 0]
            loss = loss_of(logits, target)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(rows)
            correct += ((logits > 0) == (target > 0.5)).sum()
        losses.append(float(total) / split)
        with torch.no_grad():
            for rows in torch.arange(split, len(x)).split(BATCH):
                loss_of(model(x[rows])[:, 0], y[rows])
    seconds = time.perf_counter() - start
    with torch.no_grad():
        logits = model(torch.from_numpy(data["x_test"]))[:, 0].numpy()
    return seconds, losses, float(np.mean((logits > 0) == (data["y_test"] > 0.5)))


def main() -> None:
    library, path, seed, epochs = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    fit = {"strop": strop_fit, "torch": torch_fit}.get(library, keras_fit)
    with np.load(path) as archive:
        data = {name: archive[name] for name in archive.files}
    seconds, losses, accuracy = fit(data, seed, epochs)
    print(json.dumps({"seconds": seconds, "losses": [float(x) for x in losses], "accuracy": float(accuracy)}))


if __name__ == "__main__":
    main()
