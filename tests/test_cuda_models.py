"""Models on a GPU: moved there and back, fed, saved; what is said where something is missing or wrong."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import fake_cupy
import strop
from strop import _backend
from strop.layers import Activation, Add, Dense, Embedding, Flatten
from test_cuda_layers import both
from tolerance import TRAINED_ON_GPU, assert_near_cpu

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
    assert_near_cpu(mine.predict(ids, verbose=0), want)
    assert_near_cpu(mine.predict(ids.tolist(), verbose=0, batch_size=7), want)
    out = mine.predict(gpu.asarray(ids), verbose=0, batch_size=7)
    assert type(out) is gpu.cupy.ndarray
    assert_near_cpu(gpu.host(out), want)
    assert mine.predict(ids[:0], verbose=0).shape == (0, 12)
    empty = mine.predict(gpu.asarray(ids[:0]), verbose=0)
    assert type(empty) is gpu.cupy.ndarray
    assert empty.shape == (0, 12)
    assert_near_cpu(mine(ids), want)
    assert_near_cpu(gpu.host(mine(gpu.asarray(ids))), want)
    float_ids = mine.predict(gpu.asarray(ids.astype("float32")), verbose=0)
    assert_near_cpu(gpu.host(float_ids), want)


def test_evaluate_of_a_model_on_the_gpu(gpu, rng):
    cpu, mine = both(weightless)
    x, y = rng.standard_normal((70, 2, 3)), rng.integers(0, 2, (70, 6))
    weight = rng.random(70)
    for model in (cpu, mine):
        model.compile(loss="binary_crossentropy", metrics=["accuracy"], weighted_metrics=["mae"])
    want = cpu.evaluate(x, y, sample_weight=weight, verbose=0, batch_size=8)
    assert_near_cpu(mine.evaluate(x, y, sample_weight=weight, verbose=0, batch_size=8), want)
    on_gpu = (gpu.asarray(x.astype("float32")), gpu.asarray(y))
    assert_near_cpu(mine.evaluate(*on_gpu, sample_weight=gpu.asarray(weight), verbose=0, batch_size=8), want)
    assert_near_cpu(mine.test_on_batch(*on_gpu), cpu.test_on_batch(x, y))


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
    assert_near_cpu(gpu.host(mine.predict(given, verbose=0)), want)
    if gpu.simulated:
        assert_near_cpu(gpu.host(mine.predict(fake_cupy.Dlpack(ids), verbose=0)), want)
        assert fake_cupy.state.moved == moved
    with pytest.raises(
        TypeError, match=r"^predict: x must be a numpy array; got a \w+ array on cuda:0; move it to"
    ):
        cpu.predict(given, verbose=0)


def test_a_model_called_on_ids_of_a_gpu_does_not_wait(gpu):
    _, mine = both(lookup)
    fetched = fake_cupy.state.fetched
    mine(gpu.asarray(np.array([[0, 1, 9]])))
    assert fake_cupy.state.fetched == fetched
    with pytest.raises(IndexError, match=r"^synchronize: ids must lie in their table; got .* element 2 "):
        strop.synchronize()


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
    assert_near_cpu(model.predict([[1, 2, 3]], verbose=0), cpu.predict([[1, 2, 3]], verbose=0))
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
        assert_near_cpu(mine.evaluate(x, y, verbose=0, batch_size=2), want)
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


def branched() -> Any:
    x = strop.Input((6,))
    shared = Dense(6, activation="relu", activity_regularizer="l2")
    return strop.Model(x, Dense(3, activation="softmax")(Add()([x, shared(shared(x))])))


def test_a_network_with_branches_trains(gpu, rng):
    if not hasattr(gpu.module, "matmul"):
        pytest.skip("no CUDA kernel of matmul yet")
    cpu, mine = both(branched)
    x, y = rng.normal(size=(40, 6)).astype("float32"), rng.integers(0, 3, 40)
    for model in (cpu, mine):
        model.compile(optimizer="sgd", loss="sparse_categorical_crossentropy")
        strop.utils.set_random_seed(1)
        model.fit(x, y, batch_size=8, epochs=2, verbose=0)
    assert str(mine.device) == "cuda:0"
    assert_near_cpu(mine.predict(x, verbose=0), cpu.predict(x, verbose=0), TRAINED_ON_GPU["float32"])
    for got, want in zip(mine.get_weights(), cpu.get_weights(), strict=True):
        assert_near_cpu(got, want, TRAINED_ON_GPU["float32"])


def several() -> Any:
    """Two inputs, of which one is of ids, and two outputs."""
    ids, x = strop.Input((3,), name="ids"), strop.Input((4,), name="x")
    h = Add()([Dense(4, activation="tanh")(x), Dense(4)(Flatten()(Embedding(9, 2)(ids)))])
    return strop.Model([ids, x], [Dense(3, activation="softmax", name="kind")(h), Dense(1, name="size")(h)])


def test_a_model_of_several_inputs_and_outputs_trains_as_on_the_cpu(gpu, rng):
    models = both(several)
    x = [rng.integers(0, 9, (20, 3)), rng.normal(size=(20, 4)).astype("float32")]
    y = [rng.integers(0, 3, 20), rng.normal(size=(20, 1)).astype("float32")]
    logs, outputs = [], []
    for model in models:
        model.compile(
            strop.optimizers.SGD(0.1),
            loss=["sparse_categorical_crossentropy", "mse"],
            loss_weights=[1.0, 0.5],
            metrics=[["accuracy"], ["mae"]],
        )
        strop.utils.set_random_seed(3)
        history = model.fit(x, y, batch_size=8, epochs=2, validation_data=(x, y), verbose=0).history
        logs.append([value for values in history.values() for value in values])
        logs[-1] += model.evaluate(x, y, sample_weight=np.linspace(0, 1, 20), verbose=0)
        outputs.append(model.predict(x, verbose=0))
        assert all(type(each) is np.ndarray for each in outputs[-1])
    np.testing.assert_allclose(logs[1], logs[0], rtol=1e-5, atol=1e-6)
    for mine, want in zip(outputs[1], outputs[0], strict=True):
        np.testing.assert_allclose(mine, want, rtol=1e-4, atol=1e-5)
    there = [gpu.asarray(array) for array in x]
    for mine, want in zip(models[1].predict(there, verbose=0), outputs[1], strict=True):
        assert type(mine) is gpu.cupy.ndarray
        np.testing.assert_array_equal(gpu.host(mine), want)
