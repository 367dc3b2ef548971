"""STROP_CHECK=1: a loss or a gradient that is no number stops training, with the step and the layer."""

from __future__ import annotations

import re

import numpy as np
import pytest

import strop
from strop.layers import Activation, Add, Dense, Embedding, GlobalAveragePooling1D, Layer


class Fails(Layer):
    """Gives what it is told at a certain call."""

    def __init__(self, at, output=None, slope=None, **settings):
        super().__init__(**settings)
        self.at, self.output, self.slope, self.count = at, output, slope, 0

    def forward(self, x, *, training=False, mask=None):
        self.count += 1
        y = x.copy()
        if self.output is not None and self.count == self.at:
            y[0] = self.output
        return y, None

    def backward(self, grad, saved, need_x=True):
        grad = grad.copy()
        if self.slope is not None and self.count == self.at:
            grad[0] = self.slope
        return grad, []


@pytest.fixture(autouse=True)
def check(monkeypatch):
    monkeypatch.setenv("STROP_CHECK", "1")


X, Y = np.linspace(-1, 1, 80).reshape(40, 2), np.linspace(0, 1, 40)


def fitted(layers, x=X, y=Y, loss="mse", **settings):
    model = layers if not isinstance(layers, list) else strop.Sequential([strop.Input((2,)), *layers])
    model.compile(optimizer="sgd", loss=loss)
    model.fit(x, y, batch_size=10, shuffle=False, verbose=0, **settings)


def nan_weight():
    dense = Dense(3, name="bad")
    dense.build_once((None, 3))
    dense.set_weights([np.full((3, 3), np.nan), np.zeros(3)])
    return dense


def branched():
    x = strop.Input((2,))
    return strop.Model(x, Dense(1)(Add()([Fails(6, np.nan, name="branch")(x), Dense(2)(x)])))


CASES = {
    "loss must be finite; got nan at step 3; Fails 'fails' first gave nan in its output": lambda: fitted(
        [Dense(3), Fails(3, np.nan), Dense(1)]
    ),
    "loss must be finite; got nan at step 1; Activation 'activation' first gave inf in its output, then "
    "Dense 'dense_1' first gave nan in its output": lambda: fitted(
        [
            Dense(2, use_bias=False, kernel_initializer=strop.initializers.Constant(500.0)),
            Activation("exponential"),
            Dense(1, kernel_initializer="zeros"),
        ],
        -X,
    ),
    "loss must be finite; got nan at step 1; an earlier step first gave nan in the weight 'bad/kernel'": lambda: (
        fitted([Dense(3), nan_weight(), Dense(1)])
    ),
    "loss must be finite; got nan at step 2; the data first gave nan in x": lambda: fitted(
        [Dense(1)], np.where(np.arange(40)[:, None] == 15, np.nan, X)
    ),
    "gradients must be finite; got others at step 2; Fails 'fails' first gave nan in its gradient": lambda: (
        fitted([Dense(3), Fails(2, slope=np.nan), Dense(1)])
    ),
    "loss must be finite; got nan at step 6; Fails 'branch' first gave nan in its output": lambda: fitted(
        branched(), epochs=2
    ),
    "loss must be finite; got nan at step 1; what the layers gave is finite, so that it is the loss or a penalty "
    "that is not": lambda: fitted([Dense(1)], loss=broken),
}


def broken(y_true, y_pred):
    return np.full(len(y_pred), np.nan)


broken.gradient = lambda y_true, y_pred: np.zeros_like(y_pred)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("text", "call"), CASES.items())
def test_training_stops_with_the_step_and_the_layer(text, call):
    with pytest.raises(FloatingPointError, match=f"^fit: {re.escape(text)}$"):
        call()


def test_the_weights_are_those_before_the_step():
    model = strop.Sequential([strop.Input((2,)), Dense(3), Fails(3, np.nan), Dense(1)])
    model.compile(optimizer="adam", loss="mse")
    for _ in range(2):
        model.train_on_batch(X[:5], Y[:5])
    before = model.get_weights()
    with pytest.raises(FloatingPointError, match="at step 3"):
        model.train_on_batch(X[:5], Y[:5])
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert model.train_on_batch(X[:5], Y[:5]) > 0  # goes on


def test_a_good_run_is_the_same_to_rounding(monkeypatch):
    runs = []
    for value in ("1", "0"):
        monkeypatch.setenv("STROP_CHECK", value)
        strop.utils.set_random_seed(4)
        layers = [Embedding(9, 4, mask_zero=True), GlobalAveragePooling1D(), Dense(3), Activation("relu")]
        model = strop.Sequential([strop.Input((6,)), *layers, Dense(1, activation="sigmoid")])
        model.compile(optimizer="adam", loss="binary_crossentropy")
        ids = np.arange(240).reshape(40, 6) % 9
        model.fit(ids, Y > 0.5, batch_size=10, epochs=3, verbose=0)
        runs.append(model.get_weights())
    for a, b in zip(*runs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_without_the_variable_nan_passes(monkeypatch):
    monkeypatch.delenv("STROP_CHECK")
    model = strop.Sequential([strop.Input((2,)), Dense(3), Fails(1, np.nan), Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    assert np.isnan(model.train_on_batch(X, Y))
