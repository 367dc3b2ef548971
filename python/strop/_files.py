"""Files written whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def atomic_write(path: str | os.PathLike[str], *, overwrite: bool = True) -> Iterator[IO[bytes]]:
    """A binary file to write; it gets its name when the block ends, all at once.

    The bytes go to `.name.tmp` beside the target, reach the disk, and then take its place in one rename: a
    process that is killed at any moment leaves the old file whole. The next save takes over what it left.

    Args:
        path: the target; a symlink is followed, so that what it points to is replaced.
        overwrite: False refuses an existing target.

    Raises:
        FileExistsError: the target exists and overwrite is False.
        BlockingIOError: another process is writing the same target.
        OSError: the folder is missing, or the disk is full; the old file is whole and nothing is left behind.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with atomic_write(Path(folder) / "a.bin") as file:
        ...         n = file.write(b"whole")
        ...     (Path(folder) / "a.bin").read_bytes()
        b'whole'
    """
    target = Path(os.path.realpath(path))
    if not overwrite and target.exists():
        raise FileExistsError(
            errno.EEXIST, "save: file must not exist with overwrite=False; got one", os.fspath(path)
        )
    temporary = target.with_name(f".{target.name}.tmp")
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
    try:
        _lock(descriptor, target)
        try:
            os.ftruncate(descriptor, 0)
            _keep_mode(descriptor, target)
            with os.fdopen(os.dup(descriptor), "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
            _sync_folder(target.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    finally:
        os.close(descriptor)


def _lock(descriptor: int, target: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BlockingIOError(
            errno.EAGAIN,
            "save: file must be written by one process at a time; got a second",
            os.fspath(target),
        ) from None


def _keep_mode(descriptor: int, target: Path) -> None:
    """The old file's mode; a new file has what the umask left of 0o666."""
    try:
        os.fchmod(descriptor, stat.S_IMODE(target.stat().st_mode))
    except FileNotFoundError:
        umask: Any = os.umask(0)
        os.umask(umask)
        os.fchmod(descriptor, 0o666 & ~umask)


def _sync_folder(folder: Path) -> None:
    """The rename itself reaches the disk; some systems cannot open a folder."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)
