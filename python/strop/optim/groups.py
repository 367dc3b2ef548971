"""Parameter groups: which arrays an optimizer updates, and with which settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from operator import is_
from typing import Any

from numpy.typing import NDArray

from .._names import check_number
from ..optimizers.parameters import check_params
from .batches import Batcher
from .rule import Rule
from .settings import SettingsReader
from .structure import Structure

Array = NDArray[Any]


class ParamGroups(Rule):
    """The parameters of an optimizer, by groups, and the groups' settings."""

    _batcher: Batcher
    #: Whether gradients come by groups.
    _grouped: bool

    def _start(self, params: Any) -> None:
        #: As torch has them: dicts with `params`, `lr` and so on, read anew at every step.
        self.param_groups: list[dict[str, Any]] = []
        #: The state of each parameter in the order of the groups: live arrays under torch's names.
        self.state: list[dict[str, Any]] = []
        self._structures: list[Structure] = []
        self._readers: list[SettingsReader] = []
        self._arrays: list[Array] = []
        self._group_of: list[int] = []
        groups, self._grouped = groups_of(self.op, params)
        self._add_groups(groups, [])

    def drop_tables(self) -> None:
        """Bring deferred rows up to date and defer none any more."""
        raise NotImplementedError

    def _alone(self, method: str) -> AbstractContextManager[None]:
        raise NotImplementedError

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Take more parameters, with settings of their own; `step` then takes one entry per group.

        Args:
            param_group: `{"params": a list, a dict or one array, "lr": ..., ...}`; the rest are the defaults.

        Raises:
            TypeError: it is no dict with params, or as for the constructor.
            ValueError: as for the constructor. Nothing has been added then.
        """
        if not is_group(param_group):
            raise TypeError(
                f"{self.op}: param_group must be a dict with 'params'; got {type(param_group).__name__}"
            )
        with self._alone("add_param_group"):
            leaves = list(self._live())
            self._add_groups([dict(param_group)], leaves)
            if not self._grouped:
                self._structures[0].prefix("[0]")
                self._grouped = True

    def _add_groups(self, more: list[dict[str, Any]], leaves: list[Any]) -> None:
        """Take more groups behind the ones whose arrays are `leaves`, once all are known to be good."""
        structures, readers, groups = list(self._structures), list(self._readers), list(self.param_groups)
        for given in more:
            params = given.pop("params")
            by_group = self._grouped or bool(readers)
            if by_group and hasattr(params, "dtype"):  # torch takes a single one in a group
                params = [params]
            structure = Structure(self.op, params, f"[{len(structures)}]" if by_group else "")
            group = {"params": structure.leaves, **self.defaults, **given}
            if structure.names is not None:
                group["param_names"] = structure.names
            check_number(self.op, "lr", self.plain_settings(group)["lr"], low=0)
            groups.append(group)
            structures.append(structure)
            readers.append(SettingsReader(self.op, self.defaults, self.check_settings))
            leaves += structure.leaves
        labels = [label for structure in structures for label in structure.labels]
        arrays = check_params(self.op, leaves, labels)
        self.check_arrays(arrays, labels)
        self._arrays = arrays
        self._structures, self._readers = structures, readers
        self.param_groups += groups[len(self.param_groups) :]
        self._group_of = [i for i, structure in enumerate(structures) for _ in structure.leaves]
        self.state += [{} for _ in self._arrays[len(self.state) :]]
        self._batcher.forget()

    @property
    def lr(self) -> float:
        """The learning rate of the first group; setting it sets that of every group."""
        return float(self.param_groups[0]["lr"])

    @lr.setter
    def lr(self, rate: float) -> None:
        rate = check_number(self.op, "lr", rate, low=0)
        for group in self.param_groups:
            group["lr"] = rate

    def __repr__(self) -> str:
        lines = [f"{self.op} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])

    def _settings(self) -> list[dict[str, Any]]:
        """The settings of each group as they are now."""
        return [reader.read(group) for reader, group in zip(self._readers, self.param_groups, strict=True)]

    def _live(self) -> list[Array]:
        """The parameters, if need be those that their owner has put in their places in `param_groups`."""
        lists = [group["params"] for group in self.param_groups]
        live = lists[0] if len(lists) == 1 else [array for each in lists for array in each]
        if len(live) != len(self._arrays) or len(lists) != len(self._readers):
            raise ValueError(
                f"{self.op}: param_groups must keep their parameters ({len(self._arrays)}); got {len(live)}; "
                "use add_param_group"
            )
        if not all(map(is_, live, self._arrays)):
            self._adopt(live)
        return self._arrays

    def _adopt(self, live: list[Any]) -> None:
        arrays = check_params(self.op, live, self._labels)
        for new, old, label in zip(arrays, self._arrays, self._labels, strict=True):
            if (new.shape, new.dtype) != (old.shape, old.dtype):
                raise ValueError(
                    f"{self.op}: params{label} must stay {old.dtype} of shape {old.shape}; "
                    f"got {new.dtype} {new.shape}"
                )
        self.drop_tables()
        self._arrays = arrays
        self._batcher.forget()

    @property
    def _labels(self) -> list[str]:
        return [label for structure in self._structures for label in structure.labels]

    @property
    def _names(self) -> list[str | None]:
        """The name of each parameter, None where it has none."""
        names: list[str | None] = []
        for structure in self._structures:
            names += structure.names or [None] * len(structure.leaves)
        return names

    def _flatten(self, grads: Any) -> list[Any]:
        """Gradients in the order of the parameters, from their structure."""
        structures = self._structures
        if not self._grouped:
            return structures[0].flatten(self.op, grads)
        if not isinstance(grads, list | tuple):
            raise TypeError(
                f"{self.op}: grads must be a list with an entry per group; got {type(grads).__name__}"
            )
        if len(grads) == len(self._arrays) and not any(isinstance(g, list | tuple | Mapping) for g in grads):
            return list(grads)
        if len(grads) != len(structures):
            raise ValueError(
                f"{self.op}: grads must be as many as the groups ({len(structures)}) "
                f"or as their params ({len(self._arrays)}); got {len(grads)}"
            )
        flat: list[Any] = []
        for structure, entry in zip(structures, grads, strict=True):
            inner = entry["params"] if is_group(entry) and not structure.has_key("params") else entry
            flat += structure.flatten(self.op, inner)
        return flat


def groups_of(op: str, params: Any) -> tuple[list[dict[str, Any]], bool]:
    """The parameter groups in what an optimizer is given, and whether it has any; else all is one group.

    Raises:
        TypeError: some entries are groups and some are not.
    """
    kept = (Mapping, list, tuple, set, frozenset, str, bytes)
    if isinstance(params, Iterable) and not isinstance(params, kept) and not hasattr(params, "dtype"):
        params = list(params)
    if not (isinstance(params, list | tuple) and any(map(is_group, params))):
        return [{"params": params}], False
    for i, entry in enumerate(params):
        if not is_group(entry):
            raise TypeError(f"{op}: params[{i}] must be a dict with 'params' like the other groups; got none")
    return [dict(entry) for entry in params], True


def is_group(entry: Any) -> bool:
    """Whether this is a parameter group: a dict that has `params`."""
    return isinstance(entry, Mapping) and "params" in entry
