from __future__ import annotations

import csv
import math

import pytest

import strop
from strop import callbacks
from strop.callbacks import (
    Callback,
    CallbackList,
    CSVLogger,
    EarlyStopping,
    History,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TerminateOnNaN,
)
from strop.callbacks.base import HOOKS


class Optimizer:
    learning_rate = 0.1


class Model:
    """What callbacks see of a model."""

    def __init__(self):
        self.stop_training = False
        self.optimizer = Optimizer()
        self.weights = 0
        self.saved = []

    def get_weights(self):
        return [self.weights]

    def set_weights(self, weights):
        (self.weights,) = weights

    def save(self, path, overwrite=False):
        self.saved.append((path, overwrite))

    def save_weights(self, path, overwrite=False):
        self.saved.append(("weights", path, overwrite))


def fit(callback, epochs, names=None, initial_epoch=0):
    """Run epochs of given logs; the model's weights are the number of the epoch, from 1."""
    model, history, rates = Model(), History(), []
    names = tuple(epochs[0]) if names is None else names
    run = CallbackList([callback, history], model=model, log_names=names)
    run.on_train_begin()
    for epoch, logs in enumerate(epochs, start=initial_epoch):
        run.on_epoch_begin(epoch)
        rates.append(model.optimizer.learning_rate)
        model.weights = epoch + 1
        run.on_epoch_end(epoch, dict(logs))
        if model.stop_training:
            break
    run.on_train_end()
    return model, history, rates


def losses(*values, name="val_loss"):
    return [{name: value} for value in values]


def test_hooks_run_in_order_and_only_where_overridden():
    seen = []

    class First(Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(("first", epoch))
            logs["extra"] = 1.0

    second = LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(("second", dict(logs))))
    run = CallbackList([First(), second])
    assert [hook for hook in HOOKS if run.wants(hook)] == ["on_epoch_end"]
    run.on_epoch_end(3, {"loss": 0.5})
    assert seen == [("first", 3), ("second", {"loss": 0.5, "extra": 1.0})]


def test_every_hook_reaches_its_callback():
    seen = []
    functions = {hook: lambda *args, hook=hook: seen.append((hook, len(args))) for hook in HOOKS}
    run = CallbackList(LambdaCallback(**functions))
    for hook in HOOKS:
        args = (0,) if "batch" in hook or "epoch" in hook else ()
        getattr(run, hook)(*args)
    assert seen == [(hook, 2 if "batch" in hook or "epoch" in hook else 1) for hook in HOOKS]


def test_callbacks_know_the_model_and_the_settings():
    class Bare(Callback):
        def __init__(self):
            pass  # without super().__init__()

    bare, model = Bare(), Model()
    assert (bare.model, dict(bare.params)) == (None, {})
    CallbackList([bare], model=model, params={"epochs": 3}, log_names=["loss"])
    assert (bare.model, bare.params, bare.log_names) == (model, {"epochs": 3}, ("loss",))


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            [EarlyStopping],
            "fit: callbacks[0] must be a Callback; got the class EarlyStopping; write EarlyStopping()",
        ),
        ([History(), "stop"], "fit: callbacks[1] must be a Callback; got str"),
        ([dict], "fit: callbacks[0] must be a Callback; got the class dict"),
    ],
)
def test_what_is_no_callback_is_refused(given, text):
    with pytest.raises(TypeError) as caught:
        CallbackList(given)
    assert str(caught.value) == text


def test_history_holds_python_floats_in_the_order_they_come():
    history = History()
    history.on_train_begin()
    history.on_epoch_end(3, {"loss": 1, "accuracy": 0.5})
    history.on_epoch_end(4, {"loss": 0.5, "accuracy": 0.75, "val_loss": 2, "precision": [0.5, 1]})
    assert history.epoch == [3, 4]
    assert list(history.history) == ["loss", "accuracy", "val_loss", "precision"]
    assert history.history["loss"] == [1.0, 0.5]
    assert history.history["precision"] == [[0.5, 1.0]]
    assert type(history.history["loss"][0]) is float
    history.on_train_begin()
    assert (history.epoch, history.history) == ([], {})


