"""An Embedding in front of other layers than a pooling: the rows of the batch alone, and dense Adam's numbers."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import strop
from strop.layers import LSTM, Add, Conv1D, Dense, Embedding, Flatten, GlobalMaxPooling1D
from strop.optimizers import SGD, Adagrad, Adam, AdamW, RMSprop
from strop.training.network import NetworkPlan
from strop.training.plan import Plan
from strop.training.table_steps import EmbeddingStep

ROWS = 60


def chain(*behind, optimizer=None, seed=4, dtype="float64", **embedding):
    strop.utils.set_random_seed(seed)
    layers = [Embedding(ROWS, 3, dtype=dtype, **embedding), *(make(dtype=dtype) for make in behind)]
    model = strop.Sequential([strop.Input((5,)), *layers, Dense(1, dtype=dtype)])
    model.compile(optimizer or Adam(0.01), "mse")
    return model


def lstm(**settings):
    return LSTM(4, **settings)


def conv(**settings):
    return Conv1D(4, 3, **settings)


BEHIND = {"flatten": [Flatten], "lstm": [lstm], "conv": [conv, Flatten], "pooling": [GlobalMaxPooling1D]}


def batches(count, size=8, seed=0):
    """Batches that read a few rows each; padding, and rows that come back after a long while or never."""
    rng = np.random.default_rng(seed)
    for step in range(count):
        x = rng.integers(0, 6, (size, 5)) * (1 if step % 50 else 9)
        x[0, :3] = 0
        yield x, rng.normal(size=(size, 1))


def adam(param, grad, state, step, rate=0.01):
    """Keras' Adam, all of the parameter."""
    m, v = state
    m += (grad - m) * (1 - 0.9)
    v += (grad**2 - v) * (1 - 0.999)
    param -= rate * np.sqrt(1 - 0.999**step) / (1 - 0.9**step) * m / (np.sqrt(v) + 1e-7)


def test_many_steps_equal_dense_adam_as_keras_has_it():
    model = chain(Flatten)
    table, kernel, bias = params = [w.copy() for w in model.get_weights()]
    states = [(np.zeros_like(p), np.zeros_like(p)) for p in params]
    for step, (x, y) in enumerate(batches(400), 1):
        rows = table[x].reshape(len(x), -1)
        error = rows @ kernel + bias - y
        assert model.train_on_batch(x, y) == pytest.approx((error**2).mean(), rel=1e-9)
        upstream = 2 * error / error.size
        by_table = np.zeros_like(table)
        np.add.at(by_table, x, (upstream @ kernel.T).reshape(*x.shape, -1))
        for param, grad, state in zip(
            params, [by_table, rows.T @ upstream, upstream.sum(0)], states, strict=True
        ):
            adam(param, grad, state, step)
    assert model.layers[0].table.deferred is not None
    for got, want in zip(model.get_weights(), params, strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=2e-8)


def drawn(**embedding):
    """A graph that reads one table in two places."""
    strop.utils.set_random_seed(4)
    x = strop.Input((5,))
    table = Embedding(ROWS, 3, dtype="float64", **embedding)
    once, twice = table(x), table(x)
    joined = Add()([once, Dense(3, "tanh", dtype="float64")(twice)])
    model = strop.Model(x, Dense(1, dtype="float64")(Flatten(dtype="float64")(joined)))
    model.compile(Adam(0.01), "mse")
    return model


def require_the_numbers_of_layers_one_by_one(make):
    fused, plain = make(), make()
    nodes = [] if isinstance(plain, strop.Sequential) else [plain.network.nodes()]
    plain._plan = (NetworkPlan if nodes else Plan)(plain.layers, *nodes, plain.loss, fused=False)
    plan = plain._plan
    for x, y in batches(60):
        assert fused.train_on_batch(x, y) == pytest.approx(plain.train_on_batch(x, y), rel=1e-6)
    assert any(isinstance(step, EmbeddingStep) for step in fused._plan.steps)
    assert plain._plan is plan
    assert not any(isinstance(step, EmbeddingStep) for step in plan.steps)
    for got, want in zip(fused.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-7)


