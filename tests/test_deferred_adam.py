"""The exact deferred Adam equals dense Adam, whatever rows are touched when."""

from __future__ import annotations

import numpy as np
import pytest

from cases import deferred_adam as cases
from strop import config, ops, reference
from strop._backend import cpu
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


def run(rng, settings, rates, dtype=np.float64, amsgrad=False, replay=False, flush_every=None):
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
        if flush_every and step % flush_every == 0:
            table.catch_up(replay=replay)
            table.clock.restart(step)
    table.catch_up(replay=replay)
    return table, dense, path


@pytest.mark.parametrize("schedule", cases.SCHEDULES)
@pytest.mark.parametrize("name", cases.SETTINGS)
def test_deferred_equals_dense_in_float64(rng, name, schedule):
    settings = cases.SETTINGS[name]
    table, dense, _ = run(rng, settings, cases.schedule(schedule, 700))
    # The remainder of the polynomial is the only error: per gap 8.2e-10 at degree 3 and a rate of 1e-3.
    assert np.abs(table.param - dense["param"]).max() < (2e-8 if name == "degree 8" else 3e-9)
    for moment in ("moment1", "moment2"):
        want = dense[moment]
        assert np.abs(getattr(table, moment) - want).max() <= 1e-13 * np.abs(want).max()


@pytest.mark.parametrize("name", ["keras", "torch decay"])
def test_a_flush_in_mid_run_is_allowed(rng, name):
    table, dense, _ = run(rng, cases.SETTINGS[name], cases.schedule("cosine", 700), flush_every=190)
    assert np.abs(table.param - dense["param"]).max() < 3e-9


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


@pytest.mark.parametrize("factor", [1.0, 1.001])
def test_a_coefficient_off_by_a_thousandth_turns_red(rng, factor):
    # What a gap does is proportional to the rates that the clock is told.
    settings = cases.SETTINGS["keras"]
    start = rng.normal(size=(ROWS, WIDTH))
    table, dense = Table(start, settings), Table(start, settings)
    for step in range(1, 301):
        rows = rng.choice(20, 3, replace=False)
        grad = RowGrad.trusted(rows, rng.normal(size=(3, WIDTH)), start.shape)
        for each in (table, dense):
            each.catch_up(rows if each is table else None, replay=each is dense)
            state = {"param": each.param, "moment1": each.moment1, "moment2": each.moment2}
            ops.adam_step(**state, grad=grad, learning_rate=1e-3, step=step, **settings)
            each.last[rows] = step
            each.clock.advance(1e-3 * (factor if each is table else 1), 0.0)
    table.catch_up()
    dense.catch_up(replay=True)
    assert (np.abs(table.param - dense.param).max() < 3e-9) == (factor == 1)


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


@pytest.mark.parametrize("name", ["keras", "torch", "keras decay", "torch decay", "long"])
def test_a_gap_longer_than_every_table(name):
    # Beyond the window of 256 and the 4,096 listed powers; one element is as small as epsilon, one row untouched.
    settings = cases.SETTINGS[name]
    start = np.full((3, 2), 0.5)
    quick, slow = Table(start, settings), Table(start, settings)
    grad = np.array([[0.1, 1e-8], [0.3, -0.2]])
    for table in (quick, slow):
        table.take(np.array([0, 1]), grad, 1e-3)
        for _ in range(5000):
            table.clock.advance(1e-3, settings["weight_decay"])
    quick.catch_up()
    slow.catch_up(replay=True)
    np.testing.assert_allclose(quick.param, slow.param, atol=3e-9)
    np.testing.assert_allclose(quick.moment2, slow.moment2, rtol=1e-11)


def test_a_learning_rate_of_0_for_a_whole_gap():
    for name in ("keras", "torch decay"):
        settings = cases.SETTINGS[name]
        table = Table(np.full((2, 2), 0.5), settings)
        table.take(np.array([0, 1]), np.array([[0.1, 1e-8], [0.0, 1.0]]), 1e-3)
        after = table.param.copy()
        for _ in range(400):
            table.clock.advance(0.0, settings["weight_decay"])
        table.catch_up()
        np.testing.assert_array_equal(table.param, after)


