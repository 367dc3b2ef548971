"""Sunspots since 1700: a GRU reads 22 years and says the next; then it goes on with its own answers.

The yearly numbers are in the package statsmodels, as statsmodels/datasets/sunspots/sunspots.csv; --data names the file.

python examples/series_gru.py --data sunspots.csv [--window 22] [--members 5] [--picture sunspots.png]
"""

import argparse

import numpy as np

import strop
from strop.callbacks import EarlyStopping
from strop.datasets import sunspots
from strop.layers import GRU, Dense

SPLITS = (
    1900,
    1950,
)  # the first year that validates, and the first that tests: never the other way round in time


def windows(series, length):
    """All stretches of the length, (N, length, 1), and the value after each, (N, 1)."""
    x = np.lib.stride_tricks.sliding_window_view(series[:-1], length)
    return x[..., np.newaxis], series[length:, np.newaxis]


def build(window, units):
    """The GRU reads the years one after the other; a number is read off its last state."""
    model = strop.Sequential([strop.Input((window, 1)), GRU(units), Dense(1)])
    model.compile(optimizer=strop.optimizers.Adam(0.01), loss="mse")
    return model


def predict(models, x):
    """The mean of the answers of several models."""
    return np.mean([model.predict(x, verbose=0)[:, 0] for model in models], axis=0)


def forecast(models, window, steps):
    """Each answer becomes the newest value of the window for the next."""
    answers = []
    for _ in range(steps):
        answers.append(predict(models, window[np.newaxis, :, np.newaxis]))
        window = np.append(window[1:], answers[-1])
    return np.concatenate(answers)


def main(data="sunspots.csv", epochs=150, window=22, units=24, members=5, seed=0, picture=None):
    strop.utils.set_random_seed(seed)

    # ---- data: square roots, as quiet years count as much as wild ones then, to about 0 to 1.4
    years, numbers = sunspots.load_data(data)
    scaled = np.sqrt(numbers / 100).astype(np.float32)
    x, y = windows(scaled, window)
    ends = years[window:]  # the year that a window shall predict
    train, test = ends < SPLITS[0], ends >= SPLITS[1]
    held_out = ~train & ~test
    print(
        f"{len(years)} years; {train.sum()} to train on, {held_out.sum()} to validate, {test.sum()} to test\n"
    )

    # ---- with so few years a single network is a matter of luck; the mean of five is not
    models = [build(window, units) for _ in range(members)]
    models[0].summary()
    print()
    for i, model in enumerate(models):
        history = model.fit(
            x[train],
            y[train],
            batch_size=16,
            epochs=epochs,
            validation_data=(x[held_out], y[held_out]),
            callbacks=[EarlyStopping(patience=20, restore_best_weights=True)],
            verbose=0,
        )
        best = int(np.argmin(history.history["val_loss"]))
        loss = history.history["val_loss"][best]
        print(f"GRU {i + 1}: best validation loss {loss:.4f}, in epoch {best + 1} of {len(history.epoch)}")

    # ---- what it must beat: the year before, and the best line through the same years
    lines = np.c_[x[train, :, 0], np.ones(train.sum())]
    weights, *_ = np.linalg.lstsq(lines, y[train, 0], rcond=None)
    answers = {
        "the year before": x[test, -1, 0],
        "linear autoregression": np.c_[x[test, :, 0], np.ones(test.sum())] @ weights,
    }
    answers |= {f"GRU {i + 1}": predict([model], x[test]) for i, model in enumerate(models)}
    answers["mean of the GRUs"] = predict(models, x[test])
    truth, errors = numbers[window:][test], {}
    print(f"\nerror on {ends[test][0]} to {ends[test][-1]}, in sunspots:")
    for name, answer in answers.items():
        errors[name] = float(np.sqrt(np.mean((100 * np.square(answer) - truth) ** 2)))
        print(f"  {name:22}  {errors[name]:5.1f}")

    # ---- a cycle ahead, of which it sees nothing but its own answers
    ahead = 100 * np.square(forecast(models, scaled[-window:], 11))
    print(f"\nafter {years[-1]}: " + " ".join(f"{value:.0f}" for value in ahead))
    if picture is not None:
        figure = strop.plot.new_figure(10, 4)
        ax = figure.subplots()
        ax.plot(ends[test], truth, color="black", label="counted")
        ax.plot(ends[test], 100 * np.square(answers["mean of the GRUs"]), label="a year ahead")
        ax.plot(years[-1] + 1 + np.arange(11), ahead, "--", label="eleven years ahead")
        ax.set(xlabel="year", ylabel="sunspots")
        ax.legend()
        figure.savefig(picture, dpi=100)
    return {"errors": errors, "ahead": ahead}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="sunspots.csv", help="sunspots.csv or a folder with it")
    parser.add_argument(
        "--epochs", type=int, default=150, help="at most; it stops when it no longer improves"
    )
    parser.add_argument("--window", type=int, default=22, help="years that are read")
    parser.add_argument("--units", type=int, default=24, help="size of the GRU's state")
    parser.add_argument("--members", type=int, default=5, help="networks whose answers are averaged")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", help="where to draw the test years and the forecast")
    try:
        main(**vars(parser.parse_args()))
    except OSError as error:
        raise SystemExit(f"{error}") from None
