"""`make gpu-check` without a GPU: every part of it and every line of its benchmarks, at tiny sizes on the fibres."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT, absent
from gpu import AbsentError, simulated_module

sys.path.insert(0, str(ROOT / "benchmarks"))

import gpu_check
from on_gpu import markdown, table, verdict

SMI = "#!/bin/sh\necho 'NVIDIA H200, 580.159.03, 9.0'\n"
SANITIZER = """#!/bin/sh
while [ "${1#--}" != "$1" ]; do shift 2; done
echo "$@" | grep -q "STUB" || echo "========= ERROR SUMMARY: 0 errors"
"""


def program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def check(tmp_path, monkeypatch) -> gpu_check.Check:
    """A run whose build is under a folder of the test, with nvidia-smi and compute-sanitizer that only speak."""
    program(tmp_path, "nvidia-smi", SMI)
    program(tmp_path, "compute-sanitizer", SANITIZER)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(gpu_check, "BUILD", tmp_path / "build")
    monkeypatch.setattr(gpu_check, "SITE", tmp_path / "build" / "site")
    (tmp_path / "build").mkdir()
    return gpu_check.Check(tmp_path / "results", simulate=False, total=100)


def result_of(check: gpu_check.Check, stem: str = "gpu-nvidia-h200") -> dict[str, Any]:
    return json.loads((check.folder / f"{stem}.json").read_text())


def test_every_line_runs_on_the_fibres(tmp_path):
    try:
        simulated_module()
    except AbsentError as error:
        absent(error.what, str(error))
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu_check.py"), str(tmp_path), "--simulate"]
    command += ["--seconds", "0.01", "--parts", "build", "figures"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((tmp_path / "gpu-simulated.json").read_text())
    page = (tmp_path / "gpu-simulated.md").read_text()
    assert "times mean nothing" in page
    assert [line["what"] for line in result["lines"]] == [line.what for line in table.LINES]
    wrong = {line["name"]: line["error"] for line in result["lines"] if "error" in line}
    assert not {name: text for name, text in wrong.items() if not text.startswith("NotImplementedError")}
    assert not {line["name"]: line["failed"] for line in result["lines"] if line.get("failed")}
    assert {"copy_gb_s", "l2_copy_gb_s", "call_us", "graph_us", "launch_in_graph_us"} <= result[
        "costs"
    ].keys()
    assert {v["met"] for line in result["lines"] for v in line.get("targets", [])} == {None}


# ---- the parts -----------------------------------------------------------------


def test_the_machine_is_described(check):
    assert check.result["device"] == "NVIDIA H200"
    assert check.result["driver"] == "580.159.03"
    assert gpu_check.architecture(check.result["capability"]) == "90a"
    assert check.result["versions"]["numpy"]


def test_a_part_that_fails_hides_no_other(check):
    def fails():
        raise OSError("no space")

    check.part("build", fails)
    check.part("tests", lambda: {"ok": True, "text": "3 passed"})
    parts = result_of(check)["parts"]
    assert parts["build"]["ok"] is False
    assert parts["build"]["text"] == "OSError: no space"
    assert parts["tests"]["text"] == "3 passed"


def test_a_part_is_cut_short_with_all_that_it_started(check):
    begin = time.monotonic()
    status, text = check.run(["sh", "-c", "echo begun; sleep 60 & sleep 60"], 1, "sleep")
    assert (status, text) == (None, "begun\n")
    assert time.monotonic() - begin < 10


def test_without_time_a_part_is_left_out(check):
    check.total = 0
    check.part("tests", lambda: {"ok": True, "text": "ran"})
    assert result_of(check)["parts"]["tests"]["text"] == "no time left"


def test_the_build_puts_modules_beside_the_checkouts_python_files(check, tmp_path):
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    built = Path(importlib.import_module("strop._cpu").__file__)
    program(
        tmp_path,
        "cmake",
        f"#!/bin/sh\necho $@\nmkdir -p {tmp_path}/build/cmake\ncp {built} {tmp_path}/build/cmake/_cpu{suffix}\n",
    )
    part = gpu_check.build(check)
    assert (part["ok"], part["text"]) == (True, "built"), part
    assert (gpu_check.SITE / "strop" / "ops").is_symlink()
    log = (gpu_check.BUILD / "configure.log").read_text()
    assert "-DSTROP_CUDA=ON -DSTROP_CUDA_ARCHITECTURES=90a" in log
    program(tmp_path, "cmake", "#!/bin/sh\necho no compiler\nexit 1\n")
    assert gpu_check.build(check) == {"ok": False, "text": "failed", "details": ["no compiler"]}


def test_what_pytest_said_is_read_also_where_it_was_cut():
    text = "tests/a.py::test_x[a b] PASSED [ 10%]\ntests/a.py::test_y FAILED [ 20%]\nFAILED tests/a.py::test_y - no\n"
    part = gpu_check.outcome(text, False)
    assert (part["ok"], part["text"]) == (False, "1 passed, 1 failed")
    assert part["details"] == ["FAILED tests/a.py::test_y - no"]
    assert gpu_check.outcome("tests/a.py::test_x PASSED\n", True)["text"] == "1 passed, cut short"
    assert gpu_check.outcome("", False)["text"] == "nothing ran"


def test_the_sanitizer_runs_each_of_its_tools(check, tmp_path, monkeypatch):
    part = gpu_check.sanitizer(check)
    assert part["ok"], part
    assert part["text"].count("0 errors") == len(gpu_check.TOOLS)
    program(tmp_path, "compute-sanitizer", "#!/bin/sh\necho '========= ERROR SUMMARY: 2 errors'\nexit 9\n")
    assert gpu_check.sanitizer(check)["ok"] is False
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert gpu_check.sanitizer(check)["text"] == "skipped: no compute-sanitizer"


WORKER = """
import json, sys
path, names = sys.argv[1], sys.argv[2:]
with open(path, "a") as file:
    for name in names:
        file.write(json.dumps({"name": name, "begin": True}) + "\\n")
        file.flush()
        if name == "adam-1.4M":
            sys.exit(-6)
        file.write(json.dumps({"name": name, "took_s": 1.0}) + "\\n")
