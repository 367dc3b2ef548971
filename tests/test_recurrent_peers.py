"""Recurrent layers beside Keras with copied weights, torch in float64, and ONNX's reference implementation."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from cases import recurrent as cases
from conftest import absent, import_keras
from strop import layers
from strop.adapters.recurrent_weights import from_onnx, from_torch
from strop.layers import LSTM, Bidirectional
from test_recurrent_layers import MAKERS, built


def module(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        absent(name, f"{name} is not installed")


def keras_twin(layer, shape):
    """Keras' layer with the same settings and weights."""
    keras = import_keras()
    config = {k: v for k, v in layer.get_config().items() if k != "activity_regularizer"}
    for key in ("kernel", "recurrent", "bias"):
        config.pop(f"{key}_initializer", None)
    config.pop("name")
    twin = getattr(keras.layers, layer.op)(**config)
    twin.build(shape)
    twin.set_weights(layer.get_weights())
    return twin


@pytest.mark.parametrize("cell", cases.CELLS)
@pytest.mark.parametrize("steps", [1, 5])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"return_sequences": True},
        {"return_sequences": True, "go_backwards": True},
        {"return_state": True},
        {"use_bias": False, "activation": "relu"},
    ],
    ids=str,
)
def test_outputs_are_those_of_keras(cell, settings, steps, rng):
    layer = built(MAKERS[cell](6, **settings), (3, steps, 4))
    twin = keras_twin(layer, (3, steps, 4))
    x = rng.normal(size=(3, steps, 4)).astype("f")
    for mask in (None, *cases.MASKS.values()):
        kept = None if mask is None else np.array(mask, bool)[:, :steps]
        if kept is not None and steps == 5 and settings.get("go_backwards"):
            kept = kept[:, ::-1].copy()
        got, want = layer(x, mask=kept), twin(x, mask=kept)
        got, want = ([*a] if settings.get("return_state") else [a] for a in (got, want))
        for one, two in zip(got, want, strict=True):
            np.testing.assert_allclose(one, np.asarray(two), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("mode", ["concat", "sum", "mul", "ave", None])
@pytest.mark.parametrize("sequences", [False, True])
def test_bidirectional_is_that_of_keras(mode, sequences, rng):
    keras = import_keras()
    layer = built(Bidirectional(LSTM(4, return_sequences=sequences), mode), (3, 5, 2))
    twin = keras.layers.Bidirectional(keras.layers.LSTM(4, return_sequences=sequences), mode)
    twin.build((3, 5, 2))
    twin.set_weights(layer.get_weights())
    x = rng.normal(size=(3, 5, 2)).astype("f")
    for mask in (None, *cases.MASKS.values()):
        kept = None if mask is None else np.array(mask, bool)
        got, want = layer(x, mask=kept), twin(x, mask=kept)
        for one, two in zip(*([a] if mode else a for a in (got, want)), strict=True):
            np.testing.assert_allclose(one, np.asarray(two), rtol=2e-6, atol=2e-6)


def test_time_distributed_and_masking_are_those_of_keras(rng):
    keras = import_keras()
    layer = layers.TimeDistributed(layers.Dense(3, "tanh"))
    built(layer, (2, 4, 5))
    twin = keras.layers.TimeDistributed(keras.layers.Dense(3, "tanh"))
    twin.build((2, 4, 5))
    twin.set_weights(layer.get_weights())
    x = rng.normal(size=(2, 4, 5)).astype("f")
    np.testing.assert_allclose(layer(x), np.asarray(twin(x)), rtol=2e-6, atol=2e-6)
    x[0, 1] = -1
    np.testing.assert_array_equal(layers.Masking(-1.0)(x), np.asarray(keras.layers.Masking(-1.0)(x)))


@pytest.mark.parametrize(("cell", "name"), [("simple_rnn", "RNN"), ("lstm", "LSTM"), ("gru", "GRU")])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 7, 4, 5), (17, 20, 3, 33)])
def test_outputs_and_gradients_are_those_of_torch(cell, name, shape, rng):
    torch = module("torch")
    batch, steps, inputs, units = shape
    twin = getattr(torch.nn, name)(inputs, units, batch_first=True, dtype=torch.float64)
    own = [p.detach().numpy() for p in twin.parameters()]
    layer = MAKERS[cell](units, return_sequences=True, return_state=True, dtype="float64")
    layer.build_once((None, steps, inputs))
    layer.set_weights(from_torch(cell, *own))
    x = torch.tensor(rng.normal(size=(batch, steps, inputs)), requires_grad=True)
    h0 = torch.tensor(rng.normal(size=(1, batch, units)), requires_grad=True)
    c0 = torch.tensor(rng.normal(size=(1, batch, units)), requires_grad=True)
    states = [h0, c0] if cell == "lstm" else [h0]
    out, last = twin(x, tuple(states) if cell == "lstm" else h0)
    last = list(last) if cell == "lstm" else [last]
    given = [a.detach().numpy() for a in (x, *[s[0] for s in states])]
    got, saved = layer.forward(given)
    for one, two in zip(got, [out, *[s[0] for s in last]], strict=True):
        np.testing.assert_allclose(one, two.detach().numpy(), rtol=1e-12, atol=1e-13)
    grads = [rng.normal(size=a.shape) for a in got]
    loss = (out * torch.tensor(grads[0])).sum()
    for state, grad in zip(last, grads[1:], strict=True):
        loss = loss + (state[0] * torch.tensor(grad)).sum()
    loss.backward()
    by_inputs, by_weights = layer.backward(grads, saved)
    wanted = [x.grad, *[s.grad[0] for s in states]]
    for one, two in zip(by_inputs, wanted, strict=True):
        np.testing.assert_allclose(one, two.numpy(), rtol=1e-10, atol=1e-12)
    theirs = [p.grad.numpy() for p in twin.parameters()]
    if cell != "gru":  # each of the two biases has the gradient of the sum
        theirs[3] = np.zeros_like(theirs[3])
    for one, two in zip(by_weights, from_torch(cell, *theirs), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize(
    ("cell", "node", "attributes"),
    [
        ("simple_rnn", "RNN", {}),
        ("lstm", "LSTM", {}),
        ("gru", "GRU", {"linear_before_reset": 1}),
        ("gru_reset_before", "GRU", {"linear_before_reset": 0}),
    ],
)
def test_outputs_are_those_of_onnx(cell, node, attributes, rng):
    onnx = module("onnx")
    from onnx.reference import ReferenceEvaluator

    batch, steps, inputs, units = 3, 4, 5, 6
    gates = {"RNN": 1, "LSTM": 4, "GRU": 3}[node]
    given = {
        "X": rng.normal(size=(steps, batch, inputs)),
        "W": rng.normal(size=(1, gates * units, inputs)),
        "R": rng.normal(size=(1, gates * units, units)),
        "B": rng.normal(size=(1, 2 * gates * units)),
    }
    given = {name: array.astype("f") for name, array in given.items()}
    made = onnx.helper.make_node(node, list(given), ["Y", "Y_h"], hidden_size=units, **attributes)
    kind = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [made],
        "one",
        [onnx.helper.make_tensor_value_info(name, kind, array.shape) for name, array in given.items()],
        [onnx.helper.make_tensor_value_info(name, kind, None) for name in ("Y", "Y_h")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 14)])
    want, last = ReferenceEvaluator(model).run(None, given)
    layer = MAKERS[cell](units, return_sequences=True, return_state=True)
    layer.build_once((None, steps, inputs))
    layer.set_weights(from_onnx(cell, given["W"], given["R"], given["B"]))
    out, h, *_ = layer(given["X"].transpose(1, 0, 2))
    np.testing.assert_allclose(out, want[:, 0].transpose(1, 0, 2), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(h, last[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: from_torch("gru_reset_before", np.zeros((3, 1)), np.zeros((3, 1))),
            "from_torch: cell must be simple_rnn, lstm, gru; got 'gru_reset_before'",
        ),
        (
            lambda: from_onnx("lstm", np.zeros((1, 3, 1)), np.zeros((1, 4, 1))),
            "from_onnx: arrays of lstm must have shape (4, 1); got (3, 1)",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused(call, text):
    with pytest.raises(ValueError) as caught:
        call()
    assert str(caught.value) == text
