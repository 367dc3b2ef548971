"""No elementwise kernel, loss, softmax or reduction touches a byte outside its arrays."""

from __future__ import annotations

import numpy as np
import pytest

from guarded import guarded
from strop import ops

SIZES = [1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 65, 1000]


@pytest.mark.parametrize("at_end", [True, False])
@pytest.mark.parametrize("name", ops.ACTIVATIONS)
def test_activations_stay_inside(device, dtype, rng, name, at_end):
    for size in SIZES:
        x, grad, out = (guarded(rng.normal(size=size).astype(dtype), at_end=at_end) for _ in range(3))
        want = ops.activation(x.copy(), name=name)
        np.testing.assert_array_equal(ops.activation(x, name=name, out=out), want)
        ops.activation_backward(grad, x, out, name=name)


@pytest.mark.parametrize("at_end", [True, False])
def test_losses_and_softmax_stay_inside(device, dtype, rng, at_end):
    for size in SIZES:
        for shape in ((1, size), (size, 1), (3, size)):
            z, q, p = (guarded(rng.normal(size=shape).astype(dtype), at_end=at_end) for _ in range(3))
            labels = guarded(rng.integers(0, shape[1], shape[0]), at_end=at_end)
            weight = guarded(rng.uniform(size=shape[0]).astype(dtype), at_end=at_end)
            ops.softmax_cross_entropy(z, labels, sample_weight=weight, probabilities=p)
            ops.softmax_cross_entropy(z, q, probabilities=p)
            ops.binary_cross_entropy(z, q, sample_weight=weight, probabilities=p)
            ops.mean_squared_error(z, q)
            for function in (ops.softmax, ops.log_softmax):
                np.testing.assert_array_equal(function(z, out=p), function(z.copy()))
            ops.softmax_backward(q, p)
            ops.log_softmax_backward(q, p)


@pytest.mark.parametrize("at_end", [True, False])
def test_reductions_stay_inside(device, dtype, rng, at_end):
    for size in SIZES:
        for shape in ((size,), (3, size), (size, 3), (2, size, 5), (70, size)):
            x = guarded(rng.normal(size=shape).astype(dtype), at_end=at_end)
            for axis in (None, *range(len(shape))):
                for function in (ops.sum, ops.max, ops.norm, ops.argmax):
                    np.testing.assert_array_equal(function(x, axis=axis), function(x.copy(), axis=axis))


@pytest.mark.parametrize("at_end", [True, False])
def test_optimizer_steps_stay_inside(device, dtype, rng, at_end):
    for size in [*SIZES, 5003]:
        start = [np.abs(rng.normal(size=size)).astype(dtype) for _ in range(4)]
        param, grad, moment1, moment2 = (guarded(a, at_end=at_end) for a in start)
        step = {"learning_rate": 0.1, "step": 2}
        ops.adam_step(param=param, grad=grad, moment1=moment1, moment2=moment2, **step)
        ops.adam_step(param=start[0], grad=start[1], moment1=start[2], moment2=start[3], **step)
        np.testing.assert_array_equal(param, start[0])
        ops.sgd_step(param=param, grad=grad, velocity=moment1, learning_rate=0.1, momentum=0.9)
        ops.sgd_step(param=start[0], grad=start[1], velocity=start[2], learning_rate=0.1, momentum=0.9)
        np.testing.assert_array_equal(param, start[0])
