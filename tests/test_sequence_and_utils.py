from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import strop
from strop import utils
from strop.preprocessing.sequence import pad_sequences


@pytest.mark.parametrize(
    ("rows", "settings", "want"),
    [
        ([[1, 2, 3], [4]], {"maxlen": 2}, [[2, 3], [0, 4]]),
        ([[1, 2, 3], [4]], {"maxlen": 2, "padding": "post", "truncating": "post"}, [[1, 2], [4, 0]]),
        ([[1, 2, 3], [4]], {}, [[1, 2, 3], [0, 0, 4]]),
        ([[1.9, -1.9]], {}, [[1, -1]]),
        ([[1]], {"maxlen": 3, "value": -1}, [[-1, -1, 1]]),
        ([[], [1]], {}, [[0], [1]]),
        ([np.array([1, 2], np.int32), np.array([3], np.int64)], {}, [[1, 2], [0, 3]]),
    ],
)
def test_padding(rows, settings, want):
    got = pad_sequences(rows, **settings)
    assert got.dtype == np.int32
    assert got.tolist() == want


def test_padding_of_nothing_of_arrays_and_of_floats():
    assert pad_sequences([], maxlen=3).shape == (0, 3)
    assert pad_sequences([[[1, 2]], [[3, 4], [5, 6]]]).tolist() == [[[0, 0], [1, 2]], [[3, 4], [5, 6]]]
    assert pad_sequences([[0.5]], dtype="float32", maxlen=2).tolist() == [[0, 0.5]]
    assert pad_sequences(iter([[1], [2, 3]])).tolist() == [[0, 1], [2, 3]]


NUMBERS = st.integers(-(2**31), 2**31 - 1)
ROWS = st.lists(NUMBERS, max_size=9)
MAKE = st.sampled_from(
    [
        list,
        tuple,
        lambda row: np.array(row, np.int32),
        lambda row: np.array(row, np.int64),
        lambda row: np.array(row, np.float64),
        lambda row: np.repeat(np.array(row, np.int32), 2)[::2],
        lambda row: np.array(row, ">i4"),
        lambda row: [np.int64(i) for i in row],
        lambda row: [i / 2**31 for i in row],
        lambda row: [i > 0 for i in row],
        lambda row: np.array(row, object),
    ]
)


def padded(rows, maxlen, kind, padding, truncating, value):
    maxlen = maxlen or max(map(len, rows), default=0)
    out = np.full((len(rows), maxlen), value, kind)
    for i, row in enumerate(rows):
        kept = row[-maxlen:] if truncating == "pre" else row[:maxlen]
        if len(kept):
            out[i, slice(-len(kept), None) if padding == "pre" else slice(len(kept))] = np.asarray(kept, kind)
    return out


@given(
    rows=st.lists(st.builds(lambda make, row: make(row), MAKE, ROWS), max_size=8),
    maxlen=st.none() | st.integers(1, 7),
    kind=st.sampled_from(["int32", "int64", "float32", "float64"]),
    padding=st.sampled_from(["pre", "post"]),
    truncating=st.sampled_from(["pre", "post"]),
    value=st.sampled_from([0, -1, 7, True, 2.5]),
)
def test_padding_of_rows_of_any_kind(rows, maxlen, kind, padding, truncating, value):
    got = pad_sequences(rows, maxlen, kind, padding, truncating, value)
    want = padded(rows, maxlen, kind, padding, truncating, value)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)


def test_padding_of_other_dtypes_and_fillers():
    assert pad_sequences([[1], [2, 3]], dtype="int8", value=-1).tolist() == [[-1, 1], [2, 3]]
    assert pad_sequences([["a"], []], dtype=object, value="x").tolist() == [["a"], ["x"]]
    assert pad_sequences([[True], []], dtype=bool).tolist() == [[True], [False]]
    assert pad_sequences([[1], []], maxlen=2, value=[5, 6]).tolist() == [[5, 1], [5, 6]]


