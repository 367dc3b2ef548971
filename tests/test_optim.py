"""The torch dialect: numbers, structures, groups, row gradients."""

from __future__ import annotations

import copy
import threading

import numpy as np
import pytest

import strop
from strop import RowGrad, ops, optim


def path(optimizer, param, grads=(0.1, -0.2, 0.3)):
    values = []
    for grad in grads:
        optimizer.step([np.array([grad])])
        values.append(param[0])
    return values


def three_steps(cls, grads=(0.1, -0.2, 0.3), **settings):
    param = np.ones(1)
    return path(cls([param], lr=0.1, **settings), param, grads)


@pytest.mark.parametrize(
    ("cls", "settings", "want"),
    [
        (optim.SGD, {}, [0.99, 1.01, 0.98]),
        (optim.SGD, {"momentum": 0.9}, [0.99, 1.001, 0.9809]),
        (optim.SGD, {"momentum": 0.9, "nesterov": True}, [0.981, 1.0109, 0.96281]),
        (optim.SGD, {"momentum": 0.9, "dampening": 0.5}, [0.99, 0.991, 0.9769]),
        (optim.Adam, {}, [0.9000000100, 0.9366103604, 0.9022862539]),
        (optim.Adam, {"eps": 1e-3}, [0.9009900990, 0.9373703970, 0.9032044016]),
        (optim.Adam, {"weight_decay": 0.01}, [0.9000000091, 0.9310643012, 0.8929585921]),
        (optim.AdamW, {}, [0.8990000100, 0.9347113604, 0.8994525426]),
        (
            optim.Adam,
            {"weight_decay": 0.01, "decoupled_weight_decay": True},
            [0.8990000100, 0.9347113604, 0.8994525426],
        ),
        (optim.RMSprop, {}, [0.0000010000, 0.8953235613, 0.0918192825]),
        (optim.Adagrad, {}, [0.9000000001, 0.9894427192, 0.9092643466]),
        (optim.Adadelta, {}, [0.9996839302, 1.0000878491, 0.9996010887]),
        (optim.Adamax, {}, [0.9000000100, 0.9289473770, 0.9042241306]),
        (optim.Lion, {}, [0.9, 1.0, 0.9]),
        (optim.Lion, {"weight_decay": 0.1}, [0.89, 0.9811, 0.871289]),
    ],
)
def test_three_steps_give_the_numbers_of_torch(cls, settings, want):
    assert three_steps(cls, **settings) == pytest.approx(want, abs=6e-11)


def test_nadam_has_the_numbers_of_torch_and_its_float32_product():
    want = [0.8943548314, 0.9850105753, 0.8966539091]
    assert three_steps(optim.NAdam) == pytest.approx(want, abs=6e-11)


def test_lamb_has_the_numbers_of_optax():
    param = np.array([1.0, 2.0])
    optim.LAMB([param], lr=0.1, weight_decay=0.01).step([np.full(2, 0.1)])
    assert param == pytest.approx([0.8426669198, 1.8411091511], abs=6e-11)


@pytest.mark.parametrize(
    ("cls", "settings", "want"),
    [
        (optim.RAdam, {}, [0.99, 0.9957894737, 0.9883724995]),
        (optim.Rprop, {}, [0.9, 0.9, 0.85]),
    ],
)
def test_rules_that_keras_lacks_have_the_numbers_of_torch(cls, settings, want):
    param = np.ones(1)
    got = path(cls([param], lr=0.1, **settings), param)
    assert got == pytest.approx(want, abs=6e-11)


def test_amsgrad_takes_the_maximum_of_the_uncorrected_second_moment():
    got = three_steps(optim.Adam, (1.0, 0.01, 0.01), betas=(0.9, 0.5), amsgrad=True)
    assert got == pytest.approx([0.9000000010, 0.8413411684, 0.8008738657], abs=6e-11)


