"""Models of several inputs and outputs: every way to give data, names, messages, files."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import strop
from strop.layers import (
    GRU,
    LSTM,
    Activation,
    Add,
    Bidirectional,
    Concatenate,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePooling1D,
    TimeDistributed,
)
from strop.models import load_model

N = 40


def two_in(dtype=None):
    """Numbers and ids."""
    a, b = strop.Input((3,), name="a"), strop.Input((4,), name="b")
    words = GlobalAveragePooling1D()(Embedding(9, 2, mask_zero=True)(b))
    return strop.Model([a, b], Dense(1)(Concatenate()([Dense(2, activation="relu")(a), words])))


def two_out(named=False):
    x = strop.Input((3,), name="x")
    h = Dense(4, activation="relu")(x)
    kind, size = Dense(3, activation="softmax", name="kind")(h), Dense(1, name="size")(h)
    return strop.Model(x, {"kind": kind, "size": size} if named else [kind, size])


def compiled(model, **settings):
    strop.utils.set_random_seed(4)
    model.set_weights([np.cos(np.arange(w.size)).reshape(w.shape) for w in model.get_weights()])
    model.compile(**{"optimizer": strop.optimizers.Adam(0.05)} | settings)
    return model


@pytest.fixture
def x(rng):
    return {"a": rng.normal(size=(N, 3)).astype("float32"), "b": rng.integers(0, 9, (N, 4))}


@pytest.fixture
def y(rng):
    return {"kind": rng.integers(0, 3, N), "size": rng.normal(size=(N, 1)).astype("float32")}


def batches(x, y, size=16):
    count = len(next(iter(y.values()))) if isinstance(y, dict) else len(y)

    def cut(value, i):
        if isinstance(value, dict):
            return {name: cut(array, i) for name, array in value.items()}
        if isinstance(value, tuple):
            return tuple(cut(array, i) for array in value)
        return value[i : i + size]

    for i in range(0, count, size):
        yield cut(x, i), cut(y, i)


# ---- every way to give them ----------------------------------------------------


def test_inputs_in_every_form_train_to_the_same_bits(x, rng, tmp_path):
    target = rng.normal(size=N).astype("float32")
    maps = {}
    for name, array in x.items():
        array = array.astype("float64" if name == "a" else "int16")  # must be converted: read batch by batch
        np.save(tmp_path / f"{name}.npy", array)
        maps[name] = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
    listed, swapped = list(x.values()), {"b": x["b"], "a": x["a"]}
    ways = {
        "list": lambda: ((listed, target), {}),
        "tuple": lambda: ((tuple(listed), target), {}),
        "dict": lambda: ((swapped, target), {}),
        "nested lists": lambda: (([a.tolist() for a in listed], target.tolist()), {}),
        "maps": lambda: ((maps, target), {}),
        "maps in a list": lambda: ((list(maps.values()), target), {}),
        "generator": lambda: ((batches(tuple(listed), target, 32),), {"batch_size": None}),
        "generator of dicts": lambda: ((batches(swapped, target, 32),), {"batch_size": None}),
        "dataset": lambda: (
            (strop.data.Dataset.from_tensor_slices((tuple(listed), target)).batch(32),),
            {"batch_size": None},
        ),
        "dataset of dicts": lambda: (
            (strop.data.Dataset.from_tensor_slices((swapped, target)).batch(32),),
            {"batch_size": None},
        ),
    }
    runs = {}
    for name, way in ways.items():
        model = compiled(two_in(), loss="mse")
        args, settings = way()
        model.fit(*args, **{"batch_size": 32, "shuffle": False, "verbose": 0} | settings)
        runs[name] = model.get_weights()
        x_given = args[0] if len(args) == 2 else listed
        np.testing.assert_array_equal(model.predict(x_given, verbose=0), model.predict(listed, verbose=0))
        assert model.evaluate(x_given, target, verbose=0) == model.evaluate(listed, target, verbose=0)
    for name, weights in runs.items():
        for got, want in zip(weights, runs["list"], strict=True):
            np.testing.assert_array_equal(got, want, err_msg=name)


def test_files_are_shuffled_as_arrays_are(x, rng, tmp_path):
    target = rng.normal(size=N).astype("float32")
    np.save(tmp_path / "a.npy", x["a"].astype("float64"))
    runs = []
    for a in (x["a"], np.load(tmp_path / "a.npy", mmap_mode="r")):
        model = compiled(two_in(), loss="mse")
        history = model.fit(
            [a, x["b"]], target, batch_size=7, epochs=2, validation_split=0.25, verbose=0
        ).history
        runs.append([*model.get_weights(), np.array(list(history.values()))])
    for one, two in zip(*runs, strict=True):
        np.testing.assert_array_equal(one, two)


def test_targets_in_every_form_train_to_the_same_bits(x, y):
    losses = {"kind": "sparse_categorical_crossentropy", "size": "mse"}
    listed = list(y.values())
    weight = np.linspace(0, 2, N)
    ways = {
        "list": lambda: ((x["a"], listed), {"sample_weight": [weight, weight]}),
        "tuple": lambda: ((x["a"], tuple(listed)), {"sample_weight": (weight, weight)}),
        "dict": lambda: ((x["a"], {"size": y["size"], "kind": y["kind"]}), {"sample_weight": weight}),
        "by name": lambda: ((x["a"], y), {"sample_weight": {"size": weight, "kind": weight}}),
        "list of numbers": lambda: ((x["a"], y), {"sample_weight": weight.tolist()}),
        "generator": lambda: (
            (((*pair, weight[i * 32 : i * 32 + 32]) for i, pair in enumerate(batches(x["a"], y, 32))),),
            {"batch_size": None},
        ),
    }
    runs = {}
    for name, way in ways.items():
        for named in (False, True):
            model = compiled(two_out(named), loss=losses, loss_weights={"size": 0.5})
            args, settings = way()
            model.fit(*args, **{"batch_size": 32, "shuffle": False, "verbose": 0} | settings)
            runs[name, named] = model.get_weights()
    for name, weights in runs.items():
        for got, want in zip(weights, runs["list", False], strict=True):
            np.testing.assert_array_equal(got, want, err_msg=str(name))


def test_names_of_the_history_of_evaluate_and_of_predict(x, y):
    model = compiled(
        two_out(),
        loss=["sparse_categorical_crossentropy", "mse"],
        metrics={"kind": ["accuracy"], "size": "mae"},
        weighted_metrics=[["accuracy"], None],
    )
    names = ["loss", "kind_loss", "size_loss", "kind_accuracy", "kind_weighted_accuracy", "size_mae"]
    listed = list(y.values())
    history = model.fit(x["a"], listed, epochs=2, validation_data=(x["a"], y), verbose=0).history
    assert list(history) == [*names, *(f"val_{name}" for name in names)]
    assert model.metrics_names == names
    values = model.evaluate(x["a"], y, verbose=0)
    assert model.evaluate(x["a"], y, verbose=0, return_dict=True) == dict(zip(names, values, strict=True))
    assert values[0] == pytest.approx(values[1] + values[2])
    assert values == pytest.approx([history[f"val_{name}"][-1] for name in names])
    kind, size = model.predict(x["a"], verbose=0)
    assert (kind.shape, size.shape) == ((N, 3), (N, 1))
    assert values[3] == pytest.approx(np.mean(kind.argmax(1) == y["kind"]))
    assert values[2] == pytest.approx(np.mean((size - y["size"]) ** 2), rel=1e-5)
    np.testing.assert_allclose(kind.sum(axis=1), 1, rtol=1e-6)
    for given in (model(x["a"][:5]), model.predict_on_batch(x["a"][:5])):
        assert isinstance(given, list)
        np.testing.assert_allclose(given[0], kind[:5], rtol=1e-6)
    assert [part.shape for part in model.predict(x["a"][:0], verbose=0)] == [(0, 3), (0, 1)]
    assert [part.shape for part in model.predict(x["a"], steps=2, batch_size=3, verbose=0)] == [
        (6, 3),
        (6, 1),
    ]
    named = two_out(named=True).predict(batches(x["a"], y["kind"]), verbose=0)
    assert {key: part.shape for key, part in named.items()} == {"kind": (N, 3), "size": (N, 1)}


def test_the_epochs_loss_is_weighted_by_batch_size_and_has_penalties(x, y):
    """With weights that stand still, the mean over short and long batches is that over all samples."""
    model = two_out()
    h = model.get_layer("dense")
    h.trainable = False
    model = compiled(
        strop.Model(model.input, model.output), optimizer=strop.optimizers.SGD(0.0), loss=["mse", "mae"]
    )
    kinds = np.eye(3, dtype="float32")[y["kind"]]
    logs = model.fit(x["a"], [kinds, y["size"]], batch_size=7, verbose=0).history
    kind, size = model.predict(x["a"], verbose=0)
    assert logs["kind_loss"][0] == pytest.approx(np.mean((kind - kinds) ** 2), rel=1e-5)
    assert logs["size_loss"][0] == pytest.approx(np.mean(abs(size - y["size"])), rel=1e-5)
    assert logs["loss"][0] == pytest.approx(logs["kind_loss"][0] + logs["size_loss"][0])


def test_an_output_without_a_loss_is_not_trained(x, y):
    for loss in (["sparse_categorical_crossentropy", None], {"kind": "sparse_categorical_crossentropy"}):
        for target in ([y["kind"]], {"kind": y["kind"]}, [y["kind"], None], [y["kind"], y["size"]]):
            model = compiled(two_out(), loss=loss, metrics={"kind": ["accuracy"]})
            before = model.get_layer("size").get_weights()
            history = model.fit(x["a"], target, epochs=3, verbose=0).history
            assert list(history) == ["loss", "kind_accuracy"]
            assert history["loss"][-1] < history["loss"][0]
            np.testing.assert_array_equal(model.get_layer("size").get_weights()[0], before[0])


def test_loss_weights_of_one_output_scale_loss_and_gradient(x, rng):
    target = rng.normal(size=(N, 1)).astype("float32")
    runs = []
    for factor, rate in ((0.5, 0.2), (None, 0.1), ([0.25], 0.4), ({"dense": 2}, 0.05)):
        data = strop.Input((3,))
        model = strop.Model(data, Dense(1)(data))
        model = compiled(model, optimizer=strop.optimizers.SGD(rate), loss="mse", loss_weights=factor)
        loss = model.fit(x["a"], target, shuffle=False, verbose=0).history["loss"][0]
        runs.append((loss / {0.2: 0.5, 0.1: 1, 0.4: 0.25, 0.05: 2}[rate], model.get_weights()))
    for loss, weights in runs[1:]:
        assert loss == pytest.approx(runs[0][0], rel=1e-6)
        np.testing.assert_allclose(weights[0], runs[0][1][0], rtol=1e-5)
    one = compiled(strop.Sequential([strop.Input((3,)), Dense(1)]), loss="mse", loss_weights=0.5)
    assert one.evaluate(x["a"], target, verbose=0) == pytest.approx(
        0.5 * np.mean((one.predict(x["a"], verbose=0) - target) ** 2), rel=1e-5
    )


# ---- graphs --------------------------------------------------------------------


def test_an_output_that_is_read_on_keeps_its_activation(rng):
    """Its activation must not join the loss: the layer behind reads probabilities, not logits."""
    x = strop.Input((3,))
    first = Dense(1, activation="sigmoid", name="first")(x)
    model = strop.Model(x, [first, Dense(1, name="second")(first)])
    model = compiled(model, loss=["binary_crossentropy", "mse"])
    data = rng.normal(size=(8, 3)).astype("float32")
    kernel, bias, other, end = model.get_weights()
    want = 1 / (1 + np.exp(-(data @ kernel + bias)))
    one, two = model.predict(data, verbose=0)
    np.testing.assert_allclose(one, want, rtol=1e-5)
    np.testing.assert_allclose(two, want @ other + end, rtol=1e-5)
    labels = (data[:, 0] > 0).astype("float32")
    losses = model.fit(data, [labels, data[:, 1]], epochs=60, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_one_tensor_may_be_an_output_twice(x):
    data = strop.Input((3,))
    h = Dense(2, name="h")(data)
    model = compiled(strop.Model(data, [h, h]), loss="mse", metrics=[["mae"], ["mae"]])
    target = np.zeros((N, 2))
    logs = model.train_on_batch(x["a"], [target, target], return_dict=True)
    assert list(logs) == ["loss", "h_loss", "h_1_loss", "h_mae", "h_1_mae"]
    assert logs["loss"] == pytest.approx(2 * logs["h_loss"])


def test_features_of_a_layer_are_those_of_the_model(rng):
    data = rng.normal(size=(6, 3)).astype("float32")
    x = strop.Input((3,))
    h = Dense(4, activation="relu", name="code")(x)
    models = [
        strop.Model(x, Dense(1)(h)),
        strop.Sequential([strop.Input((3,)), Dense(4, activation="relu", name="code"), Dense(1)]),
        strop.Sequential([Dense(4, activation="relu", name="code"), Dense(1)]),
    ]
    models[2].build((None, 3))
    for model in models:
        layer = model.get_layer("code")
        for inputs in (model.input, model.inputs, layer.input):
            features = strop.Model(inputs=inputs, outputs=layer.output)
            kernel, bias = layer.get_weights()
            got = features.predict(data, verbose=0)
            np.testing.assert_allclose(got, np.maximum(data @ kernel + bias, 0), rtol=1e-5, atol=1e-6)
        both = strop.Model(model.input, [layer.output, model.output]).predict(data, verbose=0)
        np.testing.assert_array_equal(both[1], model.predict(data, verbose=0))
        assert isinstance(strop.Model(model.inputs, model.outputs).predict(data, verbose=0), list)
    sequential = models[1]
    sequential.pop()
    assert sequential.output is sequential.layers[-1].output
    with pytest.raises(
        ValueError, match=r"^inputs: model must be built; call build, or start the model with an Input$"
    ):
        strop.Sequential([Dense(3)]).inputs  # noqa: B018
    text = "Dense 'dense': output must be that of a layer in a model; got one that was called on no symbolic tensor"
    with pytest.raises(ValueError, match=f"^{text}$"):
        Dense(3).output  # noqa: B018


def test_a_model_of_several_is_called_on_tensors(x, rng):
    inner = two_in()
    a, b = strop.Input((3,), name="left"), strop.Input((4,), name="right")
    for given in ([a, b], {"b": b, "a": a}):
        outer = strop.Model([a, b], Add()([inner(given), inner([a, b])]))
        got = outer.predict({"left": x["a"], "right": x["b"]}, verbose=0)
        np.testing.assert_allclose(got, 2 * inner.predict([x["a"], x["b"]], verbose=0), rtol=1e-6)
    outputs = two_out(named=True)(strop.Input((3,)))
    assert list(outputs) == ["kind", "size"]
    assert isinstance(two_out()(strop.Input((3,))), list)


def decoder(**settings):
    a, b = strop.Input((None, 3), name="text"), strop.Input((None, 3), name="answer")
    _, *states = LSTM(5, return_state=True, **settings)(a)
    steps = LSTM(5, return_sequences=True, **settings)(b, initial_state=states)
    return strop.Model([a, b], TimeDistributed(Dense(4, activation="softmax"))(steps))


def test_the_states_of_a_trained_network_write_step_by_step(rng):
    """Keras' seq2seq example: encoder and decoder drawn anew from the layers of the model that was trained."""
    model = decoder()
    first, second = (layer for layer in model.layers if isinstance(layer, LSTM))
    last = model.layers[-1]
    x = [rng.normal(size=(2, 6, 3)).astype("float32"), rng.normal(size=(2, 4, 3)).astype("float32")]
    want = model.predict(x, verbose=0)
    encoder = strop.Model(model.input[0], first.output[1:])
    h, c = strop.Input((5,), name="h"), strop.Input((5,), name="c")
    step = strop.Input((1, 3), name="step")
    second.return_state = True
    y, *ends = second(step, initial_state=[h, c])
    writer = strop.Model([step, h, c], [last(y), *ends])
    states = encoder.predict(x[0], verbose=0)
    for t in range(4):
        made, *states = writer.predict([x[1][:, t : t + 1], *states], verbose=0)
        np.testing.assert_allclose(made[:, 0], want[:, t], rtol=1e-5, atol=1e-6)


