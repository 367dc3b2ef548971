"""The number of threads, and threads in all places where they may hurt: forks, exits, many callers, few cores."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from strop import _threads, config, ops
from strop._backend import cpu

USE = """
import os, sys, threading, time
import multiprocessing
import numpy as np, strop
from strop import config, ops
config.set_num_threads(2)
a = np.ones((400, 400), np.float32)
def use(times=5):
    for _ in range(times):
        ops.matmul(a, a)
        ops.softmax(a)
"""


def run(code, *, command=(), **environment):
    done = subprocess.run(
        [*command, sys.executable, "-c", USE + code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


# ---- how many --------------------------------------------------------------


def tree(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.mark.parametrize(
    ("own", "files", "want"),
    [
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n"}, 1024),
        ("0::/a/b\n", {"a/b/cpu.max": "250000 100000\n"}, 2.5),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "50000 100000\n"}, 0.5),
        ("0::/\n", {"cpu.max": "300000 100000\n"}, 3),
        ("0::/../../x\n", {"cpu.max": "300000 100000\n"}, 3),
        ("0::/a\n", {"a/cpu.max": "nonsense"}, 1024),
        ("0::/a\n", {}, 1024),
        (
            "4:cpu,cpuacct:/a\n",
            {"cpu/a/cpu.cfs_quota_us": "150000\n", "cpu/a/cpu.cfs_period_us": "100000\n"},
            1.5,
        ),
        ("4:cpu:/a\n", {"cpu/a/cpu.cfs_quota_us": "-1\n", "cpu/a/cpu.cfs_period_us": "100000\n"}, 1024),
        ("7:memory:/a\n", {}, 1024),
    ],
)
def test_the_quota_of_a_control_group(tmp_path, own, files, want):
    tree(tmp_path / "fs", files)
    (tmp_path / "own").write_text(own)
    assert _threads.cgroup_quota(str(tmp_path / "fs"), str(tmp_path / "own")) == want


def test_no_control_groups_set_no_limit(tmp_path):
    assert _threads.cgroup_quota(str(tmp_path), str(tmp_path / "absent")) == 1024


@pytest.mark.parametrize(("quota", "want"), [(0.4, 1), (1.0, 1), (1.5, 2), (1024, 7)])
def test_the_default_is_the_least_limit(monkeypatch, quota, want):
    monkeypatch.setattr(_threads, "cgroup_quota", lambda: quota)
    monkeypatch.setattr(_threads, "_processors", lambda: 9)
    monkeypatch.setenv("OMP_NUM_THREADS", "7,2")
    assert _threads.default_threads() == want


@pytest.mark.parametrize("text", ["", "many", "0", "-3", "1.5"])
def test_a_senseless_openmp_setting_is_no_limit(monkeypatch, text):
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert _threads._openmp_setting() == 1024


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity masks here")
def test_one_core_gets_one_thread():
    code = f"""
