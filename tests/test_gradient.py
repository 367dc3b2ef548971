"""`l2` and `grad_scale` of the optimizer steps: what the rule sees of a gradient."""

from __future__ import annotations

import numpy as np
import pytest

from strop import ops, reference
from strop.rowgrad import RowGrad
from tolerance import OPTIMIZER_ROUNDINGS, assert_close

SIZES = [0, 1, 3, 15, 16, 17, 33, 1000, 16_385]
SEEN = [{"grad_scale": -1.0}, {"l2": 0.1}, {"grad_scale": 0.37, "l2": 0.01}]


class Adam:
    states = ("moment1", "moment2")

    @staticmethod
    def step(arrays, grad, step, **settings):
        ops.adam_step(**arrays, grad=grad, learning_rate=0.01, step=step, **settings)

    @staticmethod
    def reference(arrays, grad, step, **settings):
        found = reference.adam_step(**arrays, grad=grad, learning_rate=0.01, step=step, **settings)
        return dict(zip(arrays, found, strict=False))


class AmsGrad(Adam):
    states = ("moment1", "moment2", "max_moment2")


class Sgd:
    states = ()

    @staticmethod
    def step(arrays, grad, step, **settings):
        ops.sgd_step(**arrays, grad=grad, learning_rate=0.1, **settings)

    @staticmethod
    def reference(arrays, grad, step, **settings):
        found = reference.sgd_step(**arrays, grad=grad, learning_rate=0.1, **settings)
        return dict(zip(arrays, found, strict=False))


class Momentum(Sgd):
    states = ("velocity",)

    @staticmethod
    def step(arrays, grad, step, **settings):
        Sgd.step(arrays, grad, step, momentum=0.9, nesterov=True, dialect="torch", **settings)

    @staticmethod
    def reference(arrays, grad, step, **settings):
        return Sgd.reference(arrays, grad, step, momentum=0.9, nesterov=True, dialect="torch", **settings)


RULES = pytest.mark.parametrize("rule", [Adam, AmsGrad, Sgd, Momentum], ids=lambda rule: rule.__name__)


def make(rule, rng, shape, dtype):
    param = rng.normal(size=shape).astype(dtype)
    return {"param": param} | {name: np.zeros_like(param) for name in rule.states}


@RULES
@pytest.mark.parametrize("size", SIZES)
def test_a_step_sees_the_gradient_of_the_reference(device, dtype, rng, rule, size):
    for settings in SEEN:
        arrays = make(rule, rng, size, dtype)
        want = {name: array.astype(np.float64) for name, array in arrays.items()}
        for step in range(1, 4):
            grad = (rng.normal(size=size) * 10.0 ** rng.integers(-6, 1, size)).astype(dtype)
            want = rule.reference(want, grad, step, **settings)
            rule.step(arrays, grad, step, **settings)
            roundings = step * OPTIMIZER_ROUNDINGS
            assert_close(arrays["param"], want["param"], scale=np.abs(want["param"]) + 2, roundings=roundings)


@RULES
@pytest.mark.parametrize("width", [1, 3, 16, 17, 40])
def test_touched_rows_have_the_bits_of_the_dense_step_and_others_see_no_decay(dtype, rng, rule, width):
    for settings in SEEN:
        arrays = make(rule, rng, (9, width), dtype)
        dense = {name: array.copy() for name, array in arrays.items()}
        start = arrays["param"].copy()
        rows = np.array([7, 0, 4])
        grad = RowGrad(rows, rng.normal(size=(3, width)).astype(dtype), (9, width))
        for step in (1, 2):
            rule.step(arrays, grad, step, **settings)
            rule.step(dense, grad.to_dense(), step, **settings)
        for name, array in dense.items():
            np.testing.assert_array_equal(arrays[name][rows], array[rows])
        others = np.setdiff1d(np.arange(9), rows)
        np.testing.assert_array_equal(arrays["param"][others], start[others])


@RULES
def test_the_plain_form_has_the_bits_of_a_step_that_asks_for_nothing(dtype, rng, rule):
    plain = make(rule, rng, 1003, dtype)
    named = {name: array.copy() for name, array in plain.items()}
    grad = rng.normal(size=1003).astype(dtype)
    rule.step(plain, grad, 1)
    rule.step(named, grad, 1, l2=0.0, grad_scale=1.0)
    for name, array in plain.items():
        np.testing.assert_array_equal(named[name], array)


