"""The exact deferred Adam equals dense Adam, whatever rows are touched when."""

from __future__ import annotations

import numpy as np
import pytest

from cases import deferred_adam as cases
from strop import ops, reference
from strop.rowgrad import RowGrad
from tolerance import ulps

ROWS, WIDTH = 60, 8


class Table:
    """A table under the deferred update, driven by hand."""

    def __init__(self, start, settings, amsgrad=False):
        self.param = start.copy()
        self.moment1, self.moment2 = np.zeros_like(start), np.zeros_like(start)
        self.max_moment2 = np.zeros_like(start) if amsgrad else None
        self.last = np.zeros(len(start), np.int32)
        self.settings, self.step = settings, 0
        degree, window = ops.choose_gap(settings["beta1"], settings["beta2"])
        self.clock = ops.AdamClock(
            beta1=settings["beta1"],
            beta2=settings["beta2"],
            eps=settings["eps"],
            hat=settings["eps_mode"] == "hat",
            bias_correction=True,
            amsgrad=amsgrad,
            degree=degree,
            window=window,
        )
        if start.dtype == np.float32:
            self.clock.use_float32()
        self.clock.restart(0)

    def arrays(self):
        state = {"param": self.param, "moment1": self.moment1, "moment2": self.moment2}
        return state | {"max_moment2": self.max_moment2}

    def catch_up(self, rows=None, **options):
        return ops.deferred_adam_catch_up(self.clock, **self.arrays(), last=self.last, rows=rows, **options)

    def take(self, rows, grad, rate, **options):
        self.step += 1
        ops.deferred_adam_step(
            self.clock,
            **self.arrays(),
            grad=RowGrad.trusted(rows, grad, self.param.shape),
            last=self.last,
            learning_rate=rate,
            weight_decay=self.settings["weight_decay"],
            **options,
        )


def run(rng, settings, rates, dtype=np.float64, amsgrad=False, replay=False):
    """The same random touches, dense and deferred; some rows are never touched. Also the longest path."""
    start = rng.normal(size=(ROWS, WIDTH)).astype(dtype)
    table = Table(start, settings, amsgrad)
    dense = {"param": start.copy(), "moment1": np.zeros_like(start), "moment2": np.zeros_like(start)}
    if amsgrad:
        dense["max_moment2"] = np.zeros_like(start)
    path = np.zeros_like(start, np.float64)
    busy = rng.integers(5, ROWS, 12)
    for step, rate in enumerate(rates, 1):
        pool = busy if rng.uniform() < 0.9 else np.arange(5, ROWS)
        rows = rng.choice(np.unique(pool), 4, replace=False)
        magnitude = 10.0 ** rng.uniform(-9, 0, (4, 1))
        grad = (rng.normal(size=(4, WIDTH)) * magnitude).astype(dtype)
        full = np.zeros_like(start)
        full[rows] = grad
        before = dense["param"].astype(np.float64)
        ops.adam_step(**dense, grad=full, learning_rate=rate, step=step, **settings)
        path += np.abs(dense["param"] - before)
        table.take(rows, grad, rate, replay=replay)
    table.catch_up(replay=replay)
    return table, dense, path


@pytest.mark.parametrize("schedule", cases.SCHEDULES)
@pytest.mark.parametrize("name", cases.SETTINGS)
def test_deferred_equals_dense_in_float64(rng, name, schedule):
    settings = cases.SETTINGS[name]
    table, dense, _ = run(rng, settings, cases.schedule(schedule, 700))
    # The remainder of the polynomial is the only error: per gap 8.2e-10 at degree 3 and a rate of 1e-3.
    assert np.abs(table.param - dense["param"]).max() < 2e-8 if name == "degree 8" else 3e-9
    for moment in ("moment1", "moment2"):
        want = dense[moment]
        assert np.abs(getattr(table, moment) - want).max() <= 1e-13 * np.abs(want).max()


@pytest.mark.parametrize("name", ["keras", "torch", "keras decay", "torch decay"])
def test_deferred_equals_dense_in_float32(device, rng, name):
    table, dense, path = run(rng, cases.SETTINGS[name], cases.schedule("cosine", 700), np.float32)
    bound = ulps(64, np.float32) * 2 * np.maximum(np.abs(dense["param"]), path)
    assert (np.abs(table.param - dense["param"]) <= bound).all()


@pytest.mark.parametrize("name", ["keras", "torch decay"])
def test_amsgrad_is_deferred_too(rng, name):
    table, dense, _ = run(rng, cases.SETTINGS[name], cases.schedule("constant", 500), amsgrad=True)
    assert np.abs(table.param - dense["param"]).max() < 3e-9


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_replay_has_the_bits_of_the_dense_kernel(device, rng, dtype):
    table, dense, _ = run(
        rng, cases.SETTINGS["torch decay"], cases.schedule("random", 200), dtype, replay=True
    )
    for name, want in dense.items():
        np.testing.assert_array_equal(getattr(table, name), want)


