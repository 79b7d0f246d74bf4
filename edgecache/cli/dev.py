"""Commands of dev mode: an installation for tests, and its clock.

Law: what it runs is `up` with a file and values of its own, so that what it does is what `up` does.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgecache.cli.options import (
    AsJson,
    LogFormatOption,
    LogLevelOption,
    fail,
    load_config,
    print_json,
    refuse,
)
from edgecache.cluster.control_access import URL_ENV
from edgecache.config.origin_map import MAP_ENV
from edgecache.config.sources import SET_ENV
from edgecache.config.units import parse_duration

if TYPE_CHECKING:
    from edgecache.supervisor.child import Child
    from edgecache.supervisor.dev_installation import DevInstallation, DevOptions

clock = typer.Typer(no_args_is_help=True, help="The clock of an installation in dev mode.")
NOT_IN_DEV_MODE = "it is not in dev mode: run `edgecache dev`, or `edgecache up --dev`"
NOTES = (
    "Any credentials are accepted: it is for tests. A distribution answers to its d….cloudfront.net"
    " (as Host) and to ID.localhost, which curl and browsers resolve and glibc does not.",
    "Ctrl-C stops it all, and nothing of it is kept.",
)
Control = Annotated[str, typer.Option(envvar=URL_ENV, help="HOST:PORT or URL of control.")]


ListenControl = Annotated[str, typer.Option(help="HOST:PORT of control; port 0 is a free one.")]
Listen = Annotated[
    list[str] | None,
    typer.Option(help="HOST:PORT of a location, for each; 127.0.0.1:8080 and what follows."),
]
Locations = Annotated[
    list[str] | None, typer.Option(help="A location's name, several times; LHR50 and NRT57.")
]
Load = Annotated[
    str, typer.Option(help="[ID=]FILE.json of create-distribution, a template, or FILE.toml.")
]
OriginMap = Annotated[
    list[str] | None,
    typer.Option(metavar="PATTERN=URL", help="Connect origins of these names elsewhere."),
]
Ready = Annotated[
    Path | None, typer.Option(help="Folder of *.sh and *.py to run when all answers.")
]
PortsFile = Annotated[Path | None, typer.Option(help="Write where everything is, as JSON.")]
Seed = Annotated[int | None, typer.Option(help="Have ids that come again with each reset.")]
Folder = Annotated[
    Path | None, typer.Option(help="Where `dev` is made, and kept; else a temporary folder.")
]
Names = Annotated[
    list[str] | None, typer.Option("--name", help="A Host control is asked by, several times.")
]
Public = Annotated[bool, typer.Option("--public", help="Let addresses be other than loopback's.")]


def dev(
    listen_control: ListenControl = "127.0.0.1:8090",
    listen: Listen = None,
    locations: Locations = None,
    load: Load = "",
    origin_map: OriginMap = None,
    ready_folder: Ready = None,
    ports_file: PortsFile = None,
    seed: Seed = None,
    folder: Folder = None,
    name: Names = None,
    public: Public = False,
    as_json: AsJson = False,
    log_level: LogLevelOption = None,
    log_format: LogFormatOption = None,
) -> None:
    """Run an installation for tests: empty, for anybody, with a clock that can be moved.

    Control, a regional cache and two locations, without a file. A distribution that is made there
    answers to its d….cloudfront.net (as Host), and to ID.localhost: curl and browsers resolve that,
    glibc does not. See docs/dev.md for /_edgecache/reset, /_edgecache/clock and /_edgecache/ready.
    """
    from edgecache.supervisor.dev_installation import LOCATIONS, DevOptions

    said = os.environ.get(MAP_ENV, "")
    os.environ[MAP_ENV] = ",".join(filter(None, (*(origin_map or ()), said)))
    with TemporaryDirectory(prefix="edgecache-", ignore_cleanup_errors=True) as temporary:
        options = DevOptions(
            folder or Path(temporary), listen_control, listen or (), locations or LOCATIONS,
            name or (), load, seed, public,
        )  # fmt: skip
        told = _Told(ready_folder, ports_file, as_json)
        code = _run(options, told)
    raise typer.Exit(code)


class _Told:
    """What is told and started once everything answers."""

    def __init__(self, ready: Path | None, ports_file: Path | None, as_json: bool) -> None:
        if ready is not None and not ready.is_dir():
            refuse([f"--ready-folder: {ready}: no such folder"])
        self._ready = ready
        self._ports_file = ports_file
        self._as_json = as_json
        self.hooks: Any = None

    def tell(self, made: DevInstallation, children: Sequence[Child]) -> None:
        """Write and print where everything is, and have it prepared."""
        from edgecache.supervisor import dev_installation

        addresses = dev_installation.addresses_told(children)
        if self._ports_file is not None:
            dev_installation.write_whole(self._ports_file, addresses)
        if self._as_json:
            typer.echo(json.dumps(addresses))
        else:
            for line in _lines(addresses):
                typer.echo(line)
        if self._ready is None:
            made.mode.prepared()
            return
        environment = _environment(addresses, dev_installation.CREDENTIALS)
        self.hooks = dev_installation.ReadyFolder(self._ready, made.mode, environment)
        self.hooks.start(lambda: os.kill(os.getpid(), signal.SIGTERM))


def _lines(addresses: Mapping[str, Any]) -> Sequence[str]:
    places = {"control": addresses["control"], **addresses["locations"]}
    return [*(f"{name:<10} {url}" for name, url in places.items()), *NOTES]


def _environment(addresses: Mapping[str, Any], credentials: Mapping[str, str]) -> dict[str, str]:
    """What a program of the ready folder is told: where control is, for our commands and AWS's."""
    url = addresses["control"]
    return {**credentials, URL_ENV: url, "AWS_ENDPOINT_URL_CLOUDFRONT": url}