os.sched_setaffinity(0, {{{min(os.sched_getaffinity(0))}}})
config.set_num_threads(3)
use()
print(strop._threads.default_threads())
"""
    assert run(code) == (0, "1\n", "")


@pytest.mark.parametrize(
    ("count", "error", "text"),
    [
        (-1, ValueError, "set_num_threads: count must lie in [1, 1024]; got -1"),
        (1025, ValueError, "set_num_threads: count must lie in [1, 1024]; got 1025"),
        (1 << 70, ValueError, f"set_num_threads: count must lie in [1, 1024]; got {1 << 70}"),
        ("2", TypeError, "set_num_threads: count must be an int; got str"),
        (None, TypeError, "set_num_threads: count must be an int; got NoneType"),
    ],
)
def test_a_wrong_count_is_refused_and_changes_nothing(count, error, text):
    before = config.num_threads()
    with pytest.raises(error) as caught:
        config.set_num_threads(count)
    assert str(caught.value) == text
    with pytest.raises(error), config.threads(count):
        pass
    assert config.num_threads() == before


def test_the_context_manager_restores_after_an_error():
    before = config.num_threads()
    with pytest.raises(KeyError), config.threads(5):
        {}[config.num_threads()]
    assert config.num_threads() == before


def test_far_more_threads_than_cores():
    a = np.random.default_rng(0).standard_normal((700, 700)).astype("f")
    with config.threads(1):
        want = ops.matmul(a, a)
    with config.threads(1024):
        assert config.num_threads() == 1024
        for _ in range(5):
            np.testing.assert_array_equal(ops.matmul(a, a), want)


def test_callers_side_by_side_while_the_number_changes():
    a = np.random.default_rng(0).standard_normal((300, 300)).astype("f")
    big = np.random.default_rng(1).standard_normal(300_000).astype("f")
    want = ops.matmul(a, a), ops.softmax(big.reshape(300, 1000))
    wrong, stop = [], threading.Event()

    def call():
        while not stop.is_set():
            got = ops.matmul(a, a), ops.softmax(big.reshape(300, 1000))
            wrong.extend(i for i in range(2) if not np.array_equal(got[i], want[i]))

    callers = [threading.Thread(target=call) for _ in range(4)]
    with config.threads(2):
        for caller in callers:
            caller.start()
        for i in range(300):
            config.set_num_threads(1 + i % 9)
            ops.matmul(a, a)
        stop.set()
        for caller in callers:
            caller.join()
    assert not wrong


# ---- forks -----------------------------------------------------------------


def test_forks_while_another_thread_is_inside_a_kernel():
    code = """
stop = threading.Event()
other = threading.Thread(target=lambda: [use() for _ in iter(stop.is_set, True)])
other.start()
for _ in range(10):
    child = os.fork()
    if child == 0:
        use()
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
stop.set()
other.join()
use()
print("done")
"""
    code_out = run(code)
    assert code_out[:2] == (0, "done\n"), code_out[2]


def test_a_fork_from_a_thread_and_a_fork_of_a_fork():
    code = """
use()
def child(depth):
    pid = os.fork()
    if pid == 0:
        use()
        if depth:
            child(depth - 1)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
thread = threading.Thread(target=child, args=(2,))
thread.start()
thread.join()
use()
print("done")
"""
    out = run(code)
    assert out[:2] == (0, "done\n"), out[2]


WORKER = """
import numpy as np
from strop import config, ops
def train(seed):
    a = np.full((300, 300), seed, np.float32)
    with config.threads(2):
        return float(ops.matmul(a, a)[0, 0])
"""


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing(tmp_path, method):
    (tmp_path / "strop_worker.py").write_text(WORKER)
    code = f"""
sys.path.insert(0, {str(tmp_path)!r})
import strop_worker
if __name__ == "__main__":
    use()
    with multiprocessing.get_context({method!r}).Pool(2) as pool:
        print(pool.map(strop_worker.train, [1, 2, 3]))
"""
    out = run(code, PYTHONPATH=str(tmp_path))
    assert out[:2] == (0, "[300.0, 1200.0, 2700.0]\n"), out[2]


# ---- the end ---------------------------------------------------------------


def test_the_program_ends_while_daemon_threads_are_inside_kernels():
    code = """
def for_ever():
    while True:
        use()
for _ in range(3):
    threading.Thread(target=for_ever, daemon=True).start()
use()
time.sleep(0.2)
print("done")
"""
    for _ in range(3):
        out = run(code)
        assert out[:2] == (0, "done\n"), out


def test_an_exit_in_the_middle_of_threads_is_an_exit():
    assert run("use(); threading.Thread(target=use).start(); sys.exit(3)")[0] == 3


def test_the_page_says_what_runs_the_threads():
    words = {
        "pool": "run by the package's own pool",
        "openmp": "run by OpenMP 2",
        "std": "run by std::thread",
    }
    assert words[cpu.threads_name()] in config.show()
