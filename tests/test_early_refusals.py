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
from strop.layers import LSTM, Add, BatchNormalization, Conv1D, Dense, Embedding, Masking
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
        (lambda: Tokenizer(num_words="a"), TypeError, "Tokenizer: num_words must be a number; got str"),
        (lambda: Tokenizer(num_words=[3]), TypeError, "Tokenizer: num_words must be a number; got list"),
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


ROWS = np.arange(16, dtype=np.float32).reshape(8, 2) / 16


def compiled():
    made = model()
    made.compile("sgd", "mse")
    return made


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: compiled().fit(ROWS, ROWS[:, :1], batchsize=3), TypeError,
         "fit: keywords must be known ones; got 'batchsize'; did you mean 'batch_size'"),
        (lambda: compiled().evaluate(ROWS, ROWS[:, :1], batchsize=3), TypeError,
         "evaluate: keywords must be known ones; got 'batchsize'; did you mean 'batch_size'"),
        (lambda: compiled().predict(ROWS, verbos=0), TypeError,
         "predict: keywords must be known ones; got 'verbos'; did you mean 'verbose'"),
        (lambda: strop.Sequential([Dense(1)]).build(3), TypeError,
         "build: input_shape must be a tuple with the batch axis, as (None, 8); got 3"),
        (lambda: strop.Sequential([Dense(1)]).build(()), ValueError,
         "build: input_shape must be a tuple with the batch axis, as (None, 8); got ()"),
        (lambda: model().set_weights(None), TypeError, "set_weights: weights must be a list of arrays; got NoneType"),
        (lambda: Dense(1, name="d").set_weights(None), TypeError,
         "set_weights: Dense 'd': weights must be a list of arrays; got NoneType"),
    ],
)  # fmt: skip
def test_calls_of_a_model_refuse_in_their_own_words(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == text
    assert type(caught.value) is kind


@pytest.mark.parametrize("normalized", [False, True])
def test_a_batch_size_beyond_any_data_is_one_batch(normalized):
    kernels = []
    for size in (8, 10**30):
        strop.utils.set_random_seed(0)
        made = strop.Sequential([strop.Input((2,)), *[BatchNormalization()] * normalized, Dense(1)])
        made.compile("sgd", "mse")
        made.fit(ROWS, ROWS[:, :1], batch_size=size, verbose=0)
        made.evaluate(ROWS, ROWS[:, :1], batch_size=size, verbose=0)
        made.predict(ROWS, batch_size=size, verbose=0)
        kernels.append(made.get_weights()[-2])
    np.testing.assert_array_equal(*kernels)


def test_an_optimizer_that_a_callback_puts_in_place_trains_the_next_epoch():
    class Replace(strop.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 0:
                self.model.optimizer = strop.optimizers.SGD(0.0)
                self.kept = self.model.get_weights()

    made, replace = compiled(), Replace()
    made.fit(ROWS, ROWS[:, :1], epochs=3, verbose=0, callbacks=[replace])
    assert made.optimizer.iterations == 2
    for was, now in zip(replace.kept, made.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)


def test_validation_data_that_run_out_are_named():
    def two():
        for _ in range(2):
            yield ROWS, ROWS[:, :1]

    with pytest.warns(UserWarning, match="ran out") as caught:
        compiled().fit(ROWS, ROWS[:, :1], validation_data=two(), validation_steps=5, verbose=0)
    assert [str(each.message) for each in caught] == [
        "fit: validation_x ran out of data after 2 of 5 batches in epoch 0; repeat the dataset, or pass a generator "
        "that goes on"
    ]


def stepwise(loss="mse", outputs=1):
    made = strop.Sequential(
        [
            strop.Input((3,)),
            Embedding(9, 2, mask_zero=loss != "mse"),
            LSTM(2, return_sequences=True),
            Dense(outputs),
        ]
    )
    made.compile("sgd", loss, weighted_metrics=["mae"] if loss == "mse" else None)
    return made


def test_weights_of_steps_are_factors_of_the_losses_of_steps(rng):
    ids, weight = rng.integers(1, 9, (5, 3)), rng.random((5, 3))
    y, made = rng.random((5, 3, 1)), stepwise()
    away = made.predict(ids, verbose=0)[..., 0].astype(np.float64) - y[..., 0]
    loss, mae = made.evaluate(ids, y, sample_weight=weight, verbose=0)
    assert loss == pytest.approx((weight * away**2).mean(), rel=1e-5)
    assert mae == pytest.approx((weight * abs(away)).sum() / weight.sum(), rel=1e-5)
    assert made.fit(ids, y, sample_weight=weight, verbose=0).history["loss"] == pytest.approx(
        [loss], rel=1e-5
    )


def test_weights_of_steps_meet_a_mask_and_ids_as_targets(rng):
    ids = rng.integers(1, 9, (5, 3))
    ids[2, 1:] = 0
    weight, y = rng.random((5, 3)), rng.integers(0, 4, (5, 3))
    made = stepwise(strop.losses.SparseCategoricalCrossentropy(from_logits=True), 4)
    logits = made.predict(ids, verbose=0).astype(np.float64)
    each = np.log(np.exp(logits).sum(-1)) - np.take_along_axis(logits, y[..., None], -1)[..., 0]
    kept = ids != 0
    loss = made.evaluate(ids, y, sample_weight=weight, verbose=0)
    assert loss == pytest.approx((weight * each)[kept].sum() / kept.sum(), rel=1e-5)


def test_weights_of_other_steps_are_refused():
    with pytest.raises(ValueError) as caught:
        stepwise().fit(np.ones((4, 3), int), np.ones((4, 3, 1)), sample_weight=np.ones((4, 2)), verbose=0)
    assert str(caught.value) == (
        "fit: sample_weight must have one value per sample (4) or per step (4, 3); got shape (4, 2)"
    )


@pytest.mark.filterwarnings("error")
def test_a_sum_beyond_the_type_is_infinite_without_a_warning():
    large = np.full((1, 2), 3e38, np.float32)
    assert np.isposinf(Add()([large, large])).all()


@pytest.mark.parametrize("inner", [Dense, LSTM])
def test_inputs_of_another_dtype_name_the_layer(inner):
    made = strop.Sequential([strop.Input((3, 2)), Masking(), inner(1, dtype="float64", name="inner")])
    with pytest.raises(TypeError) as caught:
        made.predict(np.ones((4, 3, 2)), verbose=0)
    assert str(caught.value) == (
        f"{inner.__name__} 'inner': inputs must be float64 like the layer; got float32; give all layers one dtype"
    )
