"""Random numbers from counter-based streams: one each for weights, shuffling, dropout.

A stream is Philox keyed by the seed and the stream's name; its n-th draw is a generator of its own that
starts at counter (0, 0, n, 0). What one stream draws therefore never depends on another stream, on how much
an earlier draw took, or on threads, and the state is a seed and one count per stream.
"""

from __future__ import annotations

import functools
import itertools
import os
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


def generator(seed: int, name: str = "", draw: int = 0) -> np.random.Generator:
    """The generator of one draw.

    Args:
        seed: 0 or more.
        name: the stream.
        draw: number of the draw within the stream.

    Example:
        >>> a, b = generator(7, "weights", 3), generator(7, "weights", 3)
        >>> bool(a.random() == b.random())
        True
    """
    counter = np.array([0, 0, draw, 0], np.uint64)
    return np.random.Generator(
        np.random.Philox(key=np.array(stream_key(seed, name), np.uint64), counter=counter)
    )


@functools.cache
def stream_key(seed: int, name: str) -> tuple[int, int]:
    """The key of a stream, two words of 64 bits."""
    sequence = np.random.SeedSequence(seed, spawn_key=(zlib.crc32(name.encode()),))
    low, high = sequence.generate_state(2, np.uint64).tolist()
    return low, high


def check_seed(op: str, seed: object) -> int:
    """The seed as an int.

    Raises:
        TypeError: the seed is no whole number.
        ValueError: it lies outside [0, 2**32), which is what NumPy's global generator takes.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise TypeError(f"{op}: seed must be an int; got {type(seed).__name__}")
    if not 0 <= seed < 2**32:
        raise ValueError(f"{op}: seed must lie in [0, 2**32); got {seed}")
    return int(seed)


class Streams:
    """Named streams of random numbers under one seed.

    Args:
        seed: int in [0, 2**32); None takes one from the operating system.

    Example:
        >>> a, b = Streams(1), Streams(1)
        >>> _ = a.generator("dropout").random(1000)
        >>> bool(a.generator("weights").random() == b.generator("weights").random())
        True
    """

    def __init__(self, seed: int | None = None) -> None:
        self._lock = threading.Lock()
        self.reset(seed)

    def reset(self, seed: int | None = None) -> None:
        """Start again from a seed, every stream at its first draw."""
        self.seed = int.from_bytes(os.urandom(4)) if seed is None else check_seed("Streams", seed)
        self._draws: dict[str, int] = {}
        self._counted: dict[str, tuple[Any, Iterator[int]]] = {}

    def generator(self, name: str) -> np.random.Generator:
        """The generator of the stream's next draw. It is the caller's alone."""
        return generator(self.seed, name, self._next(name))

    def numbered(self, name: str) -> tuple[int, int, int, Any]:
        """What a kernel needs for the stream's next draw: both words of the key, the draw's number, and what is
        added to it when the kernel runs, or None."""
        key = stream_key(self.seed, name)
        if name in self._counted:
            count, numbers = self._counted[name]
            return *key, next(numbers), count
        return *key, self._next(name), None

    @contextmanager
    def counted_by(self, name: str, count: Any) -> Iterator[Iterator[int]]:
        """Number the draws inside the block from 0, on top of a count that stands in a GPU's memory.

        A captured graph then goes on counting; whoever replays it says afterwards, by `skip`, how many it took.

        Args:
            name: the stream.
            count: an int64 array of CuPy without axes.

        Yields:
            The numbers of the draws to come: the next one says how many there were.
        """
        numbers = itertools.count()
        self._counted[name] = (count, numbers)
        try:
            yield numbers
        finally:
            del self._counted[name]

    def drawn(self, name: str) -> int:
        """How many draws the stream has given."""
        return self._draws.get(name, 0)

    def skip(self, name: str, count: int) -> None:
        """Count draws that were taken elsewhere."""
        with self._lock:
            self._draws[name] = self._draws.get(name, 0) + count

    def new_seed(self, name: str) -> int:
        """A seed from the stream, in [0, 2**32), for an object that keeps its own."""
        return int(self.generator(name).integers(2**32))

    def spawn(self) -> Streams:
        """Streams for one object, seeded from the stream `spawn`."""
        return Streams(self.new_seed("spawn"))

    def get_state(self) -> dict[str, Any]:
        """The state, of JSON's types alone.

        Example:
            >>> streams = Streams(5)
            >>> _ = streams.generator("shuffling"), streams.generator("shuffling")
            >>> streams.get_state()
            {'seed': 5, 'draws': {'shuffling': 2}}
        """
        with self._lock:
            return {"seed": self.seed, "draws": dict(self._draws)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from a state that `get_state` gave.

        Raises:
            ValueError: the state is damaged; nothing has changed then.
        """
        seed, draws = _check_state(state)
        with self._lock:
            self.seed, self._draws = seed, draws

    def __getstate__(self) -> dict[str, Any]:
        return self.get_state()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["seed"])  # type: ignore[misc]
        self.set_state(state)

    def _next(self, name: str) -> int:
        with self._lock:
            draw = self._draws.get(name, 0)
            self._draws[name] = draw + 1
        return draw


def _count(value: object, limit: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < limit


def _check_state(state: object) -> tuple[int, dict[str, int]]:
    if isinstance(state, dict) and set(state) == {"seed", "draws"} and _count(state["seed"], 2**32):
        draws = state["draws"]
        good = isinstance(draws, dict) and all(isinstance(name, str) for name in draws)
        if good and all(_count(count, 2**63) for count in draws.values()):
            return state["seed"], dict(draws)
    raise ValueError("set_state: state must be what get_state gave; got another structure")


#: The streams everything draws from unless it has a seed of its own.
streams = Streams()

#: Held while `seeded` lends the streams to one block, which may lend them on.
_seeding = threading.RLock()


def set_random_seed(seed: int) -> None:
    """Make a run repeat: seed `random`, NumPy's global generator and strop's streams.

    Args:
        seed: int in [0, 2**32).

    Raises:
        TypeError: seed is no int.
        ValueError: seed is out of range.

    Example:
        >>> from strop import initializers
        >>> set_random_seed(1)
        >>> first = initializers.GlorotUniform()((2, 2))
        >>> set_random_seed(1)
        >>> bool((initializers.GlorotUniform()((2, 2)) == first).all())
        True
    """
    import random  # with hashlib behind it 3 ms, which only this function needs

    seed = check_seed("set_random_seed", seed)
    random.seed(seed)
    np.random.seed(seed)
    streams.reset(seed)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """strop's streams from this seed inside the block, and as they were afterwards; one thread at a time."""
    with _seeding:
        before = streams.get_state()
        try:
            streams.reset(seed)
            yield
        finally:
            streams.set_state(before)


def get_state() -> dict[str, Any]:
    """The state of the global streams, of JSON's types alone."""
    return streams.get_state()


def set_state(state: dict[str, Any]) -> None:
    """Set the global streams to a state that `get_state` gave."""
    streams.set_state(state)