def test_the_momentum_buffer_does_not_hold_the_rate():
    param, values = np.ones(1), []
    optimizer = optim.SGD([param], lr=0.1, momentum=0.9)
    for rate in (0.1, 0.01, 0.001):
        optimizer.lr = rate
        optimizer.step([np.ones(1)])
        values.append(param[0])
    assert values == pytest.approx([0.9, 0.881, 0.87829], abs=1e-12)


@pytest.mark.parametrize(("grad", "want"), [(1e-3, -0.999900), (1e-6, -0.909091), (1e-8, -0.090909)])
def test_epsilon_stands_where_torch_has_it(grad, want):
    param = np.zeros(1)
    assert path(optim.Adam([param], lr=1.0, eps=1e-7), param, [grad])[0] == pytest.approx(want, abs=1e-6)


def test_maximize_is_the_step_of_the_negative_gradient():
    for cls in (optim.SGD, optim.Adam, optim.AdamW):
        up = three_steps(cls, maximize=True, weight_decay=0.1)
        assert up == three_steps(cls, (-0.1, 0.2, -0.3), weight_decay=0.1)


# ---- structures -------------------------------------------------------------


def arrays(*shapes):
    rng = np.random.default_rng(5)
    return [rng.standard_normal(shape) for shape in shapes]


@pytest.mark.parametrize(
    "shape",
    [
        lambda a, b, c: [a, b, c],
        lambda a, b, c: (a, b, c),
        lambda a, b, c: {"W": a, "b": b, "E": c},
        lambda a, b, c: {"first": {"W": a, "b": b}, "second": [c]},
        lambda a, b, c: [[a, b], [c]],
        lambda a, b, c: [{"W": a}, {"W": b}, (c,)],
        lambda a, b, c: [("W", a), ("b", b), ("E", c)],
        lambda a, b, c: [{"params": [a, b]}, {"params": c}],
        lambda a, b, c: [{"params": {"W": a, "b": b}}, {"params": [c]}],
    ],
)
def test_gradients_come_in_the_structure_of_the_parameters(shape):
    params, grads = arrays((2, 3), (), (0, 4)), arrays((2, 3), (), (0, 4))
    want = [p - 0.5 * g for p, g in zip(params, grads, strict=True)]
    optimizer = optim.SGD(shape(*params), lr=0.5)
    entries = shape(*grads)
    if isinstance(entries[0] if isinstance(entries, list) else None, dict) and "params" in entries[0]:
        entries = [e["params"] if isinstance(e["params"], list | dict) else [e["params"]] for e in entries]
    optimizer.step(entries)
    for param, wanted in zip(params, want, strict=True):
        np.testing.assert_array_equal(param, wanted)


def test_a_dict_is_matched_by_name_and_not_by_order():
    a, b = np.zeros(1), np.zeros(1)
    optim.SGD({"a": a, "b": b}, lr=1.0).step({"b": np.full(1, 2.0), "a": np.ones(1)})
    assert (a[0], b[0]) == (-1, -2)


def test_groups_take_gradients_by_group_or_all_in_one_list():
    a, b, c = (np.zeros(1) for _ in range(3))
    optimizer = optim.SGD([{"params": [a, b]}, {"params": [c], "lr": 2.0}], lr=1.0)
    one = np.ones(1)
    optimizer.step([[one, one], [one]])
    optimizer.step([one, one, one])
    optimizer.step([{"params": [one, None]}, None])
    assert [a[0], b[0], c[0]] == [-3, -2, -4]


def test_none_stands_for_a_whole_part():
    a, b = np.zeros(1), np.zeros(1)
    optim.SGD({"x": {"a": a}, "y": {"b": b}}, lr=1.0).step({"x": None, "y": {"b": np.ones(1)}})
    assert (a[0], b[0]) == (0, -1)