@RULES
def test_an_infinite_parameter_stays_one_and_does_not_reach_the_state(dtype, rule):
    for scale in (1.0, 0.5):
        arrays = make(rule, np.random.default_rng(0), 40, dtype)
        arrays["param"][:] = np.inf
        rule.step(arrays, np.ones(40, dtype), 1, grad_scale=scale)
        assert (arrays["param"] == np.inf).all()
        assert all(np.isfinite(arrays[name]).all() for name in rule.states)


@RULES
def test_a_negative_l2_is_refused(rule):
    arrays = make(rule, np.random.default_rng(0), (3, 2), "float32")
    start = arrays["param"].copy()
    op = "sgd_step" if issubclass(rule, Sgd) else "adam_step"
    for grad in (np.ones((3, 2), np.float32), RowGrad([1], np.ones((1, 2), np.float32), (3, 2))):
        for l2, text in ((-0.1, "-0.1"), (float("nan"), "nan")):
            with pytest.raises(ValueError) as caught:
                rule.step(arrays, grad, 1, l2=l2)
            assert str(caught.value) == f"{op}: l2 must be 0 or more; got {text}"
    np.testing.assert_array_equal(arrays["param"], start)


# ---- against torch ---------------------------------------------------------

STEPS = 100
SHAPES = [(40, 7), (13,), (1,)]

ADAM = [{}, {"weight_decay": 0.05}, {"amsgrad": True}, {"weight_decay": 0.05, "amsgrad": True}]
SGD = [
    {},
    {"weight_decay": 0.05},
    {"momentum": 0.9},
    {"momentum": 0.9, "weight_decay": 0.05},
    {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.05},
    {"momentum": 0.9, "nesterov": True, "weight_decay": 0.05},
]
PEERS = [("SGD", s) for s in SGD] + [(name, s) for name in ("Adam", "AdamW") for s in ADAM]


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="torch is not installed: the float64 reference stands for it")


def problem(seed):
    """Parameters and the gradients of each step, float32 numbers in float64, from 1e-6 to 1."""
    rng = np.random.default_rng(seed)
    params = [rng.normal(size=s).astype(np.float32).astype(np.float64) for s in SHAPES]
    sizes = [10.0 ** rng.integers(-6, 1, s) for s in SHAPES]
    grads = [
        [(rng.normal(size=s) * size).astype(np.float32) for s, size in zip(SHAPES, sizes, strict=True)]
        for _ in range(STEPS)
    ]
    return params, grads


def by_torch(torch, name, settings, dtype, maximize, seed):
    params, grads = problem(seed)
    tensors = [torch.tensor(p, dtype=dtype) for p in params]
    rule = getattr(torch.optim, name)(tensors, lr=0.01, maximize=maximize, **settings)
    for step in grads:
        for tensor, grad in zip(tensors, step, strict=True):
            tensor.grad = torch.tensor(grad, dtype=dtype)
        rule.step()
    return [t.numpy() for t in tensors]


def by_strop(name, settings, dtype, maximize, seed):
    params, grads = problem(seed)
    params = [p.astype(dtype) for p in params]
    settings = dict(settings)
    settings["grad_scale"] = -1.0 if maximize else 1.0
    decay = settings.pop("weight_decay", 0.01 if name == "AdamW" else 0.0)
    settings["weight_decay" if name == "AdamW" else "l2"] = decay
    settings["learning_rate"] = 0.01
    count = 1 if name == "SGD" else 3 if settings.pop("amsgrad", False) else 2
    states = [[np.zeros_like(p) for p in params] for _ in range(count)]
    if name == "SGD":
        settings["dialect"] = "torch"
        if "momentum" in settings:
            settings["velocity"] = states[0]
    else:
        settings |= dict(zip(AmsGrad.states, states, strict=False)) | {"eps": 1e-8, "eps_mode": "torch"}
    dampening = settings.pop("dampening", 0.0)
    for step, grad in enumerate(grads, start=1):
        grad = [g.astype(dtype) for g in grad]
        if name == "SGD":
            ops.sgd_step(param=params, grad=grad, dampening=dampening if step > 1 else 0.0, **settings)
        else:
            ops.adam_step(param=params, grad=grad, step=step, **settings)
    return params


def error(got, want):
    return max(np.max(np.abs(g - w) / np.abs(w)) for g, w in zip(got, want, strict=True))


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize(("name", "settings"), PEERS)
def test_a_hundred_steps_are_those_of_torch(torch, name, settings, maximize):
    for seed in (1, 2):
        want = by_torch(torch, name, settings, torch.float64, maximize, seed)
        assert error(by_strop(name, settings, np.float64, maximize, seed), want) <= 1e-12
        theirs = error(by_torch(torch, name, settings, torch.float32, maximize, seed), want)
        assert error(by_strop(name, settings, np.float32, maximize, seed), want) <= 8 * theirs
