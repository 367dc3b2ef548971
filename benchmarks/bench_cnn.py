"""Training steps of a convolutional network on MNIST's shape: here, in torch, and in Keras on JAX, in turn.

Conv2D 32 3x3 relu, MaxPooling2D 2, Conv2D 64 3x3 relu, MaxPooling2D 2, Flatten, Dense 10 softmax; Adam. A call trains
on the same images in the same order; what comes before a step (slices of arrays) is part of it for all three. Of
torch the better layout of images counts. The numbers of a step do not depend on what the pixels are.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

import strop
from common import Report, main, peer

SECONDS = 60

#: batch, steps of a call
BATCHES = [(32, 16), (256, 2)]

#: Multiply-adds of an image, forward; the gradients take as many by the kernels, and by the inputs but of the first.
FIRST, OTHERS = 26 * 26 * 9 * 32, 11 * 11 * 288 * 64 + 1600 * 10


def layers_of(library: Any) -> list[Any]:
    layers = library.layers
    return [
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(10, activation="softmax"),
    ]


def fit_of(library: Any, x: np.ndarray, y: np.ndarray, batch: int) -> Callable[[], object]:
    """A call that trains on all images once, of strop or of Keras."""
    model = library.Sequential(layers_of(library))
    model.compile(library.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")

    def call() -> object:
        return model.fit(x, y, batch_size=batch, epochs=1, shuffle=False, verbose=0)

    call()  # builds, and compiles
    return call


def torch_fit(torch: Any, x: np.ndarray, y: np.ndarray, batch: int, layout: str) -> Callable[[], object]:
    nn = torch.nn
    form = {"memory_format": getattr(torch, layout)}
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(1600, 10),
    ).to(**form)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    loss_of = nn.CrossEntropyLoss()
    images, labels = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(**form), torch.from_numpy(y)

    def call() -> object:
        for start in range(0, len(images), batch):
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(model(images[start : start + batch]), labels[start : start + batch])
            loss.backward()
            optimizer.step()
        return loss.item()

    return call


def run(report: Report) -> None:
    rng = np.random.default_rng(0)
    for batch, steps in report.cases(BATCHES):
        x = rng.random((batch * steps, 28, 28, 1), dtype=np.float32)
        y = rng.integers(0, 10, len(x))
        calls = {"strop": fit_of(strop, x, y, batch)}
        if torch := peer("torch"):
            torch.set_num_threads(strop.config.num_threads())
            for layout in ("channels_last", "contiguous_format"):
                calls[f"torch {layout}"] = torch_fit(torch, x, y, batch, layout)
        if peer("jax"):
            os.environ["KERAS_BACKEND"] = "jax"
            calls["keras jax"] = fit_of(peer("keras"), x, y, batch)
        flops = 2.0 * len(x) * (2 * FIRST + 3 * OTHERS)
        report.compare(f"{steps} steps, batch {batch}", calls, flops=flops)


if __name__ == "__main__":
    main(run, __file__)
