"""The Keras dialect: numbers, order, row gradients, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from strop import optimizers, reference
from strop.layers import Variable
from strop.optimizers import SGD, Adam, AdamW, schedules
from strop.rowgrad import RowGrad


def path(optimizer, grads=(0.1, -0.2, 0.3), start=1.0):
    param = np.array([start])
    values = []
    for grad in grads:
        optimizer.apply([np.array([grad])], [param])
        values.append(param[0])
    return values


@pytest.mark.parametrize(
    ("optimizer", "grads", "want"),
    [
        (SGD(0.1), (0.1, -0.2, 0.3), [0.99, 1.01, 0.98]),
        (SGD(0.1, momentum=0.9), (0.1, -0.2, 0.3), [0.99, 1.001, 0.9809]),
        (SGD(0.1, momentum=0.9, nesterov=True), (0.1, -0.2, 0.3), [0.981, 1.0109, 0.96281]),
        (Adam(0.1), (0.1, -0.2, 0.3), [0.9000031622, 0.9366129971, 0.9022891792]),
        (Adam(0.1, epsilon=1e-3), (0.1, -0.2, 0.3), [0.9240253073, 0.9560992639, 0.9244505350]),
        (Adam(0.1, weight_decay=0.01), (0.1, -0.2, 0.3), [0.8990031622, 0.9347139939, 0.8994554621]),
        (AdamW(0.1), (0.1, -0.2, 0.3), [0.8996031622, 0.9358531558, 0.9011549967]),
        (Adam(0.1, beta_2=0.5, amsgrad=True), (1.0, 0.01, 0.01), [0.9000000141, 0.8413411891, 0.8008738916]),
        (SGD(0.1, gradient_accumulation_steps=2), (1.0, 3.0, 5.0, 7.0), [1, 0.8, 0.8, 0.2]),
    ],
)
def test_three_steps_give_the_numbers_of_keras(optimizer, grads, want):
    assert path(optimizer, grads) == pytest.approx(want, abs=6e-11)


@pytest.mark.parametrize(("grad", "want"), [(1e-3, -0.996848), (1e-6, -0.240253), (1e-8, -0.003152)])
def test_epsilon_stands_where_keras_has_it(grad, want):
    assert path(Adam(1.0), [grad], 0.0)[0] == pytest.approx(want, abs=1e-6)


def test_the_learning_rate_may_change_at_every_step():
    optimizer, param, values = SGD(0.1, momentum=0.9), np.ones(1), []
    for rate in (0.1, 0.01, 0.001):
        optimizer.learning_rate = rate
        optimizer.apply([np.ones(1)], [param])
        values.append(param[0])
    assert values == pytest.approx([0.9, 0.8, 0.709], abs=1e-12)


@pytest.mark.parametrize(
    ("settings", "want"),
    [
        ({"clipnorm": 1}, [-1, -1]),
        ({"global_clipnorm": 1}, [-0.6, -0.8]),
        ({"clipvalue": 3.5}, [-3, -3.5]),
    ],
)
def test_clipping(settings, want):
    params = [np.zeros(1), np.zeros(1)]
    SGD(1.0, **settings).apply([np.array([3.0]), np.array([4.0])], params)
    assert [p[0] for p in params] == pytest.approx(want)


def test_a_clipped_row_gradient_is_summed_first():
    table = np.zeros((3, 1))
    SGD(1.0, clipnorm=3.5).apply([RowGrad([0, 0], [[3.0], [4.0]], (3, 1))], [table])
    np.testing.assert_allclose(table.ravel(), [-3.5, 0, 0])


def test_averages_are_kept_and_written_back():
    optimizer, param = SGD(0.1, use_ema=True, ema_momentum=0.5), np.ones(1)
    for _ in range(2):
        optimizer.apply([np.ones(1)], [param])
    assert param[0] == pytest.approx(0.8)
    optimizer.finalize_variable_values([param])
    assert param[0] == pytest.approx(0.85)  # 0.9 after the first step, then (0.9 + 0.8) / 2


def test_none_is_skipped_and_the_step_counts():
    optimizer, params = SGD(0.1), [np.ones(1), np.ones(1)]
    optimizer.apply([None, np.ones(1)], params)
    assert [p[0] for p in params] == [1, 0.9]
    assert optimizer.iterations == 1


@pytest.mark.parametrize(
    ("schedule", "steps", "want"),
    [
        (schedules.ExponentialDecay(0.1, 10, 0.5), (0, 5, 10), (0.1, 0.070711, 0.05)),
        (schedules.ExponentialDecay(0.1, 10, 0.5, staircase=True), (0, 5, 10), (0.1, 0.1, 0.05)),
        (schedules.PiecewiseConstantDecay([2, 4], [1, 0.5, 0.1]), (0, 2, 3, 4, 5), (1, 1, 0.5, 0.5, 0.1)),
        (schedules.PolynomialDecay(0.1, 10), (0, 5, 10, 11), (0.1, 0.05005, 0.0001, 0.0001)),
        (schedules.InverseTimeDecay(0.1, 1, 0.5), (0, 1, 2), (0.1, 0.066667, 0.05)),
        (schedules.CosineDecay(0.1, 10), (0, 5, 10), (0.1, 0.05, 0)),
        (
            schedules.CosineDecay(0.0, 10, warmup_target=0.1, warmup_steps=2),
            (0, 1, 2, 7, 12),
            (0, 0.05, 0.1, 0.05, 0),
        ),
    ],
)
def test_schedules(schedule, steps, want):
    assert [schedule(step) for step in steps] == pytest.approx(want, abs=1e-6)
    again = type(schedule).from_config(schedule.get_config())
    assert [again(step) for step in steps] == [schedule(step) for step in steps]


def test_a_schedule_is_read_at_the_step_before_the_update():
    param = np.zeros(1)
    optimizer = SGD(schedules.PiecewiseConstantDecay([0], [1.0, 0.5]))
    for _ in range(2):
        optimizer.apply([-np.ones(1)], [param])
    assert param[0] == 1.5


# ---- row gradients ---------------------------------------------------------


def table_run(sparse, steps, **settings):
    """Three rows of 1 with gradients on row 0 at step 1 and on row 1 later, as arrays of the caller."""
    table = np.ones((3, 1))
    optimizer = Adam(0.1, sparse=sparse, **settings)
    for step in range(steps):
        optimizer.apply([RowGrad([0 if step == 0 else 1], [[1.0]], (3, 1))], [table])
    return optimizer, table


def test_touched_rows_stand_still_between():
    _, table = table_run("touched", 4, epsilon=1e-8)
    np.testing.assert_allclose(table.ravel(), [0.9000000316, 0.7487701792, 1], atol=1e-8)


def test_dense_moves_every_row_and_exact_agrees_after_flush():
    _, dense = table_run("dense", 4)
    _, default = table_run(None, 4)
    optimizer, exact = table_run("exact", 4)
    np.testing.assert_array_equal(default, dense)
    assert abs(exact[0, 0] - dense[0, 0]) > 1e-3  # row 0 is behind
    optimizer.catch_up(0, np.array([0]))
    assert exact[0, 0] == pytest.approx(dense[0, 0], abs=1e-9)
    optimizer.flush()
    np.testing.assert_allclose(exact, dense, atol=1e-9)


class Table(Variable):
    """A layer's table, whose optimizer may defer it."""

    def __init__(self, value):
        super().__init__("embeddings", value, sparse_rows=True)


