"""BatchNormalization, LayerNormalization, GroupNormalization: Keras' names, defaults and numbers."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import strop
from conftest import import_keras
from strop import layers

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # of Keras on NumPy

NAMES = ("BatchNormalization", "LayerNormalization", "GroupNormalization")

#: Layers beside Keras', and the shape of the inputs.
CASES = [
    ("BatchNormalization", {}, (6, 4)),
    ("BatchNormalization", {"epsilon": 0.1, "momentum": 0.5}, (2, 3, 5, 4)),
    ("BatchNormalization", {"axis": 1, "center": False}, (5, 3, 4)),
    ("BatchNormalization", {"scale": False}, (4, 3, 2)),
    ("LayerNormalization", {}, (6, 5)),
    ("LayerNormalization", {"axis": [1, 2], "epsilon": 1e-5}, (4, 3, 5)),
    ("LayerNormalization", {"axis": 1}, (4, 3, 5)),
    ("LayerNormalization", {"scale": False, "center": False}, (4, 7)),
    ("GroupNormalization", {"groups": 2}, (3, 4, 5, 6)),
    ("GroupNormalization", {"groups": -1}, (3, 7, 4)),
    ("GroupNormalization", {"groups": 1, "scale": False}, (3, 6)),
]


def pair(name, settings, shape, rng):
    """Keras' layer and ours with the same random weights."""
    keras = import_keras()
    theirs, ours = getattr(keras.layers, name)(**settings), getattr(layers, name)(**settings)
    theirs.build(shape)
    ours.build_once((None, *shape[1:]))
    weights = [abs(rng.normal(size=w.shape)).astype("f") + 0.5 for w in theirs.get_weights()]
    theirs.set_weights(weights)
    ours.set_weights(weights)
    return theirs, ours


@pytest.mark.parametrize(("name", "settings", "shape"), CASES, ids=str)
def test_a_layer_equals_keras(rng, name, settings, shape):
    theirs, ours = pair(name, settings, shape, rng)
    x = (rng.normal(size=shape) * 2 + 3).astype("f")
    np.testing.assert_allclose(ours(x), np.asarray(theirs(x)), rtol=2e-5, atol=1e-5)
    np.testing.assert_allclose(
        ours(x, training=True), np.asarray(theirs(x, training=True)), rtol=2e-5, atol=1e-5
    )
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=2e-6, atol=1e-6)  # and the moving statistics
    np.testing.assert_allclose(ours(x), np.asarray(theirs(x)), rtol=2e-5, atol=1e-5)


