from __future__ import annotations

import numpy as np
import pytest

from cases import compact_adam as cases
from strop import ops, reference
from strop.reference.compact_adam import dynamic_map, expand, from_bfloat16, unpack
from strop.rowgrad import RowGrad
from tolerance import OPTIMIZER_ROUNDINGS, assert_close

KINDS = pytest.mark.parametrize("kind", cases.KINDS)


def make(rng, shape, kind):
    param = rng.normal(size=shape).astype(np.float32)
    return {"param": param, "moment1": ops.zero_moment(param, kind), "moment2": ops.zero_moment(param, kind)}


def gradient(rng, shape):
    return (rng.normal(size=shape) * 10.0 ** rng.integers(-6, 1, shape)).astype(np.float32)


def assert_moments(got, want, what):
    """All but a few of the codes are equal; where float32 and float64 fall on two sides of an edge they are next."""
    assert got.dtype == want.dtype
    if got.dtype == np.uint16:
        apart = np.abs(got.astype(int) - want.astype(int))
    else:
        width = got.shape[1] - 4 * -(-got.shape[1] // 260)
        apart = np.abs(got[:, :width].astype(int) - want[:, :width].astype(int))
        tops = [np.ascontiguousarray(a[:, width:]).view(np.float32) for a in (got, want)]
        np.testing.assert_allclose(*tops, rtol=1e-5, err_msg=what)
    assert apart.max() <= 1, what
    assert np.mean(apart > 0) <= 1e-3, what


@KINDS
@pytest.mark.parametrize("shape", cases.SHAPES, ids=str)
def test_compact_adam_matches_the_reference(device, rng, kind, shape):
    for name, settings in cases.SETTINGS.items():
        arrays = make(rng, shape, kind)
        assert arrays["moment1"].dtype == {"bfloat16": np.uint16, "8bit": np.uint8}[kind]
        for step in range(1, 5):
            grad = gradient(rng, shape)
            given = {"learning_rate": 0.01, "step": step, **settings}
            param, first, second = reference.compact_adam_step(**arrays, grad=grad, **given)
            ops.compact_adam_step(**arrays, grad=grad, **given)
            scale = np.abs(param) + 0.1
            assert_close(arrays["param"], param, scale=scale, roundings=OPTIMIZER_ROUNDINGS, what=name)
            assert_moments(arrays["moment1"], first, f"{name}: moment1")
            assert_moments(arrays["moment2"], second, f"{name}: moment2")


@KINDS
@pytest.mark.parametrize("width", [8, 16, 17, 257, 530])
def test_a_row_step_has_the_bits_of_the_dense_step_on_its_rows_and_leaves_others_alone(
    device, rng, kind, width
):
    shape = (600, width)
    for settings in ({}, {"l2": 0.1}, {"grad_scale": 0.5}):
        arrays = make(rng, shape, kind)
        ops.compact_adam_step(**arrays, grad=gradient(rng, shape), learning_rate=0.1, step=1)
        dense = {name: array.copy() for name, array in arrays.items()}
        start = {name: array.copy() for name, array in arrays.items()}
        rows = np.array([599, 0, 77])
        grad = RowGrad(rows, gradient(rng, (3, width)), shape)
        given = {"learning_rate": 0.1, "step": 2, "weight_decay": 0.1, **settings}
        ops.compact_adam_step(**arrays, grad=grad, **given)
        ops.compact_adam_step(**dense, grad=grad.to_dense(), **given)
        others = np.setdiff1d(np.arange(600), rows)
        for name, array in arrays.items():
            np.testing.assert_array_equal(array[rows], dense[name][rows])
            np.testing.assert_array_equal(array[others], start[name][others])


def test_a_list_may_keep_its_moments_in_several_ways(rng):
    shapes = [(5000,), (7,), (512, 16), (300, 20)]
    kinds = ["bfloat16", "8bit", "8bit", None]
    each = [make(rng, shape, kind) for shape, kind in zip(shapes, kinds, strict=True)]
    grads = [gradient(rng, shape) for shape in shapes]
    together = {name: [arrays[name].copy() for arrays in each] for name in each[0]}
    decays = [0.1, 0.2, 0.0, 0.3]
    ops.compact_adam_step(**together, grad=grads, learning_rate=0.1, step=1, weight_decay=decays)
    for place, (arrays, grad) in enumerate(zip(each, grads, strict=True)):
        ops.compact_adam_step(**arrays, grad=grad, learning_rate=0.1, step=1, weight_decay=decays[place])
        for name, array in arrays.items():
            np.testing.assert_array_equal(together[name][place], array)


def test_moments_of_float32_make_the_step_adam_s(rng):
    arrays = make(rng, (300, 20), None)
    adam = {name: array.copy() for name, array in arrays.items()}
    for step, grad in enumerate(
        (gradient(rng, (300, 20)), RowGrad([3], gradient(rng, (1, 20)), (300, 20))), 1
    ):
        ops.compact_adam_step(**arrays, grad=grad, learning_rate=0.1, step=step)
        ops.adam_step(**adam, grad=grad, learning_rate=0.1, step=step)
    for name, array in adam.items():
        np.testing.assert_array_equal(arrays[name], array)


# ---- the numbers -----------------------------------------------------------


def test_the_map_is_that_of_bitsandbytes():
    """Its `create_dynamic_map`: for each of seven exponents the middles of a linspace, then 0 and 1."""
    for signed in (True, False):
        values = []
        for i in range(7):
            edges = np.linspace(0.1, 1, (2**i if signed else 2 ** (i + 1)) + 1)
            middles = (edges[:-1] + edges[1:]) / 2 * 10 ** (-6 + i)
            values += [*middles, *(-middles if signed else [])]
        want = np.sort([*values, 0, 1])
        assert len(want) == 256
        np.testing.assert_allclose(dynamic_map(signed), want, rtol=1e-14)


def one_step(grad, kind, **settings):
    """The moments after a step from 0 whose first moment is the gradient and whose second is its square."""
    arrays = {"param": np.zeros_like(grad)} | {
        name: ops.zero_moment(grad, kind) for name in ("moment1", "moment2")
    }
    settings = {"beta1": 0.0, "beta2": 0.0, "learning_rate": 0.0, "step": 1, **settings}
    ops.compact_adam_step(**arrays, grad=grad, **settings)
    return expand(arrays["moment1"], grad.shape, 1), expand(arrays["moment2"], grad.shape, 2)


def test_an_8_bit_moment_is_the_nearest_of_its_map(device, rng):
    grad = (rng.choice([-1, 1], (200, 256)) * 10 ** rng.uniform(-9, 0, (200, 256))).astype(np.float32)
    first, second = one_step(grad, "8bit")
    top = np.abs(grad).max(axis=1, keepdims=True)
    share = np.abs(grad / top).astype(np.float64)
    for got, signed in ((np.abs(first), True), (np.sqrt(second), False)):
        values = dynamic_map(signed)
        values = values[values >= 0] if signed else values[1:]  # of a root above 0 never 0
        above = np.clip(np.searchsorted(values, share), 1, len(values) - 1)
        nearest = np.minimum(np.abs(values[above] - share), np.abs(values[above - 1] - share))
        slack = np.where(signed & (first < 0), 0.0072 * (share > 0.99), 0)  # there is no -1
        assert (np.abs(got / top - share) <= nearest * 1.001 + 1e-8 + slack).all()
    assert (np.sign(first) * np.sign(grad) >= 0).all()
    assert (second > 0).all()


def test_bfloat16_is_rounded_by_chance_with_the_right_mean(device, rng):
    for value in (1 / 3, 1e-5, 1000.1):
        grad = np.full(200_000, value, np.float32)
        for step in (1, 2):
            first, second = one_step(grad, "bfloat16", step=step)
            for got, want in ((first, value), (second, value**2)):
                low, high = got.min(), got.max()
                assert low <= want <= high
                assert (high - low) / want <= 2**-7
                spread = (high - low) / 2 / np.sqrt(grad.size)
                assert abs(got.mean() - want) <= 5 * spread
            # The two moments of an element do not move together.
            assert abs(np.corrcoef(first > first.min(), second > second.min())[0, 1]) < 0.02


@KINDS
def test_a_second_moment_does_not_stand_still(kind, rng):
    """After 2,000 steps of falling gradients the moments are those of float32, on the mean over the elements."""
    shape = (64, 64)
    arrays, full = make(rng, shape, kind), make(rng, shape, None)
    for step in range(1, 2001):
        grad = (rng.normal(size=shape) * 10 ** (-step / 1000)).astype(np.float32)
        for each in (arrays, full):
            ops.compact_adam_step(**each, grad=grad, learning_rate=0.001, step=step)
    got = np.sqrt(expand(arrays["moment2"], shape, 2) / full["moment2"])
    assert abs(got.mean() - 1) < {"bfloat16": 0.005, "8bit": 0.05}[kind]
    assert got.std() < {"bfloat16": 0.05, "8bit": 0.15}[kind]


def test_a_small_gradient_beside_large_ones_is_not_divided_by_epsilon_alone(rng):
    """bitsandbytes keeps the second moment itself, where 1e-4 of the greatest gradient is a moment of 0."""
    grad = np.ones((512, 16), np.float32)
    grad[:, 3] = 1e-5
    arrays = make(rng, grad.shape, "8bit")
    start = arrays["param"].copy()
    for step in (1, 2, 3):
        given = grad if step == 1 else np.zeros_like(grad)
        ops.compact_adam_step(**arrays, grad=given, learning_rate=1e-3, step=step, eps=1e-12)
    assert np.abs(arrays["param"] - start).max() < 3e-3


@KINDS
def test_nan_and_infinity_spoil_no_more_than_their_element_or_block(device, rng, kind):
    shape = (512, 40)
    for bad in (np.nan, np.inf):
        arrays = make(rng, shape, kind)
        grad = np.ones(shape, np.float32)
        grad[7, 5] = bad
        for step, given in ((1, grad), (2, np.ones(shape, np.float32))):
            ops.compact_adam_step(**arrays, grad=given, learning_rate=0.1, step=step)
        spoiled = np.argwhere(~np.isfinite(arrays["param"]))
        assert [7, 5] in spoiled.tolist()
        assert (spoiled[:, 0] == 7).all()
        assert len(spoiled) == (1 if kind == "bfloat16" else 40)


@KINDS
def test_rows_without_any_gradient_stay_at_0(rng, kind):
    arrays = make(rng, (512, 40), kind)
    start = arrays["param"].copy()
    for step in (1, 2):
        ops.compact_adam_step(**arrays, grad=np.zeros((512, 40), np.float32), learning_rate=0.1, step=step)
    np.testing.assert_array_equal(arrays["param"], start)
    assert not expand(arrays["moment1"], start.shape, 1).any()
    assert not expand(arrays["moment2"], start.shape, 2).any()


def test_helpers_of_the_reference_decode_what_the_kernel_keeps(rng):
    grad = rng.normal(size=(300, 530)).astype(np.float32)
    arrays = make(rng, grad.shape, "8bit")
    ops.compact_adam_step(**arrays, grad=grad, learning_rate=0.1, step=1)
    np.testing.assert_allclose(unpack(arrays["moment1"], 530, True), 0.1 * grad, atol=4e-3)
    arrays = make(rng, grad.shape, "bfloat16")
    ops.compact_adam_step(**arrays, grad=grad, learning_rate=0.1, step=1)
    np.testing.assert_allclose(from_bfloat16(arrays["moment1"]), 0.1 * grad, rtol=2**-7)


# ---- what is kept ----------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "kind", "options", "want"),
    [
        ((10_000, 16), None, {}, ((10_000, 16), np.float32)),
        ((10_000, 16), "bfloat16", {}, ((10_000, 16), np.uint16)),
        ((10_000, 16), "8bit", {}, ((10_000, 20), np.uint8)),
        ((1000, 257), "8bit", {}, ((1000, 265), np.uint8)),
        ((40, 3, 50), "8bit", {}, ((40, 154), np.uint8)),
        ((4096,), "8bit", {}, ((1, 4096 + 64), np.uint8)),
        ((4096,), "8bit", {"touched": True}, ((4096,), np.float32)),
        ((4096,), "bfloat16", {"touched": True}, ((4096,), np.uint16)),
        ((4095,), "8bit", {}, ((4095,), np.float32)),
        ((4095,), "bfloat16", {}, ((4095,), np.float32)),
        ((10_000, 7), "8bit", {}, ((10_000, 7), np.float32)),
        ((), "8bit", {}, ((), np.float32)),
        ((0, 16), "8bit", {}, ((0, 16), np.float32)),
    ],
)
def test_small_parameters_and_narrow_rows_keep_float32(shape, kind, options, want):
    assert ops.moment_spec(shape, kind, **options) == want
    moment = ops.zero_moment(np.zeros(shape, np.float32), kind, **options)
    assert (moment.shape, moment.dtype) == want
    assert not moment.any()
    assert moment.flags.c_contiguous


