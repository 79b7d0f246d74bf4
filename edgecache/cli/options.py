"""Options, tables, JSON and exit codes that all commands share.

Exit codes: 1 failed, 2 usage or configuration error.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from edgecache.config.load import load_with_sources
from edgecache.config.model import Config
from edgecache.config.problems import ConfigError
from edgecache.config.sources import SET_ENV, Sources
from edgecache.runtime.stderr_log import FORMAT_ENV, LEVEL_ENV

if TYPE_CHECKING:
    from rich.console import Console

DEFAULT_CONFIG = Path("edgecache.toml")
FIRST_FILE = (
    "name one with --config or EDGECACHE_CONFIG, or make one:",
    "edgecache init --origin http://127.0.0.1:8000 --name www.example.org",
)
PAUSE_S = 0.2
WAIT_S_MAX = 60.0

ConfigPath = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="EDGECACHE_CONFIG", help="The configuration file."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Tell it as JSON.")]


def _memo(wanted: bool) -> None:
    if not wanted:
        from edgecache.runtime.inherited import disable_head_cache

        disable_head_cache()


Memo = Annotated[
    bool,
    typer.Option(
        "--memo/--no-memo", callback=_memo, help="Remember hits by raw heads, and plans of misses."
    ),
]


class LogLevelChoice(StrEnum):
    """The least of what is said on standard error."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormatChoice(StrEnum):
    """How it is said."""

    TEXT = "text"
    JSON = "json"


def _inherited(name: str) -> Callable[[StrEnum | None], StrEnum | None]:
    """Processes hear of it by their environment."""

    def keep(value: StrEnum | None) -> StrEnum | None:
        if value is not None:
            os.environ[name] = value.value
        return value

    return keep


LogLevelOption = Annotated[
    LogLevelChoice | None,
    typer.Option(
        "--log-level",
        envvar=LEVEL_ENV,
        callback=_inherited(LEVEL_ENV),
        help="The least that is said on standard error; else process.log_level of the file.",
    ),
]
LogFormatOption = Annotated[
    LogFormatChoice | None,
    typer.Option(
        "--log-format",
        envvar=FORMAT_ENV,
        callback=_inherited(FORMAT_ENV),
        help="How it is said; else process.log_format of the file.",
    ),
]
_PARAMETER = "assignments"
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="A value in place of the file's, several times: control.listen=0.0.0.0:8090.",
    ),
]


def load_config(path: Path) -> Config:
    """Load the configuration at `path`; on a ConfigError tell every problem, with exit code 2."""
    return load_config_with_sources(path)[0]


def load_config_with_sources(path: Path) -> tuple[Config, Sources]:
    """As `load_config`; and from which file each value is."""
    try:
        return load_with_sources(path)
    except ConfigError as error:
        missing = path == DEFAULT_CONFIG and not path.exists()
        refuse([str(error), *(FIRST_FILE if missing else ())])


def refuse(lines: Iterable[str]) -> NoReturn:
    """End with exit code 2: the command, its file or an address is wrong."""
    typer.echo("edgecache: " + "\n  ".join(lines), err=True)
    raise typer.Exit(2)


def fail(line: str) -> NoReturn:
    """End with exit code 1: what was asked failed."""
    typer.echo(f"edgecache: {line}", err=True)
    raise typer.Exit(1)


def print_rows(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    console: Console | None = None,
    right: Collection[str] = (),
) -> None:
    """Print a table, by default on standard output; the columns of `right` end in line.

    Where that is no terminal, rows are plain lines: nothing is cut, broken or drawn.
    """
    cells = [[printable(_cell(value)) for value in row] for row in rows]
    if not (sys.stdout.isatty() if console is None else console.is_terminal):
        file = sys.stdout if console is None else console.file
        for line in plain_lines(columns, cells, right):
            typer.echo(line, file=file)
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for line_cells in cells:
        table.add_row(*map(Text, line_cells))
    (console or Console()).print(table)


def plain_lines(
    columns: Sequence[str], rows: Iterable[Sequence[str]], right: Collection[str] = ()
) -> Iterator[str]:
    """Head and rows in columns two spaces apart; an empty cell is `-`, so that fields count."""
    lines = [columns, *([cell or "-" for cell in row] for row in rows)]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    for line in lines:
        padded = (
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, cell, width in zip(columns, line, widths, strict=True)
        )
        yield "  ".join(padded).rstrip()


def printable(text: str) -> str:
    """Text without what a terminal would obey: it may come from viewers and origins."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def print_json(value: Any) -> None:
    """Print an answer of the API as JSON, without the parts that are the transport's."""
    if isinstance(value, dict):
        value = {name: one for name, one in value.items() if name != "ResponseMetadata"}
    typer.echo(json.dumps(value, indent=2, default=_plain))


def print_result(value: Any, text: str, *, as_json: bool) -> None:
    """Print what a command has done: `value` as JSON, or `text` for people, if there is any."""
    if as_json:
        print_json(value)
    elif text:
        typer.echo(text)


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


def add_set_option(app: typer.Typer) -> None:
    """Give `--set` to every command of `app`, and of its groups, that takes `--config`.

    It counts for that command and the processes it starts, and nothing is written. Processes hear
    of it by their environment, so that a reload in them means the same.
    """
    for command in app.registered_commands:
        if command.callback is not None:
            command.callback = _with_option(command.callback)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            add_set_option(group.typer_instance)


def _with_option(callback: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(callback, eval_str=True)
    if "config" not in signature.parameters or _PARAMETER in signature.parameters:
        return callback

    @functools.wraps(callback)
    def command(*args: Any, **named: Any) -> Any:
        with _assigned(named.pop(_PARAMETER) or []):
            return callback(*args, **named)

    option = inspect.Parameter(
        _PARAMETER, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=SetOption
    )
    parameters = [*signature.parameters.values(), option]
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {**callback.__annotations__, _PARAMETER: SetOption}
    return command


@contextmanager
def _assigned(assignments: list[str]) -> Iterator[None]:
    if not assignments:
        yield
        return
    former = os.environ.get(SET_ENV)
    os.environ[SET_ENV] = json.dumps(assignments)
    try:
        yield
    finally:
        os.environ.pop(SET_ENV)
        if former is not None:
            os.environ[SET_ENV] = former
