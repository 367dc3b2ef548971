"""The estimators pass scikit-learn's own checks and work where its estimators do."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest

import strop
from strop import _random
from strop.callbacks import LambdaCallback

sklearn = pytest.importorskip("sklearn")

from sklearn.base import clone  # noqa: E402
from sklearn.datasets import load_digits, load_iris  # noqa: E402
from sklearn.metrics import r2_score  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import estimator_checks_generator  # noqa: E402

from strop.sklearn import StropClassifier, StropRegressor  # noqa: E402

#: Checks of scikit-learn that fail, each with its reason.
EXPECTED_FAILED_CHECKS: dict[str, str] = {}


def checks():
    for estimator in (StropClassifier(), StropRegressor()):
        for made, check in estimator_checks_generator(
            estimator, expected_failed_checks=EXPECTED_FAILED_CHECKS, mark="xfail"
        ):
            name = getattr(check, "func", check).__name__
            yield pytest.param(made, check, id=f"{type(estimator).__name__}-{name}")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_a_check_of_scikit_learn(estimator, check):
    try:
        check(estimator)
    except sklearn.exceptions.SkipTestWarning as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


def network(**settings):
    return StropClassifier((16,), learning_rate=0.02, max_iter=60, random_state=0, **settings)


def test_it_learns_and_its_probabilities_sum_to_one(iris):
    x, y = iris
    model = make_pipeline(StandardScaler(), network()).fit(x, y)
    assert model.score(x, y) > 0.95
    np.testing.assert_allclose(model.predict_proba(x).sum(1), 1, rtol=1e-15)
    two = network().fit(x[:100], np.array(["no", "yes"])[y[:100]])
    assert two.classes_.tolist() == ["no", "yes"]
    assert two.predict_proba(x[:3]).shape == (3, 2)
    assert two.score(x[:100], np.array(["no", "yes"])[y[:100]]) > 0.95


def test_grid_search_and_cross_validation_work(iris):
    x, y = iris
    pipe = make_pipeline(StandardScaler(), network())
    search = GridSearchCV(pipe, {"stropclassifier__hidden_layer_sizes": [(4,), (16,)]}, cv=3).fit(x, y)
    assert search.best_score_ > 0.9
    scores = cross_val_score(pipe, x, y, cv=3)
    assert scores.shape == (3,)
    np.testing.assert_array_equal(scores, cross_val_score(clone(pipe), x, y, cv=3))


def test_a_seed_repeats_the_fit_and_leaves_the_streams_alone(iris):
    x, y = iris
    before = _random.get_state()
    first = network().fit(x, y)
    assert _random.get_state() == before
    _random.streams.generator("weights")
    np.testing.assert_array_equal(network().fit(x, y).predict_proba(x), first.predict_proba(x))


def build(features, classes):
    model = strop.Sequential(
        [strop.Input((features,)), strop.layers.Dense(12, "tanh"), strop.layers.Dense(classes, "softmax")]
    )
    model.compile(strop.optimizers.Adam(0.02), "categorical_crossentropy", metrics=["accuracy"])
    return model


def test_a_function_of_the_user_builds_the_model(iris):
    x, y = iris
    classifier = StropClassifier(model=build, max_iter=60, random_state=1).fit(x, y)
    assert classifier.score(x, y) > 0.9
    assert classifier.model_.count_params() == 4 * 12 + 12 + 12 * 3 + 3
    assert clone(classifier).model is build

    def build_regressor(features, outputs):
        model = strop.Sequential([strop.layers.Dense(outputs)])
        model.compile("adam", "mae")
        return model

    regressor = StropRegressor(model=build_regressor, max_iter=3).fit(x, x[:, :2])
    assert regressor.predict(x).shape == (150, 2)


def test_pickles_hold_arrays_and_go_on_bit_for_bit(iris):
    x, y = iris
    first = network().fit(x, y)
    state = _random.get_state()
    data = pickle.dumps(first)
    assert b"Sequential" in data  # as a name in JSON
    assert b"strop.models" not in data
    again = pickle.loads(data)
    assert _random.get_state() == state
    np.testing.assert_array_equal(again.predict_proba(x), first.predict_proba(x))
    first.partial_fit(x, y)
    again.partial_fit(x, y)
    np.testing.assert_array_equal(again.predict_proba(x), first.predict_proba(x))
    assert pickle.loads(pickle.dumps(StropRegressor(alpha=0.5))).alpha == 0.5


def test_partial_fit_is_an_epoch_and_needs_the_classes(iris):
    x, y = iris
    model = network()
    with pytest.raises(ValueError) as caught:
        model.partial_fit(x, y)
    assert str(caught.value) == (
        "StropClassifier: classes must be given in the first call of partial_fit; got None"
    )
    for epoch in range(30):
        model.partial_fit(x, y, classes=[0, 1, 2])
        assert model.n_iter_ == len(model.loss_curve_) == epoch + 1
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    with pytest.raises(ValueError) as caught:
        model.partial_fit(x, y, classes=[0, 1])
    assert str(caught.value) == "StropClassifier: classes must be those of the first call [0 1 2]; got [0, 1]"
    with pytest.raises(ValueError) as caught:
        model.partial_fit(x, y + 1)
    assert str(caught.value) == "StropClassifier: y must hold classes of [0 1 2]; got np.int64(3)"
    regressor = StropRegressor((8,), random_state=0).partial_fit(x, x[:, :2])
    with pytest.raises(ValueError) as caught:
        regressor.partial_fit(x, x[:, 0])
    assert str(caught.value) == "StropRegressor: y must have 2 columns as before; got 1"


def test_early_stopping_holds_samples_out_and_keeps_the_best():
    x, y = load_digits(return_X_y=True)
    model = StropClassifier(
        (64,), early_stopping=True, n_iter_no_change=3, learning_rate=0.01, random_state=0, batch_size=32
    ).fit(x / 16, y)
    assert model.n_iter_ < 200
    losses = model.validation_loss_curve_
    assert len(losses) == model.n_iter_
    assert model.n_iter_ - 1 - int(np.argmin(losses)) <= 4
    assert model.score(x / 16, y) > 0.97


def test_class_weights_move_the_boundary(iris):
    x, y = iris[0][50:], iris[1][50:]
    plain = network().fit(x, y)
    leaning = network(class_weight={1: 1.0, 2: 50.0}).fit(x, y)
    assert (leaning.predict(x) == 2).sum() > (plain.predict(x) == 2).sum()
    network(class_weight="balanced").fit(x, y)


def test_sparse_matrices_are_refused_clearly(iris):
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match=r"[Ss]parse data was passed"):
        network().fit(sparse.csr_matrix(iris[0]), iris[1])


def test_names_of_columns_are_kept_and_compared(iris):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(iris[0], columns=list("abcd"))
    model = network().fit(frame, iris[1])
    assert model.feature_names_in_.tolist() == list("abcd")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(frame)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame.rename(columns={"a": "z"}))


def test_a_regressor_takes_one_column_or_several():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    y = np.stack([x @ [1, 2, 0], np.abs(x[:, 0])], 1)
    model = StropRegressor((64,), learning_rate=0.01, random_state=0).fit(x, y)
    assert r2_score(y, model.predict(x)) > 0.9
    assert StropRegressor(max_iter=2).fit(x, y[:, 0]).predict(x).shape == (300,)
    for dtype in ("float32", "float64"):
        assert str(StropRegressor(max_iter=1).fit(x.astype(dtype), y).model_.dtype) == dtype
    assert str(StropRegressor(max_iter=1, dtype="float32").fit(x, y).model_.dtype) == "float32"


def test_settings_reach_the_model(iris):
    x, y = iris
    seen = []
    model = StropClassifier(
        (8, 4),
        "tanh",
        alpha=0.01,
        dropout=0.1,
        optimizer=strop.optimizers.SGD(momentum=0.9),
        learning_rate=0.5,
        max_iter=7,
        tol=-1e9,
        callbacks=[LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))],
    )
    made = model.fit(x, y).model_
    assert [layer.op for layer in made.layers] == ["Dense", "Dropout", "Dense", "Dropout", "Dense"]
    assert (made.optimizer.learning_rate, made.optimizer.momentum) == (0.5, 0.9)
    assert model.optimizer.learning_rate == 0.01
    assert seen == list(range(7))
    warm = network(warm_start=True).fit(x, y)
    count = warm.n_iter_
    assert warm.fit(x, y).n_iter_ > count


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda x, y: network(model=build(4, 3)).fit(x, y),
            TypeError,
            "StropClassifier: model must be a function of the numbers of features and outputs that makes a compiled "
            "model; got Sequential",
        ),
        (
            lambda x, y: network(model=lambda n, c: None).fit(x, y),
            TypeError,
            "StropClassifier: model must return a compiled model; got NoneType",
        ),
        (
            lambda x, y: network().fit(x, y * 0),
            ValueError,
            "StropClassifier: y must hold at least two classes; got 1 class, np.int64(0)",
        ),
        (
            lambda x, y: StropRegressor(max_iter=0).fit(x, y),
            ValueError,
            "StropRegressor: max_iter must be a whole number from 1; got 0",
        ),
    ],
)
def test_bad_settings_are_refused(call, error, text, iris):
    with pytest.raises(error) as caught:
        call(*iris)
    assert str(caught.value) == text


def test_a_refused_fit_leaves_the_classes_of_the_model_that_there_is():
    x, y = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 3
    classifier = StropClassifier((4,), max_iter=1).fit(x, y)
    with pytest.raises(ValueError, match="at least two classes"):
        classifier.fit(x, np.zeros(20))
    assert classifier.classes_.tolist() == [0, 1, 2]
    assert classifier.predict(x).shape == (20,)
