"""Activations, regularizers, constraints and fans against Keras at random and at odd inputs."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from conftest import import_keras
from strop import activations, constraints, initializers, regularizers

ODD = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e30, -1e30, 88, -88, 104, -104, 1e-30, -1e-30, 3, -3, 6, -6]

#: Keras gives NaN for gelu(inf), and 0 for relu(NaN) where a threshold is set.
DIFFERS = {("gelu", np.inf), ("threshold", np.nan)}

SETTINGS = [
    *[(name, {}) for name in sorted(activations.registry)],
    ("relu", {"negative_slope": 0.1}),
    ("relu", {"max_value": 3.0}),
    ("relu", {"threshold": 1.0}),
    ("relu", {"negative_slope": 0.2, "max_value": 2.0, "threshold": 0.5}),
    ("gelu", {"approximate": True}),
    ("leaky_relu", {"negative_slope": 0.3}),
    ("elu", {"alpha": 0.5}),
]


@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=str)
def test_activation_equals_keras(name, settings, rng, dtype):
    keras = import_keras()
    odd = [x for x in ODD if np.isfinite(x)] if "softmax" in name else ODD
    differs = [x for word, x in DIFFERS if word == name or word in settings]
    odd = [x for x in odd if not any(x == d or (np.isnan(x) and np.isnan(d)) for d in differs)]
    x = np.concatenate([odd, rng.normal(size=60) * 4]).astype(dtype)[None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # overflow in NumPy's exp
        want = np.asarray(getattr(keras.activations, name)(x, **settings))
        got = activations.registry[name](x, **settings).astype("float32")  # Keras' exp has its range
    np.testing.assert_allclose(got, want, rtol=3e-5, atol=1e-6)


def weights(rng, dtype):
    yield from (rng.normal(size=shape).astype(dtype) for shape in [(5, 4), (3, 2), (7, 7)])
    yield np.zeros((3, 2), dtype)
    yield np.array([[1, 2], [0, 0], [3, 4]], dtype)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("L1", {"l1": 0.1}),
        ("L2", {"l2": 0.1}),
        ("L1L2", {"l1": 0.1, "l2": 0.2}),
        ("OrthogonalRegularizer", {"factor": 0.3}),
    ],
    ids=str,
)
def test_penalty_equals_keras(name, settings, rng, dtype):
    keras = import_keras()
    for w in weights(rng, dtype):
        want = float(getattr(keras.regularizers, name)(**settings)(w))
        assert getattr(regularizers, name)(**settings)(w) == pytest.approx(want, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("MaxNorm", {"max_value": 1.0}),
        ("MaxNorm", {"max_value": 1.0, "axis": 1}),
        ("NonNeg", {}),
        ("UnitNorm", {}),
        ("UnitNorm", {"axis": [0, 1]}),
        ("MinMaxNorm", {"min_value": 0.5, "max_value": 1.0, "rate": 0.7}),
        ("MinMaxNorm", {"min_value": 0.5, "max_value": 2.0, "axis": 1}),
    ],
    ids=str,
)
def test_constraint_equals_keras(name, settings, rng, dtype):
    keras = import_keras()
    for w in weights(rng, dtype):
        want = np.asarray(getattr(keras.constraints, name)(**settings)(w))
        np.testing.assert_allclose(getattr(constraints, name)(**settings)(w), want, rtol=1e-5, atol=1e-6)


def test_fans_of_any_kernel_equal_keras(rng):
    keras = import_keras("keras.src.initializers.random_initializers")
    for axes in range(6):
        shape = tuple(int(n) for n in rng.integers(1, 9, axes))
        assert initializers.fans(shape) == tuple(keras.compute_fans(shape))


def test_names_are_those_of_keras():
    tables = [
        (initializers, "keras.src.initializers", {"Initializer", "initializer"}),
        (regularizers, "keras.src.regularizers", {"Regularizer", "regularizer"}),
        (constraints, "keras.src.constraints", {"Constraint", "constraint"}),
    ]
    for module, name, bases in tables:
        for known in set(import_keras(name).ALL_OBJECTS_DICT) - bases:
            if "stft" not in known.lower():  # for spectrograms
                assert module.get(known)
