"""ONNX's own test vectors of its operators through our layers, in the layouts of docs/layouts.md.

The vectors are those of `onnx.backend.test.case.node`, which come with the package onnx.
"""

from __future__ import annotations

import functools
import importlib
import sys

import numpy as np
import pytest

import strop
from conftest import absent
from strop import activations, layers, losses
from strop.adapters import layouts
from strop.adapters.recurrent_weights import from_onnx

CASES = "onnx.backend.test.case.node"


class UnlikeError(Exception):
    """What no layer of ours can be told to do."""


@functools.cache
def vectors(module):
    """(name, attributes, inputs, outputs) of each case; an output that is not asked for is None."""
    try:
        package, onnx = importlib.import_module(CASES), importlib.import_module("onnx")
    except ImportError:
        absent("onnx", "onnx is not installed")
    found = []

    def expect(node, inputs, outputs, name, **_):
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        attributes = {k: v.decode() if isinstance(v, bytes) else v for k, v in attributes.items()}
        given, wanted = iter(inputs), iter(outputs)
        found.append(
            (
                name,
                attributes,
                {n: next(given) for n in node.input if n},
                [next(wanted) if n else None for n in node.output],
            )
        )

    kept, package.expect = package.expect, expect
    sys.modules.pop(f"{CASES}.{module}", None)
    try:
        importlib.import_module(f"{CASES}.{module}")  # the cases of a module are told as it is imported
    finally:
        package.expect = kept
    assert found
    return found


# ---- windows


