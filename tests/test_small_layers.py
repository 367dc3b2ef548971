"""Layers without weights: merges, other shapes, activations with a name, noise."""

from __future__ import annotations

import re

import numpy as np
import pytest

import strop
from conftest import import_keras
from strop.layers import (
    ELU,
    Add,
    Average,
    Concatenate,
    Dropout,
    Flatten,
    GaussianNoise,
    LeakyReLU,
    Maximum,
    Minimum,
    Multiply,
    Permute,
    ReLU,
    RepeatVector,
    Reshape,
    Softmax,
    SpatialDropout1D,
    Subtract,
)
from strop.training.plan import Plan
from tolerance import ulps

#: What makes a layer, and the shape of its input.
ONE_INPUT = {
    "relu": (lambda **s: ReLU(**s), (3, 4)),
    "relu with all": (lambda **s: ReLU(max_value=1.5, negative_slope=0.1, threshold=0.5, **s), (3, 4)),
    "relu of nothing": (lambda **s: ReLU(max_value=0, **s), (3, 4)),
    "leaky relu": (lambda **s: LeakyReLU(**s), (3, 4)),
    "elu": (lambda **s: ELU(alpha=0.5, **s), (3, 4)),
    "softmax": (lambda **s: Softmax(**s), (3, 4)),
    "softmax of an axis": (lambda **s: Softmax(axis=1, **s), (3, 4)),
    "softmax of two axes": (lambda **s: Softmax(axis=[1, -1], **s), (3, 2, 4)),
    "reshape": (lambda **s: Reshape((4, 3), **s), (2, 6)),
    "reshape by -1": (lambda **s: Reshape((2, -1), **s), (4, 3)),
    "reshape to a row": (lambda **s: Reshape((-1,), **s), (4, 3)),
    "permute": (lambda **s: Permute((2, 1), **s), (3, 4)),
    "permute three": (lambda **s: Permute((3, 1, 2), **s), (2, 3, 4)),
    "repeat": (lambda **s: RepeatVector(3, **s), (4,)),
    "flatten": (lambda **s: Flatten(**s), (3, 4)),
}
#: The same with the shapes of several inputs.
SEVERAL_INPUTS = {
    "add": (Add, [(3, 4)] * 3),
    "add broadcast": (Add, [(3, 4), (1, 4), (4,)]),
    "subtract": (Subtract, [(3, 4), (3, 1)]),
    "multiply": (Multiply, [(3, 4), (3, 4), (1,)]),
    "average": (Average, [(3, 4)] * 3),
    "maximum": (Maximum, [(3, 4)] * 3),
    "minimum": (Minimum, [(3, 4), (4,)]),
    "concatenate": (Concatenate, [(3, 4), (3, 1), (3, 2)]),
    "concatenate steps": (lambda **s: Concatenate(axis=1, **s), [(3, 4), (1, 4)]),
    "add one": (Add, [(3, 4)]),
}
CASES = {
    **{name: (make, shape) for name, (make, shape) in ONE_INPUT.items()},
    **{name: (make, shapes) for name, (make, shapes) in SEVERAL_INPUTS.items()},
}


def inputs(shape, rng, dtype, rows=5):
    if isinstance(shape, list):
        return [rng.normal(size=(rows, *one)).astype(dtype) for one in shape]
    return rng.normal(size=(rows, *shape)).astype(dtype)


def listed(x):
    return x if isinstance(x, list) else [x]


def built(make, shape, **settings):
    layer = make(**settings)
    layer.build_once([(None, *one) for one in shape] if isinstance(shape, list) else (None, *shape))
    return layer


@pytest.mark.parametrize(("make", "shape"), CASES.values(), ids=CASES)
def test_gradients_are_finite_differences(make, shape, rng):
    layer = built(make, shape, dtype="float64")
    x = inputs(shape, rng, "float64")
    y, saved = layer.forward(x, training=True)
    upstream = rng.normal(size=y.shape)
    grads, own = layer.backward(upstream, saved)
    assert own == []
    for array, grad in zip(listed(x), listed(grads), strict=True):
        assert grad.shape == array.shape
        assert grad.flags.c_contiguous
        for at in np.ndindex(array.shape):
            kept, sides = array[at], []
            for step in (1e-6, -1e-6):
                array[at] = kept + step
                sides.append((layer.forward(x, training=True)[0] * upstream).sum())
            array[at] = kept
            assert grad[at] == pytest.approx((sides[0] - sides[1]) / 2e-6, abs=1e-7)


