from __future__ import annotations

import numpy as np
import pytest

from strop import constraints
from strop.constraints import MaxNorm, MinMaxNorm, NonNeg, UnitNorm, registry

W = [[3.0, 1.0], [4.0, 0.0]]


@pytest.mark.parametrize(
    ("constraint", "want"),
    [
        (MaxNorm(2.0), [[1.2, 1], [1.6, 0]]),
        (MaxNorm(2.0, axis=1), [[1.897367, 0.632456], [2, 0]]),
        (MaxNorm(2.0, axis=[0, 1]), [[1.176697, 0.392232], [1.568929, 0]]),
        (UnitNorm(), [[0.6, 1], [0.8, 0]]),
        (MinMaxNorm(2.0, 3.0), [[1.8, 2], [2.4, 0]]),
        (MinMaxNorm(2.0, 3.0, rate=0.5), [[2.4, 1.5], [3.2, 0]]),
        (NonNeg(), W),
    ],
)
def test_constraint_gives_the_numbers_of_keras(constraint, want, dtype):
    w = np.array(W, dtype)
    result = constraint(w)
    np.testing.assert_array_equal(w, np.array(W, dtype))
    np.testing.assert_allclose(result, want, rtol=1e-6)
    assert result.dtype == dtype
    constraint.apply(w)
    np.testing.assert_array_equal(w, result)


def test_negative_weights_become_zero_and_nan_stays():
    np.testing.assert_array_equal(NonNeg()(np.array([-1.0, np.nan, 2.0])), [0, np.nan, 2])


def test_vectors_within_the_limits_keep_every_bit(rng, dtype):
    w = (rng.normal(size=(5, 7)) / 100).astype(dtype)
    np.testing.assert_array_equal(MaxNorm(2.0)(w), w)
    np.testing.assert_array_equal(MinMaxNorm(0.0, 2.0)(w), w)


@pytest.mark.parametrize("constraint", [MaxNorm(0.5), UnitNorm(), MinMaxNorm(0.5, 1.0)])
def test_zeros_stay_zeros(constraint, dtype):
    np.testing.assert_array_equal(constraint(np.zeros((3, 2), dtype)), np.zeros((3, 2), dtype))


@pytest.mark.parametrize("name", sorted(registry))
def test_a_config_makes_the_same_constraint(name):
    first = registry[name]()
    again = constraints.get({"class_name": name, "config": first.get_config()})
    assert type(again) is registry[name]
    assert again.get_config() == first.get_config()


def test_get_knows_names_classes_and_functions():
    assert constraints.get(None) is None
    assert [type(constraints.get(name)) for name in ("max_norm", "non_neg", "unit_norm", "min_max_norm")] == [
        MaxNorm,
        NonNeg,
        UnitNorm,
        MinMaxNorm,
    ]
    w = np.array([1.0, -2.0])
    assert isinstance(constraints.get(UnitNorm), UnitNorm)
    constraints.get(lambda w: np.abs(w)).apply(w)
    assert w.tolist() == [1, 2]


WHAT = "constraint must be a known name, a Constraint or a callable"


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: MaxNorm(-1),
            ValueError,
            "MaxNorm: max_value must be a finite number of at least 0; got -1.0",
        ),
        (
            lambda: MaxNorm(1.0, axis=0.5),
            TypeError,
            "MaxNorm: axis must be an int or a list of ints; got 0.5",
        ),
        (
            lambda: MinMaxNorm(2.0, 1.0),
            ValueError,
            "MinMaxNorm: max_value must be a finite number of at least 2; got 1.0",
        ),
        (lambda: MinMaxNorm(rate=1.5), ValueError, "MinMaxNorm: rate must lie in [0, 1]; got 1.5"),
        (
            lambda: constraints.get("maxnorm", "Dense"),
            ValueError,
            f"Dense: {WHAT}; got 'maxnorm'; did you mean 'max_norm'",
        ),
        (lambda: constraints.get(3), TypeError, f"constraints.get: {WHAT}; got int"),
        (lambda: constraints.get(str), TypeError, f"constraints.get: {WHAT}; got str"),
    ],
)
def test_bad_settings_are_refused(call, error, text):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == text
