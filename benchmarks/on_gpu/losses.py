"""Losses with their gradients: squared error, cross-entropy of logits, softmax cross-entropy."""

from __future__ import annotations

from typing import Any

import numpy as np

from strop import ops

from .optimizers import compiled
from .place import Place
from .prepared import Prepared, same


def _add_peers(place: Place, line: Prepared, loss_of: Any, jax_loss: Any, logits: Any, target: Any) -> None:
    """torch eager and compiled, forward and backward; JAX's value and gradient, jitted."""
    if place.torch is not None:
        x = place.to_torch(logits).detach().requires_grad_()
        y = place.to_torch(target)

        def both(x: Any, y: Any) -> Any:
            loss = loss_of(x, y)
            return loss, place.torch.autograd.grad(loss, x)[0]

        def compiled_pair() -> Any:
            forward = compiled(place, loss_of)

            def call() -> Any:
                loss = forward(x, y)
                return loss, place.torch.autograd.grad(loss, x)[0]

            return call

        line.peer("torch", lambda: lambda: both(x, y))
        line.peer("torch compiled", compiled_pair)
    if place.jax is not None:
        narrow = (
            target if target.dtype == np.float32 else target.astype("int32")
        )  # JAX has no int64 unless told
        given = place.to_jax(logits), place.to_jax(narrow)
        call = place.jax.jit(place.jax.value_and_grad(jax_loss))
        line.peer("jax", lambda: lambda: call(*given))

    def check() -> None:
        loss, grad = line.ours()
        for name, peer in line.peers.items():
            value, slope = peer()
            number = float(value.detach()) if hasattr(value, "detach") else float(value)
            assert abs(float(loss) - number) <= 1e-4 * abs(number), f"{name}: {loss} and {number}"
            same(grad, slope, f"gradient against {name}", tolerance=1e-4)
            break

    line.check = check


def pointwise_loss(place: Place, n: int, loss: str) -> Prepared:
    logits = place.random((n, 1))
    target = place.random((n, 1), seed=1)
    target = (target > 0).astype("float32") if loss == "bce" else target
    if loss == "bce":
        line = Prepared(lambda: ops.binary_cross_entropy(logits, target))
    else:
        line = Prepared(lambda: ops.mean_squared_error(logits, target))

    def torch_loss(x: Any, y: Any) -> Any:
        functional = place.torch.nn.functional
        return (
            functional.binary_cross_entropy_with_logits(x, y) if loss == "bce" else functional.mse_loss(x, y)
        )

    def jax_loss(x: Any, y: Any) -> Any:
        if loss == "bce":
            return (place.jax.numpy.logaddexp(0, x) - x * y).mean()
        return ((x - y) ** 2).mean()

    _add_peers(place, line, torch_loss, jax_loss, logits, target)
    return line


def cross_entropy(place: Place, n: int, classes: int) -> Prepared:
    logits = place.random((n, classes))
    labels = place.array(np.random.default_rng(1).integers(0, classes, n))
    line = Prepared(lambda: ops.softmax_cross_entropy(logits, labels))

    def torch_loss(x: Any, y: Any) -> Any:
        return place.torch.nn.functional.cross_entropy(x, y)

    def jax_loss(x: Any, y: Any) -> Any:
        jax = place.jax
        return -jax.numpy.take_along_axis(jax.nn.log_softmax(x), y[:, None], 1).mean()

    _add_peers(place, line, torch_loss, jax_loss, logits, labels)
    return line
