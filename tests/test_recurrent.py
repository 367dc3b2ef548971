from __future__ import annotations

import numpy as np
import pytest

from cases import recurrent as cases
from strop import config, ops, reference
from tolerance import assert_close, recurrent_roundings


def arrays(rng, cell, shape, dtype):
    """x, kernel, recurrent_kernel, bias, and states for a cell."""
    batch, steps, inputs, units = shape
    gates = ops.CELLS[cell]
    x = rng.normal(size=(batch, steps, inputs))
    kernel = rng.normal(size=(inputs, gates * units)) / max(inputs, 1) ** 0.5
    recurrent_kernel = rng.normal(size=(units, gates * units)) / max(units, 1) ** 0.5
    bias = rng.normal(size=(2, gates * units) if cell == "gru" else gates * units)
    states = [rng.uniform(-1, 1, (batch, units)) for _ in range(2 if cell == "lstm" else 1)]
    values = [a.astype(dtype) for a in (x, kernel, recurrent_kernel, bias)]
    return values, [s.astype(dtype) for s in states]


def check_forward(weights, cell, what, **settings):
    run = ops.recurrent(*weights, cell=cell, **settings)
    want, *states = reference.recurrent(*weights, cell=cell, **settings)
    x, units = weights[0], weights[2].shape[0]
    close = {"scale": 1.0, "roundings": recurrent_roundings(x.shape[1], x.shape[2] + units)}
    scale = np.maximum(1, np.abs(want))
    assert_close(run.output, want, **close | {"scale": scale}, what=what)
    for got, state in zip(run.states, states, strict=False):
        assert_close(got, state, **close | {"scale": np.maximum(1, np.abs(state))}, what=what)
    return run


@pytest.mark.parametrize("cell", cases.CELLS)
def test_recurrent_matches_the_reference_at_every_size(device, dtype, rng, cell):
    for shape in cases.SHAPES:
        weights, states = arrays(rng, cell, shape, dtype)
        before = [w.copy() for w in (*weights, *states)]
        check_forward(weights, cell, f"{shape}")
        check_forward(weights, cell, f"{shape} with states", initial_state=states)
        check_forward([*weights[:3], None], cell, f"{shape} backwards", backwards=True)
        for array, copy in zip((*weights, *states), before, strict=True):
            np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("cell", cases.CELLS)
@pytest.mark.parametrize("mask", cases.MASKS)
def test_recurrent_under_a_mask_matches_the_reference(device, dtype, rng, cell, mask):
    weights, states = arrays(rng, cell, (3, 5, 4, 6), dtype)
    kept = np.array(cases.MASKS[mask], bool)
    for settings in ({}, {"initial_state": states}, {"backwards": True}, {"zeros": True}):
        check_forward(weights, cell, f"{mask} {settings}", mask=kept, **settings)


@pytest.mark.parametrize("cell", cases.CELLS)
@pytest.mark.parametrize("names", [("relu", "hard_sigmoid"), ("linear", "sigmoid"), ("sigmoid", "tanh")])
def test_recurrent_with_other_activations_matches_the_reference(device, dtype, rng, cell, names):
    weights, _ = arrays(rng, cell, (3, 4, 4, 18), dtype)
    check_forward(weights, cell, f"{names}", activation=names[0], recurrent_activation=names[1])


def check_backward(rng, weights, states, cell, **settings):
    run = ops.recurrent(*weights, cell=cell, initial_state=states, **settings)
    grad = rng.normal(size=run.output.shape)
    grad_states = [rng.normal(size=s.shape) for s in run.states]
    got = ops.recurrent_backward(grad, run, grad_states=grad_states)
    want = reference.recurrent_backward(
        grad, *weights, cell=cell, grad_states=grad_states, initial_state=states, **settings
    )
    for name, array in zip(("x", "kernel", "recurrent_kernel", "bias"), got, strict=False):
        if array is None:
            assert name == "bias"
            assert weights[3] is None
            continue
        np.testing.assert_allclose(array, want[name], rtol=1e-6, atol=1e-7, err_msg=name)
    for array, state in zip(got[4], want["states"], strict=True):
        np.testing.assert_allclose(array, state, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("cell", cases.CELLS)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"backwards": True},
        {"mask": "middle"},
        {"mask": "pre", "backwards": True},
        {"mask": "all", "zeros": True},
        {"activation": "sigmoid", "recurrent_activation": "tanh"},
        {"activation": "linear", "recurrent_activation": "hard_sigmoid"},
        {"activation": "relu"},
        {"factor": True},
        {"factor": True, "mask": "middle"},
    ],
    ids=str,
)
def test_recurrent_backward_is_the_finite_difference(device, rng, cell, settings):
    weights, states = arrays(rng, cell, (3, 5, 3, 5), np.float64)
    settings = dict(settings)
    if "mask" in settings:
        settings["mask"] = np.array(cases.MASKS[settings["mask"]], bool)
    if "factor" in settings:
        settings["factor"] = rng.integers(0, 2, (3, 5)) * 2.0
    check_backward(rng, weights, states, cell, **settings)


