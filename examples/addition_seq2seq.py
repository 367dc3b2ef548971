"""Sums learnt from their digits: an LSTM reads "535+61", a second one begins with its state and writes "596".

Nothing says what a number is, or that 6 and 1 make 7. The data is made here.

python examples/addition_seq2seq.py [--digits 3] [--count 20000] [--epochs 30] [--units 128]
"""

import argparse
import time

import numpy as np

import strop
from strop.layers import LSTM, Dense, Embedding
from strop.optimizers import Adam
from strop.optimizers.schedules import CosineDecay
from strop.utils import pad_sequences

START, END = "<", ">"
SIGNS = START + END + "+0123456789"  # number 0 stays free: it is padding


def numbered(texts, padding):
    """Texts as rows of numbers, of equal length."""
    return pad_sequences([[SIGNS.index(sign) + 1 for sign in text] for text in texts], padding=padding)


def questions(count, digits, rng):
    """Different sums and their answers; a question is read from its end, so that units come before tens."""
    numbers = rng.integers(0, 10**digits, (2 * count, 2))
    pairs = list(dict.fromkeys(tuple(sorted(pair)) for pair in numbers.tolist()))[:count]
    pairs = [
        pair if turned else pair[::-1]
        for pair, turned in zip(pairs, rng.random(len(pairs)) < 0.5, strict=True)
    ]
    return [f"{a}+{b}"[::-1] for a, b in pairs], [str(a + b) for a, b in pairs]


def build(units):
    """The reader's last state is the first state of the writer, which at every step is told the signs so far."""
    question, told = strop.Input((None,), name="question"), strop.Input((None,), name="told")
    rows = Embedding(len(SIGNS) + 1, 16, mask_zero=True, name="signs")
    _, *state = LSTM(units, return_state=True, name="reader")(rows(question))
    steps, *_ = LSTM(units, return_sequences=True, return_state=True, name="writer")(
        rows(told), initial_state=state
    )
    answer = Dense(len(SIGNS) + 1, activation="softmax", name="answer")(steps)
    return strop.Model([question, told], answer)


def parts(model, units):
    """The same layers as two models: one reads, the other writes a sign from a sign and the state before it."""
    reader = strop.Model(model.input[0], model.get_layer("reader").output[1:])
    sign, h, c = (
        strop.Input(shape, name=name) for shape, name in (((1,), "sign"), ((units,), "h"), ((units,), "c"))
    )
    row = model.get_layer("signs")(sign)
    step, *state = model.get_layer("writer")(row, initial_state=[h, c])
    return reader, strop.Model([sign, h, c], [model.get_layer("answer")(step), *state])


def write(reader, writer, x, most):
    """The likeliest sign, then the likeliest behind it, until all have ended."""
    state = reader.predict(x, verbose=0)
    signs = np.full((len(x), 1), SIGNS.index(START) + 1)
    written = [""] * len(x)
    for _ in range(most):
        chances, *state = writer.predict([signs, *state], verbose=0)
        signs = chances[:, 0, 1:].argmax(axis=-1)[:, np.newaxis] + 1
        written = [text + SIGNS[sign - 1] for text, sign in zip(written, signs[:, 0], strict=True)]
    return [text.split(END)[0] for text in written]


def main(digits=3, count=20_000, epochs=30, units=128, batch_size=64, held_out=0.1, seed=0):
    strop.utils.set_random_seed(seed)

    # ---- data: what the writer is told is the answer, one sign late
    asked, answers = questions(count, digits, np.random.default_rng(seed))
    x = {
        "question": numbered(asked, "pre"),
        "told": numbered([START + answer for answer in answers], "post"),
    }
    y = numbered([answer + END for answer in answers], "post")
    place = int(len(y) * (1 - held_out))
    train, test = (
        {name: rows[part] for name, rows in x.items()} for part in (slice(place), slice(place, None))
    )
    print(f"{place} sums to learn from, {len(y) - place} others; the first: {asked[0][::-1]}={answers[0]}\n")

    # ---- model and training; the padding behind an answer is masked and counts in no loss
    model = build(units)
    model.summary()
    rate = CosineDecay(0.01, epochs * -(-place // batch_size))
    model.compile(Adam(rate, clipnorm=1.0), "sparse_categorical_crossentropy", metrics=["accuracy"])
    start = time.perf_counter()
    history = model.fit(
        train,
        y[:place],
        batch_size=batch_size,
        epochs=epochs,
        validation_data=(test, y[place:]),
        verbose=2,
    )
    seconds = time.perf_counter() - start

    # ---- sums that it has not seen, written without help
    written = write(*parts(model, units), test["question"], digits + 2)
    right = [own == answer for own, answer in zip(written, answers[place:], strict=True)]
    print(
        f"\n{seconds:.0f} s of training; {np.mean(right):.1%} of the other sums are right to the last digit\n"
    )
    for i in range(place, min(place + 8, len(y))):
        mark = "" if right[i - place] else f", but it is {answers[i]}"
        print(f"{asked[i][::-1]} = {written[i - place]}{mark}")
    return {"losses": history.history["loss"], "right": float(np.mean(right)), "written": written}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--digits", type=int, default=3, help="of each number at most")
    parser.add_argument("--count", type=int, default=20_000, help="sums")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--units", type=int, default=128, help="size of the state that is handed over")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    main(**vars(parser.parse_args()))