@pytest.mark.parametrize("rows", [0, 1, 5])
@pytest.mark.parametrize(("make", "shape"), CASES.values(), ids=CASES)
def test_shapes_types_and_inputs_stay(make, shape, rows, rng, dtype):
    layer = built(make, shape, dtype=dtype.name)
    x = inputs(shape, rng, dtype, rows)
    before = [array.copy() for array in listed(x)]
    y, saved = layer.forward(x, training=True)
    known = [(None, *one) for one in shape] if isinstance(shape, list) else (None, *shape)
    assert (None, *y.shape[1:]) == layer.compute_output_shape(known)
    assert y.dtype == dtype
    assert y.flags.c_contiguous
    grads, _ = layer.backward(np.ones_like(y), saved)
    assert all(g.dtype == dtype and g.shape == a.shape for g, a in zip(listed(grads), listed(x), strict=True))
    for array, kept in zip(listed(x), before, strict=True):
        np.testing.assert_array_equal(array, kept)


@pytest.mark.parametrize("name", CASES)
def test_keras_gives_the_same_numbers(name, rng):
    keras = import_keras()
    make, shape = CASES[name]
    layer = built(make, shape, dtype="float32")
    config = {key: value for key, value in layer.get_config().items() if key != "name"}
    theirs = getattr(keras.layers, layer.op).from_config(config)
    if isinstance(config.get("axis"), list):
        theirs.axis = tuple(config["axis"])  # with its NumPy back end Keras takes no list
    x = inputs(shape, rng, "float32")
    want = np.asarray(theirs(x))
    np.testing.assert_allclose(layer(x), want, rtol=1e-6, atol=ulps(8, "float32"))
    assert list(layer.compute_output_shape([a.shape for a in x] if isinstance(x, list) else x.shape)) == list(
        want.shape
    )


@pytest.mark.parametrize(("make", "shape"), CASES.values(), ids=CASES)
def test_a_layer_comes_back_from_its_config(make, shape):
    layer = make()
    again = strop.layers.registry[layer.op].from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


def test_the_numbers_of_the_named_activations():
    x = np.array([[-4.0, -1, 0, 1, 4]])
    np.testing.assert_allclose(ReLU()(x), [[0, 0, 0, 1, 4]])
    np.testing.assert_allclose(LeakyReLU()(x), [[-1.2, -0.3, 0, 1, 4]], rtol=1e-6)
    np.testing.assert_allclose(ELU()(x), [[-0.981684, -0.632121, 0, 1, 4]], atol=1e-6)
    np.testing.assert_allclose(Softmax()(x), [[0.000312, 0.006267, 0.017035, 0.046306, 0.930080]], atol=1e-6)
    assert Flatten()(np.zeros(3)).shape == (3, 1)


def test_a_layer_of_an_activation_joins_the_matmul_and_the_loss(rng):
    x, y = rng.normal(size=(4, 3)), np.eye(3)[[0, 1, 2, 0]]
    for layer, last in ((ReLU(), "relu"), (Softmax(), "softmax")):
        loss = strop.losses.get("categorical_crossentropy" if last == "softmax" else "mse")
        dense = strop.layers.Dense(3, dtype="float64")
        dense.build_once((None, 3))
        plan = Plan([dense, layer], loss)
        assert len(plan.steps) == 1
        assert plan.ends_in_logits == (last == "softmax")
        same = Plan([dense, strop.layers.Activation(last)], loss)
        assert plan.test_step(x, y, None)[0] == same.test_step(x, y, None)[0]


# ---- merges --------------------------------------------------------------------


