"""Commands serve and init: one site in front of one origin, run at once or written as a file.

Law: both are one file (`config/site_file.py`). What `serve` runs is `up` with that file, so that
whatever `up` can do, `serve` can.
"""

from __future__ import annotations

import contextlib
import shlex
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from edgecache.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    LogFormatOption,
    LogLevelOption,
    Memo,
    load_config,
    print_json,
    refuse,
)
from edgecache.config.listen import TcpAddress, tcp_address
from edgecache.config.load import load
from edgecache.config.model import Config, Location
from edgecache.config.problems import ConfigError
from edgecache.config.settings import BY_FIELD

if TYPE_CHECKING:
    from edgecache.config.site_file import SiteFile
    from edgecache.supervisor.child import Child

WORKERS_MAX = int(BY_FIELD[Location, "workers"].high)
ORIGIN_FORM = "http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]"
CONTROL = "127.0.0.1:8090"
SERVE_FILE = "serve.toml"  # in state_dir: what a `serve` runs on
# Places of a file in the order they are looked for, and the options they are made of.
OPTION_OF = {
    "distributions[0].origins[0].domain_name": "ORIGIN",
    "distributions[0].origins[0].ca_file": "--ca-file",
    "distributions[0].origins[0].server_name": "--server-name",
    "distributions[0].origins[0]": "ORIGIN",
    "distributions[0].viewer_certificate.certificate_file": "--certificate",
    "distributions[0].viewer_certificate.key_file": "--key",
    "distributions[0].aliases": "--name",
    "locations[0].listen_tls": "--listen-tls",
    "locations[0].listen": "--listen",
    "control.listen": "--control",
}


class SemanticsChoice(StrEnum):
    """Whose rules a site goes by."""

    RFC9111 = "rfc9111"
    CLOUDFRONT = "cloudfront"


Listen = Annotated[str, typer.Option(help="HOST:PORT for viewers.")]
ListenTls = Annotated[str, typer.Option(help="HOST:PORT for viewers with TLS.")]
Names = Annotated[list[str] | None, typer.Option("--name", help="A host it answers to; any else.")]
Certificate = Annotated[
    str, typer.Option("--certificate", help="PEM for --listen-tls; made here without one.")
]
Key = Annotated[str, typer.Option("--key", help="PEM of the certificate's key.")]
Workers = Annotated[int, typer.Option(min=1, max=WORKERS_MAX, help="Processes.")]
Semantics = Annotated[SemanticsChoice, typer.Option(help="Whose rules.")]
StateDir = Annotated[Path, typer.Option(help="Folder for logs and keys.")]
Control = Annotated[
    str, typer.Option(help=f"HOST:PORT of purge and metrics: {CONTROL}, or a free port (0).")
]
CaFile = Annotated[str, typer.Option(help="Authorities of an https origin.")]
ServerName = Annotated[str, typer.Option(help="Name an https origin is asked for and must prove.")]
Underscores = Annotated[bool, typer.Option(help="Let request fields with `_` in them pass.")]
Force = Annotated[bool, typer.Option("--force", help="Write over a file that is there.")]