"""


def test_a_line_that_breaks_the_process_costs_itself_alone(check, tmp_path, monkeypatch):
    run = check.run

    def stub(command, limit, log, **environment):
        results = command[command.index("--results") + 1]
        names = command[command.index("--seconds") + 2 :]
        return run([sys.executable, "-c", WORKER, results, *names], limit, log)

    monkeypatch.setattr(check, "run", stub)
    part = gpu_check.figures(check, 1.0, [])
    assert part["details"] == ["adam-1.4M"]
    assert len([row for row in check.rows if "took_s" in row]) == len(verdict.all_names()) - 1
    found = verdict.gathered(check.rows)["lines"]
    assert [line["error"] for line in found if "error" in line] == ["it broke off"]


# ---- arithmetic ------------------------------------------------------------------


def result(us: float, **peers: float) -> dict[str, Any]:
    line = table.named("adam-134M")
    figures = {"strop": {"us": us}} | {name.replace("_", " "): {"us": value} for name, value in peers.items()}
    return {"name": line.name, "size": line.size, "ways": {"device": figures}, "failed": {}, "note": ""}


def test_ratios_shares_and_targets():
    line = table.named("adam-134M")
    judged = verdict.judged(line, result(1000.0, torch_fused=1040.0), copy_gb_s=4000.0, l2_gb_s=6000.0)
    assert judged["floor_us"] == pytest.approx(28 * 2**27 / 4e6, rel=1e-3)
    assert judged["ratios"] == {"torch fused": 1.04}
    assert judged["share_of_copy"] == judged["share_of_floor"] == pytest.approx(0.94, abs=1e-3)
    assert [v["met"] for v in judged["targets"]] == [True, True]
    missed = verdict.judged(line, result(1100.0, torch_fused=1040.0), 4000.0, 6000.0)
    assert [v["met"] for v in missed["targets"]] == [False, False]
    alone = verdict.judged(line, result(1000.0), 4000.0, 6000.0)
    assert [v["met"] for v in alone["targets"]] == [None, True]


def test_the_page_has_a_row_for_each_line_and_says_what_failed():
    rows = [{"name": "about", "about": {"device": "NVIDIA H200", "l2_mb": 60.0}}]
    rows += [
        {"name": "cost:copy", "copy_gb_s": 4300.0},
        {**result(900.0), "failed": {"jax": "ImportError: no"}},
    ]
    parts = {"tests": {"text": "9 passed", "seconds": 3, "details": ["a"]}}
    page = markdown.page({**verdict.gathered(rows), "parts": parts})
    assert page.startswith("# NVIDIA H200\n")
    assert page.count("| not run |") == len(table.LINES) - 1
    assert "jax: ImportError: no" in page
    assert "| tests | 9 passed | 3 |" in page


def test_every_line_has_a_target_and_a_name_of_its_own():
    names = [line.name for line in table.LINES]
    assert len(set(names)) == len(names)
    assert all(line.targets and line.moved(line.size) > 0 for line in table.LINES)
    assert tuple(importlib.import_module("on_gpu.costs").COSTS) == verdict.COSTS
    assert sum(gpu_check.BUDGET.values()) >= gpu_check.TOTAL > gpu_check.BUDGET["build"] + gpu_check.KEEP
