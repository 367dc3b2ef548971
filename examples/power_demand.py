"""A day's demand for power: winter or summer? Four models are compared on 67 days, one is tested on 1,029.

The files are ItalyPowerDemand_TRAIN.ts and ItalyPowerDemand_TEST.ts of https://www.timeseriesclassification.com; --data
names their folder.

python examples/power_demand.py --data ItalyPowerDemand [--folds 5] [--repeats 3] [--picture days.png]
"""

import argparse

import numpy as np

import strop
from strop.datasets import italy_power_demand
from strop.layers import GRU, Conv1D, Dense, Dropout, Flatten, GlobalMaxPooling1D
from strop.model_selection import cross_validate

HOURS = 24
#: What stands between the day and the answer; rate and epochs belong to it.
MODELS = {
    "a number per hour": (lambda: [Flatten()], 0.02, 200),
    "GRU": (lambda: [GRU(16)], 0.01, 100),
    "Conv1D, then the largest": (lambda: [Conv1D(16, 5, activation="relu"), GlobalMaxPooling1D()], 0.01, 200),
    "Conv1D, hour by hour": (lambda: [Conv1D(16, 5, activation="relu"), Flatten(), Dropout(0.5)], 0.005, 100),
}


def build(name):
    """One of the models: 24 hours in, the chance of summer out."""
    layers, rate, _ = MODELS[name]
    model = strop.Sequential([strop.Input((HOURS, 1)), *layers(), Dense(1, activation="sigmoid")])
    model.compile(strop.optimizers.Adam(rate), loss="binary_crossentropy", metrics=["accuracy"])
    return model


def nearest(x, y, days):
    """The season of the most similar known day: what a network must beat."""
    distances = np.square(days[:, np.newaxis] - x).sum(axis=(2, 3))
    return y[distances.argmin(axis=1)]


def main(data=".", folds=5, repeats=3, share=1.0, seed=0, picture=None):
    (x, y), (x_test, y_test) = italy_power_demand.load_data(data)
    x, x_test = (each[..., np.newaxis].astype(np.float32) for each in (x, x_test))
    print(f"{len(x)} days to train on, {y.mean():.0%} of them in summer; {len(x_test)} to test\n")

    # ---- 67 days are too few to give some away: each is held out once, by models that have not seen it
    accuracies = {}
    for name, (_, _, epochs) in MODELS.items():
        scores = np.concatenate(
            [
                cross_validate(
                    lambda name=name: build(name),
                    x,
                    y,
                    folds,
                    seed=seed + repeat,
                    epochs=max(1, round(share * epochs)),
                    batch_size=16,
                ).scores["accuracy"]
                for repeat in range(repeats)
            ]
        )
        accuracies[name] = float(scores.mean())
        print(
            f"{name:26} {scores.mean():.4f} +- {scores.std(ddof=1):.4f}, {build(name).count_params()} weights"
        )

    # ---- the choice is made before the test days are looked at
    chosen = max(accuracies, key=accuracies.get)
    strop.utils.set_random_seed(seed)
    model = build(chosen)
    model.fit(x, y, batch_size=16, epochs=max(1, round(share * MODELS[chosen][2])), verbose=0)
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    known = float((nearest(x, y, x_test) == y_test).mean())
    print(f"\nchosen: {chosen}; test accuracy {accuracy:.4f}; by the nearest known day {known:.4f}")

    if picture is not None:
        figure = strop.plot.new_figure(8, 4)
        ax = figure.subplots()
        for season, word in enumerate(("winter", "summer")):
            days = x_test[y_test == season, :, 0]
            line = ax.plot(np.arange(HOURS), days.mean(axis=0), label=f"{word}, {len(days)} days")[0]
            low, high = np.quantile(days, (0.1, 0.9), axis=0)
            ax.fill_between(np.arange(HOURS), low, high, color=line.get_color(), alpha=0.2)
        ax.set(xlabel="hour", ylabel="demand, scaled", xticks=range(0, HOURS, 3))
        ax.legend()
        figure.savefig(picture, dpi=100)
    return {"accuracies": accuracies, "chosen": chosen, "accuracy": accuracy, "nearest": known}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=".", help="the folder with the two files")
    parser.add_argument("--folds", type=int, default=5, help="parts, of which each is held out once")
    parser.add_argument("--repeats", type=int, default=3, help="how often the parts are drawn anew")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", help="where to draw the days")
    try:
        main(**vars(parser.parse_args()))
    except OSError as error:
        raise SystemExit(f"{error}") from None