def test_a_mask_of_the_sequence_reaches_the_next_layer_beside_states(rng):
    ids = strop.Input((None,), name="ids")
    rows = Embedding(7, 3, mask_zero=True)(ids)
    y, h = GRU(4, return_sequences=True, return_state=True)(rows)
    z = GRU(2)(y, initial_state=Dense(2)(h))
    model = strop.Model(ids, z)
    short, long = np.array([[1, 2]]), np.array([[1, 2, 0, 0]])
    np.testing.assert_allclose(model.predict(long, verbose=0), model.predict(short, verbose=0), rtol=1e-6)


def test_penalties_on_several_outputs_and_on_an_output_without_a_loss(x):
    data = strop.Input((None, 2))
    y, h = GRU(3, return_sequences=True, return_state=True, activity_regularizer=strop.regularizers.L2(0.1))(
        data
    )
    model = strop.Model(data, [Dense(1)(y), Dense(1)(h)])
    sequence = np.random.default_rng(0).normal(size=(4, 3, 2)).astype("float32")
    model = compiled(model, loss=[None, "mse"])
    y, h = strop.Model(data, [y, h]).predict(sequence, verbose=0)
    loss = model.evaluate(sequence, [np.zeros((4, 1))], verbose=0)
    own = np.mean(model.predict(sequence, verbose=0)[1] ** 2)
    assert loss == pytest.approx(own + 0.1 * ((y**2).sum() + (h**2).sum()) / 4, rel=1e-5)
    before = model.get_layer("gru").get_weights()[0]
    model.train_on_batch(sequence, [np.zeros((4, 1))])
    assert np.abs(model.get_layer("gru").get_weights()[0] - before).max() > 0


