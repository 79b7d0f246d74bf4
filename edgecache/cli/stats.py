"""Commands stats and objects: what each process stores, as tables.

Law: control is asked, and it asks every process; what came from viewers and origins is shown, never
obeyed by a terminal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from urllib.parse import urlencode

import typer

from edgecache.cli.client import control_of, question_control
from edgecache.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigPath,
    print_rows,
    printable,
    refuse,
)
from edgecache.observe.labeled_series import SEPARATOR

if TYPE_CHECKING:
    from rich.console import Console

    from edgecache.cluster.inspection import StoreObjects, StoreStats
    from edgecache.control.rest.inventory import PlaceInventory
    from edgecache.observe.counters import Sample

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_LEFT = {"node", "misses", "removals", "object", "distribution", "tier"}

app = typer.Typer()
T = TypeVar("T")


@app.command(epilog="Examples: edgecache stats; edgecache stats --distributions --json")
def stats(
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
    distributions: Annotated[
        bool, typer.Option("--distributions", help="Only the sums of each distribution.")
    ] = False,
) -> None:
    """Tell what each process stores, and the hit ratio of each distribution over all of them.

    Counted since each process started. The tier "edge" is what viewers get.
    """
    from edgecache.cluster.inspection import StoreStats
    from edgecache.control.rest.inventory import PlaceInventory

    body = _ask_control(config, "/stats")
    if as_json and not distributions:
        typer.echo(body.decode())
        return
    places = _read(body, list[PlaceInventory[StoreStats]])
    if as_json:
        typer.echo(_distributions_json(places))
        return
    if not distributions:
        print_stats(places)
        typer.echo()
    print_distributions(places)


def _distributions_json(places: Sequence[PlaceInventory[StoreStats]]) -> str:
    import msgspec

    from edgecache.cli.hit_ratio import distribution_figures

    figures = distribution_figures(node for place in places for node in place.nodes)
    problems = [f"{place.name}: {place.problem}" for place in places if place.problem]
    return msgspec.json.encode({"distributions": figures, "problems": problems}).decode()


def print_distributions(
    places: Sequence[PlaceInventory[StoreStats]], console: Console | None = None
) -> None:
    """A row for each distribution at each tier: requests, bytes, and how many of them were hits."""
    from edgecache.cli.hit_ratio import distribution_figures, percent

    columns = ("tier", "distribution", "requests", "hit ratio", "bytes out", "byte hit ratio")
    figures = distribution_figures(node for place in places for node in place.nodes)
    rows = [
        (
            *(one.tier, one.distribution, str(one.requests), percent(one.hit_ratio)),
            *(format_size(one.bytes_out), percent(one.byte_hit_ratio)),
        )
        for one in figures
    ]
    _print(columns, rows, console)


@app.command(epilog="Examples: edgecache objects --prefix /img; edgecache objects --most-used")
def objects(
    prefix: Annotated[str, typer.Option(help="Only objects whose path begins so.")] = "/",
    most_used: Annotated[
        bool, typer.Option("--most-used/--largest", help="Which are listed first.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Objects of each process.")] = 20,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """List what is in the memory of each process, the largest or the most used first."""
    from edgecache.cluster.inspection import ObjectOrder, StoreObjects
    from edgecache.control.rest.inventory import PlaceInventory

    if not prefix.startswith("/"):
        refuse([f'--prefix: "{prefix}" is not the start of a path (it begins with /)'])
    order = ObjectOrder.MOST_USED if most_used else ObjectOrder.LARGEST
    query = urlencode({"prefix": prefix, "order": str(order), "limit": limit})
    body = _ask_control(config, f"/objects?{query}")
    if as_json:
        typer.echo(body.decode())
        return
    print_objects(_read(body, list[PlaceInventory[StoreObjects]]))


def _read(body: bytes, shape: type[T]) -> T:
    import msgspec

    return msgspec.json.decode(body, type=shape)


def _ask_control(path: Path, target: str) -> bytes:
    """The body of control's answer to a GET."""
    from edgecache.cluster.client import ControlQuestion

    return question_control(control_of(path), ControlQuestion(target)).body


def print_stats(
    places: Sequence[PlaceInventory[StoreStats]], console: Console | None = None
) -> None:
    """A row for each process, then what is wrong."""
    places = _named_by_machine(places)
    columns = ("node", "objects", "bytes", "of", "hits", "misses", "removals", "oldest", "disk")
    nodes = [node for place in places for node in place.nodes]
    _print(columns, map(_row, nodes), console)
    for node in nodes:
        for line in _delivery_lines(node.sample):
            _note(f"{node.node}: logs: {line}", console)
    _print_problems(places, console)


