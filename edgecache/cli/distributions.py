"""Commands of distributions: listed, created and changed over CloudFront's API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from edgecache.cli.client import call_api
from edgecache.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigPath,
    print_json,
    print_result,
    print_rows,
    refuse,
    wait_until,
)

app = typer.Typer(no_args_is_help=True, help="Distributions: what is served, and how.")

Id = Annotated[str, typer.Argument(help="The distribution's id.")]
File = Annotated[
    Path, typer.Argument(help="JSON of a DistributionConfig, as `get` and AWS's CLI print it.")
]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Until every node runs it.")]


@app.command("list", epilog="Example: edgecache distributions list")
def list_all(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """All distributions: the file's and the API's."""

    def work(client: Any) -> list[Any]:
        pages = client.get_paginator("list_distributions").paginate().build_full_result()
        found: list[Any] = pages["DistributionList"].get("Items", [])
        return found

    items = call_api(config, work)
    if as_json:
        print_json(items)
        return
    columns = ("id", "domain name", "aliases", "enabled", "status", "comment")
    print_rows(columns, [
        (one["Id"], one["DomainName"], ", ".join(one["Aliases"].get("Items", [])),
         one["Enabled"], one["Status"], one["Comment"])
        for one in items
    ])  # fmt: skip


@app.command(epilog="Example: edgecache distributions get EDEMO > dist.json")
def get(id: Id, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """One distribution's configuration and its version, as JSON."""
    print_json(call_api(config, lambda client: client.get_distribution_config(Id=id)))


@app.command(epilog="Example: edgecache distributions create dist.json")
def create(
    file: File, config: ConfigPath = DEFAULT_CONFIG, wait: Wait = True, as_json: AsJson = False
) -> None:
    """Make a distribution of a document."""
    given = _document(file)
    made = call_api(config, lambda client: client.create_distribution(DistributionConfig=given))
    _print_deployed(config, made["Distribution"], wait=wait, as_json=as_json)


@app.command(epilog="Example: edgecache distributions update E2EXAMPLE dist.json")
def update(
    id: Id,
    file: File,
    config: ConfigPath = DEFAULT_CONFIG,
    wait: Wait = True,
    as_json: AsJson = False,
) -> None:
    """Replace a distribution's configuration whole by a document."""
    given = _document(file)
    changed = call_api(config, lambda client: _replaced(client, id, given))
    _print_deployed(config, changed, wait=wait, as_json=as_json)


@app.command(epilog="Example: edgecache distributions enable E2EXAMPLE")
def enable(
    id: Id, config: ConfigPath = DEFAULT_CONFIG, wait: Wait = True, as_json: AsJson = False
) -> None:
    """Serve a distribution."""
    changed = call_api(config, lambda client: _switched(client, id, enabled=True))
    _print_deployed(config, changed, wait=wait, as_json=as_json)


@app.command(epilog="Example: edgecache distributions disable E2EXAMPLE")
def disable(
    id: Id, config: ConfigPath = DEFAULT_CONFIG, wait: Wait = True, as_json: AsJson = False
) -> None:
    """Serve a distribution no more; only then it can be deleted."""
    changed = call_api(config, lambda client: _switched(client, id, enabled=False))
    _print_deployed(config, changed, wait=wait, as_json=as_json)


@app.command(epilog="Example: edgecache distributions delete E2EXAMPLE")
def delete(id: Id, config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Delete a distribution that is disabled."""

    def work(client: Any) -> None:
        client.delete_distribution(Id=id, IfMatch=client.get_distribution(Id=id)["ETag"])

    call_api(config, work)
    print_result({"id": id, "deleted": True}, f"{id} is deleted", as_json=as_json)


def _switched(client: Any, id: str, *, enabled: bool) -> Any:
    found = client.get_distribution_config(Id=id)["DistributionConfig"]
    return _replaced(client, id, found | {"Enabled": enabled})


def _replaced(client: Any, id: str, given: dict[str, Any]) -> Any:
    etag = client.get_distribution_config(Id=id)["ETag"]
    return client.update_distribution(Id=id, IfMatch=etag, DistributionConfig=given)["Distribution"]


def _print_deployed(config: Path, one: Any, *, wait: bool, as_json: bool) -> None:
    """Print a distribution; with `wait`, once it is deployed."""
    found = {"one": one}

    def deployed() -> bool:
        if found["one"]["Status"] != "Deployed":
            answer = call_api(config, lambda client: client.get_distribution(Id=one["Id"]))
            found["one"] = answer["Distribution"]
        return bool(found["one"]["Status"] == "Deployed")

    if wait:
        wait_until(f"{one['Id']} is being deployed", deployed)
    line = f"{one['Id']} {one['DomainName']} {found['one']['Status']}"
    print_result(found["one"], line, as_json=as_json)


def _document(file: Path) -> dict[str, Any]:
    """The DistributionConfig in a file, bare or as `get` prints it."""
    try:
        found = json.loads(file.read_bytes())
    except OSError as error:
        refuse([f"{file}: {(error.strerror or str(error)).lower()}"])
    except json.JSONDecodeError as error:
        refuse([f"{file}:{error.lineno}:{error.colno}: not JSON: {error.msg}"])
    except ValueError as error:
        refuse([f"{file}: not JSON: {error}"])
    if not isinstance(found, dict):
        refuse([f"{file}: holds no object"])
    inner: dict[str, Any] = found.get("DistributionConfig", found)
    return inner
