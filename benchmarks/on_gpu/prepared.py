"""What a line's function hands over, and how answers are compared before anything is timed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Call = Callable[[], Any]

#: Of an array's elements so many from each end are compared.
SAMPLE = 1 << 16


@dataclass
class Prepared:
    """Calls that do the same work.

    `check` raises AssertionError unless the answers agree; `note` says what is particular. A peer that cannot run is in
    `failed` with its reason.
    """

    ours: Call
    peers: dict[str, Call] = field(default_factory=dict)
    check: Call = lambda: None
    note: str = ""
    failed: dict[str, str] = field(default_factory=dict)

    def peer(self, name: str, make: Callable[[], Call]) -> None:
        """Add a peer, whose `make` compiles and runs it once."""
        try:
            call = make()
            call()
            self.peers[name] = call
        except Exception as error:  # a peer's failure costs its own figure alone
            self.failed[name] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[
                :300
            ]


def ends(array: Any) -> np.ndarray:
    """The first and the last elements of an array of any library, on the host."""
    flat = array.reshape(-1)
    count = int(np.prod(flat.shape))
    pieces = [flat] if count <= 2 * SAMPLE else [flat[:SAMPLE], flat[count - SAMPLE :]]
    return np.concatenate([_host(piece) for piece in pieces]).astype(np.float64)


def _host(array: Any) -> np.ndarray:
    if type(array).__module__.split(".")[0] == "torch":
        return array.detach().cpu().numpy()
    return array.get() if hasattr(array, "get") else np.asarray(array)


def same(ours: Any, theirs: Any, what: str, tolerance: float = 2e-5) -> None:
    """Both within the tolerance, relative to the largest element."""
    a, b = ends(ours), ends(theirs)
    assert a.shape == b.shape, f"{what}: {a.shape} elements here, {b.shape} there"
    largest = max(float(np.abs(b).max(initial=0.0)), 1e-30)
    assert np.isfinite(a).all(), f"{what}: ours has NaN or infinity"
    worst = float(np.abs(a - b).max(initial=0.0))
    assert worst <= tolerance * largest, f"{what}: {worst:.3g} apart, of {largest:.3g}"
