"""Schedulers of the torch dialect: golden numbers, torch itself where it is installed, states, refusals."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from strop.optim import SGD
from strop.optim import lr_scheduler as strop_lr


class Optimizer:
    """What a scheduler needs of an optimizer."""

    def __init__(self, *rates, **settings):
        self.param_groups = [{"lr": rate, **settings} for rate in rates]


def rates_of(scheduler, epochs):
    """The rates of the first group in successive epochs."""
    found = []
    for _ in range(epochs):
        found.append(scheduler.get_last_lr()[0])
        if isinstance(scheduler, strop_lr.ReduceLROnPlateau):
            scheduler.step(1.0)
        else:
            scheduler.step()
    return found


def warm_up_then_decay(optimizer):
    parts = [
        strop_lr.LinearLR(optimizer, 0.5, total_iters=2),
        strop_lr.ExponentialLR(optimizer, 0.5),
    ]
    return strop_lr.SequentialLR(optimizer, parts, [2])


@pytest.mark.parametrize(
    ("make", "want"),
    [
        (lambda o: strop_lr.StepLR(o, 2, 0.5), [0.1, 0.1, 0.05, 0.05, 0.025]),
        (lambda o: strop_lr.MultiStepLR(o, [1, 3], 0.5), [0.1, 0.05, 0.05, 0.025]),
        (lambda o: strop_lr.MultiStepLR(o, np.array([3, 1, 3]), 0.5), [0.1, 0.05, 0.05, 0.0125]),
        (lambda o: strop_lr.ExponentialLR(o, 0.5), [0.1, 0.05, 0.025]),
        (lambda o: strop_lr.CosineAnnealingLR(o, 4), [0.1, 0.085355, 0.05, 0.014645, 0]),
        (lambda o: strop_lr.LambdaLR(o, lambda e: 1 / (1 + e)), [0.1, 0.05, 0.033333]),
        (lambda o: strop_lr.MultiplicativeLR(o, lambda e: 0.5), [0.1, 0.05, 0.025]),
        (lambda o: strop_lr.LinearLR(o), [0.033333, 0.046667, 0.06, 0.073333, 0.086667, 0.1]),
        (lambda o: strop_lr.ConstantLR(o, 0.5, 2), [0.05, 0.05, 0.1, 0.1]),
        (lambda o: strop_lr.ConstantLR(o, 0.0, 2), [0, 0, 0.1, 0.1]),
        (lambda o: strop_lr.PolynomialLR(o, 2), [0.1, 0.05, 0, 0]),
        (lambda o: strop_lr.OneCycleLR(o, 1.0, 6), [0.04, 0.994416, 0.811746, 0.462637, 0.133478, 4e-6]),
        (lambda o: strop_lr.ReduceLROnPlateau(o, patience=2, factor=0.5), [0.1, 0.1, 0.1, 0.1, 0.05]),
        (lambda o: strop_lr.CosineAnnealingWarmRestarts(o, 2), [0.1, 0.05, 0.1, 0.05]),
        (lambda o: strop_lr.CyclicLR(o, 1.0, 3.0, 2, mode="triangular2"), [1, 2, 3, 2, 1, 1.5, 2, 1.5]),
        (warm_up_then_decay, [0.05, 0.075, 0.1, 0.05, 0.025]),
    ],
)
def test_schedulers_give_the_numbers_of_torch(make, want):
    assert rates_of(make(Optimizer(0.1, momentum=0.9)), len(want)) == pytest.approx(want, abs=6e-7)


def test_momentum_goes_against_the_rate():
    optimizer = Optimizer(0.1, betas=(0.9, 0.999))
    scheduler = strop_lr.OneCycleLR(optimizer, [1.0], 5, pct_start=0.4, anneal_strategy="linear")
    betas = []
    for _ in range(5):
        betas.append(optimizer.param_groups[0]["betas"])
        scheduler.step()
    assert [first for first, _ in betas] == pytest.approx([0.95, 0.85, 0.95 - 0.2 / 3, 0.95 - 0.1 / 3, 0.95])
    assert {second for _, second in betas} == {0.999}


def test_a_rise_without_a_length_is_over_at_once():
    optimizer = Optimizer(0.1, momentum=0.9)
    assert strop_lr.OneCycleLR(optimizer, 1.0, 10, pct_start=0.1).get_last_lr() == [1.0]


def test_a_change_by_hand_carries_on():
    optimizer = Optimizer(0.1)
    scheduler = strop_lr.ExponentialLR(optimizer, 0.5)
    optimizer.param_groups[0]["lr"] = 8.0
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] == 4.0
    assert scheduler.base_lrs == [0.1]


def test_an_epoch_can_be_named():
    for make in (lambda o: strop_lr.StepLR(o, 3), lambda o: strop_lr.CosineAnnealingLR(o, 7)):
        walked, jumped = make(Optimizer(0.1)), make(Optimizer(0.1))
        for _ in range(9):
            walked.step()
        jumped.step(9)
        assert jumped.get_last_lr() == pytest.approx(walked.get_last_lr())
        assert jumped.last_epoch == walked.last_epoch == 9


def test_restarts_are_the_same_walked_and_named():
    # T_mult 3 at epoch 121: log(243, 3) is 4.999999999999999 in floating point.
    walked = strop_lr.CosineAnnealingWarmRestarts(Optimizer(0.1), 1, 3)
    for epoch in range(1, 130):
        walked.step()
        jumped = strop_lr.CosineAnnealingWarmRestarts(Optimizer(0.1), 1, 3)
        jumped.step(epoch)
        assert (jumped.T_cur, jumped.T_i) == (walked.T_cur, walked.T_i)
        assert jumped.get_last_lr() == walked.get_last_lr()


# ---- torch itself ----------------------------------------------------------


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="torch is the peer of this test")


def pairs(torch, rates, adam):
    """torch's optimizer and one like it."""
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": rate} for rate in rates]
    theirs = torch.optim.Adam(groups) if adam else torch.optim.SGD(groups, momentum=0.9)
    settings = {"betas": (0.9, 0.999)} if adam else {"momentum": 0.9}
    return theirs, Optimizer(*rates, **settings)


