from __future__ import annotations

import numpy as np
import pytest

from strop import losses, ops
from strop.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    Crossentropy,
    FunctionLoss,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    SparseCategoricalCrossentropy,
    registry,
)

BINARY = [[1], [0]], [[0.8], [0.4]]
ONE_HOT = [[0, 1, 0]], [[0.1, 0.7, 0.2]]
LABELS = [1, 0], [[0.1, 0.7, 0.2], [0.5, 0.25, 0.25]]


@pytest.mark.parametrize(
    ("loss", "y_true", "y_pred", "want"),
    [
        (MeanSquaredError(), [[0, 1], [0, 0]], [[1, 1], [1, 0]], 0.5),
        (MeanAbsoluteError(), [[0, 1], [0, 0]], [[1, 1], [3, 0]], 1.0),
        (BinaryCrossentropy(), *BINARY, 0.366985),
        (BinaryCrossentropy(label_smoothing=0.1), *BINARY, 0.411779),
        (BinaryCrossentropy(from_logits=True), [[1], [0]], [[2], [-1]], 0.220095),
        (BinaryCrossentropy(axis=0), [[1, 0], [0, 0]], [[0.8, 0.4], [0.3, 0.9]], (0.2899 + 1.4067) / 2),
        (CategoricalCrossentropy(), *ONE_HOT, 0.356675),
        (CategoricalCrossentropy(label_smoothing=0.1), *ONE_HOT, 0.463297),
        (CategoricalCrossentropy(from_logits=True), [[0, 1, 0]], [[1, 2, 3]], 1.407606),
        (CategoricalCrossentropy(axis=0), [[1, 0], [0, 1]], [[0.8, 0.4], [0.3, 0.9]], (0.3185 + 0.3677) / 2),
        (CategoricalCrossentropy(), [[0, 0, 1]], [[0.2, 0.2, 0.2]], 1.098612),
        (SparseCategoricalCrossentropy(), *LABELS, 0.524911),
        (SparseCategoricalCrossentropy(), [[1], [0]], LABELS[1], 0.524911),
        (SparseCategoricalCrossentropy(), [1.0, 0.0], LABELS[1], 0.524911),
        (SparseCategoricalCrossentropy(ignore_class=-1), [1, -1], LABELS[1], 0.356675),
        (SparseCategoricalCrossentropy(ignore_class=-1), [-1, -1], LABELS[1], 0.0),
        (SparseCategoricalCrossentropy(), [2], [[0.2, 0.2, 0.2]], 1.098612),
        (SparseCategoricalCrossentropy(from_logits=True), [1], [[1, 2, 3]], 1.407606),
        (Crossentropy(), *BINARY, 0.366985),
        (Crossentropy(), *ONE_HOT, 0.356675),
        (Crossentropy(), *LABELS, 0.524911),
    ],
)
def test_loss_gives_the_numbers_of_keras(loss, y_true, y_pred, want):
    got = loss(y_true, y_pred)
    assert type(got) is float
    assert got == pytest.approx(want, abs=6e-7 if want != round(want, 4) else 5e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_certain_but_wrong_probabilities_cost_what_float32_leaves(dtype):
    for loss, y, want in ((0, 1, 16.118096), (1, 0, 15.942385)):
        p = np.array([[loss]], dtype)
        assert BinaryCrossentropy()([[y]], p) == pytest.approx(want, abs=6e-7)


@pytest.mark.parametrize(
    ("reduction", "want"),
    [
        ("sum", 16.0),
        ("sum_over_batch_size", 4.0),
        ("mean", 4.0),
        ("mean_with_sample_weight", 4.0),
        ("none", [4.0, 12.0, 0.0, 0.0]),
        (None, [4.0, 12.0, 0.0, 0.0]),
    ],
)
def test_reductions(reduction, want):
    loss = MeanSquaredError(reduction=reduction)
    got = loss(np.full((4, 1), 2.0), np.zeros((4, 1)), sample_weight=[1, 3, 0, 0])
    assert np.asarray(got).tolist() == want


def test_the_mean_divides_by_samples_and_not_by_weights():
    pair = np.full((4, 1), 2.0), np.zeros((4, 1))
    assert MeanSquaredError()(*pair, [1, 0, 0, 0]) == 1.0
    weighted = MeanSquaredError(reduction="mean_with_sample_weight")
    assert weighted(*pair, [1, 0, 0, 0]) == 4.0
    assert weighted(*pair, [0, 0, 0, 0]) == 0.0


def test_ignored_samples_do_not_count_with_weights_either():
    loss = SparseCategoricalCrossentropy(ignore_class=-1)
    p = [[0.1, 0.7, 0.2], [0.5, 0.25, 0.25], [0.3, 0.3, 0.4]]
    assert loss([1, -1, 0], p, [2, 5, 1]) == pytest.approx(0.9586613774)
    weighted = SparseCategoricalCrossentropy(ignore_class=-1, reduction="mean_with_sample_weight")
    assert weighted([1, -1, 0], p, [2, 5, 1]) == pytest.approx(0.9586613774 * 2 / 3)


def test_functions_give_one_value_per_sample():
    np.testing.assert_allclose(losses.mean_squared_error([[0, 1], [0, 0]], [[1, 1], [3, 0]]), [0.5, 4.5])
    np.testing.assert_allclose(losses.mean_absolute_error([1, 2], [1, 4]), [0, 2])
    np.testing.assert_allclose(losses.binary_crossentropy(*BINARY), [0.223144, 0.510826], atol=1e-6)
    np.testing.assert_allclose(losses.categorical_crossentropy(*ONE_HOT), [0.356675], atol=1e-6)
    got = losses.sparse_categorical_crossentropy([1, -1], LABELS[1], ignore_class=-1)
    np.testing.assert_allclose(got, [0.356675, 0], atol=1e-6)
    assert losses.mean_squared_error(np.zeros((2, 3, 4)), np.ones((2, 3, 4))).shape == (2, 3)


def test_one_axis_equals_one_unit_and_weights_reach_all_rows():
    y, p = np.array([0.0, 1.0, 2.0]), np.array([1.0, 1.0, 1.0])
    for first in (y, y[:, None]):
        for second in (p, p[:, None]):
            assert MeanSquaredError()(first, second) == pytest.approx(2 / 3)
            value, grad = MeanSquaredError().value_and_grad(first, second)
            assert value == pytest.approx(2 / 3)
            assert grad.shape == second.shape
    deep = MeanSquaredError()(np.zeros((2, 3, 1)), np.ones((2, 3, 1)), sample_weight=[1, 0])
    assert deep == 0.5


@pytest.mark.parametrize("loss", [MeanSquaredError(), MeanAbsoluteError(), BinaryCrossentropy()])
def test_empty_batches_give_zero(loss):
    assert loss(np.zeros((0, 1)), np.zeros((0, 1))) == 0.0
    value, grad = loss.value_and_grad(np.zeros((0, 1)), np.zeros((0, 1)))
    assert (value, grad.shape) == (0.0, (0, 1))


REDUCED = ["sum_over_batch_size", "sum", "mean_with_sample_weight"]


def cases(rng):
    """(loss, y_true, y_pred) whose y_pred is free to move."""
    y, one_hot = rng.uniform(0.1, 0.9, (6, 3)), np.eye(3)[rng.integers(0, 3, 6)]
    labels = np.array([0, 2, -1, 1, 1, 2])
    positive, anything = rng.uniform(0.1, 0.9, (6, 3)), rng.normal(size=(6, 3))
    for reduction in REDUCED:
        yield MeanSquaredError(reduction), y, anything
        yield MeanAbsoluteError(reduction), y, anything
        for logits, pred in ((False, positive), (True, anything)):
            same = {"from_logits": logits, "reduction": reduction}
            yield BinaryCrossentropy(label_smoothing=0.1, **same), y, pred
            yield CategoricalCrossentropy(label_smoothing=0.1, **same), one_hot, pred
            yield SparseCategoricalCrossentropy(ignore_class=-1, **same), labels, pred
        yield CategoricalCrossentropy(axis=0, reduction=reduction), y, positive


@pytest.mark.parametrize("weighted", [False, True])
def test_gradient_is_the_derivative_of_the_value(weighted, rng):
    for loss, y, pred in cases(rng):
        rows = np.asarray(loss.values(y, pred)).shape
        weight = rng.uniform(0, 2, rows) if weighted else None
        value, grad = loss.value_and_grad(y, pred, weight)
        assert value == pytest.approx(loss(y, pred, weight), rel=1e-12)
        for at in np.ndindex(pred.shape):
            step = np.zeros_like(pred)
            step[at] = 1e-6
            slope = (loss(y, pred + step, weight) - loss(y, pred - step, weight)) / 2e-6
            assert grad[at] == pytest.approx(slope, abs=2e-8), (loss.name, loss.reduction, at)


@pytest.mark.parametrize(
    "loss", [BinaryCrossentropy(), CategoricalCrossentropy(), SparseCategoricalCrossentropy()]
)
def test_from_logits_agrees_with_the_probabilities(loss, rng, dtype):
    logits = rng.normal(size=(5, 3)).astype(dtype)
    target = np.eye(3)[[0, 2, 1, 1, 0]].astype(dtype)
    if isinstance(loss, SparseCategoricalCrossentropy):
        target = target.argmax(axis=1)
    weight = rng.uniform(0, 2, 5).astype(dtype)
    probabilities = np.empty_like(logits)
    value, grad = loss.value_and_grad_from_logits(target, logits, weight, probabilities)
    act = (
        ops.activation(logits, name="sigmoid") if loss.logits_activation == "sigmoid" else ops.softmax(logits)
    )
    np.testing.assert_allclose(probabilities, act, rtol=1e-6)
    assert value == pytest.approx(loss(target, act, weight), rel=1e-5)
    assert grad.dtype == dtype


def test_gradients_from_logits_by_hand():
    loss = BinaryCrossentropy()
    _, grad = loss.value_and_grad_from_logits(np.array([[1.0], [0.0]]), np.array([[2.0], [-1.0]]))
    np.testing.assert_allclose(grad.ravel(), [-0.0596014610, 0.1344707107], atol=5e-11)
    value, grad = SparseCategoricalCrossentropy().value_and_grad_from_logits(
        np.array([2, 0]), np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]]), np.array([1.0, 3.0])
    )
    assert value == pytest.approx(1.851721, abs=5e-7)
    np.testing.assert_allclose(grad, [[0.045015, 0.122364, -0.167379], [-1, 0.5, 0.5]], atol=1e-6)