def padded(x, attributes, fill):
    """The images with the pads of a window in place, and the padding that the layer adds to them."""
    taps = attributes["kernel_shape"]
    rank = len(taps)
    if rank > 2:
        raise UnlikeError("three axes")
    if attributes.get("ceil_mode"):
        raise UnlikeError("windows that begin inside and end beyond the edge")
    strides, dilations = (attributes.get(k, [1] * rank) for k in ("strides", "dilations"))
    auto, pads = attributes.get("auto_pad", "NOTSET"), attributes.get("pads", [0] * 2 * rank)
    reach = [(k - 1) * d + 1 for k, d in zip(taps, dilations, strict=True)]
    totals = [
        max((-(-n // s) - 1) * s + r - n, 0) for n, s, r in zip(x.shape[2:], strides, reach, strict=True)
    ]
    upper = [t // 2 for t in totals] + [(t + 1) // 2 for t in totals]
    if auto == "SAME_LOWER":
        pads = upper[rank:] + upper[:rank]
    if auto == "SAME_UPPER" or (pads == upper and any(pads)):
        return x, "same"
    if not any(pads):
        return x, "valid"
    if fill is None:
        raise UnlikeError("pads that do not count, but where 'same' has them")
    around = [(0, 0), (0, 0), *zip(pads[:rank], pads[rank:], strict=True)]
    return np.pad(x, around, constant_values=fill), "valid"


def conv(attributes, x, W, **_):
    images, padding = padded(x, attributes, 0)
    make = layers.Conv1D if x.ndim == 3 else layers.Conv2D
    layer = make(
        len(W),
        tuple(attributes["kernel_shape"]),
        strides=tuple(attributes.get("strides", (1,) * (x.ndim - 2))),
        dilation_rate=tuple(attributes.get("dilations", (1,) * (x.ndim - 2))),
        groups=attributes.get("group", 1),
        padding=padding,
        use_bias=False,
    )
    return [layouts.channels_first(loaded(layer, layouts.channels_last(images), layouts.conv_kernel(W)))]


def pool(name, attributes, x):
    if x.dtype == np.uint8:
        raise UnlikeError("bytes")
    if max(attributes.get("dilations", [1])) > 1:
        raise UnlikeError("gaps in a pooling window")
    fill = -np.inf if name == "Max" else 0 if attributes.get("count_include_pad") else None
    images, padding = padded(x, attributes, fill)
    if fill == 0 and padding == "same":  # ours never counts a pad, so it is made of zeros
        images, padding = padded(np.pad(x, pads_around(attributes)), {**attributes, "pads": []}, None)
    rank = x.ndim - 2
    layer = getattr(layers, f"{name}Pooling{rank}D")(
        tuple(attributes["kernel_shape"]),
        strides=tuple(attributes.get("strides", (1,) * rank)),
        padding=padding,
    )
    return [layouts.channels_first(layer(layouts.channels_last(images)))]


def pads_around(attributes):
    pads = attributes["pads"]
    return [(0, 0), (0, 0), *zip(pads[: len(pads) // 2], pads[len(pads) // 2 :], strict=True)]


def global_pool(name, attributes, x):
    layer = getattr(layers, f"Global{name}Pooling2D")(keepdims=True)
    return [layouts.channels_first(layer(layouts.channels_last(x)))]


# ---- normalization


def loaded(layer, x, *weights, **settings):
    """The output of a layer with these weights."""
    layer.build_once((None, *x.shape[1:]))
    layer.set_weights([*weights])
    return layer(x, **settings)


def batch_normalization(attributes, x, s, bias, mean, var):
    training = bool(attributes.get("training_mode"))
    layer = layers.BatchNormalization(
        epsilon=attributes.get("epsilon", 1e-5), momentum=attributes.get("momentum", 0.9)
    )
    y = loaded(layer, layouts.channels_last(x), s, bias, mean, var, training=training)
    return [layouts.channels_first(y), *(layer.get_weights()[2:] if training else [])]


def layer_normalization(attributes, X, W, B):
    first = attributes.get("axis", -1) % X.ndim
    if first == 0:
        raise UnlikeError("statistics over the samples")
    layer = layers.LayerNormalization(
        axis=list(range(first, X.ndim)), epsilon=attributes.get("epsilon", 1e-5)
    )
    axes = tuple(range(first, X.ndim))
    return [loaded(layer, X, W, B), X.mean(axes, keepdims=True)]


def group_normalization(attributes, x, scale, bias):
    layer = layers.GroupNormalization(attributes["num_groups"], epsilon=attributes.get("epsilon", 1e-5))
    return [layouts.channels_first(loaded(layer, layouts.channels_last(x), scale, bias))]


# ---- recurrence


def recurrent(cell, attributes, X, W, R, B=None, P=None, **_):
    if P is not None:
        raise UnlikeError("peepholes")
    batch_first, direction = attributes.get("layout", 0), attributes.get("direction", "forward")
    make = {"simple_rnn": layers.SimpleRNN, "lstm": layers.LSTM}.get(
        cell, functools.partial(layers.GRU, reset_after=cell == "gru")
    )
    layer = make(
        attributes["hidden_size"],
        use_bias=B is not None,
        return_sequences=True,
        return_state=True,
        go_backwards=direction == "reverse",
    )
    halves = [from_onnx(cell, W, R, B, direction=i) for i in range(len(W))]
    if direction == "bidirectional":
        layer = layers.Bidirectional(layer, merge_mode=None)
    x = X if batch_first else X.transpose(1, 0, 2)
    layer.build_once((None, *x.shape[1:]))
    layer.set_weights([w for half in halves for w in half])
    given = layer(x)
    outs, states = given[: len(W)], given[len(W) :]
    if direction == "reverse":  # ours is in the order of processing
        outs = [outs[0][:, ::-1]]
    count = len(states) // len(W)
    ends = [np.stack(states[i::count], axis=int(batch_first)) for i in range(count)]
    y = np.stack(outs, axis=2)  # (N, T, directions, units)
    return [y if batch_first else y.transpose(1, 2, 0, 3), *ends]


def gru(attributes, **arrays):
    return recurrent(
        "gru" if attributes.get("linear_before_reset") else "gru_reset_before", attributes, **arrays
    )


# ---- elementwise functions, and the loss of classes


def function(name, attributes, **arrays):
    (x,) = arrays.values()
    settings = dict(attributes)
    if name == "leaky_relu":
        settings = {"negative_slope": settings.get("alpha", 0.01)}
    if name == "gelu":
        settings = {"approximate": settings.get("approximate") == "tanh"}
    if name == "selu" and settings:
        raise UnlikeError("another alpha and gamma")
    if name == "silu":
        assert settings.pop("alpha") == 1.0
    return [activations.registry[name](x, **settings)]


def softmax_cross_entropy(attributes, x, y, w=None):
    ignored = attributes.get("ignore_index")
    weights = None if w is None else w[np.where(y == ignored, 0, y)]
    mean = "sum_over_batch_size" if w is None else "mean_with_sample_weight"
    loss = losses.SparseCategoricalCrossentropy(
        from_logits=True,
        ignore_class=ignored,
        reduction=mean if attributes["reduction"] == "mean" else attributes["reduction"],
    )
    return [np.asarray(loss(y, np.moveaxis(x, 1, -1), weights))]


OPERATORS = {
    "conv": conv,
    "averagepool": functools.partial(pool, "Average"),
    "maxpool": functools.partial(pool, "Max"),
    "globalaveragepool": functools.partial(global_pool, "Average"),
    "globalmaxpool": functools.partial(global_pool, "Max"),
    "batch_normalization": batch_normalization,
    "layernormalization": layer_normalization,
    "groupnormalization": group_normalization,
    "rnn": functools.partial(recurrent, "simple_rnn"),
    "lstm": functools.partial(recurrent, "lstm"),
    "gru": gru,
    "softmax_cross_entropy_loss": softmax_cross_entropy,
    **{
        module: functools.partial(function, name)
        for module, name in {
            "softmax": "softmax",
            "logsoftmax": "log_softmax",
            "relu": "relu",
            "leakyrelu": "leaky_relu",
            "elu": "elu",
            "selu": "selu",
            "gelu": "gelu",
            "sigmoid": "sigmoid",
            "softplus": "softplus",
            "softsign": "softsign",
            "mish": "mish",
            "swish": "silu",
        }.items()
    },
}


@pytest.mark.parametrize("module", OPERATORS)
def test_a_layer_gives_what_onnx_says(module):
    told = 0
    for name, attributes, inputs, wanted in vectors(module):
        try:
            got = OPERATORS[module](attributes, **inputs)
        except UnlikeError:
            continue
        told += 1
        for one, two in zip(got, wanted, strict=False):  # ONNX's further outputs are not those of layers
            if two is not None:
                assert one.shape == two.shape, name
                np.testing.assert_allclose(one, two, rtol=2e-5, atol=2e-6, err_msg=name)
    assert told


# ---- kernels that are not the same from every side


@pytest.mark.parametrize(
    ("x", "w", "attributes"),
    [
        ((2, 3, 9), (5, 3, 4), {}),
        ((2, 4, 11), (6, 2, 3), {"group": 2, "strides": [2], "dilations": [3]}),
        ((2, 3, 8, 7), (4, 3, 3, 2), {"pads": [1, 0, 2, 1]}),
        ((1, 6, 7, 9), (9, 2, 2, 3), {"group": 3, "strides": [2, 1], "dilations": [1, 2]}),
        ((2, 3, 6, 5), (4, 3, 2, 3), {"auto_pad": "SAME_LOWER"}),
    ],
    ids=str,
)
def test_a_random_convolution_is_onnxs(x, w, attributes, rng):
    given = {"x": rng.normal(size=x).astype("f"), "W": rng.normal(size=w).astype("f")}
    attributes = {"kernel_shape": list(w[2:]), **attributes}
    want = evaluated("Conv", attributes, given)
    np.testing.assert_allclose(conv(attributes, **given)[0], want, rtol=2e-5, atol=2e-5)


def test_a_random_convolution_of_single_channels_is_onnxs(rng):
    x, w = rng.normal(size=(2, 3, 8, 7)).astype("f"), rng.normal(size=(6, 1, 3, 2)).astype("f")
    want = evaluated("Conv", {"kernel_shape": [3, 2], "group": 3}, {"x": x, "W": w})
    layer = layers.DepthwiseConv2D((3, 2), depth_multiplier=2, use_bias=False)
    got = loaded(layer, layouts.channels_last(x), layouts.depthwise_kernel(w, 3))
    np.testing.assert_allclose(layouts.channels_first(got), want, rtol=2e-5, atol=2e-5)


def evaluated(operator, attributes, given):
    """What ONNX's reference implementation gives for a node."""
    try:
        onnx, reference = importlib.import_module("onnx"), importlib.import_module("onnx.reference")
    except ImportError:
        absent("onnx", "onnx is not installed")
    node = onnx.helper.make_node(operator, list(given), ["y"], **attributes)
    kind = onnx.TensorProto.FLOAT
    inputs = [onnx.helper.make_tensor_value_info(n, kind, a.shape) for n, a in given.items()]
    graph = onnx.helper.make_graph(
        [node], "one", inputs, [onnx.helper.make_tensor_value_info("y", kind, None)]
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 14)])
    return reference.ReferenceEvaluator(model).run(None, given)[0]


def test_a_network_of_torch_gives_the_same_numbers(rng):
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        absent("torch", "torch is not installed")
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, (5, 3), padding="same"),
        torch.nn.BatchNorm2d(8),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(8, 16, 3, groups=8),
        torch.nn.Flatten(),
        torch.nn.Linear(16 * 2 * 3, 5),
    ).double()
    x = torch.tensor(rng.normal(size=(4, 3, 8, 10)))
    theirs(x)  # moves the statistics
    theirs.eval()
    ours = strop.Sequential(
        [
            strop.Input((8, 10, 3)),
            layers.Conv2D(8, (5, 3), padding="same", dtype="float64"),
            layers.BatchNormalization(momentum=0.9, epsilon=1e-5, dtype="float64"),
            layers.ReLU(dtype="float64"),
            layers.MaxPooling2D(dtype="float64"),
            layers.DepthwiseConv2D(3, depth_multiplier=2, dtype="float64"),
            layers.Flatten(dtype="float64"),
            layers.Dense(5, dtype="float64"),
        ]
    )
    first, norm, _, _, second, _, last = (
        {name: array.numpy() for name, array in part.state_dict().items()} for part in theirs
    )
    ours.set_weights(
        [
            layouts.conv_kernel(first["weight"]),
            first["bias"],
            *(norm[k] for k in ("weight", "bias", "running_mean", "running_var")),
            layouts.depthwise_kernel(second["weight"], 8),
            second["bias"],
            layouts.dense_kernel(last["weight"], flattened=(16, 2, 3)),
            last["bias"],
        ]
    )
    got = ours.predict(layouts.channels_last(x.numpy()), verbose=0)
    np.testing.assert_allclose(got, theirs(x).detach().numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: layouts.channels_last([[1]]), "channels_last: x must have 3 axes or more; got shape (1, 1)"),
        (
            lambda: layouts.channels_first([[1]]),
            "channels_first: x must have 3 axes or more; got shape (1, 1)",
        ),
        (lambda: layouts.conv_kernel([1]), "conv_kernel: weight must have 3 axes or more; got shape (1,)"),
        (
            lambda: layouts.depthwise_kernel(np.zeros((6, 2, 3, 3)), 3),
            "depthwise_kernel: weight must have shape (3 * depth_multiplier, 1, kh, kw); got (6, 2, 3, 3)",
        ),
        (
            lambda: layouts.depthwise_kernel(np.zeros((7, 1, 3, 3)), 3),
            "depthwise_kernel: weight must have shape (3 * depth_multiplier, 1, kh, kw); got (7, 1, 3, 3)",
        ),
        (
            lambda: layouts.dense_kernel([1]),
            "dense_kernel: weight must have 2 axes (units, inputs); got shape (1,)",
        ),
        (
            lambda: layouts.dense_kernel(np.zeros((2, 7)), (2, 3)),
            "dense_kernel: flattened must hold 7 numbers, as weight reads; got (2, 3)",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_refused(call, text):
    with pytest.raises(ValueError) as caught:
        call()
    assert str(caught.value) == text
