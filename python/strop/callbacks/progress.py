"""The progress bar: a bar while an epoch runs, one line when it has ended.

A terminal gets a bar that is redrawn at most ten times per second and then replaced by the line; a notebook
gets its widget; a log file gets the lines alone, without a carriage return.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from .base import Callback, Logs

#: Seconds between two drawings.
INTERVAL = 0.1

LogsFunction = Callable[[], Mapping[str, Any]]


def format_value(value: Any) -> str:
    """Four decimals, or an exponent where they would show nothing.

    Example:
        >>> format_value(0.69314), format_value(0.0000314), format_value([0.5, 1.0])
        ('0.6931', '3.14e-05', '[0.5000, 1.0000]')
    """
    if isinstance(value, list | tuple):
        return f"[{', '.join(format_value(each) for each in value)}]"
    number = float(value)
    return f"{number:.4f}" if number == 0 or abs(number) >= 1e-3 or number != number else f"{number:.2e}"


def format_logs(logs: Mapping[str, Any]) -> str:
    """The values with their names.

    Example:
        >>> format_logs({"loss": 0.25, "accuracy": 0.9})
        'loss: 0.2500 - accuracy: 0.9000'
    """
    return " - ".join(f"{name}: {format_value(value)}" for name, value in logs.items())


def format_step(seconds: float) -> str:
    """Time per step in the unit that suits it.

    Example:
        >>> format_step(0.00012), format_step(0.0123), format_step(1.5)
        ('0.12 ms/step', '12 ms/step', '1.5 s/step')
    """
    if seconds >= 1:
        return f"{seconds:.1f} s/step"
    return f"{seconds * 1e3:.{0 if seconds >= 0.01 else 2}f} ms/step"


def in_notebook() -> bool:
    """Whether an IPython kernel runs this program; IPython is asked only if it is there already."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


def _bar_class(notebook: bool) -> Any:
    """tqdm without its watching thread and its lock between processes: this module draws by its own clock.

    Nor does it draw when it is collected: after an exception that would be in the middle of other output.
    """
    if notebook and importlib.util.find_spec("ipywidgets") is not None:
        from tqdm.notebook import tqdm as base
    else:
        from tqdm.std import tqdm as base

    own = {"monitor_interval": 0, "_lock": threading.RLock(), "__del__": lambda self: None}
    return type("Bar", (base,), own)


class ProgressBar(Callback):
    """Shows how far `fit`, `evaluate` or `predict` is.

    Args:
        verbose: 1 is a bar while an epoch runs and a line at its end; 2 is the line alone.
        file: where to; None is `sys.stdout`.
        notebook: whether the output is a notebook; None finds out.

    Example:
        >>> progress = ProgressBar(verbose=2)
        >>> progress.set_params({"epochs": 10, "steps": 4})
        >>> progress.on_train_begin()
        >>> progress.on_epoch_begin(0)
        >>> progress.update(4, lambda: {"loss": 0.5})
        >>> progress.on_epoch_end(0, {"loss": 0.5})
        Epoch  1/10 - loss: 0.5000 - ... s, ... ms/step
    """

    def __init__(self, verbose: int = 1, file: TextIO | None = None, notebook: bool | None = None) -> None:
        self.verbose = verbose
        self._file = file
        self._notebook = notebook
        self._clock: Callable[[], float] = time.perf_counter
        self._bar: Any = None
        self._training = False
        self._title = ""
        self._start = self._last = self._next = 0.0
        self._step = 0

    def _begin(self, title: str) -> None:
        self.clear()
        out = sys.stdout if self._file is None else self._file
        notebook = in_notebook() if self._notebook is None else self._notebook
        terminal = getattr(out, "isatty", lambda: False)()
        self._out = out
        self._in_notebook = notebook
        self._title = title
        self._step = 0
        self._start = self._last = self._clock()
        draws = self.verbose == 1 and (terminal or notebook)
        self._next = self._start + INTERVAL if draws else float("inf")

    def update(self, step: int, logs: LogsFunction | None = None) -> None:
        """Note that `step` steps are done. `logs` is called only if the bar is drawn now."""
        self._step = step
        self._last = now = self._clock()
        if now >= self._next:
            self._draw(logs)
            self._next = self._clock() + INTERVAL

    def _draw(self, logs: LogsFunction | None) -> None:
        import shutil  # with its compressors 3 ms, which only a drawn bar needs

        # Asked at each drawing, since a window may change; a size of 0, as some report, becomes 80 x 24.
        size = shutil.get_terminal_size()
        if self._bar is None:
            self._bar = _bar_class(self._in_notebook)(
                total=self.params.get("steps"),
                desc=self._title,
                file=self._out,
                nrows=size.lines,
                ncols=None if self._in_notebook else size.columns - 1,
                leave=False,
                delay=1e-9,  # the first drawing is the one below, with the values
                unit="step",
                bar_format="{desc} {n_fmt}/{total_fmt} |{bar}| {elapsed}<{remaining}{postfix}",
            )
            self._bar.start_t -= self._clock() - self._start
        if not self._in_notebook:
            self._bar.ncols = size.columns - 1
        self._bar.n = self._step
        self._bar.set_postfix_str(format_logs(logs()) if logs is not None else "", refresh=False)
        self._bar.refresh()

    def clear(self) -> None:
        """Take the bar off the screen; the line comes at the end of the epoch."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        self._next = float("inf")

    def _end(self, logs: Mapping[str, Any]) -> None:
        self.clear()
        values = format_logs(logs)
        took = f"{self._clock() - self._start:.2f} s"
        if self._step:
            took += f", {format_step((self._last - self._start) / self._step)}"
        print(" - ".join(filter(None, (self._title, values, took))), file=self._out, flush=True)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Evaluations from here on belong to the fit and show nothing of their own."""
        self._training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Leave nothing drawn."""
        self.clear()
        self._training = False

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Start the epoch's bar."""
        epochs = str(self.params.get("epochs", "?"))
        self._begin(f"Epoch {epoch + 1:>{len(epochs)}}/{epochs}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Replace the bar by the line."""
        self._end(logs or {})

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Start the bar of an evaluation."""
        if not self._training:
            self._begin("evaluate")

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Replace it by the line."""
        if not self._training:
            self._end(logs or {})

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Start the bar of a prediction."""
        if not self._training:
            self._begin("predict")

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Replace it by the line."""
        if not self._training:
            self._end({})
