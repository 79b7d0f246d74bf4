"""The chart of a run: our ratio to nginx in each scenario, its spread, and the goal.

`python -m benchmarks.chart` draws what `results.jsonl` has last. Wants matplotlib (the extra
`bench`), which nothing else here does.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.scenarios import SCENARIOS, Scenario

HERE = Path(__file__).resolve().parent
DRAWN = HERE.parent / "docs" / "benchmark"
PEER, OURS, GOAL = "nginx", "#2a6f97", "#c1121f"


def latest(results: Path) -> dict[str, dict[str, Any]]:
    """The last line of each scenario."""
    lines = (json.loads(line) for line in results.read_text().splitlines())
    return {line["scenario"]: line for line in lines}


def draw(results: Path, to: Path = DRAWN) -> list[Path]:
    """Draw as SVG and PNG; the files written. ImportError without matplotlib."""
    from matplotlib.figure import Figure

    found = latest(results)
    shown = [each for each in SCENARIOS if PEER in found.get(each.name, {}).get("ratios", {})]
    figure = Figure(figsize=(8, 0.45 * len(shown) + 1.4), layout="constrained")
    axes = figure.add_subplot()
    for row, scenario in enumerate(shown):
        ratio = found[scenario.name]["ratios"][PEER]
        spread = [[ratio["median"] - ratio["min"]], [ratio["max"] - ratio["median"]]]
        axes.barh(row, ratio["median"], color=OURS, xerr=spread, height=0.6, ecolor="0.3")
        if scenario.goal.to == PEER:
            axes.plot([scenario.goal.bound] * 2, [row - 0.4, row + 0.4], color=GOAL, lw=2)
    axes.axvline(1.0, color="0.5", lw=1, ls=":")
    axes.set_yticks(range(len(shown)), [_label(each) for each in shown])
    axes.invert_yaxis()
    axes.set_xlabel("edgecache / nginx proxy_cache (red: the goal)")
    told = next(iter(found.values())) if not shown else found[shown[0].name]
    axes.set_title(f"{told['commit']} on {told['machine']['cpu']}, {told['date'][:10]}", size=9)
    files = [to.with_suffix(suffix) for suffix in (".svg", ".png")]
    for file in files:
        figure.savefig(file, dpi=120, metadata={"Date": None} if file.suffix == ".svg" else None)
    return files


def _label(scenario: Scenario) -> str:
    measure = {"cpu_us_per_request": "CPU", "bytes_per_s": "bytes/s", "p99_ms": "p99"}
    better = "more is better" if scenario.goal.at_least else "less is better"
    return f"{scenario.name} {scenario.title}\n{measure.get(scenario.goal.of, '')}, {better}"


if __name__ == "__main__":
    for drawn in draw(HERE / "results.jsonl"):
        print(drawn)
