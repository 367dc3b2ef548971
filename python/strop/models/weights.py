"""A model's weights: read and set by copies on the host, moved from device to device."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .._device import Device, find
from ..layers import Variable
from ..layers.variable import check_weights, move_layers
from .compiled import Compiled, on_own_device

Array = NDArray[Any]


class Weights(Compiled):
    """What a model does with its weights; `Sequential` adds the layers."""

    @property
    def variables(self) -> list[Variable]:
        """All weights, layer by layer."""
        return [v for layer in self.layers for v in layer.variables]

    def get_weights(self) -> list[Array]:
        """Copies of all weights on the host, layer by layer."""
        return [v.numpy() for v in self.variables]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set all weights; every shape is checked before the first is written.

        Raises:
            ValueError: the count or a shape differs; nothing has changed then.
        """
        weights = list(weights) if isinstance(weights, Iterable) else weights
        check_weights("set_weights", self.variables, weights)
        for variable, weight in zip(self.variables, weights, strict=True):
            variable.assign(np.asarray(weight))

    def weight_tensors(self) -> dict[str, Array]:
        """Copies of all weights on the host by path, `<layer>/<weight>`."""
        return {v.path: v.numpy() for v in self.variables}

    def weight_specs(self) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
        """Shape and dtype of every weight by path."""
        return {v.path: (v.shape, v.dtype) for v in self.variables}

    def assign_weight_tensors(self, tensors: dict[str, Array]) -> None:
        """Overwrite weights by path; names, shapes and dtypes have been checked."""
        for variable in self.variables:
            if variable.path in tensors:
                variable.assign(tensors[variable.path])

    @on_own_device
    def to(self, device: str | Device) -> Self:
        """Move the weights and the optimizer's state to a device; a model without weights builds them there.

        Args:
            device: `"cpu"`, `"cuda"` (CuPy's current device) or `"cuda:1"`.

        Returns:
            The model itself.

        Raises:
            ValueError: the name is another, or there is no such GPU.
            NotImplementedError: this build has no CUDA kernels.
            ImportError: CuPy is not installed.
            RuntimeError: there is no driver, or it is too old; or the model is being trained.
            MemoryError: the model does not fit there. It is then where it was, whole.

        Example:
            >>> import strop
            >>> model = strop.Sequential([strop.Input((3,)), strop.layers.Dense(1)]).to("cpu")
            >>> str(model.device)
            'cpu'
        """
        where = find("to", device)
        if not self._busy.acquire(blocking=False):
            raise RuntimeError("to: model must not be moved while it is trained; got a call amid one")
        try:
            optimizer = self.optimizer if self.optimizer is not None and self.optimizer._params else None
            move_layers("to", "the model", self.layers, where, optimizer)
            self.device, self._plan = where, None
        finally:
            self._busy.release()
        return self
