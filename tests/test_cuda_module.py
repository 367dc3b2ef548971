"""strop._cuda without a GPU: what it reads of arrays, refuses and says. The array library only looks like CuPy.

The module that nvcc compiled stops at the first launch. The one that runs the kernels as fibres (`make simt`)
computes; tests/test_gpu_*.py have its results.
"""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import fake_cupy
import strop
from conftest import absent
from fake_cupy import Foreign, asarray, ndarray
from gpu import AbsentError, simulated_module
from strop import _backend, ops


@pytest.fixture
def cupy() -> Iterator[ModuleType]:
    with fake_cupy.installed() as module:
        yield module


@pytest.fixture
def compiled(cupy) -> ModuleType:
    """The module that nvcc made."""
    module = _backend.cuda()
    if module is None:
        absent("cuda-build", "strop._cuda is not built: no nvcc")
    if module.driver()["devices"]:
        pytest.skip("a device is here, and a module that has met one cupy keeps to it")
    return module


@pytest.fixture
def simt(cupy, monkeypatch) -> ModuleType:
    """The module with fibres, in the place of strop._cuda."""
    try:
        module = simulated_module()
    except AbsentError as error:
        absent(error.what, str(error))
    monkeypatch.setattr(_backend, "cuda", lambda: module)
    return module


@pytest.fixture(params=["compiled", "simt"])
def module(request: pytest.FixtureRequest) -> ModuleType:
    return request.getfixturevalue(request.param)


def host(value: Any) -> Any:
    return value.host if isinstance(value, ndarray) else value


# ---- the build ---------------------------------------------------------------


def test_info_says_what_was_built_and_what_is_missing():
    text = _backend.cuda_text()
    if _backend.cuda() is None:
        assert text == "not built; install the package where nvcc is found"
    else:
        pattern = r"built with \d+\.\d+ for architectures [\w, -]+; (not available: \S.*|devices: \d+)"
        assert re.fullmatch(pattern, text)
    assert f"cuda        {text}" in strop.config.show()


def test_without_a_driver_it_says_so(compiled):
    about = compiled.driver()
    if about["driver"]:
        pytest.skip("a driver is here")
    assert about["reason"] == "no driver"
    assert about["devices"] == 0
    x = asarray(np.ones(3, "float32"))
    with pytest.raises(RuntimeError, match=r"^activation: CUDA is not available: no driver$"):
        compiled.activation(x, "relu")
    y = asarray(np.ones((2, 2), "float32"))
    with pytest.raises(RuntimeError, match=r"^matmul: CUDA is not available: no driver$"):
        compiled.matmul(y, y, False, False, None, None, None, "float32")


def signatures(module: ModuleType) -> dict[str, str]:
    return {
        name: function.__doc__.splitlines()[0]
        for name, function in vars(module).items()
        if inspect.isbuiltin(function)
    }


def test_both_modules_have_the_same_signatures(module):
    own = signatures(module)
    device_only = {
        "bind_cublaslt",
        "collect",
        "cublaslt_path",
        "dense_chain",
        "driver",
        "dropout",
        "first_bad_id",
        "row_gradient",
        "row_plan",
        "take_bad_id",
    }
    shared = {name: text for name, text in own.items() if name not in device_only}
    assert shared.keys() <= signatures(_backend.cpu).keys()
    for name, text in shared.items():
        assert text == signatures(_backend.cpu)[name]
    assert {"adam_step", "sgd_step", "sum", "softmax", "embedding_lookup", "activation"} <= shared.keys()


# ---- what is refused ---------------------------------------------------------


def test_a_numpy_array_among_cupy_arrays(module):
    param = asarray(np.ones(4, "float32"))
    text = "adam_step: grad must be a cupy array like param; got a numpy array of shape (4,); move it with cupy.asarray"
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        module.adam_step(param, np.ones(4, "float32"), param, param, learning_rate=0.1, step=1)


def test_the_first_argument_is_like_no_other(module):
    text = "activation: x must be a cupy array; got a numpy array of shape (2, 3); move it with cupy.asarray"
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        module.activation(np.ones((2, 3), "float32"), "relu")


def test_no_array_at_all(module):
    with pytest.raises(TypeError, match=r"^activation: x must be a cupy array; got list$"):
        module.activation([1.0], "relu")


def test_another_dtype(module):
    x = asarray(np.ones(3, "float32"))
    y = asarray(np.ones(3, "float64"))
    text = "mean_squared_error: target must be float32 like pred; got a float64 array of shape (3,)"
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        module.pointwise_loss("mean_squared_error", x, y)


def test_a_dtype_of_none_of_ours(module):
    x = asarray(np.ones(3, "float16"))
    text = "activation: x must be float32 or float64; got a float16 array of shape (3,)"
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        module.activation(x, "relu")


