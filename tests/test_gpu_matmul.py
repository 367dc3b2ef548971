"""Products on CUDA: exact on integers, within the bound of their roundings, nothing left unwritten."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cases import matmul as cases
from strop import ops, reference
from tolerance import assert_close

TRANSPOSES = [(False, False), (True, False), (False, True), (True, True)]


def draw(rng: Any, shape: tuple[int, int], dtype: np.dtype, *, integers: bool = False) -> np.ndarray:
    return (rng.integers(-8, 9, shape) if integers else rng.normal(size=shape)).astype(dtype)


def operands(
    rng: Any, shape: Any, dtype: np.dtype, transposes: Any, *, integers: bool = False
) -> list[np.ndarray]:
    m, n, k = shape
    sizes = [(k, m) if transposes[0] else (m, k), (n, k) if transposes[1] else (k, n)]
    return [draw(rng, size, dtype, integers=integers) for size in sizes]


def moved(gpu: Any, array: np.ndarray) -> Any:
    """A copy on the device that starts one element behind a multiple of 16 bytes."""
    return gpu.asarray(np.concatenate([[0], array.ravel()]).astype(array.dtype))[1:].reshape(array.shape)


def unwritten(gpu: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    return gpu.asarray(np.full(shape, np.nan, dtype))


def terms(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)


# ---- the product -----------------------------------------------------------------


@pytest.mark.parametrize("transposes", TRANSPOSES, ids=str)
@pytest.mark.parametrize("shapes", ["SMALL", "MODEL", "LARGE"])
def test_products_of_integers_are_exact(gpu, dtype, rng, shapes, transposes):
    # Every order of additions gives the same sum, so nothing hides an index that is off by one.
    for shape in getattr(cases, shapes):
        a, b = operands(rng, shape, dtype, transposes, integers=True)
        bias = draw(rng, shape[1], dtype, integers=True)
        settings = {"transpose_a": transposes[0], "transpose_b": transposes[1], "activation": "relu"}
        out = unwritten(gpu, shape[:2], dtype)
        got = ops.matmul(gpu.asarray(a), gpu.asarray(b), bias=gpu.asarray(bias), out=out, **settings)
        assert got is out
        want = reference.matmul(a, b, bias=bias, **settings)
        np.testing.assert_array_equal(gpu.host(got), want, err_msg=str(shape))


@pytest.mark.parametrize("transposes", TRANSPOSES, ids=str)
@pytest.mark.parametrize("place", ["aligned", "misaligned"])
def test_a_product_is_within_the_bound_of_its_roundings(gpu, dtype, rng, transposes, place):
    put = gpu.asarray if place == "aligned" else lambda array: moved(gpu, array)
    for shape in [(33, 65, 127), (1, 70, 900), (70, 1, 900), (130, 140, 36), (64, 64, 16), *cases.MODEL]:
        a, b = operands(rng, shape, dtype, transposes)
        out = put(np.full(shape[:2], np.nan, dtype))
        ops.matmul(put(a), put(b), transpose_a=transposes[0], transpose_b=transposes[1], out=out)
        a, b = (x.T if t else x for x, t in zip((a, b), transposes, strict=True))
        assert_close(
            gpu.host(out), reference.matmul(a, b), scale=terms(a, b), roundings=shape[2] + 2, what=str(shape)
        )


@pytest.mark.parametrize("activation", [None, *ops.FUSED_ACTIVATIONS])
def test_bias_and_activation_come_with_the_product(gpu, dtype, rng, activation):
    for shape in [(33, 65, 127), (3, 2, 70), (7, 7, 0), *cases.MODEL]:
        a, b = operands(rng, shape, dtype, (False, False))
        bias = draw(rng, shape[1], dtype)
        got = ops.matmul(gpu.asarray(a), gpu.asarray(b), bias=gpu.asarray(bias), activation=activation)
        want = reference.matmul(a, b, bias=bias, activation=activation)
        # One rounding per term and a few for the activation, whose slope is at most 1.
        scale = terms(a, b) + np.abs(bias) + 1
        assert_close(gpu.host(got), want, scale=scale, roundings=shape[2] + 12, what=str(shape))


def test_nan_and_infinities_pass_relu_and_stay_in_their_rows(gpu, dtype):
    values = np.array([np.nan, np.inf, -np.inf, -1, 2], dtype)
    a = np.zeros((5, 70), dtype)
    a[:, 0] = values
    b = np.zeros((70, 66), dtype)
    b[0] = 1
    with np.errstate(invalid="ignore"):
        want = np.repeat(reference.matmul(values[:, None], np.ones((1, 1)), activation="relu"), 66, axis=1)
    got = ops.matmul(gpu.asarray(a), gpu.asarray(b), activation="relu")
    np.testing.assert_array_equal(gpu.host(got), want)


def test_two_runs_have_the_same_bits(gpu, dtype, rng):
    for shape in [(128, 512, 257), (500, 16, 2000), (32, 16, 24)]:
        a, b = (gpu.asarray(x) for x in operands(rng, shape, dtype, (False, False)))
        first, second = (gpu.host(ops.matmul(a, b, activation="tanh")) for _ in range(2))
        assert first.tobytes() == second.tobytes()


# ---- gradients -------------------------------------------------------------------


def gradients(
    gpu: Any, rng: Any, shape: Any, dtype: np.dtype, activation: str | None, *, integers: bool = False
) -> Any:
    m, n, _ = shape
    a, b = operands(rng, shape, dtype, (False, False), integers=integers)
    grad = draw(rng, (m, n), dtype, integers=integers)
    output = (
        rng.integers(-2, 3, (m, n)).astype(dtype)
        if integers
        else rng.uniform(-0.9, 0.9, (m, n)).astype(dtype)
    )
    given = None if activation is None else output
    got = ops.matmul_backward(
        *(gpu.asarray(x) for x in (grad, a, b)),
        output=None if given is None else gpu.asarray(given),
        activation=activation,
        bias=True,
    )
    want = reference.matmul_backward(grad, a, b, output=given, activation=activation)
    return [gpu.host(x) for x in got], want, (grad, a, b)


@pytest.mark.parametrize("activation", [None, "relu", "tanh"])
@pytest.mark.parametrize("shapes", ["SMALL", "MODEL", "LARGE"])
def test_gradients_of_integers_are_exact(gpu, dtype, rng, shapes, activation):
    for shape in getattr(cases, shapes):
        got, want, _ = gradients(gpu, rng, shape, dtype, activation, integers=True)
        for name, one, two in zip(("grad_a", "grad_b", "grad_bias"), got, want, strict=True):
            np.testing.assert_array_equal(one, two, err_msg=f"{name} {shape}")


@pytest.mark.parametrize("activation", [None, *ops.FUSED_ACTIVATIONS])
def test_gradients_are_within_the_bound_of_their_roundings(gpu, dtype, rng, activation):
    for shape in [(33, 65, 127), (1, 70, 90), (700, 3, 9), (2100, 17, 16), *cases.MODEL]:
        got, want, (grad, a, b) = gradients(gpu, rng, shape, dtype, activation)
        scales = terms(grad, b.T), terms(a.T, grad), np.abs(grad).sum(axis=0)
        for one, two, scale, count in zip(got, want, scales, (shape[1], shape[0], shape[0]), strict=True):
            assert_close(one, two, scale=scale, roundings=count + 8, what=str(shape))


def test_only_what_is_asked_for_comes_back(gpu, dtype, rng):
    a, b = operands(rng, (9, 7, 5), dtype, (False, False))
    grad = draw(rng, (9, 7), dtype)
    grad_a, grad_b, grad_bias = ops.matmul_backward(*(gpu.asarray(x) for x in (grad, a, b)), need_a=False)
    assert grad_a is None
    assert grad_bias is None
    np.testing.assert_allclose(gpu.host(grad_b), a.T @ grad, rtol=1e-5, atol=1e-5)


def test_gradients_have_the_same_bits_twice(gpu, dtype, rng):
    for shape in [(3000, 30, 20), (300, 200, 90)]:
        state = rng.bit_generator.state
        first = gradients(gpu, rng, shape, dtype, "tanh")[0]
        rng.bit_generator.state = state
        second = gradients(gpu, rng, shape, dtype, "tanh")[0]
        assert all(one.tobytes() == two.tobytes() for one, two in zip(first, second, strict=True))


# ---- what is refused -------------------------------------------------------------


def test_shapes_that_do_not_fit_write_nothing(gpu):
    a, b = gpu.asarray(np.ones((2, 3), "float32")), gpu.asarray(np.ones((2, 4), "float32"))
    with pytest.raises(
        ValueError, match=r"^matmul: b must have first axis 3 to match a of shape \(2, 3\); got shape"
    ):
        ops.matmul(a, b)
    out = unwritten(gpu, (2, 2), np.dtype("float32"))
    with pytest.raises(ValueError, match=r"^matmul: out must"):
        ops.matmul(a, gpu.asarray(np.ones((3, 4), "float32")), out=out)
    assert np.isnan(gpu.host(out)).all()


def test_out_may_not_overlap_an_input(gpu):
    a = gpu.asarray(np.ones((3, 3), "float32"))
    with pytest.raises(ValueError, match=r"^matmul: out must not overlap a"):
        ops.matmul(a, a, out=a)
    assert (gpu.host(a) == 1).all()
