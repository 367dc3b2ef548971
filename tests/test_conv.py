from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases import conv as cases
from guarded import guarded
from strop import config, ops, reference
from strop._backend import cpu
from tolerance import assert_close

ACTIVATIONS = ["relu", "sigmoid", "tanh"]


def operands(rng, x, kernel, dtype, integers=False):
    def draw(shape):
        values = rng.integers(-4, 5, shape) if integers else rng.normal(size=shape)
        return values.astype(dtype)

    return draw(x), draw(kernel), draw(kernel[-1:])


def bits(array):
    return array.view(np.uint32 if array.dtype == np.float32 else np.uint64)


def all_cases():
    return [*cases.SMALL, *cases.SETTINGS, *cases.EMPTY, *cases.LARGE]


@pytest.mark.parametrize("group", ["SMALL", "SETTINGS", "EMPTY", "LARGE"])
def test_convolutions_of_integers_are_exact(device, dtype, rng, group):
    # Every order of additions gives the same sum, so nothing hides an index that is off by one.
    for x_shape, kernel_shape, passed in getattr(cases, group):
        x, kernel, bias = operands(rng, x_shape, kernel_shape, dtype, integers=True)
        want = reference.conv(x, kernel, **passed, bias=bias, activation="relu")
        out = np.full(want.shape, np.nan, dtype)
        assert ops.conv(x, kernel, **passed, bias=bias, activation="relu", out=out) is out
        np.testing.assert_array_equal(out, want, err_msg=f"{x_shape} {kernel_shape} {passed}")
        np.testing.assert_array_equal(ops.conv(x, kernel, **passed), reference.conv(x, kernel, **passed))


@pytest.mark.parametrize("group", ["SMALL", "SETTINGS", "EMPTY", "LARGE"])
def test_gradients_of_integers_are_exact(device, dtype, rng, group):
    for x_shape, kernel_shape, passed in getattr(cases, group):
        x, kernel, _ = operands(rng, x_shape, kernel_shape, dtype, integers=True)
        output = reference.conv(x, kernel, **passed).astype(dtype)
        grad = rng.integers(-4, 5, output.shape).astype(dtype)
        for activation in (None, "relu"):
            about = {**passed, "activation": activation, "output": output if activation else None}
            want = reference.conv_backward(grad, x, kernel, **about)
            got = ops.conv_backward(grad, x, kernel, **about, bias=True)
            for one, two, name in zip(got, want, ("x", "kernel", "bias"), strict=True):
                np.testing.assert_array_equal(
                    one, two, err_msg=f"{name}: {x_shape} {kernel_shape} {about.keys()} {passed}"
                )
        without_x = ops.conv_backward(grad, x, kernel, **passed, need_x=False)
        assert without_x[0] is None
        assert without_x[2] is None


@pytest.mark.parametrize("activation", [None, *ACTIVATIONS])
def test_conv_is_within_the_bound_of_its_roundings(device, dtype, rng, activation):
    for x_shape, kernel_shape, passed in [*cases.SETTINGS, *cases.LARGE[:2]]:
        x, kernel, bias = operands(rng, x_shape, kernel_shape, dtype)
        got = ops.conv(x, kernel, **passed, bias=bias, activation=activation)
        want = reference.conv(x, kernel, **passed, bias=bias, activation=activation)
        # One rounding per term and a few for the activation, whose slope is at most 1.
        scale = reference.conv(abs(x), abs(kernel), **passed, bias=abs(bias)) + 1
        terms = int(np.prod(kernel_shape[:3]))
        assert_close(got, want, scale=scale, roundings=terms + 8, what=f"{x_shape}")
        grad = rng.normal(size=want.shape).astype(dtype)
        output = got if activation else None
        backward = ops.conv_backward(
            grad, x, kernel, **passed, output=output, activation=activation, bias=True
        )
        about = {**passed, "output": output, "activation": activation}
        exact = reference.conv_backward(grad, x, kernel, **about)
        scales = reference.conv_backward(abs(grad), abs(x), abs(kernel), **passed)
        for one, two, most, name in zip(backward, exact, scales, ("x", "kernel", "bias"), strict=True):
            assert_close(one, two, scale=most + 1, roundings=most.size + 400, what=f"{name} {x_shape}")


