"""Sources that write every batch into the memory of the one before give what fresh arrays give."""

from __future__ import annotations

import numpy as np
import pytest

import strop
from strop.data import Dataset
from strop.layers import LSTM, BatchNormalization, Dense, Reshape

RNG = np.random.default_rng(0)
BATCHES = [
    (x, (x.sum(1) > 0).astype("f4"), RNG.random(8).astype("f4"))
    for x in RNG.normal(size=(6, 8, 5)).astype("f4")
]


def fresh():
    for batch in BATCHES:
        yield tuple(np.array(array) for array in batch)


def reused():
    held = tuple(map(np.empty_like, BATCHES[0]))
    for batch in BATCHES:
        for array, values in zip(held, batch, strict=True):
            array[:] = values
        yield held
    for array in held:
        array[:] = 0.5


class Items:
    """The same as an object with `__len__` and `__getitem__`."""

    def __init__(self, make):
        self.held = tuple(map(np.empty_like, BATCHES[0])) if make is reused else None

    def __len__(self):
        return len(BATCHES)

    def __getitem__(self, place):
        if self.held is None:
            return tuple(np.array(array) for array in BATCHES[place])
        for array, values in zip(self.held, BATCHES[place], strict=True):
            array[:] = values
        return self.held


SOURCES = {
    "generator": lambda make: make(),
    "items": Items,
    "dataset": Dataset.from_generator,
    "prefetched": lambda make: Dataset.from_generator(make).prefetch(2),
    "shuffled": lambda make: Dataset.from_generator(make).shuffle(4, seed=1),
    "items of a dataset": lambda make: Dataset.from_sequence(Items(make)).prefetch(2),
}


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("source", SOURCES)
def test_metrics_and_weights_are_those_of_fresh_arrays(source, recurrent):
    def run(make):
        strop.utils.set_random_seed(3)
        layers = [Reshape((5, 1)), LSTM(4), BatchNormalization()] if recurrent else [Dense(8, "relu")]
        model = strop.Sequential([strop.Input((5,)), *layers, Dense(1, "sigmoid")])
        model.compile("adam", "binary_crossentropy", metrics=["accuracy", "auc"], weighted_metrics=["mse"])
        x, y, _ = BATCHES[0]
        opened = [SOURCES[source](make) for _ in range(3)]
        history = model.fit(opened[0], verbose=0).history
        validated = model.fit(x, y, validation_data=opened[1], verbose=0).history
        return (
            history,
            validated,
            model.evaluate(opened[2], verbose=0),
            [w.tolist() for w in model.get_weights()],
        )

    assert run(reused) == run(fresh)


def test_elements_that_wait_in_a_pipeline_are_their_own():
    def numbers():
        held = np.zeros(2)
        for i in range(6):
            held[:] = i
            yield {"x": held}

    pipeline = Dataset.from_generator(numbers)
    assert [b["x"].tolist() for b in pipeline.batch(3)] == [[[i, i] for i in range(k, k + 3)] for k in (0, 3)]
    for waiting in (pipeline.prefetch(3), pipeline.shuffle(4, seed=0), pipeline):
        assert sorted(element["x"][0] for element in list(waiting)) == list(range(6))
