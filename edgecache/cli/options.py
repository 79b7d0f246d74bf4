"""Options, tables, JSON and exit codes that all commands share.

Exit codes: 1 failed, 2 usage or configuration error.
"""

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
WIDTH_MAX = 1_000  # of a line that no terminal cuts
PAUSE_S = 0.2
WAIT_S_MAX = 60.0

ConfigPath = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="EDGECACHE_CONFIG", help="The configuration file."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Tell it as JSON.")]


def load_config(path: Path) -> Config:
    """Load the configuration at `path`; on a ConfigError tell every problem, with exit code 2."""
    try:
        return load(path)
    except ConfigError as error:
        refuse([str(error)])


def refuse(lines: Iterable[str]) -> NoReturn:
    """End with exit code 2: the command, its file or an address is wrong."""
    typer.echo("edgecache: " + "\n  ".join(lines), err=True)
    raise typer.Exit(2)


def fail(line: str) -> NoReturn:
    """End with exit code 1: what was asked failed."""
    typer.echo(f"edgecache: {line}", err=True)
    raise typer.Exit(1)


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; nothing is cut where the output is no terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns)
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    width = None if sys.stdout.isatty() else WIDTH_MAX
    Console(width=width).print(table, markup=False)


def print_json(value: Any) -> None:
    """Print an answer of the API as JSON, without the parts that are the transport's."""
    if isinstance(value, dict):
        value = {name: one for name, one in value.items() if name != "ResponseMetadata"}
    typer.echo(json.dumps(value, indent=2, default=_plain))


def wait_until(what: str, done: Callable[[], bool]) -> None:
    """Wait until `done`, with progress on a terminal; exit code 1 when it takes too long."""
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
