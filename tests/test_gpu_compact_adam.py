"""Adam with moments of 16 and 8 bits on CUDA: the CPU's bits, rounding by chance included."""

from __future__ import annotations

import re

import numpy as np
import pytest

from cases import compact_adam as cases
from strop import RowGrad, _backend, ops, optim, optimizers

NAMES = ("param", "moment1", "moment2")
#: Of the cases those that a fibre per CUDA thread can do; blocks shared by 1 to 32 lanes.
SHAPES = [shape for shape in cases.SHAPES if np.prod(shape) < 20_000] + [(90, 40), (3, 1), (1500, 3)]
KINDS = pytest.mark.parametrize("kind", cases.KINDS)
MIN = np.iinfo(np.int64).min


def start(rng, shape, kind):
    """Arrays after a first step, so that no moment is 0; of the kind whatever the size."""
    param = rng.standard_normal(shape).astype("float32")
    rows, width = (1, param.size) if len(shape) == 1 else (shape[0], param.size // shape[0])
    packed = (rows, width + 4 * -(-width // 256))
    moments = [np.zeros(shape, "uint16") if kind == "bfloat16" else np.zeros(packed, "uint8") for _ in "12"]
    arrays = dict(zip(NAMES, [param, *moments], strict=True))
    ops.compact_adam_step(**arrays, grad=gradient(rng, shape), learning_rate=0.1, step=1)
    return arrays


def gradient(rng, shape):
    return (rng.standard_normal(shape) * 10.0 ** rng.integers(-6, 1, shape)).astype("float32")


def on(gpu, arrays):
    return {name: gpu.asarray(a) for name, a in arrays.items()}


def assert_equal_bits(gpu, mine, theirs):
    for name in NAMES:
        assert gpu.host(mine[name]).tobytes() == theirs[name].tobytes(), name


@KINDS
@pytest.mark.parametrize("settings", cases.SETTINGS.values(), ids=cases.SETTINGS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_bits_are_those_of_the_cpu(gpu, rng, kind, shape, settings):
    theirs = start(rng, shape, kind)
    mine = on(gpu, theirs)
    for step in (2, 3):
        grad = gradient(rng, shape)
        call = {"learning_rate": 0.01, "step": step, **settings}
        ops.compact_adam_step(**theirs, grad=grad, **call)
        ops.compact_adam_step(**mine, grad=gpu.asarray(grad), **call)
    assert_equal_bits(gpu, mine, theirs)


@KINDS
@pytest.mark.parametrize("width", [1, 8, 16, 17, 257, 530])
def test_rows_have_the_bits_of_the_cpu(gpu, rng, kind, width):
    theirs = start(rng, (60, width), kind)
    mine = on(gpu, theirs)
    grad, rows = gradient(rng, (4, width)), np.array([59, 0, 7, 31])
    call = {"learning_rate": 0.01, "step": 2, "weight_decay": 0.1, "l2": 0.1}
    _backend.cpu.compact_adam_rows(theirs["param"], grad, rows, theirs["moment1"], theirs["moment2"], **call)
    for kind_of_id in ("int32", "int64"):
        again = {name: a.copy() for name, a in mine.items()}
        ids = gpu.asarray(rows.astype(kind_of_id))
        gpu.module.compact_adam_rows(
            again["param"], gpu.asarray(grad), ids, again["moment1"], again["moment2"], **call
        )
        assert_equal_bits(gpu, again, theirs)


@KINDS
def test_a_row_that_is_none_is_skipped_and_a_bad_one_told(gpu, rng, kind):
    before = start(rng, (20, 24), kind)
    mine = on(gpu, before)
    grad = gpu.asarray(gradient(rng, (3, 24)))

    def step(rows):
        state = (mine["moment1"], mine["moment2"])
        ids = gpu.asarray(np.array(rows))
        gpu.module.compact_adam_rows(mine["param"], grad, ids, *state, learning_rate=0.1, step=2)

    step([MIN, 4, MIN])
    _backend.synchronize()
    for name in NAMES:
        moved = (gpu.host(mine[name]) != before[name]).any(1)
        assert moved.tolist() == [row == 4 for row in range(20)]
    step([3, 20, MIN])
    with pytest.raises(IndexError, match="element 1 of its array"):
        _backend.synchronize()


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("width", [15, 16, 300])
def test_what_is_no_number_spoils_the_same_block_as_on_the_cpu(gpu, rng, value, width):
    theirs = start(rng, (5, width), "8bit")
    mine = on(gpu, theirs)
    grad = gradient(rng, (5, width))
    for step in (2, 3):
        grad[1, 3] = value if step == 2 else 0
        with np.errstate(invalid="ignore"):
            ops.compact_adam_step(**theirs, grad=grad, learning_rate=0.1, step=step)
        ops.compact_adam_step(**mine, grad=gpu.asarray(grad), learning_rate=0.1, step=step)
        np.testing.assert_array_equal(gpu.host(mine["param"]), theirs["param"])
        for name in ("moment1", "moment2"):  # there are several NaNs, but one order among sizes
            np.testing.assert_array_equal(gpu.host(mine[name])[:, :width], theirs[name][:, :width])


def test_a_list_may_keep_its_moments_in_several_ways(gpu, rng):
    kinds = ["bfloat16", None, "8bit", "8bit", "bfloat16", None]
    shapes = [(5000,), (7,), (64, 80), (4099,), (90, 50), (30, 20)]
    params = [rng.standard_normal(shape).astype("float32") for shape in shapes]
    mine = {"param": [gpu.asarray(p) for p in params]}
    for name in ("moment1", "moment2"):
        mine[name] = [ops.zero_moment(p, kind) for p, kind in zip(mine["param"], kinds, strict=True)]
    theirs = {name: [gpu.host(a) for a in arrays] for name, arrays in mine.items()}
    for step in (1, 2):
        grads = [gradient(rng, shape) for shape in shapes]
        ops.compact_adam_step(**theirs, grad=grads, learning_rate=0.1, step=step)
        ops.compact_adam_step(**mine, grad=[gpu.asarray(g) for g in grads], learning_rate=0.1, step=step)
    for name in NAMES:
        for a, b in zip(mine[name], theirs[name], strict=True):
            assert gpu.host(a).dtype == b.dtype
            assert gpu.host(a).tobytes() == b.tobytes()


@KINDS
@pytest.mark.parametrize("rows", [False, True])
def test_numbers_in_device_memory_give_the_same_bits(gpu, rng, kind, rows):
    theirs = start(rng, (60, 80), kind)
    mine = on(gpu, theirs)
    for step in (2, 3, 90):
        grad = gradient(rng, (4, 80) if rows else (60, 80))
        places = np.array([59, 0, 7, 31])
        call = {"learning_rate": 0.01 / step, "step": step, "grad_scale": 0.5, "weight_decay": 0.1}
        wrapped = RowGrad.trusted(places, grad, (60, 80)) if rows else grad
        ops.compact_adam_step(**theirs, grad=wrapped, **call)
        for name, kind_of_number in (
            ("learning_rate", np.float64),
            ("step", np.int64),
            ("grad_scale", np.float64),
        ):
            call[name] = gpu.asarray(kind_of_number(call[name]))
        there = gpu.asarray(grad)
        wrapped = RowGrad.trusted(gpu.asarray(places), there, (60, 80)) if rows else there
        ops.compact_adam_step(**mine, grad=wrapped, **call)
    assert_equal_bits(gpu, mine, theirs)


@pytest.mark.parametrize("state_dtype", ["bfloat16", "8bit"])
@pytest.mark.parametrize("dialect", [optimizers, optim], ids=["keras", "torch"])
def test_a_captured_step_goes_on_counting(gpu, rng, state_dtype, dialect):
    shapes = [(90, 50), (7,)]
    values, grads = ([rng.standard_normal(shape).astype("float32") for shape in shapes] for _ in "12")
    params, there = [gpu.asarray(v) for v in values], [gpu.asarray(g) for g in grads]
    made = []
    for arrays in (params, values):
        if dialect is optim:
            made.append(optim.AdamW(arrays, lr=0.01, state_dtype=state_dtype))
        else:
            made.append(optimizers.AdamW(0.01, state_dtype=state_dtype))
            made[-1].build(arrays)
    steps = [(o.step if dialect is optim else o.apply) for o in made]
    for take, of in zip(steps, (there, grads), strict=True):
        take(of)
    assert made[0].capturable
    rate, number = gpu.asarray(np.float64(0.01)), gpu.asarray(np.int64(0))
    stream, pool = gpu.cupy.cuda.Stream(non_blocking=True), gpu.cupy.cuda.MemoryPool()
    gpu.synchronize()
    with stream, gpu.cupy.cuda.using_allocator(pool.malloc), made[0].numbers_from(rate, number):
        stream.begin_capture()
        steps[0](there)
        graph = stream.end_capture()
    for step in (2, 3, 4):
        number.set(np.array(step))
        gpu.synchronize()
        graph.launch(stream)
        stream.synchronize()
        made[0].counted(1)
        steps[1](grads)
    for mine, theirs in zip(params, values, strict=True):
        assert gpu.host(mine).tobytes() == theirs.tobytes()


@KINDS
def test_it_may_stand_anywhere(gpu, rng, kind):
    arrays, results = start(rng, (9, 520), kind), set()
    arrays["grad"] = gradient(rng, (9, 520))
    for shift in range(5):
        moved = {}
        for name, values in arrays.items():
            room = gpu.asarray(np.zeros(values.size + 16, values.dtype))
            moved[name] = room[shift : shift + values.size].reshape(values.shape)
            moved[name][...] = gpu.asarray(values)
        ops.compact_adam_step(**moved, learning_rate=0.1, step=3)
        results.add(b"".join(gpu.host(moved[name]).tobytes() for name in NAMES))
    assert len(results) == 1


@KINDS
def test_it_refuses_moments_of_another_kind_or_place(gpu, rng, kind):
    arrays = start(rng, (20, 24), kind)
    mine = on(gpu, arrays) | {"grad": gpu.asarray(arrays["param"])}
    other = gpu.asarray(np.zeros((20, 24), "int32"))
    text = (
        "compact_adam_step: moment1 must be float32, uint16 (bfloat16) or uint8 (8 bits in blocks); got a int32 array "
        "of shape (20, 24)"
    )
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        ops.compact_adam_step(**mine | {"moment1": other}, learning_rate=0.1, step=1)
    text = "compact_adam_step: moment2 must be a cupy array like param; got a numpy array of shape "
    with pytest.raises(TypeError, match=f"^{re.escape(text)}"):
        ops.compact_adam_step(**mine | {"moment2": arrays["moment2"]}, learning_rate=0.1, step=1)
    assert_equal_bits(gpu, mine, arrays)
