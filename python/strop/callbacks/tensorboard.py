"""The values of a fit as TensorBoard reads them."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from .base import Callback, Logs

#: What Keras writes and this does not, with the value that turns it off.
ABSENT = {"write_images": False, "profile_batch": 0, "embeddings_freq": 0, "embeddings_metadata": None}


class TensorBoard(Callback):
    """Write event files that TensorBoard shows, under Keras' names; needs `pip install "strop[tensorboard]"`.

    `log_dir/train` has `epoch_loss`, `epoch_<metric>` and `epoch_learning_rate`, `log_dir/validation` has `epoch_loss`
    and `epoch_<metric>` of the validation data, so that both are curves of one chart, and
    `evaluation_<name>_vs_iterations`.

    Args:
        log_dir: folder for the two; a run each, as in `logs/first`.
        histogram_freq: write a histogram of each weight after every so many epochs; 0 writes none.
        write_graph: means nothing here.
        write_images: only False.
        write_steps_per_second: write `epoch_steps_per_second`, and `batch_steps_per_second` beside values of batches.
        update_freq: `"epoch"`; or write `batch_<name>`, the means of the epoch so far, after every step (`"batch"`)
            or after every so many steps.
        profile_batch: only 0.
        embeddings_freq: only 0.
        embeddings_metadata: only None.

    Raises:
        ValueError: update_freq or histogram_freq is something else.
        NotImplementedError: an argument asks for what is not there.
        ImportError: when the fit begins, tensorboardX is absent.
    """

    records = True
    state_attributes = ("_train_step",)

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: str | int = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
    ) -> None:
        given = (write_images, profile_batch, embeddings_freq, embeddings_metadata)
        for (name, off), value in zip(ABSENT.items(), given, strict=True):
            if value != off:
                raise NotImplementedError(f"TensorBoard: {name} must be {off!r}; got {value!r}")
        every = 1 if update_freq == "batch" else update_freq
        if every != "epoch" and (isinstance(every, bool) or not isinstance(every, int) or every < 1):
            raise ValueError(
                f"TensorBoard: update_freq must be 'epoch', 'batch' or a number of steps; got {update_freq!r}"
            )
        if isinstance(histogram_freq, bool) or not isinstance(histogram_freq, int) or histogram_freq < 0:
            raise ValueError(
                f"TensorBoard: histogram_freq must be a number of epochs, or 0; got {histogram_freq!r}"
            )
        self.log_dir = Path(log_dir)
        self.histogram_freq = histogram_freq
        self.write_graph = write_graph
        self.write_steps_per_second = write_steps_per_second
        self.update_freq = every
        self._train_step = 0
        self._training = False
        self._writers: dict[str, Any] = {}
        if isinstance(every, int):
            # An attribute of the object, so that writing by epochs has no batch hook to pay for.
            vars(self)["on_train_batch_end"] = self._after_batch

    def _write(self, part: str, values: Logs, step: int) -> None:
        """Scalars into `train` or `validation`."""
        writer = self._writer(part)
        for name, value in values.items():
            if not isinstance(value, list):
                writer.add_scalar(name, float(value), step)

    def _writer(self, part: str) -> Any:
        if part not in self._writers:
            # The name has the second alone: a file begun within one second of another would replace it.
            suffix = f".{time.time_ns() % 10**9:09d}"
            self._writers[part] = _writer_class()(str(self.log_dir / part), filename_suffix=suffix)
        return self._writers[part]

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start counting steps."""
        _writer_class()
        self._train_step = 0
        self._training = True

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Look at the clock."""
        self._start = self._last = time.perf_counter()
        self._first = int(self.model.optimizer.iterations)

    def _after_batch(self, batch: int, logs: Logs | None = None) -> None:
        self._train_step += 1
        now = time.perf_counter()
        if self._train_step % self.update_freq == 0:  # type: ignore[operator]
            values = {f"batch_{name}": value for name, value in (logs or {}).items()}
            if self.write_steps_per_second:
                values["batch_steps_per_second"] = 1 / max(now - self._last, 1e-9)
            self._write("train", values, self._train_step)
        self._last = now

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Write the values of an evaluation, also of one within a fit."""
        step = int(self.model.optimizer.iterations)
        self._write(
            "validation",
            {f"evaluation_{name}_vs_iterations": value for name, value in (logs or {}).items()},
            step,
        )
        if not self._training:
            self._close()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write the epoch's values."""
        values = dict(logs or {})
        held_out = {name: values.pop(name) for name in list(values) if name.startswith("val_")}
        values["learning_rate"] = float(self.model.optimizer.learning_rate)
        if self.write_steps_per_second:
            steps = int(self.model.optimizer.iterations) - self._first
            values["steps_per_second"] = steps / max(time.perf_counter() - self._start, 1e-9)
        self._write("train", {f"epoch_{name}": value for name, value in values.items()}, epoch)
        if held_out:
            named = {f"epoch_{name.removeprefix('val_')}": value for name, value in held_out.items()}
            self._write("validation", named, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            for path, weight in self.model.weight_tensors().items():
                self._writer("train").add_histogram(f"{path}/histogram", weight, epoch)
        for writer in self._writers.values():
            writer.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Close the files."""
        self._training = False
        self._close()

    def _close(self) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers = {}


def _writer_class() -> Any:
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise ImportError(
            'TensorBoard: tensorboardX must be installed; pip install "strop[tensorboard]"'
        ) from None
    return SummaryWriter