def test_lambda_callback_refuses_unknown_hooks():
    with pytest.raises(TypeError) as caught:
        LambdaCallback(on_epoch_ends=print)
    assert str(caught.value) == (
        "LambdaCallback: keywords must be known ones; got 'on_epoch_ends'; did you mean 'on_epoch_end'"
    )
    with pytest.raises(TypeError) as caught:
        LambdaCallback(on_epoch_end=3)
    assert str(caught.value) == "LambdaCallback: on_epoch_end must be callable; got int"


@pytest.mark.parametrize(
    ("settings", "values", "ran", "best"),
    [
        ({"patience": 2}, (1, 0.9, 0.95, 0.96, 0.5), 4, 1),
        ({"patience": 0}, (1, 0.9, 0.95), 3, 1),
        ({"patience": 1}, (1, 0.9, 0.95), 3, 1),
        ({"min_delta": 0.1, "patience": 1}, (1, 0.95, 0.91), 2, 0),
        ({"patience": 2}, (math.nan, math.nan, math.nan, 1), 2, 0),
        ({"patience": 2}, (1, math.nan, 0.5, math.nan, math.nan, 9), 5, 2),
        ({"mode": "max", "patience": 1}, (1, 2, 1.5, 3), 3, 1),
        ({"baseline": 0.5, "patience": 2}, (1, 1, 0.4, 0.4), 2, 0),
        ({"baseline": 0.5, "patience": 2}, (1, 0.4, 0.45, 0.45, 9), 4, 1),
        ({"start_from_epoch": 2, "patience": 1}, (0.1, 0.2, 0.9, 1.0, 9), 4, 2),
        ({"threshold": 0.5, "patience": None}, (1, 2, 0.6, 0.5, 0.4), 4, 3),
        ({"threshold": 0.5, "patience": 1}, (1, 0.9, 0.95, 0.4), 3, 1),
        ({"threshold": 2, "patience": None, "mode": "max"}, (1, 1.5, 2.5, 3), 3, 2),
        ({"threshold": 5, "patience": None}, (4, 3), 1, 0),
        ({"patience": None}, (1, 2, 3), 3, 0),
    ],
)
def test_early_stopping_ends_after(settings, values, ran, best):
    stop = EarlyStopping(**settings)
    model, history, _ = fit(stop, losses(*values))
    assert len(history.epoch) == ran
    assert stop.best_epoch == best
    assert stop.stopped_epoch == (ran - 1 if model.stop_training else 0)


def test_early_stopping_restores_only_if_asked_and_also_when_the_fit_ran_out():
    model, _, _ = fit(EarlyStopping(patience=2), losses(1, 0.5, 0.6, 0.7))
    assert model.weights == 4
    model, _, _ = fit(EarlyStopping(patience=2, restore_best_weights=True), losses(1, 0.5, 0.6, 0.7))
    assert model.weights == 2
    model, _, _ = fit(EarlyStopping(patience=9, restore_best_weights=True), losses(1, 0.5, 0.6, 0.7))
    assert model.weights == 2
    model, _, _ = fit(EarlyStopping(patience=9, restore_best_weights=True), losses(math.nan, math.nan))
    assert model.weights == 1


def test_early_stopping_starts_afresh_in_a_second_fit():
    stop = EarlyStopping(patience=1)
    fit(stop, losses(0.1, 0.2))
    _, history, _ = fit(stop, losses(1, 0.9, 0.8))
    assert (len(history.epoch), stop.best, stop.stopped_epoch) == (3, 0.8, 0)


def test_early_stopping_tells_why(capsys):
    fit(EarlyStopping(patience=1, verbose=1, restore_best_weights=True), losses(1, 0.5, 0.6))
    fit(EarlyStopping(threshold=0.5, patience=None, verbose=1), losses(1, 0.4))
    assert capsys.readouterr().out.splitlines() == [
        "Epoch 3: early stopping, val_loss has not improved since epoch 2",
        "Weights of epoch 2 are restored",
        "Epoch 2: early stopping, val_loss has reached 0.4",
    ]


