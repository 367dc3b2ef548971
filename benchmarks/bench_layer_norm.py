"""Layer normalization, forward and backward, against torch and Keras on JAX.

All sides write into memory that the call before them has left, as the steps of a training do: strop under
`memory_for_steps`, as `fit` runs, the peers by `keep_memory`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from common import Report, keep_memory, main, peer, shapes
from strop import ops, reference
from strop._device import HOST, memory_for_steps

SECONDS = 30


def torch_call(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, grad: np.ndarray
) -> Callable[[], Any] | None:
    """Forward and backward, or None without torch."""
    torch = peer("torch")
    if torch is None:
        return None
    leaves = [torch.from_numpy(a).requires_grad_() for a in (x, gamma, beta)]
    upstream = torch.from_numpy(grad)

    def call() -> Any:
        for leaf in leaves:
            leaf.grad = None
        y = torch.nn.functional.layer_norm(leaves[0], gamma.shape, leaves[1], leaves[2], 1e-3)
        y.backward(upstream)
        return y

    return call


def keras_call(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, grad: np.ndarray
) -> Callable[[], Any] | None:
    """Forward and backward compiled by XLA, or None without Keras and JAX."""
    jax = peer("jax")
    os.environ["KERAS_BACKEND"] = "jax"
    keras = peer("keras")
    if jax is None or keras is None or keras.backend.backend() != "jax":
        return None

    def both(x: Any, gamma: Any, beta: Any, grad: Any) -> Any:
        normalize = keras.ops.layer_normalization
        y, back = jax.vjp(lambda *a: normalize(*a, axis=-1, epsilon=1e-3), x, gamma, beta)
        return y, back(grad)

    compiled, arrays = jax.jit(both), [jax.numpy.asarray(a) for a in (x, gamma, beta, grad)]
    return lambda: jax.block_until_ready(compiled(*arrays))


def run(report: Report) -> None:
    keep_memory()
    from cases.layer_norm import BENCH_SHAPES

    public = [(math.prod(s["shape"][:-1]), s["shape"][-1]) for s in shapes("layernorm")]
    rng = np.random.default_rng(0)
    for rows, width in [*report.cases(BENCH_SHAPES), *sorted(set(public))]:
        with memory_for_steps("bench", HOST):  # as from the layers around it
            x, grad = (rng.normal(size=(rows, width)).astype(np.float32) for _ in range(2))
        gamma, beta = (rng.normal(size=width).astype(np.float32) for _ in range(2))
        np.testing.assert_allclose(
            ops.layer_norm(x, gamma, beta)[0], reference.layer_norm(x, gamma, beta)[0], rtol=1e-4, atol=1e-4
        )

        def ours(x=x, gamma=gamma, beta=beta, grad=grad):
            y, mean, variance = ops.layer_norm(x, gamma, beta)
            return y, ops.layer_norm_backward(grad, x, gamma, mean, variance)

        calls: dict[str, Callable[[], Any]] = {"strop": ours}
        for name, make in (("torch", torch_call), ("keras", keras_call)):
            if (call := make(x, gamma, beta, grad)) is not None:
                calls[name] = call
        with memory_for_steps("bench", HOST):
            # Forward reads x and writes y, backward reads the gradient and x and writes that of x.
            report.compare(f"layer_norm {rows} x {width}", calls, moved=20.0 * rows * width)


if __name__ == "__main__":
    main(run, __file__)
