"""F scores, R2, areas under curves, the confusion matrix and top-k: tables, scikit-learn, Keras, bad input."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

from conftest import absent, import_keras
from strop import losses, metrics
from strop.metrics import (
    AUC,
    ConfusionMatrix,
    CosineSimilarity,
    F1Score,
    FBetaScore,
    HingeAccuracy,
    R2Score,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
)

TRUE, PREDICTED = np.array([0, 1, 2, 1]), np.array([0, 0, 2, 1])
CLASSES = np.eye(3)[TRUE], np.eye(3)[PREDICTED]
SCORES = [0, 0, 1, 1], [0, 0.5, 0.3, 0.9]
CLOSE = [0, 1, 0, 1], [0.9991, 0.9992, 0.9993, 0.9994]
RANKED = [[0.1, 0.9, 0.8], [0.05, 0.15, 0.8]]


@pytest.fixture
def sklearn():
    try:
        import sklearn.metrics
    except ImportError:
        absent("sklearn", "scikit-learn is not installed")
    return sklearn.metrics


@pytest.mark.parametrize(
    ("metric", "batch", "want"),
    [
        (F1Score(), CLASSES, [2 / 3, 2 / 3, 1.0]),
        (F1Score(average="macro"), CLASSES, 0.777778),
        (F1Score(average="micro"), CLASSES, 0.75),
        (F1Score(average="weighted"), CLASSES, 0.75),
        (F1Score(average="micro"), (TRUE, CLASSES[1]), 0.75),
        (F1Score(average="micro"), (TRUE[:, None], CLASSES[1]), 0.75),
        (F1Score(threshold=0.5), ([1, 0, 1], [0.9, 0.2, 0.4]), [2 / 3]),
        (F1Score(average="micro", threshold=0.5), ([1, 0, 1], [0.9, 0.2, 0.4]), 2 / 3),
        (F1Score(), (np.eye(2), np.zeros((2, 2))), [0.0, 0.0]),
        (F1Score(), (np.eye(2), np.full((2, 2), np.nan)), [0.0, 0.0]),
        (F1Score(), ([[1, 0]], [[0.5, 0.5]]), [1.0, 0.0]),
        (FBetaScore(beta=2.0, threshold=0.5), ([1, 0, 1, 1], [0.9, 0.7, 0.4, 0.2]), [5 / 14]),
        (R2Score(), ([1, 2, 3], [1, 2, 4]), 0.5),
        (R2Score(), ([2, 2], [2, 2]), 1.0),
        (R2Score(), ([2, 2], [2, 3]), 0.0),
        (AUC(), SCORES, 0.75),
        (AUC(curve="PR"), SCORES, 0.797267),
        (AUC(), CLOSE, 0.5),
        (AUC(num_thresholds=None), CLOSE, 0.75),
        (AUC(num_thresholds=3), SCORES, 0.75),
        (AUC(), (*SCORES, [1, 0, 0, 1]), 1.0),
        (AUC(num_thresholds=3), (*SCORES, [1, 0, 0, 1]), 1.0),
        (AUC(), ([1, 1], [0.2, 0.7]), 0.0),
        (AUC(num_thresholds=None), ([0, 0], [0.2, 0.7]), 0.0),
        (AUC(num_thresholds=None, curve="PR"), ([1, 1], [0.2, 0.7]), 1.0),
        (AUC(from_logits=True, num_thresholds=None), ([0, 0, 1, 1], [-900.0, 0.0, -1.0, 900.0]), 0.75),
        (TopKCategoricalAccuracy(k=2), ([[0, 0, 1], [1, 0, 0]], RANKED), 0.5),
        (TopKCategoricalAccuracy(k=1), ([[0, 0, 1], [0, 1, 0]], [[0.1, 0.9, 0.8], [0.05, 0.95, 0]]), 0.5),
        (TopKCategoricalAccuracy(), ([[0, 0, 1], [1, 0, 0]], RANKED), 1.0),
        (TopKCategoricalAccuracy(k=1), ([[0, 0, 1]], [[0.5, 0.5, 0.5]]), 1.0),
        (SparseTopKCategoricalAccuracy(k=2), ([2, 0], RANKED), 0.5),
        (SparseTopKCategoricalAccuracy(k=2), ([[2], [0]], RANKED, [3, 1]), 0.75),
        (SparseTopKCategoricalAccuracy(k=2), ([-1, 3], RANKED), 0.0),
        (SparseTopKCategoricalAccuracy(), ([0, 1], np.full((2, 3), np.nan)), 0.0),
        (SparseTopKCategoricalAccuracy(k=2, from_sorted_ids=True), ([2, 0], [[1, 2, 0], [2, 1, 0]]), 0.5),
        (ConfusionMatrix(), ([0, 1, 1], [0.2, 0.9, 0.4]), [[1, 0], [1, 1]]),
        (ConfusionMatrix(), ([0, 1, 1], [[0.2], [0.9], [0.4]]), [[1, 0], [1, 1]]),
        (ConfusionMatrix(threshold=0.3), ([0, 1, 1], [0.2, 0.9, 0.4]), [[1, 0], [0, 2]]),
        (ConfusionMatrix(), CLASSES, [[1, 0, 0], [1, 1, 0], [0, 0, 1]]),
        (ConfusionMatrix(), (TRUE, CLASSES[1], [1, 2, 3, 4]), [[1, 0, 0], [2, 4, 0], [0, 0, 3]]),
        (ConfusionMatrix(num_classes=3), (TRUE, PREDICTED), [[1, 0, 0], [1, 1, 0], [0, 0, 1]]),
        (ConfusionMatrix(normalize="true"), CLASSES, [[1, 0, 0], [0.5, 0.5, 0], [0, 0, 1]]),
        (HingeAccuracy(), ([-1, 1, 0, 1], [-0.2, 0.1, -3.0, np.nan]), 0.75),
        (CosineSimilarity(), ([[0, 1], [1, 1]], [[1, 0], [1, 1]]), 0.5),
        (metrics.LogCoshError(), ([[0, 0]], [[0.5, 3]]), 1.214722),
        (metrics.MeanAbsolutePercentageError(), ([[2, 1]], [[1, 1]]), 25.0),
    ],
)
def test_metric_gives_the_numbers_of_the_table(metric, batch, want):
    metric.update_state(*batch)
    np.testing.assert_allclose(metric.result(), want, atol=6e-7)


def batches(n, rng):
    """Cuts of n samples into batches, an empty one among them."""
    cuts = sorted([0, n, n // 2, n // 2, *rng.integers(0, n, 2)])
    return [slice(a, b) for a, b in itertools.pairwise(cuts)]


def over_batches(metric, y, p, weight, rng):
    for rows in batches(len(y), rng):
        metric.update_state(y[rows], p[rows], None if weight is None else weight[rows])
    return metric.result()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("average", [None, "micro", "macro", "weighted"])
def test_f_scores_are_those_of_scikit_learn(sklearn, average, weighted, rng):
    y, p = rng.integers(0, 4, 200), rng.uniform(size=(200, 4))
    weight = rng.uniform(0, 2, 200) if weighted else None
    for beta in (1.0, 0.5, 2.0):
        got = over_batches(FBetaScore(average, beta), np.eye(4)[y], p, weight, rng)
        want = sklearn.fbeta_score(y, p.argmax(axis=1), beta=beta, average=average, sample_weight=weight)
        np.testing.assert_allclose(got, want, rtol=1e-12)
    many = rng.integers(0, 2, (200, 4))
    got = over_batches(F1Score(average, threshold=0.4), many, p, weight, rng)
    want = sklearn.f1_score(many, p > 0.4, average=average, sample_weight=weight)
    np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_exact_areas_are_those_of_scikit_learn(sklearn, weighted, rng):
    y, p = rng.integers(0, 2, 300), rng.integers(0, 40, 300) / 7 - 3  # many equal scores, of any size
    weight = rng.uniform(0, 2, 300) if weighted else None
    got = over_batches(AUC(num_thresholds=None), y, p, weight, rng)
    assert got == pytest.approx(sklearn.roc_auc_score(y, p, sample_weight=weight), rel=1e-12)
    precision, recall, _ = sklearn.precision_recall_curve(y, p, sample_weight=weight)
    low, middle, high = (
        over_batches(AUC(None, "PR", method), y, p, weight, rng)
        for method in ("minoring", "interpolation", "majoring")
    )
    inner = precision[:-1], recall[:-1]  # scikit-learn adds a point of precision 1 without samples
    steps = -np.diff(inner[1])
    assert low == pytest.approx((steps * np.minimum(inner[0][:-1], inner[0][1:])).sum(), rel=1e-12)
    assert low <= middle <= high + inner[0][-1] * inner[1][-1]


def test_exact_areas_of_labels_are_those_of_scikit_learn(sklearn, rng):
    y, p = rng.integers(0, 2, (200, 3)), rng.uniform(size=(200, 3))
    got = over_batches(AUC(num_thresholds=None, multi_label=True), y, p, None, rng)
    assert got == pytest.approx(sklearn.roc_auc_score(y, p, average="macro"), rel=1e-12)
    weighted = AUC(num_thresholds=None, multi_label=True, label_weights=[1, 2, 5])
    each = [sklearn.roc_auc_score(y[:, i], p[:, i]) for i in range(3)]
    assert over_batches(weighted, y, p, None, rng) == pytest.approx(np.average(each, weights=[1, 2, 5]))
    assert over_batches(AUC(num_thresholds=None), y, p, None, rng) == pytest.approx(
        sklearn.roc_auc_score(y.ravel(), p.ravel())
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_r2_is_that_of_scikit_learn(sklearn, weighted, rng):
    y = rng.normal(size=(100, 3)) * [1, 5, 1e-3] + [0, 1e6, 3]  # far from 0 nothing is lost
    p = y + rng.normal(size=(100, 3)) * [0.5, 1, 1e-3]
    weight = rng.uniform(0, 2, 100) if weighted else None
    for ours, theirs in (
        (None, "raw_values"),
        ("uniform_average", "uniform_average"),
        ("variance_weighted_average", "variance_weighted"),
    ):
        got = over_batches(R2Score(ours), y, p, weight, rng)
        want = sklearn.r2_score(y, p, multioutput=theirs, sample_weight=weight)
        np.testing.assert_allclose(got, want, rtol=1e-9)
    deep = R2Score(None)
    deep.update_state(y.reshape(10, 10, 3), p.reshape(10, 10, 3))
    np.testing.assert_allclose(deep.result(), sklearn.r2_score(y, p, multioutput="raw_values"), rtol=1e-9)


@pytest.mark.parametrize("normalize", [None, "true", "pred", "all"])
def test_confusion_matrix_is_that_of_scikit_learn(sklearn, normalize, rng):
    y, p = rng.integers(0, 5, 200), rng.uniform(size=(200, 5))
    for weight in (None, rng.uniform(0, 2, 200)):
        got = over_batches(ConfusionMatrix(normalize=normalize), y, p, weight, rng)
        want = sklearn.confusion_matrix(y, p.argmax(axis=1), normalize=normalize, sample_weight=weight)
        np.testing.assert_allclose(got, want, rtol=1e-12)
    metric = ConfusionMatrix()
    over_batches(metric, y.reshape(20, 10), p.reshape(20, 10, 5), None, rng)
    np.testing.assert_array_equal(metric.matrix(), sklearn.confusion_matrix(y, p.argmax(axis=1)))


KERAS = [
    ("AUC", {}),
    ("AUC", {"num_thresholds": 7}),
    ("AUC", {"curve": "PR"}),
    ("AUC", {"curve": "PR", "summation_method": "majoring"}),
    ("AUC", {"summation_method": "minoring"}),
    ("AUC", {"thresholds": [0.1, 0.75, 0.3]}),
    ("AUC", {"multi_label": True}),
    ("AUC", {"multi_label": True, "curve": "PR", "label_weights": [1.0, 0.0, 2.0]}),
    ("AUC", {"label_weights": [1.0, 0.0, 2.0]}),
    ("F1Score", {"threshold": 0.5}),
    ("FBetaScore", {"beta": 2.0, "average": "weighted"}),
    ("R2Score", {}),
    ("R2Score", {"class_aggregation": None}),
    ("R2Score", {"class_aggregation": "variance_weighted_average"}),
    ("TopKCategoricalAccuracy", {"k": 2}),
    ("Hinge", {}),
    ("SquaredHinge", {}),
    ("CategoricalHinge", {}),
    ("KLDivergence", {}),
    ("Poisson", {}),
    ("LogCoshError", {}),
    ("CosineSimilarity", {}),
    ("MeanAbsolutePercentageError", {}),
    ("MeanSquaredLogarithmicError", {}),
]


@pytest.mark.parametrize(("name", "settings"), KERAS, ids=str)
def test_metric_equals_keras(name, settings, rng):
    keras = import_keras()
    y = rng.integers(0, 2, (50, 3)).astype("float32")
    p = rng.uniform(0.01, 0.99, (50, 3)).astype("float32")
    if name == "R2Score":
        y = (y + p * rng.uniform(0, 2, p.shape)).astype("float32")
    if "Percentage" in name:
        y = p[::-1] + 1
    for weight in (None, rng.uniform(0, 2, 50).astype("float32")):
        ours, theirs = getattr(metrics, name)(**settings), getattr(keras.metrics, name)(**settings)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for rows in batches(50, rng):
                ours.update_state(y[rows], p[rows], None if weight is None else weight[rows])
                if len(y[rows]):
                    theirs.update_state(y[rows], p[rows], None if weight is None else weight[rows])
            want = np.asarray(theirs.result())
        np.testing.assert_allclose(ours.result(), want, rtol=2e-5, atol=2e-6)
        assert ours.name == theirs.name.removesuffix("_1") or name == "AUC"


def test_top_k_equals_keras_at_any_shape(rng):
    keras = import_keras()
    for shape, k in [((6, 4), 1), ((6, 4), 3), ((2, 3, 5), 2), ((4, 7), 7)]:
        p = rng.integers(0, 5, shape).astype("float32") / 5  # with equals
        labels = rng.integers(0, shape[-1], shape[:-1])
        want = np.asarray(keras.metrics.sparse_top_k_categorical_accuracy(labels, p, k)).mean()
        assert SparseTopKCategoricalAccuracy(k)(labels, p) == pytest.approx(want)
        assert TopKCategoricalAccuracy(k)(np.eye(shape[-1])[labels], p) == pytest.approx(want)


@pytest.mark.parametrize("name", sorted(losses.names))
def test_every_loss_is_a_metric(name, rng):
    if name in ("Crossentropy", "crossentropy", "ce"):
        pytest.skip("chosen by shape, in test_metrics.py")
    metric = metrics.get(name)
    assert metric.name == name
    y = np.array([0, 1, 1]) if "sparse" in name.lower() else np.eye(2)[[0, 1, 1]]
    p = rng.uniform(0.1, 0.9, (3, 2))
    sign = -1 if metrics.names.get(name) is CosineSimilarity else 1
    assert metric(y, p) == pytest.approx(sign * losses.get(name)(y, p))


def test_names_are_those_of_keras():
    keras = import_keras()
    known = import_keras("keras.src.metrics").ALL_OBJECTS_DICT
    missing = {name for name, cls in known.items() if cls.__name__ in metrics.registry} - set(metrics.names)
    assert missing <= {"Mean", "Sum", "mean", "sum"}
    for name in ("F1Score", "FBetaScore", "R2Score", "LogCoshError", "TopKCategoricalAccuracy"):
        assert getattr(metrics, name)().name == getattr(keras.metrics, name)().name


@pytest.mark.parametrize(
    ("loss", "output", "target", "want"),
    [
        ("hinge", (None, 1), (None,), HingeAccuracy),
        ("squared_hinge", (None, 3), (None, 3), HingeAccuracy),
        ("categorical_hinge", (None, 3), (None, 3), metrics.CategoricalAccuracy),
        ("binary_focal_crossentropy", (None, 3), (None, 3), metrics.BinaryAccuracy),
        ("categorical_focal_crossentropy", (None, 3), (None, 3), metrics.CategoricalAccuracy),
        ("kld", (None, 3), (None, 3), metrics.CategoricalAccuracy),
        ("cosine_similarity", (None, 3), (None, 3), metrics.CategoricalAccuracy),
    ],
)
def test_accuracy_beside_each_loss(loss, output, target, want):
    assert type(metrics.resolve("accuracy", losses.get(loss), output, target)) is want


@pytest.mark.parametrize("loss", ["mape", "msle", "huber", "log_cosh", "poisson"])
def test_accuracy_beside_a_regression_loss_warns(loss):
    with pytest.warns(UserWarning, match="beside the regression loss"):
        metrics.resolve("accuracy", losses.get(loss), (None, 1), (None,))


def test_adjusted_r2_counts_samples():
    # Keras counts the numbers of all outputs as samples.
    y, p = np.array([1.0, 2, 3, 4, 5]), np.array([1.0, 2, 4, 4, 5])
    assert R2Score(num_regressors=2)(y, p) == pytest.approx(1 - (1 - 0.9) * 4 / 2)
    assert R2Score(None, 2)(np.stack([y, y], 1), np.stack([p, p], 1)) == pytest.approx([0.8, 0.8])
    keras = import_keras()
    assert float(keras.metrics.R2Score(num_regressors=2)(y[:, None], p[:, None])) == pytest.approx(0.8)


def test_adjusted_r2_needs_more_samples_than_inputs():
    metric = R2Score(num_regressors=2)
    metric.update_state([1, 2, 3], [1, 2, 4])
    with pytest.warns(UserWarning, match="num_regressors") as caught:
        assert metric.result() == 0.5
    assert str(caught[0].message) == (
        "r2_score: num_regressors must be less than the number of samples less 1 (2) for the adjusted score; "
        "got 2; this is the plain one"
    )


def test_a_model_of_one_unit_is_told_before_its_first_step():
    text = "f1_score: threshold must be a number where y_pred has one column; got None; pass threshold=0.5"
    with pytest.raises(ValueError) as caught:
        metrics.resolve("f1_score", None, (None, 1), (None,))
    assert str(caught.value) == text
    assert metrics.resolve("f1_score", None, (None, 3), (None, 3)).name == "f1_score"


def fed(metric, *batch):
    metric.update_state(*batch)
    metric.update_state(np.zeros((1, 4)), np.zeros((1, 4)))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: F1Score()([1, 0, 1], [0.9, 0.2, 0.4]),
            "f1_score: threshold must be a number where y_pred has one column; got None; pass threshold=0.5",
        ),
        (
            lambda: F1Score("mean"),
            "F1Score: average must be None, 'micro', 'macro' or 'weighted'; got 'mean'",
        ),
        (lambda: FBetaScore(beta=0), "FBetaScore: beta must be more than 0; got 0.0"),
        (lambda: F1Score(threshold=2), "F1Score: threshold must lie in [0, 1]; got 2.0"),
        (lambda: fed(F1Score(), *CLASSES), "f1_score: y_pred must have 3 columns as before; got 4"),
        (lambda: fed(R2Score(), *CLASSES), "r2_score: y_pred must have 3 columns as before; got 4"),
        (
            lambda: F1Score()(np.zeros((2, 2)), np.zeros((2, 3))),
            "f1_score: y_true must have the shape of y_pred (2, 3); got (2, 2)",
        ),
        (
            lambda: R2Score("mean"),
            "R2Score: class_aggregation must be None, 'uniform_average' or 'variance_weighted_average'; got 'mean'",
        ),
        (lambda: R2Score(num_regressors=-1), "R2Score: num_regressors must be a whole number from 0; got -1"),
        (lambda: AUC(curve="roc"), "AUC: curve must be 'ROC' or 'PR'; got 'roc'"),
        (
            lambda: AUC(summation_method="mid"),
            "AUC: summation_method must be one of interpolation, minoring, majoring; got 'mid'",
        ),
        (lambda: AUC(1), "AUC: num_thresholds must be a whole number from 2; got 1"),
        (lambda: AUC(thresholds=[0.5, 2]), "AUC: thresholds[1] must lie in [0, 1]; got 2.0"),
        (lambda: AUC(num_labels=2), "AUC: num_labels must be None without multi_label; got 2"),
        (
            lambda: AUC(multi_label=True, num_labels=2)(*CLASSES),
            "auc: y_pred must have 2 columns; got 3",
        ),
        (lambda: fed(AUC(multi_label=True), *CLASSES), "auc: y_pred must have 3 columns; got 4"),
        (
            lambda: AUC(label_weights=[1, 2])(*CLASSES),
            "auc: label_weights must have one number per column (3); got 2",
        ),
        (
            lambda: AUC()([0, 1], [0.5, 0.5], [1, 2, 3]),
            "auc: sample_weight must have shape (2,) or a leading part of it; got (3,)",
        ),
        (
            lambda: TopKCategoricalAccuracy(k=0),
            "TopKCategoricalAccuracy: k must be a whole number from 1; got 0",
        ),
        (
            lambda: SparseTopKCategoricalAccuracy()([1], RANKED),
            "sparse_top_k_categorical_accuracy: y_true must hold one class id per sample, shape (2,); got shape (1,)",
        ),
        (
            lambda: ConfusionMatrix(normalize="rows"),
            "ConfusionMatrix: normalize must be None, 'true', 'pred' or 'all'; got 'rows'",
        ),
        (
            lambda: ConfusionMatrix(num_classes=1),
            "ConfusionMatrix: num_classes must be a whole number from 2; got 1",
        ),
        (
            lambda: ConfusionMatrix()([0, 3], np.eye(3)[:2]),
            "confusion_matrix: y_true must lie in [0, 3) for 3 classes; got 3 at sample 1",
        ),
        (
            lambda: ConfusionMatrix(num_classes=3)([0, 2], [0.5, 0.5]),
            "confusion_matrix: y_pred must have 3 columns, or whole numbers; got shape (2,)",
        ),
        (
            lambda: fed(ConfusionMatrix(), *CLASSES),
            "confusion_matrix: y_pred must have 3 columns; got 4",
        ),
    ],
)
def test_bad_arguments_are_refused(call, text):
    with pytest.raises(ValueError) as caught:
        call()
    assert str(caught.value) == text


@pytest.mark.parametrize(
    "metric",
    [
        AUC(None, "PR", thresholds=[0.5, 0.25]),
        AUC(multi_label=True, num_labels=2, label_weights=[1, 2], from_logits=True),
        FBetaScore("macro", 2.0, 0.5),
        R2Score(None, 2),
        ConfusionMatrix(3, 0.25, "all"),
        SparseTopKCategoricalAccuracy(3, from_sorted_ids=True),
        CosineSimilarity(axis=1),
    ],
)
def test_settings_survive_the_config(metric):
    again = metrics.get({"class_name": type(metric).__name__, "config": metric.get_config()})
    assert again.get_config() == metric.get_config()
