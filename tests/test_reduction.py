from __future__ import annotations

import numpy as np
import pytest

from cases import reduction as cases
from strop import config, ops, reference
from tolerance import SUM_ROUNDINGS, assert_close


@pytest.mark.parametrize(("shape", "axis"), cases.CASES, ids=str)
def test_reductions_match_the_reference(device, dtype, rng, shape, axis):
    x = rng.normal(size=shape).astype(dtype)
    size = np.abs(x).astype(float)
    for name in ("sum", "mean", "norm"):
        if name == "mean" and x.size == 0:
            continue
        got = getattr(ops, name)(x, axis=axis)
        assert got.dtype == dtype
        terms = size if name != "norm" else size**2
        scale = np.sum(terms, axis=axis) if name != "norm" else np.sqrt(np.sum(terms, axis=axis))
        scale = scale / max(x.size // max(np.size(got), 1), 1) if name == "mean" else scale
        want = getattr(reference, name)(x, axis=axis)
        assert_close(got, want, scale=scale + 1e-300, roundings=SUM_ROUNDINGS, what=name)
    if x.size:
        np.testing.assert_array_equal(ops.max(x, axis=axis), np.max(x, axis=axis))
        if not isinstance(axis, tuple):
            np.testing.assert_array_equal(ops.argmax(x, axis=axis), np.argmax(x, axis=axis))


def test_the_error_of_a_long_sum_grows_slowly(device):
    x = np.full(10_000_001, 0.1, np.float32)
    # 64 additions in a lane, all rounded the same way: the worst case
    assert ops.sum(x) == pytest.approx(float(x[0]) * x.size, rel=64 * 2**-24)


def test_nan_wins_a_maximum_and_infinity_does_not_hide_it(device, dtype):
    for values, place in (([1, np.nan, 5], 1), ([np.inf, 2, np.nan], 2), ([-np.inf, np.nan, np.inf], 1)):
        x = np.array(values, dtype)
        assert np.isnan(ops.max(x))
        assert ops.argmax(x) == place
        assert np.isnan(ops.max(np.stack([x, x], 1), axis=0)).all()
    assert ops.max(np.array([1, np.inf, -np.inf], dtype)) == np.inf


def test_argmax_gives_the_first_of_equals(device, dtype):
    assert ops.argmax(np.array([1.0, 3.0, 3.0], dtype)) == 1
    long = np.zeros(10_000, dtype)  # three blocks
    long[[700, 5000]] = 1
    assert ops.argmax(long) == 700
    long[[4500, 9000]] = np.nan
    assert ops.argmax(long) == 4500
    columns = np.zeros((200, 3), dtype)
    columns[[7, 90], [0, 0]] = 1
    columns[[9, 91], [1, 1]] = np.nan
    assert ops.argmax(columns, axis=0).tolist() == [7, 9, 0]


def test_a_nan_stays_in_its_column(device, dtype):
    for shape in ((130, 3), (5, 700), (3, 2)):
        x = np.ones(shape, dtype)
        x[1, 0] = np.nan
        x[2, 1] = np.inf
        for function in (ops.sum, ops.max, ops.norm):
            got = function(x, axis=0)
            assert np.isnan(got[0])
            assert got[1] == np.inf
            assert np.isfinite(got[2:]).all()


def test_empty_axes(device, dtype):
    x = np.zeros((3, 0, 2), dtype)
    assert ops.sum(x, axis=1).tolist() == [[0, 0]] * 3
    assert np.isnan(ops.mean(x, axis=1)).all()
    assert ops.norm(x) == 0
    assert ops.max(x, axis=2).shape == (3, 0)
    assert ops.argmax(x, axis=0).shape == (0, 2)


def test_sums_have_the_same_bits_on_any_set_and_number_of_threads(rng):
    from strop._backend import cpu

    x = rng.normal(size=(1 << 22) + 7).astype(np.float32)
    matrix = x[: 1 << 22].reshape(2048, 2048)
    before, results = config.isa(), set()
    for isa, here in cpu.built_isas().items():
        for count in (1, 2, 3, 8):
            with config.threads(count):
                if here:
                    cpu.set_isa(isa)
                    rows = [ops.sum(matrix, axis=a).tobytes() for a in (0, 1)]
                    results.add((float(ops.sum(x)), float(ops.norm(x)), *rows))
    cpu.set_isa(before)
    assert len(results) == 1


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: ops.sum(np.zeros((2, 3)), axis=2), ValueError, "sum: axis must lie in [-2, 2); got 2"),
        (
            lambda: ops.sum(np.zeros((2, 3)), axis=(0, -2)),
            ValueError,
            "sum: axis must name each axis once; got (0, -2)",
        ),
        (
            lambda: ops.max(np.zeros((2, 0)), axis=1),
            ValueError,
            "max: x must have an element along the axis; got shape (2, 0)",
        ),
        (
            lambda: ops.argmax(np.zeros(0)),
            ValueError,
            "argmax: x must have an element along the axis; got shape (0,)",
        ),
        (
            lambda: ops.argmax(np.zeros((2, 3)), axis=(0, 1)),
            TypeError,
            "argmax: axis must be an integer or None; got (0, 1)",
        ),
        (lambda: ops.sum([1.0]), TypeError, "sum: x must be a numpy array; got list"),
        (
            lambda: ops.norm(np.zeros(2, int)),
            TypeError,
            "norm: x must be float32 or float64; got a int64 array of shape (2,)",
        ),
    ],
)
def test_reductions_refuse(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == text


@pytest.mark.parametrize("name", ["sum", "mean", "max", "norm", "argmax"])
@pytest.mark.parametrize("axis", [0, 1])
def test_an_empty_result_is_an_empty_array(name, axis):
    result = getattr(ops, name)(np.zeros((3, 4, 0), np.float32), axis=axis)
    assert result.shape == ((4, 0), (3, 0))[axis]
