"""Pictures changed at random: exact special cases, Keras with the draw pinned, moments, gradients, seeds."""

from __future__ import annotations

import numpy as np
import pytest

import strop
from conftest import import_keras
from strop.layers import (
    Dense,
    Flatten,
    RandomCrop,
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
)
from strop.layers.sampling import Sampling

FILL_MODES = ["reflect", "wrap", "constant", "nearest"]


@pytest.fixture
def pictures(rng):
    return rng.normal(size=(3, 6, 5, 2)).astype(np.float32)


LAYERS = [
    RandomFlip("horizontal", seed=3),
    RandomFlip(seed=3),
    RandomTranslation(0.3, 0.2, seed=3),
    RandomRotation(0.2, fill_mode="constant", fill_value=0.5, seed=3),
    RandomZoom(0.3, (-0.2, 0.5), fill_mode="wrap", seed=3),
    RandomZoom(0.3, fill_mode="nearest", interpolation="nearest", seed=3),
    RandomCrop(4, 3, seed=3),
]


def again(layer, **changed):
    return type(layer).from_config({**layer.get_config(), **changed})


# ---- special cases ----------------------------------------------------------


def test_flips_are_flips(pictures):
    for mode, axes in (("horizontal", (2,)), ("vertical", (1,)), ("horizontal_and_vertical", (1, 2))):
        y, flipped = RandomFlip(mode, seed=5).forward(np.repeat(pictures, 9, axis=0), training=True)
        for before, after, turned in zip(np.repeat(pictures, 9, axis=0), y, flipped, strict=True):
            np.testing.assert_array_equal(after, np.flip(before, [a - 1 for a in axes]) if turned else before)
        assert 0 < flipped.sum() < len(flipped)


@pytest.mark.parametrize("turns", [1, 2, 3, 4])
@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_quarter_turns_give_the_pixels_themselves(rng, turns, fill_mode):
    x = rng.normal(size=(4, 7, 7, 3)).astype(np.float32)
    layer = RandomRotation((turns / 4, turns / 4), fill_mode=fill_mode)
    np.testing.assert_array_equal(layer(x, training=True), np.rot90(x, turns, axes=(1, 2)))


def test_whole_shifts_give_the_pixels_themselves(pictures):
    down, right = (2 / 6, 2 / 6), (-1 / 5, -1 / 5)
    for mode, pad in (
        ("reflect", "symmetric"),
        ("wrap", "wrap"),
        ("constant", "constant"),
        ("nearest", "edge"),
    ):
        y = RandomTranslation(down, right, fill_mode=mode)(pictures, training=True)
        padded = np.pad(pictures, [(0, 0), (2, 0), (0, 1), (0, 0)], mode=pad)
        np.testing.assert_array_equal(y, padded[:, :6, 1:], err_msg=mode)


def test_a_crop_is_a_part_of_its_picture(pictures):
    y = RandomCrop(4, 3, seed=1)(np.repeat(pictures, 20, axis=0), training=True)
    found = set()
    for picture, part in zip(np.repeat(pictures, 20, axis=0), y, strict=True):
        places = [
            (i, j) for i in range(3) for j in range(3) if np.array_equal(picture[i : i + 4, j : j + 3], part)
        ]
        assert len(places) == 1
        found |= set(places)
    assert len(found) == 9  # every place is drawn


# ---- Keras ------------------------------------------------------------------