@pytest.mark.parametrize("kind", ["int32", "int64"])
def test_padding_at_the_limits_of_a_dtype(kind):
    limits = np.iinfo(kind)
    for rows in ([[int(limits.max), int(limits.min)]], [np.array([limits.max, limits.min])]):
        assert pad_sequences(rows, dtype=kind).tolist() == [[limits.max, limits.min]]
    for number in (int(limits.max) + 1, int(limits.min) - 1, 10**30):
        with pytest.raises(OverflowError):
            pad_sequences([[1], [number]], dtype=kind)


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: pad_sequences([[2**40]]), OverflowError, None),
        (
            lambda: pad_sequences([[1], np.array(2)]),
            ValueError,
            "pad_sequences: sequences must hold sequences; got ndarray at 1",
        ),
        (lambda: pad_sequences([np.array([2**40])]), OverflowError, None),
        (
            lambda: pad_sequences([[1]], maxlen=0),
            ValueError,
            "pad_sequences: maxlen must be 1 or more; got 0",
        ),
        (
            lambda: pad_sequences([[1], 2]),
            ValueError,
            "pad_sequences: sequences must hold sequences; got int at 1",
        ),
        (
            lambda: pad_sequences(5),
            ValueError,
            "pad_sequences: sequences must be a list of sequences; got int",
        ),
        (
            lambda: pad_sequences([[1]], padding="front"),
            ValueError,
            "pad_sequences: padding must be 'pre' or 'post'; got 'front'",
        ),
        (
            lambda: pad_sequences([[[1, 2]], [[3]]]),
            ValueError,
            "pad_sequences: rows must have inner shape (2,) like the first; got (1,) in row 1",
        ),
        (
            lambda: utils.to_categorical([-1], 3),
            IndexError,
            "to_categorical: x must lie in [0, 3); got -1 at (0,)",
        ),
        (
            lambda: utils.to_categorical([0, 3], 3),
            IndexError,
            "to_categorical: x must lie in [0, 3); got 3 at (1,)",
        ),
        (
            lambda: utils.to_categorical([0.5]),
            TypeError,
            "to_categorical: x must hold whole numbers; got a float64 array of shape (1,)",
        ),
    ],
)
def test_refusals(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert text is None or str(caught.value) == text


def test_one_hot_rows():
    got = utils.to_categorical([0, 2])
    assert got.dtype == np.float32
    assert got.tolist() == [[1, 0, 0], [0, 0, 1]]
    assert utils.to_categorical([[1], [0]]).shape == (2, 2)


def test_rows_of_length_one():
    np.testing.assert_allclose(utils.normalize([[3, 4], [0, 0]]), [[0.6, 0.8], [0, 0]])
    np.testing.assert_allclose(utils.normalize([[3.0, 4.0]], order=1), [[3 / 7, 4 / 7]])


def test_a_seed_repeats_a_run():
    draws = []
    for _ in range(2):
        utils.set_random_seed(5)
        layer = strop.layers.Dense(3)
        layer(np.zeros((1, 2)))
        draws.append((random.random(), np.random.rand(), layer.get_weights()[0].tobytes()))
    assert draws[0] == draws[1]


# ---- config ----------------------------------------------------------------


def test_threads_are_set_and_restored():
    before = strop.config.num_threads()
    with strop.config.threads(3):
        assert strop.config.num_threads() == 3
    assert strop.config.num_threads() == before


@pytest.mark.parametrize(
    ("count", "kind", "text"),
    [
        (0, ValueError, "set_num_threads: count must lie in [1, 1024]; got 0"),
        (1.5, TypeError, "set_num_threads: count must be an int; got float"),
        (True, TypeError, "set_num_threads: count must be an int; got bool"),
    ],
)
def test_a_wrong_number_of_threads(count, kind, text):
    with pytest.raises(kind) as caught:
        strop.config.set_num_threads(count)
    assert str(caught.value) == text


def test_float64_models_by_setting():
    strop.config.set_floatx("float64")
    try:
        assert strop.layers.Dense(1)(np.zeros((1, 1))).dtype == np.float64
    finally:
        strop.config.set_floatx("float32")
    with pytest.raises(ValueError, match="set_floatx: value must be 'float32' or 'float64'; got 'float16'"):
        strop.config.set_floatx("float16")
