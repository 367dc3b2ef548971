"""Layers that both we and Keras make, for their outputs and gradients: every setting that changes numbers.

Each case has what makes the layer from a module with Keras' names, the shape of the input (several of a merge), and
which steps a mask keeps. Nothing of strop is imported here: Keras runs in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

#: Cases where Keras' torch back end fails, or has another mean at the edge than its JAX back end and we.
NOT_ON_TORCH = ("LayerNormalization(axis=1,", "AveragePooling2D((2, 3), strides=(2, 1), padding=same)")


@dataclass
class Case:
    make: Callable[[Any], Any]
    shape: Any
    mask: str | None = None
    ids: bool = False

    def arrays(self, seed: int) -> tuple[Any, Any, np.random.Generator]:
        """Input, mask, and where weights and upstream gradients come from."""
        rng = np.random.default_rng(seed)
        if self.ids:
            return rng.integers(0, 7, self.shape).astype("int32"), None, rng
        shapes = self.shape if isinstance(self.shape, list) else [self.shape]
        xs = [rng.normal(size=shape).astype("float32") for shape in shapes]
        kept = None
        if self.mask is not None:
            batch, steps = shapes[0][:2]
            lengths = np.arange(batch) % (steps + 1)
            lengths = lengths if self.mask == "with empty rows" else np.maximum(lengths, 1)
            places = np.arange(steps)
            kept = places < lengths[:, None]
            if self.mask == "in front":
                kept = kept[:, ::-1].copy()
            if self.mask == "with holes":
                kept = rng.random((batch, steps)) < 0.6
                kept[:, -1] = True
        return (xs if isinstance(self.shape, list) else xs[0]), kept, rng


def on_torch(title: str) -> bool:
    """Whether Keras' torch back end has the case."""
    return not title.startswith(NOT_ON_TORCH)


def weights(shapes: list[tuple[int, ...]], names: list[str], rng: np.random.Generator) -> list[Any]:
    """Numbers for the weights; variances are positive."""
    return [
        (np.abs(a) + 0.5 if "variance" in name else a * 0.7).astype("float32")
        for a, name in zip((rng.normal(size=s) for s in shapes), names, strict=True)
    ]


