"""The exact deferred Adam on CUDA has the bits of the CPU's, whatever rows are touched when."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from cases import deferred_adam as cases
from strop import _backend, ops
from strop.optimizers.deferred import DeferredTable
from strop.rowgrad import RowGrad
from tolerance import ulps

ROWS = 60
#: kNoRow of csrc/kernels/base.h.
NO_ROW = np.iinfo(np.int64).min


def rule_of(name: str, **more: Any) -> dict[str, Any]:
    settings = {key: value for key, value in cases.SETTINGS[name].items() if key != "weight_decay"}
    return settings | {"bias_correction": True} | more


class Pair:
    """One table on the host and one on the GPU that take the same steps."""

    def __init__(self, gpu, rng, name, dtype, width=8, amsgrad=False, replay=False, **more):
        self.gpu, self.decay = gpu, cases.SETTINGS[name]["weight_decay"]
        rule = rule_of(name, **more)
        param = rng.normal(size=(ROWS, width)).astype(dtype)
        names = ["moment1", "moment2"] + ["max_moment2"] * amsgrad
        self.host = DeferredTable(param, {n: np.zeros_like(param) for n in names}, rule, 0, replay=replay)
        state = {n: gpu.asarray(np.zeros_like(param)) for n in names}
        self.mine = DeferredTable(gpu.asarray(param), state, rule, 0, replay=replay)

    def padded(self, rows, fill=NO_ROW):
        return self.gpu.asarray(np.append(rows.astype(np.int64), [fill] * 3))

    def take(self, rows, values, rate):
        shape = self.host.param.shape
        self.host.step(RowGrad.trusted(rows, values, shape), rate, self.decay)
        unread = np.full((3, shape[1]), np.nan, values.dtype)
        values = self.gpu.asarray(np.concatenate([values, unread]))
        self.mine.step(RowGrad.trusted(self.padded(rows), values, shape), rate, self.decay)

    def check(self):
        arrays = {"param": self.host.param, "last": self.host.last, **self.host.state}
        mine = {"param": self.mine.param, "last": self.mine.last, **self.mine.state}
        for name, array in arrays.items():
            np.testing.assert_array_equal(self.gpu.host(mine[name]), array, err_msg=name)
        assert (self.mine.clock.base, self.mine.clock.last) == (self.host.clock.base, self.host.clock.last)


def batch(rng, width, dtype, busy, count=4):
    """Rows of which some come often, some seldom and five never, and their gradients of any size."""
    pool = busy if rng.uniform() < 0.9 else np.arange(5, ROWS)
    rows = rng.choice(np.unique(pool), count, replace=False)
    values = rng.normal(size=(count, width)) * 10.0 ** rng.uniform(-9, 0, (count, 1))
    return rows, values.astype(dtype)


FORMS = {
    "keras": {},
    "torch": {},
    "torch decay": {"amsgrad": True},
    "keras decay": {"bias_correction": False},
    "slow": {},
    "degree 8": {},
}


@pytest.mark.parametrize("replay", [False, True])
@pytest.mark.parametrize("name", FORMS)
def test_400_steps_have_the_bits_of_the_cpu(gpu, rng, dtype, name, replay):
    pair = Pair(gpu, rng, name, dtype, replay=replay, **FORMS[name])
    busy = rng.integers(5, ROWS, 12)
    for step, rate in enumerate(cases.schedule("cosine", 400)):
        rows, values = batch(rng, 8, dtype, busy)
        if step % 3 == 0:
            pair.host.catch_up(rows)
            pair.mine.catch_up(pair.padded(rows))
        pair.take(rows, values, float(rate))
        if step % 100 == 50:
            pair.check()
    pair.host.flush()
    pair.mine.flush()
    pair.check()
    _backend.synchronize()


@pytest.mark.parametrize("width", [1, 3, 15, 16, 17, 64, 130])
def test_rows_of_any_width(gpu, rng, dtype, width):
    pair = Pair(gpu, rng, "torch", dtype, width)
    for step in range(40):
        rows, values = batch(rng, width, dtype, np.arange(5, ROWS))
        pair.take(rows, values, 1e-3)
        if step == 20:
            np.testing.assert_array_equal(
                gpu.host(pair.mine.gather(gpu.asarray(rows))), pair.host.gather(rows)
            )
    pair.host.catch_up(rows)
    pair.mine.catch_up(gpu.asarray(rows.astype(np.int32)))
    pair.check()


def test_deferred_is_near_dense(gpu, rng):
    pair = Pair(gpu, rng, "keras decay", np.float32)
    dense = {
        name: gpu.asarray(gpu.host(a)) for name, a in {"param": pair.mine.param, **pair.mine.state}.items()
    }
    path, before = np.zeros((ROWS, 8)), gpu.host(dense["param"]).astype(np.float64)
    busy = rng.integers(5, ROWS, 12)
    for step, rate in enumerate(cases.schedule("random", 300), 1):
        rows, values = batch(rng, 8, np.float32, busy)
        full = np.zeros((ROWS, 8), np.float32)
        full[rows] = values
        settings = cases.SETTINGS["keras decay"]
        ops.adam_step(**dense, grad=gpu.asarray(full), learning_rate=float(rate), step=step, **settings)
        now = gpu.host(dense["param"]).astype(np.float64)
        path, before = path + np.abs(now - before), now
        pair.mine.step(
            RowGrad.trusted(gpu.asarray(rows), gpu.asarray(values), (ROWS, 8)), float(rate), pair.decay
        )
    bound = ulps(64, np.float32) * 2 * np.maximum(np.abs(before), path)
    assert (np.abs(gpu.host(pair.mine.read()) - before) <= bound).all()


def test_evaluation_in_mid_run_changes_no_bit(gpu, rng, dtype):
    pair = Pair(gpu, rng, "torch decay", dtype)
    for step in range(30):
        rows, values = batch(rng, 8, dtype, np.arange(5, ROWS))
        if step % 2:
            read = gpu.host(pair.mine.read())
            np.testing.assert_array_equal(gpu.host(pair.mine.gather(gpu.asarray(rows))), read[rows])
            np.testing.assert_array_equal(gpu.host(pair.mine.caught_up()["param"]), read)
            np.testing.assert_array_equal(read, pair.host.read())
        pair.take(rows, values, 1e-3)
    pair.check()


@pytest.mark.parametrize(("rate", "decay"), [(-1e-3, 0.0), (0.5, 2.0)])
def test_a_step_without_a_closed_form_moves_all_rows_now(gpu, rng, dtype, rate, decay):
    pair = Pair(gpu, rng, "keras", dtype)
    for step in range(6):
        rows, values = batch(rng, 8, dtype, np.arange(5, ROWS))
        pair.decay = decay if step == 3 else 0.0
        pair.take(rows, values, rate if step == 3 else 1e-3)
        assert pair.mine.outstanding == (step != 3)
    pair.check()


def test_restart_says_what_the_arrays_hold(gpu, rng):
    pair = Pair(gpu, rng, "torch", np.float32)
    for table in (pair.host, pair.mine):
        table.restart(299)
    assert not pair.mine.outstanding
    for _ in range(4):
        pair.take(*batch(rng, 8, np.float32, np.arange(5, ROWS)), 1e-2)
    for table in (pair.host, pair.mine):
        table.flush()
    assert not pair.mine.outstanding
    pair.check()


def test_without_rows_the_clock_goes_on(gpu, rng):
    pair = Pair(gpu, rng, "keras", np.float32)
    pair.take(np.arange(20), np.ones((20, 8), np.float32), 1e-2)
    none = np.zeros(0, np.int64)
    for _ in range(3):
        pair.take(none, np.zeros((0, 8), np.float32), 1e-2)
        pair.mine.catch_up(gpu.asarray(none))
    pair.host.flush()
    pair.mine.flush()
    pair.check()


# ---- the clock -----------------------------------------------------------------


@pytest.mark.parametrize("name", ["keras", "torch decay", "slow", "degree 8"])
def test_both_clocks_have_the_same_coefficients(gpu, rng, dtype, name):
    pair = Pair(gpu, rng, name, dtype)
    window = pair.host.clock.window
    for rate in cases.schedule("random", window + 4):
        for clock in (pair.host.clock, pair.mine.clock):
            clock.advance(float(rate), pair.decay)
    for step in (0, 1, 3, 4, 5, window // 2, window + 3, window + 4):
        want = np.array(pair.host.clock.coefficients(step)).astype(dtype)
        np.testing.assert_array_equal(pair.mine.clock.coefficients(step), want)


@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("missed", [254, 255, 256, 257, 258, 700])
def test_gaps_about_the_window(gpu, rng, dtype, amsgrad, missed):
    pair = Pair(gpu, rng, "torch decay", dtype, amsgrad=amsgrad)
    assert pair.mine.clock.window == 256
    small = 1e-8 if missed < 300 else 1e-3  # else a moment becomes denormal, which fibres do not take as 0
    pair.take(np.arange(3), np.array([[1.0], [small], [0.0]], dtype) * np.ones((1, 8), dtype), 1e-2)
    for _ in range(missed):
        for clock in (pair.host.clock, pair.mine.clock):
            clock.advance(1e-3, pair.decay)
    for table in (pair.host, pair.mine):
        table.flush()
    pair.check()


def test_room_says_when_to_flush(gpu, rng):
    mine = Pair(gpu, rng, "keras", np.float32).mine
    assert mine.room == 1 << 16
    mine.counted(1000, 0.0)
    assert mine.room == (1 << 16) - 1000
    mine.counted(64_536, 0.0)
    assert mine.room == 0
    mine.restart(0)
    mine.counted(300, 0.01)
    assert mine.room == 700
    mine.counted(100, 0.01)
    assert mine.room == 0


def test_a_graph_goes_on_counting(gpu, rng):
    pair = Pair(gpu, rng, "keras decay", np.float32)
    mine, cupy = pair.mine, gpu.cupy
    for _ in range(3):
        pair.take(*batch(rng, 8, np.float32, np.arange(5, ROWS)), 1e-2)
        mine.catch_up(pair.padded(np.arange(0)))
    steps = 4
    rows = [pair.padded(np.arange(4)) for _ in range(steps)]
    values = [gpu.asarray(np.zeros((7, 8), np.float32)) for _ in range(steps)]
    rates = [gpu.asarray(np.float64(0)) for _ in range(steps)]
    stream = cupy.cuda.Stream(non_blocking=True)
    gpu.synchronize()
    before = gpu.host(mine.param)
    with stream:
        stream.begin_capture()
        for k in range(steps):
            mine.catch_up(rows[k])
            mine.step(RowGrad.trusted(rows[k], values[k], (ROWS, 8)), rates[k], pair.decay)
        graph = stream.end_capture()
    np.testing.assert_array_equal(gpu.host(mine.param), before)
    assert mine.clock.last == 3
    for launch in range(70):
        for k in range(steps):
            chosen, given = batch(rng, 8, np.float32, np.arange(5, ROWS), 4)
            rate = float(rng.uniform(0, 2e-3))
            rows[k][...] = pair.padded(chosen)
            values[k][...] = gpu.asarray(np.concatenate([given, np.full((3, 8), np.nan, np.float32)]))
            rates[k][...] = gpu.asarray(np.float64(rate))
            pair.host.catch_up(chosen)
            pair.host.step(RowGrad.trusted(chosen, given, (ROWS, 8)), rate, pair.decay)
        gpu.synchronize()
        graph.launch(stream)
        stream.synchronize()
        mine.counted(steps, 0.0)
        if launch == 30:  # between two launches the host may flush, and the graph goes on from there
            pair.host.flush()
            mine.flush()
        if launch % 10 == 0:
            pair.check()
    pair.host.flush()
    mine.flush()
    pair.check()


# ---- what is refused -----------------------------------------------------------


def test_bad_rows_stay_and_are_told_when_one_waits(gpu, rng):
    pair = Pair(gpu, rng, "keras", np.float32)
    pair.take(np.array([3, 7]), np.ones((2, 8), np.float32), 1e-2)
    pair.take(np.array([9]), np.ones((1, 8), np.float32), 1e-2)
    got = pair.mine.gather(gpu.asarray(np.array([3, NO_ROW, ROWS, 7])))
    np.testing.assert_array_equal(gpu.host(got)[2], 0)
    np.testing.assert_array_equal(gpu.host(got)[[0, 3]], pair.host.gather(np.array([3, 7])))
    with pytest.raises(IndexError, match="element 2 of its array"):
        _backend.synchronize()
    pair.mine.catch_up(gpu.asarray(np.array([-1, 7])))
    pair.host.catch_up(np.array([7]))
    with pytest.raises(IndexError, match="element 0 of its array"):
        _backend.synchronize()
    pair.check()
    last = gpu.host(pair.mine.last)
    last[[0, 5]] = -3, 3
    pair.mine.last[...] = gpu.asarray(last)
    before = gpu.host(pair.mine.param)
    pair.mine.catch_up(gpu.asarray(np.array([1, 5, 0])))
    np.testing.assert_array_equal(gpu.host(pair.mine.param), before)
    with pytest.raises(IndexError, match="element 1 of its array"):
        _backend.synchronize()


def test_another_clock_is_refused(gpu, rng):
    mine = Pair(gpu, rng, "keras", np.float32).mine
    host = Pair(gpu, rng, "keras", np.float32).host
    wide = Pair(gpu, rng, "keras", np.float64).mine
    arrays = {"param": mine.param, **mine.state, "last": mine.last}
    texts = {
        host.clock: "clock must be an AdamClock of cupy arrays; got <class 'strop._cpu.AdamClock'>",
        wide.clock: "clock must be one for float32 tables; got one for float64, without use_float32()",
    }
    for clock, text in texts.items():
        with pytest.raises((TypeError, ValueError), match=f"^deferred_adam_catch_up: {re.escape(text)}$"):
            ops.deferred_adam_catch_up(clock, **arrays)
    with pytest.raises(
        TypeError, match=r"^deferred_adam_catch_up: clock must be an AdamClock of numpy arrays; got "
    ):
        ops.deferred_adam_catch_up(mine.clock, param=host.param, **host.state, last=host.last)


def test_arrays_of_the_host_among_those_of_a_gpu_are_refused(gpu, rng):
    mine = Pair(gpu, rng, "keras", np.float32).mine
    text = (
        "deferred_adam_catch_up: last must be a cupy array like param; got a numpy array of shape (60,); "
        "move it with cupy.asarray"
    )
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        ops.deferred_adam_catch_up(mine.clock, param=mine.param, **mine.state, last=np.zeros(ROWS, np.int32))
