"""Check a built wheel and sdist: what is inside, how large, and that the wheel works alone.

Run as `python tests/check_dist.py dist`.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

MEGABYTE = 1 << 20
SMOKE = """
import numpy as np, strop
from strop import ops
print(ops.matmul(np.eye(3), np.arange(9.0).reshape(3, 3)).sum())
"""


def check_wheel(path: Path) -> None:
    size = path.stat().st_size
    names = zipfile.ZipFile(path).namelist()
    print(f"{path.name}: {size / MEGABYTE:.2f} MB, {len(names)} files")
    most = 5 if any(name.startswith("strop/_cuda.") for name in names) else 2
    assert size < most * MEGABYTE, f"the wheel must stay under {most} MB"
    assert any(name.startswith("strop/_cpu.") and name.endswith(".so") for name in names)
    assert "strop/py.typed" in names
    sources = [name for name in names if name.endswith((".cpp", ".h", ".cu", ".cuh"))]
    assert not sources, f"sources in the wheel: {sources}"
    assert "strop/benchmarks/bench_adam.py" in names
    assert "strop/benchmarks/cases/adam.py" in names
    assert not [name for name in names if "results" in name], "measured results are no part of the wheel"
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", str(path)], check=True, cwd=folder)
        subprocess.run([python, "-c", SMOKE], check=True, cwd=folder)
        subprocess.run([python, "-m", "strop", "info"], check=True, cwd=folder)
        subprocess.run([python, "-m", "strop", "bench", "adam", "matmul", "--quick"], check=True, cwd=folder)


def check_sdist(path: Path) -> None:
    with tarfile.open(path) as archive:
        names = [name.split("/", 1)[-1] for name in archive.getnames()]
    print(f"{path.name}: {path.stat().st_size / MEGABYTE:.2f} MB, {len(names)} files")
    for needed in ("CMakeLists.txt", "csrc/kernels.h", "python/strop/__init__.py", "LICENSE", "README.md"):
        assert needed in names, f"{needed} is missing from the sdist"


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    check_sdist(next(folder.glob("*.tar.gz")))
    check_wheel(next(folder.glob("*.whl")))


if __name__ == "__main__":
    main()
