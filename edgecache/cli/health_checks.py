"""Command dns health-checks: which are healthy, what each location says, what has changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer

from edgecache.cli.client import ask_control
from edgecache.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, print_json, print_rows

app = typer.Typer()
_WORDS = {True: "healthy", False: "unhealthy", None: "not known"}


@app.command(
    "health-checks",
    epilog="Examples: edgecache dns health-checks; edgecache dns health-checks web-eu",
)
def health_checks(
    id: Annotated[str, typer.Argument(help="The one to tell more of.")] = "",
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Tell which health checks are healthy; of one what each location says, and its changes (UTC).

    The percentage is of the locations that call an endpoint healthy: above 18 it is.
    """
    told = ask_control(config, "GET", f"/health-checks/{quote(id, safe='')}" if id else _ALL)
    if as_json:
        print_json(told)
    elif id:
        _print_one(told)
    else:
        columns = ("health check", "status", "healthy %", "type", "endpoint")
        print_rows(columns, [_row(one) for one in told["health_checks"]])


_ALL = "/health-checks"


def _row(one: dict[str, Any]) -> tuple[object, ...]:
    percent = one["percent_healthy"]
    status = _WORDS[one["healthy"]]
    marks = [word for word in ("inverted", "disabled") if one[word]]
    return (
        one["id"],
        f"{status} ({', '.join(marks)})" if marks else status,
        "" if percent is None else f"{percent:.0f}",
        one["type"],
        one["endpoint"],
    )


def _print_one(told: dict[str, Any]) -> None:
    one = told["health_check"]
    typer.echo(f"{one['id']}: {_row(one)[1]}; {one['type']} {one['endpoint']}")
    rows = [
        (by["checker"], _WORDS[by["healthy"]], _time(by["at"]), by["said"], _failure(by))
        for by in told["checkers"]
    ]
    if rows:
        print_rows(("location", "says", "asked", "answer", "last failure"), rows)
    changes = [(_time(was["at"]), _WORDS[was["healthy"]], was["said"]) for was in told["history"]]
    print_rows(("changed", "to", "answer"), changes)


def _failure(by: dict[str, Any]) -> str:
    return f"{_time(by['failed_at'])} {by['failure']}" if by["failed_at"] else ""


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}" if at else ""
