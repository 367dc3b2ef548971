"""SimpleRNN, LSTM, GRU and what wraps them: meanings, masks, states, refused settings."""

from __future__ import annotations

import numpy as np
import pytest

import strop
from cases import recurrent as cases
from strop import layers, ops
from strop.layers import GRU, LSTM, Bidirectional, Dense, Dropout, Masking, SimpleRNN, TimeDistributed

MAKERS = {
    "simple_rnn": SimpleRNN,
    "lstm": LSTM,
    "gru": GRU,
    "gru_reset_before": lambda *a, **k: GRU(*a, reset_after=False, **k),
}

#: Layers of one unit with their weights, and what they give for x = 1, 2.
EXAMPLES = {
    "simple_rnn": ([[0.5]], [[0.25]], [0.1], [0.5370495670, 0.8438112436]),
    "lstm": ([[0.1, 0.2, 0.3, 0.4]], [[0.5, 0.6, 0.7, 0.8]], [0, 1, 0, 0], [0.0908519395, 0.2974581154]),
    "gru": (
        [[0.1, 0.2, 0.3]],
        [[0.4, 0.5, 0.6]],
        [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]],
        [0.2737407467, 0.4677815507],
    ),
    "gru_reset_before": ([[0.1, 0.2, 0.3]], [[0.4, 0.5, 0.6]], [0.1, 0.2, 0.3], [0.2417614568, 0.4503814626]),
}


def built(layer, shape, rng=None):
    """The layer with random weights for inputs of a shape."""
    layer.build_once((None, *shape[1:]))
    rng = rng or np.random.default_rng(1)
    layer.set_weights([rng.normal(size=w.shape) * 0.5 for w in layer.get_weights()])
    return layer


def running_sum(**settings):
    """A SimpleRNN that adds up its inputs."""
    layer = SimpleRNN(1, "linear", use_bias=False, **settings)
    layer.build_once((None, None, 1))
    layer.set_weights([np.ones((1, 1)), np.ones((1, 1))])
    return layer


@pytest.mark.parametrize("cell", EXAMPLES)
def test_one_unit_gives_what_its_formula_says(cell):
    *weights, want = EXAMPLES[cell]
    layer = MAKERS[cell](1, return_sequences=True, return_state=True, dtype="float64")
    layer.build_once((None, None, 1))
    layer.set_weights([np.array(w) for w in weights])
    out, *states = layer(np.array([[[1.0], [2.0]]]))
    np.testing.assert_allclose(out.ravel(), want, rtol=0, atol=1e-10)
    np.testing.assert_array_equal(states[0], out[:, -1])
    if cell == "lstm":
        np.testing.assert_allclose(states[1].item(), 0.4498125695, rtol=0, atol=1e-10)


def test_weights_are_in_keras_order_with_the_forget_bias_at_one():
    layer = LSTM(3)
    layer.build_once((None, None, 2))
    assert [v.name for v in layer.variables] == ["kernel", "recurrent_kernel", "bias"]
    assert [w.shape for w in layer.get_weights()] == [(2, 12), (3, 12), (12,)]
    np.testing.assert_array_equal(layer.get_weights()[2], [0] * 3 + [1] * 3 + [0] * 6)
    plain = LSTM(3, unit_forget_bias=False, bias_initializer="ones")
    plain.build_once((None, None, 2))
    np.testing.assert_array_equal(plain.get_weights()[2], np.ones(12))
    shapes = {"gru": (2, 9), "gru_reset_before": (9,), "simple_rnn": (3,)}
    for cell, shape in shapes.items():
        layer = MAKERS[cell](3)
        layer.build_once((None, None, 2))
        assert layer.get_weights()[2].shape == shape


