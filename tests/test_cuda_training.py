"""Models trained on a GPU, step by step, get the CPU's numbers: a simulated one and, where there is, a real one."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import fake_cupy
import strop
import test_docs
from strop import callbacks, constraints, layers, losses, optimizers, regularizers
from strop.layers import Activation, Dense, Dropout, Embedding, Flatten, GlobalAveragePooling1D
from tolerance import TRAINED_ON_GPU, assert_near_cpu

pytestmark = pytest.mark.skipif(
    not hasattr(optimizers.Optimizer, "move"), reason="the optimizers do not take CuPy arrays yet"
)


@pytest.fixture
def float64() -> Iterator[None]:
    strop.config.set_floatx("float64")
    yield
    strop.config.set_floatx("float32")


def near(got: Any, want: Any, dtype: str = "float64") -> None:
    assert_near_cpu(got, want, TRAINED_ON_GPU[dtype])


def reviews() -> Any:
    """The tutorial's model: a bag, a dense layer, a logistic unit."""
    return strop.Sequential(
        [
            Embedding(30, 4, input_length=6, mask_zero=True),
            GlobalAveragePooling1D(),
            Dense(5, activation="relu"),
            Dense(1, activation="sigmoid"),
        ]
    )


def digits() -> Any:
    """A network with dropout and three classes."""
    return strop.Sequential(
        [
            strop.Input((2, 2)),
            Flatten(),
            Dense(8, activation="relu"),
            Dropout(0.3),
            Dense(3, activation="softmax"),
        ]
    )


def unfused() -> Any:
    """A mask on its way through a layer, a function of one's own, penalties and a constraint."""
    return strop.Sequential(
        [
            Embedding(30, 4, input_length=6, mask_zero=True, embeddings_regularizer="l2"),
            Dropout(0.2, seed=3),
            GlobalAveragePooling1D(),
            Dense(4, activation="gelu", kernel_regularizer=regularizers.L1L2(0.01, 0.02)),
            Activation("tanh"),
            Dense(1, kernel_constraint=constraints.MaxNorm(0.7), activation="sigmoid"),
        ]
    )


def tagged() -> Any:
    """A class for each word; the loss leaves padding out."""
    return strop.Sequential(
        [Embedding(30, 4, input_length=6, mask_zero=True), Dense(3), Dense(3, activation="softmax")]
    )


MODELS: dict[str, tuple[Any, str]] = {
    "reviews": (reviews, "binary_crossentropy"),
    "digits": (digits, "sparse_categorical_crossentropy"),
    "unfused": (unfused, "binary_crossentropy"),
    "tagged": (tagged, "sparse_categorical_crossentropy"),
}


def samples(make: Any, count: int = 50) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    ids = rng.integers(1, 30, (count, 6))
    ids[:, :2] *= rng.integers(0, 2, (count, 2))  # some padding
    if make is digits:
        return rng.standard_normal((count, 2, 2)), rng.integers(0, 3, count)
    if make is tagged:
        return ids, rng.integers(0, 3, (count, 6))
    return ids, (ids.mean(axis=1) > 12).astype(int)


def compiled(make: Any, loss: str, optimizer: Any = "adam", device: str = "cpu", **more: Any) -> Any:
    strop.utils.set_random_seed(3)
    with strop.device(device):
        model = make()
    model.compile(optimizer=optimizer, loss=loss, **more)
    return model


def trained(make: Any, loss: str, device: str, optimizer: Any = "adam", **fit: Any) -> tuple[Any, Any]:
    model = compiled(make, loss, optimizer, device, metrics=["accuracy"])
    x, y = samples(make)
    strop.utils.set_random_seed(4)
    return model, model.fit(x, y, **{"batch_size": 8, "epochs": 2, "verbose": 0, **fit}).history


def same_histories(got: dict[str, list[float]], want: dict[str, list[float]], dtype: str = "float64") -> None:
    assert list(got) == list(want)
    for name, values in want.items():
        near(got[name], values, dtype)


