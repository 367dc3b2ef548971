"""A fit that was killed and started again has the bits of one that was not."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys

import numpy as np
import pytest

import strop
from strop.callbacks import (
    BackupAndRestore,
    Callback,
    CSVLogger,
    EarlyStopping,
    History,
    LambdaCallback,
    ReduceLROnPlateau,
)
from strop.models.backup import packed, unpacked

#: Trains in the folder argv[1], and dies at argv[2]: `batch EPOCH BATCH`, `write EPOCH` amid the backup, `end` after
#: the last epoch, or never.
PROGRAM = """
import json, os, signal, sys
import numpy as np
import strop
from strop.callbacks import *
from strop.layers import Dense, Dropout, Embedding, GlobalAveragePooling1D

folder, spot = sys.argv[1], sys.argv[2:]
def die():
    os.kill(os.getpid(), signal.SIGKILL)

strop.utils.set_random_seed(3)
rng = np.random.default_rng(0)
x = rng.integers(1, 40, (160, 7))
y = (x.sum(1) > 140).astype(np.int64)
model = strop.Sequential([
    Embedding(40, 6, mask_zero=True), GlobalAveragePooling1D(), Dense(8, activation="relu"), Dropout(0.3),
    Dropout(0.2, seed=5), Dense(1, activation="sigmoid"),
])
model.compile(strop.optimizers.Adam(0.02), "binary_crossentropy", metrics=["accuracy"])

class Killer(Callback):
    epoch = -1
    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
    def on_train_batch_end(self, batch, logs=None):
        if spot[:1] == ["batch"] and [self.epoch, batch] == [int(n) for n in spot[1:]]:
            die()
    def on_train_end(self, logs=None):
        if spot == ["end"]:
            die()

killer = Killer()
if spot[:1] == ["write"]:  # the moment before the new backup takes the place of the old one
    replace = os.replace
    def last_words(source, target):
        if "backup" in str(target) and killer.epoch == int(spot[1]):
            die()
        replace(source, target)
    os.replace = last_words

history = model.fit(x, y, batch_size=16, epochs=9, verbose=0, validation_split=0.25, callbacks=[
    killer,
    EarlyStopping(patience=3, restore_best_weights=True, min_delta=0.01),
    ReduceLROnPlateau(patience=1, factor=0.5, min_delta=0.05),
    ModelCheckpoint(folder + "/best.strop", save_best_only=True),
    CSVLogger(folder + "/log.csv"),
    BackupAndRestore(folder + "/backup"),
])
np.savez(folder + "/weights.npz", *model.get_weights())
with open(folder + "/history.json", "w") as file:
    json.dump([history.epoch, history.history, model.optimizer.iterations, model.optimizer.learning_rate], file)
