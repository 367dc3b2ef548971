"""Copies and pickles of models: they train on to the bits of the model itself, which they leave alone."""

from __future__ import annotations

import copy
import multiprocessing
import pickle

import numpy as np
import pytest

import strop
from strop import _random
from strop.layers import LSTM, Add, BatchNormalization, Dense, Dropout, Embedding

DUPLICATES = [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))]


def words(rng):
    return rng.integers(0, 50, (48, 7)), rng.integers(0, 2, (48, 1))


def chain(optimizer="adam"):
    """A table of which a batch reads some rows, a layer with a seed of its own, moving statistics, a state."""
    layers = [Embedding(50, 4), Dropout(0.2, seed=3), LSTM(5), BatchNormalization(), Dense(1, "sigmoid")]
    model = strop.Sequential([strop.Input((7,), dtype="int32"), *layers])
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy", "auc"])
    return model


def trained(model, x, y, state):
    """The weights after two epochs from a state of the random streams."""
    before = _random.get_state()
    _random.set_state(state)
    model.fit(x, y, epochs=2, batch_size=16, verbose=0)
    _random.set_state(before)
    return model.get_weights()


@pytest.mark.parametrize("duplicate", DUPLICATES)
@pytest.mark.parametrize(
    "optimizer", ["adam", "sgd", strop.optimizers.SGD(0.1, momentum=0.9), "rmsprop", "lamb"]
)
def test_a_copy_trains_on_to_the_same_bits(duplicate, optimizer, rng):
    x, y = words(rng)
    model = chain(optimizer)
    model.fit(x, y, epochs=1, batch_size=16, verbose=0)
    model.train_on_batch(x[:3], y[:3])  # most rows of the table are behind
    twin = duplicate(model)
    held = [weight.copy() for weight in model.get_weights()]
    state = _random.get_state()
    after = trained(twin, x, y, state)
    for weight, before in zip(model.get_weights(), held, strict=True):
        np.testing.assert_array_equal(weight, before)
    for ours, theirs in zip(trained(model, x, y, state), after, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("duplicate", DUPLICATES)
def test_copies_of_graphs_histories_and_models_that_are_not_built(duplicate, rng):
    x = strop.Input((4,))
    shared = Dense(4)
    model = strop.Model(x, Add()([shared(shared(x)), x]))
    model.compile("adam", "mse")
    data = rng.normal(size=(8, 4))
    history = model.fit(data, data, verbose=0)
    twin = duplicate(history)
    assert twin.history == history.history
    assert twin.model is not model
    np.testing.assert_array_equal(twin.model.predict(data, verbose=0), model.predict(data, verbose=0))
    assert len(twin.model.get_weights()) == 2
    assert not duplicate(strop.Sequential([Dense(2)])).built


def fit_in_child(model, x, y, weights):
    model.fit(x, y, epochs=1, verbose=0, shuffle=False)
    weights.put(model.get_weights())


def test_a_model_goes_to_a_process_that_was_spawned(rng):
    x, y = rng.normal(size=(32, 3)).astype("f"), rng.normal(size=(32, 1)).astype("f")
    model = strop.Sequential([strop.Input((3,)), Dense(4, "relu"), Dense(1)])
    model.compile("adam", "mse")
    model.fit(x, y, verbose=0)
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    child = context.Process(target=fit_in_child, args=(model, x, y, queue))
    child.start()
    theirs = queue.get(timeout=120)
    child.join()
    fit_in_child(model, x, y, queue)
    for a, b in zip(theirs, queue.get(timeout=60), strict=True):
        np.testing.assert_array_equal(a, b)
    assert child.exitcode == 0
