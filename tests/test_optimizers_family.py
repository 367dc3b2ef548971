"""The rules that came after SGD and Adam: their numbers, names, settings, models and files."""

from __future__ import annotations

import json

import numpy as np
import pytest

import strop
from strop import optimizers
from strop.layers import Dense, Embedding, GlobalAveragePooling1D
from strop.optimizers import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Lamb,
    Lion,
    Nadam,
    RMSprop,
    schedules,
)

THREE = (0.1, -0.2, 0.3)


def path(optimizer, grads=THREE, start=1.0):
    param = np.array([start])
    values = []
    for grad in grads:
        optimizer.apply([np.array([grad])], [param])
        values.append(param[0])
    return values


# Keras 3.15 on float64, p = 1.
@pytest.mark.parametrize(
    ("optimizer", "want"),
    [
        (RMSprop(0.1), [0.6837880442, 0.9694994145, 0.7104365003]),
        (Adagrad(0.1), [0.9698488792, 1.0214886400, 0.9602514092]),
        (Adadelta(0.1), [0.9998585928, 1.0000383668, 0.9998219414]),
        (Adamax(0.1), [0.9000001000, 0.9289474539, 0.9042242150]),
        (Nadam(0.1), [0.8937213259, 0.9818878441, 0.8987155832]),
        (Lion(0.1), [0.9, 1.0, 0.9]),
        (Lion(0.1, weight_decay=0.1), [0.89, 0.9811, 0.871289]),
        (Lamb(0.1), [0.9, 0.99, 0.891]),
    ],
)
def test_three_steps_give_the_numbers_of_keras(optimizer, want):
    assert path(optimizer) == pytest.approx(want, abs=6e-11)


@pytest.mark.parametrize(
    ("optimizer", "want"),
    [
        (RMSprop(0.1, momentum=0.5), [0.6837880442]),
        (RMSprop(0.1, centered=True), [1 - 0.1 * 0.1 / (0.1 * 0.01 - 0.01**2 + 1e-7) ** 0.5]),
        (Adagrad(0.1, initial_accumulator_value=0.0), [1 - 0.1 * 0.1 / (0.01 + 1e-7) ** 0.5]),
        (Lamb(0.1, weight_decay=0.5), [0.95 * 0.9]),
    ],
)
def test_settings_reach_the_rule(optimizer, want):
    assert path(optimizer, THREE[:1]) == pytest.approx(want, abs=6e-11)


def test_the_velocity_of_rmsprop_holds_the_learning_rate():
    optimizer, param = RMSprop(0.1, momentum=0.5), np.ones(1)
    optimizer.apply([np.array([0.1])], [param])
    optimizer.learning_rate = 0.0
    optimizer.apply([np.array([0.1])], [param])
    assert 1 - param[0] == pytest.approx(1.5 * (1 - 0.6837880442), abs=1e-10)


def test_nadam_finds_its_product_again_after_a_jump():
    grads = [0.1, -0.2, 0.3, 0.4]
    whole = path(Nadam(0.1), grads)
    first, second, param = Nadam(0.1), Nadam(0.1), np.ones(1)
    for grad in grads[:2]:
        first.apply([np.array([grad])], [param])
    second.build([param])
    second.load_state_tensors(first.state_tensors(), first.iterations)
    for grad in grads[2:]:
        second.apply([np.array([grad])], [param])
    assert param[0] == whole[-1]
    second.iterations = 10**7  # the product is 0 long before, and no loop goes there
    second.apply([np.array([0.1])], [param])
    second.iterations = 0
    assert second.numbers()["mu_product"] == 1


def test_a_state_of_nadam_is_two_arrays_and_the_step():
    optimizer = Nadam()
    optimizer.build([np.ones(3)])
    assert sorted(optimizer.state_tensors()) == ["moment1/0", "moment2/0"]


def test_adagrad_starts_where_it_is_told():
    optimizer = Adagrad(initial_accumulator_value=0.25)
    optimizer.build([np.ones(3, np.float32)])
    np.testing.assert_array_equal(optimizer.state_tensors()["sum_square/0"], np.full(3, 0.25, np.float32))


def test_settings_may_follow_in_keras_order():
    optimizer = RMSprop(0.5, 0.8, 0.7, 1e-3, True, 0.1, None, 2.0, None, True, 0.9, 3, 4.0, 5, "mine")
    assert optimizer.get_config() == {
        "learning_rate": 0.5,
        "rho": 0.8,
        "momentum": 0.7,
        "epsilon": 1e-3,
        "centered": True,
        "weight_decay": 0.1,
        "clipnorm": None,
        "clipvalue": 2.0,
        "global_clipnorm": None,
        "use_ema": True,
        "ema_momentum": 0.9,
        "ema_overwrite_frequency": 3,
        "loss_scale_factor": 4.0,
        "gradient_accumulation_steps": 5,
        "name": "mine",
        "sparse": None,
    }
    assert AdamW(0.5, 0.25, 0.8, 0.9, 1e-3, True, 1.0).clipnorm == 1
    assert Adam(0.1, 0.8, 0.9, 1e-3, True, 0.25).weight_decay == 0.25