def test_never_touched_rows_only_decay(rng):
    settings = cases.SETTINGS["keras decay"] | {"weight_decay": 0.5}
    table, dense, _ = run(rng, settings, np.full(300, 0.1))
    np.testing.assert_allclose(table.param[:5], dense["param"][:5], rtol=1e-12)


def test_four_steps_of_decay():
    settings = cases.SETTINGS["keras"] | {"weight_decay": 0.5}
    table = Table(np.ones((2, 1)), settings)
    for _ in range(4):
        table.take(np.array([0]), np.zeros((1, 1)), 0.1)
    table.catch_up()
    np.testing.assert_allclose(table.param, 0.81450625, rtol=1e-14)


@pytest.mark.parametrize("name", ["keras", "torch", "torch decay", "degree 8"])
@pytest.mark.parametrize("start", [1, 40, 300])
def test_the_clock_has_the_coefficients_of_the_reference(name, start):
    settings = cases.SETTINGS[name]
    table = Table(np.zeros((1, 1)), settings)
    rates = cases.schedule("random", start + 120)
    for rate in rates:
        table.clock.advance(rate, settings["weight_decay"])
    want, _, _ = reference.gap_coefficients(
        start, table.clock.degree, learning_rates=list(rates[start:]), **settings
    )
    np.testing.assert_allclose(table.clock.coefficients(start), want, rtol=1e-11, atol=1e-12 * want[0])


def test_catch_up_matches_the_reference(device, dtype):
    # One element of ordinary size, one whose root is as small as eps.
    settings = cases.SETTINGS["keras"]
    rates = list(cases.schedule("cosine", 400)[20:320])
    for m, v in ((0.1, 0.01), (1e-7, 1e-14), (-0.3, 0.2)):
        start = np.full((1, 1), 0.05, dtype)
        table = Table(start, settings)
        table.moment1[:], table.moment2[:] = m, v
        table.clock.restart(20)
        table.last[:] = 20
        for rate in rates:
            table.clock.advance(rate, 0.0)
        table.catch_up()
        want, *_ = reference.deferred_adam_catch_up(
            start, table.moment1 * 0 + m, table.moment2 * 0 + v, start=20, learning_rates=rates, **settings
        )
        moved = abs(want[0, 0] - 0.05)
        error = abs(table.param[0, 0] - want[0, 0])
        assert error <= 1e-7 * moved + ulps(8, dtype) * (0.05 + moved)


def test_a_wrong_coefficient_is_noticed(rng, monkeypatch):
    # The tests above must be able to fail: one settings value off by a thousandth turns them red.
    settings = cases.SETTINGS["keras"]
    wrong = Table.__init__

    def planted(self, start, settings, amsgrad=False):
        wrong(self, start, settings | {"beta1": settings["beta1"] * 1.001}, amsgrad)
        self.settings = settings

    monkeypatch.setattr(Table, "__init__", planted)
    table, dense, _ = run(rng, settings, cases.schedule("constant", 300))
    assert np.abs(table.param - dense["param"]).max() > 1e-6


def test_gather_returns_a_copy_of_the_rows(device, dtype, rng):
    table = Table(rng.normal(size=(10, 3)).astype(dtype), cases.SETTINGS["keras"])
    rows = np.array([7, 2])
    got = table.catch_up(rows, gather=True)
    np.testing.assert_array_equal(got, table.param[rows])
    assert not np.shares_memory(got, table.param)


@pytest.mark.parametrize(
    ("betas", "want"),
    [
        ((0.9, 0.999), (3, 256)),
        ((0.95, 0.999), (4, 512)),
        ((0.9, 0.95), None),
        ((0.99, 0.999), None),
        ((0.9, 0.99), (8, 256)),
    ],
)
def test_the_degree_and_window_follow_from_the_betas(betas, want):
    got = ops.choose_gap(*betas)
    assert got == want or (got is not None and want is not None and got[0] == want[0] and got[1] <= want[1])


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"last": np.zeros(3, np.int32)}, "last must have shape (10,); got (3,)"),
        ({"last": np.zeros(10, np.int64)}, "last must be int32; got a int64 array of shape (10,)"),
        ({"rows": np.array([10])}, "rows must lie in [0, 10); got 10 at (0,)"),
        ({"moment1": np.zeros((10, 2))}, "moment1 must have the shape of param (10, 3); got (10, 2)"),
    ],
)
def test_catch_up_refuses(changes, text):
    table = Table(np.zeros((10, 3)), cases.SETTINGS["keras"])
    arrays = table.arrays() | {"last": table.last, "rows": None} | changes
    with pytest.raises((TypeError, ValueError, IndexError)) as caught:
        ops.deferred_adam_catch_up(table.clock, **arrays)
    assert str(caught.value) == f"deferred_adam_catch_up: {text}"
