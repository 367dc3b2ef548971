"""Rescaling and Normalization: their numbers, Keras' with the same settings, and moments of any data."""

from __future__ import annotations

import numpy as np
import pytest

import strop
from conftest import import_keras
from strop.layers import Dense, Normalization, Rescaling
from strop.preprocessing.moments import BLOCK_BYTES, Moments, blocks


def test_pixels_are_rescaled():
    layer = Rescaling(1 / 255, -0.5)
    np.testing.assert_allclose(layer(np.array([[255, 0]], np.uint8)), [[0.5, -0.5]])
    assert layer(np.zeros((0, 3))).shape == (0, 3)
    per_channel = Rescaling([1.0, 10.0], [0.0, 1.0], dtype="float64")
    assert per_channel(np.ones((2, 3, 2))).tolist() == [[[1, 11]] * 3] * 2


def test_a_constant_feature_is_only_centred():
    layer = Normalization()
    layer.adapt(np.array([[1, 7], [3, 7]]))
    assert layer(np.array([[1, 7], [5, 8]])).tolist() == [[-1, 0], [3, 1]]
    # 0.1 summed three million times is not three million tenths, yet it is constant.
    layer = Normalization(dtype="float64")
    layer.adapt(np.full((3_000_000, 1), 0.1))
    assert [w.tolist() for w in layer.get_weights()] == [[0.1], [0.0]]
    back = Normalization(invert=True)
    back.adapt(np.array([[1, 7], [3, 7]]))
    assert back(np.array([[-1, 0], [3, 1]])).tolist() == [[1, 7], [5, 8]]


CASES = [
    ({}, (6, 5)),
    ({"axis": -1}, (4, 3, 5)),
    ({"axis": 1}, (4, 3, 5)),
    ({"axis": (1, 2)}, (4, 3, 5)),
    ({"axis": (2, 1)}, (4, 3, 5)),
    ({"axis": None}, (7, 4)),
    ({"axis": -1, "invert": True}, (6, 5)),
    ({"mean": 3.0, "variance": 2.0}, (6, 5)),
    ({"mean": [1.0, 2, 3, 4, 5], "variance": [2.0, 1, 1, 1, 4]}, (6, 5)),
    ({"axis": None, "mean": 3.0, "variance": 2.0}, (6, 5)),
    ({"axis": (1, 2), "mean": [1.0, 2, 3, 4, 5], "variance": [2.0, 1, 1, 1, 4]}, (4, 3, 5)),
]


