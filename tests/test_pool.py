"""Pooling over windows: the greatest and the mean, forward and backward."""

from __future__ import annotations

import numpy as np
import pytest

from cases.pool import CASES
from strop import ops, reference
from strop.ops.pool import same_pads
from tolerance import assert_close

PADS = ((0, 0), (0, 0))


def pads_of(shape, window, strides, padding):
    if padding == "valid":
        return PADS
    return tuple(map(same_pads, shape[1:3], window, strides)) if padding == "same" else padding


@pytest.mark.parametrize(("shape", "window", "strides", "padding"), CASES, ids=str)
def test_pooling_matches_the_reference(device, dtype, rng, shape, window, strides, padding):
    x = rng.integers(-9, 9, shape).astype(dtype)  # with many equals
    settings = {"window": window, "strides": strides, "padding": padding}
    plain = (window, strides, pads_of(shape, window, strides, padding))
    before = x.copy()

    y = ops.max_pool(x, **settings)
    np.testing.assert_array_equal(y, reference.max_pool(x, *plain))
    grad = rng.normal(size=y.shape).astype(dtype)
    terms = window[0] * window[1] * np.abs(grad).max()
    got = ops.max_pool_backward(grad, x, y, **settings)
    assert_close(got, reference.max_pool_backward(grad, x, *plain), scale=terms, roundings=4)

    x = rng.normal(size=shape).astype(dtype)
    before = x.copy()
    y = ops.average_pool(x, **settings)
    assert y.dtype == dtype
    assert_close(y, reference.average_pool(x, *plain), scale=np.abs(x).max(), roundings=40)
    got = ops.average_pool_backward(grad, shape=shape, **settings)
    assert_close(got, reference.average_pool_backward(grad, shape, *plain), scale=terms, roundings=4)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("strides", [1, 2, 3])
def test_a_sequence_is_pooled_as_an_image_of_height_1(device, rng, strides):
    x = rng.normal(size=(3, 11, 5)).astype("f")
    for padding in ("valid", "same", ((1, 1),)):
        one = {"window": 2, "strides": strides, "padding": padding}
        two = one | {"window": (1, 2), "strides": (1, strides)}
        two["padding"] = padding if isinstance(padding, str) else ((0, 0), *padding)
        image = x[:, None]
        y = ops.max_pool(x, **one)
        np.testing.assert_array_equal(y, ops.max_pool(image, **two)[:, 0])
        np.testing.assert_array_equal(ops.average_pool(x, **one), ops.average_pool(image, **two)[:, 0])
        np.testing.assert_array_equal(
            ops.max_pool_backward(y, x, y, **one),
            ops.max_pool_backward(y[:, None], image, y[:, None], **two)[:, 0],
        )
        np.testing.assert_array_equal(
            ops.average_pool_backward(y, shape=x.shape, **one),
            ops.average_pool_backward(y[:, None], shape=image.shape, **two)[:, 0],
        )


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("channels", [1, 16, 35])
def test_the_backward_passes_equal_finite_differences(device, rng, channels, strides):
    x = rng.permutation(2 * 5 * 4 * channels).reshape(2, 5, 4, channels).astype(np.float64)
    settings = {"window": 2, "strides": strides, "padding": "same"}
    y = ops.max_pool(x, **settings)
    grad, step = rng.normal(size=y.shape), rng.normal(size=x.shape)
    greatest = ops.max_pool_backward(grad, x, y, **settings)
    mean = ops.average_pool_backward(grad, shape=x.shape, **settings)
    for forward, back in ((ops.max_pool, greatest), (ops.average_pool, mean)):
        moved = forward(x + 1e-3 * step, **settings) - forward(x - 1e-3 * step, **settings)
        assert (moved * grad).sum() / 2e-3 == pytest.approx((back * step).sum(), abs=1e-6)


@pytest.mark.parametrize("channels", [1, 3, 16, 40])
def test_nan_and_infinities(device, dtype, channels):
    x = np.zeros((2, 2, 4, channels), dtype)
    x[0, 1, 0], x[0, 1, 1] = np.nan, np.nan
    x[0, 0, 2], x[1] = np.inf, -np.inf
    y = ops.max_pool(x, window=2)
    assert np.isnan(y[0, 0, 0]).all()
    np.testing.assert_array_equal(y[0, 0, 1], np.inf)
    np.testing.assert_array_equal(y[1], -np.inf)
    grad_x = ops.max_pool_backward(np.ones_like(y), x, y, window=2)
    want = np.zeros_like(x)
    want[0, 1, 0] = want[0, 0, 2] = want[1, 0, 0] = want[1, 0, 2] = 1  # the first NaN, the first of equals
    np.testing.assert_array_equal(grad_x, want)
    np.testing.assert_array_equal(
        grad_x, reference.max_pool_backward(np.ones_like(y), x, (2, 2), (2, 2), PADS)
    )
    assert np.isnan(ops.average_pool(x, window=2)[0, 0, 0]).all()


