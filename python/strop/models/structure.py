"""How a model's inputs or outputs are given: as one array, in a list, or in a dict by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._names import nearest


class Structure:
    """One tensor, a list of them, or a dict.

    Args:
        kind: `"one"`, `"list"` or `"dict"`.
        names: of the tensors, in their order: what data in a dict has as keys.
    """

    def __init__(self, kind: str, names: Sequence[str]) -> None:
        self.kind, self.names = kind, list(names)

    @property
    def several(self) -> bool:
        """Whether there is more than one tensor."""
        return len(self.names) > 1

    def pack(self, values: Any) -> Any:
        """Values in the order of the tensors, a tuple of several, as the model was drawn."""
        if self.kind == "one":
            return values
        listed = list(values) if self.several else [values]
        return dict(zip(self.names, listed, strict=True)) if self.kind == "dict" else listed

    def described(self) -> Any:
        """None for one tensor, `"list"`, or the keys of a dict: JSON's types."""
        return {"one": None, "list": "list"}.get(self.kind, self.names)

    def parted(self, op: str, argument: str, given: Any, missing: bool = False) -> list[Any]:
        """What was given for each of several tensors: by place in a list or tuple, by name in a dict.

        Args:
            op: the function that messages begin with.
            argument: the name of what was given.
            given: a list, a tuple or a dict.
            missing: whether a dict may leave out some, which are None then.

        Raises:
            TypeError: it is something else.
            ValueError: it has another count, or other names.
        """
        names = " and ".join(map(repr, self.names))
        if isinstance(given, Mapping):
            self._check_names(op, argument, given, missing)
            return [given.get(name) for name in self.names]
        if not isinstance(given, list | tuple):
            raise TypeError(f"{op}: {argument} must be a list, tuple or dict for {names}; got {_kind(given)}")
        if len(given) != len(self.names):
            raise ValueError(
                f"{op}: {argument} must have {len(self.names)} entries, for {names}; got {len(given)}"
            )
        return list(given)

    def _check_names(self, op: str, argument: str, given: Mapping[Any, Any], missing: bool) -> None:
        for name in given:
            if name not in self.names:
                known = " and ".join(map(repr, self.names))
                raise ValueError(
                    f"{op}: {argument} must have the names {known}; got {name!r}{nearest(str(name), self.names)}"
                )
        absent = [name for name in self.names if name not in given]
        if absent and not missing:
            got = ", ".join(map(repr, given)) or "an empty dict"
            raise ValueError(f"{op}: {argument} must have {absent[0]!r}, too; got {got}")

    def only(self, op: str, argument: str, given: Any, axes: int = 0) -> Any:
        """What was given for the one tensor: itself, or alone in a dict or in a list of an array with all its axes.

        Raises:
            ValueError: a dict has another name.
        """
        if isinstance(given, Mapping) and self.names:
            return self.parted(op, argument, given)[0]
        alone = isinstance(given, list | tuple) and len(given) == 1
        return given[0] if alone and axes and getattr(given[0], "ndim", 0) == axes else given


#: One input or output that has no name.
ONE = Structure("one", [])


def _kind(given: Any) -> str:
    if isinstance(given, np.ndarray):
        return f"a {given.dtype} array of shape {given.shape}"
    return type(given).__name__
