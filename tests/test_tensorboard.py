"""What TensorBoard will read: Keras' names, steps and folders."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
import pytest

import strop
from strop.callbacks import BackupAndRestore, TensorBoard

DATA = np.arange(24, dtype=np.float32).reshape(8, 3) / 24, np.arange(8.0)[:, None] / 8


def model():
    made = strop.Sequential([strop.Input((3,)), strop.layers.Dense(2), strop.layers.Dense(1)])
    made.compile(strop.optimizers.SGD(0.125), "mse", metrics=["mae"])
    return made


@pytest.fixture
def events():
    pytest.importorskip("tensorboardX")
    from tensorboardX.proto import event_pb2

    def read(folder: Path):
        """Scalars and names of histograms of a folder: {tag: [(step, value)]}, [tag]."""
        scalars, histograms = {}, []
        for path in sorted(folder.glob("events.*")):
            data, at = path.read_bytes(), 0
            while at < len(data):
                (length,) = struct.unpack_from("<Q", data, at)
                event = event_pb2.Event.FromString(data[at + 12 : at + 12 + length])
                at += 16 + length  # the length, its check sum, the event, and its check sum
                for value in event.summary.value:
                    if value.HasField("simple_value"):
                        scalars.setdefault(value.tag, []).append((event.step, value.simple_value))
                    else:
                        histograms.append((event.step, value.tag))
        return scalars, histograms

    return read


def values(history, name):
    return [
        (epoch, pytest.approx(v, rel=1e-6))
        for epoch, v in zip(history.epoch, history.history[name], strict=True)
    ]


def test_epochs_are_written_under_the_names_of_keras(events, tmp_path):
    history = model().fit(
        *DATA, batch_size=4, epochs=3, validation_split=0.25, verbose=0, callbacks=[TensorBoard(tmp_path)]
    )
    scalars, histograms = events(tmp_path / "train")
    assert set(scalars) == {"epoch_loss", "epoch_mae", "epoch_learning_rate"}
    assert scalars["epoch_loss"] == values(history, "loss")
    assert scalars["epoch_mae"] == values(history, "mae")
    assert scalars["epoch_learning_rate"] == [(0, 0.125), (1, 0.125), (2, 0.125)]
    assert histograms == []
    scalars, _ = events(tmp_path / "validation")
    assert scalars["epoch_loss"] == values(history, "val_loss")
    assert scalars["epoch_mae"] == values(history, "val_mae")
    by_updates = [(2 * epoch + 2, value) for epoch, value in values(history, "val_loss")]
    assert scalars["evaluation_loss_vs_iterations"] == by_updates
    assert set(scalars) == {
        "epoch_loss",
        "epoch_mae",
        "evaluation_loss_vs_iterations",
        "evaluation_mae_vs_iterations",
    }


@pytest.mark.parametrize(("freq", "steps"), [("batch", [1, 2, 3, 4, 5, 6]), (4, [4])])
def test_batches_are_written_when_asked(events, tmp_path, freq, steps):
    board = TensorBoard(tmp_path, update_freq=freq, write_steps_per_second=True, histogram_freq=2)
    model().fit(*DATA, batch_size=3, epochs=2, verbose=0, callbacks=[board])
    scalars, histograms = events(tmp_path / "train")
    for name in ("batch_loss", "batch_mae", "batch_steps_per_second"):
        assert [step for step, _ in scalars[name]] == steps
    assert [step for step, _ in scalars["epoch_steps_per_second"]] == [0, 1]
    assert histograms == [
        (0, f"{layer}/{weight}/histogram") for layer in ("dense", "dense_1") for weight in ("kernel", "bias")
    ]


def test_by_epochs_there_is_no_batch_hook():
    from strop.callbacks import CallbackList

    run = CallbackList([TensorBoard("a")])
    assert not run.wants("on_train_batch_begin")
    assert not run.wants("on_train_batch_end")


def test_an_evaluation_alone_is_written_and_closed(events, tmp_path):
    made = model()
    board = TensorBoard(tmp_path)
    loss, _ = made.evaluate(*DATA, verbose=0, callbacks=[board])
    assert events(tmp_path / "validation")[0]["evaluation_loss_vs_iterations"] == [(0, pytest.approx(loss))]
    assert board._writers == {}


def test_steps_go_on_after_a_crash(events, tmp_path):
    def fit(epochs):
        callbacks = [TensorBoard(tmp_path / "logs", update_freq=1)]
        callbacks.append(BackupAndRestore(tmp_path / "backup", delete_checkpoint=False))
        model().fit(*DATA, batch_size=4, epochs=epochs, verbose=0, callbacks=callbacks)

    fit(1)
    fit(2)
    scalars, _ = events(tmp_path / "logs" / "train")
    assert [step for step, _ in scalars["batch_loss"]] == [1, 2, 3, 4]
    assert [step for step, _ in scalars["epoch_loss"]] == [0, 1]


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"write_images": True}, NotImplementedError, "TensorBoard: write_images must be False; got True"),
        ({"profile_batch": 2}, NotImplementedError, "TensorBoard: profile_batch must be 0; got 2"),
        ({"embeddings_freq": 1}, NotImplementedError, "TensorBoard: embeddings_freq must be 0; got 1"),
        (
            {"update_freq": "step"},
            ValueError,
            "TensorBoard: update_freq must be 'epoch', 'batch' or a number of steps; got 'step'",
        ),
        (
            {"update_freq": 0},
            ValueError,
            "TensorBoard: update_freq must be 'epoch', 'batch' or a number of steps; got 0",
        ),
        (
            {"histogram_freq": -1},
            ValueError,
            "TensorBoard: histogram_freq must be a number of epochs, or 0; got -1",
        ),
    ],
)
def test_bad_settings_are_refused(settings, error, text):
    with pytest.raises(error) as caught:
        TensorBoard("a", **settings)
    assert str(caught.value) == text


def test_without_tensorboardx_the_way_to_it_is_named_before_training(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    made = model()
    with pytest.raises(ImportError) as caught:
        made.fit(*DATA, verbose=0, callbacks=[TensorBoard(tmp_path)])
    assert (
        str(caught.value) == 'TensorBoard: tensorboardX must be installed; pip install "strop[tensorboard]"'
    )
    assert made.optimizer.iterations == 0
