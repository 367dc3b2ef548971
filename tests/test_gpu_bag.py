"""Bags, row plans and row gradients on CUDA."""

from __future__ import annotations

import numpy as np

import strop
from strop import _backend, ops

#: kNoRow of csrc/kernels.h.
NO_ROW = np.iinfo(np.int64).min


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
        grad = strop.RowGrad.trusted(gpu.asarray(rows), gpu.asarray(values), (5, 3))
        step(**mine, grad=grad, learning_rate=0.1, **settings)
        for name, array in theirs.items():
            assert np.array_equal(gpu.host(mine[name]), array), (step, name)
    _backend.synchronize()
