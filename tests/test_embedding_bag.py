from __future__ import annotations

import numpy as np
import pytest

from cases import embedding_bag as cases
from strop import config, ops, reference
from strop._backend import cpu
from tolerance import assert_close, bag_roundings


def padded(rng, rows, count, width, id_type):
    """Ids with padding in front of some rows, behind others, all of one, and inside."""
    ids = rng.integers(0, rows, (count, width)).astype(id_type)
    for i, row in enumerate(ids):
        cut = rng.integers(0, width + 1)
        if i % 4 == 0:
            row[:cut] = 0
        elif i % 4 == 1:
            row[cut:] = 0
        elif i % 4 == 2:
            row[::2] = 0
        else:
            row[:] = 0
    return ids


@pytest.mark.parametrize("mode", ["mean", "sum"])
@pytest.mark.parametrize(("rows", "dim", "count", "width"), cases.CASES)
def test_bag_and_its_gradient_match_the_reference(device, dtype, rng, mode, rows, dim, count, width):
    table = rng.normal(size=(rows, dim)).astype(dtype)
    grad = rng.normal(size=(count, dim)).astype(dtype)
    for id_type in (np.int32, np.int64):
        ids = padded(rng, rows, count, width, id_type)
        flat, offsets = ids.ravel(), np.arange(count + 1) * width
        for pad in (None, 0):
            settings = {"mode": mode, "pad_id": pad}
            got = ops.embedding_bag(table, ids, **settings)
            want = reference.embedding_bag(table, ids, **settings)
            scale = reference.embedding_bag(np.abs(table), ids, **settings) + 1e-30
            assert_close(got, want, scale=scale, roundings=bag_roundings(width))
            np.testing.assert_array_equal(ops.embedding_bag(table, flat, offsets=offsets, **settings), got)

            by_table = ops.embedding_bag_backward(grad, ids, num_rows=rows, **settings)
            want = reference.embedding_bag_scatter(grad, ids, num_rows=rows, **settings)
            scale = reference.embedding_bag_scatter(np.abs(grad), ids, num_rows=rows, **settings) + 1e-30
            assert_close(by_table.to_dense(), want, scale=scale, roundings=count * width + 8)
            assert pad is None or pad not in by_table.rows
            dense = ops.embedding_bag_scatter(grad, ids, num_rows=rows, **settings)
            np.testing.assert_array_equal(dense[by_table.rows], by_table.values)


def test_bags_of_unequal_length(device, dtype, rng):
    table = rng.normal(size=(20, 5)).astype(dtype)
    ids = rng.integers(0, 20, 17)
    offsets = np.array([0, 0, 3, 3, 10, 17])
    got = ops.embedding_bag(table, ids, offsets=offsets)
    np.testing.assert_allclose(got, reference.embedding_bag(table, ids, offsets=offsets), atol=1e-6)
    assert (got[[0, 2]] == 0).all()


def test_the_example_with_and_without_a_mask(device):
    table = np.array([[9.0, 9], [1, 2], [3, 4], [5, 6]])
    ids = np.array([[0, 0, 1, 2], [0, 0, 0, 0], [3, 0, 3, 1]])
    grad = np.array([[1.0, 10], [100, 100], [3, 6]])
    np.testing.assert_allclose(ops.embedding_bag(table, ids, pad_id=0), [[2, 3], [0, 0], [11 / 3, 14 / 3]])
    np.testing.assert_allclose(ops.embedding_bag(table, ids), [[5.5, 6], [9, 9], [5, 5.75]])
    by_table = ops.embedding_bag_backward(grad, ids, num_rows=4, pad_id=0)
    assert sorted(by_table.rows) == [1, 2, 3]
    np.testing.assert_allclose(by_table.to_dense(), [[0, 0], [1.5, 7], [0.5, 5], [2, 4]])


def test_a_nan_row_reaches_only_those_who_read_it(device, dtype):
    table = np.ones((4, 16), dtype)
    table[0] = np.nan
    ids = np.array([[1, 2, 3], [0, 0, 1], [2, 2, 2]])
    got = ops.embedding_bag(table, ids)
    assert np.isnan(got[1]).all()
    assert (got[[0, 2]] == 1).all()
    assert np.isfinite(ops.embedding_bag(table, ids, pad_id=0)).all()


def test_a_bag_has_the_same_bits_on_any_set_and_number_of_threads(rng):
    table = rng.normal(size=(5000, 40)).astype(np.float32)
    ids = padded(rng, 5000, 600, 300, np.int32)
    grad = rng.normal(size=(600, 40)).astype(np.float32)
    before, results = config.isa(), set()
    for isa, here in cpu.built_isas().items():
        for count in (1, 2, 3, 8):
            with config.threads(count):
                if here:
                    cpu.set_isa(isa)
                    forward = ops.embedding_bag(table, ids)
                    backward = ops.embedding_bag_scatter(grad, ids, num_rows=5000)
                    results.add((forward.tobytes(), backward.tobytes()))
    cpu.set_isa(before)
    assert len(results) == 1


def test_a_bag_alone_has_the_bits_of_the_bag_in_a_batch(device, rng):
    table = rng.normal(size=(100, 16)).astype(np.float32)
    ids = padded(rng, 100, 8, 77, np.int64)
    together = ops.embedding_bag(table, ids)
    for i in range(8):
        np.testing.assert_array_equal(ops.embedding_bag(table, ids[i : i + 1]), together[i : i + 1])


TABLE, IDS = np.zeros((4, 2), np.float32), np.array([0, 1, 2])


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (
            lambda: ops.embedding_bag(TABLE, IDS),
            ValueError,
            "embedding_bag: ids must have 2 axes; got shape (3,)",
        ),
        (
            lambda: ops.embedding_bag(TABLE, IDS[None], mode="max"),
            ValueError,
            "embedding_bag: mode must be 'mean' or 'sum'; got 'max'",
        ),
        (
            lambda: ops.embedding_bag(TABLE, IDS[None] + 2),
            IndexError,
            "embedding_bag: ids must lie in [0, 4); got 4 at (0, 2)",
        ),
        (
            lambda: ops.embedding_bag(TABLE, IDS, offsets=np.array([0, 2])),
            ValueError,
            "embedding_bag: offsets must rise from 0 to the number of ids (3)",
        ),
        (
            lambda: ops.embedding_bag(TABLE, IDS, offsets=np.array([0, 2, 1, 3])),
            ValueError,
            "embedding_bag: offsets must rise from 0 to the number of ids (3)",
        ),
        (
            lambda: ops.embedding_bag(TABLE, IDS, offsets=np.array([], int)),
            ValueError,
            "embedding_bag: offsets must rise from 0 to the number of ids (3)",
        ),
        (
            lambda: ops.embedding_bag_scatter(TABLE, IDS[None], num_rows=4),
            ValueError,
            "embedding_bag_scatter: grad must have shape (1, 2); got (4, 2)",
        ),
        (
            lambda: ops.embedding_bag(TABLE.astype(int), IDS[None]),
            TypeError,
            "embedding_bag: table must be float32 or float64; got a int64 array of shape (4, 2)",
        ),
    ],
)
def test_bag_refuses(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == text
