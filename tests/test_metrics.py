from __future__ import annotations

import warnings

import numpy as np
import pytest

from strop import losses, metrics
from strop.metrics import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    FalseNegatives,
    FalsePositives,
    LossMetric,
    Mean,
    MeanAbsoluteError,
    MeanSquaredError,
    Metric,
    Precision,
    Recall,
    RootMeanSquaredError,
    SparseCategoricalAccuracy,
    Sum,
    TrueNegatives,
    TruePositives,
    registry,
)

Y = np.array([[0, 1, 1], [1, 0, 0]])
P = np.array([[0.2, 0.6, 0.9], [0.4, 0.7, 0.1]])
ERRORS = np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([[3.0, 4.0], [1.0, 2.0]]), np.array([1.0, 3.0])
WEIGHT = np.array([2.0, 3.0])


@pytest.mark.parametrize(
    ("metric", "batch", "want"),
    [
        (BinaryAccuracy(), ([1, 0], [0.5, 0.5]), 0.5),
        (BinaryAccuracy(), ([1, 0], [np.nan, np.nan]), 0.5),
        (BinaryAccuracy(threshold=0.3), ([1, 0], [0.5, 0.2]), 1.0),
        (BinaryAccuracy(), (Y, P), 4 / 6),
        (BinaryAccuracy(), (Y, P, WEIGHT), 0.6),
        (CategoricalAccuracy(), ([[1, 0], [0, 1]], [[0.5, 0.5], [0.5, 0.5]]), 0.5),
        (CategoricalAccuracy(), (Y, P, WEIGHT), 0.0),
        (SparseCategoricalAccuracy(), ([2, 0], P, WEIGHT), 0.4),
        (SparseCategoricalAccuracy(), ([[2], [0]], P), 0.5),
        (Accuracy(), ([1, 2, 3, 4], [0, 2, 3, 4], [1, 1, 0, 0]), 0.5),
        (Precision(), (Y, P), 2 / 3),
        (Precision(), (Y, P, WEIGHT), 4 / 7),
        (Precision(), ([0, 1], [0.9, 0.9], [1, 3]), 0.75),
        (Precision(thresholds=[0.3, 0.7]), ([0, 1, 1], [0.4, 0.5, 0.8]), [2 / 3, 1.0]),
        (Precision(thresholds=0.7), ([0, 1, 1], [0.4, 0.5, 0.8]), 1.0),
        (Precision(thresholds=[0.7]), ([0, 1, 1], [0.4, 0.5, 0.8]), 1.0),
        (Precision(), ([0, 1], [0.1, 0.5]), 0.0),
        (Precision(top_k=1), (Y, P), 0.5),
        (Precision(top_k=2, thresholds=0.65), (Y, P), 0.5),
        (Precision(class_id=1), (Y, P), 0.5),
        (Precision(top_k=2, class_id=2), (Y, P), 1.0),
        (Recall(top_k=2), (Y, P), 1.0),
        (Recall(class_id=0, thresholds=[0.3, 0.5]), (Y, P), [1.0, 0.0]),
        (Recall(), ([0, 0], [0.9, 0.1]), 0.0),
        (Recall(), ([0, 1, 1], [np.nan, np.nan, 0.9]), 0.5),
        (TruePositives(), (Y, P), 2.0),
        (FalsePositives(), (Y, P), 1.0),
        (TrueNegatives(), (Y, P), 2.0),
        (FalseNegatives(), (Y, P), 1.0),
        (TruePositives(thresholds=[0.3, 0.8]), (Y, P, WEIGHT), [7.0, 2.0]),
        (FalsePositives(thresholds=[0.3, 0.8]), (Y, P, WEIGHT), [3.0, 0.0]),
        (TrueNegatives(thresholds=[0.3, 0.8]), (Y, P, WEIGHT), [5.0, 8.0]),
        (FalseNegatives(thresholds=[0.3, 0.8]), (Y, P, WEIGHT), [0.0, 5.0]),
        (RootMeanSquaredError(), ([0, 0], [3, 4]), 3.535534),
        (RootMeanSquaredError(), ERRORS, 1.870829),
        (MeanSquaredError(), ERRORS, 3.5),
        (MeanAbsoluteError(), ERRORS, (3.5 + 3 * 0.5) / 4),
        (metrics.BinaryCrossentropy(), ([[1], [0]], [[0.8], [0.4]]), 0.366985),
        (metrics.SparseCategoricalCrossentropy(), ([1, 0], [[0.1, 0.7, 0.2], [0.5, 0.25, 0.25]]), 0.524911),
        (metrics.CategoricalCrossentropy(), ([[0, 1, 0]], [[0.1, 0.7, 0.2]]), 0.356675),
        (Mean(), ([1, 3],), 2.0),
        (Mean(), ([1, 3], [1, 3]), 2.5),
        (Sum(), ([1, 3], [1, 3]), 10.0),
    ],
)
def test_metric_gives_the_numbers_of_keras(metric, batch, want):
    metric.update_state(*batch)
    got = metric.result()
    assert all(type(value) is float for value in (got if isinstance(got, list) else [got]))
    assert got == pytest.approx(want, abs=6e-7)


