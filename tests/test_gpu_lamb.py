"""LAMB on CUDA: the CPU's bits, whatever the size, the settings and the size of the numbers."""

from __future__ import annotations

import re

import numpy as np
import pytest

from cases import lamb as cases
from strop import RowGrad, ops

STATES = ("param", "moment1", "moment2")
#: Blocks of 1,024: one, several, and more than the 256 threads that add them.
SIZES = [0, 1, 3, 15, 16, 17, 33, 1023, 1024, 1025, 16_385, 262_145]


def start(rng, size, dtype):
    arrays = {name: rng.standard_normal(size).astype(dtype) for name in STATES}
    arrays["moment2"] = np.abs(arrays["moment2"])
    return arrays


def both(gpu, arrays, grads, **settings):
    """Steps on the device and on the CPU: what each has afterwards."""
    mine = {name: gpu.asarray(a) for name, a in arrays.items()}
    theirs = {name: a.copy() for name, a in arrays.items()}
    for step, grad in enumerate(grads, 1):
        ops.lamb_step(**mine, grad=gpu.asarray(grad), learning_rate=0.01, step=step, **settings)
        ops.lamb_step(**theirs, grad=grad, learning_rate=0.01, step=step, **settings)
    return {name: gpu.host(a) for name, a in mine.items()}, theirs


@pytest.mark.parametrize("settings", cases.SETTINGS, ids=str)
@pytest.mark.parametrize("size", SIZES)
def test_the_bits_are_those_of_the_cpu(gpu, rng, dtype, size, settings):
    if size > 20_000 and settings:
        pytest.skip("the largest once")
    grads = [rng.standard_normal(size).astype(dtype) for _ in range(2)]
    mine, theirs = both(gpu, start(rng, size, dtype), grads, **settings)
    for name in STATES:
        assert mine[name].tobytes() == theirs[name].tobytes(), name


@pytest.mark.parametrize("power", [-25, -20, 19, 25])
def test_squares_that_float32_does_not_hold_are_added_in_float64(gpu, rng, power):
    # The middle block alone is out of reach of float32.
    arrays = start(rng, 3000, np.float32)
    arrays["param"][1024:2048] *= np.float32(10.0**power)
    mine, theirs = both(gpu, arrays, [rng.standard_normal(3000).astype("float32")], weight_decay=0.1)
    for name in STATES:
        assert np.isfinite(theirs[name]).all()
        assert mine[name].tobytes() == theirs[name].tobytes(), name


def test_a_norm_of_0_leaves_the_direction_as_it_is(gpu, dtype):
    for value, slope in ((0, 1), (1, 0)):
        arrays = {name: gpu.asarray(np.zeros(3000, dtype)) for name in STATES}
        arrays["param"] = gpu.asarray(np.full(3000, value, dtype))
        grad = gpu.asarray(np.full(3000, slope, dtype))
        ops.lamb_step(**arrays, grad=grad, learning_rate=0.1, step=1)
        np.testing.assert_allclose(gpu.host(arrays["param"]), value - 0.1 * slope, rtol=2e-6)


def test_a_nan_spoils_its_tensor_and_no_other(gpu, rng):
    params = [rng.standard_normal(3000).astype("float32") for _ in range(3)]
    params[1][77] = np.nan
    lists = {name: [gpu.asarray(np.ones_like(p)) for p in params] for name in ("moment1", "moment2", "grad")}
    lists["param"] = [gpu.asarray(p) for p in params]
    ops.lamb_step(**lists, learning_rate=0.1, step=1)
    spoilt = [np.isnan(gpu.host(p)).all() for p in lists["param"]]
    assert spoilt == [False, True, False]
    assert np.isfinite(gpu.host(lists["param"][2])).all()


def test_many_tensors_have_a_ratio_and_a_decay_of_their_own(gpu, rng):
    sizes = [3, 0, 1500, 17] * 60  # two launches
    names = (*STATES, "grad")
    theirs = {n: [np.abs(rng.standard_normal(s)).astype("float32") for s in sizes] for n in names}
    mine = {n: [gpu.asarray(a) for a in arrays] for n, arrays in theirs.items()}
    decay = [0.01 * i for i in range(len(sizes))]
    for lists in (mine, theirs):
        ops.lamb_step(**lists, learning_rate=0.1, step=2, weight_decay=decay)
    for name in STATES:
        for a, b in zip(mine[name], theirs[name], strict=True):
            assert gpu.host(a).tobytes() == b.tobytes()


def test_it_may_stand_anywhere(gpu, rng):
    results = set()
    arrays = {name: np.abs(rng.standard_normal(5003)).astype("float32") for name in (*STATES, "grad")}
    for shift in range(5):
        moved = {}
        for name, values in arrays.items():
            moved[name] = gpu.asarray(np.zeros(5100, "float32"))[shift : shift + 5003]
            moved[name][...] = gpu.asarray(values)
        ops.lamb_step(**moved, learning_rate=0.1, step=3, weight_decay=0.1)
        results.add(b"".join(gpu.host(moved[name]).tobytes() for name in STATES))
    assert len(results) == 1


def test_it_refuses_what_it_cannot_do_and_writes_nothing(gpu):
    x = [gpu.asarray(np.ones((4, 2), "float32")) for _ in range(4)]
    call = dict(zip((*STATES, "grad"), x, strict=True)) | {"learning_rate": 0.1, "step": 1}
    rows = RowGrad(np.array([0]), np.ones((1, 2), "float32"), (4, 2))
    refused = [
        ({"grad": np.ones((4, 2), "float32")}, TypeError, "grad must be a cupy array like param; got a numpy array of "
         "shape (4, 2); move it with cupy.asarray"),
        ({"grad": rows}, TypeError, "grad must be a numpy array, since the norms need the whole of it; got RowGrad; "
         "use to_dense"),
        ({"moment1": x[0]}, ValueError, "moment1 must not overlap param; got two views of one buffer"),
        ({"step": 0}, ValueError, "step must be 1 or more; got 0"),
    ]  # fmt: skip
    for changes, kind, text in refused:
        with pytest.raises(kind, match=f"^lamb_step: {re.escape(text)}$"):
            ops.lamb_step(**call | changes)
    assert all((gpu.host(a) == 1).all() for a in x)