@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("RandomTranslation", {"height_factor": (0.31, 0.31), "width_factor": (-0.77, -0.77)}),
        ("RandomTranslation", {"height_factor": (-0.07, -0.07), "width_factor": (0.0, 0.0)}),
        ("RandomRotation", {"factor": (0.13, 0.13)}),
        ("RandomRotation", {"factor": (-0.4, -0.4)}),
        ("RandomZoom", {"height_factor": (0.37, 0.37), "width_factor": (-0.41, -0.41)}),
        ("RandomZoom", {"height_factor": (0.9, 0.9)}),
    ],
)
def test_a_pinned_draw_gives_what_keras_gives(pictures, name, settings, fill_mode, interpolation):
    keras = import_keras()
    pytest.importorskip("scipy", reason="Keras' NumPy back end needs it for these layers")
    settings = {**settings, "fill_mode": fill_mode, "interpolation": interpolation, "fill_value": 0.25}
    theirs = np.asarray(getattr(keras.layers, name)(**settings)(pictures, training=True))
    ours = getattr(strop.layers, name)(**settings)(pictures, training=True)
    # Keras works out places in float32: 1e-6 of a pixel, times slopes of a few units.
    np.testing.assert_allclose(ours, theirs, atol=2e-5)


@pytest.mark.parametrize("size", [(4, 3), (6, 5), (3, 5), (8, 9), (12, 10), (1, 4)])
def test_crops_that_are_made_to_fit_are_as_keras_documents_them(pictures, size):
    # Keras 3.15 itself leaves pictures as they are outside of training, which gives a model two shapes.
    keras = import_keras()
    pytest.importorskip("scipy", reason="Keras' NumPy back end needs it for this")
    theirs = np.asarray(keras.ops.image.resize(pictures, size, crop_to_aspect_ratio=True))
    np.testing.assert_allclose(RandomCrop(*size)(pictures), theirs, atol=1e-5)
    if size[0] >= 6 or size[1] >= 5:  # too small to be cropped
        np.testing.assert_allclose(RandomCrop(*size)(pictures, training=True), theirs, atol=1e-5)


# ---- draws ------------------------------------------------------------------


def test_every_picture_has_a_draw_of_its_own_of_the_right_range(rng):
    ramp = np.tile(np.arange(101.0)[None, None, :, None], (4000, 1, 1, 1)).astype(np.float32)
    y = RandomTranslation(0.0, (-0.1, 0.3), fill_mode="nearest", seed=1)(ramp, training=True)
    shift = 50 - y[:, 0, 50, 0]  # the picture is its own coordinate
    assert shift.min() >= -10.1
    assert shift.max() <= 30.3
    assert shift.mean() == pytest.approx(10.1, abs=0.6)  # 101 columns by -.1 to .3; six standard errors
    assert shift.std() == pytest.approx(40.4 / 12**0.5, abs=0.6)
    flipped = RandomFlip("horizontal", seed=1).forward(ramp, training=True)[1]
    assert flipped.mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_a_seed_repeats_the_draws_and_each_batch_has_others(pictures, layer):
    first, second = again(layer), again(layer)
    with strop.config.threads(3):
        runs = [first(pictures, training=True) for _ in range(3)]
    assert [y.tobytes() for y in runs] == [second(pictures, training=True).tobytes() for _ in range(3)]
    assert len({y.tobytes() for y in runs}) > 1
    unseeded = again(layer, seed=None)
    strop.utils.set_random_seed(4)
    one = unseeded(pictures, training=True)
    strop.utils.set_random_seed(4)
    np.testing.assert_array_equal(one, unseeded(pictures, training=True))


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_outside_of_training_pictures_pass_through(pictures, layer):
    if isinstance(layer, RandomCrop):
        assert layer(pictures).shape == (3, 4, 3, 2)
        assert layer.compute_output_shape((None, 6, 5, 2)) == (None, 4, 3, 2)
    else:
        np.testing.assert_array_equal(layer(pictures), pictures)
    before = pictures.copy()
    layer(pictures, training=True)
    np.testing.assert_array_equal(pictures, before)
    assert layer(pictures[:0], training=True).shape[0] == 0


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_the_gradient_is_adjoint(rng, layer, training):
    layer = again(layer, dtype="float64")
    x = rng.normal(size=(3, 6, 5, 2))
    layer.build_once((None, 6, 5, 2))
    y, saved = layer.forward(x, training=training)
    offset = 0 * x
    grad = rng.normal(size=y.shape)
    if saved is not None and isinstance(saved, Sampling):
        offset = saved.forward(0 * x)  # of the constant
    got, grads = layer.backward(grad, saved)
    assert grads == []
    np.testing.assert_allclose((got * x).sum(), (grad * (y - offset)).sum(), rtol=1e-12)
    assert layer.backward(grad, saved, need_x=False) == (None, [])


