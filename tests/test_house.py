"""The rules of the house that a program can check: every stem complete, imports in one direction."""

from __future__ import annotations

import ast
import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT, absent
from strop._backend import cpu

CSRC = ROOT / "csrc"
PACKAGE = ROOT / "python" / "strop"

#: Stems without a CUDA twin, each with its reason; the ops raise NotImplementedError there.
KNOWN_GAPS = {
    "batch_norm": "no CUDA kernel yet",
    "layer_norm": "no CUDA kernel yet",
    "pool": "no CUDA kernel yet",
    "conv": "no CUDA kernel yet",
    "depthwise_conv": "no CUDA kernel yet",
    "recurrent": "no CUDA kernel yet",
    "words": "texts are Python's and stay on the host",
}


def stems(kind: str = "STEMS") -> list[str]:
    text = (ROOT / "CMakeLists.txt").read_text()
    return re.search(rf"set\(STROP_{kind}\s+([^)]*)\)", text)[1].split()


@pytest.mark.parametrize("stem", stems() + stems("PLAIN_STEMS"))
def test_every_stem_has_all_its_files(stem):
    files = [
        CSRC / "kernels" / f"{stem}.h",
        CSRC / "cpu" / f"{stem}.cpp",
        CSRC / "bind" / f"{stem}.cpp",
        PACKAGE / "ops" / f"{stem}.py",
        PACKAGE / "reference" / f"{stem}.py",
        ROOT / "tests" / "cases" / f"{stem}.py",
        ROOT / "tests" / f"test_{stem}.py",
        ROOT / "tests" / "native" / f"{stem}.cpp",
        ROOT / "benchmarks" / f"bench_{stem}.py",
    ]
    missing = [str(path.relative_to(ROOT)) for path in files if not path.exists()]
    assert not missing
    assert f'#include "kernels/{stem}.h"' in (CSRC / "kernels.h").read_text()
    assert (CSRC / "cuda" / f"{stem}.cu").exists() != (stem in KNOWN_GAPS)


def test_no_gap_is_listed_for_a_stem_that_is_gone():
    assert set(KNOWN_GAPS) <= set(stems() + stems("PLAIN_STEMS"))


#: From the directory on the left only these may be included.
INCLUDES = {
    "math": {"math"},
    "kernels": {"kernels", "math"},
    "cpu": {"math", "cpu", "kernels", "kernels.h"},
    "cuda": {"math", "cuda", "kernels"},
    "step": {"step", "kernels", "math"},
    "bind": {
        "bind",
        "step",
        "kernels",
        "math",
        "cpu/isa.h",
        "cpu/parallel.h",
        "cpu/peak.h",
        "cuda/dense_chain.h",
        "cuda/device.h",
        "cuda/dropout.h",
        "cuda/device_clock.h",
        "bound.h",
    },
}


@pytest.mark.parametrize("folder", sorted(INCLUDES))
def test_includes_point_in_one_direction(folder):
    for path in sorted((CSRC / folder).glob("*")):
        for name in re.findall(r'#include "([^"]+)"', path.read_text()):
            allowed = {name, name.split("/")[0]} & INCLUDES[folder]
            assert allowed, f"{path.name} includes {name}"


def test_cuda_launchers_neither_allocate_nor_wait():
    # Or they could not be captured in a graph. device.cu has what waits, and says so.
    banned = re.compile(
        r"cuda(Malloc|Free|HostAlloc|\w+Synchronize|Memcpy(?!Async)|EventCreate)|__shared__|printf"
    )
    for path in sorted((CSRC / "cuda").glob("*.cu*")):
        if path.name != "device.cu":
            text = re.sub(
                r"#define STROP_(DYNAMIC_)?SHARED\(.*\)[ \\\n]*(extern )?__shared__", "", path.read_text()
            )
            assert not banned.search(re.sub(r"//.*", "", text)), path.name


def test_kernel_files_include_nothing_with_weak_templates():
    allowed = {"cstddef", "cstdint", "cmath", "immintrin.h", "arm_neon.h", "cfloat", "climits", "cstring"}
    for stem in stems():
        for path in [CSRC / "cpu" / f"{stem}.cpp", *(CSRC / "cpu").glob(f"{stem}_*.h")]:
            assert set(re.findall(r"#include <([^>]+)>", path.read_text())) <= allowed, path.name


