from __future__ import annotations

import numpy as np
import pytest

from cases import loss as cases
from strop import config, ops, reference
from tolerance import ACTIVATION_ROUNDINGS, assert_close

LOSSES = ["binary_cross_entropy", *ops.POINTWISE_LOSSES]


def draw(name, shape, dtype, rng):
    """Predictions and targets that the loss has a value for."""
    pred, target = (rng.normal(size=shape) * 3).astype(dtype), rng.uniform(size=shape).astype(dtype)
    if name == "poisson":
        pred, target = abs(pred), np.floor(target * 5)
    elif name == "kl_divergence":
        pred = (pred % 1.2).astype(dtype)
    elif "hinge" in name:
        target = np.sign(target - dtype.type(0.5))
    return pred, target


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("shape", cases.SHAPES, ids=str)
def test_loss_and_gradient_match_the_reference(device, dtype, rng, name, shape):
    pred, target = draw(name, shape, dtype, rng)
    rows = int(np.prod(shape[:-1])) if len(shape) > 1 else shape[0]
    for weight in (None, rng.uniform(0, 2, rows).astype(dtype)):
        loss, grad = cases.function(ops, name)(pred, target, sample_weight=weight)
        want_loss, want_grad = cases.function(reference, name)(pred, target, sample_weight=weight)
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
    pred, target = draw(name, (5, 3), np.dtype("float64"), rng)
    weight = rng.uniform(size=5)
    loss = cases.function(ops, name)
    _, grad = loss(pred, target, sample_weight=weight)
    for at in np.ndindex(pred.shape):
        step = np.zeros_like(pred)
        step[at] = 1e-6
        high, low = (loss(pred + s, target, sample_weight=weight)[0] for s in (step, -step))
        assert grad[at] == pytest.approx((high - low) / 2e-6, abs=1e-7, rel=1e-6)


def test_huber_takes_its_delta(device, dtype, rng):
    pred, target = draw("huber", (300, 7), dtype, rng)
    for delta in (0.0, 0.25, 100.0):
        loss, grad = ops.pointwise_loss(pred, target, name="huber", delta=delta)
        want, slope = reference.pointwise_loss(pred, target, name="huber", delta=delta)
        assert loss == pytest.approx(want, rel=40 * float(np.finfo(dtype).eps))
        assert_close(grad, slope, scale=np.abs(slope) + 4 / pred.size, roundings=ACTIVATION_ROUNDINGS)


@pytest.mark.parametrize("name", LOSSES)
def test_nan_and_infinity_pass_as_in_numpy(device, dtype, name):
    pred = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 0.0, 1e-30, 0.5, 1, 2], dtype)[:, None]
    target = np.ones_like(pred)
    for i in range(len(pred)):
        loss, grad = cases.function(ops, name)(pred[i : i + 1], target[i : i + 1])
        with np.errstate(all="ignore"):
            want, slope = cases.function(reference, name)(pred[i : i + 1], target[i : i + 1])
            want, slope = (float(np.asarray(x, dtype).ravel()[0]) for x in (want, slope))  # may overflow
        np.testing.assert_allclose(loss, want, rtol=1e-5, atol=1e-6, err_msg=str(pred[i]))
        np.testing.assert_allclose(grad[0, 0], slope, rtol=1e-5, atol=1e-6, err_msg=str(pred[i]))


@pytest.mark.parametrize("name", ["poisson", "mean_squared_logarithmic_error", "kl_divergence", "log_cosh"])
def test_logarithms_keep_their_digits(device, name):
    # Of one element each, so that no sum hides the error of a term.
    pred = np.concatenate([np.geomspace(1e-6, 3e37, 400), 1 + np.linspace(-1e-3, 1e-3, 100)]).astype(
        np.float32
    )
    if name in ("kl_divergence", "log_cosh"):
        pred = pred[pred < 80]
    target = np.full_like(pred, 0.25)
    for p, y in zip(pred[:, None], target[:, None], strict=True):
        loss, _ = cases.function(ops, name)(p, y)
        want, _ = cases.function(reference, name)(p, y)
        scale = {"poisson": p[0] + 0.25 * abs(np.log(p[0])), "kl_divergence": 0.05 + abs(want)}
        assert abs(loss - want) <= 2e-6 * float(scale.get(name, abs(want) + 1e-9)), p


@pytest.mark.parametrize("name", LOSSES)
def test_loss_has_the_same_bits_on_any_number_of_threads(rng, name):
    pred, target = (rng.uniform(size=(1 << 18) + 5).astype(np.float32) for _ in range(2))
    results = []
    for count in (1, 2, 3, 8):
        with config.threads(count):
            results.append(cases.function(ops, name)(pred, target))
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
    with pytest.raises(kind) as caught:
        ops.pointwise_loss(np.zeros(3, np.float32), **kwargs, name="huber")
    assert str(caught.value) == f"huber: {text}"


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError) as caught:
        ops.pointwise_loss(np.zeros(3), np.zeros(3), name="median")
    assert str(caught.value) == (
        "pointwise_loss: name must be one of mean_squared_error, mean_absolute_error, binary_cross_entropy, "
        "mean_absolute_percentage_error, mean_squared_logarithmic_error, huber, log_cosh, poisson, hinge, "
        "squared_hinge, kl_divergence; got 'median'"
    )
