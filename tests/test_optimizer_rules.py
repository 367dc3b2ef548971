"""What surrounds an update: accumulation, clipping, averages, constraints, deferral, hand-over, saving."""

from __future__ import annotations

import numpy as np
import pytest

from strop import optimizers
from strop.constraints import NonNeg
from strop.layers import Variable
from strop.optimizers import SGD, Adam, AdamW, schedules
from strop.rowgrad import RowGrad


def variable(value, name="kernel", **settings):
    return Variable(name, np.array(value, np.float64), **settings)


def table(rows=40, width=3, seed=1, **settings):
    value = np.random.default_rng(seed).normal(size=(rows, width))
    return Variable("embeddings", value, sparse_rows=True, **settings)


def row_grads(count, rows=40, width=3, touched=3, seed=2):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        chosen = rng.choice(rows // 2, touched, replace=False)
        yield RowGrad(chosen, rng.normal(size=(touched, width)), (rows, width))


# ---- accumulation, clipping, averages, constraints -------------------------


def test_accumulation_copies_gradients_whose_buffers_are_used_again():
    optimizer, param, buffer = SGD(0.1, gradient_accumulation_steps=2), np.ones(1), np.zeros(1)
    for value in (1.0, 3.0):
        buffer[:] = value
        optimizer.apply([buffer], [param])
    assert param[0] == pytest.approx(0.8)
    assert buffer[0] == 3


def test_accumulation_adds_rows_and_arrays():
    param = np.zeros((3, 1))
    optimizer = SGD(1.0, gradient_accumulation_steps=3, sparse="dense")
    values = np.array([[3.0]])
    optimizer.apply([RowGrad([1], values, (3, 1))], [param])
    values[:] = 100
    optimizer.apply([RowGrad([1, 2], [[3.0], [6.0]], (3, 1))], [param])
    optimizer.apply([np.full((3, 1), 9.0)], [param])
    np.testing.assert_allclose(param.ravel(), [-3, -5, -5])
    assert optimizer.iterations == 1


def test_accumulation_leaves_out_what_was_none():
    params = [np.zeros(1), np.zeros(1)]
    optimizer = SGD(1.0, gradient_accumulation_steps=2)
    optimizer.apply([np.ones(1), None], params)
    optimizer.apply([np.ones(1), None], params)
    assert [p[0] for p in params] == [-1, 0]


def test_the_order_is_accumulate_clip_decay_update_constrain():
    param = variable([1.0, 1.0], constraint=NonNeg())
    optimizer = SGD(1.0, gradient_accumulation_steps=2, clipvalue=1.0, weight_decay=0.5)
    for grad in ([4.0, 0.0], [-3.0, 0.2]):
        optimizer.apply([np.array(grad)], [param])
    # Means .5 and .1, below the bound; had 4 been clipped first, the first mean would be 0.
    np.testing.assert_allclose(param.value, [0.0, 0.4])
    optimizer.learning_rate = 0.1
    for _ in range(2):
        optimizer.apply([np.array([50.0, 50.0])], [param])
    np.testing.assert_allclose(param.value, [0.0, 0.4 * 0.95 - 0.1])


def test_a_gradient_that_is_not_finite_spoils_the_global_norm_visibly():
    params = [np.ones(2), np.ones(2)]
    SGD(0.1, global_clipnorm=1.0).apply([np.array([np.inf, 1.0]), np.ones(2)], params)
    assert np.isnan(params).all()


def test_a_clip_of_0_is_none_as_in_keras():
    param = np.zeros(1)
    SGD(1.0, clipnorm=0).apply([np.array([3.0])], [param])
    assert param[0] == -3


def test_averages_overwrite_the_parameters_every_so_often():
    param = np.ones(1)
    optimizer = SGD(0.1, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2)
    optimizer.apply([np.ones(1)], [param])
    assert param[0] == pytest.approx(0.9)
    optimizer.apply([np.ones(1)], [param])
    assert param[0] == pytest.approx(0.85)


def test_without_averages_finalizing_does_nothing():
    optimizer, param = SGD(0.1), np.ones(1)
    optimizer.apply([np.ones(1)], [param])
    optimizer.finalize_variable_values([param])
    assert param[0] == 0.9


def test_a_parameter_without_axes(dtype):
    param = np.array(1.0, dtype)
    for settings in ({}, {"clipnorm": 1.0}, {"clipvalue": 1.0}, {"use_ema": True}):
        Adam(0.1, **settings).apply([np.array(2.0, dtype)], [param])
    assert param == pytest.approx(0.6, abs=1e-6)


def test_patterns_exclude_from_decay_by_path():
    kernel, bias = variable([1.0]), variable([1.0], "bias")
    kernel.path, bias.path = "dense/kernel", "dense/bias"
    optimizer = AdamW(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bi.s$"])
    optimizer.apply([np.zeros(1), np.zeros(1)], [kernel, bias])
    assert [kernel.value[0], bias.value[0]] == [0.95, 1]
    with pytest.raises(ValueError) as caught:
        optimizer.exclude_from_weight_decay(var_names=["kernel"])
    assert str(caught.value) == (
        "exclude_from_weight_decay: parameters must be named before the first step; got one after"
    )


# ---- deferral --------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"weight_decay": 0.5},
        {"amsgrad": True},
        {"clipnorm": 0.1},
        {"global_clipnorm": 0.1, "beta_1": 0.8},
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_deferred_table_under_a_schedule_equals_the_dense_run(settings, dtype):
    rate = schedules.CosineDecay(0.0, 150, warmup_target=0.01, warmup_steps=20)
    deferred = Variable("t", table().value.astype(dtype), sparse_rows=True)
    dense = deferred.value.copy()
    one, other = Adam(rate, **settings), Adam(rate, sparse="dense", **settings)
    for grad in row_grads(200):
        grad = RowGrad(grad.rows, grad.values.astype(dtype), grad.shape)
        one.apply([grad], [deferred])
        other.apply([grad], [dense])
    assert deferred.deferred.outstanding
    np.testing.assert_allclose(deferred.value, dense, atol=3e-9 if dtype is np.float64 else 3e-6)


def test_where_most_rows_are_touched_a_dense_pass_is_taken_with_its_very_bits():
    deferred, dense = table(), table().value
    one, other = Adam(0.01), Adam(0.01, sparse="dense")
    for grad in row_grads(20, rows=40, touched=13, seed=3):
        wide = RowGrad(np.concatenate([grad.rows, grad.rows + 20]), np.tile(grad.values, (2, 1)), (40, 3))
        one.apply([wide], [deferred])
        other.apply([wide], [dense])
    assert not deferred.deferred.outstanding
    np.testing.assert_array_equal(deferred.value, dense)


def test_a_table_that_gets_no_gradient_stands_still_and_the_step_counts():
    both = [[table(), variable([1.0])] for _ in range(2)]
    optimizers_ = [Adam(0.1), Adam(0.1, sparse="dense")]
    for step, grad in enumerate(row_grads(30)):
        for optimizer, params in zip(optimizers_, both, strict=True):
            optimizer.apply([None if step % 4 == 1 else grad, np.ones(1)], params)
    np.testing.assert_allclose(both[0][0].value, both[1][0].value, atol=1e-8)


def test_a_rate_below_0_from_a_function_takes_the_dense_pass():
    rates = iter([0.1, 0.1, -0.1, -0.1, 0.1, 0.1])
    rate = {"now": 0.0}
    deferred, dense = table(), table().value
    one, other = Adam(lambda: rate["now"]), Adam(lambda: rate["now"], sparse="dense")
    for grad in row_grads(6):
        rate["now"] = next(rates)
        one.apply([grad], [deferred])
        other.apply([grad], [dense])
    np.testing.assert_allclose(deferred.value, dense, atol=1e-8)


def test_a_full_clock_is_flushed_on_the_way():
    deferred, dense = table(), table().value
    one, other = Adam(0.5, weight_decay=1.5), Adam(0.5, weight_decay=1.5, sparse="dense")
    for grad in row_grads(250):  # .25^167 < 1e-100
        one.apply([grad], [deferred])
        other.apply([grad], [dense])
    assert deferred.deferred.clock.base > 0
    np.testing.assert_allclose(deferred.value, dense, atol=1e-6)


def test_touched_rows_only_for_momentum_too():
    param = np.ones((2, 1))
    optimizer = SGD(0.1, momentum=0.9, sparse="touched")
    optimizer.apply([RowGrad([0], [[1.0]], (2, 1))], [param])
    optimizer.apply([RowGrad([1], [[1.0]], (2, 1))], [param])
    np.testing.assert_allclose(param, [[0.9], [0.9]])


@pytest.mark.parametrize("obstacle", ["regularizer", "constraint"])
def test_exact_by_name_names_what_stands_in_its_way(obstacle):
    embeddings = table(**{obstacle: NonNeg()})
    with pytest.raises(ValueError) as caught:
        Adam(sparse="exact").build([variable([1.0]), embeddings])
    assert str(caught.value) == (
        f"Adam: sparse='exact' cannot be had with the {obstacle} of params[1]; use sparse='dense'"
    )
    Adam().build([variable([1.0]), embeddings])
    assert embeddings.deferred is None


def test_another_optimizer_finds_the_table_up_to_date():
    deferred, dense = table(), table().value
    one, other = Adam(0.1), Adam(0.1, sparse="dense")
    for grad in row_grads(30):
        one.apply([grad], [deferred])
        other.apply([grad], [dense])
    SGD(0.1).build([deferred])
    assert deferred.deferred is None
    np.testing.assert_allclose(deferred._value, dense, atol=1e-8)


def test_reset_brings_the_table_up_to_date_and_lets_it_go():
    deferred, dense = table(), table().value
    one, other = Adam(0.1), Adam(0.1, sparse="dense")
    for grad in row_grads(30):
        one.apply([grad], [deferred])
        other.apply([grad], [dense])
    one.reset()
    assert deferred.deferred is None
    np.testing.assert_allclose(deferred._value, dense, atol=1e-8)
    assert one.iterations == 30


def test_other_arrays_of_the_same_shapes_are_taken_over():
    first = [table(), variable([1.0])]
    optimizer, plain = Adam(0.1), Adam(0.1, sparse="dense")
    dense = [table().value, np.ones(1)]
    grads = list(row_grads(20))
    for grad in grads[:10]:
        optimizer.apply([grad, np.ones(1)], first)
        plain.apply([grad, np.ones(1)], dense)
    optimizer.flush()
    second = [Variable("t", first[0].value.copy(), sparse_rows=True), variable(first[1].value)]
    kept = first[0].value.copy()
    for grad in grads[10:]:
        optimizer.apply([grad, np.ones(1)], second)
        plain.apply([grad, np.ones(1)], dense)
    np.testing.assert_array_equal(first[0].value, kept)
    assert first[0].deferred is None
    for got, want in zip(second, dense, strict=True):
        np.testing.assert_allclose(got.value, want, atol=1e-8)
    with pytest.raises(ValueError) as caught:
        optimizer.apply([np.ones(1), np.ones(1)], [np.ones(1), np.ones(1)])
    assert str(caught.value) == (
        "Adam: params must have the shapes of the first call, (40, 3), (1,); got (1,), (1,)"
    )


def test_rows_may_be_caught_up_in_any_shape_and_number():
    deferred, dense = np.ones((40, 3)), np.ones((40, 3))
    one, other = Adam(0.1, sparse="exact"), Adam(0.1, sparse="dense")
    for grad in row_grads(10):
        one.apply([grad], [deferred])
        other.apply([grad], [dense])
    ids = np.array([[3, 3, 7], [0, 19, 3]])
    one.catch_up(0, ids)
    np.testing.assert_allclose(deferred[ids], dense[ids], atol=1e-8)
    one.catch_up(5, ids)  # no table there: nothing to do


# ---- saving ----------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"weight_decay": 0.1, "amsgrad": True}])
def test_a_state_saved_amid_a_gap_goes_on_to_rounding(settings):
    grads = list(row_grads(60))
    whole, first = table(), table()
    one, two = Adam(0.01, **settings), Adam(0.01, **settings)
    for grad in grads:
        one.apply([grad], [whole])
    for grad in grads[:31]:
        two.apply([grad], [first])
    weights, tensors = first.value.copy(), two.state_tensors()
    assert two._tables[0].outstanding
    second, three = table(seed=9), Adam(0.01, **settings)
    second._value[...] = weights
    three.build([second])
    three.load_state_tensors(tensors, two.iterations)
    for grad in grads[31:]:
        three.apply([grad], [second])
    np.testing.assert_allclose(second.value, whole.value, atol=1e-8)


def test_a_state_saved_after_a_flush_goes_on_bit_for_bit():
    grads = list(row_grads(60))
    whole, first = table(), table()
    one, two = Adam(0.01), Adam(0.01)
    for optimizer, embeddings, end in ((one, whole, 60), (two, first, 30)):
        for step, grad in enumerate(grads[:end]):
            optimizer.apply([grad], [embeddings])
            if step in (29, 59):
                optimizer.flush()
    second, three = table(), Adam(0.01)
    second._value[...] = first.value
    three.build([second])
    three.load_state_tensors(two.state_tensors(), 30)
    for grad in grads[30:]:
        three.apply([grad], [second])
    three.flush()
    np.testing.assert_array_equal(second.value, whole.value)


def test_parameters_of_one_name_have_states_of_their_own():
    params = [variable([1.0]), variable([2.0])]
    optimizer = Adam()
    optimizer.apply([np.ones(1), np.zeros(1)], params)
    tensors = optimizer.state_tensors()
    assert sorted(tensors) == ["moment1/kernel", "moment1/kernel_1", "moment2/kernel", "moment2/kernel_1"]
    assert (tensors["moment1/kernel"][0], tensors["moment1/kernel_1"][0]) == (pytest.approx(0.1), 0)


@pytest.mark.parametrize(
    ("tensors", "text"),
    [
        ({}, "SGD: state must fit the parameters; got tensors that lack 'velocity/0'"),
        (
            {"velocity/0": np.zeros(2), "momentum/0": np.zeros(2)},
            "SGD: state must fit the parameters; got tensors that have an unknown 'momentum/0'",
        ),
        (
            {"velocity/0": np.zeros(2, np.float32)},
            "SGD: state 'velocity/0' must be a float64 array of shape (2,); got a float32 array of shape (2,)",
        ),
    ],
)
def test_a_state_that_does_not_fit_is_refused(tensors, text):
    optimizer = SGD(momentum=0.9)
    optimizer.build([np.ones(2)])
    with pytest.raises(ValueError) as caught:
        optimizer.load_state_tensors(tensors, 1)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    "optimizer",
    [
        SGD(0.5, momentum=0.9, nesterov=True, clipnorm=1.0, name="mine"),
        Adam(0.5, beta_1=0.8, amsgrad=True, bias_correction=False, sparse="touched"),
        AdamW(schedules.PiecewiseConstantDecay([2], [0.1, 0.01]), weight_decay=0.1, use_ema=True),
        Adam(schedules.CosineDecay(0.1, 10, alpha=0.1), gradient_accumulation_steps=4),
    ],
)
def test_a_config_makes_the_same_optimizer(optimizer):
    config = optimizer.get_config()
    again = optimizers.registry[type(optimizer).__name__].from_config(config)
    assert again.get_config() == config
    assert again.learning_rate == optimizer.learning_rate


def test_a_function_is_saved_as_the_rate_it_gives():
    assert SGD(lambda: 0.25).get_config()["learning_rate"] == 0.25


# ---- refusals --------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (
            lambda: Adam(clipnorm=1.0, clipvalue=2.0),
            ValueError,
            "Adam: clipping must be by one of clipnorm, clipvalue, global_clipnorm; "
            "got clipnorm=1.0 and clipvalue=2.0",
        ),
        (lambda: Adam(weight_decay=-1), ValueError, "Adam: weight_decay must be 0 or more; got -1"),
        (lambda: Adam(epsilon=float("nan")), ValueError, "Adam: epsilon must be 0 or more; got nan"),
        (lambda: SGD(float("inf")), ValueError, "SGD: learning_rate must be 0 or more; got inf"),
        (
            lambda: SGD("fast"),
            TypeError,
            "SGD: learning_rate must be a number, a schedule or a function; got str",
        ),
        (lambda: SGD(momentum=1.5), ValueError, "SGD: momentum must lie in [0, 1]; got 1.5"),
        (lambda: SGD(ema_momentum=2), ValueError, "SGD: ema_momentum must lie in [0, 1]; got 2"),
        (
            lambda: SGD(use_ema=True, ema_overwrite_frequency=0),
            ValueError,
            "SGD: ema_overwrite_frequency must be a whole number from 1; got 0",
        ),
        (
            lambda: SGD(gradient_accumulation_steps=1),
            ValueError,
            "SGD: gradient_accumulation_steps must be a whole number from 2; got 1",
        ),
        (
            lambda: SGD(gradient_accumulation_steps=2.5),
            ValueError,
            "SGD: gradient_accumulation_steps must be a whole number from 2; got 2.5",
        ),
        (
            lambda: Adam(sparse="exact", use_ema=True),
            ValueError,
            "Adam: sparse='exact' cannot be had with use_ema; use sparse='dense'",
        ),
        (
            lambda: AdamW(weight_dekay=0.1),
            TypeError,
            "AdamW: keywords must be known ones; got 'weight_dekay'; did you mean 'weight_decay'",
        ),
        (
            lambda: SGD(beta_1=0.1),
            TypeError,
            "SGD: keywords must be known ones; got 'beta_1'",
        ),
        (
            lambda: SGD().apply([np.ones(1)]),
            ValueError,
            "SGD: params must be given in the first call; got None",
        ),
        (
            lambda: SGD.from_config({"learning_rate": {"class_name": "Linear", "config": {}}}),
            ValueError,
            "SGD: learning_rate must be a known schedule; got 'Linear'",
        ),
        (
            lambda: schedules.PiecewiseConstantDecay([1], [0.1]),
            ValueError,
            "PiecewiseConstantDecay: values must be one longer than boundaries (1); got 1",
        ),
    ],
)
def test_settings_are_refused(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == text


READ_ONLY = np.ones(2)
READ_ONLY.flags.writeable = False


@pytest.mark.parametrize(
    ("grads", "params", "kind", "text"),
    [
        (
            [np.ones(2), np.ones(4)[::2]],
            [np.ones(2), np.ones(2)],
            ValueError,
            "AdamW: grads[1] must be C-contiguous; got a strided float64 array of shape (2,)"
            "; use numpy.ascontiguousarray",
        ),
        (
            [np.ones(2), np.ones(2)],
            [np.ones(2), READ_ONLY],
            ValueError,
            "AdamW: params[1] must be writable; got a read-only float64 array of shape (2,)",
        ),
        (
            [np.ones(2), np.ones(2, np.float32)],
            [np.ones(2), np.ones(2, np.float32)],
            TypeError,
            "AdamW: params[1] must be float64 like params[0]; got a float32 array of shape (2,)",
        ),
        (
            [np.ones(2)],
            [np.ones(2, np.int64)],
            TypeError,
            "AdamW: params[0] must be float32 or float64; got a int64 array of shape (2,)",
        ),
        (
            [np.ones(2)],
            [[1.0, 1.0]],
            TypeError,
            "AdamW: params[0] must be a numpy array; got list",
        ),
        (
            [np.ones((2, 1)), RowGrad([0], np.ones((1, 1)), (3, 1))],
            [np.ones((2, 1)), np.ones((2, 1))],
            ValueError,
            "AdamW: grads[1] must have the shape of params[1] (2, 1); got (3, 1)",
        ),
    ],
)
def test_a_refused_step_changes_no_parameter_whatever_its_decay(grads, params, kind, text):
    optimizer = AdamW(0.1)
    optimizer.exclude_from_weight_decay(var_list=params[:1])
    before = [np.array(p) for p in params]
    with pytest.raises(kind) as caught:
        optimizer.apply(grads, params)
    assert str(caught.value) == text
    assert optimizer.iterations == 0
    for param, old in zip(params, before, strict=True):
        np.testing.assert_array_equal(param, old)


def test_a_parameter_that_becomes_read_only_stops_all_of_them():
    params = [np.ones((2, 1)), np.ones((2, 1))]
    grads = [np.ones((2, 1)), RowGrad([0], np.ones((1, 1)), (2, 1))]
    optimizer = Adam(0.1, sparse="touched")
    optimizer.apply(grads, params)
    before = params[0].copy()
    params[1].flags.writeable = False
    with pytest.raises(ValueError, match=r"Adam: params\[1\] must be writable"):
        optimizer.apply(grads, params)
    np.testing.assert_array_equal(params[0], before)
