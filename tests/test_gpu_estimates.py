"""docs/gpu-estimates.md is what benchmarks/estimate_gpu.py writes, and that is arithmetic one can follow."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

import fake_streams
from conftest import ROOT
from strop.training import graph

sys.path.insert(0, str(ROOT / "benchmarks"))

import estimate_gpu
from on_gpu import steps, table


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


@pytest.mark.parametrize("batch", [4, 40])
def test_a_step_has_the_nodes_that_are_counted(gpu, monkeypatch, batch):
    if not gpu.simulated:
        pytest.skip("the stand-in describes its graphs")
    recorded = []
    record = graph.GraphProgram._record

    def watched(self, whole, size, count):
        made = record(self, whole, size, count)
        recorded.append((count, fake_streams.nodes_of(made[0])))
        return made

    monkeypatch.setattr(graph.GraphProgram, "_record", watched)
    size = {**table.named("step-32").tiny, "batch": batch, "samples": 9 * batch}
    fit = steps.Fit(SimpleNamespace(array=gpu.asarray, synchronize=gpu.synchronize), **size)
    fit(2)
    own = sum(estimate_gpu.step_launches(size).values())
    for count, nodes in recorded:
        assert len(nodes) == count * own + 2, nodes  # losses and outputs are collected
    assert {count for count, _ in recorded} >= {8}
