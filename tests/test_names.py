from __future__ import annotations

import pytest

from strop import _names
from strop.regularizers import L2, registry


def message(call, *args, **kwargs):
    with pytest.raises((TypeError, ValueError)) as caught:
        call(*args, **kwargs)
    return f"{type(caught.value).__name__}: {caught.value}"


def test_an_unknown_name_is_refused_with_the_nearest_one():
    what = "loss must be a known name, a Loss or a callable"
    known = {"binary_crossentropy": 1, "mse": 2}
    assert message(_names.resolve, known, "binary_crossentropi", "compile", what) == (
        "ValueError: compile: loss must be a known name, a Loss or a callable; got 'binary_crossentropi'; "
        "did you mean 'binary_crossentropy'"
    )
    assert message(_names.resolve, known, "zebra", "compile", what) == (
        "ValueError: compile: loss must be a known name, a Loss or a callable; got 'zebra'"
    )


def test_an_unknown_keyword_is_refused_with_the_nearest_one():
    assert message(_names.check_kwargs, "compile", {"metric": 1}, ["loss", "metrics"]) == (
        "TypeError: compile: keywords must be known ones; got 'metric'; did you mean 'metrics'"
    )


def test_keywords_that_choose_a_back_end_are_ignored():
    ignored = dict.fromkeys(
        ["jit_compile", "run_eagerly", "steps_per_execution", "auto_scale_loss", "use_cudnn", "unroll"]
    )
    _names.check_kwargs("compile", ignored, ["loss"])


@pytest.mark.parametrize(
    ("names", "want"),
    [
        (["a", "b"], ["a", "b"]),
        (["a", "a", "a"], ["a", "a_1", "a_2"]),
        (["a", "a", "a_1"], ["a", "a_2", "a_1"]),
        (["a_1", "a", "a"], ["a_1", "a", "a_2"]),
        (["a", "a_1", "a_1"], ["a", "a_1", "a_1_1"]),
    ],
)
def test_names_become_unique_and_explicit_ones_stay(names, want):
    assert _names.unique_names(names) == want


def test_a_config_names_its_class_within_the_registry():
    what = "regularizer must be known"
    assert _names.from_config(registry, _names.to_config(L2(0.5)), "load_model", what).l2 == 0.5
    assert message(_names.from_config, registry, {"class_name": "os.system"}, "load_model", what) == (
        "ValueError: load_model: regularizer must be known; got 'os.system'"
    )
    assert message(_names.from_config, registry, {"class_name": ["L2"]}, "load_model", what) == (
        "ValueError: load_model: regularizer must be known; got a dict without class_name and config"
    )
    damaged = {"class_name": "L2", "config": {"l3": 1}}
    assert message(_names.from_config, registry, damaged, "load_model", what).startswith(
        "ValueError: load_model: settings of L2 must be those of its get_config; "
    )


@pytest.mark.parametrize(
    ("value", "want"),
    [
        ("1", "TypeError: L2: l2 must be a number of at least 0; got str"),
        (None, "TypeError: L2: l2 must be a number of at least 0; got NoneType"),
        (True, "TypeError: L2: l2 must be a number of at least 0; got bool"),
        (-1, "ValueError: L2: l2 must be a finite number of at least 0; got -1.0"),
        (float("nan"), "ValueError: L2: l2 must be a finite number of at least 0; got nan"),
    ],
)
def test_a_setting_that_is_no_number_is_refused(value, want):
    assert message(_names.check_number, "L2", "l2", value, low=0) == want
