"""Other libraries' models with our optimizers: the numbers of their own."""

from __future__ import annotations

import pickle
import sys
import warnings

import numpy as np
import pytest

import tolerance
from strop.adapters import sklearn as for_sklearn
from strop.adapters import thinc as for_thinc
from strop.optimizers import AdamW

# ---- scikit-learn ----------------------------------------------------------


@pytest.fixture
def sklearn():
    # As other people's libraries are imported, some warn of other people's deprecations.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("sklearn.neural_network", reason="scikit-learn is not installed")


@pytest.fixture
def blobs(rng):
    label = np.repeat([0, 1, 2], 40)
    return rng.standard_normal((3, 8))[label] + rng.standard_normal((120, 8)), label


SETTINGS = [
    {},
    {"beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-3, "alpha": 0.1},
    {"early_stopping": True, "n_iter_no_change": 2, "max_iter": 40},
    {"solver": "sgd", "learning_rate_init": 0.1},
    {"solver": "sgd", "learning_rate_init": 0.1, "momentum": 0.0},
    {"solver": "sgd", "learning_rate_init": 0.1, "nesterovs_momentum": False},
    {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.5},
    {
        "solver": "sgd",
        "learning_rate": "adaptive",
        "learning_rate_init": 0.2,
        "tol": 0.05,
        "n_iter_no_change": 2,
    },
    {"solver": "lbfgs"},
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_classifier_learns_what_scikit_learn_s_own_does(sklearn, blobs, settings):
    given = {"hidden_layer_sizes": (9, 7), "max_iter": 20, "batch_size": 32, "random_state": 1, **settings}
    theirs = sklearn.MLPClassifier(**given).fit(*blobs)
    ours = for_sklearn.MLPClassifier(**given).fit(*blobs)
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-12)
    for a, b in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
    if settings.get("solver") != "lbfgs":
        assert isinstance(ours._optimizer, for_sklearn.Replacement)
        assert ours._optimizer.optimizer.iterations > 0


@pytest.mark.filterwarnings("ignore")
def test_a_regressor_of_float32_learns_the_same(sklearn, rng):
    x = rng.standard_normal((100, 5)).astype(np.float32)
    y = (x @ rng.standard_normal(5)).astype(np.float32)
    theirs = sklearn.MLPRegressor(hidden_layer_sizes=(8,), max_iter=20, random_state=0).fit(x, y)
    ours = for_sklearn.MLPRegressor(hidden_layer_sizes=(8,), max_iter=20, random_state=0).fit(x, y)
    assert ours.coefs_[0].dtype == np.float32
    assert ours.loss_curve_ == pytest.approx(theirs.loss_curve_, rel=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_partial_fit_goes_on_after_a_pickle(sklearn, blobs):
    theirs = sklearn.MLPClassifier((6,), random_state=0)
    ours = for_sklearn.MLPClassifier((6,), random_state=0)
    for _ in range(4):
        theirs.partial_fit(*blobs, classes=[0, 1, 2])
        ours.partial_fit(*blobs, classes=[0, 1, 2])
        ours = pickle.loads(pickle.dumps(ours))
    assert ours._optimizer.optimizer.iterations == 4
    assert ours.loss_curve_ == pytest.approx(theirs.loss_curve_, rel=1e-12)


@pytest.mark.filterwarnings("ignore")
def test_coefficients_that_were_replaced_between_two_calls_are_trained(sklearn, blobs):
    theirs = sklearn.MLPClassifier((6,), random_state=0)
    ours = for_sklearn.MLPClassifier((6,), random_state=0)
    for model in (theirs, ours):
        model.partial_fit(*blobs, classes=[0, 1, 2])
        model.coefs_ = [2 * c for c in model.coefs_]
        model.partial_fit(*blobs)
    np.testing.assert_allclose(ours.coefs_[0], theirs.coefs_[0], rtol=1e-12)


@pytest.mark.filterwarnings("ignore")
def test_a_subclass_chooses_another_rule(sklearn, blobs):
    class Decayed(for_sklearn.MLPClassifier):
        def make_optimizer(self, original):
            return AdamW(self.learning_rate_init, weight_decay=1.0)

    plain = for_sklearn.MLPClassifier((6,), max_iter=20, random_state=0).fit(*blobs)
    decayed = Decayed((6,), max_iter=20, random_state=0).fit(*blobs)
    assert np.linalg.norm(decayed.coefs_[0]) < np.linalg.norm(plain.coefs_[0])


def test_without_scikit_learn_the_message_says_what_to_install(monkeypatch):
    for_sklearn._trained_by_strop.cache_clear()
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError) as error:
        from strop.adapters.sklearn import MLPClassifier  # noqa: F401
    assert str(error.value) == (
        "strop.adapters.sklearn: scikit-learn must be installed; pip install scikit-learn"
    )
    for_sklearn._trained_by_strop.cache_clear()


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Perceptron'"):
        for_sklearn.Perceptron  # noqa: B018


# ---- thinc -----------------------------------------------------------------


@pytest.fixture
def thinc():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("thinc.api", reason="thinc is not installed")


#: What 20 steps of at most 0.05 can move a weight.
MOST = 1.0

THINC = [
    ("Adam", {}),
    ("Adam", {"grad_clip": 0.0, "use_averages": False}),
    ("Adam", {"L2": 0.1, "eps": 1e-4, "beta1": 0.8, "beta2": 0.99}),
    ("Adam", {"L2": 0.1, "L2_is_weight_decay": False, "grad_clip": 0.5}),
    ("SGD", {}),
    ("SGD", {"L2": 0.1, "grad_clip": 0.1}),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("rule", "settings"), THINC, ids=str)
def test_an_optimizer_moves_weights_as_thinc_s_own_does(thinc, rng, rule, settings):
    start = {(1, "W"): rng.standard_normal((5, 4), np.float32), (2, "b"): rng.standard_normal(7, np.float32)}
    found = []
    grads = [{key: rng.standard_normal(w.shape, np.float32) for key, w in start.items()} for _ in range(20)]
    for module in (thinc, for_thinc):
        optimizer = getattr(module, rule)(thinc.warmup_linear(0.1, 3, 30), **settings)
        weights = {key: w.copy() for key, w in start.items()}
        for step in grads:
            for key, grad in step.items():
                given = grad.copy()
                weights[key], returned = optimizer(key, weights[key], given, lr_scale=0.5)
                assert not given.any()
                assert returned.shape == grad.shape
            optimizer.step_schedules()
        found.append((weights, optimizer.averages or {}))
    for key in start:
        for ours, theirs in zip(found[1], found[0], strict=True):
            if theirs:
                np.testing.assert_allclose(ours[key], theirs[key], rtol=0, atol=tolerance.THINC_ADAM * MOST)


@pytest.mark.filterwarnings("ignore")
def test_a_thinc_model_learns(thinc, rng):
    model = thinc.Linear(1, 3)
    x = rng.standard_normal((64, 3), np.float32)
    y = x @ np.ones((3, 1), np.float32)
    model.initialize(x, y)
    optimizer = for_thinc.Adam(0.1)
    assert isinstance(optimizer, thinc.Optimizer)
    for _ in range(200):
        guess, backpropagate = model.begin_update(x)
        backpropagate((guess - y) / np.float32(64))
        model.finish_update(optimizer)
    assert np.abs(model.predict(x) - y).max() < 1e-2


def test_without_thinc_the_message_says_what_to_install(monkeypatch):
    for_thinc._optimizer.cache_clear()
    monkeypatch.setitem(sys.modules, "thinc.optimizers", None)
    with pytest.raises(ImportError) as error:
        for_thinc.Adam()
    assert str(error.value) == "strop.adapters.thinc: thinc must be installed; pip install thinc"
    for_thinc._optimizer.cache_clear()
