"""LivePlot: one picture that changes in a notebook, a file elsewhere, and otherwise nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import strop
from strop.callbacks import LivePlot, live_plot

pytest.importorskip("matplotlib")


def fit(callback, epochs=3):
    model = strop.Sequential([strop.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    data = [[0.0], [1.0]], [0.0, 2.0]
    return model.fit(*data, epochs=epochs, verbose=0, validation_data=data, callbacks=[callback])


def test_a_file_is_replaced_after_each_epoch(tmp_path, monkeypatch):
    drawn = []
    live = LivePlot(filename=tmp_path / "run.png", every=2)
    monkeypatch.setattr(live, "_show", lambda show=live._show: (show(), drawn.append(len(live.epoch))))
    fit(live, epochs=5)
    assert drawn == [2, 4, 5]
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["run.png"]
    fit(LivePlot("loss", tmp_path / "run.svg"))
    assert b"<svg" in (tmp_path / "run.svg").read_bytes()


def test_it_holds_what_the_history_holds_and_draws_it():
    live = LivePlot()
    history = fit(live)
    assert (live.epoch, live.history) == (history.epoch, history.history)
    figure = live.plot()
    assert [ax.get_ylabel() for ax in figure.axes] == ["loss", "mae"]
    assert [ax.get_ylabel() for ax in LivePlot.plot(_with(live, "mae")).axes] == ["mae"]


def _with(live, *names):
    live.metrics = names
    return live


def test_a_notebook_gets_one_picture_that_is_updated(monkeypatch):
    display = pytest.importorskip("IPython.display")
    seen = []

    class Handle:
        def update(self, image):
            seen.append(("update", image.data[:4]))

    def show(image, display_id=False):
        seen.append(("display", image.data[:4]))
        return Handle()

    monkeypatch.setattr(live_plot, "in_notebook", lambda: True)
    monkeypatch.setattr(display, "display", show)
    fit(LivePlot())
    assert seen == [("display", b"\x89PNG"), ("update", b"\x89PNG"), ("update", b"\x89PNG")]


def test_without_notebook_and_file_nothing_is_drawn_or_imported():
    program = """
import sys, strop
from strop.callbacks import LivePlot
model = strop.Sequential([strop.layers.Dense(1)])
model.compile("sgd", "mse")
model.fit([[1.0]], [[1.0]], verbose=0, callbacks=[LivePlot()])
assert "matplotlib" not in sys.modules and "IPython" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_an_absent_matplotlib_is_told_before_training(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    live = LivePlot(filename=tmp_path / "a.png")
    with pytest.raises(ImportError, match=r'pip install "strop\[plot\]"$'):
        fit(live)
    assert live.epoch == []


def test_bad_settings_are_refused():
    with pytest.raises(ValueError) as caught:
        LivePlot(every=0)
    assert str(caught.value) == "LivePlot: every must be a whole number from 1; got 0"
    with pytest.raises(ValueError) as caught:
        LivePlot().plot()
    assert str(caught.value) == "LivePlot: there must be an epoch to draw; got none"
