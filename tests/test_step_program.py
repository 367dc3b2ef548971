"""The step program: the bits of the plan, for every model that has one, and the plan for every other."""

from __future__ import annotations

import os
import signal
import threading

import numpy as np
import pytest

import strop
from strop import config, losses
from strop.callbacks import LambdaCallback
from strop.layers import Activation, Dense, Dropout, Embedding, Flatten, GlobalAveragePooling1D
from strop.optimizers import SGD, Adagrad, Adam, AdamW, RMSprop
from strop.optimizers.schedules import ExponentialDecay
from strop.training import turns
from strop.training.program import reading_program, training_program


def reviews(count=203, length=40, words=3000, pad="pre", seed=0):
    """Padded rows of ids, some of them empty, some full."""
    rng = np.random.default_rng(seed)
    x = np.zeros((count, length), np.int32)
    for row in x:
        n = rng.integers(0, length + 1)
        row[slice(length - n, length) if pad == "pre" else slice(0, n)] = rng.zipf(1.3, n) % words
    return x, rng.integers(0, 2, count)


def text_model(
    optimizer, *, words=3000, mask_zero=False, dtype="float32", loss="binary_crossentropy", **embedding
):
    model = strop.Sequential(
        [
            Embedding(words, 5, mask_zero=mask_zero, dtype=dtype, **embedding),
            GlobalAveragePooling1D(dtype=dtype),
            Dense(24, activation="relu", dtype=dtype),
            Dense(7, activation="gelu", use_bias=False, dtype=dtype),
            Dense(1, activation="sigmoid", dtype=dtype),
        ]
    )
    model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])
    return model


def trained(make, x, y, *, by_plan, monkeypatch, **fit):
    """Weights, optimizer state, history and predictions of a fit, by the program or by the plan."""
    with monkeypatch.context() as patch:
        if by_plan:
            patch.setattr(turns, "training_program", lambda plan, optimizer: None)
            patch.setattr(turns, "reading_program", lambda plan, losses: None)
        strop.utils.set_random_seed(3)
        model = make()
        history = model.fit(x, y, verbose=0, **{"epochs": 3, "validation_split": 0.2, **fit})
        state = list(model.optimizer.state_tensors().values())
        arrays = [*model.get_weights(), *state, model.predict(x, verbose=0)]
        return arrays, history.history, model.optimizer.iterations


def require_same(make, x, y, monkeypatch, **fit):
    ours = trained(make, x, y, by_plan=False, monkeypatch=monkeypatch, **fit)
    plain = trained(make, x, y, by_plan=True, monkeypatch=monkeypatch, **fit)
    assert ours[2] == plain[2]
    assert ours[1] == plain[1]
    for a, b in zip(ours[0], plain[0], strict=True):
        np.testing.assert_array_equal(a, b)