def random_scheduler(rng, name, count):
    """A function that makes the scheduler of a name with random settings out of a module of schedulers."""
    factor, whole, rate = float(rng.uniform(0.05, 1)), int(rng.integers(1, 12)), float(rng.uniform(0, 0.01))
    several = [float(x) for x in rng.uniform(0.1, 2, count)]
    marks = [int(x) for x in np.cumsum(rng.integers(1, 9, 3))]
    makers = {
        "StepLR": lambda m, o: m.StepLR(o, whole, factor),
        "MultiStepLR": lambda m, o: m.MultiStepLR(o, [*marks, marks[0]], factor),
        "ExponentialLR": lambda m, o: m.ExponentialLR(o, factor),
        "ConstantLR": lambda m, o: m.ConstantLR(o, factor, whole),
        "LinearLR": lambda m, o: m.LinearLR(o, factor, several[0] / 2, whole),
        "PolynomialLR": lambda m, o: m.PolynomialLR(o, whole + 20, factor * 3),
        "CosineAnnealingLR": lambda m, o: m.CosineAnnealingLR(o, whole, rate),
        "CosineAnnealingWarmRestarts": lambda m, o: m.CosineAnnealingWarmRestarts(o, whole, marks[0], rate),
        "LambdaLR": lambda m, o: m.LambdaLR(o, [lambda e, a=a: a / (1 + e) for a in several]),
        "MultiplicativeLR": lambda m, o: m.MultiplicativeLR(o, lambda e: factor + e / 100),
        "OneCycleLR": lambda m, o: m.OneCycleLR(o, several, 120, pct_start=factor / 1.5, div_factor=whole + 1),
        "CyclicLR": lambda m, o: m.CyclicLR(
            o, rate, several, whole, marks[0], ["triangular", "triangular2", "exp_range"][whole % 3], 0.95,
            base_momentum=several[0] / 4, cycle_momentum=bool(whole % 4),
        ),
        "CyclicLR of a function": lambda m, o: m.CyclicLR(
            o, rate, several[0], whole, scale_fn=lambda x: 1 / (1 + x), scale_mode=["cycle", "iterations"][whole % 2]
        ),
        "OneCycleLR three phases": lambda m, o: m.OneCycleLR(
            o, several, epochs=10, steps_per_epoch=12, pct_start=factor / 2.5, three_phase=True,
            anneal_strategy="linear", base_momentum=several[0] / 3, cycle_momentum=bool(whole % 3),
        ),
        "SequentialLR": lambda m, o: m.SequentialLR(
            o,
            [
                m.LinearLR(o, factor, total_iters=marks[0]),
                m.CosineAnnealingLR(o, whole, rate),
                m.CosineAnnealingWarmRestarts(o, whole),
                m.StepLR(o, whole, factor),
            ],
            marks,
        ),
        "SequentialLR nested": lambda m, o: m.SequentialLR(
            o,
            [
                m.SequentialLR(o, [m.ConstantLR(o, factor, whole), m.ExponentialLR(o, 0.9)], [marks[0]]),
                m.PolynomialLR(o, 60, 2.0),
            ],
            [marks[2]],
        ),
        "ChainedScheduler": lambda m, o: m.ChainedScheduler(
            [m.LinearLR(o, factor, total_iters=whole), m.ExponentialLR(o, 0.95), m.StepLR(o, whole, 0.7)]
        ),
    }  # fmt: skip
    return makers[name]


