"""The torch dialect against torch.optim itself, and Lion and LAMB against optax, on random settings and parameters."""

from __future__ import annotations

import numpy as np
import pytest

from strop import RowGrad, optim

torch = pytest.importorskip(
    "torch", reason="torch is not installed: the numbers of torch.optim are golden numbers"
)

SHAPES = [(7, 5), (), (33,), (2, 3, 4), (0, 3)]

#: For each rule, what its settings are drawn from.
RATES = (1e-3, 1e-2, 0.1)
DECAYS = (0.0, 0.0, 0.01, 0.3)
BETAS = ((0.9, 0.999), (0.8, 0.95), (0.0, 0.5), (0.95, 0.9))
EPS = (1e-8, 1e-6, 1e-3)
ADAM = {"lr": RATES, "betas": BETAS, "eps": EPS, "weight_decay": DECAYS}
RULES = {
    "SGD": {
        "lr": RATES,
        "weight_decay": DECAYS,
        ("momentum", "dampening", "nesterov"): (
            (0, 0, False),
            (0.9, 0, False),
            (0.9, 0.5, False),
            (0.5, 0, True),
            (0.99, 1.0, False),
        ),
    },
    "Adam": ADAM | {"amsgrad": (False, True), "decoupled_weight_decay": (False, True)},
    "AdamW": ADAM | {"amsgrad": (False, True)},
    "NAdam": ADAM | {"momentum_decay": (4e-3, 0.0, 0.5), "decoupled_weight_decay": (False, True)},
    "RAdam": ADAM | {"decoupled_weight_decay": (False, True)},
    "Adamax": ADAM,
    "Adagrad": {
        "lr": RATES,
        "lr_decay": (0.0, 0.1),
        "weight_decay": DECAYS,
        "initial_accumulator_value": (0.0, 0.1),
        "eps": (1e-10, 1e-3),
    },
    "Adadelta": {"lr": (1.0, 0.1), "rho": (0.9, 0.5, 0.0, 1.0), "eps": (1e-6, 1e-3), "weight_decay": DECAYS},
    "RMSprop": {
        "lr": RATES,
        "alpha": (0.99, 0.5, 0.9),
        "eps": EPS,
        "weight_decay": DECAYS,
        "momentum": (0.0, 0.9),
        "centered": (False, True),
    },
    "Rprop": {"lr": RATES, "etas": ((0.5, 1.2), (0.3, 2.0)), "step_sizes": ((1e-6, 50), (1e-3, 0.05))},
}


def draw(rng, choices):
    settings = {}
    for name, values in choices.items():
        value = values[rng.integers(len(values))]
        settings |= dict(zip(name, value, strict=True)) if isinstance(name, tuple) else {name: value}
    return settings | {"maximize": bool(rng.integers(2))}


class Run:
    """The same random run for any optimizer: parameters, groups, gradients, rates, gradients that are left out."""

    def __init__(self, seed, choices):
        rng = np.random.default_rng(seed)
        self.seed = seed
        self.start = [np.asarray(rng.standard_normal(shape), np.float32) for shape in SHAPES]
        self.settings = draw(rng, choices)
        self.grouped = bool(rng.integers(2))
        other = draw(rng, choices)
        self.own = {name: other[name] for name in ("lr", "weight_decay", "betas") if name in other}
        self.scales = [(1.0, 1e-6, 1e-3)[rng.integers(3)] for _ in SHAPES]
        self.skips = bool(rng.integers(2))
        self.new_rate = float(rng.choice([0.5, 0.01, 1e-3]))

    def params(self, dtype):
        return [np.array(p, dtype) for p in self.start]

    def groups(self, params):
        if not self.grouped:
            return params
        return [{"params": params[:2], **self.own}, {"params": params[2:]}]

    def steps(self, count):
        """Gradients that float32 holds exactly, and the rate where it changes."""
        rng = np.random.default_rng([self.seed, 1])
        for step in range(count):
            grads = [
                np.asarray(scale * rng.standard_normal(shape), np.float32)
                for scale, shape in zip(self.scales, SHAPES, strict=True)
            ]
            if self.skips:
                grads[rng.integers(len(grads))] = None
            yield grads, self.new_rate if step == 6 else None

    def ours(self, cls, dtype, count):
        params = self.params(dtype)
        optimizer = cls(self.groups(params), **self.settings)
        for grads, rate in self.steps(count):
            if rate is not None:
                optimizer.lr = rate
            optimizer.step([None if g is None else g.astype(dtype) for g in grads])
        return params

    def torchs(self, cls, dtype, count):
        """Parameters at the end, and the greatest size that each element had on the way."""
        params = [torch.tensor(p) for p in self.params(dtype)]
        optimizer = cls(self.groups(params), **self.settings)
        sizes = [np.abs(p) for p in self.params(np.float64)]
        for grads, rate in self.steps(count):
            for group in optimizer.param_groups:
                group["lr"] = group["lr"] if rate is None else rate
            for param, grad in zip(params, grads, strict=True):
                param.grad = None if grad is None else torch.tensor(grad.astype(dtype))
            optimizer.step()
            sizes = [np.maximum(s, np.abs(p.numpy())) for s, p in zip(sizes, params, strict=True)]
        return [p.numpy() for p in params], sizes


def worst(got, want, sizes):
    """The greatest difference, relative to the size of each element."""
    shares = [np.abs(g - w.astype(np.float64)) / s for g, w, s in zip(got, want, sizes, strict=True)]
    return max(float(share.max(initial=0)) for share in shares)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", RULES)
