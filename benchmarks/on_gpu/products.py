"""Products of matrices with bias and activation."""

from __future__ import annotations

from typing import Any

from strop import ops

from .optimizers import compiled
from .place import Place
from .prepared import Prepared, same


def matmul(place: Place, m: int, n: int, k: int, activation: str | None, precision: str | None) -> Prepared:
    a, b = place.random((m, k)), place.random((k, n), seed=1, scale=k**-0.5)
    bias = place.random((n,), seed=2)
    settings = {} if precision is None else {"precision": precision}
    line = Prepared(lambda: ops.matmul(a, b, bias=bias, activation=activation, **settings))
    if place.torch is not None:
        torch = place.torch
        x, weight, shift = (place.to_torch(array) for array in (a, b, bias))
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"

        def eager() -> Any:
            return torch.relu(torch.addmm(shift, x, weight))

        line.peer("torch", lambda: eager)
        line.peer("torch compiled", lambda: compiled(place, eager))
    if place.jax is not None:
        jax = place.jax
        given = place.to_jax(a), place.to_jax(b), place.to_jax(bias)
        accuracy = "highest" if precision is None else "default"
        call = jax.jit(lambda x, w, s: jax.nn.relu(jax.numpy.matmul(x, w, precision=accuracy) + s))
        line.peer("jax", lambda: lambda: call(*given))

    def check() -> None:
        tolerance = 2e-3 if precision else 2e-5
        want = place.cupy.maximum(place.cupy.matmul(a[:64], b) + bias, 0)
        same(line.ours()[:64], want, "the first rows", tolerance)

    line.check = check
    return line
