"""Writes the figures of benchmarks/results into docs/performance.md: `python benchmarks/figures.py`.

A figure stands between `<!-- figures: name -->` and `<!-- end -->`; the text around it is written by hand. A test runs
this and fails where the page says something else than the committed results.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from common import RESULTS, ROOT
from strop.bench.report import SCHEMA, geometric_mean

PAGE = ROOT / "docs" / "performance.md"
NONE = "*Not measured yet: no result is committed.*"
BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

Results = dict[str, dict[str, Any]]


def load(folder: Path = RESULTS) -> Results:
    """The committed results of full runs."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text())
        if content.get("schema") == SCHEMA and not content["quick"]:
            found[path.stem] = content
    return found


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["--"] + ["--:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def picture(name: str, words: str) -> str:
    if not (RESULTS / name).exists():
        return NONE
    return f"![{words}](../benchmarks/results/{name})"


def machine(results: Results) -> str:
    made = [content["machine"] for content in results.values()]
    if not made:
        return NONE
    last = max(made, key=lambda m: m["date"])
    threads = str(last["threads"])
    peak = last["fma_gflop_s"]
    near, *_, far = last["copy_gb_s"][threads]
    versions = ", ".join(f"{name} {version}" for name, version in last["versions"].items())
    return (
        f"{last['processor']}, {last['cores']} cores, {last['isa']}. Multiply-adds: {peak['1']:.0f} GFLOP/s on one "
        f"thread, {peak[threads]:.0f} on {threads}.\nCopies on {threads} threads: {near[1]:.0f} GB/s in the first "
        f"cache, {far[1]:.0f} GB/s in memory. {last['date']}, commits "
        f"{', '.join(sorted({m['commit'] for m in made}))}.\n{versions}."
    )


def kernels(results: Results) -> str:
    rows = []
    for name, content in results.items():
        ratios = [row["ratio"] for row in content["rows"] if "ratio" in row and "us" in row]
        if not ratios:
            continue
        shares = [(row["share"], row["bound"]) for row in content["rows"] if "share" in row]
        best = f"{max(shares)[0]:.0%} of {max(shares)[1]}" if shares else ""
        won = sum(ratio >= 1 for ratio in ratios)
        mean = f"{geometric_mean(ratios):.2f}"
        rows.append([name, str(len(ratios)), mean, f"{min(ratios):.2f}", f"{won} of {len(ratios)}", best])
    head = ["kernel", "cases", "times as fast, mean", "least", "won", "best share of the peak"]
    return table(head, rows) if rows else NONE


def optimizers(results: Results) -> str:
    if "optim" not in results:
        return NONE
    rows = []
    for row in results["optim"]["rows"]:
        ours = row["us"]["strop"]
        times = [row["us"].get(name) for name in ("numpy", "numpy in place", "torch")]
        shown = [f"{time / ours:.1f}" if time else "" for time in times[:2]]
        against = times[2] or row["us"].get("torch SparseAdam")
        rows.append([row["case"], f"{ours / 1000:.2f}", *shown, f"{against / ours:.2f}" if against else ""])
    return table(["rule, arrays", "milliseconds", "over NumPy", "over careful NumPy", "over torch"], rows)


def fit(results: Results) -> str:
    if "imdb" not in results:
        return NONE
    first, *others = results["imdb"]["rows"]
    best = min(run["seconds"] for run in first["strop"])
    scores = sorted(run["accuracy"] for run in first["strop"])
    rows = [["strop", f"{best:.2f}", "", f"{scores[0]:.4f} to {scores[-1]:.4f}"]]
    for row in others:
        name, run = row["case"].removeprefix("against "), row["peer"]
        rows.append([name, f"{run['seconds']:.1f}", f"{row['ratio']:.1f}", f"{run['accuracy']:.4f}"])
    seeds = len(first["strop"])
    return (
        f"{first['case'].capitalize()}, on {first['data']}; strop is the best of {seeds} seeds.\n\n"
        + table(["", "seconds", "times as slow as strop", "test accuracy"], rows)
    )


def profile(results: Results) -> str:
    if "profile_step" not in results:
        return NONE
    program, plan = results["profile_step"]["rows"]
    inside = program["step_us"] - program["python_us"]
    rows = [
        ["one step of training", f"{program['step_us']:.1f}"],
        ["in C++", f"{inside:.1f}"],
        ["in Python", f"{program['python_us']:.1f}"],
    ]
    largest = [[f"`{name}`", f"{us:.1f}"] for name, us in plan["us"].items() if us >= 0.5]
    return "\n\n".join(
        [
            table(["as `fit` trains", "microseconds"], rows),
            table(["the same step, kernel by kernel from Python", "microseconds"], largest),
        ]
    )


def scale(results: Results) -> str:
    if "scale" not in results:
        return NONE
    *curves, _ = results["scale"]["rows"]
    rows = [
        [
            row["axis"],
            f"{row['values'][0]:,} to {row['values'][-1]:,}",
            f"{row['epoch_s'][0]:.3f} to {row['epoch_s'][-1]:.3f}",
            f"{row['slope']:.2f}",
        ]
        for row in curves
    ]
    made = table(["what grows", "from, to", "seconds per epoch", "slope"], rows)
    return f"{picture('scale.png', 'Epoch time against data, batch, width and vocabulary')}\n\n{made}"


def busy(results: Results) -> str:
    if "busy" not in results:
        return NONE
    rows = []
    for row in results["busy"]["rows"]:
        times = row["epoch_s"]
        rows.append([row["case"], *(f"{s:.4f}" for s in times.values()), f"{row['busy_price']:.2f}"])
    states = list(results["busy"]["rows"][0]["epoch_s"])
    titles = [f"{s} thread{'' if s.endswith(' 1') else 's'}" for s in states]
    return table(["seconds of an epoch", *titles, "price of threads when busy"], rows)


def sharing(results: Results) -> str:
    if "threads" not in results:
        return NONE
    ways = [way for way in ("serial", "openmp", "pool") if way in results["threads"]["rows"][0]["mean_us"]]
    shown = [row for row in results["threads"]["rows"] if row["work"] == 50]
    rows = [[row["case"], *(f"{row['mean_us'][way]:.0f}" for way in ways)] for row in shown]
    return table(["microseconds of a region, mean", *ways], rows)


BLOCKS = {
    "machine": machine,
    "kernels": kernels,
    "roofline": lambda results: picture("roofline.png", "Kernels under the roofs of the machine"),
    "ratios": lambda results: picture("ratios.png", "Speed against the best peer, case by case"),
    "optimizers": optimizers,
    "fit": fit,
    "profile": profile,
    "scale": scale,
    "busy": busy,
    "sharing": sharing,
}


def filled(text: str, results: Results) -> str:
    """The page with every block written anew."""
    return BLOCK.sub(lambda match: f"{match[1]}{BLOCKS[match[2]](results)}\n{match[3]}", text)


def main() -> None:
    PAGE.write_text(filled(PAGE.read_text(), load()))
    print(f"wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