OPTIMIZERS = {
    "adam": lambda: Adam(0.01),
    "adamw": lambda: AdamW(0.01, weight_decay=0.1),
    "amsgrad": lambda: Adam(0.01, amsgrad=True),
    "uncorrected": lambda: Adam(0.01, bias_correction=False),
    "schedule": lambda: Adam(ExponentialDecay(0.01, 7, 0.5)),
    "function": lambda: Adam(lambda: 0.02),
    "sgd": lambda: SGD(0.5),
    "sgd, decay": lambda: SGD(0.5, weight_decay=0.01),
    "momentum": lambda: SGD(0.1, momentum=0.9),
    "nesterov": lambda: SGD(ExponentialDecay(0.1, 7, 0.5), momentum=0.9, nesterov=True, weight_decay=0.01),
    "rmsprop": lambda: RMSprop(0.01),
    "rmsprop, all": lambda: RMSprop(0.01, momentum=0.9, centered=True, weight_decay=0.01),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("mask_zero", [False, True])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_text_model_has_the_bits_of_the_plan(name, mask_zero, dtype, monkeypatch):
    x, y = reviews()
    require_same(
        lambda: text_model(OPTIMIZERS[name](), mask_zero=mask_zero, dtype=dtype),
        x,
        y,
        monkeypatch,
        batch_size=16,
    )


@pytest.mark.parametrize(
    "fit",
    [
        {"shuffle": False},
        {"batch_size": 1, "epochs": 1},
        {"batch_size": 1000},
        {"steps_per_epoch": 3},
        {"class_weight": {1: 3.0}},
        {"sample_weight": np.linspace(0, 2, 203), "validation_split": 0.0},
    ],
    ids=["in order", "one by one", "all at once", "few steps", "class weights", "sample weights"],
)
def test_so_has_every_way_to_fit(fit, monkeypatch):
    require_same(lambda: text_model(Adam(0.01)), *reviews(), monkeypatch, **fit)


@pytest.mark.parametrize("pad", ["pre", "post"])
@pytest.mark.parametrize("kind", [np.int32, np.int64])
def test_so_has_padding_on_either_side_and_ids_of_either_width(pad, kind, monkeypatch):
    x, y = reviews(pad=pad)
    require_same(lambda: text_model(Adam(0.01)), x.astype(kind), y, monkeypatch)


def test_so_has_a_small_table_that_takes_dense_steps(monkeypatch):
    x, y = reviews(words=20)
    require_same(lambda: text_model(Adam(0.01), words=20), x, y, monkeypatch, batch_size=64)


def test_so_has_a_frozen_table(monkeypatch):
    def make():
        return text_model(Adam(0.01), trainable=False)

    require_same(make, *reviews(), monkeypatch)


LOSSES = {
    "mse": (3, None),
    "mae": (3, "tanh"),
    "binary_crossentropy": (3, "sigmoid"),
    "categorical_crossentropy": (3, "softmax"),
    "sparse_categorical_crossentropy": (3, "softmax"),
    "smoothed": (3, "softmax"),
    "logits": (3, None),
}


@pytest.mark.parametrize("optimizer", [lambda: SGD(0.1, momentum=0.9, nesterov=True), lambda: Adam(0.01)])
@pytest.mark.parametrize("name", LOSSES)
def test_a_multilayer_perceptron_has_the_bits_of_the_plan(name, optimizer, monkeypatch):
    rng = np.random.default_rng(1)
    units, last = LOSSES[name]
    labels = rng.integers(0, units, 150)
    y = labels if name in ("sparse_categorical_crossentropy", "logits") else np.eye(units)[labels]
    loss = {
        "smoothed": strop.losses.CategoricalCrossentropy(label_smoothing=0.1),
        "logits": strop.losses.SparseCategoricalCrossentropy(from_logits=True),
    }.get(name, name)

    def make():
        layers = [Flatten(), Dense(9, activation="elu"), Activation("tanh"), Dense(units, activation=last)]
        model = strop.Sequential([strop.Input((4, 5)), *layers])
        model.compile(optimizer=optimizer(), loss=loss)
        return model

    require_same(make, rng.normal(size=(150, 4, 5)).astype(np.float32), y, monkeypatch)


def test_the_bits_do_not_depend_on_threads(monkeypatch):
    x, y = reviews(count=400, length=200)
    runs = []
    for count in (1, 2, 3, 8):
        with config.threads(count):
            runs.append(
                trained(
                    lambda: text_model(Adam(0.01)),
                    x,
                    y,
                    by_plan=False,
                    monkeypatch=monkeypatch,
                    batch_size=128,
                )
            )
    for arrays, history, _ in runs[1:]:
        assert history == runs[0][1]
        for a, b in zip(arrays, runs[0][0], strict=True):
            np.testing.assert_array_equal(a, b)


def programs(model, x, y):
    model.fit(x[:8], y[:8], verbose=0)
    return training_program(model._plan, model.optimizer), reading_program(model._plan, losses=True)


def test_the_tutorials_model_has_a_program():
    assert None not in programs(text_model("adam"), *reviews())


@pytest.mark.parametrize(
    "optimizer",
    [
        Adam(clipnorm=1.0),
        Adam(clipvalue=1.0),
        Adam(global_clipnorm=1.0),
        Adam(use_ema=True),
        Adam(gradient_accumulation_steps=2),
        Adam(sparse="touched"),
        Adam(beta_1=0.9, beta_2=0.95),
        SGD(momentum=0.9, sparse="touched"),
        Adagrad(),
    ],
    ids=lambda optimizer: repr(sorted(optimizer.get_config().items()))[:40],
)
def test_what_is_more_than_a_rule_is_trained_by_the_plan(optimizer):
    training, reading = programs(text_model(optimizer), *reviews())
    assert training is None
    assert reading is not None


def test_so_is_a_model_with_other_layers_or_penalties():
    x, y = reviews()
    penalized = text_model("adam", embeddings_regularizer="l2")
    assert programs(penalized, x, y)[0] is None
    dropped = strop.Sequential([Dense(3), Dropout(0.5), Dense(1)])
    dropped.compile(optimizer="adam", loss="mse")
    assert programs(dropped, np.ones((8, 2)), np.ones(8)) == (None, None)


@pytest.mark.parametrize(
    "loss",
    [
        losses.CosineSimilarity(),
        losses.Hinge(),
        losses.MeanSquaredError(reduction="sum"),
        losses.Huber(reduction="mean_with_sample_weight"),
        losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1),
        losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=1),
        lambda y_true, y_pred: ((y_true - y_pred) ** 4).mean(axis=-1),
    ],
    ids=lambda loss: getattr(loss, "name", "function"),
)
def test_a_loss_without_a_kernel_is_evaluated_by_the_plan(loss, rng):
    x, y, weight = rng.normal(size=(9, 3)), rng.integers(0, 2, (9, 2)), rng.random(9)
    y = y[:, 0] if isinstance(loss, losses.SparseCategoricalCrossentropy) else y.astype(float)
    model = strop.Sequential([Dense(4, dtype="float64"), Dense(2, dtype="float64")])
    model.compile("sgd", loss)
    own, predicted = model.loss, model.predict(x, verbose=0)
    want = [
        float(own(y[i : i + 3], predicted[i : i + 3], sample_weight=weight[i : i + 3])) for i in (0, 3, 6)
    ]
    got = model.evaluate(x, y, batch_size=3, sample_weight=weight, verbose=0)
    assert got == pytest.approx(np.mean(want), rel=1e-12)
    batches = [(x[i : i + 3], y[i : i + 3], weight[i : i + 3]) for i in (0, 3, 6)]
    assert model.evaluate(iter(batches), verbose=0) == got


