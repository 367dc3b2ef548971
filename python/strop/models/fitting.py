"""fit: train on data for some epochs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from ..callbacks import Callback, CallbackList, History, ProgressBar
from ..training import data as border
from ..training.data import Data
from ..training.feed import Feed
from ..training.loop import run_epoch, run_evaluation
from ..training.sources import FromFile, source_of
from ..training.structure import leaves, rows
from ..training.turns import steps_of
from .backup import Backup
from .checking import optional, positive
from .compiled import on_own_device
from .feeding import Feeding


class Fitting(Feeding, Backup):
    """Training, epoch by epoch."""

    #: Where the fit under way begins; a callback that resumes one sets it when training begins.
    _initial_epoch = 0

    @on_own_device
    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Sequence[Any] | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Mapping[Any, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int = 1,
    ) -> History:
        """Train on data.

        Args:
            x: the inputs, (N, ...): an array, nested lists, or a memory map, of which only the rows of a batch are read
                where it must be converted; of several inputs a list, a tuple, or a dict by name. Or what gives
                batches (x, y) or (x, y, sample_weight): a `strop.data.Dataset`, a generator, a Keras `PyDataset` or
                any object with `__len__` and `__getitem__`.
            y: the targets, N of them; of several outputs a list, a tuple, or a dict by name; None where x gives
                batches.
            batch_size: samples per step, 32; the last batch of an epoch may be short. None where x gives batches.
            epochs: number of the last epoch: with initial_epoch 3, `epochs=5` runs two.
            verbose: 1 or `"auto"` a progress bar, 2 a line per epoch, 0 nothing.
            callbacks: list of `strop.callbacks.Callback`.
            validation_split: share of the samples, from the end, that is held out for validation; not of batches.
            validation_data: (x, y) or (x, y, sample_weight), or what gives batches; wins over validation_split.
            shuffle: whether each epoch takes the samples in a new order, or the batches of an object with
                `__getitem__`; a dataset or a generator has its own.
            class_weight: factor of the loss of each class, as a dict; others weigh 1. Validation has none.
            sample_weight: factor of the loss of each sample, (N,), for all outputs; or a list or dict by output.
            initial_epoch: epochs that have been run before.
            steps_per_epoch: at most so many batches per epoch. What gives batches is read on from epoch to epoch then;
                where it ends early, a warning says so and the epoch has what there was.
            validation_steps: at most so many batches of validation.
            validation_batch_size: samples per step of validation; batch_size if None.
            validation_freq: validate after every so many epochs.

        Returns:
            The `History`: `history.history` has a list of floats for each name, `history.epoch` the epochs.

        Raises:
            ValueError: the model has no loss, shapes or counts do not fit, a label is NaN or no class, the split
                leaves nothing. Nothing has been trained then, unless x gives batches: these are checked as they come,
                and the message has the number of the batch.
            IndexError: an id is outside the table of the embedding.
            RuntimeError: another thread is fitting this model.

        Example:
            >>> import strop
            >>> model = strop.Sequential([strop.layers.Dense(1)])
            >>> model.compile(optimizer="sgd", loss="mse")
            >>> history = model.fit([[0.0], [1.0]], [[0.0], [2.0]], epochs=3, verbose=0)
            >>> len(history.history["loss"])
            3
        """
        if not self._busy.acquire(blocking=False):
            raise RuntimeError("fit: model must be trained by one call at a time; got a second one")
        try:
            self._require_compiled("fit")
            size = positive("fit", "batch_size", batch_size, 32)
            validation_size = positive("fit", "validation_batch_size", validation_batch_size, size)
            steps = optional("fit", "steps_per_epoch", steps_per_epoch)
            validation_steps = optional("fit", "validation_steps", validation_steps)
            last = positive("fit", "epochs", epochs, 1, least=0)
            initial_epoch = positive("fit", "initial_epoch", initial_epoch, 0, least=0)
            train = self._samples(
                "fit",
                x,
                y,
                sample_weight,
                class_weight,
                batch_size=batch_size and size,
                steps=steps,
                shuffle=shuffle,
                anew=False,
            )
            if isinstance(train, Data) and not len(train):
                raise ValueError("fit: x must have a sample; got 0")
            held_out: Data | Feed | None = None
            try:
                if validation_data is not None:
                    given = validation_batch_size and validation_size
                    held_out = self._validation(validation_data, size, given, validation_steps)
                    if isinstance(held_out, Data) and not len(held_out):
                        raise ValueError("fit: validation_x must have a sample; got 0")
                elif validation_split:
                    train, held_out = self._split(
                        train, validation_split, validation_size, validation_steps, class_weight is None
                    )
                return self._fit(
                    train,
                    held_out,
                    size=size,
                    validation_size=validation_size,
                    epochs=range(initial_epoch, last),
                    verbose=verbose,
                    callbacks=callbacks,
                    shuffle=shuffle,
                    steps=steps,
                    validation_steps=validation_steps,
                    validation_freq=positive("fit", "validation_freq", validation_freq, 1),
                )
            finally:
                for feed in (train, held_out):
                    if isinstance(feed, Feed):
                        feed.close()
        finally:
            self._busy.release()

    def _validation(self, given: Any, size: int, own_size: int | None, steps: int | None) -> Data | Feed:
        """Validation data of any kind; arrays in batches of `own_size`, or of the size of training."""
        if source_of(given, False) is not None:
            settings: dict[str, Any] = {"batch_size": own_size, "steps": steps, "name": "validation_"}
            return self._samples("fit", given, **settings)
        if not isinstance(given, list | tuple) or len(given) not in (2, 3):
            raise ValueError(
                "fit: validation_data must be (x, y) or (x, y, sample_weight); got something else"
            )
        x, y, *weight = given
        return self._samples(
            "fit",
            x,
            y,
            weight[0] if weight else None,
            batch_size=own_size or size,
            steps=steps,
            name="validation_",
        )

    def _split(
        self, data: Data | Feed, share: float, validation_size: int, steps: int | None, weighted: bool
    ) -> tuple[Data | Feed, Data | Feed]:
        """The samples before the place where the validation begins, and those from it on, with weights or without."""
        source = data.source if isinstance(data, Feed) else data
        if not isinstance(source, Data | FromFile):
            raise ValueError(
                f"fit: validation_split must be 0 where x gives batches; got {share}; pass validation_data"
            )
        place = border.split_place("fit", share, rows(source.x))
        if isinstance(source, Data) or source.checked:
            texts = [border.missing_class_warning(y, place, share) for y in leaves(source.y)]
            if any(texts):
                warnings.warn(next(filter(None, texts)), UserWarning, stacklevel=3)
        if isinstance(data, Feed):
            return self._file_parts(data, place, validation_size, steps, weighted)
        held_out = data.part(place, len(data))
        return data.part(0, place), held_out if weighted else Data(held_out.x, held_out.y)

    def _fit(
        self,
        train: Data | Feed,
        held_out: Data | Feed | None,
        *,
        size: int,
        validation_size: int,
        epochs: range,
        verbose: Any,
        callbacks: Sequence[Any] | None,
        shuffle: bool,
        steps: int | None,
        validation_steps: int | None,
        validation_freq: int,
    ) -> History:
        first = self._first("fit", train, epochs.start)
        if isinstance(held_out, Feed):
            self._first("fit", held_out, 0)
        plan, averages = self._ready("fit", first)
        validating = self._averages(plan)
        if not self.optimizer._params and plan.variables:
            self.optimizer.build(plan.variables)
        count = train.count if isinstance(train, Feed) else steps_of(train, size, steps)
        produced = self.metrics_names
        produced += [f"val_{name}" for name in produced] if held_out is not None else []
        history = History()
        calls = self._calls(
            "fit", callbacks, verbose, count, epochs=epochs.stop, log_names=produced, history=history
        )
        runner, progress = calls
        self.stop_training = False
        self.history = history
        self._initial_epoch = epochs.start
        runner.on_train_begin()
        try:
            for epoch in range(self._initial_epoch, epochs.stop):
                if self.stop_training:
                    break
                if isinstance(train, Feed) and train.first(epoch) is None:
                    train.warn_of_end(0, epoch)
                    break
                runner.on_epoch_begin(epoch)
                logs = run_epoch(
                    plan,
                    train,
                    batch_size=size,
                    shuffle=shuffle,
                    optimizer=self.optimizer,
                    averages=averages,
                    calls=calls,
                    stopped=lambda: self.stop_training,
                    steps=steps,
                    epoch=epoch,
                )
                if held_out is not None and (epoch + 1) % validation_freq == 0:
                    if isinstance(held_out, Feed) and held_out.first(0) is None:
                        held_out.warn_of_end(0, epoch)  # zeros would be the best values of the fit
                        held_out = None
                    else:
                        runner.on_test_begin()
                        values = run_evaluation(
                            plan,
                            held_out,
                            batch_size=validation_size,
                            averages=validating,
                            calls=(runner, None),
                            steps=validation_steps,
                        )
                        runner.on_test_end(values)
                        logs.update({f"val_{name}": value for name, value in values.items()})
                runner.on_epoch_end(epoch, logs)
        finally:
            if progress is not None:
                progress.clear()  # so that a traceback starts on a line of its own
        if epochs:
            self.optimizer.finalize_variable_values()
        runner.on_train_end()
        return history

    def _calls(
        self,
        op: str,
        callbacks: Sequence[Any] | None,
        verbose: Any,
        steps: int | None,
        *,
        epochs: int = 1,
        log_names: Sequence[str] = (),
        history: History | None = None,
    ) -> tuple[CallbackList, ProgressBar | None]:
        """The callbacks of a call and its bar, or None.

        The bar comes first, so that its line stands before what callbacks print, the history last, to record what
        they add to the logs.
        """
        if verbose not in ("auto", 0, 1, 2):
            raise ValueError(f"{op}: verbose must be 'auto', 0, 1 or 2; got {verbose!r}")
        level = 1 if verbose == "auto" else int(verbose)
        progress = ProgressBar(level) if level else None
        given = [callbacks] if isinstance(callbacks, Callback) else [] if callbacks is None else callbacks
        if not hasattr(given, "__iter__"):
            raise TypeError(f"{op}: callbacks must be a list of Callbacks; got {given!r}")
        params = {"verbose": level, "epochs": epochs, "steps": steps}
        runner = CallbackList(
            [*([progress] if progress else []), *given, *([history] if history is not None else [])],
            model=self,
            params=params,
            log_names=log_names,
            progress=progress,
            op=op,
        )
        return runner, progress
