"""Layer normalization: rows of the last axes, forward and backward."""

from __future__ import annotations

import numpy as np
import pytest

from cases.layer_norm import CASES
from strop import ops, reference
from strop._device import HOST, memory_for_steps
from tolerance import SUM_ROUNDINGS, assert_close


def data(rng, dtype, shape, axes, offset=0.0):
    x = (rng.normal(size=shape) + offset).astype(dtype)
    gamma, beta = (rng.normal(size=shape[-axes:]).astype(dtype) for _ in range(2))
    return x, gamma, beta, rng.normal(size=shape).astype(dtype)


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize(("shape", "axes"), CASES, ids=str)
def test_layer_norm_matches_the_reference(device, dtype, rng, shape, axes, offset):
    x, gamma, beta, grad = data(rng, dtype, shape, axes, offset)
    before = x.copy()
    y, mean, variance = ops.layer_norm(x, gamma, beta, axes=axes)
    want, want_mean, want_variance = reference.layer_norm(x, gamma, beta, axes=axes)
    eps = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(mean, want_mean, rtol=32 * eps, atol=32 * eps)
    np.testing.assert_allclose(
        variance, want_variance, rtol=64 * eps * (1 + (offset if dtype == np.float64 else 0)), atol=eps
    )
    # In float64 the mean itself has roundings of the offset.
    slack = offset / np.sqrt(want_variance.min() + 1e-3) if dtype == np.float64 else 0.0
    assert_close(y, want, scale=1 + abs(want) + abs(beta) + slack, roundings=SUM_ROUNDINGS)
    got = ops.layer_norm_backward(grad, x, gamma, mean, variance, axes=axes)
    want = reference.layer_norm_backward(grad, x, gamma, axes=axes)
    inverse = 1 / np.sqrt(want_variance + 1e-3)
    scale = 4 * np.abs(grad * gamma).max() * inverse.max()
    assert_close(got[0], want[0], scale=scale * (1 + np.abs(y).max() ** 2 + slack), roundings=SUM_ROUNDINGS)
    terms = np.abs(grad).max() * np.prod(shape[:-axes])
    assert_close(got[1], want[1], scale=4 * terms * (1 + slack), roundings=SUM_ROUNDINGS)
    assert_close(got[2], want[2], scale=terms, roundings=SUM_ROUNDINGS)
    np.testing.assert_array_equal(x, before)


def test_without_gamma_beta_and_the_gradient_by_x(device, dtype, rng):
    x, gamma, beta, grad = data(rng, dtype, (9, 20), 1)
    one, zero = np.ones_like(gamma), np.zeros_like(beta)
    y, mean, variance = ops.layer_norm(x)
    np.testing.assert_array_equal(y, ops.layer_norm(x, one, zero)[0])
    whole = ops.layer_norm_backward(grad, x, one, mean, variance)
    plain = ops.layer_norm_backward(grad, x, None, mean, variance)
    part = ops.layer_norm_backward(grad, x, gamma, mean, variance, need_x=False)
    assert part[0] is None
    for k in range(3):
        np.testing.assert_array_equal(plain[k], whole[k])
    for k in (1, 2):
        np.testing.assert_array_equal(part[k], whole[k])


def test_the_gradients_equal_finite_differences(device, rng):
    x, gamma, beta, grad = data(rng, np.dtype("float64"), (4, 6, 5), 2)
    _, mean, variance = ops.layer_norm(x, gamma, beta, axes=2)
    got = ops.layer_norm_backward(grad, x, gamma, mean, variance, axes=2)
    for at in range(3):
        arrays = [x, gamma, beta]
        step = rng.normal(size=arrays[at].shape)
        sides = []
        for sign in (1, -1):
            moved = list(arrays)
            moved[at] = arrays[at] + sign * 1e-6 * step
            sides.append((ops.layer_norm(*moved, axes=2)[0] * grad).sum())
        assert (sides[0] - sides[1]) / 2e-6 == pytest.approx((got[at] * step).sum(), rel=1e-6, abs=1e-7)


