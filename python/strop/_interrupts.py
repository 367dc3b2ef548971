"""Ctrl-C amid a step of several kernels."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class HeldInterrupt:
    """Holds a KeyboardInterrupt back until a step is whole.

    Python sees Ctrl-C when a kernel comes back, where nearly all of a step's time goes: the kernel has run, and what
    belongs to its result, such as the count of the step, must still follow.

    Example:
        >>> held = HeldInterrupt()
        >>> with held:
        ...     raise KeyboardInterrupt
        >>> try:
        ...     held.release()
        ... except KeyboardInterrupt:
        ...     print("the step is whole")
        the step is whole
    """

    def __init__(self) -> None:
        self._interrupt: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if kind is KeyboardInterrupt:
            self._interrupt = error
            return True
        return False

    def release(self) -> None:
        """Raise what has been held back."""
        if self._interrupt is not None:
            raise self._interrupt
