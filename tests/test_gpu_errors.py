"""What CUDA's ops refuse and survive, on a device and on the fibres: whole texts, nothing written, all usable after."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import absent
from strop import _backend, ops


class Borrowed:
    """A device's array as another library would hand it over."""

    def __init__(
        self, array: Any, *, read_only: bool = False, strides: tuple[int, ...] | None = None
    ) -> None:
        self.kept = array
        self.__cuda_array_interface__ = {
            "shape": array.shape,
            "typestr": array.dtype.str,
            "data": (array.data.ptr, read_only),
            "version": 3,
            "strides": strides,
        }


def still_works(gpu: Any) -> None:
    x = gpu.asarray(np.linspace(-1, 1, 7, dtype="float32"))
    assert np.array_equal(gpu.host(ops.activation(x, name="relu")), np.maximum(gpu.host(x), 0))
    _backend.synchronize()


@pytest.fixture
def state(gpu) -> dict[str, Any]:
    """Four arrays of an Adam step, all ones."""
    names = ("param", "grad", "moment1", "moment2")
    return {name: gpu.asarray(np.ones((2, 3), "float32")) for name in names}


def refuse(gpu: Any, state: dict[str, Any], kind: type[Exception], text: str, **wrong: Any) -> None:
    """The step with wrong arguments raises the whole text and writes nothing."""
    with pytest.raises(kind, match=f"^{re.escape(text)}$"):
        ops.adam_step(**(state | wrong), learning_rate=0.1, step=1)
    assert all((gpu.host(array) == 1).all() for array in state.values())
    still_works(gpu)


def test_a_host_array_among_those_of_a_device(gpu, state):
    text = (
        "adam_step: grad must be a cupy array like param; got a numpy array of shape (2, 3); "
        "move it with cupy.asarray"
    )
    refuse(gpu, state, TypeError, text, grad=np.ones((2, 3), "float32"))


def test_a_devices_array_among_those_of_the_host(gpu):
    state = {name: np.ones(3, "float32") for name in ("param", "moment1", "moment2")}
    with pytest.raises(TypeError, match=r"^adam_step: grad must be a numpy array.*; got "):
        ops.adam_step(**state, grad=gpu.asarray(np.ones(3, "float32")), learning_rate=0.1, step=1)
    assert all((array == 1).all() for array in state.values())


def test_another_dtype_or_shape(gpu, state):
    text = "adam_step: grad must be float32 like param; got a float64 array of shape (2, 3)"
    refuse(gpu, state, TypeError, text, grad=gpu.asarray(np.ones((2, 3))))
    text = "adam_step: grad must have the shape of param (2, 3); got (3, 2)"
    refuse(gpu, state, ValueError, text, grad=gpu.asarray(np.ones((3, 2), "float32")))


def test_a_strided_array_of_cupy_or_by_its_interface(gpu, state):
    wide = gpu.asarray(np.ones((2, 6), "float32"))
    text = (
        "adam_step: grad must be C-contiguous; got a strided float32 array of shape (2, 3); "
        "use cupy.ascontiguousarray"
    )
    refuse(gpu, state, ValueError, text, grad=wide[:, ::2])
    refuse(gpu, state, ValueError, text, grad=Borrowed(state["grad"], strides=(24, 8)))


def test_a_read_only_array_as_output(gpu, state):
    text = "adam_step: param must be writable; got a read-only float32 array of shape (2, 3)"
    refuse(gpu, state, ValueError, text, param=Borrowed(state["param"], read_only=True))


def test_memory_that_was_given_back(gpu, state):
    freed = gpu.asarray(np.ones((2, 3), "float32"))
    gpu.free(freed)
    text = "adam_step: grad must hold memory; got a freed float32 array of shape (2, 3)"
    refuse(gpu, state, ValueError, text, grad=freed)


def test_an_array_of_another_library_is_taken_as_it_is(gpu):
    x = gpu.asarray(np.linspace(-1, 1, 5, dtype="float32"))
    out = ops.activation(Borrowed(x), name="relu")
    assert np.array_equal(gpu.host(out), np.maximum(gpu.host(x), 0))


class Given:
    """An object that says whatever it likes."""

    def __init__(self, interface: Any) -> None:
        self.__cuda_array_interface__ = interface


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("shape", "ab"),
        ("shape", (2.0, 3)),
        ("shape", (-2, 3)),
        ("shape", (1 << 40, 1 << 40)),
        ("shape", None),
        ("typestr", None),
        ("typestr", 4),
        ("strides", (4,)),
        ("strides", "ab"),
        ("data", None),
        ("data", (1,)),
        ("data", (None, False)),
        ("data", (-8, False)),
        ("stream", -1),
        ("stream", "default"),
        ("mask", (1, 0)),
    ],
)
def test_an_interface_that_is_none(gpu, state, key, value):
    interface = Borrowed(state["grad"]).__cuda_array_interface__ | {key: value}
    text = (
        f"adam_step: grad must give its memory by __cuda_array_interface__; got a Given with a wrong {key!r}"
    )
    refuse(gpu, state, TypeError, text, grad=Given(interface))


