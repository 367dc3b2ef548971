"""What every model has beside training: looking at layers, files, JSON, being drawn into another model."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from ..layers import Layer
from ..layers.symbolic import Symbolic, is_symbolic
from . import saving
from .summary import print_summary
from .trainer import Trainer
from .weights import Weights


class BaseModel(Weights, Trainer):
    """Layers that are compiled, fitted, evaluated and saved; a subclass says how they hang together."""

    name: str

    def __call__(self, x: Any, training: bool = False) -> Any:
        """The output for one batch; of a symbolic tensor the tensor that the layers give: they become part of the
        model that is drawn, and share their weights with this one."""
        return self.drawn_on(x) if is_symbolic(x) else super().__call__(x, training)

    def drawn_on(self, x: Any) -> Symbolic:
        """What the layers give of symbolic tensors."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The layers and their settings, as `from_config` takes them; JSON's types alone."""
        raise NotImplementedError

    @property
    def trainable(self) -> bool:
        """Whether any layer is trained; setting it sets all."""
        return any(layer.trainable for layer in self.layers)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in self.layers:
            layer.trainable = bool(value)
        self._plan = None

    # ---- looking -----------------------------------------------------------

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """A layer by name or by place.

        Raises:
            ValueError: there is no such layer; the message lists those there are.
        """
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(f"get_layer: index must lie in [0, {len(self.layers)}); got {index}")
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ValueError(
            f"get_layer: name must be one of {', '.join(repr(layer.name) for layer in self.layers)}; got {name!r}"
        )

    def summary(self, print_fn: Callable[[str], object] | None = None) -> None:
        """Print the layers as a table; of a model with branches with what each layer is connected to."""
        print_summary(self, print_fn)

    def count_params(self) -> int:
        """How many numbers the weights hold."""
        if not self.built:
            raise ValueError(
                "count_params: model must be built; call build, or start the model with an Input"
            )
        return sum(layer.count_params() for layer in self.layers)

    # ---- files -------------------------------------------------------------

    def save(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Save the model whole, so that `load_model` goes on bit for bit; see `strop.models.saving.save`."""
        saving.save(self, filepath, overwrite)

    def save_weights(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Save the weights alone; see `strop.models.saving.save_weights`."""
        saving.save_weights(self, filepath, overwrite)

    def load_weights(self, filepath: str | os.PathLike[str], skip_mismatch: bool = False) -> list[str]:
        """Load weights by name, all checked before the first write; see `strop.models.saving.load_weights`."""
        return saving.load_weights(self, filepath, skip_mismatch)

    def to_json(self) -> str:
        """The layers and their settings as JSON, without weights."""
        return json.dumps(self.get_config())
