"""docs/gpu-estimates.md is what benchmarks/estimate_gpu.py writes, and that is arithmetic one can follow."""

from __future__ import annotations

import sys

import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

import estimate_gpu
from on_gpu import table


def test_the_page_is_that_of_the_script():
    page = estimate_gpu.DOCS.read_text()
    assert page == estimate_gpu.page(), "run python benchmarks/estimate_gpu.py"
    assert "No GPU has given any of these figures" in page


def test_every_line_has_a_prediction_of_its_peers():
    for line in table.LINES:
        times = estimate_gpu.predicted(line, "H200")
        assert times["strop"] > 0
        assert len(times) > 1


def test_a_time_is_launches_and_bytes_over_bandwidth():
    work = estimate_gpu.Work(memory=4.3e9, launches=2)
    assert work.microseconds("H200", "device") == pytest.approx(1000 / 0.93 + 2 * 1.3)
    assert estimate_gpu.Work(0, 1, host=50.0).microseconds("H200", "calls") == 50.0
    assert estimate_gpu.Work(0, 1, host=50.0).microseconds("H200", "device") == pytest.approx(1.3)
    product = estimate_gpu.Work(0, 1, flops=60e6 * 0.8)
    assert product.microseconds("H100", "device") == pytest.approx(1 + 1.3)
