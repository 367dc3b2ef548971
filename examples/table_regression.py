"""A table of numbers and a number to predict: scaling, a small network, honest figures by cross-validation.

The data is the diabetes table that scikit-learn ships: 442 patients, ten measurements, the progress of the disease a
year later. Nothing is downloaded.

pip install scikit-learn
python examples/table_regression.py [epochs] [folder for pictures]
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression

import strop
from strop.callbacks import EarlyStopping
from strop.layers import Dense, Normalization
from strop.regularizers import L2

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("epochs", nargs="?", type=int, default=200)
parser.add_argument("pictures", nargs="?", type=Path, help="a folder to draw into")
settings = parser.parse_args()

x, y = load_diabetes(return_X_y=True, scaled=False)  # years, kg/m2, mg/dl, ...: columns of different size
print(f"{len(x)} patients, {x.shape[1]} columns with means {x.mean(0).min():.0f} to {x.mean(0).max():.0f}")
print(f"to predict: {y.min():.0f} to {y.max():.0f}, mean {y.mean():.0f}\n")
middle, spread = y.mean(), y.std()


def build(scaling=True):
    model = strop.Sequential([strop.Input((x.shape[1],))])
    if scaling:
        columns = Normalization()
        columns.adapt(x)  # mean 0 and variance 1 of each column; the targets stay out of it
        model.add(columns)
    model.add(Dense(16, activation="relu", kernel_regularizer=L2(1e-3)))
    model.add(Dense(1))
    model.compile(strop.optimizers.Adam(0.003), "mse", metrics=["mae", "r2_score"])
    return model


def evaluate(build_model):
    """Five folds; early stopping looks at a fifth of the training samples, nobody at the test samples."""
    return strop.model_selection.cross_validate(
        build_model,
        x,
        (y - middle) / spread,  # a network starts near 0: from there to 150 would be a long way
        folds=5,
        seed=0,
        epochs=settings.epochs,
        validation_split=0.2,
        callbacks=lambda: [EarlyStopping(patience=20, restore_best_weights=True)],
        return_predictions=True,
    )


def row(name, predictions):
    error = np.abs(predictions - y).mean()
    r2 = 1 - ((predictions - y) ** 2).sum() / ((y - y.mean()) ** 2).sum()
    print(f"{name:28}  MAE {error:6.2f}   R2 {r2:7.4f}")


scaled = evaluate(build)
unscaled = evaluate(lambda: build(scaling=False))

# ---- what it must beat, on the same folds
mean, linear = np.empty_like(y), np.empty_like(y)
for train, test in scaled.splits:
    mean[test] = y[train].mean()
    linear[test] = LinearRegression().fit(x[train], y[train]).predict(x[test])

print("on samples that were held out, each once:")
row("the mean of the others", mean)
row("linear regression", linear)
row("network, columns as they are", unscaled.predictions[:, 0] * spread + middle)
row("network, columns scaled", scaled.predictions[:, 0] * spread + middle)
print(f"\nthe five folds, targets in standard deviations:\n{scaled}")

if settings.pictures is not None:
    ax = strop.plot.history(scaled.histories[0])
    ax.set_title("first fold", fontsize=10)
    ax.figure.savefig(settings.pictures / "table_history.png", dpi=100)
