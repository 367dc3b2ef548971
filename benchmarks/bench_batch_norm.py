"""Batch and group normalization, forward and backward, against torch (channels last) and Keras on JAX.

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

SECONDS = 40
LARGEST = 2**27  # elements
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def torch_call(arrays: Arrays, groups: int | None) -> Callable[[], Any] | None:
    """Forward and backward, or None without torch."""
    torch = peer("torch")
    if torch is None:
        return None
    x, gamma, beta, upstream = (torch.from_numpy(a) for a in arrays)
    if x.ndim > 2:
        x, upstream = x.movedim(-1, 1), upstream.movedim(-1, 1)  # channels last in memory
    leaves = [leaf.requires_grad_() for leaf in (x, gamma, beta)]
    moving = [torch.zeros(len(beta)), torch.ones(len(beta))]

    def call() -> Any:
        for leaf in leaves:
            leaf.grad = None
        if groups is None:
            y = torch.nn.functional.batch_norm(leaves[0], *moving, leaves[1], leaves[2], True, 0.01, 1e-3)
        else:
            y = torch.nn.functional.group_norm(leaves[0], groups, leaves[1], leaves[2], 1e-3)
        y.backward(upstream)
        return y

    return call


def keras_call(arrays: Arrays, groups: int | None) -> Callable[[], Any] | None:
    """Forward and backward compiled by XLA, or None without Keras and JAX."""
    jax = peer("jax")
    os.environ["KERAS_BACKEND"] = "jax"
    keras = peer("keras")
    if groups is not None or jax is None or keras is None or keras.backend.backend() != "jax":
        return None
    axes = tuple(range(arrays[0].ndim - 1))

    def normalized(x: Any, gamma: Any, beta: Any) -> Any:
        mean, variance = keras.ops.moments(x, axes)
        return keras.ops.batch_normalization(x, mean, variance, -1, beta, gamma, 1e-3)

    def both(x: Any, gamma: Any, beta: Any, grad: Any) -> Any:
        y, back = jax.vjp(normalized, x, gamma, beta)
        return y, back(grad)

    compiled, inputs = jax.jit(both), [jax.numpy.asarray(a) for a in arrays]
    return lambda: jax.block_until_ready(compiled(*inputs))


def run(report: Report) -> None:
    keep_memory()
    from cases.batch_norm import BENCH_GROUPS, BENCH_SHAPES

    public = {tuple(s[k] for k in ("n", "h", "w", "c") if k in s) for s in shapes("batchnorm")}
    # torch refuses a single row; of an array of 10 GB there would have to be six.
    several = sorted(s for s in public if math.prod(s[:-1]) > 1 and math.prod(s) < LARGEST)
    cases = [(shape, None) for shape in [*report.cases(BENCH_SHAPES), *several]]
    rng = np.random.default_rng(0)
    for shape, groups in [*cases, *report.cases(BENCH_GROUPS)]:
        with memory_for_steps("bench", HOST):  # as from the layers around it
            x, grad = (rng.normal(size=shape).astype(np.float32) for _ in range(2))
        gamma, beta = (rng.normal(size=shape[-1]).astype(np.float32) for _ in range(2))
        settings = {} if groups is None else {"groups": groups}
        kind = "batch_norm" if groups is None else "group_norm"
        forward, backward = getattr(ops, kind), getattr(ops, f"{kind}_backward")
        want = getattr(reference, kind)(x, gamma, beta, **settings)[0]
        np.testing.assert_allclose(forward(x, gamma, beta, **settings)[0], want, rtol=1e-4, atol=1e-4)
        arrays = (x, gamma, beta, grad)

        def ours(arrays=arrays, forward=forward, backward=backward, settings=settings):
            x, gamma, beta, grad = arrays
            y, mean, variance = forward(x, gamma, beta, **settings)
            return y, backward(grad, x, gamma, mean, variance, **settings)

        calls: dict[str, Callable[[], Any]] = {"strop": ours}
        for name, make in (("torch", torch_call), ("keras", keras_call)):
            if (call := make(arrays, groups)) is not None:
                calls[name] = call
        with memory_for_steps("bench", HOST):
            # Forward reads x and writes y, backward reads the gradient and x and writes that of x.
            text = "x".join(map(str, shape)) + ("" if groups is None else f", {groups} groups")
            report.compare(f"{kind} {text}", calls, moved=20.0 * math.prod(shape))


if __name__ == "__main__":
    main(run, __file__)
