"""Constructors: the names, the order and the defaults of Keras; what a wrong call says."""

from __future__ import annotations

import importlib
import inspect

import pytest

import strop
from conftest import import_keras
from strop import layers, losses, metrics

MODULES = [
    "layers",
    "losses",
    "metrics",
    "optimizers",
    "callbacks",
    "initializers",
    "regularizers",
    "constraints",
]

#: What Keras' constructors take and ours do not, by the class that declares it there; each with its reason.
MISSING = {
    "autocast": "there is no mixed precision that casts",
    "lora_rank": "no LoRA",
    "lora_alpha": "no LoRA",
    "quantization_config": "no quantised layers",
    "renorm": "no batch renormalisation",
    "renorm_clipping": "no batch renormalisation",
    "renorm_momentum": "no batch renormalisation",
    "synchronized": "no replicas whose statistics could be joined",
    "zero_output_for_mask": "masked steps copy the output, as by Keras' default",
    "unroll": "accepted and ignored",
    "use_cudnn": "accepted and ignored",
    "dtype": "of losses and metrics accepted and ignored: they sum in float64",
    "factor": "RandomFlip, RandomCrop and RandomTranslation inherit it in Keras and make no use of it",
    "bounding_box_format": "no boxes",
    "input_axes": "kernels have (..., in, out) here",
    "output_axes": "kernels have (..., in, out) here",
    # Arguments of Keras' base classes, which their own subclasses set.
    "rank": "set by the class",
    "cell": "set by the class",
    "pool_dimensions": "set by the class",
    "pool_mode": "set by the class",
    "add_history": "CallbackList is made by fit alone",
    "add_progbar": "CallbackList is made by fit alone",
    "baseline": "ReduceLROnPlateau inherits it in Keras and makes no use of it",
}

#: What only ours take.
EXTRA = {
    "input_shape": "of Keras 2, for a first layer without an Input; Keras 3 takes it out of **kwargs",
    "input_dim": "of Keras 2, for a first layer without an Input; Keras 3 takes it out of **kwargs",
    "input_length": "of Keras 2, for an Embedding",
    "activation": "of an activation's layer: the function, set by the class",
    "noise_shape": "SpatialDropout1D inherits it and sets it",
    "recurrent_activation": "SimpleRNN inherits it and has none",
    "activity_regularizer": "of every layer",
    "trainable": "of every layer",
    "sparse": "how rows without gradient move",
    "bias_correction": "off for what old papers call RMSprop with momentum",
    "state_dtype": "compact state",
    "threshold": "EarlyStopping stops once it is reached",
    "params": "CallbackList is made by fit alone",
    "log_names": "CallbackList is made by fit alone",
    "progress": "CallbackList is made by fit alone",
    "op": "CallbackList is made by fit alone",
}

#: From this argument on ours want keywords, in these classes and what is derived from them.
KEYWORD_ONLY = {
    "Recurrent": "kernel_initializer",
    "Scaled": "center",
    "BatchNormalization": "beta_regularizer",
    "Optimizer": "weight_decay",
    "AdamW": "clipnorm",
    "Pooling": "name",
    "RandomImage": "name",
    "SpatialDropout1D": "name",
    "CallbackList": "add_history",
}


def public():
    for module in MODULES:
        space = importlib.import_module(f"strop.{module}")
        for name in getattr(space, "__all__", dir(space)):
            cls = getattr(space, name)
            if isinstance(cls, type) and cls.__module__.startswith("strop.") and not name.startswith("_"):
                yield module, name


def arguments(cls):
    """Positional ones in order, and all that the class and, through **settings, its bases take."""
    positional, known = [], {}
    for base in cls.__mro__:
        if "__init__" not in vars(base) or base is object:
            continue
        given = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
        if not known:
            positional = [p.name for p in given if p.kind is p.POSITIONAL_OR_KEYWORD]
        known = {p.name: p for p in given if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)} | known
        if not any(p.kind is p.VAR_KEYWORD for p in given):
            break
    return positional, known


def same(ours, theirs):
    """Whether two defaults mean the same: one number stands for the same number on each axis."""
    if isinstance(theirs, tuple) and not isinstance(ours, tuple):
        return theirs == (ours,) * len(theirs)
    return ours is theirs or (ours == theirs and isinstance(ours, bool) == isinstance(theirs, bool))


@pytest.mark.parametrize(("module", "name"), list(public()))
def test_a_constructor_is_keras(module, name):
    theirs = getattr(import_keras(f"keras.{module}"), name, None)
    if not isinstance(theirs, type):
        pytest.skip(f"Keras has no class {name}")
    cls = getattr(importlib.import_module(f"strop.{module}"), name)
    (order, ours), (their_order, known) = arguments(cls), arguments(theirs)
    assert set(known) - set(ours) <= set(MISSING)
    assert set(ours) - set(known) <= set(EXTRA)
    ends = [KEYWORD_ONLY[base.__name__] for base in cls.__mro__ if base.__name__ in KEYWORD_ONLY]
    cut = min((their_order.index(end) for end in ends if end in their_order), default=len(their_order))
    wanted = [n for n in their_order[:cut] if n in ours]
    assert order[: len(wanted)] == wanted
    for argument in set(known) & set(ours) - {"name"}:
        assert same(ours[argument].default, known[argument].default), argument