def test_parameters_may_come_from_any_iterable_in_order():
    table = {"a": np.zeros(1), "b": np.zeros(1)}
    optimizer = optim.SGD(table.values(), lr=1.0)
    optimizer.step([np.ones(1), None])
    optim.SGD((p for p in table.values()), lr=1.0).step([np.ones(1), np.ones(1)])
    assert (table["a"][0], table["b"][0]) == (-2, -1)


def test_a_new_array_is_taken_where_its_owner_puts_it():
    old, new = np.zeros(2), np.zeros(2)
    optimizer = optim.SGD([old], lr=1.0, momentum=0.9)
    optimizer.step([np.ones(2)])
    optimizer.param_groups[0]["params"][0] = new
    optimizer.step([np.ones(2)])
    assert (old[0], new[0]) == (-1, -1.9)


# ---- groups, steps of each parameter ----------------------------------------


def test_settings_are_read_at_every_step_from_their_group():
    a, b = np.zeros(1), np.zeros(1)
    optimizer = optim.SGD([{"params": [a]}, {"params": [b], "lr": 0.1}], lr=1.0)
    optimizer.param_groups[0]["lr"] = 0.5
    optimizer.step([np.ones(1), np.ones(1)])
    assert (a[0], b[0]) == (-0.5, -0.1)
    assert optimizer.lr == 0.5
    optimizer.lr = 2.0
    assert [group["lr"] for group in optimizer.param_groups] == [2.0, 2.0]


def test_a_setting_changed_in_place_is_seen():
    param, betas, rate = np.zeros(1), [0.0, 0.0], np.array(1.0)
    optimizer = optim.Adam([param], lr=rate, betas=betas, eps=0)
    optimizer.step([np.ones(1)])
    betas[0], rate[...] = 0.5, 2.0
    optimizer.step([np.ones(1)])
    # the mean gradient is .5 * 1 + .5 * 1, corrected by 1 - .25
    assert param[0] == pytest.approx(-1 - 2.0 / 0.75)


def test_a_group_can_be_added():
    a, b = np.zeros(1), np.zeros(1)
    optimizer = optim.Adam([a], lr=0.1)
    optimizer.step([np.ones(1)])
    optimizer.add_param_group({"params": b, "lr": 0.2})
    optimizer.step([[np.ones(1)], [np.ones(1)]])
    assert b[0] == pytest.approx(-0.2)
    assert [state["step"] for state in optimizer.state] == [2, 1]


def test_a_parameter_without_a_gradient_is_left_alone_and_its_step_does_not_count():
    a, b = np.zeros(1), np.zeros(1)
    optimizer = optim.Adam([a, b], lr=0.1)
    optimizer.step([np.ones(1), None])
    optimizer.step([None, None])
    optimizer.step([np.ones(1), np.ones(1)])
    optimizer.step([np.ones(1), np.ones(1)])
    assert [state["step"] for state in optimizer.state] == [3, 2]
    alone = np.zeros(1)
    single = optim.Adam([alone], lr=0.1)
    for _ in range(2):
        single.step([np.ones(1)])
    assert b[0] == alone[0]


def test_groups_of_one_rule_go_to_the_kernel_in_one_call(monkeypatch):
    calls = []
    step = strop.ops.adam_step
    monkeypatch.setattr(strop.ops, "adam_step", lambda **k: (calls.append(len(k["param"])), step(**k)))
    params = [np.zeros(1) for _ in range(4)]
    optimizer = optim.AdamW(
        [
            {"params": params[:2]},
            {"params": params[2:3], "weight_decay": 0.0},
            {"params": params[3:], "lr": 1.0},
        ],
        lr=0.1,
        weight_decay=0.5,
    )
    grads = [np.ones(1) for _ in range(4)]
    optimizer.step(grads)
    assert calls == [3, 1]
    alone = [np.ones(1) for _ in range(4)]
    for p in alone:
        p[:] = 0
    optimizer.step(grads)
    want = np.zeros(1)
    single = optim.AdamW([want], lr=0.1, weight_decay=0.5)
    for _ in range(2):
        single.step([np.ones(1)])
    assert params[0] == want
    assert params[2] != want


