"""The chapters on overfitting, imbalanced texts and tables run at a small size and print what their pages show."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys

import numpy as np
import pytest

from conftest import ROOT, SHARED, absent


def skeleton(text):
    """The lines of an output with every number as a #."""
    lines = (re.sub(r"-?\b(\d[\d.]*|inf|nan)\b", "#", line) for line in text.splitlines())
    return [re.sub(r"\s+", " ", line).strip() for line in lines]


def run(script, *arguments):
    command = [sys.executable, str(ROOT / "examples" / f"{script}.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def page(name):
    """What the page says the program prints."""
    text = (ROOT / "docs" / f"{name}.md").read_text()
    (block,) = re.findall(r"^```console\n\$ .*?\n(.*?)^```$", text, flags=re.M | re.S)
    return block


def require(*modules):
    for module in modules:
        if importlib.util.find_spec(module) is None:
            absent(module, f"{module} is not installed")


def test_overfitting(tmp_path):
    require("sklearn", "matplotlib")
    printed = run("overfitting", 3, tmp_path / "picture.png")
    assert skeleton(printed) == skeleton(page("overfitting"))
    assert (tmp_path / "picture.png").stat().st_size > 50_000


def test_table_regression(tmp_path):
    require("sklearn", "matplotlib")
    printed = run("table_regression", 3, tmp_path)
    assert skeleton(printed) == skeleton(page("table-regression"))
    assert (tmp_path / "table_history.png").exists()


def spam_file(path):
    """Messages in the form of the collection, made up."""
    rng = np.random.default_rng(0)
    words = {
        "ham": "see you at lunch home later ok sorry love",
        "spam": "win free prize call now claim cash urgent",
    }
    lines = ["Label\tSMS"]
    for i in range(120):
        label = "spam" if i % 6 == 0 else "ham"
        lines.append(f"{label}\t{' '.join(rng.choice(words[label].split(), 6))}")
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_sms_spam(tmp_path):
    require("matplotlib")
    printed = run("sms_spam", spam_file(tmp_path / "messages"), 5, tmp_path)
    assert skeleton(printed) == skeleton(page("sms-spam"))
    assert {path.name for path in tmp_path.glob("*.png")} == {"sms_confusion.png", "sms_precision_recall.png"}


def test_absent_messages_are_one_line(tmp_path):
    command = [sys.executable, str(ROOT / "examples" / "sms_spam.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("sms_spam.load_data: ")
    assert "get it from https://archive.ics.uci.edu" in done.stderr


@pytest.mark.data
def test_sms_spam_on_the_real_messages_finds_nine_in_ten():
    path = SHARED / "data" / "text" / "SMSSpamCollection"
    if not path.exists():
        absent("data", f"no development data at {path}")
    printed = run("sms_spam", path)
    assert skeleton(printed) == skeleton(page("sms-spam"))
    rows = [re.findall(r"\d\.\d{4}", line) for line in printed.splitlines() if "alike" in line]
    for _, precision, recall, _, area in rows:
        assert min(float(precision), float(recall)) > 0.85
        assert float(area) > 0.93


@pytest.mark.parametrize("name", ["overfitting", "table-regression", "sms-spam"])
def test_links_of_a_page_lead_somewhere(name):
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", (ROOT / "docs" / f"{name}.md").read_text()):
        assert (ROOT / "docs" / target).exists(), target
