"""The rules against torch.optim and optax themselves, over 1, 10 and 100 steps, where they are installed."""

from __future__ import annotations

import numpy as np
import pytest

from strop import ops
from test_update import Run

#: Rule, our settings, class of torch.optim, its settings.
TORCH = [
    ("rmsprop_step", {"rho": 0.99}, "RMSprop", {}),
    ("rmsprop_step", {"rho": 0.9, "centered": True}, "RMSprop", {"alpha": 0.9, "centered": True}),
    ("rmsprop_step", {"rho": 0.3, "momentum": 0.9}, "RMSprop", {"alpha": 0.3, "momentum": 0.9}),
    (
        "rmsprop_step",
        {"centered": True, "momentum": 0.5},
        "RMSprop",
        {"alpha": 0.9, "centered": True, "momentum": 0.5},
    ),
    ("adagrad_step", {"eps": 1e-10, "sum_square": 0.0}, "Adagrad", {}),
    ("adadelta_step", {"rho": 0.9, "eps": 1e-6}, "Adadelta", {}),
    ("adamax_step", {}, "Adamax", {}),
    ("adamax_step", {"beta1": 0.2, "beta2": 0.9}, "Adamax", {"betas": (0.2, 0.9)}),
    ("nadam_step", {"momentum_decay": 4e-3}, "NAdam", {}),
    (
        "nadam_step",
        {"momentum_decay": 1.0, "beta1": 0.5},
        "NAdam",
        {"momentum_decay": 1.0, "betas": (0.5, 0.999)},
    ),
    ("radam_step", {}, "RAdam", {}),
    ("radam_step", {"beta1": 0.0, "beta2": 0.5}, "RAdam", {"betas": (0.0, 0.5)}),
    ("rprop_step", {"step_size": 0.01}, "Rprop", {}),
    ("rprop_step", {"step_size": 0.01, "etas": (0.3, 3.0)}, "Rprop", {"etas": (0.3, 3.0)}),
]

#: Our decays and those of torch.
DECAYS = [
    ({}, {}),
    ({"l2": 0.01, "grad_scale": -1.0}, {"weight_decay": 0.01, "maximize": True}),
    ({"weight_decay": 0.1}, {"weight_decay": 0.1, "decoupled_weight_decay": True}),
]

STEPS = (1, 10, 100)


def by_rule(rule, settings, param, grads):
    run = Run(rule, param.copy(), settings)
    for step, grad in enumerate(grads, start=1):
        getattr(ops, rule)(**run.arrays, grad=grad, **run.numbers())
        run.step = step
        if step in STEPS:
            yield run.arrays["param"].astype(float)


def by_torch(torch, name, settings, param, grads):
    weight = torch.nn.Parameter(torch.from_numpy(param.copy()))
    optimizer = getattr(torch.optim, name)([weight], lr=0.01, **settings)
    for step, grad in enumerate(grads, start=1):
        weight.grad = torch.from_numpy(grad)
        optimizer.step()
        if step in STEPS:
            yield weight.detach().numpy().astype(float)


@pytest.mark.parametrize(("ours", "theirs"), DECAYS)
@pytest.mark.parametrize(("rule", "settings", "name", "options"), TORCH)
@pytest.mark.parametrize("size", [1.0, 1e-6])
def test_a_rule_computes_what_torch_does(rng, rule, settings, name, options, ours, theirs, size):
    torch = pytest.importorskip("torch", reason="torch is not installed: nothing to compare with")
    if "decoupled_weight_decay" in theirs and name not in ("NAdam", "RAdam"):
        pytest.skip("torch has no decoupled decay here")
    if "l2" in ours and size < 1:
        # The decay outweighs the gradient: a parameter swings around 0, where steps of the learning rate double
        # every rounding, torch's own as well.
        pytest.skip("coupled decay and tiny gradients: chaotic near 0")
    if rule == "rprop_step" and theirs:
        ours, theirs = {"grad_scale": -1.0}, {"maximize": True}
    dialect = {"dialect": "torch"} if rule in ("rmsprop_step", "adagrad_step", "adamax_step") else {}
    eps = {} if rule in ("adagrad_step", "adadelta_step", "rprop_step") else {"eps": 1e-8}
    settings, options = eps | dialect | settings | ours, options | theirs
    param = rng.normal(size=2000).astype("f")
    grads = [(size * rng.normal(size=2000)).astype("f") for _ in range(max(STEPS))]
    doubles = param.astype(float), [g.astype(float) for g in grads]
    exact = list(by_torch(torch, name, options, *doubles))
    for want, got in zip(exact, by_rule(rule, settings, *doubles), strict=True):
        limit = 1e-8 if rule == "nadam_step" else 1e-12  # torch keeps NAdam's product of momenta in float32
        assert np.abs(got - want).max() <= limit * np.abs(want).max()
    narrow = by_torch(torch, name, options, param, grads), by_rule(rule, settings, param, grads)
    for want, their, got in zip(exact, *narrow, strict=True):
        assert np.abs(got - want).max() <= 8 * np.abs(their - want).max() + 1e-7


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("name", ["lion", "lamb"])
@pytest.mark.parametrize("size", [1.0, 1e-6])
def test_a_rule_computes_what_optax_does(rng, name, decay, size):
    reason = "optax is not installed: nothing to compare with"
    optax = pytest.importorskip("optax", reason=reason)
    jax = pytest.importorskip("jax", reason=reason)
    with jax.enable_x64(True):
        rule = getattr(optax, name)(0.01, weight_decay=decay)
        params = {"large": rng.normal(size=3000), "small": rng.normal(size=7)}
        weights = {key: jax.numpy.asarray(p) for key, p in params.items()}
        state = rule.init(weights)
        states = {"moment1": 0.0} if name == "lion" else {"moment1": 0.0, "moment2": 0.0}
        arrays = {n: [np.full_like(p, v) for p in params.values()] for n, v in states.items()}
        for step in range(1, max(STEPS) + 1):
            grads = {key: size * rng.normal(size=p.shape) for key, p in params.items()}
            updates, state = rule.update({k: jax.numpy.asarray(g) for k, g in grads.items()}, state, weights)
            weights = optax.apply_updates(weights, updates)
            getattr(ops, f"{name}_step")(
                param=list(params.values()),
                grad=list(grads.values()),
                **arrays,
                learning_rate=0.01,
                weight_decay=decay,
                **({"step": step} if name == "lamb" else {}),
            )
            if step in STEPS:
                for key, param in params.items():
                    want = np.asarray(weights[key])
                    assert np.abs(param - want).max() <= 1e-12 * np.abs(want).max()
