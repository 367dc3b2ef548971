"""The Keras dialect against Keras itself in float64: every rule, everything around a rule, 1, 10 and 100 steps."""

from __future__ import annotations

import importlib
import warnings

import numpy as np
import pytest

from conftest import import_keras
from strop import constraints, optimizers
from strop.layers import Variable

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own

#: Both work in float64; a step is a dozen roundings, of which Adadelta and RMSprop carry some from step to step.
RELATIVE = 1e-12

SHAPES = [(5, 3), (7,), (2, 3, 2), ()]


@pytest.fixture
def keras(monkeypatch):
    """Keras in float64 throughout: but for TensorFlow its operations take two float64 to a float32."""
    module = import_keras()
    narrow = importlib.import_module("keras.src.backend.common.dtypes").BIT64_TO_BIT32_DTYPE
    monkeypatch.setitem(narrow, "float64", "float64")
    floats = module.config.floatx()
    module.config.set_floatx("float64")
    yield module
    module.config.set_floatx(floats)


RULES = {
    "SGD": [{}, {"momentum": 0.9}, {"momentum": 0.7, "nesterov": True}],
    "Adam": [{}, {"amsgrad": True, "beta_2": 0.9}, {"beta_1": 0.5, "epsilon": 1e-3}],
    "AdamW": [{}, {"weight_decay": 0.3, "amsgrad": True}],
    "RMSprop": [{}, {"momentum": 0.9}, {"centered": True}, {"rho": 0.5, "momentum": 0.3, "centered": True}],
    "Adagrad": [{}, {"initial_accumulator_value": 0.0, "epsilon": 1e-3}],
    "Adadelta": [{}, {"rho": 0.5, "epsilon": 1e-4}],
    "Adamax": [{}, {"beta_1": 0.5, "beta_2": 0.8}],
    "Nadam": [{}, {"beta_1": 0.5, "beta_2": 0.9}],
    "Lion": [{}, {"beta_1": 0.5, "beta_2": 0.8}],
    "Lamb": [{}, {"beta_1": 0.5, "epsilon": 1e-3}],
}
EACH_RULE = [(rule, settings) for rule, each in RULES.items() for settings in each]

AROUND = {
    "decay": {"weight_decay": 0.1},
    "norm": {"clipnorm": 0.5},
    "global norm": {"global_clipnorm": 0.7, "weight_decay": 0.01},
    "value": {"clipvalue": 0.3},
    "scaled loss": {"loss_scale_factor": 8.0, "clipnorm": 0.1},
    "scaled loss and value": {"loss_scale_factor": 4.0, "clipvalue": 0.1},
    "scaled loss and global norm": {"loss_scale_factor": 4.0, "global_clipnorm": 0.1},
    "averages": {"use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": 7},
    "accumulation": {"gradient_accumulation_steps": 3},
    "much": {
        "gradient_accumulation_steps": 2,
        "use_ema": True,
        "ema_momentum": 0.8,
        "ema_overwrite_frequency": 3,
        "global_clipnorm": 0.4,
        "weight_decay": 0.02,
    },
}


