"""Words are what Python's own `lower`, `translate` and `split` give, for any characters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases import words as cases
from strop import config, ops, reference

CASES = pytest.mark.parametrize("name", sorted(cases.CASES))


@pytest.fixture(params=[True, False], ids=["lower", "as it is"])
def lower(request):
    return request.param


@CASES
def test_counts_match_the_reference(name, lower):
    texts, delimiters = cases.CASES[name]
    got = ops.count_words(texts, delimiters=delimiters, lower=lower)
    assert got == reference.count_words(texts, delimiters=delimiters, lower=lower)


@CASES
def test_places_match_the_reference(name, lower):
    texts, delimiters = cases.CASES[name]
    words = reference.count_words(texts, delimiters=delimiters, lower=lower)[0]
    for known in (words, words[::2], []):
        got = ops.find_words(texts, known, delimiters=delimiters, lower=lower)
        want = reference.find_words(texts, known, delimiters=delimiters, lower=lower)
        for a, b in zip(got, want, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)


ANY = st.text(st.characters(exclude_categories=()) | st.sampled_from(" ,.ΣİAé\ud800"), max_size=80)


@settings(max_examples=300, deadline=None)
@given(st.lists(ANY, max_size=6), st.text(st.sampled_from(" ,.。é\ud800") | st.characters(), max_size=4))
def test_any_text_matches_str(texts, delimiters):
    table = dict.fromkeys(map(ord, delimiters), " ")
    words = [[w for w in text.lower().translate(table).split(" ") if w] for text in texts]
    got, counts, documents = ops.count_words(texts, delimiters=delimiters + " ", lower=True)
    flat = [w for row in words for w in row]
    assert got == list(dict.fromkeys(flat))
    assert counts == [flat.count(w) for w in got]
    assert documents == [sum(w in row for row in words) for w in got]
    places, offsets = ops.find_words(texts, got[::-1], delimiters=delimiters + " ")
    assert [got[::-1][i] for i in places] == flat
    assert np.diff(offsets).tolist() == list(map(len, words))


def test_every_character_is_lowered_as_python_does():
    # Between letters, so that a sigma is not final; surrogates too.
    texts = [f"x{chr(code)}x" for code in range(0x110000)]
    got = ops.count_words(texts, delimiters="")[0]
    assert got == list(dict.fromkeys(text.lower() for text in texts))


def test_latin_1_never_needs_python_to_be_lowered():
    # What the table of 256 rests on: one character becomes one, below 256, whatever stands beside it.
    for code in range(256):
        low = chr(code).lower()
        assert len(low) == 1
        assert ord(low) < 256
        assert f"a{chr(code)} {chr(code)}".lower() == f"a{low} {low}"


@pytest.mark.parametrize("texts", [5000, 1])
def test_any_number_of_threads_counts_the_same(texts):
    rng = np.random.default_rng(1)
    ids = rng.zipf(1.2, 400_000) % 50_000
    all_words = [f"w{i}" for i in ids]
    rows = [" ".join(row) for row in np.array_split(np.array(all_words), texts)]
    words = list(dict.fromkeys(all_words))
    results = []
    for threads in (1, 2, 3, 8):
        with config.threads(threads):
            results.append(ops.count_words(rows, delimiters=" "))
            places, _ = ops.find_words(rows, words, delimiters=" ")
            assert [words[i] for i in places] == all_words
    assert results[0][0] == words
    assert all(result == results[0] for result in results)


def test_counts_add_up_over_calls():
    table = ops.WordTable(" ", True)
    for texts in (["b a"], ["a c a"], []):
        table.count(texts)
    assert table.counts() == (["b", "a", "c"], [1, 3, 1], [1, 2, 1])
    assert len(table) == 3


def test_values_may_be_any_objects_and_some_are_left_out():
    table, skip, mark = ops.WordTable(" ", True), object(), [1]
    table.add(["a", "b"])
    assert table.sequences(["a b c", ""], [mark, skip], None, skip) == [[mark, None], []]
    assert table.sequences(["a b c"], [mark, 2.5], skip, skip)[0][0] is mark


def test_the_least_sensible_words_may_be_in_the_list():
    # A list written by hand: empty, with a delimiter, in capitals. None of them is ever found.
    places, _ = ops.find_words(["a b", "A"], ["", "a b", "A", "b"], delimiters=" ")
    assert places.tolist() == [-1, 3, -1]


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (
            lambda: ops.count_words("ab", delimiters=" "),
            TypeError,
            "count_words: texts must be a list of strings; got str",
        ),
        (
            lambda: ops.count_words(["a", b"b"], delimiters=" "),
            TypeError,
            "count_words: texts must hold strings; got bytes at 1",
        ),
        (
            lambda: ops.find_words(["a"], ["a", None], delimiters=" "),
            TypeError,
            "find_words: words must hold strings; got NoneType at 1",
        ),
        (
            lambda: ops.find_words(["a"], ["a", "b", "a"], delimiters=" "),
            ValueError,
            "find_words: words must be distinct; got 'a' again at 2",
        ),
        (
            lambda: ops.WordTable(" ", True).sequences(["a"], [1], None, None),
            ValueError,
            "find_words: values must be as many as words 0; got 1",
        ),
    ],
)
def test_words_refuses(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == text


def test_a_refused_count_counts_nothing():
    table = ops.WordTable(" ", True)
    with pytest.raises(TypeError):
        table.count(["a", 1])
    assert table.counts() == ([], [], [])
