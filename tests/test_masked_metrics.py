"""Metrics of masked sequences: a step that is masked counts nowhere."""

from __future__ import annotations

import numpy as np
import pytest

import strop
from conftest import import_keras
from strop.layers import GRU, Add, Dense, Embedding, Masking
from strop.metrics import BinaryAccuracy, MeanAbsoluteError, Precision, Recall

METRICS = ["mae", "mse", BinaryAccuracy(), Precision(), Recall()]


def test_the_three_errors_of_the_contract():
    # Errors 2, x, x / 0, 1, x, where x is masked: (4 + 0 + 1) / 3 and (2 + 0 + 1) / 3.
    x = np.array([[[1.0], [9], [9]], [[1], [2], [9]]])
    y = np.array([[[3.0], [70], [80]], [[1], [3], [90]]])
    model = strop.Sequential([Masking(9.0), Dense(1, kernel_initializer="ones")])
    model.compile("sgd", "mse", metrics=["mae", "mse"], weighted_metrics=["mae"])
    want = [5 / 3, 1.0, 5 / 3, 1.0]
    assert model.evaluate(x, y, verbose=0) == pytest.approx(want)
    assert model.test_on_batch(x, y) == pytest.approx(want)
    # Weights 1 and 3: (2 + 3 (0 + 1)) / (1 + 3 + 3) of the weighted one; the plain ones know the mask alone.
    got = model.evaluate(x, y, sample_weight=[1.0, 3], verbose=0)
    assert got[1:] == pytest.approx([1.0, 5 / 3, 5 / 7])
    assert model.train_on_batch(x, y) == pytest.approx(want)


@pytest.mark.parametrize("from_logits", [False, True])
def test_a_loss_is_the_mean_over_steps_neither_masked_nor_ignored(from_logits, rng):
    x, y = np.array([[[1.0], [9], [9]], [[1], [2], [3]]]), np.array([[0, 1, 2], [2, 0, 1]])
    loss = strop.losses.SparseCategoricalCrossentropy(from_logits, ignore_class=0)
    last = Dense(3, None if from_logits else "softmax", dtype="float64")
    model = strop.Sequential([Masking(9.0, dtype="float64"), last])
    model.compile("sgd", loss)
    p = model.predict(x, verbose=0)
    p = np.exp(p) / np.exp(p).sum(-1, keepdims=True) if from_logits else p
    want = -(np.log(p[1, 0, 2]) + np.log(p[1, 2, 1])) / 2
    assert model.evaluate(x, y, verbose=0) == pytest.approx(want, rel=1e-12)
    weighted = -(3 * np.log(p[1, 0, 2]) + 3 * np.log(p[1, 2, 1])) / 2
    assert model.evaluate(x, y, sample_weight=[1.0, 3], verbose=0) == pytest.approx(weighted, rel=1e-12)
    assert model.fit(x, y, verbose=0).history["loss"] == [pytest.approx(want, rel=1e-12)]


def tagger(drawn=False, metrics=METRICS):
    strop.utils.set_random_seed(3)
    table = Embedding(20, 4, mask_zero=True)
    behind = [GRU(5, return_sequences=True), Dense(1, activation="sigmoid")]
    if drawn:
        x = strop.Input((None,))
        rows = table(x)
        dense = Dense(4, activation="tanh")(rows)
        model = strop.Model(x, behind[1](Add()([rows, dense])))
    else:
        model = strop.Sequential([strop.Input((None,)), table, *behind])
    model.compile("adam", "binary_crossentropy", metrics=metrics, weighted_metrics=["mae"])
    return model


def texts(rng, count=70, length=6):
    x = rng.integers(1, 20, (count, length))
    x[np.arange(length) >= rng.integers(0, length + 1, (count, 1))] = 0
    return x, rng.integers(0, 2, (count, length, 1)).astype(np.float32), rng.uniform(0.5, 2, count)


def by_hand(x, y, p, weight):
    """The metrics over the steps that are not padding, in float64."""
    kept = x != 0
    y, p = y[..., 0][kept].astype(np.float64), p[..., 0][kept].astype(np.float64)
    w = np.broadcast_to(weight[:, None], x.shape)[kept]
    error, said, true = np.abs(y - p), p > 0.5, y == 1
    return {
        "mae": error.mean(),
        "mse": (error**2).mean(),
        "binary_accuracy": (said == true).mean(),
        "precision": true[said].mean(),
        "recall": said[true].mean(),
        "weighted_mae": (error * w).sum() / w.sum(),
    }


