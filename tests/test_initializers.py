from __future__ import annotations

import math

import numpy as np
import pytest

from strop import config, initializers
from strop.initializers import fans, registry

DRAWING = sorted(name for name, cls in registry.items() if issubclass(cls, initializers.RandomInitializer))
SHAPE = (1000, 1000)


def standard_normal_cdf(x):
    return 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def uniform_cdf(limit):
    return lambda x: (x + limit) / (2 * limit)


def truncated_cdf(sigma):
    low, high = standard_normal_cdf(np.array([-2.0, 2.0]))
    return lambda x: (standard_normal_cdf(x / sigma) - low) / (high - low)


#: Initializer, deviation, greatest absolute value (None: unbounded), distribution; on (1000, 1000).
MOMENTS = {
    "GlorotUniform": ({}, math.sqrt(2 / 2000), math.sqrt(6 / 2000), uniform_cdf(math.sqrt(6 / 2000))),
    "HeUniform": ({}, math.sqrt(2 / 1000), math.sqrt(6 / 1000), uniform_cdf(math.sqrt(6 / 1000))),
    "LecunUniform": ({}, math.sqrt(1 / 1000), math.sqrt(3 / 1000), uniform_cdf(math.sqrt(3 / 1000))),
    "GlorotNormal": ({}, math.sqrt(1 / 1000), 2 * math.sqrt(1 / 1000) / 0.87962566, None),
    "HeNormal": ({}, math.sqrt(2 / 1000), 2 * math.sqrt(2 / 1000) / 0.87962566, None),
    "LecunNormal": ({}, math.sqrt(1 / 1000), 2 * math.sqrt(1 / 1000) / 0.87962566, None),
    "RandomUniform": ({}, 0.1 / math.sqrt(12), 0.05, uniform_cdf(0.05)),
    "RandomNormal": ({}, 0.05, None, lambda x: standard_normal_cdf(x / 0.05)),
    "TruncatedNormal": ({}, 0.05 * 0.87962566, 0.1, None),
    "VarianceScaling": ({"distribution": "untruncated_normal"}, math.sqrt(1 / 1000), None, None),
}


def test_every_drawing_initializer_is_tested_by_its_moments():
    assert set(MOMENTS) | {"Orthogonal"} == set(DRAWING)


@pytest.mark.parametrize("name", MOMENTS)
def test_moments_limits_and_distribution_are_right(name):
    settings, stddev, limit, cdf = MOMENTS[name]
    x = registry[name](seed=7, **settings)(SHAPE, "float32").astype(np.float64).ravel()
    n = x.size
    kurtosis = float(np.mean((x - x.mean()) ** 4) / x.var() ** 2)
    assert abs(x.mean()) < 4 * stddev / math.sqrt(n)
    assert abs(x.var() / stddev**2 - 1) < 4 * math.sqrt((kurtosis - 1) / n)
    if limit is not None:
        assert 0.999 * limit < np.abs(x).max() <= limit * (1 + 1e-6)
        if cdf is None:
            cdf = truncated_cdf(limit / 2)
    elif cdf is None:

        def cdf(values):
            return standard_normal_cdf(values / stddev)

    sample = np.sort(x[:100_000])
    ranks = np.arange(1, sample.size + 1) / sample.size
    distance = np.abs(cdf(sample) - ranks).max() + 1 / sample.size
    # Kolmogorov: P(sqrt(n) D > 2.23) = 2 exp(-2 * 2.23^2) = 1e-4.
    assert distance * math.sqrt(sample.size) < 2.23


def test_truncated_normals_have_the_wanted_deviation_and_its_limit():
    w = initializers.HeNormal(seed=1)((1000, 200))
    assert w.std() == pytest.approx(0.0447, abs=2e-4)
    assert np.abs(w).max() == pytest.approx(0.1017, abs=1e-4)
    plain = initializers.TruncatedNormal(0.0, 0.05, seed=1)((1000, 200))
    assert plain.std() == pytest.approx(0.0440, abs=2e-4)
    assert np.abs(plain).max() == pytest.approx(0.1, abs=1e-4)


@pytest.mark.parametrize(
    ("shape", "want"),
    [((3, 20, 40), (60, 120)), ((16, 24), (16, 24)), ((5,), (5, 5)), ((), (1, 1)), ((2, 3, 4, 5), (24, 30))],
)
def test_fans_count_the_leading_axes_twice(shape, want):
    assert fans(shape) == want


@pytest.mark.parametrize(
    ("shape", "limit"), [((3, 20, 40), 0.182574), ((16, 24), 0.387298), ((6,), 0.707107)]
)
def test_glorot_uniform_has_the_limit_of_its_fans(shape, limit):
    widest = max(np.abs(initializers.GlorotUniform(seed=s)(shape)).max() for s in range(200))
    assert widest == pytest.approx(limit, rel=0.01)
    assert widest <= limit + 1e-6


@pytest.mark.parametrize("shape", [(4, 16), (16, 4), (5, 5), (2, 3, 4)])
def test_orthogonal_has_unit_vectors_at_right_angles(shape):
    w = initializers.Orthogonal(gain=1.5, seed=3)(shape, "float64") / 1.5
    w = w.reshape(-1, shape[-1])
    product = w @ w.T if w.shape[0] < w.shape[1] else w.T @ w
    np.testing.assert_allclose(product, np.eye(len(product)), atol=1e-6)


def test_fixed_values(dtype):
    assert initializers.Zeros()((2, 3), dtype).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert initializers.Ones()((2,), dtype).tolist() == [1, 1]
    assert initializers.Constant(0.5)((), dtype) == 0.5
    assert initializers.Identity(2.0)((2, 3), dtype).tolist() == [[2, 0, 0], [0, 2, 0]]
    for initializer in (initializers.Zeros(), initializers.Identity(), initializers.HeNormal()):
        assert initializer((3, 3), dtype).dtype == dtype
        assert initializer((3, 3)).dtype == config.floatx()