def test_an_interface_that_is_no_dict_or_empty(gpu, state):
    text = (
        "adam_step: grad must give its memory by __cuda_array_interface__; got a Given with a wrong 'typestr'"
    )
    refuse(gpu, state, TypeError, text, grad=Given(5))
    refuse(gpu, state, TypeError, text, grad=Given({}))


def test_another_byte_order_and_other_kinds_of_numbers(gpu, state):
    for kind in (">f4", "<f2", "<c8"):
        interface = Borrowed(state["grad"]).__cuda_array_interface__ | {"typestr": kind}
        text = f"adam_step: grad must be float32 like param; got a {kind} array of shape (2, 3)"
        refuse(gpu, state, TypeError, text, grad=Given(interface))


def test_torch_tensors_of_the_device_are_taken_as_they_are(gpu):
    if gpu.simulated:
        pytest.skip("torch has no tensors on a simulated device")
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        absent("torch-cuda", "torch has no CUDA here")
    x = torch.linspace(-1, 1, 5, device="cuda")
    torch.cuda.synchronize()
    out = ops.activation(x, name="relu")
    assert np.array_equal(gpu.host(out), np.maximum(x.cpu().numpy(), 0))


# ---- ids -------------------------------------------------------------------------


def test_an_id_outside_its_table_is_a_flag_and_no_read(gpu):
    table = gpu.asarray(np.ones((5, 4), "float32"))
    out = ops.embedding_lookup(table, gpu.asarray(np.array([0, 5, 4, -1])))
    assert np.array_equal(gpu.host(out), np.repeat([[1.0], [0.0], [1.0], [0.0]], 4, axis=1))
    with pytest.raises(
        IndexError, match=r"^synchronize: ids must lie in their table; .* element 1 of its array; "
    ):
        _backend.synchronize()
    still_works(gpu)


CHECKED = """
import sys
sys.path.insert(0, {tests!r})
import gpu, numpy as np
from strop import ops
with gpu.{place}() as here:
    table = here.asarray(np.ones((5, 4), "float32"))
    try:
        ops.embedding_lookup(table, here.asarray(np.array([[0, 4], [3, 5]])))
    except IndexError as error:
        print(error)
    print(here.host(ops.embedding_lookup(table, here.asarray(np.array([4])))).sum())
"""


def test_under_strop_check_the_call_names_the_id(gpu):
    place = "simulated" if gpu.simulated else "device"
    done = subprocess.run(
        [sys.executable, "-c", CHECKED.format(tests=str(Path(__file__).parent), place=place)],
        env={**os.environ, "STROP_CHECK": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "embedding_lookup: ids must lie in [0, 5); got 5 at (1, 1)\n4.0\n"


# ---- devices and memory ----------------------------------------------------------


def test_arrays_on_two_devices(gpu, state):
    if gpu.device_count() < 2:
        pytest.skip("one device is here")
    with gpu.cupy.cuda.Device(1):
        other = gpu.asarray(np.ones((2, 3), "float32"))
    text = (
        "adam_step: grad must be on device 0 like param; got a float32 array of shape (2, 3) on device 1; "
        "move it with cupy.asarray under cupy.cuda.Device(0)"
    )
    refuse(gpu, state, TypeError, text, grad=other)


def test_a_call_runs_on_the_device_of_its_arrays(gpu):
    if gpu.device_count() < 2:
        pytest.skip("one device is here")
    with gpu.cupy.cuda.Device(1):
        x = gpu.asarray(np.linspace(-1, 1, 5, dtype="float32"))
    out = ops.activation(x, name="relu")
    assert out.data.device_id == 1
    assert gpu.module.driver()["current"] == 0
    with gpu.cupy.cuda.Device(1):
        assert np.array_equal(gpu.host(out), np.maximum(gpu.host(x), 0))


def test_when_memory_is_out_cupy_says_so_and_all_is_usable_afterwards(gpu):
    x = gpu.asarray(np.ones(100_000, "float32"))
    with gpu.no_memory(), pytest.raises(MemoryError):
        ops.activation(x, name="relu")
    still_works(gpu)


NO_DEVICE = """
import strop
from strop import _backend
print(_backend.cuda_text())
try:
    with strop.device("cuda"):
        pass
except RuntimeError as error:
    print(error)
"""


def test_without_a_device_it_says_so(gpu):
    if gpu.simulated:
        pytest.skip("what nvcc made is asked here; test_info.py asks it without a GPU")
    done = subprocess.run(
        [sys.executable, "-c", NO_DEVICE],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    line, error = done.stdout.splitlines()
    assert re.search(r"; not available: \S", line)
    assert error.startswith("device: CUDA is not available: ")
