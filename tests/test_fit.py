"""Training as a whole: the hand-computed step, epochs, validation, weights, history."""

from __future__ import annotations

import numpy as np
import pytest

import strop
from strop import callbacks
from strop.layers import Activation, Dense, Dropout, Embedding, GlobalAveragePooling1D
from strop.optimizers import SGD, Adam
from strop.training.plan import Plan

WEIGHTS = [
    np.array([[0.5, -0.5], [0.1, 0.2], [-0.3, 0.4], [0.2, 0.1]]),
    np.array([[1, -1], [0.5, 2]]),
    np.array([0, 0.1]),
    np.array([[1], [-1]]),
    np.array([0.2]),
]
X, Y = np.array([[0, 0, 1, 2], [0, 3, 3, 1]]), np.array([1, 0])


def hand_model(optimizer, mask_zero=True, **dense):
    layers = [
        Embedding(4, 2, mask_zero=mask_zero, dtype="float64"),
        GlobalAveragePooling1D(dtype="float64"),
        Dense(2, activation="relu", dtype="float64", **dense),
        Dense(1, activation="sigmoid", dtype="float64"),
    ]
    model = strop.Sequential([strop.Input((4,)), *layers])
    model.compile(optimizer=optimizer, loss="binary_crossentropy", metrics=["accuracy"])
    model.set_weights(WEIGHTS)
    return model


def test_one_step_by_hand():
    model = hand_model(SGD(0.5))
    np.testing.assert_allclose(model.predict(X, verbose=0).ravel(), [0.3658643952, 0.5580701091], atol=1e-10)
    history = model.fit(X, Y, batch_size=2, shuffle=False, verbose=0)
    assert history.history == {"loss": [pytest.approx(0.9110482507611595, abs=1e-12)], "accuracy": [0.0]}
    table, w1, b1, w2, b2 = model.get_weights()
    want = [
        [0.5, -0.5],
        [0.1655222138, 0.1508583372],
        [-0.1414660990, 0.2810995743],
        [0.0139766256, 0.2395175258],
    ]
    np.testing.assert_allclose(table, want, atol=1e-8)
    want = [[0.9608936869, -0.9608936869], [0.5289578363, 1.9710421637]]
    np.testing.assert_allclose(w1, want, atol=1e-10)
    np.testing.assert_allclose(b1, [0.0190163702, 0.0809836298], atol=1e-10)
    np.testing.assert_allclose(w2.ravel(), [0.9753726013, -0.9010763690], atol=1e-10)
    np.testing.assert_allclose(b2, [0.2190163739], atol=1e-10)


def test_a_penalty_is_in_the_loss_and_in_the_gradient():
    model = hand_model(SGD(0.5), kernel_regularizer=strop.regularizers.L2(0.1))
    history = model.fit(X, Y, batch_size=2, shuffle=False, verbose=0)
    assert history.history["loss"][0] == pytest.approx(1.5360482507611595, abs=1e-12)
    want = [[0.8608936869, -0.8608936869], [0.4789578363, 1.7710421637]]
    np.testing.assert_allclose(model.get_weights()[1], want, atol=1e-10)


def test_frozen_weights_have_no_penalty():
    model = strop.Sequential(
        [strop.Input((2,)), Dense(1, kernel_regularizer="l2", trainable=False), Dense(1)]
    )
    model.compile("sgd", "mse")
    x, y = np.ones((2, 2)), np.zeros((2, 1))
    want = float(np.mean(model.predict(x, verbose=0) ** 2))
    assert model.evaluate(x, y, verbose=0) == pytest.approx(want, rel=1e-6)
    assert model.fit(x, y, verbose=0).history["loss"] == [pytest.approx(want, rel=1e-6)]


def test_without_a_mask_padding_is_averaged_in():
    model = hand_model(SGD(0.5), mask_zero=False)
    np.testing.assert_allclose(model.predict(X, verbose=0).ravel(), [0.5866175804, 0.6076631691], atol=1e-10)
    history = model.fit(X, Y, batch_size=2, shuffle=False, verbose=0)
    assert history.history["loss"][0] == pytest.approx(0.7345083514665762, abs=1e-12)
    np.testing.assert_allclose(model.get_weights()[0][0], [0.5136938542, -0.4931530729], atol=1e-10)
    np.testing.assert_allclose(model.get_weights()[4], [0.1514298126], atol=1e-10)


def test_three_steps_of_adam():
    model = hand_model(Adam(0.01))
    history = model.fit(X, Y, batch_size=2, epochs=3, shuffle=False, verbose=0)
    want = [0.9110482931, 0.8910895586, 0.8725990057]  # as Keras clips: 1e-7
    np.testing.assert_allclose(history.history["loss"], want, atol=1e-7)
    want = [[0.5, -0.5], [0.129844341, 0.170162341], [-0.270059471, 0.370064350], [0.170013004, 0.129983270]]
    np.testing.assert_allclose(model.get_weights()[0], want, atol=1e-9)
    np.testing.assert_allclose(model.get_weights()[4], [0.228923187], atol=1e-9)


