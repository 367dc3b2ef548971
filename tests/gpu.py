"""The `gpu` fixture: where tests of CUDA kernels run, on a device through CuPy and, everywhere, as fibres.

The fibres are `_cuda` of build/simt under `fake_cupy`, so that what a machine with a GPU will run has been run before
it gets there. `pytest -m cuda` has the device's half alone; STROP_REQUIRE=cuda turns its skips into failures.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import fake_cupy
from strop import _backend

ROOT = Path(__file__).parents[1]
_loaded: dict[str, ModuleType] = {}


class AbsentError(Exception):
    """Why tests cannot run here; `what` is its name in STROP_REQUIRE."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(reason)
        self.what = what


class Gpu:
    """An array library, the kernels for its arrays, and what tests ask of both."""

    def __init__(self, name: str, cupy: Any, module: ModuleType) -> None:
        self.name, self.cupy, self.module = name, cupy, module

    @property
    def simulated(self) -> bool:
        return self.name == "simulated"

    def asarray(self, array: object) -> Any:
        """A copy on the device."""
        return self.cupy.asarray(np.array(array, order="C"))

    def host(self, value: Any) -> Any:
        """A copy of a device's array; anything else as it is."""
        return value.get() if hasattr(value, "get") and hasattr(value, "data") else value

    def synchronize(self) -> None:
        """Wait for all work of the device."""
        self.cupy.cuda.Device().synchronize()

    @contextmanager
    def elsewhere(self, non_blocking: bool) -> Iterator[None]:
        """On a stream of its own; as fibres also in an order that is drawn, or reversed."""
        schedule = ctypes.CDLL(self.module.__file__).simt_schedule if self.simulated else lambda order: None
        self.cupy.cuda.Device().synchronize()
        schedule(7 if non_blocking else 1)
        try:
            with self.cupy.cuda.Stream(non_blocking=non_blocking) as stream:
                yield
                stream.synchronize()
        finally:
            schedule(0)


def simulated_module() -> ModuleType:
    """`_cuda` with the kernels as fibres, loaded once."""
    if "simulated" not in _loaded:
        found = sorted((ROOT / "build").glob(f"simt/tests/simt/_cuda*{EXTENSION_SUFFIXES[0]}"))
        if not found:
            raise AbsentError("simt", "no CUDA kernels as fibres under build/simt: make simt")
        loader = ExtensionFileLoader("simt._cuda", str(found[0]))
        module = module_from_spec(spec_from_loader(loader.name, loader))
        loader.exec_module(module)
        fake_cupy.share_device(loader.path)
        _loaded["simulated"] = module
    return _loaded["simulated"]


@contextmanager
def simulated() -> Iterator[Gpu]:
    """The fibres in the place of strop._cuda, and `import cupy` gives what looks like it."""
    module, before = simulated_module(), _backend.cuda
    _backend.cuda = lambda: module
    try:
        with fake_cupy.installed() as cupy:
            yield Gpu("simulated", cupy, module)
    finally:
        _backend.cuda = before


@contextmanager
def device() -> Iterator[Gpu]:
    """This machine's GPU; memory that CuPy hands out is full of NaN and -1."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of a toolkit that it does not find, and needs none
            cupy = importlib.import_module("cupy")
    except ImportError as error:
        raise AbsentError("cuda", f"no CuPy: {error}") from None
    module = _backend.cuda()
    if module is None or module.driver()["reason"]:
        raise AbsentError("cuda", f"strop._cuda: {_backend.cuda_text()}")
    empty, allocator = cupy.empty, cupy.cuda.get_allocator()

    def poisoned(*args: Any, **kwargs: Any) -> Any:
        array = empty(*args, **kwargs)
        if array.nbytes:
            array.data.memset_async(255, array.nbytes)
        return array

    if os.environ.get("STROP_GPU_MEMORY") == "plain":  # for the sanitizer: each array has CUDA's own bounds
        cupy.cuda.set_allocator(None)
    else:
        cupy.empty = poisoned
    try:
        yield Gpu("device", cupy, module)
    finally:
        cupy.empty = empty
        cupy.cuda.set_allocator(allocator)
        cupy.cuda.Device().synchronize()
        module.take_bad_id()  # one test's is not the next one's


@pytest.fixture(params=["simulated", pytest.param("device", marks=pytest.mark.cuda)])
def gpu(request: pytest.FixtureRequest) -> Iterator[Gpu]:
    """Each place where CUDA kernels can run."""
    from conftest import absent

    try:
        with simulated() if request.param == "simulated" else device() as found:
            yield found
    except AbsentError as error:
        absent(error.what, str(error))
