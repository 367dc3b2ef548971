"""Optimizers of both dialects on CuPy parameters: bits of the CPU, numbers in device memory, moves, what is refused."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from strop import RowGrad, ops, optim, optimizers

SHAPES = [(7,), (9, 5), (1100,), ()]

KERAS: dict[str, dict[str, Any]] = {
    "Adadelta": {},
    "Adagrad": {"weight_decay": 0.01},
    "Adam": {"amsgrad": True},
    "AdamW": {},
    "Adamax": {},
    "Lamb": {"weight_decay": 0.01},
    "Lion": {"weight_decay": 0.1},
    "Nadam": {"weight_decay": 0.01},
    "RMSprop": {"momentum": 0.9, "centered": True},
    "SGD": {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
}
TORCH: dict[str, dict[str, Any]] = {
    "Adadelta": {"weight_decay": 0.01},
    "Adagrad": {},
    "Adam": {"amsgrad": True, "weight_decay": 0.01},
    "AdamW": {"maximize": True},
    "Adamax": {},
    "LAMB": {"weight_decay": 0.01},
    "Lion": {},
    "NAdam": {"decoupled_weight_decay": True, "weight_decay": 0.01},
    "RAdam": {},
    "RMSprop": {"momentum": 0.9},
    "Rprop": {},
    "SGD": {"momentum": 0.9, "dampening": 0.1},
}
RULES = [(optimizers, n, s) for n, s in KERAS.items()] + [(optim, n, s) for n, s in TORCH.items()]
NAMES = [f"{'keras' if m is optimizers else 'torch'}-{n}" for m, n, _ in RULES]
every_rule = pytest.mark.parametrize(("dialect", "name", "settings"), RULES, ids=NAMES)


class Run:
    """An optimizer over parameters of the host or of a GPU, driven by gradients from one seed."""

    def __init__(self, dialect: Any, name: str, settings: dict[str, Any], put: Any, dtype: Any = "float32"):
        rng = np.random.default_rng(3)
        self.put, self.dtype, self.rng = put, np.dtype(dtype), np.random.default_rng(4)
        self.params = [put(np.array(rng.normal(size=shape), self.dtype)) for shape in SHAPES]
        self.keras = dialect is optimizers
        make = getattr(dialect, name)
        if self.keras:
            rate = optimizers.schedules.ExponentialDecay(0.05, 10, 0.9)
            self.optimizer = make(rate, **settings)
        else:
            self.optimizer = make(self.params, lr=0.05, **settings)

    def grads(self) -> list[Any]:
        return [self.put(np.array(self.rng.normal(size=s), self.dtype)) for s in SHAPES]

    def take(self, grads: list[Any]) -> None:
        if self.keras:
            self.optimizer.apply(grads, self.params)
        else:
            self.optimizer.step(grads)

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.take(self.grads())

    def rate(self) -> float:
        return self.optimizer.learning_rate if self.keras else self.optimizer.lr

    def state(self) -> dict[str, Any]:
        if self.keras:
            return self.optimizer.state_tensors()
        of = self.optimizer.state_dict()["state"]
        return {f"{key}/{place}": value for place, state in of.items() for key, value in state.items()}


def same(gpu: Any, on_gpu: Run, on_host: Run) -> None:
    for ours, theirs in zip(on_gpu.params, on_host.params, strict=True):
        np.testing.assert_array_equal(gpu.host(ours), theirs)
    state, want = on_gpu.state(), on_host.state()
    assert state.keys() == want.keys()
    for key, value in state.items():
        assert not hasattr(value, "get")  # the host's
        np.testing.assert_array_equal(value, want[key], err_msg=key)


@every_rule
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_hundred_steps_have_the_bits_of_the_cpu(gpu, dialect, name, settings, dtype):
    on_gpu = Run(dialect, name, settings, gpu.asarray, dtype)
    on_host = Run(dialect, name, settings, np.copy, dtype)
    on_gpu.steps(100)
    on_host.steps(100)
    same(gpu, on_gpu, on_host)


@every_rule
def test_numbers_in_device_memory_give_the_same_bits(gpu, dialect, name, settings):
    on_gpu, on_host = (Run(dialect, name, settings, put) for put in (gpu.asarray, np.copy))
    on_gpu.steps(2)
    on_host.steps(2)
    optimizer = on_gpu.optimizer
    assert optimizer.capturable
    rate, step = gpu.asarray(np.float64(0)), gpu.asarray(np.int64(0))
    for number in range(3, 20):
        rate.set(np.array(on_host.rate()))
        step.set(np.array(number))
        with optimizer.numbers_from(rate, step):
            on_gpu.steps(1)
        optimizer.counted(1)
        on_host.steps(1)
    on_gpu.steps(1)  # and goes on by the host's
    on_host.steps(1)
    same(gpu, on_gpu, on_host)


@every_rule
def test_a_graph_goes_on_counting(gpu, dialect, name, settings):
    on_gpu, on_host = (Run(dialect, name, settings, put) for put in (gpu.asarray, np.copy))
    on_gpu.steps(1)
    on_host.steps(1)
    cupy, optimizer = gpu.cupy, on_gpu.optimizer
    rate, step = gpu.asarray(np.float64(0)), gpu.asarray(np.int64(0))
    grads = on_gpu.grads()
    with optimizer.numbers_from(rate, step):
        pool = cupy.cuda.MemoryPool()
        stream = cupy.cuda.Stream(non_blocking=True)
        cupy.cuda.Device().synchronize()
        with stream, cupy.cuda.using_allocator(pool.malloc):
            stream.begin_capture()
            try:
                on_gpu.take(grads)
            finally:
                graph = stream.end_capture()
    fixed = [gpu.host(grad) for grad in grads]
    for number in (2, 3, 4):
        rate.set(np.array(on_host.rate()))
        step.set(np.array(number))
        cupy.cuda.Device().synchronize()
        graph.launch(stream)
        stream.synchronize()
        on_host.take(fixed)
    optimizer.counted(3)
    same(gpu, on_gpu, on_host)


@every_rule
def test_a_move_to_a_gpu_and_back_changes_no_bit(gpu, dialect, name, settings):
    moving, staying = (Run(dialect, name, settings, np.copy) for _ in range(2))
    for target in (gpu.asarray, gpu.host, gpu.asarray):
        moving.steps(2)
        staying.steps(2)
        made: dict[int, Any] = {}

        def convert(array: Any, target: Any = target, made: Any = made) -> Any:
            return made.setdefault(id(array), (target(array), array))[0]

        moving.optimizer.move(convert)
        moving.params = [convert(param) for param in moving.params]
        moving.put = gpu.asarray if target == gpu.asarray else np.copy
    moving.steps(2)
    staying.steps(2)
    same(gpu, moving, staying)


def test_a_move_that_fails_changes_nothing(gpu):
    run, whole = (Run(optimizers, "Adam", {}, np.copy) for _ in range(2))
    run.steps(1)
    left = iter(range(6))

    def convert(array: Any) -> Any:
        if next(left, None) is None:
            raise MemoryError
        return gpu.asarray(array)

    with pytest.raises(MemoryError):
        run.optimizer.move(convert)
    run.steps(1)
    whole.steps(2)
    same(gpu, run, whole)


def test_a_saved_state_goes_back_to_the_device(gpu, tmp_path):
    for dialect, name in ((optim, "Adam"), (optim, "NAdam")):
        first, second = (Run(dialect, name, {}, gpu.asarray) for _ in range(2))
        first.steps(3)
        first.optimizer.save(tmp_path / "state")
        for ours, theirs in zip(second.params, first.params, strict=True):
            ours[...] = theirs
        second.optimizer.load(tmp_path / "state")
        assert all(hasattr(s["exp_avg"], "get") for s in second.optimizer.state)
        grads = first.grads()
        first.take(grads)
        second.take(grads)
        for ours, theirs in zip(second.params, first.params, strict=True):
            np.testing.assert_array_equal(gpu.host(ours), gpu.host(theirs))


def test_state_of_the_keras_dialect_is_loaded_in_place(gpu):
    first, second = (Run(optimizers, "Adam", {}, gpu.asarray) for _ in range(2))
    first.steps(2)
    second.optimizer.build(second.params)
    before = second.optimizer._slots["moment1"][0]
    second.optimizer.load_state_tensors(first.state(), 2)
    assert second.optimizer._slots["moment1"][0] is before
    np.testing.assert_array_equal(gpu.host(before), first.state()["moment1/0"])


@pytest.mark.parametrize(
    "settings",
    [
        {"clipnorm": 0.1},
        {"global_clipnorm": 0.1},
        {"clipvalue": 0.1},
        {"gradient_accumulation_steps": 2},
        {"use_ema": True, "ema_overwrite_frequency": 2},
        {"loss_scale_factor": 4.0},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_what_surrounds_an_update_is_the_cpus(gpu, settings):
    on_gpu, on_host = (Run(optimizers, "SGD", settings, put, "float64") for put in (gpu.asarray, np.copy))
    on_gpu.steps(4)
    on_host.steps(4)
    for ours, theirs in zip(on_gpu.params, on_host.params, strict=True):
        np.testing.assert_allclose(gpu.host(ours), theirs, rtol=1e-14)
    assert on_gpu.optimizer.capturable == ("loss_scale_factor" in settings)


def test_averages_of_weights_live_on_the_device(gpu):
    param = gpu.asarray(np.array([1.0, 2.0]))
    average = optim.ExponentialMovingAverage([param], decay=0.5)
    average.update()
    param[...] = gpu.asarray(np.array([3.0, 0.0]))
    average.update()
    with average.average_parameters():
        np.testing.assert_array_equal(gpu.host(param), [2.0, 1.0])
    np.testing.assert_array_equal(gpu.host(param), [3.0, 0.0])
    assert isinstance(average.state_dict()["averages"][0], np.ndarray)


# ---- what is refused ---------------------------------------------------------


def adam(gpu: Any, **changes: Any) -> None:
    arrays = {name: gpu.asarray(np.ones(3, "float32")) for name in ("param", "grad", "moment1", "moment2")}
    ops.adam_step(**{**arrays, "learning_rate": 0.1, "step": 1, **changes})


@pytest.mark.parametrize(
    ("name", "value", "error", "text"),
    [
        (
            "learning_rate",
            np.float32(1),
            TypeError,
            "learning_rate must be float64; got a float32 array of shape ()",
        ),
        ("learning_rate", np.ones(1), ValueError, "learning_rate must have 0 axes; got shape (1,)"),
        ("step", np.int32(1), TypeError, "step must be int64; got a int32 array of shape ()"),
        ("step", np.float64(1), TypeError, "step must be int64; got a float64 array of shape ()"),
        (
            "grad_scale",
            np.float32(1),
            TypeError,
            "grad_scale must be float64; got a float32 array of shape ()",
        ),
    ],
)
def test_numbers_of_another_kind(gpu, name, value, error, text):
    with pytest.raises(error, match=f"^adam_step: {re.escape(text)}$"):
        adam(gpu, **{name: gpu.asarray(value)})


def test_a_number_in_an_array_of_the_host(gpu):
    text = (
        "adam_step: learning_rate must be a number or a cupy array; got a numpy array of shape (); "
        "move it with cupy.asarray"
    )
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        adam(gpu, learning_rate=np.array(0.1))


def test_a_number_that_is_none(gpu):
    with pytest.raises(TypeError, match=r"^adam_step: learning_rate must be a number; got str$"):
        adam(gpu, learning_rate="0.1")
    with pytest.raises(TypeError, match=r"^adam_step: step must be a whole number; got float$"):
        adam(gpu, step=1.0)
    with pytest.raises(ValueError, match=r"^adam_step: step must be 1 or more; got 0$"):
        adam(gpu, step=0)


def test_numbers_on_another_device(gpu):
    if not gpu.simulated:
        pytest.skip("one device may be all there is")
    with gpu.cupy.cuda.Device(1):
        rate = gpu.asarray(np.float64(0.1))
    text = (
        "adam_step: learning_rate must be on device 0 like param; got a float64 array of shape () on device 1; "
        "move it with cupy.asarray under cupy.cuda.Device(0)"
    )
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        adam(gpu, learning_rate=rate)


def test_the_cpu_takes_no_numbers_of_a_gpu(gpu):
    x = [np.ones(3) for _ in range(4)]
    rate, step = gpu.asarray(np.float64(0.1)), gpu.asarray(np.int64(1))
    text = "must be a number where param is a numpy array; got an array on a GPU"
    arrays = dict(zip(("param", "grad", "moment1", "moment2"), x, strict=True))
    with pytest.raises(TypeError, match=f"^adam_step: learning_rate {text}$"):
        ops.adam_step(**arrays, learning_rate=rate, step=1)
    with pytest.raises(TypeError, match=f"^adam_step: step {text}$"):
        ops.adam_step(**arrays, learning_rate=0.1, step=step)
    assert all((array == 1).all() for array in x)


def test_numbers_from_wants_arrays_of_the_device(gpu):
    run = Run(optimizers, "Adam", {}, gpu.asarray)
    run.steps(1)
    rate, step = gpu.asarray(np.float64(0.1)), gpu.asarray(np.int64(2))
    text = "Adam: rate must be a cupy array without axes of float64; got float"
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"), run.optimizer.numbers_from(0.1, step):
        pass
    text = "Adam: step must be a cupy array without axes of int64; got float64 of shape ()"
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"), run.optimizer.numbers_from(rate, rate):
        pass
    clipping = Run(optimizers, "Adam", {"clipnorm": 1.0}, gpu.asarray)
    clipping.steps(1)
    text = "Adam: numbers_from must leave nothing to the host; got clipnorm=1.0"
    with (
        pytest.raises(RuntimeError, match=f"^{re.escape(text)}$"),
        clipping.optimizer.numbers_from(rate, step),
    ):
        pass


@pytest.mark.parametrize("make", [lambda p: optim.Adam(p), lambda p: optimizers.Adam().build(p)])
def test_parameters_that_cannot_be_updated_together(gpu, make):
    one = gpu.asarray(np.ones(4, "float32"))
    text = (
        "Adam: params[1] must be a cupy array like params[0]; got a numpy array of shape (2,); "
        "move it with cupy.asarray"
    )
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        make([one, np.ones(2, "float32")])
    text = "Adam: params[1] must not overlap params[0]; got two views of one buffer"
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        make([one, one[2:]])
    table = gpu.asarray(np.ones((4, 6), "float32"))
    text = (
        "Adam: params[0] must be C-contiguous; got a strided float32 array of shape (4, 3); "
        "use cupy.ascontiguousarray"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        make([table[:, ::2]])
    if gpu.simulated:
        with gpu.cupy.cuda.Device(1):
            other = gpu.asarray(np.ones(2, "float32"))
        text = (
            "Adam: params[1] must be on device 0 like params[0]; got a float32 array of shape (2,) on device 1; "
            "move it with cupy.asarray under cupy.cuda.Device(0)"
        )
        with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
            make([one, other])
        gone = gpu.asarray(np.ones(2, "float32"))
        gone.free()
        text = "Adam: params[1] must hold memory; got a freed float32 array of shape (2,)"
        with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
            make([one, gone])


def test_gradients_of_the_host(gpu):
    run = Run(optimizers, "Adam", {}, gpu.asarray)
    run.steps(1)
    before = [gpu.host(param) for param in run.params]
    text = (
        "Adam: grads[0] must be a cupy array like params[0]; got a numpy array of shape (7,); "
        "move it with cupy.asarray"
    )
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        run.take([gpu.host(grad) for grad in run.grads()])
    for param, value in zip(run.params, before, strict=True):
        np.testing.assert_array_equal(gpu.host(param), value)


def test_a_step_waits_for_nothing(gpu):
    if not gpu.simulated:
        pytest.skip("the stand-in counts what is fetched")
    import fake_cupy

    run = Run(optimizers, "Adam", {}, gpu.asarray)
    run.steps(1)
    grads, before = run.grads(), fake_cupy.state.fetched
    run.take(grads)
    assert fake_cupy.state.fetched == before


def test_rows_take_numbers_in_device_memory(gpu):
    rng = np.random.default_rng(1)
    table, values = rng.normal(size=(9, 4)), rng.normal(size=(3, 4))
    rows = np.array([7, 0, 4])
    results = []
    for put, number in ((gpu.asarray, gpu.asarray), (np.copy, lambda value: value.item())):
        arrays = {"param": put(table), "moment1": put(table * 0), "moment2": put(table * 0)}
        grad = RowGrad.trusted(put(rows), put(values), table.shape)
        for step in (1, 2):
            numbers = {"learning_rate": number(np.float64(0.1)), "step": number(np.int64(step))}
            ops.adam_step(**arrays, grad=grad, **numbers, weight_decay=0.01, l2=0.1)
            ops.sgd_step(
                param=arrays["param"], grad=grad, learning_rate=numbers["learning_rate"], weight_decay=0.01
            )
            ops.adagrad_step(
                param=arrays["param"],
                grad=grad,
                sum_square=arrays["moment2"],
                learning_rate=numbers["learning_rate"],
                grad_scale=number(np.float64(0.5)),
                weight_decay=0.01,
            )
        results.append([gpu.host(array) for array in arrays.values()])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_array_equal(ours, theirs)


class Rows:
    """A table under the torch dialect's deferred Adam and a bias, on a device or the host."""

    def __init__(self, put: Any) -> None:
        rng = np.random.default_rng(5)
        self.grads: list[list[Any]] = []
        self.params = [put(rng.normal(size=(30, 8)).astype("float32")), put(np.ones(3, "float32"))]
        for _ in range(6):
            rows, values = rng.choice(30, 4, replace=False), rng.normal(size=(4, 8)).astype("float32")
            row_grad = RowGrad.trusted(put(rows), put(values), (30, 8))
            self.grads.append([row_grad, put(np.full(3, 0.5, "float32"))])
        self.optimizer = optim.AdamW(self.params, lr=0.05, sparse="exact")


