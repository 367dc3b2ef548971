"""Models with several inputs, outputs and states, trained by Keras from the same weights, and torch's gradients."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import strop
from conftest import absent
from strop.layers import GRU, LSTM, Bidirectional, Concatenate, Dense, SimpleRNN
from strop.training.passes import Tape

#: The same models in both libraries, `layers`, `Model` and `Input` being either's: inputs, loss and compile arguments.
DRAWINGS = """
def two_inputs(layers, Model, Input):
    a, b = Input((5,), name="a"), Input((6,), name="b")
    both = layers.Concatenate()([layers.Dense(4, activation="relu")(a), layers.Dense(3)(b)])
    return Model([a, b], layers.Dense(1, activation="sigmoid")(both)), {"loss": "binary_crossentropy"}

def named_inputs(layers, Model, Input):
    a, b = Input((5,), name="a"), Input((5,), name="b")
    both = layers.Subtract()([layers.Dense(4)(a), layers.Dense(4)(b)])
    model = Model({"a": a, "b": b}, layers.Dense(1)(both))
    return model, {"loss": "mse", "metrics": ["mae"], "loss_weights": [0.25]}

def two_outputs(layers, Model, Input):
    x = Input((6,))
    h = layers.Dense(8, activation="tanh")(x)
    kind = layers.Dense(3, activation="softmax", name="kind")(h)
    size = layers.Dense(1, name="size")(layers.Concatenate()([h, x]))
    return Model(x, [kind, size]), {
        "loss": ["sparse_categorical_crossentropy", "mse"], "loss_weights": [1.0, 0.3],
        "metrics": [["accuracy"], ["mae"]],
    }

def named_outputs(layers, Model, Input):
    x = Input((6,))
    h = layers.Dense(8, activation="relu", kernel_regularizer="l2")(x)
    model = Model(x, {"kind": layers.Dense(3, activation="softmax")(h), "size": layers.Dense(2)(h)})
    return model, {
        "loss": {"kind": "sparse_categorical_crossentropy", "size": "mae"},
        "loss_weights": {"kind": 0.5, "size": 2.0},
        "metrics": {"kind": ["accuracy"], "size": ["mse"]},
    }

def siamese(layers, Model, Input):
    a, b = Input((6,), name="a"), Input((6,), name="b")
    shared = layers.Dense(5, activation="tanh")
    both = layers.Multiply()([shared(a), shared(b)])
    return Model([a, b], layers.Dense(1, activation="sigmoid")(both)), {"loss": "binary_crossentropy"}

def residual(layers, Model, Input):
    x = Input((6,))
    h = layers.Add()([x, layers.Dense(6, activation="relu")(x)])
    h = layers.Add()([h, layers.Dense(6, activation="relu")(h)])
    return Model(x, layers.Dense(1)(h)), {"loss": "mse"}

