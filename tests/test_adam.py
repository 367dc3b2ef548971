from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import pytest

from cases import adam as cases
from strop import config, ops, reference
from strop._backend import cpu
from strop.rowgrad import RowGrad
from tolerance import OPTIMIZER_ROUNDINGS, assert_close


def make(rng, size, dtype, amsgrad=False):
    state = {"param": rng.normal(size=size), "moment1": np.zeros(size), "moment2": np.zeros(size)}
    if amsgrad:
        state["max_moment2"] = np.zeros(size)
    return {name: array.astype(dtype) for name, array in state.items()}


@pytest.mark.parametrize("size", cases.SIZES)
def test_adam_matches_the_reference(device, dtype, rng, size):
    for name, settings in cases.SETTINGS.items():
        for amsgrad in (False, True):
            arrays = make(rng, size, dtype, amsgrad)
            want = {key: array.astype(np.float64) for key, array in arrays.items()}
            for step in range(1, 4):
                grad = (rng.normal(size=size) * 10.0 ** rng.integers(-6, 1, size)).astype(dtype)
                scale = np.abs(want["param"]) + 0.1
                param, m, v, v_max = reference.adam_step(
                    **want, grad=grad, learning_rate=0.01, step=step, **settings
                )
                ops.adam_step(**arrays, grad=grad, learning_rate=0.01, step=step, **settings)
                assert_close(
                    arrays["param"], param, scale=scale, roundings=step * OPTIMIZER_ROUNDINGS, what=name
                )
                want = {"param": param, "moment1": m, "moment2": v}
                if amsgrad:
                    want["max_moment2"] = v_max


@pytest.mark.parametrize(
    ("settings", "want"),
    [
        ({}, [0.9000031622, 0.9366129971, 0.9022891792]),
        ({"eps": 1e-8, "eps_mode": "torch"}, [0.9000000100, 0.9366103604, 0.9022862539]),
        ({"eps": 1e-3}, [0.9240253073, 0.9560992639, 0.9244505350]),
        ({"eps": 1e-3, "eps_mode": "torch"}, [0.9009900990, 0.9373703970, 0.9032044016]),
        ({"weight_decay": 0.004}, [0.8996031622, 0.9358531558, 0.9011549967]),
    ],
)
def test_adam_gives_the_numbers_of_keras_and_torch(settings, want):
    param, moment1, moment2 = np.ones(1), np.zeros(1), np.zeros(1)
    for step, (grad, expected) in enumerate(zip([0.1, -0.2, 0.3], want, strict=True), start=1):
        ops.adam_step(
            param=param,
            grad=np.array([grad]),
            moment1=moment1,
            moment2=moment2,
            learning_rate=0.1,
            step=step,
            **settings,
        )
        assert param[0] == pytest.approx(expected, abs=6e-11)


@pytest.mark.parametrize("width", [1, 3, 15, 16, 17, 40])
def test_a_row_step_has_the_bits_of_the_dense_step_on_its_rows(device, dtype, rng, width):
    for amsgrad in (False, True):
        rows_only = make(rng, (9, width), dtype, amsgrad)
        dense = {name: array.copy() for name, array in rows_only.items()}
        rows = np.array([7, 0, 4])
        values = rng.normal(size=(3, width)).astype(dtype)
        grad = RowGrad(rows, values, (9, width))
        full = grad.to_dense()
        for step in (1, 2):
            settings = {"learning_rate": 0.1, "step": step, "weight_decay": 0.1}
            ops.adam_step(**rows_only, grad=grad, **settings)
            ops.adam_step(**dense, grad=full, **settings)
        for name, array in dense.items():
            np.testing.assert_array_equal(rows_only[name][rows], array[rows])
        np.testing.assert_array_equal(rows_only["moment1"][[1, 2, 3]], 0)


