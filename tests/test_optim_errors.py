"""What the torch dialect refuses, word by word; nothing has been written then."""

from __future__ import annotations

import numpy as np
import pytest

from strop import RowGrad, optim

ONE = np.ones(2)


def message(call, *args, **kwargs):
    with pytest.raises((TypeError, ValueError, IndexError)) as caught:
        call(*args, **kwargs)
    return f"{type(caught.value).__name__}: {caught.value}"


@pytest.mark.parametrize(
    ("cls", "settings", "want"),
    [
        (optim.SGD, {"lr": -0.1}, "ValueError: SGD: lr must be a finite number of at least 0; got -0.1"),
        (optim.SGD, {"lr": np.nan}, "ValueError: SGD: lr must be a finite number; got nan"),
        (optim.SGD, {"lr": ONE}, "TypeError: SGD: lr must be a number; got ndarray"),
        (optim.SGD, {"lr": "fast"}, "TypeError: SGD: lr must be a number; got str"),
        (
            optim.SGD,
            {"momentum": -1},
            "ValueError: SGD: momentum must be a finite number of at least 0; got -1.0",
        ),
        (
            optim.SGD,
            {"weight_decay": -1},
            "ValueError: SGD: weight_decay must be a finite number of at least 0; got -1.0",
        ),
        (
            optim.SGD,
            {"nesterov": True},
            "ValueError: SGD: nesterov must come with momentum and without dampening; "
            "got momentum=0.0 and dampening=0.0",
        ),
        (
            optim.SGD,
            {"nesterov": True, "momentum": 0.9, "dampening": 0.1},
            "ValueError: SGD: nesterov must come with momentum and without dampening; "
            "got momentum=0.9 and dampening=0.1",
        ),
        (optim.Adam, {"eps": -1}, "ValueError: Adam: eps must be a finite number of at least 0; got -1.0"),
        (optim.Adam, {"betas": (1, 0.9)}, "ValueError: Adam: betas must lie in [0, 1); got (1.0, 0.9)"),
        (optim.Adam, {"betas": (0.9, -1)}, "ValueError: Adam: betas must lie in [0, 1); got (0.9, -1.0)"),
        (optim.Adam, {"betas": 0.9}, "TypeError: Adam: betas must be a pair of numbers; got 0.9"),
        (
            optim.NAdam,
            {"momentum_decay": -1},
            "ValueError: NAdam: momentum_decay must be a finite number of at least 0; got -1.0",
        ),
        (optim.RAdam, {"betas": (0.9, 1.0)}, "ValueError: RAdam: betas must lie in [0, 1); got (0.9, 1.0)"),
        (
            optim.Adamax,
            {"eps": -1},
            "ValueError: Adamax: eps must be a finite number of at least 0; got -1.0",
        ),
        (
            optim.Adagrad,
            {"lr_decay": -1},
            "ValueError: Adagrad: lr_decay must be a finite number of at least 0; got -1.0",
        ),
        (
            optim.Adagrad,
            {"initial_accumulator_value": -1},
            "ValueError: Adagrad: initial_accumulator_value must be a finite number of at least 0; got -1.0",
        ),
        (optim.Adadelta, {"rho": 1.5}, "ValueError: Adadelta: rho must lie in [0, 1]; got 1.5"),
        (optim.RMSprop, {"alpha": -0.1}, "ValueError: RMSprop: alpha must lie in [0, 1]; got -0.1"),
        (
            optim.RMSprop,
            {"momentum": -1},
            "ValueError: RMSprop: momentum must be a finite number of at least 0; got -1.0",
        ),
        (
            optim.Rprop,
            {"etas": (1.0, 1.2)},
            "ValueError: Rprop: etas must lie in (0, 1) and above 1; got (1.0, 1.2)",
        ),
        (
            optim.Rprop,
            {"step_sizes": (2, 1)},
            "ValueError: Rprop: step_sizes must rise from 0 or more; got (2.0, 1.0)",
        ),
        (
            optim.LAMB,
            {"sparse": "touched"},
            "ValueError: LAMB: sparse must be 'exact', 'dense' or None; got 'touched'",
        ),
        (optim.Lion, {"betas": (-1, 0)}, "ValueError: Lion: betas must lie in [0, 1); got (-1.0, 0.0)"),
        (
            optim.Adam,
            {"sparse": "lazy"},
            "ValueError: Adam: sparse must be 'exact', 'touched', 'dense' or None; got 'lazy'",
        ),
        (
            optim.Adam,
            {"sparse": "exact", "weight_decay": 0.1},
            "ValueError: Adam: sparse='exact' cannot be had with the coupled weight_decay=0.1; "
            "use sparse='dense' or decoupled_weight_decay=True",
        ),
        (
            optim.SGD,
            {"sparse": "exact", "weight_decay": 0.1},
            "ValueError: SGD: sparse='exact' cannot be had with the coupled weight_decay=0.1; "
            "use sparse='dense'",
        ),
        (
            optim.Adam,
            {"learning_rate": 0.1},
            "TypeError: Adam: keywords must be known ones; got 'learning_rate'",
        ),
        (
            optim.Adam,
            {"ams_grad": True},
            "TypeError: Adam: keywords must be known ones; got 'ams_grad'; did you mean 'amsgrad'",
        ),
    ],
)
def test_settings_are_refused_at_construction(cls, settings, want):
    assert message(cls, [np.ones(1)], **settings) == want


