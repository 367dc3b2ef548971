"""Every op that a training step may take is captured in a graph, and its launches have the bits of eager calls."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from strop import ops

Arrays = dict[str, Any]
rng = np.random.default_rng(5)


def normal(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype("float32")


def positive(*shape: int) -> np.ndarray:
    return np.abs(normal(*shape)) + np.float32(0.1)


def ids(below: int, *shape: int) -> np.ndarray:
    return rng.integers(0, below, shape)


def step(name: str, *states: str, **settings: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """An optimizer's step on two tensors of unequal size."""
    names = ("param", "grad", *states)
    sizes = (700, 33)

    def make() -> Arrays:
        return {
            f"{n}{i}": normal(s) if n in ("param", "grad") else positive(s)
            for n in names
            for i, s in enumerate(sizes)
        }

    def run(a: Arrays) -> Any:
        getattr(ops, name)(**{n: [a[f"{n}{i}"] for i in range(len(sizes))] for n in names}, **settings)

    return make, run


def compact_step() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Adam with bfloat16 moments, which its first step makes from zeros."""

    def make() -> Arrays:
        moments = {f"moment{i}": ops.zero_moment(normal(4096), "bfloat16") for i in (1, 2)}
        return {"param": normal(4096), "grad": normal(4096), **moments}

    return make, lambda a: ops.compact_adam_step(**a, **COUNTED)


RATE = {"learning_rate": 0.1}
COUNTED = {**RATE, "step": 3}

#: Arrays on the device, and what is done with them.
STEPS: dict[str, tuple[Callable[[], Arrays], Callable[[Arrays], Any]]] = {
    "activation": (lambda: {"x": normal(5, 70)}, lambda a: ops.activation(a["x"], name="gelu")),
    "activation_backward": (
        lambda: {"grad": normal(300), "x": normal(300), "y": normal(300)},
        lambda a: ops.activation_backward(a["grad"], a["x"], a["y"], name="elu"),
    ),
    "adadelta_step": step("adadelta_step", "mean_square", "mean_square_move", **RATE),
    "adagrad_step": step("adagrad_step", "sum_square", **RATE),
    "adam_step": step("adam_step", "moment1", "moment2", **COUNTED),
    "adamax_step": step("adamax_step", "moment1", "max_grad", **COUNTED),
    "argmax": (lambda: {"x": normal(7, 40)}, lambda a: ops.argmax(a["x"], axis=1)),
    "binary_cross_entropy": (
        lambda: {"z": normal(600, 1), "t": positive(600, 1), "w": positive(600)},
        lambda a: ops.binary_cross_entropy(a["z"], a["t"], sample_weight=a["w"]),
    ),
    "compact_adam_step": compact_step(),
    "embedding_bag": (
        lambda: {"table": normal(40, 16), "ids": ids(40, 9, 50)},
        lambda a: ops.embedding_bag(a["table"], a["ids"], pad_id=0),
    ),
    "embedding_bag_scatter": (
        lambda: {"grad": normal(9, 16), "ids": ids(40, 9, 50)},
        lambda a: ops.embedding_bag_scatter(a["grad"], a["ids"], num_rows=40, pad_id=0),
    ),
    "embedding_lookup": (
        lambda: {"table": normal(40, 16), "ids": ids(40, 9, 5)},
        lambda a: ops.embedding_lookup(a["table"], a["ids"]),
    ),
    "lamb_step": step("lamb_step", "moment1", "moment2", **COUNTED),
    "lion_step": step("lion_step", "moment1", **RATE),
    "log_softmax": (lambda: {"x": normal(9, 40)}, lambda a: ops.log_softmax(a["x"])),
    "log_softmax_backward": (
        lambda: {"g": normal(9, 40), "y": normal(9, 40)},
        lambda a: ops.log_softmax_backward(a["g"], a["y"]),
    ),
    "matmul": (
        lambda: {"a": normal(33, 70), "b": normal(70, 9), "bias": normal(9)},
        lambda a: ops.matmul(a["a"], a["b"], bias=a["bias"], activation="relu"),
    ),
    "matmul_backward": (
        lambda: {"grad": normal(33, 9), "a": normal(33, 70), "b": normal(70, 9), "y": normal(33, 9)},
        lambda a: ops.matmul_backward(a["grad"], a["a"], a["b"], output=a["y"], activation="relu", bias=True),
    ),
    "max": (lambda: {"x": normal(7, 400)}, lambda a: ops.max(a["x"], axis=0)),
    "mean": (lambda: {"x": normal(7, 4000)}, lambda a: ops.mean(a["x"])),
    "nadam_step": step("nadam_step", "moment1", "moment2", mu_product=0.7, **COUNTED),
    "norm": (lambda: {"x": normal(70, 40)}, lambda a: ops.norm(a["x"], axis=1)),
    "pointwise_loss": (
        lambda: {"y": normal(600, 3), "t": normal(600, 3)},
        lambda a: tuple(
            part
            for name in ("mean_squared_error", "mean_absolute_error", "log_cosh")
            for part in ops.pointwise_loss(a["y"], a["t"], name=name)
        ),
    ),
    "radam_step": step("radam_step", "moment1", "moment2", **COUNTED),
    "rmsprop_step": step("rmsprop_step", "mean_square", "velocity", momentum=0.9, **RATE),
    "rprop_step": step("rprop_step", "previous_grad", "step_size"),
    "sgd_step": step("sgd_step", "velocity", momentum=0.9, **RATE),
    "softmax": (lambda: {"x": normal(9, 40)}, lambda a: ops.softmax(a["x"])),
    "softmax_backward": (
        lambda: {"g": normal(9, 40), "y": positive(9, 40)},
        lambda a: ops.softmax_backward(a["g"], a["y"]),
    ),
    "softmax_cross_entropy": (
        lambda: {"z": normal(90, 40), "t": ids(40, 90)},
        lambda a: ops.softmax_cross_entropy(a["z"], a["t"]),
    ),
    "sum": (lambda: {"x": normal(3, 5000)}, lambda a: ops.sum(a["x"])),
}


#: Ops with a clock, which goes on at every launch: tests/test_cuda_deferred.py.
COUNTING = {"deferred_adam_catch_up", "deferred_adam_step"}


def results(gpu: Any, arrays: Arrays, returned: Any) -> list[np.ndarray]:
    """What the op gave, and all of its arrays, of which it may have changed some."""
    given = [] if returned is None else list(returned) if isinstance(returned, tuple) else [returned]
    return [gpu.host(a) for a in (*given, *arrays.values())]


def captured(gpu: Any, work: Callable[[], Any]) -> tuple[Any, Any, Any]:
    """The graph, what the work returned, and the pool of its memory."""
    pool = gpu.cupy.cuda.MemoryPool()
    stream = gpu.cupy.cuda.Stream(non_blocking=True)
    with stream, gpu.cupy.cuda.using_allocator(pool.malloc):
        stream.begin_capture()
        try:
            returned = work()
        finally:
            graph = stream.end_capture()
    return graph, returned, pool


def test_no_op_of_a_step_is_forgotten(gpu):
    on_gpu = {
        n for n in ops.__all__ if hasattr(gpu.module, n) and not isinstance(getattr(gpu.module, n), type)
    }
    assert on_gpu == set(STEPS) | COUNTING


@pytest.mark.parametrize("name", STEPS)
def test_a_launch_has_the_bits_of_an_eager_call(gpu, name):
    make, run = STEPS[name]
    arrays = {key: gpu.asarray(a) for key, a in make().items()}
    before = {key: gpu.host(a) for key, a in arrays.items()}
    run({key: gpu.asarray(a) for key, a in before.items()})  # CUDA loads a kernel when it first runs
    gpu.synchronize()
    graph, returned, pool = captured(gpu, lambda: run(arrays))
    for key, array in arrays.items():
        assert np.array_equal(gpu.host(array), before[key]), "nothing runs while it is captured"
    for _ in range(3):
        inputs = make()
        for key, value in inputs.items():
            arrays[key][...] = gpu.asarray(value)
        graph.launch()
        eager = {key: gpu.asarray(a) for key, a in inputs.items()}
        want = results(gpu, eager, run(eager))
        for got, wanted in zip(results(gpu, arrays, returned), want, strict=True):
            assert np.array_equal(got, wanted)
    del pool


def test_a_chain_of_ops_shares_its_memory_and_keeps_its_bits(gpu):
    x = gpu.asarray(normal(9, 40))

    def chain() -> Any:
        y = ops.activation(x, name="tanh")
        for _ in range(4):
            y = ops.activation(ops.softmax(y), name="gelu")
        return y

    want = gpu.host(chain())
    graph, y, pool = captured(gpu, chain)
    for _ in range(2):
        graph.launch()
        assert np.array_equal(gpu.host(y), want)
    assert pool.total_bytes() <= 4 * 512 * -(-x.nbytes // 512)


def test_the_host_may_not_wait_while_a_stream_is_captured(gpu):
    stream = gpu.cupy.cuda.Stream(non_blocking=True)
    gpu.module.take_bad_id()
    with stream:
        stream.begin_capture()
        text = "take_bad_id: CUDA says operation not permitted when stream is capturing"
        with pytest.raises(RuntimeError, match=f"^{re.escape(text)}$"):
            gpu.module.take_bad_id()
        assert stream.is_capturing()
        with pytest.raises(RuntimeError, match="operation failed due to a previous error during capture"):
            stream.end_capture()
        assert not stream.is_capturing()
    x = gpu.asarray(np.array([-1.0, 2.0]))
    assert gpu.host(ops.activation(x, name="relu")).tolist() == [0, 2]


def test_the_stand_in_computes_nothing_itself_while_a_stream_is_captured(gpu):
    if not gpu.simulated:
        pytest.skip("CuPy's own kernels can be captured")
    x, y = gpu.asarray(normal(3)), gpu.asarray(normal(3))
    stream = gpu.cupy.cuda.Stream()
    with stream, gpu.cupy.cuda.using_allocator(gpu.cupy.cuda.MemoryPool().malloc):
        stream.begin_capture()
        for call in (
            lambda: x + y,
            lambda: x.get(),
            lambda: gpu.cupy.sum(x),
            lambda: gpu.cupy.asarray([1.0]),
        ):
            with pytest.raises(AssertionError, match="while a stream is captured"):
                call()
        copied, nothing = x.copy(), gpu.cupy.zeros(3, "float32")
        y[...] = x
        graph = stream.end_capture()
    graph.launch()
    assert np.array_equal(gpu.host(copied), gpu.host(x))
    assert np.array_equal(gpu.host(y), gpu.host(x))
    assert not gpu.host(nothing).any()
    with stream:
        stream.begin_capture()
        with pytest.raises(AssertionError, match="a pool that lives as long as the graph"):
            gpu.cupy.empty(3)
        stream.end_capture()
    with pytest.raises(RuntimeError, match=r"cannot capture on the default \(legacy\) stream"):
        gpu.cupy.cuda.Stream.null.begin_capture()
