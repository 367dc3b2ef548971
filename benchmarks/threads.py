"""What sharing out work costs, by pool, OpenMP and std::thread, on a quiet and on a busy machine.

Builds benchmarks/threads.cpp with each and runs it: regions of 0, 20, 50 and 200 us of work on two
threads, with pauses of 0, 100 us and 1 ms between. Busy: one spinning process on every core.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common import Report, finish, options

ROOT = Path(__file__).parents[1]
WAYS = ("serial", "pool", "openmp", "std")
WORK = (0, 20, 50, 200)  # us on one thread
PAUSES = (0, 100, 1000)  # us between regions
SECONDS = 0.25  # about, of each figure


def program(way: str) -> Path:
    """Configure and compile for one way to run threads; a second time costs nothing."""
    folder = ROOT / "build" / f"native-{way}"
    flags = ["-DCMAKE_BUILD_TYPE=Release", "-DSTROP_PYTHON=OFF", "-DSTROP_NATIVE_TESTS=ON"]
    configure = ["cmake", "-S", ROOT, "-B", folder, f"-DSTROP_THREADS={way}", *flags]
    subprocess.run(configure, check=True, stdout=subprocess.DEVNULL)
    build = ["cmake", "--build", folder, "--target", "bench_threads"]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    return folder / "tests" / "native" / "bench_threads"


@contextmanager
def hogs(busy: bool) -> Iterator[None]:
    """One spinning process per core, at the same priority."""
    spin = [sys.executable, "-c", "while True: pass"]
    running = [subprocess.Popen(spin) for _ in range((os.cpu_count() or 1) if busy else 0)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def measure(path: Path, way: str, work: int, pause: int) -> list[float]:
    """Best, median, 90th and 99th percentile and mean of one region, in us."""
    claim = 1000 if way in ("openmp", "std") else max(work, 20)
    regions = max(100, int(SECONDS * 1e6 / (work + pause + 20)))
    threads = 1 if way == "serial" else 2
    call = [str(x) for x in (path, threads, work, claim, pause, regions)]
    environment = {**os.environ, "GOMP_SPINCOUNT": "1000"}
    done = subprocess.run(call, check=True, capture_output=True, text=True, env=environment)
    return [float(x) for x in done.stdout.split()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ways", nargs="+", default=WAYS, choices=WAYS)
    parser.add_argument("--busy", choices=("no", "yes", "both"), default="both")
    parser.add_argument("--build-only", action="store_true")
    given = options(parser, __file__)
    paths = {way: program("pool" if way == "serial" else way) for way in given.ways}
    if given.build_only:
        return
    report = Report("threads")
    print("us of a region: best / median / 99th percentile / mean")
    for busy in {"no": [False], "yes": [True], "both": [False, True]}[given.busy]:
        with hogs(busy):
            for work in WORK:
                for pause in PAUSES:
                    case = f"{'busy' if busy else 'quiet'}, work {work} us, pause {pause} us"
                    row = {"case": case, "work": work, "best_us": {}, "median_us": {}, "mean_us": {}}
                    print(f"{case:<34}", end="")
                    for way, path in paths.items():
                        best, median, _, late, mean = measure(path, way, work, pause)
                        row["best_us"][way], row["median_us"][way], row["mean_us"][way] = best, median, mean
                        print(f"  {way} {best:.1f}/{median:.1f}/{late:.0f}/{mean:.1f}", end="", flush=True)
                    print()
                    report.rows.append(row)
    finish(report)


if __name__ == "__main__":
    main()