def test_keywords_of_torch_that_choose_a_kernel_are_ignored():
    for cls in (optim.SGD, optim.Adam, optim.AdamW, optim.SparseAdam, optim.Rprop, optim.Lion):
        cls([np.ones(1)], foreach=True, fused=None, capturable=False, differentiable=False)


@pytest.mark.parametrize(
    ("params", "want"),
    [
        (
            lambda a: a,
            "TypeError: SGD: params must be a list or a dict of arrays, or groups of them; got ndarray; "
            "write [array]",
        ),
        (
            lambda a: 3,
            "TypeError: SGD: params must be a list or a dict of arrays, or groups of them; got int",
        ),
        (lambda a: {1, 2}, "TypeError: SGD: params must keep their order; got a set; use a list"),
        (lambda a: [], "ValueError: SGD: params must hold an array; got none"),
        (lambda a: {"a": []}, "ValueError: SGD: params must hold an array; got none"),
        (
            lambda a: [{"params": []}],
            "ValueError: SGD: params[0] must hold an array; got none",
        ),
        (
            lambda a: [{"params": a}, a.copy()],
            "TypeError: SGD: params[1] must be a dict with 'params' like the other groups; got none",
        ),
        (lambda a: [a, [1.0]], "TypeError: SGD: params[1][0] must be a numpy array; got float"),
        (lambda a: [a, None], "TypeError: SGD: params[1] must be a numpy array; got NoneType"),
        (lambda a: [np.float64(1)], "TypeError: SGD: params[0] must be a numpy array; got float64"),
        (
            lambda a: {"W": a.view(type("matrix", (np.ndarray,), {}))},
            "TypeError: SGD: params['W'] must be a numpy array; got matrix",
        ),
        (
            lambda a: [np.ma.ones(2)],
            "TypeError: SGD: params[0] must be a numpy array; got MaskedArray",
        ),
        (
            lambda a: [np.ones(2, np.float16)],
            "TypeError: SGD: params[0] must be float32 or float64; got a float16 array of shape (2,)",
        ),
        (
            lambda a: [np.ones(2, ">f4")],
            "TypeError: SGD: params[0] must be float32 or float64; got a >f4 array of shape (2,)",
        ),
        (
            lambda a: [np.ones(2, np.int64)],
            "TypeError: SGD: params[0] must be float32 or float64; got a int64 array of shape (2,)",
        ),
        (
            lambda a: {"W": a, "b": np.ones(2, np.float32)},
            "TypeError: SGD: params['b'] must be float64 like params['W']; got a float32 array of shape (2,)",
        ),
        (
            lambda a: [np.ones((4, 2))[::2]],
            "ValueError: SGD: params[0] must be C-contiguous; got a strided float64 array of shape (2, 2); "
            "use numpy.ascontiguousarray",
        ),
        (
            lambda a: [np.frombuffer(bytearray(17), np.uint8)[1:].view(np.float64)],
            "ValueError: SGD: params[0] must be C-contiguous; got a strided float64 array of shape (2,); "
            "use numpy.ascontiguousarray",
        ),
        (
            lambda a: [np.broadcast_to(a, (2,))],
            "ValueError: SGD: params[0] must be writable; got a read-only float64 array of shape (2,)",
        ),
        (
            lambda a: [a, np.ones(2), a],
            "ValueError: SGD: params[2] must not overlap params[0]; got two views of one buffer",
        ),
        (
            lambda a: [{"params": [a]}, {"params": {"b": a[1:]}}],
            "ValueError: SGD: params[1]['b'] must not overlap params[0][0]; got two views of one buffer",
        ),
    ],
)
def test_parameters_are_refused(params, want):
    assert message(optim.SGD, params(np.ones(2))) == want


