"""What is saved is what is loaded, bit for bit, and training goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
import safetensors.numpy

import strop
from strop._files import atomic_write
from strop.layers import Dense, Dropout, Embedding, GlobalAveragePooling1D
from strop.models import load_model
from strop.optimizers import SGD, Adam, schedules


def make(seed=3, optimizer=None):
    strop.utils.set_random_seed(seed)
    model = strop.Sequential(
        [
            strop.Input((20,)),
            Embedding(50, 4, mask_zero=True),
            GlobalAveragePooling1D(),
            Dropout(0.2),
            Dense(8, activation="relu", kernel_regularizer="l2"),
            Dense(1, activation="sigmoid"),
        ]
    )
    metrics = ["accuracy", strop.metrics.Precision(thresholds=0.4)]
    model.compile(optimizer=optimizer or Adam(0.01), loss="binary_crossentropy", metrics=metrics)
    return model


@pytest.fixture
def data(rng):
    return rng.integers(0, 50, (300, 20)), rng.integers(0, 2, 300)


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: Adam(0.01),
        lambda: strop.optimizers.AdamW(0.01, amsgrad=True),
        lambda: SGD(schedules.ExponentialDecay(0.1, 10, 0.9), momentum=0.9, nesterov=True),
        lambda: Adam(0.01, use_ema=True, clipnorm=1.0),
    ],
)
def test_training_goes_on_bit_for_bit(tmp_path, data, optimizer):
    whole, first = make(optimizer=optimizer()), make(optimizer=optimizer())
    strop.utils.set_random_seed(8)
    for epochs in (2, 2) if whole.optimizer.use_ema else (4,):  # a fit ends with the averages
        whole.fit(*data, epochs=epochs, verbose=0)
    strop.utils.set_random_seed(8)
    first.fit(*data, epochs=2, verbose=0)
    first.save(tmp_path / "model.safetensors")
    strop.utils.set_random_seed(99)
    again = load_model(tmp_path / "model.safetensors")
    again.fit(*data, epochs=2, verbose=0)
    for got, want in zip(again.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(got, want)
    assert again.evaluate(*data, verbose=0) == whole.evaluate(*data, verbose=0)
    assert again.metrics_names == ["loss", "accuracy", "precision"]


def test_predictions_and_config_survive(tmp_path, data):
    model = make()
    model.fit(*data, verbose=0)
    model.save(tmp_path / "model")  # no suffix at all
    again = load_model(tmp_path / "model", compile=False)
    np.testing.assert_array_equal(again.predict(data[0], verbose=0), model.predict(data[0], verbose=0))
    assert again.get_config() == model.get_config()
    with pytest.raises(ValueError, match="fit: model must be compiled"):
        again.fit(*data)


def test_any_safetensors_reader_opens_the_file(tmp_path, data):
    model = make()
    model.fit(*data, verbose=0)
    model.save(tmp_path / "model.safetensors")
    tensors = safetensors.numpy.load_file(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(tensors["dense/kernel"], model.get_weights()[1])
    assert "optimizer/moment1/embedding/embeddings" in tensors


def test_saving_amid_an_epoch_holds_caught_up_weights(tmp_path, data):
    model = make()
    for i in range(5):
        model.train_on_batch(data[0][i * 8 : i * 8 + 8], data[1][i * 8 : i * 8 + 8])
    model.save(tmp_path / "model.safetensors")
    again = load_model(tmp_path / "model.safetensors")
    for got, want in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(got, want)


def test_weights_alone(tmp_path, data):
    model, other = make(1), make(2)
    model.save_weights(tmp_path / "weights.safetensors")
    assert other.load_weights(tmp_path / "weights.safetensors") == []
    for got, want in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(got, want)


def test_weights_that_do_not_fit_change_nothing(tmp_path):
    model = strop.Sequential([strop.Input((3,)), Dense(2), Dense(1)])
    other = strop.Sequential([strop.Input((3,)), Dense(2), Dense(4)])
    other.save_weights(tmp_path / "w.safetensors")
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"load_weights: 'dense_1/kernel' must be float32 of shape \(2, 1\)"):
        model.load_weights(tmp_path / "w.safetensors")
    for got, want in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(got, want)
    assert model.load_weights(tmp_path / "w.safetensors", skip_mismatch=True) == [
        "dense_1/bias",
        "dense_1/kernel",
    ]
    np.testing.assert_array_equal(model.get_weights()[0], other.get_weights()[0])


def double(y_true, y_pred):
    return 2 * np.abs(y_true - y_pred).mean(axis=-1)


def test_custom_functions_come_back_by_name_only(tmp_path):
    model = strop.Sequential([strop.Input((2,)), Dense(1)])
    model.compile(optimizer="sgd", loss="mse", metrics=[double])
    model.save(tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match="custom_objects must have 'double'"):
        load_model(tmp_path / "m.safetensors")
    again = load_model(tmp_path / "m.safetensors", custom_objects={"double": double})
    assert again.evaluate([[0.0, 0.0]], [[1.0]], verbose=0) == [1.0, 2.0]


@pytest.mark.parametrize("suffix", [".h5", ".hdf5", ".keras", ".pkl", ".pt", ".npz"])
def test_a_file_whose_name_would_lie_is_refused(tmp_path, suffix):
    path = str(tmp_path / f"model{suffix}")
    model = strop.Sequential([strop.Input((2,)), Dense(1)])
    for call in (lambda: model.save(path), lambda: load_model(path), lambda: model.save_weights(path)):
        with pytest.raises(ValueError, match=r"filepath must end in \.safetensors or \.strop; got"):
            call()
    assert not list(tmp_path.iterdir())


def test_an_existing_file_is_kept_if_asked(tmp_path):
    model = strop.Sequential([strop.Input((2,)), Dense(1)])
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        model.save(path, overwrite=False)
    assert path.read_bytes() == b"mine"


def test_there_is_no_unsafe_mode(tmp_path):
    with pytest.raises(ValueError, match="safe_mode must be True; there is no unsafe mode"):
        load_model(tmp_path / "m", safe_mode=False)


# ---- atomic writes ---------------------------------------------------------


def write(path, content):
    with atomic_write(path) as file:
        file.write(content)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a"
    write(path, b"old")

    def fail():
        with atomic_write(path) as file:
            file.write(b"half")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        fail()
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write(tmp_path / "none" / "a", b"")


def test_a_second_writer_is_refused(tmp_path):
    path = tmp_path / "a"
    with atomic_write(path) as file:
        file.write(b"first")
        with pytest.raises(BlockingIOError):
            write(path, b"second")
    assert path.read_bytes() == b"first"


def test_links_and_modes_are_kept(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    write(target, b"old")
    target.chmod(0o640)
    link.symlink_to(target)
    write(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o640
    before = os.umask(0o027)
    try:
        write(tmp_path / "fresh", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "fresh").stat().st_mode & 0o777 == 0o640


def test_a_leftover_of_a_killed_writer_is_taken_over(tmp_path):
    (tmp_path / ".a.tmp").write_bytes(b"x" * 1000)
    write(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert not (tmp_path / ".a.tmp").exists()


def test_a_planted_link_in_the_place_of_the_temporary_file_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / ".a.tmp").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic"):
        write(tmp_path / "a", b"new")
    assert victim.read_bytes() == b"precious"


KILLED = """
import sys
from strop._files import atomic_write
print("ready", flush=True)
size = 0
while True:
    size = (size + 1) % 50
    with atomic_write(sys.argv[1]) as file:
        for _ in range(20):
            file.write(bytes([size]) * 20_000)