def test_a_mask_equals_keras(rng):
    theirs, ours = pair("BatchNormalization", {}, (4, 5, 3), rng)
    x, mask = rng.normal(size=(4, 5, 3)).astype("f"), rng.random((4, 5)) < 0.6
    y = ours.forward(x, training=True, mask=mask)[0]
    np.testing.assert_allclose(y, np.asarray(theirs(x, training=True, mask=mask)), rtol=2e-5, atol=1e-5)
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize(("name", "settings", "shape"), CASES, ids=str)
def test_the_gradients_equal_finite_differences(rng, name, settings, shape):
    layer = getattr(layers, name)(**settings, dtype="float64")
    layer.build_once((None, *shape[1:]))
    for variable in layer.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    x, grad, step = (rng.normal(size=shape) for _ in range(3))
    y, saved = layer.forward(x, training=True)
    grad_x, own = layer.backward(grad, saved)
    assert y.shape == grad_x.shape == shape

    def value(x):
        return (layer.forward(x, training=True)[0] * grad).sum()

    moved = (value(x + 1e-6 * step) - value(x - 1e-6 * step)) / 2e-6
    assert moved == pytest.approx((grad_x * step).sum(), rel=1e-6, abs=1e-7)
    assert len(own) == len(layer.trainable_variables)
    for variable, by in zip(layer.trainable_variables, own, strict=True):
        step, start = rng.normal(size=variable.shape), variable.numpy()
        sides = []
        for sign in (1, -1):
            variable.assign(start + sign * 1e-6 * step)
            sides.append(value(x))
        variable.assign(start)
        assert (sides[0] - sides[1]) / 2e-6 == pytest.approx((by * step).sum(), rel=1e-6, abs=1e-7)
    none, again = layer.backward(grad, saved, need_x=False)
    assert none is None
    for one, other in zip(own, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_examples():
    layer = layers.BatchNormalization()
    x = np.array([[1.0], [5.0]])
    np.testing.assert_allclose(layer(x, training=True).ravel(), [-0.999875, 0.999875], atol=1e-6)
    np.testing.assert_allclose(np.ravel(layer.get_weights()), [1, 0, 0.03, 1.03], rtol=1e-6)
    np.testing.assert_allclose(layer(x).ravel(), [0.955306, 4.894711], atol=1e-6)
    layer = layers.BatchNormalization(momentum=0)
    layer.build_once((None, 3, 2))
    x = np.array([[[1, 2], [3, 6], [100, 100]]], "f")
    layer.forward(x, training=True, mask=np.array([[True, True, False]]))
    assert [w.tolist() for w in layer.get_weights()[2:]] == [[2, 4], [1, 4]]
    y = layers.LayerNormalization()(np.array([[1.0, 2.0, 3.0]]))
    np.testing.assert_allclose(y, [[-1.223827, 0, 1.223827]], atol=1e-6)


def test_a_frozen_batch_normalization_uses_its_moving_statistics(rng):
    layer = layers.BatchNormalization(trainable=False, dtype="float64")
    x, grad = rng.normal(size=(2, 8, 3))
    before = layer(x)
    weights = layer.get_weights()
    y, saved = layer.forward(x, training=True)
    np.testing.assert_array_equal(y, before)
    grad_x, own = layer.backward(grad, saved)
    np.testing.assert_allclose(grad_x, grad / np.sqrt(1 + 1e-3), rtol=1e-12)
    assert own == []
    assert layer.backward(grad, saved, need_x=False) == (None, [])
    for one, other in zip(layer.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_empty_batch_moves_nothing():
    layer = layers.BatchNormalization()
    layer.build_once((None, 3, 2))
    before = layer.get_weights()
    layer.forward(np.zeros((0, 3, 2), "f"), training=True)
    layer.forward(np.ones((2, 3, 2), "f"), training=True, mask=np.zeros((2, 3), bool))
    for one, other in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", NAMES)
def test_a_config_makes_the_layer_again(rng, name):
    more = {"groups": 2} if name == "GroupNormalization" else {"axis": -1}
    layer = getattr(layers, name)(
        **more, epsilon=0.5, gamma_initializer="zeros", beta_regularizer="l2", name="n"
    )
    again = layers.registry[name].from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    x = rng.normal(size=(3, 4))
    np.testing.assert_array_equal(again(x), layer(x))
    assert again.compute_mask(x, "mask") == "mask"


@pytest.mark.parametrize("name", NAMES)
def test_a_model_trains_and_is_saved(rng, tmp_path, name):
    x, y = rng.normal(size=(64, 6)) + 5, rng.integers(0, 2, 64)
    strop.utils.set_random_seed(0)
    layer = getattr(layers, name)(**({"groups": 2} if name == "GroupNormalization" else {}))
    model = strop.Sequential([layers.Dense(8), layer, layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy")
    losses = model.fit(x, y, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    model.save(tmp_path / "m.safetensors")
    again = strop.models.load_model(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    for one, other in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("make", "shape", "text"),
    [
        (
            lambda: layers.BatchNormalization(axis=3),
            (4, 5),
            "BatchNormalization 'batch_normalization': axis must name axes of the inputs behind the batch, each once; "
            "got 3 for shape (None, 4, 5)",
        ),
        (
            lambda: layers.LayerNormalization(axis=(1, -1)),
            (4,),
            "LayerNormalization 'layer_normalization': axis must name axes of the inputs behind the batch, each once; "
            "got (1, -1) for shape (None, 4)",
        ),
        (
            lambda: layers.LayerNormalization(axis=1),
            (None, 4),
            "LayerNormalization 'layer_normalization': inputs must have a known size along axis 1; "
            "got shape (None, None, 4)",
        ),
        (
            lambda: layers.GroupNormalization(),
            (4, 48),
            "GroupNormalization 'group_normalization': groups must divide the channels (48); got 32",
        ),
    ],
)
def test_inputs_that_do_not_fit_are_refused_at_build(make, shape, text):
    with pytest.raises(ValueError) as caught:
        strop.Sequential([strop.Input(shape), make()])
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (
            lambda: layers.BatchNormalization(momentum=1.5),
            ValueError,
            "BatchNormalization: momentum must lie in [0, 1]; got 1.5",
        ),
        (
            lambda: layers.BatchNormalization(epsilon=-1),
            ValueError,
            "BatchNormalization: epsilon must be a finite number of at least 0; got -1.0",
        ),
        (
            lambda: layers.LayerNormalization(axis=1.5),
            TypeError,
            "LayerNormalization: axis must be an int or several; got 1.5",
        ),
        (
            lambda: layers.GroupNormalization(groups=0),
            ValueError,
            "GroupNormalization: groups must be 1 or more; got 0",
        ),
        (
            lambda: layers.BatchNormalization(renorm=True),
            ValueError,
            "BatchNormalization: renorm must be False; got True; batch renormalization is not offered",
        ),
        (
            lambda: layers.BatchNormalization(synchronized=True),
            ValueError,
            "BatchNormalization: synchronized must be False; got True; a model lives on one device",
        ),
        (
            lambda: layers.LayerNormalization(centre=True),
            TypeError,
            "LayerNormalization: keywords must be known ones; got 'centre'; did you mean 'center'",
        ),
    ],
)
def test_bad_settings_are_refused(make, kind, text):
    with pytest.raises(kind) as caught:
        make()
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("layer", "built", "given", "text"),
    [
        (
            layers.BatchNormalization(),
            (2, 4),
            (3, 5),
            "BatchNormalization 'batch_normalization': inputs must have last axis 4; got shape (3, 5)",
        ),
        (
            layers.BatchNormalization(axis=1),
            (2, 4, 3),
            (2, 3, 4),
            "BatchNormalization 'batch_normalization': inputs must have sizes (4,) along the axes (1,); "
            "got shape (2, 3, 4)",
        ),
        (
            layers.LayerNormalization(),
            (2, 4),
            (3, 5),
            "LayerNormalization 'layer_normalization': inputs must have last axis 4; got shape (3, 5)",
        ),
        (
            layers.LayerNormalization(axis=(1, 2)),
            (2, 4, 3),
            (2, 3, 4),
            "LayerNormalization 'layer_normalization': inputs must have sizes (4, 3) along the axes (1, 2); "
            "got shape (2, 3, 4)",
        ),
        (
            layers.GroupNormalization(2),
            (2, 7, 4),
            (2, 7, 6),
            "GroupNormalization 'group_normalization': inputs must have last axis 4; got shape (2, 7, 6)",
        ),
        (
            layers.Normalization(),
            (2, 4),
            (3, 1),
            "Normalization 'normalization': inputs must have last axis 4; got shape (3, 1)",
        ),
        (
            layers.Normalization(),
            (2, 4),
            (3, 2, 4),
            "Normalization 'normalization': inputs must have 2 axes, as in (None, 4); got shape (None, 2, 4)",
        ),
    ],
)
def test_a_built_layer_refuses_other_sizes(layer, built, given, text):
    layer.build_once((None, *built[1:]))
    with pytest.raises(ValueError) as caught:
        layer(np.zeros(given))
    assert str(caught.value) == text
    layer(np.zeros(built))


@pytest.mark.parametrize("name", [*NAMES, "Normalization"])
def test_the_arguments_stand_in_keras_order(name):
    keras = import_keras()
    theirs, ours = (inspect.signature(getattr(where, name)) for where in (keras.layers, layers))
    named = [
        {k: p.default for k, p in s.parameters.items() if p.kind is not p.VAR_KEYWORD} for s in (theirs, ours)
    ]
    assert list(named[0].items()) == list(named[1].items())


def test_a_mask_that_does_not_fit_is_refused():
    layer = layers.BatchNormalization()
    layer.build_once((None, 3, 4))
    with pytest.raises(ValueError) as caught:
        layer.forward(np.zeros((2, 3, 4), "f"), training=True, mask=np.ones((2, 4), bool))
    assert str(caught.value) == (
        "BatchNormalization 'batch_normalization': mask must have one value for each step of inputs with the channels "
        "last; got shape (2, 4) for inputs (2, 3, 4) with axis -1"
    )
