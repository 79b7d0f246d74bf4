"""What every command says in the same way. Exit codes: 1 it did not work out, 2 it is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from edgecache.config.load import load
from edgecache.config.model import Config
from edgecache.config.problems import ConfigError

DEFAULT_CONFIG = Path("edgecache.toml")

ConfigPath = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="EDGECACHE_CONFIG", help="The configuration file."),
]


def loaded(path: Path) -> Config:
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
