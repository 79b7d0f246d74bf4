"""Commands of releases: versions of the cache key space, cut and taken back."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from edgecache.cli.client import ask_control
from edgecache.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigPath,
    print_json,
    print_rows,
    wait_until,
)

app = typer.Typer(
    no_args_is_help=True, help="Releases: everything misses at once, and can be taken back."
)

Site = Annotated[str, typer.Argument(help="The distribution's id.")]
Number = Annotated[int, typer.Argument(help="Of the release; 0 is what there was at first.")]
PathPattern = Annotated[str, typer.Option("--path", help="For the paths of a pattern alone.")]


@app.command(epilog="Example: edgecache release cut EDEMO00000001 --path '/assets/*'")
def cut(
    distribution: Site,
    path: PathPattern = "*",
    as_json: AsJson = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Make the next release current: everything misses, nothing is deleted."""
    told = ask_control(config, "POST", _url(distribution), {"path": path})
    _wait_and_print(config, distribution, told, as_json=as_json)


@app.command("list", epilog="Example: edgecache release list EDEMO00000001")
def list_all(
    distribution: Site, as_json: AsJson = False, config: ConfigPath = DEFAULT_CONFIG
) -> None:
    """The releases of a distribution."""
    _tell(ask_control(config, "GET", _url(distribution)), as_json=as_json)


@app.command(epilog="Example: edgecache release activate EDEMO00000001 0")
def activate(
    distribution: Site,
    number: Number,
    path: PathPattern = "*",
    as_json: AsJson = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Make a former release current again, with what is still stored of it."""
    wish = {"path": path, "number": number}
    told = ask_control(config, "POST", f"{_url(distribution)}/active", wish)
    _wait_and_print(config, distribution, told, as_json=as_json)


@app.command(epilog="Example: edgecache release delete EDEMO00000001 1")
def delete(
    distribution: Site,
    number: Number,
    path: PathPattern = "*",
    as_json: AsJson = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Let the objects of a former release go; it cannot be activated any more."""
    target = f"{_url(distribution)}/{number}?path={quote(path, safe='')}"
    _tell(ask_control(config, "DELETE", target), as_json=as_json)


def _url(distribution: str) -> str:
    return f"/distributions/{quote(distribution, safe='')}/releases"


def _wait_and_print(
    config: Path, distribution: str, told: dict[str, Any], *, as_json: bool
) -> None:
    """Wait until every node goes by the release, then print all."""
    found = [told]

    def deployed() -> bool:
        if not found[0]["deployed"]:
            found[0] = ask_control(config, "GET", _url(distribution))
        return bool(found[0]["deployed"])

    wait_until("every node takes it over", deployed)
    _tell(found[0], as_json=as_json)


def _tell(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    print_rows(("path", "release", "current", "cut"), [
        (one["path"], one["number"], one["current"],
         time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one["created_at"])))
        for one in told["releases"]
    ])  # fmt: skip