def test_a_saturated_unit_still_learns(dtype):
    value, grad = BinaryCrossentropy().value_and_grad_from_logits(
        np.ones((1, 1), dtype), np.full((1, 1), -40, dtype)
    )
    assert (value, grad.tolist()) == (40.0, [[-1.0]])


def test_only_models_that_end_in_the_right_activation_give_logits():
    given = {name: registry[name]().logits_activation for name in registry}
    assert {name: head for name, head in given.items() if head} == {
        "BinaryCrossentropy": "sigmoid",
        "BinaryFocalCrossentropy": "sigmoid",
        "CategoricalCrossentropy": "softmax",
        "CategoricalFocalCrossentropy": "softmax",
        "SparseCategoricalCrossentropy": "softmax",
    }
    assert BinaryCrossentropy(from_logits=True).logits_activation is None


def test_inputs_stay_as_they_are(rng):
    for loss, y, pred in cases(rng):
        before = np.array(y), pred.copy()
        y.flags.writeable = pred.flags.writeable = False
        loss.value_and_grad(y, pred)
        np.testing.assert_array_equal(y, before[0])
        np.testing.assert_array_equal(pred, before[1])
        y.flags.writeable = pred.flags.writeable = True


def test_prepared_targets_need_no_conversion():
    y = MeanSquaredError().prepare_targets([1, 2, 3], (None, 1))
    assert (y.dtype, y.shape, y.flags.c_contiguous) == (np.float32, (3, 1), True)
    y = BinaryCrossentropy().prepare_targets(np.array([0, 1], np.uint8), (None, 1), np.float64)
    assert (y.dtype, y.shape) == (np.float64, (2, 1))
    y = SparseCategoricalCrossentropy().prepare_targets([[1.0], [2.0]], (None, 3))
    assert (y.dtype, y.tolist()) == (np.int32, [1, 2])
    big = np.array([1, 2])
    assert SparseCategoricalCrossentropy().prepare_targets(big, (None, 3)).dtype == np.int64
    y = Crossentropy().prepare_targets([1, 2], (None, 3))
    assert y.tolist() == [1, 2]