def _run(options: DevOptions, told: _Told) -> int:
    """Run it until the end; its exit code."""
    from edgecache.supervisor.dev_installation import DevOptionsError, install
    from edgecache.supervisor.start import StartRefusedError, up

    try:
        made, path, assignments = install(options)
    except DevOptionsError as error:
        refuse(error.lines)
    os.environ[SET_ENV] = json.dumps([*assignments, *json.loads(os.environ.get(SET_ENV, "[]"))])
    config = load_config(path)
    try:
        code = up(config, path, lambda children, _pids: told.tell(made, children), made)
    except StartRefusedError as error:
        refuse(error.lines)
    if told.hooks is not None:
        told.hooks.stop()
        code = code or int(bool(told.hooks.problem))
    return code


@clock.command(epilog="Example: edgecache clock show")
def show(control: Control = "127.0.0.1:8090", as_json: AsJson = False) -> None:
    """Tell what the clock shows, and how far it was moved."""
    _print_clock(_asked(control, "GET"), as_json=as_json)


@clock.command(epilog="Examples: edgecache clock advance 1h; edgecache clock advance 7d")
def advance(
    duration: Annotated[str, typer.Argument(help="As 90s, 1h or 7d.")],
    control: Control = "127.0.0.1:8090",
    as_json: AsJson = False,
) -> None:
    """Move the clock of every process ahead: ages, lifetimes, signatures, circuits and leases."""
    try:
        seconds = parse_duration(duration)
    except ValueError:
        refuse([f"DURATION: {duration} is not a time like 90s, 1h or 7d, and not negative"])
    _print_clock(_asked(control, "POST", {"advance_s": seconds}), as_json=as_json)


def _print_clock(told: Mapping[str, float], *, as_json: bool) -> None:
    from datetime import UTC, datetime

    if as_json:
        print_json(told)
        return
    at = datetime.fromtimestamp(told["now"], UTC)
    typer.echo(f"{at:%Y-%m-%d %H:%M:%S} UTC, {told['offset_s']:g} s ahead")


def _asked(control: str, method: str, body: Mapping[str, float] | None = None) -> Any:
    """The answer at the clock of control; refusals are told, with exit code 1."""
    from edgecache.cluster.client import ControlQuestion, put_question
    from edgecache.cluster.control_access import (
        AccessError,
        ControlAccess,
        environment_credentials,
        read_url,
    )

    try:
        key, token = environment_credentials(os.environ)
        access = ControlAccess(read_url(control.partition(",")[0]), "", token, key)
    except AccessError as error:
        refuse([str(error)])
    content = b"" if body is None else json.dumps(body).encode()
    fields = (("content-type", "application/json"),) if content else ()
    question = ControlQuestion("/_edgecache/clock", method, content, fields)
    try:
        answer = asyncio.run(put_question(access, question))
    except OSError as error:
        fail(f"control at {access.url}: {error}")
    if answer.status == 404:
        fail(f"control at {access.url}: {NOT_IN_DEV_MODE}")
    try:
        told = json.loads(answer.body)
    except ValueError:
        fail(f"control at {access.url} answered {answer.status}, and no JSON: is it control?")
    if answer.status != 200:
        fail(str(told.get("error", f"control at {access.url} answered {answer.status}")))
    return told