def test_a_pixel_that_is_not_read_may_be_nan(pictures):
    pictures[:, 0] = np.nan
    down = RandomTranslation((-0.5, -0.5), 0.0, fill_mode="constant")
    assert np.isfinite(down(pictures, training=True)).all()
    assert np.isnan(RandomFlip(seed=1)(pictures, training=True)).sum() == 30


# ---- in a model -------------------------------------------------------------


def test_a_model_with_augmentation_goes_on_after_a_load_bit_for_bit(rng, tmp_path):
    x, y = rng.normal(size=(40, 6, 6, 1)), rng.integers(0, 2, 40)
    models = []
    for way in ("whole", "saved"):
        strop.utils.set_random_seed(2)
        model = strop.Sequential(
            [
                strop.Input((6, 6, 1)),
                RandomFlip("horizontal"),
                RandomTranslation(0.1, 0.1, seed=7),
                RandomRotation(0.05),
                Flatten(),
                Dense(1, activation="sigmoid"),
            ]
        )
        model.compile(optimizer="adam", loss="binary_crossentropy")
        if way == "whole":
            model.fit(x, y, epochs=4, verbose=0)
        else:
            model.fit(x, y, epochs=2, verbose=0)
            model.save(tmp_path / "m.safetensors")
            strop.utils.set_random_seed(99)
            model = strop.models.load_model(tmp_path / "m.safetensors")
            model.fit(x, y, epochs=2, verbose=0)
        models.append(b"".join(w.tobytes() for w in model.get_weights()))
    assert models[0] == models[1]


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (
            lambda: RandomFlip("sideways"),
            ValueError,
            "RandomFlip: mode must be one of 'horizontal', 'vertical', 'horizontal_and_vertical'; got 'sideways'",
        ),
        (lambda: RandomRotation(1.5), ValueError, "RandomRotation: factor must lie in [-1, 1]; got 1.5"),
        (
            lambda: RandomTranslation((0.1, 0.2, 0.3), 0.1),
            ValueError,
            "RandomTranslation: height_factor must lie in [-1, 1]; got (0.1, 0.2, 0.3)",
        ),
        (
            lambda: RandomZoom(0.1, (-1.0, 0.0)),
            ValueError,
            "RandomZoom: width_factor must lie in (-1, 1]; got (-1.0, 0.0)",
        ),
        (
            lambda: RandomRotation(0.1, fill_mode="mirror"),
            ValueError,
            "RandomRotation: fill_mode must be one of 'reflect', 'wrap', 'constant', 'nearest'; got 'mirror'",
        ),
        (
            lambda: RandomZoom(0.1, interpolation="cubic"),
            ValueError,
            "RandomZoom: interpolation must be one of 'nearest', 'bilinear'; got 'cubic'",
        ),
        (
            lambda: RandomFlip(data_format="channels_first"),
            ValueError,
            "RandomFlip: data_format must be 'channels_last'; got 'channels_first'; move the channels to the last axis",
        ),
        (lambda: RandomCrop(0, 3), ValueError, "RandomCrop: height must be 1 or more; got 0"),
        (lambda: RandomFlip(seed=-1), ValueError, "RandomFlip: seed must lie in [0, 2**32); got -1"),
        (
            lambda: RandomFlip()(np.zeros((2, 28, 28))),
            ValueError,
            "RandomFlip 'random_flip': inputs must have 4 axes (batch, height, width, channels); "
            "got shape (None, 28, 28)",
        ),
        (
            lambda: RandomCrop(2, 2)(np.zeros((1, 0, 3, 1))),
            ValueError,
            "RandomCrop 'random_crop': inputs must have a pixel; got shape (1, 0, 3, 1)",
        ),
    ],
)
def test_refusals(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == text
