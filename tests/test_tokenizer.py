"""The Tokenizer gives what Keras' does; expected values were printed by Keras 3."""

from __future__ import annotations

import json

import numpy as np
import pytest

from strop.preprocessing.text import (
    Tokenizer,
    hashing_trick,
    one_hot,
    text_to_word_sequence,
    tokenizer_from_json,
)


def fitted(texts, **settings):
    tokenizer = Tokenizer(**settings)
    tokenizer.fit_on_texts(texts)
    return tokenizer


@pytest.mark.parametrize(
    ("text", "settings", "want"),
    [
        ("Don't STOP-now! It's 5.30\n", {}, ["don't", "stop", "now", "it's", "5", "30"]),
        ("A  b", {"lower": False}, ["A", "b"]),
        ("a,b c", {"split": ",", "filters": " "}, ["a", "b", "c"]),
        ("aXXb!c", {"split": "XX", "filters": "!", "lower": False}, ["a", "b", "c"]),
        ("naïve café\rÉté…", {}, ["naïve", "café\rété…"]),
        ("", {}, []),
    ],
)
def test_words(text, settings, want):
    assert text_to_word_sequence(text, **settings) == want


def test_all_words_are_numbered_whatever_num_words():
    for num_words in (None, 0, 1, 3):
        tokenizer = fitted(["a a a b b c", "d"], num_words=num_words)
        assert tokenizer.word_index == {"a": 1, "b": 2, "c": 3, "d": 4}
        assert tokenizer.document_count == 2


@pytest.mark.parametrize(
    ("num_words", "want"), [(3, [[1, 2]]), (1, [[]]), (0, [[1, 2, 3, 4]]), (None, [[1, 2, 3, 4]])]
)
def test_ids_are_below_num_words(num_words, want):
    assert fitted(["a a a b b c", "d"], num_words=num_words).texts_to_sequences(["a b c d e"]) == want


def test_the_oov_token_takes_the_first_id():
    tokenizer = fitted(["a a a b b c", "d"], num_words=3, oov_token="<OOV>")
    assert tokenizer.word_index == {"<OOV>": 1, "a": 2, "b": 3, "c": 4, "d": 5}
    assert tokenizer.texts_to_sequences(["a b c d e"]) == [[2, 1, 1, 1, 1]]
    assert tokenizer.sequences_to_texts([[2, 3, 99]]) == ["a <OOV> <OOV>"]


def test_an_oov_token_that_is_also_a_word():
    tokenizer = fitted(["b b a", "a c c c"], oov_token="a")
    assert tokenizer.word_index == {"a": 4, "c": 2, "b": 3}
    assert tokenizer.texts_to_sequences(["a zz c"]) == [[4, 4, 2]]


def test_counts_add_up_and_ids_move():
    tokenizer = fitted(["b a"])
    assert tokenizer.word_index == {"b": 1, "a": 2}
    tokenizer.fit_on_texts(["a a"])
    assert tokenizer.word_index == {"a": 1, "b": 2}


def test_lists_count_as_split_and_characters_as_words():
    tokenizer = fitted([["Foo!", "Bar"]])
    assert tokenizer.word_index == {"foo!": 1, "bar": 2}
    assert tokenizer.texts_to_sequences(["foo! bar"]) == [[2]]
    assert fitted(["ab a!"], char_level=True).word_index == {"a": 1, "b": 2, " ": 3, "!": 4}


def test_an_analyzer_and_a_generator_of_texts():
    tokenizer = fitted((t for t in ["a-b", "b"]), analyzer=lambda text: text.split("-"))
    assert tokenizer.word_index == {"b": 1, "a": 2}


@pytest.mark.parametrize(
    ("mode", "want"),
    [
        ("binary", [[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]),
        ("count", [[0, 2, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]),
        ("freq", [[0, 2 / 3, 1 / 3, 0], [0, 0, 0, 1], [0, 0, 0, 0]]),
        ("tfidf", [[0, 1.173600, 0.693147, 0], [0, 0, 0, 0.693147], [0, 0, 0, 0]]),
    ],
)
def test_matrices(mode, want):
    matrix = fitted(["a b a", "c"]).texts_to_matrix(["a b a", "c zz", ""], mode)
    assert matrix.dtype == np.float64
    np.testing.assert_allclose(matrix, want, atol=5e-7)


def test_vocab_size_is_the_right_input_dim():
    assert fitted(["a b c"]).vocab_size == 4
    assert fitted(["a b c"], num_words=3).vocab_size == 3
    assert fitted(["a b c"], num_words=30).vocab_size == 4


def test_json_has_the_layout_of_keras():
    tokenizer = fitted(["a b a", "c"], num_words=3, oov_token="?")
    content = json.loads(tokenizer.to_json())
    assert content["class_name"] == "Tokenizer"
    assert json.loads(content["config"]["word_counts"]) == {"a": 2, "b": 1, "c": 1}
    again = tokenizer_from_json(tokenizer.to_json())
    assert again.texts_to_sequences(["a b c d"]) == tokenizer.texts_to_sequences(["a b c d"])
    assert (
        again.texts_to_matrix(["a"], "tfidf").tolist() == tokenizer.texts_to_matrix(["a"], "tfidf").tolist()
    )


def test_hashes_repeat_from_run_to_run():
    assert hashing_trick("a b c a", 10, "md5") == [2, 5, 8, 2] == one_hot("a b c a", 10)


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (
            lambda: Tokenizer().fit_on_texts("abc"),
            TypeError,
            "fit_on_texts: texts must be a list of strings; got one str; write [text]",
        ),
        (
            lambda: Tokenizer().fit_on_texts(["a", None]),
            TypeError,
            "fit_on_texts: texts must hold strings; got NoneType at 1",
        ),
        (
            lambda: Tokenizer().texts_to_sequences([b"a"]),
            TypeError,
            "texts_to_sequences: texts must hold strings; got bytes at 0",
        ),
        (
            lambda: fitted(["a"]).texts_to_matrix(["a"], "tf"),
            ValueError,
            "sequences_to_matrix: mode must be one of binary, count, freq, tfidf; got 'tf'",
        ),
        (
            lambda: Tokenizer().texts_to_matrix(["a"]),
            ValueError,
            "sequences_to_matrix: num_words must be given, or texts fitted first; got neither",
        ),
        (lambda: hashing_trick("a", 1), ValueError, "hashing_trick: n must be 2 or more; got 1"),
    ],
)
def test_the_tokenizer_refuses(call, kind, text):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == text


@pytest.mark.parametrize("text", ["", "[]", '{"config": {}}', '{"config": 3}', "[" * 100_000, '{"a": NaN}'])
def test_damaged_json_is_a_value_error(text):
    with pytest.raises(ValueError, match="tokenizer_from_json"):
        tokenizer_from_json(text)
