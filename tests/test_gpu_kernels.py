"""Every case of tests/cases through CUDA's kernels: optimizers have the CPU's bits, others are near the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cases.activation
import cases.adam
import cases.embedding
import cases.loss
import cases.reduction
import cases.sgd
import cases.softmax
import cases.update
from strop import _backend, ops, reference


def near(got: Any, want: Any, dtype: np.dtype, terms: float = 1.0) -> None:
    unit = 2.0**-23 if dtype == np.float32 else 2.0**-50  # no FMA on the host: polynomials round twice
    np.testing.assert_allclose(got, want, rtol=64 * unit, atol=64 * unit * terms)


# ---- optimizers ----------------------------------------------------------------


@pytest.mark.parametrize("settings", cases.adam.SETTINGS.values(), ids=cases.adam.SETTINGS)
@pytest.mark.parametrize("size", cases.adam.SIZES)
def test_adam_has_the_bits_of_the_cpu(gpu, rng, dtype, size, settings):
    arrays = [rng.standard_normal(size).astype(dtype) for _ in range(4)]
    arrays[3] = np.abs(arrays[3])
    names = ("param", "grad", "moment1", "moment2")
    mine = {name: gpu.asarray(a) for name, a in zip(names, arrays, strict=True)}
    theirs = {name: a.copy() for name, a in zip(names, arrays, strict=True)}
    for step in (1, 2):
        ops.adam_step(**mine, learning_rate=0.01, step=step, **settings)
        ops.adam_step(**theirs, learning_rate=0.01, step=step, **settings)
    for name in names:
        assert np.array_equal(gpu.host(mine[name]), theirs[name]), name


@pytest.mark.parametrize("settings", cases.sgd.SETTINGS, ids=str)
@pytest.mark.parametrize("size", cases.sgd.SIZES)
def test_sgd_has_the_bits_of_the_cpu(gpu, rng, dtype, size, settings):
    param, grad = (rng.standard_normal(size).astype(dtype) for _ in range(2))
    theirs = {"param": param, "grad": grad}
    if "momentum" in settings:
        theirs["velocity"] = np.zeros_like(param)
    mine = {name: gpu.asarray(a) for name, a in theirs.items()}
    for _ in range(2):
        ops.sgd_step(**mine, learning_rate=0.1, **settings)
        ops.sgd_step(**theirs, learning_rate=0.1, **settings)
    for name, array in theirs.items():
        assert np.array_equal(gpu.host(mine[name]), array), name


@pytest.mark.parametrize("rule", cases.update.STATES)
def test_the_other_rules_have_the_bits_of_the_cpu(gpu, rng, dtype, rule):
    for number, settings in enumerate(cases.update.SETTINGS[rule]):
        states, arguments = cases.update.start(rule, settings)
        if rule != "rprop_step":
            arguments |= cases.update.DECAYS[number % 4]
        for size in cases.update.SIZES:
            theirs = {name: np.full(size, value, dtype) for name, value in states.items()}
            theirs["param"] = rng.standard_normal(size).astype(dtype)
            mine = {name: gpu.asarray(array) for name, array in theirs.items()}
            for step in (1, 2, 3):
                counted = {"step": step} if rule in cases.update.COUNTED else {}
                if rule == "nadam_step":
                    counted["mu_product"] = 0.9**step
                grad = rng.standard_normal(size).astype(dtype)
                getattr(ops, rule)(**theirs, grad=grad, **arguments, **counted)
                getattr(ops, rule)(**mine, grad=gpu.asarray(grad), **arguments, **counted)
            for name, array in theirs.items():
                assert np.array_equal(gpu.host(mine[name]), array), (name, settings, size)


@pytest.mark.parametrize("width", [1, 3, 16])
def test_rows_have_the_bits_of_the_cpu_and_a_bad_one_moves_nothing(gpu, rng, dtype, width):
    arrays = {
        name: np.abs(rng.standard_normal((9, width))).astype(dtype)
        for name in ("param", "moment1", "moment2")
    }
    grad, rows = rng.standard_normal((3, width)).astype(dtype), np.array([7, 0, 4])
    mine = {name: gpu.asarray(array) for name, array in arrays.items()}
    settings = {"learning_rate": 0.01, "step": 3, "l2": 0.1}
    gpu.module.adam_rows(**mine, grad=gpu.asarray(grad), rows=gpu.asarray(rows), **settings)
    _backend.cpu.adam_rows(**arrays, grad=grad, rows=rows, **settings)
    for name, array in arrays.items():
        assert np.array_equal(gpu.host(mine[name]), array)
    bad = gpu.asarray(np.array([1, 9, -1]))
    before = gpu.host(mine["param"])
    gpu.module.sgd_rows(mine["param"], gpu.asarray(grad), bad, learning_rate=1.0)
    assert np.array_equal(gpu.host(mine["param"])[2:], before[2:])
    with pytest.raises(IndexError, match="element 1 of its array"):
        _backend.synchronize()


def test_many_tensors_take_one_step(gpu, rng):
    sizes = [3, 0, 1000, 17] * 60
    params = [rng.standard_normal(n).astype("float32") for n in sizes]
    grads = [rng.standard_normal(n).astype("float32") for n in sizes]
    mine, theirs = [gpu.asarray(p) for p in params], [p.copy() for p in params]
    velocity, other = [gpu.asarray(np.zeros_like(p)) for p in params], [np.zeros_like(p) for p in params]
    settings = {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": [0.01] * len(sizes)}
    ops.sgd_step(param=mine, grad=[gpu.asarray(g) for g in grads], velocity=velocity, **settings)
    ops.sgd_step(param=theirs, grad=grads, velocity=other, **settings)
    for a, b in zip(mine, theirs, strict=True):
        assert np.array_equal(gpu.host(a), b)


# ---- the others ----------------------------------------------------------------


@pytest.mark.parametrize(("shape", "axis"), cases.reduction.CASES)
def test_reductions(gpu, rng, dtype, shape, axis):
    x = rng.standard_normal(shape).astype(dtype)
    for name in ("sum", "mean", "norm", "max"):
        if x.size == 0 and name in ("max", "mean"):
            continue
        want = getattr(reference, name)(x, axis=axis)
        near(gpu.host(getattr(ops, name)(gpu.asarray(x), axis=axis)), want, dtype, np.sqrt(x.size))
    if x.size and (axis is None or isinstance(axis, int)):
        assert np.array_equal(gpu.host(ops.argmax(gpu.asarray(x), axis=axis)), np.argmax(x, axis))


@pytest.mark.parametrize("shape", cases.loss.SHAPES, ids=str)
def test_losses(gpu, rng, dtype, shape):
    pred, target = rng.standard_normal(shape).astype(dtype), rng.random(shape).astype(dtype)
    rows = int(np.prod(shape[:-1])) if len(shape) > 1 else shape[0]
    for weight in (None, rng.random(rows).astype(dtype)):
        given = None if weight is None else gpu.asarray(weight)
        for name in ("binary_cross_entropy", *ops.POINTWISE_LOSSES):
            x = abs(pred) if name == "poisson" else pred
            loss, grad = cases.loss.function(ops, name)(
                gpu.asarray(x), gpu.asarray(target), sample_weight=given
            )
            want, slope = cases.loss.function(reference, name)(x, target, sample_weight=weight)
            assert loss.shape == ()
            assert loss.dtype == np.float64
            near(gpu.host(loss), want, dtype, 1 + abs(want))
            near(gpu.host(grad), slope, dtype, 1 / max(pred.size, 1) + float(abs(slope).max(initial=0)))


@pytest.mark.parametrize("shape", cases.softmax.SHAPES, ids=str)
def test_softmax(gpu, rng, dtype, shape):
    x = (3 * rng.standard_normal(shape)).astype(dtype)
    near(gpu.host(ops.softmax(gpu.asarray(x))), reference.softmax(x), dtype)
    near(gpu.host(ops.log_softmax(gpu.asarray(x))), reference.log_softmax(x), dtype, 10)
    labels = rng.integers(0, shape[1], shape[0])
    labels[:1] = 0
    for settings in ({}, {"label_smoothing": 0.1}, {"ignore_class": 0}):
        loss, grad = ops.softmax_cross_entropy(gpu.asarray(x), gpu.asarray(labels), **settings)
        want, slope = reference.softmax_cross_entropy(x, labels, **settings)
        near(gpu.host(loss), want, dtype, 10)
        near(gpu.host(grad), slope, dtype)


@pytest.mark.parametrize("size", cases.activation.SIZES)
def test_activations(gpu, rng, dtype, size):
    x = (4 * rng.standard_normal(size)).astype(dtype)
    edges = cases.activation.EDGES[:size]
    x[: len(edges)] = edges
    grad = rng.standard_normal(size).astype(dtype)
    for name, settings in cases.activation.NAMES.items():
        out = ops.activation(x, name=name, **settings)
        mine = ops.activation(gpu.asarray(x), name=name, **settings)
        near(gpu.host(mine), out, dtype)
        slope = ops.activation_backward(grad, x, out, name=name, **settings)
        got = ops.activation_backward(gpu.asarray(grad), gpu.asarray(x), mine, name=name, **settings)
        near(gpu.host(got), slope, dtype)


@pytest.mark.parametrize("case", cases.embedding.CASES, ids=str)
def test_lookup(gpu, rng, dtype, case):
    count, width, shape = case
    table = rng.standard_normal((count, width)).astype(dtype)
    for kind in ("int32", "int64"):
        ids = rng.integers(0, count, shape).astype(kind)
        assert np.array_equal(
            gpu.host(ops.embedding_lookup(gpu.asarray(table), gpu.asarray(ids))), table[ids]
        )