def lstm_to_lstm(layers, Model, Input):
    a, b = Input((None, 3), name="a"), Input((None, 3), name="b")
    _, h, c = layers.LSTM(7, return_state=True)(a)
    y, _, _ = layers.LSTM(7, return_sequences=True, return_state=True)(b, initial_state=[h, c])
    return Model([a, b], layers.Dense(4, activation="softmax")(y)), {
        "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}

def gru_to_gru(layers, Model, Input):
    a, b = Input((None, 3), name="a"), Input((None, 3), name="b")
    y, h = layers.GRU(6, return_state=True)(a)
    y = layers.GRU(6, return_sequences=True)(b, initial_state=layers.Add()([y, h]))
    return Model([a, b], layers.Dense(4, activation="softmax")(y)), {"loss": "sparse_categorical_crossentropy"}

def both_ways(layers, Model, Input):
    a, b = Input((None, 3), name="a"), Input((None, 3), name="b")
    y, h, c, h2, c2 = layers.Bidirectional(layers.LSTM(3, return_sequences=True, return_state=True))(a)
    h, c = layers.Concatenate()([h, h2]), layers.Concatenate()([c, c2])
    z = layers.LSTM(6, return_sequences=True)(b, initial_state=[h, c])
    return Model([a, b], layers.Dense(4, activation="softmax")(z)), {"loss": "sparse_categorical_crossentropy"}

ALL = [two_inputs, named_inputs, two_outputs, named_outputs, siamese, residual, lstm_to_lstm, gru_to_gru, both_ways]

def steps(name, given):
    "Batches of inputs and targets, as the model of this name takes them."
    for i in range(0, 48, 16):
        part = {key: array[i:i + 16] for key, array in given.items() if key.startswith(name + "/")}
        x = {key.split("/")[2]: a for key, a in part.items() if key.split("/")[1] == "x"}
        y = {key.split("/")[2]: a for key, a in part.items() if key.split("/")[1] == "y"}
        yield pack(name, x), pack(name, y)

def pack(name, values):
    if len(values) == 1:
        return next(iter(values.values()))
    return values if name.startswith("named") else list(values.values())
"""
TRAINING = (
    DRAWINGS
    + """
import json, sys, warnings
warnings.simplefilter("ignore")
import keras, numpy as np
given, made, logs = dict(np.load(sys.argv[1])), {}, {}
for draw in ALL:
    name = draw.__name__
    model, settings = draw(keras.layers, keras.Model, keras.Input)
    model.set_weights([given[f"{name}/w/{i}"] for i in range(len(model.weights))])
    model.compile(optimizer=keras.optimizers.Adam(0.01), **settings)
    logs[name] = []
    for x, y in steps(name, given):
        model.reset_metrics()
        made_logs = model.train_on_batch(x, y, return_dict=True)
        logs[name].append({k: float(v) for k, v in made_logs.items()})
    model.reset_metrics()
    logs[name].append({k: float(v) for k, v in model.test_on_batch(x, y, return_dict=True).items()})
    for i, weight in enumerate(model.get_weights()):
        made[f"{name}/{i}"] = weight
np.savez(sys.argv[2], **made)
print(json.dumps(logs))
"""
)
SPACE: dict = {}
exec(DRAWINGS, SPACE)


def data_of(name, rng):
    """Inputs and targets of 48 samples by name."""
    f = lambda *shape: rng.normal(size=(48, *shape)).astype("float32")  # noqa: E731
    labels = lambda *shape: rng.integers(0, shape[-1], (48, *shape[:-1]))  # noqa: E731
    return {
        "two_inputs": ({"a": f(5), "b": f(6)}, {"y": labels(2)}),
        "named_inputs": ({"a": f(5), "b": f(5)}, {"y": f(1)}),
        "two_outputs": ({"x": f(6)}, {"kind": labels(3), "size": f(1)}),
        "named_outputs": ({"x": f(6)}, {"kind": labels(3), "size": f(2)}),
        "siamese": ({"a": f(6), "b": f(6)}, {"y": labels(2)}),
        "residual": ({"x": f(6)}, {"y": f(1)}),
    }.get(name, ({"a": f(5, 3), "b": f(4, 3)}, {"y": labels(4, 4)}))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """What Keras makes of every model: inputs and first weights, weights and logs after three steps."""
    for name in ("torch", "keras"):
        if importlib.util.find_spec(name) is None:
            absent(name, f"{name} is not installed")
    folder, rng, given = tmp_path_factory.mktemp("keras"), np.random.default_rng(3), {}
    for draw in SPACE["ALL"]:
        name = draw.__name__
        model, _ = draw(strop.layers, strop.Model, strop.Input)
        given |= {f"{name}/w/{i}": weight for i, weight in enumerate(model.get_weights())}
        for side, arrays in zip("xy", data_of(name, rng), strict=True):
            given |= {f"{name}/{side}/{key}": array for key, array in arrays.items()}
    np.savez(folder / "given.npz", **given)
    command = [sys.executable, "-c", TRAINING, str(folder / "given.npz"), str(folder / "made.npz")]
    made = subprocess.run(
        command, env={**os.environ, "KERAS_BACKEND": "torch"}, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr[-2000:]
    return given, dict(np.load(folder / "made.npz")), json.loads(made.stdout.splitlines()[-1])


@pytest.mark.parametrize("draw", SPACE["ALL"], ids=lambda draw: draw.__name__)
def test_keras_trains_it_to_the_same_weights(draw, trained):
    given, made, logs = trained
    name = draw.__name__
    model, settings = draw(strop.layers, strop.Model, strop.Input)
    model.set_weights([given[f"{name}/w/{i}"] for i in range(len(model.get_weights()))])
    model.compile(optimizer=strop.optimizers.Adam(0.01), **settings)
    batches = list(SPACE["steps"](name, given))
    own = [model.train_on_batch(x, y, return_dict=True) for x, y in batches]
    own.append(model.test_on_batch(*batches[-1], return_dict=True))
    for ours, theirs in zip(own, logs[name], strict=True):
        assert set(ours) == set(theirs)
        for key, value in ours.items():
            assert value == pytest.approx(theirs[key], rel=2e-5, abs=1e-6), key
    assert list(own[0]) == model.metrics_names
    for i, weight in enumerate(model.get_weights()):
        # Adam turns the sign of a gradient that is a rounding into a step.
        np.testing.assert_allclose(weight, made[f"{name}/{i}"], atol=3e-5)


# ---- against torch, in float64 -------------------------------------------------


def torch_of(layer, torch):
    """torch's recurrent layer with the weights of ours."""
    cell = {"SimpleRNN": torch.nn.RNN, "LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU}[layer.op]
    kernel, recurrent, bias = (v._value for v in layer.variables)
    made = cell(kernel.shape[0], layer.units, batch_first=True, dtype=torch.float64)
    order = [1, 0, 2] if layer.op == "GRU" else range(kernel.shape[1] // layer.units)

    def turned(array):
        blocks = np.split(array, len(order), axis=-1)
        return torch.tensor(np.concatenate([blocks[k] for k in order], axis=-1).T.copy())

    biases = bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)])
    with torch.no_grad():
        made.weight_ih_l0.copy_(turned(kernel))
        made.weight_hh_l0.copy_(turned(recurrent))
        made.bias_ih_l0.copy_(turned(biases[0]))
        made.bias_hh_l0.copy_(turned(biases[1]))
    back = lambda grad: np.concatenate([np.split(grad.numpy().T, len(order), axis=-1)[k] for k in order], -1)  # noqa: E731
    return made, back


