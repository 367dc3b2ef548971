from __future__ import annotations

import gc
import io
import re
import sys
import threading
from itertools import pairwise

import pytest

from strop.callbacks import CallbackList, LambdaCallback, ProgressBar
from strop.callbacks.progress import format_logs, format_step, format_value, in_notebook


class Screen(io.StringIO):
    """A text file that says it is a terminal."""

    def isatty(self):
        return True

    def shown(self):
        """The lines a terminal would show: what follows the last carriage return overwrites."""
        lines = []
        for line in self.getvalue().split("\n"):
            cells = []
            for part in line.split("\r"):
                cells[: len(part)] = part
            lines.append("".join(cells).rstrip())
        return lines


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def run(file, verbose=1, epochs=2, steps=10, step_seconds=0.05, extra=(), notebook=False):
    clock, calls = Clock(), []
    progress = ProgressBar(verbose, file, notebook)
    progress._clock = clock
    hooks = CallbackList([*extra, progress], params={"epochs": epochs, "steps": steps}, progress=progress)

    def logs():
        calls.append(clock.now)
        return {"loss": 0.69314, "accuracy": 0.5}

    hooks.on_train_begin()
    for epoch in range(epochs):
        hooks.on_epoch_begin(epoch)
        for step in range(1, steps + 1):
            clock.now += step_seconds
            progress.update(step, logs)
        hooks.on_test_begin()
        clock.now += 1.0
        hooks.on_test_end({"loss": 9.0})
        hooks.on_epoch_end(epoch, {"loss": 0.5, "accuracy": 0.75, "val_loss": 1e-5})
    hooks.on_train_end()
    return calls


WANT = [
    "Epoch 1/2 - loss: 0.5000 - accuracy: 0.7500 - val_loss: 1.00e-05 - 1.50 s, 50 ms/step",
    "Epoch 2/2 - loss: 0.5000 - accuracy: 0.7500 - val_loss: 1.00e-05 - 1.50 s, 50 ms/step",
    "",
]


@pytest.mark.parametrize("verbose", [1, 2])
def test_a_log_file_gets_one_line_per_epoch_and_no_carriage_return(verbose):
    file = io.StringIO()
    calls = run(file, verbose)
    assert file.getvalue().split("\n") == WANT
    assert calls == []


def test_a_terminal_ends_up_with_the_same_lines(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    screen = Screen()
    calls = run(screen)
    assert screen.shown() == WANT
    frames = [frame for frame in re.split("[\r\n]", screen.getvalue()) if "|" in frame]
    assert len(frames) == len(calls) > 0
    assert all(len(frame) < 80 for frame in frames)
    assert all(re.match(r"Epoch [12]/2 \d+/10 \|.*\| .*loss: 0.6931 - accuracy: 0.5000", f) for f in frames)


def test_verbose_2_draws_nothing_in_a_terminal():
    screen = Screen()
    assert run(screen, verbose=2) == []
    assert "\r" not in screen.getvalue()


def test_a_fast_loop_is_drawn_ten_times_per_second_at_most(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    calls = run(Screen(), epochs=1, steps=1000, step_seconds=0.001)
    assert 8 <= len(calls) <= 10
    assert all(late - early >= 0.0999 for early, late in pairwise(calls))
    assert run(Screen(), epochs=1, steps=9, step_seconds=0.01) == []


def test_callbacks_print_on_lines_of_their_own(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    screen = Screen()
    talker = LambdaCallback(on_epoch_end=lambda epoch, logs: print("saved", file=screen))
    run(screen, extra=[talker])
    assert screen.shown() == ["saved", WANT[0], "saved", WANT[1], ""]


@pytest.mark.parametrize("columns", ["20", "40", "300"])
def test_a_narrow_terminal_never_wraps_the_bar(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    screen = Screen()
    run(screen, epochs=1, steps=1000)
    frames = [frame for frame in re.split("[\r\n]", screen.getvalue()) if "/1000 " in frame]
    assert frames
    assert all(len(frame) < int(columns) for frame in frames)


def test_drawing_starts_no_thread(monkeypatch):
    before = threading.active_count()
    run(Screen())
    assert threading.active_count() == before


def test_evaluate_and_predict_have_lines_of_their_own():
    file, clock = io.StringIO(), Clock()
    progress = ProgressBar(1, file)
    progress._clock = clock
    progress.set_params({"steps": 4})
    progress.on_test_begin()
    clock.now += 2
    progress.update(4)
    progress.on_test_end({"loss": 0.25})
    progress.on_predict_begin()
    progress.on_predict_end()
    assert file.getvalue().split("\n") == [
        "evaluate - loss: 0.2500 - 2.00 s, 500 ms/step",
        "predict - 0.00 s",
        "",
    ]


def test_output_goes_where_stdout_is_when_the_epoch_begins(capsys):
    run(None, epochs=1)
    assert capsys.readouterr().out.startswith("Epoch 1/1 - loss: 0.5000")


def test_a_bar_that_an_exception_left_behind_writes_nothing_more(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    screen, clock = Screen(), Clock()
    progress = ProgressBar(1, screen)
    progress._clock = clock
    progress.on_epoch_begin(0)
    clock.now += 1
    progress.update(1)
    before = screen.getvalue()
    del progress
    gc.collect()
    assert screen.getvalue() == before != ""


def test_a_generator_without_a_length_shows_steps_alone(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    screen = Screen()
    run(screen, epochs=1, steps=0)
    progress, clock = ProgressBar(1, screen), Clock()
    progress._clock = clock
    progress.set_params({"epochs": 1, "steps": None})
    progress.on_epoch_begin(0)
    clock.now += 1
    progress.update(7)
    assert "Epoch 1/1 7/?" in screen.getvalue()
    progress.on_epoch_end(0, {"loss": 1.0})
    assert screen.shown()[-2] == "Epoch 1/1 - loss: 1.0000 - 1.00 s, 143 ms/step"


def test_a_notebook_is_known_by_its_kernel(monkeypatch):
    assert not in_notebook()

    class Shell:
        kernel = object()

    class IPython:
        @staticmethod
        def get_ipython():
            return Shell()

    monkeypatch.setitem(sys.modules, "IPython", IPython)
    assert in_notebook()


def test_a_notebook_draws_though_its_output_is_no_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    file = io.StringIO()
    assert run(file, notebook=True)
    assert [line.split("\r")[-1] for line in file.getvalue().split("\n")] == WANT


@pytest.mark.parametrize(
    ("value", "want"),
    [
        (0.0, "0.0000"),
        (1.5, "1.5000"),
        (0.001, "0.0010"),
        (0.00099, "9.90e-04"),
        (-2e-5, "-2.00e-05"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (12345.678, "12345.6780"),
        ([0.5, 1], "[0.5000, 1.0000]"),
    ],
)
def test_values_show_what_they_are(value, want):
    assert format_value(value) == want
    assert format_logs({"a": value, "b": 1}) == f"a: {want} - b: 1.0000"


@pytest.mark.parametrize(
    ("seconds", "want"),
    [
        (0.000136, "0.14 ms/step"),
        (0.0099, "9.90 ms/step"),
        (0.01, "10 ms/step"),
        (0.5, "500 ms/step"),
        (2, "2.0 s/step"),
    ],
)
def test_time_per_step_has_the_unit_that_suits(seconds, want):
    assert format_step(seconds) == want