def serve(
    origin: Annotated[str, typer.Argument(help=ORIGIN_FORM)],
    listen: Listen = "127.0.0.1:8080",
    listen_tls: ListenTls = "",
    name: Names = None,
    certificate: Certificate = "",
    key: Key = "",
    workers: Workers = 1,
    semantics: Semantics = SemanticsChoice.RFC9111,
    state_dir: StateDir = Path("var"),
    control: Control = "",
    ca_file: CaFile = "",
    server_name: ServerName = "",
    underscores: Underscores = False,
    save: Annotated[
        Path | None, typer.Option(help="Write the file that does the same, and end.")
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
    memo: Memo = True,
    log_level: LogLevelOption = None,
    log_format: LogFormatOption = None,
) -> None:
    """One caching tier in front of any origin, without a configuration file.

    It runs on a file that it makes in its folder, which invalidate, reload, upgrade and explain
    take as any other (-c var/serve.toml).
    """
    from edgecache.config.site_file import SiteFile

    given = SiteFile(
        origin, _names(name), listen, listen_tls, certificate, key, workers,
        semantics.value, str(state_dir), control or CONTROL, ca_file, server_name, underscores,
    )  # fmt: skip
    _check_form(given)
    if save is not None:
        _keep(given, save, f"What `edgecache serve {origin}` runs, as a file.", force=force)
        _tell_kept(given, save, as_json=as_json)
        return
    raise typer.Exit(_run(replace(given, control=_free(control)), as_json=as_json))


def init(
    origin: Annotated[str, typer.Option(help=ORIGIN_FORM)] = "",
    sample: Annotated[str, typer.Option(help="Copy a sample project into a folder.")] = "",
    name: Names = None,
    listen: Listen = "127.0.0.1:8080",
    listen_tls: ListenTls = "",
    certificate: Certificate = "",
    key: Key = "",
    workers: Workers = 1,
    semantics: Semantics = SemanticsChoice.RFC9111,
    state_dir: StateDir = Path("var"),
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The file to write.")
    ] = DEFAULT_CONFIG,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write a commented configuration file for one site in front of one origin.

    With --sample NAME it is a sample project instead, in the folder NAME.
    """
    from edgecache.config.site_file import SiteFile

    if bool(origin) is bool(sample):
        refuse(["one of --origin and --sample"])
    if sample:
        _tell_sample(sample, force=force, as_json=as_json)
        return

    given = SiteFile(
        origin, _names(name), listen, listen_tls, certificate, key, workers,
        semantics.value, str(state_dir),
    )  # fmt: skip
    _check_form(given)
    site = ", ".join(given.names) if name else "Any host"
    _keep(given, config, f"{site}, in front of {origin}.", force=force)
    _tell_kept(given, config, as_json=as_json)


def _tell_sample(name: str, *, force: bool, as_json: bool) -> None:
    from edgecache.cli.samples import SampleError, copy_sample

    try:
        files = copy_sample(name, Path(name), force=force)
    except SampleError as error:
        refuse([str(error)])
    if as_json:
        print_json({"folder": name, "files": files})
        return
    typer.echo(f"{name} is written: {', '.join(files)}")


def _names(given: list[str] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(given or ["*"]))


def _check_form(given: SiteFile) -> None:
    """What no file could say better: an origin and addresses of a form, a certificate whole."""
    lines = []
    if not is_origin(given.origin):
        lines.append(f"ORIGIN: {given.origin} is not {ORIGIN_FORM}")
    for option, text in (
        ("--listen", given.listen),
        ("--listen-tls", given.listen_tls),
        ("--control", "" if given.control.endswith(":0") else given.control),
    ):
        try:
            if text:
                tcp_address(text)
        except ValueError as error:
            lines.append(f"{option}: {text} {error}")
    if bool(given.certificate_file) is not bool(given.key_file):
        lines.append("--certificate and --key: one without the other")
    if given.certificate_file and not given.listen_tls:
        lines.append("--certificate: not used without --listen-tls")
    if lines:
        refuse(lines)


def is_origin(url: str) -> bool:
    """Whether it is the URL of an origin: no user, no query, no fragment."""
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0 and parts.username is None
    except ValueError:
        return False
    bare = not (parts.query or parts.fragment or "?" in url or "#" in url)
    return parts.scheme in ("http", "https") and named and bare


def _free(wanted: str) -> str:
    """Control's address: as wanted, or the usual one where it is free, or on a free port."""
    from edgecache.supervisor.preflight import Binding, occupied_addresses

    address = TcpAddress("127.0.0.1", 0)
    if wanted and not wanted.endswith(":0"):
        return wanted
    if wanted:
        address = TcpAddress(wanted.rpartition(":")[0].strip("[]"), 0)
    elif not occupied_addresses([Binding(tcp_address(CONTROL), "control")]):
        return CONTROL
    with socket.create_server((address.host, 0)) as taken:
        return str(TcpAddress(address.host, taken.getsockname()[1]))


def _run(given: SiteFile, *, as_json: bool) -> int:
    """Run the file, made in `state_dir`, until the end; its exit code."""
    from edgecache.supervisor import banner, start

    _refuse_another(given.state_dir)
    path = Path(given.state_dir) / SERVE_FILE
    made = f"Made by `edgecache serve {given.origin}`, anew at each of its starts."
    _keep(given, path, f"{made}\nWith --save FILE it writes one to keep.", force=True)
    config = load_config(path)

    def tell(children: Sequence[Child], pids: Mapping[str, int]) -> None:
        if as_json:
            typer.echo(banner.as_json(children, pids, config))
            return
        for line in _to_know(given, path, config):
            typer.echo(line)

    try:
        return start.up(config, path, tell)
    except start.StartRefusedError as error:
        refuse([_in_options(line) for line in error.lines])


def _refuse_another(state_dir: str) -> None:
    """Two cannot have one folder: the file of the one would be the other's at its next reload."""
    from edgecache.cluster.control_access import supervisor_socket
    from edgecache.supervisor.preflight import Binding, occupied_addresses, unusable_state_dir

    lines = unusable_state_dir(state_dir)
    if not lines and occupied_addresses([Binding(supervisor_socket(state_dir), "")]):
        lines = [f"--state-dir: {state_dir} is another's that runs: give this one its own"]
    if lines:
        refuse(lines)


def _to_know(given: SiteFile, path: Path, config: Config) -> Iterator[str]:
    from edgecache.supervisor import banner

    option = f"-c {shlex.quote(str(path))}"
    named = "" if "*" in given.names else f" as {', '.join(given.names)}"
    yield f"{given.origin} is served at {tcp_address(given.listen).url}{named}"
    yield from banner.to_try_secure(config)
    yield f"edgecache invalidate {given.id} '/*' {option}    # what is stored is gone"
    yield f"curl -s http://{given.control}/metrics    # for Prometheus"
    yield f"edgecache reload {option}    # after a change of that file"
    yield "Ctrl-C stops it all; with --save FILE it is a file to keep."


def _keep(given: SiteFile, path: Path, heading: str, *, force: bool) -> None:
    """Write the file where it passes `check`; else nothing is written."""
    from edgecache.supervisor.preflight import unopened_files

    if path.exists() and not force:
        refuse([f"{path}: is there already: name another, or say --force to write over it"])
    made = path.with_name(f".{path.name}.new")
    try:
        made.write_text(given.text(path, heading), encoding="utf-8")
        config = load(made)
        lines = [_in_options(line) for line in unopened_files(config)]
        if not lines:
            made.replace(path)
    except ConfigError as error:
        lines = [_in_options(str(problem)) for problem in error.problems]
    except OSError as error:
        lines = [f"{path}: {(error.strerror or str(error)).lower()}"]
    except UnicodeEncodeError:
        lines = ["an argument is not UTF-8"]
    finally:
        with contextlib.suppress(OSError):
            made.unlink(missing_ok=True)
    if lines:
        refuse(lines)


def _in_options(line: str) -> str:
    """A problem by the option it comes from, rather than its place in a file nobody wrote."""
    for place, option in OPTION_OF.items():
        if line.startswith(place):
            return option + line.removeprefix(place)
    return line


def _tell_kept(given: SiteFile, path: Path, *, as_json: bool) -> None:
    if as_json:
        print_json({"file": str(path), "distribution": given.id})
        return
    option = "" if path == DEFAULT_CONFIG else f" -c {shlex.quote(str(path))}"
    host = "" if "*" in given.names else f" -H 'Host: {given.names[0]}'"
    typer.echo(f"{path} is written. Next:")
    typer.echo(f"  edgecache up{option}")
    typer.echo(f"  curl -i{host} {tcp_address(given.listen).url}/")
    typer.echo(f"  edgecache invalidate {given.id} '/*'{option}")