SPARSE, CATEGORICAL = SparseCategoricalCrossentropy(), CategoricalCrossentropy()


@pytest.mark.parametrize(
    ("loss", "y", "shape", "error", "text"),
    [
        (
            BinaryCrossentropy(),
            [2.0, 0],
            (None, 1),
            ValueError,
            "fit: y must lie in [0, 1] for binary_crossentropy; got 2.0 at sample 0",
        ),
        (
            BinaryCrossentropy(),
            [0, 1, -1],
            (None, 1),
            ValueError,
            "fit: y must lie in [0, 1] for binary_crossentropy; got -1 at sample 2",
        ),
        (
            BinaryCrossentropy(),
            [0, np.nan],
            (None, 1),
            ValueError,
            "fit: y must lie in [0, 1] for binary_crossentropy; got nan at sample 1",
        ),
        (
            BinaryCrossentropy(),
            [0, 1],
            (None, 2),
            ValueError,
            "fit: y must have the shape of the model's output (2, 2); got (2,); "
            "use sparse_categorical_crossentropy for class ids",
        ),
        (
            SPARSE,
            [0, 1, 2, 0, 1, 3],
            (None, 3),
            ValueError,
            "fit: y must lie in [0, 3) for 3 classes; got 3 at sample 5",
        ),
        (
            SPARSE,
            [0, -1],
            (None, 3),
            ValueError,
            "fit: y must lie in [0, 3) for 3 classes; got -1 at sample 1",
        ),
        (
            SPARSE,
            [0, np.nan],
            (None, 3),
            ValueError,
            "fit: y must lie in [0, 3) for 3 classes; got nan at sample 1",
        ),
        (SPARSE, [0, 1.5], (None, 3), ValueError, "fit: y must hold whole numbers; got 1.5 at sample 1"),
        (
            SPARSE,
            np.eye(3),
            (None, 3),
            ValueError,
            "fit: y must hold one class id per sample, shape (3,); got shape (3, 3); "
            "use categorical_crossentropy for one-hot labels",
        ),
        (
            SPARSE,
            np.zeros((3, 2)),
            (None, 3),
            ValueError,
            "fit: y must hold one class id per sample, shape (3,); got shape (3, 2)",
        ),
        (
            CATEGORICAL,
            [0, 1],
            (None, 3),
            ValueError,
            "fit: y must be one-hot like the model's output (2, 3); got shape (2,); "
            "use sparse_categorical_crossentropy for class ids",
        ),
        (
            CATEGORICAL,
            [[0, 1, np.nan]],
            (None, 3),
            ValueError,
            "fit: y must be finite for categorical_crossentropy; got nan at sample 0",
        ),
        (
            CATEGORICAL,
            np.zeros((2, 4)),
            (None, 3),
            ValueError,
            "fit: y must have the shape of the model's output (2, 3); got (2, 4)",
        ),
        (
            MeanSquaredError(),
            [0, np.nan],
            (None, 1),
            ValueError,
            "fit: y must be finite for mean_squared_error; got nan at sample 1",
        ),
        (
            MeanAbsoluteError(),
            [0, -np.inf],
            (None, 1),
            ValueError,
            "fit: y must be finite for mean_absolute_error; got -inf at sample 1",
        ),
        (
            MeanSquaredError(),
            np.zeros((4, 1)),
            (None, 2),
            ValueError,
            "fit: y must have the shape of the model's output (4, 2); got (4, 1)",
        ),
        (
            MeanSquaredError(),
            ["a", "b"],
            (None, 1),
            TypeError,
            "fit: y must be an array of numbers; got a <U1 array of shape (2,)",
        ),
        (
            MeanSquaredError(),
            [1j],
            (None, 1),
            TypeError,
            "fit: y must be an array of numbers; got a complex128 array of shape (1,)",
        ),
    ],
)
def test_targets_that_do_not_fit_are_refused(loss, y, shape, error, text):
    with pytest.raises(error) as caught:
        loss.check_targets(y, shape)
    assert str(caught.value) == text


