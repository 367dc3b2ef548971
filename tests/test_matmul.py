from __future__ import annotations

import ctypes
import mmap
import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import residuals
from cases import matmul as cases
from strop import config, ops, reference
from strop._backend import cpu
from tolerance import UNIT, assert_close

TRANSPOSES = [(False, False), (True, False), (False, True), (True, True)]


def operands(rng, shape, dtype, transposes=(False, False), integers=False):
    m, n, k = shape

    def draw(rows, columns, transposed):
        size = (columns, rows) if transposed else (rows, columns)
        values = rng.integers(-8, 9, size) if integers else rng.normal(size=size)
        return values.astype(dtype)

    return draw(m, k, transposes[0]), draw(k, n, transposes[1])


def bits(array):
    return array.view(np.uint32 if array.dtype == np.float32 else np.uint64)


def available():
    return [name for name, here in cpu.built_isas().items() if here]


@pytest.fixture
def fma_sets():
    before = config.isa()
    yield [name for name in available() if name != "baseline"]
    cpu.set_isa(before)


@pytest.mark.parametrize("transposes", TRANSPOSES)
@pytest.mark.parametrize("shapes", ["SMALL", "LARGE", "MODEL"])
def test_products_of_integers_are_exact(device, dtype, rng, shapes, transposes):
    # Every order of additions gives the same sum, so nothing hides an index that is off by one.
    for shape in getattr(cases, shapes):
        a, b = operands(rng, shape, dtype, transposes, integers=True)
        bias = rng.integers(-8, 9, shape[1]).astype(dtype)
        out = np.full(shape[:2], np.nan, dtype)
        settings = {"transpose_a": transposes[0], "transpose_b": transposes[1], "bias": bias}
        got = ops.matmul(a, b, **settings, activation="relu", out=out)
        assert got is out
        want = reference.matmul(a, b, **settings, activation="relu")
        np.testing.assert_array_equal(got, want, err_msg=f"{shape}")


@pytest.mark.parametrize("activation", [None, *ops.FUSED_ACTIVATIONS])
def test_matmul_is_within_the_bound_of_its_roundings(device, dtype, rng, activation):
    for shape in [(33, 65, 127), (1, 70, 900), (70, 1, 900), (70, 3, 50), *cases.MODEL]:
        a, b = operands(rng, shape, dtype)
        bias = rng.normal(size=shape[1]).astype(dtype)
        got = ops.matmul(a, b, bias=bias, activation=activation)
        want = reference.matmul(a, b, bias=bias, activation=activation)
        # One rounding per term and a few for the activation, whose slope is at most 1.
        scale = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64) + np.abs(bias) + 1
        assert_close(got, want, scale=scale, roundings=shape[2] + 8, what=f"{shape}")


def test_matmul_without_terms_gives_the_activation_of_the_bias(device, dtype):
    a, b = np.zeros((3, 0), dtype), np.zeros((0, 2), dtype)
    np.testing.assert_array_equal(ops.matmul(a, b), np.zeros((3, 2)))
    np.testing.assert_array_equal(
        ops.matmul(a, b, bias=np.array([-1, 2], dtype), activation="relu"), [[0, 2]] * 3
    )
    np.testing.assert_array_equal(ops.matmul(a, b, activation="sigmoid"), np.full((3, 2), 0.5))


def test_a_batch_has_the_bits_of_its_rows(device, dtype, rng):
    for n, k in [(48, 16), (24, 385), (65, 900), (1, 40), (3, 900), (1, 1000), (4, 5), (700, 600)]:
        a, b = operands(rng, (40, n, k), dtype)
        bias = rng.normal(size=n).astype(dtype)
        whole = ops.matmul(a, b, bias=bias, activation="sigmoid")
        for rows in (1, 2, 3, 4, 5, 9, 17):
            part = ops.matmul(a[7 : 7 + rows].copy(), b, bias=bias, activation="sigmoid")
            np.testing.assert_array_equal(
                bits(part), bits(whole[7 : 7 + rows]), err_msg=f"{rows} rows, N {n}, K {k}"
            )