def test_float64_steps_are_torchs(name, seed):
    run = Run(seed, RULES[name])
    for count in (1, 10, 100):
        want, sizes = run.torchs(getattr(torch.optim, name), np.float64, count)
        got = run.ours(getattr(optim, name), np.float64, count)
        assert worst(got, want, sizes) <= 1e-12, count


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", RULES)
def test_float32_errs_no_more_than_eight_times_torch(name, seed):
    run = Run(seed, RULES[name])
    for count in (1, 10, 100):
        want, sizes = run.torchs(getattr(torch.optim, name), np.float64, count)
        theirs = worst(run.torchs(getattr(torch.optim, name), np.float32, count)[0], want, sizes)
        ours = worst(run.ours(getattr(optim, name), np.float32, count), want, sizes)
        assert ours <= 8 * max(theirs, 2.0**-24), count


@pytest.mark.parametrize("maximize", [False, True])
def test_sparse_adam_steps_are_torchs(rng, maximize):
    start = rng.standard_normal((20, 3))
    table, tensor = start.copy(), torch.tensor(start)
    settings = {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-4, "maximize": maximize}
    ours, theirs = optim.SparseAdam([table], **settings), torch.optim.SparseAdam([tensor], **settings)
    for step in range(100):
        if step == 50:
            ours = optim.SparseAdam([table])
            ours.load_state_dict(theirs.state_dict())
        rows, values = rng.integers(0, 20, 6), rng.standard_normal((6, 3))
        ours.step([RowGrad(rows, values, (20, 3))])
        tensor.grad = torch.sparse_coo_tensor(
            torch.tensor(rows[None]), torch.tensor(values), (20, 3), check_invariants=True
        )
        theirs.step()
    np.testing.assert_allclose(table, tensor.numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", RULES)
def test_a_state_of_torch_goes_on_here(name):
    run = Run(7, RULES[name])
    cls = getattr(torch.optim, name)
    tensors = [torch.tensor(p) for p in run.params(np.float64)]
    theirs = cls(run.groups(tensors), **run.settings)
    steps = [grads for grads, _ in run.steps(8)]

    def step(grads):
        for tensor, grad in zip(tensors, grads, strict=True):
            tensor.grad = None if grad is None else torch.tensor(grad.astype(np.float64))
        theirs.step()

    for grads in steps[:4]:
        step(grads)
    params = [t.numpy().copy() for t in tensors]
    ours = getattr(optim, name)(run.groups(params))
    ours.load_state_dict(theirs.state_dict())
    for grads in steps[4:]:
        step(grads)
        ours.step([None if g is None else g.astype(np.float64) for g in grads])
    want = [t.numpy() for t in tensors]
    for param, wanted in zip(params, want, strict=True):
        np.testing.assert_allclose(param, wanted, rtol=1e-12, atol=1e-14)


def test_a_state_of_torch_in_another_dtype_changes_nothing():
    tensor = torch.ones(3)
    theirs = torch.optim.Adam([tensor])
    tensor.grad = torch.ones(3)
    theirs.step()
    ours = optim.Adam([np.ones(3)])
    with pytest.raises(ValueError, match="as float64 of shape"):
        ours.load_state_dict(theirs.state_dict())
    assert ours.state == [{}]


# ---- optax ------------------------------------------------------------------


@pytest.fixture
def optax():
    jax = pytest.importorskip("jax", reason="jax is not installed: the numbers of optax are golden numbers")
    module = pytest.importorskip("optax", reason="optax is not installed")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield module
    jax.config.update("jax_enable_x64", before)


OPTAX = {
    "Lion": ("lion", ({"weight_decay": 0.0}, {"weight_decay": 0.1, "betas": (0.5, 0.7)})),
    "LAMB": ("lamb", ({}, {"weight_decay": 0.1}, {"betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.01})),
    "Adam": ("adam", ({}, {"betas": (0.8, 0.9), "eps": 1e-3})),
    "AdamW": ("adamw", ({"weight_decay": 0.1},)),
}


def optax_settings(settings):
    words = {"lr": "learning_rate"}
    named = {words.get(name, name): value for name, value in settings.items()}
    if "betas" in named:
        named["b1"], named["b2"] = named.pop("betas")
    return named


@pytest.mark.parametrize(
    ("name", "own"), [(name, own) for name, (_, every) in OPTAX.items() for own in every]
)
@pytest.mark.parametrize("scale", [1.0, 1e-6])
def test_float64_steps_are_optaxs(optax, rng, name, own, scale):
    own = {"lr": 0.01, "betas": (0.9, 0.99), **own}
    rule = getattr(optax, OPTAX[name][0])(**optax_settings(own))
    start = [rng.standard_normal(shape) for shape in ((5, 4), (), (0, 2), (9,))]
    ours, theirs = [np.array(p) for p in start], [np.array(p) for p in start]
    optimizer, state = getattr(optim, name)(ours, **own), rule.init(theirs)
    for step in range(100):
        grads = [np.asarray(scale * rng.standard_normal(p.shape)) for p in start]
        optimizer.step(grads)
        moves, state = rule.update(grads, state, theirs)
        theirs = [np.asarray(p) for p in optax.apply_updates(theirs, moves)]
        if step in (0, 9, 99):
            assert worst(ours, theirs, [np.maximum(np.abs(p), 1e-2) for p in theirs]) <= 1e-12, step