def test_the_reference_is_its_own_finite_difference(rng):
    for x_shape, kernel_shape, passed in cases.SETTINGS:
        x, kernel, _ = operands(rng, x_shape, kernel_shape, np.float64)
        grad = rng.normal(size=reference.conv(x, kernel, **passed).shape)
        by_x, by_kernel, _ = reference.conv_backward(grad, x, kernel, **passed)
        for array, slope in ((x, by_x), (kernel, by_kernel)):
            way = rng.normal(size=array.shape)
            values = []
            for step in (1e-6, -1e-6):
                moved = {"x": x, "kernel": kernel} | {"x" if array is x else "kernel": array + step * way}
                values.append((reference.conv(**moved, **passed) * grad).sum())
            np.testing.assert_allclose(
                (values[0] - values[1]) / 2e-6, (slope * way).sum(), rtol=1e-6, atol=1e-6
            )


def test_torch_agrees(rng):
    torch = pytest.importorskip("torch")
    for x_shape, kernel_shape, passed in [*cases.SMALL[:-4], *cases.SETTINGS, *cases.LARGE]:
        x, kernel, bias = operands(rng, x_shape, kernel_shape, np.float64)
        (top, bottom), (left, right) = passed.get("padding", ((0, 0), (0, 0)))
        leaves = [torch.from_numpy(array).requires_grad_() for array in (x, kernel, bias)]
        padded = torch.nn.functional.pad(leaves[0].permute(0, 3, 1, 2), (left, right, top, bottom))
        out = torch.nn.functional.conv2d(
            padded,
            leaves[1].permute(3, 2, 0, 1).contiguous(),
            leaves[2],
            passed.get("strides", 1),
            0,
            passed.get("dilation", 1),
            passed.get("groups", 1),
        ).permute(0, 2, 3, 1)
        got = ops.conv(x, kernel, **passed, bias=bias)
        np.testing.assert_allclose(got, out.detach().numpy(), rtol=1e-9, atol=1e-10)
        grad = rng.normal(size=got.shape)
        out.backward(torch.from_numpy(grad))
        for one, leaf in zip(ops.conv_backward(grad, x, kernel, **passed, bias=True), leaves, strict=True):
            np.testing.assert_allclose(one, leaf.grad.numpy(), rtol=1e-9, atol=1e-9)


def sizes():
    return st.tuples(*(st.integers(1, 4) for _ in range(2)))


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 3), st.integers(1, 12), st.integers(1, 12), st.integers(1, 3), st.integers(1, 5),
    st.integers(1, 9), sizes(), sizes(), sizes(), st.tuples(*(st.integers(0, 5) for _ in range(4))),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_any_convolution_of_integers_is_exact(
    batch, height, width, groups, channels, filters, taps, strides, dilation, pads, seed
):
    rng = np.random.default_rng(seed)
    passed = {
        "strides": strides,
        "dilation": dilation,
        "padding": (pads[:2], pads[2:]),
        "groups": groups,
    }
    x = rng.integers(-4, 5, (batch, height, width, channels * groups)).astype(np.float32)
    kernel = rng.integers(-4, 5, (*taps, channels, filters * groups)).astype(np.float32)
    reaches = [(t - 1) * d + 1 for t, d in zip(taps, dilation, strict=True)]
    if height + sum(pads[:2]) < reaches[0] or width + sum(pads[2:]) < reaches[1]:
        with pytest.raises(ValueError, match="conv: kernel must fit into the padded x"):
            ops.conv(x, kernel, **passed)
        return
    want = reference.conv(x, kernel, **passed)
    np.testing.assert_array_equal(ops.conv(x, kernel, **passed), want)
    grad = rng.integers(-4, 5, want.shape).astype(np.float32)
    wanted = reference.conv_backward(grad, x, kernel, **passed)
    for one, two in zip(ops.conv_backward(grad, x, kernel, **passed, bias=True), wanted, strict=True):
        np.testing.assert_array_equal(one, two)


def test_an_image_has_the_same_bits_in_any_batch(device, dtype, rng):
    for x_shape, kernel_shape, passed in cases.LARGE:
        x, kernel, bias = operands(rng, x_shape, kernel_shape, dtype)
        whole = ops.conv(x, kernel, **passed, bias=bias, activation="tanh")
        alone = ops.conv(x[-1:].copy(), kernel, **passed, bias=bias, activation="tanh")
        np.testing.assert_array_equal(bits(alone[0]), bits(whole[-1]))
        grad = rng.normal(size=whole.shape).astype(dtype)
        grads = ops.conv_backward(grad, x, kernel, **passed)[0]
        own = ops.conv_backward(grad[-1:].copy(), x[-1:].copy(), kernel, **passed)[0]
        np.testing.assert_array_equal(bits(own[0]), bits(grads[-1]))


