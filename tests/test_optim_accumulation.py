"""Gradients of micro-batches made into one."""

from __future__ import annotations

import numpy as np
import pytest

from strop.optim import SGD, GradientAccumulator
from strop.rowgrad import RowGrad


def test_four_micro_batches_make_two_steps():
    weight, rates = np.ones(1), []
    optimizer, accumulator = SGD([weight], lr=0.1), GradientAccumulator(2)
    for gradient in (1.0, 3.0, 5.0, 7.0):
        grads = accumulator.add([np.array([gradient])])
        if grads is not None:
            optimizer.step(grads)
        rates.append(weight[0])
    assert rates == pytest.approx([1, 0.8, 0.8, 0.2])


@pytest.mark.parametrize(("reduction", "share"), [("mean", 4), ("sum", 1)])
def test_the_result_is_that_of_all_gradients(rng, dtype, reduction, share):
    accumulator = GradientAccumulator(4, reduction)
    batches = [
        {"W": [rng.normal(size=(3, 2)).astype(dtype)], "b": rng.normal(size=2).astype(dtype)}
        for _ in range(4)
    ]
    want = [sum(batch["W"][0] for batch in batches) / share, sum(batch["b"] for batch in batches) / share]
    kept = [batch["b"].copy() for batch in batches]
    results = [accumulator.add(batch) for batch in batches]
    assert results[:3] == [None] * 3
    got = results[3]
    np.testing.assert_allclose(got["W"][0], want[0], rtol=1e-6)
    np.testing.assert_allclose(got["b"], want[1], rtol=1e-6)
    assert got["b"].dtype == dtype
    np.testing.assert_equal([batch["b"] for batch in batches], kept)


def test_the_owner_may_overwrite_gradients_between_two_calls():
    accumulator, grad = GradientAccumulator(2, "sum"), np.ones(2)
    accumulator.add([grad])
    grad[...] = 5
    (got,) = accumulator.add([grad])
    np.testing.assert_array_equal(got, 6)
    accumulator.add([grad])
    np.testing.assert_array_equal(got, 6)


def test_none_counts_as_zeros():
    accumulator = GradientAccumulator(2)
    accumulator.add({"a": None, "b": np.ones(2), "c": None})
    got = accumulator.add({"a": np.ones(2), "b": None, "c": None})
    np.testing.assert_array_equal(got["a"], 0.5)
    np.testing.assert_array_equal(got["b"], 0.5)
    assert got["c"] is None


def test_row_gradients_stay_sparse_until_a_dense_one_joins(rng):
    def rows():
        return RowGrad(rng.integers(0, 5, 4), rng.normal(size=(4, 2)), (6, 2))

    parts = [rows() for _ in range(3)]
    accumulator = GradientAccumulator(3)
    accumulator.add([parts[0]]), accumulator.add([parts[1]])
    (got,) = accumulator.add([parts[2]])
    assert isinstance(got, RowGrad)
    want = sum(part.to_dense() for part in parts) / 3
    np.testing.assert_allclose(got.to_dense(), want, rtol=1e-13)
    dense = rng.normal(size=(6, 2))
    for order in ([parts[0], dense, parts[1]], [dense, parts[0], parts[1]], [parts[0], parts[1], dense]):
        for part in order[:-1]:
            accumulator.add([part])
        (got,) = accumulator.add([order[-1]])
        np.testing.assert_allclose(got, (parts[0].to_dense() + parts[1].to_dense() + dense) / 3, rtol=1e-13)


def test_what_is_left_at_the_end_of_an_epoch():
    accumulator = GradientAccumulator(4)
    assert accumulator.take() is None
    accumulator.add([np.array([1.0])])
    accumulator.add([np.array([2.0])])
    assert (accumulator.calls, repr(accumulator)) == (2, "GradientAccumulator(2 of 4 micro-batches, mean)")
    (got,) = accumulator.take()
    assert got == 1.5
    assert (accumulator.calls, accumulator.take()) == (0, None)
    accumulator.add([np.array([1.0])])
    accumulator.reset()
    assert accumulator.take() is None


def test_gradients_may_come_from_a_generator():
    accumulator = GradientAccumulator(2)
    accumulator.add(np.full(2, value) for value in (1.0, 3.0))
    first, second = accumulator.add(np.full(2, value) for value in (2.0, 5.0))
    np.testing.assert_array_equal([first, second], [[1.5, 1.5], [4.0, 4.0]])


def test_a_single_array_is_a_structure_too():
    accumulator = GradientAccumulator(2)
    accumulator.add(np.ones(2))
    np.testing.assert_array_equal(accumulator.add(np.zeros(2)), 0.5)


def test_one_step_is_a_copy():
    grad = np.ones(2)
    got = GradientAccumulator(1).add((grad, [None]))
    assert isinstance(got, tuple)
    assert got[0] is not grad
    np.testing.assert_array_equal(got[0], 1)


@pytest.mark.parametrize(
    ("grads", "error", "text"),
    [
        ([np.ones(2)], ValueError,
         "grads must keep the structure of the first micro-batch (2 gradients); got 1 in another one"),
        ({"a": np.ones(2), "b": np.ones(3)}, ValueError,
         "grads must keep the structure of the first micro-batch (2 gradients); got 2 in another one"),
        ([np.ones(2), np.ones(4)], ValueError, "grads[1] must have shape (3,) as before; got (4,)"),
        ([np.ones(2), np.ones(3, np.float32)], TypeError, "grads[1] must be float64 as before; got float32"),
        ([np.ones(2), [1.0]], TypeError, "grads[1][0] must be a numpy array or a RowGrad; got float"),
        ([np.ones(2), np.ones((3, 2))[:, 0]], ValueError,
         "grads[1] must be C-contiguous; got a strided float64 array of shape (3,); use numpy.ascontiguousarray"),
    ],
)  # fmt: skip
def test_a_micro_batch_that_does_not_fit_adds_nothing(grads, error, text):
    accumulator = GradientAccumulator(3)
    accumulator.add([np.ones(2), np.ones(3)])
    with pytest.raises(error) as caught:
        accumulator.add(grads)
    assert str(caught.value) == f"GradientAccumulator: {text}"
    first, second = accumulator.take()
    np.testing.assert_array_equal(first, 1)
    np.testing.assert_array_equal(second, 1)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ((0,), "steps must be a whole number from 1; got 0"),
        ((2, "average"), "reduction must be 'mean' or 'sum'; got 'average'"),
    ],
)
def test_settings_out_of_range_are_refused(settings, text):
    with pytest.raises(ValueError) as caught:
        GradientAccumulator(*settings)
    assert str(caught.value) == f"GradientAccumulator: {text}"
