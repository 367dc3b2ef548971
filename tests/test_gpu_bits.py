"""The promises of csrc/README.md about CUDA's bits: every op twice, on other streams and in other schedules; optimizers
as on the CPU. Sizes are small: the sanitizer runs this file, too.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from cases import update
from strop import RowGrad, _backend, ops
from test_house import KNOWN_GAPS
from test_same_bits import NO_KERNELS

#: Ops of the stems without a CUDA kernel.
ON_THE_HOST = {
    name
    for name in ops.__all__
    if getattr(getattr(ops, name), "__module__", "").rpartition(".")[2] in KNOWN_GAPS
}


class Data:
    """Arrays of one type from one seed, put where `asarray` puts them."""

    def __init__(self, dtype: Any, asarray: Any) -> None:
        self.rng, self.dtype, self.asarray = np.random.default_rng(7), np.dtype(dtype), asarray

    def floats(self, *shape: int) -> Any:
        return self.asarray(self.rng.standard_normal(shape).astype(self.dtype))

    def positive(self, *shape: int) -> Any:
        return self.asarray((np.abs(self.rng.standard_normal(shape)) + 0.1).astype(self.dtype))

    def full(self, n: int, value: float) -> Any:
        return self.asarray(np.full(n, value, self.dtype))

    def ids(self, rows: int, *shape: int) -> Any:
        return self.asarray((self.rng.zipf(1.3, shape) % rows).astype(np.int32))

    def row_grad(self, rows: int, count: int, width: int) -> RowGrad:
        chosen = np.sort(self.rng.permutation(rows)[:count]).astype(np.int64)
        return RowGrad.trusted(self.asarray(chosen), self.floats(count, width), (rows, width))


def matmuls(d: Data) -> Iterator[Any]:
    for m, n, k in [(33, 17, 9), (1, 65, 40), (70, 1, 129), (65, 66, 67)]:
        a, b, bias = d.floats(m, k), d.floats(k, n), d.floats(n)
        yield ops.matmul(a, b, bias=bias, activation="tanh")
        yield ops.matmul(d.floats(k, m), b, transpose_a=True)
        yield ops.matmul(a, d.floats(n, k), transpose_b=True)


def matmul_backwards(d: Data) -> Iterator[Any]:
    for m, n, k in [(33, 17, 9), (65, 24, 16)]:
        grad, output = d.floats(m, n), d.positive(m, n)
        yield from ops.matmul_backward(
            grad, d.floats(m, k), d.floats(k, n), output=output, activation="relu", bias=True
        )


def steps(d: Data, rule: str, states: dict[str, float], **arguments: Any) -> Iterator[Any]:
    """A list of tensors three times, then some rows of a table."""
    sizes, call = [3, 0, 5003, 17], getattr(ops, rule)
    arrays = {"param": [d.floats(n) for n in sizes]}
    arrays |= {name: [d.full(n, value) for n in sizes] for name, value in states.items()}
    counted = rule in update.COUNTED | {"adam_step", "lamb_step"}
    for step in (1, 2, 3):
        more = {"step": step} if counted else {}
        more |= {"mu_product": 0.9**step} if rule == "nadam_step" else {}
        call(**arrays, grad=[d.floats(n) for n in sizes], **arguments, **more)
    for each in arrays.values():
        yield from each
    if rule in ("lamb_step", "compact_adam_step"):
        return
    table = {"param": d.floats(90, 7)} | {n: d.full(630, v).reshape(90, 7) for n, v in states.items()}
    call(**table, grad=d.row_grad(90, 40, 7), **arguments, **more)
    yield from table.values()


def update_steps(d: Data, rule: str) -> Iterator[Any]:
    for settings in update.SETTINGS[rule]:
        states, arguments = update.start(rule, settings)
        yield from steps(d, rule, states, **arguments)


def compact_adam_steps(d: Data) -> Iterator[Any]:
    d.dtype = np.dtype(np.float32)
    for kind in ("bfloat16", "8bit"):
        param = d.floats(300, 17)
        moments = {name: ops.zero_moment(param, kind) for name in ("moment1", "moment2")}
        for step in (1, 2):
            ops.compact_adam_step(
                param=param, grad=d.floats(300, 17), **moments, learning_rate=0.01, step=step
            )
        yield param
        yield from moments.values()


def deferred(d: Data, *, read: bool) -> Iterator[Any]:
    from strop.optimizers.deferred import DeferredTable

    state = {name: d.full(900, 0.0).reshape(90, 10) for name in ("moment1", "moment2")}
    table = DeferredTable(d.floats(90, 10), state, {"beta1": 0.9, "beta2": 0.999, "eps": 1e-7}, 0)
    for _ in range(3):
        grad = d.row_grad(90, 40, 10)
        table.catch_up(grad.rows)
        table.step(grad, 0.01, 0.0)
    yield table.read() if read else table.param


def bags(d: Data, call: Any) -> Iterator[Any]:
    for options in ({}, {"pad_id": 0, "mode": "sum"}):
        yield from call(d, 300, d.ids(300, 70, 41), options)


def bag_backward(d: Data, rows: int, ids: Any, options: dict[str, Any]) -> Iterator[Any]:
    grad = ops.embedding_bag_backward(d.floats(len(ids), 16), ids, num_rows=rows, **options)
    yield grad.to_dense()


def lookups_backward(d: Data) -> Iterator[Any]:
    grad = ops.embedding_lookup_backward(d.floats(70, 15, 16), d.ids(100, 70, 15), num_rows=100)
    yield grad.to_dense()


def activations(d: Data, *, backward: bool) -> Iterator[Any]:
    for name in ops.ACTIVATIONS:
        x, grad = d.floats(1003), d.floats(1003)
        y = ops.activation(x, name=name)
        yield ops.activation_backward(grad, x, y, name=name) if backward else y


def pointwise(d: Data, loss: Any) -> Iterator[Any]:
    for shape in [(5, 3), (9001, 2)]:
        yield from loss(d.floats(*shape), d.positive(*shape), sample_weight=d.positive(shape[0]))


def pointwise_losses(d: Data) -> Iterator[Any]:
    for name in ops.POINTWISE_LOSSES:
        for shape in [(5, 3), (9001, 2)]:
            yield from ops.pointwise_loss(
                d.positive(*shape), d.positive(*shape), name=name, sample_weight=d.positive(shape[0])
            )


def cross_entropies(d: Data) -> Iterator[Any]:
    for rows, classes in [(5, 3), (401, 150), (3, 5000)]:
        yield from ops.softmax_cross_entropy(
            d.floats(rows, classes), d.ids(classes, rows), label_smoothing=0.1
        )


def softmaxes(d: Data, forward: Any, backward: Any = None) -> Iterator[Any]:
    for rows, classes in [(5, 3), (401, 150), (3, 5000)]:
        x = d.floats(rows, classes)
        yield forward(x) if backward is None else backward(d.floats(rows, classes), forward(x))


def reductions(d: Data, call: Any) -> Iterator[Any]:
    x = d.floats(301, 151)
    for axis in (0, 1, None):
        yield call(x, axis=axis)


CALLS = {
    "activation": lambda d: activations(d, backward=False),
    "activation_backward": lambda d: activations(d, backward=True),
    "adam_step": lambda d: steps(
        d, "adam_step", {"moment1": 0, "moment2": 0}, learning_rate=0.01, weight_decay=0.1
    ),
    "argmax": lambda d: reductions(d, ops.argmax),
    "binary_cross_entropy": lambda d: pointwise(d, ops.binary_cross_entropy),
    "compact_adam_step": compact_adam_steps,
    "compact_ids": lambda d: ops.compact_ids(d.ids(500, 3000), num_rows=500),
    "deferred_adam_catch_up": lambda d: deferred(d, read=True),
    "deferred_adam_step": lambda d: deferred(d, read=False),
    "embedding_bag": lambda d: bags(d, lambda d, n, i, o: [ops.embedding_bag(d.floats(n, 16), i, **o)]),
    "embedding_bag_backward": lambda d: bags(d, bag_backward),
    "embedding_bag_scatter": lambda d: bags(
        d, lambda d, n, i, o: [ops.embedding_bag_scatter(d.floats(len(i), 16), i, num_rows=n, **o)]
    ),
    "embedding_lookup": lambda d: [ops.embedding_lookup(d.floats(100, 16), d.ids(100, 200, 15))],
    "embedding_lookup_backward": lookups_backward,
    "lamb_step": lambda d: steps(d, "lamb_step", {"moment1": 0, "moment2": 0}, learning_rate=0.01),
    "log_softmax": lambda d: softmaxes(d, ops.log_softmax),
    "log_softmax_backward": lambda d: softmaxes(d, ops.log_softmax, ops.log_softmax_backward),
    "matmul": matmuls,
    "matmul_backward": matmul_backwards,
    "max": lambda d: reductions(d, ops.max),
    "mean": lambda d: reductions(d, ops.mean),
    "mean_absolute_error": lambda d: pointwise(d, ops.mean_absolute_error),
    "mean_squared_error": lambda d: pointwise(d, ops.mean_squared_error),
    "norm": lambda d: reductions(d, ops.norm),
    "pointwise_loss": pointwise_losses,
    "sgd_step": lambda d: steps(d, "sgd_step", {"velocity": 0}, learning_rate=0.01, momentum=0.9),
    "softmax": lambda d: softmaxes(d, ops.softmax),
    "softmax_backward": lambda d: softmaxes(d, ops.softmax, ops.softmax_backward),
    "softmax_cross_entropy": cross_entropies,
    "sum": lambda d: reductions(d, ops.sum),
} | {rule: functools.partial(update_steps, rule=rule) for rule in update.STATES}

#: + - * / and the square root alone, in the CPU's order.
AS_ON_THE_CPU = {
    "adam_step", "compact_adam_step", "deferred_adam_step", "embedding_lookup", "lamb_step", "sgd_step",
    *update.STATES,
}  # fmt: skip


def test_no_op_is_forgotten():
    assert set(ops.__all__) - NO_KERNELS - ON_THE_HOST == set(CALLS)


def results(name: str, dtype: Any, asarray: Any, host: Any) -> list[np.ndarray]:
    try:
        return [np.asarray(host(array)) for array in CALLS[name](Data(dtype, asarray)) if array is not None]
    except NotImplementedError as error:
        pytest.skip(str(error))


def assert_equal_bits(got: list[np.ndarray], want: list[np.ndarray]) -> None:
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        assert a.dtype == b.dtype
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("name", sorted(CALLS))
def test_every_op_has_the_same_bits_again_and_on_a_stream_of_its_own(gpu, dtype, name):
    want = results(name, dtype, gpu.asarray, gpu.host)
    assert want
    for other in (False, True):
        with gpu.elsewhere(other):
            assert_equal_bits(results(name, dtype, gpu.asarray, gpu.host), want)
    _backend.synchronize()


@pytest.mark.parametrize("name", sorted(CALLS))
def test_every_op_runs_once(gpu, name):  # for the sanitizer
    assert results(name, "float32", gpu.asarray, gpu.host)
    _backend.synchronize()


@pytest.mark.parametrize("name", sorted(AS_ON_THE_CPU))
def test_the_bits_are_those_of_the_cpu(gpu, dtype, name):
    want = results(name, dtype, lambda array: array, lambda array: array)
    assert_equal_bits(results(name, dtype, gpu.asarray, gpu.host), want)
