"""Handwritten digits with a convolutional network: 99 of 100 test images right, in under a minute on two cores.

mnist.npz is looked for on disk and downloaded if it is not there; --data names the file or its folder.

python examples/mnist_cnn.py [--data mnist.npz] [--epochs 6] [--train 60000] [--picture mnist.png]
"""

import argparse
import time

import numpy as np

import strop
from strop.datasets import mnist
from strop.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D, Rescaling
from strop.optimizers import Adam
from strop.optimizers.schedules import CosineDecay


def build(steps):
    """Two convolutions, each followed by pooling: 28 x 28 grey levels become 10 probabilities."""
    model = strop.Sequential(
        [
            strop.Input((28, 28, 1)),
            Rescaling(1 / 255),  # the images stay uint8 in memory: a byte per pixel and not four
            Conv2D(32, (3, 3), activation="relu"),  # 26 x 26 x 32: edges and strokes
            MaxPooling2D((2, 2)),  # 13 x 13 x 32
            Conv2D(64, (3, 3), activation="relu"),  # 11 x 11 x 64: corners, loops
            MaxPooling2D((2, 2)),  # 5 x 5 x 64
            Flatten(),
            Dropout(0.25),
            Dense(10, activation="softmax"),
        ]
    )
    # Large steps at first and ever smaller ones towards the end: six epochs do the work of twelve.
    model.compile(
        optimizer=Adam(CosineDecay(0.002, decay_steps=steps)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def main(data="mnist.npz", epochs=6, batch_size=64, train=60_000, test=10_000, seed=0, picture=None):
    strop.utils.set_random_seed(seed)

    # ---- data: images get a last axis, their one channel
    (x_train, y_train), (x_test, y_test) = mnist.load_data(data)
    x_train, y_train = x_train[:train, ..., np.newaxis], y_train[:train]
    x_test, y_test = x_test[:test, ..., np.newaxis], y_test[:test]

    # ---- model
    model = build(steps=epochs * -(-len(x_train) // batch_size))
    model.summary()

    # ---- training
    start = time.perf_counter()
    history = model.fit(x_train, y_train, batch_size=batch_size, epochs=epochs)
    seconds = time.perf_counter() - start
    _, accuracy = model.evaluate(x_test, y_test, batch_size=1000, verbose=0)
    print(f"\ntest accuracy {accuracy:.4f} after {seconds:.1f} s of training")

    # ---- what is still wrong
    chances = model.predict(x_test, batch_size=1000, verbose=0)
    digits = chances.argmax(axis=1)
    wrong = np.flatnonzero(digits != y_test)
    print(f"{len(wrong)} of {len(x_test)} test images are wrong; the surest mistakes:")
    for i in wrong[np.argsort(-chances[wrong].max(axis=1))][:5]:
        print(f"  image {i}: a {y_test[i]} taken for a {digits[i]} with {chances[i].max():.1%}")
    if picture is not None:
        ax = strop.plot.confusion_matrix(y_test, chances)
        ax.figure.savefig(picture, dpi=100)
    return {"accuracy": accuracy, "seconds": seconds, "loss": history.history["loss"]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="mnist.npz", help="mnist.npz or a folder with it")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--train", type=int, default=60_000, help="images to train on")
    parser.add_argument("--test", type=int, default=10_000, help="images to test on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", help="where to draw which digit is taken for which")
    try:
        main(**vars(parser.parse_args()))
    except OSError as error:
        raise SystemExit(f"{error}") from None