def test_a_structure_inside_itself_is_refused():
    inside = []
    inside.append(inside)
    assert message(optim.SGD, inside) == (
        "ValueError: SGD: params must be nested less deeply; got one inside itself"
    )


@pytest.mark.parametrize(
    ("grads", "want"),
    [
        (lambda p: ONE, "TypeError: Adam: grads must be a list or a tuple like params; got ndarray"),
        (lambda p: {"a": ONE}, "TypeError: Adam: grads must be a list or a tuple like params; got dict"),
        (lambda p: [ONE], "ValueError: Adam: grads must be as many as params (2); got 1"),
        (lambda p: [ONE] * 3, "ValueError: Adam: grads must be as many as params (2); got 3"),
        (
            lambda p: [ONE, [ONE]],
            "TypeError: Adam: grads[1] must be a numpy array or a RowGrad; got list",
        ),
        (
            lambda p: [ONE, np.float64(1)],
            "TypeError: Adam: grads[1] must be a numpy array or a RowGrad; got float64",
        ),
        (
            lambda p: [ONE, np.ones(3)],
            "ValueError: Adam: grads[1] must have the shape of params[1] (2,); got (3,)",
        ),
        (
            lambda p: [ONE, np.ones(2, np.float32)],
            "TypeError: Adam: grads[1] must be float64 like params[1]; got a float32 array of shape (2,)",
        ),
        (
            lambda p: [ONE, np.ones(4)[::2]],
            "ValueError: Adam: grads[1] must be C-contiguous; got a strided float64 array of shape (2,); "
            "use numpy.ascontiguousarray",
        ),
        (
            lambda p: [ONE, RowGrad([0], np.ones(1, np.float32), (2,))],
            "TypeError: Adam: grads[1] must be float64 like params[1]; got a float32 array of shape (2,)",
        ),
        (
            lambda p: [ONE, RowGrad([0], [1.0], (3,))],
            "ValueError: Adam: grads[1] must have the shape of params[1] (2,); got (3,)",
        ),
        (
            lambda p: [ONE, p[0]],
            "ValueError: Adam: grads[1] must not overlap params[0]; got two views of one buffer",
        ),
        (
            lambda p: [ONE, RowGrad.trusted(np.arange(2), p[0], (2,))],
            "ValueError: Adam: grads[1] must not overlap params[0]; got two views of one buffer",
        ),
        (
            lambda p: [np.array([1, np.nan]), ONE],
            "ValueError: Adam: grads[0] must be finite; got nan at (1,)",
        ),
        (
            lambda p: [ONE, RowGrad([1, 0], [1.0, -np.inf], (2,))],
            "ValueError: Adam: grads[1] must be finite; got -inf at (0,)",
        ),
    ],
)
@pytest.mark.parametrize("groups", [False, True])
def test_gradients_are_refused_and_nothing_is_written(grads, want, groups):
    params = [np.ones(2), np.ones(2)]
    optimizer = optim.Adam(params, check_finite=True)
    optimizer.step([ONE, ONE])
    before = [p.copy() for p in params], optimizer.state_dict()
    assert message(optimizer.step, grads(params)) == want
    np.testing.assert_equal(([p.copy() for p in params], optimizer.state_dict()), before)