def test_a_nan_spoils_its_window_and_channel_only(device):
    x = np.arange(2 * 4 * 4 * 19, dtype="f").reshape(2, 4, 4, 19)
    clean = ops.max_pool(x, window=2), ops.average_pool(x, window=2)
    x[1, 2, 3, 17] = np.nan
    for pool, want in zip((ops.max_pool, ops.average_pool), clean, strict=True):
        got = pool(x, window=2)
        assert np.isnan(got[1, 1, 1, 17])
        got[1, 1, 1, 17] = want[1, 1, 1, 17]
        np.testing.assert_array_equal(got, want)


def test_a_mean_of_many_is_exact_to_a_few_roundings(device):
    x = np.full((1, 50_000, 3), 0.1, "f")
    y = ops.average_pool(x, window=50_000)
    assert_close(y, np.full(y.shape, np.float64(np.float32(0.1))), scale=0.1, roundings=1600)


@pytest.mark.parametrize(
    "shape", [(0, 4, 4, 2), (2, 0, 4, 2), (2, 4, 0, 2), (2, 4, 4, 0), (0, 5, 2), (2, 0, 2)]
)
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_an_axis_may_be_empty(device, dtype, shape, padding):
    x = np.zeros(shape, dtype)
    y = ops.max_pool(x, window=2, padding=padding)
    assert y.shape == ops.average_pool(x, window=2, padding=padding).shape
    assert y.size == 0
    assert ops.max_pool_backward(y, x, y, window=2, padding=padding).shape == shape
    assert ops.average_pool_backward(y, shape=shape, window=2, padding=padding).shape == shape


IMAGE = np.zeros((1, 4, 4, 1), "f")


@pytest.mark.parametrize(
    ("x", "settings", "kind", "text"),
    [
        ([[1.0]], {}, TypeError, "x must be a numpy array; got list"),
        (np.zeros((1, 4, 4, 1), int), {}, TypeError, None),
        (
            IMAGE[..., 0][0],
            {},
            ValueError,
            "x must have 3 axes (N, T, C) or 4 (N, H, W, C); got shape (4, 4)",
        ),
        (
            IMAGE,
            {"window": 5},
            ValueError,
            "x must hold a window of (5, 5) with its padding; got shape (1, 4, 4, 1)",
        ),
        (
            IMAGE[0],
            {"window": 5},
            ValueError,
            "x must hold a window of (5,) with its padding; got shape (4, 4, 1)",
        ),
        (IMAGE, {"window": (2, 2, 2)}, ValueError, "window must be 2 ints of 1 or more; got (2, 2, 2)"),
        (IMAGE, {"window": 0}, ValueError, "window must be 2 ints of 1 or more; got 0"),
        (IMAGE, {"window": 2.0}, TypeError, "window must be 2 ints of 1 or more; got 2.0"),
        (IMAGE, {"strides": -1}, ValueError, "strides must be 2 ints of 1 or more; got -1"),
        (IMAGE, {"window": 2**40}, ValueError, "window must be below 2**31; got 1099511627776"),
        (
            IMAGE,
            {"padding": ((2, 0), (0, 0))},
            ValueError,
            "padding must be 'valid', 'same' or a pair (before, after) for each axis, 0 or more and below the "
            "window (2, 2); got ((2, 0), (0, 0))",
        ),
        (
            IMAGE,
            {"padding": "full"},
            ValueError,
            "padding must be 'valid', 'same' or a pair (before, after) for each axis, 0 or more and below the "
            "window (2, 2); got 'full'",
        ),
    ],
)
def test_pooling_refuses(x, settings, kind, text):
    for op in ("max_pool", "average_pool"):
        with pytest.raises(kind) as caught:
            getattr(ops, op)(x, **{"window": 2, **settings})
        assert text is None or str(caught.value) == f"{op}: {text}"


def test_backward_refuses():
    y = np.zeros((1, 2, 2, 1), "f")
    with pytest.raises(
        ValueError, match=r"^max_pool_backward: output must have shape \(1, 2, 2, 1\); got \(1, 4, 4, 1\)$"
    ):
        ops.max_pool_backward(y, IMAGE, IMAGE, window=2)
    with pytest.raises(
        ValueError, match=r"^max_pool_backward: grad must have shape \(1, 2, 2, 1\); got \(1, 4, 4, 1\)$"
    ):
        ops.max_pool_backward(IMAGE, IMAGE, y, window=2)
    with pytest.raises(
        TypeError, match=r"^max_pool_backward: x must be float32 like grad; got a float64 array"
    ):
        ops.max_pool_backward(y, IMAGE.astype(float), y, window=2)
    with pytest.raises(ValueError, match=r"^average_pool_backward: grad must have shape \(1, 1, 1, 1\); got"):
        ops.average_pool_backward(y, shape=(1, 3, 3, 1), window=2)
    with pytest.raises(ValueError, match=r"^average_pool_backward: shape must have sizes of 0 or more$"):
        ops.average_pool_backward(y, shape=(1, -3, 3, 1), window=2)
