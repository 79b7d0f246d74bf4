"""Commands of functions: list, publish, test, and what they log in the edges."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

import typer

from edgecache.cli.client import call_api, control_of, question_control
from edgecache.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigPath,
    fail,
    print_json,
    print_result,
    print_rows,
    printable,
    refuse,
)

if TYPE_CHECKING:
    from edgecache.control.rest.function_logs import FunctionLogs

FOLLOW_S = 1.0  # between two questions

app = typer.Typer(no_args_is_help=True, help="CloudFront Functions: list, publish, test, logs.")

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


@app.command(epilog="Examples: edgecache functions logs; edgecache functions logs redirects -f")
def logs(
    name: Annotated[str, typer.Argument(help="Of this function alone.")] = "",
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until interrupted.")
    ] = False,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """What functions log by console.log in the edges: the last runs of each process.

    An edge keeps 256 runs and waits for nobody: runs that were missed are counted.
    """
    from edgecache.cluster.client import ControlQuestion

    control, after = control_of(config), ""
    while True:
        query = urlencode({"after": after})
        told = read_logs(question_control(control, ControlQuestion(f"/function-logs?{query}")).body)
        for line in problem_lines(told):
            typer.echo(line, err=True)
        for record in log_records(told, name):
            if as_json:
                typer.echo(json.dumps(record))
            else:
                _print_record(record)
        if not follow:
            return
        after = told.next
        time.sleep(FOLLOW_S)


def read_logs(body: bytes) -> FunctionLogs:
    """Control's answer."""
    import msgspec

    from edgecache.control.rest.function_logs import FunctionLogs

    return msgspec.json.decode(body, type=FunctionLogs)


def problem_lines(told: FunctionLogs) -> Iterator[str]:
    """Where not all of it came from, and what was missed."""
    for place in told.places:
        if place.problem:
            yield f"{place.name}: {place.problem}"
        for page in place.nodes:
            if page.lost:
                yield f"{page.node}: {page.lost} runs were missed: they came faster than asked for"


def log_records(told: FunctionLogs, name: str) -> list[dict[str, Any]]:
    """A record for each run that logged, of this function or (empty) any, in the order of time."""
    found = [
        {
            "at": datetime.fromtimestamp(run.at, UTC).isoformat(timespec="milliseconds"),
            "node": page.node,
            "function": run.function,
            "distribution": run.distribution,
            "request_id": run.request_id,
            "lines": list(run.lines),
        }
        for place in told.places
        for page in place.nodes
        for run in page.runs
        if name in ("", run.function)
    ]
    return sorted(found, key=lambda record: str(record["at"]))


def _print_record(record: dict[str, Any]) -> None:
    for line in record["lines"]:
        text = printable(line)
        typer.echo(f"{record['at']} {record['node']} {record['function']} {text}")
