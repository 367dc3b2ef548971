"""Layers, losses and models on a GPU give the CPU's numbers, on a simulated one and, where there is one, a real one."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import fake_cupy
import strop
from strop import _backend, _device, _random, constraints, losses, regularizers
from strop.layers import Activation, Dense, Dropout, Embedding, Flatten, GlobalAveragePooling1D

GPU = _device.Device(0)


def near(got: Any, want: Any, terms: float = 4.0) -> None:
    """Equal to rounding: sums of float32 in another order."""
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-6 * terms)


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
    near(gpu.host(y_gpu), y)
    grad = rng.standard_normal(y.shape).astype("float32")
    back, grads = cpu.backward(grad, saved)
    back_gpu, grads_gpu = mine.backward(gpu.asarray(grad), saved_gpu)
    near(gpu.host(back_gpu), back)
    for got, want in zip(grads_gpu, grads, strict=True):
        near(gpu.host(got), want, 16)


def test_masked_steps_are_left_out_of_the_mean(gpu, rng):
    x = rng.standard_normal((3, 4, 5)).astype("float32")
    mask = np.array([[True, False, True, True], [False] * 4, [True] * 4])
    x[0, 1] = np.nan
    layer = GlobalAveragePooling1D()
    y, saved = layer.forward(x, mask=mask)
    mine, saved_gpu = layer.forward(gpu.asarray(x), mask=gpu.asarray(mask))
    near(gpu.host(mine), y)
    grad = rng.standard_normal((3, 5)).astype("float32")
    near(gpu.host(layer.backward(gpu.asarray(grad), saved_gpu)[0]), layer.backward(grad, saved)[0])


def test_an_embedding_looks_up(gpu):
    cpu, mine = both(lambda: Embedding(6, 4, mask_zero=True))
    ids = np.array([[0, 3, 5], [2, 2, 1]])
    near(mine(ids), cpu(ids))  # NumPy in, NumPy out
    out = mine(gpu.asarray(ids))
    assert type(out) is gpu.cupy.ndarray
    near(gpu.host(out), cpu(ids))
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
        near(gpu.host(value), want)
        near(gpu.host(total), want)
        near(gpu.host(grad), slope)
        assert grad.dtype == np.float32
        fetched = fake_cupy.state.fetched
        if loss.logits_activation:
            value, grad = loss.value_and_grad_from_logits(gpu.asarray(target), gpu.asarray(pred), given)
            want, slope = loss.value_and_grad_from_logits(target, pred, weight)
            near(gpu.host(value), want)
            near(gpu.host(grad), slope)
            fetched = fake_cupy.state.fetched


@pytest.mark.parametrize("name", ["l1", "l2", "l1l2"])
def test_a_penalty_and_its_gradient(gpu, rng, name):
    penalty = regularizers.L1L2(0.1, 0.2) if name == "l1l2" else regularizers.get(name)
    w = rng.standard_normal((4, 3)).astype("float32")
    value = penalty(gpu.asarray(w))
    assert value.shape == ()
    near(gpu.host(value), penalty(w))
    near(gpu.host(penalty.gradient(gpu.asarray(w))), penalty.gradient(w))


@pytest.mark.parametrize("name", ["max_norm", "non_neg", "unit_norm", "min_max_norm"])
def test_a_constraint_changes_in_place(gpu, rng, name):
    constraint = constraints.get(name)
    w = 3 * rng.standard_normal((4, 3)).astype("float32")
    mine = gpu.asarray(w)
    constraint.apply(mine)
    near(gpu.host(mine), constraint(w))


# ---- a model from device to device -----------------------------------------------


def weightless() -> Any:
    return strop.Sequential([strop.Input((2, 3)), Activation("tanh"), Flatten(), Activation("sigmoid")])


def lookup() -> Any:
    return strop.Sequential([Embedding(9, 4, input_length=3), Flatten(), Activation("sigmoid")])


def test_a_model_goes_to_the_gpu_and_back_bit_for_bit(gpu):
    model = lookup()
    weights = model.get_weights()
    assert model.to("cuda") is model
    assert str(model.device) == "cuda:0"
    assert {str(layer.device) for layer in model.layers} == {"cuda:0"}
    table = model.layers[0].table
    assert type(table._value) is gpu.cupy.ndarray
    assert np.array_equal(model.get_weights()[0], weights[0])
    assert np.array_equal(model.layers[0].embeddings, weights[0])
    model.set_weights([2 * weights[0]])
    assert np.array_equal(gpu.host(table._value), 2 * weights[0])
    text = "set_weights: embedding/embeddings must be a numpy array; got a cupy array; move it with .get()"
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        model.set_weights([table._value])
    model.to("cpu")
    assert type(table._value) is np.ndarray
    assert table._value.ctypes.data % 64 == 0
    assert np.array_equal(table._value, 2 * weights[0])


def test_layers_are_built_where_the_block_says(gpu):
    cpu, mine = both(lookup)
    assert str(cpu.device) == "cpu"
    assert str(mine.device) == "cuda:0"
    for ours, theirs in zip(cpu.get_weights(), mine.get_weights(), strict=True):
        assert np.array_equal(ours, theirs)
    assert mine.count_params() == 36
    lines: list[str] = []
    mine.summary(print_fn=lines.append)
    assert any("36" in line for line in lines)


def test_predict_gives_the_library_of_what_it_was_given(gpu, rng):
    cpu, mine = both(lookup)
    ids = rng.integers(0, 9, (70, 3))
    want = cpu.predict(ids, verbose=0)
    near(mine.predict(ids, verbose=0), want)
    near(mine.predict(ids.tolist(), verbose=0, batch_size=7), want)
    out = mine.predict(gpu.asarray(ids), verbose=0, batch_size=7)
    assert type(out) is gpu.cupy.ndarray
    near(gpu.host(out), want)
    assert mine.predict(ids[:0], verbose=0).shape == (0, 12)
    empty = mine.predict(gpu.asarray(ids[:0]), verbose=0)
    assert type(empty) is gpu.cupy.ndarray
    assert empty.shape == (0, 12)
    near(mine(ids), want)
    near(gpu.host(mine(gpu.asarray(ids))), want)
    float_ids = mine.predict(gpu.asarray(ids.astype("float32")), verbose=0)
    near(gpu.host(float_ids), want)


def test_evaluate_of_a_model_on_the_gpu(gpu, rng):
    cpu, mine = both(weightless)
    x, y = rng.standard_normal((70, 2, 3)), rng.integers(0, 2, (70, 6))
    weight = rng.random(70)
    for model in (cpu, mine):
        model.compile(loss="binary_crossentropy", metrics=["accuracy"], weighted_metrics=["mae"])
    want = cpu.evaluate(x, y, sample_weight=weight, verbose=0, batch_size=8)
    near(mine.evaluate(x, y, sample_weight=weight, verbose=0, batch_size=8), want)
    on_gpu = (gpu.asarray(x.astype("float32")), gpu.asarray(y))
    near(mine.evaluate(*on_gpu, sample_weight=gpu.asarray(weight), verbose=0, batch_size=8), want)
    near(mine.test_on_batch(*on_gpu), cpu.test_on_batch(x, y))


def test_a_model_saved_on_the_gpu_loads_anywhere(gpu, tmp_path):
    with strop.device("cuda"):
        model = lookup()
    weights = model.get_weights()[0]
    model.save(tmp_path / "m.safetensors")
    model.save_weights(tmp_path / "w.safetensors")
    loaded = strop.models.load_model(tmp_path / "m.safetensors")
    assert str(loaded.device) == "cpu"
    assert np.array_equal(loaded.get_weights()[0], weights)
    with strop.device("cuda"):
        there = strop.models.load_model(tmp_path / "m.safetensors")
    assert str(there.device) == "cuda:0"
    assert np.array_equal(there.get_weights()[0], weights)
    model.set_weights([weights + 1])
    model.load_weights(tmp_path / "w.safetensors")
    assert np.array_equal(gpu.host(model.layers[0].table._value), weights)


# ---- data ------------------------------------------------------------------------


class Dlpack:
    """An array of a library that has DLPack alone."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, 0)

    def __dlpack__(self, **settings: Any) -> Any:
        return self.array.__dlpack__(**settings)