def test_a_logistic_unit():
    model = strop.Sequential([Dense(1, activation="sigmoid", kernel_initializer="zeros", dtype="float64")])
    model.compile(optimizer=SGD(0.1), loss="binary_crossentropy")
    history = model.fit([[1.0], [2.0]], [0, 1], verbose=0)
    assert history.history["loss"][0] == pytest.approx(np.log(2))
    assert [w.item() for w in model.get_weights()] == pytest.approx([0.025, 0])


def tiny(loss="mse", units=1, metrics=None, optimizer="sgd", **dense):
    model = strop.Sequential([strop.Input((1,)), Dense(units, **{"kernel_initializer": "zeros", **dense})])
    model.compile(optimizer=optimizer, loss=loss, metrics=metrics)
    return model


def test_an_epochs_loss_is_weighted_by_batch_size():
    # Errors 1 in a batch of four and 3 in a batch of one, with a rate of 0.
    model = tiny(optimizer=SGD(0.0))
    history = model.fit(np.zeros((5, 1)), [1, 1, 1, 1, 3], batch_size=4, shuffle=False, verbose=0)
    assert history.history["loss"] == [pytest.approx(2.6)]
    history = model.fit(
        np.zeros((5, 1)),
        [1, 1, 1, 1, 3],
        batch_size=4,
        shuffle=False,
        verbose=0,
        sample_weight=[0, 0, 0, 0, 1],
    )
    assert history.history["loss"] == [pytest.approx(1.8)]


def test_class_weights_are_of_the_fit_alone():
    model = tiny("binary_crossentropy", activation="sigmoid", optimizer=SGD(0.0))
    history = model.fit(
        np.zeros((2, 1)), [0, 1], class_weight={1: 3}, validation_data=(np.zeros((2, 1)), [0, 1]), verbose=0
    )
    assert history.history["loss"] == [pytest.approx(1.386294, abs=1e-6)]
    assert history.history["val_loss"] == [pytest.approx(0.693147, abs=1e-6)]


def test_class_weights_are_not_of_the_part_that_is_split_off(tmp_path):
    mapped = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (4, 1))
    for x in (np.zeros((4, 1)), mapped):
        model = tiny("binary_crossentropy", activation="sigmoid", optimizer=SGD(0.0))
        history = model.fit(x, [0, 1, 0, 1], class_weight={1: 3}, validation_split=0.5, verbose=0)
        assert history.history["loss"] == [pytest.approx(1.386294, abs=1e-6)]
        assert history.history["val_loss"] == [pytest.approx(0.693147, abs=1e-6)]


def test_epochs_count_on_and_the_state_goes_on():
    model = tiny(optimizer=Adam(0.1))
    history = model.fit([[1.0]], [1.0], epochs=5, initial_epoch=3, verbose=0)
    assert history.epoch == [3, 4]
    assert model.optimizer.iterations == 2
    model.fit([[1.0]], [1.0], epochs=1, verbose=0)
    assert model.optimizer.iterations == 3


@pytest.mark.parametrize(("count", "share", "held"), [(10, 0.25, 3), (10, 0.3, 3), (1000, 0.9, 901)])
def test_the_tail_validates(count, share, held):
    seen = []
    model = tiny(optimizer=SGD(0.0), metrics=["mse"])
    y = np.arange(count, dtype=float)

    class Watch(callbacks.Callback):
        def on_test_batch_end(self, batch, logs=None):
            seen.append(logs["loss"])

    model.fit(
        np.zeros((count, 1)),
        y,
        validation_split=share,
        verbose=0,
        callbacks=[Watch()],
        validation_batch_size=5000,
    )
    assert seen[-1] == pytest.approx((y[count - held :] ** 2).mean(), rel=1e-6)


def test_the_history_is_in_the_order_of_compile_and_of_floats():
    model = tiny("binary_crossentropy", activation="sigmoid", metrics=["recall", "accuracy", "precision"])
    rate = callbacks.LearningRateScheduler(lambda epoch, lr: lr * 0.5)
    history = model.fit(
        np.zeros((20, 1)),
        [0, 1] * 10,
        validation_split=0.5,
        epochs=4,
        validation_freq=2,
        verbose=0,
        callbacks=[rate],
    )
    names = ["loss", "recall", "accuracy", "precision"]
    assert list(history.history) == [*names, *(f"val_{n}" for n in names), "learning_rate"]
    assert [len(v) for v in history.history.values()] == [4] * 4 + [2] * 4 + [4]
    assert all(type(v) is float for values in history.history.values() for v in values)
    assert history.params == {"verbose": 0, "epochs": 4, "steps": 1}
    assert model.metrics_names == names


