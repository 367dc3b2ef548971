"""Compile the CUDA kernels and hold what the compiler says of each against csrc/cuda/budget.json.

Run as `python tests/check_cuda.py`, with `--write` to set the budget, with `--architectures 90a` for less. A
kernel may use no more registers and no more shared memory than its budget, and may spill nothing. Where
cuobjdump is at hand, the machine code of one architecture is looked at, too: 16-byte loads and stores where
they are meant, nothing in local memory.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
CUDA = ROOT / "csrc" / "cuda"
BUDGET = CUDA / "budget.json"
RELEASE = ["75", "80", "86", "89", "90a", "100", "120"]
#: What the budget has of each kernel, in this order; nothing may be spilled.
LIMITED = ("registers", "shared")
#: As cmake/cuda.cmake compiles them.
FLAGS = ["-std=c++17", "-O3", "--fmad=false", f"-I{ROOT / 'csrc'}"]
FLUSHING = {"adam", "compact_adam", "lamb", "sgd", "update"}

#: Kernels whose packs must be 16-byte loads and stores in machine code, by stem.
WIDE = {
    "activation": r"forward<float",
    "adam": r"step<float",
    "lamb": r"(moments|apply)<float",
    "loss": r"pointwise",
    "sgd": r"step<float",
}


def compile_one(source: Path, architecture: str, folder: Path) -> tuple[Path, str]:
    """The cubin and what ptxas said."""
    cubin = folder / f"{source.stem}.{architecture}.cubin"
    flags = [*FLAGS, "--ftz=true"] if source.stem in FLUSHING else FLAGS
    command = ["nvcc", *flags, f"-arch=sm_{architecture}", "-cubin", "-Xptxas", "-v", source, "-o", cubin]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{source.name} for sm_{architecture}:\n{done.stderr}")
    return cubin, done.stderr


def plain(names: list[str]) -> list[str]:
    """Readable names, without what differs from file to file and from run to run."""
    done = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True)
    found = []
    for line in done.stdout.splitlines():
        text = re.sub(r"\(anonymous namespace\)::|_GLOBAL__N_\w+::|strop::cuda::|strop::", "", line)
        found.append(re.sub(r"^void |\(.*\)$", "", text.split("(")[0] if "<" not in text else text))
    return [re.sub(r">\(.*$", ">", text) for text in found]


def usage(text: str) -> dict[str, dict[str, int]]:
    """What ptxas says of each kernel: registers, bytes of shared memory, bytes spilled."""
    entries = re.findall(
        r"Compiling entry function '(\w+)' for.*?(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes"
        r" spill loads.*?Used (\d+) registers([^\n]*)",
        text,
        re.S,
    )
    names = plain([entry[0] for entry in entries])
    found = {}
    for name, (_, _, stores, loads, registers, rest) in zip(names, entries, strict=True):
        shared = re.search(r"(\d+) bytes smem", rest)
        found[name] = {
            "registers": int(registers),
            "shared": int(shared[1]) if shared else 0,
            "spilled": int(stores) + int(loads),
        }
    return found


def as_text(budget: dict) -> str:
    """JSON with a line for each file of kernels."""
    parts = []
    for architecture, stems in sorted(budget.items()):
        lines = [
            f"  {json.dumps(stem)}: {json.dumps(use, sort_keys=True)}" for stem, use in sorted(stems.items())
        ]
        parts.append(f" {json.dumps(architecture)}: {{\n" + ",\n".join(lines) + "\n }")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def faults(architecture: str, stem: str, found: dict[str, dict[str, int]], budget: dict) -> list[str]:
    """Where kernels are over their budget."""
    allowed = budget.get(architecture, {}).get(stem, {})
    wrong = []
    for name, use in found.items():
        place = f"sm_{architecture} {stem} {name}"
        if use["spilled"]:
            wrong.append(f"{place}: {use['spilled']} bytes are spilled")
        if name not in allowed:
            wrong.append(f"{place}: has no budget; run python tests/check_cuda.py --write")
            continue
        for what, most in zip(LIMITED, allowed[name], strict=True):
            if use[what] > most:
                wrong.append(f"{place}: {use[what]} {what}; the budget is {most}")
    wrong += [f"sm_{architecture} {stem} {name}: is gone" for name in allowed if name not in found]
    return wrong


def sass_faults(stem: str, cubin: Path) -> list[str]:
    """What machine code should not have, or lacks."""
    listing = subprocess.run(
        ["cuobjdump", "--dump-sass", cubin], capture_output=True, text=True, check=True
    ).stdout
    parts = re.split(r"Function : (\w+)", listing)[1:]
    names = plain(parts[::2])
    wrong = []
    for name, code in zip(names, parts[1::2], strict=True):
        if re.search(r"\b(LDL|STL)\b", code):
            wrong.append(f"{stem} {name}: local memory")
        if stem in WIDE and re.match(WIDE[stem], name):
            for instruction in (r"LDG\.E\S*\.128", r"STG\.E\S*\.128"):
                if not re.search(instruction, code):
                    wrong.append(f"{stem} {name}: no {instruction}")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="set the budget to what is used")
    parser.add_argument("--architectures", default=",".join(RELEASE))
    options = parser.parse_args()
    if shutil.which("nvcc") is None:
        print("check_cuda: skipped, no nvcc")
        sys.exit(77)
    budget = json.loads(BUDGET.read_text()) if BUDGET.exists() else {}
    architectures = options.architectures.split(",")
    sources = sorted(CUDA.glob("*.cu"))
    wrong, measured = [], {}
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(os.cpu_count()) as pool:
        folder = Path(name)
        tasks = [(a, s) for a in architectures for s in sources]
        results = pool.map(lambda task: compile_one(task[1], task[0], folder), tasks)
        for (architecture, source), (cubin, text) in zip(tasks, results, strict=True):
            found = usage(text)
            measured.setdefault(architecture, {})[source.stem] = {
                name: [use[what] for what in LIMITED] for name, use in found.items()
            }
            if not options.write:
                wrong += faults(architecture, source.stem, found, budget)
            elif spilled := [name for name, use in found.items() if use["spilled"]]:
                wrong.append(f"sm_{architecture} {source.stem}: spills in {spilled}")
            if architecture == architectures[-1] and shutil.which("cuobjdump"):
                wrong += sass_faults(source.stem, cubin)
    if options.write:
        BUDGET.write_text(as_text({**budget, **measured}))
    print("\n".join(wrong) or f"check_cuda: {len(tasks)} objects within their budget")
    if not shutil.which("cuobjdump"):
        print("check_cuda: machine code not looked at, no cuobjdump")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
