"""The programs in examples/ run as a newcomer starts them, at a small size."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys

import pytest

from conftest import ROOT

#: Script, the library it needs, its arguments, and how far two losses may lie apart.
EXAMPLES = [
    ("numpy_network", "numpy", ["20", "64"], 1e-5),
    ("autograd_model", "autograd", ["20", "32"], 1e-12),
    ("mygrad_model", "mygrad", ["20", "64"], 1e-5),
    ("sklearn_mlp", "sklearn", ["3", "32"], 1e-12),
    ("thinc_model", "thinc", ["20", "64"], 1e-5),
]


@pytest.mark.parametrize(("script", "library", "arguments", "apart"), EXAMPLES, ids=[e[0] for e in EXAMPLES])
def test_an_example_shows_equal_results_and_the_time_saved(script, library, arguments, apart):
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    command = [sys.executable, str(ROOT / "examples" / f"{script}.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    before, after, summary = done.stdout.splitlines()
    losses = [float(re.search(r"loss ([\d.]+)", line)[1]) for line in (before, after)]
    assert before.startswith("before")
    assert after.startswith("after")
    assert losses[0] == pytest.approx(losses[1], abs=max(apart, 2e-6))
    assert re.search(r"is [\d.]+ times as fast", summary)
    assert float(re.search(r"differs by more than (\S+)", summary)[1]) <= apart


def test_every_example_is_run_by_a_test():
    tests = "".join(path.read_text() for path in (ROOT / "tests").glob("test_*.py"))
    for path in (ROOT / "examples").glob("*.py"):
        assert path.stem in tests