@pytest.fixture
def fma_sets():
    before = config.isa()
    yield [name for name, here in cpu.built_isas().items() if here and name != "baseline"]
    cpu.set_isa(before)


def every_result(rng, dtype, group):
    for x_shape, kernel_shape, passed in group:
        x, kernel, bias = operands(rng, x_shape, kernel_shape, dtype)
        y = ops.conv(x, kernel, **passed, bias=bias, activation="sigmoid")
        yield y
        grad = rng.normal(size=y.shape).astype(dtype)
        yield from ops.conv_backward(grad, x, kernel, **passed, output=y, activation="sigmoid", bias=True)


def test_every_set_with_fma_gives_the_same_bits(fma_sets, dtype):
    if len(fma_sets) < 2:
        pytest.skip(f"only one set with FMA here: {fma_sets}")
    results = []
    for name in fma_sets:
        cpu.set_isa(name)
        results.append(list(every_result(np.random.default_rng(1), dtype, all_cases())))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(bits(one), bits(two))


def test_any_number_of_threads_gives_the_same_bits(device, dtype):
    results = []
    for count in (1, 2, 3, 8):
        with config.threads(count):
            results.append(list(every_result(np.random.default_rng(1), dtype, cases.PARALLEL)))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(bits(one), bits(two))


def test_a_nan_reaches_the_windows_that_hold_it(device, dtype, rng):
    x, kernel, _ = operands(rng, (2, 7, 9, 3), (3, 3, 3, 5), dtype)
    x[1, 3, 4, 2] = np.nan
    y = ops.conv(x, kernel, activation="relu")
    assert np.isnan(y[1, 1:4, 2:5]).all()
    y[1, 1:4, 2:5] = 0
    assert not np.isnan(y).any()
    grad = rng.normal(size=y.shape).astype(dtype)
    grad[0, 2, 2, 1] = np.nan
    grad_x, grad_kernel, grad_bias = ops.conv_backward(grad, abs(np.nan_to_num(x)), kernel, bias=True)
    assert np.isnan(grad_x[0, 2:5, 2:5]).all()
    grad_x[0, 2:5, 2:5] = 0
    assert not np.isnan(grad_x).any()
    assert np.isnan(grad_bias).tolist() == [False, True, False, False, False]
    assert np.isnan(grad_kernel[..., 1]).all()
    assert not np.isnan(np.delete(grad_kernel, 1, axis=3)).any()


@pytest.mark.parametrize("at_end", [True, False])
def test_nothing_outside_the_arrays_is_touched(device, dtype, rng, at_end):
    for x_shape, kernel_shape, passed in [*cases.SMALL, *cases.SETTINGS, *cases.EMPTY]:
        x, kernel, bias = (
            guarded(array, at_end=at_end)
            for array in operands(rng, x_shape, kernel_shape, dtype, integers=True)
        )
        want = reference.conv(x, kernel, **passed, bias=bias)
        out = guarded(np.full(want.shape, np.nan, dtype), at_end=at_end)
        np.testing.assert_array_equal(ops.conv(x, kernel, **passed, bias=bias, out=out), want)
        grad = guarded(rng.integers(-4, 5, want.shape).astype(dtype), at_end=at_end)
        wanted = reference.conv_backward(grad, x, kernel, **passed)
        for one, two in zip(ops.conv_backward(grad, x, kernel, **passed, bias=True), wanted, strict=True):
            np.testing.assert_array_equal(one, two)


def test_inputs_are_untouched_and_may_be_read_only(device, dtype, rng):
    x, kernel, bias = operands(rng, (2, 6, 6, 3), (3, 3, 3, 4), dtype)
    before = [array.copy() for array in (x, kernel, bias)]
    for array in (x, kernel, bias):
        array.flags.writeable = False
    y = ops.conv(x, kernel, bias=bias, activation="relu")
    y.flags.writeable = False
    ops.conv_backward(y, x, kernel, output=y, activation="relu", bias=True)
    for one, two in zip((x, kernel, bias), before, strict=True):
        np.testing.assert_array_equal(one, two)