def test_a_strided_array(module):
    x = ndarray(np.ones((4, 6), "float32")[:, ::2])
    text = (
        "activation: x must be C-contiguous; got a strided float32 array of shape (4, 3); "
        "use cupy.ascontiguousarray"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        module.activation(x, "relu")
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        module.activation(Foreign(x.host), "relu")


def test_memory_that_was_freed(module):
    x = asarray(np.ones(3, "float32"))
    x.free()
    text = "activation: x must hold memory; got a freed float32 array of shape (3,)"
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        module.activation(x, "relu")
    foreign = Foreign(np.ones(3, "float32"), data=(0, False))
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        module.activation(foreign, "relu")


def test_a_read_only_array_as_output(module):
    param = Foreign(np.ones(3, "float32"), read_only=True)
    rest = [asarray(np.zeros(3, "float32")) for _ in range(3)]
    text = "adam_step: param must be writable; got a read-only float32 array of shape (3,)"
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        module.adam_step(param, *rest, learning_rate=0.1, step=1)


def test_a_masked_array(module):
    masked = Foreign(np.ones(3, "float32"), mask=object())
    with pytest.raises(
        TypeError, match=r"^activation: x must give its memory by .*; got a Foreign with a wrong .mask.$"
    ):
        module.activation(masked, "relu")


def test_arrays_on_two_devices(simt):
    pred = asarray(np.ones((4, 2), "float32"), device=1)
    target = asarray(np.ones((4, 2), "float32"))
    text = (
        "mean_squared_error: target must be on device 1 like pred; got a float32 array of shape (4, 2) on device 0; "
        "move it with cupy.asarray under cupy.cuda.Device(1)"
    )
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        simt.pointwise_loss("mean_squared_error", pred, target)


def test_a_stem_without_kernels_says_so(simt, monkeypatch):
    monkeypatch.delattr(simt, "matmul")
    x = asarray(np.ones((2, 2), "float32"))
    text = "matmul: no CUDA kernel yet; move the arrays to the CPU with .get()"
    with pytest.raises(NotImplementedError, match=f"^{re.escape(text)}$"):
        ops.matmul(x, x)


def test_a_build_without_cuda_says_so(cupy, monkeypatch):
    monkeypatch.setattr(_backend, "cuda", lambda: None)
    text = (
        "sum: this build has no CUDA kernels; move the arrays to the CPU with .get(), or install the package where "
        "nvcc is found"
    )
    with pytest.raises(NotImplementedError, match=f"^{re.escape(text)}$"):
        ops.sum(asarray(np.ones(3)))


def test_nothing_is_written_by_a_refused_call(simt):
    arrays = [asarray(np.ones(4, "float32")) for _ in range(4)]
    second = asarray(np.ones(5, "float32"))
    with pytest.raises(ValueError, match=r"^adam_step: grad\[1\] must have the shape of param\[1\]"):
        ops.adam_step(
            param=[arrays[0], second],
            grad=[arrays[1], arrays[1]],
            moment1=[arrays[2], second],
            moment2=[arrays[3], second],
            learning_rate=0.1,
            step=1,
        )
    assert all((a.host == 1).all() for a in arrays)


# ---- device and stream -------------------------------------------------------


def test_a_call_runs_on_the_device_of_its_arrays(simt, cupy, monkeypatch):
    devices = []
    monkeypatch.setattr(cupy, "current_device", lambda: simt.driver()["current"])
    monkeypatch.setattr(
        cupy.cuda, "get_current_stream", lambda device: devices.append(device) or cupy.cuda.Stream.null
    )
    out = ops.activation(asarray(np.ones(3, "float32"), device=1), name="relu")
    assert out.data.device_id == 1
    assert devices == [1]
    assert simt.driver()["current"] == 0


def test_an_array_of_another_library_is_taken_as_it_is(simt):
    x = Foreign(np.linspace(-1, 1, 5).astype("float32"), stream=7)
    out = ops.activation(x, name="relu")
    assert np.array_equal(host(out), np.maximum(x.host, 0))


# ---- ids ---------------------------------------------------------------------


def test_a_bad_id_reads_nothing_and_is_told_when_one_waits(simt):
    table = asarray(np.ones((5, 4), "float32"))
    out = ops.embedding_lookup(table, asarray(np.array([0, 5, 4, -1])))
    assert np.array_equal(host(out), np.repeat([[1.0], [0.0], [1.0], [0.0]], 4, axis=1))
    text = (
        "synchronize: ids must lie in their table; got one that does not, element 1 of its array; STROP_CHECK=1 "
        "names it at the call"
    )
    with pytest.raises(IndexError, match=f"^{re.escape(text)}$"):
        _backend.synchronize()
    _backend.synchronize()


CHECKED = """
import sys
sys.path.insert(0, {tests!r})
import numpy as np, fake_cupy, gpu
with fake_cupy.installed():
    module = gpu.simulated_module()
    table = fake_cupy.asarray(np.ones((5, 4), "float32"))
    try:
        module.embedding_lookup(table, fake_cupy.asarray(np.array([[0, 4], [3, 5]])))
    except IndexError as error:
        print(error)
"""


def test_strop_check_names_the_id_at_the_call(simt):
    done = subprocess.run(
        [sys.executable, "-c", CHECKED.format(tests=str(Path(__file__).parent))],
        env={**os.environ, "STROP_CHECK": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "embedding_lookup: ids must lie in [0, 5); got 5 at (1, 1)\n"
