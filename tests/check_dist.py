"""Check a built wheel and sdist: what is inside, how large, and that the wheel works alone.

Run as `python tests/check_dist.py dist`, with `--cuda yes` or `no` where the wheel must or must not have CUDA.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

MEGABYTE = 1 << 20
CPU_MODULE = re.compile(r"strop/_cpu\..*\.so")
CUDA_MODULE = re.compile(r"strop/_cuda\..*\.so")
SMOKE = """
import numpy as np, strop
from strop import ops
print(ops.matmul(np.eye(3), np.arange(9.0).reshape(3, 3)).sum())
"""


def needed(module: bytes) -> list[str]:
    """The libraries that a module asks the loader for."""
    with tempfile.NamedTemporaryFile(suffix=".so") as file:
        file.write(module)
        file.flush()
        listing = subprocess.run(
            ["readelf", "-d", file.name], capture_output=True, text=True, check=True
        ).stdout
    return re.findall(r"\(NEEDED\).*\[(.+)\]", listing)


def check_cuda(wheel: zipfile.ZipFile) -> None:
    """Nothing of CUDA is linked: the wheel loads where there is no driver, and beside any CuPy."""
    name = next(name for name in wheel.namelist() if CUDA_MODULE.fullmatch(name))
    libraries = needed(wheel.read(name))
    print(f"{name}: {len(wheel.read(name)) / MEGABYTE:.2f} MB, needs {', '.join(libraries)}")
    cuda = [library for library in libraries if re.match(r"lib(cu|nv)", library)]
    assert not cuda, f"{name} is linked with {cuda}"


def check_wheel(path: Path, want_cuda: bool | None = None) -> None:
    size = path.stat().st_size
    names = zipfile.ZipFile(path).namelist()
    print(f"{path.name}: {size / MEGABYTE:.2f} MB, {len(names)} files")
    has_cuda = any(CUDA_MODULE.fullmatch(name) for name in names)
    assert want_cuda in (None, has_cuda), f"CUDA in the wheel: {has_cuda}"
    if has_cuda:
        check_cuda(zipfile.ZipFile(path))
    most = 7 if has_cuda else 2.0
    assert size < most * MEGABYTE, f"the wheel must stay under {most} MB"
    assert any(CPU_MODULE.fullmatch(name) for name in names)
    assert "strop/py.typed" in names
    sources = [name for name in names if name.endswith((".cpp", ".h", ".cu", ".cuh"))]
    assert not sources, f"sources in the wheel: {sources}"
    assert "strop/benchmarks/bench_adam.py" in names
    assert "strop/benchmarks/cases/adam.py" in names
    assert not [name for name in names if "results" in name], "measured results are no part of the wheel"
    wants_gpu = [name for name in names if name.startswith("strop/benchmarks/") and "gpu" in name]
    assert not wants_gpu, f"what wants a GPU and a checkout is no part of the wheel: {wants_gpu}"
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", str(path)], check=True, cwd=folder)
        subprocess.run([python, "-c", SMOKE], check=True, cwd=folder)
        info = subprocess.run(
            [python, "-m", "strop", "info"], check=True, cwd=folder, capture_output=True, text=True
        )
        print(info.stdout)
        said = re.search(r"^cuda +(.*)$", info.stdout, re.M)[1]
        assert said.startswith("built with " if has_cuda else "not built; "), said
        subprocess.run([python, "-m", "strop", "bench", "adam", "matmul", "--quick"], check=True, cwd=folder)


def check_sdist(path: Path) -> None:
    with tarfile.open(path) as archive:
        names = [name.split("/", 1)[-1] for name in archive.getnames()]
    print(f"{path.name}: {path.stat().st_size / MEGABYTE:.2f} MB, {len(names)} files")
    for needed in ("CMakeLists.txt", "csrc/kernels.h", "python/strop/__init__.py", "LICENSE", "README.md"):
        assert needed in names, f"{needed} is missing from the sdist"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cuda", choices=["yes", "no"], help="whether the wheel must have CUDA kernels")
    options = parser.parse_args()
    folder = options.folder.resolve()
    for path in folder.glob("*.tar.gz"):
        check_sdist(path)
    check_wheel(next(folder.glob("*.whl")), None if options.cuda is None else options.cuda == "yes")


if __name__ == "__main__":
    main()
