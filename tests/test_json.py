"""JSON that may be hostile: strict, with limits, little memory."""

from __future__ import annotations

import json
import sys
import tracemalloc

import pytest

from strop._json import MAX_BYTES, read_json


def message(text, **options):
    with pytest.raises(ValueError) as caught:
        read_json(text, "load", **options)
    return str(caught.value)


@pytest.mark.parametrize(
    "value",
    [{}, [], "", 0, -1.5, True, None, {"a": [1, {"b": '"\\[{,é\u2028'}]}, [10**30, 5e-324, "\U0001f600"]],
)
def test_what_json_writes_is_read(value):
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=2)):
        assert read_json(text, "load") == value
        assert read_json(text.encode(), "load") == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": 1, "a": 2}', "a duplicate key"),
        ('{"a": {"b": 1, "\\u0062": 2}}', "a duplicate key"),
        ("NaN", "the constant NaN"),
        ('{"a": [-Infinity]}', "the constant -Infinity"),
        ("[1e999]", "a number beyond float64"),
        ("1" * 41, "a number of 41 digits"),
        ("", "Expecting value: line 1 column 1 (char 0)"),
        ("[1, 2", "Expecting ',' delimiter: line 1 column 6 (char 5)"),
        ("[1] 2", "Extra data: line 1 column 5 (char 4)"),
        ('"a\nb"', "Invalid control character at: line 1 column 3 (char 2)"),
        ("]" * 100_000, "Expecting value: line 1 column 1 (char 0)"),
    ],
)
def test_what_is_not_strict_json_is_refused(text, problem):
    assert message(text) == f"load: JSON must be well formed; got {problem}"


def test_bytes_must_be_utf_8():
    assert message(b'"\xff"') == "load: JSON must be UTF-8; got invalid start byte"
    assert "well formed" in message('"a"'.encode("utf-16-le"))  # json.loads would guess
    assert "well formed" in message(b'\xef\xbb\xbf"a"')


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_64_levels_are_read_and_65_refused(opening):
    closing = "]" if opening == "[" else "}"
    assert read_json(opening * 64 + "1" + closing * 64, "load")
    assert message(opening * 65 + "1" + closing * 65) == "load: JSON must be at most 64 levels deep; got more"


def test_depth_does_not_lean_on_pythons_own_limit():
    # With a high limit the C stack would run over before RecursionError.
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(10**6)
    try:
        assert message("[" * 10**6) == "load: JSON must be at most 64 levels deep; got more"
        assert message('{"a":' * 10**6) == "load: JSON must be at most 64 levels deep; got more"
    finally:
        sys.setrecursionlimit(before)


def test_brackets_in_strings_are_no_levels():
    deep = "[" * 1000 + "\\" + '"' + "{" * 1000
    assert read_json(json.dumps([deep, {deep: deep}]), "load") == [deep, {deep: deep}]


def test_depth_is_counted_across_blocks():
    wide = "[" + "[]," * 50_000 + "[" * 63 + "]" * 64
    assert len(read_json(wide, "load")) == 50_001
    assert "levels deep" in message("[" + "[]," * 50_000 + "[" * 64 + "]" * 65)


def test_16_mib_are_read_and_a_byte_more_refused():
    assert len(read_json('"' + "a" * (MAX_BYTES - 2) + '"', "load")) == MAX_BYTES - 2
    assert message('"' + "a" * (MAX_BYTES - 1) + '"') == (
        f"load: JSON must be at most {MAX_BYTES} bytes; got {MAX_BYTES + 1}"
    )


BOMBS = ["[],", "{},", '{"a":0},', '{"a":{}},', "[[0]],", "1,", "1.5,", '"",', '"ab",', '"\\\\",', '"\\"",']


@pytest.mark.parametrize("unit", BOMBS)
def test_values_are_counted_before_they_are_made(unit):
    text = "[" + unit * (4_000_000 // len(unit)) + "0]"
    tracemalloc.start()
    try:
        problem = message(text, max_values=100_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert problem == "load: JSON must hold at most 100000 values; got more"
    assert peak < 2 * len(text) + (1 << 20)


@pytest.mark.parametrize("unit", BOMBS)
def test_a_value_takes_64_bytes_at_most(unit):
    count = sum(map(unit.replace('"\\""', '""').count, ",:[{"))
    text = "[" + unit * (100_000 // count - 2) + "0]"
    tracemalloc.start()
    try:
        read_json(text, "load", max_values=100_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 66 * 100_000 + 2 * len(text)
