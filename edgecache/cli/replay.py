"""Command replay: what hit ratio a log tells, and what a configuration would make of it.

Law: what a log does not have is told with the result; lines that are broken are counted and shown.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec.structs import replace

from edgecache.cli import replay_chart
from edgecache.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigPath,
    fail,
    load_config,
    print_json,
    print_rows,
    refuse,
)
from edgecache.config.model import CachePolicy, Config

if TYPE_CHECKING:
    from edgecache.control.replay.logged_requests import LogFiles
    from edgecache.control.replay.simulation import HitCounts, ReplayResult

app = typer.Typer()
TTL_S_MAX = 3_153_600_000  # as of a policy

Logs = Annotated[
    list[Path], typer.Argument(help="Logs, also compressed: CloudFront's, ours, combined ones.")
]
PolicyFile = Annotated[
    Path | None, typer.Option(help="TOML of a cache policy, in place of every behavior's.")
]
Memory = Annotated[str, typer.Option(help="Of each worker, as 1GiB; else as the file says.")]
Ttl = Annotated[
    int | None,
    typer.Option(
        min=0, max=TTL_S_MAX, help="Seconds that answers live, in place of all policies'."
    ),
]
Host = Annotated[str, typer.Option(help="Whose requests they are where a log does not say.")]
ChartFile = Annotated[
    Path | None, typer.Option(help="Draw hit ratios there and here: a .png or .svg (matplotlib).")
]
OneLocation = Annotated[
    bool, typer.Option("--one-location", help="One store for all locations of the log.")
]


@app.command(
    epilog="Examples: edgecache replay E1.2026-12-01-09.gz; edgecache replay *.gz --memory 1GiB"
)
def replay(
    logs: Logs,
    policy: PolicyFile = None,
    memory: Memory = "",
    ttl: Ttl = None,
    host: Host = "",
    one_location: OneLocation = False,
    chart: ChartFile = None,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Replay access logs: the hit ratio they tell, and what this configuration would have had.

    By requests and by bytes, by behavior. Without a configuration file every host is one site
    whose keys are URLs. What a log does not have, and what that means, is told with the result.
    """
    from edgecache.control.replay.logged_requests import LogFiles
    from edgecache.control.replay.simulation import Replay, ReplaySettings

    if chart is not None and (why := replay_chart.refused(chart)):
        refuse([f"--chart: {why}"])
    with_file = config != DEFAULT_CONFIG or config.exists()
    wanted = load_config(config) if with_file else _any_site()
    wanted = _with_policy(wanted, policy, ttl)
    for path in logs:
        if not path.is_file():
            refuse([f"{path}: no such file"])
    files = LogFiles(logs)
    settings = ReplaySettings(_size(memory), host.lower().encode(), one_location)
    run = Replay(wanted, settings)
    try:
        _watch(run.run(files), sum(path.stat().st_size for path in logs))
    except (OSError, EOFError) as error:
        fail(f"a log cannot be read: {error}")
    _print(run.result, files, as_json=as_json)
    if chart is not None:
        _draw(run.result, files, chart)


def _draw(result: ReplayResult, files: LogFiles, file: Path) -> None:
    try:
        replay_chart.draw(_document(result, files, []), file)
    except replay_chart.NoChartError as error:
        fail(str(error))


