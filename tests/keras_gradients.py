"""Outputs and gradients of Keras' layers on torch or JAX, into an .npz: `python keras_gradients.py BACKEND FILE`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

import keras_layers

#: From the layer, x, settings of the call, and what draws the gradients of outputs: outputs, by weights, by inputs.
Gradients = Callable[[Any, Any, dict[str, Any], Callable[[Any], Any]], tuple[list[Any], list[Any], list[Any]]]


def on_jax(layer: Any, x: Any, passed: dict[str, Any], draw: Callable[[Any], Any]) -> Any:
    import jax

    fixed = [v.value for v in layer.non_trainable_variables]
    own = [v.value for v in layer.trainable_variables]

    def call(own: Any, x: Any) -> list[Any]:
        return as_list(layer.stateless_call(own, fixed, x, **passed)[0])

    if np.asarray(as_list(x)[0]).dtype.kind == "i":
        ys, back = jax.vjp(lambda own: call(own, x), own)
        return ys, back([draw(y) for y in ys])[0], []
    ys, back = jax.vjp(call, own, x)
    by_weights, by_x = back([draw(y) for y in ys])
    return ys, by_weights, as_list(by_x)


def on_torch(layer: Any, x: Any, passed: dict[str, Any], draw: Callable[[Any], Any]) -> Any:
    import torch

    ids = np.asarray(as_list(x)[0]).dtype.kind == "i"
    xs = [torch.tensor(a, requires_grad=not ids) for a in as_list(x)]
    own = [v.value for v in layer.trainable_variables]
    ys = as_list(layer(xs if isinstance(x, list) else xs[0], **passed))
    loss = sum((y * torch.tensor(draw(y))).sum() for y in ys)
    by = torch.autograd.grad(loss, [*own, *([] if ids else xs)])
    host = [[a.detach().numpy() for a in each] for each in (ys, by)]
    return host[0], host[1][: len(own)], host[1][len(own) :]


def as_list(arrays: Any) -> list[Any]:
    return list(arrays) if isinstance(arrays, list | tuple) else [arrays]


def main(gradients: Gradients, path: str) -> None:
    import keras

    found = {}
    for i, (title, case) in enumerate(keras_layers.cases()):
        if gradients is on_torch and not keras_layers.on_torch(title):
            continue
        x, mask, rng = case.arrays(i)
        layer = case.make(keras.layers)
        layer.build([(None, *a.shape[1:]) for a in x] if isinstance(x, list) else (None, *x.shape[1:]))
        shapes, names = [w.shape for w in layer.weights], [w.name for w in layer.weights]
        layer.set_weights(keras_layers.weights(shapes, names, rng))
        passed = {} if mask is None else {"mask": mask}
        if layer._call_has_training_arg:
            passed["training"] = True
        ys, by_weights, by_x = gradients(
            layer, x, passed, lambda y, rng=rng: rng.normal(size=tuple(y.shape)).astype("float32")
        )
        for kind, arrays in {"y": ys, "w": by_weights, "x": by_x}.items():
            found |= {f"{i} {kind} {k}": np.asarray(a) for k, a in enumerate(arrays)}
    np.savez(path, **found)


if __name__ == "__main__":
    os.environ["KERAS_BACKEND"] = sys.argv[1]
    os.environ["JAX_PLATFORMS"] = "cpu"
    main({"jax": on_jax, "torch": on_torch}[sys.argv[1]], sys.argv[2])
