from __future__ import annotations

import json
import random
import subprocess
import sys
import threading

import numpy as np
import pytest

from strop import _random
from strop._random import Streams


def draws(streams, name, count):
    return [float(streams.generator(name).random()) for _ in range(count)]


def test_a_stream_does_not_depend_on_other_streams_or_on_how_much_a_draw_took():
    alone, mixed = Streams(3), Streams(3)
    want = draws(alone, "weights", 4)
    got = []
    for size in (1, 10, 100, 1000):
        mixed.generator("dropout").random(size)
        rng = mixed.generator("weights")
        got.append(float(rng.random()))
        rng.random(size)
    assert got == want


def test_streams_seeds_and_draws_differ():
    seen = {float(_random.generator(s, n, d).random()) for s in (0, 1) for n in "ab" for d in (0, 1, 2)}
    assert len(seen) == 12


def test_the_numbers_are_those_of_every_run():
    # Hard numbers: a seed written down in a paper must give them in the next version too.
    got = _random.generator(0, "weights", 0).integers(0, 1000, 4).tolist()
    code = (
        "from strop import _random; print(_random.generator(0, 'weights', 0).integers(0, 1000, 4).tolist())"
    )
    again = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert json.loads(again) == got == [105, 193, 183, 147]


def test_the_state_goes_through_json_and_goes_on():
    streams = Streams(9)
    draws(streams, "shuffling", 3)
    state = json.loads(json.dumps(streams.get_state()))
    assert state == {"seed": 9, "draws": {"shuffling": 3}}
    want = draws(streams, "shuffling", 2)
    other = Streams()
    other.set_state(state)
    assert draws(other, "shuffling", 2) == want


@pytest.mark.parametrize(
    "state",
    [
        None,
        {},
        {"seed": -1, "draws": {}},
        {"seed": 2**32, "draws": {}},
        {"seed": 1.0, "draws": {}},
        {"seed": True, "draws": {}},
        {"seed": 1, "draws": []},
        {"seed": 1, "draws": {"a": -1}},
        {"seed": 1, "draws": {"a": "1"}},
        {"seed": 1, "draws": {1: 1}},
        {"seed": 1, "draws": {}, "more": 1},
    ],
)
def test_a_damaged_state_is_refused_and_changes_nothing(state):
    streams = Streams(4)
    with pytest.raises(ValueError) as caught:
        streams.set_state(state)
    assert str(caught.value) == "set_state: state must be what get_state gave; got another structure"
    assert streams.get_state() == {"seed": 4, "draws": {}}


def test_threads_share_out_the_draws_of_a_stream():
    streams, got = Streams(5), []
    threads = [threading.Thread(target=lambda: got.extend(draws(streams, "dropout", 50))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == sorted(draws(Streams(5), "dropout", 400))


def test_spawned_streams_follow_from_the_seed():
    first, second = Streams(6), Streams(6)
    assert first.spawn().seed == second.spawn().seed != first.spawn().seed


@pytest.fixture
def _global_state():
    before = random.getstate(), np.random.get_state(), _random.get_state()
    yield
    random.setstate(before[0])
    np.random.set_state(before[1])
    _random.set_state(before[2])


@pytest.mark.usefixtures("_global_state")
def test_set_random_seed_seeds_python_numpy_and_strop():
    seen = []
    for _ in range(2):
        _random.set_random_seed(12)
        drawn = float(_random.streams.generator("weights").random())
        seen.append((random.random(), float(np.random.rand()), drawn))
    assert seen[0] == seen[1]
    assert _random.get_state() == {"seed": 12, "draws": {"weights": 1}}


@pytest.mark.parametrize(
    ("seed", "error", "text"),
    [
        ("1", TypeError, "set_random_seed: seed must be an int; got str"),
        (True, TypeError, "set_random_seed: seed must be an int; got bool"),
        (-1, ValueError, "set_random_seed: seed must lie in [0, 2**32); got -1"),
        (2**32, ValueError, "set_random_seed: seed must lie in [0, 2**32); got 4294967296"),
    ],
)
def test_a_seed_out_of_range_is_refused_and_changes_nothing(seed, error, text):
    before = _random.get_state(), np.random.get_state()[1][:3].tolist()
    with pytest.raises(error) as caught:
        _random.set_random_seed(seed)
    assert str(caught.value) == text
    assert (_random.get_state(), np.random.get_state()[1][:3].tolist()) == before
