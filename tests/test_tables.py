"""Scaled and one-hot columns, splits and shuffles, token dropout."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import strop
from strop.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler, shuffle, train_test_split
from strop.preprocessing.sequence import token_dropout

# ---- scalers ----------------------------------------------------------------


@pytest.mark.parametrize("name", ["StandardScaler", "MinMaxScaler"])
@pytest.mark.parametrize("shape", [(200, 3), (1, 2), (50,)])
def test_scalers_are_those_of_scikit_learn(rng, name, shape):
    peers = pytest.importorskip("sklearn.preprocessing")
    x = rng.normal(1e5, 3, shape)
    settings = [{}] if name == "StandardScaler" else [{}, {"feature_range": (-1, 3)}]
    for setting in settings:
        ours, theirs = getattr(strop.preprocessing, name)(**setting), getattr(peers, name)(**setting)
        want = theirs.fit_transform(x.reshape(len(x), -1)).reshape(shape)
        np.testing.assert_allclose(ours.fit_transform(x), want, atol=1e-9)
        np.testing.assert_allclose(ours.inverse_transform(ours.transform(x)), x, rtol=1e-14)
        again = type(ours).from_config(json.loads(json.dumps(ours.get_config())))
        np.testing.assert_array_equal(again.transform(x), ours.transform(x))


def test_constant_columns_are_only_moved():
    assert StandardScaler().fit_transform([[1, 7], [3, 7]]).tolist() == [[-1, 0], [1, 0]]
    scaler = MinMaxScaler((2.0, 4.0)).fit([[1, 7], [3, 7]])
    assert scaler.transform([[1, 7], [3, 7], [2, 8]]).tolist() == [[2, 2], [4, 2], [3, 3]]
    assert scaler.inverse_transform([[2, 2], [4, 3]]).tolist() == [[1, 7], [3, 8]]


def test_scalers_read_files_and_batches_and_keep_float32(rng, tmp_path):
    x = rng.normal(size=(500, 2)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for scaler in (StandardScaler(), MinMaxScaler()):
        want = scaler.fit_transform(x)
        assert want.dtype == np.float32
        np.testing.assert_array_equal(scaler.fit(mapped).transform(mapped), want)
        batches = scaler.fit(x[i : i + 99] for i in range(0, 500, 99)).transform(x)
        np.testing.assert_allclose(batches, want, atol=1e-6)


# ---- one-hot ----------------------------------------------------------------


def test_one_hot_columns_and_back():
    rows = [["red", 3], ["blue", 1], ["red", 2]]
    encoder = OneHotEncoder().fit(rows)
    assert encoder.categories == [["blue", "red"], [1, 2, 3]]
    got = encoder.transform(rows)
    assert got.dtype == np.float32
    assert got.tolist() == [[0, 1, 0, 0, 1], [1, 0, 1, 0, 0], [0, 1, 0, 1, 0]]
    assert encoder.inverse_transform(got) == [("red", 3), ("blue", 1), ("red", 2)]
    lenient = OneHotEncoder("ignore").fit(["a", "b"])
    assert lenient.transform(["b", "c"]).tolist() == [[0, 1], [0, 0]]
    assert lenient.inverse_transform([[0, 1], [0, 0]]) == ["b", None]
    assert OneHotEncoder().fit_transform(np.array([2, 0, 2])).tolist() == [[0, 1], [1, 0], [0, 1]]


# ---- splits -----------------------------------------------------------------


@given(
    labels=st.lists(st.integers(0, 4), min_size=3, max_size=80),
    test=st.floats(0.01, 0.6),
    validation=st.sampled_from([0.0, 0.1, 0.35]),
    stratified=st.booleans(),
    seed=st.integers(0, 99),
)
def test_a_split_is_a_partition_in_proportion(labels, test, validation, stratified, seed):
    count = len(labels)
    sizes = [-(-count * validation // 1) if validation else 0, np.ceil(count * test - 1e-9)]
    if sum(sizes) >= count:
        return
    rows = np.arange(count)
    settings = {"test_size": test, "validation_size": validation, "seed": seed}
    stratify = labels if stratified else None
    parts = train_test_split(rows, labels, **settings, stratify=stratify)
    half = len(parts) // 2
    assert half == (3 if validation else 2)
    for x, y in zip(parts[:half], parts[half:], strict=True):
        assert [labels[i] for i in x] == y
    assert sorted(np.concatenate(parts[:half]).tolist()) == list(range(count))
    assert len(parts[half - 1]) == sizes[1]
    if stratified:
        for part in parts[half:]:
            for k in set(labels):
                assert abs(part.count(k) - len(part) * labels.count(k) / count) < 2
    again = train_test_split(rows, labels, **settings, stratify=stratify)
    assert [list(p) for p in again] == [list(p) for p in parts]


def test_splits_of_sizes_and_of_series():
    x = np.arange(10)
    train, validation, test = train_test_split(x, test_size=3, validation_size=2, shuffle=False)
    assert (train.tolist(), validation.tolist(), test.tolist()) == ([0, 1, 2, 3, 4], [5, 6], [7, 8, 9])
    for share, held in ((0.1, 1), (0.25, 3), (0.3, 3), (0.7, 7)):
        assert len(train_test_split(x, test_size=share)[1]) == held
    strop.utils.set_random_seed(3)
    first = train_test_split(x)[1].tolist()
    strop.utils.set_random_seed(3)
    assert train_test_split(x)[1].tolist() == first


def test_a_shuffle_keeps_rows_together(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(20).reshape(10, 2))
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    rows, names = shuffle(x, list("abcdefghij"), seed=1)
    assert [("abcdefghij"[r[0] // 2]) for r in rows] == names != list("abcdefghij")
    assert shuffle([1, 2, 3], seed=1) == shuffle([1, 2, 3], seed=1)


# ---- token dropout ----------------------------------------------------------


def test_tokens_go_at_their_rate_and_some_never():
    ids = np.tile(np.arange(20), (500, 1))
    got = token_dropout(ids, 0.3, value=2, seed=4)
    assert got.dtype == ids.dtype
    assert (got[:, :2] == ids[:, :2]).all()
    gone = (got != ids)[:, 3:]
    assert (got[:, 3:][gone] == 2).all()
    assert gone.mean() == pytest.approx(0.3, abs=0.02)
    assert (ids == np.arange(20)).all()
    rows = token_dropout([["a", "b", "c"] * 300, []], 0.25, keep=["a"], seed=4)
    assert rows[0].count("a") == 300
    assert 600 * 0.65 < len(rows[0]) - 300 < 600 * 0.85
    assert rows[1] == []
    assert token_dropout([["x", "y"]], 1.0, value="<OOV>") == [["<OOV>", "<OOV>"]]


def test_token_dropout_in_a_pipeline_draws_anew_in_every_epoch():
    strop.utils.set_random_seed(6)
    ids = np.ones((8, 30), np.int32) * 9
    batches = strop.data.Dataset.from_arrays(ids).batch(4).map(lambda x: token_dropout(x, 0.5, value=2))
    first, second = (np.concatenate(list(batches)) for _ in range(2))
    assert (first != second).any()


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (
            lambda: StandardScaler().transform([[1.0]]),
            ValueError,
            "StandardScaler.transform: the scaler must be fitted; call fit first",
        ),
        (
            lambda: StandardScaler().fit([[1.0], [np.nan]]),
            ValueError,
            "StandardScaler.fit: x must be finite; got nan at (1, 0)",
        ),
        (
            lambda: MinMaxScaler().fit(np.zeros((0, 2))),
            ValueError,
            "MinMaxScaler.fit: x must have a row; got none",
        ),
        (
            lambda: MinMaxScaler().fit(np.zeros((2, 2, 2))),
            ValueError,
            "MinMaxScaler.fit: x must have shape (N, D) or (N,); got (2, 2, 2)",
        ),
        (
            lambda: MinMaxScaler().fit([[1.0, 2.0]]).transform([[1.0]]),
            ValueError,
            "MinMaxScaler.transform: x must have shape (N, 2) as in fit; got (1, 1)",
        ),
        (
            lambda: MinMaxScaler((1, 1)),
            ValueError,
            "MinMaxScaler: feature_range must be a rising pair; got (1, 1)",
        ),
        (
            lambda: OneHotEncoder().fit(["a"]).transform(["a", "b"]),
            ValueError,
            "OneHotEncoder.transform: values must be known from fit; got 'b' at (1, 0)",
        ),
        (
            lambda: OneHotEncoder().fit(["a"]).transform([["a", "b"]]),
            ValueError,
            "OneHotEncoder.transform: x must have 1 columns; got 2",
        ),
        (
            lambda: OneHotEncoder("skip"),
            ValueError,
            "OneHotEncoder: handle_unknown must be 'error' or 'ignore'; got 'skip'",
        ),
        (
            lambda: train_test_split([1, 2], [1]),
            ValueError,
            "train_test_split: arrays must have equal lengths; got 2 and 1 (array 1)",
        ),
        (lambda: train_test_split(), ValueError, "train_test_split: arrays must be at least one; got none"),
        (
            lambda: train_test_split([1, 2], test_size=1.5),
            ValueError,
            "train_test_split: test_size must be an int or lie in (0, 1); got 1.5",
        ),
        (
            lambda: train_test_split([1, 2], test_size=2),
            ValueError,
            "train_test_split: test_size must leave rows on both sides; got 2 of 2 rows",
        ),
        (
            lambda: train_test_split([1, 2, 3], test_size=2, validation_size=1),
            ValueError,
            "train_test_split: test_size and validation_size must leave rows to train on; got 2 and 1 of 3",
        ),
        (
            lambda: train_test_split([1, 2, 3], stratify=[0, 1]),
            ValueError,
            "train_test_split: stratify must have one label per row (3); got 2",
        ),
        (
            lambda: train_test_split([1, 2, 3], stratify=[0, 1, 1], shuffle=False),
            ValueError,
            "train_test_split: stratify must go with shuffle; got shuffle=False",
        ),
        (lambda: token_dropout([[1]], 2.0), ValueError, "token_dropout: rate must lie in [0, 1]; got 2.0"),
        (
            lambda: token_dropout(np.array([[1]]), 0.5),
            ValueError,
            "token_dropout: value must be a token for an array, whose rows have one length; got None",
        ),
    ],
)
def test_refusals(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == text
