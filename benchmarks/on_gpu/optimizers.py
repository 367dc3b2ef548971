"""Optimizer steps: dense Adam and SGD, Adam of chosen rows, exact deferred Adam."""

from __future__ import annotations

from typing import Any

import numpy as np

from strop import RowGrad, ops
from strop.optimizers.deferred import DeferredTable

from .place import Place
from .prepared import Prepared, same

RATE = 1e-3
COMPILED_FROM = 1 << 24  # parameters: compiling takes 20 seconds, and small ones are not the compiler's case


def _torch_parameter(place: Place, array: Any, grad: Any) -> Any:
    weight = place.torch.nn.Parameter(place.to_torch(array.copy()))
    weight.grad = place.to_torch(grad)
    return weight


def compiled(place: Place, call: Any, **settings: Any) -> Any:
    """torch.compile; without a device its own interpreter, which needs no minutes of compiling."""
    backend = {"backend": "eager"} if place.simulated else settings
    return place.torch.compile(call, **backend)


def adam(place: Place, n: int) -> Prepared:
    param, grad = place.random((n,)), place.random((n,), seed=1)
    start = param.copy()
    state = {"param": param, "moment1": place.zeros((n,)), "moment2": place.zeros((n,))}
    settings = {"learning_rate": RATE, "eps": 1e-8, "eps_mode": "torch"}
    line = Prepared(lambda: ops.adam_step(**state, grad=grad, step=10, **settings))
    weights = {}

    def torch_adam(**choice: Any) -> Any:
        weight = _torch_parameter(place, start, grad)
        optimizer = place.torch.optim.Adam([weight], lr=RATE, **choice)
        weights[str(choice)] = weight
        return optimizer.step

    if place.torch is not None:
        line.peer("torch fused", lambda: torch_adam(fused=True))
        on_device = {"foreach": True, "capturable": not place.simulated}
        if n > COMPILED_FROM or place.simulated:
            line.peer("torch compiled", lambda: compiled(place, torch_adam(**on_device)))
    if place.jax is not None:
        line.peer("jax", lambda: _jax_adam(place, start, grad))

    def check() -> None:
        ops.adam_step(**state, grad=grad, step=1, **settings)
        for weight in list(weights.values())[:1]:  # after one step, as ours
            same(param, weight.data, "parameters after a step")
        param[...] = start

    line.check = check
    return line


def _jax_adam(place: Place, param: Any, grad: Any) -> Any:
    import optax

    jax = place.jax
    rule = optax.adam(RATE)
    given = place.to_jax(grad)

    def one(p: Any, state: Any) -> Any:
        updates, state = rule.update(given, state, p)
        return optax.apply_updates(p, updates), state

    step = jax.jit(one, donate_argnums=(0, 1))
    kept = [place.to_jax(param.copy())]
    kept.append(rule.init(kept[0]))

    def call() -> None:
        kept[:] = step(*kept)

    return call


def sgd(place: Place, n: int, momentum: float) -> Prepared:
    param, grad = place.random((n,)), place.random((n,), seed=1)
    start = param.copy()
    state = {"param": param} | ({"velocity": place.zeros((n,))} if momentum else {})
    settings = {"learning_rate": RATE, "momentum": momentum, "dialect": "torch"}
    line = Prepared(lambda: ops.sgd_step(**state, grad=grad, **settings))
    weights = []

    def torch_sgd() -> Any:
        weights.append(_torch_parameter(place, start, grad))
        return place.torch.optim.SGD(weights, lr=RATE, momentum=momentum, fused=True).step

    if place.torch is not None:
        line.peer("torch fused", torch_sgd)

    def check() -> None:
        ops.sgd_step(**state, grad=grad, **settings)
        if weights:
            same(param, weights[0].data, "parameters after a step")

    line.check = check
    return line


def _some_rows(place: Place, count: int, rows: int) -> Any:
    return place.array(np.sort(np.random.default_rng(3).permutation(rows)[:count]).astype(np.int64))


def row_adam(place: Place, count: int, width: int, rows: int) -> Prepared:
    table, values = place.random((rows, width)), place.random((count, width), seed=1)
    start, chosen = table.copy(), _some_rows(place, count, rows)
    state = {"param": table, "moment1": place.zeros((rows, width)), "moment2": place.zeros((rows, width))}
    grad = RowGrad.trusted(chosen, values, (rows, width))
    settings = {"learning_rate": RATE, "eps": 1e-8, "eps_mode": "torch"}
    line = Prepared(lambda: ops.adam_step(**state, grad=grad, step=10, **settings))
    weights = []

    def torch_sparse() -> Any:
        torch = place.torch
        weights.append(torch.nn.Parameter(place.to_torch(start.copy())))
        weights[0].grad = torch.sparse_coo_tensor(
            place.to_torch(chosen)[None],
            place.to_torch(values),
            (rows, width),
            is_coalesced=True,
            check_invariants=False,
        )
        return torch.optim.SparseAdam(weights, lr=RATE).step

    if place.torch is not None:
        line.peer("torch sparse", torch_sparse)

    def check() -> None:
        ops.adam_step(**state, grad=grad, step=1, **settings)
        if weights:
            same(table, weights[0].data, "the table after a step")

    line.check = check
    return line


def deferred(place: Place, count: int, width: int, rows: int) -> Prepared:
    table, values = place.random((rows, width), scale=0.05), place.random((count, width), seed=1)
    start, chosen = table.copy(), _some_rows(place, count, rows)
    grad = RowGrad.trusted(chosen, values, (rows, width))
    moments = {name: place.zeros((rows, width)) for name in ("moment1", "moment2")}
    kept = DeferredTable(table, moments, {"beta1": 0.9, "beta2": 0.999, "eps": 1e-7}, 0)

    def ours() -> None:
        kept.catch_up(chosen)
        kept.step(grad, RATE, 0.0)

    line = Prepared(ours, note=f"catch-up and step of {count} rows; the peer moves all {rows}")
    if place.torch is not None:
        dense = place.random((rows, width), seed=2)

        def torch_fused() -> Any:
            weight = _torch_parameter(place, start, dense)
            return place.torch.optim.Adam([weight], lr=RATE, fused=True).step

        line.peer("torch fused", torch_fused)

    def check() -> None:
        ours()
        ours()
        want = start.get().astype(np.float64)
        first, second = np.zeros_like(want), np.zeros_like(want)
        whole = np.zeros_like(want)
        whole[chosen.get()] = values.get()
        for step in (1, 2):
            first += 0.1 * (whole - first)
            second += 0.001 * (whole * whole - second)
            alpha = RATE * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
            want -= alpha * first / (np.sqrt(second) + 1e-7)
        same(kept.read(), want, "the table after two steps", tolerance=1e-4)

    line.check = check
    return line
