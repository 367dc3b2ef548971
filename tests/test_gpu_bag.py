"""Bags, row plans and row gradients on CUDA, against the reference."""

from __future__ import annotations

import re

import numpy as np
import pytest

import strop
from cases import embedding_bag as cases
from strop import _backend, ops, reference
from strop.layers import Embedding, GlobalAveragePooling1D
from strop.training.table_steps import BagStep, EmbeddingStep
from test_cuda_capture import captured
from test_embedding_bag import padded
from tolerance import assert_close, bag_roundings

#: kNoRow of csrc/kernels/base.h.
NO_ROW = np.iinfo(np.int64).min

#: Around the lanes of a row and the tiles of lanes, whole packs and not.
WIDTHS = (1, 3, 4, 16, 17, 64, 300)


def made(gpu, grad: strop.RowGrad, want_rows: np.ndarray) -> np.ndarray:
    """The values of the rows that there are; behind them are none."""
    assert grad.padded
    rows, values = gpu.host(grad.rows), gpu.host(grad.values)
    assert rows.dtype == np.int64
    assert np.array_equal(rows[: len(want_rows)], want_rows)
    assert (rows[len(want_rows) :] == NO_ROW).all()
    return values[: len(want_rows)]


def check(gpu, rng, dtype, id_type, rows, dim, ids, offsets=None, pads=(None, 0)):
    """Forward and backward of the bags against the reference in float64."""
    ids = ids.astype(id_type)
    count = len(ids) if offsets is None else len(offsets) - 1
    longest = ids.shape[1] if offsets is None else int(np.diff(offsets).max(initial=0))
    table = rng.standard_normal((rows, dim)).astype(dtype)
    grad = rng.standard_normal((count, dim)).astype(dtype)
    on_gpu = [gpu.asarray(a) for a in (table, grad, ids)]
    given = None if offsets is None else gpu.asarray(offsets)
    most = int(np.bincount(ids.ravel()).max(initial=1))
    # Sums of 8, of 32 of these, and of chunks. In float64 the reference's own sum is as rough as the ids are many.
    sums, rough = (most, 4) if dtype == np.float64 else (8 + 32 + most / 256, 1)
    for mode in ("mean", "sum"):
        for pad in pads:
            settings = {"mode": mode, "pad_id": pad}
            there = settings | {"offsets": given}
            here = settings | {"offsets": offsets}
            got = gpu.host(ops.embedding_bag(on_gpu[0], on_gpu[2], **there))
            scale = reference.embedding_bag(np.abs(table), ids, **here) + 1e-30
            want = reference.embedding_bag(table, ids, **here)
            assert_close(got, want, scale=scale, roundings=bag_roundings(longest) * rough)
            want = reference.embedding_bag_scatter(grad, ids, num_rows=rows, **here)
            scale = reference.embedding_bag_scatter(np.abs(grad), ids, num_rows=rows, **here) + 1e-30
            dense = gpu.host(ops.embedding_bag_scatter(on_gpu[1], on_gpu[2], num_rows=rows, **there))
            assert_close(dense, want, scale=scale, roundings=sums + 8)
            sparse = ops.embedding_bag_backward(on_gpu[1], on_gpu[2], num_rows=rows, **there)
            used = np.unique(ids)
            used = used if pad is None else used[used != pad]
            assert np.array_equal(made(gpu, sparse, used), dense[used])
            assert np.array_equal(gpu.host(sparse.to_dense()), dense)


@pytest.mark.parametrize("case", [c for c in cases.CASES if c[2] * c[3] < 20_000], ids=str)
def test_bags_and_gradients(gpu, rng, dtype, case):
    rows, dim, count, width = case
    for id_type in (np.int32, np.int64):
        check(gpu, rng, dtype, id_type, rows, dim, padded(rng, rows, count, width, id_type))


@pytest.mark.parametrize("dim", WIDTHS)
def test_rows_of_any_width(gpu, rng, dtype, dim):
    check(gpu, rng, dtype, np.int32, 11, dim, rng.integers(0, 11, (7, 70)))


def test_bags_of_unequal_length(gpu, rng, dtype):
    for kind in (np.int32, np.int64):
        offsets = np.array([0, 0, 3, 3, 300, 317, 317], kind)
        check(gpu, rng, dtype, kind, 20, 5, rng.integers(0, 20, 317), offsets)