@pytest.mark.parametrize(
    "settings", [{}, {"weight_decay": 0.05}, {"amsgrad": True}, {"bias_correction": False}]
)
def test_a_deferred_table_equals_the_dense_run(rng, settings):
    start = rng.normal(size=(40, 3))
    exact, dense = Table(start.copy()), start.copy()
    optimizer, plain = Adam(0.01, **settings), Adam(0.01, sparse="dense", **settings)
    for step in range(300):
        rows = rng.choice(20, 3, replace=False)
        grad = RowGrad(rows, rng.normal(size=(3, 3)), start.shape)
        optimizer.build([exact]) if step == 0 else None
        np.testing.assert_allclose(exact.deferred.gather(rows), dense[rows], atol=1e-7)
        optimizer.apply([grad], [exact])
        plain.apply([grad], [dense])
    assert not np.allclose(exact._value, dense, atol=1e-4)
    before = exact._value.copy()
    np.testing.assert_allclose(exact.value, dense, atol=1e-7)
    np.testing.assert_array_equal(exact._value, before)  # looking wrote nothing
    optimizer.flush()
    np.testing.assert_allclose(exact._value, dense, atol=1e-7)


def test_looking_changes_no_bit(rng):
    runs = []
    for look in (False, True):
        generator = np.random.default_rng(4)
        table = Table(np.ones((30, 4), np.float32))
        optimizer = Adam(0.01)
        optimizer.build([table])
        for _ in range(100):
            rows = generator.choice(30, 2, replace=False)
            values = generator.normal(size=(2, 4)).astype(np.float32)
            optimizer.apply([RowGrad(rows, values, (30, 4))])
            if look:
                table.value.sum()
                optimizer.state_tensors()
        optimizer.flush()
        runs.append(table._value)
    np.testing.assert_array_equal(*runs)


