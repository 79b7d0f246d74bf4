"""Commands of machines: a token for a new one, its enrollment, what is certified, revocation."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

import typer

from edgecache.cli.client import ask_control
from edgecache.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigPath,
    fail,
    load_config,
    print_json,
    print_result,
    print_rows,
    printable,
    refuse,
)
from edgecache.cluster.credentials import NAME_SERVER
from edgecache.config.listen import tcp_address
from edgecache.config.model import Config, Location, RegionalCache

_DAY_S = 86_400

app = typer.Typer(no_args_is_help=True, help="Machines of an installation, and their certificates.")


@app.command(epilog="Examples: edgecache nodes token --location LHR50; edgecache nodes list")
def token(
    location: Annotated[str, typer.Option(help="The location it will serve.")] = "",
    regional: Annotated[
        bool, typer.Option("--regional", help="For the machine of a regional cache.")
    ] = False,
    nameserver: Annotated[
        bool, typer.Option("--nameserver", help="For the machine of a name server.")
    ] = False,
    name: Annotated[str, typer.Option(help="Which regional cache, where there are several.")] = "",
    control: Annotated[
        str, typer.Option(help="HOST:PORT where it reaches control; the file's unless named.")
    ] = "",
    minutes: Annotated[float, typer.Option(min=1, max=10_080, help="How long it is good.")] = 60,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Print a one-time token by which another machine is enrolled as one location or cache.

    It is a secret until it is used. It names control's address and its authority's fingerprint.
    """
    if [bool(location), regional, nameserver].count(True) != 1:
        refuse(["say --location NAME, --regional or --nameserver, one of them"])
    if name and not regional:
        refuse(["--name: is a regional cache's: say --regional, too"])
    place = RegionalCache(name=name).place if regional else f"edge-{location}"
    wish = {
        "place": NAME_SERVER if nameserver else place,
        "control": control or _control_address(config),
        "lifetime_s": minutes * 60,
    }
    try:
        tcp_address(wish["control"])  # type: ignore[arg-type]  # a text
    except ValueError as error:
        refuse([f"--control: {wish['control']} {error}"])
    made = ask_control(config, "POST", "/join-tokens", wish)
    print_result(made, made["token"], as_json=as_json)


@app.command(epilog="Example: edgecache nodes enroll join1.WyIxMC4wLjAuNTo4MDkw...")
def enroll(
    token: Annotated[
        str,
        typer.Argument(help="As `nodes token` printed it, or - to read it from standard input."),
    ],
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="For the certificate, several times; else of `advertise`."),
    ] = None,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Make this machine's key here, have it certified by control, and fetch what it needs.

    Control proves by the token's fingerprint that it is the one meant before anything is sent.
    """
    from edgecache.cluster.certificates import general_names
    from edgecache.cluster.enrollment import NotEnrolledError, read_join_token
    from edgecache.cluster.enrollment import enroll as enroll_machine
    from edgecache.config.secrets import SecretsError

    text = typer.get_text_stream("stdin").readline() if token == "-" else token
    try:
        read = read_join_token(text)
        found = load_config(config)
        names = tuple(name or _advertised_names(found, read.place))
        general_names(names)
    except ValueError as error:
        refuse([str(error)])
    state_dir = found.state_dir
    try:
        written = enroll_machine(read, state_dir, names, os.environ)
    except (NotEnrolledError, SecretsError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or state_dir}: {error.strerror or error}")
    files = [str(path) for path in written]
    text = f"enrolled as {read.place}: {', '.join(files)}"
    print_result({"place": read.place, "files": files}, text, as_json=as_json)


@app.command("list", epilog="Examples: edgecache nodes list; edgecache nodes list --json")
def list_nodes(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Tell every process and what it runs on, and every machine that has a certificate.

    `lease` is how many seconds a process may serve yet without word from control; `config` the
    number of the configuration it runs on (`edgecache changes` says whose that is).
    """
    told = ask_control(config, "GET", "/nodes")
    certificates = ask_control(config, "GET", "/certificates")["certificates"]
    if as_json:
        print_json({**told, "certificates": certificates})
        return
    print_rows(_NODE_COLUMNS, map(_node_row, told["nodes"]), right=("config", "lease", "conns"))
    for one in told["refused"]:
        typer.echo(printable(f"refused: {one['name']}: {one['reason']}"))
    if certificates:
        typer.echo()
        print_rows(("machine", "certificate", "ends", "names", "serial"), [
            (one["node"], one["state"], _ends(one["ends_in_s"]), ", ".join(one["names"]),
             one["serial"])
            for one in certificates
        ])  # fmt: skip


_NODE_COLUMNS = (
    *("region", "location", "machine", "process", "pid", "version", "config", "lease", "conns"),
    "state",
)


def _node_row(node: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        node["region"],
        node["location"] or node["role"],
        node["machine"],
        node["name"],
        node["pid"],
        node["release"],
        node["generation"],
        f"{node['lease_s']:.1f}",
        node["connections"],
        _node_state(node),
    )


def _node_state(node: Mapping[str, Any]) -> str:
    """`ready`, or what keeps viewers away; `drain` where an operator wants it so."""
    if not node["alive"]:
        return f"silent for {node['seen_s_ago']:.0f} s"
    unready = ", ".join(node["unready"])
    return ("drain: " if node["drain"] else "") + (unready or "ready")


@app.command(epilog="Examples: edgecache nodes revoke edge-LHR50; ... edge-LHR50/5f3a9c01")
def revoke(
    node: Annotated[
        str, typer.Argument(help="As `nodes list` names it; all of a place without /.")
    ],
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Take a machine's certificates no more, anywhere: its connections are closed."""
    gone = ask_control(config, "DELETE", f"/certificates/{quote(node)}")
    print_result(gone, f"revoked: {', '.join(gone['revoked'])}", as_json=as_json)


def _advertised_names(config: Config, place: str) -> list[str]:
    """The name or address by which others reach this place, as the file says."""
    parts: list[Location | RegionalCache] = [
        one for one in config.regional_tier if one.place == place
    ]
    parts += [one for one in config.locations if place == f"edge-{one.name}"]
    part = next(iter(parts), None)
    if part is None or not part.advertise:
        return []
    return [tcp_address(part.advertise).host]


def _control_address(path: Path) -> str:
    """Where others reach control, as the environment or the file says."""
    from edgecache.cluster.control_access import AccessError, control_url, environment_access

    try:
        access = environment_access(os.environ)
    except AccessError as error:
        refuse([str(error)])
    url = access.url if access is not None else control_url(load_config(path))
    if not url:
        refuse([f"{path}: there is no [control] to name: say --control HOST:PORT"])
    address = urlsplit(url).netloc
    if tcp_address(address).is_loopback:
        refuse(
            [f"control.listen names no address others reach ({address}): say --control HOST:PORT"]
        )
    return address


def _ends(seconds: int) -> str:
    if seconds < 0:
        return "ended"
    days, rest = divmod(seconds, _DAY_S)
    return f"in {days} d" if days else f"in {rest // 3600} h {rest % 3600 // 60} min"
