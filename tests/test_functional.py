"""Models that are drawn: branches, shared layers, names, config, files, and gradients as torch has them."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import strop
from conftest import absent
from strop.layers import (
    ELU,
    Activation,
    Add,
    Average,
    Concatenate,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePooling1D,
    LeakyReLU,
    Maximum,
    Multiply,
    Permute,
    ReLU,
    RepeatVector,
    Reshape,
    Softmax,
    Subtract,
)
from strop.models import load_model
from strop.training.network import NetworkPlan
from strop.training.passes import Tape
from strop.training.plan import Plan


def residual(units=4, last=None, **settings):
    x = strop.Input((units,))
    h = Dense(units, activation="relu", **settings)(x)
    return strop.Model(x, Dense(2, activation=last, **settings)(Add()([x, h])))


def test_a_residual_branch_by_hand():
    model = residual(2)
    w, b = np.array([[1.0, -1], [0.5, 2]]), np.array([0.5, -10])
    model.set_weights([w, b, np.eye(2), np.zeros(2)])
    x = np.array([[1.0, 2]])
    # relu([1 + 1 + .5, -1 + 4 - 10]) = [2.5, 0]
    np.testing.assert_allclose(model.predict(x, verbose=0), [[3.5, 2.0]])
    model.compile(optimizer=strop.optimizers.SGD(1.0), loss="mse")
    assert model.train_on_batch(x, [[3.5, 1.0]]) == pytest.approx(0.5)
    # The gradient by the output is [0, 1], by the second sum [0, 1]; relu's second unit is off.
    got = model.get_weights()
    np.testing.assert_allclose(got[0], w)
    np.testing.assert_allclose(got[2], np.eye(2) - [[0, 3.5], [0, 2.0]])


def test_a_shared_layer_has_the_sum_of_both_gradients(rng):
    shared = Dense(3, dtype="float64", kernel_regularizer="l2")
    x = strop.Input((3,))
    model = strop.Model(x, shared(shared(x)))
    assert [layer.name for layer in model.layers] == ["dense"]
    assert model.count_params() == 12
    plan = model.make_plan(strop.losses.get("mse"))
    check_gradients(plan, rng.normal(size=(4, 3)), rng.normal(size=(4, 3)))


def test_a_shared_table_adds_up_its_rows(rng):
    ids = rng.integers(0, 6, (5, 4))
    for pool in (GlobalAveragePooling1D, Flatten):
        x = strop.Input((4,))
        table = Embedding(6, 3, dtype="float64")
        one, two = pool(dtype="float64")(table(x)), Flatten(dtype="float64")(table(x))
        out = Dense(1, dtype="float64")(Concatenate(dtype="float64")([one, two]))
        model = strop.Model(x, out)
        check_gradients(model.make_plan(strop.losses.get("mse")), ids, rng.normal(size=(5, 1)))
        y = rng.normal(size=5)
        runs = []
        for sparse in ("dense", None):
            strop.utils.set_random_seed(1)
            model.set_weights([np.cos(np.arange(v._value.size)).reshape(v.shape) for v in model.variables])
            model.compile(optimizer=strop.optimizers.Adam(0.05, sparse=sparse), loss="mse")
            model.fit(ids, y, batch_size=2, epochs=3, verbose=0)
            runs.append(model.get_weights())
        for dense, deferred in zip(*runs, strict=True):
            np.testing.assert_allclose(deferred, dense, atol=1e-7)


def check_gradients(plan, x, y):
    """Every gradient by the weights equals the difference of the loss, penalties included."""
    loss, _, grads = plan._gradients(x, y, None, Tape(training=True))
    assert loss == pytest.approx(plan.test_step(x, y, None)[0])
    assert len(grads) == len({id(v) for v in plan.variables})
    for variable, grad in zip(plan.variables, grads, strict=True):
        grad = grad.to_dense() if isinstance(grad, strop.RowGrad) else grad
        for at in np.ndindex(variable.shape):
            kept, sides = variable._value[at], []
            for step in (1e-6, -1e-6):
                variable._value[at] = kept + step
                sides.append(plan.test_step(x, y, None)[0])
            variable._value[at] = kept
            assert grad[at] == pytest.approx((sides[0] - sides[1]) / 2e-6, abs=1e-7)


# ---- against torch -------------------------------------------------------------


def random_model(rng, depth=9):
    """A random graph over (6,) inputs in float64, and how torch computes it."""
    import torch

    s = {"dtype": "float64"}
    x = strop.Input((6,))
    tensors = [(x, lambda inputs: inputs)]
    shared = Dense(6, activation="tanh", **s)

    def torch_dense(layer, read):
        def run(inputs):
            kernel, *bias = layer.leaves
            z = read(inputs) @ kernel
            z = z + bias[0] if bias else z
            kinds = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid, "linear": lambda v: v}
            return kinds[layer.activation.name](z)

        return run

    layers, penalties = [shared], {}
    for _ in range(depth):
        kind = rng.integers(0, 10)
        (a, f), (b, g) = (tensors[rng.integers(0, len(tensors))] for _ in range(2))
        if kind < 3:
            layer = Dense(6, activation=["tanh", "relu", "sigmoid", None][rng.integers(0, 4)], **s)
            layers.append(layer)
            tensors.append((layer(a), torch_dense(layer, f)))
        elif kind == 3:
            tensors.append((shared(a), torch_dense(shared, f)))
        elif kind == 4:
            merge, run = [
                (Add(**s), lambda u, v: u + v),
                (Multiply(**s), lambda u, v: u * v),
                (Subtract(**s), lambda u, v: u - v),
                (Average(**s), lambda u, v: (u + v) / 2),
                (Maximum(**s), torch.maximum),
            ][rng.integers(0, 5)]
            tensors.append((merge([a, b]), lambda i, f=f, g=g, run=run: run(f(i), g(i))))
        elif kind == 5:
            layer = Dense(6, **s)
            layers.append(layer)
            both = Concatenate(**s)([a, b])
            tensors.append(
                (layer(both), torch_dense(layer, lambda i, f=f, g=g: torch.cat([f(i), g(i)], dim=-1)))
            )
        elif kind == 6:
            turned = Flatten(**s)(Permute((2, 1), **s)(Reshape((2, 3), **s)(a)))
            tensors.append((turned, lambda i, f=f: f(i).reshape(-1, 2, 3).transpose(1, 2).reshape(-1, 6)))
        elif kind == 7:
            pooled = GlobalAveragePooling1D(**s)(RepeatVector(3, **s)(a))
            tensors.append((pooled, lambda i, f=f: f(i)))
        elif kind == 8:
            layer, run = [
                (ELU(**s), torch.nn.functional.elu),
                (LeakyReLU(**s), lambda v: torch.nn.functional.leaky_relu(v, 0.3)),
                (Softmax(**s), lambda v: torch.softmax(v, -1)),
                (ReLU(**s), torch.relu),
            ][rng.integers(0, 4)]
            tensors.append((layer(a), lambda i, f=f, run=run: run(f(i))))
        else:
            layer = Activation("tanh", activity_regularizer=strop.regularizers.L2(0.1), **s)

            def penalized(i, f=f, key=layer):
                y = torch.tanh(f(i))
                penalties[key] = 0.1 * (y**2).sum() / len(y)
                return y

            tensors.append((layer(a), penalized))
    last = Dense(3, activation="softmax", **s)
    layers.append(last)
    # All tensors without a reader come together, so that every branch counts.
    heads = [tensors[-1], tensors[-2], tensors[rng.integers(0, len(tensors))]]
    joined = Add(**s)([t for t, _ in heads])

    def logits(i):
        kernel, bias = last.leaves
        return sum(f(i) for _, f in heads) @ kernel + bias

    return strop.Model(x, last(joined)), layers, logits, penalties


@pytest.mark.parametrize("seed", range(40))
def test_random_graphs_have_the_loss_and_the_gradients_of_torch(seed):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    strop.utils.set_random_seed(seed)
    model, layers, logits, penalties = random_model(rng)
    for layer in layers:
        layer.leaves = [torch.tensor(v._value.copy(), requires_grad=True) for v in layer.variables]
    x, labels = rng.normal(size=(7, 6)), rng.integers(0, 3, 7)
    config = model.get_config()
    assert strop.Model.from_config(config).get_config() == config
    plan = model.make_plan(strop.losses.get("sparse_categorical_crossentropy"))
    assert plan.ends_in_logits
    loss, output, grads = plan._gradients(x, labels, None, Tape(training=True))
    given = torch.tensor(x)
    z = logits(given)
    want = torch.nn.functional.cross_entropy(z, torch.tensor(labels))
    np.testing.assert_allclose(output, z.detach().numpy(), rtol=1e-10, atol=1e-10)
    want = want + sum(penalties.values())
    assert loss == pytest.approx(want.item(), rel=1e-12)
    want.backward()
    leaves = {id(v): leaf for layer in layers for v, leaf in zip(layer.variables, layer.leaves, strict=True)}
    for variable, grad in zip(plan.variables, grads, strict=True):
        np.testing.assert_allclose(grad, leaves[id(variable)].grad.numpy(), rtol=1e-9, atol=1e-11)
    one_by_one = NetworkPlan(model.layers, model.network.nodes(), plan.loss, fused=False)
    slow_loss, _, slow = one_by_one._gradients(x, labels, None, Tape(training=True))
    assert slow_loss == pytest.approx(loss, rel=1e-12)
    for a, b in zip(grads, slow, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


# ---- against Keras -------------------------------------------------------------

#: The same model in both libraries, `layers`, `Model` and `Input` being either's.
DRAWING = """
def draw(layers, Model, Input):
    x = Input((8,))
    h = layers.Dense(8, activation="relu")(x)
    h = layers.Add()([x, layers.Dense(8)(h)])
    g = layers.Dense(8, activation="tanh")(h)
    g = layers.Add()([h, g])
    both = layers.Concatenate()([layers.Dense(4, activation="relu")(g), layers.Multiply()([h, g])])
    return Model(x, layers.Dense(3, activation="softmax")(both))
