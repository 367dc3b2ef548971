"""The small data sets of the chapters: what they give, where they are found, and what a damaged file brings."""

from __future__ import annotations

import contextlib
import sys

import numpy as np
import pytest

from strop.datasets import co2, diabetes, italy_power_demand, sms_spam, sunspots, tiny_shakespeare

SERIES = ",".join(["0.5"] * 23 + ["-1"])
FILES = {
    "SMSSpamCollection": "ham\tGo on,\tthen\nspam\tWIN £1000 now\r\nham\tok\n",
    "tinyshakespeare.txt": "First Citizen:\r\nSpeak.\n",
    "sunspots.csv": '"YEAR","SUNACTIVITY"\n1700,5\n1701,11.5\n',
    "co2.csv": "date,co2\n19580329,316.1\n19580405,\n",
    "ItalyPowerDemand_TRAIN.ts": f"# power\n@classLabel true 1 2\n@data\n{SERIES}:1\n{SERIES}:2\n",
    "ItalyPowerDemand_TEST.ts": f"@data\n{SERIES}:2\n",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("STROP_DATA", raising=False)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    return tmp_path


def test_what_they_give(folder):
    texts, labels = sms_spam.load_data(folder)
    assert texts == ["Go on,\tthen", "WIN £1000 now", "ok"]
    assert (labels.tolist(), labels.dtype) == ([0, 1, 0], np.int64)
    assert tiny_shakespeare.load_data(folder / "tinyshakespeare.txt") == "First Citizen:\nSpeak.\n"
    years, numbers = sunspots.load_data(folder)
    assert (years.tolist(), numbers.tolist()) == ([1700, 1701], [5, 11.5])
    days, parts = co2.load_data(folder)
    assert days.astype(str).tolist() == ["1958-03-29", "1958-04-05"]
    assert parts[0] == 316.1
    assert np.isnan(parts[1])
    (x, y), (x_test, y_test) = italy_power_demand.load_data(folder)
    assert (x.shape, y.tolist(), x_test.shape, y_test.tolist()) == ((2, 24), [0, 1], (1, 24), [1])


LOADERS = [sms_spam, tiny_shakespeare, sunspots, co2, italy_power_demand]


@pytest.mark.parametrize("loader", LOADERS, ids=lambda m: m.__name__)
def test_they_are_found_in_strop_data_or_said_to_be_missing(folder, loader, monkeypatch, tmp_path):
    monkeypatch.setenv("STROP_DATA", str(folder))
    loader.load_data()
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    monkeypatch.setenv("STROP_DATA", str(empty))
    with pytest.raises(
        FileNotFoundError, match=r"must be at the given path or in \$STROP_DATA; got none; .*(get|has) it"
    ):
        loader.load_data()
    with pytest.raises(FileNotFoundError, match=r"load_data: path must exist; got '.*'; .*(get|has) it"):
        loader.load_data(empty)


@pytest.mark.data
def test_the_real_sets(shared):
    data = shared / "data"
    texts, labels = sms_spam.load_data(data / "text")
    assert (len(texts), labels.sum()) == (5574, 747)
    text = tiny_shakespeare.load_data(data / "text")
    assert (len(text), len(set(text))) == (1_115_394, 65)
    years, numbers = sunspots.load_data(data / "series")
    assert (len(years), years[0], years[-1], numbers.max()) == (309, 1700, 2008, 190.2)
    days, parts = co2.load_data(data / "series")
    assert len(days) == 2284
    assert np.isnan(parts).sum() == 59
    (x, y), (x_test, y_test) = italy_power_demand.load_data(data / "series")
    assert (x.shape, x_test.shape) == ((67, 24), (1029, 24))
    assert np.bincount(y).tolist() == [34, 33]
    assert np.abs(x.mean(axis=1)).max() < 1e-6
    assert set(y_test) == {0, 1}


def test_diabetes_is_that_of_scikit_learn(monkeypatch):
    pytest.importorskip("sklearn")
    x, y = diabetes.load_data()
    assert (x.shape, x.dtype, y.min(), y.max()) == ((442, 10), np.float64, 25, 346)
    assert set(x[:, 1]) == {1, 2}
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError) as caught:
        diabetes.load_data()
    assert (
        str(caught.value) == 'diabetes.load_data: the table is scikit-learn\'s; pip install "strop[sklearn]"'
    )


LINES = "be lines of ham or spam, a tab and a text; got "
YEARS = "be a CSV of years and numbers; got "
DAYS = "be series of 24 numbers, each with its class 1 or 2; got "


@pytest.mark.parametrize(
    ("loader", "name", "content", "text"),
    [
        (sms_spam, "SMSSpamCollection", b"eggs\thello\n", LINES + "'eggs' in line 1"),
        (sms_spam, "SMSSpamCollection", b"", LINES + "no line"),
        (sms_spam, "SMSSpamCollection", b"ham\t\xff", "be UTF-8; got invalid start byte at byte 4"),
        (tiny_shakespeare, "tinyshakespeare.txt", b"", "be a text; got an empty file"),
        (sunspots, "sunspots.csv", b"a,b\n1,2\n3\n", YEARS + "1 values in line 3"),
        (sunspots, "sunspots.csv", b"a,b\n1,inf\n", YEARS + "the number 'inf'"),
        (sunspots, "sunspots.csv", b"a,b\n", YEARS + "no line"),
        (sunspots, "sunspots.csv", b"a,b\n1e30,1\n", YEARS + "Python int too large to convert to C long"),
        (co2, "co2.csv", b"a,b\n1958,1\n", "be a CSV of days and parts per million; got the day '1958'"),
        (italy_power_demand, "ItalyPowerDemand_TEST.ts", b"1,2:1", DAYS + "no line @data"),
        (italy_power_demand, "ItalyPowerDemand_TEST.ts", b"@data\n1,2:1", DAYS + "2 numbers of class '1'"),
    ],
)
def test_other_content_is_refused(folder, loader, name, content, text):
    (folder / name).write_bytes(content)
    with pytest.raises(ValueError) as caught:
        loader.load_data(folder)
    assert str(caught.value).endswith(f"load_data: {folder / name} must {text}")


def test_damages_give_only_value_errors(folder):
    rng = np.random.default_rng(2)
    names = dict(
        zip(
            FILES,
            [sms_spam, tiny_shakespeare, sunspots, co2, italy_power_demand, italy_power_demand],
            strict=True,
        )
    )
    for name, loader in names.items():
        whole = (folder / name).read_bytes()
        for _ in range(200):
            content = bytearray(whole)
            for at in rng.integers(0, len(content), rng.integers(1, 4)):
                content[at] = rng.integers(0, 256)
            (folder / name).write_bytes(content[: rng.integers(1, len(content) + 1)])
            with contextlib.suppress(ValueError):
                loader.load_data(folder)
        (folder / name).write_bytes(whole)