def test_finite_gradients_whose_sum_overflows_pass_the_check():
    param = np.zeros(2)
    optim.SGD([param], lr=1e-300, check_finite=True).step([np.full(2, 1.7e308)])
    assert (param < 0).all()


@pytest.mark.parametrize(
    ("grads", "want"),
    [
        ([ONE], "TypeError: SGD: grads must be a dict like params; got list"),
        (
            {"W": ONE},
            "ValueError: SGD: grads must have the keys of params; got none for 'inner'; "
            "None leaves a parameter alone",
        ),
        (
            {"W": ONE, "inner": {"b": ONE}, "w": ONE},
            "ValueError: SGD: grads must have the keys of params; got 'w' too",
        ),
        (
            {"W": ONE, "inner": {"b": ONE, "bias": ONE}},
            "ValueError: SGD: grads['inner'] must have the keys of params['inner']; got 'bias' too",
        ),
        (
            {"W": ONE, "inner": {"b": np.ones(3)}},
            "ValueError: SGD: grads['inner']['b'] must have the shape of params['inner']['b'] (2,); got (3,)",
        ),
    ],
)
def test_gradients_in_dicts_are_refused(grads, want):
    params = {"W": np.ones(2), "inner": {"b": np.ones(2)}}
    assert message(optim.SGD(params).step, grads) == want


@pytest.mark.parametrize(
    ("grads", "want"),
    [
        (
            [ONE, ONE],
            "TypeError: SGD: grads[0] must be a list or a tuple like params[0]; got ndarray",
        ),
        (
            [[ONE, ONE], [ONE], ONE, ONE],
            "ValueError: SGD: grads must be as many as the groups (2) or as their params (3); got 4",
        ),
        ([[ONE, ONE], [None, ONE]], "ValueError: SGD: grads[1] must be as many as params[1] (1); got 2"),
        (
            [[ONE, np.ones(1)], [None]],
            "ValueError: SGD: grads[0][1] must have the shape of params[0][1] (2,); got (1,)",
        ),
        ({"params": ONE}, "TypeError: SGD: grads must be a list with an entry per group; got dict"),
    ],
)
def test_gradients_by_group_are_refused(grads, want):
    params = [{"params": [np.ones(2), np.ones(2)]}, {"params": [np.ones(2)], "lr": 0.1}]
    assert message(optim.SGD(params).step, grads) == want
    for group in params:
        for param in group["params"]:
            np.testing.assert_array_equal(param, np.ones(2))


def test_a_parameter_that_became_read_only_is_refused_before_the_first_is_written():
    params = [np.ones(2), np.ones(2)]
    optimizer = optim.SGD(params)
    params[1].flags.writeable = False
    assert message(optimizer.step, [ONE, ONE]) == (
        "ValueError: SGD: params[1] must be writable; got a read-only float64 array of shape (2,)"
    )
    assert params[0][0] == 1