@pytest.mark.parametrize("cell", cases.CELLS)
@pytest.mark.parametrize(
    "shape", [(1, 1, 1, 1), (1, 3, 2, 17), (6, 2, 3, 9), (0, 3, 2, 2), (2, 0, 2, 2), (2, 3, 0, 3)]
)
def test_recurrent_backward_at_edge_sizes_is_the_finite_difference(device, rng, cell, shape):
    weights, states = arrays(rng, cell, shape, np.float64)
    check_backward(rng, [*weights[:3], None], states, cell)


@pytest.mark.parametrize("cell", cases.CELLS)
def test_recurrent_backward_in_float32_is_that_of_float64(device, rng, cell):
    weights, states = arrays(rng, cell, (9, 12, 10, 40), np.float64)
    grad = rng.normal(size=(9, 12, 40))
    wide = ops.recurrent_backward(grad, ops.recurrent(*weights, cell=cell, initial_state=states))
    weights, states = [w.astype("f") for w in weights], [s.astype("f") for s in states]
    narrow = ops.recurrent_backward(
        grad.astype("f"), ops.recurrent(*weights, cell=cell, initial_state=states)
    )
    for got, want in zip([*narrow[:4], *narrow[4]], [*wide[:4], *wide[4]], strict=True):
        assert np.abs(got - want).max() < 1e-5 * np.abs(want).max()


@pytest.mark.parametrize("cell", cases.CELLS)
@pytest.mark.parametrize("backwards", [False, True])
def test_recurrent_backward_of_many_rows_adds_up_that_of_few(device, dtype, rng, cell, backwards):
    """19 rows of 33 steps sum the gradients by the weights themselves, 9 or 10 rows leave them to products."""
    weights, states = arrays(rng, cell, (19, 33, 6, 21), dtype)
    mask = rng.random((19, 33)) < 0.8
    factor = rng.choice([0.0, 2.0], (19, 21)).astype(dtype)
    grad = rng.normal(size=(19, 33, 21)).astype(dtype)

    def gradients(rows):
        x, state = np.ascontiguousarray(weights[0][rows]), [np.ascontiguousarray(s[rows]) for s in states]
        settings = {
            "initial_state": state,
            "mask": mask[rows],
            "factor": factor[rows],
            "backwards": backwards,
        }
        run = ops.recurrent(x, *weights[1:], cell=cell, **settings)
        return ops.recurrent_backward(grad[rows], run)

    whole, upper, lower = gradients(slice(0, 19)), gradients(slice(0, 9)), gradients(slice(9, 19))
    wanted = [
        np.concatenate([upper[0], lower[0]]),
        *(a + b for a, b in zip(upper[1:4], lower[1:4], strict=True)),
    ]
    for got, want in zip(whole[:4], wanted, strict=True):
        assert np.abs(got - want).max() <= 100 * np.finfo(dtype).eps * np.abs(want).max()


@pytest.mark.parametrize("cell", cases.CELLS)
def test_a_row_has_the_same_bits_in_any_batch_and_on_any_number_of_threads(device, dtype, rng, cell):
    weights, _ = arrays(rng, cell, (37, 33, 8, 40), dtype)
    grad = rng.normal(size=(37, 33, 40)).astype(dtype)
    found = []
    for threads in (1, 2, 3, 8):
        with config.threads(threads):
            run = ops.recurrent(*weights, cell=cell)
            found.append([run.output, *run.states, *ops.recurrent_backward(grad, run)[:4]])
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, two)
    for rows in (slice(0, 1), slice(3, 9), slice(36, 37)):
        part = ops.recurrent(np.ascontiguousarray(weights[0][rows]), *weights[1:], cell=cell)
        np.testing.assert_array_equal(part.output, found[0][0][rows])


@pytest.mark.parametrize("cell", cases.CELLS)
def test_recurrent_without_sequences_or_saving_gives_the_same_states(device, rng, cell):
    weights, _ = arrays(rng, cell, (5, 6, 3, 7), np.float32)
    run = ops.recurrent(*weights, cell=cell)
    short = ops.recurrent(*weights, cell=cell, sequences=False, save=False)
    assert short.output is None
    assert short.saved is None
    for one, two in zip(run.states, short.states, strict=True):
        np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(run.output[:, -1], run.states[0])