def test_ignored_labels_pass_the_check():
    SparseCategoricalCrossentropy(ignore_class=-1).check_targets([0, -1, 2], (None, 3))
    BinaryCrossentropy().check_targets([0.25, 1], (None, 1), op="evaluate")


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: MeanSquaredError()(np.zeros((4, 1)), np.zeros((4, 2))),
            ValueError,
            "MeanSquaredError: y_true must have the shape of y_pred (4, 2); got (4, 1)",
        ),
        (
            lambda: MeanSquaredError()(np.zeros(4), np.zeros((4, 4))),
            ValueError,
            "MeanSquaredError: y_true must have the shape of y_pred (4, 4); got (4,)",
        ),
        (
            lambda: MeanSquaredError()(np.zeros(4), np.zeros(4), np.ones(3)),
            ValueError,
            "MeanSquaredError: sample_weight must have shape (4,) or a leading part of it; got (3,)",
        ),
        (
            lambda: MeanSquaredError()(1.0, 2.0),
            ValueError,
            "MeanSquaredError: y_pred must have an axis; got a single number",
        ),
        (
            lambda: SPARSE([0, 3], np.ones((2, 3))),
            ValueError,
            "SparseCategoricalCrossentropy: y_true must lie in [0, 3) for 3 classes; got 3 at sample 1",
        ),
        (
            lambda: SPARSE(np.array([0, 3]), np.ones((2, 3))),
            ValueError,
            "SparseCategoricalCrossentropy: y_true must lie in [0, 3) for 3 classes; got 3 at sample 1",
        ),
        (
            lambda: SPARSE([0], np.ones(3)),
            ValueError,
            "SparseCategoricalCrossentropy: y_pred must have 2 or more axes; got shape (3,)",
        ),
        (
            lambda: SparseCategoricalCrossentropy(ignore_class=0.5),
            TypeError,
            "SparseCategoricalCrossentropy: ignore_class must be an int; got 0.5",
        ),
        (
            lambda: BinaryCrossentropy(label_smoothing=1.5),
            ValueError,
            "BinaryCrossentropy: label_smoothing must lie in [0, 1]; got 1.5",
        ),
        (
            lambda: MeanSquaredError(reduction="avg"),
            ValueError,
            "MeanSquaredError: reduction must be one of sum_over_batch_size, mean, sum, "
            "mean_with_sample_weight, none; got 'avg'",
        ),
        (
            lambda: MeanSquaredError(reduction=None).value_and_grad(np.zeros(2), np.zeros(2)),
            ValueError,
            "MeanSquaredError: reduction must give one number here; got 'none'",
        ),
        (
            lambda: MeanSquaredError().value_and_grad_from_logits(np.zeros(2), np.zeros(2)),
            NotImplementedError,
            "MeanSquaredError: logits must be those of a cross-entropy",
        ),
        (
            lambda: losses.get("binary_crossentropi", "compile"),
            ValueError,
            "compile: loss must be a known name, a Loss or a callable; got 'binary_crossentropi'; "
            "did you mean 'binary_crossentropy'",
        ),
        (
            lambda: losses.get(3),
            TypeError,
            "losses.get: loss must be a known name, a Loss or a callable; got int",
        ),
        (
            lambda: losses.get(dict),
            TypeError,
            "losses.get: loss must be a known name, a Loss or a callable; got dict",
        ),
    ],
)
def test_bad_arguments_are_refused(call, error, text):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == text


