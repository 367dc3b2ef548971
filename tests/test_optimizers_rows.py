"""Row gradients under every rule: what moves, and deferral that equals the dense run."""

from __future__ import annotations

import numpy as np
import pytest

from strop._backend import cpu
from strop.constraints import NonNeg
from strop.layers import Variable
from strop.optimizers import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    Lamb,
    Lion,
    Nadam,
    RMSprop,
    schedules,
)
from strop.optimizers.linear import LinearTable
from strop.rowgrad import RowGrad

ROWS, WIDTH = 40, 3

LINEAR = {
    "decay alone": (SGD, {"weight_decay": 0.3}),
    "momentum": (SGD, {"momentum": 0.9}),
    "nesterov": (SGD, {"momentum": 0.9, "nesterov": True}),
    "all of the momentum": (SGD, {"momentum": 1.0}),
    "momentum and decay": (SGD, {"momentum": 0.5, "weight_decay": 0.3}),
    "rmsprop": (RMSprop, {}),
    "centered": (RMSprop, {"centered": True, "rho": 0.5}),
    "rmsprop, all": (RMSprop, {"centered": True, "momentum": 0.9, "weight_decay": 0.3}),
    "adagrad": (Adagrad, {"weight_decay": 0.3}),
    "adadelta": (Adadelta, {"weight_decay": 0.3}),
}
OTHERS = {"adamax": Adamax, "nadam": Nadam, "lion": Lion, "lamb": Lamb}
CLIPS = [{}, {"clipnorm": 0.1}, {"global_clipnorm": 0.1}, {"clipvalue": 0.1}]


def row_grads(count, touched=3, dtype=np.float64, seed=2):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        chosen = rng.choice(ROWS // 2, touched, replace=False)
        yield RowGrad(chosen, rng.normal(size=(touched, WIDTH)).astype(dtype), (ROWS, WIDTH))


def start(dtype=np.float64):
    return np.random.default_rng(1).normal(size=(ROWS, WIDTH)).astype(dtype)


def both(rule, settings, dtype=np.float64, rate=0.01):
    table = Variable("table", start(dtype), sparse_rows=True)
    return table, start(dtype), rule(rate, **settings), rule(rate, sparse="dense", **settings)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LINEAR)
def test_a_deferred_table_equals_the_dense_run(name, dtype):
    rate = schedules.CosineDecay(0.0, 150, warmup_target=0.05, warmup_steps=20)
    table, dense, one, other = both(*LINEAR[name], dtype, rate)
    one.build([table])
    assert isinstance(table.deferred, LinearTable)
    for grad in row_grads(200, dtype=dtype):
        gathered = table.deferred.gather(grad.rows)
        atol = 1e-12 if dtype is np.float64 else 2e-4 if "all of" in name else 1e-5
        np.testing.assert_allclose(gathered, dense[grad.rows], rtol=atol, atol=atol)
        one.apply([grad], [table])
        other.apply([grad], [dense])
    assert table.deferred.outstanding
    before = table._value.copy()
    np.testing.assert_allclose(table.value, dense, rtol=atol, atol=atol)
    np.testing.assert_array_equal(table._value, before)  # looking wrote nothing
    for slot, want in other.state_tensors().items():
        got = one.state_tensors()[slot.replace("/0", "/table")]
        np.testing.assert_allclose(got, want, rtol=100 * atol, atol=atol)
    one.flush()
    np.testing.assert_allclose(table._value, dense, rtol=atol, atol=atol)


