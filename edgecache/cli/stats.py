"""`edgecache stats` and `edgecache objects`. Law: control is asked, and it asks every process."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import urlencode

import typer

from edgecache.cli.options import DEFAULT_CONFIG, ConfigPath, fail, loaded, refuse

app = typer.Typer()
AsJson = Annotated[bool, typer.Option("--json", help="Tell it as JSON.")]
T = TypeVar("T")


@app.command(epilog="Example: edgecache stats")
def stats(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Tell what each process stores: objects, bytes, hits, misses and removals by reason."""
    from edgecache.cli.stats_table import print_stats
    from edgecache.cluster.inspection import StoreStats
    from edgecache.control.rest.inventory import PlaceInventory

    body = _asked(config, "/stats")
    if as_json:
        typer.echo(body.decode())
        return
    print_stats(_read(body, list[PlaceInventory[StoreStats]]))


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
    from edgecache.cli.stats_table import print_objects
    from edgecache.cluster.inspection import ObjectOrder, StoreObjects
    from edgecache.control.rest.inventory import PlaceInventory

    order = ObjectOrder.MOST_USED if most_used else ObjectOrder.LARGEST
    query = urlencode({"prefix": prefix, "order": str(order), "limit": limit})
    body = _asked(config, f"/objects?{query}")
    if as_json:
        typer.echo(body.decode())
        return
    print_objects(_read(body, list[PlaceInventory[StoreObjects]]))


def _read(body: bytes, shape: type[T]) -> T:
    import msgspec

    return msgspec.json.decode(body, type=shape)


def _asked(path: Path, target: str) -> bytes:
    """What control answers to a GET."""
    from edgecache.cluster.control_access import control_access
    from edgecache.supervisor import readiness as operate

    control = control_access(loaded(path))
    url = control.url
    if not url:
        refuse([f"{path}: there is no [control] to ask"])
    try:
        status, body = asyncio.run(operate.ask(control, target))
    except OSError as error:
        fail(f"control at {url}: {error}")
    if status == 400:
        refuse([body.decode(errors="replace")])
    if status != 200:
        fail(f"control at {url} answered {status}")
    return body