def test_checks_name_the_layer_of_a_branch(x, y, monkeypatch):
    monkeypatch.setenv("STROP_CHECK", "1")
    model = compiled(two_out(), loss=["sparse_categorical_crossentropy", "mse"])
    model.fit(x["a"], y, verbose=0)
    bad = model.get_layer("size").get_weights()
    model.get_layer("size").set_weights([bad[0] * np.nan, bad[1]])
    text = "an earlier step first gave nan in the weight 'size/kernel'"
    with pytest.raises(FloatingPointError, match=f"^fit: loss must be finite; got nan at step 3; {text}$"):
        model.fit(x["a"], y, verbose=0)
    recurrent = decoder()
    recurrent.compile(loss="sparse_categorical_crossentropy", optimizer="sgd")
    z = np.zeros((2, 3, 3), "float32")
    recurrent.fit([z, z], np.zeros((2, 3), int), verbose=0)


# ---- files ---------------------------------------------------------------------


def seeded():
    """Every kind of seed: of a layer, in a TimeDistributed, in both halves of a Bidirectional; two outputs by name."""
    a, b = strop.Input((4, 3), name="a"), strop.Input((2,), name="b")
    h = TimeDistributed(Dropout(0.4, seed=3))(a)
    h = Bidirectional(GRU(2, dropout=0.3, seed=5, return_state=True))(h)
    h = Concatenate()([*h, Dropout(0.2, seed=1)(b)])
    return strop.Model({"a": a, "b": b}, {"one": Dense(1)(h), "two": Dense(3, activation="softmax")(h)})


