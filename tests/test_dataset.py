"""The pipeline of `strop.data` against plain lists, and what its sources may be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import strop
from strop import _random
from strop.data import AUTOTUNE, Dataset

# ---- against lists -----------------------------------------------------------

SOURCES = ["arrays", "sequence", "generator"]
OPS = st.one_of(
    st.tuples(st.just("map"), st.integers(0, 3)),
    st.tuples(st.just("batch"), st.integers(1, 4), st.booleans()),
    st.tuples(st.just("shuffle"), st.integers(1, 6), st.integers(0, 9), st.booleans()),
    st.tuples(st.just("repeat"), st.integers(0, 3)),
    st.tuples(st.just("take"), st.integers(-1, 9)),
    st.tuples(st.just("skip"), st.integers(0, 9)),
    st.tuples(st.just("prefetch"), st.integers(0, 3)),
)


class Model:
    """What a pipeline must give, by lists: `read(epoch)`, and whether elements can be had in any order."""

    def __init__(self, read, anyhow):
        self.read, self.anyhow = read, anyhow

    def after(self, name, *settings):
        return getattr(self, name)(*settings)

    def map(self, add):
        return Model(lambda e: [np.add(v, add).tolist() for v in self.read(e)], self.anyhow)

    def batch(self, size, drop):
        def read(epoch):
            held = self.read(epoch)
            parts = [held[i : i + size] for i in range(0, len(held), size)]
            return [p for p in parts if len(p) == size or not drop]

        return Model(read, self.anyhow)

    def shuffle(self, size, seed, every_epoch):
        def read(epoch):
            generator = _random.generator(seed, "shuffling", epoch if every_epoch else 0)
            held = self.read(epoch)
            if self.anyhow:
                return [held[i] for i in generator.permutation(len(held))]
            waiting, out = held[:size], []
            for element in held[size:]:
                place = generator.integers(len(waiting))
                out.append(waiting[place])
                waiting[place] = element
            return out + [waiting[i] for i in generator.permutation(len(waiting))]

        return Model(read, self.anyhow)

    def repeat(self, count):
        return Model(lambda e: [v for r in range(count) for v in self.read(e * count + r)], False)

    def take(self, count):
        return Model(lambda e: self.read(e)[: None if count == -1 else count], self.anyhow)

    def skip(self, count):
        return Model(lambda e: self.read(e)[count:], self.anyhow)

    def prefetch(self, size):
        return Model(self.read, self.anyhow and size == 0)


def source(kind, numbers):
    if kind == "arrays":
        return Dataset.from_arrays(np.array(numbers, np.int64))
    if kind == "sequence":
        return Dataset.from_sequence(numbers)
    return Dataset.from_generator(lambda: iter(numbers))


def ragged(values):
    """Whether a batch of such elements has no shape, which is an error of its own."""
    return len({np.shape(v) for v in values}) > 1


def lists(elements):
    return [np.asarray(element).tolist() for element in elements]


@given(kind=st.sampled_from(SOURCES), count=st.integers(0, 9), ops=st.lists(OPS, max_size=5))
def test_any_pipeline_gives_what_lists_give(kind, count, ops):
    numbers = list(range(100, 100 + count))
    dataset, model = source(kind, numbers), Model(lambda epoch: list(numbers), kind != "generator")
    for name, *settings in ops:
        if name == "batch" and any(ragged(model.read(epoch)) for epoch in range(9)):
            return
        dataset = (
            dataset.map(lambda v, add=settings[0]: v + add)
            if name == "map"
            else getattr(dataset, name)(*settings)
        )
        model = model.after(name, *settings)
    for epoch in (0, 1, 2):
        want = model.read(epoch)
        assert lists(dataset.epoch(epoch)) == want
        assert lists(dataset) == want  # the next iteration is the next epoch
    assert lists(dataset.epoch(1)) == model.read(1)
    assert dataset.length in (None, len(model.read(0)))
    if kind != "generator":
        assert len(dataset) == len(model.read(0))


# ---- shuffling ---------------------------------------------------------------


def test_every_epoch_has_another_order_that_can_be_had_again():
    numbers = Dataset.from_arrays(np.arange(50)).shuffle(seed=3)
    first, second = list(numbers), list(numbers)
    assert first != second
    assert sorted(first) == sorted(second) == list(range(50))
    resumed = Dataset.from_arrays(np.arange(50)).shuffle(seed=3)
    assert list(resumed.epoch(1)) == second
    kept = Dataset.from_arrays(np.arange(50)).shuffle(seed=3, reshuffle_each_iteration=False)
    assert list(kept) == list(kept) == first


def test_without_a_seed_the_global_one_decides():
    orders = []
    for _ in range(2):
        strop.utils.set_random_seed(8)
        orders.append([list(Dataset.from_arrays(np.arange(20)).shuffle()) for _ in range(2)])
    assert orders[0] == orders[1]
    assert orders[0][0] != orders[0][1]


def test_a_shuffled_batch_is_gathered_at_once():
    reads = []

    class Watched(np.ndarray):
        def __getitem__(self, places):
            reads.append(np.shape(places))
            return super().__getitem__(places)

    x = np.arange(100.0).view(Watched)
    batches = Dataset.from_arrays(x).shuffle(seed=1).batch(10).take(3)
    assert len(list(batches)) == 3
    assert reads == [(10,)] * 3


# ---- sources -----------------------------------------------------------------


def test_tuples_and_dicts_of_arrays():
    x, y = np.arange(6).reshape(3, 2), np.array([0.5, 1.5, 2.5])
    batch = next(iter(Dataset.from_tensor_slices({"x": x, "both": (x, y)}).batch(2)))
    assert batch["x"].tolist() == [[0, 1], [2, 3]]
    assert [b.tolist() for b in batch["both"]] == [[[0, 1], [2, 3]], [0.5, 1.5]]
    assert isinstance(batch["both"], tuple)
    pairs = list(Dataset.from_arrays(x, y))
    assert [(a.tolist(), b) for a, b in pairs] == [([0, 1], 0.5), ([2, 3], 1.5), ([4, 5], 2.5)]


def test_elements_and_batches_are_the_readers_own():
    x = np.zeros((4, 2))
    for element in [*Dataset.from_arrays(x), *Dataset.from_arrays(x).batch(2)]:
        element += 1
    assert not x.any()


def test_texts_stay_texts():
    texts = ["a", "bcd" * 50, ""]
    dataset = Dataset.from_arrays(texts, [0, 1, 1])
    assert [t for t, _ in dataset] == texts
    (batch, _), *_ = dataset.batch(3)
    assert batch.dtype == object
    assert batch.tolist() == texts
    lengths = Dataset.from_sequence(texts).map(len).batch(3)
    assert [b.tolist() for b in lengths] == [[1, 150, 0]]


def test_a_memory_map_is_read_by_rows(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(40).reshape(20, 2))
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    batches = list(Dataset.from_arrays(x).shuffle(seed=2).batch(8))
    assert {type(b) for b in batches} == {np.ndarray}
    assert sorted(np.concatenate(batches)[:, 0].tolist()) == list(range(0, 40, 2))
    np.testing.assert_array_equal(batches[0], x[_random.generator(2, "shuffling", 0).permutation(20)[:8]])


class Lazy:
    """What h5py gives: rows by slices and by rising places alone."""

    shape, dtype = (20, 3), np.dtype("float32")

    def __len__(self):
        return 20

    def __getitem__(self, places):
        if isinstance(places, np.ndarray):
            assert (np.diff(places) > 0).all()
        rows = np.arange(20)[places]
        return np.repeat(np.float32(rows)[..., None], 3, axis=-1)


def test_a_lazy_array_is_asked_for_rising_places():
    batches = list(Dataset.from_arrays(Lazy()).shuffle(seed=2).batch(8))
    assert [b.shape for b in batches] == [(8, 3), (8, 3), (4, 3)]
    order = _random.generator(2, "shuffling", 0).permutation(20)
    assert np.concatenate(batches)[:, 0].tolist() == order.tolist()


class Frame:
    """As much of pandas as is asked for."""

    def __init__(self, columns):
        self.columns = list(columns)
        self.dtypes = {name: np.asarray(values).dtype for name, values in columns.items()}
        self._values = np.stack([np.asarray(v) for v in columns.values()], axis=1)

    def to_numpy(self):
        return self._values


def test_frames_of_pandas_without_pandas():
    dataset = Dataset.from_arrays(Frame({"a": [1.0, 2.0], "b": [3.0, 4.0]}), [0, 1])
    assert [(x.tolist(), int(y)) for x, y in dataset] == [([1, 3], 0), ([2, 4], 1)]
    with pytest.raises(TypeError) as caught:
        Dataset.from_arrays(Frame({"a": [1.0], "name": ["x"]}))
    assert str(caught.value) == "from_arrays: columns must hold numbers; got <U1 in 'name'; pass dict(frame)"


def test_frames_of_pandas():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1.0, 2.0, 3.0], "b": [4, 5, 6], "name": ["x", "y", "z"]})
    (batch,) = Dataset.from_arrays(frame[["a", "b"]], frame["b"]).batch(3)
    assert [part.tolist() for part in batch] == [[[1, 4], [2, 5], [3, 6]], [4, 5, 6]]
    (batch,) = Dataset.from_tensor_slices(dict(frame)).batch(3)
    assert batch["name"].tolist() == ["x", "y", "z"]


class Table:
    """As much of Hugging Face's `datasets.Dataset` as is asked for."""

    column_names = ("text", "label")

    def __init__(self, rows):
        self.rows, self.asked = rows, []

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, key):
        self.asked.append(key)
        if isinstance(key, int):
            return self.rows[key]
        chosen = self.rows[key] if isinstance(key, slice) else [self.rows[i] for i in key]
        return {name: [row[name] for row in chosen] for name in self.column_names}