def test_get_knows_names_functions_classes_and_configs():
    strings = {
        "mse": MeanSquaredError,
        "mean_squared_error": MeanSquaredError,
        "MeanSquaredError": MeanSquaredError,
        "mae": MeanAbsoluteError,
        "bce": BinaryCrossentropy,
        "binary_crossentropy": BinaryCrossentropy,
        "categorical_crossentropy": CategoricalCrossentropy,
        "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
        "crossentropy": Crossentropy,
        "ce": Crossentropy,
    }
    assert {name: type(losses.get(name)) for name in strings} == strings
    assert losses.get(None) is None
    assert isinstance(losses.get(losses.binary_crossentropy), BinaryCrossentropy)
    assert isinstance(losses.get(MeanSquaredError), MeanSquaredError)


@pytest.mark.parametrize("name", sorted(registry))
def test_a_config_makes_the_same_loss(name):
    first = registry[name](reduction="sum", name="mine")
    again = losses.get({"class_name": name, "config": first.get_config()})
    assert type(again) is registry[name]
    assert again.get_config() == first.get_config()


def test_crossentropy_is_chosen_by_shape():
    choose = Crossentropy().choose
    assert isinstance(choose((None, 1), (None,)), BinaryCrossentropy)
    assert isinstance(choose((None, 3), (None,)), SparseCategoricalCrossentropy)
    assert isinstance(choose((None, 3), (None, 1)), SparseCategoricalCrossentropy)
    assert isinstance(choose((None, 3), (None, 3)), CategoricalCrossentropy)
    mse = MeanSquaredError()
    assert mse.choose((None, 1), (None,)) is mse


