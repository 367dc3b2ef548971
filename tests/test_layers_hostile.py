"""What layers refuse: settings of the wrong kind, arrays that do not fit a layer that is built, odd configs."""

from __future__ import annotations

import numpy as np
import pytest

import strop
from strop.layers import (
    GRU,
    LSTM,
    BatchNormalization,
    Bidirectional,
    Concatenate,
    Conv1D,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalMaxPooling1D,
    GroupNormalization,
    LayerNormalization,
    Masking,
    MaxPooling1D,
    MaxPooling2D,
    Permute,
    RandomRotation,
    RepeatVector,
    SpatialDropout1D,
    TimeDistributed,
)


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (lambda: LSTM(2, dropout="a"), TypeError, "LSTM: dropout must be a number in [0, 1]; got str"),
        (lambda: GRU(2, recurrent_dropout=None), TypeError,
         "GRU: recurrent_dropout must be a number in [0, 1]; got NoneType"),
        (lambda: LSTM(2, dropout=float("nan")), ValueError, "LSTM: dropout must lie in [0, 1]; got nan"),
        (lambda: Dropout([0.5]), TypeError, "Dropout: rate must be a number in [0, 1]; got list"),
        (lambda: SpatialDropout1D(np.ones(2)), TypeError,
         "SpatialDropout1D: rate must be a number in [0, 1]; got ndarray"),
        (lambda: BatchNormalization(momentum="a"), TypeError,
         "BatchNormalization: momentum must be a number in [0, 1]; got str"),
        (lambda: BatchNormalization(epsilon=None), TypeError,
         "BatchNormalization: epsilon must be a number of at least 0; got NoneType"),
        (lambda: LayerNormalization(epsilon=10**400), ValueError,
         "LayerNormalization: epsilon must be a finite number of at least 0; got inf"),
        (lambda: BatchNormalization(axis="a"), TypeError, "BatchNormalization: axis must be an int; got str"),
        (lambda: BatchNormalization(axis=[1]), TypeError, "BatchNormalization: axis must be an int; got list"),
        (lambda: GroupNormalization(axis=True), TypeError, "GroupNormalization: axis must be an int; got bool"),
        (lambda: Masking("a"), TypeError, "Masking: mask_value must be a number; got str"),
        (lambda: RandomRotation("a"), TypeError, "RandomRotation: factor must be a number or two; got 'a'"),
        (lambda: Bidirectional(LSTM(2, activity_regularizer="l2")), ValueError,
         "Bidirectional: activity_regularizer must be the wrapper's own; got that of LSTM 'forward_lstm'"),
        (lambda: TimeDistributed(Dense(2, activity_regularizer="l2")), ValueError,
         "TimeDistributed: activity_regularizer must be the wrapper's own; got that of Dense 'dense'"),
        (lambda: Bidirectional.from_config({"layer": 7}), ValueError,
         "Bidirectional: layer must be a dict of class_name and config; got 7"),
        (lambda: TimeDistributed.from_config([[1]]), TypeError,
         "TimeDistributed: config must be a dict; got list"),
    ],
)  # fmt: skip
def test_a_setting_is_refused(make, kind, text):
    with pytest.raises(kind) as caught:
        make()
    assert str(caught.value) == text


BUILT = [Conv1D(2, 2), MaxPooling1D(2), GlobalMaxPooling1D(), Permute((2, 1)), TimeDistributed(Dense(2))]
BUILT += [BatchNormalization(), LayerNormalization(), GroupNormalization(1)]


@pytest.mark.parametrize("layer", BUILT, ids=lambda layer: layer.op)
@pytest.mark.parametrize("shape", [(3,), (5, 3), (1, 2, 5, 3)])
def test_a_layer_that_is_built_refuses_another_number_of_axes(layer, shape):
    layer(np.zeros((1, 5, 3)))
    with pytest.raises(ValueError) as caught:
        layer(np.zeros(shape))
    assert str(caught.value) == (
        f"{layer.op} {layer.name!r}: inputs must have 3 axes, as in (None, 5, 3); got shape {(None, *shape[1:])}"
    )