def test_tables_of_datasets_without_datasets():
    table = Table([{"text": "abc"[: i + 1], "label": i} for i in range(3)])
    dataset = Dataset.from_tensor_slices(table)
    assert list(dataset) == table.rows
    (batch,) = dataset.shuffle(seed=0).batch(3)
    assert isinstance(table.asked[-1], list)
    assert sorted(batch["text"].tolist()) == ["a", "ab", "abc"]
    pairs = dataset.map(lambda row: (len(row["text"]), row["label"])).batch(2)
    assert [tuple(part.tolist() for part in pair) for pair in pairs] == [([1, 2], [0, 1]), ([3], [2])]


def test_tables_of_datasets():
    datasets = pytest.importorskip("datasets")
    table = datasets.Dataset.from_dict({"x": [[1.0, 2.0], [3.0, 4.0]], "y": [0, 1]})
    (batch,) = Dataset.from_tensor_slices(table).batch(2)
    assert batch["x"].tolist() == [[1, 2], [3, 4]]


# ---- reading -----------------------------------------------------------------


def test_lengths_that_are_known_and_those_that_are_not():
    stream = Dataset.from_generator(lambda: iter(range(7)))
    assert stream.length is None
    assert len(list(stream)) == 7
    assert Dataset.from_generator(lambda: iter(range(7)), length=7).batch(2).length == 4
    endless = Dataset.from_arrays([1, 2]).repeat()
    assert endless.length == math.inf
    assert [int(v) for v in endless.take(5)] == [1, 2, 1, 2, 1]
    assert len(endless.batch(2).take(3)) == 3
    assert list(Dataset.from_arrays(np.zeros(0)).repeat()) == []
    assert bool(stream)
    assert repr(stream) == "<Dataset of unknown length>"
    assert len(Dataset.from_arrays([1, 2]).prefetch(AUTOTUNE)) == 2


