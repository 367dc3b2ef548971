"""What figures say: ratios to the peers, shares of the floor, targets met or not. Arithmetic on results alone."""

from __future__ import annotations

from typing import Any

from .table import LINES, RATES, Line, Size, Target

COSTS = ("copy", "l2", "launches", "replays")


#: Of the lines these come first: what is left when time runs out are sizes in between.
FIRST = (
    "step-32",
    "adam-134M",
    "bag-8192",
    "bag-update-8192",
    "mse-67M",
    "cross-entropy",
    "matmul-4096",
    "step-8192",
)


def groups() -> list[list[str]]:
    """Everything that is measured, in the order of a run; each group has a process of its own."""
    steps = [line.name for line in LINES if line.kernel == "step"]
    rest = [line.name for line in LINES if line.name not in (*FIRST, *steps)]
    first = [name for name in FIRST if name not in steps]
    steps.sort(key=lambda name: name not in FIRST)
    return [[f"cost:{name}" for name in COSTS] + first, steps, rest]


def all_names() -> list[str]:
    """The groups as one."""
    return [name for group in groups() for name in group]


def floor_us(line: Line, size: Size, copy_gb_s: float, l2_gb_s: float) -> float:
    """The least time: bytes from memory and then from the second-level cache, or operations, whichever is more."""
    bytes_us = line.moved(size) / copy_gb_s / 1e3 + line.from_l2(size) / l2_gb_s / 1e3
    return max(bytes_us, line.flops(size) / RATES[line.rate] * 1e6)


def judged(line: Line, result: dict[str, Any], copy_gb_s: float, l2_gb_s: float) -> dict[str, Any]:
    """A result with what follows from it. The line's own way of timing is the one that is judged."""
    if "ways" not in result:
        return {**result, "met": None}
    figures = result["ways"][line.takes]
    ours = figures["strop"]["us"]
    ratios = {name: round(each["us"] / ours, 3) for name, each in figures.items() if name != "strop"}
    floor = floor_us(line, result["size"], copy_gb_s, l2_gb_s)
    reached = ratios | {"floor": round(floor / ours, 3)}
    verdicts = [_verdict(target, reached.get(target.against)) for target in line.targets]
    return {
        **result,
        "us": ours,
        "ratios": ratios,
        "floor_us": round(floor, 3),
        "share_of_floor": reached["floor"],
        "share_of_copy": round(line.moved(result["size"]) / ours / 1e3 / copy_gb_s, 3),
        "targets": verdicts,
        "met": None if any(v["met"] is None for v in verdicts) else all(v["met"] for v in verdicts),
    }


def _verdict(target: Target, reached: float | None) -> dict[str, Any]:
    met = None if reached is None else reached >= target.least
    return {"against": target.against, "least": target.least, "reached": reached, "met": met}


def gathered(rows: list[dict[str, Any]], judge: bool = True) -> dict[str, Any]:
    """Results by kind: facts of the device, costs, lines in the table's order; what broke off says so.

    Unless they are to be judged, no target is met or missed.
    """
    last: dict[str, dict[str, Any]] = {}
    for row in rows:
        last[row["name"]] = {**row, "error": "it broke off"} if row.get("begin") else row
    about = last.pop("about", {}).get("about", {})
    costs: dict[str, Any] = {}
    for name in [name for name in last if name.startswith("cost:")]:
        costs |= {key: value for key, value in last[name].items() if key not in ("name", "took_s", "begin")}
    copy = costs.get("copy_gb_s", 3000.0)
    l2 = max([*costs.get("l2_copy_gb_s", {}).values(), copy])
    lines = [
        {
            "what": line.what,
            **judged(line, last.get(line.name, {"name": line.name, "error": "not run"}), copy, l2),
        }
        for line in LINES
    ]
    for verdict in [] if judge else [v for line in lines for v in line.get("targets", [])]:
        verdict["met"] = None
    return {"about": about, "costs": costs, "lines": lines}