"""
TRAINING = (
    DRAWING
    + """
import sys, warnings
warnings.simplefilter("ignore")
import keras, numpy as np
given = dict(np.load(sys.argv[1]))
model = draw(keras.layers, keras.Model, keras.Input)
weights = [given[f"w{i}"] for i in range(len(model.weights))]
model.set_weights(weights)
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="sparse_categorical_crossentropy")
losses = [float(model.train_on_batch(given["x"][i:i + 16], given["y"][i:i + 16])) for i in range(0, 64, 16)]
np.savez(sys.argv[2], losses=losses, **{f"w{i}": w for i, w in enumerate(model.get_weights())})
"""
)


def test_keras_trains_a_residual_network_to_the_same_weights(tmp_path, rng):
    for name in ("torch", "keras"):
        if importlib.util.find_spec(name) is None:
            absent(name, f"{name} is not installed")
    space = {}
    exec(DRAWING, space)
    model = space["draw"](strop.layers, strop.Model, strop.Input)
    x, y = rng.normal(size=(64, 8)).astype("float32"), rng.integers(0, 3, 64)
    weights = {f"w{i}": w for i, w in enumerate(model.get_weights())}
    np.savez(tmp_path / "given.npz", x=x, y=y, **weights)
    command = [sys.executable, "-c", TRAINING, str(tmp_path / "given.npz"), str(tmp_path / "made.npz")]
    subprocess.run(command, check=True, env={**os.environ, "KERAS_BACKEND": "torch"}, capture_output=True)
    made = dict(np.load(tmp_path / "made.npz"))
    model.compile(optimizer=strop.optimizers.Adam(0.01), loss="sparse_categorical_crossentropy")
    losses = [model.train_on_batch(x[i : i + 16], y[i : i + 16]) for i in range(0, 64, 16)]
    np.testing.assert_allclose(losses, made["losses"], rtol=1e-5)
    for i, weight in enumerate(model.get_weights()):
        # Adam turns the sign of a gradient that is a rounding into a step: four of .01 at most.
        np.testing.assert_allclose(weight, made[f"w{i}"], atol=2e-5)


# ---- a chain is a chain --------------------------------------------------------


def test_a_chain_that_is_drawn_is_the_plan_of_a_sequential(rng):
    x = strop.Input((4,))
    model = strop.Model(x, Dense(1, activation="sigmoid")(Dense(3, activation="relu")(x)))
    same = strop.Sequential([strop.Input((4,)), Dense(3, activation="relu"), Dense(1, activation="sigmoid")])
    same.set_weights(model.get_weights())
    data, y = rng.normal(size=(40, 4)), rng.integers(0, 2, 40)
    for each in (model, same):
        assert type(each.make_plan(None)) is Plan
        strop.utils.set_random_seed(2)
        each.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
        each.fit(data, y, epochs=2, verbose=0)
    for a, b in zip(model.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_anetwork_trains_as_a_sequential_does(rng):
    model = residual(last="softmax")
    assert type(model.make_plan(None)) is NetworkPlan
    x, y = rng.normal(size=(60, 4)), rng.integers(0, 2, 60)
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, epochs=30, validation_split=0.2, verbose=0).history
    assert list(history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert history["loss"][-1] < history["loss"][0]
    assert model.evaluate(x, y, verbose=0, return_dict=True).keys() == {"loss", "accuracy"}
    np.testing.assert_allclose(model.predict(x, verbose=0).sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(model(x[:5]), model.predict(x[:5], verbose=0))
    assert model.predict(x[:0], verbose=0).shape == (0, 2)
    assert model.to("cpu") is model


def test_two_runs_have_the_same_bits_on_any_number_of_threads(rng):
    x, y = rng.normal(size=(64, 40)), rng.integers(0, 2, 64)
    before, runs = strop.config.num_threads(), []
    try:
        for threads in (1, 2, 3):
            strop.config.set_num_threads(threads)
            strop.utils.set_random_seed(5)
            model = residual(40, last="softmax")
            model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
            model.fit(x, y, epochs=2, verbose=0)
            runs.append(model.get_weights())
    finally:
        strop.config.set_num_threads(before)
    for other in runs[1:]:
        for a, b in zip(runs[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_merge_may_come_first(rng):
    x = strop.Input((3,))
    model = strop.Model(x, Dense(1)(Concatenate()([x, Multiply()([x, x])])))
    data = rng.normal(size=(20, 3)).astype("float32")
    model.compile(optimizer="adam", loss="mse")
    model.fit(data, data[:, 0] ** 2, verbose=0)
    kernel, bias = model.get_weights()
    want = np.concatenate([data, data**2], axis=1) @ kernel + bias
    np.testing.assert_allclose(model.predict(data, verbose=0), want, rtol=1e-4, atol=1e-6)
    column = strop.Input((1,))
    assert strop.Model(column, Add()([column, column])).predict([1.0, 2.0], verbose=0).tolist() == [
        [2.0],
        [4.0],
    ]
    with pytest.raises(ValueError, match=r"^predict: x must have shape \(None, 3\); got \(2, 4\)$"):
        model.predict(np.zeros((2, 4)), verbose=0)


# ---- order, names --------------------------------------------------------------


def test_layers_stand_in_keras_order_and_names_count_per_model():
    x = strop.Input((4,))
    a = Dense(4)(x)
    b = Dense(4, name="long")(Dense(4)(a))
    model = strop.Model(x, Add()([a, b]))
    assert [layer.name for layer in model.layers] == ["dense", "dense_1", "long", "add"]
    assert [v.path for v in model.variables][:4] == [
        "dense/kernel",
        "dense/bias",
        "dense_1/kernel",
        "dense_1/bias",
    ]
    other = strop.Sequential([Dense(3), Dense(3)])
    y = strop.Input((4,))
    joined = strop.Model(y, other(model(y)))
    assert [layer.name for layer in joined.layers] == [
        "dense",
        "dense_1",
        "long",
        "add",
        "dense_2",
        "dense_3",
    ]
    assert len({v.path for v in joined.variables}) == 10
    assert joined.layers[0] is model.layers[0]


def test_a_model_within_a_model_shares_its_weights(rng):
    encoder = strop.Sequential([strop.Input((6,)), Dense(3, activation="relu", name="code")])
    decoder = strop.Sequential([Dense(6, name="back")])
    x = strop.Input((6,))
    whole = strop.Model(x, decoder(encoder(x)))
    data = rng.normal(size=(8, 6))
    np.testing.assert_allclose(
        whole.predict(data, verbose=0),
        decoder.predict(encoder.predict(data, verbose=0), verbose=0),
        rtol=1e-6,
    )
    encoder.trainable = False
    assert not encoder.trainable
    before = encoder.get_weights()
    whole.compile(optimizer="sgd", loss="mse")
    whole.fit(data, data, verbose=0)
    np.testing.assert_array_equal(before[0], encoder.get_weights()[0])
    assert whole.get_layer("code") is encoder.get_layer("code")


# ---- masks ---------------------------------------------------------------------


def test_a_mask_goes_through_a_branch(rng):
    x = strop.Input((4,))
    rows = Embedding(6, 3, mask_zero=True)(x)
    mean = GlobalAveragePooling1D()(Add()([rows, Dense(3)(rows)]))
    model = strop.Model(x, mean)
    ids = np.array([[1, 2, 0, 0], [3, 0, 0, 0]])
    table, kernel, bias = model.get_weights()
    summed = table[ids] + table[ids] @ kernel + bias
    want = [summed[0, :2].mean(axis=0), summed[1, 0]]
    np.testing.assert_allclose(model.predict(ids, verbose=0), want, rtol=1e-5)


def test_a_mask_that_ends_is_said_at_build_time():
    def lost(**settings):
        x = strop.Input((4,))
        return strop.Model(x, Dense(1)(Flatten()(Embedding(6, 3, **settings)(x))))

    text = "build: the mask of 'embedding' ends at Flatten 'flatten', which cannot use it"
    with pytest.warns(UserWarning, match=f"^{re.escape(text)}$"):
        lost(mask_zero=True)
    lost()
    with pytest.warns(UserWarning, match=f"^{re.escape(text)}$"):
        strop.Sequential([strop.Input((4,)), Embedding(6, 3, mask_zero=True), Flatten(), Dense(1)])
    x = strop.Input((4,))
    masked, plain = Embedding(6, 3, mask_zero=True)(x), Embedding(6, 3)(x)
    text = "build: the mask of 'embedding' ends at Add 'add', whose other inputs have none"
    with pytest.warns(UserWarning, match=f"^{re.escape(text)}$"):
        strop.Model(x, Add()([masked, plain]))


# ---- config and files ----------------------------------------------------------


def test_saved_and_loaded_bit_for_bit(tmp_path, rng):
    strop.utils.set_random_seed(3)
    x = strop.Input((4,), name="table")
    shared = Dense(4, activation="relu", activity_regularizer="l1")
    h = Dropout(0.3)(shared(x))
    model = strop.Model(x, Dense(2)(Concatenate()([shared(h), x])), name="graph")
    data, y = rng.normal(size=(30, 4)), rng.normal(size=(30, 2))
    model.compile(optimizer="adam", loss="mse", metrics=["mae"])
    model.fit(data, y, epochs=2, verbose=0)
    model.save(tmp_path / "m.safetensors")
    states = strop._random.get_state()
    model.fit(data, y, epochs=2, verbose=0)
    again = load_model(tmp_path / "m.safetensors")
    assert type(again) is strop.Model
    assert again.get_config() == model.get_config() == json.loads(model.to_json())
    assert again.input.name == "table"
    assert strop._random.get_state() == states
    again.fit(data, y, epochs=2, verbose=0)
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(model.predict(data, verbose=0), again.predict(data, verbose=0))
    again.save_weights(tmp_path / "w.safetensors")
    other = strop.Model.from_config(model.get_config())
    assert other.load_weights(tmp_path / "w.safetensors") == []
    np.testing.assert_array_equal(other.predict(data, verbose=0), model.predict(data, verbose=0))


HOSTILE = {
    "inputs of 'dense' must be tensors in [0, 1); got [1]": lambda c: c["calls"][0].update(inputs=[1]),
    "inputs of 'dense' must be tensors in [0, 1); got [-1]": lambda c: c["calls"][0].update(inputs=[-1]),
    "inputs of 'dense' must be tensors in [0, 1); got []": lambda c: c["calls"][0].update(inputs=[]),
    "inputs of 'dense' must be tensors in [0, 1); got ['0']": lambda c: c["calls"][0].update(inputs=["0"]),
    "inputs of 'dense' must be tensors in [0, 1); got [True]": lambda c: c["calls"][0].update(inputs=[True]),
    "calls must name layers of the model; got 'dance'": lambda c: c["calls"][0].update(layer="dance"),
    "calls must name layers of the model; got ['dense']": lambda c: c["calls"][0].update(layer=["dense"]),
    "inputs must be a list; got str": lambda c: c.update(inputs="x"),
    "calls must be a list; got dict": lambda c: c.update(calls={}),
    "layers must be a list; got int": lambda c: c.update(layers=3),
    "layer classes must be known or in custom_objects; got 'os.system'": lambda c: c["layers"][0].update(
        {"class": "os.system"}
    ),
    "shape of an input must be a list of sizes; got [-1]": lambda c: c["inputs"][0].update(shape=[-1]),
    "shape of an input must be a list of sizes; got [4.0]": lambda c: c["inputs"][0].update(shape=[4.0]),
    "calls must all lead to the output; got some that do not": lambda c: c["calls"].append(
        {"layer": "dense", "inputs": [0]}
    ),
    "calls must have at most 100000 inputs in all; got more": lambda c: c["calls"][1].update(
        inputs=[0] * 100_001
    ),
}


@pytest.mark.parametrize(("text", "edit"), HOSTILE.items())
def test_a_hostile_config_is_refused(text, edit, tmp_path):
    config = residual().get_config()
    assert [call["layer"] for call in config["calls"]] == ["dense", "add", "dense_1"]
    edit(config)
    with pytest.raises(ValueError, match=f"^from_config: {re.escape(text)}"):
        strop.Model.from_config(config)


def test_ten_thousand_layers_deep():
    x = tensor = strop.Input((2,))
    for _ in range(2000):
        tensor = Activation("relu")(tensor)
    model = strop.Model(x, Add()([x, tensor]))
    np.testing.assert_array_equal(model.predict([[1.0, -1]], verbose=0), [[2.0, -1]])
    assert strop.Model.from_config(model.get_config()).get_config() == model.get_config()


# ---- looking -------------------------------------------------------------------


def test_the_summary_has_the_connections():
    lines = []
    residual().summary(print_fn=lines.append)
    assert [line.split() for line in lines[4:8]] == [
        ["input", "(Input)", "(None,", "4)", "0"],
        ["dense", "(Dense)", "(None,", "4)", "20", "input"],
        ["add", "(Add)", "(None,", "4)", "0", "input,", "dense"],
        ["dense_1", "(Dense)", "(None,", "2)", "10", "add"],
    ]
    assert "Connected to" in lines[2]
    assert lines[-3:] == ["Total params: 30", "Trainable params: 30", "Frozen params: 0"]


# ---- refused -------------------------------------------------------------------


def drawn():
    x = strop.Input((3,))
    return x, Dense(4)(x)


def called_twice(layer, first, second):
    layer(first)
    layer(second)


REFUSED = {
    "Dense 'twice': inputs must have last axis 3; got shape (None, 4) from 'dense'": lambda: called_twice(
        Dense(5, name="twice"), *drawn()
    ),
    "Add 'add': inputs must have shapes that broadcast; got shapes (None, 3) and (None, 4) from 'input' and "
    "'dense'": lambda: Add()(list(drawn())),
    "Add 'add': inputs must be a list of tensors; got shape (None, 3) from 'input'": lambda: Add()(
        drawn()[0]
    ),
    "Dense 'dense': inputs must be one tensor; got 2 from 'input' and 'dense'": lambda: Dense(2)(
        list(drawn())
    ),
    "Embedding 'embedding': ids must come from outside; got the output of 'dense'": lambda: Embedding(3, 2)(
        drawn()[1]
    ),
    "GlobalAveragePooling1D 'global_average_pooling1d': inputs must have 3 axes (batch, steps, features); "
    "got shape (None, 4) "
    "from 'dense'": lambda: GlobalAveragePooling1D()(drawn()[1]),
    "Model: inputs must be different tensors; got 'input' twice": (
        lambda: (lambda x, y: strop.Model([x, x], y))(*drawn())
    ),
    "Model: outputs must come from a layer; got an input itself": lambda: strop.Model(
        *[strop.Input((3,))] * 2
    ),
    "Model: inputs must hold every Input that outputs come from; got them without 'input'": lambda: (
        strop.Model(strop.Input((3,)), drawn()[1])
    ),
    "Model: layers on 'input' must all read ids, or all numbers; got Dense 'dense' and Embedding 'embedding'": (
        lambda: (lambda x: strop.Model(x, Concatenate()([Dense(2)(x), Flatten()(Embedding(5, 2)(x))])))(
            strop.Input((3,))
        )
    ),
    "SimpleRNN 'simplernn': outputs must be one tensor within a Sequential; got 2; "
    "draw a Model for the others": (
        lambda: strop.Sequential([strop.Input((4, 3)), strop.layers.SimpleRNN(2, return_state=True)])
    ),
    "Model: layer names must be unique; got 'a' twice": lambda: (
        lambda x: strop.Model(x, Dense(2, name="a")(Dense(2, name="a")(x)))
    )(strop.Input((3,))),
}


@pytest.mark.parametrize(("text", "call"), REFUSED.items())
def test_a_drawing_is_refused(text, call):
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        call()


@pytest.mark.parametrize(
    ("text", "call"),
    {
        "Model: inputs must be symbolic tensors, as strop.Input gives and layers make of them; got int": (
            lambda: strop.Model(3, drawn()[1])
        ),
        "Add 'add': inputs must all be symbolic tensors; got ndarray": lambda: Add()(
            [drawn()[0], np.ones(3)]
        ),
        "numpy: array must hold numbers; got a symbolic tensor of shape (None, 4); call a layer on it, and the "
        "model on an array": lambda: np.asarray(drawn()[1]),
    }.items(),
)
def test_what_is_no_tensor_is_refused(text, call):
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        call()


def test_a_layers_own_error_gets_its_name_and_where_the_input_came_from():
    class Picky(strop.layers.Layer):
        def build(self, input_shape):
            raise ValueError("an even number of features is needed")

    x = strop.Input((3,))
    text = "Picky 'picky': an even number of features is needed; got shape (None, 4) from 'dense'"
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        Picky()(Dense(4)(x))
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        strop.Sequential([strop.Input((3,)), Dense(4), Picky()])


def test_recurrent_layers_in_a_graph_are_saved_and_take_other_lengths(tmp_path, rng):
    from strop.layers import LSTM, Bidirectional, TimeDistributed

    x = strop.Input((None, 4))
    both = Bidirectional(LSTM(2, return_sequences=True))
    rows = TimeDistributed(Dense(4))(both(x))
    model = strop.Model(x, Dense(1)(GlobalAveragePooling1D()(Add()([rows, both(rows)]))))
    data = rng.normal(size=(6, 5, 4)).astype("float32")
    model.compile(optimizer="adam", loss="mse")
    model.fit(data, data[:, 0, 0], verbose=0)
    model.save(tmp_path / "m.safetensors")
    again = load_model(tmp_path / "m.safetensors")
    for length in (5, 2):
        want = model.predict(data[:, :length], verbose=0)
        np.testing.assert_array_equal(again.predict(data[:, :length], verbose=0), want)
