"""LAMB against plain NumPy, and against optax where JAX is asked for: ns per parameter in cache and from memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from common import Report, main, peer
from strop import ops, reference


def plain(param: Any, grad: Any, moment1: Any, moment2: Any) -> None:
    """The tenth step as people write it in NumPy."""
    moment1[:] = 0.9 * moment1 + 0.1 * grad
    moment2[:] = 0.999 * moment2 + 0.001 * grad**2
    direction = moment1 / (1 - 0.9**10) / (np.sqrt(moment2 / (1 - 0.999**10)) + 1e-6) + 0.01 * param
    param -= 1e-3 * np.linalg.norm(param) / np.linalg.norm(direction) * direction


def run(report: Report) -> None:
    from cases.lamb import BENCH_SIZES
    from cases.update import BENCH_TENSORS

    jax, optax = peer("jax"), peer("optax")
    rng = np.random.default_rng(0)
    settings = {"learning_rate": 1e-3, "weight_decay": 0.01, "step": 10}
    for sizes in [*([size] for size in report.cases(BENCH_SIZES)), BENCH_TENSORS]:
        params, grads = ([rng.normal(size=size).astype(np.float32) for size in sizes] for _ in range(2))
        arrays = {
            "moment1": [np.zeros_like(p) for p in params],
            "moment2": [np.zeros_like(p) for p in params],
        }
        zero = np.zeros_like(params[0])
        want = reference.lamb_step(params[0], grads[0], zero, zero, **settings)[0]
        ops.lamb_step(param=params, grad=grads, **arrays, **settings)
        assert np.abs(params[0] - want).max() < 1e-6, "lamb_step gives wrong numbers"
        copies = [[a.copy() for a in each] for each in zip(params, grads, *arrays.values(), strict=True)]

        def numpy_step(c: Any = copies) -> None:
            for each in c:
                plain(*each)

        calls = {
            "strop": lambda p=params, g=grads, a=arrays: ops.lamb_step(param=p, grad=g, **a, **settings),
            "numpy": numpy_step,
        }
        if jax and optax:
            rule = optax.lamb(1e-3, weight_decay=0.01)

            @jax.jit
            def take(p: Any, s: Any, g: Any, r: Any = rule) -> Any:
                updates, s = r.update(g, s, p)
                return optax.apply_updates(p, updates), s

            theirs, slopes = jax.numpy.asarray, [jax.numpy.asarray(g) for g in grads]
            weights = [theirs(p) for p in params]
            state = rule.init(weights)
            calls["jax optax"] = lambda t=take, w=weights, s=state, g=slopes: jax.block_until_ready(
                t(w, s, g)
            )
        total = sum(sizes)
        text = f"{len(sizes)} tensors, {total:,}" if len(sizes) > 1 else f"{total:,} parameters"
        row = report.compare(text, calls, moved=40.0 * total)
        print(f"{'':38}{1e3 * row['us']['strop'] / total:.3f} ns per parameter")


if __name__ == "__main__":
    main(run, __file__)
