"""The Tokenizer against the one that Keras has kept, call by call, on real reviews and on any text."""

from __future__ import annotations

import copy
import csv
import gzip
import itertools
import pickle
import random
from collections import OrderedDict, defaultdict

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import import_keras
from strop.preprocessing import text as ours
from strop.preprocessing._numbers import Numbers


@pytest.fixture(scope="module")
def theirs():
    """Keras' module."""
    return import_keras("keras.src.legacy.preprocessing.text")


@pytest.fixture(params=["table", "word by word"])
def way(request, monkeypatch):
    """Small calls look each word up in the dict, large ones make a table first: here all do the one or the other."""
    worth = Numbers.worth_a_table
    forced = (lambda self, size: worth(self, 1 << 60)) if request.param == "table" else lambda *_: False
    monkeypatch.setattr(Numbers, "worth_a_table", forced)


def state(tokenizer):
    """All attributes; the order of word_docs and index_docs is that of a set in Keras, and differs from run to run."""
    return (
        list(tokenizer.word_counts.items()),
        dict(tokenizer.word_docs),
        list(tokenizer.word_index.items()),
        list(tokenizer.index_word.items()),
        dict(tokenizer.index_docs),
        tokenizer.document_count,
    )


def both(theirs, texts, more=(), **options):
    """The two tokenizers after the same calls, compared after each."""
    pair = ours.Tokenizer(**options), theirs.Tokenizer(**options)
    for tokenizer in pair:
        tokenizer.fit_on_texts(texts)
    compare(*pair, [*texts, *more])
    return pair


def compare(mine, keras, texts):
    assert state(mine) == state(keras)
    got = mine.texts_to_sequences(texts)
    assert got == keras.texts_to_sequences(texts)
    assert list(mine.texts_to_sequences_generator(iter(texts))) == got
    assert {type(row) for row in got} <= {list}
    assert {type(i) for row in got for i in row} <= {int, type(None)}
    if all(None not in row for row in got):
        numbers = [*got, [0, 1, 2, 10**6]]
        back = mine.sequences_to_texts(numbers) if mine.word_index else []
        assert back == (keras.sequences_to_texts(numbers) if mine.word_index else [])


def reviews(shared, name="train"):
    with gzip.open(shared / "data" / "imdb" / f"{name}.csv.gz", "rt", newline="") as file:
        return [row["text"] for row in csv.DictReader(file)]


@pytest.mark.data
@pytest.mark.parametrize(
    "options",
    [{}, {"num_words": 1000, "oov_token": "<OOV>"}, {"lower": False, "filters": "", "split": "e"}],
)
def test_real_reviews(theirs, shared, way, options):
    texts = reviews(shared)
    some = texts[::20] + [text for text in texts if not text.isascii()][:600]
    both(theirs, some, reviews(shared, "test")[::50], **options)


LETTERS = st.sampled_from("aAbB ,.!éÉßΣσİKﬁǅ\0\n\r\ud800\udfffя😀𐐀。x") | st.characters(exclude_categories=())
TEXT = st.text(LETTERS, max_size=60)
WORDS = st.lists(st.text(LETTERS, min_size=1, max_size=4), max_size=8)
TEXTS = st.lists(TEXT | WORDS | TEXT.map(np.str_), max_size=6)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "num_words": st.none() | st.integers(-1, 12),
        "filters": st.text(LETTERS, max_size=6) | st.just(ours.text_to_word_sequence.__defaults__[0]),
        "lower": st.booleans(),
        "split": st.sampled_from([" ", " ", ",", "a", "A", "é", "。", "😀", "ab", "\ud800"]),
        "char_level": st.sampled_from([False, False, False, True]),
        "oov_token": st.none() | st.sampled_from(["<OOV>", "a", "б", ""]),
        "document_count": st.integers(0, 3),
        "analyzer": st.sampled_from([None, None, None, str.split, list]),
    },
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(texts=TEXTS, more=TEXTS, options=OPTIONS)
def test_any_texts_with_any_settings(theirs, way, texts, more, options):
    pair = both(theirs, texts, more, **options)
    for tokenizer in pair:
        tokenizer.fit_on_texts(iter(more))
    compare(*pair, texts)
    if options.get("num_words") != -1 and (pair[0].word_index or options.get("num_words")):
        for mode in ("binary", "count", "freq", "tfidf")[: 4 if pair[0].document_count else 3]:
            matrices = [tokenizer.texts_to_matrix(more, mode) for tokenizer in pair]
            np.testing.assert_array_equal(*matrices)
    if not options.get("analyzer"):
        again = ours.tokenizer_from_json(pair[1].to_json())
        compare(again, theirs.tokenizer_from_json(pair[0].to_json()), more)


