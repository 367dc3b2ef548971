"""The state of an optimizer as torch lays it out, out of it and into it again; nothing or all of it."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from .._backend import on_gpu
from .._memory import host_copy
from . import files
from .loading import checked
from .rows import RowSteps

Array = NDArray[Any]


class StateDict(RowSteps):
    """Saving and loading of an optimizer."""

    def state_dict(self) -> dict[str, Any]:
        """The state as torch lays it out, arrays as copies on the host.

        Deferred rows are brought up to date first, in the parameters too, so that parameters saved after this call
        belong to this state.

        Returns:
            `{"state": {place: {"step": 3, "exp_avg": array, ...}}, "param_groups": [{"lr": ..., "params": [0, 1]}]}`.

        Example:
            >>> import numpy as np
            >>> import strop
            >>> optimizer = strop.optim.SGD([np.ones(2)], lr=0.5, momentum=0.9)
            >>> optimizer.step([np.ones(2)])
            >>> optimizer.state_dict()["state"]
            {0: {'momentum_buffer': array([1., 1.])}}
        """
        with self._alone("state_dict"):
            return self._state_dict(copied=True)

    def _state_dict(self, *, copied: bool) -> dict[str, Any]:
        self._flush()
        states = {
            place: {
                key: _on_host(value, copied=copied) if hasattr(value, "shape") else value
                for key, value in state.items()
            }
            for place, state in enumerate(self.state)
            if state
        }
        groups, first = [], 0
        for group in self.param_groups:
            settings = {key: copy.deepcopy(value) for key, value in group.items() if key != "params"}
            count = len(group["params"])
            groups.append({**settings, "params": list(range(first, first + count))})
            first += count
        return {"state": states, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take the state of an optimizer of the same rule over the same parameters, or nothing of it.

        Parameters are matched by name where both sides have names, else by place. Arrays are copied. torch's own
        `state_dict()` is taken too, where its tensors have the shapes and dtypes of the parameters. Rows that wait for
        `flush` stay as they are, since the parameters that belong to the state may be in place already.

        Args:
            state_dict: what `state_dict` gave.

        Raises:
            ValueError: the structure, a name, a shape or a dtype is not that of these parameters, or a setting is out
                of range. Nothing has changed then.
        """
        with self._alone("load_state_dict"):
            self._take(state_dict)

    def _take(self, state_dict: Any) -> None:
        groups, states = checked(self, state_dict)
        self._tables.clear()
        for group, settings in zip(self.param_groups, groups, strict=True):
            params = group["params"]
            group.clear()
            group.update({"params": params, **settings})
        self.state[:] = states
        self._batcher.forget()

    def save(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Save settings and state, not the parameters, in one safetensors file, whole or not at all.

        Args:
            filepath: ends in .safetensors, .strop, or nothing.
            overwrite: False refuses an existing file.

        Raises:
            ValueError: the suffix belongs to another format, or a setting is not what JSON holds.
            FileExistsError: the file exists and overwrite is False.
            OSError: the folder is missing or the disk is full; an old file is whole.
        """
        with self._alone("save"):
            files.save(self.op, filepath, self._state_dict(copied=False), overwrite)

    def load(self, filepath: str | os.PathLike[str]) -> None:
        """Take the state of a file that `save` wrote; see `load_state_dict`.

        Args:
            filepath: ends in .safetensors, .strop, or nothing.

        Raises:
            ValueError: the file is damaged or of another optimizer; nothing has changed then.
            OSError: the file cannot be read.
        """
        with self._alone("load"), files.opened(self.op, filepath) as state_dict:
            self._take(state_dict)


def _on_host(array: Array, *, copied: bool) -> Array:
    return host_copy(array) if copied or on_gpu(array) else array
