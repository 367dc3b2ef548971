"""The pooling layers: Keras' names, defaults and numbers."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import strop
from conftest import import_keras
from strop import layers

WINDOWS = ("MaxPooling1D", "MaxPooling2D", "AveragePooling1D", "AveragePooling2D")
GLOBAL = ("GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalAveragePooling1D", "GlobalAveragePooling2D")

SETTINGS = [
    {"pool_size": 2},
    {"pool_size": 2, "padding": "same"},
    {"pool_size": 3, "strides": 2, "padding": "same"},
    {"pool_size": 3, "strides": 1},
    {"pool_size": 2, "strides": 3, "padding": "same"},
]


def inputs(name, rng, dtype="float32"):
    return rng.normal(size=(3, 7, 5) if name.endswith("1D") else (2, 7, 6, 3)).astype(dtype)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("name", WINDOWS)
def test_windows_equal_keras(rng, name, settings):
    keras = import_keras()
    x = inputs(name, rng)
    want = np.asarray(getattr(keras.layers, name)(**settings)(x))
    layer = getattr(layers, name)(**settings)
    got = layer(x)
    assert got.shape == want.shape == (len(x), *layer.compute_output_shape((None, *x.shape[1:]))[1:])
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", GLOBAL)
def test_global_pooling_equals_keras(rng, name, keepdims):
    keras = import_keras()
    x = inputs(name, rng)
    want = np.asarray(getattr(keras.layers, name)(keepdims=keepdims)(x))
    layer = getattr(layers, name)(keepdims=keepdims)
    got = layer(x)
    assert got.shape == want.shape == (len(x), *layer.compute_output_shape((None, *x.shape[1:]))[1:])
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", WINDOWS + GLOBAL)
def test_the_gradient_equals_torchs(rng, name):
    torch = pytest.importorskip("torch")
    x = inputs(name, rng, "float64")
    rank = x.ndim - 2
    layer = getattr(layers, name)(**({"pool_size": 2} if name in WINDOWS else {}), dtype="float64")
    y, saved = layer.forward(x, training=True)
    grad = rng.normal(size=y.shape)
    leaf = torch.from_numpy(x).requires_grad_()
    image = leaf.movedim(-1, 1)
    kind = "max" if "Max" in name else "avg"
    if name in WINDOWS:
        z = getattr(torch.nn.functional, f"{kind}_pool{rank}d")(image, 2).movedim(1, -1)
    else:
        z = getattr(torch.nn.functional, f"adaptive_{kind}_pool{rank}d")(image, 1).flatten(1)
    np.testing.assert_allclose(y, z.detach(), rtol=1e-14)
    z.backward(torch.from_numpy(grad))
    np.testing.assert_allclose(layer.backward(grad, saved)[0], leaf.grad, rtol=1e-13, atol=1e-15)
    assert layer.backward(grad, saved, need_x=False) == (None, [])


def test_the_examples():
    x = np.arange(1.0, 6).reshape(1, 5, 1)
    assert layers.MaxPooling1D(2)(x).ravel().tolist() == [2, 4]
    assert layers.MaxPooling1D(2, padding="same")(x).ravel().tolist() == [2, 4, 5]
    assert layers.AveragePooling1D(3, 2, "same")(x).ravel().tolist() == [1.5, 3, 4.5]
    x = np.arange(9.0).reshape(1, 3, 3, 1)
    assert layers.MaxPooling2D()(x).ravel().tolist() == [4]
    assert layers.MaxPooling2D(padding="same")(x).ravel().tolist() == [4, 5, 7, 8]
    # Without a mask the pad row takes part; with one the greatest still sees it.
    table = np.array([[9.0, 9], [1, 2], [3, 4], [5, 6]])
    model = strop.Sequential([layers.Embedding(4, 2), layers.GlobalMaxPooling1D()])
    model.build((None, 4))
    model.set_weights([table])
    assert model.predict([[0, 0, 1, 2]], verbose=0).tolist() == [[9, 9]]


@pytest.mark.parametrize("name", WINDOWS + GLOBAL)
def test_a_config_makes_the_layer_again(rng, name):
    made = {"pool_size": 3, "strides": 2, "padding": "same"} if name in WINDOWS else {"keepdims": True}
    layer = getattr(layers, name)(**made, name="p")
    again = layers.registry[name].from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    x = inputs(name, rng)
    np.testing.assert_array_equal(again(x), layer(x))


@pytest.mark.parametrize("name", WINDOWS + GLOBAL)
def test_empty_batches_pass(name):
    shape = (0, 4, 3) if name.endswith("1D") else (0, 4, 4, 3)
    layer = getattr(layers, name)(**({"pool_size": 2} if name in WINDOWS else {}))
    y, saved = layer.forward(np.zeros(shape, "f"), training=True)
    assert y.shape == (0, *layer.compute_output_shape((None, *shape[1:]))[1:])
    assert layer.backward(y, saved)[0].shape == shape


def test_no_place_to_pool():
    assert layers.GlobalAveragePooling2D()(np.zeros((2, 0, 3, 4))).tolist() == np.zeros((2, 4)).tolist()
    with pytest.raises(ValueError) as caught:
        layers.GlobalMaxPooling1D()(np.zeros((2, 0, 4)))
    assert str(caught.value) == (
        "GlobalMaxPooling1D 'global_max_pooling1d': inputs must have an element to choose from; got shape (2, 0, 4)"
    )


@pytest.mark.parametrize(
    ("make", "shape", "text"),
    [
        (
            lambda: layers.MaxPooling2D(),
            (28, 28),
            "MaxPooling2D 'max_pooling2d': inputs must have 4 axes (batch, height, width, channels); "
            "got shape (None, 28, 28)",
        ),
        (
            lambda: layers.AveragePooling1D(4),
            (3, 5),
            "AveragePooling1D 'average_pooling1d': inputs must hold a window of (4,); got shape (None, 3, 5)",
        ),
        (
            lambda: layers.GlobalMaxPooling1D(),
            (5,),
            "GlobalMaxPooling1D 'global_max_pooling1d': inputs must have 3 axes (batch, steps, features); "
            "got shape (None, 5)",
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
            lambda: layers.MaxPooling1D(0),
            ValueError,
            "MaxPooling1D: pool_size must be an int of 1 or more; got 0",
        ),
        (
            lambda: layers.MaxPooling2D((2, 2, 2)),
            ValueError,
            "MaxPooling2D: pool_size must be 2 ints of 1 or more; got (2, 2, 2)",
        ),
        (
            lambda: layers.AveragePooling2D(2.5),
            TypeError,
            "AveragePooling2D: pool_size must be 2 ints of 1 or more; got 2.5",
        ),
        (
            lambda: layers.MaxPooling2D(padding="causal"),
            ValueError,
            "MaxPooling2D: padding must be 'valid' or 'same'; got 'causal'",
        ),
        (
            lambda: layers.MaxPooling2D(data_format="channels_first"),
            ValueError,
            "MaxPooling2D: data_format must be 'channels_last'; got 'channels_first'",
        ),
        (
            lambda: layers.MaxPooling2D(stride=2),
            TypeError,
            "MaxPooling2D: keywords must be known ones; got 'stride'; did you mean 'strides'",
        ),
    ],
)
def test_bad_settings_are_refused(make, kind, text):
    with pytest.raises(kind) as caught:
        make()
    assert str(caught.value) == text


@pytest.mark.parametrize("name", [*WINDOWS, *GLOBAL])
def test_the_arguments_stand_in_keras_order(name):
    keras = import_keras()
    theirs, ours = (inspect.signature(getattr(where, name)) for where in (keras.layers, layers))
    named = [[k for k, p in s.parameters.items() if p.kind is not p.VAR_KEYWORD] for s in (theirs, ours)]
    assert named[0] == named[1]


def test_a_name_may_stand_behind_the_format():
    assert layers.MaxPooling2D(2, 2, "same", None, "p").name == "p"


def test_a_model_with_pooling_trains_and_is_saved(rng, tmp_path):
    x, y = rng.normal(size=(64, 8, 8, 2)), rng.integers(0, 2, 64)
    model = strop.Sequential(
        [layers.MaxPooling2D(), layers.AveragePooling2D(2), layers.Flatten(), layers.Dense(1, "sigmoid")]
    )
    model.compile("adam", "binary_crossentropy")
    losses = model.fit(x, y, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    model.save(tmp_path / "m.safetensors")
    again = strop.models.load_model(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
