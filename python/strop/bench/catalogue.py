"""Which benchmarks there are: the files `bench_<name>.py` of a checkout, or those inside an installed package."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .._names import nearest
from .machine import checkout

#: Names that stand for several benchmarks.
GROUPS = ("kernels", "models")

DEFAULT_SECONDS = 30


@dataclass(frozen=True)
class Benchmark:
    """A file, what its first line says, its group, and about how many seconds a full run takes."""

    name: str
    path: Path
    title: str
    group: str
    seconds: int


def folder() -> Path:
    """Where the benchmarks are.

    Raises:
        FileNotFoundError: they are not part of this installation.
    """
    root = checkout()
    for found in (*([root / "benchmarks"] if root else []), Path(__file__).parents[1] / "benchmarks"):
        if (found / "common.py").exists():
            return found
    raise FileNotFoundError(
        "bench: the benchmarks are not part of this installation; install the wheel of strop"
    )


def all_benchmarks() -> list[Benchmark]:
    """Every benchmark, kernels first.

    Example:
        >>> [b.name for b in all_benchmarks()][:2]
        ['activation', 'adam']
    """
    found = [_read(path) for path in sorted(folder().glob("bench_*.py"))]
    return sorted(found, key=lambda b: (GROUPS.index(b.group), b.name))


def _read(path: Path) -> Benchmark:
    tree = ast.parse(path.read_text())
    name = path.stem.removeprefix("bench_")
    title = (ast.get_docstring(tree) or name).splitlines()[0].rstrip(".")
    constants = {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    cases = [path.parent / "cases", path.parents[1] / "tests" / "cases"]
    group = "kernels" if any((place / f"{name}.py").exists() for place in cases) else "models"
    seconds = constants.get("SECONDS", DEFAULT_SECONDS)
    return Benchmark(name, path, title, group, seconds if isinstance(seconds, int) else DEFAULT_SECONDS)


def choose(names: Sequence[str]) -> list[Benchmark]:
    """The benchmarks that names and groups stand for; all of them for no name.

    Raises:
        ValueError: a name is unknown; the message has the nearest one.

    Example:
        >>> [b.name for b in choose(["adam", "sgd"])]
        ['adam', 'sgd']
    """
    known = all_benchmarks()
    by_name = {b.name: b for b in known}
    for name in names:
        if name not in by_name and name not in GROUPS:
            words = [*GROUPS, *by_name]
            raise ValueError(
                f"bench: name must be one of {', '.join(words)}; got {name!r}{nearest(name, words)}"
            )
    return [b for b in known if not names or b.name in names or b.group in names]