@pytest.mark.parametrize(
    ("monitor", "higher"),
    [
        ("loss", False),
        ("val_loss", False),
        ("mae", False),
        ("false_positives", False),
        ("accuracy", True),
        ("val_acc", True),
        ("weighted_accuracy", True),
        ("val_binary_accuracy", True),
        ("precision_1", True),
        ("val_auc", True),
        ("f1_score", True),
    ],
)
def test_the_direction_goes_by_the_name(monitor, higher):
    assert EarlyStopping(monitor).higher is higher
    assert EarlyStopping(monitor, mode="min").higher is False


@pytest.mark.parametrize(
    "callback", [EarlyStopping(), ReduceLROnPlateau(), ModelCheckpoint("a", save_best_only=True)]
)
def test_a_monitor_that_cannot_come_warns_once_at_the_start(callback):
    with pytest.warns(UserWarning, match="^fit: monitor of") as caught:
        fit(callback, losses(1, 2, 3, name="loss"))
    name = type(callback).__name__
    assert [str(w.message) for w in caught] == [
        f"fit: monitor of {name} must be a value of this fit (loss); got 'val_loss'; "
        "pass validation_data or validation_split"
    ]
    assert callback.model.stop_training is False


def test_a_misspelt_monitor_names_the_nearest():
    with pytest.warns(UserWarning, match="^fit: monitor of") as caught:
        fit(EarlyStopping("val_acuracy"), [{"loss": 1.0, "val_accuracy": 0.5}])
    assert str(caught[0].message) == (
        "fit: monitor of EarlyStopping must be a value of this fit (loss, val_accuracy); "
        "got 'val_acuracy'; did you mean 'val_accuracy'"
    )


def test_reduce_on_plateau_uses_these_rates():
    reduce = ReduceLROnPlateau(patience=2, factor=0.5)
    _, history, rates = fit(reduce, losses(1, 1, 1, 1, 1, 1))
    assert rates == pytest.approx([0.1, 0.1, 0.1, 0.05, 0.05, 0.025])
    assert history.history["learning_rate"] == pytest.approx(rates)
    assert list(history.history) == ["val_loss", "learning_rate"]
    _, _, rates = fit(ReduceLROnPlateau(patience=2, factor=0.5, cooldown=2), losses(1, 1, 1, 1, 1, 1))
    assert rates == pytest.approx([0.1, 0.1, 0.1, 0.05, 0.05, 0.05])
    _, _, rates = fit(ReduceLROnPlateau(patience=1, factor=0.1, min_lr=0.05), losses(1, 1, 1, 1))
    assert rates == pytest.approx([0.1, 0.1, 0.05, 0.05])
    _, _, rates = fit(ReduceLROnPlateau(patience=1, factor=0.5), losses(1, 0.99995, 0.5, 0.4))
    assert rates == pytest.approx([0.1, 0.1, 0.05, 0.05])


def test_scheduler_sets_the_rate_before_each_epoch(capsys):
    _, history, rates = fit(LearningRateScheduler(lambda epoch, rate: rate * 0.5, verbose=1), losses(1, 1, 1))
    assert rates == pytest.approx([0.05, 0.025, 0.0125])
    assert history.history["learning_rate"] == pytest.approx(rates)
    assert capsys.readouterr().out.splitlines()[0] == "Epoch 1: learning rate 0.05"
    _, _, rates = fit(LearningRateScheduler(lambda epoch: 1 / (1 + epoch)), losses(1, 1))
    assert rates == pytest.approx([1, 0.5])


def test_nan_ends_the_fit_after_the_batch(capsys):
    guard, model = TerminateOnNaN(), Model()
    run = CallbackList([guard], model=model)
    assert run.wants("on_train_batch_end")
    run.on_train_batch_end(0, {"loss": 1.0})
    assert not model.stop_training
    run.on_train_batch_end(1, {"loss": math.inf})
    assert model.stop_training
    assert capsys.readouterr().out == "Batch 1: loss is inf, training stops\n"
    with pytest.raises(RuntimeError) as caught:
        TerminateOnNaN(raise_error=True).on_train_batch_end(7, {"loss": math.nan})
    assert str(caught.value) == "fit: loss must be finite; got nan at batch 7"