def given_to_seeded(rng):
    x = {"a": rng.normal(size=(N, 4, 3)).astype("float32"), "b": rng.normal(size=(N, 2)).astype("float32")}
    return x, {"one": rng.normal(size=N).astype("float32"), "two": rng.integers(0, 3, N)}


SETTINGS = {
    "loss": {"two": "sparse_categorical_crossentropy", "one": strop.losses.Huber(0.5)},
    "loss_weights": {"one": 0.3},
    "metrics": {"two": ["accuracy"], "one": ["mae"]},
}


def test_saved_and_loaded_it_goes_on_bit_for_bit(tmp_path, rng):
    x, y = given_to_seeded(rng)
    model = compiled(seeded(), **SETTINGS)
    model.fit(x, y, epochs=2, batch_size=8, verbose=0)
    model.save(tmp_path / "m.safetensors")
    model.fit(x, y, epochs=2, batch_size=8, verbose=0)
    again = load_model(tmp_path / "m.safetensors")
    assert again.get_config() == model.get_config() == json.loads(model.to_json())
    assert again.get_compile_config() == model.get_compile_config()
    again.fit(x, y, epochs=2, batch_size=8, verbose=0)
    for one, two in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert again.evaluate(x, y, verbose=0, return_dict=True) == model.evaluate(
        x, y, verbose=0, return_dict=True
    )
    one, two = model.predict(x, verbose=0), again.predict(x, verbose=0)
    assert list(one) == list(two) == ["one", "two"]
    other = strop.Model.from_config(model.get_config())
    model.save_weights(tmp_path / "w.safetensors")
    assert other.load_weights(tmp_path / "w.safetensors") == []
    np.testing.assert_array_equal(other.predict(x, verbose=0)["one"], one["one"])


