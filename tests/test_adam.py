from __future__ import annotations

import numpy as np
import pytest

from cases import adam as cases
from strop import ops, reference
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