EDITS = {
    "an id by hand": lambda t: t.word_index.update(a=7, zz=2),
    "ids that are no numbers below a limit": lambda t: t.word_index.update(a=-1, b=10**30, c=0),
    "a word without an id": lambda t: t.word_index.update(a=None),
    "ids of another type": lambda t: t.word_index.update(a=True, b=2.5),
    "keys of another type": lambda t: t.word_index.update({3: 4, None: 5, b"a": 6}),
    "another index": lambda t: setattr(t, "word_index", {"b": 1, "c": 3}),
    "an index of another kind": lambda t: setattr(t, "word_index", DefaultsToNine(a=2)),
    "no index": lambda t: t.word_index.clear(),
    "counts cut by hand": lambda t: [
        setattr(t, name, defaultdict(int, {word: getattr(t, name)[word] for word in "bc"}))
        for name in ("word_counts", "word_docs")
    ],
    "ordered counts": lambda t: setattr(t, "word_counts", OrderedDict(t.word_counts)),
    "counts raised by hand": lambda t: t.word_counts.__setitem__("c", 100),
    "a limit": lambda t: setattr(t, "num_words", 3),
    "a token afterwards": lambda t: setattr(t, "oov_token", "b"),
    "an unknown token afterwards": lambda t: setattr(t, "oov_token", "nowhere"),
    "other filters": lambda t: setattr(t, "filters", "ab"),
    "not lowered": lambda t: setattr(t, "lower", False),
}


class DefaultsToNine(dict):
    def get(self, key, default=None):
        return super().get(key, 9)


@pytest.mark.parametrize("limit", [None, 3])
@pytest.mark.parametrize("token", [None, "<OOV>"])
@pytest.mark.parametrize("name", EDITS)
def test_attributes_changed_by_hand_count(theirs, way, name, token, limit):
    texts = ["a b c a A", "b b d", "a, e"]
    pair = both(theirs, texts, num_words=limit, oov_token=token)
    for tokenizer in pair:
        EDITS[name](tokenizer)
    assert pair[0].texts_to_sequences(texts) == pair[1].texts_to_sequences(texts)
    if "of another" in name:
        return
    for tokenizer in pair:
        tokenizer.fit_on_texts(["c c a"])
    compare(*pair, texts)


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
def test_copies_go_on_alike(theirs, way, twin):
    pair = both(theirs, ["a b", "b Σας ΣΑΣ"], oov_token="?")
    copies = [twin(tokenizer) for tokenizer in pair]
    for tokenizer in copies:
        tokenizer.fit_on_texts(["c c c", "σας"])
    compare(*copies, ["a b c d"])
    compare(*pair, ["a b c d"])


def test_strings_of_other_classes_use_their_own_methods(theirs, way):
    class Shout(str):
        def lower(self):
            return self.upper()

    class Spelled(str):
        def split(self, _):
            return list(self)

    both(theirs, [Shout("a b"), "a b", np.str_("A b"), [Shout("c"), "C"]])
    both(theirs, ["a b", Spelled("a b")], lower=False)


def test_what_came_before_an_error_is_counted(theirs):
    def broken():
        yield "a b"
        yield ["c"]
        yield "b"
        raise KeyError

    pair = ours.Tokenizer(), theirs.Tokenizer()
    for tokenizer in pair:
        with pytest.raises(KeyError):
            tokenizer.fit_on_texts(broken())
    assert state(pair[0]) == state(pair[1])


def test_generators_are_read_as_they_are_used():
    tokenizer = ours.Tokenizer()
    tokenizer.fit_on_texts(itertools.islice(itertools.cycle(["a b"]), 10))
    endless = tokenizer.texts_to_sequences_generator(itertools.cycle(["a b", "b"]))
    assert [next(endless), next(endless)] == [[1, 2], [2]]


def test_more_text_than_one_batch(theirs, monkeypatch):
    monkeypatch.setattr("strop.preprocessing._numbers.BATCH", 50)
    draw = random.Random(0)
    texts = [" ".join(draw.choices("abcdefghij", k=draw.randrange(40))) for _ in range(60)]
    texts[30:30] = [["a", "B"], ["k"]]
    both(theirs, texts, ["k l m"], num_words=6, oov_token="?")