def test_evaluate_gives_a_float_or_a_list():
    model = tiny(metrics=["mae"])
    assert model.evaluate([[1.0]], [[3.0]], verbose=0) == [9.0, 3.0]
    assert model.evaluate([[1.0]], [[3.0]], verbose=0, return_dict=True) == {"loss": 9.0, "mae": 3.0}
    assert tiny().evaluate([[1.0]], [[3.0]], verbose=0) == 9.0


def test_predict_gives_fresh_rows_and_none_for_none():
    model = tiny(units=3)
    assert model.predict(np.zeros((0, 1)), verbose=0).shape == (0, 3)
    result = model.predict([[1.0], [2.0]], verbose=0)
    assert result.shape == (2, 3)
    assert result.dtype == np.float32
    model.predict([[5.0], [6.0]], verbose=0)
    assert (result == 0).all()


def test_batches_of_one_call():
    model = tiny(optimizer=SGD(0.1), metrics=["mae"])
    assert model.train_on_batch([[1.0]], [[2.0]]) == [4.0, 2.0]
    loss, mae = model.test_on_batch([[1.0]], [[2.0]])
    assert mae == pytest.approx(1.2)
    assert loss == pytest.approx(1.44)


def test_callbacks_run_in_order():
    events = []

    class Log(callbacks.Callback):
        pass

    hooks = [h for h in dir(callbacks.Callback) if h.startswith("on_") and "predict" not in h]
    for hook in hooks:
        setattr(Log, hook, lambda self, *args, hook=hook: events.append(hook))
    tiny().fit(
        np.zeros((2, 1)),
        [0.0, 0.0],
        batch_size=1,
        validation_data=(np.zeros((1, 1)), [0.0]),
        verbose=0,
        callbacks=[Log()],
    )
    batch = ["on_train_batch_begin", "on_train_batch_end"]
    test = ["on_test_begin", "on_test_batch_begin", "on_test_batch_end", "on_test_end"]
    assert events == [
        "on_train_begin",
        "on_epoch_begin",
        *batch,
        *batch,
        *test,
        "on_epoch_end",
        "on_train_end",
    ]


