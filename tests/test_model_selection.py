"""Cross-validation and learning curves: every sample tested once, models fresh, runs that repeat."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import strop
from strop import _random
from strop.callbacks import EarlyStopping, LambdaCallback
from strop.model_selection import cross_validate, k_fold, learning_curve, stratified_k_fold


def build_regression():
    model = strop.Sequential([strop.layers.Dense(1)])
    model.compile(strop.optimizers.SGD(0.1), "mse", metrics=["mae"])
    return model


def build_classes(classes=3):
    model = strop.Sequential([strop.layers.Dense(8, "relu"), strop.layers.Dense(classes, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def table(rng, count=40, classes=None):
    x = rng.normal(size=(count, 3))
    if classes is None:
        return x, x @ [1.0, 2.0, 3.0]
    return x, np.arange(count) % classes


@pytest.mark.parametrize(("count", "folds"), [(2, 2), (5, 2), (7, 3), (10, 10), (101, 5), (64, 8), (11, 4)])
@pytest.mark.parametrize("shuffle", [False, True])
def test_each_sample_is_tested_once(count, folds, shuffle):
    splits = k_fold(count, folds, shuffle=shuffle, seed=3)
    assert sorted(np.concatenate([test for _, test in splits])) == list(range(count))
    sizes = [len(test) for _, test in splits]
    assert max(sizes) - min(sizes) <= 1
    for train, test in splits:
        assert sorted([*train, *test]) == list(range(count))
        assert (np.diff(test) > 0).all()
        assert (np.diff(train) > 0).all()
    if not shuffle:
        selection = pytest.importorskip("sklearn.model_selection")
        for (train, test), (want_train, want_test) in zip(
            splits, selection.KFold(folds).split(np.zeros(count)), strict=True
        ):
            np.testing.assert_array_equal(train, want_train)
            np.testing.assert_array_equal(test, want_test)


@pytest.mark.parametrize("shuffle", [False, True])
def test_stratified_folds_hold_each_class_in_the_same_share(rng, shuffle):
    for _ in range(50):
        folds = int(rng.integers(2, 7))
        counts = rng.integers(folds, 40, int(rng.integers(1, 6)))
        y = rng.permutation(np.repeat(np.arange(len(counts)) * 3 - 1, counts))
        splits = stratified_k_fold(y, folds, shuffle=shuffle, seed=1)
        assert sorted(np.concatenate([test for _, test in splits])) == list(range(len(y)))
        sizes = [len(test) for _, test in splits]
        assert max(sizes) - min(sizes) <= 1
        for label in np.unique(y):
            held = [(y[test] == label).sum() for _, test in splits]
            assert max(held) - min(held) <= 1


def test_folds_take_texts_and_one_hot_rows():
    texts = np.array(["ham", "spam"] * 6)
    by_text = stratified_k_fold(texts, 3, seed=1)
    for other in (np.eye(2)[[0, 1] * 6], np.array([[0], [1]] * 6)):
        for (_, a), (_, b) in zip(by_text, stratified_k_fold(other, 3, seed=1), strict=True):
            np.testing.assert_array_equal(a, b)


def test_folds_repeat_with_a_seed_and_follow_the_streams_without():
    def folds(seed=None):
        return [tuple(test) for _, test in k_fold(30, 3, seed=seed)]

    assert folds(1) == folds(1) != folds(2)
    strop.utils.set_random_seed(5)
    first, second = folds(), folds()
    assert first != second
    strop.utils.set_random_seed(5)
    assert folds() == first


def test_the_scores_are_those_of_fits_by_hand(rng):
    x, y = table(rng, 30)
    strop.utils.set_random_seed(0)
    start = build_regression()
    start.build((None, 3))
    weights = start.get_weights()

    def build():
        model = build_regression()
        model.build((None, 3))
        model.set_weights(weights)
        return model

    result = cross_validate(build, x, y, folds=3, shuffle=False, epochs=4, batch_size=30, seed=1)
    for i, (train, test) in enumerate(result.splits):
        model = build()
        model.fit(x[train], y[train], epochs=4, batch_size=30, verbose=0, shuffle=False)
        loss, mae = model.evaluate(x[test], y[test], verbose=0)
        assert result.scores["loss"][i] == loss
        assert result.scores["mae"][i] == mae
        assert result.histories[i].history["val_mae"][-1] == mae
    assert result.mean["mae"] == pytest.approx(np.mean(result.scores["mae"]))
    assert result.spread["mae"] == pytest.approx(np.std(result.scores["mae"], ddof=1))
    line = f"mae  {result.mean['mae']:.4f} +- {result.spread['mae']:.4f}"
    assert str(result).splitlines()[1] == line


def test_a_seed_repeats_everything_and_leaves_the_streams_alone(rng):
    x, y = table(rng, 30, classes=3)
    before = _random.get_state()
    first = cross_validate(build_classes, x, y, folds=3, epochs=2, seed=7, return_predictions=True)
    assert _random.get_state() == before
    _random.streams.generator("weights")
    second = cross_validate(build_classes, x, y, folds=3, epochs=2, seed=7, return_predictions=True)
    np.testing.assert_array_equal(first.predictions, second.predictions)
    assert first.scores["loss"].tolist() == second.scores["loss"].tolist()
    third = cross_validate(build_classes, x, y, folds=3, epochs=2, seed=8)
    assert first.scores["loss"].tolist() != third.scores["loss"].tolist()


def test_classes_are_stratified_without_being_asked(rng):
    x, y = table(rng, 40, classes=2)
    y = np.sort(y)
    result = cross_validate(lambda: build_classes(2), x, y, folds=4, epochs=1, seed=1)
    for _, test in result.splits:
        assert (y[test] == 0).sum() == 5
    plain = cross_validate(lambda: build_classes(2), x, y, folds=4, epochs=1, stratify=False, shuffle=False)
    assert y[plain.splits[0][1]].tolist() == [0] * 10
    regression = cross_validate(build_regression, x, y, folds=4, epochs=1, shuffle=False)
    assert y[regression.splits[0][1]].tolist() == [0] * 10


def test_predictions_are_of_the_model_that_has_not_seen_the_sample(rng):
    x, y = table(rng, 24, classes=3)
    models = []

    def build():
        models.append(build_classes())
        return models[-1]

    result = cross_validate(build, x, y, folds=4, epochs=1, return_predictions=True)
    assert len(models) == 4
    for model, (_, test) in zip(models, result.splits, strict=True):
        np.testing.assert_array_equal(result.predictions[test], model.predict(x[test], verbose=0))


def test_sample_weights_go_with_their_samples(rng):
    x, y = table(rng, 20)
    x[::2] = 1e6  # samples without weight would ruin the fit
    weight = np.tile([0.0, 1.0], 10)
    result = cross_validate(build_regression, x, y, folds=4, sample_weight=weight, epochs=3, seed=2)
    assert result.mean["loss"] < 100


def test_with_a_validation_split_the_test_samples_choose_nothing(rng):
    x, y = table(rng, 40)
    result = cross_validate(
        build_regression,
        x,
        y,
        folds=4,
        epochs=50,
        validation_split=0.2,
        callbacks=lambda: [EarlyStopping(patience=2)],
        seed=1,
    )
    for history in result.histories:
        assert "val_loss" in history.history
        assert history.params["steps"] == 1  # 24 of 30 samples
    shared = []
    cross_validate(
        build_regression,
        x,
        y,
        folds=2,
        epochs=3,
        callbacks=[LambdaCallback(on_epoch_end=lambda e, logs: shared.append(e))],
    )
    assert shared == [0, 1, 2] * 2


def test_tables_of_pandas_are_taken(rng):
    pandas = pytest.importorskip("pandas")
    x, y = table(rng, 20)
    frame = pandas.DataFrame(x, columns=list("abc"))
    mine = cross_validate(build_regression, frame, pandas.Series(y), folds=2, epochs=1, seed=1)
    assert mine.scores["loss"].tolist() == (
        cross_validate(build_regression, x, y, folds=2, epochs=1, seed=1).scores["loss"].tolist()
    )


def test_the_learning_curve_trains_on_growing_parts(rng):
    x, y = table(rng, 40)
    seen = []

    def build():
        model = build_regression()
        fit = model.fit

        def spy(part, targets, **settings):
            seen.append(part)
            return fit(part, targets, **settings)

        model.fit = spy
        return model

    curve = learning_curve(build, x, y, sizes=[4, 12, 30], folds=4, epochs=2, seed=3)
    assert curve.sizes.tolist() == [4, 12, 30]
    assert curve.train["mae"].shape == curve.validation["loss"].shape == (3, 4)
    assert [len(part) for part in seen] == [4, 12, 30] * 4
    for i in range(0, 12, 3):
        for small, large in itertools.pairwise(seen[i : i + 3]):
            np.testing.assert_array_equal(small, large[: len(small)])
    again = learning_curve(build, x, y, sizes=[4, 12, 30], folds=4, epochs=2, seed=3)
    np.testing.assert_array_equal(curve.validation["mae"], again.validation["mae"])
    assert str(curve).splitlines()[0].split() == ["samples", "training", "mae", "validation", "mae"]
    assert learning_curve(build, x, y, sizes=(0.1, 0.5, 1.0), folds=4, epochs=1).sizes.tolist() == [3, 15, 30]


def test_the_learning_curve_is_drawn():
    pytest.importorskip("matplotlib")
    x = np.linspace(0, 1, 20)
    curve = learning_curve(build_regression, x, x, folds=2, epochs=1)
    assert strop.plot.learning_curve(curve).get_ylabel() == "mae"


X, Y = np.zeros((6, 2)), np.arange(6.0)
ONE = build_regression()


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: k_fold(3, 4), ValueError, "k_fold: folds must be at most the number of samples (3); got 4"),
        (lambda: k_fold(3, 1), ValueError, "k_fold: folds must be a whole number from 2; got 1"),
        (lambda: k_fold(3, 2.0), ValueError, "k_fold: folds must be a whole number from 2; got 2.0"),
        (lambda: k_fold(3, 2, seed=-1), ValueError, "k_fold: seed must lie in [0, 2**32); got -1"),
        (
            lambda: stratified_k_fold([0, 0, 0, 1, 1], 3),
            ValueError,
            "stratified_k_fold: y must hold each class at least 3 times, once per fold; "
            "got class 1 2 times; use fewer folds or no stratification",
        ),
        (
            lambda: stratified_k_fold(np.zeros((4, 2, 2)), 2),
            ValueError,
            "stratified_k_fold: y must have one class per sample to stratify; got shape (4, 2, 2)",
        ),
        (
            lambda: cross_validate(build_regression, X, Y, folds=7),
            ValueError,
            "cross_validate: folds must be at most the number of samples (6); got 7",
        ),
        (
            lambda: cross_validate(build_regression, X, Y[:5]),
            ValueError,
            "cross_validate: y must have as many samples as x (6); got 5",
        ),
        (
            lambda: cross_validate(build_regression, X, Y, sample_weight=[1.0, 2.0]),
            ValueError,
            "cross_validate: sample_weight must have one value per sample (6); got shape (2,)",
        ),
        (
            lambda: cross_validate(build_regression(), X, Y),
            TypeError,
            "cross_validate: build_model must be a function that makes a model; got Sequential",
        ),
        (
            lambda: cross_validate(lambda: ONE, X, Y, folds=2),
            TypeError,
            "cross_validate: build_model must make a new model at each call; got one object twice",
        ),
        (
            lambda: cross_validate(lambda: None, X, Y),
            TypeError,
            "cross_validate: build_model must return a model; got NoneType",
        ),
        (
            lambda: cross_validate(build_regression, X, Y, validation_data=(X, Y)),
            TypeError,
            "cross_validate: fit settings must leave validation_data to the folds; got validation_data",
        ),
        (
            lambda: learning_curve(build_regression, X, Y, sizes=[4], folds=2),
            ValueError,
            "learning_curve: sizes must lie in [1, 3], the training samples of a fold; got 4",
        ),
        (
            lambda: learning_curve(build_regression, X, Y, sizes=[0.5, 1.5]),
            ValueError,
            "learning_curve: sizes must be whole numbers or shares in (0, 1]; got 1.5",
        ),
        (
            lambda: learning_curve(build_regression, X, Y, sizes=3),
            ValueError,
            "learning_curve: sizes must be a list of numbers; got 3",
        ),
    ],
)
def test_what_cannot_be_is_refused(call, error, text):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == text
