"""What used to surface late: settings are refused when they are given, and errors of the system name the file."""

from __future__ import annotations

import errno
import os
import resource
import signal

import numpy as np
import pytest

import strop
from strop._files import atomic_write
from strop.callbacks import CSVLogger, EarlyStopping, ModelCheckpoint, ReduceLROnPlateau
from strop.constraints import MaxNorm, MinMaxNorm, UnitNorm
from strop.layers import LSTM, BatchNormalization, Conv1D, Dense, Embedding
from strop.preprocessing.text import Tokenizer


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (lambda: EarlyStopping(patience="a"), TypeError,
         "EarlyStopping: patience must be a number of at least 0; got str"),
        (lambda: EarlyStopping(patience=[1]), TypeError,
         "EarlyStopping: patience must be a number of at least 0; got list"),
        (lambda: EarlyStopping(min_delta=None), TypeError, "EarlyStopping: min_delta must be a number; got NoneType"),
        (lambda: EarlyStopping(baseline="0.5"), TypeError, "EarlyStopping: baseline must be a number; got str"),
        (lambda: EarlyStopping(threshold=np.ones(2)), TypeError,
         "EarlyStopping: threshold must be a number; got ndarray"),
        (lambda: EarlyStopping(start_from_epoch=None), TypeError,
         "EarlyStopping: start_from_epoch must be a number of at least 0; got NoneType"),
        (lambda: EarlyStopping(monitor=3), TypeError, "EarlyStopping: monitor must be a text; got int"),
        (lambda: ReduceLROnPlateau(factor="a"), TypeError, "ReduceLROnPlateau: factor must be a number; got str"),
        (lambda: ReduceLROnPlateau(factor=-0.5), ValueError, "ReduceLROnPlateau: factor must lie in [0, 1); got -0.5"),
        (lambda: ReduceLROnPlateau(patience=None), TypeError,
         "ReduceLROnPlateau: patience must be a number of at least 0; got NoneType"),
        (lambda: ReduceLROnPlateau(cooldown="a"), TypeError,
         "ReduceLROnPlateau: cooldown must be a number of at least 0; got str"),
        (lambda: ReduceLROnPlateau(min_lr="a"), TypeError,
         "ReduceLROnPlateau: min_lr must be a number of at least 0; got str"),
        (lambda: ReduceLROnPlateau(min_delta="a"), TypeError, "ReduceLROnPlateau: min_delta must be a number; got str"),
        (lambda: ModelCheckpoint("a", initial_value_threshold="a"), TypeError,
         "ModelCheckpoint: initial_value_threshold must be a number; got str"),
        (lambda: Tokenizer(num_words="a"), ValueError, "Tokenizer: num_words must be a whole number from 0; got 'a'"),
        (lambda: Tokenizer(num_words=-1), ValueError, "Tokenizer: num_words must be a whole number from 0; got -1"),
    ],
)  # fmt: skip
def test_settings_are_refused_when_they_are_given(make, kind, text):
    with pytest.raises(kind) as caught:
        make()
    assert str(caught.value) == text
    assert type(caught.value) is kind


def test_patience_may_be_any_number_and_infinite():
    for patience in (np.int64(3), 2.5, float("inf")):
        assert EarlyStopping(patience=patience).patience == patience
        assert ReduceLROnPlateau(patience=patience).patience == patience


HUGE = 10**15  # beyond the address space with 4 bytes each
BEYOND = 10**30  # beyond what an array can count


@pytest.mark.parametrize(
    ("layer", "shape", "text"),
    [
        (lambda: Dense(2, kernel_constraint=MaxNorm(axis=5), name="d"), (4,),
         "Dense 'd': axis of MaxNorm must name axes of kernel, whose shape is (4, 2), each once; got 5"),
        (lambda: Dense(2, bias_constraint=UnitNorm(axis=-2), name="d"), (4,),
         "Dense 'd': axis of UnitNorm must name axes of bias, whose shape is (2,), each once; got -2"),
        (lambda: Conv1D(2, 3, kernel_constraint=MinMaxNorm(axis=[0, -3]), name="c"), (8, 4),
         "Conv1D 'c': axis of MinMaxNorm must name axes of kernel, whose shape is (3, 4, 2), each once; got (0, -3)"),
        (lambda: LSTM(2, recurrent_constraint=MaxNorm(axis=2), name="r"), (8, 4),
         "LSTM 'r': axis of MaxNorm must name axes of recurrent_kernel, whose shape is (2, 8), each once; got 2"),
        (lambda: BatchNormalization(gamma_constraint=MaxNorm(axis=1), name="b"), (4,),
         "BatchNormalization 'b': axis of MaxNorm must name axes of gamma, whose shape is (4,), each once; got 1"),
    ],
)  # fmt: skip
def test_a_constraint_of_axes_that_a_weight_lacks_is_refused_when_the_layer_is_built(layer, shape, text):
    with pytest.raises(ValueError) as caught:
        strop.Sequential([strop.Input(shape), layer()])
    assert str(caught.value) == text


