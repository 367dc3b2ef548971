"""Batch and group normalization, forward and backward."""

from __future__ import annotations

import numpy as np
import pytest

from cases.batch_norm import GROUPS, SHAPES
from strop import ops, reference
from strop._device import HOST, memory_for_steps
from tolerance import SUM_ROUNDINGS, assert_close


def data(rng, dtype, shape, offset=0.0):
    x = (rng.normal(size=shape) + offset).astype(dtype)
    gamma, beta = (rng.normal(size=shape[-1:]).astype(dtype) for _ in range(2))
    return x, gamma, beta, rng.normal(size=shape).astype(dtype)


def compare(dtype, x, beta, grad, got, want, back, want_back, offset):
    """Forward results, then the three gradients, within roundings of the terms that are added."""
    eps = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(got[1], want[1], rtol=32 * eps, atol=32 * eps)
    np.testing.assert_allclose(
        got[2], want[2], rtol=64 * eps * (1 + (offset if dtype == np.float64 else 0)), atol=eps
    )
    # In float64 the mean itself has roundings of the offset.
    slack = offset / np.sqrt(want[2].min() + 1e-3) if dtype == np.float64 else 0.0
    scaled = 1 + abs(want[0]) + abs(beta) + slack
    assert_close(got[0], want[0], scale=scaled, roundings=2 * SUM_ROUNDINGS)
    inverse = 1 / np.sqrt(want[2].min() + 1e-3)
    scale = np.abs(grad).max() * inverse * (1 + np.abs(scaled).max() ** 2)
    assert_close(back[0], want_back[0], scale=4 * scale, roundings=SUM_ROUNDINGS)
    terms = np.abs(grad).sum(axis=tuple(range(x.ndim - 1))) * np.abs(scaled).max()
    assert_close(back[1], want_back[1], scale=4 * terms, roundings=SUM_ROUNDINGS)
    assert_close(back[2], want_back[2], scale=terms, roundings=SUM_ROUNDINGS)


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_batch_norm_matches_the_reference(device, dtype, rng, shape, offset):
    x, gamma, beta, grad = data(rng, dtype, shape, offset)
    before = x.copy()
    masks = [None]
    if len(x) > 1:
        masks.append(rng.random(shape[:-1]) < 0.7)
        masks[1].ravel()[0] = True
    for mask in masks:
        got = ops.batch_norm(x, gamma, beta, mask=mask)
        want = reference.batch_norm(x, gamma, beta, mask=mask)
        back = ops.batch_norm_backward(grad, x, gamma, got[1], got[2], mask=mask)
        want_back = reference.batch_norm_backward(grad, x, gamma, mask=mask)
        compare(dtype, x, beta, grad, got, want, back, want_back, offset)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_inference_matches_the_reference(device, dtype, rng, shape):
    x, gamma, beta, grad = data(rng, dtype, shape)
    mean, variance = grad.reshape(-1, shape[-1])[0].copy(), np.abs(gamma) + dtype.type(0.1)
    got = ops.batch_norm_inference(x, mean, variance, gamma, beta)
    want = reference.batch_norm_inference(x, mean, variance, gamma, beta)
    scale = 4 * (np.abs(x) + np.abs(mean)) * np.abs(gamma) / np.sqrt(variance) + np.abs(beta)
    assert_close(got, want, scale=scale, roundings=8)


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize(("shape", "groups"), GROUPS, ids=str)
def test_group_norm_matches_the_reference(device, dtype, rng, shape, groups, offset):
    x, gamma, beta, grad = data(rng, dtype, shape, offset)
    got = ops.group_norm(x, gamma, beta, groups=groups)
    want = reference.group_norm(x, gamma, beta, groups=groups)
    back = ops.group_norm_backward(grad, x, gamma, got[1], got[2], groups=groups)
    want_back = reference.group_norm_backward(grad, x, gamma, groups=groups)
    compare(dtype, x, beta, grad, got, want, back, want_back, offset)