@pytest.mark.parametrize("name", ["keras", "torch decay"])
@pytest.mark.parametrize("width", [1, 15, 16, 17, 40])
def test_reading_gives_the_bits_of_the_flush_and_writes_nothing(device, rng, dtype, name, width):
    settings = cases.SETTINGS[name]
    table = Table(rng.normal(size=(30, width)).astype(dtype), settings)
    for step in range(60):
        rows = rng.choice(25, 3, replace=False)
        grad = (rng.normal(size=(3, width)) * 10.0 ** -(step % 10)).astype(dtype)
        table.take(rows, grad, 1e-3)
    before = [a.tobytes() for a in (table.param, table.moment1, table.moment2, table.last)]
    rows = np.array([3, 29, 7], np.int32)
    everything, some = table.catch_up(write=False), table.catch_up(rows, write=False)
    assert before == [a.tobytes() for a in (table.param, table.moment1, table.moment2, table.last)]
    table.catch_up()
    np.testing.assert_array_equal(everything, table.param)
    np.testing.assert_array_equal(some, table.param[rows])


@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("name", ["keras", "torch decay"])
@pytest.mark.parametrize("width", [1, 16, 33])
def test_a_step_takes_over_rows_that_were_read_without_a_change_of_bits(
    device, rng, dtype, name, width, amsgrad
):
    settings = cases.SETTINGS[name]
    start = rng.normal(size=(30, width)).astype(dtype)
    plain, quick = Table(start, settings, amsgrad), Table(start, settings, amsgrad)
    for step in range(330):
        rows = rng.choice(25, 3, replace=False)
        grad = (rng.normal(size=(3, width)) * 10.0 ** -(step % 10)).astype(dtype)
        plain.take(rows, grad, 1e-3)
        quick.take(rows, grad, 1e-3, caught_up=quick.catch_up(rows, write=False))
    for name, want in plain.arrays().items():
        if want is not None:
            np.testing.assert_array_equal(quick.arrays()[name], want, err_msg=name)
    np.testing.assert_array_equal(quick.last, plain.last)


def test_deferred_steps_have_the_same_bits_on_any_set_and_number_of_threads(rng):
    # 40,000 rows of 16 go parallel: 7 arrays of 2.6 MB.
    shape = (45_000, 16)
    start = rng.normal(size=shape).astype(np.float32)
    batches = [rng.choice(shape[0], 40_000, replace=False) for _ in range(3)]
    grads = [rng.normal(size=(40_000, 16)).astype(np.float32) * 1e-3 for _ in batches]
    before, results = config.isa(), set()
    for isa, here in cpu.built_isas().items():
        for count in (1, 2, 3, 8) if here else ():
            cpu.set_isa(isa)
            with config.threads(count):
                table = Table(start, cases.SETTINGS["torch decay"])
                for rows, grad in zip(batches, grads, strict=True):
                    table.take(rows, grad, 1e-3)
                table.catch_up()
            results.add((table.param.tobytes(), table.moment1.tobytes(), table.moment2.tobytes()))
    cpu.set_isa(before)
    assert len(results) == 1


def test_denormal_moments_become_0_as_in_the_dense_kernel(device):
    settings = cases.SETTINGS["keras"]
    table = Table(np.ones((1, 20), np.float32), settings)
    table.take(np.array([0]), np.full((1, 20), 1e-30, np.float32), 1e-3)
    for _ in range(200):
        table.clock.advance(1e-3, 0.0)
    table.catch_up()
    assert not table.moment1.any()
    assert np.float32(1e-40) * np.float32(1) != 0  # the mode of the caller is as it was


def test_a_clock_is_full_before_its_numbers_leave_their_range():
    clock = Table(np.ones((1, 1)), cases.SETTINGS["keras"]).clock
    for _ in range(400):
        assert not clock.full
        clock.advance(1.0, 0.4)
    for _ in range(100):
        clock.advance(1.0, 0.4)
    assert clock.full
    clock.restart(500)
    assert not clock.full
    for _ in range(1 << 16):
        clock.advance(1e-3, 0.0)
    assert clock.full


