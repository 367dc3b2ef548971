from __future__ import annotations

import numpy as np
import pytest

from cases import lamb as cases
from strop import ops, reference
from strop.rowgrad import RowGrad
from tolerance import OPTIMIZER_ROUNDINGS, SUM_ROUNDINGS, assert_close

STATES = ("param", "moment1", "moment2")


def make(rng, size, dtype):
    param = rng.normal(size=size).astype(dtype)
    return {"param": param, "moment1": np.zeros_like(param), "moment2": np.zeros_like(param)}


@pytest.mark.parametrize("size", cases.SIZES)
def test_lamb_matches_the_reference(device, dtype, rng, size):
    for settings in cases.SETTINGS:
        arrays = make(rng, size, dtype)
        for step in (1, 2, 3):
            grad = (rng.normal(size=size) * 10.0 ** rng.integers(-6, 1, size)).astype(dtype)
            if "l2" in settings:  # of one sign with the parameter, so that the sum loses no digits
                grad = np.copysign(grad, arrays["param"])
            before = {name: array.astype(float) for name, array in arrays.items()}
            call = {"grad": grad, "learning_rate": 0.01, "step": step} | settings
            want = dict(zip(STATES, reference.lamb_step(**arrays, **call), strict=True))
            ops.lamb_step(**arrays, **call)
            for name, array in arrays.items():
                scale = np.abs(before[name]) + np.abs(want[name]) + (0.1 if name == "param" else 0)
                if name == "moment1":
                    scale = scale + 2 * np.abs(grad)
                roundings = OPTIMIZER_ROUNDINGS + (SUM_ROUNDINGS if name == "param" else 0)
                assert_close(array, want[name], scale=scale, roundings=roundings, what=f"{name} {settings}")


def test_lamb_gives_the_numbers_of_optax():
    arrays = {"param": np.array([1.0, 2.0]), "moment1": np.zeros(2), "moment2": np.zeros(2)}
    ops.lamb_step(**arrays, grad=np.full(2, 0.1), learning_rate=0.1, step=1, weight_decay=0.01)
    assert arrays["param"] == pytest.approx([0.8426669198, 1.8411091511], abs=6e-11)


@pytest.mark.parametrize("size", [1, 40, 3000])
def test_a_norm_of_0_leaves_the_direction_as_it_is(device, dtype, size):
    # No size yet: the parameter must be able to leave 0; no direction: it must stay where it is.
    for start, slope in ((0, 1), (1, 0)):
        arrays = {name: np.zeros(size, dtype) for name in STATES}
        arrays["param"] += start
        ops.lamb_step(**arrays, grad=np.full(size, slope, dtype), learning_rate=0.1, step=1)
        np.testing.assert_allclose(arrays["param"], start - 0.1 * slope, rtol=2e-6)


def test_each_tensor_has_a_ratio_and_a_decay_of_its_own(device, dtype, rng):
    sizes = [0, 5, 20_000, 1, 700_000, 0, 77, 4100]
    decay = [0.1 * i for i in range(len(sizes))]
    lists = {name: [np.abs(rng.normal(size=n)).astype(dtype) for n in sizes] for name in STATES}
    alone = {name: [a.copy() for a in arrays] for name, arrays in lists.items()}
    grads = [rng.normal(size=n).astype(dtype) for n in sizes]
    settings = {"learning_rate": 0.1, "step": 2}
    ops.lamb_step(**lists, grad=grads, **settings, weight_decay=decay)
    for i, grad in enumerate(grads):
        own = {name: arrays[i] for name, arrays in alone.items()}
        ops.lamb_step(**own, grad=grad, **settings, weight_decay=decay[i])
        for name in STATES:
            np.testing.assert_array_equal(lists[name][i], own[name])


def test_lamb_has_the_same_bits_wherever_the_arrays_stand(device, dtype, rng):
    size, results = 5003, set()
    start = {name: np.abs(rng.normal(size=size)).astype(dtype) for name in (*STATES, "grad")}
    for shift in range(17):
        arrays = {}
        for name, values in start.items():
            arrays[name] = np.empty(size + 32, dtype)[shift : shift + size]
            arrays[name][:] = values
        ops.lamb_step(**arrays, learning_rate=0.1, step=3, weight_decay=0.1)
        results.add(b"".join(arrays[name].tobytes() for name in STATES))
    assert len(results) == 1


def test_tiny_parameters_have_a_norm(device):
    # The squares of 1e-30 are 0 in float32.
    arrays = {"param": np.full(50, 1e-30, "f"), "moment1": np.zeros(50, "f"), "moment2": np.zeros(50, "f")}
    ops.lamb_step(**arrays, grad=np.ones(50, "f"), learning_rate=0.1, step=1)
    np.testing.assert_allclose(arrays["param"], 0.9e-30, rtol=1e-5)


def test_a_nan_gradient_reaches_the_whole_of_its_array_and_no_other(device, dtype):
    lists = {name: [np.ones(40, dtype), np.ones(40, dtype)] for name in STATES}
    grads = [np.ones(40, dtype), np.ones(40, dtype)]
    grads[0][7] = np.nan
    ops.lamb_step(**lists, grad=grads, learning_rate=0.1, step=1)
    assert np.isnan(lists["param"][0]).all()
    assert np.isfinite(lists["param"][1]).all()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            {"grad": RowGrad([1], np.ones(1), (4,))},
            "grad must be a numpy array, since the norms need the whole of it; got RowGrad; use to_dense",
        ),
        ({"grad": np.ones(3)}, "grad must have the shape of param (4,); got (3,)"),
        (
            {"moment2": np.ones(4, "f")},
            "moment2 must be float64 like param; got a float32 array of shape (4,)",
        ),
        ({"grad": [np.ones(4)] * 2}, "every list must have as many arrays as param (1); got 2"),
        ({"weight_decay": [0.1, 0.2]}, "weight_decay must have one number per param (1); got 2"),
        ({"dialect": "optax"}, "dialect must be 'keras' or 'torch'; got 'optax'"),
        ({"beta1": 1.0}, "beta1 and beta2 must lie in [0, 1); got 1.0"),
        ({"eps": -1.0}, "eps must be 0 or more; got -1.0"),
        ({"l2": -1.0}, "l2 must be 0 or more; got -1.0"),
        ({"step": 0}, "step must be 1 or more; got 0"),
    ],
)
def test_lamb_refuses_and_changes_nothing(change, text):
    arguments = {name: np.ones(4) for name in (*STATES, "grad")} | {"learning_rate": 0.1, "step": 1} | change
    with pytest.raises((TypeError, ValueError)) as caught:
        ops.lamb_step(**arguments)
    assert str(caught.value) == f"lamb_step: {text}"
    for name in STATES:
        assert (arguments[name] == 1).all()


def test_a_bad_last_tensor_leaves_the_first_alone():
    lists = {name: [np.ones(4), np.ones(4)] for name in STATES}
    with pytest.raises(ValueError, match=r"lamb_step: grad\[1\] must have the shape of param\[1\]"):
        ops.lamb_step(**lists, grad=[np.ones(4), np.ones(3)], learning_rate=0.1, step=1)
    for arrays in lists.values():
        assert (arrays[0] == 1).all()


def test_no_tensor_is_no_work():
    ops.lamb_step(param=[], grad=[], moment1=[], moment2=[], learning_rate=0.1, step=1)