def test_repr_lists_the_groups():
    assert repr(optim.SGD([np.ones(1)], lr=0.1)).splitlines()[:3] == [
        "SGD (",
        "Parameter Group 0",
        "    dampening: 0",
    ]


def test_a_copy_goes_on_alone():
    param = np.zeros((3, 2))
    optimizer = optim.Adam([param], lr=0.1, sparse="exact")
    optimizer.step([RowGrad([1], [[1.0, 2.0]], (3, 2))])
    twin = copy.deepcopy(optimizer)
    for each in (optimizer, twin):
        each.step([RowGrad([0], [[1.0, 2.0]], (3, 2))])
        each.flush()
    np.testing.assert_array_equal(param, twin.param_groups[0]["params"][0])
    assert twin.param_groups[0]["params"][0] is not param


# ---- rows of a table --------------------------------------------------------


def table_of_three(**settings):
    param = np.ones((3, 1))
    optimizer = optim.Adam([param], lr=0.1, **settings)
    for row in (0, 1, 1, 1):
        optimizer.step([RowGrad([row], [[1.0]], (3, 1))])
    optimizer.flush()
    return param.ravel()


@pytest.mark.parametrize("sparse", [None, "dense", "exact"])
def test_dense_and_exact_rows_are_the_dense_step(sparse):
    assert table_of_three(sparse=sparse) == pytest.approx([0.7387705975, 0.7487701230, 1], abs=6e-11)


def test_touched_rows_alone_move():
    assert table_of_three(sparse="touched") == pytest.approx([0.9000000010, 0.7487701230, 1], abs=6e-11)


def test_sparse_adam_has_the_numbers_of_torch():
    param = np.ones((3, 1))
    optimizer = optim.SparseAdam([param], lr=0.1)
    for row in (0, 1, 1, 1):
        optimizer.step([RowGrad([row], [[1.0]], (3, 1))])
    assert param.ravel() == pytest.approx([0.9000000316, 0.7487701792, 1], abs=6e-11)


def test_duplicate_rows_are_summed():
    param = np.ones((4, 1))
    optim.SGD([param], lr=0.1).step([RowGrad([2, 0, 2], [[1.0], [2.0], [3.0]], (4, 1))])
    assert param.ravel() == pytest.approx([0.8, 1, 0.6, 1])


def test_exact_momentum_and_decay_take_the_dense_pass():
    moving, still = np.ones((2, 1)), np.ones((2, 1))
    optimizer = optim.SGD([moving], lr=0.1, momentum=0.9, sparse="exact")
    decayed = optim.AdamW([still], lr=0.1, weight_decay=0.5, sparse="exact")
    for step in range(4):
        optimizer.step([RowGrad([0], [[1.0 if step == 0 else 0.0]], (2, 1))])
        decayed.step([RowGrad([0], [[1.0]], (2, 1))])
    decayed.flush()
    assert moving[0, 0] == pytest.approx(0.6561)
    assert still[1, 0] == pytest.approx(0.81450625)


