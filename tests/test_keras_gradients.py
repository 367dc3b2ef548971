"""Outputs and gradients of every layer beside Keras on torch and on JAX, with its weights, at odd sizes."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

import keras_layers
from conftest import ROOT, absent
from strop import layers
from strop.rowgrad import RowGrad

CASES = list(keras_layers.cases())

#: Roundings of float32, relative to the largest number of an array: sums of some tens of terms, in other orders.
TOLERANCE = 2e-5


@pytest.fixture(scope="module", params=["torch", pytest.param("jax", marks=pytest.mark.slow)])
def theirs(request, tmp_path_factory):
    """What Keras gives on a back end; in a process of its own, since the others here have that of NumPy."""
    for needed in ("keras", request.param):
        if importlib.util.find_spec(needed) is None:
            absent(needed, f"{needed} is not installed")
    path = tmp_path_factory.mktemp("keras") / "gradients.npz"
    command = [sys.executable, str(ROOT / "tests" / "keras_gradients.py"), request.param, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr
    with np.load(path) as file:
        return request.param, dict(file)


def as_list(arrays):
    return list(arrays) if isinstance(arrays, list | tuple) else [arrays]


@pytest.mark.parametrize("index", range(len(CASES)), ids=[title for title, _ in CASES])
def test_a_layer_has_keras_outputs_and_gradients(index, theirs):
    backend, found = theirs
    title, case = CASES[index]
    if backend == "torch" and not keras_layers.on_torch(title):
        pytest.skip("Keras' torch back end is unlike its others here")
    x, mask, rng = case.arrays(index)
    layer = case.make(layers)
    layer.build_once([(None, *a.shape[1:]) for a in x] if isinstance(x, list) else (None, *x.shape[1:]))
    variables = [v for part, _ in layer.parts() for v in part.variables]
    layer.set_weights(
        keras_layers.weights([w.shape for w in layer.get_weights()], [v.name for v in variables], rng)
    )
    ys, saved = layer.forward(x, training=True, mask=mask)
    upstream = [rng.normal(size=y.shape).astype("float32") for y in as_list(ys)]
    by_x, by_weights = layer.backward(upstream if isinstance(ys, list | tuple) else upstream[0], saved)
    dense = [g.to_dense() if isinstance(g, RowGrad) else g for g in by_weights]
    got = {"y": as_list(ys), "w": dense, "x": [] if case.ids else as_list(by_x)}
    for kind, arrays in got.items():
        wanted = [found[k] for k in found if k.startswith(f"{index} {kind} ")]
        assert len(arrays) == len(wanted)
        for one, two in zip(arrays, wanted, strict=True):
            assert one.shape == two.shape
            scale = max(1.0, np.abs(two).max(initial=0))
            np.testing.assert_allclose(one, two, rtol=0, atol=TOLERANCE * scale, err_msg=kind)