# ---- names, dicts ----------------------------------------------------------

NAMES = ["Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Lamb", "Lion", "Nadam", "RMSprop", "SGD"]


def test_get_knows_every_rule_in_any_case():
    assert sorted(optimizers.registry) == NAMES
    for name in NAMES:
        for spelled in (name, name.lower(), name.upper()):
            assert type(optimizers.get(spelled)).__name__ == name
            assert type(optimizers.get({"class_name": spelled, "config": {}})).__name__ == name


def test_get_takes_what_serialize_gives():
    rate = schedules.CosineDecayRestarts(0.1, 7, alpha=0.1)
    for name in NAMES:
        config = optimizers.serialize(optimizers.registry[name](rate, clipnorm=1.0))
        again = optimizers.get(json.loads(json.dumps(config)))
        assert optimizers.serialize(again) == config


def test_get_takes_the_dict_that_keras_writes():
    schedule = {
        "module": "keras.optimizers.schedules",
        "class_name": "ExponentialDecay",
        "registered_name": None,
    }
    schedule["config"] = {
        "initial_learning_rate": 0.5,
        "decay_steps": 10,
        "decay_rate": 0.5,
        "staircase": False,
        "name": "ExponentialDecay",
    }
    config = {"name": "rmsprop", "learning_rate": schedule, "weight_decay": None, "clipnorm": None}
    config |= {"global_clipnorm": None, "clipvalue": None, "use_ema": False, "ema_momentum": 0.99}
    config |= {
        "ema_overwrite_frequency": None,
        "loss_scale_factor": None,
        "gradient_accumulation_steps": None,
    }
    config |= {"rho": 0.8, "momentum": 0.1, "epsilon": 1e-6, "centered": True}
    given = {"module": "keras.optimizers", "class_name": "RMSprop", "config": config, "registered_name": None}
    optimizer = optimizers.get(given)
    assert (type(optimizer), optimizer.rho, optimizer.learning_rate) == (RMSprop, 0.8, 0.5)


class Mine(SGD):
    pass


