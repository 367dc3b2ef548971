"""`strop bench` and what it is made of: everything but the times."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from cases.public import SHAPES
from conftest import ROOT
from strop import bench
from strop.__main__ import main
from strop.bench import catalogue, machine, peers, pictures, report, runner, settings
from strop.bench.machine import Machine

MACHINE = Machine(
    processor="Some CPU",
    cores=4,
    isa="avx2",
    threads=2,
    fma_gflop_s={"1": 100.0, "2": 200.0},
    copy_gb_s={"1": [(1 << 16, 50.0), (1 << 28, 10.0)], "2": [(1 << 16, 100.0), (1 << 28, 20.0)]},
    others_busy=0.0,
    load=0.0,
    versions={"python": "3.12", "numpy": "2.4"},
    blas="openblas 0.3",
    commit="abc1234",
    date="2026-01-01",
)


def known_machine(folder):
    path = folder / "machine.json"
    path.write_text(json.dumps(MACHINE.as_dict()))
    return path


@pytest.fixture
def given(tmp_path):
    """Settings whose machine is known, so that shares can be checked."""
    machine = known_machine(tmp_path)
    return settings.Settings(quick=True, seconds=0.001, peers=["numpy"], output=tmp_path, machine=machine)


def spin(count):
    return lambda: sum(range(count))


# ---- the machine -----------------------------------------------------------


def test_the_peak_halves_for_float64_and_copies_are_interpolated():
    assert MACHINE.fma() == 200
    assert MACHINE.fma(8) == 100
    assert MACHINE.copy(1) == MACHINE.copy(1 << 16) == 100
    assert MACHINE.copy(1 << 30) == 20
    assert MACHINE.copy(1 << 22) == pytest.approx(60)


def test_measuring_finds_every_fact():
    found = bench.measure(quick=True)
    assert found.cores >= 1
    assert found.versions["numpy"]
    for count in {"1", str(found.threads)}:
        assert found.fma_gflop_s[count] > 0
        assert [size for size, _ in found.copy_gb_s[count]] == list(machine.COPY_BYTES)
        assert all(rate > 0 for _, rate in found.copy_gb_s[count])
    assert Machine(**json.loads(json.dumps(found.as_dict()))).fma() == found.fma()


def test_a_busy_machine_is_warned_of():
    assert MACHINE.warning() is None
    busy = Machine(**{**MACHINE.as_dict(), "others_busy": 1.26})
    assert busy.warning() == (
        "warning: other processes keep 1.3 of 4 cores busy; figures will be too slow and unsteady"
    )
    assert busy.lines()[-1] == busy.warning()


def test_an_unreadable_system_counts_as_idle(monkeypatch):
    def refuse():
        raise OSError

    monkeypatch.setattr(machine, "_ticks", refuse)
    assert machine.others_busy(0) == 0


# ---- rows ------------------------------------------------------------------


def test_a_row_has_times_ratio_rates_and_the_share_of_what_bounds_it(given, capsys):
    made = bench.Report("demo", settings=given)
    row = made.compare("a", {"strop": spin(1000), "numpy": spin(20_000)}, flops=2e3, moved=8.0)
    assert set(row["us"]) == set(row["median_us"]) == {"strop", "numpy"}
    assert row["ratio"] > 1
    assert row["bound"] == "fma"
    seconds = row["us"]["strop"] / 1e6
    assert row["share"] == pytest.approx(2e3 / 200e9 / seconds, abs=1e-4)
    memory = made.compare("b", {"strop": spin(1000)}, moved=1e6)
    assert memory["bound"] == "copy"
    assert "ratio" not in memory
    assert memory["share"] == pytest.approx(
        1e6 / (MACHINE.copy(1e6) * 1e9) / memory["us"]["strop"] * 1e6, rel=0.01
    )
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines if "us" in line] == [
        ["strop", "us", "numpy", "us", "ratio", "rate", "and", "share", "of", "the", "peak"],
        ["strop", "us", "ratio", "rate", "and", "share", "of", "the", "peak"],
    ]


def test_peers_that_were_not_asked_for_are_not_run(given):
    def refuse():
        raise AssertionError("a peer that nobody asked for")

    made = bench.Report("demo", settings=given)
    row = made.compare("a", {"strop": spin(1), "torch": refuse, "torch SparseAdam": refuse, "plain": spin(1)})
    assert set(row["us"]) == {"strop", "plain"}


def test_results_have_a_schema(given):
    made = bench.Report("demo", settings=given)
    made.compare("a", {"strop": spin(1), "numpy": spin(1)}, flops=1.0, moved=1.0)
    content = json.loads(made.write().read_text())
    assert list(content) == ["schema", "benchmark", "quick", "took_s", "machine", "rows"]
    assert content["schema"] == report.SCHEMA
    assert content["machine"] == json.loads(json.dumps(MACHINE.as_dict()))
    (row,) = content["rows"]
    wanted = {"case", "us", "median_us", "ratio", "gflop_s", "gb_s", "flops", "bytes", "bound", "share"}
    assert set(row) == wanted


def test_a_damaged_machine_file_is_refused(given):
    given.machine.write_text("{}")
    with pytest.raises(ValueError, match="machine must be a file that measure wrote"):
        bench.Report("demo", settings=given)


# ---- options ---------------------------------------------------------------


def failure(capsys, *words):
    assert main(["bench", *words]) == 1
    return capsys.readouterr().err.strip()


def test_bad_options_are_one_line_each(capsys, tmp_path):
    file = tmp_path / "file"
    file.touch()
    names = ", ".join(["kernels", "models", *(b.name for b in catalogue.all_benchmarks())])
    assert failure(capsys, "adma") == (
        f"strop: bench: name must be one of {names}; got 'adma'; did you mean 'adam'"
    )
    assert failure(capsys, "--peers", "torsh") == (
        "strop: bench: peers must be among numpy, torch, jax, tensorflow; got 'torsh'; did you mean 'torch'"
    )
    assert failure(capsys, "--seconds", "0") == "strop: bench: seconds must lie in (0, 3600]; got 0"
    assert failure(capsys, "--seconds", "nan") == "strop: bench: seconds must lie in (0, 3600]; got nan"
    assert failure(capsys, "--threads", "0") == "strop: bench: threads must lie in [1, 1024]; got 0"
    assert failure(capsys, "--shapes", "nowhere") == "strop: bench: shapes must be a folder; got 'nowhere'"
    assert failure(capsys, "--output", str(file)) == (
        f"strop: bench: output must be a folder; got the file {str(file)!r}"
    )


def test_absent_peers_are_named_with_the_way_to_add_them(monkeypatch, capsys):
    real = peers.importlib.util.find_spec
    monkeypatch.setattr(
        peers.importlib.util, "find_spec", lambda name: real(name) if name == "numpy" else None
    )
    assert peers.installed() == ["numpy"]
    assert peers.absent_lines() == [
        "torch is not installed: pip install torch",
        "jax is not installed: pip install keras jax",
        "tensorflow is not installed: pip install keras tensorflow-cpu",
    ]
    assert failure(capsys, "--peers", "torch") == (
        "strop: bench: peers must be installed; got 'torch'; pip install torch"
    )


def test_options_survive_the_way_to_another_process(tmp_path):
    parser = settings.argparse.ArgumentParser()
    settings.add_arguments(parser)
    asked = settings.Settings(
        seconds=0.25, quick=True, peers=["numpy"], output=tmp_path, shapes=tmp_path, machine=tmp_path / "m"
    )
    assert settings.from_options(parser.parse_args(settings.as_arguments(asked))) == asked


def test_groups_and_names_choose():
    kernels, models = catalogue.choose(["kernels"]), catalogue.choose(["models"])
    assert {"adam", "matmul"} <= {b.name for b in kernels}
    assert {"imdb"} <= {b.name for b in models}
    assert len(kernels) + len(models) == len(catalogue.choose([])) == len(catalogue.all_benchmarks())


def test_the_list_says_what_there_is(capsys):
    assert main(["bench", "--list", "adam"]) == 0
    assert capsys.readouterr().out.startswith("kernel  adam            ")


# ---- files -----------------------------------------------------------------


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("bench_*.py")), ids=lambda path: path.stem)
def test_every_benchmark_file_takes_the_common_options(path):
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), "the first line is what --list shows"
    assert "main(run, __file__)" in text or "options(parser, __file__)" in text


def test_built_in_shapes_name_their_source_and_stay_small():
    for kind, shapes in SHAPES.items():
        assert shapes, kind
        for shape in shapes:
            assert ":" in shape["source"]
    assert all(2e-9 * s["m"] * s["n"] * s["k"] < 10 for s in SHAPES["gemm"])


# ---- whole runs ------------------------------------------------------------


def run_bench(*words, cwd):
    command = [sys.executable, "-m", "strop", "bench", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=cwd)


def test_a_quick_run_prints_a_table_and_writes_results(tmp_path):
    done = run_bench("adam", "reduction", "--quick", "--output", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 benchmarks, about 1 s; Ctrl-C stops and keeps what is done" in done.stdout
    assert "[1/2, about 1 s left] " in done.stdout
    assert "10,000 parameters" in done.stdout
    assert "mean ratio" in done.stdout
    found = runner.load(tmp_path)
    assert list(found) == ["adam", "reduction"]
    assert found["reduction"]["quick"]
    assert {"strop", "numpy"} == set(found["reduction"]["rows"][0]["us"])


def load_file(name, monkeypatch):
    """A file of benchmarks/ as a module."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module(name)