"""


def test_a_killed_save_leaves_a_whole_file(tmp_path):
    path = tmp_path / "model"
    write(path, bytes(400_000))
    for attempt in range(8):
        process = subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(0.01 + 0.007 * attempt)
        process.kill()
        process.wait()
        process.stdout.close()
        content = path.read_bytes()
        assert len(content) == 400_000
        assert len(set(content)) == 1
        assert {p.name for p in tmp_path.iterdir()} <= {"model", ".model.tmp"}
    write(path, b"after")
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


# ---- what else must come back ----------------------------------------------


def train_on(model, data, epochs):
    model.fit(*data, epochs=epochs, verbose=0)


def same(first, second):
    for got, want in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(got, want)
    state, other = first.optimizer.state_tensors(), second.optimizer.state_tensors()
    assert state.keys() == other.keys()
    for name, want in other.items():
        np.testing.assert_array_equal(state[name], want)
    assert first.optimizer.iterations == second.optimizer.iterations


def goes_on(path, make_model, data):
    """Whether fit(4) is fit(2), save, load, fit(2), for a model that `make_model` makes."""
    strop.utils.set_random_seed(8)
    whole = make_model()
    train_on(whole, data, 4)
    strop.utils.set_random_seed(8)
    first = make_model()
    train_on(first, data, 2)
    first.save(path)
    strop.utils.set_random_seed(99)
    again = load_model(path)
    same(again, first)
    train_on(again, data, 2)
    same(again, whole)


def test_a_layer_with_a_seed_of_its_own_goes_on(tmp_path, data):
    def make_model():
        layers = [Embedding(50, 4), GlobalAveragePooling1D(), Dropout(0.5, seed=5), Dense(1)]
        model = strop.Sequential([strop.Input((20,)), *layers])
        model.compile("adam", "mse")
        return model

    goes_on(tmp_path / "m", make_model, data)


def test_weights_that_do_not_decay_stay_so(tmp_path, data):
    def make_model():
        model = strop.Sequential([strop.Input((20,)), Dense(4), Dense(1)])
        optimizer = strop.optimizers.AdamW(0.01, weight_decay=0.5)
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        model.compile(optimizer, "mse")
        return model

    goes_on(tmp_path / "m", make_model, (data[0] / 50, data[1]))


def test_loaded_tables_start_on_a_cache_line(tmp_path):
    model = strop.Sequential(
        [strop.Input((4,)), Embedding(7, 16), GlobalAveragePooling1D(), Dense(3), Dense(1)]
    )
    model.save(tmp_path / "m")
    for variable in load_model(tmp_path / "m").variables:
        assert variable.value.ctypes.data % 64 == 0


def test_float64_weights_keep_every_bit(tmp_path, data):
    def make_model():
        model = strop.Sequential([strop.Input((20,)), Dense(3, dtype="float64"), Dense(1, dtype="float64")])
        model.compile("adam", "mse")
        return model

    goes_on(tmp_path / "m", make_model, (data[0] / 50, data[1]))


def test_a_second_save_holds_the_same(tmp_path, data):
    model = make(optimizer=SGD(schedules.ExponentialDecay(0.1, 10, 0.9)))
    train_on(model, data, 1)
    model.save(tmp_path / "a")
    load_model(tmp_path / "a").save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_loading_draws_no_random_numbers(tmp_path, data):
    model = make()
    model.save(tmp_path / "m")
    strop.utils.set_random_seed(4)
    before = strop._random.get_state()
    load_model(tmp_path / "m", compile=False)
    assert strop._random.get_state() == before


def test_weights_are_read_from_a_whole_model(tmp_path, data):
    model, other = make(1), make(2)
    train_on(model, data, 1)
    model.save(tmp_path / "m.strop")
    assert other.load_weights(tmp_path / "m.strop") == []
    for got, want in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(got, want)


def test_weights_are_read_from_anyones_safetensors(tmp_path):
    model = strop.Sequential([strop.Input((2,)), Dense(3)])
    kernel, bias = np.ones((2, 3), np.float32), np.arange(3, dtype=np.float32)
    tensors = {"dense/kernel": kernel, "dense/bias": bias, "half": np.ones(3, np.float16)}
    safetensors.numpy.save_file(tensors, tmp_path / "theirs.safetensors", {"author": "José"})
    with pytest.raises(
        ValueError, match=r"theirs\.safetensors must hold the model's weights only; got 'half' too"
    ):
        model.load_weights(tmp_path / "theirs.safetensors")
    assert model.load_weights(tmp_path / "theirs.safetensors", skip_mismatch=True) == ["half"]
    np.testing.assert_array_equal(model.get_weights()[1], bias)


@pytest.mark.parametrize(
    ("tensors", "problem", "left_out"),
    [
        ({"dense/kernel": np.ones((2, 3), "f4")}, "file must hold 'dense/bias'; got none", ["dense/bias"]),
        (
            {"dense/kernel": np.ones((2, 3), "f8"), "dense/bias": np.ones(3, "f4")},
            "'dense/kernel' must be float32 of shape (2, 3); got float64 (2, 3)",
            ["dense/kernel"],
        ),
        (
            {"dense/kernel": np.ones((3, 2), "f4"), "dense/bias": np.ones(3, "f4")},
            "'dense/kernel' must be float32 of shape (2, 3); got float32 (3, 2)",
            ["dense/kernel"],
        ),
        (
            {"dense/kernel": np.ones((2, 3), "f2"), "dense/bias": np.ones(3, "f4")},
            "'dense/kernel' must be float32 of shape (2, 3); got F16 (2, 3)",
            ["dense/kernel"],
        ),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, tensors, problem, left_out):
    model = strop.Sequential([strop.Input((2,)), Dense(3)])
    before = model.get_weights()
    safetensors.numpy.save_file(tensors, tmp_path / "w")
    with pytest.raises(ValueError) as caught:
        model.load_weights(tmp_path / "w")
    assert str(caught.value) == f"load_weights: {problem}"
    for got, want in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(got, want)
    assert model.load_weights(tmp_path / "w", skip_mismatch=True) == left_out


def test_frozen_layers_need_no_state(tmp_path, data):
    model = strop.Sequential([strop.Input((20,)), Dense(4, trainable=False), Dense(1)])
    model.compile("adam", "mse")
    train_on(model, (data[0] / 50, data[1]), 1)
    model.save(tmp_path / "m")
    same(load_model(tmp_path / "m"), model)


def test_layers_frozen_after_training_start_a_fresh_optimizer(tmp_path, data):
    model = strop.Sequential([strop.Input((20,)), Dense(4), Dense(1)])
    model.compile("adam", "mse")
    train_on(model, (data[0] / 50, data[1]), 1)
    model.layers[0].trainable = False
    model.save(tmp_path / "m")
    with pytest.warns(UserWarning, match="starts afresh") as caught:
        again = load_model(tmp_path / "m")
    assert str(caught[0].message) == (
        "load_model: the optimizer's state is not that of the trainable weights, so it starts afresh"
    )
    assert caught[0].filename == __file__
    assert again.optimizer.iterations == 0
    train_on(again, (data[0] / 50, data[1]), 1)


class Scale(Dense):
    """A layer of the user's that makes a weight in a way of its own."""

    def build(self, input_shape):
        super().build(input_shape)
        self.variables.append(strop.layers.Variable("factor", np.ones(self.units, np.float32)))

    def forward(self, x, *, training=False, mask=None):
        y, saved = super().forward(x, training=training, mask=mask)
        return y * self.variables[-1].value, saved


