"""Large products by cuBLASLt, by a stand-in for the library on the host (tests/simt/fake_cublaslt.cpp).

It computes by the definitions of NVIDIA's documentation, keeps a log of what it is asked, and fails when told to.
"""

from __future__ import annotations

import ctypes
import re
import sys
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import absent
from gpu import AbsentError, Gpu, simulated
from strop import _cublas, ops, reference
from tolerance import assert_close

SHAPE = (256, 260, 260)  # just above 2^24 products
FLOAT32, TF32 = 68, 77  # cublasComputeType_t


class Library:
    """The stand-in beside the simulated device."""

    def __init__(self, gpu: Gpu) -> None:
        self.gpu = gpu
        self.folder = Path(gpu.module.__file__).parent
        self.path = str(self.folder / "libfake_cublaslt.so")
        self.fake = ctypes.CDLL(self.path)
        self.fake.fake_log.restype = ctypes.c_char_p
        self.fake.fake_reset()

    def log(self) -> list[str]:
        return self.fake.fake_log().decode().splitlines()

    def products(self) -> list[str]:
        return [line for line in self.log() if line.startswith("Matmul")]

    def fail(self, function: str, status: int) -> None:
        self.fake.fake_fail(function.encode(), status)


@pytest.fixture
def library() -> Iterator[Library]:
    try:
        with simulated() as gpu:
            found = Library(gpu)
            gpu.module.bind_cublaslt(found.path)
            yield found
            found.fake.fake_reset()
            gpu.module.bind_cublaslt("")
    except AbsentError as error:
        absent(error.what, str(error))


def operands(rng: Any, shape: Any = SHAPE, transposes: Any = (False, False)) -> list[np.ndarray]:
    m, n, k = shape
    sizes = [(k, m) if transposes[0] else (m, k), (n, k) if transposes[1] else (k, n)]
    return [rng.normal(size=size).astype("float32") for size in sizes]


def product(library: Library, rng: Any, **settings: Any) -> Any:
    return ops.matmul(*(library.gpu.asarray(x) for x in operands(rng)), **settings)


# ---- products --------------------------------------------------------------------


@pytest.mark.parametrize("activation", [None, *ops.FUSED_ACTIVATIONS])
@pytest.mark.parametrize("transposes", [(False, False), (True, False), (False, True), (True, True)], ids=str)
def test_products_come_from_the_library(library, rng, transposes, activation):
    a, b = operands(rng, transposes=transposes)
    bias = rng.normal(size=SHAPE[1]).astype("float32")
    settings = {"transpose_a": transposes[0], "transpose_b": transposes[1], "activation": activation}
    out = library.gpu.asarray(np.full(SHAPE[:2], np.nan, "float32"))
    arrays = [library.gpu.asarray(x) for x in (a, b)]
    ops.matmul(*arrays, bias=library.gpu.asarray(bias), out=out, **settings)
    left, right = (x.T if t else x for x, t in zip((a, b), transposes, strict=True))
    scale = np.abs(left) @ np.abs(right) + np.abs(bias) + 1
    want = reference.matmul(a, b, bias=bias, **settings)
    assert_close(library.gpu.host(out), want, scale=scale, roundings=12)
    assert library.log() == ["Create", "Heuristic", f"Matmul 260 x 256 x 260 compute {FLOAT32} epilogue 4"]
    ops.matmul(*arrays, **settings)
    assert library.log()[3:] == ["Heuristic", f"Matmul 260 x 256 x 260 compute {FLOAT32} epilogue 1"]


@pytest.mark.parametrize("activation", [None, "relu", "tanh"])
def test_gradients_come_from_the_library(library, rng, activation):
    a, b = operands(rng)
    grad = rng.normal(size=SHAPE[:2]).astype("float32")
    output = None if activation is None else rng.uniform(-0.9, 0.9, SHAPE[:2]).astype("float32")
    given = None if output is None else library.gpu.asarray(output)
    arrays = [library.gpu.asarray(x) for x in (grad, a, b)]
    got = ops.matmul_backward(*arrays, output=given, activation=activation, bias=True)
    want = reference.matmul_backward(grad, a, b, output=output, activation=activation)
    scales = np.abs(grad) @ np.abs(b.T), np.abs(a.T) @ np.abs(grad), np.abs(grad).sum(axis=0)
    for one, two, scale in zip(got, want, scales, strict=True):
        assert_close(library.gpu.host(one), two, scale=scale, roundings=264)
    assert library.products() == [
        f"Matmul 260 x 256 x 260 compute {FLOAT32} epilogue 1",
        f"Matmul 260 x 260 x 256 compute {FLOAT32} epilogue 1",
    ]


def test_tf32_is_asked_for_by_name_and_has_relu_in_the_library(library, rng):
    bias = library.gpu.asarray(np.ones(SHAPE[1], "float32"))
    product(library, rng, precision="tf32", activation="relu", bias=bias)
    product(library, rng, precision="tf32", activation="relu")
    product(library, rng, precision="tf32", activation="tanh", bias=bias)
    ends = [line.split("compute ")[1] for line in library.products()]
    assert ends == [f"{TF32} epilogue 6", f"{TF32} epilogue 2", f"{TF32} epilogue 4"]