#: Lower may not import higher: the rank of each module of the package.
LAYERS = [
    {"_cpu", "_cuda", "_threads"},
    {"_backend", "_device", "_interrupts", "_names", "_files", "_json", "_memory", "_serial"},
    {"_tensors", "_cublas"},
    {"_checkpoint"},
    {"config", "_random"},
    {"ops", "rowgrad"},
    {
        "activations",
        "initializers",
        "regularizers",
        "constraints",
        "utils",
        "preprocessing",
        "datasets",
        "data",
    },
    {"layers", "losses", "metrics", "optimizers", "optim", "callbacks"},
    {"training", "adapters"},
    {"models", "plot"},
    {"model_selection", "sklearn"},
    {"bench", "commands", "__main__"},
]


def package_imports(path: Path) -> set[str]:
    """The modules of strop that a file imports when it is itself imported."""
    depth = len(path.relative_to(PACKAGE).parts)
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            found |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
    return found


def test_python_imports_point_in_one_direction():
    rank = {name: i for i, group in enumerate(LAYERS) for name in group}
    for path in sorted(PACKAGE.rglob("*.py")):
        own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if own in ("__init__", "reference"):
            continue
        assert own in rank, f"{own} has no place in LAYERS"
        for name in package_imports(path):
            assert rank.get(name, -1) <= rank[own], f"{path.relative_to(PACKAGE)} imports {name}"


def test_the_reference_imports_numpy_only_and_nothing_imports_it():
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text()
        if "reference" in path.parts:
            modules = set(re.findall(r"^(?:from|import) ([a-z_0-9]+)", text, re.M))
            assert modules <= {"__future__", "numpy", "typing", "collections", "math"}, path.name
        else:
            assert not re.search(r"import reference|from \S*reference import", text), path.name


def test_nothing_is_unpickled_or_evaluated():
    banned = re.compile(r"import (pickle|marshal|shelve)|\b(eval|exec)\(|allow_pickle=True|import_module")
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name == "_npz.py":  # the one exception: Keras' imdb.npz, with inert stand-ins
            continue
        assert not banned.search(path.read_text()), path.name


def objects(*patterns: str) -> list[Path]:
    """Objects of every build of this tree but those with a sanitizer, which adds symbols of its own."""
    found = [
        path
        for pattern in patterns
        for path in (ROOT / "build").rglob(f"{pattern}.o")
        if "san" not in path.relative_to(ROOT / "build").parts[0]
    ]
    if not found:
        absent("objects", f"no objects {patterns} under build/")
    return found


def tool(name: str) -> str:
    if shutil.which(name) is None:
        absent(name, f"{name} is not installed")
    return name


@pytest.mark.parametrize("isa", list(cpu.built_isas()))
def test_no_weak_symbol_leaves_a_kernel_object(isa):
    # The linker keeps one copy of a weak symbol: it could give AVX-512 code to the baseline.
    for path in objects(f"kernels_{isa}.dir/csrc/cpu/*"):
        listing = subprocess.run([tool("nm"), "-C", path], capture_output=True, text=True, check=True).stdout
        weak = [line for line in listing.splitlines() if re.search(r"^\S* *[WVu] ", line)]
        assert not weak, f"{path}: {weak[:3]}"


@pytest.mark.skipif("baseline" not in cpu.built_isas(), reason="every processor of this family has all sets")
def test_what_every_processor_runs_has_no_avx_instruction():
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("not x86-64")
    for path in objects("kernels_baseline.dir/csrc/cpu/*", "cpu_common.dir/csrc/cpu/*"):
        if path.name == "peak.cpp.o":  # asks the processor first
            continue
        command = [tool("objdump"), "-d", "--no-show-raw-insn", path]
        listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        wide = re.search(r"^.*(%[yz]mm|\tv[a-z]).*$", listing, re.M)
        assert wide is None, f"{path}: {wide[0]}"


def test_files_stay_short():
    long = {
        str(path.relative_to(ROOT)): lines
        for folder in (CSRC, PACKAGE)
        for path in folder.rglob("*")
        if path.suffix in {".py", ".cpp", ".h", ".cu", ".cuh"}
        and (lines := len(path.read_text().splitlines())) > 300
    }
    assert not long, "a file past 300 lines is asked to split"
