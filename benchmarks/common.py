"""What every benchmark file uses. Measuring itself is `strop.bench`, which is installed with the library.

A file has `run(report)`, which calls `report.compare(...)` for each case, and ends in `main(run, __file__)`; one with
options of its own starts from `options(parser, __file__)`. Peers are optional: `peer("torch")` is the module or None.
Lists of cases go through `report.cases(...)`, which cuts them in a quick run.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from strop import bench
from strop.bench import best_of_windows, timed
from strop.bench.settings import add_arguments, from_options

HERE = Path(__file__).parent
ROOT = HERE.parent
IN_CHECKOUT = (ROOT / "csrc").is_dir()
RESULTS = HERE / "results"
SHAPES = ROOT.parent / "shared" / "shapes"
if IN_CHECKOUT:
    sys.path.insert(0, str(ROOT / "tests"))  # the cases, one list for tests and benchmarks

__all__ = [
    "IN_CHECKOUT",
    "RESULTS",
    "ROOT",
    "Report",
    "best_of_windows",
    "finish",
    "keep_memory",
    "main",
    "options",
    "peer",
    "shapes",
    "timed",
]

_settings = bench.Settings(output=RESULTS if IN_CHECKOUT else bench.Settings.output)


class Report(bench.Report):
    """A report with the options of this run."""

    def __init__(self, stem: str, seconds: float | None = None) -> None:
        super().__init__(stem, seconds, settings=_settings)


def peer(name: str) -> ModuleType | None:
    """The module of a peer, or None where it is not installed or not asked for."""
    if name in ("torch", "jax", "tensorflow") and name not in _settings.peers:
        return None
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def keep_memory() -> None:
    """Let the C library keep what is freed, so that the results of peers find the memory of those before them.

    strop's do so under `memory_for_steps`, as while `fit` trains. Without this glibc asks the system for every array of
    more than 32 MB and gives it back, and the pages of such an array are cleared anew in each call.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return
    for setting, value in ((-4, 0), (-1, 2**31 - 1)):  # M_MMAP_MAX, M_TRIM_THRESHOLD
        mallopt(setting, value)


def shapes(kind: str) -> list[dict[str, Any]]:
    """Public operator shapes: of the folder given, of the one beside the checkout, or those that are built in."""
    from cases.public import SHAPES as BUILT_IN

    folder = _settings.shapes or (SHAPES if IN_CHECKOUT else None)
    path = folder / f"{kind}.json" if folder else None
    if path is None or not path.exists():
        return list(_settings.cases(BUILT_IN.get(kind, [])))
    content = json.loads(path.read_text())
    if "shapes" not in content:
        raise SystemExit(f"bench: {path} must be a list of shapes; got something else")
    return list(_settings.cases(content["shapes"]))


def options(parser: argparse.ArgumentParser, file: str) -> argparse.Namespace:
    """Parse the options of a benchmark with those that all share, which hold from now on."""
    global _settings
    parser.prog = Path(file).name
    add_arguments(parser, _settings.output)
    parsed = parser.parse_args()
    try:
        _settings = from_options(parsed)
    except ValueError as error:
        parser.error(str(error))
    return parsed


def main(run: Callable[[Report], None], file: str) -> None:
    """What a benchmark file ends in."""
    options(argparse.ArgumentParser(), file)
    report = Report(Path(file).stem.removeprefix("bench_"))
    try:
        run(report)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    finish(report)


def finish(report: Report) -> None:
    """Write the results and say so."""
    path = report.write()
    if any("ratio" in row for row in report.rows):
        print(f"\n  geometric mean of the ratios to the best peer: {report.geometric_mean():.2f}")
    print(f"  wrote {path}")
