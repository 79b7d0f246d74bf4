"""Commands top and hist: what is asked most, why it misses, by whom; how long hits and misses take.

Law: numbers of all processes are added up, and their bounds are told. What came from viewers is
shown, never obeyed by a terminal.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgecache.cli.client import controls_of
from edgecache.cli.log import Filter, Sample, Tier, log_lines, run, shown
from edgecache.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, print_json, refuse
from edgecache.cli.stats import format_size

if TYPE_CHECKING:
    from edgecache.observe.traffic_summary import TrafficSummary

BAR_COLUMNS = 40
_TITLES = {
    "objects": "objects", "misses": "misses, and why", "reasons": "reasons",
    "origins": "origins", "viewers": "viewers", "errors": "errors", "referrers": "referrers",
}  # fmt: skip

app = typer.Typer()
Seconds = Annotated[float, typer.Option(min=1, max=3_600, help="Of --once: look for so long.")]
Once = Annotated[bool, typer.Option("--once", help="Look for a while, tell it, and end.")]
Names = Annotated[int, typer.Option("--names", "-n", min=1, max=200, help="Of each ranking.")]


@app.command(epilog="Examples: edgecache top; edgecache top --once 'host=\"www.example.org\"'")
def top(
    filter: Filter = "",
    once: Once = False,
    seconds: Seconds = 10,
    names: Names = 8,
    tier: Tier = "edge",
    sample: Sample = 100,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show what is asked most, misses and why, origins, viewers, errors and referrers, live.

    Counted since the command began. --json tells it once.
    """

    def lines(summary: TrafficSummary, taken_s: float) -> list[str]:
        return top_lines(summary, names, taken_s, sample)

    def document(summary: TrafficSummary, taken_s: float) -> Any:
        return top_document(summary, names, taken_s, sample)

    wish = {"filter": filter, "tier": tier, "percent": sample, "summary": True}
    _look(config, wish, seconds if once or as_json else 0, document if as_json else lines)


