"""What every command says in the same way. Exit codes: 1 it did not work out, 2 it is wrong."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from edgecache.config.load import load
from edgecache.config.model import Config
from edgecache.config.problems import ConfigError

DEFAULT_CONFIG = Path("edgecache.toml")

ConfigPath = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="EDGECACHE_CONFIG", help="The configuration file."),
]


def load_config(path: Path) -> Config:
    """The configuration at `path`, or every problem of it and exit code 2."""
    try:
        return load(path)
    except ConfigError as error:
        refuse([str(error)])


def refuse(lines: Iterable[str]) -> NoReturn:
    """The command, its file or an address is wrong."""
    typer.echo("edgecache: " + "\n  ".join(lines), err=True)
    raise typer.Exit(2)


def fail(line: str) -> NoReturn:
    """It did not work out."""
    typer.echo(f"edgecache: {line}", err=True)
    raise typer.Exit(1)


WIDTH_MAX = 1_000  # of a line that no terminal cuts
PAUSE_S = 0.2
WAIT_S_MAX = 60.0

AsJson = Annotated[bool, typer.Option("--json", help="Tell it as JSON.")]


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table; nothing is cut where the output is no terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns)
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    width = None if sys.stdout.isatty() else WIDTH_MAX
    Console(width=width).print(table, markup=False)


def print_json(value: Any) -> None:
    """What the API answered, without the parts that are the transport's."""
    if isinstance(value, dict):
        value = {name: one for name, one in value.items() if name != "ResponseMetadata"}
    typer.echo(json.dumps(value, indent=2, default=_plain))


def wait_until(what: str, done: Callable[[], bool]) -> None:
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
