from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import strop
from strop import config
from strop._backend import cpu

sys.path.insert(0, str(Path(__file__).parent))

from gpu import gpu  # noqa: F401

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
REQUIRED = set(filter(None, os.environ.get("STROP_REQUIRE", "").split(",")))


def pytest_report_header() -> list[str]:
    threads = f"{config.num_threads()} threads"
    return [f"strop {strop.__version__}, set {config.isa()}, {threads}, numpy {np.__version__}"]


def absent(what: str, reason: str) -> None:
    """Skip visibly, or fail where STROP_REQUIRE says that `what` must be there."""
    if what in REQUIRED:
        pytest.fail(f"STROP_REQUIRE names {what}: {reason}")
    pytest.skip(reason)


def import_keras(name: str = "keras") -> Any:
    """A module of Keras, or a visible skip; its NumPy back end starts no threads and takes no memory."""
    os.environ.setdefault("KERAS_BACKEND", "numpy")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except ImportError as error:
        absent("keras", f"Keras is not installed: {error}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of minutes run where -m names them."""
    if "slow" not in config.option.markexpr:
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="slow: run with -m slow"))


@pytest.fixture(params=[f"cpu-{name}" for name in cpu.built_isas()])
def device(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each instruction set that was built: a test of a CPU kernel runs on all. Those of CUDA have `gpu`."""
    name = request.param.removeprefix("cpu-")
    before = config.isa()
    if not cpu.set_isa(name):
        absent(name, f"this processor has no {name}")
    yield request.param
    cpu.set_isa(before)


@pytest.fixture(params=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> np.dtype:
    return np.dtype(request.param)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261124)


@pytest.fixture
def shared() -> Path:
    """The folder of development data beside the checkout."""
    if not SHARED.is_dir():
        absent("data", f"no development data at {SHARED}")
    return SHARED