def _watch(steps: Any, size_bytes: int) -> None:
    """Go through a replay, with how far it is on a terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    with console.status(f"replaying {size_bytes} bytes of logs") as status:
        for count in steps:
            status.update(f"replayed {count} requests")


def _size(text: str) -> int | None:
    from edgecache.config.units import parse_size

    if not text:
        return None
    try:
        return parse_size(text)
    except ValueError as error:
        refuse([f"--memory: {text}: {error}"])


def _any_site() -> Config:
    """One site for every host, whose keys are URLs, as `serve` has it."""
    from edgecache.config.model import Behavior, Distribution, HeaderSelection, Origin, Selection

    keys = CachePolicy(
        headers=HeaderSelection(behavior="whitelist", items=("Host",)),
        query_strings=Selection(behavior="all"),
    )
    site = Distribution(
        id="site",
        aliases=("*",),
        origins=(Origin(id="origin", domain_name="origin.invalid"),),
        default_behavior=Behavior(origin="origin", cache_policy=keys),
    )
    return Config(distributions=(site,))


def _with_policy(config: Config, path: Path | None, ttl: int | None) -> Config:
    """The configuration with another cache policy, or another TTL, at every behavior."""
    if path is None and ttl is None:
        return config
    policy = _policy_of(path) if path is not None else None
    sites = []
    for site in config.distributions:
        changed = [
            replace(one, cache_policy=_changed(policy or one.cache_policy, ttl),
                    forwarded_values=None)
            for one in (*site.behaviors, site.default_behavior)
        ]  # fmt: skip
        sites.append(replace(site, behaviors=tuple(changed[:-1]), default_behavior=changed[-1]))
    return replace(config, distributions=tuple(sites))


def _changed(policy: CachePolicy, ttl: int | None) -> CachePolicy:
    if ttl is None:
        return policy
    return replace(policy, ttl_s_min=ttl, ttl_s_default=ttl, ttl_s_max=ttl)


def _policy_of(path: Path) -> CachePolicy:
    import tomllib

    from edgecache.config.checks.policies import check_cache_policy
    from edgecache.config.decode import Decoder
    from edgecache.config.problems import Problems
    from edgecache.config.references import NamedPolicies

    try:
        table = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        refuse([f"{path}: {error}"])
    problems = Problems()
    names = NamedPolicies(path.absolute().parent, problems)
    policy = Decoder(problems, names.shorthand()).read(CachePolicy, table, "")
    check_cache_policy(policy, "", problems)
    if problems.found:
        refuse([f"{path}:", *map(str, problems.found)])
    return policy


def _print(result: ReplayResult, files: LogFiles, *, as_json: bool) -> None:
    from edgecache.control.replay.logged_requests import NEVER_LOGGED

    missing = [f"{name}: {said}" for name, said in files.missing]
    if as_json:
        print_json(_document(result, files, missing))
        return
    rows = [_row("all", "", result.total, knows=result.knows_results)]
    rows += [
        _row(id, pattern, counts, knows=result.knows_results)
        for (id, pattern), counts in result.behaviors.items()
    ]
    columns = ("distribution", "behavior", "requests", "bytes", "hits there", "hits here",
               "bytes there", "bytes here")  # fmt: skip
    print_rows(columns, rows, right=columns[2:])
    for line in (*missing, *(f"never in a log: {one}" for one in NEVER_LOGGED)):
        typer.echo(line)
    for word, count in sorted(result.passed_over.items()):
        typer.echo(f"passed over: {count} requests of {word}")
    for name, count in result.nowhere.most_common(10):
        typer.echo(f"no distribution has {name or '(no host)'}: {count} requests")
    if result.backwards:
        typer.echo(f"{result.backwards} requests are of before the one before them")
    for line in files.shown:
        typer.echo(f"broken: {line}")
    if files.broken:
        typer.echo(f"{files.broken} lines are broken")


def _row(id: str, pattern: str, counts: HitCounts, *, knows: bool) -> tuple[str, ...]:
    ratios = counts.ratios()
    there = [_percent(ratios[name]) if knows else "" for name in ("requests_there", "bytes_there")]
    here = [_percent(ratios[name]) for name in ("requests_here", "bytes_here")]
    shares = (there[0], here[0], there[1], here[1])
    return (id, pattern, str(counts.requests), str(counts.octets), *shares)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.2%}"


def _document(result: ReplayResult, files: LogFiles, missing: list[str]) -> dict[str, Any]:
    def counted(counts: HitCounts) -> dict[str, Any]:
        ratios = counts.ratios()
        if not result.knows_results:
            ratios |= {"requests_there": None, "bytes_there": None}
        return {"requests": counts.requests, "bytes": counts.octets, **ratios}

    return {
        "all": counted(result.total),
        "behaviors": [
            {"distribution": id, "behavior": pattern, **counted(counts)}
            for (id, pattern), counts in result.behaviors.items()
        ],
        "missing": missing,
        "passed_over": dict(result.passed_over),
        "nowhere": dict(result.nowhere),
        "backwards": result.backwards,
        "objects": result.objects,
        "broken": files.broken,
        "broken_lines": files.shown,
    }
