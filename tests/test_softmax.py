from __future__ import annotations

import numpy as np
import pytest

from cases import softmax as cases
from strop import config, ops, reference
from strop._backend import cpu
from tolerance import ACTIVATION_ROUNDINGS, assert_close


@pytest.mark.parametrize("shape", cases.SHAPES, ids=str)
def test_softmax_and_its_logarithm_match_the_reference(device, dtype, rng, shape):
    x = (rng.normal(size=shape) * 5).astype(dtype)
    grad = rng.normal(size=shape).astype(dtype)
    got, log = ops.softmax(x), ops.log_softmax(x)
    if not x.size:
        assert got.shape == log.shape == shape
        return
    # A logit of size z carries z roundings into its exponential.
    scale = 1 + np.abs(x).max()
    assert_close(
        got, reference.softmax(x), scale=scale * reference.softmax(x), roundings=ACTIVATION_ROUNDINGS
    )
    assert_close(log, reference.log_softmax(x), scale=4 * scale, roundings=ACTIVATION_ROUNDINGS)
    terms = np.abs(grad).max() * 8
    want = reference.softmax_backward(grad, got)
    assert_close(ops.softmax_backward(grad, got), want, scale=terms, roundings=ACTIVATION_ROUNDINGS)
    want = reference.log_softmax_backward(grad, log)
    terms = np.abs(grad) + np.abs(grad).sum(axis=-1, keepdims=True)
    assert_close(ops.log_softmax_backward(grad, log), want, scale=terms, roundings=2 * ACTIVATION_ROUNDINGS)


@pytest.mark.parametrize("shape", cases.SHAPES, ids=str)
def test_cross_entropy_matches_the_reference(device, dtype, rng, shape):
    logits = (rng.normal(size=shape) * 3).astype(dtype)
    labels = rng.integers(0, shape[1], shape[0])
    weight = rng.uniform(0, 2, shape[0]).astype(dtype)
    one_hot = np.eye(shape[1], dtype=dtype)[labels]
    soft = rng.dirichlet(np.ones(shape[1]), shape[0]).astype(dtype)
    for target in (labels, labels.astype(np.int32), one_hot, soft):
        for settings in (
            {},
            {"sample_weight": weight},
            {"label_smoothing": 0.1},
            {"ignore_class": 0},
            {"ignore_class": -1},
        ):
            probabilities = np.empty_like(logits)
            loss, grad = ops.softmax_cross_entropy(logits, target, probabilities=probabilities, **settings)
            want_loss, want_grad = reference.softmax_cross_entropy(logits, target, **settings)
            scale = 40 * float(np.finfo(dtype).eps) * (1 + float(np.abs(logits).max(initial=0)))
            assert loss == pytest.approx(want_loss, rel=scale, abs=scale)
            terms = 8 / max(shape[0], 1) if "ignore_class" not in settings else 8.0
            assert_close(grad, want_grad, scale=terms, roundings=ACTIVATION_ROUNDINGS)
            if logits.size:
                assert_close(
                    probabilities, reference.softmax(logits), scale=16.0, roundings=ACTIVATION_ROUNDINGS
                )


def test_one_hot_and_integer_labels_agree(device, rng):
    logits = rng.normal(size=(40, 7)).astype(np.float32)
    labels = rng.integers(0, 7, 40)
    by_label = ops.softmax_cross_entropy(logits, labels)
    by_row = ops.softmax_cross_entropy(logits, np.eye(7, dtype=np.float32)[labels])
    assert by_label[0] == pytest.approx(by_row[0], rel=1e-7)
    np.testing.assert_allclose(by_label[1], by_row[1], atol=1e-8)


@pytest.mark.parametrize("offset", [1e4, -1e4])
def test_cross_entropy_ignores_a_shared_offset(device, rng, offset):
    logits = np.round(rng.normal(size=(9, 30)) * 64) / 64  # exact after the shift
    labels = rng.integers(0, 30, 9)
    loss, grad = ops.softmax_cross_entropy(logits.astype(np.float32), labels)
    shifted_loss, shifted_grad = ops.softmax_cross_entropy((logits + offset).astype(np.float32), labels)
    assert shifted_loss == pytest.approx(loss, rel=1e-3)  # the offset itself has 1e4 roundings
    np.testing.assert_allclose(shifted_grad, grad, atol=1e-7)


