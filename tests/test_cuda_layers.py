"""Layers, losses, penalties and constraints on a GPU give the CPU's numbers."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import fake_cupy
import strop
from strop import _random, activations, constraints, losses, metrics, regularizers
from strop.layers import (
    ELU,
    Activation,
    Add,
    Average,
    Concatenate,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GaussianNoise,
    GlobalAveragePooling1D,
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
from tolerance import assert_near_cpu


def both(make: Any) -> tuple[Any, Any]:
    """The same layer or model on the host and on the GPU."""
    strop.utils.set_random_seed(3)
    ours = make()
    strop.utils.set_random_seed(3)
    with strop.device("cuda"):
        return ours, make()


# ---- layers --------------------------------------------------------------------

LAYERS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "dense relu": (lambda: Dense(5, activation="relu"), (7, 3)),
    "dense without bias": (lambda: Dense(5, use_bias=False), (7, 3)),
    "dense softmax": (lambda: Dense(5, activation="softmax"), (7, 3)),
    "dense gelu": (lambda: Dense(5, activation="gelu"), (7, 3)),
    "dense of sequences": (lambda: Dense(5, activation="tanh"), (2, 4, 3)),
    "dense of the callers function": (lambda: Dense(2, activation=square), (7, 3)),
    "activation": (lambda: Activation("elu"), (7, 3)),
    "softmax": (lambda: Activation("softmax"), (7, 3)),
    "flatten": (Flatten, (2, 4, 3)),
    "dropout": (lambda: Dropout(0.4), (33, 5)),
    "dropout seeded": (lambda: Dropout(0.4, seed=5), (33, 5)),
    "dropout all": (lambda: Dropout(1.0), (3, 5)),
    "dropout of channels": (lambda: Dropout(0.4, noise_shape=(None, 1, 5)), (3, 4, 5)),
    "dropout of whole channels": (lambda: SpatialDropout1D(0.4), (3, 4, 5)),
    "relu": (lambda: ReLU(max_value=1.0), (7, 3)),
    "leaky relu": (LeakyReLU, (7, 3)),
    "elu": (ELU, (7, 3)),
    "softmax layer": (Softmax, (7, 3)),
    "softmax of steps": (lambda: Softmax(axis=1), (3, 4, 5)),
    "reshape": (lambda: Reshape((5, -1)), (2, 4, 5)),
    "permute": (lambda: Permute((2, 1)), (2, 4, 3)),
    "repeat": (lambda: RepeatVector(3), (2, 4)),
    "pooling": (GlobalAveragePooling1D, (3, 4, 5)),
    "pooling keepdims": (lambda: GlobalAveragePooling1D(keepdims=True), (3, 4, 5)),
    "pooling of no steps": (GlobalAveragePooling1D, (3, 0, 5)),
}


def square(x: Any) -> Any:
    return np.multiply(x, x)


square.backward = lambda grad, x, y: grad * (2 * x)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("make", "shape"), LAYERS.values(), ids=LAYERS)
def test_a_layer_forward_and_backward(gpu, rng, make, shape):
    cpu, mine = both(make)
    if isinstance(cpu, Dense) and not hasattr(gpu.module, "matmul"):
        pytest.skip("no CUDA kernel of matmul yet")
    x = rng.standard_normal(shape).astype("float32")
    for layer in (cpu, mine):
        layer.build_once((None, *shape[1:]))
    assert all(v._value.device.id == 0 for v in mine.variables)
    strop.utils.set_random_seed(4)
    y, saved = cpu.forward(x, training=True)
    strop.utils.set_random_seed(4)
    y_gpu, saved_gpu = mine.forward(gpu.asarray(x), training=True)
    assert_near_cpu(gpu.host(y_gpu), y)
    grad = rng.standard_normal(y.shape).astype("float32")
    back, grads = cpu.backward(grad, saved)
    back_gpu, grads_gpu = mine.backward(gpu.asarray(grad), saved_gpu)
    assert_near_cpu(gpu.host(back_gpu), back)
    for got, want in zip(grads_gpu, grads, strict=True):
        assert_near_cpu(gpu.host(got), want)


@pytest.mark.parametrize(
    "layer", [Add(), Average(), Subtract(), Multiply(), Maximum(), Minimum(), Concatenate()], ids=repr
)
def test_a_merge_forward_and_backward(gpu, rng, layer):
    xs = [rng.standard_normal(shape).astype("float32") for shape in ((3, 4, 5), (3, 4, 5))]
    mask = [rng.random((3, 4)) < 0.6 for _ in xs]
    layer.build_once([x.shape for x in xs])
    y, saved = layer.forward(xs, mask=mask)
    on_gpu = [gpu.asarray(m) for m in mask]
    y_gpu, saved_gpu = layer.forward([gpu.asarray(x) for x in xs], mask=on_gpu)
    assert_near_cpu(gpu.host(y_gpu), y)
    joined = layer.compute_mask([gpu.asarray(x) for x in xs], on_gpu)
    assert np.array_equal(gpu.host(joined), layer.compute_mask(xs, mask))
    grad = rng.standard_normal(y.shape).astype("float32")
    backs, backs_gpu = layer.backward(grad, saved)[0], layer.backward(gpu.asarray(grad), saved_gpu)[0]
    for got, want in zip(backs_gpu, backs, strict=True):
        assert_near_cpu(gpu.host(got), want)


def test_noise_has_no_kernel(gpu):
    x = gpu.asarray(np.ones((2, 3), "float32"))
    layer = GaussianNoise(0.5)
    assert layer.forward(x)[0] is x
    text = "gaussian_noise: no CUDA kernel yet; move the arrays to the CPU with .get()"
    with pytest.raises(NotImplementedError, match=f"^{re.escape(text)}$"):
        layer.forward(x, training=True)


def test_masked_steps_are_left_out_of_the_mean(gpu, rng):
    x = rng.standard_normal((3, 4, 5)).astype("float32")
    mask = np.array([[True, False, True, True], [False] * 4, [True] * 4])
    x[0, 1] = np.nan
    layer = GlobalAveragePooling1D()
    y, saved = layer.forward(x, mask=mask)
    mine, saved_gpu = layer.forward(gpu.asarray(x), mask=gpu.asarray(mask))
    assert_near_cpu(gpu.host(mine), y)
    grad = rng.standard_normal((3, 5)).astype("float32")
    assert_near_cpu(gpu.host(layer.backward(gpu.asarray(grad), saved_gpu)[0]), layer.backward(grad, saved)[0])


def test_an_embedding_looks_up(gpu):
    cpu, mine = both(lambda: Embedding(6, 4, mask_zero=True))
    ids = np.array([[0, 3, 5], [2, 2, 1]])
    assert_near_cpu(mine(ids), cpu(ids))  # NumPy in, NumPy out
    out = mine(gpu.asarray(ids))
    assert type(out) is gpu.cupy.ndarray
    assert_near_cpu(gpu.host(out), cpu(ids))
    assert np.array_equal(gpu.host(mine.compute_mask(gpu.asarray(ids), None)), ids != 0)
    text = (
        "Embedding 'embedding': ids must lie in [0, 6); got 6 at (1, 2); input_dim is the largest id plus 1"
    )
    with pytest.raises(IndexError, match=f"^{re.escape(text)}$"):
        mine(gpu.asarray(np.array([[0, 1, 2], [3, 4, 6]])))


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 1000, 2053])
def test_dropout_draws_numpys_numbers(gpu, dtype, size):
    """Element by element, from the key and the number of the draw alone."""
    streams = _random.Streams(11)
    x = np.arange(1.0, size + 1).astype(dtype)
    for rate in (0.1, 0.5):
        key_low, key_high, draw, _ = streams.numbered("dropout")
        want = _random.generator(11, "dropout", draw).random(size, np.float32)
        wanted = x * ((want >= np.float32(rate)) * dtype.type(1 / (1 - rate)))
        got = gpu.module.dropout(gpu.asarray(x), rate, key_low, key_high, draw)
        assert np.array_equal(gpu.host(got), wanted)
        counted = gpu.asarray(np.int64(draw))  # what a captured graph counts on
        again = gpu.module.dropout(gpu.asarray(x), rate, key_low, key_high, 0, counted)
        assert np.array_equal(gpu.host(again), wanted)


def test_draws_are_counted_on_the_device_while_a_graph_is_made(gpu):
    streams = _random.Streams(1)
    count = gpu.asarray(np.int64(7))
    assert streams.numbered("dropout")[2:] == (0, None)
    with streams.counted_by("dropout", count):
        first, second = streams.numbered("dropout"), streams.numbered("dropout")
    assert [first[2], second[2]] == [0, 1]
    assert first[3] is count
    assert streams.drawn("dropout") == 1
    streams.skip("dropout", 2)
    assert streams.numbered("dropout")[2:] == (3, None)


# ---- losses, regularizers, constraints -------------------------------------------

LOSSES: dict[str, tuple[Any, str]] = {
    "mse": (losses.MeanSquaredError, "numbers"),
    "mae": (losses.MeanAbsoluteError, "numbers"),
    "binary": (losses.BinaryCrossentropy, "probabilities"),
    "binary smoothed": (lambda **s: losses.BinaryCrossentropy(label_smoothing=0.1, **s), "probabilities"),
    "binary logits": (lambda **s: losses.BinaryCrossentropy(from_logits=True, **s), "probabilities"),
    "categorical": (losses.CategoricalCrossentropy, "classes"),
    "categorical smoothed": (lambda **s: losses.CategoricalCrossentropy(label_smoothing=0.1, **s), "classes"),
    "categorical logits": (lambda **s: losses.CategoricalCrossentropy(from_logits=True, **s), "classes"),
    "sparse": (losses.SparseCategoricalCrossentropy, "ids"),
    "sparse logits": (lambda **s: losses.SparseCategoricalCrossentropy(from_logits=True, **s), "ids"),
    "sparse ignoring": (lambda **s: losses.SparseCategoricalCrossentropy(ignore_class=1, **s), "ids"),
    "sparse ignoring logits": (
        lambda **s: losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=1, **s),
        "ids",
    ),
    "function": (lambda **s: losses.FunctionLoss(cubic, **s), "numbers"),
}


def cubic(y_true: Any, y_pred: Any) -> Any:
    return np.mean(np.abs(y_true - y_pred) ** 3, axis=-1)


cubic.gradient = lambda t, p: -3 * np.sign(t - p) * (t - p) ** 2 / p.shape[-1]  # type: ignore[attr-defined]


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"])
@pytest.mark.parametrize(("make", "kind"), LOSSES.values(), ids=LOSSES)
def test_a_loss_and_its_gradient_stay_on_the_device(gpu, rng, make, kind, reduction):
    loss = make(reduction=reduction)
    pred = rng.random((6, 3)).astype("float32")
    target = {
        "numbers": lambda: rng.standard_normal((6, 3)).astype("float32"),
        "probabilities": lambda: rng.random((6, 3)).astype("float32"),
        "classes": lambda: np.eye(3, dtype="float32")[rng.integers(0, 3, 6)],
        "ids": lambda: rng.integers(0, 3, 6),
    }[kind]()
    fetched = fake_cupy.state.fetched
    for weight in (None, rng.random(6).astype("float32")):
        given = None if weight is None else gpu.asarray(weight)
        value, grad = loss.value_and_grad(gpu.asarray(target), gpu.asarray(pred), given)
        total = loss(gpu.asarray(target), gpu.asarray(pred), given)
        assert value.shape == total.shape == ()
        assert fake_cupy.state.fetched == fetched or not gpu.simulated  # nobody has waited
        want, slope = loss.value_and_grad(target, pred, weight)
        assert_near_cpu(gpu.host(value), want)
        assert_near_cpu(gpu.host(total), want)
        assert_near_cpu(gpu.host(grad), slope)
        assert grad.dtype == np.float32
        fetched = fake_cupy.state.fetched
        if loss.logits_activation:
            value, grad = loss.value_and_grad_from_logits(gpu.asarray(target), gpu.asarray(pred), given)
            want, slope = loss.value_and_grad_from_logits(target, pred, weight)
            assert_near_cpu(gpu.host(value), want)
            assert_near_cpu(gpu.host(grad), slope)
            fetched = fake_cupy.state.fetched


@pytest.mark.parametrize("name", ["l1", "l2", "l1l2"])
def test_a_penalty_and_its_gradient(gpu, rng, name):
    penalty = regularizers.L1L2(0.1, 0.2) if name == "l1l2" else regularizers.get(name)
    w = rng.standard_normal((4, 3)).astype("float32")
    value = penalty(gpu.asarray(w))
    assert value.shape == ()
    assert_near_cpu(gpu.host(value), penalty(w))
    assert_near_cpu(gpu.host(penalty.gradient(gpu.asarray(w))), penalty.gradient(w))


@pytest.mark.parametrize("name", ["max_norm", "non_neg", "unit_norm", "min_max_norm"])
def test_a_constraint_changes_in_place(gpu, rng, name):
    constraint = constraints.get(name)
    w = 3 * rng.standard_normal((4, 3)).astype("float32")
    mine = gpu.asarray(w)
    constraint.apply(mine)
    assert_near_cpu(gpu.host(mine), constraint(w))


def test_functions_of_activations_and_losses(gpu, rng):
    x, y = rng.random((4, 3)).astype("float32"), rng.random((4, 3)).astype("float32")
    assert_near_cpu(gpu.host(activations.softmax(gpu.asarray(x), axis=0)), activations.softmax(x, axis=0))
    assert_near_cpu(gpu.host(activations.relu(gpu.asarray(x - 0.5))), activations.relu(x - 0.5))
    for function in (losses.mean_squared_error, losses.binary_crossentropy):
        got = function(gpu.asarray(y), gpu.asarray(x))
        assert got.dtype == np.float32
        assert_near_cpu(gpu.host(got), function(y, x))


@pytest.mark.parametrize("name", ["Mean", "BinaryAccuracy", "Precision", "MeanSquaredError"])
def test_metrics_count_on_the_host(gpu, name):
    metric = getattr(metrics, name)()
    ones = np.ones((3, 1))
    first = "values" if name == "Mean" else "y_true"
    text = f"{metric.name}: {first} must be a numpy array; got a cupy array; move it with .get()"
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        metric.update_state(*[gpu.asarray(ones)] * (1 if name == "Mean" else 2))
