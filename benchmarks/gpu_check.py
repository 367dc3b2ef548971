"""Everything that wants a GPU, in under nine minutes: build, tests, sanitizer, figures.

`python benchmarks/gpu_check.py [FOLDER]`, or `make gpu-check`. It needs this checkout, nvcc, CMake, pybind11, CuPy
and pytest; torch and JAX are the rivals where they are. Each part has a budget and is cut short rather than the run
lost; what it found is written as it ends, to FOLDER/gpu-<device>.json and .md (benchmarks/results by default).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from on_gpu import markdown, verdict

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "gpu"
SITE = BUILD / "site"
PACKAGES = [
    "numpy",
    "cupy-cuda13x",
    "cupy-cuda12x",
    "torch",
    "triton",
    "jax",
    "jaxlib",
    "optax",
    "pybind11",
    "pytest",
]

#: Seconds for all, and the most that a part may take of them.
TOTAL = 530.0
BUDGET = {"build": 200.0, "tests": 90.0, "same bits": 40.0, "figures": 260.0, "sanitizer": 110.0}
KEEP = 80.0  # for the sanitizer, out of what is left when the figures begin
TOOLS = ["memcheck", "racecheck", "synccheck", "initcheck"]

Part = dict[str, Any]


class Check:
    """The run: what is known so far, and how much time is left."""

    def __init__(self, folder: Path, simulate: bool, total: float) -> None:
        self.folder, self.simulate, self.start, self.total = folder, simulate, time.monotonic(), total
        self.rows: list[dict[str, Any]] = []
        self.result: dict[str, Any] = {"schema": 1, "simulated": simulate, "parts": {}, **facts()}
        if simulate:
            self.result["device"] = "simulated"

    @property
    def left(self) -> float:
        return self.total - (time.monotonic() - self.start)

    def environment(self, **more: str) -> dict[str, str]:
        paths = [str(ROOT / "benchmarks")] + ([] if self.simulate else [str(SITE)])
        before = os.environ.get("PYTHONPATH")
        alone = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""} if self.simulate else {}
        return {
            **os.environ,
            **alone,
            "PYTHONPATH": os.pathsep.join(paths + ([before] if before else [])),
            "PYTHONUNBUFFERED": "1",
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
            **more,
        }

    def run(self, command: list[str], limit: float, log: str, **environment: str) -> tuple[int | None, str]:
        """Exit status, None where it was cut short, and all that the command said."""
        path = BUILD / f"{log}.log"
        with path.open("w") as file:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.environment(**environment),
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                status: int | None = process.wait(max(1.0, min(limit, self.left)))
            except subprocess.TimeoutExpired:
                status = None
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # its children, too
                process.wait()
        return status, path.read_text(errors="replace")

    def part(self, name: str, do: Callable[[], Part]) -> None:
        """Run a part; whatever happens in it, the run goes on."""
        print(f"{name}: {self.left:.0f} s left", flush=True)
        begin = time.monotonic()
        try:
            found = do() if self.left > 5 else {"ok": None, "text": "no time left"}
        except Exception as error:
            found = {"ok": False, "text": f"{type(error).__name__}: {error}"}
        found["seconds"] = round(time.monotonic() - begin, 1)
        self.result["parts"][name] = found
        self.write()
        print(f"{name}: {found['text']} ({found['seconds']:.0f} s)", flush=True)

    def write(self) -> None:
        self.result |= verdict.gathered(self.rows, judge=not self.simulate)
        device = self.result["about"].get("device") or self.result["device"]
        stem = "gpu-" + re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{stem}.json").write_text(json.dumps(self.result, indent=1) + "\n")
        (self.folder / f"{stem}.md").write_text(markdown.page(self.result))


def facts() -> dict[str, Any]:
    """Of machine and checkout, before anything is built."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,compute_cap", "--format=csv,noheader"]
    smi = _said(query).splitlines() or ["no device, unknown, 9.0"]
    device, driver, capability = (word.strip() for word in smi[0].split(","))
    commit = _said(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]) or "unknown"
    nvcc = re.search(r"release ([\d.]+)", _said(["nvcc", "--version"]))
    return {
        "device": device,
        "driver": driver,
        "capability": capability,
        "commit": commit,
        "date": time.strftime("%Y-%m-%d"),
        "versions": {
            "python": ".".join(map(str, sys.version_info[:3])),
            "nvcc": nvcc[1] if nvcc else "none",
            **{name: version for name in PACKAGES if (version := _version(name))},
        },
    }


