"""How many threads a kernel may use unless told: what this process may have of the machine."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

MOST = 1024


def default_threads() -> int:
    """The least of the affinity mask, `OMP_NUM_THREADS` and the quota of the control group.

    Example:
        >>> 1 <= default_threads() <= MOST
        True
    """
    limits = [MOST, _processors(), _openmp_setting(), math.ceil(cgroup_quota())]
    return int(max(1, min(limits)))


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _openmp_setting() -> int:
    # A list gives one number per level of nesting: the first is that of the outermost.
    text = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(text) if text.isdecimal() and int(text) > 0 else MOST


def cgroup_quota(root: str = "/sys/fs/cgroup", own: str = "/proc/self/cgroup") -> float:
    """Processors that the control groups of this process allow; `MOST` where nothing limits them.

    A container with two and a half processors on a machine of sixty-four sees sixty-four in its
    affinity mask; more threads than the quota are stopped for most of every 100 ms.
    """
    try:
        lines = Path(own).read_text().splitlines()
    except OSError:
        return MOST
    least = float(MOST)
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":  # version 2
            folders, read = _upwards(Path(root), path), _read_max
        elif "cpu" in controllers.split(","):
            folders, read = _upwards(Path(root) / "cpu", path), _read_cfs
        else:
            continue
        for folder in folders:
            try:
                least = min(least, read(folder))
            except (OSError, ValueError, ZeroDivisionError):
                continue  # no such file: no limit at this level
    return least


def _upwards(root: Path, path: str) -> Iterator[Path]:
    # The group, and all above it: each may set a limit. A container may see its own as the root.
    inside = PurePosixPath(path.lstrip("/"))
    if ".." not in inside.parts:
        for part in [inside, *inside.parents]:
            yield root / part
    yield root


def _read_max(folder: Path) -> float:
    quota, period = (folder / "cpu.max").read_text().split()
    return MOST if quota == "max" else int(quota) / int(period)


def _read_cfs(folder: Path) -> float:
    quota = int((folder / "cpu.cfs_quota_us").read_text())
    return MOST if quota < 0 else quota / int((folder / "cpu.cfs_period_us").read_text())
