"""How commands tell what control answered: a table for people, JSON for scripts."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from edgecache.cli.options import fail

WIDTH_MAX = 1_000  # of a line that no terminal cuts
PAUSE_S = 0.2
WAIT_S_MAX = 60.0

AsJson = Annotated[bool, typer.Option("--json", help="Tell it as JSON.")]


def tell(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table; nothing is cut where the output is no terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns)
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    width = None if sys.stdout.isatty() else WIDTH_MAX
    Console(width=width).print(table, markup=False)


def tell_json(value: Any) -> None:
    """What the API answered, without the parts that are the transport's."""
    if isinstance(value, dict):
        value = {name: one for name, one in value.items() if name != "ResponseMetadata"}
    typer.echo(json.dumps(value, indent=2, default=_plain))


def until(what: str, done: Callable[[], bool]) -> None:
    """Wait for something, with progress on a terminal; exit code 1 when it takes too long."""
    from rich.console import Console

    ends = time.monotonic() + WAIT_S_MAX
    with Console(stderr=True).status(what):
        while not done():
            if time.monotonic() > ends:
                fail(f"{what}: not done after {WAIT_S_MAX:g} s")
            time.sleep(PAUSE_S)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return str(value)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