class Net(strop.Sequential):
    """A model of the user's."""


def test_classes_of_the_users_come_back_through_custom_objects(tmp_path):
    model = Net([strop.Input((2,)), Scale(3, name="scale")])
    model.layers[0].variables[-1].assign(np.array([1, 2, 3], np.float32))
    model.save(tmp_path / "m")
    with pytest.raises(ValueError) as caught:
        load_model(tmp_path / "m")
    assert str(caught.value) == "load_model: model class must be known or in custom_objects; got 'Net'"
    with pytest.raises(ValueError) as caught:
        load_model(tmp_path / "m", custom_objects={"Net": Net})
    assert str(caught.value) == "load_model: layer classes must be known or in custom_objects; got 'Scale'"
    again = load_model(tmp_path / "m", custom_objects={"Net": Net, "Scale": Scale})
    assert type(again) is Net
    x = np.array([[1.0, 2.0]])
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


# ---- arguments -------------------------------------------------------------


def dense(units=1, **settings):
    return strop.Sequential([strop.Input((2,)), Dense(units, **settings)])


@pytest.mark.parametrize("name", ["m", "m.safetensors", "m.strop", "m.STROP", "m-0.25", ".m"])
def test_these_names_are_taken(tmp_path, name):
    model = dense()
    model.save(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    np.testing.assert_array_equal(load_model(tmp_path / name).get_weights()[0], model.get_weights()[0])


@pytest.mark.parametrize("name", ["m.weights.h5", "m.KERAS", "m.safetensors.gz", "m.bin", "m.json"])
def test_these_names_are_refused_whole(tmp_path, name):
    model, path = dense(), str(tmp_path / name)
    calls = {
        "save": lambda: model.save(path),
        "save_weights": lambda: model.save_weights(path),
        "load_model": lambda: load_model(path),
        "load_weights": lambda: model.load_weights(path),
    }
    for op, call in calls.items():
        with pytest.raises(ValueError) as caught:
            call()
        assert str(caught.value) == f"{op}: filepath must end in .safetensors or .strop; got {path!r}"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda m, p: m.save(3), "TypeError: save: filepath must be a text or a path; got int"),
        (
            lambda m, p: load_model(b"m"),
            "TypeError: load_model: filepath must be a text or a path; got bytes",
        ),
        (
            lambda m, p: load_model(p, ["Net"]),
            "TypeError: load_model: custom_objects must be a dict; got list",
        ),
        (
            lambda m, p: load_model(p, safe_mode=False),
            "ValueError: load_model: safe_mode must be True; there is no unsafe mode",
        ),
        (
            lambda m, p: strop.Sequential([Dense(1)]).save(p),
            "ValueError: save: model must be built; call build, or start the model with an Input",
        ),
        (
            lambda m, p: strop.Sequential([Dense(1)]).load_weights(p),
            "ValueError: load_weights: model must be built; call build, or start the model with an Input",
        ),
        (
            lambda m, p: dense(name="größe").save(p),
            "ValueError: save: names of weights must be of letters, digits and _./-; got 'größe/kernel'",
        ),
        (
            lambda m, p: dense(name="optimizer").save(p),
            "ValueError: save: layers must not be named 'optimizer', which the file keeps for its state; got one",
        ),
        (
            lambda m, p: (m.save_weights(p), load_model(p)),
            "ValueError: load_model: m must hold a whole model; got weights alone; use load_weights",
        ),
    ],
)
def test_arguments_are_refused_before_anything_is_written(tmp_path, call, text):
    with pytest.raises((TypeError, ValueError)) as caught:
        call(dense(), tmp_path / "m")
    assert f"{type(caught.value).__name__}: {caught.value}".replace(f"{tmp_path}/", "") == text
    assert len(list(tmp_path.iterdir())) == ("weights alone" in text)


