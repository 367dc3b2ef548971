"""Conv1D, Conv2D, DepthwiseConv2D and SeparableConv2D: numbers, gradients, Keras, torch, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest

import strop
from conftest import import_keras
from strop.layers import Conv1D, Conv2D, DepthwiseConv2D, SeparableConv2D
from strop.layers.windows import pads_of
from test_layers import gradients

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own


def filled(layer, *weights):
    """The layer with these numbers, built for one channel."""
    layer.build_once((None, *(None,) * layer.rank, 1))
    values = [np.reshape(w, v.shape) for w, v in zip(weights, layer.variables, strict=True)]
    layer.set_weights(values)
    return layer


@pytest.mark.parametrize(
    ("kernel", "settings", "x", "want"),
    [
        ([1, 2, 3], {"padding": "valid"}, [1, 0, 0, 2], [1, 6]),
        ([1, 2, 3], {"padding": "same"}, [1, 0, 0, 2], [2, 1, 6, 4]),
        ([1, 2, 3], {"padding": "causal"}, [1, 0, 0, 2], [3, 2, 1, 6]),
        ([1, 1, 1], {"padding": "same", "strides": 2}, [1] * 6, [3, 3, 2]),
        ([1, 10], {"padding": "same"}, [1, 2, 3], [21, 32, 3]),
        ([1, 10], {"dilation_rate": 2}, [1, 2, 3, 4, 5], [31, 42, 53]),
        ([1, 10], {"padding": "causal", "strides": 2}, [1, 2, 3], [10, 32]),
        ([1, 10, 100], {"padding": "same"}, [], []),
        ([1, 10, 100], {"padding": "same"}, [7], [70]),
        ([1, 10], {"padding": "valid"}, [], []),
    ],
)
def test_conv1d_gives_the_numbers_of_the_table(device, kernel, settings, x, want):
    layer = filled(Conv1D(1, len(kernel), use_bias=False, **settings), kernel)
    np.testing.assert_array_equal(layer(np.reshape(x, (1, -1, 1))).ravel(), want)


def test_conv2d_gives_the_numbers_of_the_table(device):
    x = np.arange(9.0).reshape(1, 3, 3, 1)
    layer = filled(Conv2D(1, 2), [1, 2, 3, 4], [0])
    np.testing.assert_array_equal(layer(x).ravel(), [27, 37, 57, 67])
    # The odd pad is right and below.
    layer = filled(Conv2D(1, 2, padding="same"), [1, 2, 3, 4], [0])
    np.testing.assert_array_equal(layer(x)[0, :, :, 0], [[27, 37, 17], [57, 67, 29], [20, 23, 8]])


def test_same_pads_as_onnx_auto_pad_same_upper():
    # ONNX Conv: the output is ceil(size / stride), the sum of pads follows from it, the odd one goes to the end.
    for size in range(1, 12):
        for taps in range(1, 6):
            for stride in range(1, 5):
                for dilation in range(1, 4):
                    before, behind = pads_of("same", size, taps, stride, dilation)
                    reach = (taps - 1) * dilation + 1
                    total = max((math.ceil(size / stride) - 1) * stride + reach - size, 0)
                    assert (before, behind) == (total // 2, (total + 1) // 2)


def test_the_example_of_onnx_conv_with_auto_pad_same_lower_needs_explicit_pads():
    # ONNX's example: a kernel of ones over 0..24 as 5 x 5, stride 2, SAME_LOWER; for odd totals both rules agree.
    layer = filled(Conv2D(1, 3, strides=2, padding="same", use_bias=False), np.ones(9))
    got = layer(np.arange(25.0).reshape(1, 5, 5, 1))[0, :, :, 0]
    np.testing.assert_array_equal(got, [[12, 27, 24], [63, 108, 81], [72, 117, 84]])


def test_fans_of_a_kernel_count_the_window():
    strop.utils.set_random_seed(1)
    limits = {
        Conv1D(40, 3): ((None, 9, 20), 3 * 20, 3 * 40),
        Conv2D(32, (3, 5)): ((None, 9, 9, 16), 15 * 16, 15 * 32),
        Conv2D(32, 3, groups=4): ((None, 9, 9, 16), 9 * 4, 9 * 32),
    }
    for layer, (shape, fan_in, fan_out) in limits.items():
        layer.build_once(shape)
        limit = math.sqrt(6 / (fan_in + fan_out))
        assert 0.95 * limit < abs(layer.get_weights()[0]).max() <= limit


LAYERS = [
    Conv1D(3, 2, dtype="float64"),
    Conv1D(4, 3, strides=2, padding="same", activation="tanh", dtype="float64"),
    Conv1D(2, 3, padding="causal", dilation_rate=2, activation="gelu", use_bias=False, dtype="float64"),
    Conv2D(3, 2, dtype="float64", activation="sigmoid"),
    Conv2D(4, (2, 3), strides=(2, 1), padding="same", groups=2, activation="softmax", dtype="float64"),
    Conv2D(2, 2, dilation_rate=(1, 2), use_bias=False, dtype="float64"),
    DepthwiseConv2D(2, dtype="float64", activation="tanh"),
    DepthwiseConv2D(
        (3, 2), strides=2, padding="same", depth_multiplier=3, activation="silu", dtype="float64"
    ),
    SeparableConv2D(3, 2, dtype="float64", activation="sigmoid"),
    SeparableConv2D(
        5, 3, padding="same", depth_multiplier=2, activation="elu", use_bias=False, dtype="float64"
    ),
]


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_gradients_are_finite_differences(layer, rng):
    layer = type(layer).from_config(layer.get_config())
    x = rng.normal(size=(2, 5, 4) if layer.rank == 1 else (2, 4, 5, 4))
    layer.build_once((None, *x.shape[1:]))
    layer.set_weights([rng.normal(size=v.shape) for v in layer.variables])
    assert layer.compute_output_shape((2, *x.shape[1:])) == layer.forward(x)[0].shape
    grad_x, by_x, grads, by_weights = gradients(layer, x)
    np.testing.assert_allclose(grad_x, by_x, atol=1e-7)
    for got, want in zip(grads, by_weights, strict=True):
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, atol=1e-7)
    y, saved = layer.forward(x, training=True)
    without, same = layer.backward(np.ones_like(y), saved, need_x=False)
    assert without is None
    assert len(same) == len(grads)


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_a_frozen_layer_has_no_gradients_and_comes_back_from_its_config(layer):
    again = type(layer).from_config({**layer.get_config(), "trainable": False})
    assert {**again.get_config(), "trainable": True} == layer.get_config()
    x = np.zeros((1, 5, 4) if layer.rank == 1 else (1, 5, 5, 4))
    again.build_once((None, *x.shape[1:]))
    y, saved = again.forward(x, training=True)
    assert again.backward(y, saved)[1] == []


def keras_cases():
    for size in (1, 2, 3, 8, 13):
        for padding in ("valid", "same", "causal"):
            yield "Conv1D", (size, 3), {"filters": 5, "kernel_size": min(size, 3), "padding": padding}
        yield (
            "Conv1D",
            (size, 2),
            {"filters": 4, "kernel_size": 4, "padding": "same", "strides": 3, "groups": 2},
        )
    yield "Conv1D", (11, 3), {"filters": 2, "kernel_size": 3, "padding": "causal", "dilation_rate": 2}
    yield "Conv1D", (11, 3), {"filters": 2, "kernel_size": 2, "padding": "same", "dilation_rate": 3}
    for size in ((1, 1), (5, 4), (9, 10)):
        for stride in (1, 2, 3):
            for name, extra in (
                ("Conv2D", {"filters": 6, "groups": 3}),
                ("DepthwiseConv2D", {"depth_multiplier": 2}),
                ("SeparableConv2D", {"filters": 4, "depth_multiplier": 2}),
            ):
                window = {"kernel_size": 3, "strides": stride, "padding": "same", "activation": "tanh"}
                yield name, (*size, 3), {**window, **extra}
    yield "Conv2D", (9, 10, 1), {"filters": 33, "kernel_size": (5, 3), "activation": "relu"}
    yield "Conv2D", (9, 10, 4), {"filters": 6, "kernel_size": 2, "dilation_rate": (2, 3), "padding": "same"}
    yield "Conv2D", (9, 10, 4), {"filters": 6, "kernel_size": 2, "use_bias": False}
    yield "DepthwiseConv2D", (9, 10, 4), {"kernel_size": (2, 3), "dilation_rate": 2}
    yield "SeparableConv2D", (9, 10, 4), {"filters": 3, "kernel_size": (2, 3), "use_bias": False}


@pytest.mark.parametrize(("name", "shape", "settings"), list(keras_cases()), ids=str)
def test_a_layer_equals_keras_with_its_weights(rng, name, shape, settings):
    keras = import_keras()
    theirs = getattr(keras.layers, name)(**settings)
    ours = getattr(strop.layers, name)(**settings)
    x = rng.normal(size=(3, *shape)).astype(np.float32)
    theirs.build((None, *shape))
    ours.build_once((None, *shape))
    assert [v.name for v in ours.variables] == [v.name for v in theirs.weights]
    weights = [rng.normal(size=v.shape).astype(np.float32) for v in ours.variables]
    theirs.set_weights(weights)
    ours.set_weights(weights)
    want = np.asarray(theirs(x))
    assert ours.compute_output_shape((None, *shape)) == tuple(theirs.compute_output_shape((None, *shape)))
    np.testing.assert_allclose(ours(x), want, rtol=2e-5, atol=2e-5)


def test_gradients_equal_those_of_keras(rng):
    # Keras' NumPy back end has no gradients. A layer without activation is linear in each of its arrays, so that a
    # difference over any distance is the slope, within the roundings of its float32.
    keras = import_keras()
    for name, shape, settings in (
        ("Conv1D", (6, 2), {"filters": 3, "kernel_size": 3, "padding": "causal", "dilation_rate": 2}),
        ("Conv2D", (5, 4, 2), {"filters": 4, "kernel_size": 3, "padding": "same", "strides": 2}),
        ("DepthwiseConv2D", (5, 4, 2), {"kernel_size": 2, "depth_multiplier": 2}),
        ("SeparableConv2D", (5, 4, 2), {"filters": 3, "kernel_size": 2}),
    ):
        theirs, ours = getattr(keras.layers, name)(**settings), getattr(strop.layers, name)(**settings)
        x = rng.normal(size=(2, *shape)).astype(np.float32)
        theirs.build((None, *shape))
        ours.build_once((None, *shape))
        weights = [rng.normal(size=v.shape).astype(np.float32) for v in ours.variables]
        ours.set_weights(weights)
        y, saved = ours.forward(x, training=True)
        upstream = rng.normal(size=y.shape).astype(np.float32)
        grad_x, grads = ours.backward(upstream, saved)
        for i, slope in enumerate([grad_x, *grads]):
            way = rng.normal(size=slope.shape)
            values = []
            for step in (1, -1):
                arrays = [x, *weights]
                arrays[i] = (arrays[i] + step * way).astype(np.float32)
                theirs.set_weights(arrays[1:])
                values.append((np.asarray(theirs(arrays[0]), np.float64) * upstream).sum())
            np.testing.assert_allclose((values[0] - values[1]) / 2, (slope * way).sum(), rtol=1e-4, atol=1e-4)


def test_a_chain_trains_and_is_saved_bit_for_bit(tmp_path, rng):
    strop.utils.set_random_seed(2)
    layers = strop.layers
    model = strop.Sequential(
        [
            layers.Conv2D(8, 3, activation="relu", input_shape=(8, 8, 1)),
            layers.DepthwiseConv2D(3, activation="relu"),
            layers.SeparableConv2D(6, 2, activation="relu", padding="same"),
            layers.Flatten(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    x = rng.normal(size=(200, 8, 8, 1)).astype(np.float32)
    y = (x[:, :4].sum(axis=(1, 2, 3)) > x[:, 4:].sum(axis=(1, 2, 3))).astype(np.float32)
    model.compile(strop.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, epochs=30, verbose=0).history
    assert history["accuracy"][-1] > 0.95
    model.save(tmp_path / "m.safetensors")
    again = strop.models.load_model(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_a_mask_ends_at_a_convolution_with_a_warning():
    layers = strop.layers
    with pytest.warns(
        UserWarning, match="the mask of 'embedding' ends at Conv1D 'conv1d', which cannot use it"
    ):
        strop.Sequential([layers.Embedding(9, 4, mask_zero=True), layers.Conv1D(2, 3)]).build((None, 6))


def built(layer, *shape):
    layer.build_once((None, *shape))
    return layer


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: Conv2D(0, 3), ValueError, "Conv2D: filters must be 1 or more; got 0"),
        (lambda: Conv2D(2.5, 3), TypeError, "Conv2D: filters must be an int; got float"),
        (
            lambda: Conv2D(2, 0),
            ValueError,
            "Conv2D: kernel_size must be 2 ints of 1 or more; got 0",
        ),
        (
            lambda: Conv1D(2, (3, 3)),
            ValueError,
            "Conv1D: kernel_size must be an int of 1 or more; got (3, 3)",
        ),
        (
            lambda: Conv2D(2, 3, strides=(1, -1)),
            ValueError,
            "Conv2D: strides must be 2 ints of 1 or more; got (1, -1)",
        ),
        (
            lambda: Conv2D(2, 3, dilation_rate=True),
            TypeError,
            "Conv2D: dilation_rate must be 2 ints of 1 or more; got True",
        ),
        (
            lambda: Conv2D(2, 3, padding="causal"),
            ValueError,
            "Conv2D: padding must be 'valid' or 'same'; got 'causal'",
        ),
        (
            lambda: Conv1D(2, 3, padding=1),
            ValueError,
            "Conv1D: padding must be 'valid', 'same' or 'causal'; got 1",
        ),
        (
            lambda: Conv2D(2, 3, data_format="channels_first"),
            ValueError,
            "Conv2D: data_format must be 'channels_last'; got 'channels_first'; move the channels to the last axis",
        ),
        (lambda: Conv2D(4, 3, groups=3), ValueError, "Conv2D: groups must divide filters (4); got 3"),
        (
            lambda: Conv2D(2, 3, kernal_initializer="ones"),
            TypeError,
            "Conv2D: keywords must be known ones; got 'kernal_initializer'; did you mean 'kernel_initializer'",
        ),
        (
            lambda: built(Conv2D(2, 3), 28, 28),
            ValueError,
            "Conv2D 'conv2d': inputs must have 4 axes (batch, height, width, channels); got shape (None, 28, 28)",
        ),
        (
            lambda: built(Conv1D(2, 3), 28),
            ValueError,
            "Conv1D 'conv1d': inputs must have 3 axes (batch, steps, channels); got shape (None, 28)",
        ),
        (
            lambda: built(Conv2D(2, 3), 28, 28, None),
            ValueError,
            "Conv2D 'conv2d': inputs must have a known last axis; got shape (None, 28, 28, None)",
        ),
        (
            lambda: built(Conv2D(2, 3, dilation_rate=2), 4, 28, 1),
            ValueError,
            "Conv2D 'conv2d': inputs must be as long as the window, 5, on every axis; got shape (None, 4, 28, 1); "
            "padding='same' adds zeros",
        ),
        (
            lambda: built(Conv2D(4, 3, groups=2), 8, 8, 3),
            ValueError,
            "Conv2D 'conv2d': inputs must have a last axis that groups (2) divides; got shape (None, 8, 8, 3)",
        ),
        (
            lambda: built(Conv2D(4, 3), 8, 8, 3)(np.zeros((1, 8, 8, 2))),
            ValueError,
            "Conv2D 'conv2d': inputs must have 4 axes, the last of 3; got shape (1, 8, 8, 2)",
        ),
        (
            lambda: DepthwiseConv2D(3, depth_multiplier=0),
            ValueError,
            "DepthwiseConv2D: depth_multiplier must be 1 or more; got 0",
        ),
        (
            lambda: built(SeparableConv2D(3, 3), 8, 8),
            ValueError,
            "SeparableConv2D 'separable_conv2d': inputs must have 4 axes (batch, height, width, channels); got shape "
            "(None, 8, 8)",
        ),
    ],
)
def test_a_layer_refuses(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == text
