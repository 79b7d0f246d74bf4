"""`python -m benchmarks`: scenarios of a cache, beside nginx proxy_cache and Varnish in one run.

Each server is pinned to core 0 with all its processes, the clients and the origin to core 1, and
the servers take turns, so that what disturbs the machine disturbs all. Figures are told and kept,
never judged here; wrong answers end it.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import ExitStack
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any

from benchmarks.comparison import COMPARED, compared, tree_of, turns
from benchmarks.measure import Measuring
from benchmarks.processes import CLIENT_CORE, BenchmarkError
from benchmarks.results import Figure, Round, Run, ratios, spread
from benchmarks.scenarios import SCENARIOS, Goal, Scenario
from benchmarks.stage import ONE_TIER, Stage, installed, staged

HERE = Path(__file__).resolve().parent
ROUNDS, SECONDS = 3, 5
ROUNDS_COMPARED = 5
ELSEWHERE = ("S13", "S14")  # on servers of their own, which have no other commit beside them
COLUMNS = (
    ("requests_per_s", "requests/s", 1.0, 0),
    ("bytes_per_s", "MB/s", 1e-6, 1),
    ("cpu_us_per_request", "µs CPU", 1.0, 1),
    ("p50_ms", "p50 ms", 1.0, 2),
    ("p99_ms", "p99 ms", 1.0, 2),
    ("rss_mib", "RSS MiB", 1.0, 0),
    ("idle_kib_each", "KiB each", 1.0, 1),
    ("first_hit_s", "first hit s", 1.0, 2),
)


def main() -> int:
    """Run it; 0, or 1 when something was not as it must be."""
    options = _options()
    os.sched_setaffinity(0, {CLIENT_CORE})
    try:
        with staged() as stage, ExitStack() as stack:
            if options.compare:
                stage.before = stack.enter_context(tree_of(options.compare, stage.folder))
            _run(options, stage)
    except BenchmarkError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    if options.chart:
        _draw(options.results)
    return 0


def _run(options: argparse.Namespace, stage: Stage) -> None:
    """Every scenario that was asked for, each told and kept when it is done."""
    measuring = Measuring(stage, options.seconds, latency=not options.no_latency)
    run, done = Run(options.results, options.seconds, options.compare), dict[str, list[Round]]()
    for scenario in SCENARIOS:
        if options.only and scenario.name not in options.only:
            continue
        if options.compare:
            scenario = replace(scenario, servers=COMPARED)
        done[scenario.name] = _rounds(scenario, stage, measuring, options.rounds)
        told = _compared(scenario, done) if options.compare else _told(scenario, done)
        run.append(scenario.name, scenario.goal.said(), done[scenario.name], told)


def _draw(results: Path) -> None:
    from benchmarks.chart import draw

    try:
        print("\nchart:", *draw(results))
    except ImportError:
        print("\nno chart: matplotlib is not installed (the extra `bench`)")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--seconds", type=int, help=f"of each measurement ({SECONDS})")
    parser.add_argument("--rounds", type=int, help=f"of all servers ({ROUNDS})")
    parser.add_argument("--quick", action="store_true", help="one round of a second: 2 minutes")
    parser.add_argument("--only", type=lambda text: text.split(","), help="S1,S7b,...")
    parser.add_argument("--no-latency", action="store_true", help="no half load")
    parser.add_argument("--chart", action="store_true", help="draw docs/benchmark.svg and .png")
    parser.add_argument(
        "--compare", metavar="COMMIT", help="beside that commit of ours and both ways of nginx"
    )
    parser.add_argument("--results", type=Path, help="results.jsonl, or compared.jsonl")
    options = parser.parse_args()
    rounds = ROUNDS_COMPARED if options.compare else ROUNDS
    options.seconds = options.seconds or (1 if options.quick else SECONDS)
    options.rounds = options.rounds or (1 if options.quick else rounds)
    name = "compared.jsonl" if options.compare else "results.jsonl"
    options.results = options.results or HERE / name
    _refuse_unknown(parser, options)
    if options.seconds < 1 or options.rounds < 1:
        parser.error("--seconds and --rounds are at least 1")
    return options


def _refuse_unknown(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    known = {each.name: each for each in SCENARIOS}
    for name in options.only or ():
        if name not in known:
            parser.error(f"--only: {name} is no scenario (there are {', '.join(known)})")
    if options.compare:
        for name in options.only or known:
            if known[name].kind != ONE_TIER or name in ELSEWHERE:
                parser.error(f"--compare: {name} cannot be compared; choose by --only S1,S2,S5,S7")


def _rounds(scenario: Scenario, stage: Stage, measuring: Measuring, count: int) -> list[Round]:
    """The scenario's rounds, each told as it comes."""
    print(f"\n{scenario.name}  {scenario.title}  (goal: {scenario.goal.said()})", flush=True)
    servers = [name for name in scenario.servers if installed(name)]
    rounds = []
    for number in range(count):
        figures: Round = {}
        for name in turns(servers, number):
            figures[name] = measuring.measured(scenario, name)
            print(f"  {number + 1} {name:<18} {_line(figures[name])}", flush=True)
        rounds.append(figures)
    return rounds


def _line(figure: Figure) -> str:
    cells = []
    for name, unit, factor, places in COLUMNS:
        value = getattr(figure, name)
        if value is not None:
            cells.append(f"{value * factor:>9,.{places}f} {unit}")
    return " ".join(cells)


def _told(scenario: Scenario, done: dict[str, list[Round]]) -> dict[str, Any]:
    """Ratios to every peer, by the goal's measure; printed too."""
    rounds, goal = done[scenario.name], scenario.goal
    told: dict[str, Any] = {}
    for peer in ("nginx", "varnish", "gtlsserver"):
        found = ratios(rounds, goal.of, "edgecache", peer)
        if found:
            told[peer] = spread(found)
    own = _own(goal, rounds, done)
    if own:
        told[goal.to or "itself"] = spread(own)
    for to, value in told.items():
        _say(goal, to, value)
    if scenario.also is not None and (beside := _own(scenario.also, rounds, done)):
        told[scenario.also.to] = spread(beside)
        _say(scenario.also, scenario.also.to, told[scenario.also.to])
    return told


def _compared(scenario: Scenario, done: dict[str, list[Round]]) -> dict[str, Any]:
    """Ratios to the commit before and to the better nginx; printed too."""
    told = {}
    for to, values in compared(scenario.goal, done[scenario.name]).items():
        told[to] = spread(values)
        _say(scenario.goal, to, told[to])
    return told


def _say(goal: Goal, to: str, value: dict[str, float]) -> None:
    verdict = ""
    if to == (goal.to or "itself") and isfinite(goal.bound):
        verdict = "reached" if goal.met(value["median"]) else "not reached"
    low, high = value["min"], value["max"]
    print(f"  {goal.of} to {to}: {value['median']} ({low} to {high}) {verdict}", flush=True)


def _own(goal: Goal, rounds: list[Round], done: dict[str, list[Round]]) -> list[float]:
    """Our figures against a bound, or against another scenario of ours."""
    ours = [value for each in rounds if (value := getattr(each["edgecache"], goal.of)) is not None]
    if not goal.to:
        return ours
    others = [getattr(each["edgecache"], goal.of) for each in done.get(goal.to, [])]
    return [value / other for value, other in zip(ours, others, strict=False) if other]


if __name__ == "__main__":
    sys.exit(main())
