from __future__ import annotations

import numpy as np
import pytest

import strop
from strop import initializers
from strop.layers import Activation, Dense, Dropout, Embedding, Flatten, GlobalAveragePooling1D, Input
from strop.rowgrad import RowGrad

TABLE = np.array([[9, 9], [1, 2], [3, 4], [5, 6]])
IDS = np.array([[0, 0, 1, 2], [0, 0, 0, 0], [3, 0, 3, 1]])
UPSTREAM = np.array([[1.0, 10], [100, 100], [3, 6]], np.float32)


def gradients(layer, x, **passed):
    """Every gradient of sum(output * upstream), and the same by differences in float64."""
    y, saved = layer.forward(x, training=True, **passed)
    upstream = np.random.default_rng(5).normal(size=y.shape)
    grad_x, grads = layer.backward(upstream, saved)

    def value():
        return float((layer.forward(x, training=True, **passed)[0] * upstream).sum())

    def difference(array):
        result = np.zeros_like(array)
        for at in np.ndindex(array.shape):
            kept = array[at]
            array[at] = kept + 1e-6
            high = value()
            array[at] = kept - 1e-6
            result[at] = (high - value()) / 2e-6
            array[at] = kept
        return result

    return (
        grad_x,
        difference(x) if x.dtype.kind == "f" else None,
        grads,
        [difference(v._value) for v in layer.trainable_variables],
    )


@pytest.mark.parametrize(
    "layer",
    [
        Dense(3, dtype="float64"),
        Dense(3, activation="tanh", dtype="float64", bias_initializer="random_normal"),
        Dense(3, activation="gelu", dtype="float64"),
        Dense(3, activation="softmax", use_bias=False, dtype="float64"),
        Activation("sigmoid", dtype="float64"),
        Flatten(dtype="float64"),
        GlobalAveragePooling1D(dtype="float64"),
        GlobalAveragePooling1D(keepdims=True, dtype="float64"),
    ],
    ids=repr,
)
def test_gradients_are_finite_differences(layer, rng):
    x = rng.normal(size=(2, 4, 5))
    layer.build_once((None, 4, 5))
    grad_x, by_x, grads, by_weights = gradients(layer, x)
    np.testing.assert_allclose(grad_x, by_x, atol=1e-7)
    for got, want in zip(grads, by_weights, strict=True):
        np.testing.assert_allclose(got, want, atol=1e-7)


def test_pooling_under_a_mask_is_a_finite_difference(rng):
    layer = GlobalAveragePooling1D(dtype="float64")
    mask = np.array([[True, False, True], [False, False, False]])
    grad_x, by_x, *_ = gradients(layer, rng.normal(size=(2, 3, 2)), mask=mask)
    np.testing.assert_allclose(grad_x, by_x, atol=1e-8)


@pytest.mark.parametrize(
    ("mask_zero", "output", "gradient"),
    [
        (True, [[2, 3], [0, 0], [11 / 3, 14 / 3]], [[0, 0], [1.5, 7], [0.5, 5], [2, 4]]),
        (False, [[5.5, 6], [9, 9], [5, 5.75]], None),
    ],
)
def test_embedding_and_pooling_with_and_without_a_mask(mask_zero, output, gradient):
    embedding = Embedding(4, 2, mask_zero=mask_zero, weights=[TABLE])
    pooling = GlobalAveragePooling1D()
    embedding.build_once((None, 4))
    rows, saved = embedding.forward(IDS)
    mask = embedding.compute_mask(IDS, None)
    pooled, pool_saved = pooling.forward(rows, mask=mask)
    np.testing.assert_allclose(pooled, output, rtol=1e-6)
    grad_rows, _ = pooling.backward(UPSTREAM, pool_saved)
    _, (grad,) = embedding.backward(grad_rows, saved)
    assert isinstance(grad, RowGrad)
    if gradient is not None:
        np.testing.assert_allclose(grad.to_dense(), gradient, rtol=1e-6)