def test_the_contract_s_own_numbers():
    table = Variable("table", np.ones((2, 1)), sparse_rows=True)
    optimizer = SGD(0.1, momentum=0.9)
    optimizer.apply([RowGrad([0], [[1.0]], (2, 1))], [table])
    for _ in range(3):
        optimizer.apply([RowGrad([1], [[0.0]], (2, 1))], [table])
    assert table.value[0, 0] == pytest.approx(0.6561, abs=1e-12)
    table = Variable("table", np.ones((2, 1)), sparse_rows=True)
    optimizer = SGD(0.1, weight_decay=0.5)
    for _ in range(4):
        optimizer.apply([RowGrad([1], [[0.0]], (2, 1))], [table])
    assert table.value[0, 0] == pytest.approx(0.81450625, abs=1e-12)


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("name", ["momentum", "rmsprop, all"])
def test_clipping_and_arrays_between_change_nothing_of_that(name, clip):
    rule, settings = LINEAR[name]
    table, dense, one, other = both(rule, settings | clip)
    extra, twin = np.ones(4), np.ones(4)
    rng = np.random.default_rng(3)
    for step, grad in enumerate(row_grads(60)):
        given = [grad, rng.normal(size=(ROWS, WIDTH)), grad][step % 3] if step % 7 else None
        one.apply([given, np.ones(4)], [table, extra])
        other.apply([given, np.ones(4)], [dense, twin])
    np.testing.assert_allclose(table.value, dense, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(extra, twin)


def test_decays_that_take_all_and_rates_below_0_are_exact_too():
    rates = iter([0.1, 2.0, -0.1, 3.0, 0.1, 0.1] * 5)
    now = {"rate": 0.0}
    table, dense, one, other = both(SGD, {"momentum": 0.5, "weight_decay": 0.5}, rate=lambda: now["rate"])
    for grad in row_grads(30):
        now["rate"] = next(rates)
        one.apply([grad], [table])
        other.apply([grad], [dense])
    np.testing.assert_allclose(table.value, dense, rtol=1e-11, atol=1e-11)


def test_a_full_clock_is_flushed_on_the_way():
    table, dense, one, other = both(RMSprop, {"momentum": 0.9}, rate=1e-4)
    one.build([table])
    for grad in row_grads(8300):
        one.apply([grad], [table])
        other.apply([grad], [dense])
    assert 0 < table.deferred.clock.base < 8300
    np.testing.assert_allclose(table.value, dense, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ["momentum", "rmsprop", "adadelta"])
def test_a_state_saved_amid_a_gap_goes_on(name):
    rule, settings = LINEAR[name]
    whole, _, one, two = both(rule, settings)
    two.sparse = None
    first, second = (Variable("table", start(), sparse_rows=True) for _ in range(2))
    grads = list(row_grads(60))
    for grad in grads:
        one.apply([grad], [whole])
    for grad in grads[:31]:
        two.apply([grad], [first])
    assert two._tables[0].outstanding
    weights, tensors = first.value.copy(), two.state_tensors()
    second._value[...] = weights
    three = rule(0.01, **settings)
    three.build([second])
    three.load_state_tensors(tensors, two.iterations)
    for grad in grads[31:]:
        three.apply([grad], [second])
    np.testing.assert_allclose(second.value, whole.value, rtol=1e-11, atol=1e-11)


def test_other_arrays_of_the_same_shapes_are_taken_over():
    first, dense, one, other = both(RMSprop, {"momentum": 0.9})
    grads = list(row_grads(20))
    for grad in grads[:10]:
        one.apply([grad], [first])
        other.apply([grad], [dense])
    second = Variable("table", first.value.copy(), sparse_rows=True)
    for grad in grads[10:]:
        one.apply([grad], [second])
        other.apply([grad], [dense])
    np.testing.assert_allclose(second.value, dense, rtol=1e-12, atol=1e-12)


# ---- the meanings of sparse ------------------------------------------------


@pytest.mark.parametrize("rule", [SGD, RMSprop, Adagrad, Adadelta, Adam, Adamax, Nadam, Lion, Lamb])
@pytest.mark.parametrize("sparse", [None, "exact", "dense"])
def test_the_callers_arrays_get_the_dense_result_after_a_flush(rule, sparse):
    settings = {"weight_decay": 0.1, **({"momentum": 0.9} if rule in (SGD, RMSprop) else {})}
    table, dense = start(), start()
    one, other = rule(0.01, sparse=sparse, **settings), rule(0.01, **settings)
    for step, grad in enumerate(row_grads(50)):
        one.apply([grad], [table])
        other.apply([grad.to_dense()], [dense])
        if sparse is None or step % 10 == 9:
            one.flush()
            np.testing.assert_allclose(table, dense, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("rule", [SGD, RMSprop, Adagrad, Adadelta, Adam, Adamax, Nadam, Lion])
def test_touched_moves_the_rows_of_the_gradient_alone(rule):
    settings = {"momentum": 0.9} if rule in (SGD, RMSprop) else {}
    table, rows = start(), start()[:2].copy()
    one, other = (
        rule(0.1, sparse="touched", weight_decay=0.1, **settings),
        rule(0.1, weight_decay=0.1, **settings),
    )
    for _ in range(5):
        one.apply([RowGrad([0, 1], np.ones((2, WIDTH)), (ROWS, WIDTH))], [table])
        other.apply([np.ones((2, WIDTH))], [rows])
    np.testing.assert_allclose(table[:2], rows, rtol=1e-14)
    np.testing.assert_array_equal(table[2:], start()[2:])


@pytest.mark.parametrize("rule", [SGD, Adagrad])
def test_rules_whose_other_rows_stand_still_step_rows_alone(rule):
    table, dense, one, other = both(rule, {})
    for grad in row_grads(30):
        one.apply([grad], [table])
        other.apply([grad], [dense])
    assert table.deferred is None
    np.testing.assert_array_equal(table.value, dense)


@pytest.mark.parametrize("obstacle", ["use_ema", "regularizer", "constraint"])
def test_where_it_cannot_be_exact_the_dense_pass_is_taken_and_by_name_refused(obstacle):
    settings = {"use_ema": True} if obstacle == "use_ema" else {}
    table = Variable("table", start(), sparse_rows=True)
    if not settings:
        setattr(table, obstacle, NonNeg())
    optimizer = RMSprop(0.1, **settings)
    optimizer.build([table])
    assert table.deferred is None
    with pytest.raises(ValueError, match=rf"^RMSprop: sparse='exact' cannot be had with .*{obstacle}"):
        RMSprop(0.1, sparse="exact", **settings).build([table])


# ---- the clock -------------------------------------------------------------


def clock_and_arrays(dtype=np.float64):
    clock = cpu.LinearClock([0.5], dtype == np.float32)
    clock.advance(1.0, 0.25)
    return clock, np.ones((2, 1), dtype), [np.ones((2, 1), dtype)], np.zeros(2, np.int32)


def test_one_missed_step_by_hand():
    clock, param, states, last = clock_and_arrays()
    np.testing.assert_array_equal(clock.catch_up(param, states, last, write=False), [[1.25], [1.25]])
    assert clock.catch_up(param, states, last, np.array([1])) is None
    np.testing.assert_array_equal(param, [[1], [1.25]])
    np.testing.assert_array_equal(states[0], [[1], [0.5]])
    np.testing.assert_array_equal(last, [0, 1])


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        (
            {"last": np.array([0, 2], np.int32)},
            ValueError,
            "LinearClock: last must lie in [0, 1], the steps of the clock; got 2 at (1,)",
        ),
        (
            {"last": np.zeros(2)},
            TypeError,
            "LinearClock: last must be int32; got a float64 array of shape (2,)",
        ),
        ({"states": []}, ValueError, "LinearClock: states must be 1 arrays; got 0"),
        (
            {"states": [np.ones((2, 1), np.float32)]},
            TypeError,
            "LinearClock: state must be float64 like param; got a float32 array of shape (2, 1)",
        ),
        ({"rows": np.array([2])}, IndexError, "LinearClock: rows must lie in [0, 2); got 2 at (0,)"),
    ],
)
def test_the_clock_refuses_what_does_not_fit(change, kind, text):
    clock, param, states, last = clock_and_arrays()
    arguments = {"param": param, "states": states, "last": last, **change}
    with pytest.raises(kind) as caught:
        clock.catch_up(**arguments)
    assert str(caught.value) == text
    np.testing.assert_array_equal(param, 1)