def test_arrays_of_other_libraries_are_taken_where_they_are(gpu):
    cpu, mine = both(lookup)
    ids = np.array([[0, 1, 2], [3, 4, 5]])
    want = cpu.predict(ids, verbose=0)
    given = fake_cupy.Foreign(ids) if gpu.simulated else Dlpack(gpu.asarray(ids))
    moved = fake_cupy.state.moved
    near(gpu.host(mine.predict(given, verbose=0)), want)
    if gpu.simulated:
        near(gpu.host(mine.predict(fake_cupy.Dlpack(ids), verbose=0)), want)
        assert fake_cupy.state.moved == moved
    with pytest.raises(
        TypeError, match=r"^predict: x must be a numpy array; got a \w+ array on cuda:0; move it to"
    ):
        cpu.predict(given, verbose=0)


def test_a_model_on_the_host_refuses_arrays_of_a_gpu(gpu):
    model = lookup()
    text = (
        "predict: x must be a numpy array; got a cupy array on cuda:0; move it to the host, or the model with "
        "to('cuda')"
    )
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        model.predict(gpu.asarray(np.array([[1, 2, 3]])), verbose=0)


def test_a_model_refuses_arrays_of_another_gpu(gpu):
    if not gpu.simulated:
        pytest.skip("one GPU may be all there is")
    with strop.device("cuda:1"):
        model = lookup()
    assert model.layers[0].table._value.device.id == 1
    text = (
        "predict: x must be on cuda:1 like the model; got a cupy array on cuda:0; move it with cupy.asarray under "
        "cupy.cuda.Device(1)"
    )
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        model.predict(gpu.asarray(np.array([[1, 2, 3]])), verbose=0)
    cpu = lookup()
    cpu.set_weights(model.get_weights())
    near(model.predict([[1, 2, 3]], verbose=0), cpu.predict([[1, 2, 3]], verbose=0))
    assert gpu.cupy.cuda.Device().id == 0


