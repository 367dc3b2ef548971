"""What the machine is, what it can do at most, and whether it is doing something else meanwhile."""

from __future__ import annotations

import math
import os
import platform
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__, config
from .._backend import cpu
from . import peers
from .timing import best_together, timed

#: Bytes that the copies of one curve touch: in the first two caches, in the last one, in memory.
COPY_BYTES = (1 << 16, 1 << 19, 1 << 23, 1 << 28)

ROUND = 1e-3  # seconds that a measuring loop of multiply-adds takes


@dataclass(frozen=True)
class Machine:
    """What gave the figures.

    `fma_gflop_s` and `copy_gb_s` are by number of threads, as text: `"1"` and what strop may use. A copy is a list of
    (bytes touched, GB/s), reading and writing counted.
    """

    processor: str
    cores: int
    isa: str
    threads: int
    fma_gflop_s: dict[str, float]
    copy_gb_s: dict[str, list[tuple[int, float]]]
    others_busy: float
    load: float
    versions: dict[str, str]
    blas: str
    commit: str
    date: str

    def fma(self, itemsize: int = 4) -> float:
        """GFLOP/s of multiply-adds on all threads; of float64 half as many fit a register."""
        return self.fma_gflop_s[str(self.threads)] * 4 / itemsize

    def copy(self, size: float) -> float:
        """GB/s of a copy that touches so many bytes, on all threads; between the measured sizes by their logarithm."""
        sizes, rates = zip(*self.copy_gb_s[str(self.threads)], strict=True)
        return float(np.interp(math.log(max(size, 1)), np.log(sizes), rates))

    def as_dict(self) -> dict[str, Any]:
        """Of JSON's types alone."""
        return asdict(self)

    def warning(self) -> str | None:
        """A line if something else runs, which makes figures too slow and unsteady."""
        if self.others_busy < 0.1:
            return None
        return (
            f"warning: other processes keep {self.others_busy:.1f} of {self.cores} cores busy; "
            "figures will be too slow and unsteady"
        )

    def lines(self) -> list[str]:
        """The machine in a few lines of text."""
        one, all_ = self.fma_gflop_s["1"], self.fma()
        rates = ", ".join(f"{self.copy(size):.0f} in {size_text(size)}" for size in COPY_BYTES)
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        rows = [
            f"{self.processor}, {self.cores} cores; {threads}, {self.isa}; strop {self.commit}",
            f"multiply-add peak {one:.0f} GFLOP/s on 1 thread, {all_:.0f} on {self.threads}; copy GB/s {rates}",
            f"{versions}; NumPy's BLAS is {self.blas}",
        ]
        return rows + ([text] if (text := self.warning()) else [])


def size_text(count: int) -> str:
    """A number of bytes in words.

    Example:
        >>> size_text(1 << 16), size_text(1 << 28)
        ('64 KB', '256 MB')
    """
    return f"{count >> 20} MB" if count >= 1 << 20 else f"{count >> 10} KB"


def processor() -> str:
    """The processor's name as the system gives it.

    Example:
        >>> len(processor()) > 0
        True
    """
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    except OSError:
        pass
    return platform.machine()


def checkout() -> Path | None:
    """The checkout of strop that one works in, or that this package stands in; None for an installed one elsewhere."""
    for root in (Path.cwd(), Path(__file__).parents[3]):
        if (root / "csrc" / "kernels.h").exists():
            return root
    return None


def commit() -> str:
    """The short commit of the checkout, with a plus where files differ from it; the version of an installed package."""
    root = checkout()
    if root is None:
        return __version__
    git = ["git", "-C", str(root)]
    try:
        texts = [
            subprocess.run([*git, *words], capture_output=True, text=True, check=True).stdout.strip()
            for words in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "-uno"])
        ]
    except (OSError, subprocess.CalledProcessError):
        return __version__
    return texts[0] + ("+" if texts[1] else "")


def multiply_add_peak(threads: int, windows: int = 30) -> float:
    """GFLOP/s of float32 multiply-adds with the instruction set in use, the best of many windows."""
    count = cpu.multiply_add_loop(1)
    rounds = max(1, int(ROUND * 1000 / timed(lambda: cpu.multiply_add_loop(1000), 3)))
    calls = [lambda: cpu.multiply_add_loop(rounds)] * threads
    return float(threads * count * rounds / best_together(calls, windows) / 1e9)


def copy_peak(size: int, threads: int, windows: int = 10) -> float:
    """GB/s of a copy that touches `size` bytes: the better of plain and streaming stores, the best of many windows."""
    floats = size // 8 // threads // 16 * 16
    times = max(1, (1 << 27) // size)  # a millisecond: threads start within tens of microseconds
    pairs = [(np.ones(floats, np.float32), np.ones(floats, np.float32)) for _ in range(threads)]

    def calls(streaming: bool) -> list[Any]:
        return [lambda t=t, s=s: cpu.copy_loop(t, s, times, streaming) for t, s in pairs]

    best = min(best_together(calls(streaming), windows) for streaming in (False, True))
    return 8 * floats * threads * times / best / 1e9


def others_busy(seconds: float = 0.2) -> float:
    """Cores that other processes keep busy while this one sleeps; 0 where the system does not say."""
    try:
        before = _ticks()
        time.sleep(seconds)
        busy, total = (after - first for after, first in zip(_ticks(), before, strict=True))
    except (OSError, ValueError):
        return 0.0
    return (os.cpu_count() or 1) * busy / total if total else 0.0


def _ticks() -> tuple[int, int]:
    """Busy and all ticks of the system's processors since it started."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    idle = ticks[3] + ticks[4]
    return sum(ticks[:8]) - idle, sum(ticks[:8])


def blas() -> str:
    """The linear algebra that NumPy was built with, and the kernel it was told to use, if so."""
    built: Any = np.__config__.CONFIG
    entry = built.get("Build Dependencies", {}).get("blas", {})
    told = os.environ.get("OPENBLAS_CORETYPE")
    return f"{entry.get('name', 'unknown')} {entry.get('version', '')}".strip() + (
        f" (told to be {told})" if told else ""
    )


def measure(quick: bool = False) -> Machine:
    """Look at the machine and time its peaks: about a second, half as long where `quick`.

    Example:
        >>> machine = measure(quick=True)
        >>> machine.fma() > 0 and machine.copy(1e6) > 0
        True
    """
    threads = config.num_threads()
    busy = others_busy()
    windows = 5 if quick else 20
    counts = sorted({1, threads})
    return Machine(
        processor=processor(),
        cores=os.cpu_count() or 1,
        isa=config.isa(),
        threads=threads,
        fma_gflop_s={str(n): round(multiply_add_peak(n, 3 * windows), 1) for n in counts},
        copy_gb_s={
            str(n): [(size, round(copy_peak(size, n, windows), 1)) for size in COPY_BYTES] for n in counts
        },
        others_busy=round(busy, 2),
        load=round(os.getloadavg()[0], 2),
        versions={
            "python": platform.python_version(),
            "strop": __version__,
            "numpy": np.__version__,
            **peers.versions(),
        },
        blas=blas(),
        commit=commit(),
        date=time.strftime("%Y-%m-%d"),
    )
