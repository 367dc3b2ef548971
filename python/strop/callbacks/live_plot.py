"""Curves that grow while a fit runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .._files import atomic_write
from .base import Logs
from .history import History
from .progress import in_notebook


class LivePlot(History):
    """Draw loss and metrics after each epoch: in a notebook one picture that changes, elsewhere a file if named.

    Without a notebook and without a filename it draws nothing while the fit runs and needs no matplotlib then; `plot`
    draws afterwards.

    Args:
        metrics: names of the values to draw, without `val_`, a panel each; None takes all of the fit.
        filename: a picture to write after each epoch, whole at any moment; the suffix chooses the format.
        every: draw after every so many epochs, and at the end.

    Raises:
        ValueError: every is no whole number from 1.
        ImportError: when the fit begins, matplotlib is absent and there is something to draw on.

    Example:
        >>> import strop
        >>> live = LivePlot()
        >>> model = strop.Sequential([strop.layers.Dense(1)])
        >>> model.compile("sgd", "mse", metrics=["mae"])
        >>> history = model.fit([[0.0], [1.0]], [0.0, 2.0], epochs=3, verbose=0, callbacks=[live])
        >>> [ax.get_ylabel() for ax in live.plot().axes]
        ['loss', 'mae']
    """

    def __init__(
        self,
        metrics: str | Sequence[str] | None = None,
        filename: str | os.PathLike[str] | None = None,
        every: int = 1,
    ) -> None:
        super().__init__()
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise ValueError(f"LivePlot: every must be a whole number from 1; got {every!r}")
        self.metrics = [metrics] if isinstance(metrics, str) else metrics
        self.filename = None if filename is None else Path(filename)
        self.every = every
        self._handle: Any = None
        self._drawn = 0

    def plot(self) -> Any:
        """A new figure of the epochs so far, with a panel per value.

        Raises:
            ValueError: there was no epoch yet, or a name is none of the values.
        """
        from .. import plot

        names = [name for name in self.history if not name.startswith("val_")]
        names = names if self.metrics is None else list(self.metrics)
        if not self.history or not names:
            raise ValueError("LivePlot: there must be an epoch to draw; got none")
        figure = plot.new_figure(4.6 * len(names), 3.4)
        for ax, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
            plot.history(self, name, ax=ax)
        return figure

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start empty, with a new picture."""
        super().on_train_begin(logs)
        self._handle, self._drawn = None, 0
        if in_notebook() or self.filename is not None:
            from .. import plot

            plot.new_figure(1, 1)  # an absent matplotlib is told before the hours are spent

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write the epoch down and draw."""
        super().on_epoch_end(epoch, logs)
        if len(self.epoch) % self.every == 0:
            self._show()

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Draw the epochs that were left out."""
        if len(self.epoch) > self._drawn:
            self._show()

    def _show(self) -> None:
        notebook = in_notebook()
        if not notebook and self.filename is None:
            return
        figure = self.plot()
        self._drawn = len(self.epoch)
        if self.filename is not None:
            suffix = self.filename.suffix.lstrip(".") or "png"
            with atomic_write(self.filename) as file:
                figure.savefig(file, format=suffix, dpi=120)
        if notebook:
            self._show_in_notebook(figure)

    def _show_in_notebook(self, figure: Any) -> None:
        import IPython.display

        shown: Any = IPython.display
        image = shown.Image(figure._repr_png_())
        if self._handle is None:
            self._handle = shown.display(image, display_id=True)
        else:
            self._handle.update(image)