@pytest.mark.parametrize("shape", [(1100, 3), (300, 1), (0, 4), (4, 0), (1, 1)], ids=str)
def test_few_and_many_bags(gpu, rng, dtype, shape):
    check(gpu, rng, dtype, np.int32, 9, 16, rng.integers(0, 9, shape))


@pytest.mark.parametrize("count", [7, 8, 9, 255, 256, 257, 511, 512, 513, 2000])
def test_where_sums_are_cut(gpu, rng, dtype, count):
    # One row in every id, and one whose ids end where the first one's begin.
    check(gpu, rng, dtype, np.int64, 3, 16, np.ones((count, 1), int))
    check(gpu, rng, dtype, np.int64, 300, 4, np.r_[np.arange(100, 300), np.full(count, 5)].reshape(-1, 1))
    check(gpu, rng, dtype, np.int64, 300, 1, np.r_[np.full(count, 299), np.full(count, 5)].reshape(1, -1))


@pytest.mark.parametrize(
    ("rows", "count"), [(2**16 - 1, 2**16), (2**16, 2**16), (2**31 - 1, 2), (2**31, 3), (2**40, 5)]
)
def test_keys_of_32_and_of_64_bits(gpu, rng, rows, count):
    # 16 + 16 bits are the last that fit; the row that is none takes part.
    places = np.array([0, 1, count // 2, count - 1])
    ids = np.full(count, rows - 2)
    ids[0], ids[count // 2] = 7, rows - 1
    grad = rng.integers(-8, 8, (count, 1)).astype("float32")
    got = ops.embedding_lookup_backward(gpu.asarray(grad), gpu.asarray(ids), num_rows=rows)
    want = np.unique(ids)
    values = made(gpu, got, want)
    assert np.array_equal(values[:, 0], [grad[ids == row].sum() for row in want]), places


def test_a_plan_has_the_same_bits_with_and_without_a_sort(gpu, rng):
    # 2**18 rows are the most without one.
    ids = np.minimum(rng.zipf(1.2, (20, 90)), 2**18) - 1
    ids[:, 60:] = 600
    ids[7] = rng.integers(0, 2**18, 90)
    grad = gpu.asarray(rng.standard_normal((20, 5)).astype("float32"))
    few, many = (
        ops.embedding_bag_backward(grad, gpu.asarray(ids), num_rows=rows, pad_id=1)
        for rows in (2**18, 2**18 + 1)
    )
    used = np.unique(ids)
    used = used[used != 1]
    assert np.array_equal(made(gpu, few, used), made(gpu, many, used))


@pytest.mark.parametrize("rows", [40, 2**18 + 1])
def test_plans_and_gradients_are_captured_with_new_ids_at_each_launch(gpu, rng, rows):
    # Of the larger table by the sort; the last ids are of one row, so that chunks are put together.
    def batch() -> np.ndarray:
        ids = np.full((9, 80), rows - 1)
        ids[:, :30] = rng.integers(0, rows, (9, 30))
        return ids

    ids, grad = gpu.asarray(batch()), gpu.asarray(rng.standard_normal((9, 16)).astype("float32"))

    def backward() -> strop.RowGrad:
        return ops.embedding_bag_backward(grad, ids, num_rows=rows, pad_id=0)

    backward()
    graph, captured_grad, pool = captured(gpu, backward)
    for _ in range(3):
        ids[...] = gpu.asarray(batch())
        graph.launch()
        want = backward()
        used = np.setdiff1d(gpu.host(ids), [0])
        assert np.array_equal(made(gpu, captured_grad, used), made(gpu, want, used))
    del pool


def test_a_bag_alone_has_the_bits_of_the_bag_in_a_batch(gpu, rng, dtype):
    # A block per bag, or a warp.
    for dim in (16, 17):
        table = gpu.asarray(rng.standard_normal((100, dim)).astype(dtype))
        ids = padded(rng, 100, 1030, 77, np.int32)
        together = gpu.host(ops.embedding_bag(table, gpu.asarray(ids)))
        few = gpu.host(ops.embedding_bag(table, gpu.asarray(ids[1000:])))
        assert np.array_equal(together[1000:], few)


def test_a_nan_row_reaches_only_those_who_read_it(gpu, dtype):
    table = np.ones((4, 16), dtype)
    table[0] = np.nan
    ids = gpu.asarray(np.array([[1, 2, 3], [0, 0, 1], [2, 2, 2]]))
    got = gpu.host(ops.embedding_bag(gpu.asarray(table), ids))
    assert np.isnan(got[1]).all()
    assert (got[[0, 2]] == 1).all()
    assert np.isfinite(gpu.host(ops.embedding_bag(gpu.asarray(table), ids, pad_id=0))).all()


# ---- row gradients -------------------------------------------------------------


def test_row_gradients(gpu, rng, dtype):
    for shape in ((9, 4), (9,), (9, 2, 3)):
        rows = np.array([3, 8, 3, 0, 3, 8])
        values = rng.standard_normal((6, *shape[1:])).astype(dtype)
        theirs = strop.RowGrad(rows, values, shape)
        mine = strop.RowGrad(gpu.asarray(rows), gpu.asarray(values), shape)
        dense = theirs.to_dense()
        np.testing.assert_allclose(gpu.host(mine.to_dense()), dense, rtol=1e-5, atol=1e-6)
        once = mine.coalesce()
        np.testing.assert_allclose(
            made(gpu, once, np.array([0, 3, 8])), dense[[0, 3, 8]], rtol=1e-5, atol=1e-6
        )
        assert once.coalesce() is once
        assert np.array_equal(gpu.host(once.to_dense()), gpu.host(mine.to_dense()))
        assert mine.norm() == pytest.approx(theirs.norm(), rel=1e-5)
        half = mine.scaled(0.5)
        np.testing.assert_allclose(gpu.host(half.to_dense()), dense / 2, rtol=1e-5, atol=1e-6)
        assert mine.dtype == dtype
        assert repr(once) == f"RowGrad(up to 6 rows of shape {shape}, {np.dtype(dtype)})"
    ids, grad = rng.integers(0, 5, (2, 3)), rng.standard_normal((2, 3, 4)).astype(dtype)
    mine = strop.RowGrad.from_ids(gpu.asarray(ids), gpu.asarray(grad), (5, 4))
    want = strop.RowGrad.from_ids(ids, grad, (5, 4)).to_dense()
    np.testing.assert_allclose(gpu.host(mine.to_dense()), want, rtol=1e-5, atol=1e-6)
    _backend.synchronize()


def test_a_row_gradient_is_in_one_place(gpu):
    rows, values = np.array([1, 2]), np.ones((2, 3), "float32")
    text = "RowGrad: rows must be a cupy array like values; got a numpy array of shape (2,); move it with cupy.asarray"
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        strop.RowGrad(rows, gpu.asarray(values), (4, 3))
    text = "RowGrad: values must be a cupy array like rows; got list; move it with cupy.asarray"
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        strop.RowGrad(gpu.asarray(rows), [[1.0] * 3] * 2, (4, 3))
    text = "RowGrad: values must have shape (2, 4); got (2, 3)"
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        strop.RowGrad(gpu.asarray(rows), gpu.asarray(values), (4, 4))


def test_the_row_that_is_none_moves_nothing_and_is_no_fault(gpu, rng, dtype):
    param, first, second = (np.abs(rng.standard_normal((5, 3))).astype(dtype) for _ in range(3))
    values = rng.standard_normal((4, 3)).astype(dtype)
    rows = np.array([4, 1, NO_ROW, NO_ROW])
    steps = {
        ops.adam_step: ({"moment1": first, "moment2": second}, {"step": 3}),
        ops.sgd_step: ({"velocity": first}, {"momentum": 0.9}),
        ops.rmsprop_step: ({"mean_square": second}, {}),
    }
    for step, (states, settings) in steps.items():
        theirs = {"param": param.copy()} | {name: a.copy() for name, a in states.items()}
        mine = {name: gpu.asarray(a) for name, a in theirs.items()}
        grad = strop.RowGrad.trusted(rows[:2], values[:2], (5, 3))
        step(**theirs, grad=grad, learning_rate=0.1, **settings)
        grad = strop.RowGrad.trusted(gpu.asarray(rows), gpu.asarray(values), (5, 3), padded=True)
        step(**mine, grad=grad, learning_rate=0.1, **settings)
        for name, array in theirs.items():
            assert np.array_equal(gpu.host(mine[name]), array), (step, name)
    _backend.synchronize()


# ---- layers --------------------------------------------------------------------


@pytest.mark.parametrize("mask_zero", [False, True])
@pytest.mark.parametrize("keepdims", [False, True])
def test_a_bag_step(gpu, rng, mask_zero, keepdims):
    embedding = Embedding(30, 16, mask_zero=mask_zero)
    pooling = GlobalAveragePooling1D(keepdims=keepdims)
    embedding.build((None, 9))
    pooling.build((None, 9, 16))
    step = BagStep(embedding, pooling)
    ids = padded(rng, 30, 7, 9, np.int32)
    grad = rng.standard_normal((7, 1, 16) if keepdims else (7, 16)).astype("float32")
    results = {}
    table = embedding.table._value
    for place in ("host", "gpu"):
        moved = gpu.asarray if place == "gpu" else (lambda a: a)
        embedding.table._value = moved(table)
        y, saved, mask = step.forward(moved(ids), True, None)
        assert mask is None
        _, (by_table,) = step.backward(moved(grad), saved, False)
        results[place] = gpu.host(y), gpu.host(by_table.to_dense())
    for a, b in zip(*results.values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mask_zero", [False, True])
@pytest.mark.parametrize("shape", [(7,), (7, 9), (3, 0), (2, 3, 4)])
def test_an_embedding_step(gpu, rng, mask_zero, shape):
    embedding = Embedding(30, 16, mask_zero=mask_zero)
    embedding.build((None, *shape[1:]))
    step = EmbeddingStep(embedding)
    ids = rng.integers(0, 30, shape)
    grad = rng.standard_normal((*shape, 16)).astype("float32")
    table = embedding.table._value
    results = {}
    for place in ("host", "gpu"):
        moved = gpu.asarray if place == "gpu" else (lambda a: a)
        embedding.table._value = moved(table)
        y, saved, mask = step.forward(moved(ids), True, None)
        _, (by_table,) = step.backward(moved(grad), saved, False)
        results[place] = gpu.host(y), gpu.host(by_table.to_dense())
        assert mask is None if not mask_zero else np.array_equal(gpu.host(mask), ids != 0)
    np.testing.assert_array_equal(results["gpu"][0], results["host"][0])
    np.testing.assert_allclose(results["gpu"][1], results["host"][1], rtol=1e-5, atol=1e-6)


# ---- what is refused -----------------------------------------------------------


def test_a_bad_id_adds_nothing_and_is_told_when_one_waits(gpu):
    table = gpu.asarray(np.ones((5, 4), "float32"))
    ids = gpu.asarray(np.array([[0, 5, 4], [-1, 2, 2]]))
    out = gpu.host(ops.embedding_bag(table, ids, mode="sum"))
    assert np.array_equal(out, np.full((2, 4), 2))
    with pytest.raises(IndexError, match="element 1 of its array"):
        _backend.synchronize()
    grad = gpu.asarray(np.ones((2, 4), "float32"))
    by_table = ops.embedding_bag_backward(grad, ids, num_rows=5, mode="sum")
    assert np.array_equal(gpu.host(by_table.to_dense())[:, 0], [1, 0, 2, 0, 1])
    with pytest.raises(IndexError, match="element 1 of its array"):
        _backend.synchronize()


def test_wild_offsets_read_nothing_outside(gpu):
    table, ids = gpu.asarray(np.ones((5, 4), "float32")), gpu.asarray(np.zeros(6, int))
    for offsets in ([0, 9, 2], [-7, 3, 6], [5, 2, 2**40], [-(2**62), 2**62, 0]):
        given = gpu.asarray(np.array(offsets))
        ops.embedding_bag(table, ids, offsets=given)
        grad = gpu.asarray(np.ones((2, 4), "float32"))
        ops.embedding_bag_backward(grad, ids, offsets=given, num_rows=5).to_dense()


def test_refused(gpu):
    table, ids = gpu.asarray(np.ones((5, 4), "float32")), gpu.asarray(np.zeros((2, 3), int))
    grad = gpu.asarray(np.ones((3, 4), "float32"))
    calls = {
        "embedding_bag: ids must have 2 axes; got shape (2,)": lambda: ops.embedding_bag(
            table, ids[:, 0].copy()
        ),
        "row_gradient: grad must have shape (2, 4); got (3, 4)": lambda: ops.embedding_bag_backward(
            grad, ids, num_rows=5
        ),
        "embedding_bag: mode must be 'mean' or 'sum'; got 'max'": lambda: ops.embedding_bag(
            table, ids, mode="max"
        ),
        "row_plan: num_rows must be 0 or more; got -1": lambda: gpu.module.row_plan(ids, -1),
    }
    for text, call in calls.items():
        with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
            call()
    text = "row_gradient: grad must be a cupy array; got a numpy array of shape (2, 4); move it with cupy.asarray"
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        ops.embedding_bag_backward(np.ones((2, 4), "float32"), ids, num_rows=5)