def test_the_gradients_equal_finite_differences(device, rng):
    x, gamma, beta, grad = data(rng, np.dtype("float64"), (4, 3, 6))
    mask = np.array([[True, False, True]] * 3 + [[False, True, True]])
    kinds = [
        (ops.batch_norm, ops.batch_norm_backward, {}),
        (ops.batch_norm, ops.batch_norm_backward, {"mask": mask}),
        (ops.group_norm, ops.group_norm_backward, {"groups": 2}),
    ]
    for forward, backward, settings in kinds:
        _, mean, variance = forward(x, gamma, beta, **settings)
        got = backward(grad, x, gamma, mean, variance, **settings)
        for at, array in enumerate((x, gamma, beta)):
            step, sides = rng.normal(size=array.shape), []
            for sign in (1, -1):
                moved = [x, gamma, beta]
                moved[at] = array + sign * 1e-6 * step
                sides.append((forward(*moved, **settings)[0] * grad).sum())
            assert (sides[0] - sides[1]) / 2e-6 == pytest.approx((got[at] * step).sum(), rel=1e-6, abs=1e-7)


def test_torch_agrees_in_float64(device, rng):
    torch = pytest.importorskip("torch")
    x, gamma, beta, grad = data(rng, np.dtype("float64"), (6, 4, 5, 12))

    def channels_first(a):
        return torch.from_numpy(a.copy()).movedim(-1, 1) if a.ndim > 1 else torch.from_numpy(a.copy())

    for groups in (None, 3):
        leaves = [channels_first(a).requires_grad_() for a in (x, gamma, beta)]
        if groups is None:
            z = torch.nn.functional.batch_norm(leaves[0], None, None, *leaves[1:], training=True, eps=1e-5)
            got = ops.batch_norm(x, gamma, beta, epsilon=1e-5)
            back = ops.batch_norm_backward(grad, x, gamma, got[1], got[2], epsilon=1e-5)
        else:
            z = torch.nn.functional.group_norm(leaves[0], groups, *leaves[1:], eps=1e-5)
            got = ops.group_norm(x, gamma, beta, groups=groups, epsilon=1e-5)
            back = ops.group_norm_backward(grad, x, gamma, got[1], got[2], groups=groups, epsilon=1e-5)
        z.backward(channels_first(grad))
        np.testing.assert_allclose(got[0], z.detach().movedim(1, -1), rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(back[0], leaves[0].grad.movedim(1, -1), rtol=1e-11, atol=1e-12)
        for mine, leaf in zip(back[1:], leaves[1:], strict=True):
            np.testing.assert_allclose(mine, leaf.grad, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("channels", [64, 900, 257, 2048, 2500])
def test_an_array_past_the_caches(device, rng, channels):
    """From 16 MB on, x is read in the order of memory and results are streamed."""
    rows = 2**22 // channels + 5
    x, grad = (rng.standard_normal((rows, channels), dtype=np.float32) for _ in range(2))
    gamma, beta = (rng.normal(size=channels).astype("f") for _ in range(2))
    with memory_for_steps("test", HOST):  # at the beginning of a line
        y, mean, variance = ops.batch_norm(x, gamma, beta)
        grad_x, by_gamma, by_beta = ops.batch_norm_backward(grad, x, gamma, mean, variance)
    np.testing.assert_allclose(mean, x.mean(0, dtype=np.float64), atol=1e-6)
    np.testing.assert_allclose(variance, x.var(0, dtype=np.float64), rtol=1e-5)
    normal = (x - mean) / np.sqrt(variance + 1e-3)
    np.testing.assert_allclose(y, normal * gamma + beta, atol=1e-5)
    want_gamma, want_beta = (grad * normal).sum(0, dtype=np.float64), grad.sum(0, dtype=np.float64)
    np.testing.assert_allclose(by_gamma, want_gamma, rtol=1e-5, atol=1e-3)  # one row is about 1
    np.testing.assert_allclose(by_beta, want_beta, rtol=1e-5, atol=1e-3)  # one row is about 1
    want = gamma / np.sqrt(variance + 1e-3) * (grad - (want_beta + normal * want_gamma) / rows)
    np.testing.assert_allclose(grad_x, want, atol=1e-4)


def test_without_gamma_beta_and_the_gradient_by_x(device, dtype, rng):
    x, gamma, beta, grad = data(rng, dtype, (90, 20))
    one, zero = np.ones_like(gamma), np.zeros_like(beta)
    y, mean, variance = ops.batch_norm(x)
    np.testing.assert_array_equal(y, ops.batch_norm(x, one, zero)[0])
    whole = ops.batch_norm_backward(grad, x, one, mean, variance)
    plain = ops.batch_norm_backward(grad, x, None, mean, variance)
    part = ops.batch_norm_backward(grad, x, gamma, mean, variance, need_x=False)
    assert part[0] is None
    for k in range(3):
        np.testing.assert_array_equal(plain[k], whole[k])
    for k in (1, 2):
        np.testing.assert_array_equal(part[k], whole[k])


def test_a_first_row_far_from_the_others_costs_little(device, rng):
    x = rng.normal(size=(4000, 7)).astype("f")
    x[0] = 1e6
    y, mean, variance = ops.batch_norm(x)
    want = reference.batch_norm(x)
    np.testing.assert_allclose(mean, want[1], rtol=1e-5)
    np.testing.assert_allclose(variance, want[2], rtol=5e-5)
    np.testing.assert_allclose(y, want[0], rtol=5e-5, atol=5e-5)


def test_masked_rows_may_hold_anything_and_a_nan_spoils_its_channel_only(device, dtype, rng):
    x = rng.normal(size=(50, 5)).astype(dtype)
    mask = np.arange(50) < 40
    clean = ops.batch_norm(x, mask=mask)
    x[45, 2] = np.nan
    got = ops.batch_norm(x, mask=mask)
    np.testing.assert_array_equal(got[1], clean[1])
    np.testing.assert_array_equal(got[0][:40], clean[0][:40])
    y = ops.batch_norm(x)[0]
    assert np.isnan(y[:, 2]).all()
    assert np.isfinite(np.delete(y, 2, axis=1)).all()


@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (0, 0), (2, 0, 4)])
def test_an_axis_may_be_empty(device, dtype, shape):
    x = np.zeros(shape, dtype)
    y, mean, variance = ops.batch_norm(x)
    assert y.shape == shape
    assert mean.tolist() == variance.tolist() == [0.0] * shape[-1]
    grads = ops.batch_norm_backward(x, x, None, mean, variance)
    assert [g.shape for g in grads] == [shape, shape[-1:], shape[-1:]]
    assert not grads[1].any()
    y, mean, variance = ops.group_norm(x, groups=1)
    assert mean.tolist() == [[0.0]] * shape[0]
    assert ops.group_norm_backward(x, x, None, mean, variance, groups=1)[0].shape == shape
    values = np.ones(shape[-1], dtype)
    assert ops.batch_norm_inference(x, values, values).shape == shape
    assert ops.batch_norm(x, mask=np.zeros(shape[:-1], bool))[1].tolist() == [0.0] * shape[-1]