@pytest.mark.parametrize("name", DRAWING)
def test_a_seed_repeats_and_one_object_repeats_itself(name):
    cls = registry[name]
    first, second = cls(seed=5), cls(seed=5)
    w = first((4, 3))
    np.testing.assert_array_equal(w, second((4, 3)))
    np.testing.assert_array_equal(w, first((4, 3)))
    assert (cls(seed=6)((4, 3)) != w).any()
    unseeded = cls()
    np.testing.assert_array_equal(unseeded((4, 3)), unseeded((4, 3)))
    assert (cls()((4, 3)) != unseeded((4, 3))).any()


@pytest.mark.parametrize("shape", [(0,), (0, 4), (4, 0)])
def test_empty_weights_are_empty(shape):
    for name in ("GlorotUniform", "TruncatedNormal", "Zeros"):
        assert registry[name]()(shape).shape == shape


def test_strings_and_their_aliases():
    want = {
        "glorot_uniform": "GlorotUniform",
        "xavier_uniform": "GlorotUniform",
        "glorot_normal": "GlorotNormal",
        "xavier_normal": "GlorotNormal",
        "he_uniform": "HeUniform",
        "he_normal": "HeNormal",
        "lecun_uniform": "LecunUniform",
        "lecun_normal": "LecunNormal",
        "variance_scaling": "VarianceScaling",
        "random_uniform": "RandomUniform",
        "uniform": "RandomUniform",
        "random_normal": "RandomNormal",
        "normal": "RandomNormal",
        "truncated_normal": "TruncatedNormal",
        "orthogonal": "Orthogonal",
        "identity": "Identity",
        "constant": "Constant",
        "zeros": "Zeros",
        "zero": "Zeros",
        "ones": "Ones",
        "one": "Ones",
        "HeNormal": "HeNormal",
    }
    assert {name: type(initializers.get(name)).__name__ for name in want} == want


@pytest.mark.parametrize("name", sorted(registry))
def test_a_config_makes_the_same_initializer(name):
    settings = {"seed": 3} if name in DRAWING else {}
    first = registry[name](**settings)
    again = initializers.get({"class_name": name, "config": first.get_config()})
    assert type(again) is registry[name]
    np.testing.assert_array_equal(again((4, 4)), first((4, 4)))


def test_one_unseeded_object_on_two_weights_warns_and_a_seeded_one_does_not():
    shared = initializers.GlorotUniform()
    initializers.fill(shared, (2, 2), weight="dense/kernel")
    initializers.fill(shared, (2, 2), weight="dense/kernel")
    with pytest.warns(UserWarning, match="one unseeded object") as caught:
        initializers.fill(shared, (2, 2), weight="dense_1/kernel")
    assert [str(w.message) for w in caught] == [
        "GlorotUniform: one unseeded object fills 'dense_1/kernel' with the numbers of 'dense/kernel'; "
        "pass the name 'glorot_uniform', or an object for each weight"
    ]
    seeded = initializers.GlorotUniform(seed=1)
    for weight in ("a", "b"):
        initializers.fill(seeded, (2, 2), weight=weight)


def test_fill_takes_callables_and_checks_their_shape():
    got = initializers.fill(lambda shape, dtype: np.full(shape, 2), (2, 2), "float64", weight="dense/kernel")
    assert got.dtype == np.float64
    assert got.tolist() == [[2, 2], [2, 2]]
    with pytest.raises(ValueError) as caught:
        initializers.fill(lambda shape, dtype: np.zeros(3), (2, 2), weight="dense/kernel")
    assert str(caught.value) == "dense/kernel: initializer must give shape (2, 2); got (3,)"


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: initializers.get("glorot_unifrom", "Dense"),
            ValueError,
            "Dense: initializer must be a known name, an Initializer or a callable; got 'glorot_unifrom'; "
            "did you mean 'glorot_uniform'",
        ),
        (
            lambda: initializers.get(3),
            TypeError,
            "initializers.get: initializer must be a known name, an Initializer or a callable; got int",
        ),
        (
            lambda: initializers.get(None),
            TypeError,
            "initializers.get: initializer must be a known name, an Initializer or a callable; got NoneType",
        ),
        (lambda: initializers.HeNormal("1"), TypeError, "HeNormal: seed must be an int; got str"),
        (lambda: initializers.HeNormal(-1), ValueError, "HeNormal: seed must lie in [0, 2**32); got -1"),
        (
            lambda: initializers.VarianceScaling(mode="fan"),
            ValueError,
            "VarianceScaling: mode must be one of fan_in, fan_out, fan_avg; got 'fan'",
        ),
        (
            lambda: initializers.VarianceScaling(distribution="cauchy"),
            ValueError,
            "VarianceScaling: distribution must be one of truncated_normal, untruncated_normal, uniform; "
            "got 'cauchy'",
        ),
        (
            lambda: initializers.VarianceScaling(scale=0),
            ValueError,
            "VarianceScaling: scale must be more than 0; got 0.0",
        ),
        (
            lambda: initializers.RandomUniform(1.0, 0.0),
            ValueError,
            "RandomUniform: maxval must be a finite number of at least 1; got 0.0",
        ),
        (lambda: initializers.Identity()((2,)), ValueError, "Identity: shape must have 2 axes; got (2,)"),
        (
            lambda: initializers.Orthogonal()((2,)),
            ValueError,
            "Orthogonal: shape must have 2 or more axes; got (2,)",
        ),
    ],
)
def test_bad_settings_are_refused(call, error, text):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == text