@pytest.mark.parametrize("cell", cases.CELLS)
def test_nan_stays_in_its_row_and_goes_on_in_time(device, dtype, rng, cell):
    weights, _ = arrays(rng, cell, (4, 4, 3, 5), dtype)
    weights[0][1, 2, 0] = np.nan
    out = ops.recurrent(*weights, cell=cell).output
    assert np.isnan(out[1, 2:]).all()
    assert np.isfinite(out[1, :2]).all()
    assert np.isfinite(out[[0, 2, 3]]).all()


def test_a_masked_step_may_hold_nan(device, dtype, rng):
    weights, _ = arrays(rng, "lstm", (2, 3, 3, 5), dtype)
    weights[0][0, 1] = np.nan
    mask = np.array([[1, 0, 1], [1, 1, 1]], bool)
    assert np.isfinite(ops.recurrent(*weights, cell="lstm", mask=mask).output).all()


def test_a_gradient_that_fades_becomes_zero(device):
    x, one, small = np.zeros((1, 300, 1), "f"), np.ones((1, 1), "f"), np.full((1, 1), 0.5, "f")
    run = ops.recurrent(x, one, small, cell="simple_rnn", activation="linear")
    grad = np.zeros_like(run.output)
    grad[0, -1] = 1
    by_x = ops.recurrent_backward(grad, run)[0].ravel()
    assert by_x[-1] == 1
    assert by_x[-100] == 0.5**99
    assert by_x[0] == 0


def refused(**change):
    given = {"x": np.zeros((2, 3, 4)), "kernel": np.zeros((4, 20)), "recurrent_kernel": np.zeros((5, 20))}
    settings = {"cell": "lstm"}
    for name, value in change.items():
        (given if name in given else settings)[name] = value
    bias = settings.pop("bias", None)
    return lambda: ops.recurrent(*given.values(), bias, **settings)


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (refused(x=[1.0]), TypeError, "recurrent: x must be a numpy array; got list"),
        (refused(x=np.zeros((2, 3))), ValueError, "recurrent: x must have 3 axes; got shape (2, 3)"),
        (
            refused(kernel=np.zeros((4, 20), "f")),
            TypeError,
            "recurrent: kernel must be float64 like x; got a float32 array of shape (4, 20)",
        ),
        (
            refused(kernel=np.zeros((3, 20))),
            ValueError,
            "recurrent: kernel must have shape (4, 20); got (3, 20)",
        ),
        (
            refused(recurrent_kernel=np.zeros((5, 15))),
            ValueError,
            "recurrent: recurrent_kernel must have shape (5, 20); got (5, 15)",
        ),
        (refused(bias=np.zeros(5)), ValueError, "recurrent: bias must have shape (20,); got (5,)"),
        (
            refused(
                cell="gru", kernel=np.zeros((4, 15)), recurrent_kernel=np.zeros((5, 15)), bias=np.zeros(15)
            ),
            ValueError,
            "recurrent: bias must have shape (2, 15); got (15,)",
        ),
        (
            refused(mask=np.ones((2, 3))),
            TypeError,
            "recurrent: mask must be bool; got a float64 array of shape (2, 3)",
        ),
        (
            refused(mask=np.ones((3, 2), bool)),
            ValueError,
            "recurrent: mask must have shape (2, 3); got (3, 2)",
        ),
        (
            refused(initial_state=[np.zeros((2, 5))]),
            ValueError,
            "recurrent: initial_state must have 2 arrays for lstm; got 1",
        ),
        (
            refused(initial_state=[np.zeros((2, 5)), np.zeros((2, 4))]),
            ValueError,
            "recurrent: initial_c must have shape (2, 5); got (2, 4)",
        ),
        (
            refused(cell="rnn"),
            ValueError,
            "recurrent: cell must be simple_rnn, lstm, gru or gru_reset_before; got 'rnn'",
        ),
        (
            refused(activation="gelu"),
            ValueError,
            "recurrent: activation must be linear, relu, sigmoid, tanh or hard_sigmoid; got 'gelu'",
        ),
        (
            refused(x=np.zeros((2, 4, 3)).transpose(0, 2, 1)),
            ValueError,
            "recurrent: x must be C-contiguous; got a strided float64 array of shape (2, 3, 4)"
            "; use numpy.ascontiguousarray",
        ),
        (
            lambda: ops.recurrent_backward(np.zeros((2, 3, 4)), refused()()),
            ValueError,
            "recurrent_backward: grad must have shape (2, 3, 5); got (2, 3, 4)",
        ),
        (
            lambda: ops.recurrent_backward(None, refused(save=False)()),
            ValueError,
            "recurrent_backward: run must have been saved; got one made with save=False",
        ),
    ],
)
def test_recurrent_refuses(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == text