@pytest.mark.parametrize(
    ("cls", "settings", "stands"),
    [
        (optim.SGD, {}, True),
        (optim.SGD, {"weight_decay": 0.1}, False),
        (optim.Adagrad, {"lr_decay": 0.1, "initial_accumulator_value": 0.1}, True),
        (optim.Adagrad, {"weight_decay": 0.1}, False),
        (optim.RMSprop, {"momentum": 0.9}, False),
        (optim.NAdam, {}, False),
        (optim.Lion, {"weight_decay": 0.1}, False),
        (optim.LAMB, {"weight_decay": 0.1}, False),
        (optim.Rprop, {}, False),
        (optim.Adadelta, {}, False),
    ],
)
def test_row_gradients_are_dense_gradients_bit_for_bit(rng, cls, settings, stands, monkeypatch):
    dense_passes = []
    to_dense = RowGrad.to_dense
    monkeypatch.setattr(RowGrad, "to_dense", lambda grad: (dense_passes.append(1), to_dense(grad))[1])
    for sparse in (None, "exact")[
        : 1 if settings.get("weight_decay") and cls not in (optim.Lion, optim.LAMB) else 2
    ]:
        start = rng.standard_normal((6, 2))
        rows, dense = start.copy(), start.copy()
        one, other = cls([rows], sparse=sparse, **settings), cls([dense], **settings)
        dense_passes.clear()
        for _ in range(5):
            grad = RowGrad([1, 4, 1], rng.standard_normal((3, 2)), (6, 2))
            one.step([grad])
            other.step([to_dense(grad)])
        np.testing.assert_array_equal(rows, dense)
        assert bool(dense_passes) != stands


@pytest.mark.parametrize("cls", [optim.SGD, optim.NAdam, optim.RMSprop, optim.Adadelta, optim.Lion])
def test_touched_rows_step_as_if_they_were_all_there_is(rng, cls):
    start = rng.standard_normal((6, 2))
    table, alone = start.copy(), start[[1, 4]].copy()
    one, other = cls([table], sparse="touched"), cls([alone])
    for _ in range(5):
        values = rng.standard_normal((2, 2))
        one.step([RowGrad([1, 4], values, (6, 2))])
        other.step([values])
    np.testing.assert_array_equal(table[[1, 4]], alone)
    np.testing.assert_array_equal(table[[0, 2, 3, 5]], start[[0, 2, 3, 5]])


@pytest.mark.parametrize("shape", [(40, 3), (40,), (40, 2, 3)])
@pytest.mark.parametrize("settings", [{}, {"amsgrad": True}, {"maximize": True}, {"weight_decay": 0.1}])
def test_exact_rows_are_dense_rows_whatever_comes_between(rng, shape, settings, dtype):
    start = rng.standard_normal(shape).astype(dtype)
    exact, dense = start.copy(), start.copy()
    one = optim.AdamW([exact], lr=0.01, sparse="exact", **settings)
    other = optim.AdamW([dense], lr=0.01, sparse="dense", **settings)
    for step in range(60):
        rows = rng.integers(0, shape[0], 5)
        grad = RowGrad(rows, rng.standard_normal((5, *shape[1:])).astype(dtype), shape)
        if step % 13 == 5:
            grad = None
        elif step % 17 == 3:
            grad = grad.to_dense()
        for optimizer in (one, other):
            if step == 30:
                optimizer.param_groups[0]["betas"] = (0.8, 0.99)
            if step == 40:
                optimizer.lr = 0.05
            optimizer.step([grad])
        one.catch_up(0, rows)
        assert_as_exact(exact[rows], dense[rows])
    one.flush()
    assert_as_exact(exact, dense)


def assert_as_exact(exact, dense):
    """float64 bit for bit; float32 to a few roundings of the learning rates of 60 steps, 0.01 to 0.05 each."""
    if exact.dtype == np.float64:
        np.testing.assert_array_equal(exact, dense)
    else:
        np.testing.assert_allclose(exact, dense, rtol=1e-6, atol=1e-6)


def test_catch_up_goes_by_place_or_name():
    table = np.ones((3, 1))
    optimizer = optim.Adam({"emb": {"E": table}}, lr=0.1, sparse="exact")
    for row in (0, 1):
        optimizer.step({"emb": {"E": RowGrad([row], [[1.0]], (3, 1))}})
    before = table[0, 0]
    optimizer.catch_up("emb.E", [[0], [0]])
    assert table[0, 0] < before


# ---- one call at a time -----------------------------------------------------


