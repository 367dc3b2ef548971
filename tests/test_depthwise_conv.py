from __future__ import annotations

import numpy as np
import pytest

from cases import depthwise_conv as cases
from guarded import guarded
from strop import config, ops, reference
from strop._backend import cpu
from tolerance import assert_close


def operands(rng, x, kernel, dtype, integers=False):
    def draw(shape):
        values = rng.integers(-4, 5, shape) if integers else rng.normal(size=shape)
        return values.astype(dtype)

    return draw(x), draw(kernel), draw((kernel[2] * kernel[3],))


def bits(array):
    return array.view(np.uint32 if array.dtype == np.float32 else np.uint64)


@pytest.mark.parametrize("group", ["SMALL", "SETTINGS", "EMPTY", "LARGE"])
def test_results_and_gradients_of_integers_are_exact(device, dtype, rng, group):
    # Every order of additions gives the same sum, so nothing hides an index that is off by one.
    for x_shape, kernel_shape, passed in getattr(cases, group):
        x, kernel, bias = operands(rng, x_shape, kernel_shape, dtype, integers=True)
        want = reference.depthwise_conv(x, kernel, **passed, bias=bias, activation="relu")
        out = np.full(want.shape, np.nan, dtype)
        assert ops.depthwise_conv(x, kernel, **passed, bias=bias, activation="relu", out=out) is out
        np.testing.assert_array_equal(out, want, err_msg=f"{x_shape} {kernel_shape} {passed}")
        grad = rng.integers(-4, 5, want.shape).astype(dtype)
        for activation in (None, "relu"):
            about = {**passed, "activation": activation, "output": out if activation else None}
            wanted = reference.depthwise_conv_backward(grad, x, kernel, **about)
            got = ops.depthwise_conv_backward(grad, x, kernel, **about, bias=True)
            for one, two, name in zip(got, wanted, ("x", "kernel", "bias"), strict=True):
                np.testing.assert_array_equal(one, two, err_msg=f"{name}: {x_shape} {kernel_shape} {passed}")
        without_x = ops.depthwise_conv_backward(grad, x, kernel, **passed, need_x=False)
        assert without_x[0] is None
        assert without_x[2] is None


@pytest.mark.parametrize("activation", [None, "relu", "sigmoid", "tanh"])
def test_it_is_within_the_bound_of_its_roundings(device, dtype, rng, activation):
    for x_shape, kernel_shape, passed in cases.SETTINGS:
        x, kernel, bias = operands(rng, x_shape, kernel_shape, dtype)
        got = ops.depthwise_conv(x, kernel, **passed, bias=bias, activation=activation)
        want = reference.depthwise_conv(x, kernel, **passed, bias=bias, activation=activation)
        scale = reference.depthwise_conv(abs(x), abs(kernel), **passed, bias=abs(bias)) + 1
        assert_close(
            got, want, scale=scale, roundings=kernel_shape[0] * kernel_shape[1] + 8, what=f"{x_shape}"
        )
        grad = rng.normal(size=want.shape).astype(dtype)
        about = {**passed, "output": got if activation else None, "activation": activation}
        backward = ops.depthwise_conv_backward(grad, x, kernel, **about, bias=True)
        exact = reference.depthwise_conv_backward(grad, x, kernel, **about)
        scales = reference.depthwise_conv_backward(abs(grad), abs(x), abs(kernel), **passed)
        for one, two, most, name in zip(backward, exact, scales, ("x", "kernel", "bias"), strict=True):
            assert_close(one, two, scale=most + 1, roundings=200, what=f"{name} {x_shape}")


def test_torch_agrees(rng):
    torch = pytest.importorskip("torch")
    for x_shape, kernel_shape, passed in [*cases.SMALL[:-4], *cases.SETTINGS, *cases.LARGE]:
        x, kernel, bias = operands(rng, x_shape, kernel_shape, np.float64)
        (top, bottom), (left, right) = passed.get("padding", ((0, 0), (0, 0)))
        leaves = [torch.from_numpy(array).requires_grad_() for array in (x, kernel, bias)]
        padded = torch.nn.functional.pad(leaves[0].permute(0, 3, 1, 2), (left, right, top, bottom))
        weight = leaves[1].permute(2, 3, 0, 1).reshape(-1, 1, *kernel_shape[:2])
        out = torch.nn.functional.conv2d(
            padded,
            weight,
            leaves[2],
            passed.get("strides", 1),
            0,
            passed.get("dilation", 1),
            kernel_shape[2],
        ).permute(0, 2, 3, 1)
        got = ops.depthwise_conv(x, kernel, **passed, bias=bias)
        np.testing.assert_allclose(got, out.detach().numpy(), rtol=1e-9, atol=1e-10)
        grad = rng.normal(size=got.shape)
        out.backward(torch.from_numpy(grad))
        got = ops.depthwise_conv_backward(grad, x, kernel, **passed, bias=True)
        for one, leaf in zip(got, leaves, strict=True):
            np.testing.assert_allclose(one, leaf.grad.numpy(), rtol=1e-9, atol=1e-9)