def test_samples_are_moved_once_or_by_blocks_where_they_do_not_fit(gpu, rng, monkeypatch):
    if not gpu.simulated:
        pytest.skip("a test of how much is moved")
    cpu, mine = both(weightless)
    x, y = rng.standard_normal((300, 2, 3)).astype("float32"), rng.random((300, 6)).astype("float32")
    for model in (cpu, mine):
        model.compile(loss="mse")
    want = cpu.evaluate(x, y, verbose=0, batch_size=2)
    for free, copies in ((1 << 30, 1), (1000, 3)):
        monkeypatch.setattr(fake_cupy.state, "free", free)
        before, asked = fake_cupy.state.moved, fake_cupy.state.moves
        near(mine.evaluate(x, y, verbose=0, batch_size=2), want)
        assert fake_cupy.state.moved - before == x.nbytes + y.nbytes
        assert fake_cupy.state.moves - asked == 2 * copies


# ---- what is missing or wrong ------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("gpu", "to: device must be 'cpu', 'cuda' or 'cuda:' and a number; got 'gpu'"),
        ("cuda:-1", "to: device must be 'cpu', 'cuda' or 'cuda:' and a number; got 'cuda:-1'"),
    ],
)
def test_a_name_that_is_none(name, text):
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        weightless().to(name)
    with pytest.raises(TypeError, match=r"^to: device must be a str; got int$"):
        weightless().to(0)


def test_a_gpu_that_is_not_there(gpu):
    count = gpu.module.driver()["devices"]
    names = ", ".join(f"cuda:{i}" for i in range(count))
    with pytest.raises(ValueError, match=f"^to: device must be one of {names}; got 'cuda:99'$"):
        weightless().to("cuda:99")


class Driver:
    """A module of kernels that cannot run."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def driver(self) -> dict[str, Any]:
        return {"reason": self.reason, "devices": 0, "runtime": 13000, "driver": 0, "current": -1}


@pytest.mark.parametrize(
    "reason", ["no driver", "driver too old: it serves CUDA 12.2, this build needs 13.0"]
)
def test_no_driver_or_one_that_is_too_old(monkeypatch, reason):
    monkeypatch.setattr(_backend, "cuda", lambda: Driver(reason))
    with pytest.raises(RuntimeError, match=f"^to: CUDA is not available: {reason}$"):
        weightless().to("cuda")
    with pytest.raises(RuntimeError, match=r"^device: CUDA is not available"), strop.device("cuda"):
        pass


def test_a_build_without_kernels(monkeypatch):
    monkeypatch.setattr(_backend, "cuda", lambda: None)
    text = "to: this build has no CUDA kernels; install the package where nvcc is found"
    with pytest.raises(NotImplementedError, match=f"^{text}$"):
        weightless().to("cuda")


def test_no_cupy(monkeypatch):
    monkeypatch.setattr(_backend, "cuda", lambda: Driver(""))
    monkeypatch.setitem(__import__("sys").modules, "cupy", None)
    text = 'to: arrays on a GPU are CuPy arrays; pip install "strop[cuda13]"'
    with pytest.raises(ImportError, match=f"^{re.escape(text)}$"):
        weightless().to("cuda")


def test_a_model_that_does_not_fit_stays_where_it_is(gpu, monkeypatch):
    if not gpu.simulated:
        pytest.skip("a real one would have to be filled")
    model = strop.Sequential([Embedding(9, 4, input_length=3), Flatten(), Dense(1)])
    arrays = [v._value for v in model.variables]
    monkeypatch.setattr(fake_cupy.state, "allocations_left", 2)
    monkeypatch.setattr(fake_cupy.state, "free", 2_500_000)
    text = (
        "to: the model must fit into the memory of cuda:0; got 196 bytes and 2.5 MB free; "
        "cupy.get_default_memory_pool().free_all_blocks() gives back what other arrays held"
    )
    with pytest.raises(MemoryError, match=f"^{re.escape(text)}$"):
        model.to("cuda")
    assert str(model.device) == str(model.layers[2].device) == "cpu"
    assert all(v._value is array for v, array in zip(model.variables, arrays, strict=True))
    monkeypatch.setattr(fake_cupy.state, "allocations_left", None)
    model.to("cuda")
    assert str(model.device) == "cuda:0"


def test_layers_of_two_devices(gpu):
    layer = Embedding(4, 2)
    layer(np.array([[1]]))
    text = (
        "add: layer must be on cuda:0 like the model; got 'embedding' on cpu; move it with to('cuda:0'), or make "
        "both under one strop.device"
    )
    with strop.device("cuda"), pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        strop.Sequential([layer])
    with strop.device("cuda"):
        model = strop.Sequential([layer.to("cuda"), Flatten()])
    assert str(model.device) == "cuda:0"
    with strop.device("cuda"):
        unbuilt = Dense(2)
    with pytest.raises(ValueError, match=r"^add: layer must be on cpu like the model; got 'dense' on cuda:0"):
        strop.Sequential([unbuilt])