def test_the_three_rows_of_torch():
    settings = cases.SETTINGS["torch"]
    table = Table(np.ones((3, 1)), settings)
    for row in (0, 1, 1, 1):
        table.take(np.array([row]), np.ones((1, 1)), 0.1)
    table.catch_up()
    np.testing.assert_allclose(table.param.ravel(), [0.7387705975, 0.7487701230, 1], atol=6e-11)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"degree": 5}, "degree must be 3, 4 or 8; got 5"),
        ({"window": 0}, "window must lie in [1, 4096); got 0"),
        ({"beta1": 1.0}, "beta1 and beta2 must lie in [0, 1); got 1.0"),
        ({"eps": -1.0}, "eps must be 0 or more; got -1.0"),
    ],
)
def test_a_clock_refuses(settings, text):
    good = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-7, "hat": True, "bias_correction": True, "amsgrad": False}
    with pytest.raises(ValueError) as caught:
        ops.AdamClock(**good | {"degree": 3, "window": 256} | settings)
    assert str(caught.value) == f"AdamClock: {text}"


READ_ONLY = np.zeros((10, 3))
READ_ONLY.flags.writeable = False


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"last": np.zeros(3, np.int32)}, "last must have shape (10,); got (3,)"),
        ({"last": np.zeros(10, np.int64)}, "last must be int32; got a int64 array of shape (10,)"),
        ({"rows": np.array([10])}, "rows must lie in [0, 10); got 10 at (0,)"),
        ({"moment1": np.zeros((10, 2))}, "moment1 must have the shape of param (10, 3); got (10, 2)"),
        ({"moment2": READ_ONLY}, "moment2 must be writable; got a read-only float64 array of shape (10, 3)"),
        ({"param": np.zeros(10)}, "param must have 2 axes; got shape (10,)"),
        ({"max_moment2": np.zeros((10, 3))}, "max_moment2 must be None for this clock; got an array"),
        (
            {"last": np.array([0] * 9 + [7], np.int32)},
            "last must lie in [0, 0], the steps of the clock; got 7 at (9,)",
        ),
    ],
)
def test_catch_up_refuses(changes, text):
    table = Table(np.zeros((10, 3)), cases.SETTINGS["keras"])
    arrays = table.arrays() | {"last": table.last, "rows": None} | changes
    with pytest.raises((TypeError, ValueError, IndexError)) as caught:
        ops.deferred_adam_catch_up(table.clock, **arrays)
    assert str(caught.value) == f"deferred_adam_catch_up: {text}"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"grad": np.zeros((1, 2))}, "grad must have shape (1, 3); got (1, 2)"),
        (
            {"grad": np.zeros((1, 3), np.float32)},
            "grad must be float64 like param; got a float32 array of shape (1, 3)",
        ),
        ({"rows": np.array([-1])}, "rows must lie in [0, 10); got -1 at (0,)"),
        ({"rows": None}, "rows must be a numpy array; got NoneType"),
        (
            {"last": np.full(10, -1, np.int32)},
            "last must lie in [0, 0], the steps of the clock; got -1 at (4,)",
        ),
        ({"caught_up": np.ones((2, 3))}, "caught_up must have the shape of grad (1, 3); got (2, 3)"),
        (
            {"caught_up": np.ones((1, 3), np.float32)},
            "caught_up must be float64 like param; got a float32 array of shape (1, 3)",
        ),
        ({"learning_rate": -1.0}, "learning_rate must be 0 or more, and below 1 over weight_decay; got -1.0"),
        ({"weight_decay": 20.0}, "learning_rate must be 0 or more, and below 1 over weight_decay; got 0.1"),
    ],
)
def test_a_step_refuses_and_changes_nothing(changes, text):
    table = Table(np.zeros((10, 3)), cases.SETTINGS["keras"])
    arguments = table.arrays() | {"last": table.last, "rows": np.array([4]), "grad": np.ones((1, 3))}
    with pytest.raises((TypeError, ValueError, IndexError)) as caught:
        cpu.deferred_adam_step(table.clock, **arguments | {"learning_rate": 0.1} | changes)
    assert str(caught.value) == f"deferred_adam_step: {text}"
    assert table.clock.last == 0
    assert not table.param.any()
