from __future__ import annotations

import numpy as np
import pytest

from strop.rowgrad import RowGrad


def test_duplicates_are_summed(dtype):
    grad = RowGrad(np.array([2, 0, 2]), np.array([[1], [2], [3]], dtype), (4, 1))
    np.testing.assert_array_equal(grad.to_dense(), [[2], [0], [4], [0]])
    once = grad.coalesce()
    np.testing.assert_array_equal(once.rows, [2, 0])
    assert once.coalesce() is once
    assert grad.dtype == dtype


def test_the_norm_is_taken_after_summing():
    assert RowGrad([0, 0], [[3.0], [4.0]], (1, 1)).norm() == 7


def test_any_rank_and_no_rows_at_all():
    grad = RowGrad([1, 1], np.ones((2, 2, 3)), (4, 2, 3))
    assert grad.to_dense()[1].tolist() == [[2.0] * 3] * 2
    empty = RowGrad([], np.zeros((0, 3)), (4, 3))
    assert empty.coalesce().to_dense().sum() == 0
    assert empty.norm() == 0


@pytest.mark.parametrize(
    ("args", "kind", "text"),
    [
        (([4], [[1.0]], (4, 1)), IndexError, "rows must lie in [0, 4); got 4 at (0,)"),
        (([0, -1], [[1.0], [1.0]], (4, 1)), IndexError, "rows must lie in [0, 4); got -1 at (1,)"),
        (([0], [[1.0, 2.0]], (4, 1)), ValueError, "values must have shape (1, 1); got (1, 2)"),
        (([[0]], [[1.0]], (4, 1)), ValueError, "rows must have 1 axis; got shape (1, 1)"),
        (([0.5], [[1.0]], (4, 1)), TypeError, "rows must be int32 or int64; got float64"),
        (([0], [[1]], (4, 1)), TypeError, "values must be float32 or float64; got int64"),
    ],
)
def test_rowgrad_refuses(args, kind, text):
    with pytest.raises(kind) as caught:
        RowGrad(*args)
    assert str(caught.value) == f"RowGrad: {text}"