class Both:
    """The same parameters under ours and under Keras'."""

    def __init__(self, keras, rule, seed=0, *, rate=0.05, exclude=None, **settings):
        self.keras, self.rng = keras, np.random.default_rng(seed)
        values = [np.asarray(self.rng.normal(size=shape)) for shape in SHAPES]
        names = ["kernel", "bias", "table", "scale"]
        self.ours = [Variable(name, value.copy()) for name, value in zip(names, values, strict=True)]
        self.theirs = [
            keras.Variable(value, dtype="float64", name=name)
            for name, value in zip(names, values, strict=True)
        ]
        ours = theirs = rate
        if isinstance(rate, tuple):
            name, arguments = rate
            ours = getattr(optimizers.schedules, name)(*arguments)
            theirs = getattr(keras.optimizers.schedules, name)(*arguments)
        self.optimizer = getattr(optimizers, rule)(ours, **settings)
        self.other = getattr(keras.optimizers, rule)(theirs, **settings)
        if exclude:
            for optimizer, variables in ((self.optimizer, self.ours), (self.other, self.theirs)):
                chosen = [variables[i] for i in exclude.get("places", [])]
                optimizer.exclude_from_weight_decay(chosen, exclude.get("names"))

    def step(self, *, size=1.0, missing=()):
        grads = [np.asarray(self.rng.normal(size=shape) * size) for shape in SHAPES]
        given = [None if i in missing else grad for i, grad in enumerate(grads)]
        self.apply(given, self.ours, self.theirs)

    def apply(self, grads, ours, theirs):
        self.optimizer.apply(grads, ours)
        tensors = [None if g is None else self.keras.ops.convert_to_tensor(g) for g in grads]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of gradients that are None
            self.other.apply(tensors, theirs)

    def check(self, scale=None):
        """Relative to the parameters, or to how far they have moved."""
        for ours, theirs in zip(self.ours, self.theirs, strict=True):
            want = self.keras.ops.convert_to_numpy(theirs.value)
            np.testing.assert_allclose(
                ours.value, want, rtol=0, atol=RELATIVE * (scale or np.abs(want).max())
            )
        assert self.optimizer.iterations == int(self.other.iterations)
        assert self.optimizer.learning_rate == pytest.approx(float(self.other.learning_rate), rel=RELATIVE)

    def run(self, steps=(1, 10, 100), **step):
        for number in range(1, max(steps) + 1):
            self.step(**step)
            if number in steps:
                self.check()


@pytest.mark.parametrize(("rule", "settings"), EACH_RULE)
@pytest.mark.parametrize("size", [1.0, 1e-6, 1e-8])
def test_a_rule_is_that_of_keras(keras, rule, settings, size):
    Both(keras, rule, **settings).run(size=size)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("around", AROUND)
def test_so_is_what_surrounds_it(keras, rule, around):
    settings = RULES[rule][-1] | AROUND[around]
    Both(keras, rule, seed=1, **settings).run((1, 10, 100) if rule == "Adam" else (1, 10, 20))


@pytest.mark.parametrize("rule", RULES)
def test_so_are_random_settings(keras, rule):
    for seed in range(5):
        rng = np.random.default_rng([seed, *rule.encode()])
        settings = dict(RULES[rule][rng.integers(len(RULES[rule]))])
        for name in set(settings) - {"nesterov", "amsgrad", "centered"}:
            settings[name] = float(rng.uniform(0.05, 0.99))
        settings |= AROUND[list(AROUND)[rng.integers(len(AROUND))]]
        Both(keras, rule, seed=seed, rate=float(rng.uniform(0.001, 0.5)), **settings).run((1, 10, 30))


@pytest.mark.parametrize(
    "rate",
    [
        ("ExponentialDecay", (0.1, 10, 0.5)),
        ("ExponentialDecay", (0.1, 10, 0.5, True)),
        ("PiecewiseConstantDecay", ([3, 8], [0.1, 0.05, 0.01])),
        ("PolynomialDecay", (0.1, 20, 0.001, 0.5, True)),
        ("InverseTimeDecay", (0.1, 3, 0.5, True)),
        ("CosineDecay", (0.1, 30, 0.1)),
        ("CosineDecay", (0.0, 30, 0.1, "warm", 0.2, 10)),
        ("CosineDecayRestarts", (0.1, 7, 1.5, 0.9, 0.1)),
        ("CosineDecayRestarts", (0.1, 7, 1.0)),
    ],
)
@pytest.mark.parametrize("settings", [{}, {"gradient_accumulation_steps": 3}])
def test_so_are_the_schedules(keras, rate, settings):
    both = Both(keras, "Adam", rate=rate, weight_decay=0.1, **settings)
    both.run(range(1, 40))