def test_other_names_of_keras_are_the_same_classes():
    theirs = import_keras("keras.layers")
    aliases = {n: c.__name__ for n, c in vars(theirs).items() if isinstance(c, type) and c.__name__ != n}
    for alias, name in aliases.items():
        if name in layers.__all__:
            assert getattr(layers, alias) is getattr(layers, name)


@pytest.mark.parametrize("module", ["losses", "metrics"])
def test_names_are_keras(module):
    theirs = import_keras(f"keras.{module}")
    space = importlib.import_module(f"strop.{module}")
    for name in space.registry:
        if hasattr(theirs, name):
            assert getattr(space, name)().name == getattr(theirs, name)().name.rstrip("_0123456789")


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: layers.Dense(), "Dense: units must be given; got no value"),
        (lambda: layers.Conv2D(3), "Conv2D: kernel_size must be given; got no value"),
        (lambda: layers.LSTM(), "LSTM: units must be given; got no value"),
        (lambda: layers.Dropout(seed=1), "Dropout: rate must be given; got no value"),
        (lambda: strop.Input(), "Input: shape must be given; got no value"),
        (
            lambda: layers.Dense(3, units=4),
            "Dense: units must be given once; got a value without a keyword, and units=",
        ),
        (
            lambda: layers.Dense(1, unit=2),
            "Dense: keywords must be known ones; got 'unit'; did you mean 'units'",
        ),
        (
            lambda: layers.ReLU(1, 0, 0, 5),
            "ReLU: values without a keyword must be at most 3 (max_value, negative_slope, threshold); got 4",
        ),
        (lambda: layers.Add(1), "Add: values without a keyword must be none; got 1"),
        (
            lambda: losses.Huber(dleta=1),
            "Huber: keywords must be known ones; got 'dleta'; did you mean 'delta'",
        ),
        (
            lambda: metrics.AUC(num_treshold=3),
            "AUC: keywords must be known ones; got 'num_treshold'; did you mean 'num_thresholds'",
        ),
        (
            lambda: strop.callbacks.ModelCheckpoint(),
            "ModelCheckpoint: filepath must be given; got no value",
        ),
        (
            lambda: strop.callbacks.EarlyStopping(patienc=3),
            "EarlyStopping: keywords must be known ones; got 'patienc'; did you mean 'patience'",
        ),
        (
            lambda: strop.optimizers.schedules.ExponentialDecay(0.1),
            "ExponentialDecay: decay_steps must be given; got no value",
        ),
        (
            lambda: strop.optimizers.SGD(momentun=1),
            "SGD: keywords must be known ones; got 'momentun'; did you mean 'momentum'",
        ),
        (
            lambda: strop.regularizers.L1(l2=1),
            "L1: keywords must be known ones; got 'l2'",
        ),
    ],
)
def test_a_wrong_call_is_said_in_one_line(call, text):
    with pytest.raises(TypeError) as caught:
        call()
    assert str(caught.value) == text


def test_what_keras_has_and_means_nothing_here_is_dropped():
    assert losses.Huber(dtype="float32", delta=2.0).delta == 2.0
    assert metrics.AUC(dtype="float32").name == "auc"
    assert layers.LSTM(2, unroll=True, use_cudnn="auto").units == 2

    class Own(metrics.Mean):
        def __init__(self, dtype=None):
            super().__init__()
            self.dtype = dtype

    assert Own(dtype="float32").dtype == "float32"


def test_a_first_layer_of_keras_2_builds_the_model():
    for settings in ({"input_dim": 8}, {"input_shape": (8,)}, {"input_shape": [8]}):
        model = strop.Sequential([layers.Dense(12, activation="relu", **settings), layers.Dense(1)])
        assert model.count_params() == 8 * 12 + 12 + 13
    assert strop.Sequential([layers.LSTM(2, input_shape=(None, 3))]).count_params() == 4 * (3 + 2 + 1) * 2


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: layers.Dense(1, input_shape=8), TypeError, "input_shape must be a tuple; got 8; write (8,)"),
        (lambda: layers.Dense(1, input_shape="8"), TypeError, "input_shape must be a tuple; got str"),
        (lambda: layers.Dense(1, input_dim=8.0), TypeError, "sizes of input_shape must be an int; got float"),
        (lambda: layers.Dense(1, input_dim=-8), ValueError, "sizes of input_shape must be 0 or more; got -8"),
    ],
)
def test_a_shape_that_is_none_is_refused(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == f"Dense: {text}"


def test_a_type_error_of_a_constructor_is_its_own():
    with pytest.raises(TypeError) as caught:
        layers.Dense("3")
    assert str(caught.value) == "Dense: units must be an int; got str"
    assert list(inspect.signature(layers.Dense).parameters)[:2] == ["units", "activation"]
    assert list(inspect.signature(metrics.Sum).parameters) == ["name"]
