"""Draw every committed result as bars of speed against the best peer: results/ratios.png."""

from __future__ import annotations

import json
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    try:
        import matplotlib
    except ImportError:
        raise SystemExit('plot: matplotlib is absent; pip install "strop[plot]"') from None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    bars = []
    for path in sorted(RESULTS.glob("*.json")):
        rows = json.loads(path.read_text()).get("rows", [])
        bars += [(f"{path.stem}: {row['case']}", row["ratio"]) for row in rows if "ratio" in row]
    if not bars:
        raise SystemExit("plot: no results yet; run `make bench`")
    figure, axes = pyplot.subplots(figsize=(9, 0.24 * len(bars) + 1.2), layout="constrained")
    labels, ratios = zip(*reversed(bars), strict=True)
    axes.barh(range(len(bars)), ratios, color=["#3b6ea5" if r >= 1 else "#c0504d" for r in ratios])
    axes.set_yticks(range(len(bars)), labels, fontsize=7)
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("times as fast as the best peer")
    axes.margins(y=0.01)
    figure.savefig(RESULTS / "ratios.png", dpi=120)
    print(f"wrote {RESULTS / 'ratios.png'}")


if __name__ == "__main__":
    main()