X, KERNEL = np.zeros((2, 5, 6, 4), np.float32), np.zeros((3, 3, 4, 2), np.float32)
GRAD = np.zeros((2, 3, 4, 2), np.float32)


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: ops.conv(X[0], KERNEL), ValueError, "conv: x must have 4 axes; got shape (5, 6, 4)"),
        (lambda: ops.conv(X, KERNEL[0]), ValueError, "conv: kernel must have 4 axes; got shape (3, 4, 2)"),
        (
            lambda: ops.conv(X, KERNEL.astype(np.float64)),
            TypeError,
            "conv: kernel must be float32 like x; got a float64 array of shape (3, 3, 4, 2)",
        ),
        (
            lambda: ops.conv(X, np.zeros((3, 3, 3, 2), np.float32)),
            ValueError,
            "conv: kernel must have third axis 4, the channels of x over groups; got shape (3, 3, 3, 2) for x of "
            "shape (2, 5, 6, 4)",
        ),
        (
            lambda: ops.conv(X, KERNEL, groups=3),
            ValueError,
            "conv: groups must divide the channels of x and of the kernel, 4 and 2; got 3",
        ),
        (lambda: ops.conv(X, KERNEL, groups=0), ValueError, "conv: groups must be 1 or more; got 0"),
        (lambda: ops.conv(X, KERNEL, groups=1.0), TypeError, "conv: groups must be an int; got float"),
        (
            lambda: ops.conv(X, KERNEL, strides=(0, 1)),
            ValueError,
            "conv: strides must be two ints of 1 or more; got (0, 1)",
        ),
        (
            lambda: ops.conv(X, KERNEL, strides=2),
            ValueError,
            "conv: strides must be two ints of 1 or more; got 2",
        ),
        (
            lambda: ops.conv(X, KERNEL, strides=(2**70, 1)),
            ValueError,
            f"conv: strides must be two ints of 1 or more; got ({2**70}, 1)",
        ),
        (
            lambda: ops.conv(X, KERNEL, dilation=(1, True)),
            ValueError,
            "conv: dilation must be two ints of 1 or more; got (1, True)",
        ),
        (
            lambda: ops.conv(X, KERNEL, padding=((0, -1), (0, 0))),
            ValueError,
            "conv: padding must be ((top, bottom), (left, right)) of ints of 0 or more; got ((0, -1), (0, 0))",
        ),
        (
            lambda: ops.conv(X, KERNEL, padding="same"),
            ValueError,
            "conv: padding must be ((top, bottom), (left, right)) of ints of 0 or more; got 'same'",
        ),
        (
            lambda: ops.conv(X, KERNEL, dilation=(3, 1)),
            ValueError,
            "conv: kernel must fit into the padded x; got a window of 7 x 3 on 5 x 6",
        ),
        (
            lambda: ops.conv(X, np.zeros((0, 3, 4, 2), np.float32)),
            ValueError,
            "conv: kernel must be 1 x 1 or larger; got shape (0, 3, 4, 2)",
        ),
        (
            lambda: ops.conv(X, KERNEL, activation="gelu"),
            ValueError,
            "conv: activation must be None, 'linear', 'relu', 'sigmoid' or 'tanh'; got 'gelu'",
        ),
        (
            lambda: ops.conv(X, KERNEL, bias=np.zeros(3, np.float32)),
            ValueError,
            "conv: bias must have shape (2,); got (3,)",
        ),
        (
            lambda: ops.conv(X[:, ::2], KERNEL),
            ValueError,
            "conv: x must be C-contiguous; got a strided float32 array of shape (2, 3, 6, 4); use "
            "numpy.ascontiguousarray",
        ),
        (
            lambda: ops.conv(X, np.zeros((3, 3, 4, 4), np.float32), padding=((1, 1), (1, 1)), out=X),
            ValueError,
            "conv: out must not overlap x; got two views of one buffer",
        ),
        (
            lambda: ops.conv_backward(GRAD[:1], X, KERNEL),
            ValueError,
            "conv_backward: grad must have shape (2, 3, 4, 2); got (1, 3, 4, 2)",
        ),
        (
            lambda: ops.conv_backward(GRAD, X, KERNEL, activation="relu"),
            ValueError,
            "conv_backward: output must be what conv returned, since the slope of the activation is worked out from "
            "it; got None",
        ),
        (
            lambda: ops.conv_backward(GRAD, X, KERNEL, activation="relu", output=GRAD[:1]),
            ValueError,
            "conv_backward: output must have the shape of grad (2, 3, 4, 2); got (1, 3, 4, 2)",
        ),
    ],
)
def test_conv_refuses(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == text


def test_many_python_threads_may_convolve(rng):
    from concurrent.futures import ThreadPoolExecutor

    x, kernel, bias = operands(rng, (8, 20, 20, 8), (3, 3, 8, 24), np.float32)
    call = functools.partial(ops.conv, x, kernel, bias=bias)
    want = call()
    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(lambda _: call(), range(24)):
            np.testing.assert_array_equal(bits(got), bits(want))
