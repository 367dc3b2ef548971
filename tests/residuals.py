"""A table of residuals of the matrix product, for people: `python tests/residuals.py`.

Every instruction set, type and transposition, sizes from 1 to 1000. A residual is |C t - A (B t)| / |A (B t)| for
a random vector t, worked out in float64: near 1e-7 for float32, 1e-16 for float64. A wrong index gives about 1.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from strop import config, ops
from strop._backend import cpu

SHAPES = [(1, 1, 1), (1, 64, 64), (64, 1, 64), (64, 64, 1), (7, 11, 13), (33, 65, 17), (64, 64, 64)]
LARGER = [
    (1, 1000, 1000),
    (1000, 1, 1000),
    (4, 997, 1000),
    (127, 255, 769),
    (500, 500, 500),
    (1000, 997, 991),
]
TRANSPOSITIONS = ("NN", "TN", "NT", "TT")


def residual(shape: tuple[int, int, int], flags: str, dtype: str) -> float:
    """Of one product of numbers in [-0.5, 0.5)."""
    rng = np.random.default_rng(0)
    m, n, k = shape
    left, right = (rng.random(size) - 0.5 for size in ((m, k), (k, n)))
    a = np.ascontiguousarray(left.T if flags[0] == "T" else left, dtype)
    b = np.ascontiguousarray(right.T if flags[1] == "T" else right, dtype)
    c = ops.matmul(a, b, transpose_a=flags[0] == "T", transpose_b=flags[1] == "T")
    t = rng.random(n) - 0.5
    left, right = (a.T if flags[0] == "T" else a), (b.T if flags[1] == "T" else b)
    want = left.astype(np.float64) @ (right.astype(np.float64) @ t)
    return float(np.linalg.norm(c.astype(np.float64) @ t - want) / np.linalg.norm(want))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; the number of rows that fail."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most", type=int, default=1000, help="leave out shapes beyond this size")
    most = parser.parse_args(arguments).most
    failures, before = 0, config.isa()
    print(f"{'set':<10}{'type':<9}{'A B':<5}{'M':>6}{'N':>6}{'K':>6}{'residual':>12}")
    try:
        for isa in (name for name, here in cpu.built_isas().items() if here):
            cpu.set_isa(isa)
            for dtype in ("float32", "float64"):
                for flags in TRANSPOSITIONS:
                    for shape in (s for s in SHAPES + LARGER if max(s) <= most):
                        found = residual(shape, flags, dtype)
                        # A sum of K terms wanders by the root of K roundings; a single term may cancel in C t.
                        good = found < 100 * np.finfo(dtype).eps
                        failures += not good
                        sizes = "".join(f"{size:>6}" for size in shape)
                        verdict = "pass" if good else "FAIL"
                        print(f"{isa:<10}{dtype:<9}{flags:<5}{sizes}{found:>12.1e}  {verdict}")
    finally:
        cpu.set_isa(before)
    return failures


if __name__ == "__main__":
    raise SystemExit(main())