def test_a_generator_is_called_for_every_epoch_and_closed():
    events = []

    def numbers():
        events.append("open")
        try:
            yield from range(100)
        finally:
            events.append("close")

    dataset = Dataset.from_generator(numbers).batch(2).take(2)
    assert len(list(dataset)) == len(list(dataset)) == 2
    assert events == ["open", "close"] * 2


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (
            lambda: Dataset.from_arrays(np.zeros(3), np.zeros(2)),
            ValueError,
            "from_arrays: arrays must have equal lengths; got 3 and 2 (array 1)",
        ),
        (lambda: Dataset.from_arrays(), ValueError, "from_arrays: arrays must be at least one; got none"),
        (
            lambda: Dataset.from_tensor_slices(5),
            ValueError,
            "from_tensor_slices: arrays must have an axis of samples; got int",
        ),
        (
            lambda: Dataset.from_generator(iter([1])),
            TypeError,
            "from_generator: generator must be a function that returns an iterator; got list_iterator; "
            "pass the function without calling it",
        ),
        (
            lambda: list(Dataset.from_generator(lambda: 3)),
            TypeError,
            "from_generator: generator must return an iterator; got int",
        ),
        (
            lambda: Dataset.from_sequence(iter([1])),
            TypeError,
            "from_sequence: items must have __len__ and __getitem__; got list_iterator",
        ),
        (lambda: Dataset.from_arrays([1]).batch(0), ValueError, "batch: batch_size must be 1 or more; got 0"),
        (
            lambda: Dataset.from_arrays([1]).batch(2.0),
            TypeError,
            "batch: batch_size must be an int; got float",
        ),
        (lambda: Dataset.from_arrays([1]).map(3), TypeError, "map: fn must be callable; got int"),
        (lambda: Dataset.from_arrays([1]).take(-2), ValueError, "take: count must be 0 or more; got -2"),
        (
            lambda: len(Dataset.from_generator(list)),
            TypeError,
            "len: the length of this dataset must be known; got a stream of unknown length",
        ),
        (
            lambda: len(Dataset.from_arrays([1]).repeat()),
            TypeError,
            "len: this dataset must have an end; got a repeat without count",
        ),
        (
            lambda: list(Dataset.from_sequence([[1], [1, 2]]).batch(2)),
            ValueError,
            "batch: elements must have one shape; got (1,) at 0 and (2,) at 1; use pad_sequences",
        ),
        (
            lambda: list(Dataset.from_sequence([(1, 2), (1, 2, 3)]).batch(2)),
            ValueError,
            "batch: elements must have one structure; got a tuple of 2 at 0 and a tuple of 3 at 1",
        ),
        (
            lambda: list(Dataset.from_sequence([{"a": 1}, 2]).repeat(1).batch(2)),
            ValueError,
            "batch: elements must have one structure; got a dict of 'a' at 0 and int at 1",
        ),
        (
            lambda: Dataset.from_arrays([[1], [1, 2]]),
            ValueError,
            "from_arrays: arrays must be rectangular; got a ragged list",
        ),
        (
            lambda: Dataset.from_arrays([1]).shuffle(seed=-1),
            ValueError,
            "shuffle: seed must lie in [0, 2**32); got -1",
        ),
    ],
)
def test_refusals(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == text