def test_each_tensor_may_have_its_own_decay():
    params = [np.ones(2), np.ones(3)]
    zeros = [[np.zeros_like(p) for p in params] for _ in range(3)]
    ops.adam_step(
        param=params,
        grad=zeros[0],
        moment1=zeros[1],
        moment2=zeros[2],
        learning_rate=0.1,
        step=1,
        weight_decay=[0.5, 0.0],
    )
    assert params[0].tolist() == [0.95, 0.95]
    assert params[1].tolist() == [1, 1, 1]


def test_adam_has_the_same_bits_on_any_set_and_number_of_threads(rng):
    sizes = [3, 100_003, 0, 16_384, 700_001, 77]
    start = [rng.normal(size=size).astype(np.float32) for size in sizes]
    # Down to where moments are denormal.
    grads = [
        (rng.normal(size=size) * 10.0 ** rng.integers(-22, 1, size)).astype(np.float32) for size in sizes
    ]
    before, results = config.isa(), set()
    for isa, here in cpu.built_isas().items():
        for count in (1, 2, 3, 8) if here else ():
            cpu.set_isa(isa)
            with config.threads(count):
                params = [p.copy() for p in start]
                moments = [[np.zeros_like(p) for p in start] for _ in range(2)]
                for step in range(1, 4):
                    ops.adam_step(
                        param=params,
                        grad=grads,
                        moment1=moments[0],
                        moment2=moments[1],
                        learning_rate=0.1,
                        step=step,
                        weight_decay=0.01,
                    )
            results.add(b"".join(a.tobytes() for a in params + moments[0] + moments[1]))
    cpu.set_isa(before)
    assert len(results) == 1


def test_a_moment_without_gradients_becomes_0_and_the_mode_of_the_caller_stays(device):
    arrays = {name: np.full(40, 1e-38, np.float32) for name in ("param", "moment1", "moment2")}
    for step in range(1, 30):
        ops.adam_step(**arrays, grad=np.zeros(40, np.float32), learning_rate=0.1, step=step)
    assert not arrays["moment1"].any()
    assert np.float32(1e-40) * np.float32(1) != 0


def test_nan_and_infinity_stay_where_they_are(device, dtype):
    param, moment1, moment2 = np.ones(33, dtype), np.zeros(33, dtype), np.zeros(33, dtype)
    grad = np.zeros(33, dtype)
    grad[5], grad[20] = np.nan, np.inf
    ops.adam_step(param=param, grad=grad, moment1=moment1, moment2=moment2, learning_rate=0.1, step=1)
    assert np.flatnonzero(np.isnan(param)).tolist() == [5, 20]


READ_ONLY = np.ones(4, np.float32)
READ_ONLY.flags.writeable = False
BUFFER = np.ones(6, np.float32)