@pytest.fixture
def fma_sets():
    before = config.isa()
    yield [name for name, here in cpu.built_isas().items() if here and name != "baseline"]
    cpu.set_isa(before)


def every_result(dtype):
    rng = np.random.default_rng(1)
    for x_shape, kernel_shape, passed in [*cases.SMALL, *cases.SETTINGS, *cases.LARGE]:
        x, kernel, bias = operands(rng, x_shape, kernel_shape, dtype)
        y = ops.depthwise_conv(x, kernel, **passed, bias=bias, activation="sigmoid")
        yield y
        grad = rng.normal(size=y.shape).astype(dtype)
        yield from ops.depthwise_conv_backward(
            grad, x, kernel, **passed, output=y, activation="sigmoid", bias=True
        )


def test_every_set_with_fma_gives_the_same_bits(fma_sets, dtype):
    if len(fma_sets) < 2:
        pytest.skip(f"only one set with FMA here: {fma_sets}")
    results = []
    for name in fma_sets:
        cpu.set_isa(name)
        results.append(list(every_result(dtype)))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(bits(one), bits(two))


def test_any_number_of_threads_gives_the_same_bits(device, dtype):
    results = []
    for count in (1, 2, 3, 8):
        with config.threads(count):
            results.append(list(every_result(dtype)))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(bits(one), bits(two))


def test_a_nan_reaches_the_windows_of_its_channel(device, dtype, rng):
    x, kernel, _ = operands(rng, (2, 7, 9, 3), (3, 3, 3, 2), dtype)
    x[1, 3, 4, 2] = np.nan
    y = ops.depthwise_conv(x, kernel, activation="relu")
    assert np.isnan(y[1, 1:4, 2:5, 4:]).all()
    y[1, 1:4, 2:5, 4:] = 0
    assert not np.isnan(y).any()


@pytest.mark.parametrize("at_end", [True, False])
def test_nothing_outside_the_arrays_is_touched(device, dtype, rng, at_end):
    for x_shape, kernel_shape, passed in [*cases.SMALL, *cases.SETTINGS, *cases.EMPTY]:
        x, kernel, bias = (
            guarded(array, at_end=at_end)
            for array in operands(rng, x_shape, kernel_shape, dtype, integers=True)
        )
        want = reference.depthwise_conv(x, kernel, **passed, bias=bias)
        out = guarded(np.full(want.shape, np.nan, dtype), at_end=at_end)
        np.testing.assert_array_equal(ops.depthwise_conv(x, kernel, **passed, bias=bias, out=out), want)
        grad = guarded(rng.integers(-4, 5, want.shape).astype(dtype), at_end=at_end)
        wanted = reference.depthwise_conv_backward(grad, x, kernel, **passed)
        got = ops.depthwise_conv_backward(grad, x, kernel, **passed, bias=True)
        for one, two in zip(got, wanted, strict=True):
            np.testing.assert_array_equal(one, two)


X, KERNEL = np.zeros((2, 5, 6, 4), np.float32), np.zeros((3, 3, 4, 2), np.float32)
GRAD = np.zeros((2, 3, 4, 8), np.float32)


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (
            lambda: ops.depthwise_conv(X, np.zeros((3, 3, 3, 2), np.float32)),
            ValueError,
            "depthwise_conv: kernel must have third axis 4, the channels of x; got shape (3, 3, 3, 2) for x of shape "
            "(2, 5, 6, 4)",
        ),
        (
            lambda: ops.depthwise_conv(X[0], KERNEL),
            ValueError,
            "depthwise_conv: x must have 4 axes; got shape (5, 6, 4)",
        ),
        (
            lambda: ops.depthwise_conv(X, KERNEL, strides=(1, 0)),
            ValueError,
            "depthwise_conv: strides must be two ints of 1 or more; got (1, 0)",
        ),
        (
            lambda: ops.depthwise_conv(X, KERNEL, bias=np.zeros(4, np.float32)),
            ValueError,
            "depthwise_conv: bias must have shape (8,); got (4,)",
        ),
        (
            lambda: ops.depthwise_conv(X, KERNEL.astype(np.float64)),
            TypeError,
            "depthwise_conv: kernel must be float32 like x; got a float64 array of shape (3, 3, 4, 2)",
        ),
        (
            lambda: ops.depthwise_conv_backward(GRAD[:1], X, KERNEL),
            ValueError,
            "depthwise_conv_backward: grad must have shape (2, 3, 4, 8); got (1, 3, 4, 8)",
        ),
        (
            lambda: ops.depthwise_conv_backward(GRAD, X, KERNEL, activation="tanh"),
            ValueError,
            "depthwise_conv_backward: output must be what depthwise_conv returned, since the slope of the activation "
            "is worked out from it; got None",
        ),
    ],
)
def test_depthwise_conv_refuses(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == text