def test_merges_know_masks(rng):
    keras = import_keras()
    a, b = (rng.normal(size=(2, 3, 4)).astype("float32") for _ in range(2))
    first, second = np.array([[1, 1, 0], [0, 1, 0]], bool), np.array([[1, 0, 0], [1, 1, 0]], bool)
    for layer in (Add(), Average(), Multiply(), Maximum(), Minimum(), Concatenate(), Concatenate(axis=1)):
        for masks in ([first, second], [first, None], [None, None]):
            theirs = getattr(keras.layers, layer.op)(
                **({"axis": layer.axis} if layer.op == "Concatenate" else {})
            )
            mask = layer.compute_mask([a, b], masks)
            want = theirs.compute_mask([a, b], masks)
            assert (mask is None) == (want is None)
            if want is not None:
                np.testing.assert_array_equal(mask, np.asarray(want))
            assert layer.keeps_mask([m is not None for m in masks]) == (mask is not None)
            if layer.neutral is not None:
                layer.build_once([a.shape, b.shape])
                y, saved = layer.forward([a, b], mask=masks)
                grads, _ = layer.backward(np.ones_like(y), saved)
                for grad, own in zip(grads, masks, strict=True):
                    assert own is None or not grad[~own].any()
    y, _ = Multiply().forward([a, b], mask=[first, second])
    np.testing.assert_allclose(y[0, 0], a[0, 0] * b[0, 0], rtol=1e-6)
    np.testing.assert_allclose(y[0, 1], a[0, 1])  # the other is masked
    assert not y[0, 2].any()  # both are


def test_equal_inputs_share_the_gradient_of_a_maximum():
    x = np.array([[1.0, 5.0]])
    _, saved = Maximum().forward([x, x.copy()])
    assert [g.tolist() for g in Maximum().backward(np.ones((1, 2)), saved)[0]] == [[[0.5, 0.5]]] * 2
    nan = np.array([[np.nan, 1.0]])
    assert np.isnan(Maximum().forward([nan, np.zeros((1, 2))])[0][0, 0])


# ---- noise ---------------------------------------------------------------------


