"""A file is written whole or not at all, whoever dies and whoever else writes."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from strop import _files
from strop._files import atomic_write


def write(path, content, **options):
    with atomic_write(path, **options) as file:
        file.write(content)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def message(call, *args, **kwargs):
    with pytest.raises(OSError) as caught:
        call(*args, **kwargs)
    return f"{type(caught.value).__name__}: {caught.value.strerror}", caught.value.filename


#: Loads the one module alone, so that 40 processes start in a second or two.
LOAD = """
import importlib.util, os, signal, sys
spec = importlib.util.spec_from_file_location("files", sys.argv[2])
files = importlib.util.module_from_spec(spec)
spec.loader.exec_module(files)
"""


def run(script, path, *arguments, **pipes):
    return subprocess.Popen(
        [sys.executable, "-S", "-E", "-c", LOAD + script, path, _files.__file__, *arguments],
        stdout=subprocess.PIPE,
        **pipes,
    )


# ---- who may write ---------------------------------------------------------


def test_two_writers_in_two_processes_exclude_each_other(tmp_path):
    path = tmp_path / "a"
    script = (
        "with files.atomic_write(sys.argv[1]) as file:\n"
        "    file.write(b'first'); print('in', flush=True); sys.stdin.readline()\n"
    )
    with run(script, path, stdin=subprocess.PIPE) as process:
        process.stdout.readline()
        assert message(write, path, b"second") == (
            "BlockingIOError: save: file must be written by one process at a time; got a second",
            str(path),
        )
        assert names(tmp_path) == [".a.tmp"]
        process.stdin.write(b"\n")
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == ["a"]


def test_writers_that_race_leave_one_whole_file(tmp_path):
    # A lock taken on a file whose name has passed on protects nothing: such a writer would empty the new file.
    path = tmp_path / "a"
    write(path, b"0" * 1000)
    done, torn = [], []

    def work(mark):
        for _ in range(60):
            try:
                write(path, mark * 1000)
                done.append(mark)
            except BlockingIOError:
                pass
            if len(set(path.read_bytes())) != 1 or path.stat().st_size != 1000:
                torn.append(mark)

    threads = [threading.Thread(target=work, args=(mark,)) for mark in (b"1", b"2", b"3", b"4")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done
    assert not torn
    assert names(tmp_path) == ["a"]


def test_a_lock_on_a_file_whose_name_has_passed_on_does_not_count(tmp_path, monkeypatch):
    path, lock, moved = tmp_path / "a", _files._lock, []
    (tmp_path / ".a.tmp").write_bytes(b"whole")

    def lock_late(descriptor, target):
        if not moved:  # between open and lock the first writer finishes
            moved.append(os.rename(tmp_path / ".a.tmp", path))
        lock(descriptor, target)

    monkeypatch.setattr(_files, "_lock", lock_late)
    with pytest.raises(ZeroDivisionError), atomic_write(path):
        raise ZeroDivisionError
    assert path.read_bytes() == b"whole"
    assert names(tmp_path) == ["a"]


def test_a_file_that_appears_meanwhile_is_kept_without_overwrite(tmp_path, monkeypatch):
    path, claim = tmp_path / "a", _files._claim

    def claim_late(*arguments):
        path.write_bytes(b"theirs")
        return claim(*arguments)

    monkeypatch.setattr(_files, "_claim", claim_late)
    with pytest.raises(FileExistsError):
        write(path, b"mine", overwrite=False)
    assert path.read_bytes() == b"theirs"
    assert names(tmp_path) == ["a"]


def test_an_existing_file_is_refused_before_any_write(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    monkeypatch.setattr(_files, "_claim", None)  # nothing is opened
    assert message(write, path, b"new", overwrite=False) == (
        "FileExistsError: save: file must not exist with overwrite=False; got one",
        str(path),
    )
    assert path.read_bytes() == b"old"


# ---- what may be written ---------------------------------------------------


def test_only_a_regular_file_is_replaced(tmp_path):
    folder, pipe = tmp_path / "folder", tmp_path / "pipe"
    folder.mkdir()
    os.mkfifo(pipe)
    assert message(write, folder, b"") == (
        "IsADirectoryError: save: file must be a regular file; got a folder",
        str(folder),
    )
    assert message(write, pipe, b"") == (
        "OSError: save: file must be a regular file; got a device",
        str(pipe),
    )
    assert names(tmp_path) == ["folder", "pipe"]


def test_a_chain_of_links_is_followed_to_its_end(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("far/target")
    write(tmp_path / "one", b"new")  # the target does not exist yet
    assert (tmp_path / "far" / "target").read_bytes() == b"new"
    assert (tmp_path / "one").is_symlink()
    assert names(tmp_path / "far") == ["target"]


def test_a_pipe_or_a_second_name_in_the_place_of_the_temporary_file_is_only_removed(tmp_path):
    other = tmp_path / "other"
    other.write_bytes(b"precious")
    os.link(other, tmp_path / ".a.tmp")
    write(tmp_path / "a", b"1")
    assert other.read_bytes() == b"precious"
    os.mkfifo(tmp_path / ".a.tmp")
    write(tmp_path / "a", b"2")
    assert (tmp_path / "a").read_bytes() == b"2"
    assert names(tmp_path) == ["a", "other"]


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o666, 0o777])
def test_the_old_mode_holds_from_the_first_byte(tmp_path, mode):
    path = tmp_path / "a"
    write(path, b"old")
    path.chmod(mode)
    before = os.umask(0o077)
    try:
        with atomic_write(path) as file:
            file.write(b"new")
            assert (tmp_path / ".a.tmp").stat().st_mode & 0o777 == mode
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == mode


def test_a_leftover_lends_its_mode_to_nobody(tmp_path):
    (tmp_path / ".a.tmp").write_bytes(b"left")
    (tmp_path / ".a.tmp").chmod(0o777)
    before = os.umask(0o022)
    try:
        write(tmp_path / "a", b"new")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


# ---- what goes wrong -------------------------------------------------------


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failing_step_leaves_the_old_file_and_removes_the_new(tmp_path, monkeypatch, step):
    path = tmp_path / "a"
    write(path, b"old")

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    assert message(write, path, b"new") == ("OSError: No space left on device", str(path))
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_a_full_disk_is_an_error_with_the_path(tmp_path):
    limit = (
        "import resource\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n"
        "    with files.atomic_write(sys.argv[1]) as file:\n"
        "        file.write(bytes(1_000_000))\n"
        "except OSError as error:\n"
        "    print(error.errno, error.filename)\n"
    )
    path = tmp_path / "a"
    write(path, b"old")
    with run(limit, path, text=True) as process:
        assert process.stdout.read() == f"{errno.EFBIG} {path}\n"
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_an_interrupt_removes_the_new_file(tmp_path):
    def interrupted():
        with atomic_write(tmp_path / "a") as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_synced_is_no_error(tmp_path, monkeypatch):
    fsync = os.fsync

    def only_files(descriptor):
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", only_files)
    write(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


def test_descriptors_are_closed_whatever_happens(tmp_path):
    path = tmp_path / "a"
    before = len(os.listdir("/proc/self/fd"))
    write(path, b"new")
    with pytest.raises(ZeroDivisionError), atomic_write(path):
        raise ZeroDivisionError
    with atomic_write(path), pytest.raises(BlockingIOError):
        write(path, b"second")
    assert len(os.listdir("/proc/self/fd")) == before


# ---- who is killed ---------------------------------------------------------

AT = """
def dying(module, name, after):
    call = getattr(module, name)
    def die(*arguments, **settings):
        result = call(*arguments, **settings) if after else None
        os.kill(os.getpid(), signal.SIGKILL)
    setattr(module, name, die)