def test_a_fit_that_was_broken_off_goes_on_bit_for_bit(tmp_path, rng):
    x, y = given_to_seeded(rng)

    class Stop(strop.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    whole = compiled(seeded(), **SETTINGS)
    whole.fit(x, y, epochs=4, batch_size=8, verbose=0)
    broken = compiled(seeded(), **SETTINGS)
    with pytest.raises(KeyboardInterrupt):
        broken.fit(
            x,
            y,
            epochs=4,
            batch_size=8,
            verbose=0,
            callbacks=[strop.callbacks.BackupAndRestore(tmp_path), Stop()],
        )
    again = compiled(seeded(), **SETTINGS)
    again.fit(x, y, epochs=4, batch_size=8, verbose=0, callbacks=[strop.callbacks.BackupAndRestore(tmp_path)])
    for one, two in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_encoder_and_decoder_are_saved_and_drawn(tmp_path, rng):
    model = decoder()
    x = [rng.normal(size=(2, 5, 3)), rng.normal(size=(2, 3, 3))]
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adam")
    model.fit(x, rng.integers(0, 4, (2, 3)), verbose=0)
    model.save(tmp_path / "m.safetensors")
    again = load_model(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(model.predict(x, verbose=0), again.predict(x, verbose=0))
    lines = []
    model.summary(print_fn=lines.append)
    rows = {line.split()[0]: line for line in lines}
    assert "(None, 5), (None, 5), (None, 5)" in rows["lstm"]
    assert rows["lstm_1"].endswith("answer, lstm, lstm")


HOSTILE = {
    "outputs must be tensors in [0, 4); got [5]": {"outputs": [5]},
    "outputs must be tensors in [0, 4); got [True]": {"outputs": [True]},
    "outputs must be tensors in [0, 4); got 3": {"outputs": 3},
    "given must be a dict of inputs and outputs; got []": {"given": []},
    "given must be None, 'list' or a key for each of 2 tensors; got ['a']": {
        "given": {"inputs": None, "outputs": ["a"]}
    },
    "given must be None, 'list' or a key for each of 2 tensors; got [1, 2]": {
        "given": {"inputs": None, "outputs": [1, 2]}
    },
    "given must be None, 'list' or a key for each of 2 tensors; got None": {
        "given": {"inputs": None, "outputs": None}
    },
}


@pytest.mark.parametrize(("text", "entries"), HOSTILE.items())
def test_a_hostile_config_is_refused(text, entries):
    config = two_out().get_config()
    config["given"]["inputs"] = None
    config |= entries
    with pytest.raises(ValueError, match=f"^{re.escape('from_config: ' + text)}$"):
        strop.Model.from_config(config)


# ---- refused -------------------------------------------------------------------

A, B = np.zeros((6, 3), "float32"), np.ones((6, 4), int)
KIND, SIZE = np.zeros(6, int), np.zeros((6, 1), "float32")
LOSSES = ["sparse_categorical_crossentropy", "mse"]

REFUSED = {
    "ValueError: fit: x must have 2 entries, for 'a' and 'b'; got 1": lambda i, o: i.fit([A], SIZE),
    "TypeError: fit: x must be a list, tuple or dict for 'a' and 'b'; got a float32 array of shape (6, 3)": (
        lambda i, o: i.fit(A, SIZE)
    ),
    "ValueError: fit: x must have 'b', too; got 'a'": lambda i, o: i.fit({"a": A}, SIZE),
    "ValueError: predict: x must have the names 'a' and 'b'; got 'bb'; did you mean 'b'": lambda i, o: (
        i.predict({"a": A, "bb": B}, verbose=0)
    ),
    "ValueError: fit: x['b'] must have as many samples as x['a'] (6); got 5": lambda i, o: i.fit(
        [A, B[:5]], SIZE
    ),
    "ValueError: fit: x['a'] must have shape (None, 3); got (6, 4)": lambda i, o: i.fit([B, B], SIZE),
    "IndexError: Embedding 'embedding': ids must lie in [0, 9); got 9 at (0, 0); input_dim is the largest id plus 1": (
        lambda i, o: i.fit([A, B + 8], SIZE)
    ),
    "ValueError: fit: y must have as many samples as x (6); got 5": lambda i, o: i.fit([A, B], SIZE[:5]),
    "ValueError: fit: validation_x['b'] must have as many samples as validation_x['a'] (6); got 2": (
        lambda i, o: i.fit([A, B], SIZE, validation_data=([A, B[:2]], SIZE))
    ),
    "ValueError: fit: y must have 2 entries, for 'kind' and 'size'; got 3": lambda i, o: o.fit(
        A, [KIND, SIZE, SIZE]
    ),
    "TypeError: fit: y must be a list, tuple or dict for 'kind' and 'size'; got a int64 array of shape (6,)": (
        lambda i, o: o.fit(A, KIND)
    ),
    "ValueError: fit: y must have 'size', which has a loss; got none": lambda i, o: o.fit(A, {"kind": KIND}),
    "ValueError: fit: y['size'] must have as many samples as x (6); got 2": lambda i, o: o.fit(
        A, [KIND, SIZE[:2]]
    ),
    "ValueError: fit: y['kind'] must lie in [0, 3) for 3 classes; got 4 at sample 0": lambda i, o: o.fit(
        A, [KIND + 4, SIZE]
    ),
    "ValueError: fit: sample_weight['size'] must have one value per sample (6); got shape (2,)": lambda i, o: (
        o.fit(A, [KIND, SIZE], sample_weight={"size": np.ones(2)})
    ),
    "ValueError: fit: class_weight must be None for a model of several outputs; got dict; use sample_weight": (
        lambda i, o: o.fit(A, [KIND, SIZE], class_weight={0: 2})
    ),
    "ValueError: fit: batch 1: x['b'] must have as many samples as x['a'] (6); got 2": lambda i, o: i.fit(
        iter([((A, B), SIZE), ((A, B[:2]), SIZE)])
    ),
    "ValueError: compile: loss must have 2 entries, for 'kind' and 'size'; got 3": lambda i, o: o.compile(
        loss=["mse"] * 3
    ),
    "ValueError: compile: loss must have the names 'kind' and 'size'; got 'seize'; did you mean 'size'": (
        lambda i, o: o.compile(loss={"seize": "mse"})
    ),
    "TypeError: compile: loss_weights must be a list, tuple or dict for 'kind' and 'size'; got float": (
        lambda i, o: o.compile(loss="mse", loss_weights=0.5)
    ),
    "TypeError: compile: loss_weights must be one number; got str": lambda i, o: o.compile(
        loss="mse", loss_weights=["1", 2]
    ),
    "ValueError: compile: loss_weights must be finite; got nan": lambda i, o: i.compile(
        loss="mse", loss_weights=float("nan")
    ),
    "ValueError: compile: metrics must have 2 entries, for 'kind' and 'size'; got 1": lambda i, o: o.compile(
        loss="mse", metrics=["mae"]
    ),
    "TypeError: compile: metrics must be a list or dict by output; got str": lambda i, o: o.compile(
        loss="mse", metrics="mae"
    ),
    "ValueError: compile: metrics must be of outputs with a loss; got some of 'size'": lambda i, o: o.compile(
        loss=["mse", None], metrics=[[], ["mae"]]
    ),
    "ValueError: fit: model must be compiled with a loss; got None": lambda i, o: (
        o.compile(loss=[None, None]),
        o.fit(A, [KIND, SIZE]),
    ),
    "ValueError: Model: inputs must have names of their own; got 'a' twice": lambda i, o: strop.Model(
        [strop.Input((2,), name="a"), strop.Input((2,), name="a")], i.output
    ),
    "ValueError: Model: inputs must lead to outputs; got 'other', which does not": lambda i, o: strop.Model(
        [o.input, strop.Input((2,), name="other")], o.output
    ),
    "ValueError: Model: outputs must hold a tensor; got an empty list": lambda i, o: strop.Model(o.input, []),
    "TypeError: Model: keys of inputs must be texts; got int": lambda i, o: strop.Model(
        {1: o.input}, o.output
    ),
    "ValueError: LSTM 'two': inputs must be a sequence and 2 initial states; got 1 from 'dense'": (
        lambda i, o: LSTM(3, name="two")(strop.Input((4, 2)), initial_state=Dense(3)(strop.Input((2,))))
    ),
    "ValueError: GRU 'two': initial states must have shape (None, 3); got (None, 4) from 'dense'": (
        lambda i, o: GRU(3, name="two")(strop.Input((4, 2)), initial_state=Dense(4)(strop.Input((2,))))
    ),
    "TypeError: GRU 'two': inputs must all be symbolic tensors; got ndarray": lambda i, o: GRU(3, name="two")(
        strop.Input((4, 2)), initial_state=np.zeros((1, 3))
    ),
}


@pytest.mark.parametrize(("text", "call"), REFUSED.items())
def test_what_does_not_fit_is_refused_before_anything_is_written(text, call):
    inputs, outputs = compiled(two_in(), loss="mse"), compiled(two_out(), loss=LOSSES)
    before = [*inputs.get_weights(), *outputs.get_weights()]
    kind, _, words = text.partition(": ")
    strop.utils.set_random_seed(1)
    with pytest.raises(Exception, match=f"^{re.escape(words)}$") as caught:
        call(inputs, outputs)
    assert type(caught.value).__name__ == kind
    if "batch 1" not in text:
        for one, two in zip(before, [*inputs.get_weights(), *outputs.get_weights()], strict=True):
            np.testing.assert_array_equal(one, two)


def test_one_input_comes_in_a_list_or_by_its_name(x):
    data = strop.Input((3,), name="table")
    model = compiled(
        strop.Model(data, Dense(1, name="out")(data)), loss={"out": "mse"}, metrics={"out": ["mae"]}
    )
    want = model.predict(x["a"], verbose=0)
    for given in ([x["a"]], (x["a"],), {"table": x["a"]}):
        np.testing.assert_array_equal(model.predict(given, verbose=0), want)
        model.fit(given, {"out": want}, verbose=0)
        model.fit(given, [want], verbose=0)
    with pytest.raises(
        ValueError, match=r"^predict: x must have the names 'table'; got 'tables'; did you mean"
    ):
        model.predict({"tables": x["a"]}, verbose=0)
    assert isinstance(strop.Model(data, [model.output]).predict(x["a"], verbose=0), list)


def test_two_readers_of_one_input_of_ids_are_both_checked():
    ids = strop.Input((2,))
    model = strop.Model(
        ids, Concatenate()([Flatten()(Embedding(9, 2)(ids)), Flatten()(Embedding(4, 2)(ids))])
    )
    with pytest.raises(IndexError, match=r"^Embedding 'embedding_1': ids must lie in \[0, 4\)"):
        model.predict(np.array([[5, 0]]), verbose=0)


def test_activations_behind_a_layer_with_states(rng):
    data = strop.Input((3, 2))
    y, h = GRU(3, return_state=True)(data)
    model = strop.Model(data, Add()([Activation("relu")(y), Activation("relu")(h)]))
    sequence = rng.normal(size=(4, 3, 2))
    y, h = strop.Model(data, [y, h]).predict(sequence, verbose=0)
    np.testing.assert_allclose(
        model.predict(sequence, verbose=0), np.maximum(y, 0) + np.maximum(h, 0), rtol=1e-6
    )


def test_it_is_drawn_as_a_picture_with_one_arrow_for_all_states():
    pytest.importorskip("matplotlib").use("Agg")
    ax = strop.plot.network(decoder())
    titles = [text.get_text().split("\n")[0] for text in ax.texts if text.get_text()]
    assert titles[:2] == ["text (Input)", "answer (Input)"]
    assert len([text for text in ax.texts if not text.get_text()]) == len(
        {"text", "answer", "lstm", "lstm_1"}
    )
