"""exp, sigmoid, tanh and their kind: the greatest errors that csrc/math/elementary.h states, in ulp."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cases import activation as cases
from strop import config, ops
from strop._backend import cpu

#: Greatest error in ulp of the float32 result.
ULP = {"exponential": 1.0, "sigmoid": 1.5, "tanh": 2.0, "softplus": 3.0, "gelu": 9.0}

_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def exact(name, x):
    """In float64, by forms that lose nothing."""
    with np.errstate(all="ignore"):
        if name == "exponential":
            return np.exp(x)
        if name == "sigmoid":
            return 1 / (1 + np.exp(-x))
        if name == "tanh":
            return np.tanh(x)
        if name == "softplus":
            return np.logaddexp(0, x)
        return 0.5 * x * _erfc(-x / math.sqrt(2))


def greatest_error(name, x):
    """In ulp, over the finite numbers among float32 x; results beyond float32 must be infinite."""
    x = x[np.isfinite(x)]
    got = ops.activation(x, name=name)
    want = exact(name, x.astype(np.float64))
    finite = np.isfinite(got)
    assert (np.abs(want[~finite]) > 3.4028234e38).all(), name
    unit = np.spacing(np.abs(want[finite]).astype(np.float32)).astype(np.float64)
    return float((np.abs(got[finite].astype(np.float64) - want[finite]) / unit).max(initial=0.0))


def floats(start, stop, step=1):
    return np.arange(start, stop, step, dtype=np.uint64).astype(np.uint32).view(np.float32)


def fma_sets():
    return [name for name, here in cpu.built_isas().items() if here and name != "baseline"]


@pytest.mark.parametrize("name", ULP)
def test_errors_stay_under_the_stated_ulp(name):
    step = 997 if name != "gelu" else 9973  # erfc has no vector form
    before = config.isa()
    try:
        for isa in fma_sets():
            cpu.set_isa(isa)
            assert greatest_error(name, floats(0, 2**32, step)) < ULP[name], isa
    finally:
        cpu.set_isa(before)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["exponential", "sigmoid", "tanh"])
def test_errors_of_every_float32(name):
    worst = 0.0
    for start in range(0, 2**32, 2**24):
        worst = max(worst, greatest_error(name, floats(start, start + 2**24)))
    print(f"{name}: {worst:.4f} ulp on {config.isa()}")
    assert worst < ULP[name]


#: In float64: the C library's functions, and a few roundings where they are put together.
ULP64 = {"exponential": 1.0, "sigmoid": 3.0, "tanh": 2.5, "softplus": 3.0}


@pytest.mark.parametrize("name", ULP64)
def test_float64_errors_stay_under_the_stated_ulp(device, rng, name):
    if np.finfo(np.longdouble).nmant < 60:
        pytest.skip("long double is no wider than double here")
    x = np.concatenate([rng.normal(size=20_000) * scale for scale in (1e-3, 1, 20, 200)])
    wide = x.astype(np.longdouble)
    want = {
        "exponential": lambda: np.exp(wide),
        "sigmoid": lambda: 1 / (1 + np.exp(-wide)),
        "tanh": lambda: np.tanh(wide),
        "softplus": lambda: np.logaddexp(np.longdouble(0), wide),
    }[name]()
    got = ops.activation(x, name=name)
    normal = (np.abs(want) > 1e-300) & (np.abs(want) < 1e300)
    got, want = got[normal].astype(np.longdouble), want[normal]
    error = np.abs(got - want) / np.spacing(np.abs(want).astype(np.float64))
    assert float(error.max()) < ULP64[name]


def test_the_exponential_of_float64_vectors_stays_under_its_ulp(device, rng):
    # The gradient of log_softmax is g - e^y sum(g): e^y alone in the second column.
    if np.finfo(np.longdouble).nmant < 60:
        pytest.skip("long double is no wider than double here")
    x = np.concatenate([rng.uniform(-708, 709, 20_000), rng.uniform(-1, 1, 20_000)])
    grad, y = np.zeros((2, x.size, 2))
    grad[:, 0], y[:, 1] = -1, x
    want = np.exp(x.astype(np.longdouble))
    error = np.abs(ops.log_softmax_backward(grad, y)[:, 1] - want) / np.spacing(want.astype(np.float64))
    assert float(error.max()) < (1.5 if config.isa() == "baseline" else 1.0)
    y[:5, 1] = -np.inf, -746, -745.1, 710, np.nan
    ends = ops.log_softmax_backward(grad, y)[:5, 1]
    np.testing.assert_array_equal(ends, [0, 0, 5e-324, np.inf, np.nan])


@pytest.mark.parametrize(
    ("name", "points"),
    [
        ("exponential", {0: 1, -np.inf: 0, np.inf: np.inf, 89: np.inf, -104: 0, -1e38: 0, 1e-45: 1}),
        ("sigmoid", {0: 0.5, -np.inf: 0, np.inf: 1, 1e38: 1, -1e38: 0, 1e-45: 0.5}),
        ("tanh", {0: 0, -np.inf: -1, np.inf: 1, 1e38: 1, -1e38: -1, 1e-45: 1e-45}),
        ("softplus", {-np.inf: 0, np.inf: np.inf, 1e38: 1e38, -1e38: 0}),
        ("gelu", {0: 0, np.inf: np.inf, 1e38: 1e38, -1e30: 0, 20: 20}),
        ("silu", {0: 0, np.inf: np.inf, 1e38: 1e38, -1e38: 0}),
    ],
)
def test_special_values(device, name, points):
    x = np.array(list(points), np.float32)
    np.testing.assert_array_equal(ops.activation(x, name=name), np.array(list(points.values()), np.float32))
    assert np.isnan(ops.activation(np.full(17, np.nan, np.float32), name=name)).all()


@pytest.mark.parametrize("name", cases.NAMES)
def test_sets_with_fma_give_the_same_bits(rng, name):
    x = np.concatenate([cases.EDGES, rng.normal(size=1003) * 6, rng.normal(size=101) * 60]).astype(np.float32)
    grad = rng.normal(size=x.size).astype(np.float32)
    before, results = config.isa(), set()
    for isa in fma_sets():
        cpu.set_isa(isa)
        y = ops.activation(x, name=name, **cases.NAMES[name])
        slope = ops.activation_backward(grad, x, y, name=name, **cases.NAMES[name])
        results.add(y.tobytes() + slope.tobytes())
    cpu.set_isa(before)
    assert len(results) <= 1