def ones(*counts):
    return [np.ones(n, np.float32) for n in counts]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"grad": np.ones(3, np.float32)}, "grad must have the shape of param (4,); got (3,)"),
        ({"grad": np.ones(4)}, "grad must be float32 like param; got a float64 array of shape (4,)"),
        ({"moment1": np.ones(4)}, "moment1 must be float32 like param; got a float64 array of shape (4,)"),
        ({"moment2": READ_ONLY}, "moment2 must be writable; got a read-only float32 array of shape (4,)"),
        ({"param": READ_ONLY}, "param must be writable; got a read-only float32 array of shape (4,)"),
        ({"param": [1.0]}, "param[0] must be a numpy array; got float"),
        (
            {"param": np.ones(4, np.float16)},
            "param must be float32 or float64; got a float16 array of shape (4,)",
        ),
        (
            {"param": np.ones(8, np.float32)[::2]},
            "param must be C-contiguous; got a strided float32 array of shape (4,); use numpy.ascontiguousarray",
        ),
        (
            {"moment1": BUFFER[:4], "moment2": BUFFER[2:]},
            "moment2 must not overlap moment1; got two views of one buffer",
        ),
        (
            {"param": BUFFER[2:], "grad": BUFFER[:4]},
            "grad must not overlap param; got two views of one buffer",
        ),
        (
            {
                "param": [BUFFER[:3], BUFFER[2:5]],
                "grad": ones(3, 3),
                "moment1": ones(3, 3),
                "moment2": ones(3, 3),
            },
            "param[1] must not overlap param[0]; got two views of one buffer",
        ),
        (
            {
                "param": [BUFFER[:3], BUFFER[3:]],
                "grad": [np.ones(3, np.float32), BUFFER[:3]],
                "moment1": ones(3, 3),
                "moment2": ones(3, 3),
            },
            "grad[1] must not overlap param[0]; got two views of one buffer",
        ),
        (
            {"param": ones(4, 4), "grad": ones(4, 3), "moment1": ones(4, 4), "moment2": ones(4, 4)},
            "grad[1] must have the shape of param[1] (4,); got (3,)",
        ),
        ({"grad": ones(4, 4)}, "every list must have as many arrays as param (1); got 2"),
        ({"weight_decay": [0.1, 0.2]}, "weight_decay must have one number per param (1); got 2"),
        ({"weight_decay": "big"}, "weight_decay must be a number or a list of numbers; got str"),
        ({"weight_decay": ["big"]}, "weight_decay must be a number or a list of numbers; got str"),
        ({"eps_mode": "keras"}, "eps_mode must be 'hat' or 'torch'; got 'keras'"),
        ({"beta1": 1.0}, "beta1 and beta2 must lie in [0, 1); got 1.0"),
        ({"beta2": -0.1}, "beta1 and beta2 must lie in [0, 1); got -0.1"),
        ({"eps": -1e-8}, "eps must be 0 or more; got -1e-08"),
        ({"step": 0}, "step must be 1 or more; got 0"),
    ],
)
def test_adam_refuses_and_changes_nothing(changes, text):
    arrays = {name: np.full(4, 0.5, np.float32) for name in ("param", "grad", "moment1", "moment2")} | changes
    kept = {
        name: [np.array(a) for a in value]
        for name, value in arrays.items()
        if isinstance(value, list) and name != "weight_decay"
    }
    with pytest.raises((TypeError, ValueError)) as caught:
        ops.adam_step(**{"learning_rate": 0.1, "step": 1} | arrays)
    assert str(caught.value) == f"adam_step: {text}"
    for name, before in kept.items():
        for array, old in zip(arrays[name], before, strict=True):
            np.testing.assert_array_equal(array, old)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"grad": RowGrad([1], np.ones((1, 2)), (4, 2))}, "grad must have shape (1, 3); got (1, 2)"),
        ({"grad": RowGrad([5], np.ones((1, 3)), (6, 3))}, "rows must lie in [0, 4); got 5 at (0,)"),
        ({"moment1": np.zeros((3, 3))}, "moment1 must have the shape of param (4, 3); got (3, 3)"),
    ],
)
def test_a_row_step_refuses(changes, text):
    arrays = {name: np.zeros((4, 3)) for name in ("param", "moment1", "moment2")}
    arrays["grad"] = RowGrad([1], np.ones((1, 3)), (4, 3))
    with pytest.raises((TypeError, ValueError, IndexError)) as caught:
        ops.adam_step(**arrays | changes, learning_rate=0.1, step=1)
    assert str(caught.value) == f"adam_step: {text}"


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9, 0.999, 0.99999])
@pytest.mark.parametrize("step", [1, 2, 3, 10, 1000, 12345, 2**31 + 1])
def test_the_bias_correction_has_a_power_that_is_rounded_once(device, beta, step):
    # With beta2 = 0 and |grad| = 1 a step is learning_rate / (1 - beta1^t) times the new moment.
    param, moment1, moment2 = (np.zeros(1) for _ in range(3))
    settings = {"beta1": beta, "beta2": 0.0, "eps": 0.0, "learning_rate": 1.0, "step": step}
    ops.adam_step(param=param, grad=np.ones(1), moment1=moment1, moment2=moment2, **settings)
    with localcontext(prec=50):
        power = float(Decimal(beta) ** step)
    assert param[0] == -(1.0 / (1.0 - power) * (1.0 - beta))
