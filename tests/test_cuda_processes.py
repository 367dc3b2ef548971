"""Threads and forks of a program that uses a GPU."""

from __future__ import annotations

import os
import threading
from typing import Any

import numpy as np
import pytest

from strop import ops
from test_cuda_training import compiled, reviews, samples


def at_once(work: Any, count: int = 3) -> list[Any]:
    """What so many threads get from work(i), or their errors."""
    results: list[Any] = [None] * count

    def run(i: int) -> None:
        try:
            results[i] = work(i)
        except BaseException as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_models_train_in_threads_of_their_own(gpu):
    x, y = samples(reviews)
    models = [compiled(reviews, "binary_crossentropy", device="cuda") for _ in range(4)]

    def fit(i: int) -> list[np.ndarray]:
        models[i].fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0)
        return models[i].get_weights()

    want = fit(3)
    for weights in at_once(fit):
        assert isinstance(weights, list), weights
        assert all(map(np.array_equal, weights, want))


def test_many_threads_predict_by_one_model(gpu):
    x, _ = samples(reviews)
    model = compiled(reviews, "binary_crossentropy", device="cuda")
    want = model.predict(x, verbose=0)
    for got in at_once(lambda i: [model.predict(x, verbose=0) for _ in range(4)]):
        assert isinstance(got, list), got
        assert all(np.array_equal(one, want) for one in got)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_is_told_that_cuda_is_gone(gpu):
    x = gpu.asarray(np.linspace(-1, 1, 5, dtype="float32"))
    ops.activation(x, name="relu")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            ops.activation(x, name="relu")
            text = "nothing was said"
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        os.write(writing, f"{text}; {gpu.module.driver()['reason'][:23]}".encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as pipe:
        assert pipe.read() == (
            "RuntimeError: activation: CUDA is not available: this process was forked from one that had used CUDA; "
            "start it by the method 'spawn'; this process was forked"
        )
    assert np.array_equal(gpu.host(ops.activation(x, name="relu")), np.maximum(gpu.host(x), 0))
