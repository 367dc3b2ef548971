from __future__ import annotations

import numpy as np
import pytest

from cases import loss as cases
from strop import config, ops, reference
from tolerance import ACTIVATION_ROUNDINGS, assert_close

LOSSES = ["mean_squared_error", "mean_absolute_error", "binary_cross_entropy"]


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("shape", cases.SHAPES, ids=str)
def test_loss_and_gradient_match_the_reference(device, dtype, rng, name, shape):
    pred = (rng.normal(size=shape) * 3).astype(dtype)
    target = rng.uniform(size=shape).astype(dtype)
    rows = int(np.prod(shape[:-1])) if len(shape) > 1 else shape[0]
    for weight in (None, rng.uniform(0, 2, rows).astype(dtype)):
        loss, grad = getattr(ops, name)(pred, target, sample_weight=weight)
        want_loss, want_grad = getattr(reference, name)(pred, target, sample_weight=weight)
        assert loss == pytest.approx(want_loss, rel=40 * float(np.finfo(dtype).eps))
        scale = np.abs(want_grad) + 4 / max(pred.size, 1)
        assert_close(grad, want_grad, scale=scale, roundings=ACTIVATION_ROUNDINGS)


def test_the_probabilities_come_from_the_same_pass(device, dtype, rng):
    logits = rng.normal(size=(600, 1)).astype(dtype)
    target = (rng.uniform(size=(600, 1)) > 0.5).astype(dtype)
    probabilities = np.empty_like(logits)
    with_them = ops.binary_cross_entropy(logits, target, probabilities=probabilities)
    without = ops.binary_cross_entropy(logits, target)
    assert with_them[0] == without[0]
    np.testing.assert_array_equal(with_them[1], without[1])
    np.testing.assert_array_equal(probabilities, ops.activation(logits, name="sigmoid"))


def test_a_saturated_unit_still_has_a_gradient(device, dtype):
    loss, grad = ops.binary_cross_entropy(np.array([[-40.0]], dtype), np.array([[1.0]], dtype))
    assert loss == 40
    assert grad[0, 0] == -1


def test_the_example_of_two_logits(device):
    loss, grad = ops.binary_cross_entropy(np.array([[2.0], [-1.0]]), np.array([[1.0], [0.0]]))
    assert loss == pytest.approx(0.220095, abs=5e-7)
    np.testing.assert_allclose(grad.ravel(), [-0.0596014610, 0.1344707107], atol=1e-10)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_finite_differences(device, rng, name):
    pred = rng.normal(size=(5, 3))
    target = rng.uniform(size=(5, 3))
    weight = rng.uniform(size=5)
    _, grad = getattr(ops, name)(pred, target, sample_weight=weight)
    for at in np.ndindex(pred.shape):
        step = np.zeros_like(pred)
        step[at] = 1e-6
        high, low = (getattr(ops, name)(pred + s, target, sample_weight=weight)[0] for s in (step, -step))
        assert grad[at] == pytest.approx((high - low) / 2e-6, abs=1e-8)


@pytest.mark.parametrize("name", LOSSES)
def test_loss_has_the_same_bits_on_any_number_of_threads(rng, name):
    pred, target = (rng.uniform(size=(1 << 18) + 5).astype(np.float32) for _ in range(2))
    results = []
    for count in (1, 2, 3, 8):
        with config.threads(count):
            results.append(getattr(ops, name)(pred, target))
    for loss, grad in results[1:]:
        assert loss == results[0][0]
        np.testing.assert_array_equal(grad, results[0][1])


@pytest.mark.parametrize(
    ("kwargs", "kind", "text"),
    [
        (
            {"target": np.zeros(3)},
            TypeError,
            "target must be float32 like pred; got a float64 array of shape (3,)",
        ),
        (
            {"target": np.zeros(4, np.float32)},
            ValueError,
            "target must have the shape of pred (3,); got (4,)",
        ),
        (
            {"target": np.zeros(3, np.float32), "sample_weight": np.zeros(2, np.float32)},
            ValueError,
            "sample_weight must have one value per row (3); got shape (2,)",
        ),
    ],
)
def test_loss_refuses(kwargs, kind, text):
    with pytest.raises(kind) as caught:
        ops.mean_squared_error(np.zeros(3, np.float32), **kwargs)
    assert str(caught.value) == f"mean_squared_error: {text}"