def test_deserialize_takes_classes_of_the_caller():
    assert type(optimizers.deserialize({"class_name": "Mine", "config": {}}, {"Mine": Mine})) is Mine


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (
            lambda: optimizers.get("rmsprob"),
            ValueError,
            "compile: optimizer must be a known name or an Optimizer; got 'rmsprob'; did you mean 'rmsprop'",
        ),
        (
            lambda: optimizers.get({"class_name": "Ftrl", "config": {}}),
            ValueError,
            "optimizers: optimizer must be a known name or an Optimizer; got 'ftrl'",
        ),
        (
            lambda: optimizers.get({"name": "sgd"}),
            ValueError,
            "optimizers: optimizer must be a known name or an Optimizer; got a dict without class_name and config",
        ),
        (
            lambda: optimizers.get({"class_name": "SGD", "config": {"momentum": "fast"}}),
            ValueError,
            "optimizers: settings of sgd must be those of its get_config; "
            "SGD: momentum must be a number; got str",
        ),
        (lambda: RMSprop(rho=1.0), ValueError, "RMSprop: rho must lie in [0, 1); got 1.0"),
        (lambda: RMSprop(momentum=-1), ValueError, "RMSprop: momentum must lie in [0, 1]; got -1"),
        (
            lambda: Adagrad(initial_accumulator_value=-0.1),
            ValueError,
            "Adagrad: initial_accumulator_value must be 0 or more; got -0.1",
        ),
        (lambda: Adadelta(epsilon=-1), ValueError, "Adadelta: epsilon must be 0 or more; got -1"),
        (lambda: Adamax(beta_2=1), ValueError, "Adamax: beta_2 must lie in [0, 1); got 1"),
        (lambda: Nadam(beta_1=-0.1), ValueError, "Nadam: beta_1 must lie in [0, 1); got -0.1"),
        (lambda: Lion(beta_1=0), ValueError, "Lion: beta_1 must be above 0; got 0"),
        (
            lambda: Lamb(sparse="touched"),
            ValueError,
            "Lamb: sparse='touched' cannot be had with norms of whole parameters; use sparse='dense'",
        ),
        (lambda: SGD(loss_scale_factor=0), ValueError, "SGD: loss_scale_factor must be above 0; got 0"),
        (
            lambda: AdamW(weight_decay=None),
            TypeError,
            "AdamW: weight_decay must be a number; got None; use Adam",
        ),
        (
            lambda: schedules.ExponentialDecay(0.1, 0, 0.5),
            ValueError,
            "ExponentialDecay: decay_steps must be above 0; got 0",
        ),
        (
            lambda: schedules.CosineDecay(0.1, 10, warmup_target="high"),
            TypeError,
            "CosineDecay: warmup_target must be a number; got str",
        ),
        (
            lambda: schedules.PiecewiseConstantDecay("ab", [1, 2, 3]),
            TypeError,
            "PiecewiseConstantDecay: boundaries and values must be a number; got str",
        ),
        (
            lambda: schedules.CosineDecayRestarts(0.1, 10, t_mul=0.5),
            ValueError,
            "CosineDecayRestarts: t_mul must be 1 or more; got 0.5",
        ),
        (
            lambda: SGD().exclude_from_weight_decay(var_names="bias"),
            TypeError,
            "exclude_from_weight_decay: var_names must be a list of patterns; got one str; write ['bias']",
        ),
    ],
)
def test_settings_are_refused(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == text


# ---- models ----------------------------------------------------------------

rng = np.random.default_rng(5)
Y = rng.integers(0, 2, 120)
X = rng.integers(1, 200, (120, 12)) + 100 * Y[:, None]  # a third of the words says which

EACH = {
    "sgd": lambda: SGD(0.1, momentum=0.9),
    "rmsprop": lambda: RMSprop(0.01),
    "rmsprop, all": lambda: RMSprop(0.01, momentum=0.5, centered=True, weight_decay=0.01),
    "adagrad": lambda: Adagrad(0.1),
    "adagrad, decay": lambda: Adagrad(0.1, weight_decay=0.001),
    "adadelta": lambda: Adadelta(20.0),
    "adamax": lambda: Adamax(0.02),
    "nadam": lambda: Nadam(0.01),
    "lion": lambda: Lion(0.003),
    "lamb": lambda: Lamb(0.02),
    "accumulating": lambda: RMSprop(0.01, gradient_accumulation_steps=3),
}


def text_model(optimizer, dtype="float32"):
    strop.utils.set_random_seed(2)
    model = strop.Sequential(
        [
            Embedding(300, 8, mask_zero=True, dtype=dtype),
            GlobalAveragePooling1D(dtype=dtype),
            Dense(8, activation="relu", dtype=dtype),
            Dense(1, activation="sigmoid", dtype=dtype),
        ]
    )
    model.compile(optimizer=optimizer, loss="binary_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.parametrize("name", EACH)
def test_the_text_model_learns(name):
    history = text_model(EACH[name]()).fit(X, Y, epochs=12, batch_size=8, verbose=0).history["loss"]
    assert history[-1] < 0.9 * history[0]
    assert all(np.isfinite(history))


@pytest.mark.parametrize("name", EACH)
def test_a_saved_model_goes_on_bit_for_bit(name, tmp_path):
    whole, first = text_model(EACH[name]()), text_model(EACH[name]())
    fit = {"batch_size": 8, "verbose": 0, "shuffle": False}
    whole.fit(X, Y, epochs=4, **fit)
    first.fit(X, Y, epochs=2, **fit)
    first.save(tmp_path / "model.safetensors")
    second = strop.models.load_model(tmp_path / "model.safetensors")
    assert second.optimizer.get_config() == first.optimizer.get_config()
    second.fit(X, Y, epochs=2, **fit)
    for got, want in zip(second.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(got, want)


def test_gradients_that_wait_for_their_update_are_saved(tmp_path):
    def model():
        strop.utils.set_random_seed(2)
        made = strop.Sequential([Dense(3, activation="relu"), Dense(1)])
        made.compile(optimizer=Adam(0.01, gradient_accumulation_steps=4), loss="mse")
        return made

    x, y = rng.normal(size=(30, 5)).astype(np.float32), rng.normal(size=30).astype(np.float32)
    fit = {"batch_size": 10, "verbose": 0, "shuffle": False, "epochs": 1}
    whole, first = model(), model()
    for _ in range(3):
        whole.fit(x, y, **fit)
    for _ in range(2):
        first.fit(x, y, **fit)  # 6 calls, so that 2 wait
    first.save(tmp_path / "model.safetensors")
    second = strop.models.load_model(tmp_path / "model.safetensors")
    assert (second.optimizer.iterations, second.optimizer.pending_calls) == (1, 2)
    second.fit(x, y, **fit)
    for got, want in zip(second.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(got, want)
    optimizer = Adam(gradient_accumulation_steps=2)
    optimizer.build([np.ones(2)])
    with pytest.raises(ValueError) as caught:
        optimizer.load_state_tensors({}, 1, 2)
    assert str(caught.value) == "Adam: pending_calls must lie in [0, 2); got 2"


def test_compile_takes_rmsprop_where_nothing_is_said():
    model = strop.Sequential([Dense(1)])
    model.compile(loss="mse")
    assert type(model.optimizer) is RMSprop
    model.compile(optimizer={"class_name": "nadam", "config": {"learning_rate": 0.5}}, loss="mse")
    assert (type(model.optimizer), model.optimizer.learning_rate) == (Nadam, 0.5)


def test_a_scaled_loss_is_that_of_the_caller_alone():
    param = np.ones(2)
    SGD(0.5, loss_scale_factor=4.0).apply([np.ones(2)], [param])
    np.testing.assert_array_equal(param, 0.875)
    weights = []
    for settings in ({}, {"loss_scale_factor": 4.0}):
        model = text_model(RMSprop(0.01, **settings))
        model.fit(X, Y, epochs=1, verbose=0, shuffle=False)
        weights.append(model.get_weights())
    for got, want in zip(*weights, strict=True):
        np.testing.assert_array_equal(got, want)
