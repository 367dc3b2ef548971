"""Validation that has nothing to read gives no values: zeros would be the best ones of the fit."""

from __future__ import annotations

import numpy as np
import pytest

import strop
from strop.callbacks import EarlyStopping
from strop.layers import Dense

X = np.random.default_rng(0).normal(size=(16, 3))
Y = (X.sum(1) > 0).astype(float)


def model():
    network = strop.Sequential([strop.Input((3,)), Dense(1, "sigmoid")])
    network.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    return network


def batches(count):
    for _ in range(count):
        yield X, Y


@pytest.mark.parametrize("steps", [None, 1])
def test_a_generator_that_is_read_to_its_end_validates_no_more(steps):
    stopping = EarlyStopping(patience=9, restore_best_weights=True)
    network = model()
    with pytest.warns(UserWarning, match="ran out of data after 0") as caught:
        fitted = network.fit(
            X,
            Y,
            epochs=4,
            validation_data=batches(1),
            validation_steps=steps,
            callbacks=[stopping],
            verbose=0,
        )
    assert len(caught) == 1
    assert {name: len(values) for name, values in fitted.history.items()} == {
        "loss": 4,
        "accuracy": 4,
        "val_loss": 1,
        "val_accuracy": 1,
    }
    assert stopping.best == fitted.history["val_loss"][0] > 0
    assert stopping.best_epoch == 0


def test_no_samples_to_validate_on_are_refused():
    network = model()
    before = network.get_weights()
    with pytest.raises(ValueError) as caught:
        network.fit(X, Y, validation_data=(X[:0], Y[:0]), verbose=0)
    assert str(caught.value) == "fit: validation_x must have a sample; got 0"
    for old, new in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_epochs_that_validate_go_by_their_numbers_as_in_keras():
    seen = []

    class Watch(strop.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append((epoch, "val_loss" in logs))

    model().fit(
        X,
        Y,
        epochs=6,
        initial_epoch=1,
        validation_freq=2,
        validation_data=(X, Y),
        callbacks=[Watch()],
        verbose=0,
    )
    assert seen == [(1, True), (2, False), (3, True), (4, False), (5, True)]


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"class_weight": {"1": 2.0}}, TypeError, "class_weight must be a dict of numbers by class; got str"),
        (
            {"class_weight": {1: None}},
            TypeError,
            "class_weight must be a dict of numbers by class; got NoneType",
        ),
        ({"validation_split": "x"}, TypeError, "validation_split must be a number in [0, 1); got str"),
        ({"initial_epoch": -1}, ValueError, "initial_epoch must be 0 or more; got -1"),
        ({"initial_epoch": 1.5}, TypeError, "initial_epoch must be an int; got float"),
        ({"callbacks": 3}, TypeError, "callbacks must be a list of Callbacks; got 3"),
    ],
)
def test_settings_of_another_kind_are_refused(settings, kind, message):
    with pytest.raises(kind) as caught:
        model().fit(X, Y, verbose=0, **settings)
    assert str(caught.value) == f"fit: {message}"