@pytest.mark.parametrize(
    ("change", "want"),
    [
        ({"lr": "x"}, "TypeError: Adam: lr must be a number; got str"),
        ({"betas": (0.9, 2)}, "ValueError: Adam: betas must lie in [0, 1); got (0.9, 2.0)"),
        ({"lr": np.ones(3)}, "TypeError: Adam: lr must be a number; got ndarray"),
        ({"eps": None}, "TypeError: Adam: eps must be a number; got NoneType"),
    ],
)
def test_a_bad_setting_of_a_late_group_stops_the_step_before_the_first_write(change, want):
    params = [np.ones(2), np.ones(2)]
    optimizer = optim.Adam([{"params": [params[0]]}, {"params": [params[1]]}])
    optimizer.param_groups[1].update(change)
    assert message(optimizer.step, [ONE, ONE]) == want
    assert params[0][0] == 1
    del optimizer.param_groups[1]["eps"]
    assert message(optimizer.step, [ONE, ONE]) in (
        "ValueError: Adam: param_groups must have every setting; got none for 'eps'",
        want,
    )


def test_groups_that_are_added_are_checked_first():
    optimizer = optim.SGD([np.ones(2)])
    own = optimizer.param_groups[0]["params"][0]
    assert message(optimizer.add_param_group, [np.ones(2)]) == (
        "TypeError: SGD: param_group must be a dict with 'params'; got list"
    )
    assert message(optimizer.add_param_group, {"params": own}) == (
        "ValueError: SGD: params[1][0] must not overlap params[0]; got two views of one buffer"
    )
    assert message(optimizer.add_param_group, {"params": np.ones(2), "lr": -1}) == (
        "ValueError: SGD: lr must be a finite number of at least 0; got -1.0"
    )
    assert len(optimizer.param_groups) == 1
    optimizer.step([ONE])


def test_arrays_in_param_groups_must_fit():
    optimizer = optim.SGD([np.ones(2)])
    optimizer.param_groups[0]["params"][0] = np.ones(3)
    assert message(optimizer.step, [ONE]) == (
        "ValueError: SGD: params[0] must stay float64 of shape (2,); got float64 (3,)"
    )
    optimizer.param_groups[0]["params"] = []
    assert message(optimizer.step, [ONE]) == (
        "ValueError: SGD: param_groups must keep their parameters (1); got 0; use add_param_group"
    )


@pytest.mark.parametrize(
    ("key", "rows", "want"),
    [
        (3, [0], "ValueError: Adam: key must be the place or the name of one parameter; got 3"),
        ("W", [0], "ValueError: Adam: key must be the place or the name of one parameter; got 'W'"),
        ("E", [0, 5], "IndexError: Adam: rows must lie in [0, 3); got 5"),
        (0, [[-1]], "IndexError: Adam: rows must lie in [0, 3); got -1"),
        (0, [0.5], "TypeError: Adam: rows must be int32 or int64; got float64"),
    ],
)
def test_catch_up_is_refused(key, rows, want):
    assert message(optim.Adam({"E": np.ones((3, 1))}, sparse="exact").catch_up, key, rows) == want


TWO_CALLS = {
    "rates": lambda params: optim.Adam([{"params": p, "lr": 0.1 * i} for i, p in enumerate(params, 1)]),
    "ages": lambda params: optim.Adam(params),
}


