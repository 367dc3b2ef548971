"""Parameters in the shape in which their owner keeps them, and gradients that must come in the same one.

A structure is a list, a tuple or a dict of arrays and of further structures. Identity is by place or name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._names import nearest
from ..optimizers.parameters import array_of

#: None stands for an array.
Spec = None | list["Spec"] | dict[Any, "Spec"]


class Structure:
    """Where the arrays of one parameter group stand.

    Args:
        op: the optimizer, as messages begin.
        params: list, tuple or dict of arrays, nested as it may be; pairs of name and array count as a dict, other
            iterables as a list.
        label: what follows `params` in messages.

    Raises:
        TypeError: a set, whose order is not the same in every run, or a single array.
        ValueError: no array at all.

    Example:
        >>> import numpy as np
        >>> structure = Structure("SGD", {"layer": {"W": np.ones(2), "b": np.zeros(1)}})
        >>> structure.names, structure.labels
        (['layer.W', 'layer.b'], ["['layer']['W']", "['layer']['b']"])
        >>> structure.flatten("SGD", {"layer": {"b": 1, "W": 2}})
        [2, 1]
    """

    def __init__(self, op: str, params: Any, label: str = "") -> None:
        single = hasattr(params, "dtype")
        if single or isinstance(params, str | bytes) or not isinstance(params, Iterable):
            raise TypeError(
                f"{op}: params{label} must be a list or a dict of arrays, or groups of them; "
                f"got {type(params).__name__}{'; write [array]' if single else ''}"
            )
        if isinstance(params, set | frozenset):
            raise TypeError(f"{op}: params{label} must keep their order; got a set; use a list")
        params = _named(params if isinstance(params, Mapping | list | tuple) else list(params))
        self.leaves: list[Any] = []
        self.labels: list[str] = []
        names: list[str] = []
        try:
            self.spec = self._read(params, label, "", names)
        except RecursionError:
            raise ValueError(
                f"{op}: params{label} must be nested less deeply; got one inside itself"
            ) from None
        if not self.leaves:
            raise ValueError(f"{op}: params{label} must hold an array; got none")
        #: Of each array, where all have one of their own: keys joined by dots.
        self.names = names if isinstance(params, Mapping) and len(set(names)) == len(names) else None
        self._label = label
        inner = self.spec.values() if isinstance(self.spec, dict) else self.spec or ()
        self._flat = all(part is None for part in inner)

    def _read(self, tree: Any, label: str, name: str, names: list[str]) -> Spec:
        if isinstance(tree, Mapping):
            return {
                key: self._read(part, f"{label}[{key!r}]", f"{name}.{key}" if name else str(key), names)
                for key, part in tree.items()
            }
        if isinstance(tree, list | tuple):
            return [
                self._read(part, f"{label}[{i}]", f"{name}.{i}" if name else str(i), names)
                for i, part in enumerate(tree)
            ]
        self.leaves.append(array_of(tree))
        self.labels.append(label)
        names.append(name)
        return None

    def prefix(self, label: str) -> None:
        """Put a label before what messages say."""
        self._label = label + self._label
        self.labels = [label + own for own in self.labels]

    def has_key(self, key: str) -> bool:
        """Whether the structure is a dict with this key."""
        return isinstance(self.spec, dict) and key in self.spec

    def flatten(self, op: str, grads: Any) -> list[Any]:
        """Gradients in the order of the arrays; None in the place of a part stands for all of it.

        Raises:
            TypeError: a list stands where params have a dict, or the other way round.
            ValueError: gradients are missing or too many.
        """
        spec = self.spec
        if self._flat and grads is not None:
            if isinstance(spec, list) and isinstance(grads, list | tuple) and len(grads) == len(spec):
                return list(grads)
            if isinstance(spec, dict) and isinstance(grads, Mapping) and grads.keys() == spec.keys():
                return [grads[key] for key in spec]
        result: list[Any] = []
        _collect(op, spec, grads, self._label, result)
        return result


def _is_pairs(tree: Any) -> bool:
    """Whether this is a list of (name, array), as torch's `named_parameters` gives them."""
    return (
        isinstance(tree, list | tuple)
        and len(tree) > 0
        and all(isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str) for pair in tree)
    )


def _named(tree: Any) -> Any:
    return dict(tree) if _is_pairs(tree) else tree


def _count(spec: Spec) -> int:
    if spec is None:
        return 1
    return sum(map(_count, spec.values() if isinstance(spec, dict) else spec))


def _collect(op: str, spec: Spec, grads: Any, label: str, result: list[Any]) -> None:
    if spec is None:
        result.append(grads)
    elif grads is None:
        result.extend([None] * _count(spec))
    elif isinstance(spec, dict):
        _collect_dict(op, spec, _named(grads), label, result)
    elif not isinstance(grads, list | tuple):
        raise TypeError(
            f"{op}: grads{label} must be a list or a tuple like params{label}; got {type(grads).__name__}"
        )
    elif len(grads) != len(spec):
        raise ValueError(
            f"{op}: grads{label} must be as many as params{label} ({len(spec)}); got {len(grads)}"
        )
    else:
        for i, (part, grad) in enumerate(zip(spec, grads, strict=True)):
            _collect(op, part, grad, f"{label}[{i}]", result)


def _collect_dict(op: str, spec: dict[Any, Spec], grads: Any, label: str, result: list[Any]) -> None:
    if not isinstance(grads, Mapping):
        raise TypeError(f"{op}: grads{label} must be a dict like params{label}; got {type(grads).__name__}")
    for key in grads:
        if key not in spec:
            near = (
                nearest(key, filter(lambda name: isinstance(name, str), spec)) if isinstance(key, str) else ""
            )
            raise ValueError(f"{op}: grads{label} must have the keys of params{label}; got {key!r} too{near}")
    for key, part in spec.items():
        if key not in grads:
            raise ValueError(
                f"{op}: grads{label} must have the keys of params{label}; got none for {key!r}; "
                "None leaves a parameter alone"
            )
        _collect(op, part, grads[key], f"{label}[{key!r}]", result)