@app.command(epilog="Examples: edgecache hist; edgecache hist --once --seconds 30 'path~\"/api/\"'")
def hist(
    filter: Filter = "",
    once: Once = False,
    seconds: Seconds = 10,
    tier: Tier = "edge",
    sample: Sample = 100,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show how long hits and misses take, from their first byte to the last, live.

    Counted since the command began. --json tells it once.
    """

    def document(summary: TrafficSummary, taken_s: float) -> Any:
        return {"seconds": round(taken_s, 1), "latencies": summary.latencies}

    def lines(summary: TrafficSummary, _taken_s: float) -> list[str]:
        return hist_lines(summary)

    wish = {"filter": filter, "tier": tier, "percent": sample, "summary": True}
    _look(config, wish, seconds if once or as_json else 0, document if as_json else lines)


def _look(config: Any, wish: dict[str, Any], seconds: float, told: Any) -> None:
    """Add up for so many seconds, then tell; 0: tell again and again on a terminal, until ended."""
    if not seconds and not sys.stdout.isatty():
        refuse(["this is no terminal: --once or --json tells it once"])
    controls = controls_of(config)
    run(_look_once(controls, wish, seconds, told) if seconds else _look_live(controls, wish, told))


async def _look_once(controls: Any, wish: dict[str, Any], seconds: float, told: Any) -> None:
    import asyncio
    import time

    from edgecache.observe.traffic_summary import TrafficSummary

    total, began = TrafficSummary(), time.monotonic()
    try:
        async with asyncio.timeout(seconds):
            async for lines in log_lines(controls, wish):
                if lines.summary is not None:
                    total.merge(lines.summary)
    except TimeoutError:
        pass
    said = told(total, time.monotonic() - began)
    if isinstance(said, list):
        for line in said:
            typer.echo(line)
    else:
        print_json(said)


async def _look_live(controls: Any, wish: dict[str, Any], told: Any) -> None:
    import time

    from rich.live import Live
    from rich.text import Text

    from edgecache.observe.traffic_summary import TrafficSummary

    total, began = TrafficSummary(), time.monotonic()
    with Live(Text("waiting for requests"), screen=True, auto_refresh=False) as live:
        async for lines in log_lines(controls, wish):
            if lines.summary is not None:
                total.merge(lines.summary)
            said = told(total, time.monotonic() - began)
            live.update(Text("\n".join(said)), refresh=True)


def top_lines(
    summary: TrafficSummary, names: int, taken_s: float, percent: float = 100
) -> list[str]:
    """What is asked most, as lines; numbers of a sample are told for all."""
    lines = [_summary_line(summary, taken_s, 100 / percent)]
    for name, title in _TITLES.items():
        ranking = summary.rankings[name]
        rows = ranking.top(names)
        if not rows:
            continue
        bound = f" (each may be {ranking.error} more)" if ranking.error else ""
        lines += ["", f"{title}{bound}"]
        width = len(str(rows[0].at_least))
        for row in rows:
            share = row.at_least / max(ranking.total, 1)
            lines.append(f"  {row.at_least:>{width}}  {share:>5.1%}  {shown_name(row.name)}")
    return lines


def shown_name(name: bytes) -> str:
    """A name of a ranking as it was sent, without what a terminal would obey."""
    return shown(name.decode("latin-1"))


def _summary_line(summary: TrafficSummary, taken_s: float, scale: float) -> str:
    outcomes = summary.outcomes
    requests = summary.requests * scale
    hits, misses = outcomes["hit"], outcomes["miss"]
    ratio = f"{hits / (hits + misses):.1%}" if hits + misses else "-"
    return (
        f"{requests:.0f} requests in {taken_s:.0f} s ({requests / max(taken_s, 1):.0f}/s),"
        f" {format_size(int(summary.bytes_out * scale))}, hit ratio {ratio},"
        f" about {summary.viewers.estimate()} viewers"
    )


def top_document(
    summary: TrafficSummary, names: int, taken_s: float, percent: float = 100
) -> dict[str, Any]:
    """The same for programs. Counts are of the sample; `at_most` is their bound."""
    return {
        "seconds": round(taken_s, 1),
        "percent": percent,
        "requests": summary.requests,
        "bytes_out": summary.bytes_out,
        "outcomes": dict(summary.outcomes),
        "viewers": summary.viewers.estimate(),
        "rankings": {
            name: [
                {
                    "name": row.name.decode("latin-1"),
                    "at_least": row.at_least,
                    "at_most": row.at_most,
                }
                for row in ranking.top(names)
            ]
            for name, ranking in summary.rankings.items()
        },
    }


def hist_lines(summary: TrafficSummary) -> list[str]:
    """Durations of hits and misses: a line for each bound, `|` a hit's and `#` a miss's bar."""
    from edgecache.observe.traffic_summary import HIT, LATENCY_SECONDS, MISS, OTHER, quantile

    names = [name for name in (HIT, MISS, OTHER) if name in summary.latencies]
    if not names:
        return ["no requests"]
    lines = []
    for name in names:
        histogram = summary.latencies[name]
        p50, p90, p99 = (_seconds(quantile(histogram, share)) for share in (0.5, 0.9, 0.99))
        count = sum(histogram["counts"])
        lines.append(f"{name}: {count} requests, p50 {p50}, p90 {p90}, p99 {p99}")
    lines.append("")
    columns = [(name, summary.latencies[name]["counts"]) for name in names]
    used = [n for n in range(len(LATENCY_SECONDS) + 1) if any(counts[n] for _, counts in columns)]
    most = max(counts[n] for _, counts in columns for n in used)
    for place in range(used[0], used[-1] + 1):
        bound = LATENCY_SECONDS[place] if place < len(LATENCY_SECONDS) else math.inf
        lines += _bars(_seconds(bound), [(name, counts[place]) for name, counts in columns], most)
    return lines


def _bars(label: str, counts: Sequence[tuple[str, int]], most: int) -> list[str]:
    marks = {"hit": "|", "miss": "#", "other": "."}
    lines = []
    for number, (name, count) in enumerate(counts):
        bar = marks[name] * math.ceil(count / most * BAR_COLUMNS)
        lines.append(f"{label if not number else '':>10}  {name:<5} {count:>8}  {bar}".rstrip())
    return lines


def _seconds(bound: float) -> str:
    if math.isinf(bound):
        return "> 60 s"
    return f"≤ {bound * 1000:g} ms" if bound < 1 else f"≤ {bound:g} s"