@pytest.mark.parametrize("kind", TWO_CALLS)
@pytest.mark.parametrize(
    ("harm", "want"),
    [
        (
            lambda state: state.update(exp_avg=np.zeros(2)),
            "ValueError: Adam: state must have 'exp_avg' of params{last} as float64 of shape (3,); got float64 (2,)",
        ),
        (
            lambda state: state.update(exp_avg_sq=np.zeros(3, np.float32)),
            "ValueError: Adam: state must have 'exp_avg_sq' of params{last} as float64 of shape (3,); "
            "got float32 (3,)",
        ),
        (
            lambda state: state.update(exp_avg=[0.0, 0.0, 0.0]),
            "TypeError: Adam: state must have 'exp_avg' of params{last} as a numpy array; got list",
        ),
        (
            lambda state: state.update(exp_avg=np.zeros(6)[::2]),
            "ValueError: Adam: state must have 'exp_avg' of params{last} C-contiguous and writable; "
            "got a float64 array of shape (3,)",
        ),
        (
            lambda state: state["exp_avg"].setflags(write=False),
            "ValueError: Adam: state must have 'exp_avg' of params{last} C-contiguous and writable; "
            "got a float64 array of shape (3,)",
        ),
        (
            lambda state: state.update(exp_avg=state["exp_avg_sq"]),
            "ValueError: Adam: state must have 'exp_avg_sq' of params{last} apart from params and other state; "
            "got two views of one buffer",
        ),
    ],
)
def test_a_spoilt_state_of_the_second_call_stops_the_first(kind, harm, want):
    params = [np.ones(2), np.ones(3)]
    optimizer = TWO_CALLS[kind](params)
    grads = [np.ones(2), np.ones(3)]
    if kind == "ages":
        optimizer.step([None, grads[1]])
    optimizer.step(grads)
    harm(optimizer.state[1])
    before = [p.copy() for p in params], [dict(state) for state in optimizer.state]
    moments = [optimizer.state[0][name].copy() for name in ("exp_avg", "exp_avg_sq")]
    last = "[1][0]" if kind == "rates" else "[1]"
    assert message(optimizer.step, grads) == want.replace("{last}", last)
    np.testing.assert_equal(([p.copy() for p in params], [dict(state) for state in optimizer.state]), before)
    np.testing.assert_equal([optimizer.state[0][name] for name in ("exp_avg", "exp_avg_sq")], moments)


@pytest.mark.parametrize("owner", [0, 1])
@pytest.mark.parametrize("kind", TWO_CALLS)
def test_a_gradient_that_is_a_state_stops_every_call(kind, owner):
    params = [np.ones(3), np.ones(3)]
    optimizer = TWO_CALLS[kind](params)
    if kind == "ages":
        optimizer.step([None, np.ones(3)])
    optimizer.step([np.ones(3), np.ones(3)])
    labels = ["[0][0]", "[1][0]"] if kind == "rates" else ["[0]", "[1]"]
    for place in range(2):
        grads = [np.ones(3), np.ones(3)]
        grads[place] = optimizer.state[owner]["exp_avg"]
        before = [p.copy() for p in params], optimizer.state_dict()
        assert message(optimizer.step, grads) == (
            f"ValueError: Adam: grads{labels[place]} must not overlap the state 'exp_avg' of params{labels[owner]}; "
            "got two views of one buffer"
        )
        np.testing.assert_equal(([p.copy() for p in params], optimizer.state_dict()), before)


def test_a_spoilt_state_of_rows_stops_the_dense_call_before_them():
    params = [np.ones(2), np.ones((3, 1))]
    optimizer = optim.Adam(params, sparse="touched")
    grads = [np.ones(2), RowGrad([1], [[1.0]], (3, 1))]
    optimizer.step(grads)
    optimizer.state[1]["exp_avg"] = np.zeros((2, 1))
    before = [p.copy() for p in params]
    assert message(optimizer.step, grads) == (
        "ValueError: Adam: state must have 'exp_avg' of params[1] as float64 of shape (3, 1); got float64 (2, 1)"
    )
    np.testing.assert_equal(params, before)


@pytest.mark.parametrize("value", ["no", np.nan, -5, (1, 2), [], {}, 1j])
def test_flags_must_be_true_or_false(value):
    want = f"TypeError: Adam: maximize must be True or False; got {value!r}"
    assert message(optim.Adam, [np.ones(1)], maximize=value) == want
    optimizer = optim.Adam([np.ones(1)])
    optimizer.param_groups[0]["maximize"] = value
    assert message(optimizer.step, [np.ones(1)]) == want
    optimizer.param_groups[0]["maximize"] = np.bool_(True)
    optimizer.step([np.ones(1)])


def test_an_array_as_rate_is_refused_by_a_step():
    optimizer = optim.SGD([np.ones(1)])
    optimizer.param_groups[0]["lr"] = np.array([0.1, 0.2])
    assert message(optimizer.step, [np.ones(1)]) == "TypeError: SGD: lr must be a number; got ndarray"