@pytest.mark.parametrize("drawn", [False, True])
def test_arrays_and_feeds_count_the_steps_that_are_no_padding(rng, drawn):
    model = tagger(drawn)
    x, y, weight = texts(rng)
    want = by_hand(x, y, model.predict(x, verbose=0), weight)
    got = model.evaluate(x, y, sample_weight=weight, verbose=0, return_dict=True, batch_size=32)
    assert {k: v for k, v in got.items() if k != "loss"} == pytest.approx(want, rel=1e-5)
    parts = [(x[i : i + 9], y[i : i + 9], weight[i : i + 9]) for i in range(0, len(x), 9)]
    got = model.evaluate(iter(parts), verbose=0, return_dict=True)
    assert {k: v for k, v in got.items() if k != "loss"} == pytest.approx(want, rel=1e-5)


def test_a_fit_counts_them_too(rng):
    x, y, weight = texts(rng)
    model = tagger()
    model.optimizer.learning_rate = 0.0  # the weights stand still, so an epoch's figures are those of its end
    want = by_hand(x, y, model.predict(x, verbose=0), weight)
    history = model.fit(
        x, y, sample_weight=weight, validation_data=(x, y, weight), batch_size=16, verbose=0
    ).history
    for name, value in want.items():
        assert [*history[name], *history["val_" + name]] == pytest.approx([value] * 2, rel=1e-5)


def test_texts_of_other_lengths_from_batch_to_batch(rng):
    model = tagger()
    parts = [texts(rng, 8, length) for length in (3, 7, 7, 5)]
    counts = [int((x != 0).sum()) for x, _, _ in parts]
    want = np.average(
        [by_hand(x, y, model.predict(x, verbose=0), w)["mae"] for x, y, w in parts], weights=counts
    )
    got = model.evaluate(iter(parts), verbose=0, return_dict=True)
    assert got["mae"] == pytest.approx(want, rel=1e-5)


def test_a_mask_that_does_not_reach_the_output_changes_nothing(rng):
    x = rng.integers(0, 20, (9, 6))
    model = strop.Sequential([Embedding(20, 4, mask_zero=True), GRU(3), Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    y = rng.normal(size=(9, 1))
    want = np.abs(model.predict(x, verbose=0) - y).mean()
    assert model.evaluate(x, y, verbose=0)[1] == pytest.approx(want, rel=1e-5)


def test_all_padding_is_0(rng):
    model = tagger(metrics=[MeanAbsoluteError()])
    x = np.zeros((4, 6), int)
    assert model.evaluate(x, np.ones((4, 6, 1)), verbose=0) == [0.0, 0.0, 0.0]


def test_keras_has_the_same_means(rng):
    keras = import_keras()
    x, y, _ = texts(rng)
    model = tagger(metrics=["mae", "mse", "binary_accuracy"])
    peer = keras.Sequential(
        [
            keras.layers.Embedding(20, 4, mask_zero=True),
            keras.layers.GRU(5, return_sequences=True),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    peer.build((None, 6))
    peer.set_weights(model.get_weights())
    pred, want = peer(x), {}  # the output carries the mask
    for name in ["mae", "mse", "binary_accuracy"]:
        metric = keras.metrics.get(name)
        if not isinstance(metric, keras.metrics.Metric):
            metric = keras.metrics.MeanMetricWrapper(metric)
        metric.update_state(y, pred)
        want[name] = float(metric.result())
    got = model.evaluate(x, y, verbose=0, return_dict=True)
    assert {name: got[name] for name in want} == pytest.approx(want, rel=1e-5)


def test_keras_counts_masked_steps_in_precision(rng):
    # docs/keras.md says so: the one difference between its masked metrics and ours.
    keras = import_keras()
    x, y, _ = texts(rng)
    layer = keras.layers.Embedding(20, 1, "ones", mask_zero=True)
    pred = keras.layers.Activation("sigmoid")(layer(x))
    theirs = keras.metrics.Precision()
    theirs.update_state(y, pred)
    ours = Precision()
    everywhere = ours(y, np.asarray(pred))
    assert float(theirs.result()) == pytest.approx(everywhere, rel=1e-6)
    ours.reset_state()
    assert ours(y, np.asarray(pred), sample_weight=x != 0) != pytest.approx(everywhere, rel=1e-3)