def run_file(name, tmp_path, *words):
    command = [
        sys.executable,
        str(ROOT / "benchmarks" / f"{name}.py"),
        "--quick",
        "--output",
        str(tmp_path),
        *words,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def scaled(tmp_path_factory):
    """What a quick run of bench_scale prints and writes."""
    folder = tmp_path_factory.mktemp("scale")
    text = run_file("bench_scale", folder, "--machine", str(known_machine(folder)))
    return text, json.loads((folder / "scale.json").read_text())


@pytest.fixture(scope="module")
def profiled(tmp_path_factory):
    """What a quick run of profile_step writes."""
    folder = tmp_path_factory.mktemp("profile")
    run_file("profile_step", folder, "--machine", str(known_machine(folder)))
    return json.loads((folder / "profile_step.json").read_text())


def test_scaling_gives_four_curves_with_slopes(scaled):
    text, content = scaled
    *curves, base = content["rows"]
    assert [row["case"] for row in curves] == ["samples", "batch", "width", "vocabulary"]
    for row in curves:
        assert len(row["values"]) == len(row["epoch_s"]) == 2
        assert min(row["epoch_s"]) > 0
        assert f"{row['case']}: slope {row['slope']:.2f}" in text
        assert row["case"] in base


def test_a_slope_is_that_of_the_logarithms(monkeypatch):
    scale = load_file("bench_scale", monkeypatch)
    assert scale.slope([1, 10, 100], [2.0, 20.0, 200.0]) == pytest.approx(1)
    assert scale.slope([1, 10, 100], [3.0, 3.0, 3.0]) == pytest.approx(0)
    assert [scale.short(v) for v in (16, 2500, 88_585, 10_000_000)] == ["16", "2.5k", "88.6k", "10M"]


def test_a_busy_machine_is_measured_with_one_thread_and_with_all(tmp_path):
    run_file("bench_busy", tmp_path, "--machine", str(known_machine(tmp_path)))
    rows = json.loads((tmp_path / "busy.json").read_text())["rows"]
    assert [row["case"] for row in rows] == ["reviews, strop"]
    for row in rows:
        times = row["epoch_s"]
        assert set(times) == {f"{state}, {n}" for state in ("quiet", "busy") for n in (1, row["threads"])}
        assert row["busy_price"] == pytest.approx(
            times[f"busy, {row['threads']}"] / times["busy, 1"], rel=0.01
        )


def test_the_profile_of_a_step_adds_up(profiled):
    program, plan = profiled["rows"]
    for row in (program, plan):
        assert sum(row["us"].values()) + row["python_us"] == pytest.approx(row["step_us"], rel=0.01)
        assert row["python_us"] > 0
    assert "StepProgram32.train" in program["us"]
    assert {"matmul", "compact_ids", "adam_step", "embedding_bag"} <= set(plan["us"])


def test_invented_reviews_look_like_reviews(monkeypatch):
    reviews = load_file("reviews", monkeypatch)
    ids, labels = reviews.invented(2000, vocabulary=5000)
    assert ids.shape == (2000, 500)
    assert ids.min() == 0
    assert ids.max() < 5000
    lengths = (ids != 0).sum(axis=1)
    assert 150 < lengths.mean() < 280
    assert (ids[np.arange(500) >= 500 - lengths[:, None]] != 0).all(), "padding stands in front"
    assert 0.4 < labels.mean() < 0.6
    again = reviews.invented(2000, vocabulary=5000)
    assert (again[0] == ids).all()
    assert (again[1] == labels).all()


def test_the_page_of_figures_says_what_the_results_say(monkeypatch):
    figures = load_file("figures", monkeypatch)
    text = figures.PAGE.read_text()
    named = [match[2] for match in figures.BLOCK.finditer(text)]
    assert sorted(named) == sorted(figures.BLOCKS), "every block stands on the page once"
    assert figures.filled(text, figures.load()) == text, "run python benchmarks/figures.py"


def test_figures_are_written_between_their_marks(monkeypatch):
    figures = load_file("figures", monkeypatch)
    rows = [{"case": "a", "us": {}, "ratio": r, "share": 0.5, "bound": "fma"} for r in (1.0, 4.0)]
    rows.append({"case": "b", "us": {}, "ratio": 0.5})
    results = {"adam": {"rows": rows, "machine": MACHINE.as_dict()}}
    page = "before\n<!-- figures: kernels -->\nold\n<!-- end -->\nafter <!-- figures: fit -->\n<!-- end -->"
    assert figures.filled(page, results) == (
        "before\n<!-- figures: kernels -->\n"
        "| kernel | cases | times as fast, mean | least | won | best share of the peak |\n"
        "| -- | --: | --: | --: | --: | --: |\n"
        "| adam | 3 | 1.26 | 0.50 | 2 of 3 | 50% of fma |\n"
        f"<!-- end -->\nafter <!-- figures: fit -->\n{figures.NONE}\n<!-- end -->"
    )
    assert "100 GFLOP/s on one thread, 200 on 2" in figures.machine(results)


def test_every_block_can_be_written_from_what_the_benchmarks_write(scaled, profiled, monkeypatch):
    figures = load_file("figures", monkeypatch)
    results = {"scale": scaled[1], "profile_step": profiled}
    assert "| reviews | 200 to 400 |" in figures.scale(results)
    assert "| in Python |" in figures.profile(results)
    fit = {"case": "fit, 2 epochs", "data": "IMDB", "strop": [{"seconds": 1.5, "accuracy": 0.875}]}
    torch = {"case": "against torch", "peer": {"seconds": 15.0, "accuracy": 0.88}, "ratio": 10.0}
    assert "| torch | 15.0 | 10.0 | 0.8800 |" in figures.fit({"imdb": {"rows": [fit, torch]}})
    times = {"quiet, 1": 1.0, "quiet, 2": 0.5, "busy, 1": 2.0, "busy, 2": 2.0}
    busy = {"case": "wide, strop", "threads": 2, "epoch_s": times, "busy_price": 1.0}
    assert "| wide, strop | 1.0000 | 0.5000 | 2.0000 | 2.0000 | 1.00 |" in figures.busy(
        {"busy": {"rows": [busy]}}
    )
    region = {
        "case": "busy, work 50 us",
        "work": 50,
        "mean_us": {"serial": 50.2, "openmp": 433.0, "pool": 68.0},
    }
    assert "| busy, work 50 us | 50 | 433 | 68 |" in figures.sharing({"threads": {"rows": [region]}})


def test_a_benchmark_that_fails_is_named_and_the_others_go_on(tmp_path, monkeypatch, capfd, given):
    broken = tmp_path / "bench_broken.py"
    broken.write_text('"""Broken."""\nraise SystemExit(3)\n')
    monkeypatch.setattr(runner, "measure", lambda quick: MACHINE)
    both = [catalogue.Benchmark("broken", broken, "Broken", "models", 1), *catalogue.choose(["sgd"])]
    assert runner.run(both, settings.Settings(quick=True, seconds=0.001, peers=[], output=tmp_path)) == 1
    text = capfd.readouterr().out
    assert "failed: broken" in text
    assert "momentum 10,000" in text
    assert "peers: none" in text


def test_pictures_are_drawn_from_results(tmp_path, given):
    pytest.importorskip("matplotlib", exc_type=ImportError)
    made = bench.Report("demo", settings=given)
    made.compare("a", {"strop": spin(10), "numpy": spin(20)}, flops=1e4, moved=10.0)
    made.compare("b", {"strop": spin(10), "numpy": spin(20)}, moved=1e4)
    made.write()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runner.draw(tmp_path)
    for name in ("roofline.png", "ratios.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_a_line_says_so(tmp_path, given, monkeypatch, capsys):
    made = bench.Report("demo", settings=given)
    made.compare("a", {"strop": spin(1)}, moved=1.0)
    made.write()
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    runner.draw(tmp_path)
    assert capsys.readouterr().out.splitlines()[-1] == (
        'no pictures: matplotlib must be installed; pip install "strop[plot]"'
    )
    assert not list(tmp_path.glob("*.png"))


def test_nothing_measured_draws_nothing(tmp_path):
    assert not pictures.roofline({}, tmp_path / "a.png")
    assert not pictures.ratios({}, tmp_path / "b.png")
    runner.print_summary({})
    assert not list(Path(tmp_path).iterdir())