ACTIVATIONS = [
    *("relu", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus", "softsign", "tanh", "sigmoid"),
    *("hard_sigmoid", "softmax", "log_softmax", "linear", "mish", "exponential", "relu6"),
]


def layer(name: str, *args: Any, **settings: Any) -> Callable[[Any], Any]:
    return lambda space: getattr(space, name)(*args, **settings)


def cases() -> Iterator[tuple[str, Case]]:
    """(title, case) of each."""

    def one(shape: Any, name: str, *args: Any, mask: str | None = None, **settings: Any) -> tuple[str, Case]:
        said = ", ".join([*map(str, args), *(f"{k}={v}" for k, v in settings.items())])
        title = f"{name}({said}) {shape}" + (f" mask {mask}" if mask else "")
        return title, Case(layer(name, *args, **settings), shape, mask)

    for name in ACTIVATIONS:
        yield one((3, 5), "Activation", name)
        yield one((3, 4), "Dense", 5, activation=name)
    yield one((2, 3, 4), "Dense", 7, use_bias=False)
    yield one((3, 7), "ReLU", max_value=0.6, negative_slope=0.2, threshold=0.1)
    yield one((3, 7), "LeakyReLU", 0.2)
    yield one((3, 7), "ELU", 0.7)
    yield one((3, 4, 5), "Softmax", axis=1)
    for settings in (
        {"padding": "valid"},
        {"padding": "same", "strides": 2},
        {"padding": "same", "dilation_rate": 2, "activation": "tanh"},
        {"padding": "causal", "dilation_rate": 3, "use_bias": False},
        {"padding": "causal", "strides": 3, "groups": 2, "activation": "gelu"},
    ):
        yield one((3, 11, 4), "Conv1D", 6, 4, **settings)
    for settings in (
        {"padding": "valid", "strides": (1, 2)},
        {"padding": "same", "strides": 2, "activation": "relu"},
        {"padding": "same", "dilation_rate": (2, 3), "use_bias": False},
        {"padding": "same", "groups": 3, "activation": "softplus"},
    ):
        yield one((2, 7, 9, 3), "Conv2D", 6, (2, 3), **settings)
    for settings in (
        {"padding": "valid", "activation": "elu"},
        {"padding": "same", "strides": 2, "depth_multiplier": 2},
        {"padding": "same", "dilation_rate": 2, "use_bias": False},
    ):
        yield one((2, 7, 9, 3), "DepthwiseConv2D", 3, **settings)
        yield one((2, 7, 9, 3), "SeparableConv2D", 5, 3, **settings)
    for kind in ("Max", "Average"):
        for padding in ("valid", "same"):
            yield one((2, 11, 3), f"{kind}Pooling1D", 3, strides=2, padding=padding)
            yield one((2, 7, 8, 3), f"{kind}Pooling2D", (2, 3), strides=(2, 1), padding=padding)
        yield one((2, 5, 4, 3), f"Global{kind}Pooling2D")
        yield one((2, 5, 3), f"Global{kind}Pooling1D", keepdims=True)
    yield one((4, 5, 3), "GlobalAveragePooling1D", mask="with holes")
    yield one((6, 4), "BatchNormalization", epsilon=1e-2)
    yield one((3, 4, 5, 2), "BatchNormalization", scale=False)
    yield one((3, 4, 5), "BatchNormalization", axis=1, center=False)
    yield one((4, 5, 3), "BatchNormalization", mask="with holes")
    yield one((3, 4, 5), "LayerNormalization", epsilon=1e-2)
    yield one((3, 4, 5), "LayerNormalization", axis=1, scale=False)
    yield one((3, 4, 5), "LayerNormalization", axis=[1, 2], center=False)
    yield one((2, 5, 4, 6), "GroupNormalization", groups=3)
    yield one((2, 6, 5), "GroupNormalization", groups=-1, axis=1)
    for cell in ("SimpleRNN", "LSTM", "GRU"):
        for settings in (
            {},
            {"return_sequences": True},
            {"return_sequences": True, "go_backwards": True, "use_bias": False},
            {"activation": "softsign", "return_state": True},
            *([{"recurrent_activation": "hard_sigmoid"}] if cell != "SimpleRNN" else []),
            *(
                [{"reset_after": False}, {"reset_after": False, "go_backwards": True}]
                if cell == "GRU"
                else []
            ),
        ):
            yield one((5, 6, 3), cell, 4, **settings)
        for mask in ("behind", "in front", "with holes", "with empty rows"):
            yield one((7, 5, 3), cell, 3, return_sequences=mask != "with holes", mask=mask)
        yield one((7, 5, 3), cell, 3, go_backwards=True, mask="in front")
    for mode in ("concat", "sum", "mul", "ave", None):
        for sequences in (False, True):
            title = f"Bidirectional({mode}, sequences={sequences})"
            yield (
                title,
                Case(
                    lambda s, m=mode, q=sequences: s.Bidirectional(
                        s.GRU(3, return_sequences=q), merge_mode=m
                    ),
                    (5, 6, 2),
                    "behind" if mode == "concat" else None,
                ),
            )
    yield (
        "TimeDistributed(Conv1D)",
        Case(lambda s: s.TimeDistributed(s.Conv1D(3, 2, activation="tanh")), (2, 3, 5, 2)),
    )
    yield one((3, 5, 2), "Masking", 0.5)
    for name in ("Add", "Average", "Multiply", "Maximum", "Minimum"):
        yield one([(3, 4, 5), (3, 4, 5), (3, 1, 5)], name)
    yield one([(3, 4), (3, 4)], "Subtract")
    yield one([(3, 4, 2), (3, 1, 2)], "Concatenate", axis=1)
    yield one((3, 4, 5), "Reshape", (10, -1))
    yield one((3, 4, 5, 2), "Permute", (3, 1, 2))
    yield one((3, 4), "RepeatVector", 5)
    yield one((3, 4, 5), "Flatten")
    yield one((3, 4), "Rescaling", 0.5, offset=0.1)
    yield one((3, 4), "Normalization", mean=[1.0, 2, 3, 4], variance=[1.0, 2, 3, 4])
    yield "Embedding", Case(layer("Embedding", 7, 3), (4, 5), ids=True)
