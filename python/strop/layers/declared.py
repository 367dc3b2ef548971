"""Weights whose start, penalty and constraint are settings of the layer."""

from __future__ import annotations

from typing import Any

from .. import constraints, initializers, regularizers
from .._serial import described
from .base import Layer
from .variable import Variable

#: Initializer, regularizer and constraint of a weight, as a user may give them.
Given = tuple[Any, Any, Any]

PARTS = {"initializer": initializers.get, "regularizer": regularizers.get, "constraint": constraints.get}


class Declared(Layer):
    """Base of the layers with settings `<weight>_initializer`, `<weight>_regularizer` and `<weight>_constraint`."""

    def declare(self, **weights: Given) -> None:
        """Check and keep the three settings of each weight, as attributes of their names."""
        self._declared = tuple(weights)
        for weight, given in weights.items():
            for (part, get), value in zip(PARTS.items(), given, strict=True):
                setattr(self, f"{weight}_{part}", get(value, self.op))

    def add_declared(
        self,
        weight: str,
        shape: tuple[int, ...],
        name: str | None = None,
        *,
        initializer: Any = None,
        sparse_rows: bool = False,
    ) -> Variable:
        """Make the variable of a weight.

        Args:
            weight: as in the names of the settings.
            shape: of the variable.
            name: of the variable; None is that of the weight.
            initializer: in place of the one that is set.
            sparse_rows: as in `add_variable`.
        """
        start, regularizer, constraint = (getattr(self, f"{weight}_{part}") for part in PARTS)
        return self.add_variable(
            name or weight,
            shape,
            initializer or start,
            regularizer=regularizer,
            constraint=constraint,
            sparse_rows=sparse_rows,
        )

    def declared_config(self) -> dict[str, Any]:
        """The settings of the weights, as the constructor takes them."""
        names = [f"{weight}_{part}" for part in PARTS for weight in self._declared]
        return {name: described(getattr(self, name)) for name in names}
