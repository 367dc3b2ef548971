"""Both layouts of imdb.npz give Keras' results; hostile files give a ValueError and run nothing."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import zipfile

import numpy as np
import pytest

from strop.datasets import imdb, snippets

RANKS, LABELS = [[1, 5, 2], [3]], [0, 1]


def keras_layout(path, ranks=RANKS, labels=LABELS):
    rows = np.empty(len(ranks), object)
    for i, row in enumerate(ranks):
        rows[i] = list(row)
    np.savez(path, x_train=rows, y_train=labels, x_test=rows, y_test=labels)


def flat_layout(path, ranks=RANKS, labels=LABELS):
    flat = np.array([r for row in ranks for r in row], np.int32)
    offsets = np.cumsum([0, *map(len, ranks)])
    both = {}
    for split in ("train", "test"):
        both |= {f"x_{split}_flat": flat, f"x_{split}_offsets": offsets, f"y_{split}": np.int8(labels)}
    np.savez(path, **both)


@pytest.fixture(params=[keras_layout, flat_layout])
def layout(request):
    return request.param


def rows_of(split):
    return {tuple(row.tolist()): int(label) for row, label in zip(*split, strict=True)}


@pytest.mark.parametrize(
    ("settings", "want"),
    [
        ({}, {(1, 4, 2, 5): 0, (1, 6): 1}),
        ({"num_words": 6}, {(1, 4, 2, 5): 0, (1, 2): 1}),
        ({"num_words": 6, "oov_char": None}, {(1, 4, 5): 0, (1,): 1}),
        ({"num_words": 6, "skip_top": 5}, {(2, 2, 2, 5): 0, (2, 2): 1}),
        ({"maxlen": 4}, {(1, 2): 1}),
        ({"start_char": None, "num_words": 100}, {(4, 8, 5): 0, (6,): 1}),
        ({"index_from": 0, "num_words": 100}, {(1, 1, 5, 2): 0, (1, 3): 1}),
    ],
)
def test_the_steps_of_keras(tmp_path, layout, settings, want):
    layout(tmp_path / "imdb.npz")
    train, test = imdb.load_data(path=tmp_path / "imdb.npz", **settings)
    if settings == {"maxlen": 4}:  # the largest id is now 6, and becomes 2
        want = {(1, 2): 1}
    assert rows_of(train) == rows_of(test) == want
    assert train[0][0].dtype == np.int32
    assert train[1].dtype == np.int64


def test_the_order_is_that_of_one_random_state(tmp_path, layout):
    ranks = [[i] for i in range(50)]
    layout(tmp_path / "imdb.npz", ranks, list(range(50)))
    (_, y_train), (_, y_test) = imdb.load_data(path=tmp_path / "imdb.npz", seed=113)
    generator = np.random.RandomState(113)
    for y in (y_train, y_test):
        order = np.arange(50)
        generator.shuffle(order)
        np.testing.assert_array_equal(y, order)


def test_rows_are_views_of_one_flat_array(tmp_path, layout):
    layout(tmp_path / "imdb.npz")
    (x, _), _ = imdb.load_data(path=tmp_path / "imdb.npz")
    assert x[0].base is x[1].base is not None


@pytest.mark.data
def test_the_real_set(shared):
    (x, y), (x_test, y_test) = imdb.load_data(path=shared / "data" / "imdb" / "imdb.npz", num_words=10_000)
    assert len(x) == len(y) == len(x_test) == len(y_test) == 25_000
    assert max(row.max() for row in x) == 9999
    assert np.mean([len(row) for row in x]) == pytest.approx(238.7, abs=0.05)
    assert y.sum() == y_test.sum() == 12_500
    index = imdb.get_word_index(shared / "data" / "imdb")
    assert len(index) == 88_584
    assert index["the"] == 1


def test_a_missing_path_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"imdb\.load_data: path must exist; got '.*none\.npz'"):
        imdb.load_data(path=tmp_path / "none.npz")


def test_downloads_can_be_forbidden_and_a_wrong_cache_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("STROP_CACHE", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("STROP_OFFLINE", "1")
    monkeypatch.delenv("STROP_DATA", raising=False)
    with pytest.raises(OSError, match="STROP_OFFLINE forbids downloads"):
        imdb.load_data()
    with pytest.raises(OSError, match="STROP_OFFLINE forbids downloads"):
        snippets.load_data()
    flat_layout(tmp_path / "imdb.npz")
    with pytest.raises(ValueError, match="must have the hash"):
        imdb.load_data()
    monkeypatch.setenv("STROP_DATA", str(tmp_path))
    assert len(imdb.load_data()[0][1]) == 2


# ---- hostile files ---------------------------------------------------------


class Evil:
    def __reduce__(self):
        return os.system, ("touch /nonexistent/owned",)


def npz(path, members, **options):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def npy(payload, shape="(1,)", descr="|O"):
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    header = header.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + payload


@pytest.mark.parametrize(
    "payload",
    [
        pickle.dumps(Evil()),
        pickle.dumps([[1, 2]]),
        pickle.dumps(np.array([[1, 2]])),
        pickle.dumps(np.array(["a"], object)),
        b"cbuiltins\neval\n(S'1+1'\ntR.",
        b"cnumpy\nndarray\n((I8589934592\ntttR.",
        b"",
        b"\x80\x04",
    ],
)
def test_a_hostile_pickle_is_refused(tmp_path, payload):
    path = tmp_path / "imdb.npz"
    y = io.BytesIO()
    np.save(y, np.array([1]))
    members = {f"x_{s}.npy": npy(payload) for s in ("train", "test")}
    npz(path, members | {f"y_{s}.npy": y.getvalue() for s in ("train", "test")})
    with pytest.raises(ValueError, match="must be a whole npz file"):
        imdb.load_data(path=path)


@pytest.mark.parametrize(
    "members",
    [
        {f"{i}.npy": b"" for i in range(70)},
        {"../x.npy": npy(b"")},
        {"/x.npy": npy(b"")},
        {"x.npy": npy(b"1234", "(2**40,)", "<f8")},
        {"x.npy": npy(b"1234", "(1099511627776,)", "<f8")},
        {"x.npy": npy(b"1234", "(-1,)", "<i4")},
        {"x.npy": b"\x93NUMPY\x01\x00\xff\xff" + b" " * 65535},
        {"x.npy": bytes(40 << 20)},
    ],
)
def test_a_hostile_archive_is_refused(tmp_path, members):
    npz(tmp_path / "imdb.npz", members)
    with pytest.raises(ValueError, match="must be a whole npz file"):
        imdb.load_data(path=tmp_path / "imdb.npz")


def test_thousands_of_damages_give_only_value_errors(tmp_path, layout, capsys):
    path = tmp_path / "imdb.npz"
    layout(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(3)
    for i in range(1500):
        content = bytearray(whole)
        if i % 3 == 0:
            content = content[: rng.integers(0, len(content))]
        else:
            for at in rng.integers(0, len(content), rng.integers(1, 6)):
                content[at] = rng.integers(0, 256)
        path.write_bytes(content)
        with contextlib.suppress(ValueError):  # anything else fails the test
            imdb.load_data(path=path)


def test_damaged_word_lists_and_snippets(tmp_path):
    path = tmp_path / "imdb_word_index.json"
    for content in ("", "[1]", '{"a": "b"}', '{"a": 1, "a": 2}', "[" * 10_000):
        path.write_text(content)
        with pytest.raises(ValueError, match=r"imdb\.get_word_index"):
            imdb.get_word_index(path)
    path.write_text(json.dumps({"the": 1}))
    assert imdb.get_word_index(path) == {"the": 1}
    (tmp_path / "s.gz").write_bytes(b"no gzip")
    with pytest.raises(ValueError, match=r"snippets\.load_data: .* must be a gzipped CSV"):
        snippets.load_data(tmp_path / "s.gz")