def test_the_torch_dialect_captures_deferred_rows(gpu):
    mine, theirs = Rows(gpu.asarray), Rows(np.copy)
    cupy, optimizer = gpu.cupy, mine.optimizer
    for run in (mine, theirs):
        run.optimizer.step(run.grads[0])
        run.optimizer.step(run.grads[1])
    assert optimizer.capturable
    rate, number = gpu.asarray(np.float64(0)), gpu.asarray(np.int64(0))
    pool, stream = cupy.cuda.MemoryPool(), cupy.cuda.Stream(non_blocking=True)
    gpu.synchronize()
    with stream, cupy.cuda.using_allocator(pool.malloc), optimizer.numbers_from(rate, number):
        stream.begin_capture()
        optimizer.step(mine.grads[2])
        graph = stream.end_capture()
    for step in (3, 4, 5):
        rate.set(np.array(0.05 / step))
        number.set(np.array(step))
        gpu.synchronize()
        graph.launch(stream)
        stream.synchronize()
        optimizer.counted(1)
        theirs.optimizer.lr = 0.05 / step
        theirs.optimizer.step(theirs.grads[2])
    rows = np.array([[7, 7, 2], [0, 29, 7]])
    for given in (rows, gpu.asarray(rows)):
        optimizer.catch_up(0, given)
    for run in (mine, theirs):
        run.optimizer.flush()
    for a, b in zip(mine.params, theirs.params, strict=True):
        np.testing.assert_array_equal(gpu.host(a), b)