@pytest.mark.parametrize("cell", cases.CELLS)
def test_pre_post_and_unpadded_rows_end_equal_and_an_all_pad_row_gives_zeros(cell, rng):
    layer = built(MAKERS[cell](5, return_sequences=True), (1, 4, 3))
    x = rng.normal(size=(1, 3, 3))
    pad = np.full((1, 2, 3), 9.0)
    rows = [np.concatenate(parts, axis=1) for parts in ((pad, x), (x, pad), (pad + 1, x))]
    masks = [[0, 0, 1, 1, 1], [1, 1, 1, 0, 0], [0, 0, 1, 1, 1]]
    out = layer(np.concatenate([*rows, rows[0]]), mask=np.array([*masks, [0] * 5], bool))
    want = layer(x)[:, -1]
    for row in out[:3]:
        np.testing.assert_allclose(row[-1:], want, rtol=1e-6)
    np.testing.assert_array_equal(out[1, 3:], np.repeat(out[1, 2:3], 2, axis=0))
    assert (out[0, :2] == 0).all()
    assert (out[3] == 0).all()


def test_go_backwards_gives_the_order_of_processing():
    x = np.array([[[1.0], [2.0], [3.0]]])
    assert running_sum(return_sequences=True, go_backwards=True)(x).ravel().tolist() == [3, 5, 6]


def test_bidirectional_turns_its_backward_half_round():
    x = np.array([[[1.0], [2.0], [3.0]]])
    layer = Bidirectional(running_sum(return_sequences=True), weights=[np.ones((1, 1))] * 4)
    assert layer(x).tolist() == [[[1, 6], [3, 5], [6, 3]]]
    last = Bidirectional(running_sum(), weights=[np.ones((1, 1))] * 4)
    assert last(x).tolist() == [[6, 6]]
    assert [v.path for v in layer.variables] == [
        "bidirectional/forward_kernel",
        "bidirectional/forward_recurrent_kernel",
        "bidirectional/backward_kernel",
        "bidirectional/backward_recurrent_kernel",
    ]


@pytest.mark.parametrize(
    ("mode", "want"), [("sum", [7, 8, 9]), ("mul", [6, 15, 18]), ("ave", [3.5, 4, 4.5]), (None, None)]
)
def test_bidirectional_merges(mode, want):
    layer = Bidirectional(running_sum(return_sequences=True), mode, weights=[np.ones((1, 1))] * 4)
    y = layer(np.array([[[1.0], [2.0], [3.0]]]))
    if mode is None:
        assert [a.ravel().tolist() for a in y] == [[1, 3, 6], [6, 5, 3]]
        assert layer.compute_output_shape((None, 3, 1)) == [(None, 3, 1), (None, 3, 1)]
    else:
        assert y.ravel().tolist() == want


def test_stateful_goes_on_until_it_is_reset():
    layer = running_sum(stateful=True)
    x = np.array([[[1.0], [2.0]]])
    assert [layer(x).item(), layer(x).item()] == [3, 6]
    layer.reset_state()
    assert layer(x).item() == 3
    with pytest.raises(ValueError, match="batches must have 1 samples, as the states kept; got 2"):
        layer(np.zeros((2, 2, 1)))


def test_stateful_bidirectional_resets_both_halves():
    layer = Bidirectional(running_sum(stateful=True), weights=[np.ones((1, 1))] * 4)
    x = np.array([[[1.0], [2.0]]])
    assert [layer(x).tolist(), layer(x).tolist()] == [[[3, 3]], [[6, 6]]]
    layer.reset_state()
    assert layer(x).tolist() == [[3, 3]]


@pytest.mark.parametrize("cell", cases.CELLS)
def test_states_that_one_call_returns_may_begin_the_next(cell, rng):
    layer = built(MAKERS[cell](4, return_state=True), (1, 3, 3))
    x = rng.normal(size=(2, 7, 3))
    whole = layer(x)
    _, *states = layer(x[:, :3])
    rest = layer(x[:, 3:], initial_state=states)
    for one, two in zip(whole, rest, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6)
    listed = layer([x[:, 3:], *states])
    np.testing.assert_array_equal(listed[0], rest[0])