FIXED = {"LossMetric": LossMetric(losses.MeanSquaredError())}


@pytest.mark.parametrize("name", sorted(set(registry) - {"Mean", "Sum"}))
def test_batches_accumulate_to_the_figure_of_the_whole(name, rng):
    metric = FIXED.get(name) or registry[name]()
    p = rng.uniform(0.05, 0.95, (50, 3))
    y = np.eye(3)[rng.integers(0, 3, 50)]
    if name.startswith("Sparse"):
        y = y.argmax(axis=1)
    weight = rng.uniform(0, 2, 50)
    for used in (None, weight):
        metric.reset_state()
        metric.update_state(y, p, used)
        want = metric.result()
        metric.reset_state()
        for rows in (slice(0, 7), slice(7, 7), slice(7, 50)):
            metric.update_state(y[rows], p[rows], None if used is None else used[rows])
        np.testing.assert_allclose(metric.result(), want, rtol=1e-12)
        assert np.any(np.asarray(want)) or name == "Accuracy"


def test_precision_counts_over_batches():
    metric = Precision()
    metric.update_state([1], [0.9])
    metric.update_state([1, 0, 0, 0], [0.9, 0.9, 0.9, 0.9])
    assert metric.result() == 0.4


@pytest.mark.parametrize("name", sorted(set(registry) - {"LossMetric"}))
def test_nothing_seen_is_zero_and_a_reset_forgets(name):
    metric = registry[name]()
    assert metric.result() == 0.0
    if name in ("Mean", "Sum"):
        metric.update_state([3.0])
    else:
        metric.update_state([0] if name.startswith("Sparse") else [[1, 0, 0]], [[0.9, 0.05, 0.05]])
    metric.reset_state()
    assert metric.result() == 0.0


@pytest.mark.parametrize("name", sorted(registry))
def test_a_config_makes_the_same_metric(name):
    first = FIXED.get(name) or registry[name](name="mine")
    again = metrics.get({"class_name": name, "config": first.get_config()})
    assert type(again) is registry[name]
    assert again.get_config() == first.get_config()


def test_settings_survive_the_config():
    first = Precision(thresholds=np.array([0.25, 0.5]), top_k=2, class_id=1)
    assert first.get_config() == {"thresholds": [0.25, 0.5], "top_k": 2, "class_id": 1, "name": "precision"}
    assert BinaryAccuracy(threshold=0.25).get_config() == {"name": "binary_accuracy", "threshold": 0.25}


@pytest.mark.parametrize(
    ("written", "loss", "output", "target", "want"),
    [
        ("accuracy", None, (None, 1), (None,), BinaryAccuracy),
        ("acc", None, (None, 1), (None, 1), BinaryAccuracy),
        ("accuracy", None, (None, 3), (None,), SparseCategoricalAccuracy),
        ("accuracy", None, (None, 3), (None, 1), SparseCategoricalAccuracy),
        ("accuracy", None, (None, 3), (None, 3), CategoricalAccuracy),
        ("accuracy", None, (None, 5, 3), (None, 5), SparseCategoricalAccuracy),
        ("accuracy", losses.BinaryCrossentropy(), (None, 3), (None, 3), BinaryAccuracy),
        ("ce", None, (None, 3), (None,), LossMetric),
        ("precision", None, (None, 1), (None,), Precision),
        ("mse", None, (None, 1), (None,), MeanSquaredError),
    ],
)
def test_accuracy_is_chosen_by_shape_and_named_as_written(written, loss, output, target, want):
    metric = metrics.resolve(written, loss, output, target)
    assert (type(metric), metric.name) == (want, written)