@pytest.mark.parametrize(
    ("x", "kind", "text"),
    [
        (np.array([[["a"]]]), TypeError, "x must hold numbers; got a <U1 array of shape (1, 1, 1)"),
        (np.zeros((1, 2, 3), complex), TypeError, "x must hold numbers; got a complex128 array of shape (1, 2, 3)"),
        ([[1, 2], [3]], ValueError,
         "x must be rectangular; got rows of length 2 (row 0) and 1 (row 1); use pad_sequences"),
        (None, ValueError, "x must be an array; got None"),
        (3.0, ValueError, "x must have an axis of samples; got one number"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("layer", [Conv1D(2, 1), LSTM(2), BatchNormalization()], ids=lambda layer: layer.op)
def test_what_is_no_array_of_numbers_is_refused(layer, x, kind, text):
    with pytest.raises(kind) as caught:
        layer(x)
    assert str(caught.value) == f"{layer.op} {layer.name!r}: {text}"


def test_bidirectional_has_an_activity_regularizer_of_its_own():
    x, y = np.random.default_rng(0).normal(size=(8, 5, 3)), np.zeros((8, 4))
    losses: list[float] = []
    weights: list[np.ndarray] = []
    for regularizer in (None, strop.regularizers.L2(0.1)):
        layer = Bidirectional(LSTM(2, kernel_initializer="ones"), activity_regularizer=regularizer)
        model = strop.Sequential([strop.Input((5, 3)), layer])
        model.set_weights(weights or model.get_weights())
        weights = model.get_weights()
        model.compile("sgd", "mse")
        losses.append(model.evaluate(x, y, verbose=0))
    penalty = 0.1 * (model.predict(x, verbose=0) ** 2).sum() / 8
    assert losses[1] - losses[0] == pytest.approx(penalty, rel=1e-4)


def test_an_empty_list_is_no_sequence():
    with pytest.raises(ValueError, match="inputs must have 3 axes"):
        LSTM(2)([])


@pytest.mark.parametrize(
    "layer",
    [
        lambda: LSTM(2),
        lambda: Bidirectional(LSTM(2)),
        lambda: TimeDistributed(Dense(2)),
        lambda: Conv1D(2, 3),
        lambda: BatchNormalization(),
    ],
)
def test_a_layer_that_was_called_goes_into_a_model_for_another_length(layer):
    chain, drawn = layer(), layer()
    chain(np.zeros((1, 5, 3)))
    drawn(np.zeros((1, 5, 3)))
    count, x = len(chain.variables), np.ones((2, 7, 3))
    model = strop.Sequential([strop.Input((7, 3)), chain, Flatten()])
    image = strop.Input((7, 3))
    other = strop.Model(image, Flatten()(drawn(image)))
    drawn.set_weights(chain.get_weights())
    np.testing.assert_array_equal(model.predict(x, verbose=0), other.predict(x, verbose=0))
    assert len(chain.variables) == len(drawn.variables) == count


def test_recurrent_layers_are_drawn_and_trained():
    ids = strop.Input((6,))
    words = Embedding(9, 4, mask_zero=True)(ids)
    both = Concatenate()([LSTM(3)(words), Bidirectional(GRU(2))(words)])
    model = strop.Model(ids, Dense(2, activation="softmax")(both))
    model.compile(strop.optimizers.Adam(0.05), "sparse_categorical_crossentropy")
    rng = np.random.default_rng(0)
    x = rng.integers(1, 9, (64, 6))
    losses = model.fit(x, (x[:, 0] > 4) * 1, epochs=30, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: strop.Sequential([x, LSTM(2, return_state=True)]),
         "LSTM 'lstm': outputs must be one tensor within a Sequential; got 3; draw a Model for the others"),
        (lambda x: strop.Sequential([x, Bidirectional(GRU(2), merge_mode=None), Dense(1)]),
         "Bidirectional 'bidirectional': outputs must be one tensor within a Sequential; got 2; "
         "draw a Model for the others"),
        (lambda x: LSTM(2)(x, mask=x), "LSTM 'lstm': mask must be None for a symbolic tensor; got Input"),
        (lambda x: TimeDistributed(LSTM(2, return_state=True))(np.zeros((1, 2, 3, 4))),
         "TimeDistributed 'time_distributed': layer must give one output; got 3"),
    ],
)  # fmt: skip
def test_several_outputs_within_a_model_are_refused(call, text):
    with pytest.raises(ValueError) as caught:
        call(strop.Input((7, 3)))
    assert str(caught.value) == text


def test_a_shared_normalization_has_one_rank():
    layer = BatchNormalization()
    layer(strop.Input((8,)))
    with pytest.raises(ValueError) as caught:
        layer(strop.Input((4, 8), name="steps"))
    assert str(caught.value) == (
        "BatchNormalization 'batch_normalization': inputs must have 2 axes, as in (None, 8); "
        "got shape (None, 4, 8) from 'steps'"
    )


def test_a_repeated_row_is_a_row():
    layer = RepeatVector(2)
    layer(np.zeros((1, 3)))
    with pytest.raises(ValueError, match="inputs must have 2 axes"):
        layer(np.zeros((1, 3, 3)))
    with pytest.raises(ValueError, match="inputs must have 4 axes"):
        MaxPooling2D()(np.zeros((1, 3, 3)))
    with pytest.raises(ValueError, match="inputs must have 4 axes"):
        Conv2D(1, 1)(np.zeros((1, 3, 3)))


@pytest.mark.parametrize("model", [strop.Sequential, strop.Model])
@pytest.mark.parametrize(
    ("config", "kind", "text"),
    [
        ([], TypeError, "config must be a dict; got list"),
        (None, TypeError, "config must be a dict; got NoneType"),
        ({}, ValueError, "config must be what get_config gives; got one without 'layers'"),
        ({"layers": [3]}, ValueError, "layers must be dicts of class and config; got 3"),
        ({"layers": [{}]}, ValueError, "config must be what get_config gives; got one without 'class'"),
        ({"layers": [{"class": "LSTM"}]}, ValueError,
         "config must be what get_config gives; got one without 'config'"),
        ({"layers": [{"class": "LSTM", "config": [1]}]}, ValueError,
         "layers must be dicts of class and config; got {'class': 'LSTM', 'config': [1]}"),
    ],
)  # fmt: skip
def test_a_config_that_is_not_of_a_model_is_refused(model, config, kind, text):
    with pytest.raises(kind) as caught:
        model.from_config(config)
    assert str(caught.value) == f"from_config: {text}"
