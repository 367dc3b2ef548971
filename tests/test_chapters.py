"""The chapters of the course in examples/: each learns from a small set made here, and from a part of the real one."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import re
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from conftest import ROOT

#: Scripts that read data, and how their complaint begins where it is not there.
CHAPTERS = {
    "mnist_cnn": "mnist.load_data: path must exist; got ",
    "imdb_raw_text": "no reviews in ",
    "imdb_lstm": "imdb.load_data: path must exist; got ",
    "imdb_conv1d": "imdb.load_data: path must exist; got ",
    "series_gru": "sunspots.load_data: path must exist; got ",
    "power_demand": "italy_power_demand.load_data: path must exist; got ",
    "shakespeare_lstm": "tiny_shakespeare.load_data: path must exist; got ",
}


def chapter(name):
    """The module of an example, under a name of its own."""
    spec = importlib.util.spec_from_file_location(f"chapter_{name}", ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", CHAPTERS)
def test_missing_data_is_one_line(name, tmp_path):
    command = [sys.executable, str(ROOT / "examples" / f"{name}.py"), "--data", str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(CHAPTERS[name])
    assert done.stderr.count("\n") == 1


# ---- images


def test_mnist_cnn(tmp_path, rng, capsys):
    pytest.importorskip("matplotlib")
    shapes = rng.integers(0, 200, (10, 28, 28))
    parts = {}
    for part, count in (("train", 600), ("test", 100)):
        y = rng.integers(0, 10, count)
        parts |= {f"x_{part}": (shapes[y] + rng.integers(0, 55, (count, 28, 28))).astype(np.uint8)}
        parts |= {f"y_{part}": y.astype(np.uint8)}
    np.savez(tmp_path / "mnist.npz", **parts)
    figures = chapter("mnist_cnn").main(tmp_path, epochs=3, batch_size=20, picture=tmp_path / "matrix.png")
    assert figures["accuracy"] > 0.9
    assert (tmp_path / "matrix.png").stat().st_size > 5000
    printed = capsys.readouterr().out
    assert f"test accuracy {figures['accuracy']:.4f} after" in printed
    assert "of 100 test images are wrong" in printed


@pytest.mark.data
def test_mnist_cnn_on_a_part_of_the_real_set(shared):
    figures = chapter("mnist_cnn").main(shared / "data" / "images", epochs=1, train=6000, test=1000)
    assert figures["accuracy"] > 0.85


# ---- reviews

GOOD, BAD, OTHER = (
    ["lovely", "moving", "superb"],
    ["dull", "awful", "tedious"],
    ["film", "story", "the", "a", "it"],
)


def reviews(rng, count):
    """Texts in which a word in three tells the label."""
    labels = np.arange(count) % 2
    texts = [
        " ".join(rng.choice(OTHER + OTHER + (GOOD if label else BAD) * 2, rng.integers(5, 20)))
        for label in labels
    ]
    return texts, labels


def as_csv(folder, part, texts, labels):
    with gzip.open(folder / f"{part}.csv.gz", "wt", newline="") as file:
        csv.writer(file).writerows([("label", "text"), *zip(labels, texts, strict=True)])


def as_files(folder, part, texts, labels):
    for i, (text, label) in enumerate(zip(texts, labels, strict=True)):
        path = folder / part / ("pos" if label else "neg") / f"{i}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize("layout", [as_csv, as_files])
def test_imdb_raw_text(layout, tmp_path, rng, capsys):
    for part, count in (("train", 800), ("test", 200)):
        layout(tmp_path, part, *reviews(rng, count))
    module = chapter("imdb_raw_text")
    module.SENTENCES = ["A lovely film: superb!", "The film? Awful."]
    figures = module.main(tmp_path, epochs=30, words=100, length=20)
    assert figures["accuracy"] > 0.9
    assert figures["chances"][0] > 0.5 > figures["chances"][1]
    assert "good: A lovely film: superb!" in capsys.readouterr().out


@pytest.mark.data
def test_imdb_raw_text_on_a_part_of_the_real_set(shared):
    figures = chapter("imdb_raw_text").main(shared / "data" / "imdb", train=6000, test=1000)
    assert figures["accuracy"] > 0.8
    good, bad, _ = figures["chances"]
    assert good > 0.5 > bad


def ranks(path, rng, count):
    """An imdb.npz in which ranks 1 to 3 speak for a label, 4 to 6 against it, and 7 to 39 say nothing."""
    parts = {}
    for part in ("train", "test"):
        labels = np.arange(count) % 2
        rows = [
            np.where(
                rng.random(size := rng.integers(6, 20)) < 0.4,
                rng.integers(1, 4, size) + 3 * label,
                rng.integers(7, 40, size),
            )
            for label in labels
        ]
        parts |= {
            f"x_{part}_flat": np.concatenate(rows).astype(np.int32),
            f"y_{part}": labels.astype(np.int8),
        }
        parts |= {f"x_{part}_offsets": np.cumsum([0, *map(len, rows)])}
    np.savez(path, **parts)
    return path


@pytest.mark.parametrize("settings", [{"units": 8}, {"units": 8, "bidirectional": True}])
def test_imdb_lstm(settings, tmp_path, rng, capsys):
    path = ranks(tmp_path / "imdb.npz", rng, 600)
    figures = chapter("imdb_lstm").main(path, epochs=10, length=20, words=50, batch_size=16, **settings)
    assert figures["accuracy"] > 0.9
    assert "reviews of 20 words" in capsys.readouterr().out


def test_imdb_conv1d(tmp_path, rng, capsys):
    path = ranks(tmp_path / "imdb.npz", rng, 600)
    figures = chapter("imdb_conv1d").main(path, epochs=6, length=20, words=50, batch_size=16, filters=16)
    assert figures["accuracy"] > 0.9
    assert "reviews of 20 words" in capsys.readouterr().out


@pytest.mark.data
@pytest.mark.parametrize("name", ["imdb_lstm", "imdb_conv1d"])
def test_imdb_sequences_on_a_part_of_the_real_set(name, shared):
    figures = chapter(name).main(
        shared / "data" / "imdb" / "imdb.npz",
        epochs=4,
        length=80,
        words=3000,
        batch_size=32,
        train=3000,
        test=1000,
    )
    assert figures["accuracy"] > 0.65


# ---- series and letters


def test_series_gru(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    years = np.arange(1700, 2009)
    numbers = 60 + 50 * np.sin(2 * np.pi * years / 11)
    lines = [f"{year},{number:.1f}" for year, number in zip(years, numbers, strict=True)]
    (tmp_path / "sunspots.csv").write_text("\n".join(["year,number", *lines]))
    picture = tmp_path / "series.png"
    figures = chapter("series_gru").main(tmp_path, epochs=40, units=12, members=2, picture=picture)
    errors = figures["errors"]
    assert errors["mean of the GRUs"] < errors["the year before"] / 2
    expected = 60 + 50 * np.sin(2 * np.pi * np.arange(2009, 2020) / 11)
    assert np.corrcoef(figures["ahead"], expected)[0, 1] > 0.9
    assert picture.stat().st_size > 5000
    assert "309 years; 178 to train on, 50 to validate, 59 to test" in capsys.readouterr().out


@pytest.mark.data
def test_series_gru_on_the_real_series(shared):
    errors = chapter("series_gru").main(shared / "data" / "series", epochs=60, members=2)["errors"]
    assert errors["mean of the GRUs"] < 0.7 * errors["the year before"]


def test_power_demand(tmp_path, rng, capsys):
    pytest.importorskip("matplotlib")
    hours = np.arange(24)
    for part, count in (("TRAIN", 40), ("TEST", 60)):
        labels = np.arange(count) % 2
        days = np.sin(hours / 4) + np.where(labels, 1.5, -1.5)[:, None] * (hours == 19)
        days += rng.normal(scale=0.2, size=days.shape)
        lines = [",".join(f"{v:.4f}" for v in day) + f":{k + 1}" for day, k in zip(days, labels, strict=True)]
        (tmp_path / f"ItalyPowerDemand_{part}.ts").write_text("\n".join(["@data", *lines, ""]))
    picture = tmp_path / "days.png"
    module = chapter("power_demand")
    figures = module.main(tmp_path, folds=2, repeats=1, share=0.3, picture=picture)
    assert list(figures["accuracies"]) == list(module.MODELS)
    assert figures["accuracies"][figures["chosen"]] == max(figures["accuracies"].values()) > 0.9
    assert figures["accuracy"] > 0.9
    assert figures["nearest"] > 0.9
    assert picture.stat().st_size > 5000
    assert "40 days to train on, 50% of them in summer; 60 to test" in capsys.readouterr().out


@pytest.mark.data
def test_power_demand_on_the_real_days(shared):
    figures = chapter("power_demand").main(shared / "data" / "series", folds=3, repeats=1)
    assert figures["accuracy"] > 0.94
    assert figures["nearest"] == pytest.approx(0.9553, abs=1e-4)


def test_shakespeare_lstm(tmp_path, capsys):
    (tmp_path / "play.txt").write_text("\nROMEO:\nO speak again, bright angel.\n" * 150)
    settings = {"epochs": 12, "units": 48, "length": 40, "batch_size": 8, "write_count": 60}
    figures = chapter("shakespeare_lstm").main(tmp_path / "play.txt", temperature=0.3, **settings)
    assert figures["val_loss"] < 0.5
    assert figures["text"].startswith("\nROMEO:\nO speak again, bright angel.\n")
    again = chapter("shakespeare_lstm").main(tmp_path / "play.txt", temperature=0.3, **settings)
    assert again["text"] == figures["text"]
    assert figures["text"] in capsys.readouterr().out


@pytest.mark.data
def test_shakespeare_lstm_on_a_part_of_the_real_text(shared):
    figures = chapter("shakespeare_lstm").main(
        shared / "data" / "text", characters=60_000, epochs=2, units=32, write_count=20
    )
    assert figures["val_loss"] < 3.3
    assert len(figures["text"]) == len("\nROMEO:\n") + 20


def test_addition_seq2seq(capsys):
    settings = {"digits": 1, "count": 50, "epochs": 200, "units": 48, "batch_size": 8}
    figures = chapter("addition_seq2seq").main(**settings)
    assert figures["losses"][-1] < 0.1
    assert len(figures["written"]) == 5
    assert "of the other sums are right to the last digit" in capsys.readouterr().out
    assert chapter("addition_seq2seq").main(**settings)["written"] == figures["written"]


def test_addition_seq2seq_writes_what_the_whole_model_says():
    """Written sign by sign by the two parts: what one pass of the model over the finished answer says, too."""
    module = chapter("addition_seq2seq")
    model = module.build(8)
    asked = module.numbered(["12+3", "4+5"], "pre")
    written = module.write(*module.parts(model, 8), asked, 4)
    for row, text in zip(asked, written, strict=True):
        told = module.numbered([module.START + text], "post")
        said = model.predict([row[None], told], verbose=0)[0, :, 1:].argmax(axis=-1)
        assert "".join(module.SIGNS[sign] for sign in said).split(module.END)[0][: len(text)] == text


# ---- the page


def test_the_page_shows_lines_of_the_programs_and_links_lead_somewhere():
    page = (ROOT / "docs" / "tutorial.md").read_text()
    chapters = [*CHAPTERS, "addition_seq2seq"]  # which makes its data
    programs = "".join((ROOT / "examples" / f"{name}.py").read_text() for name in chapters)
    blocks = re.findall(r"^```python\n(.*?)^```$", page, flags=re.M | re.S)
    assert len(blocks) == len(chapters)
    for block in blocks:
        assert block in programs or textwrap.indent(block, "    ") in programs
    headings = {re.sub(r"\W+", "-", title.lower()) for title in re.findall(r"^## (.+)$", page, flags=re.M)}
    for target in re.findall(r"\]\((?!http)([^)]+)\)", page):
        path, _, anchor = target.partition("#")
        assert (ROOT / "docs" / path).exists(), target
        assert not anchor or anchor in headings, target