def test_a_dense_step_in_between_is_the_dense_result(rng):
    exact, dense = Table(np.ones((10, 2))), np.ones((10, 2))
    optimizer, plain = Adam(0.1), Adam(0.1, sparse="dense")
    for step in range(12):
        grad = rng.normal(size=(10, 2)) if step % 5 == 4 else RowGrad([step % 3], [[1.0, -1.0]], (10, 2))
        optimizer.apply([None if step == 7 else grad], [exact]) if step != 7 else None
        plain.apply([grad], [dense]) if step != 7 else None
    np.testing.assert_allclose(exact.value, dense, atol=1e-9)


@pytest.mark.parametrize("settings", [{"use_ema": True}, {"beta_2": 0.95}])
def test_where_exactness_cannot_be_had_the_dense_pass_is_taken(settings):
    table = Table(np.ones((10, 2)))
    optimizer = Adam(0.1, **settings)
    optimizer.build([table])
    assert table.deferred is None


def test_a_regularized_table_is_not_deferred_and_exact_by_name_says_so():
    table = Table(np.ones((10, 2)))
    table.regularizer = object()
    Adam(0.1).build([table])
    assert table.deferred is None
    with pytest.raises(ValueError, match=r"sparse='exact' cannot be had with the regularizer of params\[0\]"):
        Adam(0.1, sparse="exact").build([table])


def test_plain_descent_moves_the_rows_alone():
    table = np.ones((4, 1))
    SGD(0.1).apply([RowGrad([2, 0, 2], [[1.0], [2.0], [3.0]], (4, 1))], [table])
    np.testing.assert_allclose(table.ravel(), [0.8, 1, 0.6, 1])


# ---- state, refusals -------------------------------------------------------


def test_state_goes_on_bit_for_bit(rng):
    grads = [rng.normal(size=(5, 3)) for _ in range(6)]
    whole, first = np.ones((5, 3)), np.ones((5, 3))
    one, two = Adam(0.1), Adam(0.1)
    for grad in grads:
        one.apply([grad], [whole])
    for grad in grads[:3]:
        two.apply([grad], [first])
    three = optimizers.registry["Adam"].from_config(two.get_config())
    three.build([first])
    three.load_state_tensors(two.state_tensors(), two.iterations)
    for grad in grads[3:]:
        three.apply([grad], [first])
    np.testing.assert_array_equal(whole, first)


def test_a_state_of_another_shape_changes_nothing():
    optimizer = Adam()
    optimizer.apply([np.ones(3)], [np.ones(3)])
    before = optimizer.state_tensors()
    with pytest.raises(ValueError, match=r"Adam: state 'moment1/0' must be a float64 array of shape \(3,\)"):
        optimizer.load_state_tensors({k: np.zeros(4) for k in before}, 5)
    assert optimizer.iterations == 1
    np.testing.assert_array_equal(optimizer.state_tensors()["moment1/0"], before["moment1/0"])