OPTIMIZERS = {
    "amsgrad": lambda: Adam(0.01, amsgrad=True),
    "adamw": lambda: AdamW(0.01, weight_decay=0.1),
    "sgd": lambda: SGD(0.1),
    "momentum": lambda: SGD(0.1, momentum=0.9),
    "rmsprop": lambda: RMSprop(0.01),
    "adagrad": lambda: Adagrad(0.1),
    "clipped": lambda: Adam(0.01, clipnorm=0.1),
    "accumulated": lambda: Adam(0.01, gradient_accumulation_steps=3),
}
TABLES = {
    "plain": {},
    "padding": {"mask_zero": True},
    "frozen": {"trainable": False},
    "penalty": {"embeddings_regularizer": "l2"},
    "constraint": {"embeddings_constraint": strop.constraints.NonNeg()},
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_gives_what_layers_one_by_one_give(optimizer):
    require_the_numbers_of_layers_one_by_one(lambda: chain(lstm, optimizer=OPTIMIZERS[optimizer]()))


@pytest.mark.filterwarnings("ignore:build. the mask")
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("behind", BEHIND)
def test_every_table_in_front_of_every_layer(behind, table):
    require_the_numbers_of_layers_one_by_one(lambda: chain(*BEHIND[behind], **TABLES[table]))


@pytest.mark.filterwarnings("ignore:build. the mask")
@pytest.mark.parametrize("table", TABLES)
def test_a_graph_that_reads_one_table_in_two_places(table):
    require_the_numbers_of_layers_one_by_one(lambda: drawn(**TABLES[table]))


@pytest.mark.parametrize("shape", [(7,), (7, 0), (0, 5), (2, 3, 4)])
@pytest.mark.parametrize("id_type", [np.int32, np.int64])
def test_ids_of_any_shape(rng, shape, id_type):
    layer = Embedding(ROWS, 3, mask_zero=True)
    layer.build((None, *shape[1:]))
    step, ids = EmbeddingStep(layer), rng.integers(0, ROWS, shape).astype(id_type)
    y, saved, mask = step.forward(ids, True, None)
    table = layer.embeddings
    np.testing.assert_array_equal(y, table[ids])
    np.testing.assert_array_equal(mask, ids != 0)
    grad = rng.standard_normal(y.shape).astype(np.float32)
    by_x, (by_table,) = step.backward(grad, saved, False)
    want = np.zeros((ROWS, 3))
    np.add.at(want, ids.ravel(), grad.reshape(-1, 3))
    assert by_x is None
    assert by_table.rows.tolist() == list(dict.fromkeys(ids.ravel().tolist()))
    np.testing.assert_allclose(by_table.to_dense(), want, atol=1e-5)


def test_a_bad_id_is_told():
    layer = Embedding(ROWS, 3)
    layer.build((None, 5))
    with pytest.raises(IndexError, match="60"):
        EmbeddingStep(layer).forward(np.array([[0, ROWS]]), True, None)


@pytest.mark.parametrize("make", [lambda: chain(lstm, dtype="float32", mask_zero=True), drawn])
def test_the_same_bits_on_any_number_of_threads(rng, make):
    x, y = rng.integers(0, ROWS, (96, 5)), rng.normal(size=(96, 1))
    runs = set()
    for count in (1, 2, 3, 8):
        with strop.config.threads(count):
            model = make()
            model.fit(x, y, epochs=2, batch_size=16, verbose=0)
            runs.add(b"".join(w.tobytes() for w in model.get_weights()))
    assert len(runs) == 1


@pytest.mark.parametrize("is_drawn", [False, True])
def test_a_step_on_a_large_table_leaves_nearly_all_of_it_alone(rng, is_drawn):
    x = strop.Input((20,))
    layers = [Embedding(1_000_000, 16, embeddings_initializer="zeros"), Flatten(), Dense(1)]
    model = strop.Sequential([x, *layers])
    if is_drawn:
        rows = layers[0](x)
        model = strop.Model(x, layers[2](layers[1](Add()([rows, rows]))))
    model.compile(Adam(0.01), "mse")
    plan, optimizer = model.make_plan(model.loss), model.optimizer
    peaks = []
    for _ in range(4):
        ids, y = rng.integers(0, 1_000_000, (32, 20)), np.ones((32, 1), np.float32)
        tracemalloc.start()
        plan.train_step(ids, y, None, optimizer)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # The first step makes the state and what numbers the rows. After it a step takes memory for the 640 rows it reads,
    # 40 KB an array, where a copy of the table would be 64 MB; and it writes the rows that it reads.
    assert max(peaks[1:]) < 1_000_000
    deferred = layers[0].table.deferred
    assert np.count_nonzero(deferred.param.any(axis=1)) <= 4 * 640
    assert deferred.outstanding
