"""The exponential moving average of weights, which often predicts better than the weights themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._memory import copy_into, host_copy, zeros_beside
from .._names import check_number, check_whole
from ..optimizers.accumulation import average
from ..optimizers.parameters import about, check_params
from .gradients import label, leaves, listed, rebuild

Array = NDArray[Any]


class ExponentialMovingAverage:
    """Keeps `average += (1 - decay) * (param - average)` of every parameter.

    The first update copies the parameters, as torch's `AveragedModel` does, so no zeros are mixed in. One call of a
    fused kernel updates all averages. Parameters are kept by reference: update them in place.

    Args:
        params: a list, a tuple or a dict of arrays, nested as it may be; all float32 or all float64, C-contiguous.
        decay: how much of the average an update keeps, in [0, 1].

    Raises:
        TypeError: a parameter is no array of such a dtype, or decay no number.
        ValueError: decay lies outside [0, 1]; parameters overlap, or are strided or read-only; there are none.

    Example:
        >>> weight = np.array([0.9])
        >>> average = ExponentialMovingAverage([weight], decay=0.5)
        >>> average.update()
        >>> weight[...] = 0.8
        >>> average.update()
        >>> print(average.averaged()[0])
        [0.85]
        >>> with average.average_parameters():
        ...     print(weight)
        [0.85]
        >>> print(weight)
        [0.8]
    """

    op = "ExponentialMovingAverage"

    def __init__(self, params: Any, decay: float = 0.999) -> None:
        params = listed(params)
        if not isinstance(params, Mapping | list | tuple):
            raise TypeError(
                f"{self.op}: params must be a list or a dict of arrays; got {type(params).__name__}"
            )
        found = list(leaves(params))
        self._structure, self._labels = params, [label(path) for path, _ in found]
        self._params = check_params(self.op, [param for _, param in found], self._labels)
        if not found:
            raise ValueError(f"{self.op}: params must hold an array; got none")
        self.decay = _checked_decay(self.op, decay)
        #: Updates taken so far, by torch's name.
        self.n_averaged = 0
        self._averages = [zeros_beside(param) for param in self._params]
        self._swapped = False

    def update(self) -> None:
        """Move the averages towards the parameters as they are now.

        Raises:
            RuntimeError: the averages stand in the parameters at the moment.
        """
        self._check_own("update")
        average(self._averages, self._params, self.decay if self.n_averaged else 0.0)
        self.n_averaged += 1

    def averaged(self) -> Any:
        """Copies of the averages in the structure of params; before the first update of the parameters."""
        source = self._averages if self.n_averaged else self._params
        return rebuild(self._structure, iter([array.copy() for array in source]))

    def copy_to_params(self) -> None:
        """Set the parameters to their averages for good; before the first update they stay.

        Raises:
            RuntimeError: the averages stand in the parameters at the moment.
        """
        self._check_own("copy_to_params")
        if self.n_averaged:
            for mean, param in zip(self._averages, self._params, strict=True):
                copy_into(param, mean)

    @contextmanager
    def average_parameters(self) -> Iterator[None]:
        """A block in which the parameters hold their averages; then they hold again what they held, come what may.

        Takes the memory of one more copy of the parameters. An optimizer with `sparse="exact"` must `flush` before.

        Raises:
            RuntimeError: the averages stand in the parameters already.
        """
        self._check_own("average_parameters")
        held = [param.copy() for param in self._params]
        try:
            self.copy_to_params()
            self._swapped = True
            yield
        finally:
            self._swapped = False
            for param, before in zip(self._params, held, strict=True):
                copy_into(param, before)

    # ---- the state ---------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Copies of the averages on the host, in the order of the parameters; the number of updates and the decay."""
        averages = [host_copy(mean) for mean in self._averages]
        return {"n_averaged": self.n_averaged, "decay": self.decay, "averages": averages}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Set averages, number of updates and decay to what `state_dict` gave.

        Raises:
            TypeError: the state is no dict, or an average no array of the dtype of its parameter.
            ValueError: an entry is missing or unknown, or a shape is not that of its parameter. Nothing has changed
                then.
            RuntimeError: the averages stand in the parameters at the moment.
        """
        self._check_own("load_state_dict")
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"{self.op}: state_dict must be a dict; got {type(state_dict).__name__}")
        names = ["averages", "decay", "n_averaged"]
        if sorted(map(str, state_dict)) != names:
            raise ValueError(
                f"{self.op}: state_dict must have the entries {', '.join(names)}; "
                f"got {', '.join(sorted(map(str, state_dict))) or 'none'}"
            )
        check_whole(self.op, "state_dict['n_averaged']", state_dict["n_averaged"], 0)
        decay = _checked_decay(self.op, state_dict["decay"])
        averages = state_dict["averages"]
        if not isinstance(averages, list | tuple) or len(averages) != len(self._params):
            got = len(averages) if isinstance(averages, list | tuple) else type(averages).__name__
            raise ValueError(
                f"{self.op}: state_dict['averages'] must be as many as params ({len(self._params)}); got {got}"
            )
        for mean, param, where in zip(averages, self._params, self._labels, strict=True):
            if not isinstance(mean, np.ndarray) or mean.dtype != param.dtype:
                got = f"a {about(mean)}" if isinstance(mean, np.ndarray) else type(mean).__name__
                raise TypeError(f"{self.op}: the average of params{where} must be {param.dtype}; got {got}")
            if mean.shape != param.shape:
                raise ValueError(
                    f"{self.op}: the average of params{where} must have shape {param.shape}; got {mean.shape}"
                )
        for mean, given in zip(self._averages, averages, strict=True):
            copy_into(mean, given)
        self.n_averaged, self.decay = int(state_dict["n_averaged"]), decay

    def _check_own(self, method: str) -> None:
        if self._swapped:
            raise RuntimeError(
                f"{self.op}: {method} must wait for the end of average_parameters; got called inside of it"
            )


def _checked_decay(op: str, decay: Any) -> float:
    number = check_number(op, "decay", decay)
    if not 0 <= number <= 1:
        raise ValueError(f"{op}: decay must lie in [0, 1]; got {number}")
    return number
