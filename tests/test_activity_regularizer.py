"""Penalties on what a layer puts out: in the loss over the batch size, and in every gradient before it."""

from __future__ import annotations

import numpy as np
import pytest

import strop
from conftest import import_keras
from strop.layers import Activation, Dense, Embedding, GlobalAveragePooling1D
from strop.regularizers import L1, L1L2, L2
from strop.training.passes import Tape
from strop.training.plan import Plan


def test_the_penalty_is_divided_by_the_batch_size():
    layer = Dense(1, kernel_initializer="ones", activity_regularizer=L1(0.1))
    model = strop.Sequential([strop.Input((1,)), layer])
    model.compile(optimizer="sgd", loss="mse")
    assert model.evaluate([[1.0], [3.0]], [[1.0], [3.0]], verbose=0) == pytest.approx(0.2)
    assert model.test_on_batch([[1.0], [3.0]], [[1.0], [3.0]]) == pytest.approx(0.2)
    assert model.train_on_batch([[1.0], [3.0]], [[1.0], [3.0]]) == pytest.approx(0.2)
    # By 1/2 (0.1 * 1 + 0.1 * 3) of the penalty alone: the errors are 0.
    np.testing.assert_allclose(layer.get_weights()[0], [[1 - 0.01 * 0.2]], rtol=1e-6)


MODELS = {
    "linear": lambda **s: [Dense(3, activity_regularizer=L2(0.3), **s), Dense(2, **s)],
    "activation": lambda **s: [Dense(3, "tanh", activity_regularizer=L1L2(0.1, 0.2), **s), Dense(2, **s)],
    "before an activation": lambda **s: [
        Dense(3, activity_regularizer=L2(0.3), **s),
        Activation("tanh", **s),
        Dense(2, **s),
    ],
    "of an activation": lambda **s: [
        Dense(3, **s),
        Activation("tanh", activity_regularizer=L2(0.3), **s),
        Dense(2, **s),
    ],
    "the last": lambda **s: [Dense(3, "relu", **s), Dense(2, activity_regularizer=L1(0.2), **s)],
}
HEADS = {
    "sigmoid": lambda **s: [Dense(2, "sigmoid", activity_regularizer=L2(0.3), **s)],
    "softmax": lambda **s: [Dense(3, **s), Activation("softmax", activity_regularizer=L2(0.3), **s)],
    "softmax of activity": lambda **s: [
        Dense(3, activity_regularizer=L2(0.3), **s),
        Activation("softmax", **s),
    ],
}
LOSSES = {"sigmoid": "binary_crossentropy"} | dict.fromkeys(
    ["softmax", "softmax of activity"], "categorical_crossentropy"
)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("name", [*MODELS, *HEADS])
def test_its_gradient_is_the_difference_of_the_loss(name, fused, rng):
    layers = (MODELS | HEADS)[name](dtype="float64")
    shape = (None, 4)
    for layer in layers:
        shape = layer.build_once(shape)
    x, y = rng.normal(size=(5, 4)), np.eye(shape[1])[rng.integers(0, shape[1], 5)]
    plan = Plan(layers, strop.losses.get(LOSSES.get(name, "mse")), fused=fused)
    assert plan.ends_in_logits == (name in HEADS)
    loss, _, grads = plan._gradients(x, y, None, Tape(training=True))
    assert loss == pytest.approx(plan.test_step(x, y, None)[0])
    assert loss != pytest.approx(plan.evaluated(*plan.forward(x), y, None)[0])
    for variable, grad in zip(plan.variables, grads, strict=True):
        for at in np.ndindex(variable.shape):
            kept = variable._value[at]
            sides = []
            for step in (1e-6, -1e-6):
                variable._value[at] = kept + step
                sides.append(plan.test_step(x, y, None)[0])
            variable._value[at] = kept
            assert grad[at] == pytest.approx((sides[0] - sides[1]) / 2e-6, abs=1e-7)


def test_rows_of_a_table_and_their_mean_are_penalized():
    ids = np.array([[1, 2], [2, 3]])
    table = np.array([[9.0, 9], [1, -2], [3, 4], [-5, 6]])
    rows, means = table[ids], table[ids].mean(axis=1)
    for where, want in (("rows", np.abs(rows).sum() / 2), ("means", np.abs(means).sum() / 2)):
        penalty = {where: {"activity_regularizer": L1(1.0)}}
        layers = [
            Embedding(4, 2, weights=[table], **penalty.get("rows", {})),
            GlobalAveragePooling1D(**penalty.get("means", {})),
        ]
        model = strop.Sequential([strop.Input((2,)), *layers])
        model.compile(optimizer="sgd", loss="mse")
        assert model.evaluate(ids, means, verbose=0) == pytest.approx(want)
        assert model.fit(ids, means, verbose=0).history["loss"] == [pytest.approx(want)]


def test_a_frozen_layer_still_penalizes_what_is_before_it():
    last = Dense(2, trainable=False, activity_regularizer=L2(0.5))
    model = strop.Sequential([strop.Input((2,)), Dense(2, use_bias=False), last])
    model.compile(optimizer="sgd", loss="mse")
    x = np.eye(2)
    before = model.get_weights()[0]
    model.fit(x, model.predict(x, verbose=0), verbose=0)
    assert not np.array_equal(before, model.get_weights()[0])


def test_a_batch_of_none_and_a_config():
    layer = Dense(2, activity_regularizer="l1")
    assert layer.get_config()["activity_regularizer"] == {"class_name": "L1", "config": {"l1": 0.01}}
    assert Dense.from_config(layer.get_config()).get_config() == layer.get_config()
    assert "activity_regularizer" not in Dense(2).get_config()
    model = strop.Sequential([strop.Input((2,)), layer])
    model.compile(optimizer="sgd", loss="mse")
    assert model.predict(np.zeros((0, 2)), verbose=0).shape == (0, 2)


def test_an_unknown_one_is_refused():
    with pytest.raises(ValueError) as caught:
        Dense(2, activity_regularizer="zebra")
    what = "regularizer must be a known name, a Regularizer or a callable with gradient(w)"
    assert str(caught.value) == f"Dense: {what}; got 'zebra'"


def test_keras_reports_the_same_loss(rng):
    keras = import_keras()
    x, y = rng.normal(size=(7, 4)).astype("float32"), rng.normal(size=(7, 2)).astype("float32")
    theirs = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(3, "relu", activity_regularizer=keras.regularizers.L1(0.1)),
            keras.layers.Dense(2, activity_regularizer=keras.regularizers.L2(0.2)),
        ]
    )
    ours = strop.Sequential(
        [
            strop.Input((4,)),
            Dense(3, "relu", activity_regularizer=L1(0.1)),
            Dense(2, activity_regularizer=L2(0.2)),
        ]
    )
    theirs.set_weights(ours.get_weights())
    ours.compile(optimizer="sgd", loss="mse")
    error = np.square(np.asarray(theirs(x)) - y).mean()
    want = error + sum(float(penalty) for penalty in theirs.losses)
    assert ours.evaluate(x, y, batch_size=7, verbose=0) == pytest.approx(want, rel=1e-5)
