"""Elements made ahead of time by a thread.

The thread ends when its iterator is closed, dropped or read to its end, when the maker raises, and at the latest when
the program ends. One whose maker does not come back, because it waits for a network or a queue, is left behind after
some seconds, so that Ctrl-C ends a fit and the program ends. A forked child has no such thread and is told so instead
of waiting for one.
"""

from __future__ import annotations

import atexit
import contextvars
import os
import threading
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

#: Channels that are open, for the end of the program.
_open: weakref.WeakSet[Channel] = weakref.WeakSet()

#: Seconds that the end of an iterator waits for the element under way.
PATIENCE = 5.0


class Channel:
    """A queue of bounded length between one thread that makes elements and one that takes them."""

    def __init__(self, size: int) -> None:
        self._size, self._process = size, os.getpid()
        self._held: deque[tuple[Any, BaseException | None, bool]] = deque()
        # Reentrant, since the collector may close another iterator, or this one, while it is held.
        self._changed = threading.Condition(threading.RLock())
        self._closed = False
        self.thread: threading.Thread | None = None

    def put(self, element: Any, error: BaseException | None = None, last: bool = False) -> bool:
        """Wait for room and leave an element there; False if nobody wants it any more."""
        with self._changed:
            while len(self._held) >= self._size and not self._closed:
                self._changed.wait()
            if not self._closed:
                self._held.append((element, error, last))
                self._changed.notify_all()
            return not self._closed

    def get(self) -> tuple[Any, BaseException | None, bool]:
        """Wait for an element and take it."""
        if os.getpid() != self._process:
            raise RuntimeError(
                "prefetch: an iterator must be read in the process that made it; got it in a fork; "
                "iterate over the dataset anew"
            )
        with self._changed:
            while not self._held:
                self._changed.wait()
            entry = self._held.popleft()
            self._changed.notify_all()
            return entry

    def close(self) -> None:
        """Tell the thread to end, and wait until it has, or has had its time."""
        if os.getpid() != self._process:
            return  # a fork: the thread is not here, and its lock may be held for ever
        with self._changed:
            self._closed = True
            self._held.clear()
            self._changed.notify_all()
        if self.thread is not None and self.thread is not threading.current_thread():
            self.thread.join(PATIENCE)
            if self.thread.is_alive():
                _open.discard(self)  # the end of the program does not wait once more
                warnings.warn(
                    f"prefetch: the dataset must give an element within {PATIENCE:g} s of the end; its thread is left "
                    "behind",
                    RuntimeWarning,
                    stacklevel=2,
                )


def prefetched(make: Callable[[], Iterator[Any]], size: int) -> Iterator[Any]:
    """The elements of an iterator that a thread reads ahead, at most `size` at a time.

    An exception of the iterator is raised here, after the elements before it, with its own traceback.
    """
    channel = Channel(size)
    context = contextvars.copy_context()
    # A daemon, so that a program that ends amid an epoch is not held up; `_close_all` ends it in good order.
    thread = threading.Thread(
        target=context.run, args=(_fill, channel, make), name="strop-prefetch", daemon=True
    )
    channel.thread = thread
    _open.add(channel)
    thread.start()
    try:
        while True:
            element, error, last = channel.get()
            if error is not None:
                try:
                    raise error
                finally:
                    del error  # which its traceback would keep alive, and the elements with it
            if last:
                return
            yield element
            del element
    finally:
        channel.close()


def _fill(channel: Channel, make: Callable[[], Iterator[Any]]) -> None:
    try:
        elements = make()
        with closing(elements):  # type: ignore[type-var]
            for element in elements:
                if not channel.put(element):
                    return
        channel.put(None, last=True)
    except BaseException as error:
        channel.put(None, error)


@atexit.register
def _close_all() -> None:
    for channel in list(_open):
        channel.close()
