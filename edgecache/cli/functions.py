"""Commands of functions over CloudFront's API: list, publish, test."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from edgecache.cli.client import call_api
from edgecache.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigPath,
    fail,
    print_json,
    print_result,
    print_rows,
    refuse,
)

app = typer.Typer(no_args_is_help=True, help="CloudFront Functions: list, publish, test.")

Name = Annotated[str, typer.Argument(help="The function's name.")]


@app.command("list", epilog="Example: edgecache functions list")
def list_all(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """All functions, in each stage they have."""

    def work(client: Any) -> list[Any]:
        found, marker = [], ""
        while True:
            page = client.list_functions(**({"Marker": marker} if marker else {}))["FunctionList"]
            found += page.get("Items", [])
            marker = page.get("NextMarker", "")
            if not marker:
                return found

    found = call_api(config, work)
    if as_json:
        print_json(found)
        return
    print_rows(("name", "stage", "status", "runtime", "comment"), [
        (one["Name"], one["FunctionMetadata"]["Stage"], one["Status"],
         one["FunctionConfig"]["Runtime"], one["FunctionConfig"]["Comment"])
        for one in found
    ])  # fmt: skip


@app.command(epilog="Example: edgecache functions publish redirects")
def publish(name: Name, config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Make the stage DEVELOPMENT of a function the one that viewers meet."""

    def work(client: Any) -> Any:
        etag = client.describe_function(Name=name)["ETag"]
        return client.publish_function(Name=name, IfMatch=etag)["FunctionSummary"]

    summary = call_api(config, work)
    print_result(summary, f"{name}: {summary['Status']}", as_json=as_json)


@app.command("test", epilog="Example: edgecache functions test redirects event.json")
def run_test(
    name: Name,
    event: Annotated[Path, typer.Argument(help="The event as JSON, as CloudFront has it.")],
    stage: Annotated[str, typer.Option(help="DEVELOPMENT or LIVE.")] = "",
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Run a function on an event: what it gives, logs and takes. Exit code 1 when it fails."""
    try:
        content = event.read_bytes()
    except OSError as error:
        refuse([f"{event}: {(error.strerror or str(error)).lower()}"])
    wanted = {"Stage": stage} if stage else {}

    def work(client: Any) -> Any:
        etag = client.describe_function(Name=name, **wanted)["ETag"]
        given = {"Name": name, "IfMatch": etag, "EventObject": content, **wanted}
        return client.test_function(**given)["TestResult"]

    result = call_api(config, work)
    if as_json:
        print_json(result)
    else:
        _print_test(result)
    if result["FunctionErrorMessage"]:
        if as_json:
            raise typer.Exit(1)
        fail(f"{name}: {result['FunctionErrorMessage']}")


def _print_test(result: dict[str, Any]) -> None:
    for line in result.get("FunctionExecutionLogs", []):
        typer.echo(f"log: {line}")
    typer.echo(f"compute utilization: {result['ComputeUtilization']} %")
    if result["FunctionOutput"]:
        typer.echo(result["FunctionOutput"])
