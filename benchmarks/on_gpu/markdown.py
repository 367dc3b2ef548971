"""The results as a page."""

from __future__ import annotations

from typing import Any


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _target(verdict: dict[str, Any]) -> str:
    sign = {True: "met", False: "**missed**", None: "open"}[verdict["met"]]
    return f"{verdict['against']} {verdict['least']:g}: {_number(verdict['reached']) or '-'} {sign}"


def _row(line: dict[str, Any]) -> list[str]:
    if "us" not in line:
        return [line["what"], "", "", "", "", line.get("error", "not run").splitlines()[0]]
    way = next(iter(line["ways"]))
    peers = [
        f"{name} {_number(each['us'])} ({line['ratios'][name]:.2f}x)"
        for name, each in line["ways"][way].items()
        if name != "strop"
    ]
    shares = f"{line['share_of_copy']:.2f} / {line['share_of_floor']:.2f}"
    failed = [f"{name} failed" for name in line["failed"]]
    goals = "; ".join(map(_target, line["targets"]))
    return [line["what"], _number(line["us"]), ", ".join(peers + failed), shares, way, goals]


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines]


def _other_ways(lines: list[dict[str, Any]]) -> list[list[str]]:
    found = []
    for line in lines:
        for way, figures in list(line.get("ways", {}).items())[1:]:
            cells = [f"{name} {_number(each['us'])}" for name, each in figures.items()]
            found.append([line["what"], way, ", ".join(cells)])
    return found


def page(result: dict[str, Any]) -> str:
    """Everything in a result, for people."""
    about, costs = result["about"], result["costs"]
    versions = ", ".join(f"{name} {version}" for name, version in result.get("versions", {}).items())
    text = [
        f"# {about.get('device', 'no device')}",
        "",
        f"strop {result.get('commit')}, {result.get('date')}; driver {result.get('driver')}; {versions}.",
        "",
        *(["**Simulated: the times mean nothing.**", ""] if result.get("simulated") else []),
        *_table(
            ["part", "result", "seconds"],
            [
                [name, part["text"], f"{part['seconds']:.0f}"]
                for name, part in result.get("parts", {}).items()
            ],
        ),
        "",
        "## The device",
        "",
        *_table(["", ""], [[key, str(value)] for key, value in {**about, **costs}.items() if key != "copy"]),
        "",
        "## Lines",
        "",
        "Microseconds, medians. A ratio is the peer's time by ours. Shares: of the measured copy bandwidth, and of the",
        "floor, which counts what the second-level cache can give at its own rate. `device`: caches emptied before",
        "each call, the host ahead; `calls`: the host's clock, many calls in a row; JAX always by `calls`.",
        "",
        *_table(
            ["line", "strop", "peers", "copy / floor", "timed", "targets"],
            [_row(line) for line in result["lines"]],
        ),
    ]
    others = _other_ways(result["lines"])
    if others:
        text += ["", "What fits the second-level cache, timed the other way, too:", ""]
        text += _table(["line", "timed", "us"], others)
    for line in result["lines"]:
        for name, reason in line.get("failed", {}).items():
            text += ["", f"{line['what']}, {name}: {reason}"]
        if line.get("note"):
            text += ["", f"{line['what']}: {line['note']}"]
    for name, part in result.get("parts", {}).items():
        if part.get("details"):
            text += ["", f"## {name}", "", *(f"    {row}" for row in part["details"][:40])]
    return "\n".join(text) + "\n"