class Odd(Dense):
    def get_config(self):
        return super().get_config() | {"odd": self.odd}


@pytest.mark.parametrize(
    ("odd", "problem"),
    [
        (
            float("nan"),
            "settings of layers must be what JSON holds; got Out of range float values are not JSON",
        ),
        (np.float32(1), "settings of layers must be what JSON holds; got Object of type float32 is not JSON"),
        ([0] * 500_000, "JSON must hold at most 500000 values; got more"),
        ("a" * (16 << 20), "JSON must be at most 16777216 bytes; got "),
        ('"' * (6 << 20), "names and settings must take at most 16777216 bytes; got "),
    ],
    ids=["nan", "numpy", "many", "long", "quotes"],
)
def test_settings_that_could_not_be_read_back_are_not_written(tmp_path, odd, problem):
    model = strop.Sequential([strop.Input((2,)), Odd(1)])
    model.layers[0].odd = odd
    model_path = tmp_path / "m"
    model_path.write_bytes(b"old")
    with pytest.raises(ValueError) as caught:
        model.save(model_path)
    assert str(caught.value).startswith(f"save: {problem}")
    assert model_path.read_bytes() == b"old"


def test_a_file_that_is_no_file_is_an_os_error(tmp_path):
    os.mkfifo(tmp_path / "pipe")  # opening it for reading alone would wait for ever
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(
            OSError, match="load_model: file must be a regular file; got another kind"
        ) as caught:
            load_model(path)
        assert caught.value.filename == str(path)


def test_saving_to_json_says_what_the_layers_are():
    assert json.loads(dense().to_json())["layers"][0]["config"]["units"] == 1