@pytest.mark.parametrize("cell", [SimpleRNN, LSTM, GRU])
def test_gradients_through_states_are_those_of_torch(cell, rng):
    torch = pytest.importorskip("torch")
    s = {"dtype": "float64"}
    a, b = strop.Input((5, 3)), strop.Input((4, 2))
    first, second = cell(6, return_state=True, **s), cell(6, return_sequences=True, return_state=True, **s)
    y, *states = first(a)
    z, *ends = second(b, initial_state=states)
    last = Dense(2, **s)
    joined = Concatenate(**s)([y, *ends])
    model = strop.Model([a, b], [last(joined), Dense(1, name="steps", **s)(z)])
    x = rng.normal(size=(3, 5, 3)), rng.normal(size=(3, 4, 2))
    targets = rng.normal(size=(3, 2)), rng.normal(size=(3, 4, 1))
    model.compile(loss=["mse", "mse"], loss_weights=[0.7, 1.5], optimizer="sgd")
    plan = model.make_plan(model.loss)
    loss, output, grads = plan._gradients(x, targets, None, Tape(training=True))

    (one, back_one), (two, back_two) = torch_of(first, torch), torch_of(second, torch)
    heads = [
        torch.tensor(v._value.copy(), requires_grad=True)
        for v in (*last.variables, *model.layers[-1].variables)
    ]
    if model.layers[-1] is last:
        heads = heads[:2] + [
            torch.tensor(v._value.copy(), requires_grad=True) for v in model.get_layer("steps").variables
        ]
    ty, state = one(torch.tensor(x[0]))
    tz, end = two(torch.tensor(x[1]), state)
    parts = [ty[:, -1], *([e[0] for e in end] if isinstance(end, tuple) else [end[0]])]
    outs = torch.cat(parts, -1) @ heads[0] + heads[1], tz @ heads[2] + heads[3]
    losses = [((o - torch.tensor(t)) ** 2).mean() for o, t in zip(outs, targets, strict=True)]
    (0.7 * losses[0] + 1.5 * losses[1]).backward()

    for own, want in zip(output, outs, strict=True):
        np.testing.assert_allclose(own, want.detach().numpy(), rtol=1e-10, atol=1e-12)
    assert loss.total == pytest.approx(0.7 * losses[0].item() + 1.5 * losses[1].item(), rel=1e-12)
    assert loss.parts == pytest.approx([each.item() for each in losses], rel=1e-12)
    found = dict(zip(map(id, plan.variables), grads, strict=True))
    for layer, made, back in ((first, one, back_one), (second, two, back_two)):
        kernel, recurrent, bias = (found[id(v)] for v in layer.variables)
        np.testing.assert_allclose(kernel, back(made.weight_ih_l0.grad), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(recurrent, back(made.weight_hh_l0.grad), rtol=1e-9, atol=1e-12)
        want = back(made.bias_ih_l0.grad[:, None])[0]
        np.testing.assert_allclose(bias[0] if bias.ndim == 2 else bias, want, rtol=1e-9, atol=1e-12)
    for variable, leaf in zip(last.variables, heads, strict=False):
        np.testing.assert_allclose(found[id(variable)], leaf.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_states_of_both_directions_have_gradients(rng):
    """Finite differences, through the states of a Bidirectional that is called with states of its own."""
    s = {"dtype": "float64"}
    a, b = strop.Input((3, 2)), strop.Input((2, 2))
    states = Bidirectional(LSTM(2, return_state=True, **s))(a)[1:]
    y = Bidirectional(LSTM(2, **s), merge_mode="sum")(b, initial_state=states)
    model = strop.Model([a, b], y)
    x, target = (rng.normal(size=(2, 3, 2)), rng.normal(size=(2, 2, 2))), rng.normal(size=(2, 2))
    plan = model.make_plan(strop.losses.get("mse"))
    _, _, grads = plan._gradients(x, target, None, Tape(training=True))
    for variable, grad in zip(plan.variables, grads, strict=True):
        for at in [(0,) * grad.ndim, tuple(n - 1 for n in grad.shape)]:
            kept, sides = variable._value[at], []
            for step in (1e-6, -1e-6):
                variable._value[at] = kept + step
                sides.append(plan.test_step(x, target, None)[0])
            variable._value[at] = kept
            assert grad[at] == pytest.approx((sides[0] - sides[1]) / 2e-6, abs=1e-8)


def random_graph(rng, torch):
    """A random model of two or three inputs and as many outputs, some of which are read on, and torch's of it."""
    s = {"dtype": "float64"}
    leaves, tensors = {}, []
    inputs = [strop.Input((4,), name=f"x{i}") for i in range(rng.integers(2, 4))]
    tensors = [(x, lambda given, i=i: given[i]) for i, x in enumerate(inputs)]
    shared = Dense(4, activation="tanh", **s)
    functions = {"tanh": torch.tanh, "sigmoid": torch.sigmoid, "linear": lambda z: z}
    functions["softmax"] = lambda z: torch.softmax(z, -1)

    def dense(layer, read):
        def run(given):
            if layer not in leaves:
                leaves[layer] = [torch.tensor(v._value.copy(), requires_grad=True) for v in layer.variables]
            kernel, bias = leaves[layer]
            return functions[layer.activation.name](read(given) @ kernel + bias)

        return run

    for _ in range(8):
        (a, f), (b, g) = (tensors[rng.integers(0, len(tensors))] for _ in range(2))
        kind = rng.integers(0, 4)
        if kind == 0:
            merge = strop.layers.Multiply(**s) if rng.random() < 0.5 else strop.layers.Subtract(**s)
            run = (lambda u, v: u * v) if merge.op == "Multiply" else (lambda u, v: u - v)
            tensors.append((merge([a, b]), lambda given, f=f, g=g, run=run: run(f(given), g(given))))
            continue
        layer = (
            shared
            if kind == 1
            else Dense(4, activation=["tanh", "sigmoid", "softmax"][rng.integers(0, 3)], **s)
        )
        tensors.append((layer(a), dense(layer, f)))
    # All inputs meet in one tensor, so that every one of them leads to an output.
    layer = Dense(4, activation="sigmoid", **s)
    joined = strop.layers.Add(**s)(inputs)
    tensors.append((layer(joined), dense(layer, lambda given: sum(given))))
    places = {len(tensors) - 1, *(int(k) for k in rng.integers(len(inputs), len(tensors), 2))}
    chosen = [tensors[k] for k in rng.permutation(sorted(places))]
    return strop.Model(inputs, [t for t, _ in chosen]), [run for _, run in chosen], leaves


@pytest.mark.parametrize("seed", range(30))
def test_random_graphs_have_the_losses_and_gradients_of_torch(seed):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    strop.utils.set_random_seed(seed)
    model, runs, leaves = random_graph(rng, torch)
    assert strop.Model.from_config(model.get_config()).get_config() == model.get_config()
    several = len(runs) > 1
    names = [
        ["mse", "binary_crossentropy", "sparse_categorical_crossentropy"][k]
        for k in rng.integers(0, 3, len(runs))
    ]
    # A cross-entropy wants chances; what an output is follows from the layer behind it.
    kinds = [getattr(t.call.layer, "activation", None) for t in model.outputs]
    wanted = {"sigmoid": "binary_crossentropy", "softmax": "sparse_categorical_crossentropy"}
    names = [
        name if kind is not None and wanted.get(kind.name) == name else "mse"
        for name, kind in zip(names, kinds, strict=True)
    ]
    factors = rng.uniform(0.2, 2, len(runs)).tolist()
    model.compile("sgd", loss=names, loss_weights=factors)
    x = [rng.normal(size=(5, 4)) for _ in model.inputs]
    y = [
        rng.integers(0, 4, 5)
        if n.startswith("sparse")
        else rng.random((5, 4))
        if n == "mse"
        else rng.integers(0, 2, (5, 4))
        for n in names
    ]
    y = [
        target.astype(float) if n == "binary_crossentropy" else target
        for n, target in zip(names, y, strict=True)
    ]
    plan = model.make_plan(model.loss, *([] if several else factors))
    loss, _, grads = plan._gradients(tuple(x), tuple(y) if several else y[0], None, Tape(training=True))
    total, parts = 0.0, []
    for name, run, target, factor in zip(names, runs, y, factors, strict=True):
        made = run([torch.tensor(each) for each in x])
        if name == "mse":
            parts.append(((made - torch.tensor(target)) ** 2).mean())
        elif name == "binary_crossentropy":
            parts.append(torch.nn.functional.binary_cross_entropy(made, torch.tensor(target)))
        else:
            parts.append(torch.nn.functional.nll_loss(torch.log(made), torch.tensor(target)))
        total = total + factor * parts[-1]
    assert (loss.total if several else loss) == pytest.approx(total.item(), rel=1e-9)
    if several:
        assert loss.parts == pytest.approx([part.item() for part in parts], rel=1e-9)
    total.backward()
    want = {
        id(v): leaf.grad
        for layer, own in leaves.items()
        for v, leaf in zip(layer.variables, own, strict=True)
    }
    for variable, grad in zip(plan.variables, grads, strict=True):
        np.testing.assert_allclose(grad, want[id(variable)].numpy(), rtol=1e-7, atol=1e-10)
