"""Metrics of a model whose output has a mask: only the steps that count are counted, as in the loss."""

from __future__ import annotations

import numpy as np
import pytest

import strop
from conftest import import_keras
from strop.layers import GRU, Dense, Embedding

IDS = np.array([[1, 2, 0, 0, 0], [3, 0, 0, 0, 0], [1, 2, 3, 4, 0], [0, 0, 0, 0, 0], [5, 5, 5, 5, 5]])
LABELS = np.random.default_rng(0).integers(0, 3, IDS.shape)


def tagger(drawn: bool = False, **compiled: object) -> strop.Model | strop.Sequential:
    layers = [Embedding(6, 4, mask_zero=True), GRU(4, return_sequences=True), Dense(3, activation="softmax")]
    x = strop.Input((5,))
    if drawn:
        y = x
        for layer in layers:
            y = layer(y)
        model = strop.Model(x, y)
    else:
        model = strop.Sequential([x, *layers])
    model.compile("sgd", "sparse_categorical_crossentropy", **compiled)
    return model


def exact(model, counted):
    """Share of right labels among the steps that are counted."""
    right = model.predict(IDS, verbose=0).argmax(-1) == LABELS
    return (right * counted).sum() / counted.sum()


@pytest.mark.parametrize("drawn", [False, True])
@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_accuracy_counts_the_steps_that_are_not_masked(batch_size, drawn):
    model = tagger(drawn, metrics=["accuracy"])
    wanted = exact(model, IDS != 0)
    logs = model.evaluate(IDS, LABELS, batch_size=batch_size, verbose=0, return_dict=True)
    assert logs["accuracy"] == pytest.approx(wanted)
    model.optimizer.learning_rate = 0.0
    history = model.fit(IDS, LABELS, batch_size=batch_size, verbose=0).history
    assert history["accuracy"] == [pytest.approx(wanted)]


def test_batches_alone_and_of_a_generator():
    model = tagger(metrics=["accuracy"])
    wanted = exact(model, IDS != 0)
    assert model.test_on_batch(IDS, LABELS, return_dict=True)["accuracy"] == pytest.approx(wanted)
    assert model.train_on_batch(IDS, LABELS, return_dict=True)["accuracy"] == pytest.approx(wanted)
    wanted = exact(model, IDS != 0)
    batches = [(IDS[i : i + 2], LABELS[i : i + 2]) for i in (0, 2, 4)]
    logs = model.evaluate(iter(batches), verbose=0, return_dict=True)
    assert logs["accuracy"] == pytest.approx(wanted)


def test_weights_of_samples_weigh_their_steps():
    model = tagger(weighted_metrics=["accuracy"])
    weight = np.array([1.0, 2.0, 0.5, 3.0, 0.0])
    logs = model.evaluate(IDS, LABELS, sample_weight=weight, batch_size=2, verbose=0, return_dict=True)
    assert logs["accuracy"] == pytest.approx(exact(model, (IDS != 0) * weight[:, None]))


def test_keras_counts_the_same():
    keras = import_keras()
    ours = tagger(metrics=["accuracy"])
    theirs = keras.Sequential(
        [
            keras.Input((5,), dtype="int32"),
            keras.layers.Embedding(6, 4, mask_zero=True),
            keras.layers.GRU(4, return_sequences=True),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    theirs.set_weights(ours.get_weights())
    theirs.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    both = [m.evaluate(IDS[:3], LABELS[:3], batch_size=3, verbose=0) for m in (ours, theirs)]
    np.testing.assert_allclose(*both, rtol=1e-5)