def test_a_rule_of_ones_own_is_trained_by_the_plan(monkeypatch):
    class Slow(Adam):
        pass

    assert programs(text_model(Slow()), *reviews())[0] is None


def test_hooks_see_every_batch_and_the_bits_stay(monkeypatch):
    x, y = reviews()
    seen = []

    def make():
        return text_model(Adam(0.01))

    hooked = trained(
        make,
        x,
        y,
        by_plan=False,
        monkeypatch=monkeypatch,
        batch_size=16,
        callbacks=[LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append((batch, logs["loss"])))],
    )
    plain = trained(make, x, y, by_plan=False, monkeypatch=monkeypatch, batch_size=16)
    assert [batch for batch, _ in seen[:11]] == [*range(11)]
    assert hooked[1] == plain[1]
    for a, b in zip(hooked[0], plain[0], strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_batch_at_a_time_has_the_same_bits():
    x, y = reviews(count=96)
    strop.utils.set_random_seed(1)
    model = text_model(Adam(0.01))
    model.fit(x, y, shuffle=False, verbose=0)
    strop.utils.set_random_seed(1)
    other = text_model(Adam(0.01))
    for at in range(0, 96, 32):
        other.train_on_batch(x[at : at + 32], y[at : at + 32])
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_ids_that_change_under_a_call_are_an_error_and_no_crash():
    x, y = reviews()
    model = text_model("adam")
    model.fit(x, y, verbose=0)
    program = training_program(model._plan, model.optimizer)
    data = strop.training.data.Data(x, y.astype(np.float32)[:, None])
    next(program.train(data, 32, None, 1, 1))
    x[5, -1] = 3000
    with pytest.raises(IndexError) as error:
        next(program.train(data, 32, None, 1, 1))
    assert str(error.value) == "fit: ids must stay in the table while a call runs; got 3000 at (5, 39)"


def test_an_interrupt_leaves_whole_weights_and_a_true_count():
    x, y = reviews(count=4000, length=200)
    model = text_model(Adam(0.01))
    model.fit(x[:32], y[:32], verbose=0)
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    # A shell starts what it puts in the background with SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            model.fit(x, y, epochs=10_000, verbose=0)
    finally:
        signal.signal(signal.SIGINT, before)
    table = model.layers[0].table.deferred
    assert not table.outstanding
    assert table.clock.last == model.optimizer.iterations > 1
    model.fit(x[:64], y[:64], verbose=0)
    assert np.isfinite(model.predict(x[:8], verbose=0)).all()