def test_a_batch_of_any_plan_has_the_bits_of_its_rows(device, dtype, rng):
    # Read as they lie, with only b packed, with both packed.
    for transpose_b in (False, True):
        a, b = operands(rng, (130, 220, 800), dtype, (False, transpose_b))
        whole = ops.matmul(a, b, transpose_b=transpose_b)
        for rows in (1, 16, 17, 64, 65):
            part = ops.matmul(a[3 : 3 + rows].copy(), b, transpose_b=transpose_b)
            np.testing.assert_array_equal(bits(part), bits(whole[3 : 3 + rows]), err_msg=f"{rows} rows")


def test_a_transposed_batch_has_the_bits_of_its_rows(device, dtype, rng):
    for n, k in [(1, 40), (3, 900), (24, 385), (65, 900)]:
        a, b = operands(rng, (40, n, k), dtype, (True, True))
        whole = ops.matmul(a, b, transpose_a=True, transpose_b=True)
        for rows in (1, 2, 5, 9):
            part = ops.matmul(a[:, 7 : 7 + rows].copy(), b, transpose_a=True, transpose_b=True)
            np.testing.assert_array_equal(
                bits(part), bits(whole[7 : 7 + rows]), err_msg=f"{rows} rows, N {n}, K {k}"
            )


@pytest.mark.parametrize("transposes", TRANSPOSES)
def test_every_set_with_fma_gives_the_same_bits(fma_sets, dtype, rng, transposes):
    if len(fma_sets) < 2:
        pytest.skip(f"only one set with FMA here: {fma_sets}")
    for shape in [*cases.SMALL, *cases.LARGE, *cases.MODEL]:
        a, b = operands(rng, shape, dtype, transposes)
        bias = rng.normal(size=shape[1]).astype(dtype)
        results = []
        for name in fma_sets:
            cpu.set_isa(name)
            results.append(
                ops.matmul(
                    a, b, transpose_a=transposes[0], transpose_b=transposes[1], bias=bias, activation="tanh"
                )
            )
        for other in results[1:]:
            np.testing.assert_array_equal(bits(results[0]), bits(other), err_msg=f"{shape}")


def test_any_number_of_threads_gives_the_same_bits(device, rng):
    for shape in cases.PARALLEL:
        for transposes in TRANSPOSES:
            a, b = operands(rng, shape, np.float32, transposes)
            flags = {"transpose_a": transposes[0], "transpose_b": transposes[1]}
            with config.threads(1):
                want = ops.matmul(a, b, **flags)
            for count in (2, 3, 8):
                with config.threads(count):
                    np.testing.assert_array_equal(
                        bits(ops.matmul(a, b, **flags)), bits(want), err_msg=f"{shape}"
                    )


def test_gradients_have_the_same_bits_for_any_number_of_threads(device, rng):
    x, weight = operands(rng, (3000, 300, 200), np.float32)
    y = ops.matmul(x, weight, activation="tanh")
    results = []
    for count in (1, 2, 3, 8):
        with config.threads(count):
            results.append(ops.matmul_backward(y, x, weight, output=y, activation="tanh", bias=True))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(bits(one), bits(two))


