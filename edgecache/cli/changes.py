"""Command changes: who changed what and when, and how two configurations differ.

Law: what stands in a summary came from callers, and is shown, never obeyed by a terminal.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from edgecache.cli.client import ask_control
from edgecache.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigPath,
    fail,
    print_json,
    print_rows,
    printable,
)

app = typer.Typer()
_PAGE = 100  # the most that control lists at once


@app.command(epilog="Examples: edgecache changes --author deploy; edgecache changes --diff 41")
def changes(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, the newest.")] = 20,
    before: Annotated[int, typer.Option(min=0, help="Only those with a smaller number.")] = 0,
    author: Annotated[
        str, typer.Option(help="Only those of this access key or token; or control, file, socket.")
    ] = "",
    diff: Annotated[
        int | None,
        typer.Option(min=1, help="What this number changed in the configuration before it."),
    ] = None,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Tell the ordered log: each change with its number, time (UTC), author, and what it was.

    The newest 10,000 are kept, and of configurations the newest 20, which --diff compares. Values
    that may be secrets are told to differ, and not shown.
    """
    if diff is not None:
        _difference(config, diff, as_json=as_json)
        return
    listed = list(islice(_listed(config, before, author, min(limit, _PAGE)), limit))
    if as_json:
        print_json(listed)
        return
    print_rows(
        ("number", "time", "author", "kind", "what"),
        [
            (
                str(one["number"]),
                datetime.fromtimestamp(one["at"], UTC),
                *(printable(one[name]) for name in ("author", "kind", "summary")),
            )
            for one in listed
        ],
    )


def _listed(config: Path, before: int, author: str, page: int) -> Iterator[dict[str, Any]]:
    """All of them, the newest first, page by page."""
    marker = str(before or "")
    while True:
        query = {"marker": marker, "author": author, "max_items": page}
        found = ask_control(config, "GET", f"/changes?{urlencode(query)}")
        yield from found["changes"]
        marker = found["next"]
        if not marker:
            return


def _difference(config: Path, number: int, *, as_json: bool) -> None:
    found = ask_control(config, "GET", f"/changes/{number}")
    if as_json:
        print_json(found)
        return
    one = found["change"]
    at = datetime.fromtimestamp(one["at"], UTC)
    typer.echo(f"{number}  {at:%Y-%m-%d %H:%M:%S}  {printable(one['author'])}  "
               f"{printable(one['summary'])}")  # fmt: skip
    if found["problem"]:
        fail(found["problem"])
    for each in found["differences"]:
        typer.echo(printable(each["path"]))
        for sign, value in (("-", each["before"]), ("+", each["after"])):
            typer.echo(f"  {sign} {'(default)' if value is None else printable(value)}")
    if found["cut"]:
        typer.echo("... and more: the first 1,000 are told")