NAMES = [
    "StepLR", "MultiStepLR", "ExponentialLR", "ConstantLR", "LinearLR", "PolynomialLR", "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts", "LambdaLR", "MultiplicativeLR", "OneCycleLR", "OneCycleLR three phases",
    "CyclicLR", "CyclicLR of a function",
    "SequentialLR", "SequentialLR nested", "ChainedScheduler",
]  # fmt: skip


def same(theirs, ours, what):
    for a, b in zip(theirs.param_groups, ours.param_groups, strict=True):
        assert b["lr"] == pytest.approx(a["lr"], rel=1e-12, abs=1e-16), what
        for key in ("momentum", "betas", "initial_lr", "max_lr", "min_lr"):
            if key in b:
                assert b[key] == pytest.approx(a[key], rel=1e-12), f"{what} {key}"


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.filterwarnings("ignore:The epoch parameter in")
@pytest.mark.parametrize("by_hand", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_fifty_epochs_are_those_of_torch(torch, rng, name, by_hand):
    for trial in range(12):
        rates = [float(x) for x in rng.uniform(0.01, 1, 1 + trial % 3)]
        theirs, ours = pairs(torch, rates, adam=bool(trial % 2))
        make = random_scheduler(rng, name, len(rates))
        peer, scheduler = make(torch.optim.lr_scheduler, theirs), make(strop_lr, ours)
        changes = set(rng.integers(0, 50, 5)) if by_hand else ()
        for epoch in range(50):
            same(theirs, ours, f"{name}, trial {trial}, epoch {epoch}")
            assert scheduler.get_last_lr() == pytest.approx(peer.get_last_lr(), rel=1e-12, abs=1e-16)
            if epoch in changes:
                rate = float(rng.uniform(0.01, 1))
                theirs.param_groups[-1]["lr"] = ours.param_groups[-1]["lr"] = rate
            if epoch in changes and "Sequential" not in name and "Chained" not in name:
                to = int(rng.integers(0, 50))
                peer.step(to), scheduler.step(to)
            else:
                peer.step(), scheduler.step()
            if name != "ChainedScheduler":
                assert scheduler.last_epoch == peer.last_epoch


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
def test_the_plateau_is_that_of_torch(torch, rng, mode, threshold_mode):
    for trial in range(20):
        rates = [float(x) for x in rng.uniform(0.01, 1, 2)]
        theirs, ours = pairs(torch, rates, adam=False)
        settings = {
            "mode": mode,
            "threshold_mode": threshold_mode,
            "factor": float(rng.uniform(0, 0.99)),
            "patience": int(rng.integers(0, 4)),
            "cooldown": int(rng.integers(0, 3)),
            "threshold": float(rng.uniform(0, 0.1)),
            "min_lr": [0.001, 0.1] if trial % 2 else 0.01,
            "eps": float(rng.choice([1e-8, 0.05])),
        }
        peer = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **settings)
        scheduler = strop_lr.ReduceLROnPlateau(ours, **settings)
        for _ in range(50):
            metric = float(rng.choice([rng.normal(), math.nan], p=[0.95, 0.05]))
            peer.step(metric), scheduler.step(np.float32(metric) if metric != metric else metric)
            same(theirs, ours, f"trial {trial}")
            assert scheduler.num_bad_epochs == peer.num_bad_epochs
            assert scheduler.get_last_lr() == peer.get_last_lr()


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.parametrize("name", NAMES)
def test_states_of_torch_are_taken(torch, rng, name):
    theirs, ours = pairs(torch, [0.1, 0.2], adam=False)
    make = random_scheduler(rng, name, 2)
    peer, scheduler = make(torch.optim.lr_scheduler, theirs), make(strop_lr, ours)
    for _ in range(7):
        peer.step()
    scheduler.load_state_dict(peer.state_dict())
    for group, of_peer in zip(ours.param_groups, theirs.param_groups, strict=True):
        group |= {key: value for key, value in of_peer.items() if key in group and key != "params"}
    for _ in range(20):
        peer.step(), scheduler.step()
        same(theirs, ours, name)


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith(("Sequential", "Chained"))])
def test_resuming_after_an_epoch_is_that_of_torch(torch, name):
    theirs, ours = pairs(torch, [0.1, 0.2], adam=True)
    for optimizer in (theirs, ours):
        for group in optimizer.param_groups:
            group |= {
                "initial_lr": 0.3,
                "max_lr": 0.5,
                "min_lr": 1e-4,
                "max_momentum": 0.9,
                "base_momentum": 0.8,
            }

    def make(module, optimizer):
        module = type("Resuming", (), {k: resuming(getattr(module, k)) for k in module.__all__})
        return random_scheduler(np.random.default_rng(3), name, 2)(module, optimizer)

    def resuming(cls):
        return lambda *a, **k: cls(*a, **k, last_epoch=5)

    peer, scheduler = make(torch.optim.lr_scheduler, theirs), make(strop_lr, ours)
    for _ in range(20):
        same(theirs, ours, name)
        peer.step(), scheduler.step()