def differences(layer, xs, grads, mask, wanted):
    """Central differences of sum(grads * outputs) by arrays that forward reads in place."""
    found = []
    for array in wanted:
        slope = np.zeros_like(array)
        for at in np.ndindex(array.shape):
            kept = array[at]
            values = []
            for moved in (kept + 1e-5, kept - 1e-5):
                array[at] = moved
                y = layer.forward(xs if len(xs) > 1 else xs[0], mask=mask)[0]
                y = y if isinstance(y, list) else [y]
                values.append(sum((g * a).sum() for g, a in zip(grads, y, strict=True)))
            array[at] = kept
            slope[at] = (values[0] - values[1]) / 2e-5
        found.append(slope)
    return found


def check_gradients(layer, shape, *, mask=None, states=0):
    """Backward against differences, by inputs, states and weights."""
    rng = np.random.default_rng(5)
    built(layer, shape, rng)
    xs = [rng.normal(size=shape)] + [rng.normal(size=(shape[0], layer.units)) for _ in range(states)]
    y, saved = layer.forward(xs if states else xs[0], mask=mask)
    grads = [rng.normal(size=a.shape) for a in (y if isinstance(y, list) else [y])]
    by_x, own = layer.backward(grads if isinstance(y, list) else grads[0], saved)
    got = [*(by_x if states else [by_x]), *own]
    weights = [v._value for v in layer.trainable_variables]
    for one, two in zip(got, differences(layer, xs, grads, mask, [*xs, *weights]), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-7)
    assert layer.backward(grads if isinstance(y, list) else grads[0], saved, False)[0] is None or states


MASK = np.array([[1, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0]], bool)


@pytest.mark.parametrize("cell", cases.CELLS)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"return_sequences": True},
        {"return_state": True},
        {"return_sequences": True, "return_state": True, "go_backwards": True},
        {"use_bias": False},
        {"activation": "gelu", "return_sequences": True},
    ],
    ids=str,
)
def test_gradients_are_the_finite_differences(cell, settings):
    make = MAKERS[cell]
    states = 2 if cell == "lstm" else 1
    check_gradients(make(3, dtype="float64", **settings), (3, 4, 2), mask=MASK)
    check_gradients(make(3, dtype="float64", **settings), (3, 4, 2), states=states)


@pytest.mark.parametrize("mode", ["concat", "sum", "mul", "ave", None])
@pytest.mark.parametrize("sequences", [False, True])
def test_gradients_of_bidirectional_are_the_finite_differences(mode, sequences):
    inner = LSTM(2, return_sequences=sequences, dtype="float64")
    check_gradients(Bidirectional(inner, mode), (3, 4, 2), mask=MASK)
    inner = GRU(2, return_sequences=sequences, return_state=True, dtype="float64")
    check_gradients(Bidirectional(inner, mode), (3, 4, 2))


def test_gradients_of_time_distributed_are_the_finite_differences():
    check_gradients(TimeDistributed(Dense(3, "tanh", dtype="float64")), (2, 3, 4))
    check_gradients(TimeDistributed(LSTM(2, dtype="float64")), (2, 2, 3, 2))


