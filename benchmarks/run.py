"""Run every benchmark, or those named: `python benchmarks/run.py adam matmul`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> int:
    names = sys.argv[1:] or sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
    codes = [
        subprocess.run([sys.executable, HERE / f"bench_{name}.py"], check=False).returncode for name in names
    ]
    subprocess.run([sys.executable, HERE / "plot.py"], check=False)
    return max(codes, default=0)


if __name__ == "__main__":
    raise SystemExit(main())
