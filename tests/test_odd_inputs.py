"""What other libraries hand over, and what looks like data and is not: refused in one line, before any write."""

from __future__ import annotations

import subprocess
import sys
import types

import numpy as np
import pytest

import strop
import strop.datasets
from strop import callbacks, plot, preprocessing
from strop._arrays import rectangular
from strop.data import Dataset
from strop.layers import LSTM, Dense
from strop.preprocessing import text
from strop.preprocessing.sequence import pad_sequences

MASKED = np.ma.masked_array(np.ones((2, 3)), mask=[[0, 0, 1], [0, 0, 0]])


class Kept:
    """An array that its library does not give away, such as a tensor that needs its gradient."""

    shape, dtype = (2, 3), np.dtype(np.float32)

    def __dlpack__(self, **_):
        raise BufferError("it needs its gradient")

    def __dlpack_device__(self):
        return 1, 0


class Sparse:
    """A sparse matrix, whose length SciPy leaves open."""

    shape, dtype = (2, 3), np.dtype(np.float32)

    def __len__(self):
        raise TypeError("sparse array length is ambiguous")

    def __getitem__(self, rows):
        return self

    def toarray(self):
        return np.ones(self.shape, self.dtype)


class Frame:
    """A table with a column of whole numbers, one of floats and one of truths, as pandas gives it."""

    def __init__(self, *rows):
        self.rows = np.array(rows, object)
        self.columns = ["a", "b", "c"]
        self.shape = self.rows.shape
        self.dtypes = dict(zip(self.columns, map(np.dtype, ("int64", "float64", "bool")), strict=True))

    def __len__(self):
        return len(self.rows)

    def to_numpy(self):
        return self.rows

    def __array__(self, dtype=None, copy=None):
        return self.rows


def model():
    network = strop.Sequential([strop.Input((3,)), Dense(1)])
    network.compile("sgd", "mse")
    return network


def fitted():
    tokenizer = text.Tokenizer()
    tokenizer.fit_on_texts(["a b"])
    return tokenizer


@pytest.mark.parametrize(
    ("x", "kind", "message"),
    [
        (
            [[[1], 2, 3], [1, 2, 3]],
            ValueError,
            "x must be rectangular; got rows of unequal shapes; use pad_sequences",
        ),
        (Kept(), TypeError, "x must be an array that NumPy reads; got Kept: it needs its gradient"),
        (Sparse(), TypeError, "x must be a dense array; got Sparse; use toarray()"),
        (Frame([1, 2.5, None]), TypeError, "x must hold numbers; got a object array of shape (1, 3)"),
        (MASKED, TypeError, "x must be a plain array; got a MaskedArray"),
        ("abc", TypeError, "x must hold numbers; got str"),
    ],
)
def test_what_gives_no_array_is_refused(x, kind, message):
    for call, op in ((model().predict, "predict"), (lambda x, **k: model().fit(x, [0, 1], **k), "fit")):
        with pytest.raises(kind) as caught:
            call(x, verbose=0)
        assert str(caught.value) == f"{op}: {message}"


def test_a_view_of_memory_and_a_frame_of_several_kinds_are_arrays():
    network, x = model(), np.arange(6.0, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(network.predict(memoryview(x), verbose=0), network.predict(x, verbose=0))
    frame = Frame([1, 2.5, True], [0, 0.5, False])
    want = network.predict([[1, 2.5, 1], [0, 0.5, 0]], verbose=0)
    np.testing.assert_array_equal(network.predict(frame, verbose=0), want)
    (batch,) = Dataset.from_tensor_slices(frame).batch(2)
    np.testing.assert_array_equal(batch, [[1, 2.5, 1], [0, 0.5, 0]])


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda: Dataset.from_tensor_slices(MASKED),
            TypeError,
            "from_tensor_slices: arrays must be plain; got a MaskedArray",
        ),
        (
            lambda: Dataset.from_tensor_slices(Frame([1, 2.5, None])),
            TypeError,
            "from_tensor_slices: columns must hold numbers; got one that lacks some; fill them with fillna()",
        ),
        (
            lambda: strop.losses.MeanSquaredError()(MASKED, np.ones((2, 3))),
            TypeError,
            "MeanSquaredError: y_true must be a plain array; got a MaskedArray; give a mask as sample_weight",
        ),
        (
            lambda: preprocessing.StandardScaler().fit(MASKED),
            TypeError,
            "StandardScaler.fit: data must be plain arrays; got a MaskedArray",
        ),
        (
            lambda: preprocessing.StandardScaler().fit(np.ones((2, 3))).transform(MASKED),
            TypeError,
            "StandardScaler.transform: data must be plain arrays; got a MaskedArray",
        ),
        (
            lambda: preprocessing.MinMaxScaler().fit([[1, 2], [1]]),
            ValueError,
            "MinMaxScaler.fit: data must be rectangular; got rows of unequal shapes",
        ),
        (
            lambda: strop.layers.Normalization().adapt(None),
            TypeError,
            "Normalization 'normalization': data must be arrays of numbers with an axis of samples; got object ()",
        ),
        (
            lambda: plot.confusion_matrix([0, 1], [0.2, 0.7]),
            ValueError,
            "plot.confusion_matrix: y_pred must hold classes; got 0.2 at sample 0; give scores as (N, 1)",
        ),
        (
            lambda: plot.confusion_matrix([0, 1], [0, np.inf]),
            ValueError,
            "plot.confusion_matrix: y_pred must hold classes; got inf at sample 1; give scores as (N, 1)",
        ),
        (
            lambda: callbacks.ModelCheckpoint(b"model.strop"),
            TypeError,
            "ModelCheckpoint: filepath must be a text or a path; got bytes",
        ),
        (
            lambda: callbacks.ModelCheckpoint("model.h5"),
            ValueError,
            "ModelCheckpoint: filepath must end in .safetensors or .strop; got 'model.h5'",
        ),
        (
            lambda: fitted().sequences_to_matrix([[1], [2, -1]]),
            IndexError,
            "sequences_to_matrix: ids must be 0 or more; got -1 in sequence 1",
        ),
        (
            lambda: fitted().fit_on_texts(["a", ["b", None]]),
            TypeError,
            "fit_on_texts: texts must hold strings; got NoneType in the list at 1",
        ),
        (
            lambda: fitted().texts_to_sequences([[b"b"]]),
            TypeError,
            "texts_to_sequences: texts must hold strings; got bytes in the list at 0",
        ),
        (
            lambda: text.text_to_word_sequence(b"a"),
            TypeError,
            "text_to_word_sequence: text must be a string; got bytes",
        ),
        (lambda: strop.Input((-1, 3)), ValueError, "Input: sizes of shape must be 0 or more; got -1"),
        (lambda: strop.Input((1.5,)), TypeError, "Input: sizes of shape must be an int; got float"),
        (lambda: strop.Input("a"), TypeError, "Input: shape must be a tuple; got str"),
        (
            lambda: pad_sequences([[1], [2, 1j]]),
            ValueError,
            "pad_sequences: sequences must hold real numbers for int32; got complex128 in row 1",
        ),
        (
            lambda: pad_sequences([[1], [2, float("nan")]]),
            OverflowError,
            "pad_sequences: sequences must fit int32; got nan in row 1",
        ),
        (
            lambda: pad_sequences([[2.0**63]], dtype="int64"),
            OverflowError,
            "pad_sequences: sequences must fit int64; got 9.223372036854776e+18 in row 0",
        ),
    ],
)
def test_what_looks_like_data_is_refused(call, kind, message):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == message


