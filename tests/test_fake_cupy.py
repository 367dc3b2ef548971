"""The stand-in for CuPy refuses what CuPy refuses, and has no name or parameter that CuPy has not."""

from __future__ import annotations

import importlib.util
import inspect
import re
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import fake_cupy
from conftest import absent


@pytest.fixture
def cupy() -> Iterator[ModuleType]:
    with fake_cupy.installed() as module:
        yield module


def test_nothing_becomes_a_numpy_array_unasked(cupy):
    x = cupy.asarray(np.arange(3.0))
    with pytest.raises(TypeError, match="Implicit conversion to a NumPy array is not allowed"):
        np.asarray(x)
    for call in (lambda: x + np.ones(3), lambda: np.ones(3) * x, lambda: cupy.maximum(x, np.ones(3))):
        with pytest.raises(TypeError, match=r"Unsupported type <class 'numpy\.ndarray'>"):
            call()
    with pytest.raises(TypeError, match="unexpected keyword argument 'where'"):
        cupy.sum(x, where=True)
    assert not hasattr(x.flags, "writeable")


def test_numpys_functions_run_on_its_arrays(cupy):
    x = cupy.asarray(np.array([[1.0, -2.0], [3.0, 4.0]]))
    y = np.mean(np.abs(x) ** 2, axis=-1)
    assert type(y) is fake_cupy.ndarray
    assert y.get().tolist() == [2.5, 12.5]
    assert x[1].get().tolist() == [3, 4]
    x[0] = x[1]
    assert x.sum().item() == 14


def test_arrays_compute_on_their_own_device_alone(cupy):
    with cupy.cuda.Device(1):
        x = cupy.zeros(3, "float32")
        assert (x + 1).device.id == 1
    with pytest.raises(ValueError, match="array device = 1 while current = 0"):
        x + 1


# ---- CuPy itself, which is installed without a driver, too ---------------------


def parameters(function: Any) -> list[str] | None:
    """The names of its parameters; None where neither Python nor the docstring says them."""
    try:
        return [p for p in inspect.signature(function).parameters if p != "self"]
    except (TypeError, ValueError):
        found = re.match(r"(?:_?\w+\.)*\w+\(([^()]*)\)", function.__doc__ or "")
        if found is None:
            return None
        names = [part.split("=")[0].split()[-1].lstrip("*\\") for part in found[1].split(",") if part.strip()]
        return [n for n in names if n not in ("self", "/", "")]


def named(owner: Any) -> dict[str, Any]:
    return {n: v for n, v in vars(owner).items() if not n.startswith("_")}


def test_every_name_and_parameter_is_cupys():
    if importlib.util.find_spec("cupy") is None:
        absent("cupy", "CuPy is not installed")
    import cupy as real

    fake = fake_cupy.cupy
    own = {"current_device", "host", "free"}  # of the tests alone
    pairs = [(fake, real), (fake.cuda, real.cuda), (fake_cupy.ndarray, real.ndarray)]
    pairs += [
        (getattr(fake.cuda, n), getattr(real.cuda, n)) for n in ("Device", "Graph", "MemoryPool", "Stream")
    ]
    for ours, theirs in pairs:
        for name, value in named(ours).items():
            if name in own:
                continue
            assert hasattr(theirs, name), name
            if name in fake_cupy.UFUNCS or isinstance(value, property | SimpleNamespace | type):
                continue
            wanted = parameters(getattr(theirs, name))
            given = parameters(value)
            if given is not None and ours is fake_cupy.ndarray:
                given = [n for n in given if n != "a"]  # the array itself
            assert wanted is None or given is None or set(given) <= set(wanted), (name, given, wanted)
    for name in dir(fake_cupy.ndarray):
        assert name in own or name.startswith("_") or hasattr(real.ndarray, name)
    assert hasattr(real.cuda.memory, "OutOfMemoryError")
    assert set(parameters(fake_cupy.OutOfMemoryError)) == {"size", "total", "limit"}
