from __future__ import annotations

import numpy as np
import pytest

from cases import sgd as cases
from strop import config, ops, reference
from strop._backend import cpu
from strop.rowgrad import RowGrad
from tolerance import OPTIMIZER_ROUNDINGS, assert_close


@pytest.mark.parametrize("size", cases.SIZES)
def test_sgd_matches_the_reference(device, dtype, rng, size):
    for settings in cases.SETTINGS:
        param = rng.normal(size=size).astype(dtype)
        velocity = np.zeros_like(param) if "momentum" in settings else None
        want, want_velocity = param.astype(float), None if velocity is None else velocity.astype(float)
        for step in range(1, 4):
            grad = rng.normal(size=size).astype(dtype)
            want, want_velocity = reference.sgd_step(want, grad, want_velocity, learning_rate=0.1, **settings)
            ops.sgd_step(param=param, grad=grad, velocity=velocity, learning_rate=0.1, **settings)
            scale = np.abs(want) + 4
            assert_close(param, want, scale=scale, roundings=step * OPTIMIZER_ROUNDINGS, what=str(settings))


@pytest.mark.parametrize(
    ("settings", "want"),
    [
        ({}, [0.99, 1.01, 0.98]),
        ({"momentum": 0.9}, [0.99, 1.001, 0.9809]),
        ({"momentum": 0.9, "dialect": "torch"}, [0.99, 1.001, 0.9809]),
        ({"momentum": 0.9, "nesterov": True}, [0.981, 1.0109, 0.96281]),
        ({"momentum": 0.9, "nesterov": True, "dialect": "torch"}, [0.981, 1.0109, 0.96281]),
    ],
)
def test_sgd_gives_the_numbers_of_keras_and_torch(settings, want):
    param = np.ones(1)
    velocity = np.zeros(1) if settings else None
    for grad, expected in zip([0.1, -0.2, 0.3], want, strict=True):
        ops.sgd_step(param=param, grad=np.array([grad]), velocity=velocity, learning_rate=0.1, **settings)
        assert param[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("dialect", "want"), [("keras", [0.9, 0.8, 0.709]), ("torch", [0.9, 0.881, 0.87829])]
)
def test_the_dialects_part_when_the_learning_rate_changes(dialect, want):
    param, velocity = np.ones(1), np.zeros(1)
    for rate, expected in zip([0.1, 0.01, 0.001], want, strict=True):
        ops.sgd_step(
            param=param, grad=np.ones(1), velocity=velocity, learning_rate=rate, momentum=0.9, dialect=dialect
        )
        assert param[0] == pytest.approx(expected, abs=1e-12)


def test_a_row_gradient_moves_its_rows_only(device, dtype):
    param = np.ones((4, 1), dtype)
    ops.sgd_step(
        param=param,
        grad=RowGrad([2, 0, 2], np.array([[1], [2], [3]], dtype), (4, 1)),
        learning_rate=0.1,
    )
    np.testing.assert_allclose(param.ravel(), [0.8, 1, 0.6, 1], rtol=1e-6)


def test_sgd_has_the_same_bits_on_any_set_and_number_of_threads(rng):
    sizes = [3, 100_003, 0, 16_384, 1_000_000, 77]
    start = [rng.normal(size=size).astype(np.float32) for size in sizes]
    grads = [rng.normal(size=size).astype(np.float32) for size in sizes]
    before, results = config.isa(), set()
    for isa, here in cpu.built_isas().items():
        for count in (1, 2, 3, 8):
            with config.threads(count):
                if here:
                    cpu.set_isa(isa)
                    params, velocity = [p.copy() for p in start], [np.zeros_like(p) for p in start]
                    for _ in range(3):
                        ops.sgd_step(
                            param=params, grad=grads, velocity=velocity, learning_rate=0.1, momentum=0.9
                        )
                    results.add(b"".join(p.tobytes() for p in params))
    cpu.set_isa(before)
    assert len(results) == 1


def refused(text, **changes):
    arrays = {
        "param": np.ones(4, np.float32),
        "grad": np.ones(4, np.float32),
        "velocity": np.zeros(4, np.float32),
    }
    return pytest.param(arrays | changes, text, id=text)


READ_ONLY = np.ones(4, np.float32)
READ_ONLY.flags.writeable = False
BUFFER = np.ones(6, np.float32)


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        refused("grad must have the shape of param (4,); got (3,)", grad=np.ones(3, np.float32)),
        refused("grad must be float32 like param; got a float64 array of shape (4,)", grad=np.ones(4)),
        refused("param must be writable; got a read-only float32 array of shape (4,)", param=READ_ONLY),
        refused(
            "param must be C-contiguous; got a strided float32 array of shape (4,); use numpy.ascontiguousarray",
            param=np.ones(8, np.float32)[::2],
        ),
        refused("grad must be a numpy array; got float", grad=1.0),
        refused(
            "grad must not overlap param; got two views of one buffer", param=BUFFER[:4], grad=BUFFER[2:]
        ),
        refused("every list must have as many arrays as param (1); got 2", grad=[np.ones(4, np.float32)] * 2),
    ],
)
def test_sgd_refuses_and_changes_nothing(arrays, text):
    before = np.array(arrays["param"])
    with pytest.raises((TypeError, ValueError)) as caught:
        ops.sgd_step(**arrays, learning_rate=0.1, momentum=0.9)
    assert str(caught.value) == f"sgd_step: {text}"
    np.testing.assert_array_equal(arrays["param"], before)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"momentum": 0.9}, "velocity must be given with momentum; got None"),
        ({"nesterov": True}, "nesterov must come with momentum; got momentum=0"),
        ({"dialect": "jax"}, "dialect must be 'keras' or 'torch'; got 'jax'"),
    ],
)
def test_sgd_refuses_settings_that_would_be_ignored(settings, text):
    with pytest.raises(ValueError) as caught:
        ops.sgd_step(param=np.ones(4), grad=np.ones(4), learning_rate=0.1, **settings)
    assert str(caught.value) == f"sgd_step: {text}"


def test_a_bad_last_tensor_leaves_the_first_alone():
    params = [np.ones(4, np.float32), np.ones(4, np.float32)]
    grads = [np.ones(4, np.float32), np.ones(3, np.float32)]
    with pytest.raises(ValueError, match=r"sgd_step: grad\[1\] must have the shape of param\[1\]"):
        ops.sgd_step(param=params, grad=grads, learning_rate=0.1)
    assert (params[0] == 1).all()