def test_excluded_parameters_do_not_decay():
    optimizer = AdamW(0.1, weight_decay=0.5)
    kept = np.ones(1)
    optimizer.exclude_from_weight_decay(var_list=[kept])
    other = np.ones(1)
    optimizer.apply([np.zeros(1), np.zeros(1)], [kept, other])
    assert (kept[0], other[0]) == (1, pytest.approx(0.95))


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: SGD(-1), ValueError, "SGD: learning_rate must be 0 or more; got -1.0"),
        (
            lambda: SGD(0.1, nesterov=True),
            ValueError,
            "SGD: nesterov must come with momentum; got momentum=0.0",
        ),
        (lambda: Adam(beta_1=1.0), ValueError, "Adam: beta_1 must lie in [0, 1); got 1.0"),
        (lambda: Adam(epsilon=-1), ValueError, "Adam: epsilon must be 0 or more; got -1"),
        (
            lambda: Adam(sparse="lazy"),
            ValueError,
            "Adam: sparse must be 'exact', 'touched', 'dense' or None; got 'lazy'",
        ),
        (
            lambda: Adam(learnig_rate=0.1),
            TypeError,
            "Adam: keywords must be known ones; got 'learnig_rate'; did you mean 'learning_rate'",
        ),
        (
            lambda: optimizers.get("adm"),
            ValueError,
            "compile: optimizer must be a known name or an Optimizer; got 'adm'; did you mean 'adam'",
        ),
        (
            lambda: optimizers.get(3),
            TypeError,
            "compile: optimizer must be a known name or an Optimizer; got int",
        ),
    ],
)
def test_settings_are_checked_at_construction(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == text


BUFFER = np.ones(6)


@pytest.mark.parametrize(
    ("grads", "params", "kind", "text"),
    [
        (
            [np.ones(2), np.ones(3)],
            [np.ones(2), np.ones(2)],
            ValueError,
            "SGD: grads[1] must have the shape of params[1] (2,); got (3,)",
        ),
        (
            [np.ones(2), np.ones(2, np.float32)],
            [np.ones(2), np.ones(2)],
            TypeError,
            "SGD: grads[1] must be float64 like params[1]; got a float32 array of shape (2,)",
        ),
        (
            [np.ones(2), [1.0, 1.0]],
            [np.ones(2), np.ones(2)],
            TypeError,
            "SGD: grads[1] must be a numpy array or a RowGrad; got list",
        ),
        (
            [np.ones(2)],
            [np.ones(2), np.ones(2)],
            ValueError,
            "SGD: grads must be as many as params (2); got 1",
        ),
        ([None], [np.ones(2)], ValueError, "SGD: grads must have at least one that is not None; got none"),
        (
            [np.ones(4), np.ones(4)],
            [BUFFER[:4], BUFFER[2:]],
            ValueError,
            "SGD: params[1] must not overlap params[0]; got two views of one buffer",
        ),
        (
            [np.ones(2), np.ones(2)],
            [np.ones(2), np.ones(4)[::2]],
            ValueError,
            "SGD: params[1] must be C-contiguous; got a strided float64 array of shape (2,)"
            "; use numpy.ascontiguousarray",
        ),
    ],
)
def test_a_refused_step_changes_no_parameter(grads, params, kind, text):
    before = [p.copy() for p in params]
    with pytest.raises(kind) as caught:
        SGD(0.1).apply(grads, params)
    assert str(caught.value) == text
    for param, old in zip(params, before, strict=True):
        np.testing.assert_array_equal(param, old)


def test_many_tensors_match_the_reference(rng, dtype):
    shapes = [(3,), (17, 5), (1000,), (1,)]
    params = [rng.normal(size=s).astype(dtype) for s in shapes]
    want = [p.astype(float) for p in params]
    moments = [(np.zeros(s), np.zeros(s)) for s in shapes]
    optimizer = Adam(0.01)
    for step in range(1, 6):
        grads = [rng.normal(size=s).astype(dtype) for s in shapes]
        optimizer.apply(grads, params)
        for i, grad in enumerate(grads):
            want[i], *moments[i], _ = reference.adam_step(
                want[i], grad, *moments[i], learning_rate=0.01, step=step
            )
    for got, expected in zip(params, want, strict=True):
        np.testing.assert_allclose(got, expected, atol=40 * np.finfo(dtype).eps)


@pytest.mark.parametrize("rate", [np.nan, np.inf])
@pytest.mark.parametrize("steps", [None, 2])
def test_a_rate_that_is_not_finite_moves_nothing(rate, steps):
    param, rates = np.ones(2), iter([rate, 0.5])
    optimizer = optimizers.SGD(lambda: next(rates), gradient_accumulation_steps=steps)
    if steps:
        optimizer.apply([np.ones(2)], [param])
    with pytest.raises(ValueError) as caught:
        optimizer.apply([np.ones(2)], [param])
    assert str(caught.value) == f"SGD: learning_rate must give a finite number; got {rate}"
    np.testing.assert_array_equal(param, 1.0)
    optimizer.apply([np.ones(2)], [param])
    np.testing.assert_array_equal(param, 0.5)
    assert optimizer.iterations == 1


@pytest.mark.parametrize(
    ("settings", "name"),
    [({"beta_1": "x"}, "beta_1"), ({"clipnorm": "x"}, "clipnorm"), ({"weight_decay": "x"}, "weight_decay")],
)
def test_settings_must_be_numbers(settings, name):
    with pytest.raises(TypeError) as caught:
        optimizers.Adam(**settings)
    assert str(caught.value) == f"Adam: {name} must be a number; got str"


def test_an_interrupt_waits_until_the_step_is_whole(monkeypatch):
    params, twins = ([np.ones(2), np.ones((40, 2))] for _ in range(2))
    optimizer, other = (Adam(0.1, sparse="touched", use_ema=True) for _ in range(2))
    grads = [np.ones(2), RowGrad([1], [[1.0, 2.0]], (40, 2))]
    update = optimizer.update

    def interrupted(*arguments):  # Python sees a signal when the kernel comes back
        update(*arguments)
        raise KeyboardInterrupt

    for _ in range(3):
        with monkeypatch.context() as patch:
            patch.setattr(optimizer, "update", interrupted)
            with pytest.raises(KeyboardInterrupt):
                optimizer.apply(grads, params)
        other.apply(grads, twins)
    assert optimizer.iterations == other.iterations == 3
    np.testing.assert_equal(params, twins)
    np.testing.assert_equal(optimizer.state_tensors(), other.state_tensors())