def test_a_constraint_called_on_an_array_names_its_axes():
    with pytest.raises(ValueError) as caught:
        MaxNorm(axis=1)(np.ones(3))
    assert str(caught.value) == (
        "MaxNorm: axis of MaxNorm must name axes of w, whose shape is (3,), each once; got 1"
    )


@pytest.mark.parametrize(
    ("layer", "shape", "text"),
    [
        (lambda: Dense(HUGE, name="d"), (4,),
         f"Dense 'd': kernel must fit into memory; got shape (4, {HUGE}), 16000000.0 GB"),
        (lambda: Dense(BEYOND, name="d"), (4,),
         f"Dense 'd': kernel must fit into memory; got shape (4, {BEYOND}), over 9223372036.9 GB"),
        (lambda: Dense(BEYOND, name="d"), (0,),
         f"Dense 'd': kernel must fit into memory; got shape (0, {BEYOND}), over 9223372036.9 GB"),
        (lambda: Dense(2, dtype="float64", kernel_initializer="zeros", name="d"), (HUGE,),
         f"Dense 'd': kernel must fit into memory; got shape ({HUGE}, 2), 16000000.0 GB"),
        (lambda: Conv1D(BEYOND, 3, name="c"), (8, 4),
         f"Conv1D 'c': kernel must fit into memory; got shape (3, 4, {BEYOND}), over 9223372036.9 GB"),
        (lambda: Embedding(HUGE, 4, name="e"), (8,),
         f"Embedding 'e': embeddings must fit into memory; got shape ({HUGE}, 4), 16000000.0 GB"),
        (lambda: Embedding(BEYOND, 4, name="e"), (8,),
         f"Embedding 'e': embeddings must fit into memory; got shape ({BEYOND}, 4), over 9223372036.9 GB"),
        (lambda: LSTM(BEYOND, name="r"), (8, 4),
         f"LSTM 'r': kernel must fit into memory; got shape (4, {4 * BEYOND}), over 9223372036.9 GB"),
    ],
)  # fmt: skip
def test_a_weight_beyond_memory_names_layer_shape_and_bytes(layer, shape, text):
    with pytest.raises(MemoryError) as caught:
        strop.Sequential([strop.Input(shape), layer()])
    assert str(caught.value) == text


def model():
    return strop.Sequential([strop.Input((2,)), Dense(1)])


@pytest.mark.parametrize("save", ["save", "save_weights"])
def test_saving_into_a_missing_folder_names_the_path_that_was_given(tmp_path, save):
    path = tmp_path / "missing" / "m.safetensors"
    with pytest.raises(FileNotFoundError) as caught:
        getattr(model(), save)(path)
    assert str(caught.value) == f"[Errno {errno.ENOENT}] save: folder must exist; got none: '{path}'"


def test_a_folder_that_may_not_be_written_names_the_path_that_was_given(tmp_path, monkeypatch):
    def refuse(path, *_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))

    path = tmp_path / "m.bin"
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermissionError) as caught, atomic_write(path):
        pass
    assert str(caught.value) == f"[Errno {errno.EACCES}] Permission denied: '{path}'"


def test_a_log_on_a_full_disk_names_its_file(tmp_path):
    path = tmp_path / "log.csv"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    x = np.zeros((4, 2), np.float32)
    trained = model()
    trained.compile("sgd", "mse")
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20, limits[1]))
        with pytest.raises(OSError) as caught:
            trained.fit(x, x[:, :1], epochs=9, verbose=0, callbacks=[CSVLogger(path)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert str(caught.value) == f"[Errno {errno.EFBIG}] File too large: '{path}'"
