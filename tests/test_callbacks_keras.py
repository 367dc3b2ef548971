"""Callbacks beside those of Keras over random runs: the same epochs, best values and learning rates."""

from __future__ import annotations

import numpy as np
import pytest

from conftest import import_keras
from strop import callbacks
from strop.callbacks import CallbackList
from test_callbacks import Model, fit


@pytest.fixture(scope="module")
def keras():
    return import_keras("keras.callbacks")


def theirs(callback, epochs):
    """The same epochs under a callback of Keras: how many ran, and the rates they used."""
    model, rates, ran = Model(), [], 0
    callback.set_model(model)
    callback.set_params({"epochs": len(epochs)})
    callback.on_train_begin()
    for epoch, logs in enumerate(epochs):
        callback.on_epoch_begin(epoch)
        rates.append(model.optimizer.learning_rate)
        model.weights = epoch + 1
        callback.on_epoch_end(epoch, dict(logs))
        ran += 1
        if model.stop_training:
            break
    callback.on_train_end()
    return model, ran, rates


def runs(seed, count):
    """Random runs with plateaus: settings are drawn by the caller from the same generator."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        values = np.round(np.cumsum(rng.normal(-0.02, 0.1, 14)) + 1, rng.integers(1, 4))
        yield rng, [{"val_loss": float(value), "score": float(-value)} for value in values]


def test_early_stopping_is_that_of_keras(keras):
    for rng, epochs in runs(1, 200):
        settings = {
            "monitor": ["val_loss", "score"][rng.integers(2)],
            "min_delta": float(rng.choice([0, 0.05])),
            "patience": int(rng.integers(0, 4)),
            "baseline": None if rng.random() < 0.6 else float(rng.normal(0.9, 0.1)),
            "restore_best_weights": bool(rng.integers(2)),
            "start_from_epoch": int(rng.choice([0, 0, 3])),
        }
        settings["mode"] = "max" if settings["monitor"] == "score" else "min"
        mine, other = callbacks.EarlyStopping(**settings), keras.EarlyStopping(**settings)
        model, history, _ = fit(mine, epochs)
        want, ran, _ = theirs(other, epochs)
        assert (len(history.epoch), model.weights) == (ran, want.weights), settings
        assert (mine.best, mine.stopped_epoch, mine.wait) == (other.best, other.stopped_epoch, other.wait)


def test_reduce_on_plateau_is_that_of_keras(keras):
    for rng, epochs in runs(2, 200):
        settings = {
            "factor": float(rng.choice([0.1, 0.5])),
            "patience": int(rng.integers(0, 4)),
            "min_delta": float(rng.choice([0, 1e-4, 0.05])),
            "cooldown": int(rng.integers(0, 3)),
            "min_lr": float(rng.choice([0, 0.02])),
            "mode": "min",
        }
        _, history, rates = fit(callbacks.ReduceLROnPlateau(**settings), epochs)
        _, _, want = theirs(keras.ReduceLROnPlateau(**settings), epochs)
        assert rates == want, settings
        assert history.history["learning_rate"] == want


@pytest.mark.parametrize("schedule", [lambda epoch, rate: rate * 0.9**epoch, lambda epoch: 1 / (1 + epoch)])
def test_the_scheduler_is_that_of_keras(keras, schedule):
    epochs = [{"val_loss": 1.0}] * 6
    _, _, rates = fit(callbacks.LearningRateScheduler(schedule), epochs)
    _, _, want = theirs(keras.LearningRateScheduler(schedule), epochs)
    assert rates == want


def test_checkpoints_are_saved_when_keras_saves(keras, monkeypatch):
    for rng, epochs in runs(3, 60):
        settings = {
            "save_best_only": bool(rng.integers(2)),
            "save_freq": ["epoch", 1, 2, 3, 5][rng.integers(5)],
            "initial_value_threshold": None if rng.random() < 0.7 else 0.9,
            "mode": "min",
        }
        saved = []
        for module, suffix in ((callbacks, ".strop"), (keras, ".keras")):
            callback = module.ModelCheckpoint("{epoch}-{val_loss:.2f}" + suffix, **settings)
            model = Model()
            callback.set_model(model)
            run = CallbackList([callback], model=model) if module is callbacks else callback
            if module is keras:
                run._set_monitor_op()  # or a save by batches fails in the first epoch
            run.on_train_begin()
            for epoch, logs in enumerate(epochs):
                run.on_epoch_begin(epoch)
                for batch in range(4):
                    run.on_train_batch_end(batch, logs)
                run.on_epoch_end(epoch, dict(logs))
            saved.append([path.removesuffix(suffix) for path, _ in model.saved])
        assert saved[0] == saved[1], settings


def test_bare_hooks_of_older_scripts_are_called_as_in_keras(keras):
    seen = []
    for module in (callbacks, keras):

        class Old(module.Callback):
            def on_batch_begin(self, batch, logs=None):
                seen.append(("begin", batch))

            def on_batch_end(self, batch, logs=None):
                seen.append(("end", batch))

        run = CallbackList([Old()]) if module is callbacks else Old()
        run.on_train_batch_begin(3)
        run.on_train_batch_end(3)
    assert seen == [("begin", 3), ("end", 3)] * 2