# ---- states ----------------------------------------------------------------


@pytest.mark.parametrize("name", [*NAMES, "ReduceLROnPlateau"])
def test_a_state_goes_through_json_and_continues(rng, name):
    def make(optimizer, seed):
        if name == "ReduceLROnPlateau":
            return strop_lr.ReduceLROnPlateau(optimizer, patience=2, cooldown=1, factor=0.5 + seed / 10)
        return random_scheduler(np.random.default_rng(seed), name, 2)(strop_lr, optimizer)

    def step(scheduler, metric):
        scheduler.step(metric) if name == "ReduceLROnPlateau" else scheduler.step()

    first, second = Optimizer(0.1, 0.2, momentum=0.9), Optimizer(0.1, 0.2, momentum=0.9)
    source, target = make(first, 1), make(second, 1)
    for epoch in range(9):
        step(source, epoch % 3)
    state = json.loads(json.dumps(source.state_dict(), allow_nan=False))
    target.load_state_dict(state)
    assert target.state_dict() == source.state_dict()
    for mine, theirs in zip(second.param_groups, first.param_groups, strict=True):
        mine.update(theirs)
    for epoch in range(20):
        step(source, epoch % 7), step(target, epoch % 7)
        assert first.param_groups == second.param_groups
    assert target.state_dict() == source.state_dict()


def test_a_state_brings_its_settings():
    source = strop_lr.MultiStepLR(Optimizer(0.1), [1, 2, 3], 0.5)
    target = strop_lr.MultiStepLR(Optimizer(0.1), [9], 0.1)
    target.load_state_dict(source.state_dict())
    assert (target.milestones, target.gamma) == ([1, 2, 3], 0.5)


def test_a_state_belongs_to_nobody():
    scheduler = strop_lr.MultiStepLR(Optimizer(0.1), [1, 2])
    state = scheduler.state_dict()
    state["milestones"].append(7)
    state["base_lrs"][0] = 5.0
    assert (scheduler.milestones, scheduler.base_lrs) == ([1, 2], [0.1])
    scheduler.load_state_dict(given := strop_lr.MultiStepLR(Optimizer(0.1), [3]).state_dict())
    given["milestones"].append(9)
    assert scheduler.milestones == [3]


class Halving:
    """A function with something to keep."""

    def __init__(self):
        self.calls = 0

    def __call__(self, epoch):
        self.calls += 1
        return 0.5**epoch


def test_what_a_callable_object_keeps_is_saved():
    source, target = Halving(), Halving()
    one = strop_lr.LambdaLR(Optimizer(0.1, 0.1), [source, math.exp])
    one.step()
    state = json.loads(json.dumps(one.state_dict()))
    assert state["lr_lambdas"] == [{"calls": 2}, None]
    strop_lr.LambdaLR(Optimizer(0.1, 0.1), [target, lambda e: 1.0]).load_state_dict(state)
    assert target.calls == 2
    cycles = [
        strop_lr.CyclicLR(Optimizer(0.1), 0.1, 1, 3, scale_fn=Halving(), cycle_momentum=False) for _ in "ab"
    ]
    cycles[0].step()
    cycles[1].load_state_dict(json.loads(json.dumps(cycles[0].state_dict())))
    assert cycles[1]._scale_fn_custom.calls == 2
    with pytest.raises(ValueError) as caught:
        cycles[1].load_state_dict(cycles[0].state_dict() | {"_scale_fn_custom": 5})
    assert str(caught.value) == "CyclicLR: state_dict['_scale_fn_custom'] must be a dict or None; got 5"


