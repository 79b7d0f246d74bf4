"""Commands invalidate and invalidations: remove stored objects, and wait for every node."""

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
    fail,
    print_json,
    print_rows,
    refuse,
)

STEP_S = 0.5  # of waiting at control, between two looks at who is still waited for
WAIT_S_MAX = 60.0

Site = Annotated[str, typer.Argument(help="The distribution's id.")]
Paths = Annotated[list[str] | None, typer.Argument(help="/path, /path* or #tag, several times.")]
Globs = Annotated[list[str] | None, typer.Option("--glob", help="A path, * and ? anywhere.")]
Prefixes = Annotated[list[str] | None, typer.Option("--prefix", help="The beginning of a path.")]
Hosts = Annotated[list[str] | None, typer.Option("--host", help="What was asked from a host.")]


def invalidate(
    distribution: Site,
    paths: Paths = None,
    globs: Globs = None,
    prefixes: Prefixes = None,
    hosts: Hosts = None,
    soft: Annotated[bool, typer.Option(help="Make stale instead of removing.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would go.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait until every node has heard.")] = True,
    as_json: AsJson = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Invalidate paths of a distribution, and wait until no node serves what was there.

    Exit code 1 when that was not so within a minute.
    """
    named = {"paths": paths, "globs": globs, "prefixes": prefixes, "hosts": hosts}
    wanted = {name: items for name, items in named.items() if items}
    if not wanted:
        refuse(["nothing is named: give /paths, #tags, --glob, --prefix or --host"])
    if dry_run:
        _print_dry_run(config, {**wanted, "distribution": distribution}, as_json=as_json)
        return
    began = time.monotonic()
    told = ask_control(config, "POST", "/invalidations", {**wanted,
        "distribution": distribution, "soft": soft,
    })  # fmt: skip
    if wait:
        told = _wait_until_completed(config, told, began + WAIT_S_MAX)
    if as_json:
        print_json(told)
    else:
        _print_outcome(told)
    if wait and told["status"] != "Completed":
        raise typer.Exit(1)


def invalidations(
    distribution: Site, as_json: AsJson = False, config: ConfigPath = DEFAULT_CONFIG
) -> None:
    """List the invalidations of a distribution, the newest first."""
    told = ask_control(config, "GET", f"/invalidations/{quote(distribution, safe='')}")
    if as_json:
        print_json(told)
        return
    print_rows(("id", "status", "accepted", "paths"), [
        (one["id"], one["status"], _local_time(one["created_at"]), " ".join(one["paths"]))
        for one in told["invalidations"]
    ])  # fmt: skip


def _print_dry_run(config: Path, wish: dict[str, Any], *, as_json: bool) -> None:
    """Print how many entries of each node would go, and a few of them."""
    found = ask_control(config, "POST", "/invalidations/dry-run", wish)
    if as_json:
        print_json(found)
        return
    nodes = [node for place in found for node in place["nodes"]]
    print_rows(("node", "entries", "bytes", "of", "on disk", "bytes", "of", "examples"), [
        (node["node"], node["entries"], node["size_bytes"], node["held"],
         *_on_disk(node["disk"]), " ".join(node["examples"]))
        for node in nodes
    ])  # fmt: skip
    for place in found:
        if place["problem"]:
            fail(f"{place['name']}: {place['problem']}")


def _on_disk(told: dict[str, Any] | None) -> tuple[Any, Any, Any]:
    """None: it has not looked at all of it in time."""
    return ("?", "?", "?") if told is None else (told["entries"], told["size_bytes"], told["held"])


def _wait_until_completed(config: Path, told: dict[str, Any], until: float) -> dict[str, Any]:
    """The invalidation once Completed, or at `until` (monotonic); shows who is waited for."""
    from rich.console import Console

    path = f"/invalidations/{quote(told['distribution'], safe='')}/{told['id']}?wait_s={STEP_S}"
    with Console(stderr=True).status("") as status:
        while told["status"] != "Completed" and time.monotonic() < until:
            status.update("waiting for " + ", ".join(told["waiting_for"]))
            found: dict[str, Any] = ask_control(config, "GET", path)
            told = found
    return told


def _print_outcome(told: dict[str, Any]) -> None:
    if told["status"] == "Completed":
        took_ms = (told["completed_at"] - told["created_at"]) * 1000
        typer.echo(f"{told['id']} Completed in {took_ms:.0f} ms")
    elif told["waiting_for"]:
        fail(f"{told['id']} InProgress; waiting for {', '.join(told['waiting_for'])}")
    else:
        typer.echo(f"{told['id']} InProgress")


def _local_time(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