@pytest.mark.parametrize("cell", cases.CELLS)
@pytest.mark.parametrize("name", ["tanh", "relu", "sigmoid", "linear", "hard_sigmoid"])
def test_steps_in_python_give_what_the_kernel_gives(cell, name, rng):
    """An activation of the user's own takes the slow way; one that repeats a known one must agree."""
    known = strop.activations.get(name)

    def own(x):
        return known.forward(x)

    own.backward = known.backward
    mask = rng.random((4, 6)) < 0.7
    x, grad = rng.normal(size=(4, 6, 3)), rng.normal(size=(4, 6, 5))
    found = []
    for activation in (name, own):
        layer = MAKERS[cell](5, activation, return_sequences=True, go_backwards=True, dtype="float64")
        built(layer, x.shape)
        assert layer._in_kernel == (activation is name)
        y, saved = layer.forward(x, mask=mask)
        by_x, own_grads = layer.backward(grad, saved)
        found.append([y, by_x, *own_grads])
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("cell", cases.CELLS)
def test_dropout_has_one_draw_per_sample_for_all_steps(cell):
    layer = built(MAKERS[cell](6, dropout=0.5, recurrent_dropout=0.5, seed=3, dtype="float64"), (2, 4, 3))
    x = np.ones((2, 4, 3))
    y, saved = layer.forward(x, training=True)
    _, _, _, _, (by_input, by_state), _ = saved
    assert by_input.shape == (2, 1, 3)
    assert by_state.shape == (2, 6)
    assert set(np.unique([*by_input.ravel(), *by_state.ravel()])) == {0, 2}
    kernel, recurrent_kernel, bias = layer.get_weights()
    want = ops.recurrent(x * by_input, kernel, recurrent_kernel, bias, cell=cell, factor=by_state)
    np.testing.assert_array_equal(y, want.states[0])
    assert not np.array_equal(y, layer.forward(x, training=True)[0])
    np.testing.assert_array_equal(layer.forward(x)[0], layer.forward(x)[0])
    again = built(MAKERS[cell](6, dropout=0.5, recurrent_dropout=0.5, seed=3, dtype="float64"), (2, 4, 3))
    np.testing.assert_array_equal(again.forward(x, training=True)[0], y)


def test_masking_masks_the_steps_that_hold_its_value_everywhere():
    x = np.array([[[0.0, 0.0], [0.0, 1.0], [2.0, 2.0]]])
    assert Masking().compute_mask(x, None).tolist() == [[False, True, True]]
    assert Masking(2.0)(x).tolist() == [[[0, 0], [0, 1], [0, 0]]]


def test_time_distributed_is_the_layer_on_every_step(rng):
    x = rng.normal(size=(2, 3, 4)).astype("f")
    dense = Dense(5)
    layer = TimeDistributed(dense)
    y = layer(x)
    for t in range(3):
        np.testing.assert_allclose(y[:, t], dense(x[:, t]), rtol=1e-6)
    assert layer.compute_output_shape((None, 3, 4)) == (None, 3, 5)
    assert layer.count_params() == 25


@pytest.mark.parametrize(
    "layer",
    [
        LSTM(3, "relu", "hard_sigmoid", unit_forget_bias=False, dropout=0.1, seed=4, kernel_regularizer="l2"),
        GRU(3, reset_after=False, return_sequences=True, recurrent_initializer="glorot_uniform"),
        SimpleRNN(3, use_bias=False, stateful=True, go_backwards=True, bias_constraint="max_norm"),
        Bidirectional(LSTM(3, return_sequences=True), "sum"),
        Bidirectional(GRU(3), backward_layer=GRU(3, "relu", go_backwards=True)),
        TimeDistributed(Dense(2, "relu")),
        Masking(3.0),
    ],
    ids=lambda layer: layer.op,
)
def test_a_config_makes_the_layer_again(layer):
    config = layer.get_config()
    again = type(layer).from_config(config)
    assert again.get_config() == config
    model = strop.Sequential([strop.Input((4, 2)), layer])
    same = strop.Sequential.from_config(model.get_config())
    assert same.get_config() == model.get_config()


