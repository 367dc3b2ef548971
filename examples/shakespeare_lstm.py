"""A network that writes: an LSTM reads plays of Shakespeare letter by letter and learns to say the next letter.

Get the text from https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt; --data
names the file.

python examples/shakespeare_lstm.py --data input.txt [--epochs 8] [--units 128] [--write 400] [--temperature 0.7]
"""

import argparse
import time

import numpy as np

import strop
from strop.datasets import tiny_shakespeare
from strop.layers import LSTM, Dense, Embedding
from strop.optimizers import Adam


def build(letters, units, stateful=False):
    """An answer after every letter: the chances of each letter to come next."""
    model = strop.Sequential(
        [
            Embedding(letters, 32),
            LSTM(units, return_sequences=True, stateful=stateful),
            Dense(letters, activation="softmax"),
        ]
    )
    model.compile(Adam(0.005, clipnorm=1.0), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def write(model, start, letters, count, temperature, rng):
    """Continue a text: draw a letter, read it, draw the next.

    A temperature below 1 makes likely letters likelier; the text is plainer and has fewer mistakes.
    """
    model.layers[1].reset_state()
    # The model is stateful: it remembers all it has read, and each call brings only what is new.
    chances = model.predict([[letters.index(letter) for letter in start]], verbose=0)[0, -1]
    text = start
    for _ in range(count):
        weights = np.exp(np.log(np.maximum(chances, 1e-12)) / temperature)
        drawn = rng.choice(len(letters), p=weights / weights.sum())
        text += letters[drawn]
        chances = model.predict([[drawn]], verbose=0)[0, -1]
    return text


def main(
    data="tinyshakespeare.txt",
    epochs=8,
    units=128,
    length=100,
    batch_size=32,
    characters=None,
    write_count=400,
    temperature=0.7,
    seed=0,
):
    strop.utils.set_random_seed(seed)

    # ---- data: letters as numbers; the target is the same text, one letter further
    text = tiny_shakespeare.load_data(data)[:characters]
    letters = sorted(set(text))
    ids = np.searchsorted(letters, list(text)).astype(np.int32)
    rows = (len(ids) - 1) // length
    x, y = (ids[i : i + rows * length].reshape(rows, length) for i in (0, 1))
    held_out = rows // 10  # the end of the text: a play that it has not read
    print(f"{len(text)} letters, {len(letters)} different ones; {rows} pieces of {length}\n")

    # ---- model and training
    model = build(len(letters), units)
    model.build((None, length))
    model.summary()
    start = time.perf_counter()
    history = model.fit(
        x[:-held_out],
        y[:-held_out],
        batch_size=batch_size,
        epochs=epochs,
        validation_data=(x[-held_out:], y[-held_out:]),
    )
    seconds = time.perf_counter() - start
    loss = history.history["val_loss"][-1]
    print(f"\n{seconds:.0f} s of training; as unsure as with {np.exp(loss):.1f} letters to choose from\n")

    # ---- writing: the same weights in a model that keeps its state from call to call
    writer = build(len(letters), units, stateful=True)
    writer.build((1, None))  # texts of any length
    writer.set_weights(model.get_weights())
    rng = np.random.default_rng(seed)
    written = write(writer, "\nROMEO:\n", letters, write_count, temperature, rng)
    print(written)
    return {"losses": history.history["loss"], "val_loss": loss, "text": written}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="tinyshakespeare.txt", help="the text or a folder with it")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--units", type=int, default=128, help="size of the LSTM's state")
    parser.add_argument("--length", type=int, default=100, help="letters of a piece of text")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--characters", type=int, help="letters of the text that are used; all")
    parser.add_argument("--write", dest="write_count", type=int, default=400, help="letters to write")
    parser.add_argument("--temperature", type=float, default=0.7, help="below 1 plainer, above 1 wilder")
    parser.add_argument("--seed", type=int, default=0)
    try:
        main(**vars(parser.parse_args()))
    except OSError as error:
        raise SystemExit(f"{error}") from None
