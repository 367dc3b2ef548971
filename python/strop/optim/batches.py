"""Which parameters go to the kernel together: those of like settings and like age."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from operator import is_
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]
State = dict[str, Any]


class Batch:
    """Parameters that one call updates.

    Args:
        places: their places among all parameters.
        arrays: all parameters.
        states: the state of all.
        groups: the number of the group of each of all.
    """

    __slots__ = ("_alone", "groups", "names", "params", "places", "slots", "states")

    def __init__(
        self, places: list[int], arrays: list[Array], states: list[State], groups: list[int]
    ) -> None:
        self.places = places
        self.params = [arrays[i] for i in places]
        self.states = [states[i] for i in places]
        self.groups = [groups[i] for i in places]
        self._alone = len(set(self.groups)) == 1
        #: Names of the state arrays, and under each name one per parameter: what their optimizer has made.
        self.names: tuple[str, ...] | None = None
        self.slots: dict[str, list[Array]] = {}

    def grads(self, flat: list[Any]) -> list[Any]:
        """The gradients of these parameters."""
        return flat if len(flat) == len(self.places) else [flat[i] for i in self.places]

    def settings(self, of_groups: list[dict[str, Any]]) -> dict[str, Any]:
        """The settings; weight_decay is a list, one per parameter, where groups differ in it."""
        first = of_groups[self.groups[0]]
        if self._alone:
            return first
        decays = [of_groups[group].get("weight_decay") for group in self.groups]
        if all(decay == decays[0] for decay in decays):
            return first
        return {**first, "weight_decay": decays}

    def holds(self, phase: Callable[[State], Hashable]) -> bool:
        """Whether the states are still of one age and have these arrays: they are in their owner's reach."""
        ages = list(map(phase, self.states))
        return ages.count(ages[0]) == len(ages) and all(
            all(map(is_, [state.get(name) for state in self.states], arrays))
            for name, arrays in self.slots.items()
        )


class Batcher:
    """Remembers the batches of the last step, which are mostly those of the next one.

    Parameters are of like age if `phase` of their states is equal; a step moves the phase of a whole batch.
    """

    def __init__(self) -> None:
        self._last: tuple[list[int], Sequence[int]] | None = None
        self._batches: list[Batch] = []

    def forget(self) -> None:
        """Say that arrays or states have changed places."""
        self._last = None

    def batches(
        self,
        places: list[int],
        likes: Sequence[int],
        arrays: list[Array],
        states: list[State],
        groups: list[int],
        phase: Callable[[State], Hashable],
    ) -> list[Batch]:
        """The batches of these places.

        Args:
            places: of the parameters that have a gradient.
            likes: for each group the first one with its settings.
            arrays: all parameters.
            states: the state of all.
            groups: the number of the group of each of all.
            phase: what must be equal in a batch.
        """
        same = self._last is not None and self._last[0] == places and self._last[1] == likes
        if same and all(batch.holds(phase) for batch in self._batches):
            return self._batches
        found: dict[Hashable, list[int]] = {}
        for place in places:
            found.setdefault((likes[groups[place]], phase(states[place])), []).append(place)
        self._batches = [Batch(each, arrays, states, groups) for each in found.values()]
        self._last = (places, likes)
        return self._batches