def test_a_nan_passes_relu_of_float32(library, rng):
    a, b = (library.gpu.asarray(x) for x in operands(rng))
    a[3] = np.nan
    got = library.gpu.host(ops.matmul(a, b, activation="relu"))
    assert np.isnan(got[3]).all()
    assert not np.isnan(np.delete(got, 3, axis=0)).any()
    assert library.products()


def test_plans_are_kept_by_shape_and_alignment(library, rng):
    a, b = operands(rng)
    room = library.gpu.asarray(np.zeros(a.size + 128, "float32"))
    b, out = library.gpu.asarray(b), library.gpu.asarray(np.zeros(SHAPE[:2], "float32"))
    start = -room.data.ptr % 256 // 4  # in elements, to a multiple of 256 bytes
    for shift, plans in [(0, 1), (0, 1), (4, 2), (4, 2), (8, 3), (0, 3)]:
        placed = room[start + shift : start + shift + a.size].reshape(a.shape)
        placed[...] = library.gpu.asarray(a)
        ops.matmul(placed, b, out=out)
        assert library.log().count("Heuristic") == plans
    assert len(library.products()) == 6


def test_small_thin_and_unaligned_products_and_float64_are_our_own(library, rng):
    def compute(shape: Any, dtype: str = "float32", shift: int = 0) -> None:
        a, b = (x.astype(dtype) for x in operands(rng, shape))
        apart = library.gpu.asarray(np.concatenate([np.zeros(shift), a.ravel()]).astype(dtype))
        got = ops.matmul(apart[shift:].reshape(a.shape), library.gpu.asarray(b))
        np.testing.assert_allclose(library.gpu.host(got), a @ b, rtol=1e-4, atol=1e-3)

    for shape in [(32, 16, 16), (100, 200, 300), (2100, 8, 1000), (8, 2100, 1000)]:
        compute(shape)
    compute(SHAPE, "float64")
    compute(SHAPE, shift=1)
    assert library.log() == []


def test_each_device_has_a_handle(library, rng):
    for device in (0, 1):
        with library.gpu.cupy.cuda.Device(device):
            product(library, rng)
    assert library.log().count("Create") == 2
    assert library.log().count("Heuristic") == 2


# ---- what goes wrong -------------------------------------------------------------


@pytest.mark.parametrize("failure", [("nothing", 1), ("MatmulAlgoGetHeuristic", 15), ("state", 15)], ids=str)
def test_where_the_library_knows_no_way_our_own_kernels_compute(library, rng, failure):
    library.fail(*failure)
    a, b = operands(rng)
    arrays = [library.gpu.asarray(x) for x in (a, b)]
    got = library.gpu.asarray(np.zeros(SHAPE[:2], "float32"))
    for _ in range(2):
        ops.matmul(*arrays, activation="relu", out=got)
        want = reference.matmul(a, b, activation="relu")
        assert_close(library.gpu.host(got), want, scale=np.abs(a) @ np.abs(b), roundings=264)
    assert library.products() == []
    assert library.log().count("Heuristic") == 1


FUNCTIONS = [
    "Create",
    "MatmulDescCreate",
    "MatmulDescSetAttribute",
    "MatrixLayoutCreate",
    "MatmulPreferenceCreate",
    "MatmulPreferenceSetAttribute",
    "MatmulAlgoGetHeuristic",
    "Matmul",
]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_status_has_its_name_and_the_next_call_works(library, rng, function):
    library.fail(function, 14)
    text = f"matmul: cublasLt{function} says CUBLAS_STATUS_INTERNAL_ERROR (14)"
    with pytest.raises(RuntimeError, match=f"^{re.escape(text)}$"):
        product(library, rng)
    library.fake.fake_reset()
    product(library, rng)
    assert len(library.products()) == 1
    library.gpu.module.bind_cublaslt("")
    assert library.fake.fake_alive() == 0


def test_a_status_says_which_op_and_what_it_is(library, rng):
    names = {
        1: "CUBLAS_STATUS_NOT_INITIALIZED",
        3: "CUBLAS_STATUS_ALLOC_FAILED",
        7: "CUBLAS_STATUS_INVALID_VALUE",
        8: "CUBLAS_STATUS_ARCH_MISMATCH",
        11: "CUBLAS_STATUS_MAPPING_ERROR",
        13: "CUBLAS_STATUS_EXECUTION_FAILED",
        15: "CUBLAS_STATUS_NOT_SUPPORTED",
        16: "CUBLAS_STATUS_LICENSE_ERROR",
        99: "an unknown status",
    }
    arrays = [library.gpu.asarray(x) for x in (rng.normal(size=SHAPE[:2]).astype("float32"), *operands(rng))]
    for status, name in names.items():
        library.fail("Matmul", status)
        text = f"matmul_backward: cublasLtMatmul says {name} ({status})"
        with pytest.raises(RuntimeError, match=f"^{re.escape(text)}$"):
            ops.matmul_backward(*arrays)