def test_a_masked_nan_reaches_nobody():
    x = np.array([[[1.0], [np.nan]]], np.float32)
    pooled, _ = GlobalAveragePooling1D().forward(x, mask=np.array([[True, False]]))
    assert pooled.tolist() == [[1.0]]


def test_dropout_scales_what_it_keeps():
    strop.utils.set_random_seed(1)
    x = np.ones((200, 100), np.float32)
    y, saved = Dropout(0.25).forward(x, training=True)
    assert set(np.unique(y)) == {0, np.float32(1 / 0.75)}
    assert abs((y == 0).mean() - 0.25) < 0.01
    np.testing.assert_array_equal(Dropout(0.25).backward(x, saved)[0], y)
    np.testing.assert_array_equal(Dropout(0.25)(x), x)
    assert (Dropout(1).forward(x, training=True)[0] == 0).all()
    first, second = (Dropout(0.5, seed=7).forward(x, training=True)[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_noise_shape_shares_the_draw():
    y, _ = Dropout(0.5, noise_shape=(None, 1), seed=3).forward(np.ones((50, 4), np.float32), training=True)
    assert (y == y[:, :1]).all()


def test_flatten_makes_a_column_of_a_row():
    assert Flatten()(np.zeros(3)).shape == (3, 1)


def test_weights_are_copies_and_are_checked_before_they_are_set():
    layer = Dense(2, kernel_initializer=initializers.Ones())
    layer(np.zeros((1, 3)))
    weights = layer.get_weights()
    weights[0][:] = 7
    assert (layer.get_weights()[0] == 1).all()
    with pytest.raises(ValueError, match=r"dense/bias must have shape \(2,\); got \(3,\)"):
        layer.set_weights([np.zeros((3, 2)), np.zeros(3)])
    assert (layer.get_weights()[0] == 1).all()
    layer.set_weights([np.zeros((3, 2)), np.ones(2)])
    assert layer.count_params() == 8


@pytest.mark.parametrize(
    "layer",
    [
        Dense(3, "relu", kernel_regularizer="l2", bias_constraint=strop.constraints.MaxNorm(2)),
        Embedding(7, 2, mask_zero=True, input_length=5),
        Activation(strop.activations.Activation("elu", alpha=0.5)),
        Dropout(0.5, seed=3),
        GlobalAveragePooling1D(keepdims=True),
        Flatten(name="flat"),
    ],
    ids=repr,
)
def test_a_layer_comes_back_from_its_config(layer):
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: Dense(0), ValueError, "Dense: units must be 1 or more; got 0"),
        (lambda: Dense(2.5), TypeError, "Dense: units must be an int; got float"),
        (
            lambda: Dense(2, activation="rellu"),
            ValueError,
            "Dense: activation must be a known name, an Activation or a callable; got 'rellu'; did you mean 'relu'",
        ),
        (
            lambda: Dense(2, activaton="relu"),
            TypeError,
            "Dense: keywords must be known ones; got 'activaton'; did you mean 'activation'",
        ),
        (lambda: Dropout(1.5), ValueError, "Dropout: rate must lie in [0, 1]; got 1.5"),
        (lambda: Input(5), TypeError, "Input: shape must be a tuple; got 5; write (5,)"),
        (
            lambda: Embedding(4, 2)(np.array([[0, 4]])),
            IndexError,
            "Embedding 'embedding': ids must lie in [0, 4); got 4 at (0, 1); input_dim is the largest id plus 1",
        ),
        (
            lambda: Embedding(4, 2)(np.array([[0, -1]])),
            IndexError,
            "Embedding 'embedding': ids must lie in [0, 4); got -1 at (0, 1); input_dim is the largest id plus 1",
        ),
        (
            lambda: Embedding(4, 2)(np.array([[0.5]])),
            TypeError,
            "Embedding 'embedding': ids must be whole numbers; got float64 with fractions",
        ),
        (
            lambda: Embedding(4, 2, weights=np.zeros((3, 2))),
            ValueError,
            "Embedding: weights must have shape (4, 2); got (3, 2)",
        ),
    ],
)
def test_a_layer_refuses(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == text
