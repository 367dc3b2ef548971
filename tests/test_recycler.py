"""Memory of a training step: NumPy arrays of one step take the blocks of the step before."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest

import strop
from strop._backend import cpu
from strop._device import HOST, memory_for_steps

L = strop.layers


def fresh_blocks() -> int:
    return int(cpu.recycled_blocks()[0])


class Trace(strop.callbacks.Callback):
    """How many blocks were allocated by the end of each batch."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks: list[int] = []

    def on_train_batch_end(self, batch, logs=None):
        self.blocks.append(fresh_blocks())


def test_a_step_of_training_allocates_nothing_after_the_first():
    model = strop.Sequential(
        [
            strop.Input((20,)),
            strop.layers.Dense(64, activation="gelu"),
            strop.layers.Dropout(0.5),
            strop.layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(strop.optimizers.Adam(), "sparse_categorical_crossentropy", metrics=["accuracy"])
    trace = Trace()
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(512, 20)), rng.integers(0, 3, 512)
    model.fit(x, y, batch_size=32, epochs=3, verbose=0, callbacks=[trace])
    # The first steps find the pattern: two may hold arrays of the step before, and metrics are counted in blocks.
    late = trace.blocks[len(trace.blocks) // 2 :]
    assert late[-1] - late[0] <= 2


def _drawn() -> strop.Model:
    x = strop.Input((8,))
    branch = L.Dense(8, activation="relu")(x)
    return strop.Model(x, L.Dense(3, activation="softmax")(L.Add()([branch, x])))


def _chain(*layers: strop.layers.Layer) -> strop.Sequential:
    return strop.Sequential([*layers, L.Dense(3, activation="softmax")])


PIXELS, IDS, STEPS, ROWS = (8, 8, 2), "ids", (7, 3), (8,)
NETWORKS = {
    "conv2d": (PIXELS, lambda: _chain(L.Conv2D(4, 3, activation="relu"), L.MaxPooling2D(), L.Flatten())),
    "separable": (
        PIXELS,
        lambda: _chain(L.DepthwiseConv2D(3), L.SeparableConv2D(4, 3), L.AveragePooling2D(2), L.Flatten()),
    ),
    "batch_norm": (PIXELS, lambda: _chain(L.Conv2D(4, 3), L.BatchNormalization(), L.ReLU(), L.Flatten())),
    "layer_norm": (
        STEPS,
        lambda: _chain(L.LayerNormalization(axis=(1, 2)), L.GaussianNoise(0.1), L.Flatten()),
    ),
    "conv1d": (
        IDS,
        lambda: _chain(L.Embedding(9, 4), L.Conv1D(5, 3, padding="causal"), L.GlobalMaxPooling1D()),
    ),
    "lstm": (
        IDS,
        lambda: _chain(L.Embedding(9, 4, mask_zero=True), L.LSTM(5, dropout=0.2, recurrent_dropout=0.2)),
    ),
    "bidirectional": (
        IDS,
        lambda: _chain(
            L.Embedding(9, 4, mask_zero=True), L.Bidirectional(L.LSTM(5, return_sequences=True)), L.GRU(4)
        ),
    ),
    "stateful": (STEPS, lambda: _chain(L.SimpleRNN(4, return_sequences=True), L.GRU(5, stateful=True))),
    "python_cell": (STEPS, lambda: _chain(L.GRU(5, activation="gelu"))),
    "time_distributed": (STEPS, lambda: _chain(L.TimeDistributed(L.Dense(4)), L.GlobalAveragePooling1D())),
    "functional": (ROWS, _drawn),
}


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_step_of_these_layers_allocates_nothing_after_the_first(name, optimizer):
    shape, make = NETWORKS[name]
    rng = np.random.default_rng(0)
    x = rng.integers(0, 9, (160, 7)) if shape == IDS else rng.normal(size=(160, *shape))
    model = make()
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    trace = Trace()
    model.fit(x, rng.integers(0, 3, 160), batch_size=16, epochs=4, verbose=0, callbacks=[trace])
    late = trace.blocks[len(trace.blocks) // 2 :]
    assert late[-1] - late[0] <= 2


@pytest.mark.parametrize("size", [1, 63, 64, 65, 1000, 4097, 100_003])
def test_blocks_are_aligned_and_used_again(size):
    with memory_for_steps("fit", HOST):
        a = np.empty(size, np.uint8)
        place = a.ctypes.data
        assert place % 64 == 0
        del a
        before = fresh_blocks()
        b = np.empty(size, np.uint8)
        assert fresh_blocks() == before
        assert b.ctypes.data % 64 == 0


def test_zeros_are_zeros_in_a_used_block():
    with memory_for_steps("fit", HOST):
        a = np.full(1000, 7.0)
        del a
        assert not np.zeros(1000).any()


def test_arrays_outlive_the_recycler_and_grow():
    with memory_for_steps("fit", HOST):
        a = np.arange(1000.0)
    a = a.copy() + a
    assert a[999] == 1998.0
    with memory_for_steps("fit", HOST):
        b = np.arange(10)
    b.resize(100_000, refcheck=False)
    assert b[:10].tolist() == list(range(10))
    assert not b[10:].any()


def test_what_a_thread_frees_comes_back():
    with memory_for_steps("fit", HOST):
        held = [np.ones(5000)]
        thread = threading.Thread(target=held.clear)
        thread.start()
        thread.join()
        before = fresh_blocks()
        np.ones(5000)
        assert fresh_blocks() == before


def test_an_impossible_size_is_a_memory_error():
    with memory_for_steps("fit", HOST), pytest.raises(MemoryError):
        np.empty(1 << 60, np.uint8)


def test_the_handler_before_is_back_after_an_error():
    from numpy._core.multiarray import get_handler_name

    def fails() -> None:
        with memory_for_steps("fit", HOST):
            assert get_handler_name() == "strop_recycler"
            raise KeyError

    name = get_handler_name()
    with pytest.raises(KeyError):
        fails()
    assert get_handler_name() == name


def test_arrays_may_be_the_last_thing_a_process_frees():
    code = """
import numpy as np
from strop._device import HOST, memory_for_steps
kept = []
with memory_for_steps("fit", HOST):
    kept.append(np.ones(1000))
    other = np.ones(10)
np.kept = kept
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_large_array_lies_in_huge_pages_and_outlives_the_steps():
    with memory_for_steps("test", HOST):
        a = np.arange(2.0**20)
        b = a + 1
        address = b.ctypes.data
        del b
        c = a * 2
        assert c.ctypes.data == address
        if sys.platform == "linux":
            assert address % 2**21 == 64
        a.resize(2**21, refcheck=False)
    np.testing.assert_array_equal(a[: 2**20], np.arange(2.0**20))
    np.testing.assert_array_equal(c, np.arange(2.0**20) * 2)
    a.resize(2**20, refcheck=False)
    assert a[-1] == 2**20 - 1