def test_a_file_that_is_none_and_one_that_lacks_a_function(library, rng):
    with pytest.raises(
        RuntimeError, match=r"^bind_cublaslt: /none/libcublasLt\.so: cannot open shared object file"
    ):
        library.gpu.module.bind_cublaslt("/none/libcublasLt.so")
    partial = str(library.folder / "libfake_cublaslt_partial.so")
    text = f"bind_cublaslt: {partial} has no function cublasLtMatmulAlgoGetHeuristic"
    with pytest.raises(RuntimeError, match=f"^{re.escape(text)}$"):
        library.gpu.module.bind_cublaslt(partial)
    assert library.gpu.module.cublaslt_path() == library.path  # the one before is still in use
    product(library, rng)
    assert len(library.products()) == 1


def test_without_the_library_nothing_of_it_is_left(library, rng):
    product(library, rng)
    assert library.fake.fake_alive() > 0
    library.gpu.module.bind_cublaslt("")
    assert library.fake.fake_alive() == 0
    assert library.gpu.module.cublaslt_path() == ""
    product(library, rng)
    assert len(library.products()) == 1


# ---- where it is -----------------------------------------------------------------


@pytest.fixture
def pathfinder(monkeypatch) -> Any:
    """A stand-in for cuda.pathfinder; `answer` is the path it gives or what it raises."""
    made: Any = types.ModuleType("cuda.pathfinder")
    made.answer = None

    def load(name: str) -> Any:
        assert name == "cublasLt"
        if isinstance(made.answer, Exception):
            raise made.answer
        return types.SimpleNamespace(abs_path=made.answer)

    made.load_nvidia_dynamic_lib = load
    monkeypatch.setitem(sys.modules, "cuda", types.ModuleType("cuda"))
    monkeypatch.setitem(sys.modules, "cuda.pathfinder", made)
    monkeypatch.setattr(_cublas, "_asked", set())
    return made


def test_pathfinder_says_where_the_library_is(pathfinder, monkeypatch):
    pathfinder.answer = "/somewhere/libcublasLt.so.13"
    assert _cublas.find() == "/somewhere/libcublasLt.so.13"
    monkeypatch.setenv("STROP_CUBLAS", "0")
    assert _cublas.find() is None
    monkeypatch.delenv("STROP_CUBLAS")
    pathfinder.answer = RuntimeError("not found")
    assert _cublas.find() is None
    monkeypatch.setitem(sys.modules, "cuda.pathfinder", None)
    assert _cublas.find() is None


def test_the_library_is_bound_at_the_first_product(library, rng, pathfinder):
    library.gpu.module.bind_cublaslt("")
    pathfinder.answer = library.path
    product(library, rng)
    assert library.gpu.module.cublaslt_path() == library.path
    assert len(library.products()) == 1


def test_a_library_that_cannot_be_used_is_told_once(library, rng, pathfinder):
    library.gpu.module.bind_cublaslt("")
    pathfinder.answer = str(library.folder / "libfake_cublaslt_partial.so")
    text = (
        f"matmul: cuBLASLt is not used, the package's own kernels are: bind_cublaslt: {pathfinder.answer} has no "
        "function cublasLtMatmulAlgoGetHeuristic; STROP_CUBLAS=0 leaves it alone"
    )
    a, b = (library.gpu.asarray(x) for x in operands(rng, (3, 4, 5)))
    with pytest.warns(RuntimeWarning, match=f"^{re.escape(text)}$"):
        ops.matmul(a, b)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ops.matmul(a, b)


# ---- precision -------------------------------------------------------------------


def test_a_precision_that_is_none(library):
    one, two = (library.gpu.asarray(np.ones((2, 2), dtype)) for dtype in ("float32", "float64"))
    host = np.ones((2, 2), "float32")
    for arrays, precision, kind, text in [
        (one, "bfloat16", ValueError, "precision must be 'float32' or 'tf32'; got 'bfloat16'"),
        (one, None, TypeError, "precision must be a str; got NoneType"),
        (two, "tf32", ValueError, "precision must be 'float32' for float64 arrays; got 'tf32'"),
        (host, "tf32", ValueError, "precision must be 'float32' for arrays on the CPU; got 'tf32'"),
        (host, "half", ValueError, "precision must be 'float32' or 'tf32'; got 'half'"),
    ]:
        with pytest.raises(kind, match=f"^matmul: {re.escape(text)}$"):
            ops.matmul(arrays, arrays, precision=precision)
        with pytest.raises(kind, match=f"^matmul_backward: {re.escape(text)}$"):
            ops.matmul_backward(arrays, arrays, arrays, precision=precision)
    np.testing.assert_array_equal(
        library.gpu.host(ops.matmul(one, one, precision="tf32")), 2
    )  # small: float32