# ---- refused ---------------------------------------------------------------

READ_ONLY = np.zeros((512, 20), np.uint8)
READ_ONLY.flags.writeable = False
BUFFER = np.zeros(512 * 40, np.uint8)
FLAT = {"param": np.ones(8, np.float32), "grad": np.ones(8, np.float32)}
FLAT |= {name: np.zeros((1, 12), np.uint8) for name in ("moment1", "moment2")}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"param": np.ones((512, 16))},
            "param must be float32; got a float64 array of shape (512, 16)",
        ),
        (
            {"grad": np.ones((512, 16))},
            "grad must be float32 like param; got a float64 array of shape (512, 16)",
        ),
        (
            {"grad": np.ones((512, 15), np.float32)},
            "grad must have the shape of param (512, 16); got (512, 15)",
        ),
        (
            {"moment1": np.zeros((512, 16), np.int32)},
            "moment1 must be float32, uint16 (bfloat16) or uint8 (8 bits in blocks); "
            "got a int32 array of shape (512, 16)",
        ),
        (
            {"moment2": np.zeros((512, 16), np.uint16)},
            "moment2 must be uint8 like moment1; got a uint16 array of shape (512, 16)",
        ),
        (
            {"moment1": np.zeros((512, 16), np.uint8)},
            "moment1 must have shape (512, 20); got (512, 16)",
        ),
        (
            {"moment1": np.zeros((511, 16), np.uint16), "moment2": np.zeros((512, 16), np.uint16)},
            "moment1 must have the shape of param (512, 16); got (511, 16)",
        ),
        (
            {"moment2": READ_ONLY},
            "moment2 must be writable; got a read-only uint8 array of shape (512, 20)",
        ),
        (
            {"moment1": BUFFER[:10240].reshape(512, 20), "moment2": BUFFER[10:10250].reshape(512, 20)},
            "moment2 must not overlap moment1; got two views of one buffer",
        ),
        (
            {"moment1": np.zeros((512, 40), np.uint8)[:, ::2]},
            "moment1 must be C-contiguous; got a strided uint8 array of shape (512, 20); "
            "use numpy.ascontiguousarray",
        ),
        (
            {"moment1": [np.zeros((512, 20), np.uint8)] * 2},
            "every list must have as many arrays as param (1); got 2",
        ),
        ({"weight_decay": [0.1, 0.2]}, "weight_decay must have one number per param (1); got 2"),
        ({"step": 0}, "step must be 1 or more; got 0"),
        ({"l2": -1.0}, "l2 must be 0 or more; got -1.0"),
        ({"beta1": 1.0}, "beta1 and beta2 must lie in [0, 1); got 1.0"),
        ({"eps_mode": "keras"}, "eps_mode must be 'hat' or 'torch'; got 'keras'"),
        (
            {"grad": RowGrad([512], np.ones((1, 16), np.float32), (513, 16))},
            "rows must lie in [0, 512); got 512 at (0,)",
        ),
        (
            FLAT | {"grad": RowGrad([1], np.ones(1, np.float32), (8,))},
            "grad must be an array where 8-bit moments are of a vector; got a RowGrad",
        ),
    ],
)
def test_compact_adam_refuses_and_changes_nothing(changes, text):
    param = np.ones((512, 16), np.float32)
    arrays = {"param": param, "grad": np.ones_like(param)}
    arrays |= {name: np.zeros((512, 20), np.uint8) for name in ("moment1", "moment2")} | changes
    before = np.array(arrays["param"])
    with pytest.raises((TypeError, ValueError, IndexError)) as caught:
        ops.compact_adam_step(**{"learning_rate": 0.1, "step": 1} | arrays)
    assert str(caught.value) == f"compact_adam_step: {text}"
    np.testing.assert_array_equal(arrays["param"], before)


def test_a_bad_last_tensor_leaves_the_first_alone(rng):
    each = [make(rng, (300, 20), kind) for kind in (None, "bfloat16", "8bit")]
    arrays = {name: [arrays[name] for arrays in each] for name in each[0]}
    arrays["moment2"][2] = np.zeros((300, 20), np.uint8)
    before = [p.copy() for p in arrays["param"]]
    grads = [np.ones((300, 20), np.float32) for _ in before]
    with pytest.raises(ValueError) as caught:
        ops.compact_adam_step(**arrays, grad=grads, learning_rate=0.1, step=1)
    assert str(caught.value) == "compact_adam_step: moment2[2] must have shape (300, 24); got (300, 20)"
    for param, old in zip(arrays["param"], before, strict=True):
        np.testing.assert_array_equal(param, old)