def test_what_a_graph_of_deferred_rows_cannot_hold(gpu):
    rate, number = gpu.asarray(np.float64(0.1)), gpu.asarray(np.int64(2))
    run = Rows(gpu.asarray)
    dense = [gpu.asarray(np.ones((30, 8), "float32")), run.grads[0][1]]
    run.optimizer.step(dense)
    before = [gpu.host(param) for param in run.params]
    text = (
        "AdamW: numbers_from must leave nothing to the host; got rows that are not deferred yet: the first step with "
        "a RowGrad defers them"
    )
    with (
        run.optimizer.numbers_from(rate, number),
        pytest.raises(RuntimeError, match=f"^{re.escape(text)}$"),
    ):
        run.optimizer.step([run.grads[0][0], None])
    for param, value in zip(run.params, before, strict=True):
        np.testing.assert_array_equal(gpu.host(param), value)
    run.optimizer.step(run.grads[0])
    text = (
        "AdamW: numbers_from must leave nothing to the host; got the dense gradient of a parameter whose rows are "
        "deferred"
    )
    with (
        run.optimizer.numbers_from(rate, number),
        pytest.raises(RuntimeError, match=f"^{re.escape(text)}$"),
    ):
        run.optimizer.step(dense)
    keras, table = optimizers.Adam(0.1, sparse="exact"), gpu.asarray(np.ones((30, 8), "float32"))
    keras.apply([run.grads[0][0]], [table])
    text = (
        "Adam: numbers_from must leave nothing to the host; got a step without rows of a parameter whose rows are "
        "deferred"
    )
    with keras.numbers_from(rate, number), pytest.raises(RuntimeError, match=f"^{re.escape(text)}$"):
        keras.apply([dense[0]], [table])


