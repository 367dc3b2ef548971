"""fit, evaluate and predict from datasets, sequences, generators and files, against the same from arrays."""

from __future__ import annotations

import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest

import strop
from conftest import import_keras
from strop import _random, callbacks
from strop.data import Dataset
from strop.layers import Dense, Dropout, Embedding, GlobalAveragePooling1D, Rescaling

N, SIZE = 70, 16


def samples(rng, count=N):
    x = rng.normal(size=(count, 5)).astype(np.float32)
    return x, (x.sum(axis=1) > 0).astype(np.float32)[:, None]


def dense_model(metrics=("accuracy",), optimizer="adam", **settings):
    strop.utils.set_random_seed(5)
    model = strop.Sequential([strop.Input((5,)), Dense(8, activation="relu"), Dense(1, activation="sigmoid")])
    model.compile(optimizer=optimizer, loss="binary_crossentropy", metrics=list(metrics), **settings)
    return model


def outcome(model, history):
    return history.history, [w.tobytes() for w in model.get_weights()]


class Batches:
    """As Keras' PyDataset: items are batches."""

    def __init__(self, x, y, size=SIZE):
        self.x, self.y, self.size, self.ended = x, y, size, 0

    def __len__(self):
        return -(-len(self.x) // self.size)

    def __getitem__(self, i):
        rows = slice(i * self.size, (i + 1) * self.size)
        return self.x[rows], self.y[rows]

    def on_epoch_end(self):
        self.ended += 1


def generator(x, y, epochs=1, size=SIZE):
    for _ in range(epochs):
        yield from (Batches(x, y, size)[i] for i in range(len(Batches(x, y, size))))


def ways(x, y, epochs):
    steps = -(-len(x) // SIZE)
    return {
        "dataset": (Dataset.from_arrays(x, y).batch(SIZE), {}),
        "prefetched": (Dataset.from_arrays(x, y).batch(SIZE).prefetch(2), {}),
        "repeated": (Dataset.from_arrays(x, y).batch(SIZE).repeat(), {"steps_per_epoch": steps}),
        "sequence": (Batches(x, y), {}),
        "generator": (generator(x, y, epochs), {"steps_per_epoch": steps}),
        "iterable": (IterableBatches(x, y), {}),
        "lists": (Dataset.from_generator(lambda: ([a.tolist(), b] for a, b in generator(x, y))), {}),
    }


class IterableBatches:
    """As torch's DataLoader: iterated over and over."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __iter__(self):
        return generator(self.x, self.y)


@pytest.mark.parametrize(
    "way", ["dataset", "prefetched", "repeated", "sequence", "generator", "iterable", "lists"]
)
@pytest.mark.parametrize("settings", [{}, {"clipnorm": 0.1}])
def test_batches_train_to_the_bits_of_arrays(rng, way, settings):
    x, y = samples(rng)
    whole = dense_model(optimizer=strop.optimizers.Adam(0.01, **settings))
    validation = samples(rng, 40)
    want = outcome(
        whole,
        whole.fit(
            x, y, batch_size=SIZE, epochs=3, shuffle=False, verbose=0, validation_data=validation,
        ),
    )  # fmt: skip
    model = dense_model(optimizer=strop.optimizers.Adam(0.01, **settings))
    given, more = ways(x, y, 3)[way]
    history = model.fit(
        given,
        epochs=3,
        shuffle=False,
        verbose=0,
        validation_data=Dataset.from_arrays(*validation).batch(SIZE),
        **more,
    )
    assert outcome(model, history) == want


@pytest.mark.parametrize("layout", ["uint8", "float64", "fortran", "lazy"])
def test_a_memory_map_trains_to_the_bits_of_arrays(rng, tmp_path, layout):
    levels = rng.integers(0, 256, (N, 5))
    y = rng.integers(0, 2, N)
    array = {
        "uint8": np.uint8(levels),
        "float64": levels / 7,
        "fortran": np.asfortranarray(np.float32(levels)),
        "lazy": np.float32(levels),
    }[layout]
    np.save(tmp_path / "x.npy", array)
    np.save(tmp_path / "y.npy", y)
    mapped, labels = (np.load(tmp_path / f"{n}.npy", mmap_mode="r") for n in "xy")
    if layout == "lazy":
        mapped = Lazy(mapped)
    settings = {
        "batch_size": SIZE,
        "epochs": 2,
        "verbose": 0,
        "sample_weight": np.arange(N),
        "validation_split": 0.2,
    }
    results = []
    for given in (array, mapped):
        model = dense_model()
        history = model.fit(given, labels, steps_per_epoch=3, **settings)
        values = model.evaluate(given, labels, batch_size=SIZE, verbose=0)
        predicted = model.predict(given, batch_size=SIZE, verbose=0)
        results.append((outcome(model, history), values, predicted.tobytes()))
    assert results[0] == results[1]


class Lazy:
    """What h5py gives."""

    def __init__(self, array):
        self._array, self.shape, self.dtype = array, array.shape, array.dtype

    def __len__(self):
        return len(self._array)

    def __getitem__(self, places):
        return self._array[places]


def test_token_ids_in_a_file(rng, tmp_path):
    ids = rng.integers(0, 50, (N, 7)).astype(np.uint16)
    ids.tofile(tmp_path / "ids.bin")
    mapped = np.memmap(tmp_path / "ids.bin", np.uint16, "r", shape=(N, 7))
    y = rng.integers(0, 2, N)
    results = []
    for given in (ids, mapped):
        strop.utils.set_random_seed(1)
        model = strop.Sequential([Embedding(50, 4), GlobalAveragePooling1D(), Dense(1, activation="sigmoid")])
        model.compile(optimizer="adam", loss="binary_crossentropy")
        results.append(outcome(model, model.fit(given, y, batch_size=SIZE, epochs=2, verbose=0)))
    assert results[0] == results[1]


def test_targets_in_a_large_file_are_read_by_rows(rng, tmp_path, monkeypatch):
    monkeypatch.setattr(strop.models.feeding, "WHOLE_BYTES", 100)
    x, y = samples(rng)
    np.save(tmp_path / "y.npy", y)
    mapped = np.load(tmp_path / "y.npy", mmap_mode="r")
    results = []
    for given in (y, mapped):
        model = dense_model()
        results.append(
            outcome(model, model.fit(x, given, batch_size=SIZE, epochs=2, verbose=0, validation_split=0.1))
        )
    assert results[0] == results[1]


MEMORY = """
import resource, numpy as np, strop, sys
from strop.layers import Dense, Rescaling
path, rows, width = sys.argv[1], 1 << 20, 4096
with open(path, "wb") as file:
    file.truncate(rows * width)  # 4 GiB of zeros that take no room on the disk
x = np.memmap(path, np.uint8, "r", shape=(rows, width))
y = np.arange(rows) % 2
model = strop.Sequential([strop.Input((width,)), Rescaling(1 / 255), Dense(1, activation="sigmoid")])
model.compile(optimizer="sgd", loss="binary_crossentropy")
model.fit(x[:64], y[:64], verbose=0)  # threads and modules are there
used = int([l.split()[1] for l in open("/proc/self/status") if l.startswith("VmData")][0]) << 10
resource.setrlimit(resource.RLIMIT_DATA, (used + (160 << 20), -1))
settings = dict(batch_size=256, verbose=0)
model.fit(x, y, steps_per_epoch=24, validation_split=0.25, validation_steps=8, **settings)
model.fit(x[::2], y[::2], steps_per_epoch=8, validation_data=(x[1::2], y[1::2]), validation_steps=8, **settings)
batches = strop.data.Dataset.from_arrays(x, y).shuffle(seed=1).batch(256).prefetch(2)
model.fit(batches, steps_per_epoch=24, validation_data=batches.take(4), verbose=0)
model.predict(x, steps=8, **settings)
layer = strop.layers.Normalization()
layer.adapt(x[: 1 << 16])
try:
    np.zeros(512 << 20, np.uint8)[::4096].sum()
    print("no limit")
except MemoryError:
    print("done")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA counts anonymous memory on Linux alone")
def test_four_gigabytes_train_in_a_few_megabytes(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path / "x.bin")],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("done\n", "")


# ---- sequences and generators as Keras has them ------------------------------


def test_a_sequence_is_shuffled_by_batches_and_told_of_epochs(rng):
    x, y = samples(rng)
    seen = []

    class Watched(Batches):
        def __getitem__(self, i):
            seen.append(i)
            return super().__getitem__(i)

    batches = Watched(x, y)
    model = dense_model()
    history = model.fit(batches, epochs=2, verbose=0)
    assert history.params["steps"] == 5
    assert batches.ended == 2
    assert seen[:5] != [0, 1, 2, 3, 4]
    assert sorted(seen[:5]) == sorted(seen[5:]) == [0, 1, 2, 3, 4]
    assert seen[:5] != seen[5:]
    seen.clear()
    model.evaluate(batches, verbose=0)
    assert seen == [0, 1, 2, 3, 4]


def test_keras_own_sequences(rng):
    keras = import_keras()
    x, y = samples(rng)

    class Own(keras.utils.PyDataset):
        def __len__(self):
            return 5

        def __getitem__(self, i):
            return Batches(x, y)[i]

    model = dense_model()
    assert len(model.fit(Own(), epochs=2, verbose=0).history["loss"]) == 2
    whole = dense_model()
    whole.fit(x, y, batch_size=SIZE, epochs=2, verbose=0, shuffle=False)
    own = dense_model()
    own.fit(Own(), epochs=2, verbose=0, shuffle=False)
    assert [w.tobytes() for w in own.get_weights()] == [w.tobytes() for w in whole.get_weights()]


def test_loaders_and_tensors_of_torch(rng):
    torch = pytest.importorskip("torch")
    x, y = (torch.from_numpy(a) for a in samples(rng))
    pairs = torch.utils.data.TensorDataset(x, y)
    whole = dense_model()
    want = outcome(whole, whole.fit(x, y, batch_size=SIZE, epochs=2, shuffle=False, verbose=0))
    for given in (
        torch.utils.data.DataLoader(pairs, batch_size=SIZE),
        Dataset.from_sequence(pairs).batch(SIZE),
        Dataset.from_arrays(x, y).batch(SIZE),
    ):
        model = dense_model()
        assert outcome(model, model.fit(given, epochs=2, verbose=0)) == want


def test_arrays_of_h5py(rng, tmp_path):
    h5py = pytest.importorskip("h5py")
    x, y = samples(rng)
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"], file["y"] = x, y
        results = []
        for given in ((x, y), (file["x"], file["y"])):
            model = dense_model()
            results.append(outcome(model, model.fit(*given, batch_size=SIZE, epochs=2, verbose=0)))
            results[-1] += (model.predict(given[0], verbose=0).tobytes(),)
        assert results[0] == results[1]


def test_steps_read_on_from_epoch_to_epoch(rng):
    x, y = samples(rng)
    seen = []
    batches = (
        Dataset.from_arrays(np.arange(N), x, y).batch(10).map(lambda i, a, b: seen.append(i[0]) or (a, b))
    )
    with pytest.warns(UserWarning, match="ran out of data") as caught:
        dense_model().fit(batches, epochs=4, steps_per_epoch=3, verbose=0)
    assert seen == [0, 10, 20, 30, 40, 50, 60, 0, 10, 20]
    text = (
        "fit: x ran out of data after 1 of 3 batches in epoch 2; repeat the dataset, "
        "or pass a generator that goes on"
    )
    assert [str(w.message) for w in caught] == [text]


def test_a_stream_begins_anew_where_an_epoch_took_its_last_batch(rng):
    x, y = samples(rng)
    stream = Dataset.from_generator(lambda: generator(x, y))
    assert dense_model().fit(stream, epochs=3, steps_per_epoch=5, verbose=0).epoch == [0, 1, 2]


@pytest.mark.parametrize("steps", [None, 3])
@pytest.mark.parametrize("known", [False, True])
def test_a_resumed_fit_takes_what_an_uninterrupted_one_takes(rng, steps, known):
    x, y = samples(rng)

    def dataset():
        made = Dataset.from_arrays(x, y).shuffle(seed=4).batch(10)
        return made if known else Dataset.from_generator(lambda: made.epoch(0))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = dense_model()
        whole.fit(dataset(), epochs=6, steps_per_epoch=steps, verbose=0)
        for middle in (1, 3, 4):
            parts = dense_model()
            parts.fit(dataset(), epochs=middle, steps_per_epoch=steps, verbose=0)
            parts.fit(dataset(), initial_epoch=middle, epochs=6, steps_per_epoch=steps, verbose=0)
            assert [w.tobytes() for w in parts.get_weights()] == [w.tobytes() for w in whole.get_weights()]


def test_a_generator_that_ends_early_trains_on_what_there_was(rng):
    x, y = samples(rng)
    model = dense_model()
    with pytest.warns(UserWarning, match="fit: x ran out of data after 2 of 6 batches in epoch 1") as caught:
        history = model.fit(generator(x[:64], y[:64], 2), epochs=5, steps_per_epoch=6, verbose=0)
    assert len(caught) == 1
    assert history.epoch == [0, 1]
    assert model.optimizer.iterations == 8
    with pytest.warns(
        UserWarning, match=r"fit: x ran out of data after 0 batches in epoch 1; repeat the dataset"
    ):
        history = model.fit(generator(x, y), epochs=3, verbose=0)
    assert history.epoch == [0]
    assert np.isfinite(history.history["loss"]).all()


def test_batches_that_are_not_taken_stay_in_the_generator(rng):
    x, y = samples(rng)
    batches = generator(x, y)
    dense_model().fit(batches, steps_per_epoch=2, verbose=0)
    assert len(list(batches)) == 3


def test_threads_end_with_a_fit_however_it_ends(rng):
    x, y = samples(rng)
    batches = Dataset.from_arrays(x, y).batch(4).prefetch(2)

    class Stop(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dense_model().fit(batches, validation_data=batches, callbacks=[Stop()], verbose=0)
    dense_model().fit(batches.repeat(), steps_per_epoch=2, validation_data=batches, verbose=0)
    with pytest.raises(ValueError):
        dense_model().fit(batches, validation_data=(x, y[:3]), verbose=0)
    assert not [t for t in threading.enumerate() if t.name == "strop-prefetch"]


def test_hooks_come_before_and_after_every_batch(rng):
    x, y = samples(rng)
    events = []

    class Log(callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            events.append(("begin", batch, self.model.optimizer.iterations))

        def on_train_batch_end(self, batch, logs=None):
            events.append(("end", batch, self.model.optimizer.iterations))
            self.model.stop_training = batch == 2

    dense_model().fit(Dataset.from_arrays(x, y).batch(10), callbacks=[Log()], epochs=3, verbose=0)
    assert events == [(w, i, i + (w == "end")) for i in range(3) for w in ("begin", "end")]


def test_weights_come_as_the_third_of_a_batch(rng):
    x, y = samples(rng)
    weight = rng.random(N).astype(np.float32)
    whole, fed = (
        dense_model((), weighted_metrics=["accuracy"]),
        dense_model((), weighted_metrics=["accuracy"]),
    )
    want = whole.fit(x, y, sample_weight=weight, batch_size=SIZE, shuffle=False, verbose=0)
    got = fed.fit(Dataset.from_arrays(x, y, weight).batch(SIZE), verbose=0)
    assert outcome(fed, got) == outcome(whole, want)
    by_class = {"class_weight": {1: 3.0}, "verbose": 0}
    want = whole.fit(x, y, batch_size=SIZE, shuffle=False, **by_class)
    got = fed.fit(Dataset.from_arrays(x, y).batch(SIZE), **by_class)
    assert outcome(fed, got) == outcome(whole, want)


def test_evaluate_and_predict(rng):
    x, y = samples(rng)
    model = dense_model(metrics=["accuracy", "precision"])
    pairs, alone = Dataset.from_arrays(x, y).batch(SIZE), Dataset.from_arrays(x).batch(SIZE)
    want = model.evaluate(x, y, batch_size=SIZE, verbose=0)
    for given in (pairs, generator(x, y), Batches(x, y)):
        assert model.evaluate(given, verbose=0) == want
    assert model.evaluate(pairs, steps=2, verbose=0) == model.evaluate(
        x[:32], y[:32], batch_size=SIZE, verbose=0
    )
    want = model.predict(x, batch_size=SIZE, verbose=0)
    for given in (
        pairs,
        alone,
        alone.prefetch(1),
        generator(x, y),
        (a for a, _ in generator(x, y)),
        Batches(x, y),
    ):
        np.testing.assert_array_equal(model.predict(given, verbose=0), want)
    np.testing.assert_array_equal(model.predict(alone.repeat(), steps=2, verbose=0), want[:32])


def test_a_model_is_built_by_the_first_batch(rng):
    x, y = samples(rng)
    model = strop.Sequential([Rescaling(2.0), Dense(3, activation="relu"), Dropout(0.2), Dense(1)])
    model.compile(optimizer="sgd", loss="mse", metrics=["mae"])
    model.fit(Dataset.from_arrays(x, y).shuffle(seed=1).batch(SIZE), epochs=2, verbose=0)
    assert model.count_params() == 22
    lone = strop.Sequential([Dense(2)])
    assert lone.predict(Dataset.from_arrays(x).batch(9), verbose=0).shape == (N, 2)


def test_texts_of_other_lengths_from_batch_to_batch(rng):
    model = strop.Sequential([Embedding(9, 3), GlobalAveragePooling1D(), Dense(1, activation="sigmoid")])
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    batches = [(rng.integers(0, 9, (4, t)), rng.integers(0, 2, 4)) for t in (5, 5, 7, 2)]
    history = model.fit(iter(batches), verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert model.predict((x for x, _ in batches), verbose=0).shape == (16, 1)
    model = strop.Sequential([Embedding(9, 3), Dense(2, activation="softmax")])
    with pytest.raises(ValueError) as caught:
        model.predict((x for x, _ in batches), verbose=0)
    assert str(caught.value) == (
        "predict: outputs must have one shape; got (5, 2) of the first batch and (7, 2) of batch 2; "
        "predict batches of other lengths one by one"
    )


def test_the_progress_bar_without_a_known_number_of_steps(rng, capsys):
    x, y = samples(rng)
    history = dense_model().fit(generator(x, y), verbose=1)
    assert history.params["steps"] is None
    dense_model().fit(Dataset.from_arrays(x, y).batch(SIZE), verbose=2)
    assert "loss" in capsys.readouterr().out


# ---- refusals ---------------------------------------------------------------

UNIT = "y must lie in [0, 1] for binary_crossentropy; got {} at sample 1"
GOOD = (np.zeros((2, 5), np.float32), np.zeros(2, np.float32))


@pytest.mark.parametrize(
    ("batch", "kind", "text"),
    [
        ((np.zeros((2, 4), np.float32), np.zeros(2)), ValueError, "x must have shape (None, 5); got (2, 4)"),
        ((np.zeros((2, 5, 1), np.float32), np.zeros(2)), ValueError, "x must have shape (None, 5); got (2, 5, 1)"),
        (
            ([[0.0] * 5, [0.0] * 4], [0, 0]),
            ValueError,
            "x must be rectangular; got rows of length 5 (row 0) and 4 (row 1); use pad_sequences",
        ),
        ((GOOD[0], np.zeros(3)), ValueError, "y must have as many samples as x (2); got 3"),
        ((GOOD[0], np.array([0, np.nan])), ValueError, UNIT.format("nan")),
        ((GOOD[0], np.array([0.0, 2.0])), ValueError, UNIT.format("2.0")),
        ((np.zeros((2, 5), np.uint8), GOOD[1]), ValueError, "x must be float32 like the first batch; got uint8"),
        ((np.full((2, 5), "a"), GOOD[1]), ValueError, "x must be float32 like the first batch; got <U1"),
        ((GOOD[0], np.array(["a", "b"])), ValueError, "y must be float32 like the first batch; got <U1"),
        ((np.zeros((0, 5), np.float32), np.zeros(0)), ValueError, "x must have a sample; got 0"),
        ((*GOOD, np.ones(2)), ValueError, "sample_weight must be given in every batch or in none; got one after none"),
        (([None] * 2, GOOD[1]), TypeError, "x must hold numbers; got a object array of shape (2,)"),
    ],
)  # fmt: skip
def test_an_odd_batch_is_refused_with_its_number(batch, kind, text):
    model = dense_model()
    with pytest.raises(kind) as caught:
        model.fit(iter([GOOD, GOOD, batch]), verbose=0)
    assert str(caught.value) == f"fit: batch 2: {text}"
    assert model.optimizer.iterations == 2
    with pytest.raises(kind) as caught:
        model.fit(*GOOD, validation_data=iter([GOOD, batch]), verbose=0)
    assert str(caught.value) == f"fit: validation batch 1: {text}"


@pytest.mark.parametrize(
    ("batch", "text"),
    [
        (GOOD[0], "must be (x, y) or (x, y, sample_weight); got x alone"),
        (
            {"x": GOOD[0], "y": GOOD[1]},
            "must be (x, y) or (x, y, sample_weight); got a dict of 'x', 'y'; map it to (x, y)",
        ),
        ((GOOD[0],), "must be (x, y) or (x, y, sample_weight); got x alone"),
        ((*GOOD, None, None), "must be (x, y) or (x, y, sample_weight); got 4 entries"),
        ((), "must be (x, y) or (x, y, sample_weight); got 0 entries"),
    ],
)
def test_batches_without_targets_are_refused(batch, text):
    with pytest.raises(ValueError) as caught:
        dense_model().fit(iter([GOOD, batch]), verbose=0)
    assert str(caught.value) == f"fit: batch 1 {text}"


def test_an_id_outside_the_table_is_named_with_its_batch():
    model = strop.Sequential([Embedding(9, 3), GlobalAveragePooling1D(), Dense(1)])
    model.compile(optimizer="adam", loss="mse")
    good = (np.array([[1, 2]]), [0.0])
    with pytest.raises(IndexError) as caught:
        model.fit(iter([good, (np.array([[1, 9]]), [0.0])]), verbose=0)
    assert str(caught.value) == (
        "fit: batch 1: Embedding 'embedding': ids must lie in [0, 9); got 9 at (0, 1); "
        "input_dim is the largest id plus 1"
    )


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda m, d: m.fit(d, np.zeros(2)), "fit: y must be None where x gives batches; got ndarray"),
        (
            lambda m, d: m.fit(d, sample_weight=[1]),
            "fit: sample_weight must be None where x gives batches; got list",
        ),
        (
            lambda m, d: m.fit(d, batch_size=4),
            "fit: batch_size must be None where x gives batches; got 4; use batch of the dataset",
        ),
        (
            lambda m, d: m.predict(d, batch_size=4),
            "predict: batch_size must be None where x gives batches; got 4; use batch of the dataset",
        ),
        (
            lambda m, d: m.fit(d, validation_split=0.1),
            "fit: validation_split must be 0 where x gives batches; got 0.1; pass validation_data",
        ),
        (
            lambda m, d: m.fit(d.repeat()),
            "fit: steps_per_epoch must be given for a dataset without end; got None",
        ),
        (
            lambda m, d: m.fit(d, validation_data=d.repeat()),
            "fit: validation_steps must be given for a dataset without end; got None",
        ),
        (
            lambda m, d: m.evaluate(d.repeat()),
            "evaluate: steps must be given for a dataset without end; got None",
        ),
        (lambda m, d: m.fit(iter([])), "fit: x must give a batch; got none"),
        (lambda m, d: m.fit(d.take(0)), "fit: x must give a batch; got none"),
        (lambda m, d: m.evaluate(iter([])), "evaluate: x must give a batch; got none"),
        (lambda m, d: m.predict(iter([])), "predict: x must give a batch; got none"),
        (
            lambda m, d: m.fit(*GOOD, validation_data=5),
            "fit: validation_data must be (x, y) or (x, y, sample_weight); got something else",
        ),
    ],
)
def test_calls_that_are_refused(call, text):
    with pytest.raises(ValueError) as caught:
        call(dense_model(), Dataset.from_arrays(*GOOD).batch(2))
    assert str(caught.value) == text


def test_shuffling_of_others_is_not_touched_by_a_dataset(rng):
    # A dataset with its own seed takes nothing from the stream that shuffles arrays.
    x, y = samples(rng)
    model = dense_model()
    before = _random.get_state()["draws"]
    model.fit(Dataset.from_arrays(x, y).shuffle(seed=1).batch(8), epochs=2, verbose=0)
    assert _random.get_state()["draws"] == before
