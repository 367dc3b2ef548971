"""What is saved is what is loaded, bit for bit, and training goes on."""

from __future__ import annotations

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
    whole.fit(*data, epochs=4, verbose=0)
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