@pytest.mark.parametrize(("make", "loss"), MODELS.values(), ids=MODELS)
def test_fit_gives_the_numbers_of_the_cpu(gpu, float64, make, loss):
    ours, want = trained(make, loss, "cpu", validation_split=0.2)
    mine, got = trained(make, loss, "cuda", validation_split=0.2)
    assert all(type(v._value) is gpu.cupy.ndarray for v in mine.variables)
    same_histories(got, want)
    for a, b in zip(mine.get_weights(), ours.get_weights(), strict=True):
        near(a, b)
    x, y = samples(make)
    near(mine.predict(x, verbose=0), ours.predict(x, verbose=0))
    near(mine.evaluate(x, y, verbose=0), ours.evaluate(x, y, verbose=0))


RULES = {
    "sgd": lambda: optimizers.SGD(0.1),
    "momentum": lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "rmsprop": lambda: optimizers.RMSprop(0.01),
    "adamw": lambda: optimizers.AdamW(0.01, weight_decay=0.1),
    "adam dense": lambda: optimizers.Adam(0.01, sparse="dense"),
    "adam touched": lambda: optimizers.Adam(0.01, sparse="touched"),
    "adagrad": lambda: optimizers.Adagrad(0.1),
    "lion": lambda: optimizers.Lion(0.001),
    "clipped": lambda: optimizers.Adam(0.01, global_clipnorm=0.1),
    "scheduled": lambda: optimizers.Adam(optimizers.schedules.ExponentialDecay(0.01, 3, 0.5)),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_every_rule_trains_there(gpu, float64, rule):
    ours, want = trained(reviews, "binary_crossentropy", "cpu", rule())
    mine, got = trained(reviews, "binary_crossentropy", "cuda", rule())
    same_histories(got, want)
    for a, b in zip(mine.get_weights(), ours.get_weights(), strict=True):
        near(a, b)


def test_float32_is_near_the_cpu(gpu):
    ours, want = trained(reviews, "binary_crossentropy", "cpu")
    mine, got = trained(reviews, "binary_crossentropy", "cuda")
    same_histories(got, want, "float32")
    for a, b in zip(mine.get_weights(), ours.get_weights(), strict=True):
        near(a, b, "float32")


@pytest.mark.parametrize("weights", ["sample", "class"])
def test_weights_of_samples_and_classes(gpu, float64, weights):
    given: dict[str, Any] = {"class_weight": {1: 3.0}}
    if weights == "sample":
        given = {"sample_weight": np.random.default_rng(1).random(50)}
    _, want = trained(reviews, "binary_crossentropy", "cpu", **given)
    if weights == "sample":
        given = {"sample_weight": gpu.asarray(given["sample_weight"])}
    _, got = trained(reviews, "binary_crossentropy", "cuda", **given)
    same_histories(got, want)


def test_fit_from_cupy_arrays_has_the_bits_of_numpy_ones(gpu):
    x, y = samples(reviews)
    models = [compiled(reviews, "binary_crossentropy", device="cuda") for _ in range(2)]
    for model, data in zip(models, ((x, y), (gpu.asarray(x), gpu.asarray(y))), strict=True):
        strop.utils.set_random_seed(4)
        held_out = (data[0][:8], data[1][:8])
        model.fit(*data, batch_size=8, epochs=2, verbose=0, validation_data=held_out)
    for a, b in zip(*(m.get_weights() for m in models), strict=True):
        assert np.array_equal(a, b)
    batch = (gpu.asarray(x[:8]), gpu.asarray(y[:8]))
    assert models[0].train_on_batch(x[:8], y[:8]) == models[1].train_on_batch(*batch)


def test_two_runs_have_the_same_bits(gpu):
    first, second = (trained(reviews, "binary_crossentropy", "cuda")[0] for _ in range(2))
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        assert np.array_equal(a, b)


def test_callbacks_read_and_restore_weights(gpu, float64, tmp_path):
    def calls() -> list[Any]:
        return [
            callbacks.EarlyStopping(monitor="val_loss", patience=1, restore_best_weights=True),
            callbacks.LearningRateScheduler(lambda epoch, rate: rate if epoch < 2 else 10.0),
            callbacks.ModelCheckpoint(tmp_path / "best.safetensors", save_best_only=True),
        ]

    settings = {"epochs": 5, "validation_split": 0.2}
    _, want = trained(reviews, "binary_crossentropy", "cpu", callbacks=calls(), **settings)
    best = strop.models.load_model(tmp_path / "best.safetensors").get_weights()
    mine, got = trained(reviews, "binary_crossentropy", "cuda", callbacks=calls(), **settings)
    same_histories(got, want)
    there = strop.models.load_model(tmp_path / "best.safetensors").get_weights()
    for weights in (mine.get_weights(), there):
        for a, b in zip(weights, best, strict=True):
            near(a, b)


def test_nobody_waits_within_an_epoch_but_once_for_64_steps(gpu, monkeypatch):
    if not gpu.simulated:
        pytest.skip("a test of how often something is fetched")
    x, y = samples(reviews, 130)
    model = compiled(reviews, "binary_crossentropy", device="cuda", metrics=["accuracy"])
    model.fit(x, y, batch_size=1, epochs=1, verbose=0)
    before = fake_cupy.state.fetched
    model.fit(x, y, batch_size=1, epochs=1, verbose=0)
    assert fake_cupy.state.fetched - before <= 2 * 6  # losses and outputs of some blocks, of 130 steps


@pytest.mark.parametrize(("make", "loss"), [MODELS["reviews"], MODELS["digits"]], ids=["reviews", "digits"])
def test_the_usual_path_needs_no_kernel_of_cupy(gpu, monkeypatch, make, loss):
    """They are compiled when they are first used, by a compiler that CuPy alone does not bring."""
    if not gpu.simulated:
        pytest.skip("the stand-in says what runs")
    ran: set[str] = set()
    computing = fake_cupy._computing
    monkeypatch.setattr(fake_cupy, "_computing", lambda name: (ran.add(name), computing(name))[1])
    model, _ = trained(make, loss, "cuda", validation_split=0.2)
    x, y = samples(make)
    model.predict(x, verbose=0)
    model.evaluate(x, y, verbose=0)
    model.to("cpu").to("cuda")
    model.set_weights(model.get_weights())
    assert ran <= {"asarray", "ndarray.get", "ndarray.set", "cuda.Stream.synchronize"}


def test_a_stream_that_does_not_block_gives_the_same_bits(gpu):
    first = trained(reviews, "binary_crossentropy", "cuda")[0]
    with gpu.cupy.cuda.Stream(non_blocking=True):
        second = trained(reviews, "binary_crossentropy", "cuda")[0]
        weights = second.get_weights()
    for a, b in zip(first.get_weights(), weights, strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("section", test_docs.sections("gpu.md"), ids=str)
def test_the_page_does_what_it_says(gpu, section):
    names: dict[str, Any] = {"np": np, "strop": strop, "__name__": "page"}
    printed = ""
    for kind, text in section.blocks:
        if kind == "python":
            with contextlib.redirect_stdout(io.StringIO()) as output:
                exec("from strop.layers import Dense\n" + text, names)
            printed = output.getvalue()
        elif kind == "text":
            assert printed == text


# ---- from device to device -------------------------------------------------------


@pytest.mark.parametrize(
    "rule", [optimizers.Adam, lambda: optimizers.SGD(0.1, momentum=0.9)], ids=["adam", "sgd"]
)
def test_training_goes_on_where_the_model_is_moved(gpu, float64, rule):
    x, y = samples(reviews)
    settings = {"batch_size": 8, "epochs": 2, "verbose": 0, "shuffle": False}
    ours = compiled(reviews, "binary_crossentropy", rule())
    mine = compiled(reviews, "binary_crossentropy", rule())
    for where in ("cuda", "cpu", "cuda"):
        mine.to(where)
        ours.fit(x, y, **settings)
        mine.fit(x, y, **settings)
        for a, b in zip(mine.get_weights(), ours.get_weights(), strict=True):
            near(a, b)


def test_a_model_trained_on_the_gpu_goes_on_elsewhere_from_its_file(gpu, float64, tmp_path):
    x, y = samples(reviews)
    settings = {"batch_size": 8, "epochs": 2, "verbose": 0, "shuffle": False}
    mine = compiled(reviews, "binary_crossentropy", device="cuda")
    mine.fit(x, y, **settings)
    mine.save(tmp_path / "m.safetensors")
    there = strop.models.load_model(tmp_path / "m.safetensors")
    for a, b in zip(there.get_weights(), mine.get_weights(), strict=True):
        assert np.array_equal(a, b)
    with strop.device("cuda"):
        back = strop.models.load_model(tmp_path / "m.safetensors")
    for model in (mine, there, back):
        model.fit(x, y, **settings)
    for a, b, c in zip(mine.get_weights(), there.get_weights(), back.get_weights(), strict=True):
        assert np.array_equal(a, c)
        near(a, b)


# ---- what is wrong ---------------------------------------------------------------


def test_a_bad_id_is_told_before_the_first_step(gpu):
    x, y = samples(reviews)
    x[3, 5] = 30
    model = compiled(reviews, "binary_crossentropy", device="cuda")
    before = model.get_weights()
    text = (
        "Embedding 'embedding': ids must lie in [0, 30); got 30 at (3, 5); input_dim is the largest id plus 1"
    )
    for given in (x, gpu.asarray(x)):
        with pytest.raises(IndexError, match=f"^{re.escape(text)}$"):
            model.fit(given, y, verbose=0)
    for a, b in zip(model.get_weights(), before, strict=True):
        assert np.array_equal(a, b)
    strop.synchronize()


def test_memory_that_runs_out_in_a_step(gpu, monkeypatch):
    if not gpu.simulated:
        pytest.skip("a real one would have to be filled")
    x, y = samples(reviews)
    model = compiled(reviews, "binary_crossentropy", device="cuda")
    model.fit(x, y, batch_size=8, verbose=0)
    monkeypatch.setattr(fake_cupy.state, "allocations_left", 12)
    monkeypatch.setattr(fake_cupy.state, "free", 3000)
    text = (
        "fit: a step must fit into the memory of cuda:0; got 3.0 kB free; take a smaller batch_size, or give back "
        "what other arrays held by cupy.get_default_memory_pool().free_all_blocks()"
    )
    with pytest.raises(MemoryError, match=f"^{re.escape(text)}$"):
        model.fit(x, y, batch_size=8, verbose=0)
    monkeypatch.undo()
    model.fit(x, y, batch_size=8, verbose=0)


def test_an_optimizer_that_does_not_fit_leaves_all_where_it_was(gpu, monkeypatch):
    if not gpu.simulated:
        pytest.skip("a real one would have to be filled")
    x, y = samples(reviews)
    settings = {"batch_size": 8, "verbose": 0, "shuffle": False}
    model, other = (compiled(reviews, "binary_crossentropy") for _ in range(2))
    for each in (model, other):
        each.fit(x, y, **settings)
    for count in range(5, 40):
        monkeypatch.setattr(fake_cupy.state, "allocations_left", count)
        try:
            model.to("cuda")
        except MemoryError:
            assert str(model.device) == "cpu"
            assert all(type(v._value) is np.ndarray for v in model.variables)
            continue
        break
    assert str(model.device) == "cuda:0"
    monkeypatch.setattr(fake_cupy.state, "allocations_left", None)
    model.to("cpu")
    for each in (model, other):
        each.fit(x, y, **settings)
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        near(a, b)


def test_a_layer_that_was_moved_alone(gpu):
    model = compiled(reviews, "mse")
    model.layers[0].to("cuda")
    text = (
        "Plan: layers must be on one device; got 'embedding' on cuda:0 and 'global_average_pooling1d' on cpu; "
        "move the model with to"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        model.predict([[1] * 6], verbose=0)


def test_samples_whose_memory_was_given_back(gpu):
    x, y = samples(reviews)
    model = compiled(reviews, "binary_crossentropy", device="cuda")
    gone = gpu.asarray(x)
    gpu.free(gone)
    for call in (lambda: model.predict(gone, verbose=0), lambda: model.fit(gone, y, verbose=0)):
        with pytest.raises(
            ValueError, match=r"^\w+: x must hold memory; got a freed cupy array of shape \(50, 6\)$"
        ):
            call()
    model.fit(x, y, verbose=0)


def test_a_loss_without_labels_that_fit(gpu):
    model = compiled(reviews, "binary_crossentropy", device="cuda")
    x, y = samples(reviews)
    for bad in (y + 1, gpu.asarray(y + 1)):
        with pytest.raises(
            ValueError, match=r"^fit: y must lie in \[0, 1\] for binary_crossentropy; got 2 at sample"
        ):
            model.fit(x, bad, verbose=0)
    assert isinstance(model.loss, losses.BinaryCrossentropy)
    assert layers.registry