def worst(y_true, y_pred):
    return np.abs(y_true - y_pred).max(axis=-1)


def test_a_function_is_a_loss_and_says_what_training_needs(rng):
    loss = losses.get(worst)
    assert isinstance(loss, FunctionLoss)
    assert (loss.name, loss.has_gradient) == ("worst", False)
    assert loss([[1.0, 2.0]], [[1.0, 5.0]]) == 3.0
    with pytest.raises(NotImplementedError) as caught:
        loss.value_and_grad([[1.0]], np.array([[2.0]]))
    assert str(caught.value) == (
        "worst: loss must have a gradient to be trained; got a callable without gradient; "
        "set worst.gradient to a function of (y_true, y_pred)"
    )
    wrong = FunctionLoss(lambda y_true, y_pred: 1.0, name="one")
    with pytest.raises(ValueError) as caught:
        wrong([[1.0], [2.0]], [[1.0], [2.0]])
    assert str(caught.value) == "one: result must have one value per sample, shape (2,); got ()"


def test_a_class_of_the_users_is_trained_by_its_gradient():
    class Quartic(Loss):
        def call(self, y_true, y_pred):
            return np.mean((y_true - y_pred) ** 4, axis=-1)

        def gradient(self, y_true, y_pred):
            return 4 * (y_pred - y_true) ** 3 / y_pred.shape[-1]

    loss = Quartic()
    assert (loss.name, loss.has_gradient, Loss().has_gradient) == ("quartic", True, False)
    value, grad = loss.value_and_grad(
        [[0.0, 0.0], [0.0, 0.0]], np.array([[1.0, 2.0], [0.0, 1.0]], np.float32), [1, 2]
    )
    assert value == pytest.approx((8.5 + 2 * 0.5) / 2)
    assert grad.dtype == np.float32
    np.testing.assert_allclose(grad, [[1, 8], [0, 2]])