def test_stop_training_ends_after_the_batch():
    class Stop(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = True

    model = tiny()
    model.fit(np.zeros((64, 1)), np.zeros(64), epochs=5, verbose=0, callbacks=[Stop()])
    assert model.optimizer.iterations == 1


def test_an_interrupted_fit_leaves_a_usable_model():
    class Interrupt(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 3:
                raise KeyboardInterrupt

    model = strop.Sequential([Embedding(50, 4), GlobalAveragePooling1D(), Dense(1)])
    model.compile(optimizer="adam", loss="mse")
    x = np.random.default_rng(0).integers(0, 50, (200, 6))
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, np.ones(200), verbose=0, callbacks=[Interrupt()])
    model.fit(x, np.ones(200), verbose=0)
    assert np.isfinite(model.predict(x, verbose=0)).all()


# ---- the step plan ---------------------------------------------------------


def text_model(seed, loss="binary_crossentropy", mask_zero=False, head="sigmoid", units=1, split=False):
    strop.utils.set_random_seed(seed)
    last = [Dense(units), Activation(head)] if split else [Dense(units, activation=head)]
    model = strop.Sequential(
        [
            strop.Input((12,)),
            Embedding(40, 6, mask_zero=mask_zero),
            GlobalAveragePooling1D(),
            Dense(5, activation="relu"),
            *last,
        ]
    )
    model.compile(optimizer=Adam(0.01), loss=loss)
    return model


@pytest.mark.parametrize("mask_zero", [False, True])
@pytest.mark.parametrize("split", [False, True])
def test_fused_and_layer_by_layer_give_the_same_numbers(rng, mask_zero, split):
    x = rng.integers(0, 40, (64, 12))
    x[:, :4] = 0
    y = rng.integers(0, 2, (64, 1)).astype(np.float32)
    fused, plain = (
        text_model(3, mask_zero=mask_zero, split=split),
        text_model(3, mask_zero=mask_zero, split=split),
    )
    plain._plan = Plan(plain.layers, plain.loss, fused=False)
    assert len(Plan(fused.layers, fused.loss).steps) == 3
    for model in (fused, plain):
        model.fit(x, y, epochs=3, shuffle=False, verbose=0)
    for got, want in zip(fused.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(got, want, atol=2e-6)
    np.testing.assert_allclose(fused.predict(x, verbose=0), plain.predict(x, verbose=0), atol=1e-6)


def test_the_last_activation_joins_its_loss_only():
    assert Plan(text_model(1).layers, text_model(1).loss).ends_in_logits
    other = text_model(1, loss="mse")
    assert not Plan(other.layers, other.loss).ends_in_logits


def test_a_saturated_model_still_learns():
    model = strop.Sequential([strop.Input((1,)), Dense(1, activation="sigmoid", kernel_initializer="zeros")])
    model.compile(optimizer=SGD(1.0), loss="binary_crossentropy")
    model.set_weights([np.zeros((1, 1)), np.array([-40.0])])
    history = model.fit([[0.0]], [[1.0]], verbose=0)
    assert history.history["loss"] == [40.0]
    assert model.get_weights()[1][0] == -39


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_a_softmax_model_learns_its_classes(rng, loss):
    strop.utils.set_random_seed(0)
    labels = rng.integers(0, 3, 300)
    x = (np.eye(3)[labels] + rng.normal(size=(300, 3)) * 0.1).astype(np.float32)
    y = labels if loss.startswith("sparse") else strop.utils.to_categorical(labels)
    model = strop.Sequential([Dense(16, activation="tanh"), Dropout(0.1), Dense(3, activation="softmax")])
    model.compile(optimizer=Adam(0.05), loss=loss, metrics=["accuracy"])
    history = model.fit(x, y, epochs=5, verbose=0)
    assert history.history["accuracy"][-1] > 0.97
    np.testing.assert_allclose(model.predict(x, verbose=0).sum(axis=1), 1, rtol=1e-5)


def test_constraints_act_after_the_update():
    model = tiny(kernel_constraint=strop.constraints.NonNeg(), optimizer=SGD(1.0))
    model.fit([[1.0]], [-5.0], verbose=0)
    assert model.get_weights()[0][0, 0] == 0


def test_a_fit_ends_with_the_averages_of_the_weights():
    model = strop.Sequential([Dense(1, use_bias=False, kernel_initializer="ones")])
    model.compile(SGD(0.1, use_ema=True, ema_momentum=0.5), lambda y, p: p[..., 0])
    model.loss.function.gradient = lambda y, p: np.ones_like(p)
    seen = []
    end = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(model.get_weights()[0].item()),
        on_train_end=lambda logs: seen.append(model.get_weights()[0].item()),
    )
    model.fit(np.ones((2, 1)), np.zeros((2, 1)), batch_size=1, callbacks=[end], verbose=0)
    assert seen == pytest.approx([0.8, 0.85])
    assert model.get_weights()[0].item() == seen[1]


def test_frozen_layers_do_not_move():
    model = strop.Sequential([strop.Input((2,)), Dense(3, trainable=False), Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    before = model.get_weights()
    model.fit(np.ones((8, 2)), np.ones(8), verbose=0)
    after = model.get_weights()
    np.testing.assert_array_equal(before[0], after[0])
    assert not np.array_equal(before[2], after[2])


def test_two_runs_of_one_seed_have_the_same_bits_on_any_number_of_threads(rng):
    x, y = rng.integers(0, 40, (256, 12)), rng.integers(0, 2, 256)
    runs = []
    for count in (1, 2, 3, 8):
        with strop.config.threads(count):
            model = text_model(11)
            model.fit(x, y, epochs=2, verbose=0)
            runs.append(b"".join(w.tobytes() for w in model.get_weights()))
    assert len(set(runs)) == 1


def test_a_deferred_fit_equals_a_dense_fit(rng):
    # The deferred table inside fit against sparse="dense", several epochs, shuffled.
    x, y = rng.integers(0, 40, (256, 12)), rng.integers(0, 2, 256)
    results = []
    for sparse in (None, "dense"):
        model = text_model(5)
        model.compile(optimizer=Adam(0.01, sparse=sparse), loss="binary_crossentropy")
        strop.utils.set_random_seed(9)
        model.fit(x, y, epochs=4, verbose=0)
        results.append(model.get_weights())
    for got, want in zip(*results, strict=True):
        np.testing.assert_allclose(got, want, atol=3e-6)


def test_evaluate_has_the_compiled_loss_where_no_kernel_has_it(rng):
    """A chain of Dense layers is read by a program of kernels, which has not every loss."""
    x, y = rng.normal(size=(20, 3)), rng.integers(0, 2, 20)
    for name in ("hinge", "squared_hinge", "cosine_similarity", "binary_focal_crossentropy"):
        model = strop.Sequential([strop.Input((3,)), strop.layers.Dense(1, activation="sigmoid")])
        model.compile("sgd", loss=name)
        loss = strop.losses.get(name)
        want = loss(y.astype("float32")[:, None], model.predict(x, verbose=0))
        assert model.evaluate(x, y, verbose=0) == pytest.approx(want, rel=1e-5)
        history = model.fit(x, y, validation_data=(x, y), verbose=0).history
        want = loss(y.astype("float32")[:, None], model.predict(x, verbose=0))
        assert history["val_loss"][0] == pytest.approx(want, rel=1e-5)
