from __future__ import annotations

import numpy as np
import pytest

from cases import embedding as cases
from strop import config, ops, reference
from tolerance import assert_close


@pytest.fixture(params=["int32", "int64"])
def id_type(request):
    return request.param


@pytest.mark.parametrize(("rows", "width", "shape"), cases.CASES)
def test_lookup_and_its_gradient_match_the_reference(device, dtype, id_type, rng, rows, width, shape):
    table = rng.normal(size=(rows, width)).astype(dtype)
    ids = rng.integers(0, rows, shape).astype(id_type)
    got = ops.embedding_lookup(table, ids)
    np.testing.assert_array_equal(got, table[ids])
    out = np.full((*shape, width), np.nan, dtype)
    assert ops.embedding_lookup(table, ids, out=out) is out
    np.testing.assert_array_equal(out, got)

    grad = rng.normal(size=got.shape).astype(dtype)
    by_table = ops.embedding_lookup_backward(grad, ids, num_rows=rows)
    assert len(set(by_table.rows.tolist())) == len(by_table.rows)
    want = reference.embedding_lookup_backward(grad, ids, num_rows=rows)
    scale = reference.embedding_lookup_backward(np.abs(grad), ids, num_rows=rows) + 1e-30
    assert_close(by_table.to_dense(), want, scale=scale, roundings=ids.size + 2)


@pytest.mark.parametrize("shape", [(0,), (1,), (13,), (40, 25), (3, 4, 5)])
def test_compact_ids_gives_first_appearances(id_type, rng, shape):
    ids = rng.integers(0, 60, shape).astype(id_type)
    ids[..., : shape[-1] // 2] = 7  # a run, as padding makes it
    scratch = ops.CompactScratch(60)
    for memory in (None, scratch, scratch):
        rows, slots = ops.compact_ids(ids, num_rows=60, scratch=memory)
        want_rows, want_slots = reference.compact_ids(ids)
        np.testing.assert_array_equal(rows, want_rows)
        np.testing.assert_array_equal(slots, want_slots)
        assert rows.dtype == np.int64
        assert slots.dtype == np.int32


def test_a_table_beyond_the_cache_takes_the_prefetching_path(device, rng):
    table = rng.normal(size=(300_000, 16)).astype(np.float32)
    ids = rng.integers(0, len(table), 5000)
    np.testing.assert_array_equal(ops.embedding_lookup(table, ids), table[ids])
    bags = ids.reshape(50, 100)
    want = reference.embedding_bag(table, bags)
    np.testing.assert_allclose(ops.embedding_bag(table, bags), want, atol=1e-6)


def test_lookup_has_the_same_bits_on_any_number_of_threads(rng):
    table = rng.normal(size=(1000, 64)).astype(np.float32)
    ids = rng.integers(0, 1000, 100_000)
    for count in (1, 2, 3, 8):
        with config.threads(count):
            np.testing.assert_array_equal(ops.embedding_lookup(table, ids), table[ids])


TABLE = np.zeros((4, 2), np.float32)


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (
            lambda: ops.embedding_lookup(TABLE, np.array([[0, 1], [3, 4]])),
            IndexError,
            "embedding_lookup: ids must lie in [0, 4); got 4 at (1, 1)",
        ),
        (
            lambda: ops.embedding_lookup(TABLE, np.array([-1], np.int32)),
            IndexError,
            "embedding_lookup: ids must lie in [0, 4); got -1 at (0,)",
        ),
        (
            lambda: ops.embedding_lookup(TABLE, np.array([2**40])),
            IndexError,
            f"embedding_lookup: ids must lie in [0, 4); got {2**40} at (0,)",
        ),
        (
            lambda: ops.embedding_lookup(TABLE, np.array([1.0])),
            TypeError,
            "embedding_lookup: ids must be int32 or int64; got a float64 array of shape (1,)",
        ),
        (
            lambda: ops.embedding_lookup(TABLE[0], np.array([1])),
            ValueError,
            "embedding_lookup: table must have 2 axes; got shape (2,)",
        ),
        (
            lambda: ops.embedding_lookup(TABLE, np.array([1]), out=TABLE[:1]),
            ValueError,
            "embedding_lookup: out must not overlap table; got two views of one buffer",
        ),
        (
            lambda: ops.compact_ids(np.array([1]), num_rows=4, scratch=ops.CompactScratch(5)),
            ValueError,
            "compact_ids: scratch must be made for num_rows 4; got one for 5",
        ),
        (
            lambda: ops.embedding_lookup_backward(TABLE, np.array([1]), num_rows=4),
            ValueError,
            "embedding_lookup_backward: grad must have the shape of ids (1,) and one axis more; got (4, 2)",
        ),
    ],
)
def test_lookup_refuses(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == text


def test_a_refused_lookup_writes_nothing():
    out = np.full((2, 2), 7.0, np.float32)
    with pytest.raises(IndexError):
        ops.embedding_lookup(TABLE, np.array([0, 9]), out=out)
    assert (out == 7).all()
