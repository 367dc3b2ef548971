"""Max and average pooling, forward and backward, against torch (channels last) and Keras on JAX.

All sides write into memory that the call before them has left, as the steps of a training do: strop under
`memory_for_steps`, as `fit` runs, the peers by `keep_memory`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from common import Report, keep_memory, main, peer, shapes
from strop import ops
from strop._device import HOST, memory_for_steps
from strop.ops.pool import same_pads

SECONDS = 60


def cases(report: Report) -> Iterator[tuple[Any, ...]]:
    from cases.pool import BENCH_CASES

    yield from report.cases(BENCH_CASES)
    for s in shapes("pool2d"):
        pads = ((s["ph"], s["ph"]), (s["pw"], s["pw"]))
        if s["ph"] <= s["kh"] / 2 and s["pw"] <= s["kw"] / 2:  # more is refused by torch
            yield (s["n"], s["h"], s["w"], s["c"]), (s["kh"], s["kw"]), (s["sh"], s["sw"]), pads
    for s in shapes("pool1d"):
        pads = ((0, 0), (s["p"], s["p"]))
        if s["p"] <= s["k"] / 2:
            yield (s["n"], 1, s["w"], s["c"]), (1, s["k"]), (1, s["s"]), pads


def torch_call(torch: Any, kind: str, x: np.ndarray, case: tuple[Any, ...]) -> Callable[[], Any]:
    """Forward and backward; padding in front and behind, uneven where `same` asks for it."""
    _, window, strides, padding = case
    functional = torch.nn.functional
    leaf = torch.from_numpy(x).movedim(-1, 1).requires_grad_()  # channels last in memory
    if padding == "valid":
        padding = ((0, 0), (0, 0))
    if padding == "same":
        padding = tuple(map(same_pads, x.shape[1:3], window, strides))
    even = all(before == after for before, after in padding)
    pads = [pair[0] for pair in padding]
    odd = [padding[1][0], padding[1][1], padding[0][0], padding[0][1]]

    def call() -> Any:
        leaf.grad = None
        z = leaf if even else functional.pad(leaf, odd, value=-math.inf if kind == "max" else 0.0)
        more = {} if kind == "max" else {"count_include_pad": False}
        y = getattr(functional, f"{kind}_pool2d")(z, window, strides, pads if even else 0, **more)
        y.backward(y.detach())
        return y

    return call


def keras_call(kind: str, x: np.ndarray, case: tuple[Any, ...]) -> Callable[[], Any] | None:
    """Forward and backward, compiled by XLA; Keras has no explicit pads."""
    if not isinstance(case[3], str) or peer("jax") is None:
        return None
    os.environ["KERAS_BACKEND"] = "jax"
    keras = peer("keras")
    if keras is None or keras.backend.backend() != "jax":
        return None
    import jax

    call = keras.ops.max_pool if kind == "max" else keras.ops.average_pool

    def both(z: Any) -> Any:
        y, back = jax.vjp(lambda v: call(v, case[1], case[2], case[3], "channels_last"), z)
        return y, back(y)[0]

    compiled, array = jax.jit(both), jax.numpy.asarray(x)
    return lambda: jax.block_until_ready(compiled(array))


def run(report: Report) -> None:
    keep_memory()
    torch = peer("torch")
    rng = np.random.default_rng(0)
    for case in cases(report):
        shape, window, strides, padding = case
        x = rng.normal(size=shape).astype(np.float32)
        settings = {"window": window, "strides": strides, "padding": padding}
        for kind in ("max", "avg"):
            forward = ops.max_pool if kind == "max" else ops.average_pool

            def strop_call(x=x, forward=forward, settings=settings, kind=kind):
                y = forward(x, **settings)
                if kind == "max":
                    return y, ops.max_pool_backward(y, x, y, **settings)
                return y, ops.average_pool_backward(y, shape=x.shape, **settings)

            calls: dict[str, Callable[[], Any]] = {"strop": strop_call}
            y = strop_call()[0]
            if torch is not None:
                calls["torch"] = torch_call(torch, kind, x, case)
                if padding != "same" or kind == "max":
                    want = calls["torch"]().detach().movedim(1, -1).numpy()
                    if want.shape == y.shape:
                        np.testing.assert_allclose(y, want, rtol=1e-5, atol=1e-5)
            if (call := keras_call(kind, x, case)) is not None:
                calls["keras"] = call
            # Forward reads x and writes y, backward reads y again, for the greatest x and y, and writes the gradient.
            moved = 4.0 * (3 * x.size + 3 * y.size if kind == "max" else 2 * x.size + 2 * y.size)
            name = "x".join(map(str, shape))
            with memory_for_steps("bench", HOST):
                report.compare(f"{kind} {name}, {window} by {strides}, {padding}", calls, moved=moved)


if __name__ == "__main__":
    main(run, __file__)