def test_accuracy_beside_a_regression_loss_warns():
    with pytest.warns(UserWarning, match="^compile: metrics holds") as caught:
        metrics.resolve("accuracy", losses.MeanSquaredError(), (None, 1), (None,))
    assert [str(w.message) for w in caught] == [
        "compile: metrics holds 'accuracy' beside the regression loss 'mean_squared_error'; "
        "accuracy counts right classes; 'mae' is the mean distance of numbers"
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metrics.resolve("accuracy", losses.BinaryCrossentropy(), (None, 1), (None,))


def test_get_knows_names_losses_classes_and_functions():
    assert isinstance(metrics.get("rmse"), RootMeanSquaredError)
    assert isinstance(metrics.get("Precision"), Precision)
    assert isinstance(metrics.get(Recall), Recall)
    assert isinstance(metrics.get("bce"), LossMetric)
    assert metrics.get(losses.MeanAbsoluteError()).name == "mean_absolute_error"

    def largest(y_true, y_pred):
        return np.abs(y_true - y_pred).max()

    metric = metrics.get(largest)
    metric.update_state(np.zeros((3, 1)), np.full((3, 1), 2.0))
    metric.update_state(np.zeros((1, 1)), np.full((1, 1), 6.0))
    assert (metric.name, metric.result()) == ("largest", 3.0)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: metrics.get("accurcy", "compile"),
            ValueError,
            "compile: metrics must be known names, Metrics or callables; got 'accurcy'; "
            "did you mean 'accuracy'",
        ),
        (
            lambda: metrics.get(3),
            TypeError,
            "metrics.get: metrics must be known names, Metrics or callables; got int",
        ),
        (lambda: Precision(thresholds=1.5), ValueError, "Precision: thresholds must lie in [0, 1]; got 1.5"),
        (
            lambda: Recall(thresholds=[0.5, -1]),
            ValueError,
            "Recall: thresholds[1] must lie in [0, 1]; got -1.0",
        ),
        (
            lambda: Recall(thresholds=[]),
            ValueError,
            "Recall: thresholds must hold a number; got an empty list",
        ),
        (lambda: Precision(thresholds="a"), TypeError, "Precision: thresholds must be a number; got str"),
        (lambda: Precision(top_k=0), ValueError, "Precision: top_k must be 1 or more; got 0"),
        (lambda: Precision(class_id=-1), ValueError, "Precision: class_id must be 0 or more; got -1"),
        (lambda: Precision(top_k=1.0), TypeError, "Precision: top_k must be an int; got float"),
        (
            lambda: Precision(top_k=4)(Y, P),
            ValueError,
            "precision: top_k must be at most the number of classes 3; got 4",
        ),
        (
            lambda: Precision(class_id=3)(Y, P),
            ValueError,
            "precision: class_id must lie in [0, 3) for 3 classes; got 3",
        ),
        (
            lambda: BinaryAccuracy(threshold=2),
            ValueError,
            "BinaryAccuracy: threshold must lie in [0, 1]; got 2.0",
        ),
        (
            lambda: BinaryAccuracy()(np.zeros((4, 1)), np.zeros((4, 2))),
            ValueError,
            "binary_accuracy: y_true must have the shape of y_pred (4, 2); got (4, 1)",
        ),
        (
            lambda: SparseCategoricalAccuracy()(Y, P),
            ValueError,
            "sparse_categorical_accuracy: y_true must hold one class id per sample, shape (2,); "
            "got shape (2, 3)",
        ),
        (
            lambda: Precision()(Y, P, [1, 2, 3]),
            ValueError,
            "precision: sample_weight must have shape (2, 3) or a leading part of it; got (3,)",
        ),
        (
            lambda: Mean()(["a"]),
            TypeError,
            "mean: values must be an array of numbers; got a <U1 array of shape (1,)",
        ),
        (lambda: Metric(), NotImplementedError, "Metric: reset_state must be defined by the class"),
    ],
)
def test_bad_arguments_are_refused(call, error, text):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == text


def test_a_class_of_the_users_is_a_metric():
    class Largest(Metric):
        def reset_state(self):
            self.value = 0.0

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.value = max(self.value, float(np.max(y_pred)))

        def result(self):
            return self.value

    metric = metrics.get(Largest)
    assert (metric.name, metric([0], [3.0]), metric([0], [2.0])) == ("largest", 3.0, 3.0)
