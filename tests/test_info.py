"""`python -m strop info` on CUDA: what was built, what is missing, what to do about it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

import strop
from conftest import absent
from strop import _backend, _cublas

#: A driver that serves CUDA 12.4, as far as a program that asks for its version can tell.
OLD_DRIVER = """
#include <string.h>
int cuDriverGetVersion(int* version) { *version = 12040; return 0; }
int cuInit(unsigned flags) { return 0; }
int cuGetExportTable(const void** table, const void* id) { return 500; }
static int nothing(void) { return 0; }
int cuGetProcAddress_v2(const char* name, void** found, int version, unsigned long flags, int* status) {
  if (status) *status = 0;
  *found = !strcmp(name, "cuDriverGetVersion") ? (void*)cuDriverGetVersion
           : !strcmp(name, "cuInit") ? (void*)cuInit
           : !strcmp(name, "cuGetProcAddress") ? (void*)cuGetProcAddress_v2
           : !strcmp(name, "cuGetExportTable") ? (void*)cuGetExportTable : (void*)nothing;
  return 0;
}
"""


def faked(monkeypatch: pytest.MonkeyPatch, **driver: object) -> None:
    about = {"runtime": 13000, "driver": 13000, "devices": 0, "current": -1, "reason": "", **driver}
    module = SimpleNamespace(driver=lambda: about, architectures="90, 100")
    monkeypatch.setattr(_backend, "cuda", lambda: module)


@pytest.mark.parametrize(
    ("driver", "text"),
    [
        ({"devices": 2}, "devices: 2"),
        ({"reason": "no driver"}, "not available: no driver; install NVIDIA's driver where there is a GPU"),
        (
            {"reason": "driver too old: it serves CUDA 12.4, this build needs 13.0"},
            "not available: driver too old: it serves CUDA 12.4, this build needs 13.0; update NVIDIA's driver",
        ),
        ({"reason": "no device"}, "not available: no device"),
    ],
    ids=["here", "no driver", "old", "no device"],
)
def test_the_line_says_what_was_built_and_what_is_missing(monkeypatch, driver, text):
    faked(monkeypatch, **driver)
    assert _backend.cuda_text() == f"built with 13.0 for architectures 90, 100; {text}"
    assert f"cuda        {_backend.cuda_text()}\n" in strop.config.show()


def test_a_build_without_cuda_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(_backend, "cuda", lambda: None)
    assert _backend.cuda_text() == "not built; install the package where nvcc is found"
    assert "cuda        not built; " in strop.config.show()


@pytest.mark.parametrize("major", [12, 13])
def test_without_cupy_the_extra_is_that_of_the_build(monkeypatch, major):
    faked(monkeypatch, runtime=1000 * major)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert _backend.cupy_text() == f'absent: pip install "strop[cuda{major}]"'


def test_cupy_is_named_with_its_version_and_not_imported(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())

    def version(name: str) -> str:
        if name != "cupy-cuda12x":
            raise importlib.metadata.PackageNotFoundError(name)
        return "14.2.0"

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert _backend.cupy_text() == "14.2.0, from cupy-cuda12x"


def test_cublaslt_is_found_or_said_to_be_missing(monkeypatch):
    faked(monkeypatch)
    monkeypatch.delenv("STROP_CUBLAS", raising=False)
    monkeypatch.setattr(_cublas, "find", lambda: "/lib/libcublasLt.so.13")
    assert "cublaslt    found: /lib/libcublasLt.so.13\n" in strop.config.show()
    monkeypatch.setattr(_cublas, "find", lambda: None)
    text = 'cublaslt    absent, large products take longer: pip install "strop[cuda13-full]"\n'
    assert text in strop.config.show()
    monkeypatch.setenv("STROP_CUBLAS", "0")
    assert "cublaslt    left alone: STROP_CUBLAS=0\n" in strop.config.show()


def test_a_driver_that_is_too_old_is_told_by_its_version(tmp_path):
    """The module that nvcc made, in a process of its own, before a driver that only tells its version."""
    if _backend.cuda() is None:
        absent("cuda-build", "strop._cuda is not built: no nvcc")
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        absent("cc", "no C compiler")
    source = tmp_path / "driver.c"
    source.write_text(OLD_DRIVER)
    subprocess.run([compiler, "-shared", "-fPIC", "-w", source, "-o", tmp_path / "libcuda.so.1"], check=True)
    done = subprocess.run(
        [sys.executable, "-m", "strop", "info"],
        env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert "; not available: driver too old: it serves CUDA 12.4, this build needs " in done.stdout
