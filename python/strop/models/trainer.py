"""evaluate, predict, and single batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._backend import on_gpu
from .._device import to_device, to_host
from ..training.feed import Feed
from ..training.loop import run_evaluation, run_prediction
from ..training.placing import moved
from ..training.structure import each, leaves
from ..training.turns import steps_of
from .checking import optional, positive
from .compiled import on_own_device
from .fitting import Fitting


class Trainer(Fitting):
    """What a model does with data; `Sequential` adds the layers."""

    @on_own_device
    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Sequence[Any] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """Loss and metrics on data, with the weights as they stand.

        Args:
            x: the inputs, (N, ...), or what gives batches; see `fit`.
            y: the targets, N of them; None where x gives batches.
            batch_size: samples per step, 32; None where x gives batches.
            verbose: 1 or `"auto"` a progress bar, 2 a line, 0 nothing.
            sample_weight: factor of the loss of each sample, (N,).
            steps: at most so many batches.
            callbacks: list of `strop.callbacks.Callback`.
            return_dict: True returns a dict by name.

        Returns:
            The loss as a float; with metrics a list in the order of `metrics_names`.

        Raises:
            ValueError: the model has no loss, or shapes or labels do not fit.

        Example:
            >>> import strop
            >>> model = strop.Sequential([strop.layers.Dense(1, kernel_initializer="ones")])
            >>> model.compile(loss="mse", optimizer="sgd")
            >>> model.evaluate([[1.0]], [[3.0]], verbose=0)
            4.0
        """
        self._require_compiled("evaluate")
        size = positive("evaluate", "batch_size", batch_size, 32)
        steps = optional("evaluate", "steps", steps)
        data = self._samples("evaluate", x, y, sample_weight, batch_size=batch_size and size, steps=steps)
        try:
            plan, averages = self._ready("evaluate", self._first("evaluate", data, 0))
            count = data.count if isinstance(data, Feed) else steps_of(data, size, steps)
            calls = self._calls("evaluate", callbacks, verbose, count)
            runner = calls[0]
            runner.on_test_begin()
            logs = run_evaluation(plan, data, batch_size=size, averages=averages, calls=calls, steps=steps)
            runner.on_test_end(logs)
        finally:
            if isinstance(data, Feed):
                data.close()
        if return_dict:
            return logs
        values = list(logs.values())
        return values[0] if len(values) == 1 else values

    @on_own_device
    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Sequence[Any] | None = None,
    ) -> Any:
        """The model's output for every sample; needs no compile, and may run from many threads.

        Args:
            x: the inputs, (N, ...), or what gives batches of inputs, alone or as the first of a tuple; of several
                inputs a list, a tuple, or a dict by name.
            batch_size: samples per step, 32; None where x gives batches.
            verbose: 1 or `"auto"` a progress bar, 2 a line, 0 nothing.
            steps: at most so many batches.
            callbacks: list of `strop.callbacks.Callback`.

        Returns:
            (N, units), of the model's float type, a fresh array; (0, units) for no samples. Of several outputs a list
            or a dict, as the model was drawn.

        Raises:
            ValueError: x does not fit the first layer.
            IndexError: an id is outside the table of the embedding.
        """
        size = positive("predict", "batch_size", batch_size, 32)
        steps = optional("predict", "steps", steps)
        data = self._inputs_or_feed("predict", x, batch_size and size, steps)
        try:
            if isinstance(data, Feed):
                self._first("predict", data, 0)
                count = data.count
            else:
                data = data if steps is None else data.part(0, size * steps)
                count = -(-len(data) // size)
            calls = self._calls("predict", callbacks, verbose, count)
            runner = calls[0]
            runner.on_predict_begin()
            plan = self._plan or self.make_plan(None)
            result = run_prediction(plan, data, batch_size=size, calls=calls, empty=self._empty())
            runner.on_predict_end()
        finally:
            if isinstance(data, Feed):
                data.close()
        return self.output_structure.pack(result)

    def _empty(self) -> Any:
        """What is predicted of no sample."""
        arrays = []
        for shape, dtype in zip(self.output_shapes, self.output_dtypes, strict=True):
            assert shape is not None
            arrays.append(np.zeros((0, *(n or 0 for n in shape[1:])), dtype))
        return tuple(arrays) if self.output_structure.several else arrays[0]

    @on_own_device
    def __call__(self, x: Any, training: bool = False) -> Any:
        """The model's output for one batch."""
        plan = self._plan or self.make_plan(None) if self.built else None
        inputs = self._inputs("call", x)
        plan = plan or self.make_plan(None)
        there = each(lambda array: to_device(array, self.device), inputs)
        y = plan.head.forward(plan.forward(there, training)[0])
        fetched = self.device.is_gpu and not on_gpu(leaves(inputs)[0])
        return self.output_structure.pack(each(to_host if fetched else lambda array: array.copy(), y))

    def predict_on_batch(self, x: Any) -> Any:
        """The model's output for one batch, as `predict` gives it.

        Args:
            x: the inputs.

        Raises:
            ValueError: x does not fit the first layer.
        """
        return self.__call__(x)

    @on_own_device
    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[Any, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One step of training on one batch; returns this batch's loss and metrics."""
        if not self._busy.acquire(blocking=False):
            raise RuntimeError(
                "train_on_batch: model must be trained by one call at a time; got a second one"
            )
        try:
            self._require_compiled("train_on_batch")
            data = self._data("train_on_batch", x, y, sample_weight, class_weight)
            plan, averages = self._ready("train_on_batch", data)
            batch = moved(data, self.device)
            loss, output, mask = plan.train_step(batch.x, batch.y, batch.weight, self.optimizer)
            averages.add(([loss], output, data.y, data.weight, mask), len(data))
            logs = averages.logs()
            plan.synchronize()
        finally:
            self._busy.release()
        return _values(logs, return_dict)

    @on_own_device
    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """Loss and metrics of one batch."""
        self._require_compiled("test_on_batch")
        data = self._data("test_on_batch", x, y, sample_weight)
        plan, averages = self._ready("test_on_batch", data)
        batch = moved(data, self.device)
        loss, output, mask = plan.test_step(batch.x, batch.y, batch.weight)
        loss = loss + plan.penalty() if plan.penalized else loss
        averages.add(([loss], output, data.y, data.weight, mask), len(data))
        logs = averages.logs()
        plan.synchronize()
        return _values(logs, return_dict)


def _values(logs: dict[str, Any], return_dict: bool) -> Any:
    if return_dict:
        return logs
    values = list(logs.values())
    return values[0] if len(values) == 1 else values