def test_gaussian_noise_is_normal_and_only_while_training(dtype):
    strop.utils.set_random_seed(2)
    x = np.full((300, 200), 3.0, dtype)
    layer = GaussianNoise(0.5)
    assert layer.forward(x)[0] is x
    y, saved = layer.forward(x, training=True)
    assert y.dtype == dtype
    noise = y - 3.0
    # Four standard errors of 60,000 draws: of the mean .5 / sqrt(n), of the deviation .5 / sqrt(2 n).
    assert abs(noise.mean()) < 4 * 0.5 / np.sqrt(x.size)
    assert abs(noise.std() - 0.5) < 4 * 0.5 / np.sqrt(2 * x.size)
    assert layer.backward(x, saved)[0] is x
    first, second = (GaussianNoise(1.0, seed=4).forward(x, training=True)[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert GaussianNoise(0).forward(x, training=True)[0] is x


def test_spatial_dropout_drops_whole_channels():
    strop.utils.set_random_seed(2)
    x = np.ones((100, 5, 40), np.float32)
    layer = SpatialDropout1D(0.25)
    y, saved = layer.forward(x, training=True)
    assert (y == y[:, :1]).all()
    assert set(np.unique(y)) == {0, np.float32(1 / 0.75)}
    assert abs((y[:, 0] == 0).mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 4000)
    np.testing.assert_array_equal(layer.backward(x, saved)[0], y)
    assert layer.get_config() == {
        "name": "spatial_dropout1d",
        "dtype": "float32",
        "trainable": True,
        "rate": 0.25,
        "seed": None,
    }


# ---- refused -------------------------------------------------------------------

REFUSED = {
    "ReLU: max_value must be a finite number of at least 0; got -1.0": lambda: ReLU(max_value=-1),
    "ReLU: negative_slope must be a finite number of at least 0; got -0.5": lambda: ReLU(negative_slope=-0.5),
    "LeakyReLU: negative_slope must be a finite number of at least 0; got nan": lambda: LeakyReLU(np.nan),
    "Softmax 'softmax': axis must name different axes of the inputs but the first; got 0 for shape (None, 3)": (
        lambda: built(lambda: Softmax(axis=0), (3,))
    ),
    "Softmax 'softmax': axis must name different axes of the inputs but the first; got [1, -2] for shape "
    "(None, 3, 2)": lambda: built(lambda: Softmax(axis=[1, -2]), (3, 2)),
    "Reshape: target_shape must be sizes, one of which may be -1; got (-1, -1)": lambda: Reshape((-1, -1)),
    "Reshape 'reshape': target_shape (3, 5) must hold the numbers of a sample; got shape (None, 4, 3)": (
        lambda: built(lambda: Reshape((3, 5)), (4, 3))
    ),
    "Reshape 'reshape': target_shape (5, -1) must hold the numbers of a sample; got shape (None, 4, 3)": (
        lambda: built(lambda: Reshape((5, -1)), (4, 3))
    ),
    "Permute: dims must be the numbers from 1, each once; got (0, 1)": lambda: Permute((0, 1)),
    "Permute 'permute': inputs must have 3 axes; got shape (None, 4)": lambda: built(
        lambda: Permute((2, 1)), (4,)
    ),
    "RepeatVector: n must be 1 or more; got 0": lambda: RepeatVector(0),
    "RepeatVector 'repeat_vector': inputs must have 2 axes (N, D); got shape (None, 3, 4)": lambda: built(
        lambda: RepeatVector(2), (3, 4)
    ),
    "Add 'add': inputs must have shapes that broadcast; got shapes (None, 3) and (None, 4)": lambda: built(
        Add, [(3,), (4,)]
    ),
    "Add 'add': inputs must be a list of tensors; got shape (None, 3)": lambda: built(Add, (3,)),
    "Subtract 'subtract': inputs must be 2; got 3 of shapes (None, 3) and (None, 3) and (None, 3)": (
        lambda: built(Subtract, [(3,)] * 3)
    ),
    "Concatenate 'concatenate': inputs must have equal shapes but on axis -1; got shapes (None, 3, 4) and "
    "(None, 2, 4)": lambda: built(Concatenate, [(3, 4), (2, 4)]),
    "Concatenate 'concatenate': inputs must have equal shapes but on axis -1; got shapes (None, 3) and "
    "(None, 2, 4)": lambda: built(Concatenate, [(3,), (2, 4)]),
    "Concatenate 'concatenate': axis must be one of the inputs' but the first; got 0 for shapes (None, 3) and "
    "(None, 3)": lambda: built(lambda: Concatenate(axis=0), [(3,), (3,)]),
    "GaussianNoise: stddev must be a finite number of at least 0; got -1.0": lambda: GaussianNoise(-1),
    "SpatialDropout1D 'spatial_dropout1d': inputs must have 3 axes (N, T, D); got shape (None, 4)": (
        lambda: built(lambda: SpatialDropout1D(0.5), (4,))
    ),
    "Dropout 'dropout': noise_shape must broadcast to the inputs; got (None, 2) for shape (None, 4)": (
        lambda: built(lambda: Dropout(0.5, noise_shape=(None, 2)), (4,))
    ),
    "Dropout 'dropout': noise_shape must broadcast to the inputs; got (None, 1) for shape (None, 4, 2)": (
        lambda: built(lambda: Dropout(0.5, noise_shape=(None, 1)), (4, 2))
    ),
}


@pytest.mark.parametrize(("text", "call"), REFUSED.items())
def test_a_layer_refuses(text, call):
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        call()


@pytest.mark.parametrize(
    ("text", "call"),
    {
        "Reshape: target_shape must be a tuple of ints; got 3": lambda: Reshape(3),
        "Reshape: target_shape must be a tuple of ints; got (2.5,)": lambda: Reshape((2.5,)),
        "Permute: dims must be a tuple of ints; got '21'": lambda: Permute("21"),
        "Softmax: axis must be an int or a list of ints; got 'x'": lambda: Softmax("x"),
        "Concatenate: axis must be an int; got float": lambda: Concatenate(1.5),
    }.items(),
)
def test_a_setting_of_another_kind_is_refused(text, call):
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        call()