place, after = sys.argv[3], sys.argv[4] == "after"
if place != "write":
    dying(files if place.startswith("_") else os, place, after)
with files.atomic_write(sys.argv[1]) as file:
    file.write(b"new" * 100_000)
    if place == "write":
        os.kill(os.getpid(), signal.SIGKILL)
    file.write(b"new" * 100_000)
"""

OLD, NEW = b"old" * 200_000, b"new" * 200_000


@pytest.mark.parametrize("after", ["before", "after"])
@pytest.mark.parametrize("place", ["_claim", "_lock", "write", "fsync", "replace", "_sync_folder"])
def test_a_writer_killed_at_any_step_leaves_a_whole_file(tmp_path, place, after):
    path = tmp_path / "a"
    write(path, OLD)
    with run(AT, path, place, after) as process:
        pass
    assert process.returncode == -signal.SIGKILL
    replaced = place == "_sync_folder" or (place, after) == ("replace", "after")
    assert path.read_bytes() == (NEW if replaced else OLD)
    assert names(tmp_path) in (["a"], [".a.tmp", "a"])
    write(path, b"next")
    assert path.read_bytes() == b"next"
    assert names(tmp_path) == ["a"]


FOREVER = """
print("ready", flush=True)
mark = 0
while True:
    mark = (mark + 1) % 256
    with files.atomic_write(sys.argv[1]) as file:
        for _ in range(8):
            file.write(bytes([mark]) * 50_000)
"""


def test_a_writer_killed_at_any_time_leaves_a_whole_file(tmp_path):
    path, rng = tmp_path / "a", random.Random(20261124)
    write(path, bytes(400_000))
    left = 0
    for _ in range(24):
        with run(FOREVER, path) as process:
            process.stdout.readline()
            time.sleep(rng.uniform(0.0, 0.02))
            process.kill()
        content = path.read_bytes()
        assert len(content) == 400_000
        assert len(set(content)) == 1
        assert names(tmp_path) in (["a"], [".a.tmp", "a"])
        left += len(names(tmp_path)) - 1
    assert left, "no kill met a writer at work: the test has no teeth"
    write(path, b"after")
    assert names(tmp_path) == ["a"]