def _said(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


# ---- build -------------------------------------------------------------------


def architecture(capability: str) -> str:
    """Of nvcc: 90a for 9.0, whose own instructions need the letter.

    Example:
        >>> architecture("9.0"), architecture("8.6")
        ('90a', '86')
    """
    digits = capability.replace(".", "")
    return digits + ("a" if digits in ("90", "100") else "")


def build(check: Check) -> Part:
    """strop with CUDA for this device, beside the checkout's Python files: nothing is installed."""
    cmake = shutil.which("cmake")
    if cmake is None or importlib.util.find_spec("pybind11") is None:
        return {"ok": False, "text": "cmake and pybind11 must be here"}
    folder = _said([sys.executable, "-m", "pybind11", "--cmakedir"])
    configure = [
        cmake, "-S", str(ROOT), "-B", str(BUILD / "cmake"), "-DCMAKE_BUILD_TYPE=Release", "-DSTROP_CUDA=ON",
        f"-DSTROP_CUDA_ARCHITECTURES={architecture(check.result['capability'])}",
        f"-DPython_EXECUTABLE={sys.executable}", f"-Dpybind11_DIR={folder}", "-Wno-dev",
        *(["-GNinja"] if shutil.which("ninja") else []),
    ]  # fmt: skip
    status, text = check.run(configure, BUDGET["build"], "configure")
    if status == 0:
        cores = str(os.cpu_count() or 2)
        status, text = check.run(
            [cmake, "--build", str(BUILD / "cmake"), "-j", cores], BUDGET["build"], "build"
        )
    if status != 0:
        return {
            "ok": False,
            "text": "cut short" if status is None else "failed",
            "details": text.splitlines()[-30:],
        }
    package = SITE / "strop"
    shutil.rmtree(SITE, ignore_errors=True)
    package.mkdir(parents=True)
    for path in (ROOT / "python" / "strop").iterdir():
        if path.name != "__pycache__" and path.suffix != ".so":
            (package / path.name).symlink_to(path)
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    for name in ("_cpu", "_cuda"):
        (package / f"{name}{suffix}").symlink_to(BUILD / "cmake" / f"{name}{suffix}")
    status, text = check.run([sys.executable, "-m", "strop", "info"], 60, "info")
    return {
        "ok": status == 0,
        "text": "built" if status == 0 else "does not load",
        "details": text.splitlines(),
    }


# ---- tests -------------------------------------------------------------------


def pytest_command(check: Check, *arguments: str) -> list[str]:
    chosen = ["-k", "simulated"] if check.simulate else ["-m", "cuda"]
    return [
        sys.executable,
        "-m",
        "pytest",
        *arguments,
        *chosen,
        "-v",
        "-p",
        "no:cacheprovider",
        "-W",
        "default",
    ]


def outcome(text: str, cut: bool) -> Part:
    """What `pytest -v` said, also where it did not come to its end.

    Example:
        >>> outcome("t.py::test_a PASSED [ 50%]\\nt.py::test_b[x - y] FAILED [100%]", False)["text"]
        '1 passed, 1 failed'
    """
    counts: dict[str, int] = {}
    failed = []
    for name, word in re.findall(r"^(\S+::.*?) (PASSED|FAILED|ERROR|SKIPPED|XFAIL)\b", text, re.M):
        counts[word.lower()] = counts.get(word.lower(), 0) + 1
        if word in ("FAILED", "ERROR"):
            failed.append(name)
    said = ", ".join(f"{count} {word}" for word, count in counts.items()) or "nothing ran"
    reasons = re.findall(r"^(?:FAILED|ERROR) .*$", text, re.M) or failed
    good = bool(counts.get("passed")) and not failed and not cut
    tail = [] if good else text.splitlines()[-15:]
    return {
        "ok": good,
        "text": said + (", cut short" if cut else ""),
        "counts": counts,
        "details": reasons or tail,
    }


def tests(check: Check, which: list[str], limit: float, log: str) -> Part:
    require = "simt" if check.simulate else "cuda"
    status, text = check.run(pytest_command(check, *which), limit, log, STROP_REQUIRE=require)
    return outcome(text, status is None)


def sanitizer(check: Check) -> Part:
    """Each tool over every op once, memory taken piece by piece so that its bounds are CUDA's."""
    tool = shutil.which("compute-sanitizer")
    if tool is None:
        return {"ok": None, "text": "skipped: no compute-sanitizer"}
    found, details = {}, []
    for number, name in enumerate(TOOLS):
        limit = min(BUDGET["sanitizer"], check.left) / (len(TOOLS) - number)
        command = [
            tool,
            "--tool",
            name,
            "--error-exitcode",
            "9",
            "--report-api-errors",
            "no",
            "--print-limit",
            "20",
        ]
        command += pytest_command(check, "tests/test_gpu_bits.py", "-k", "runs_once")
        status, text = check.run(
            command, limit, f"sanitizer-{name}", STROP_GPU_MEMORY="plain", STROP_REQUIRE="cuda"
        )
        summary = re.findall(r"(?:ERROR|RACECHECK) SUMMARY: .*", text)
        found[name] = "cut short" if status is None else summary[-1] if summary else f"exit {status}"
        if status != 0:
            details += [f"{name}: {row}" for row in text.splitlines()[-12:]]
    clean = all(re.search(r"SUMMARY: 0 |exit 0", text) for text in found.values())
    return {"ok": clean, "text": "; ".join(f"{k}: {v}" for k, v in found.items()), "details": details}


# ---- figures -----------------------------------------------------------------


def figures(check: Check, seconds: float, names: list[str]) -> Part:
    """Costs and lines, group by group, so that one that breaks its process costs itself alone."""
    path = BUILD / "figures.jsonl"
    path.unlink(missing_ok=True)
    end = time.monotonic() + min(BUDGET["figures"], check.left - (0 if check.simulate else KEEP))
    groups = [names] if names else verdict.groups()
    broke: list[str] = []
    for number, group in enumerate(groups):
        share = (end - time.monotonic()) / min(
            2, len(groups) - number
        )  # the first may take half of what is left
        broke += take_figures(check, seconds, group, path, time.monotonic() + share, f"figures-{number}")
        check.write()
    done = [
        row for row in check.rows if not row.get("begin") and "error" not in row and row["name"] != "about"
    ]
    text = f"{len(done)} of {sum(map(len, groups))} figures"
    return {"ok": not broke and bool(done), "text": text, "details": broke}


def take_figures(
    check: Check, seconds: float, names: list[str], path: Path, end: float, log: str
) -> list[str]:
    """The figures of some names, in another process without what broke the first; what went wrong."""
    left, broke = names, []
    while left and time.monotonic() < end:
        command = [sys.executable, "-m", "on_gpu", "--results", str(path), "--seconds", str(seconds)]
        command += ["--simulate"] if check.simulate else []
        status, text = check.run(command + left, end - time.monotonic(), log)
        check.rows = [json.loads(row) for row in path.read_text().splitlines()] if path.exists() else []
        ended = {row["name"] for row in check.rows if not row.get("begin")}
        begun = {row["name"] for row in check.rows if row.get("begin")} - ended
        stuck = [name for name in left if name in begun]
        if status == 0 or status is None:  # done, or out of time
            break
        if not stuck:  # it broke before the first line
            return broke + text.splitlines()[-12:]
        broke += stuck
        left = [name for name in left if name not in ended | begun]
    return broke


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "benchmarks" / "results")
    parser.add_argument(
        "--simulate", action="store_true", help="kernels as fibres, tiny sizes; times mean nothing"
    )
    parser.add_argument("--seconds", type=float, default=1.5, help="of timing for a line")
    parser.add_argument("--total", type=float, default=TOTAL, help="seconds for everything")
    parser.add_argument("--parts", nargs="*", default=list(BUDGET), choices=list(BUDGET))
    parser.add_argument("--lines", nargs="*", default=[], help="costs and lines; all of them by default")
    options = parser.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    check = Check(options.folder, options.simulate, options.total)
    bits, here = "tests/test_gpu_bits.py", ROOT / "tests"
    others = {"test_gpu_bits.py", "test_gpu_check.py", "test_gpu_estimates.py"}
    files = [path for pattern in ("test_gpu_*.py", "test_cuda_*.py") for path in sorted(here.glob(pattern))]
    rest = [f"tests/{path.name}" for path in files if path.name not in others]
    parts: dict[str, Callable[[], Part]] = {
        "build": lambda: {"ok": None, "text": "skipped: simulated"} if options.simulate else build(check),
        "tests": lambda: tests(check, rest, BUDGET["tests"], "tests"),
        "same bits": lambda: tests(check, [bits], BUDGET["same bits"], "bits"),
        "figures": lambda: figures(check, options.seconds, options.lines),
        "sanitizer": lambda: sanitizer(check),
    }
    for name in options.parts:
        check.part(name, parts[name])
    bad = [name for name, part in check.result["parts"].items() if part["ok"] is False]
    print(f"written to {options.folder}" + (f"; failed: {', '.join(bad)}" if bad else ""))
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