def test_checkpoint_names_its_files_and_saves(capsys):
    epochs = [{"val_loss": 1.0}, {"val_loss": 0.123456}]
    model, _, _ = fit(ModelCheckpoint("m-{epoch:02d}-{val_loss:.2f}.strop", verbose=1), epochs)
    assert model.saved == [("m-01-1.00.strop", True), ("m-02-0.12.strop", True)]
    assert capsys.readouterr().out.splitlines()[1] == "Epoch 2: saved m-02-0.12.strop"
    model, _, _ = fit(ModelCheckpoint("w", save_weights_only=True), losses(1))
    assert model.saved == [("weights", "w", True)]


def test_checkpoint_saves_the_best_only():
    best = ModelCheckpoint("{epoch}", save_best_only=True)
    model, _, _ = fit(best, losses(1, 1.5, 0.5, math.nan, 0.7))
    assert [path for path, _ in model.saved] == ["1", "3"]
    beaten = ModelCheckpoint("{epoch}", save_best_only=True, initial_value_threshold=0.6)
    model, _, _ = fit(beaten, losses(1, 1.5, 0.5))
    assert [path for path, _ in model.saved] == ["3"]


def test_checkpoint_by_batches_has_a_batch_hook_and_by_epochs_none():
    assert not CallbackList([ModelCheckpoint("m")]).wants("on_train_batch_end")
    model = Model()
    run = CallbackList([ModelCheckpoint("{epoch}-{batch}", save_freq=2)], model=model)
    run.on_train_begin()
    for epoch in range(2):
        run.on_epoch_begin(epoch)
        for batch in range(3):
            run.on_train_batch_end(batch, {"loss": 1.0})
        run.on_epoch_end(epoch, {})
    assert [path for path, _ in model.saved] == ["1-2", "2-1", "2-3"]


def test_csv_has_the_columns_of_the_history_and_is_whole_after_each_epoch(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("old")
    logger = CSVLogger(path)
    run = CallbackList([logger], log_names=["loss", "accuracy", "val_loss"])
    run.on_train_begin()
    run.on_epoch_end(0, {"loss": 0.5, "accuracy": 0.75})
    assert path.read_text() == "epoch,loss,accuracy,val_loss\n0,0.5,0.75,NA\n"
    run.on_epoch_end(1, {"loss": 0.25, "accuracy": 1.0, "val_loss": 1 / 3})
    rows = list(csv.reader(path.read_text().splitlines()))
    assert rows[2] == ["1", "0.25", "1.0", repr(1 / 3)]
    run.on_train_end()


def test_csv_and_history_hold_what_later_callbacks_add(tmp_path):
    history, path = History(), tmp_path / "log.csv"
    run = CallbackList(
        [history, CSVLogger(path), ReduceLROnPlateau("loss")], model=Model(), log_names=["loss"]
    )
    run.on_train_begin()
    run.on_epoch_end(0, {"loss": 1.0})
    assert history.history == {"loss": [1.0], "learning_rate": [0.1]}
    assert path.read_text() == "epoch,loss,learning_rate\n0,1.0,0.1\n"


def test_csv_appends_to_the_columns_that_are_there(tmp_path):
    path = tmp_path / "log.csv"
    for start in (0, 2):
        fit(CSVLogger(path, separator=";", append=True), [{"loss": 1.0, "b": 2.0}] * 2, initial_epoch=start)
    assert path.read_text() == "epoch;loss;b\n0;1.0;2.0\n1;1.0;2.0\n2;1.0;2.0\n3;1.0;2.0\n"
    fit(CSVLogger(path, separator=";", append=True), [{"b": 5.0}], initial_epoch=4)
    assert path.read_text().splitlines()[-1] == "4;NA;5.0"
    fit(CSVLogger(path), [{"loss": 1.0}])
    assert path.read_text() == "epoch,loss\n0,1.0\n"


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: EarlyStopping(mode="lowest"),
            ValueError,
            "EarlyStopping: mode must be 'auto', 'min' or 'max'; got 'lowest'",
        ),
        (
            lambda: EarlyStopping(patience=-1),
            ValueError,
            "EarlyStopping: patience must be a finite number of at least 0; got -1.0",
        ),
        (
            lambda: ReduceLROnPlateau(factor=1.0),
            ValueError,
            "ReduceLROnPlateau: factor must lie in [0, 1); got 1.0",
        ),
        (
            lambda: ModelCheckpoint("a", save_freq=0),
            ValueError,
            "ModelCheckpoint: save_freq must be 'epoch' or a number of batches; got 0",
        ),
        (
            lambda: CSVLogger("a", separator=", "),
            ValueError,
            "CSVLogger: separator must be one character; got ', '",
        ),
        (
            lambda: LearningRateScheduler(0.1),
            TypeError,
            "LearningRateScheduler: schedule must be callable; got float",
        ),
        (
            lambda: fit(LearningRateScheduler(lambda e: "a"), losses(1)),
            TypeError,
            "LearningRateScheduler: schedule must give a number; got str",
        ),
        (
            lambda: fit(LearningRateScheduler(lambda e: math.nan), losses(1)),
            ValueError,
            "LearningRateScheduler: schedule must give 0 or more; got nan",
        ),
        (
            lambda: fit(ModelCheckpoint("{val_los}"), losses(1)),
            ValueError,
            "ModelCheckpoint: filepath must name values of this fit (epoch, val_loss); got '{val_los}'",
        ),
    ],
)
def test_bad_settings_are_refused(call, error, text):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == text