@pytest.mark.parametrize("shape", [(40, 50, 60), (40, 1, 60), (3, 50, 400), (300, 50, 500), (40, 50, 1)])
def test_a_nan_stays_in_its_row_and_column(device, dtype, rng, shape):
    m, n, k = shape
    for transposes in TRANSPOSES:
        a, b = operands(rng, shape, dtype, transposes)
        (a.T if transposes[0] else a)[m // 2, k // 2] = np.nan
        flags = {"transpose_a": transposes[0], "transpose_b": transposes[1]}
        got = ops.matmul(a, b, **flags, activation="relu")
        assert np.isnan(got[m // 2]).all()
        assert not np.isnan(np.delete(got, m // 2, axis=0)).any()
        a, b = operands(rng, shape, dtype, transposes)
        (b.T if transposes[1] else b)[k // 2, n // 2] = np.nan
        got = ops.matmul(a, b, **flags, activation="relu")
        assert np.isnan(got[:, n // 2]).all()
        assert not np.isnan(np.delete(got, n // 2, axis=1)).any()


def test_relu_passes_nan_and_infinities(device, dtype):
    a = np.array([[np.nan], [np.inf], [-np.inf], [-1], [2]], dtype)
    for n in (1, 3, 5, 20):
        got = ops.matmul(a, np.ones((1, n), dtype), activation="relu")
        np.testing.assert_array_equal(got, np.tile(np.array([[np.nan], [np.inf], [0], [0], [2]], dtype), n))


class Guarded:
    """Arrays that end where the next byte cannot be touched, or begin just after such a byte."""

    def __init__(self) -> None:
        self.page = mmap.PAGESIZE
        self.protect = ctypes.CDLL(None, use_errno=True).mprotect
        self.protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]

    def array(self, values, *, at_end):
        pages = -(-max(values.nbytes, 1) // self.page) + 2
        region = mmap.mmap(-1, pages * self.page)
        base = ctypes.addressof(ctypes.c_char.from_buffer(region))
        for guard in (base, base + (pages - 1) * self.page):
            if self.protect(guard, self.page, 0) != 0:
                raise OSError(ctypes.get_errno(), "mprotect")
        start = (pages - 1) * self.page - values.nbytes if at_end else self.page
        array = np.frombuffer(region, values.dtype, values.size, start).reshape(values.shape)
        array[...] = values
        return array


@pytest.mark.parametrize("at_end", [True, False])
def test_nothing_outside_the_arrays_is_touched(device, dtype, rng, at_end):
    guarded = Guarded()
    shapes = [(m, n, k) for m in (1, 3, 5, 9) for n in (1, 2, 3, 5, 9, 17, 25, 41, 50) for k in (1, 2, 5, 17)]
    for shape in [*shapes, (20, 70, 300), (70, 70, 1000), (2, 3000, 131)]:
        for transposes in TRANSPOSES:
            a, b = operands(rng, shape, dtype, transposes, integers=True)
            bias = np.arange(shape[1]).astype(dtype)
            flags = {"transpose_a": transposes[0], "transpose_b": transposes[1]}
            want = reference.matmul(a, b, **flags, bias=bias)
            a, b, bias = (guarded.array(x, at_end=at_end) for x in (a, b, bias))
            out = guarded.array(np.full(shape[:2], np.nan, dtype), at_end=at_end)
            np.testing.assert_array_equal(ops.matmul(a, b, **flags, bias=bias, out=out), want)


@pytest.mark.parametrize("at_end", [True, False])
def test_gradients_touch_nothing_outside_the_arrays(device, dtype, rng, at_end):
    guarded = Guarded()
    for shape in [(1, 1, 1), (1, 9, 5), (5, 1, 9), (9, 5, 1), (3, 17, 25), (33, 41, 50), (300, 3, 70)]:
        a, b = operands(rng, shape, dtype, integers=True)
        grad = rng.integers(-8, 9, shape[:2]).astype(dtype)
        want = reference.matmul_backward(grad, a, b)
        a, b, grad = (guarded.array(x, at_end=at_end) for x in (a, b, grad))
        for one, two in zip(ops.matmul_backward(grad, a, b, bias=True), want, strict=True):
            np.testing.assert_array_equal(one, two)


def test_gradients_have_the_same_bits_on_every_set_with_fma(fma_sets, dtype, rng):
    if len(fma_sets) < 2:
        pytest.skip(f"only one set with FMA here: {fma_sets}")
    for shape in [(33, 65, 27), (700, 5, 90), (300, 1, 24), (70, 300, 400)]:
        a, b = operands(rng, shape, dtype)
        grad = rng.normal(size=shape[:2]).astype(dtype)
        output = ops.matmul(a, b, activation="relu")
        results = []
        for name in fma_sets:
            cpu.set_isa(name)
            results.append(ops.matmul_backward(grad, a, b, output=output, activation="relu", bias=True))
        for other in results[1:]:
            for one, two in zip(results[0], other, strict=True):
                np.testing.assert_array_equal(bits(one), bits(two), err_msg=f"{shape}")


def test_the_residual_table_passes(capsys):
    assert residuals.main(["--most", "64"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 100
    assert all(line.endswith("pass") for line in lines[1:])


def test_misaligned_operands_give_the_same_bits(device, dtype, rng):
    for shape in [(33, 65, 127), (200, 170, 150), (1, 900, 300), (900, 1, 300), *cases.MODEL]:
        a, b = operands(rng, shape, dtype)
        want = ops.matmul(a, b)
        # One element off the 64-byte line that NumPy gives large arrays.
        shifted = [np.empty(x.size + 1, dtype)[1:].reshape(x.shape) for x in (a, b, want)]
        shifted[0][...], shifted[1][...] = a, b
        np.testing.assert_array_equal(bits(ops.matmul(shifted[0], shifted[1], out=shifted[2])), bits(want))


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(0, 70), st.integers(0, 70), st.integers(0, 70)),
    st.sampled_from(TRANSPOSES),
    st.sampled_from(["float32", "float64"]),
    st.integers(0, 2**32 - 1),
)
def test_any_small_shape_is_exact(shape, transposes, dtype, seed):
    a, b = operands(np.random.default_rng(seed), shape, dtype, transposes, integers=True)
    flags = {"transpose_a": transposes[0], "transpose_b": transposes[1]}
    np.testing.assert_array_equal(ops.matmul(a, b, **flags), reference.matmul(a, b, **flags))


def test_inputs_stay_as_they_were(device, dtype, rng):
    a, b = operands(rng, (20, 30, 40), dtype)
    bias = np.ones(30, dtype)
    kept = [x.copy() for x in (a, b, bias)]
    y = ops.matmul(a, b, bias=bias, activation="relu")
    ops.matmul_backward(y, a, b, output=y, activation="relu", bias=True)
    for array, copy in zip((a, b, bias), kept, strict=True):
        np.testing.assert_array_equal(array, copy)
        array.setflags(write=False)
    np.testing.assert_array_equal(ops.matmul(a, b, bias=bias, activation="relu"), y)


@pytest.mark.parametrize("activation", [None, *ops.FUSED_ACTIVATIONS])
def test_gradients_match_the_reference(device, dtype, rng, activation):
    for shape in [
        (0, 3, 2),
        (3, 0, 2),
        (3, 2, 0),
        (1, 1, 1),
        (33, 65, 27),
        (700, 5, 9),
        (300, 1, 24),
        *cases.MODEL,
    ]:
        m, n, _ = shape
        x, weight = operands(rng, shape, dtype)
        grad = rng.normal(size=(m, n)).astype(dtype)
        output = None if activation is None else ops.matmul(x, weight, activation=activation)
        got = ops.matmul_backward(grad, x, weight, output=output, activation=activation, bias=True)
        want = reference.matmul_backward(grad, x, weight, output=output, activation=activation)
        size = np.abs(grad).astype(np.float64)
        scales = [size @ np.abs(weight).T, np.abs(x).T @ size, size.sum(axis=0)]
        for name, one, two, scale, terms in zip(
            ("a", "b", "bias"), got, want, scales, (n, m, m), strict=True
        ):
            # The slope is at most 1 and costs up to four roundings.
            assert_close(one, two, scale=scale, roundings=terms + 6, what=f"grad_{name} of {shape}")


def test_the_reference_gradients_are_difference_quotients(rng):
    x, weight, bias = rng.normal(size=(4, 3)), rng.normal(size=(3, 2)), rng.normal(size=2)
    direction = rng.normal(size=(4, 2))
    for activation in (None, "relu", "sigmoid", "tanh"):
        output = reference.matmul(x, weight, bias=bias, activation=activation)
        grads = reference.matmul_backward(direction, x, weight, output=output, activation=activation)
        for array, grad in zip((x, weight, bias), grads, strict=True):
            for index in np.ndindex(array.shape):
                kept, values = array[index], []
                for step in (1e-6, -1e-6):
                    array[index] = kept + step
                    y = reference.matmul(x, weight, bias=bias, activation=activation)
                    values.append((y * direction).sum())
                array[index] = kept
                assert grad[index] == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-3, abs=1e-5)


def test_gradients_that_nobody_needs_are_left_out(device, dtype, rng):
    x, weight = operands(rng, (5, 4, 3), dtype)
    grad = np.ones((5, 4), dtype)
    grad_a, grad_b, grad_bias = ops.matmul_backward(grad, x, weight, need_a=False)
    assert grad_a is None
    assert grad_bias is None
    np.testing.assert_array_equal(grad_b, ops.matmul_backward(grad, x, weight, bias=True)[1])


def test_the_bias_gradient_of_a_million_rows_keeps_its_digits(device):
    grad = np.full((1_000_003, 1), 0.1, np.float32)
    x = np.zeros((1_000_003, 1), np.float32)
    got = ops.matmul_backward(grad, x, np.ones((1, 1), np.float32), bias=True, need_a=False)[2]
    # 256 roundings within a term and one per term of 256 rows; a plain sum is off by a thousandth.
    assert abs(got[0] / (1_000_003 * np.float64(np.float32(0.1))) - 1) < 4200 * UNIT[np.dtype(np.float32)]


def forked(child):
    """Whether `child()` is true in a fork of this process, which by now has threads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of threads and fork
        process = os.fork()
    if process == 0:
        os._exit(0 if child() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0


def test_a_forked_child_multiplies(rng):
    a, b = operands(rng, (400, 500, 600), np.float32)
    want = ops.matmul(a, b)
    assert forked(lambda: np.array_equal(ops.matmul(a, b), want))
    np.testing.assert_array_equal(ops.matmul(a, b), want)


def test_a_child_forked_while_another_thread_multiplies_can_multiply(rng):
    a, b = operands(rng, (200, 300, 400), np.float32)
    want = ops.matmul(a, b)
    done = threading.Event()

    def work():
        while not done.is_set():
            ops.matmul(a, b)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(5):
            assert forked(lambda: np.array_equal(ops.matmul(a, b), want))
    finally:
        done.set()
        thread.join()


def test_many_python_threads_get_what_one_gets(rng):
    shapes = [(64, 200, 150), (1, 2000, 900), (900, 2, 700), (300, 310, 320)]
    inputs = [operands(rng, shape, np.float32) for shape in shapes]
    want = [ops.matmul(a, b) for a, b in inputs]

    def work(seed):
        order = np.random.default_rng(seed).integers(0, len(shapes), 40)
        return all(np.array_equal(ops.matmul(*inputs[i]), want[i]) for i in order)

    with ThreadPoolExecutor(16) as executor:
        assert all(executor.map(work, range(16)))


X, W = np.zeros((2, 3), np.float32), np.zeros((3, 4), np.float32)
Y = np.zeros((2, 4), np.float32)


def read_only():
    array = Y.copy()
    array.setflags(write=False)
    return array


def overlapping():
    both = np.zeros(14, np.float32)
    return both[:6].reshape(2, 3), both[5:13].reshape(2, 4)


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: ops.matmul([[1.0]], W), TypeError, "matmul: a must be a numpy array; got list"),
        (lambda: ops.matmul(X, W.tolist()), TypeError, "matmul: b must be a numpy array; got list"),
        (
            lambda: ops.matmul(X.astype(np.int32), W),
            TypeError,
            "matmul: a must be float32 or float64; got a int32 array of shape (2, 3)",
        ),
        (
            lambda: ops.matmul(X, W.astype(np.float64)),
            TypeError,
            "matmul: b must be float32 like a; got a float64 array of shape (3, 4)",
        ),
        (lambda: ops.matmul(X[0], W), ValueError, "matmul: a must have 2 axes; got shape (3,)"),
        (lambda: ops.matmul(X, W[:, 0].copy()), ValueError, "matmul: b must have 2 axes; got shape (3,)"),
        (
            lambda: ops.matmul(X, W.T),
            ValueError,
            "matmul: b must be C-contiguous; got a strided float32 array of shape (4, 3)"
            "; use numpy.ascontiguousarray",
        ),
        (
            lambda: ops.matmul(X, Y),
            ValueError,
            "matmul: b must have first axis 3 to match a of shape (2, 3); got shape (2, 4)",
        ),
        (
            lambda: ops.matmul(X, W, transpose_b=True),
            ValueError,
            "matmul: b must have last axis 3 to match a of shape (2, 3); got shape (3, 4)",
        ),
        (
            lambda: ops.matmul(X, W, transpose_a=True),
            ValueError,
            "matmul: b must have first axis 2 to match a of shape (2, 3); got shape (3, 4)",
        ),
        (
            lambda: ops.matmul(X, W, transpose_a=1),
            TypeError,
            "matmul: transpose_a must be a bool; got int",
        ),
        (
            lambda: ops.matmul(X, W, transpose_b="no"),
            TypeError,
            "matmul: transpose_b must be a bool; got str",
        ),
        (
            lambda: ops.matmul(X, W, bias=np.zeros(3, np.float32)),
            ValueError,
            "matmul: bias must have shape (4,); got (3,)",
        ),
        (
            lambda: ops.matmul(X, W, bias=np.zeros(4)),
            TypeError,
            "matmul: bias must be float32 like a; got a float64 array of shape (4,)",
        ),
        (
            lambda: ops.matmul(X, W, activation="gelu"),
            ValueError,
            "matmul: activation must be None, 'linear', 'relu', 'sigmoid' or 'tanh'; got 'gelu'",
        ),
        (
            lambda: ops.matmul(X, W, activation=np.tanh),
            TypeError,
            "matmul: activation must be a str or None; got numpy.ufunc",
        ),
        (
            lambda: ops.matmul(X, W, out=np.zeros((2, 3), np.float32)),
            ValueError,
            "matmul: out must have shape (2, 4); got (2, 3)",
        ),
        (
            lambda: ops.matmul(X, W, out=np.zeros((2, 4))),
            TypeError,
            "matmul: out must be float32 like a; got a float64 array of shape (2, 4)",
        ),
        (
            lambda: ops.matmul(X, W, out=read_only()),
            ValueError,
            "matmul: out must be writable; got a read-only float32 array of shape (2, 4)",
        ),
        (
            lambda: (lambda a, out: ops.matmul(a, W, out=out))(*overlapping()),
            ValueError,
            "matmul: out must not overlap a; got two views of one buffer",
        ),
        (
            lambda: (lambda square: ops.matmul(np.ones((3, 3), np.float32), square, out=square))(
                np.ones((3, 3), np.float32)
            ),
            ValueError,
            "matmul: out must not overlap b; got two views of one buffer",
        ),
        (
            lambda: (lambda both: ops.matmul(X, W, bias=both[4:8], out=both.reshape(2, 4)))(
                np.zeros(8, np.float32)
            ),
            ValueError,
            "matmul: out must not overlap bias; got two views of one buffer",
        ),
        (
            lambda: ops.matmul_backward(X, X, W),
            ValueError,
            "matmul_backward: grad must have shape (2, 4); got (2, 3)",
        ),
        (
            lambda: ops.matmul_backward(Y, X, X),
            ValueError,
            "matmul_backward: b must have first axis 3 to match a of shape (2, 3); got shape (2, 3)",
        ),
        (
            lambda: ops.matmul_backward(Y, X.astype(np.float64), W),
            TypeError,
            "matmul_backward: a must be float32 like grad; got a float64 array of shape (2, 3)",
        ),
        (
            lambda: ops.matmul_backward(Y, X, W, activation="relu"),
            ValueError,
            "matmul_backward: output must be what matmul returned, since the slope of the activation is"
            " worked out from it; got None",
        ),
        (
            lambda: ops.matmul_backward(Y, X, W, activation="relu", output=X),
            ValueError,
            "matmul_backward: output must have the shape of grad (2, 4); got (2, 3)",
        ),
        (
            lambda: ops.matmul_backward(Y, X, W, bias=None),
            TypeError,
            "matmul_backward: bias must be a bool; got NoneType",
        ),
        (
            lambda: ops.matmul_backward(Y, X, W, need_a=0),
            TypeError,
            "matmul_backward: need_a must be a bool; got int",
        ),
        (
            lambda: cpu.matmul(X, W),
            TypeError,
            "matmul: takes 8 arguments by position; got 2",
        ),
    ],
)
def test_wrong_arguments_are_refused_in_one_sentence(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == text


def test_a_refused_call_writes_nothing():
    out = np.full((2, 4), 7, np.float32)
    with pytest.raises(ValueError):
        ops.matmul(np.ones((2, 3), np.float32), np.ones((3, 4), np.float32), activation="gelu", out=out)
    with pytest.raises(ValueError):
        ops.matmul(np.ones((2, 3), np.float32), out.T.copy(), out=out)
    assert (out == 7).all()