def test_a_second_concurrent_step_is_refused():
    class Gate(dict):
        """Gradients that are asked for while another thread steps."""

        def keys(self):
            entered.set()
            leave.wait(10)
            return super().keys()

    entered, leave, param = threading.Event(), threading.Event(), np.zeros(1)
    optimizer = optim.SGD({"a": param}, lr=1.0)
    first = threading.Thread(target=optimizer.step, args=(Gate(a=np.ones(1)),))
    first.start()
    entered.wait(10)
    with pytest.raises(RuntimeError) as caught:
        optimizer.step({"a": np.ones(1)})
    leave.set()
    first.join()
    assert str(caught.value) == (
        "SGD: step must not run while another call works on the optimizer; got both at once"
    )
    optimizer.step({"a": np.ones(1)})
    assert param[0] == -2


def test_every_parameter_may_have_a_group_of_its_own():
    params = [np.zeros(1) for _ in range(20)]
    optimizer = optim.Adam([{"params": p, "lr": 0.1 * (i % 3)} for i, p in enumerate(params)])
    optimizer.step([np.ones(1) for _ in params])
    assert [p[0] for p in params] == pytest.approx([-0.1 * (i % 3) for i in range(20)])


def test_a_group_may_be_replaced_by_its_owner():
    param = np.zeros(1)
    optimizer = optim.SGD([param], lr=1.0)
    optimizer.param_groups[0] = {**optimizer.param_groups[0], "lr": 0.5}
    optimizer.step([np.ones(1)])
    assert param[0] == -0.5


def test_layers_variables_can_be_parameters():
    layer = strop.layers.Dense(1)
    strop.Sequential([strop.Input((2,)), layer])
    before = layer.get_weights()
    optimizer = optim.SGD(layer.variables, lr=1.0)
    optimizer.step([np.ones(w.shape, w.dtype) for w in before])
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old - 1)


@pytest.mark.parametrize("cls", [optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.LAMB])
def test_arrays_of_no_elements_and_of_no_axes_take_steps(cls):
    params = [np.zeros((0, 3), np.float32), np.zeros((), np.float32), np.zeros(1, np.float32)]
    optimizer = cls(params, lr=0.5)
    for _ in range(2):
        optimizer.step([np.ones_like(p) for p in params])
    assert params[1] == params[2][0]
    assert params[1] != 0


def test_optimizers_step_in_many_threads_at_once():
    def run(out, i):
        param = np.zeros(100_000, np.float32)
        optimizer = optim.Adam([param], lr=0.1)
        for step in range(5):
            optimizer.step([np.full(100_000, step + 1, np.float32)])
        out[i] = param

    out = [None] * 6
    threads = [threading.Thread(target=run, args=(out, i)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for param in out[1:]:
        np.testing.assert_array_equal(param, out[0])


@pytest.mark.parametrize("sparse", [None, "exact", "touched"])
def test_an_interrupt_waits_until_the_step_is_whole(sparse, monkeypatch):
    def arrays():
        return [np.ones(2), np.ones(3), np.ones((40, 2))]

    def groups(params):
        return [{"params": params[:1], "lr": 0.1}, {"params": params[1:], "lr": 0.2}]

    params, twins = arrays(), arrays()
    optimizer, other = (optim.Adam(groups(each), sparse=sparse) for each in (params, twins))
    grads = [np.ones(2), np.ones(3), RowGrad([1], [[1.0, 2.0]], (40, 2))]
    kernel = ops.adam_step

    def interrupted(**arguments):  # Python sees a signal when the kernel comes back
        kernel(**arguments)
        raise KeyboardInterrupt

    for _ in range(3):
        with monkeypatch.context() as patch:
            patch.setattr(ops, "adam_step", interrupted)
            with pytest.raises(KeyboardInterrupt):
                optimizer.step(grads)
        other.step(grads)
    np.testing.assert_equal(optimizer.state_dict(), other.state_dict())
    np.testing.assert_equal(params, twins)