def step_state(**changes):
    state = strop_lr.StepLR(Optimizer(0.1), 2).state_dict() | changes
    return {key: value for key, value in state.items() if value is not ...}


@pytest.mark.parametrize(
    ("state", "error", "text"),
    [
        (3, TypeError, "state_dict must be a dict; got int"),
        (
            strop_lr.ExponentialLR(Optimizer(0.1), 0.5).state_dict(),
            ValueError,
            "state_dict must be that of a StepLR; got that of a ExponentialLR",
        ),
        (
            {"gamma": 0.5, "base_lrs": [0.1], "last_epoch": 3, "_last_lr": [0.1], "_step_count": 4},
            ValueError,
            "state_dict must have the entries of a StepLR; got none for 'step_size'",
        ),
        (
            step_state(gamme=0.5),
            ValueError,
            "state_dict must have the entries of a StepLR; got 'gamme' too; did you mean 'gamma'",
        ),
        (
            step_state(gamma=...),
            ValueError,
            "state_dict must have the entries of a StepLR; got none for 'gamma'",
        ),
        (step_state(gamma="0.5"), ValueError, "state_dict['gamma'] must be like 0.1; got '0.5'"),
        (step_state(gamma=math.nan), ValueError, "state_dict['gamma'] must be like 0.1; got nan"),
        (
            step_state(base_lrs=[0.1, 0.2]),
            ValueError,
            "state_dict['base_lrs'] must be like [0.1]; got [0.1, 0.2]",
        ),
        (step_state(step_size=0), ValueError, "step_size must be a whole number from 1; got 0"),
        (step_state(last_epoch=1.5), ValueError, "last_epoch must be a whole number from -1; got 1.5"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(state, error, text):
    scheduler = strop_lr.StepLR(Optimizer(0.1), 5)
    before = scheduler.state_dict()
    with pytest.raises(error) as caught:
        scheduler.load_state_dict(state)
    assert str(caught.value) == f"StepLR: {text}"
    assert scheduler.state_dict() == before


def test_a_bad_part_of_a_composed_state_changes_no_part():
    scheduler = warm_up_then_decay(Optimizer(0.1))
    before = scheduler.state_dict()
    state = json.loads(json.dumps(before))
    state["last_epoch"] = state["_schedulers"][0]["last_epoch"] = 3
    state["_schedulers"][1]["gamma"] = "half"
    with pytest.raises(ValueError) as caught:
        scheduler.load_state_dict(state)
    assert str(caught.value) == "ExponentialLR: state_dict['gamma'] must be like 0.5; got 'half'"
    assert scheduler.state_dict() == before
    with pytest.raises(ValueError, match=r"SequentialLR: state_dict\['_schedulers'\] must be like"):
        scheduler.load_state_dict(state | {"_schedulers": []})


def test_states_of_functions_and_plateaus_are_checked():
    scheduler = strop_lr.LambdaLR(Optimizer(0.1), Halving())
    with pytest.raises(ValueError) as caught:
        scheduler.load_state_dict(scheduler.state_dict() | {"lr_lambdas": [5], "last_epoch": 4})
    assert str(caught.value) == (
        "LambdaLR: state_dict['lr_lambdas'] must be a list of 1 dicts or None; got [5]"
    )
    plateau = strop_lr.ReduceLROnPlateau(Optimizer(0.1))
    with pytest.raises(TypeError) as caught:
        plateau.load_state_dict(plateau.state_dict() | {"best": "good", "last_epoch": 4})
    assert str(caught.value) == "ReduceLROnPlateau: state_dict['best'] must be a number; got str"
    assert scheduler.last_epoch == plateau.last_epoch == 0


# ---- refusals --------------------------------------------------------------

REFUSED = [
    (lambda o, m: m.StepLR(np.ones(3), 2), TypeError, "StepLR: optimizer must be one of strop.optim; got ndarray"),
    (lambda o, m: m.StepLR(o, 0), ValueError, "StepLR: step_size must be a whole number from 1; got 0"),
    (lambda o, m: m.StepLR(o, 2.0), ValueError, "StepLR: step_size must be a whole number from 1; got 2.0"),
    (lambda o, m: m.StepLR(o, None), ValueError, "StepLR: step_size must be a whole number from 1; got None"),
    (lambda o, m: m.StepLR(o, 2, math.nan), ValueError, "StepLR: gamma must be a finite number; got nan"),
    (lambda o, m: m.StepLR(o, 2, "0.1"), TypeError, "StepLR: gamma must be a number; got str"),
    (lambda o, m: m.StepLR(o, 2, last_epoch=-2), ValueError,
     "StepLR: last_epoch must be a whole number from -1; got -2"),
    (lambda o, m: m.MultiStepLR(o, 5), TypeError, "MultiStepLR: milestones must be a list of epochs; got int"),
    (lambda o, m: m.MultiStepLR(o, [1, -2]), ValueError,
     "MultiStepLR: milestones[1] must be a whole number from 0; got -2"),
    (lambda o, m: m.ConstantLR(o, 1.5), ValueError, "ConstantLR: factor must lie in [0, 1]; got 1.5"),
    (lambda o, m: m.ConstantLR(o, 0.5, -1), ValueError,
     "ConstantLR: total_iters must be a whole number from 0; got -1"),
    (lambda o, m: m.LinearLR(o, 0.0), ValueError, "LinearLR: start_factor must lie in (0, 1]; got 0.0"),
    (lambda o, m: m.LinearLR(o, 0.5, -0.1), ValueError, "LinearLR: end_factor must lie in [0, 1]; got -0.1"),
    (lambda o, m: m.PolynomialLR(o, 5, math.inf), ValueError, "PolynomialLR: power must be a finite number; got inf"),
    (lambda o, m: m.CosineAnnealingLR(o, 0), ValueError, "CosineAnnealingLR: T_max must be above 0; got 0"),
    (lambda o, m: m.CosineAnnealingWarmRestarts(o, 0), ValueError,
     "CosineAnnealingWarmRestarts: T_0 must be a whole number from 1; got 0"),
    (lambda o, m: m.CosineAnnealingWarmRestarts(o, 2, 0), ValueError,
     "CosineAnnealingWarmRestarts: T_mult must be a whole number from 1; got 0"),
    (lambda o, m: m.LambdaLR(o, [len, len]), ValueError,
     "LambdaLR: lr_lambda must be one function or one per parameter group (1); got 2"),
    (lambda o, m: m.LambdaLR(o, 0.5), TypeError, "LambdaLR: lr_lambda must be a function of the epoch; got float"),
    (lambda o, m: m.MultiplicativeLR(o, [0.5]), TypeError,
     "MultiplicativeLR: lr_lambda[0] must be a function of the epoch; got float"),
    (lambda o, m: m.OneCycleLR(o, 1.0), ValueError,
     "OneCycleLR: total_steps must be given, or epochs and steps_per_epoch; got None"),
    (lambda o, m: m.OneCycleLR(o, 1.0, 0), ValueError,
     "OneCycleLR: total_steps must be a whole number from 1; got 0"),
    (lambda o, m: m.OneCycleLR(o, 1.0, epochs=2, steps_per_epoch=1.5), ValueError,
     "OneCycleLR: steps_per_epoch must be a whole number from 1; got 1.5"),
    (lambda o, m: m.OneCycleLR(o, 1.0, 9, pct_start=1.5), ValueError,
     "OneCycleLR: pct_start must lie in [0, 1]; got 1.5"),
    (lambda o, m: m.OneCycleLR(o, 1.0, 9, anneal_strategy="exp"), ValueError,
     "OneCycleLR: anneal_strategy must be 'cos' or 'linear'; got 'exp'"),
    (lambda o, m: m.OneCycleLR(o, [1.0, 2.0], 9), ValueError,
     "OneCycleLR: max_lr must be one number or one per parameter group (1); got 2"),
    (lambda o, m: m.OneCycleLR(o, 1.0, 9, base_momentum=[0.5, 0.6]), ValueError,
     "OneCycleLR: base_momentum must be one number or one per parameter group (1); got 2"),
    (lambda o, m: m.OneCycleLR(o, 1.0, 9, div_factor=0), ValueError,
     "OneCycleLR: div_factor must be above 0; got 0"),
    (lambda o, m: m.OneCycleLR(Optimizer(0.1), 1.0, 9), ValueError,
     "OneCycleLR: optimizer must have momentum or betas; got one without; use cycle_momentum=False"),
    (lambda o, m: m.CyclicLR(o, 0.1, 1.0, 0), ValueError, "CyclicLR: step_size_up must be above 0; got 0"),
    (lambda o, m: m.CyclicLR(o, 0.1, 1.0, mode="square"), ValueError,
     "CyclicLR: mode must be one of 'triangular', 'triangular2', 'exp_range'; got 'square'"),
    (lambda o, m: m.CyclicLR(o, 0.1, 1.0, scale_fn=2.0), TypeError,
     "CyclicLR: scale_fn must be a function or None; got float"),
    (lambda o, m: m.CyclicLR(o, 0.1, 1.0, scale_fn=len, scale_mode="step"), ValueError,
     "CyclicLR: scale_mode must be 'cycle' or 'iterations'; got 'step'"),
    (lambda o, m: m.CyclicLR(o, [0.1, 0.2], 1.0), ValueError,
     "CyclicLR: base_lr must be one number or one per parameter group (1); got 2"),
    (lambda o, m: m.ReduceLROnPlateau(o, factor=1.0), ValueError,
     "ReduceLROnPlateau: factor must be below 1; got 1.0"),
    (lambda o, m: m.ReduceLROnPlateau(o, "least"), ValueError,
     "ReduceLROnPlateau: mode must be 'min' or 'max'; got 'least'"),
    (lambda o, m: m.ReduceLROnPlateau(o, threshold_mode="relative"), ValueError,
     "ReduceLROnPlateau: threshold_mode must be 'rel' or 'abs'; got 'relative'"),
    (lambda o, m: m.ReduceLROnPlateau(o, patience=-1), ValueError,
     "ReduceLROnPlateau: patience must be a whole number from 0; got -1"),
    (lambda o, m: m.ReduceLROnPlateau(o, min_lr=[0.1, 0.2]), ValueError,
     "ReduceLROnPlateau: min_lr must be one number or one per parameter group (1); got 2"),
    (lambda o, m: m.ReduceLROnPlateau(o).step("loss"), TypeError,
     "ReduceLROnPlateau: metrics must be a number; got str"),
    (lambda o, m: m.SequentialLR(o, [], []), ValueError,
     "SequentialLR: schedulers must be a list of at least one; got []"),
    (lambda o, m: m.SequentialLR(o, [o], []), TypeError,
     "SequentialLR: schedulers[0] must be an LRScheduler; got Optimizer"),
    (lambda o, m: m.SequentialLR(o, [m.ReduceLROnPlateau(o)], []), ValueError,
     "SequentialLR: schedulers[0] must not need a metric to step; got a ReduceLROnPlateau"),
    (lambda o, m: m.ChainedScheduler([m.StepLR(o, 2)], Optimizer(0.1)), ValueError,
     "ChainedScheduler: schedulers[0] must have the same optimizer; got a StepLR of another"),
    (lambda o, m: m.SequentialLR(o, [m.StepLR(o, 2), m.StepLR(o, 2)], []), ValueError,
     "SequentialLR: milestones must be one fewer than schedulers (2); got 0"),
    (lambda o, m: m.SequentialLR(o, [m.StepLR(o, 2)] * 3, [3, 2]), ValueError,
     "SequentialLR: milestones must rise; got [3, 2]"),
    (lambda o, m: m.SequentialLR(o, [m.StepLR(o, 2), m.ChainedScheduler([m.StepLR(o, 2)])], [2]), ValueError,
     "SequentialLR: schedulers[1] must be able to start at a milestone; got a ChainedScheduler"),
    (lambda o, m: warm_up_then_decay(o).step(3), ValueError, "SequentialLR: epoch must be None; got 3"),
    (lambda o, m: m.CosineAnnealingWarmRestarts(o, 2).step(-1), ValueError,
     "CosineAnnealingWarmRestarts: epoch must be a finite number of at least 0; got -1.0"),
    (lambda o, m: m.LRScheduler(o), NotImplementedError, "LRScheduler: a scheduler must have a get_lr"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "error", "text"), REFUSED, ids=[text[:60] for *_, text in REFUSED])
def test_what_cannot_be_meant_is_refused(make, error, text):
    with pytest.raises(error) as caught:
        make(Optimizer(0.1, momentum=0.9), strop_lr)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    "make",
    [
        lambda o: strop_lr.StepLR(o, 0),
        lambda o: strop_lr.LinearLR(o, 0.0),
        lambda o: strop_lr.OneCycleLR(o, 1.0, 9, pct_start=2),
        lambda o: strop_lr.OneCycleLR(o, 1.0, 9, max_momentum="much"),
        lambda o: strop_lr.CosineAnnealingWarmRestarts(o, 2, eta_min="none"),
        lambda o: strop_lr.ExponentialLR(o, 0.5, last_epoch=3),
    ],
)
def test_a_refused_scheduler_leaves_the_optimizer_alone(make):
    optimizer = Optimizer(0.1, momentum=0.9)
    with pytest.raises((ValueError, TypeError, KeyError)):
        make(optimizer)
    assert optimizer.param_groups == [{"lr": 0.1, "momentum": 0.9}]


def test_resuming_needs_the_rates_of_the_start():
    with pytest.raises(KeyError) as caught:
        strop_lr.ExponentialLR(Optimizer(0.1), 0.5, last_epoch=3)
    assert caught.value.args == (
        "ExponentialLR: param_groups[0] must have 'initial_lr' to resume after epoch 3; got none; "
        "load the state of the optimizer first",
    )


def test_a_step_past_the_cycle_changes_nothing():
    optimizer = Optimizer(0.1, momentum=0.9)
    scheduler = strop_lr.OneCycleLR(optimizer, 1.0, total_steps=3)
    for _ in range(3):
        scheduler.step()
    before = scheduler.state_dict(), [dict(group) for group in optimizer.param_groups]
    with pytest.raises(ValueError) as caught:
        scheduler.step()
    assert str(caught.value) == "OneCycleLR: steps must be at most total_steps (3); got step 4"
    assert (scheduler.state_dict(), optimizer.param_groups) == before


def test_a_function_that_fails_changes_nothing():
    optimizer = Optimizer(0.1)
    scheduler = strop_lr.LambdaLR(optimizer, lambda epoch: 1 / (2 - epoch))
    scheduler.step()
    before = scheduler.state_dict()
    with pytest.raises(ZeroDivisionError):
        scheduler.step()
    assert (scheduler.state_dict(), optimizer.param_groups[0]["lr"]) == (before, 0.1)


def test_a_group_that_came_later():
    optimizer = Optimizer(0.1)
    of_the_rate, of_the_start = (
        strop_lr.ExponentialLR(optimizer, 0.5),
        strop_lr.LambdaLR(optimizer, lambda e: 1.0),
    )
    plateau = strop_lr.ReduceLROnPlateau(optimizer, patience=0, factor=0.5, min_lr=0.04)
    optimizer.param_groups.append({"lr": 0.8})
    of_the_rate.step()
    assert of_the_rate.get_last_lr() == [0.05, 0.4]
    plateau.step(1.0), plateau.step(1.0)
    assert plateau.get_last_lr() == [0.04, 0.2]
    with pytest.raises(ValueError) as caught:
        of_the_start.step()
    assert str(caught.value) == (
        "LambdaLR: param_groups must be as many as when the scheduler was made (1); got 2"
    )
    assert of_the_start.last_epoch == 0


# ---- with an optimizer -----------------------------------------------------


def test_a_schedule_drives_the_steps_and_its_bounds_are_saved(tmp_path):
    def make():
        weight = np.ones(3)
        optimizer = SGD([weight], lr=0.1, momentum=0.9)
        return weight, optimizer, strop_lr.OneCycleLR(optimizer, 0.5, total_steps=20)

    def go(weight, optimizer, scheduler, steps):
        for _ in range(steps):
            optimizer.step([weight * 0.5])
            scheduler.step()

    first, second = make(), make()
    go(*first, 9)
    first[1].save(tmp_path / "state.safetensors")
    second[1].load(tmp_path / "state.safetensors")
    second[2].load_state_dict(json.loads(json.dumps(first[2].state_dict())))
    second[0][...] = first[0]
    go(*first, 9), go(*second, 9)
    np.testing.assert_array_equal(first[0], second[0])
    assert first[1].param_groups[0]["momentum"] == second[1].param_groups[0]["momentum"]


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")  # torch looks into nested ones too
@pytest.mark.parametrize("name", NAMES)
def test_weights_under_a_schedule_are_those_of_torch(torch, rng, name):
    start, rates = rng.normal(size=(2, 5)), [0.05, 0.2]
    tensors = [torch.tensor(row, requires_grad=True) for row in start]
    groups = [{"params": [tensor], "lr": rate} for tensor, rate in zip(tensors, rates, strict=True)]
    arrays = [row.copy() for row in start]
    theirs = torch.optim.SGD(groups, momentum=0.9)
    ours = SGD([{"params": [a], "lr": rate} for a, rate in zip(arrays, rates, strict=True)], momentum=0.9)
    make = random_scheduler(rng, name, 2)
    peer, scheduler = make(torch.optim.lr_scheduler, theirs), make(strop_lr, ours)
    for _ in range(50):
        grads = rng.normal(size=(2, 5))
        for tensor, grad in zip(tensors, grads, strict=True):
            tensor.grad = torch.tensor(grad)
        theirs.step(), ours.step(list(grads))
        peer.step(), scheduler.step()
        for tensor, array in zip(tensors, arrays, strict=True):
            np.testing.assert_allclose(array, tensor.detach().numpy(), rtol=1e-12, atol=1e-13)