# ---- bound steps -------------------------------------------------------------


@pytest.mark.parametrize("where", ["gpu", "host"])
def test_a_bound_step_has_the_bits_of_the_step(gpu, where):
    put = gpu.asarray if where == "gpu" else np.copy
    rng = np.random.default_rng(2)
    start = rng.normal(size=(300, 2))
    states = {
        ops.adam_step: ["moment1", "moment2"],
        ops.sgd_step: ["velocity"],
        ops.rmsprop_step: ["mean_square"],
        ops.radam_step: ["moment1", "moment2"],
    }
    for step, names in states.items():
        more = {"momentum": 0.9} if step is ops.sgd_step else {}
        counted = step in (ops.adam_step, ops.radam_step)
        once, twice = (
            {"param": [put(start[:, 0])], "grad": [put(start[:, 1])]}
            | {name: [put(np.zeros(300))] for name in names}
            for _ in range(2)
        )
        bound = ops.bind(step, **once, weight_decay=0.01, **more)
        for number in (1, 2, 3):
            bound(0.1 / number, number, 0.5)
            numbers = {"learning_rate": 0.1 / number, "grad_scale": 0.5} | (
                {"step": number} if counted else {}
            )
            step(**twice, weight_decay=0.01, **more, **numbers)
        if where == "gpu":
            bound(gpu.asarray(np.float64(0.01)), gpu.asarray(np.int64(4)))
            step(**twice, weight_decay=0.01, **more, learning_rate=0.01, **({"step": 4} if counted else {}))
        for name, arrays in once.items():
            np.testing.assert_array_equal(gpu.host(arrays[0]), gpu.host(twice[name][0]))


def test_a_bound_step_holds_its_arrays(gpu):
    param, grad = gpu.asarray(np.ones(3)), gpu.asarray(np.ones(3))
    bound = ops.bind(ops.sgd_step, param=param, grad=grad)
    del grad
    bound(0.5)
    np.testing.assert_array_equal(gpu.host(param), np.full(3, 0.5))


def test_what_cannot_be_bound(gpu):
    x = gpu.asarray(np.ones(3))
    text = "bind: step must have no numbers but its rate, its number and a scale; got nadam_step"
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        ops.bind(ops.nadam_step, param=x, grad=x, moment1=x, moment2=x, mu_product=1.0)
    with pytest.raises(
        ValueError, match=r"^sgd_step: grad must not overlap param; got two views of one buffer$"
    ):
        ops.bind(ops.sgd_step, param=x, grad=x)
    bound = ops.bind(ops.sgd_step, param=x, grad=gpu.asarray(np.ones(3)))
    with pytest.raises(TypeError, match=r"^bind: learning_rate must be a number; got str$"):
        bound("fast")
    np.testing.assert_array_equal(gpu.host(x), np.ones(3))