def test_an_impossible_class_may_have_minus_infinity(device):
    logits = np.array([[0.0, -np.inf, 0.0]], np.float32)
    for target in (np.array([0]), np.array([[1.0, 0.0, 0.0]], np.float32)):
        loss, grad = ops.softmax_cross_entropy(logits, target)
        assert loss == pytest.approx(np.log(2), rel=1e-6)
        np.testing.assert_allclose(grad, [[-0.5, 0, 0.5]], atol=1e-7)


def test_the_example_of_weighted_labels(device):
    logits = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    loss, grad = ops.softmax_cross_entropy(logits, np.array([2, 0]), sample_weight=np.array([1.0, 3.0]))
    assert loss == pytest.approx(1.851721, abs=1e-6)
    np.testing.assert_allclose(grad, [[0.045015, 0.122364, -0.167379], [-1, 0.5, 0.5]], atol=1e-6)


def test_cross_entropy_has_the_same_bits_on_any_number_of_threads(rng):
    for rows, classes in ((3000, 50), (70, 3000)):
        logits = rng.normal(size=(rows, classes)).astype(np.float32)
        labels = rng.integers(0, classes, rows)
        results = []
        for count in (1, 2, 3, 8):
            with config.threads(count):
                results.append(ops.softmax_cross_entropy(logits, labels))
        for loss, grad in results[1:]:
            assert loss == results[0][0]
            np.testing.assert_array_equal(grad, results[0][1])


@pytest.mark.parametrize("classes", [1, 2, 15, 16, 17, 33, 64, 65, 1000, 3000])
def test_sets_with_fma_give_the_same_bits(rng, classes):
    logits = (rng.normal(size=(67, classes)) * 4).astype(np.float32)
    grad = rng.normal(size=logits.shape).astype(np.float32)
    labels = rng.integers(0, classes, 67)
    before, results = config.isa(), set()
    for isa, here in cpu.built_isas().items():
        if here and isa != "baseline":
            cpu.set_isa(isa)
            y, log = ops.softmax(logits), ops.log_softmax(logits)
            parts = [y, log, ops.softmax_backward(grad, y), ops.log_softmax_backward(grad, log)]
            loss, slope = ops.softmax_cross_entropy(logits, labels, label_smoothing=0.1)
            results.add(b"".join(a.tobytes() for a in (*parts, slope, np.float64(loss))))
    cpu.set_isa(before)
    assert len(results) <= 1


def test_a_nan_or_an_infinity_spoils_its_row_only(device, dtype):
    for classes in (1, 3, 40):
        x = np.zeros((4, classes), dtype)
        x[1, 0], x[2, 0] = np.nan, np.inf
        for y in (ops.softmax(x), ops.softmax_cross_entropy(x, np.zeros(4, int))[1]):
            assert np.isnan(y[1:3]).all()
            assert np.isfinite(y[[0, 3]]).all()


@pytest.mark.parametrize(
    ("target", "kind", "text"),
    [
        (np.array([0, 3]), ValueError, "target must lie in [0, 3) for 3 classes; got 3 at sample 1"),
        (np.array([-1, 0]), ValueError, "target must lie in [0, 3) for 3 classes; got -1 at sample 0"),
        (np.array([0]), ValueError, "target must have one label per row (2); got shape (1,)"),
        (
            np.zeros((2, 3)),
            TypeError,
            "target must be float32 like logits; got a float64 array of shape (2, 3)",
        ),
        (
            np.zeros((2, 2), np.float32),
            ValueError,
            "target must have the shape of logits (2, 3); got (2, 2)",
        ),
    ],
)
def test_cross_entropy_refuses(target, kind, text):
    with pytest.raises(kind) as caught:
        ops.softmax_cross_entropy(np.zeros((2, 3), np.float32), target)
    assert str(caught.value) == f"softmax_cross_entropy: {text}"
