"""Overfitting, and six things to do about it, each shown by a curve.

The data is the 1,797 images of digits that scikit-learn ships, with noise; 150 of them train, so that there is too
little to learn from. Nothing is downloaded.

pip install scikit-learn matplotlib
python examples/overfitting.py [epochs] [picture.png]
"""

import argparse

import numpy as np
from sklearn.datasets import load_digits

import strop
from strop.callbacks import EarlyStopping
from strop.layers import Dense, Dropout
from strop.regularizers import L2

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("epochs", nargs="?", type=int, default=60)
parser.add_argument("picture", nargs="?", help="where to draw the curves")
settings = parser.parse_args()
epochs = settings.epochs

images, digits = load_digits(return_X_y=True)
rng = np.random.default_rng(0)
order = rng.permutation(len(images))
images, digits = images[order] / 16 + rng.normal(0, 0.3, images.shape), digits[order]
validation = images[900:1300], digits[900:1300]
test = images[1300:], digits[1300:]


def build(units=256, penalty=0.0, rate=0.0):
    regularizer = L2(penalty) if penalty else None
    layers = [strop.Input((64,))]
    for _ in range(2):
        layers.append(Dense(units, activation="relu", kernel_regularizer=regularizer))
        layers += [Dropout(rate)] if rate else []
    model = strop.Sequential([*layers, Dense(10, activation="softmax")])
    model.compile(
        strop.optimizers.Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy", "crossentropy"]
    )
    return model


def fit(samples=150, callbacks=(), **settings):
    strop.utils.set_random_seed(0)
    model = build(**settings)
    history = model.fit(
        images[:samples],
        digits[:samples],
        epochs=epochs,
        validation_data=validation,
        callbacks=list(callbacks),
        verbose=0,
    )
    return model, history


runs = {
    "150 images": fit(),
    "more data: 900 images": fit(samples=900),
    "smaller model: 16 units": fit(units=16),
    "L2 penalty of 0.003": fit(penalty=0.003),
    "dropout of one half": fit(rate=0.5),
    "early stopping": fit(callbacks=[EarlyStopping(patience=3, restore_best_weights=True)]),
}
# The crossentropy is the loss without the penalty, so that all can be compared.
print(f"{'':24}          training  validation crossentropy          test")
print(f"{'':24}  epochs   at last     best  at last  crossentropy  accuracy")
for name, (model, history) in runs.items():
    train, held_out = history.history["crossentropy"], history.history["val_crossentropy"]
    _, accuracy, crossentropy = model.evaluate(*test, verbose=0)
    print(
        f"{name:24}  {len(train):6}  {train[-1]:8.4f}  {min(held_out):7.4f}  {held_out[-1]:7.4f}"
        f"  {crossentropy:12.4f}  {accuracy:8.4f}"
    )

# ---- one split of 150 images is luck; five say how much luck
folds = strop.model_selection.cross_validate(
    build, images[:150], digits[:150], folds=5, epochs=epochs, seed=0
)
print(
    f"\nfive folds of the 150 images: accuracy {folds.mean['accuracy']:.4f} +- {folds.spread['accuracy']:.4f}"
)
print("fold by fold:", *(f"{value:.3f}" for value in folds.scores["accuracy"]))

# ---- would more images help? The lines are still apart at 150
curve = strop.model_selection.learning_curve(
    build, images[:900], digits[:900], sizes=[40, 80, 150, 300, 600], folds=3, epochs=epochs, seed=0
)
print(f"\n{curve}")

if settings.picture is not None:
    figure = strop.plot.new_figure(13, 10)
    panels = figure.subplots(3, 3).ravel()
    for ax, (name, (_, history)) in zip(panels, runs.items(), strict=False):
        strop.plot.history(history, "crossentropy", ax=ax)
        ax.set(title=name, ylim=(0, 2.4), xlim=(0, epochs + 1))
    for i, history in enumerate(folds.histories):
        values = history.history["val_accuracy"]
        panels[6].plot(range(1, epochs + 1), values, color=strop.plot.COLOURS[i], label=f"fold {i + 1}")
    panels[6].set(title="five folds of 150 images", xlabel="epoch", ylabel="accuracy on the fold held out")
    panels[6].legend(fontsize=9)
    strop.plot.learning_curve(curve, ax=panels[7])
    panels[7].set_title("accuracy by training samples")
    best = runs["more data: 900 images"][0]
    strop.plot.confusion_matrix(test[1], best.predict(test[0], verbose=0), ax=panels[8])
    panels[8].set_title("test images, after 900 to train")
    figure.savefig(settings.picture, dpi=90)