def test_torch_agrees_in_float64(device, rng):
    torch = pytest.importorskip("torch")
    x, gamma, beta, grad = data(rng, np.dtype("float64"), (7, 40), 1)
    leaves = [torch.from_numpy(a.copy()).requires_grad_() for a in (x, gamma, beta)]
    z = torch.nn.functional.layer_norm(leaves[0], (40,), leaves[1], leaves[2], 1e-5)
    z.backward(torch.from_numpy(grad))
    y, mean, variance = ops.layer_norm(x, gamma, beta, epsilon=1e-5)
    np.testing.assert_allclose(y, z.detach(), rtol=1e-12, atol=1e-13)
    got = ops.layer_norm_backward(grad, x, gamma, mean, variance, epsilon=1e-5)
    for mine, leaf in zip(got, leaves, strict=True):
        np.testing.assert_allclose(mine, leaf.grad, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("width", [1024, 1000, 257])
def test_an_array_past_the_caches_has_the_bits_of_its_parts(device, rng, width):
    """From 16 MB on, results are streamed to memory."""
    rows = 2**22 // width + 3
    x, gamma, beta, grad = data(rng, np.dtype("float32"), (rows, width), 1)
    with memory_for_steps("test", HOST):  # at the beginning of a line
        y, mean, variance = ops.layer_norm(x, gamma, beta)
        grad_x, by_gamma, by_beta = ops.layer_norm_backward(grad, x, gamma, mean, variance)
    for begin in range(0, rows, rows // 3):
        part = slice(begin, begin + rows // 3)
        again = ops.layer_norm(x[part], gamma, beta)
        for got, want in zip((y, mean, variance), again, strict=True):
            np.testing.assert_array_equal(got[part], want)
        want = ops.layer_norm_backward(grad[part], x[part], gamma, *again[1:])[0]
        np.testing.assert_array_equal(grad_x[part], want)
    normal = (x - mean[:, None]) / np.sqrt(variance + 1e-3)[:, None]
    np.testing.assert_allclose(
        by_gamma, (grad * normal).sum(0, dtype=np.float64), rtol=1e-5, atol=1e-3
    )  # one row is about 1
    np.testing.assert_allclose(
        by_beta, grad.sum(0, dtype=np.float64), rtol=1e-5, atol=1e-3
    )  # one row is about 1


def test_a_nan_spoils_its_row_only(device, dtype, rng):
    x = rng.normal(size=(5, 37)).astype(dtype)
    clean = ops.layer_norm(x)[0]
    x[3, 36], x[1, 0] = np.nan, np.inf
    y = ops.layer_norm(x)[0]
    assert np.isnan(y[[1, 3]]).all()
    np.testing.assert_array_equal(y[[0, 2, 4]], clean[[0, 2, 4]])


def test_a_constant_row_becomes_beta(device, dtype):
    for value in (0.0, 0.1, -1e4, 3e30):
        y, mean, variance = ops.layer_norm(np.full((2, 100), value, dtype), None, np.full(100, 3, dtype))
        np.testing.assert_array_equal(y, 3)
        np.testing.assert_array_equal(mean, np.float64(dtype.type(value)))
        np.testing.assert_array_equal(variance, 0)


@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (0, 0), (2, 0, 4)])
def test_an_axis_may_be_empty(device, dtype, shape):
    x = np.zeros(shape, dtype)
    y, mean, variance = ops.layer_norm(x)
    assert y.shape == shape
    assert mean.shape == variance.shape == shape[:-1]
    grads = ops.layer_norm_backward(x, x, None, mean, variance)
    assert [g.shape for g in grads] == [shape, shape[-1:], shape[-1:]]
    assert not grads[1].any()
    assert not grads[2].any()


X = np.zeros((2, 3), "f")


@pytest.mark.parametrize(
    ("arguments", "settings", "kind", "text"),
    [
        (([1.0],), {}, TypeError, "x must be a numpy array; got list"),
        ((X,), {"axes": 3}, ValueError, "axes must lie in [1, 2] for x of shape (2, 3); got 3"),
        ((X,), {"axes": 0}, ValueError, "axes must lie in [1, 2] for x of shape (2, 3); got 0"),
        ((X, np.zeros(2, "f")), {}, ValueError, "gamma must have shape (3,); got (2,)"),
        (
            (X, None, np.zeros(3)),
            {},
            TypeError,
            "beta must be float32 like x; got a float64 array of shape (3,)",
        ),
    ],
)
def test_layer_norm_refuses(arguments, settings, kind, text):
    with pytest.raises(kind) as caught:
        ops.layer_norm(*arguments, **settings)
    assert str(caught.value) == f"layer_norm: {text}"


def test_backward_refuses():
    mean = np.zeros(2)
    with pytest.raises(
        ValueError, match=r"^layer_norm_backward: grad must have the shape of x \(2, 3\); got \(2, 2\)$"
    ):
        ops.layer_norm_backward(X[:, :2].copy(), X, None, mean, mean)
    with pytest.raises(ValueError, match=r"^layer_norm_backward: mean must have shape \(2,\); got \(3,\)$"):
        ops.layer_norm_backward(X, X, None, np.zeros(3), mean)
    with pytest.raises(
        TypeError, match=r"^layer_norm_backward: variance must be float64; got a float32 array"
    ):
        ops.layer_norm_backward(X, X, None, mean, mean.astype("f"))
