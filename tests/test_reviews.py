"""The demo's reading of raw texts: any CSV that the standard library writes, and files that mean harm."""

from __future__ import annotations

import contextlib
import csv
import gzip

import numpy as np
import pytest

from strop.commands import reviews

TEXTS = ['A "fine" film, really\nin two lines', "Dull; was it?", "É bom — sim", "plain"] * 3
LABELS = [1, 0, 1, 0] * 3


def write_csv(path, texts=TEXTS, labels=LABELS):
    with gzip.open(path, "wt", newline="") if path.suffix == ".gz" else path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "label", "text"])
        writer.writerows(zip(range(len(texts)), labels, texts, strict=True))
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_quotes_line_breaks_and_any_letters_come_back(tmp_path, name):
    texts, labels = reviews.read_csv(write_csv(tmp_path / name))
    assert texts == TEXTS
    assert labels.tolist() == LABELS


def test_a_fifth_is_kept_or_a_second_file_is_tested_on(tmp_path):
    train = str(write_csv(tmp_path / "train.csv"))
    data = reviews.load(train, 100)
    assert (len(data.x_train), len(data.x_test)) == (10, 2)
    other = write_csv(tmp_path / "test.csv.gz", ["a fine film", "nowhere seen"] * 5, [1, 0] * 5)
    data = reviews.load(train, 100, str(other))
    assert (len(data.x_train), len(data.x_test)) == (12, 10)
    np.testing.assert_array_equal(data.y_train, LABELS)
    np.testing.assert_array_equal(data.words.encode(["a fine film"])[0], data.x_test[0])
    with pytest.raises(ValueError, match="data must be a CSV beside a CSV to test on"):
        reviews.load("reviews.npz", 100, str(other))


def test_words_give_the_ids_they_name():
    words = reviews.Words({"good": 4, "bad": 5}, start=1, unknown=2, length=5)
    assert words.encode(["Good, odd", "bad"]).tolist() == [[0, 0, 1, 4, 2], [0, 0, 0, 1, 5]]
    words = reviews.Words({"good": 4}, length=3)
    assert words.encode(["good odd good", ""]).tolist() == [[0, 4, 4], [0, 0, 0]]


def packed(size):
    return gzip.compress(b"id,label,text\n" + b"0" * size, 9, mtime=0)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.csv", b"", "got the columns of an empty file"),
        ("a.csv", b"label,words\n1,a\n", "got the columns label, words"),
        ("a.csv", b"label,text\nx,a\n", "invalid literal"),
        ("a.csv", b"label,text\n1\n", "a row with too few of them"),
        ("a.csv", b"label,text\n1,\xff\n", "invalid start byte"),
        ("a.csv", b'label,text\n1,"' + b"a" * 200_000 + b'"\n', "field larger than field limit"),
        ("a.csv.gz", b"no gzip", "Not a gzipped file"),
        ("a.csv.gz", gzip.compress(b"label,text\n" * 100, mtime=0)[:40], "ended before"),
        ("a.csv.gz", packed(40 << 20), "more than 16777216 bytes unpacked"),
    ],
)
def test_a_damaged_file_is_a_value_error(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=r"train: .* must be a CSV with the columns label") as caught:
        reviews.read_csv(tmp_path / name)
    assert reason in str(caught.value)


def test_too_few_rows_and_other_labels_are_refused(tmp_path):
    for texts, labels in ((TEXTS[:3], LABELS[:3]), (TEXTS, [2, *LABELS[1:]]), (TEXTS, [10**30, *LABELS[1:]])):
        with pytest.raises(ValueError, match="must hold 10 rows or more with labels 0 and 1"):
            reviews.read_csv(write_csv(tmp_path / "a.csv", texts, labels))


def test_hundreds_of_damages_give_only_value_errors(tmp_path, rng):
    path = write_csv(tmp_path / "a.csv.gz")
    whole = path.read_bytes()
    for _ in range(500):
        content = bytearray(whole)
        for at in rng.integers(0, len(content), 3):
            content[at] = rng.integers(0, 256)
        path.write_bytes(content[: rng.integers(1, len(content) + 1)])
        with contextlib.suppress(ValueError):  # anything else fails the test
            reviews.read_csv(path)
