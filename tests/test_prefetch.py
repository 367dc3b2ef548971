"""The thread that makes elements ahead of time: errors, ends, forks, Ctrl-C."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import traceback

import numpy as np
import pytest

from strop.data import Dataset


def threads():
    return [t for t in threading.enumerate() if t.name == "strop-prefetch"]


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    gc.collect()
    assert not threads()


def until(condition):
    """Wait for what another thread is about to do; the test hangs no longer than 10 s if it does not."""
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never happened")


def test_elements_are_made_ahead_and_no_further():
    made = []
    numbers = iter(Dataset.from_arrays(np.arange(100)).map(lambda v: made.append(v) or v).prefetch(3))
    assert not made  # nothing is read that nobody asked for
    assert next(numbers) == 0
    until(lambda: len(made) == 5)  # one taken, three waiting, one in the thread's hand
    time.sleep(0.02)
    assert len(made) == 5
    assert list(numbers) == list(range(1, 100))
    assert not threads()


def fail_at_3(value):
    if value == 3:
        raise LookupError("no three")
    return value


def test_an_error_comes_in_its_place_with_its_traceback():
    taken = []
    numbers = Dataset.from_arrays(np.arange(9)).map(fail_at_3).prefetch(9)
    with pytest.raises(LookupError, match="no three") as caught:
        [taken.append(int(v)) for v in numbers]
    assert taken == [0, 1, 2]
    assert "in fail_at_3" in "".join(traceback.format_exception(caught.value))
    assert not threads()


@pytest.mark.parametrize("way", ["close", "drop", "break", "raise"])
def test_the_thread_ends_with_its_reader(way):
    closed = threading.Event()

    def numbers():
        try:
            yield from range(1000)
        finally:
            closed.set()

    dataset = Dataset.from_generator(numbers).prefetch(2).map(lambda v: v).prefetch(2)
    if way == "break":
        for _ in dataset:
            break
    elif way == "raise":
        with pytest.raises(ZeroDivisionError):
            [1 // v for v in dataset]
    else:
        elements = iter(dataset)
        next(elements)
        assert len(threads()) == 2
        if way == "close":
            elements.close()
        del elements
    gc.collect()
    assert closed.wait(10)
    until(lambda: not threads())


def test_an_iterator_that_is_never_read_starts_no_thread():
    iter(Dataset.from_arrays([1]).prefetch(1))
    assert not threads()


def test_settings_of_the_reader_hold_in_the_thread():
    with np.errstate(divide="ignore"):
        assert [float(v) for v in Dataset.from_arrays([0.0]).map(lambda v: 1 / v).prefetch(1)] == [np.inf]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # JAX warns of os.fork
@pytest.mark.filterwarnings("ignore:os.fork")
def test_a_fork_is_told_and_can_begin_anew():
    dataset = Dataset.from_arrays(np.arange(50)).prefetch(2)
    elements = iter(dataset)
    assert next(elements) == 0
    child = os.fork()
    if not child:
        code = 1
        try:
            next(elements)
        except RuntimeError as error:
            told = str(error).startswith("prefetch: an iterator must be read in the process that made it")
            del elements  # waits for nothing
            code = 0 if told and list(dataset) == list(range(50)) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert list(elements) == list(range(1, 50))


def run(program, **settings):
    return subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **settings
    )


def test_a_program_may_end_amid_an_epoch():
    program = run(
        "from strop.data import Dataset\n"
        "def forever():\n"
        "    while True: yield 1\n"
        "elements = iter(Dataset.from_generator(forever).prefetch(2))\n"
        "print(next(elements))\n"
    )
    out, error = program.communicate(timeout=60)
    assert (out, error, program.returncode) == ("1\n", "", 0)


def test_ctrl_c_ends_a_wait_for_a_slow_element():
    program = run(
        "import signal, threading, time\n"
        "from strop.data import Dataset\n"
        # A job in the background of a shell has it ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def slow():\n"
        "    yield 1\n"
        "    while not stop.is_set(): time.sleep(0.01)\n"
        "    yield 2\n"
        "stop = threading.Event()\n"
        "elements = iter(Dataset.from_generator(slow).prefetch(1))\n"
        "print(next(elements), flush=True)\n"
        "try:\n"
        "    next(elements)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
        "finally:\n"
        "    stop.set()\n"
        # The wait for the thread to end is ended by a second Ctrl-C.
    )
    assert program.stdout.readline() == "1\n"
    time.sleep(0.3)
    for _ in range(30):  # on a busy machine two may come as one
        program.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            program.wait(1)
            break
    out, _ = program.communicate(timeout=60)
    assert out == "interrupted\n"