@pytest.mark.parametrize(("settings", "shape"), CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normalization_is_that_of_keras(rng, settings, shape, dtype):
    keras = import_keras()
    x = rng.normal(3, 2, shape)
    ours, theirs = Normalization(**settings, dtype=dtype), keras.layers.Normalization(**settings, dtype=dtype)
    if "mean" not in settings:
        ours.adapt(x)
        theirs.adapt(x)
    else:
        theirs.build(shape)
    want = np.asarray(theirs(x.astype(dtype)))
    np.testing.assert_allclose(ours(x), want, rtol=1e-5, atol=1e-6)  # Keras: float32 in both
    again = Normalization.from_config(ours.get_config())
    again.build_once((None, *shape[1:]))
    again.set_weights(ours.get_weights())
    np.testing.assert_array_equal(again(x), ours(x))


@pytest.mark.parametrize(
    "settings", [{"scale": 1 / 127.5, "offset": -1}, {"scale": [1.0, 2.0], "offset": 0.5}]
)
def test_rescaling_is_that_of_keras(rng, settings):
    keras = import_keras()
    x = rng.integers(0, 256, (3, 4, 2)).astype(np.uint8)
    np.testing.assert_allclose(
        Rescaling(**settings)(x), keras.layers.Rescaling(**settings)(x), rtol=1e-6, atol=1e-6
    )
    again = Rescaling.from_config(Rescaling(**settings).get_config())
    np.testing.assert_array_equal(again(x), Rescaling(**settings)(x))


def test_moments_do_not_depend_on_how_the_data_comes(rng, tmp_path):
    x = rng.normal(1e6, 1, (5000, 3))  # float32 sums of squares would have no digit left
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    ways = [x, mapped, x.tolist(), [x[:1], x[1:4000], x[4000:]], (x[i : i + 7] for i in range(0, 5000, 7))]
    ways.append((x[i : i + 999], np.zeros(3)) for i in range(0, 5000, 999))
    for data in ways:
        layer = Normalization(dtype="float64")
        layer.adapt(data)
        mean, variance = layer.get_weights()
        np.testing.assert_allclose(mean, x.mean(axis=0), rtol=1e-14)
        np.testing.assert_allclose(variance, x.var(axis=0), rtol=1e-10)
    layer.adapt(iter([x[:10], x]), steps=1)
    np.testing.assert_allclose(layer.get_weights()[0], x[:10].mean(axis=0), rtol=1e-14)


def test_blocks_are_small_and_nan_passes():
    data = np.zeros((3 * BLOCK_BYTES // 8, 1), np.uint8)
    assert [len(b) for b in blocks("adapt", data)] == [BLOCK_BYTES // 8] * 3
    moments = Moments((1,))
    moments.add(np.array([[1.0, np.nan, np.inf], [3.0, 2.0, 0.0]]))
    assert moments.mean[0] == 2
    assert np.isnan(moments.mean[1])
    assert np.isnan(moments.variance[2])


@pytest.mark.parametrize("layer", [Rescaling([2.0, -0.5], 3.0), Normalization(), Normalization(invert=True)])
def test_gradients_by_the_input(rng, layer):
    x, grad = rng.normal(size=(4, 2)), rng.normal(size=(4, 2))
    layer = type(layer).from_config({**layer.get_config(), "dtype": "float64"})
    if isinstance(layer, Normalization):
        layer.adapt(x)
    layer.build_once((None, 2))
    y, saved = layer.forward(x)
    slope = (layer.forward(x + 1)[0] - y) * grad
    np.testing.assert_allclose(layer.backward(grad, saved)[0], slope, rtol=1e-9)
    assert layer.backward(grad, saved, need_x=False) == (None, [])


def test_a_model_keeps_its_moments_in_the_file(rng, tmp_path):
    x = rng.normal(5, 3, (64, 4))
    normalization = Normalization(input_shape=(4,))
    normalization.adapt(x)
    model = strop.Sequential([normalization, Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    model.fit(x, x.sum(axis=1), verbose=0)
    model.save(tmp_path / "m.safetensors")
    again = strop.models.load_model(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    np.testing.assert_allclose(again.layers[0].get_weights()[0], x.mean(axis=0), rtol=1e-6)
    assert [v.name for v in again.layers[0].variables] == ["mean", "variance"]


def adapted(layer, *batches):
    layer.adapt(iter(batches))


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: Rescaling("big"), TypeError, "Rescaling: scale must be a number or a list of them; got str"),
        (lambda: Rescaling(1, [np.nan]), ValueError, "Rescaling: offset must be finite; got nan"),
        (
            lambda: Rescaling([[1.0]]),
            ValueError,
            "Rescaling: scale must be a number or have one for each channel; got shape (1, 1)",
        ),
        (
            lambda: Rescaling([1.0, 2.0])(np.ones((2, 3))),
            ValueError,
            "Rescaling 'rescaling': inputs must have last axis 2 like scale; got shape (None, 3)",
        ),
        (
            lambda: Normalization(mean=1.0),
            ValueError,
            "Normalization: mean and variance must be given together; got one of them",
        ),
        (
            lambda: Normalization(mean=[1.0], variance=[1.0, 2.0]),
            ValueError,
            "Normalization: mean and variance must have one shape of at most 1 axes; got (1,) and (2,)",
        ),
        (
            lambda: Normalization(mean=1.0, variance=-1.0),
            ValueError,
            "Normalization: variance must be 0 or more; got -1.0",
        ),
        (
            lambda: Normalization(mean=[1.0, 2.0], variance=[1.0, 2.0])(np.ones((2, 3))),
            ValueError,
            "Normalization 'normalization': mean must fit the shape (3,) of axis -1; got (2,)",
        ),
        (
            lambda: Normalization(axis=0)(np.ones((2, 3))),
            ValueError,
            "Normalization 'normalization': axis must name axes of known length behind the batch; "
            "got 0 for inputs of shape (None, 3)",
        ),
        (
            lambda: Normalization(axis=3)(np.ones((2, 3))),
            ValueError,
            "Normalization 'normalization': axis must name axes of known length behind the batch; "
            "got 3 for inputs of shape (None, 3)",
        ),
        (
            lambda: Normalization(mean=1.0, variance=1.0).adapt([[1.0]]),
            ValueError,
            "Normalization 'normalization': adapt must find mean and variance; got both from the constructor",
        ),
        (
            lambda: adapted(Normalization(), np.ones((2, 3)), np.ones((2, 4))),
            ValueError,
            "Normalization 'normalization': data must have shape (None, 3) like the layer; got (2, 4)",
        ),
        (
            lambda: adapted(Normalization()),
            ValueError,
            "Normalization 'normalization': data must have a sample; got none",
        ),
        (
            lambda: Normalization().adapt(np.array(["a"])),
            TypeError,
            "Normalization 'normalization': data must be arrays of numbers with an axis of samples; got <U1 (1,)",
        ),
    ],
)
def test_refusals(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == text
