from __future__ import annotations

import numpy as np
import pytest

from cases import activation as cases
from strop import config, ops, reference
from tolerance import ACTIVATION_ROUNDINGS, assert_close


def inputs(rng, size, dtype):
    x = rng.normal(size=size) * 4
    x[: len(cases.EDGES)] = cases.EDGES[:size]
    return x.astype(dtype)


@pytest.mark.parametrize("name", cases.NAMES)
def test_activation_matches_the_reference(device, dtype, rng, name):
    for size in cases.SIZES:
        x = inputs(rng, size, dtype)
        before = x.copy()
        got = ops.activation(x, name=name, **cases.NAMES[name])
        want = reference.activation(x, name=name, **cases.NAMES[name])
        # exp turns a rounding of x into x roundings of its result
        scale = np.maximum(np.abs(want), 1) * np.maximum(1, np.abs(x.astype(float)))
        scale = scale if name != "exponential" else np.abs(want)
        assert_close(got, want, scale=scale, roundings=ACTIVATION_ROUNDINGS, what=f"{name} {size}")
        np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("name", cases.NAMES)
def test_activation_backward_is_the_finite_difference(device, rng, name):
    # Away from the kinks, where a difference straddles two slopes.
    x = rng.normal(size=1000) * 2
    kinks = np.array([0.0, 0.5, 3.0, -3.0])
    x = x[np.abs(x[:, None] - kinks).min(axis=1) > 1e-4]
    grad = rng.normal(size=x.size)
    output = ops.activation(x, name=name, **cases.NAMES[name])
    got = ops.activation_backward(grad, x, output, name=name, **cases.NAMES[name])
    want = reference.activation_backward(grad, x, name=name, **cases.NAMES[name])
    np.testing.assert_allclose(got, want, rtol=2e-7, atol=1e-8)


@pytest.mark.parametrize("name", cases.NAMES)
def test_activation_lets_nan_through(device, dtype, name):
    x = np.array([np.nan, 1.0], dtype)
    got = ops.activation(x, name=name)
    assert np.isnan(got[0])
    assert np.isfinite(got[1])


def test_relu_of_minus_infinity_is_zero(device, dtype):
    x = np.array([-np.inf, np.inf, -1.0], dtype)
    assert ops.activation(x, name="relu").tolist() == [0, np.inf, 0]
    assert not np.signbit(ops.activation(x, name="relu")[2])


def test_activation_may_write_over_its_input(device, rng):
    x = rng.normal(size=100).astype(np.float32)
    want = ops.activation(x, name="tanh")
    assert ops.activation(x, name="tanh", out=x) is x
    np.testing.assert_array_equal(x, want)


def test_activation_has_the_same_bits_on_any_number_of_threads(rng):
    x = rng.normal(size=(1 << 18) + 3).astype(np.float32)
    results = []
    for count in (1, 2, 3, 8):
        with config.threads(count):
            results.append(ops.activation(x, name="tanh"))
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (
            lambda: ops.activation([1.0], name="relu"),
            TypeError,
            "activation: x must be a numpy array; got list",
        ),
        (
            lambda: ops.activation(np.zeros(3, np.int32), name="relu"),
            TypeError,
            "activation: x must be float32 or float64; got a int32 array of shape (3,)",
        ),
        (
            lambda: ops.activation(np.zeros((4, 2))[:, 0], name="relu"),
            ValueError,
            "activation: x must be C-contiguous; got a strided float64 array of shape (4,)"
            "; use numpy.ascontiguousarray",
        ),
        (
            lambda: ops.activation(np.zeros(3), name="relu", alpha=1.0),
            TypeError,
            "activation: relu takes negative_slope, max_value, threshold; got alpha",
        ),
        (
            lambda: ops.activation(np.zeros(3), name="tanh", out=np.zeros(4)),
            ValueError,
            "activation: out must have shape (3,); got (4,)",
        ),
    ],
)
def test_activation_refuses(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == text


def test_activation_names_those_it_knows():
    with pytest.raises(ValueError, match=r"name must be one of linear, relu, .*; got 'rellu'"):
        ops.activation(np.zeros(3), name="rellu")
