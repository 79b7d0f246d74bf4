"""The chart of recorded runs: our ratio to nginx in each scenario, its spread, and the goal.

A panel has one unit and a logarithmic axis around 1.0, so that twice and half are as far from it;
what is better than nginx and what is worse have a color each. Scenarios whose goal is no ratio to
nginx (idle connections, start-up) are not drawn: they stand in docs/performance.md. The ratio is to
the better of nginx's two ways (`sendfile` on and off) where a run has compared with both.

`python -m benchmarks.chart` draws what `results.jsonl` and `compared.jsonl` have last. Wants
matplotlib (the extra `bench`), which nothing else here does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.scenarios import SCENARIOS, Scenario

HERE = Path(__file__).resolve().parent
DRAWN = HERE.parent / "docs" / "benchmark"
PEER, BETTER_PEER = "nginx", "the better nginx"
BETTER, WORSE, GOAL = "#2a6f97", "#d1782c", "0.15"
UNITS = {
    "cpu_us_per_request": "CPU time per request (less is better)",
    "bytes_per_s": "bytes per second (more is better)",
    "p99_ms": "p99 latency (less is better)",
}
TICKS = (0.25, 0.5, 1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class Row:
    """A scenario in its panel: the ratio, its least and greatest, and the goal's bound."""

    scenario: str
    title: str
    median: float
    least: float
    greatest: float
    bound: float
    is_better: bool
    of_better_peer: bool


def latest(results: Path) -> dict[str, dict[str, Any]]:
    """The last line of each scenario."""
    lines = (json.loads(line) for line in results.read_text().splitlines())
    return {line["scenario"]: line for line in lines if "ratios" in line}


def panels(
    found: dict[str, dict[str, Any]], compared: dict[str, dict[str, Any]]
) -> dict[str, list[Row]]:
    """Rows by the unit of their panel, those of most scenarios first."""
    made: dict[str, list[Row]] = {unit: [] for unit in UNITS}
    for scenario, row in _rows(found, compared):
        made[scenario.goal.of].append(row)
    return {unit: rows for unit, rows in made.items() if rows}


def _rows(
    found: dict[str, dict[str, Any]], compared: dict[str, dict[str, Any]]
) -> Iterator[tuple[Scenario, Row]]:
    for scenario in SCENARIOS:
        ratios = found.get(scenario.name, {}).get("ratios", {})
        better = compared.get(scenario.name, {}).get("ratios", {}).get(BETTER_PEER)
        ratio = better or ratios.get(PEER)
        if ratio is None or scenario.goal.to != PEER or scenario.goal.of not in UNITS:
            continue
        above = ratio["median"] > 1
        yield (
            scenario,
            Row(
                scenario.name,
                scenario.title,
                ratio["median"],
                ratio["min"],
                ratio["max"],
                scenario.goal.bound,
                above is scenario.goal.at_least,
                better is not None,
            ),
        )


def draw(results: Path, to: Path = DRAWN) -> list[Path]:
    """Draw as SVG and PNG; the files written. ImportError without matplotlib."""
    from matplotlib.figure import Figure

    found, compared = latest(results), latest(results.with_name("compared.jsonl"))
    drawn = panels(found, compared)
    heights = [len(rows) + 1.2 for rows in drawn.values()]
    figure = Figure(figsize=(8, 0.32 * sum(heights) + 0.9), layout="constrained")
    every = figure.subplots(len(drawn), 1, sharex=True, height_ratios=heights, squeeze=False)
    for axes, (unit, rows) in zip(every[:, 0], drawn.items(), strict=True):
        _panel(axes, UNITS[unit], rows)
    every[-1, 0].set_xlabel(
        "edgecache / nginx proxy_cache, logarithmic; blue: better, orange: worse, line: the goal\n"
        "* to the better of nginx with and without sendfile"
    )
    dates = sorted({line["date"][:10] for line in (*found.values(), *compared.values())})
    machine = next(iter(found.values()))["machine"]["cpu"]
    figure.suptitle(f"{machine}, one core each, {dates[0]} to {dates[-1]}", size=9)
    files = [to.with_suffix(suffix) for suffix in (".svg", ".png")]
    for file in files:
        figure.savefig(file, dpi=120, metadata={"Date": None} if file.suffix == ".svg" else None)
    return files


def _panel(axes: Any, title: str, rows: list[Row]) -> None:
    axes.set_xscale("log", base=2)
    for place, row in enumerate(rows):
        spread = [[row.median - row.least], [row.greatest - row.median]]
        color = BETTER if row.is_better else WORSE
        axes.barh(place, row.median - 1, left=1, color=color, height=0.6)
        axes.errorbar(row.median, place, xerr=spread, color="0.45", lw=1, capsize=2)
        axes.plot([row.bound] * 2, [place - 0.4, place + 0.4], color=GOAL, lw=2)
        axes.text(
            1.01, place, f"{row.median:.2f}", transform=axes.get_yaxis_transform(), va="center"
        )
    axes.axvline(1, color="0.4", lw=1)
    labels = [f"{row.scenario} {row.title}{' *' if row.of_better_peer else ''}" for row in rows]
    axes.set_yticks(range(len(rows)), labels, size=8)
    axes.set_xticks(TICKS, [f"{tick:g}×" for tick in TICKS])
    axes.set_xlim(TICKS[0], TICKS[-1])
    axes.minorticks_off()
    axes.invert_yaxis()
    axes.set_title(title, size=9, loc="left")


if __name__ == "__main__":
    for drawn in draw(HERE / "results.jsonl"):
        print(drawn)
