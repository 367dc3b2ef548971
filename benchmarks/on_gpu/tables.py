"""Tables of vectors: lookup, the bag's forward, its backward with the update of the rows that were read."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from strop import ops

from .optimizers import RATE
from .place import Place
from .prepared import Prepared, same


@functools.cache
def reviews(batch: int, length: int, rows: int) -> np.ndarray:
    """Ids of reviews by Zipf's law, (batch, length), int32, padded in front with 0; 0.445 of them are words."""
    rng = np.random.default_rng(0)
    lengths = np.minimum(length, 1 + rng.lognormal(np.log(0.4 * length), 0.6, batch).astype(np.int64))
    bounds = np.cumsum(1 / np.arange(1, rows))
    words = 1 + np.searchsorted(bounds, rng.uniform(0, bounds[-1], (batch, length)))
    real = np.arange(length) >= length - lengths[:, None]
    return np.where(real, words.clip(max=rows - 1), 0).astype(np.int32)


def lookup(place: Place, tokens: int, width: int, rows: int) -> Prepared:
    table = place.random((rows, width))
    ids = place.array(np.random.default_rng(1).integers(0, rows, tokens))
    line = Prepared(lambda: ops.embedding_lookup(table, ids))
    if place.torch is not None:
        functional = place.torch.nn.functional
        weight, index = place.to_torch(table), place.to_torch(ids)
        line.peer("torch", lambda: lambda: functional.embedding(index, weight))
    line.peer("cupy", lambda: lambda: place.cupy.take(table, ids, axis=0))
    if place.jax is not None:
        numpy = place.jax.numpy
        given = place.to_jax(table), place.to_jax(ids.astype("int32"))
        compiled = place.jax.jit(lambda t, i: numpy.take(t, i, axis=0))
        line.peer("jax", lambda: lambda: compiled(*given))
    line.check = lambda: same(line.ours(), place.cupy.take(table, ids, axis=0), "rows", tolerance=0)
    return line


def _torch_bag(place: Place, table: Any, ids: Any) -> Any:
    """torch's bag on a table whose row 0 is padding."""
    weight, index = place.to_torch(table), place.to_torch(ids)
    return lambda: place.torch.nn.functional.embedding_bag(index, weight, mode="mean", padding_idx=0)


def bag_forward(place: Place, batch: int, length: int, width: int, rows: int) -> Prepared:
    table, ids = place.random((rows, width)), place.array(reviews(batch, length, rows))
    line = Prepared(lambda: ops.embedding_bag(table, ids, pad_id=0))
    if place.torch is not None:
        line.peer("torch", lambda: _torch_bag(place, table, ids))
    if place.jax is not None:
        numpy = place.jax.numpy
        given = place.to_jax(table), place.to_jax(ids)

        @place.jax.jit
        def mean(t: Any, i: Any) -> Any:
            real = (i != 0)[..., None]
            return (numpy.take(t, i, axis=0) * real).sum(1) / numpy.maximum(real.sum(1), 1)

        line.peer("jax", lambda: lambda: mean(*given))

    def check() -> None:
        host, words = table.get(), ids.get()[:8]
        counts = np.maximum((words != 0).sum(1, keepdims=True), 1)
        want = (host[words].astype(np.float64) * (words != 0)[..., None]).sum(1) / counts
        same(line.ours()[:8], want, "means of the first bags")

    line.check = check
    return line


def bag_update(place: Place, batch: int, length: int, width: int, rows: int) -> Prepared:
    table, ids = place.random((rows, width)), place.array(reviews(batch, length, rows))
    start, grad = table.copy(), place.random((batch, width), seed=1)
    state = {"param": table, "moment1": place.zeros((rows, width)), "moment2": place.zeros((rows, width))}

    def ours(step: int = 10) -> None:
        rows_grad = ops.embedding_bag_backward(grad, ids, num_rows=rows, pad_id=0)
        ops.adam_step(**state, grad=rows_grad, learning_rate=RATE, step=step, eps=1e-8, eps_mode="torch")

    line = Prepared(ours, note="the peer moves all rows of the table; ours those that were read")
    weights = []

    def torch_backward() -> Any:
        torch = place.torch
        weight = torch.nn.Parameter(place.to_torch(start.copy()))
        weights.append(weight)
        optimizer = torch.optim.Adam(weights[:1], lr=RATE, fused=True)
        index, given = place.to_torch(ids), place.to_torch(grad)
        output = torch.nn.functional.embedding_bag(index, weight, mode="mean", padding_idx=0)

        def call() -> None:
            weight.grad = None
            output.backward(given, retain_graph=True)
            optimizer.step()

        return call

    if place.torch is not None:
        line.peer("torch", torch_backward)

    def check() -> None:
        ours(1)
        if weights:
            same(table, weights[0].data, "the table after a step", tolerance=1e-3)

    line.check = check
    return line
