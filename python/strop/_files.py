"""Files written whole or not at all.

The temporary file has one fixed name per target, so a save that was killed leaves at most that one file, and the next
save takes it over. A lock on it tells a writer at work from a leftover.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO


@contextmanager
def atomic_write(path: str | os.PathLike[str], *, overwrite: bool = True) -> Iterator[IO[bytes]]:
    """A binary file to write; it gets its name when the block ends, all at once.

    The bytes go to `.name.tmp` beside the target, reach the disk, and then take its place in one rename: a
    process that is killed at any moment leaves the old file whole. The next save takes over what it left.

    Args:
        path: the target; a symlink is followed, so that what it points to is replaced. A new file gets the mode
            that the umask leaves, an old one keeps its own.
        overwrite: False refuses an existing target.

    Raises:
        FileExistsError: the target exists and overwrite is False.
        BlockingIOError: another writer is at work on the same target.
        OSError: the target is no regular file, its folder is missing, or the disk is full; the old file is whole
            and nothing is left behind.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with atomic_write(Path(folder) / "a.bin") as file:
        ...         n = file.write(b"whole")
        ...     (Path(folder) / "a.bin").read_bytes()
        b'whole'
    """
    target = Path(os.path.realpath(path))
    mode = _mode_of(target, path, overwrite)
    temporary = target.with_name(f".{target.name}.tmp")
    descriptor = _claim(temporary, 0o666 if mode is None else mode, path)
    try:
        if not overwrite:  # a writer may have finished since the first look; none can start now
            _mode_of(target, path, overwrite)
        if mode is not None and stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:
            os.fchmod(descriptor, mode)
        with os.fdopen(os.dup(descriptor), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
        _sync_folder(target.parent)
    except BaseException as error:
        with suppress(OSError):  # the first error is the one to tell
            if _is_at(descriptor, temporary):
                temporary.unlink()
        name_file(error, path)
        raise
    finally:
        os.close(descriptor)


def name_file(error: BaseException, path: str | os.PathLike[str]) -> None:
    """Say which file an error of the system is about: `write` does not know, "No space left on device"."""
    if isinstance(error, OSError) and error.errno is not None and error.filename is None:
        error.filename = os.fspath(path)


def _mode_of(target: Path, path: str | os.PathLike[str], overwrite: bool) -> int | None:
    """The mode of the file that will be replaced, None for a new one."""
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return None
    if not overwrite:
        raise FileExistsError(
            errno.EEXIST, "save: file must not exist with overwrite=False; got one", os.fspath(path)
        )
    if not stat.S_ISREG(mode):  # a rename would replace a device or a pipe by a plain file
        number, kind = (errno.EISDIR, "a folder") if stat.S_ISDIR(mode) else (errno.EINVAL, "a device")
        raise OSError(number, f"save: file must be a regular file; got {kind}", os.fspath(path))
    return stat.S_IMODE(mode) & 0o777


def _claim(temporary: Path, mode: int, path: str | os.PathLike[str]) -> int:
    """A descriptor of a new, empty, locked temporary file; a leftover is removed first.

    Between open and lock the name can pass to another file: the writer before us renames its own away. The lock
    counts only if the name still belongs to what was locked.
    """
    no_follow = getattr(os, "O_NOFOLLOW", 0)
    while True:
        fresh = True
        try:
            descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | no_follow, mode)
        except FileExistsError:
            fresh = False
            try:
                descriptor = os.open(temporary, os.O_RDONLY | os.O_NONBLOCK | no_follow)
            except FileNotFoundError:
                continue
        except FileNotFoundError:
            raise FileNotFoundError(
                errno.ENOENT, "save: folder must exist; got none", os.fspath(path)
            ) from None
        except OSError as error:
            error.filename = os.fspath(path)  # nobody has asked for the temporary file
            raise
        try:
            _lock(descriptor, path)
            if _is_at(descriptor, temporary):
                if fresh:
                    return descriptor
                temporary.unlink()
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int, path: str | os.PathLike[str]) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BlockingIOError(
            errno.EAGAIN, "save: file must be written by one process at a time; got a second", os.fspath(path)
        ) from None


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the name still belongs to the open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def _sync_folder(folder: Path) -> None:
    """The rename itself reaches the disk; some systems cannot open or sync a folder."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
