"""Clipping in the torch dialect: golden numbers, torch itself where it is installed, row gradients, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from strop.optim import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm
from strop.rowgrad import RowGrad

POWERS = [2.0, 1.0, math.inf, "inf", 3, 0.5, 2.5]


def test_the_norm_is_that_of_all_gradients_together():
    grads = [np.array([3.0]), np.array([4.0])]
    assert clip_grad_norm_(grads, 1) == 5.0
    assert [grad[0] for grad in grads] == pytest.approx([0.59999988, 0.79999984], abs=1e-12)
    assert clip_grad_norm_(grads, 1.0) == pytest.approx(1.0, abs=1e-6)


def test_a_norm_within_the_bound_changes_no_bit(dtype):
    grads = [np.array([3.0, -0.1], dtype), np.array([4.0], dtype)]
    for grad in grads:
        grad.flags.writeable = True
    before = [grad.copy() for grad in grads]
    clip_grad_norm_(grads, 100.0)
    clip_grad_norm_(grads, math.inf)
    np.testing.assert_equal(grads, before)


def test_values_are_held_in_the_bounds():
    grads = [np.array([3.0, -0.5, math.nan]), None, np.array([[-4.0]], np.float32)]
    assert clip_grad_value_(grads, 3.5) is None
    clip_grad_value_(grads, 1)
    np.testing.assert_array_equal(grads[0], [1.0, -0.5, math.nan])
    assert grads[2] == -1.0


def test_a_row_gradient_counts_after_its_duplicates_are_summed():
    def grads():
        return [RowGrad([0, 0], [[3.0], [4.0]], (3, 1))]

    assert get_total_norm(grads()) == 7.0
    assert get_total_norm(grads(), 1) == get_total_norm(grads(), math.inf) == 7.0
    halved = grads()
    values = halved[0].values
    assert clip_grad_norm_(halved, 3.5) == 7.0
    assert halved[0].values is values
    np.testing.assert_allclose(halved[0].to_dense().ravel(), [3.5, 0, 0], rtol=1e-6)
    held = grads()
    clip_grad_value_(held, 5.0)
    np.testing.assert_array_equal(held[0].to_dense().ravel(), [5.0, 0, 0])
    once = [RowGrad([2, 1], [[9.0], [-9.0]], (3, 1))]
    values = once[0].values
    clip_grad_value_(once, 5.0)
    np.testing.assert_array_equal(values.ravel(), [5.0, -5.0])


@pytest.mark.parametrize("p", POWERS)
def test_a_row_gradient_is_clipped_like_the_dense_one(rng, p):
    rows, values = rng.integers(0, 7, 20), rng.normal(size=(20, 3))
    sparse = RowGrad(rows, values, (9, 3))
    dense, other = sparse.to_dense(), rng.normal(size=5)
    both = {"table": sparse, "rest": [other.copy()]}
    want = {"table": dense, "rest": [other.copy()]}
    assert clip_grad_norm_(both, 0.5, p) == pytest.approx(clip_grad_norm_(want, 0.5, p), rel=1e-13)
    np.testing.assert_allclose(sparse.to_dense(), dense, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(both["rest"][0], want["rest"][0], rtol=1e-13)


def test_gradients_come_in_any_structure():
    def arrays():
        return [np.array([3.0]), np.array([4.0])]

    a, b = arrays()
    for grads in (
        (a, b), {"a": a, "b": b}, {"layer": [a, {"bias": b, "none": None}]}, [None, a, [b]], iter([a, b]),
        [{"params": [a]}, {"params": [b]}],
    ):  # fmt: skip
        assert get_total_norm(grads) == 5.0
    assert get_total_norm(b) == 4.0
    assert get_total_norm([]) == get_total_norm([None, {}]) == 0.0
    assert get_total_norm([np.zeros((0, 3))], math.inf) == get_total_norm([np.zeros(0)], 1) == 0.0
    clip_grad_norm_([None], 1.0)
    generated = (grad for grad in (a, b))
    clip_grad_norm_(generated, 2.5)
    assert [a[0], b[0]] == pytest.approx([1.5, 2.0], rel=1e-6)


def test_norms_at_the_edges_of_the_range(dtype):
    big, small = (1e30, 1e-30) if dtype == np.float32 else (1e200, 1e-200)
    assert get_total_norm([np.array([3, -4], dtype) * dtype.type(big)]) == pytest.approx(5 * big, rel=1e-6)
    assert get_total_norm([np.array([3, -4], dtype) * dtype.type(small)]) == pytest.approx(
        5 * small, rel=1e-6
    )
    assert get_total_norm([np.full(3, big, dtype), np.full(1, big, dtype)]) == pytest.approx(
        2 * big, rel=1e-6
    )


def test_norms_of_long_arrays(rng, dtype):
    grad = rng.normal(size=100_003).astype(dtype)
    exact = grad.astype(np.float64)
    for p in (1, 2, 3, 0.5, math.inf):
        want = np.abs(exact).max() if p == math.inf else (np.abs(exact) ** p).sum() ** (1 / p)
        assert get_total_norm([grad], p) == pytest.approx(want, rel=1e-6 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize(("bad", "after"), [(math.inf, [0.0, math.nan]), (math.nan, [math.nan, math.nan])])
def test_a_norm_that_is_not_finite(bad, after):
    grads = [np.array([1.0, bad])]
    for norm in (2.0, 1.0, math.inf):
        with pytest.raises(RuntimeError) as caught:
            clip_grad_norm_(grads, 1.0, norm, error_if_nonfinite=True)
        assert str(caught.value) == (
            f"clip_grad_norm_: grads must have a finite norm; got {bad}; use error_if_nonfinite=False to go on"
        )
    np.testing.assert_array_equal(grads[0], [1.0, bad])
    assert str(clip_grad_norm_(grads, 1.0)) == str(bad)
    np.testing.assert_array_equal(grads[0], after)
    assert math.isnan(get_total_norm([np.array([math.inf]), np.array([math.nan])]))


def test_a_known_norm_is_used():
    grads = [np.array([3.0]), np.array([4.0])]
    clip_grads_with_norm_(grads, 1.0, 10.0)
    assert [grad[0] for grad in grads] == pytest.approx([0.3, 0.4], rel=1e-6)
    clip_grads_with_norm_(grads, 1.0, math.nan)
    assert math.isnan(grads[0][0])


# ---- torch itself ----------------------------------------------------------


@pytest.fixture
def utils():
    pytest.importorskip("torch", reason="torch is the peer of this test")
    from torch.nn import utils

    return utils


@pytest.mark.parametrize("p", POWERS)
def test_clipping_is_that_of_torch(utils, rng, dtype, p):
    import torch

    for trial in range(20):
        shapes = [tuple(rng.integers(1, 40, rng.integers(1, 3))) for _ in range(rng.integers(1, 6))]
        grads = [(rng.normal(size=s) * 10 ** rng.uniform(-6, 2)).astype(dtype) for s in shapes]
        params = [torch.zeros(s, dtype=getattr(torch, dtype.name), requires_grad=True) for s in shapes]
        for param, grad in zip(params, grads, strict=True):
            param.grad = torch.from_numpy(grad.copy())
        bound = float(10 ** rng.uniform(-3, 2))
        roundings = 1e-12 if dtype == np.float64 else 2e-6
        if trial % 3 == 2:
            utils.clip_grad_value_(params, bound)
            clip_grad_value_(grads, bound)
        else:
            want = float(utils.clip_grad_norm_(params, bound, p))
            assert get_total_norm(grads, p) == pytest.approx(want, rel=roundings)
            assert clip_grad_norm_(grads, bound, p) == pytest.approx(want, rel=roundings)
        for param, grad in zip(params, grads, strict=True):
            np.testing.assert_allclose(grad, param.grad.numpy(), rtol=roundings, atol=0)


# ---- refusals --------------------------------------------------------------


def read_only():
    array = np.ones(3)
    array.flags.writeable = False
    return array


WHOLE = np.ones(4)
TWICE = np.ones(4)
REFUSED = [
    (lambda: [np.ones(2), 3.0], TypeError, "grads[1] must be a numpy array or a RowGrad; got float"),
    (lambda: 3.0, TypeError, "grads must be a numpy array or a RowGrad; got float"),
    (lambda: {"w": [np.ones(2), np.ones(3, int)]}, TypeError,
     "grads['w'][1] must be float32 or float64; got a int64 array of shape (3,)"),
    (lambda: [np.ones(2), np.ones((4, 2)).T], ValueError,
     "grads[1] must be C-contiguous; got a strided float64 array of shape (2, 4); use numpy.ascontiguousarray"),
    (lambda: [np.ones(2), np.ma.ones(3)], TypeError, "grads[1] must be a numpy array or a RowGrad; got MaskedArray"),
]  # fmt: skip
REFUSED_TO_WRITE = [
    (lambda: [np.ones(2), read_only()], ValueError,
     "grads[1] must be writable; got a read-only float64 array of shape (3,)"),
    (lambda: [np.ones(2), RowGrad([1], read_only().reshape(1, 3), (4, 3))], ValueError,
     "grads[1] must be writable; got a read-only float64 array of shape (1, 3)"),
    (lambda: {"a": WHOLE, "b": WHOLE[2:]}, ValueError,
     "grads['b'] must not overlap grads['a']; got two views of one buffer"),
    (lambda: [TWICE, TWICE], ValueError, "grads[1] must not overlap grads[0]; got two views of one buffer"),
]  # fmt: skip
CALLS = {
    "clip_grad_norm_": lambda grads: clip_grad_norm_(grads, 0.1),
    "clip_grad_value_": lambda grads: clip_grad_value_(grads, 0.1),
    "clip_grads_with_norm_": lambda grads: clip_grads_with_norm_(grads, 0.1, 1.0),
    "get_total_norm": get_total_norm,
}


def copies(grads):
    if isinstance(grads, dict):
        return copies(list(grads.values()))
    return [g.copy() for g in grads if isinstance(g, np.ndarray)] if isinstance(grads, list) else []


@pytest.mark.parametrize("op", CALLS)
@pytest.mark.parametrize(("make", "error", "text"), REFUSED, ids=[text for *_, text in REFUSED])
def test_gradients_that_do_not_fit_are_refused_whole(op, make, error, text):
    grads = make()
    before = copies(grads)
    with pytest.raises(error) as caught:
        CALLS[op](grads)
    assert str(caught.value) == f"{op}: {text}"
    np.testing.assert_equal(copies(grads), before)


@pytest.mark.parametrize("op", [op for op in CALLS if op != "get_total_norm"])
@pytest.mark.parametrize(
    ("make", "error", "text"), REFUSED_TO_WRITE, ids=[text for *_, text in REFUSED_TO_WRITE]
)
def test_gradients_that_cannot_be_written_are_refused_whole(op, make, error, text):
    test_gradients_that_do_not_fit_are_refused_whole(op, make, error, text)
    get_total_norm(make())


def test_a_structure_inside_itself_is_refused():
    grads = [np.ones(2)]
    grads.append(grads)
    with pytest.raises(ValueError) as caught:
        clip_grad_norm_(grads, 1.0)
    assert str(caught.value) == (
        "clip_grad_norm_: grads must be nested less deeply; got a list or dict inside itself"
    )


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda g: clip_grad_norm_(g, -1), ValueError,
         "clip_grad_norm_: max_norm must be a number of at least 0; got -1.0"),
        (lambda g: clip_grad_norm_(g, math.nan), ValueError,
         "clip_grad_norm_: max_norm must be a number of at least 0; got nan"),
        (lambda g: clip_grad_norm_(g, "1"), TypeError,
         "clip_grad_norm_: max_norm must be a number of at least 0; got str"),
        (lambda g: clip_grad_norm_(g, 1, 0), ValueError,
         "clip_grad_norm_: norm_type must be a number above 0 or inf; got 0.0"),
        (lambda g: get_total_norm(g, "two"), TypeError,
         "get_total_norm: norm_type must be a number above 0 or inf; got str"),
        (lambda g: clip_grad_value_(g, -0.5), ValueError,
         "clip_grad_value_: clip_value must be a number of at least 0; got -0.5"),
        (lambda g: clip_grads_with_norm_(g, 1, -1), ValueError,
         "clip_grads_with_norm_: total_norm must be a number of at least 0; got -1.0"),
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused(call, error, text):
    grads = [np.ones(2)]
    with pytest.raises(error) as caught:
        call(grads)
    assert str(caught.value) == text
    np.testing.assert_array_equal(grads[0], 1)
