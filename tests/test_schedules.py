"""Learning-rate schedules of the Keras dialect: Keras itself at many steps, configs, saved models, refusals."""

from __future__ import annotations

import importlib
import json
import math

import numpy as np
import pytest

import strop
from conftest import import_keras
from strop.layers import Dense
from strop.optimizers import SGD, schedules

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own

STEPS = [*range(60), 99, 100, 101, 1000, 12345]


def random_settings(rng, name):
    """Arguments of a schedule, with every flag and optional one now and then."""
    rate, steps, share = float(rng.uniform(0.001, 1)), int(rng.integers(1, 40)), float(rng.uniform(0, 1))
    flag = bool(rng.integers(2))
    if name == "PiecewiseConstantDecay":
        marks = sorted({int(x) for x in rng.integers(0, 60, rng.integers(1, 6))})
        return {"boundaries": marks, "values": [float(x) for x in rng.uniform(0.001, 1, len(marks) + 1)]}
    if name == "PolynomialDecay":
        return {
            "initial_learning_rate": rate, "decay_steps": steps, "end_learning_rate": rate * share,
            "power": float(rng.uniform(0.3, 3)), "cycle": flag,
        }  # fmt: skip
    if name == "CosineDecay":
        warm = {"warmup_target": share, "warmup_steps": int(rng.integers(1, 20))} if flag else {}
        return {"initial_learning_rate": rate, "decay_steps": steps, "alpha": share / 2, **warm}
    if name == "CosineDecayRestarts":
        factor = 1.0 if flag else float(rng.uniform(1.05, 2.5))
        return {
            "initial_learning_rate": rate, "first_decay_steps": steps, "t_mul": factor,
            "m_mul": float(rng.uniform(0.5, 1.1)), "alpha": share / 2,
        }  # fmt: skip
    return {
        "initial_learning_rate": rate,
        "decay_steps": steps,
        "decay_rate": share + 0.01,
        "staircase": flag,
    }


@pytest.fixture
def keras(monkeypatch):
    """Keras in double, as our schedules are: but for TensorFlow it makes float32 of every float64."""
    module = import_keras()
    narrow = importlib.import_module("keras.src.backend.common.dtypes").BIT64_TO_BIT32_DTYPE
    monkeypatch.setitem(narrow, "float64", "float64")
    before = module.config.floatx()
    module.config.set_floatx("float64")
    yield module
    module.config.set_floatx(before)


@pytest.mark.parametrize("name", schedules.registry)
def test_rates_are_those_of_keras(keras, rng, name):
    for trial in range(8):
        settings = random_settings(rng, name)
        ours = getattr(schedules, name)(**settings)
        theirs = getattr(keras.optimizers.schedules, name)(**settings)
        for step in STEPS:
            want = float(keras.ops.convert_to_numpy(theirs(step)))
            assert ours(step) == pytest.approx(want, rel=1e-12, abs=1e-15), (
                f"trial {trial}, {settings}, {step}"
            )


@pytest.mark.parametrize("name", schedules.registry)
def test_configs_are_those_of_keras(keras, rng, name):
    for _ in range(4):
        settings = random_settings(rng, name)
        ours = getattr(schedules, name)(**settings)
        theirs = getattr(keras.optimizers.schedules, name)(**settings)
        assert ours.get_config() == theirs.get_config()
        again = type(ours).from_config(json.loads(json.dumps(theirs.get_config())))
        assert [again(step) for step in STEPS] == [ours(step) for step in STEPS]


@pytest.mark.parametrize("name", schedules.registry)
def test_a_config_gives_the_same_rates(rng, name):
    for _ in range(4):
        ours = getattr(schedules, name)(**random_settings(rng, name))
        again = type(ours).from_config(json.loads(json.dumps(ours.get_config())))
        assert [again(step) for step in STEPS] == [ours(step) for step in STEPS]
        optimizer = SGD.from_config(json.loads(json.dumps(SGD(ours).get_config())))
        assert optimizer.rates(50) == [ours(step) for step in range(50)]


@pytest.mark.parametrize("name", schedules.registry)
def test_rates_are_floats_of_any_integer(rng, name):
    ours = getattr(schedules, name)(**random_settings(rng, name))
    for step in (0, 1, 10**7):
        rate = ours(step)
        assert type(rate) is float
        assert rate >= 0
        assert ours(np.int64(step)) == ours(np.int32(step)) == rate


@pytest.mark.parametrize("name", schedules.registry)
def test_a_saved_model_goes_on_along_its_schedule(rng, tmp_path, name):
    schedule = getattr(schedules, name)(**random_settings(rng, name))
    x, y = rng.normal(size=(24, 3)).astype(np.float32), rng.normal(size=(24, 1)).astype(np.float32)
    model = strop.Sequential([strop.Input((3,)), Dense(1)])
    model.compile(optimizer=SGD(schedule), loss="mse")
    model.fit(x, y, batch_size=4, epochs=3, shuffle=False, verbose=0)
    model.save(tmp_path / "model.strop")
    other = strop.models.load_model(tmp_path / "model.strop")
    assert type(other.optimizer).__name__ == "SGD"
    assert other.optimizer.iterations == 18
    assert other.optimizer.learning_rate == schedule(18)
    for each in (model, other):
        each.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    for mine, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    ("make", "want"),
    [
        (lambda: schedules.CosineDecayRestarts(0.1, 2), [0.1, 0.05, 0.1, 0.085355, 0.05, 0.014645, 0.1]),
        (lambda: schedules.CosineDecayRestarts(0.1, 2, 1.0, 0.5), [0.1, 0.05, 0.05, 0.025, 0.025, 0.0125]),
        (
            lambda: schedules.PolynomialDecay(0.1, 4, 0.0, cycle=True),
            [0.1, 0.075, 0.05, 0.025, 0, 0.0375, 0.025],
        ),
        (lambda: schedules.PolynomialDecay(0.1, 4, 0.0, 2.0), [0.1, 0.05625, 0.025, 0.00625, 0, 0]),
        (lambda: schedules.CosineDecay(0.1, 4, 0.5), [0.1, 0.092678, 0.075, 0.057322, 0.05, 0.05]),
        (lambda: schedules.InverseTimeDecay(0.1, 2, 0.5, True), [0.1, 0.1, 0.066667, 0.066667, 0.05]),
    ],
)
def test_golden_numbers(make, want):
    assert [make()(step) for step in range(len(want))] == pytest.approx(want, abs=6e-7)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: schedules.CosineDecay(0.1, 0), ValueError),
        (lambda: schedules.CosineDecayRestarts(0.1, 10, 0.5), ValueError),
        (lambda: schedules.ExponentialDecay(0.1, -1, 0.5), ValueError),
        (lambda: schedules.ExponentialDecay("0.1", 1, 0.5), TypeError),
        (lambda: schedules.InverseTimeDecay(0.1, 1, math.nan), ValueError),
        (lambda: schedules.PolynomialDecay(0.1, 0), ValueError),
        (lambda: schedules.PiecewiseConstantDecay([1], [0.1]), ValueError),
    ],
)
def test_settings_out_of_range_are_refused(make, error):
    with pytest.raises(error, match=r"^[A-Z]\w+: \w+ must "):
        make()
