"""The losses of regression, margins, distributions and focus: tables, Keras, finite differences, bad input."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import strop
from conftest import import_keras
from strop import losses
from strop.losses import (
    BinaryFocalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    MeanAbsolutePercentageError,
    MeanSquaredLogarithmicError,
    Poisson,
    SquaredHinge,
)

ERRORS = [[0, 0]], [[0.5, 3]]
MARGINS = [[-1], [1]], [[0.6], [0.6]]
BINARY = [[1], [0]], [[0.8], [0.4]]


@pytest.mark.parametrize(
    ("loss", "y_true", "y_pred", "want"),
    [
        (MeanAbsolutePercentageError(), [[2, 1]], [[1, 1]], 25.0),
        (MeanSquaredLogarithmicError(), [[0, 1]], [[1, 1]], 0.240226),
        (Huber(), *ERRORS, 1.3125),
        (Huber(delta=2.0), *ERRORS, (0.125 + 4.0) / 2),
        (Huber(delta=0), *ERRORS, 0.0),
        (LogCosh(), *ERRORS, 1.214722),
        (LogCosh(), [[0.0]], [[1e4]], 1e4 - np.log(2)),
        (Hinge(), *MARGINS, 1.0),
        (Hinge(), [[0], [1]], MARGINS[1], 1.0),
        (Hinge(), [[0, -1, 1]], [[0.5, 0.5, 0.5]], (1.0 + 1.5 + 0.5) / 3),
        (SquaredHinge(), *MARGINS, 1.36),
        (SquaredHinge(), [[0], [1]], MARGINS[1], 1.36),
        (CategoricalHinge(), [[0, 1, 0]], [[0.1, 0.7, 0.6]], 0.9),
        (KLDivergence(), [[0.5, 0.5]], [[0.25, 0.75]], 0.143841),
        (Poisson(), [[1, 2]], [[1, 1]], 1.0),
        (CosineSimilarity(), [[0, 1], [1, 1]], [[1, 0], [1, 1]], -0.5),
        (CosineSimilarity(), [[0, 0], [1, 1]], [[1, 0], [0, 0]], 0.0),
        (CosineSimilarity(axis=0), [[0, 1], [1, 1]], [[1, 0], [1, 1]], -(np.sqrt(0.5) + np.sqrt(0.5)) / 2),
        (BinaryFocalCrossentropy(), *BINARY, 0.045329),
        (BinaryFocalCrossentropy(gamma=0), *BINARY, 0.366985),
        (CategoricalFocalCrossentropy(alpha=1, gamma=0), [[0, 1, 0]], [[0.1, 0.7, 0.2]], 0.356675),
    ],
)
def test_loss_gives_the_numbers_of_the_table(loss, y_true, y_pred, want):
    got = loss(y_true, y_pred)
    assert type(got) is float
    assert got == pytest.approx(want, abs=6e-7, rel=1e-6)


#: Each loss in a setting of its own, the arguments of Keras, and what its targets and predictions are.
SETTINGS = [
    (MeanAbsolutePercentageError, {}, "normal", "normal"),
    (MeanSquaredLogarithmicError, {}, "normal", "normal"),
    (Huber, {}, "normal", "normal"),
    (Huber, {"delta": 0.3}, "normal", "normal"),
    (LogCosh, {}, "normal", "normal"),
    (Poisson, {}, "count", "unit"),
    (Hinge, {}, "binary", "normal"),
    (Hinge, {}, "sign", "normal"),
    (Hinge, {}, "normal", "normal"),
    (SquaredHinge, {}, "binary", "normal"),
    (SquaredHinge, {}, "sign", "normal"),
    (CategoricalHinge, {}, "one_hot", "normal"),
    (CategoricalHinge, {}, "unit", "normal"),
    (KLDivergence, {}, "unit", "wide"),
    (KLDivergence, {}, "one_hot", "unit"),
    (CosineSimilarity, {}, "normal", "normal"),
    (CosineSimilarity, {"axis": 1}, "normal", "normal"),
    (BinaryFocalCrossentropy, {}, "binary", "unit"),
    (BinaryFocalCrossentropy, {"gamma": 0.5, "alpha": 0.7}, "binary", "unit"),
    (BinaryFocalCrossentropy, {"apply_class_balancing": True, "gamma": 3.0}, "binary", "unit"),
    (BinaryFocalCrossentropy, {"apply_class_balancing": True, "from_logits": True}, "binary", "normal"),
    (BinaryFocalCrossentropy, {"label_smoothing": 0.2, "from_logits": True, "axis": 1}, "unit", "normal"),
    (CategoricalFocalCrossentropy, {}, "one_hot", "unit"),
    (CategoricalFocalCrossentropy, {"gamma": 0.5, "label_smoothing": 0.1}, "one_hot", "unit"),
    (CategoricalFocalCrossentropy, {"alpha": 0.6, "from_logits": True}, "one_hot", "normal"),
    (CategoricalFocalCrossentropy, {"gamma": 0.0, "from_logits": True}, "one_hot", "normal"),
]
IDS = [f"{loss.__name__}-{'-'.join(map(str, s.values()))}-{y}" for loss, s, y, _ in SETTINGS]


def draw(kind, rng, shape):
    if kind == "one_hot":
        return np.eye(shape[-1])[rng.integers(0, shape[-1], shape[:-1])]
    made = {
        "normal": lambda: rng.normal(size=shape) * 2,
        "unit": lambda: rng.uniform(0.02, 0.98, shape),
        "wide": lambda: rng.uniform(-0.2, 1.2, shape),
        "binary": lambda: rng.integers(0, 2, shape).astype(float),
        "sign": lambda: rng.choice([-1.0, 1.0], shape),
        "count": lambda: rng.poisson(2.0, shape).astype(float),
    }
    return made[kind]()


@pytest.mark.parametrize(("cls", "settings", "y_kind", "p_kind"), SETTINGS, ids=IDS)
def test_loss_equals_keras(cls, settings, y_kind, p_kind, rng, dtype):
    keras = import_keras()
    for shape in [(5, 3), (1, 1), (4, 6, 2), (3, 2, 4, 3)]:
        y, p = draw(y_kind, rng, shape).astype(dtype), draw(p_kind, rng, shape).astype(dtype)
        for reduction in ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none"):
            ours = cls(**settings, reduction=reduction)
            theirs = getattr(keras.losses, cls.__name__)(**settings, reduction=reduction, dtype=str(dtype))
            rows = ours.values(y, p).shape
            for weight in (None, rng.uniform(0, 2, rows[:1]), rng.uniform(0, 2, rows)):
                # Keras' mean_with_sample_weight divides by the sum of the weights as given, not as spread
                spread = weight
                if weight is not None:
                    wide = weight.reshape(weight.shape + (1,) * (len(rows) - weight.ndim))
                    spread = np.broadcast_to(wide, rows)
                with warnings.catch_warnings():  # Keras' invalid values and its hints
                    warnings.simplefilter("ignore")
                    want = np.asarray(theirs(y, p, sample_weight=spread))
                np.testing.assert_allclose(ours(y, p, weight), want, rtol=3e-5, atol=1e-6)


@pytest.mark.parametrize(("cls", "settings", "y_kind", "p_kind"), SETTINGS, ids=IDS)
def test_gradient_is_the_derivative_of_the_value(cls, settings, y_kind, p_kind, rng):
    for shape in [(4, 3), (2, 3, 2)]:
        y, p = draw(y_kind, rng, shape), draw(p_kind, rng, shape)
        if cls is CategoricalFocalCrossentropy and not settings.get("from_logits"):
            p /= p.sum(axis=-1, keepdims=True) * 1.1  # not yet probabilities
        for reduction in ("sum_over_batch_size", "sum", "mean_with_sample_weight"):
            loss = cls(**settings, reduction=reduction)
            rows = loss.values(y, p).shape
            for weight in (None, rng.uniform(0, 2, rows)):
                value, grad = loss.value_and_grad(y, p, weight)
                assert type(value) is float
                assert value == pytest.approx(loss(y, p, weight), rel=1e-9)
                for at in np.ndindex(p.shape):
                    step = np.zeros_like(p)
                    step[at] = 1e-6
                    slope = (loss(y, p + step, weight) - loss(y, p - step, weight)) / 2e-6
                    assert grad[at] == pytest.approx(slope, abs=2e-7, rel=1e-6), (reduction, at)


def test_gradients_where_a_loss_bends():
    grad = Huber(1.0).value_and_grad(np.zeros((1, 4)), np.array([[1.0, -1.0, 7.0, -7.0]]))[1]
    np.testing.assert_allclose(grad, [[0.25, -0.25, 0.25, -0.25]])
    y, p = np.array([[1.0, -1.0]]), np.array([[1.0, -1.0]])
    assert not Hinge().value_and_grad(y, p)[1].any()  # at the margin
    assert not MeanAbsolutePercentageError().value_and_grad(y, y.copy())[1].any()
    below = MeanSquaredLogarithmicError().value_and_grad(np.ones((1, 1)), -np.ones((1, 1)))
    assert below[1].tolist() == [[0.0]]
    equals = CategoricalHinge().value_and_grad(np.array([[1.0, 0, 0]]), np.array([[0.5, 0.5, 0.5]]))[1]
    assert equals.tolist() == [[-1.0, 0.5, 0.5]]
    zero = CosineSimilarity().value_and_grad(np.array([[3.0, 4.0]]), np.zeros((1, 2)))[1]
    np.testing.assert_allclose(zero, [[-0.6e7, -0.8e7]])


@pytest.mark.parametrize(("cls", "settings", "y_kind", "p_kind"), SETTINGS, ids=IDS)
def test_nan_passes_and_empty_batches_give_zero(cls, settings, y_kind, p_kind, rng, dtype):
    loss = cls(**settings)
    y, p = draw(y_kind, rng, (3, 2)).astype(dtype), draw(p_kind, rng, (3, 2)).astype(dtype)
    p[1, 0] = np.nan
    value, grad = loss.value_and_grad(y, p)
    assert np.isnan(value)
    assert np.isnan(grad).any()
    assert grad.dtype == dtype
    if not settings.get("axis"):
        assert np.isfinite(grad[[0, 2]]).all()
    for shape in [(0, 2), (2, 0), (0, 3, 2)]:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            value, grad = loss.value_and_grad(np.zeros(shape, dtype), np.zeros(shape, dtype))
        assert value == 0.0 or shape[-1] == 0
        assert (grad.shape, np.isnan(value)) == (shape, False)


@pytest.mark.parametrize("loss", [BinaryFocalCrossentropy(), CategoricalFocalCrossentropy(alpha=1.0)])
def test_focal_losses_from_logits_agree_with_the_probabilities(loss, rng, dtype):
    logits = rng.normal(size=(5, 3)).astype(dtype)
    target = np.eye(3)[[0, 2, 1, 1, 0]].astype(dtype)
    weight = rng.uniform(0, 2, 5)
    if loss.logits_activation == "sigmoid":
        p = 1 / (1 + np.exp(-logits))
    else:
        p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    probabilities = np.empty_like(logits)
    value, grad = loss.value_and_grad_from_logits(target, logits, weight, probabilities)
    np.testing.assert_allclose(probabilities, p, rtol=1e-5)
    assert value == pytest.approx(loss(target, p, weight), rel=1e-5)
    assert (grad.dtype, grad.shape) == (dtype, logits.shape)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_a_saturated_unit_still_learns_under_focus(gamma):
    loss = BinaryFocalCrossentropy(gamma=gamma)
    value, grad = loss.value_and_grad_from_logits(np.ones((1, 1)), np.full((1, 1), -800.0))
    assert value == pytest.approx(800)
    assert grad[0, 0] == pytest.approx(-1)
    right = loss.value_and_grad_from_logits(np.ones((1, 1)), np.full((1, 1), 800.0))
    assert right[0] == 0
    assert right[1][0, 0] == 0
    many = CategoricalFocalCrossentropy(alpha=1.0, gamma=gamma)
    value, grad = many.value_and_grad_from_logits(np.array([[1.0, 0.0]]), np.array([[-800.0, 0.0]]))
    assert value == pytest.approx(800)
    np.testing.assert_allclose(grad, [[-1, 1]])
    value, grad = many.value_and_grad_from_logits(np.array([[1.0, 0.0]]), np.array([[800.0, 0.0]]))
    assert (value, grad.tolist()) == (0.0, [[0.0, 0.0]])


def test_weights_of_the_classes_of_the_categorical_focus():
    one = CategoricalFocalCrossentropy(alpha=[0.2, 0.3, 0.5])
    y, p = np.eye(3), np.full((3, 3), 1 / 3)
    want = np.array([0.2, 0.3, 0.5]) * (4 / 9) * np.log(3)
    np.testing.assert_allclose(one.values(y, p), want, rtol=1e-6)
    with pytest.raises(ValueError) as caught:
        one(np.eye(2), np.eye(2))
    assert str(caught.value) == (
        "CategoricalFocalCrossentropy: alpha must have one number per class (2); got 3"
    )


FUNCTIONS = {
    "mean_absolute_percentage_error": {},
    "mean_squared_logarithmic_error": {},
    "huber": {"delta": 0.5},
    "log_cosh": {},
    "poisson": {},
    "kl_divergence": {},
    "cosine_similarity": {"axis": -1},
    "hinge": {},
    "squared_hinge": {},
    "categorical_hinge": {},
    "binary_focal_crossentropy": {"apply_class_balancing": True, "gamma": 1.5, "label_smoothing": 0.1},
    "categorical_focal_crossentropy": {"alpha": 0.5, "gamma": 1.0},
}


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_function_gives_the_values_of_keras_per_sample(name, rng):
    keras = import_keras()
    y, p = rng.integers(0, 2, (3, 4, 5)).astype("float32"), rng.uniform(0.1, 0.9, (3, 4, 5)).astype("float32")
    got = getattr(losses, name)(y, p, **FUNCTIONS[name])
    want = np.asarray(getattr(keras.losses, name)(y, p, **FUNCTIONS[name]))
    assert (got.shape, got.dtype) == ((3, 4), np.float32)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    assert type(losses.get(getattr(losses, name))) is losses.names[name]


def test_names_are_those_of_keras():
    keras = import_keras()
    for name, cls in losses.registry.items():
        if name != "Crossentropy":
            assert cls().name == getattr(keras.losses, name)().name
    known = import_keras("keras.src.losses").ALL_OBJECTS_DICT
    ours = {losses.names[name].__name__ for name in known if name in losses.names}
    assert ours == set(losses.registry) - {"Crossentropy"}
    strings = {
        "mape": "MeanAbsolutePercentageError",
        "MSLE": "MeanSquaredLogarithmicError",
        "kld": "KLDivergence",
    }
    assert {name: type(losses.get(name)).__name__ for name in strings} == strings
    assert {type(losses.get(name)).__name__ for name in ("huber", "logcosh", "log_cosh")} == {
        "Huber",
        "LogCosh",
    }


UNIT = "fit: y must lie in [0, 1] for {}; got {} at sample 1"


@pytest.mark.parametrize(
    ("loss", "y", "shape", "text"),
    [
        (KLDivergence(), [[0.5, 0.5], [1.5, 0]], (None, 2), UNIT.format("kl_divergence", 1.5)),
        (BinaryFocalCrossentropy(), [0, np.nan], (None, 1), UNIT.format("binary_focal_crossentropy", "nan")),
        (Poisson(), [1, -1], (None, 1), "fit: y must be 0 or more for poisson; got -1 at sample 1"),
        (Poisson(), [1, np.inf], (None, 1), "fit: y must be 0 or more for poisson; got inf at sample 1"),
        (
            MeanSquaredLogarithmicError(),
            [[1.0], [-0.5]],
            (None, 1),
            "fit: y must be 0 or more for mean_squared_logarithmic_error; got -0.5 at sample 1",
        ),
        (Huber(), [0, np.nan], (None, 1), "fit: y must be finite for huber_loss; got nan at sample 1"),
        (
            Hinge(),
            [1, 0.5],
            (None, 1),
            "fit: y must hold 0 and 1, or -1 and 1, for hinge; got 0.5 at sample 1",
        ),
        (
            SquaredHinge(),
            [1, -1, 0],
            (None, 1),
            "fit: y must hold 0 and 1, or -1 and 1, for squared_hinge; got 0 at sample 2",
        ),
        (
            CategoricalHinge(),
            [1, 2],
            (None, 3),
            "fit: y must be one-hot like the model's output (2, 3); got shape (2,)",
        ),
        (
            CategoricalFocalCrossentropy(),
            [1, 2],
            (None, 3),
            "fit: y must be one-hot like the model's output (2, 3); got shape (2,); "
            "use sparse_categorical_crossentropy for class ids",
        ),
        (
            BinaryFocalCrossentropy(),
            [1, 0],
            (None, 3),
            "fit: y must have the shape of the model's output (2, 3); got (2,); "
            "use sparse_categorical_crossentropy for class ids",
        ),
        (
            CosineSimilarity(),
            np.zeros((2, 4)),
            (None, 3),
            "fit: y must have the shape of the model's output (2, 3); got (2, 4)",
        ),
    ],
)
def test_targets_that_do_not_fit_are_refused(loss, y, shape, text):
    with pytest.raises(ValueError) as caught:
        loss.check_targets(y, shape)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: Huber(delta=-1), ValueError, "Huber: delta must be a finite number of at least 0; got -1.0"),
        (lambda: Huber(delta="a"), TypeError, "Huber: delta must be a number of at least 0; got str"),
        (lambda: CosineSimilarity(axis=1.5), TypeError, "CosineSimilarity: axis must be an int; got 1.5"),
        (
            lambda: CosineSimilarity(axis=2)(np.ones((2, 2)), np.ones((2, 2))),
            ValueError,
            "CosineSimilarity: axis must lie in [-2, 2) for 2 axes; got 2",
        ),
        (
            lambda: BinaryFocalCrossentropy(alpha=2),
            ValueError,
            "BinaryFocalCrossentropy: alpha must lie in [0, 1]; got 2.0",
        ),
        (
            lambda: BinaryFocalCrossentropy(gamma=-1),
            ValueError,
            "BinaryFocalCrossentropy: gamma must be a finite number of at least 0; got -1.0",
        ),
        (
            lambda: BinaryFocalCrossentropy(label_smoothing=2),
            ValueError,
            "BinaryFocalCrossentropy: label_smoothing must lie in [0, 1]; got 2.0",
        ),
        (
            lambda: CategoricalFocalCrossentropy(alpha=[0.5, -1]),
            ValueError,
            "CategoricalFocalCrossentropy: alpha[1] must be a finite number of at least 0; got -1.0",
        ),
        (
            lambda: Hinge(reduction="max"),
            ValueError,
            "Hinge: reduction must be one of sum_over_batch_size, mean, sum, mean_with_sample_weight, none; "
            "got 'max'",
        ),
        (
            lambda: KLDivergence()(np.ones((2, 1)), np.ones((2, 2))),
            ValueError,
            "KLDivergence: y_true must have the shape of y_pred (2, 2); got (2, 1)",
        ),
        (
            lambda: losses.get("hubber"),
            ValueError,
            "losses.get: loss must be a known name, a Loss or a callable; got 'hubber'; did you mean 'huber'",
        ),
    ],
)
def test_bad_arguments_are_refused(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == text


@pytest.mark.parametrize(("cls", "settings", "y_kind", "p_kind"), SETTINGS, ids=IDS)
def test_a_config_makes_the_same_loss(cls, settings, y_kind, p_kind):
    first = cls(**settings, reduction="sum", name="mine")
    again = losses.get({"class_name": cls.__name__, "config": first.get_config()})
    assert again.get_config() == first.get_config()


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"])
@pytest.mark.parametrize(
    "name", ["huber", "kl_divergence", "hinge", "cosine_similarity", "binary_focal_crossentropy"]
)
def test_masked_steps_do_not_count(name, reduction, rng):
    layers = strop.layers
    model = strop.Sequential([layers.Embedding(5, 4, mask_zero=True), layers.Dense(3, activation="sigmoid")])
    ids = np.array([[1, 2, 0, 0], [3, 4, 1, 0]])
    y = rng.integers(0, 2, (2, 4, 3)).astype("float32")
    loss = losses.names[name](reduction=reduction)
    model.compile("sgd", loss)
    kept, p = ids != 0, model.predict(ids, verbose=0)
    assert model.evaluate(ids, y, verbose=0) == pytest.approx(loss(y[kept], p[kept]), rel=1e-5)
    weight = np.array([1.0, 3.0])
    spread = np.repeat(weight, [2, 3])
    want = loss(y[kept], p[kept], spread)
    assert model.evaluate(ids, y, sample_weight=weight, verbose=0) == pytest.approx(want, rel=1e-5)
    before = model.layers[0].embeddings.copy()
    model.fit(ids, y, verbose=0)
    assert (model.layers[0].embeddings[0] == before[0]).all()  # nothing reaches the padding
    assert (model.layers[0].embeddings[1] != before[1]).all()


def test_inputs_stay_as_they_are(rng):
    for cls, settings, y_kind, p_kind in SETTINGS:
        y, p = draw(y_kind, rng, (4, 3)), draw(p_kind, rng, (4, 3))
        before = y.copy(), p.copy()
        y.flags.writeable = p.flags.writeable = False
        cls(**settings).value_and_grad(y, p)
        np.testing.assert_array_equal(y, before[0])
        np.testing.assert_array_equal(p, before[1])