def _delivery_lines(sample: Sample) -> Iterator[str]:
    """What became of a process's logs for buckets; nothing where none are wanted."""
    gauges, delivered = sample["gauges"], sample["words"].get("log_files_delivered", {})
    waiting = {
        name.partition(SEPARATOR)[2]: count
        for name, count in gauges.items()
        if name.startswith(f"log_files_waiting{SEPARATOR}")
    }
    for bucket in sorted({*delivered, *waiting}):
        oldest_s = gauges.get(f"log_oldest_waiting{SEPARATOR}{bucket}", 0)
        waits = f", {waiting[bucket]} wait" if waiting.get(bucket) else ""
        since = f", the oldest for {format_duration(oldest_s)}" if waits else ""
        yield f"{bucket}: {delivered.get(bucket, 0)} files delivered{waits}{since}"
    if lost := sample["totals"].get("log_lines_lost", 0):
        yield f"{lost} lines lost"


def _row(node: StoreStats) -> tuple[str, ...]:
    gauges, words = node.sample["gauges"], node.sample["words"]
    disk = gauges.get("disk_objects", 0)
    return (
        node.node,
        str(gauges.get("store_objects", 0)),
        format_size(gauges.get("store_bytes", 0)),
        format_size(node.budget_bytes),
        str(words.get("requests", {}).get("Hit", 0)),
        _reasons(words.get("misses", {})),
        _reasons(words.get("removals", {})),
        "" if node.oldest_s is None else format_duration(node.oldest_s),
        f"{disk}, {format_size(gauges.get('disk_bytes', 0))}" if disk else "",
    )


def print_objects(
    places: Sequence[PlaceInventory[StoreObjects]], console: Console | None = None
) -> None:
    """A row for each object of each process, then what is wrong."""
    places = _named_by_machine(places)
    nodes = [node for place in places for node in place.nodes]
    rows = [
        (
            *(node.node, one.distribution, one.target, format_size(one.size_bytes)),
            *(str(one.uses), format_duration(one.age_s)),
            "" if one.ttl_left_s is None else format_duration(one.ttl_left_s),
        )
        for node in nodes
        for one in node.objects
    ]
    columns = ("node", "distribution", "object", "bytes", "uses", "age", "ttl left")
    _print(columns, rows, console)
    for node in nodes:
        if node.looked_at < node.held:
            _note(f"{node.node}: the {node.looked_at} oldest of {node.held} objects", console)
    _print_problems(places, console)


def _print(columns: Sequence[str], rows: Iterable[Sequence[str]], console: Console | None) -> None:
    print_rows(columns, rows, console, [column for column in columns if column not in _LEFT])


def _print_problems(
    places: Sequence[PlaceInventory[StoreStats]] | Sequence[PlaceInventory[StoreObjects]],
    console: Console | None = None,
) -> None:
    for place in places:
        if place.problem:
            _note(f"{place.name}: {place.problem}", console)


def _note(line: str, console: Console | None) -> None:
    typer.echo(printable(line), file=None if console is None else console.file)


def _named_by_machine(places: Sequence[PlaceInventory[Any]]) -> list[PlaceInventory[Any]]:
    """The same, with its machine in a process's name where several serve one location."""
    counts = Counter((place.role, place.name) for place in places)

    def named(place: PlaceInventory[Any]) -> PlaceInventory[Any]:
        if not place.machine or counts[place.role, place.name] == 1:
            return place
        nodes = tuple(replace(x, node=f"{x.node} on {place.machine}") for x in place.nodes)
        return replace(place, name=f"{place.name} on {place.machine}", nodes=nodes)

    return [named(place) for place in places]


def _reasons(counts: dict[str, int]) -> str:
    """The counts by reason, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{reason} {count}" for reason, count in ordered if count)


def format_size(octets: int) -> str:
    """Bytes, to three digits."""
    value, unit = float(octets), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.3g} {_UNITS[unit]}"


def format_duration(seconds: float) -> str:
    """Seconds, in the largest unit that leaves a whole number."""
    sign, left = ("-" if seconds < 0 else ""), abs(seconds)
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if left >= length:
            return f"{sign}{left / length:.0f} {unit}"
    return f"{sign}{left:.0f} s"