@pytest.mark.parametrize("rule", RULES)
def test_so_are_gradients_that_are_none(keras, rule):
    both = Both(keras, rule, weight_decay=0.1)
    for number in range(12):
        both.step(missing=[(), (1,), (0, 2, 3)][number % 3])
        both.check()


def test_so_are_those_that_do_not_decay(keras):
    for exclude in ({"places": [0, 2]}, {"names": ["bias", "sc.le"]}):
        Both(keras, "SGD", weight_decay=0.3, exclude=exclude).run((10,))


def test_so_are_some_of_the_parameters_in_another_order(keras):
    both = Both(keras, "Adam")
    both.step()
    for chosen in ([2, 0], [3, 2, 1, 0], [1]):
        grads = [np.asarray(both.rng.normal(size=SHAPES[i])) for i in chosen]
        both.apply(grads, [both.ours[i] for i in chosen], [both.theirs[i] for i in chosen])
        both.check()


def test_so_is_the_order_with_a_constraint(keras):
    both = Both(
        keras, "SGD", rate=0.5, use_ema=True, ema_overwrite_frequency=4, gradient_accumulation_steps=2
    )
    for ours, theirs in zip(both.ours, both.theirs, strict=True):
        if ours.value.ndim == 2:
            ours.constraint = constraints.MinMaxNorm(0.5, 0.8, 0.3)
            theirs.constraint = keras.constraints.MinMaxNorm(0.5, 0.8, 0.3)
    both.run(range(1, 20))


def test_finalizing_writes_the_averages_back(keras):
    both = Both(keras, "Adam", use_ema=True, ema_momentum=0.9)
    both.run((10,))
    both.optimizer.finalize_variable_values(both.ours)
    both.other.finalize_variable_values(both.theirs)
    both.check()


@pytest.mark.parametrize("rule", RULES)
def test_the_arguments_stand_in_keras_order_with_its_defaults(keras, rule):
    theirs = getattr(keras.optimizers, rule)().get_config()
    ours = getattr(optimizers, rule)().get_config()
    ours["name"] = theirs["name"]
    assert {name: ours[name] for name in theirs} == theirs
    values = {
        "SGD": [0.5, 0.9, True],
        "Adam": [0.5, 0.8, 0.9, 1e-3, True],
        "RMSprop": [0.5, 0.8, 0.7, 1e-3, True],
    }
    values |= {"AdamW": [0.5, 0.25, 0.8, 0.9, 1e-3, True], "Lion": [0.5, 0.8, 0.9]}
    first = values.get(rule, [0.5, 0.8, 1e-3] if rule in ("Adagrad", "Adadelta") else [0.5, 0.8, 0.9, 1e-3])
    decay = [] if rule == "AdamW" else [0.125]
    arguments = [*first, *decay, None, None, 2.0, True, 0.75, 5, 4.0, 3, "mine"]
    theirs = getattr(keras.optimizers, rule)(*arguments).get_config()
    ours = getattr(optimizers, rule)(*arguments).get_config()
    assert {name: ours[name] for name in theirs} == theirs


@pytest.mark.parametrize("rule", RULES)
def test_what_keras_serialized_comes_back_as_ours(keras, rule):
    rate = keras.optimizers.schedules.CosineDecay(0.0, 30, warmup_target=0.5, warmup_steps=3)
    theirs = getattr(keras.optimizers, rule)(rate, clipnorm=1.0)
    ours = optimizers.get(keras.optimizers.serialize(theirs))
    assert type(ours) is optimizers.registry[rule]
    assert ours.clipnorm == 1
    assert ours.learning_rate == pytest.approx(float(theirs.learning_rate))
    assert ours.get_config()["learning_rate"]["config"] == theirs.get_config()["learning_rate"]["config"]


def test_get_takes_the_spellings_of_keras(keras):
    for rule in optimizers.registry:
        if rule == "Lamb":  # keras.optimizers.get forgets its own
            continue
        for name in (rule, rule.lower(), rule.upper()):
            assert type(keras.optimizers.get(name)).__name__ == type(optimizers.get(name)).__name__ == rule