"""


def run(folder, *spot):
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-W", "ignore::UserWarning", "-c", PROGRAM, str(folder), *map(str, spot)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == (-signal.SIGKILL if spot else 0), done.stderr
    return folder


def weights(folder):
    with np.load(folder / "weights.npz") as file:
        return [file[name] for name in file.files]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return run(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize(
    "spots",
    [
        [("batch", 0, 1)],
        [("batch", 3, 7)],
        [("write", 2)],
        [("batch", 1, 0), ("write", 1), ("batch", 4, 2)],
        [("end",)],
    ],
    ids=[
        "before the first backup",
        "amid an epoch",
        "amid the backup",
        "three times",
        "after the last epoch",
    ],
)
def test_a_killed_fit_goes_on_bit_for_bit(spots, whole, tmp_path):
    folder = tmp_path / "run"
    for spot in spots:
        run(folder, *spot)
    run(folder)
    for mine, want in zip(weights(folder), weights(whole), strict=True):
        np.testing.assert_array_equal(mine, want)
    for name in ("history.json", "log.csv", "best.strop"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name
    assert not (folder / "backup").exists()


def test_the_whole_run_uses_what_the_callbacks_remember(whole):
    epochs, history, _, rate = json.loads((whole / "history.json").read_text())
    assert len(history["learning_rate"]) == len(epochs)
    assert rate < 0.02


def data():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(24, 3)).astype(np.float32)
    return x, x.sum(1, keepdims=True)


def model(units=4, optimizer="adam"):
    made = strop.Sequential([strop.Input((3,)), strop.layers.Dense(units), strop.layers.Dense(1)])
    made.compile(optimizer, "mse")
    return made


class Crash(Callback):
    def __init__(self, epoch):
        self.at = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.at:
            raise OSError("crash")


def interrupted(folder, made=None, callbacks=(), **settings):
    made = made or model()
    with pytest.raises(OSError, match="crash"):
        made.fit(
            *data(),
            epochs=5,
            verbose=0,
            callbacks=[Crash(2), *callbacks, BackupAndRestore(folder)],
            **settings,
        )
    return made


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "RMSprop", "Adagrad", "Lion"])
@pytest.mark.parametrize("accumulate", [None, 2])
def test_every_optimizer_goes_on_in_a_new_process(optimizer, accumulate, tmp_path):
    settings = {"learning_rate": 0.01, "gradient_accumulation_steps": accumulate}

    def make():
        return model(optimizer=getattr(strop.optimizers, optimizer)(**settings))

    strop.utils.set_random_seed(1)
    first = make()
    start = first.get_weights()
    first.fit(*data(), epochs=5, batch_size=5, verbose=0)
    strop.utils.set_random_seed(1)
    again = make()
    again.set_weights(start)
    interrupted(tmp_path, again, batch_size=5)
    strop.utils.set_random_seed(99)
    second = make()
    history = second.fit(*data(), epochs=5, batch_size=5, verbose=0, callbacks=[BackupAndRestore(tmp_path)])
    assert history.epoch == [0, 1, 2, 3, 4]
    for mine, want in zip(second.get_weights(), first.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, want)


def test_a_stop_that_was_decided_holds_after_the_crash(tmp_path):
    class CrashAtEnd(Callback):
        armed = True

        def on_train_end(self, logs=None):
            if self.armed:
                raise OSError("crash")

    def callbacks():
        return [crash, EarlyStopping("loss", patience=None, threshold=1e9), BackupAndRestore(tmp_path)]

    crash = CrashAtEnd()
    with pytest.raises(OSError, match="crash"):
        model().fit(*data(), epochs=5, verbose=0, callbacks=callbacks())
    crash.armed = False
    history = model().fit(*data(), epochs=5, verbose=0, callbacks=callbacks())
    assert history.epoch == [0]


def test_the_backup_stays_if_asked_and_more_epochs_follow(tmp_path):
    def fit(epochs):
        backup = BackupAndRestore(tmp_path, delete_checkpoint=False)
        return model().fit(*data(), epochs=epochs, verbose=0, callbacks=[backup])

    fit(2)
    assert fit(4).epoch == [0, 1, 2, 3]
    assert fit(4).epoch == [0, 1, 2, 3]  # nothing left to do


def test_a_folder_with_other_files_stays(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    model().fit(*data(), epochs=1, verbose=0, callbacks=[BackupAndRestore(tmp_path)])
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_schedule_goes_on_by_its_steps(tmp_path):
    def make():
        return model(optimizer=strop.optimizers.SGD(strop.optimizers.schedules.ExponentialDecay(0.1, 1, 0.9)))

    strop.utils.set_random_seed(1)
    first = make()
    first.fit(*data(), epochs=5, verbose=0)
    strop.utils.set_random_seed(1)
    interrupted(tmp_path, make())
    second = make()
    second.fit(*data(), epochs=5, verbose=0, callbacks=[BackupAndRestore(tmp_path)])
    for mine, want in zip(second.get_weights(), first.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, want)


@pytest.mark.parametrize(
    ("make", "callbacks", "settings", "text"),
    [
        (
            lambda: model(5),
            [],
            {},
            "BackupAndRestore: 'dense/kernel' must be float32 of shape (3, 5); got float32 (3, 4); "
            "to start afresh remove {path}",
        ),
        (
            model,
            [EarlyStopping("loss")],
            {},
            "BackupAndRestore: callbacks must be those of the interrupted fit (History); got EarlyStopping, History",
        ),
        (
            model,
            [],
            {"batch_size": 7},
            "BackupAndRestore: fit must have the steps per epoch of the interrupted one (1); got 4; "
            "to start afresh remove {path}",
        ),
        (
            lambda: model(optimizer="sgd"),
            [],
            {},
            "SGD: state must fit the parameters; got tensors that have an unknown 'moment1/dense/bias'",
        ),
    ],
)
def test_a_backup_of_another_fit_is_refused_and_changes_nothing(make, callbacks, settings, text, tmp_path):
    interrupted(tmp_path)
    other = make()
    before = other.get_weights()
    with pytest.raises(ValueError) as caught:
        other.fit(
            *data(), epochs=5, verbose=0, callbacks=[*callbacks, BackupAndRestore(tmp_path)], **settings
        )
    assert str(caught.value) == text.format(path=tmp_path / "backup.strop")
    for mine, want in zip(other.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, want)


def test_a_damaged_backup_is_refused_and_changes_nothing(tmp_path):
    interrupted(tmp_path, callbacks=[CSVLogger(tmp_path / "log.csv")])
    path = tmp_path / "backup.strop"
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    length = 8 + int.from_bytes(whole[:8], "little")
    refused = 0
    for trial in range(300):
        damaged = bytearray(whole)
        for place in rng.integers(0, length, 1 + trial % 3):
            damaged[place] = rng.integers(32, 127)
        path.write_bytes(damaged[: rng.integers(1, len(damaged))] if trial % 10 == 0 else damaged)
        other = model()
        before = other.get_weights()
        try:
            other.fit(
                *data(),
                epochs=0,
                verbose=0,
                callbacks=[CSVLogger(tmp_path / "log.csv"), BackupAndRestore(tmp_path)],
            )
        except (ValueError, OSError):
            refused += 1
            for mine, want in zip(other.get_weights(), before, strict=True):
                np.testing.assert_array_equal(mine, want)
    assert refused > 150


def test_a_file_that_is_no_backup_is_refused(tmp_path):
    made = model()
    made.save(tmp_path / "backup.strop")
    with pytest.raises(ValueError) as caught:
        made.fit(*data(), verbose=0, callbacks=[BackupAndRestore(tmp_path)])
    assert str(caught.value) == (
        f"BackupAndRestore: {tmp_path / 'backup.strop'} must be a backup of a fit; got another file of strop's"
    )


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: BackupAndRestore(""), "BackupAndRestore: backup_dir must name a folder; got an empty text"),
        (lambda: BackupAndRestore("a", 100), "BackupAndRestore: save_freq must be 'epoch'; got 100"),
    ],
)
def test_bad_settings_are_refused(call, text):
    with pytest.raises(ValueError) as caught:
        call()
    assert str(caught.value) == text


def test_a_state_survives_the_file():
    state = {
        "best": math.inf,
        "lowest": -math.inf,
        "none": None,
        "flag": True,
        "text": "a",
        "count": np.int64(3),
        "nested": {"$": "not a mark", "list": [1, [2.5, (3,)]]},
        "weights": [np.arange(3), np.ones((2, 2), np.float32)],
    }
    arrays = {}
    text = json.dumps(packed(state, arrays, "it"), allow_nan=False)
    back = unpacked(json.loads(text), arrays)
    assert list(back) == list(state)
    for name in ("best", "lowest", "none", "flag", "text", "count"):
        assert back[name] == state[name]
    assert back["nested"] == {"$": "not a mark", "list": [1, [2.5, [3]]]}
    for mine, want in zip(back["weights"], state["weights"], strict=True):
        np.testing.assert_array_equal(mine, want)
    assert math.isnan(unpacked(packed(math.nan, {}, "it"), {}))
    with pytest.raises(TypeError) as caught:
        packed({"a": {1, 2}}, {}, "Mine")
    assert str(caught.value) == (
        "BackupAndRestore: state of Mine must be numbers, texts and arrays, in lists and dicts; got set"
    )


def test_a_callback_of_the_user_takes_part_by_naming_its_attributes(tmp_path):
    class Counter(Callback):
        state_attributes = ("count",)

        def on_train_begin(self, logs=None):
            self.count = 0

        def on_epoch_end(self, epoch, logs=None):
            self.count += 1

    interrupted(tmp_path, callbacks=[Counter()])
    counter = Counter()
    model().fit(*data(), epochs=5, verbose=0, callbacks=[counter, BackupAndRestore(tmp_path)])
    assert counter.count == 5


def test_the_state_of_the_package_callbacks_is_whole():
    # What on_train_begin sets is state, or a fit that goes on would start it afresh.
    for callback in (EarlyStopping(), ReduceLROnPlateau(), History()):
        before = set(vars(callback))
        callback.model = model()
        callback.on_train_begin()
        reset = {name for name in before if not name.startswith("_") or name == "_reason"}
        settings = set(type(callback).__init__.__code__.co_varnames) | {"higher", "model"}
        assert reset - settings <= set(callback.state_attributes), type(callback).__name__


def test_an_old_log_goes_with_the_first_line_and_not_before(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("old\n")
    model().fit(*data(), epochs=0, verbose=0, callbacks=[CSVLogger(path)])
    assert path.read_text() == ""
    path.write_text("old\n")
    model().fit(*data(), epochs=1, verbose=0, callbacks=[CSVLogger(path), LambdaCallback()])
    assert path.read_text().startswith("epoch,loss\n0,")