def test_nothing_counts(device, dtype, rng):
    x = rng.normal(size=(6, 3)).astype(dtype)
    mask = np.zeros(6, bool)
    y, mean, variance = ops.batch_norm(x, mask=mask)
    assert mean.tolist() == variance.tolist() == [0, 0, 0]
    np.testing.assert_allclose(y, x / np.sqrt(1e-3), rtol=1e-6)
    grad_x = ops.batch_norm_backward(x, x, None, mean, variance, mask=mask)[0]
    np.testing.assert_allclose(grad_x, x / np.sqrt(1e-3), rtol=1e-6)


X = np.zeros((2, 3), "f")


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: ops.batch_norm([1.0]), TypeError, "batch_norm: x must be a numpy array; got list"),
        (
            lambda: ops.batch_norm(X[0].copy()),
            ValueError,
            "batch_norm: x must have 2 axes or more; got shape (3,)",
        ),
        (
            lambda: ops.batch_norm(X, np.zeros(2, "f")),
            ValueError,
            "batch_norm: gamma must have shape (3,); got (2,)",
        ),
        (
            lambda: ops.batch_norm(X, mask=np.ones(3, bool)),
            ValueError,
            "batch_norm: mask must have shape (2,); got (3,)",
        ),
        (
            lambda: ops.batch_norm(X, mask=np.ones(2, "f")),
            TypeError,
            "batch_norm: mask must be bool; got a float32 array of shape (2,)",
        ),
        (
            lambda: ops.group_norm(X, groups=2),
            ValueError,
            "group_norm: groups must divide the channels (3); got 2",
        ),
        (
            lambda: ops.batch_norm_inference(X, np.zeros(3), np.zeros(3)),
            TypeError,
            "batch_norm_inference: mean must be float32 like x; got a float64 array of shape (3,)",
        ),
        (
            lambda: ops.batch_norm_backward(X, X, None, np.zeros(2), np.zeros(3)),
            ValueError,
            "batch_norm_backward: mean must have shape (3,); got (2,)",
        ),
        (
            lambda: ops.group_norm_backward(X, X, None, np.zeros((2, 3)), np.zeros((2, 1)), groups=3),
            ValueError,
            "group_norm_backward: variance must have shape (2, 3); got (2, 1)",
        ),
    ],
)
def test_normalization_refuses(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == text