def test_a_schedule_object_cannot_be_overwritten_in_silence():
    callback, model = ReduceLROnPlateau(), Model()
    model.optimizer.learning_rate = object()
    callback.set_model(model)
    with pytest.raises(TypeError) as caught:
        callback.on_epoch_end(0, {"val_loss": 1.0})
    assert str(caught.value) == (
        "ReduceLROnPlateau: optimizer.learning_rate must be a number to be set; got object"
    )


def test_all_callbacks_are_exported():
    assert {name for name in callbacks.__all__ if name != "CallbackList"} <= set(vars(callbacks))


@pytest.mark.parametrize("make", [LearningRateScheduler, ReduceLROnPlateau])
def test_an_optimizer_with_a_schedule_is_refused_when_the_fit_begins(make):
    callback = make(lambda epoch: 0.1) if make is LearningRateScheduler else make("loss")
    model = strop.Sequential([strop.layers.Dense(1)])
    model.compile(strop.optimizers.SGD(strop.optimizers.schedules.ExponentialDecay(0.1, 1, 0.9)), "mse")
    with pytest.raises(TypeError) as caught:
        model.fit([[1.0]], [[1.0]], verbose=0, callbacks=[callback])
    assert str(caught.value) == (
        f"{make.__name__}: optimizer.learning_rate must be a number to be set; got ExponentialDecay"
    )


@pytest.mark.filterwarnings("ignore:fit. monitor of ModelCheckpoint")
def test_checkpoint_saves_every_time_if_its_value_can_never_come():
    model, _, _ = fit(ModelCheckpoint("{epoch}", save_best_only=True), losses(1, 2, name="loss"))
    assert [path for path, _ in model.saved] == ["1", "2"]
    epochs = [{"loss": 1.0}, {"loss": 1.0, "val_loss": 1.0}, {"loss": 0.5}]  # validated every other epoch
    checkpoint = ModelCheckpoint("{epoch}", save_best_only=True)
    model, _, _ = fit(checkpoint, epochs, names=["loss", "val_loss"])
    assert [path for path, _ in model.saved] == ["2"]


def test_old_names_of_batch_hooks_are_called():
    seen = []
    run = CallbackList(LambdaCallback(on_batch_end=lambda batch, logs: seen.append(batch)))
    assert run.wants("on_train_batch_end")
    assert not run.wants("on_train_batch_begin")
    run.on_train_batch_end(7)
    assert seen == [7]
