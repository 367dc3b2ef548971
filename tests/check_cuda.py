"""Compile the CUDA kernels and hold what the compiler says of each against csrc/cuda/budget.json.

Run as `python tests/check_cuda.py`, with `--write` to set the budget, with `--architectures 90a` for less. A
kernel may use no more registers and no more shared memory than its budget, and may spill nothing. Where
cuobjdump and nvdisasm are at hand (`make cuda-budget` installs them), the machine code of each is looked at, too:
what MEANT says is there, nothing in local memory.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
CUDA = ROOT / "csrc" / "cuda"
BUDGET = CUDA / "budget.json"
ARCHITECTURES = ["75", "80", "86", "89", "90a", "100", "120"]
#: What the budget has of each kernel, in this order; nothing may be spilled.
LIMITED = ("registers", "shared")
#: As cmake/cuda.cmake compiles them.
FLAGS = ["-std=c++17", "-O3", "--fmad=false", f"-I{ROOT / 'csrc'}"]
FLUSHING = {"adam", "adam_clock", "compact_adam", "deferred_adam", "lamb", "sgd", "update"}

#: CUB's kernels, whose names say which version and architecture they are of, are not ours to hold to a budget.
LIBRARY = "cub::"

LOAD, STORE = r"LDG\.E\S*\.128", r"STG\.E\S*\.128"
SHARED_LOAD, SHARED_STORE = r"LDS\S*\.128", r"STS\.128"
#: A bad id is left where the host finds it by an atomic that nobody waits for.
REPORT = r"\bREDG?\.E\.MAX\.64"

#: Instructions that kernels must have, by file: a pattern for the kernels' names, then patterns for the code. A pattern
#: that finds no kernel is a fault: it would check nothing.
MEANT: dict[str, list[tuple[str, list[str]]]] = {
    "activation": [(r"(forward|backward)<float", [LOAD, STORE])],
    "adam": [(r"step<float", [LOAD, STORE]), (r"rows_step", [REPORT])],
    "argmax": [(r"runs<", [LOAD])],
    "compact_adam": [(r"(bfloat16|blocks8)_step", [LOAD, STORE]), (r"\w+_rows", [REPORT])],
    "deferred_adam": [(r"(catch_up|step)<\d, float", [LOAD, STORE]), (r"catch_up", [REPORT])],
    "dropout": [(r"drop<", [LOAD, STORE])],
    "embedding": [(r"lookup<(float4|double2)", [LOAD, STORE]), (r"lookup", [REPORT])],
    "embedding_bag": [(r"pool<\w+, float", [LOAD, STORE, REPORT])],
    "lamb": [(r"(moments|apply)<float", [LOAD, STORE])],
    "loss": [(r"pointwise", [LOAD, STORE])],
    "matmul": [(r"forward_rows<float", [LOAD, STORE, SHARED_LOAD, r"\bFFMA\b"])],
    "matmul_backward": [(r"backward_rows<float", [LOAD, STORE, SHARED_LOAD, r"\bFFMA\b"])],
    "matmul_product": [(r"multiply_tiles<.*float", [LOAD, STORE, SHARED_LOAD, r"\bFFMA\b"])],
    "reduction": [(r"runs<", [LOAD])],
    "row_gradient": [(r"(sum|add)_chunks<float", [LOAD, STORE])],
    "row_plan": [(r"make_keys", [REPORT])],
    "sgd": [(r"step<float", [LOAD, STORE]), (r"rows_step", [REPORT])],
    "softmax": [
        (r"(forward|backward)<.*float", [LOAD, STORE]),
        (r"forward<SharedRow", [SHARED_LOAD, SHARED_STORE]),
    ],
    "softmax_cross_entropy": [
        (r"entropy<.*float", [LOAD, STORE]),
        (r"entropy<SharedRow", [SHARED_LOAD, SHARED_STORE]),
    ],
    "update": [(r"update_tensors<\d+u, float", [LOAD, STORE]), (r"update_rows", [REPORT])],
    "update_signs": [(r"update_tensors<\d+u, float", [LOAD, STORE]), (r"update_rows", [REPORT])],
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
    return [without_arguments(line) for line in done.stdout.splitlines()]


def without_arguments(text: str) -> str:
    """A function's name with its template's arguments, without its own.

    Example:
        >>> without_arguments("void strop::cuda::(anonymous namespace)::runs<(strop::Sum)2, float>(float const*, int)")
        'runs<(Sum)2, float>'
    """
    text = re.sub(r"^void |\(anonymous namespace\)::|_GLOBAL__N_\w+::|strop::cuda::|strop::", "", text)
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "<") - (letter == ">")
        if letter == "(" and depth == 0:
            return text[:place]
    return text


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
        if name.startswith(LIBRARY):
            continue
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


def machine_code(cubin: Path, cuobjdump: str) -> dict[str, str]:
    """The instructions of each kernel."""
    beside = {
        **os.environ,
        "PATH": f"{Path(cuobjdump).parent}{os.pathsep}{os.environ['PATH']}",
    }  # for nvdisasm
    command = [cuobjdump, "--dump-sass", cubin]
    listing = subprocess.run(command, capture_output=True, text=True, check=True, env=beside).stdout
    parts = re.split(r"Function : (\w+)", listing)[1:]
    code = dict(zip(plain(parts[::2]), parts[1::2], strict=True))
    return {name: text for name, text in code.items() if not name.startswith(LIBRARY)}


def sass_faults(place: str, code: dict[str, str], meant: list[tuple[str, list[str]]]) -> list[str]:
    """What machine code should not have, or lacks."""
    wrong = [
        f"{place} {name}: local memory" for name, text in code.items() if re.search(r"\b(LDL|STL)\b", text)
    ]
    for pattern, instructions in meant:
        chosen = {name: text for name, text in code.items() if re.match(pattern, name)}
        if not chosen:
            wrong.append(f"{place}: no kernel is named {pattern}")
        for name, text in chosen.items():
            wrong += [f"{place} {name}: no {i}" for i in instructions if not re.search(i, text)]
    return wrong


def tool(name: str) -> str | None:
    """The program, of the system or of NVIDIA's wheels in this environment."""
    folders = sorted(Path(sysconfig.get_paths()["purelib"]).glob("nvidia/*/bin"))
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(map(str, folders)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="set the budget to what is used")
    parser.add_argument("--architectures", default=",".join(ARCHITECTURES))
    parser.add_argument("--files", default="", help="of kernels, such as adam,sgd; all of them by default")
    options = parser.parse_args()
    if shutil.which("nvcc") is None:
        print("check_cuda: skipped, no nvcc")
        sys.exit(77)
    budget = json.loads(BUDGET.read_text()) if BUDGET.exists() else {}
    cuobjdump = tool("cuobjdump") if tool("nvdisasm") else None
    architectures = options.architectures.split(",")
    chosen = set(filter(None, options.files.split(",")))
    sources = [path for path in sorted(CUDA.glob("*.cu")) if not chosen or path.stem in chosen]
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
            if cuobjdump is not None:
                place = f"sm_{architecture} {source.stem}"
                wrong += sass_faults(place, machine_code(cubin, cuobjdump), MEANT.get(source.stem, []))
    if options.write:
        here = {path.stem for path in CUDA.glob("*.cu")}
        merged = {a: {**budget.get(a, {}), **measured.get(a, {})} for a in {*budget, *measured}}
        BUDGET.write_text(
            as_text({a: {s: use for s, use in files.items() if s in here} for a, files in merged.items()})
        )
    print("\n".join(wrong) or f"check_cuda: {len(tasks)} objects within their budget")
    if cuobjdump is None:
        print("check_cuda: machine code not looked at, no cuobjdump and nvdisasm")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