def test_a_model_of_recurrent_layers_learns_and_comes_back_from_its_file(tmp_path, rng):
    strop.utils.set_random_seed(1)
    x = rng.integers(1, 9, (128, 12))
    x[:, :4] *= rng.integers(0, 2, (128, 1))
    y = (x.sum(axis=1) > 50).astype("f")
    model = strop.Sequential(
        [
            strop.Input((12,)),
            layers.Embedding(10, 8, mask_zero=True),
            Bidirectional(LSTM(6, return_sequences=True)),
            Dropout(0.1),
            GRU(6, return_sequences=True),
            TimeDistributed(Dense(4, "relu")),
            SimpleRNN(5),
            Dense(1, "sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    losses = model.fit(x, y, epochs=8, batch_size=32, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    model.save(tmp_path / "model.safetensors")
    again = strop.models.load_model(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: LSTM(0), ValueError, "LSTM: units must be 1 or more; got 0"),
        (lambda: LSTM(2, dropout=1.5), ValueError, "LSTM: dropout must lie in [0, 1]; got 1.5"),
        (
            lambda: GRU(2, return_sequence=True),
            TypeError,
            "GRU: keywords must be known ones; got 'return_sequence'; did you mean 'return_sequences'",
        ),
        (
            lambda: LSTM(2).build_once((None, 4)),
            ValueError,
            "LSTM 'lstm': inputs must have 3 axes (batch, steps, features), the last one known; got shape (None, 4)",
        ),
        (
            lambda: built(LSTM(2), (1, 3, 4))(np.zeros((1, 3, 5))),
            ValueError,
            "LSTM 'lstm': inputs must have shape (batch, steps, 4); got (1, 3, 5)",
        ),
        (
            lambda: LSTM(2)(np.zeros((1, 3, 5)), initial_state=[np.zeros((1, 2))]),
            ValueError,
            "LSTM 'lstm': inputs must be a sequence and 2 initial states; got 2 arrays",
        ),
        (
            lambda: GRU(2)(np.zeros((1, 3, 5)), initial_state=[np.zeros((1, 3))]),
            ValueError,
            "GRU 'gru': initial states must have shape (1, 2); got (1, 3)",
        ),
        (
            lambda: Bidirectional(Dense(2)),
            TypeError,
            "Bidirectional: layer must be SimpleRNN, LSTM or GRU; got Dense",
        ),
        (
            lambda: Bidirectional(LSTM(2), "max"),
            ValueError,
            "Bidirectional: merge_mode must be 'concat', 'sum', 'mul', 'ave' or None; got 'max'",
        ),
        (
            lambda: Bidirectional(LSTM(2), backward_layer=LSTM(2)),
            ValueError,
            "Bidirectional: backward_layer must have the other go_backwards; got False twice",
        ),
        (
            lambda: Bidirectional(LSTM(2), backward_layer=LSTM(2, go_backwards=True, return_sequences=True)),
            ValueError,
            "Bidirectional: backward_layer must have return_sequences=False like layer; got True",
        ),
        (lambda: TimeDistributed(3), TypeError, "TimeDistributed: layer must be a Layer; got int"),
        (
            lambda: TimeDistributed(Dense(2)).build_once((None, 4)),
            ValueError,
            "TimeDistributed 'time_distributed': inputs must have 3 axes or more (batch, steps, ...); got shape "
            "(None, 4)",
        ),
    ],
)
def test_a_recurrent_layer_refuses(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == text


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU", "Bidirectional", "TimeDistributed"])
def test_arguments_by_place_are_those_of_keras(name):
    import inspect

    from conftest import import_keras

    theirs = list(inspect.signature(getattr(import_keras("keras.layers"), name)).parameters)[:-1]
    cls = getattr(strop.layers, name)
    ours = [
        key
        for key, each in inspect.signature(cls).parameters.items()
        if each.kind is each.POSITIONAL_OR_KEYWORD
    ]
    assert theirs == [*ours, *getattr(cls, "order", ())]


def test_arguments_come_by_place():
    layer = strop.layers.LSTM(3, "relu", "tanh", False, "zeros", "ones", "ones", False, "l2")
    config = layer.get_config()
    assert (config["use_bias"], config["unit_forget_bias"]) == (False, False)
    assert config["kernel_regularizer"]["class_name"] == "L2"
    assert config["kernel_initializer"]["class_name"] == "Zeros"
    assert strop.layers.GRU(2, *["tanh", "sigmoid", True], *["zeros"] * 3, *[None] * 7, 0.5).dropout == 0.5
    with pytest.raises(
        TypeError, match=r"^LSTM: kernel_initializer must be given once; got it by place and by name$"
    ):
        strop.layers.LSTM(3, "tanh", "sigmoid", True, "zeros", kernel_initializer="zeros")
    with pytest.raises(TypeError, match=r"^SimpleRNN: arguments must be known ones; got 1 too many$"):
        strop.layers.SimpleRNN(3, "tanh", True, *[None] * 19)
