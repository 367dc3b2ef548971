from __future__ import annotations

import numpy as np
import pytest

from strop import regularizers
from strop.regularizers import L1, L1L2, L2, OrthogonalRegularizer, registry

W = [[1.0, -2.0], [3.0, 0.0]]


@pytest.mark.parametrize(
    ("penalty", "want"),
    [
        (L1(0.1), 0.6),
        (L2(0.1), 1.4),
        (L1L2(0.1, 0.2), 3.4),
        (regularizers.get("l2"), 0.14),
        (regularizers.get("l1"), 0.06),
        (regularizers.get("l1l2"), 0.0),
        (regularizers.get(L2), 0.14),
    ],
)
def test_penalty_is_the_sum_without_a_half(penalty, want, dtype):
    got = penalty(np.array(W, dtype))
    assert type(got) is float
    assert got == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("mode", ["rows", "columns"])
@pytest.mark.parametrize("cls", sorted(registry))
def test_gradient_is_the_derivative(cls, mode, rng):
    settings = {"L1": (0.1,), "L2": (0.1,), "L1L2": (0.1, 0.2), "OrthogonalRegularizer": (0.3, mode)}[cls]
    penalty = registry[cls](*settings)
    w = rng.normal(size=(3, 4))
    before = w.copy()
    got = penalty.gradient(w)
    np.testing.assert_array_equal(w, before)
    for at in np.ndindex(w.shape):
        step = np.zeros_like(w)
        step[at] = 1e-6
        assert got[at] == pytest.approx((penalty(w + step) - penalty(w - step)) / 2e-6, abs=1e-8)


def test_gradient_has_the_type_of_the_weight_and_is_zero_at_zero(dtype):
    grad = L1L2(0.1, 0.2).gradient(np.array(W, dtype))
    assert grad.dtype == dtype
    np.testing.assert_allclose(grad, [[0.5, -0.9], [1.3, 0.0]], rtol=1e-6)


def test_orthogonal_gives_the_numbers_of_keras():
    # Keras 3.15: cosines of rows .6 and of columns .5547002.
    assert OrthogonalRegularizer(0.1)(np.array([[3.0, 4.0], [1.0, 0.0]])) == pytest.approx(0.06, rel=1e-6)
    w = np.array([[1.0, 2.0], [1.0, 3.0], [0.0, 1.0]])
    by_rows = OrthogonalRegularizer(0.1)(w)
    by_columns = OrthogonalRegularizer(0.1, mode="columns")(w)
    unit = w / np.sqrt((w**2).sum(axis=1, keepdims=True))
    pairs = [abs(unit[i] @ unit[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert by_rows == pytest.approx(0.1 * np.mean(pairs))
    assert by_columns == pytest.approx(0.1 * 5 / np.sqrt(2 * 14))


def test_orthogonal_of_one_row_or_of_zeros_is_nothing():
    for w in (np.ones((1, 3)), np.zeros((3, 3))):
        assert OrthogonalRegularizer()(w) == 0
        np.testing.assert_array_equal(OrthogonalRegularizer().gradient(w), np.zeros_like(w))


@pytest.mark.parametrize("name", sorted(registry))
def test_a_config_makes_the_same_regularizer(name):
    first = registry[name]()
    again = regularizers.get({"class_name": name, "config": first.get_config()})
    assert type(again) is registry[name]
    assert again.get_config() == first.get_config()


def test_an_object_with_gradient_is_taken():
    class Smooth:
        def __call__(self, w):
            return 0.0

        def gradient(self, w):
            return 0 * w

    smooth = Smooth()
    assert regularizers.get(smooth) is smooth
    assert regularizers.get(None) is None


WHAT = "regularizer must be a known name, a Regularizer or a callable with gradient(w)"


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: L2(-1), ValueError, "L2: l2 must be a finite number of at least 0; got -1.0"),
        (lambda: L1("a"), TypeError, "L1: l1 must be a number of at least 0; got str"),
        (lambda: L1L2(l2=np.inf), ValueError, "L1L2: l2 must be a finite number of at least 0; got inf"),
        (
            lambda: regularizers.get("l1l3", "Dense"),
            ValueError,
            f"Dense: {WHAT}; got 'l1l3'; did you mean 'l1l2'",
        ),
        (lambda: regularizers.get(abs), TypeError, f"regularizers.get: {WHAT}; got abs"),
        (
            lambda: OrthogonalRegularizer(mode="row"),
            ValueError,
            "OrthogonalRegularizer: mode must be 'rows' or 'columns'; got 'row'",
        ),
        (
            lambda: OrthogonalRegularizer()(np.ones(3)),
            ValueError,
            "OrthogonalRegularizer: w must have 2 axes; got shape (3,)",
        ),
    ],
)
def test_bad_settings_are_refused(call, error, text):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == text
