"""Softmax and its cross-entropy on CUDA: every form that a row's length chooses, against the reference in float64.

Up to 1,024 classes a row is in registers, of 1 lane to 32 and of 1, 4 or 8 packs; up to 8,192 in shared memory of 256
threads, up to 57,344 of 512; beyond it is read twice. Of float64 rows of 64 are in registers, longer ones are read
again.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

from strop import _backend, ops, reference

CLASSES = [1, 2, 4, 5, 31, 32, 33, 64, 65, 128, 129, 511, 513, 1024, 1025, 8193, 50_257, 57_347]


def rows_of(classes: int) -> int:
    return 3 if classes > 600 else 67


def logits_of(rng, classes, dtype):
    """Offsets of 1e4 and classes that are impossible, one row all but one of them."""
    rows = rows_of(classes)
    x = rng.standard_normal((rows, classes)) * 3 + rng.choice([0, 1e4, -1e4], (rows, 1))
    if classes > 1:
        x[0, : classes - 1] = -np.inf
        x[1, 1::2] = -np.inf
    return x.astype(dtype)


def roundings(classes: int, dtype) -> float:
    """Relative: exponentials of up to 2 ulp, whose sums are of classes / threads terms, then a tree."""
    return (32 + classes / 128) * (2.0**-24 if dtype == np.float32 else 2.0**-52)


@pytest.mark.parametrize("classes", CLASSES)
def test_softmax_and_its_logarithm(gpu, rng, dtype, classes):
    x = logits_of(rng, classes, dtype)
    mine = gpu.asarray(x)
    rtol = roundings(classes, dtype)
    got, want = gpu.host(ops.softmax(mine)), reference.softmax(x)
    np.testing.assert_allclose(got, want, rtol=rtol, atol=1e-37)
    assert np.allclose(got.sum(-1), 1, rtol=0, atol=2 * rtol)
    # The logarithm is a difference of numbers of up to 20.
    got, want = gpu.host(ops.log_softmax(mine)), reference.log_softmax(x)
    np.testing.assert_allclose(got, want, rtol=rtol, atol=20 * rtol)
    out = ops.softmax(mine, out=mine)
    assert out is mine
    np.testing.assert_allclose(gpu.host(mine), reference.softmax(x), rtol=rtol, atol=1e-37)


@pytest.mark.parametrize("classes", CLASSES)
def test_gradients(gpu, rng, dtype, classes):
    x = rng.standard_normal((rows_of(classes), classes)).astype(dtype)
    grad = rng.standard_normal(x.shape).astype(dtype)
    tolerance = {"rtol": roundings(classes, dtype), "atol": roundings(classes, dtype) * 8}
    for name in ("softmax", "log_softmax"):
        y = getattr(reference, name)(x).astype(dtype)
        got = getattr(ops, f"{name}_backward")(gpu.asarray(grad), gpu.asarray(y))
        want = getattr(reference, f"{name}_backward")(grad, y)
        np.testing.assert_allclose(gpu.host(got), want, **tolerance)


@pytest.mark.parametrize("classes", CLASSES)
def test_cross_entropy(gpu, rng, dtype, classes):
    x = (rng.standard_normal((rows_of(classes), classes)) * 3 + 1e4).astype(dtype)
    labels = rng.integers(0, classes, len(x)).astype(np.int32)
    soft = rng.random(x.shape).astype(dtype)
    weight = rng.random(len(x)).astype(dtype)
    rtol = roundings(classes, dtype)
    for target in (labels, soft):
        for settings in ({}, {"label_smoothing": 0.1, "sample_weight": weight}):
            mine = {name: gpu.asarray(v) if name == "sample_weight" else v for name, v in settings.items()}
            probabilities = gpu.asarray(np.full_like(x, np.nan))
            loss, grad = ops.softmax_cross_entropy(
                gpu.asarray(x), gpu.asarray(target), probabilities=probabilities, **mine
            )
            want, slope = reference.softmax_cross_entropy(x, target, **settings)
            mass = max(1.0, float(soft.sum(-1).max()))
            # A loss is a difference of logits of 1e4.
            np.testing.assert_allclose(gpu.host(loss), want, atol=rtol * 1e4 * mass)
            np.testing.assert_allclose(gpu.host(grad), slope, rtol=rtol, atol=rtol * mass / len(x))
            assert np.abs(gpu.host(grad).astype(float).sum(-1)).max() <= 8 * rtol * mass / len(x)
            np.testing.assert_allclose(gpu.host(probabilities), reference.softmax(x), rtol=rtol, atol=1e-37)


@pytest.mark.parametrize("classes", [2, 33, 1024, 1025, 8193, 57_347])
def test_impossible_classes_and_rows_that_are_ignored(gpu, rng, dtype, classes):
    x = logits_of(rng, classes, dtype)
    labels = np.full(len(x), classes - 1)
    labels[1] = 0
    labels[2::2] = -100
    kept = labels >= 0
    want, slope = reference.softmax_cross_entropy(
        np.where(np.isinf(x), -1e30, x.astype(float)),
        np.where(kept, labels, 0),
        sample_weight=kept / kept.mean(),
    )
    loss, grad = ops.softmax_cross_entropy(gpu.asarray(x), gpu.asarray(labels), ignore_class=-100)
    rtol = roundings(classes, dtype)
    np.testing.assert_allclose(gpu.host(loss), want, rtol=rtol, atol=1e4 * rtol)
    np.testing.assert_allclose(gpu.host(grad), slope, rtol=rtol, atol=rtol)
    assert not gpu.host(grad)[~kept].any()


@pytest.mark.parametrize("classes", [3, 700, 1025, 8193, 57_347])
def test_a_nan_and_a_row_of_impossible_classes_spoil_their_row_alone(gpu, rng, classes):
    x = rng.standard_normal((3, classes)).astype("float32")
    x[0, classes // 2] = np.nan
    x[1] = -np.inf
    for op in (ops.softmax, ops.log_softmax):
        got = gpu.host(op(gpu.asarray(x)))
        assert np.isnan(got[:2]).all()
        assert np.isfinite(got[2]).all()


@pytest.mark.parametrize("classes", [4, 36, 132, 1024, 1028, 8196])
def test_rows_may_stand_anywhere(gpu, rng, classes):
    x, results = rng.standard_normal((5, classes)).astype("float32"), set()
    labels = gpu.asarray(np.arange(5) % classes)
    for shift in range(4):
        moved = gpu.asarray(np.zeros(x.size + 8, "float32"))[shift : shift + x.size].reshape(x.shape)
        moved[...] = gpu.asarray(x)
        loss, grad = ops.softmax_cross_entropy(moved, labels)
        arrays = (loss, grad, ops.softmax(moved), ops.log_softmax(moved))
        results.add(b"".join(gpu.host(a).tobytes() for a in arrays))
    assert len(results) == 1


def test_a_label_that_is_no_class_gives_zeros_and_is_told(gpu, rng):
    for classes in (5, 600, 1025):
        x = gpu.asarray(rng.standard_normal((3, classes)).astype("float32"))
        loss, grad = ops.softmax_cross_entropy(x, gpu.asarray(np.array([0, classes, 1])))
        assert np.isfinite(gpu.host(loss))
        assert (gpu.host(grad) != 0).any(1).tolist() == [True, False, True]
        text = (
            "synchronize: ids must lie in their table; got one that does not, element 1 of its array; STROP_CHECK=1 "
            "names it at the call"
        )
        with pytest.raises(IndexError, match=f"^{re.escape(text)}$"):
            _backend.synchronize()