def test_reviews_that_are_no_lists_are_refused_with_their_file(tmp_path):
    path = tmp_path / "imdb.npz"
    np.savez(path, x_train=np.zeros((2, 3)), y_train=np.zeros(2), x_test=np.zeros((2, 3)), y_test=np.zeros(2))
    with pytest.raises(ValueError) as caught:
        strop.datasets.imdb.load_data(path)
    want = f"imdb.load_data: {path} must hold the reviews; got x_train that is no array of lists"
    assert str(caught.value) == want


@pytest.mark.filterwarnings("error")
def test_padding_takes_the_floats_that_fit():
    assert pad_sequences([[2.0**31 - 1, -(2.0**31) - 0.5]]).tolist() == [[2**31 - 1, -(2**31)]]
    assert pad_sequences([[-(2.0**63)]], dtype="int64").tolist() == [[-(2**63)]]
    assert pad_sequences([np.array([300.0], np.float16)]).tolist() == [[300]]


@pytest.mark.parametrize("name", ["{epoch[0]}", "{epoch:zz}", "{epoch", "{}", "{epoch.real.x}"])
def test_a_name_of_a_checkpoint_that_cannot_be_filled_in_says_what_can(tmp_path, name):
    path = str(tmp_path / name)
    with pytest.raises(ValueError) as caught:
        model().fit(np.ones((2, 3)), [0, 1], verbose=0, callbacks=[callbacks.ModelCheckpoint(path)])
    assert (
        str(caught.value)
        == f"ModelCheckpoint: filepath must name values of this fit (epoch, loss); got {path!r}"
    )


def test_an_array_of_cupy_stays_on_its_device(monkeypatch):
    class OnGpu(Kept):
        """CuPy gives its arrays by DLPack too, and NumPy cannot read those of a GPU."""

        __module__, ndim = "cupy", 2

    array = OnGpu()
    monkeypatch.setitem(sys.modules, "cupy", types.SimpleNamespace(asarray=lambda value: value))
    assert rectangular("fit", "x", array) is array


def test_a_bias_may_be_chosen_by_0_or_1():
    for use_bias in (0, 1):
        dense = Dense(1, use_bias=use_bias)
        network = strop.Sequential([strop.Input((2, 3)), LSTM(2), dense])
        network.compile("sgd", "mse")
        network.fit(np.ones((2, 2, 3)), [0, 1], verbose=0)
        assert len(dense.get_weights()) == 1 + use_bias


@pytest.mark.parametrize("how", ["interrupt", "end"])
def test_a_pipeline_that_never_gives_its_element_ends_with_its_reader(how):
    # The reader waits a while for the element under way: not for ever, as for a network that does not answer.
    script = f"""
import signal, threading, warnings
import numpy as np
from strop.data import Dataset, _prefetch
_prefetch.PATIENCE = 0.2
warnings.simplefilter("error")
for_ever = threading.Event()
elements = iter(Dataset.from_arrays(np.arange(3)).map(lambda v: for_ever.wait() if v else v).prefetch(1))
next(elements)
if {how!r} == "interrupt":
    def interrupt(*_):
        raise KeyboardInterrupt
    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        next(elements)
    except RuntimeWarning as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    if how == "interrupt":
        assert done.stdout == (
            "prefetch: the dataset must give an element within 0.2 s of the end; its thread is left behind\n"
        )
