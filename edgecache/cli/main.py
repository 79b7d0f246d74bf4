"""Typer app of the command line. Law: it reads, asks and tells; work is done in other groups.

Start-up is every command's first cost, so heavy modules are imported by the command that needs
them. Exit codes: 0 done; 1 failed; 2 usage or configuration error.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecache import __version__
from edgecache.cli import (
    bucket,
    changes,
    difference,
    dns,
    health,
    health_checks,
    log,
    migration,
    nodes,
    replay,
    secrets,
    state,
    stats,
    top,
    warm,
)
from edgecache.cli import control as control_commands
from edgecache.cli import dev as dev_mode
from edgecache.cli import serve as site
from edgecache.cli import sign as signing
from edgecache.cli.asked_command import for_arguments
from edgecache.cli.check import check_file, print_schema, print_settings
from edgecache.cli.client import control_of, names_control
from edgecache.cli.help import SubjectGroup, list_whole, print_help
from edgecache.cli.manual import write_man_pages
from edgecache.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigPath,
    LogFormatOption,
    LogLevelOption,
    Memo,
    add_set_option,
)
from edgecache.cli.options import fail as _fail
from edgecache.cli.options import load_config as _loaded
from edgecache.cli.options import refuse as _refuse
from edgecache.config.listen import TcpAddress, tcp_address

if TYPE_CHECKING:
    from edgecache.supervisor.child import Child
    from edgecache.supervisor.dev_installation import DevInstallation

app = typer.Typer(
    cls=SubjectGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A content delivery network one person can run.",
    epilog="Try: edgecache serve http://127.0.0.1:8000",
)


Worker = Annotated[int, typer.Option(hidden=True, help="Run as this worker of several.")]
app.command("help", hidden=True, epilog="Example: edgecache help keys generate")(print_help)
app.command("man", hidden=True, epilog="Example: edgecache man share/man")(write_man_pages)
app.command(epilog="Example: edgecache serve http://127.0.0.1:8000 --listen 127.0.0.1:8080")(
    site.serve
)
app.command(
    epilog="Examples: edgecache init --origin http://127.0.0.1:8000 --name example.org;"
    " edgecache init --sample pytest"
)(site.init)
app.command(epilog="Examples: edgecache dev; edgecache dev --listen-control 127.0.0.1:0")(
    dev_mode.dev
)
app.add_typer(dev_mode.clock, name="clock")
app.add_typer(control_commands.app)
app.add_typer(signing.app)
app.add_typer(stats.app)
app.add_typer(log.app)
app.add_typer(top.app)
app.add_typer(changes.app)
app.add_typer(health.app)
app.add_typer(migration.app)
app.add_typer(difference.app)
app.add_typer(replay.app)
app.add_typer(warm.app)
app.add_typer(bucket.app, name="bucket")
app.add_typer(secrets.app, name="secrets")
app.add_typer(nodes.app, name="nodes")
dns.app.add_typer(health_checks.app)
app.add_typer(dns.app, name="dns")
app.add_typer(state.app, name="state")
list_whole(app)


def main() -> None:
    """Run the command line."""
    for_arguments(app, sys.argv[1:])(prog_name="edgecache")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"edgecache {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Tell the version.")
    ] = False,
) -> None: ...


@app.command(epilog="Examples: edgecache up; edgecache up --config config/demo.toml")
def up(
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: Annotated[
        bool, typer.Option("--json", help="Tell what runs where as one line of JSON.")
    ] = False,
    dev: Annotated[
        bool, typer.Option("--dev", help="For tests: for anybody, with a clock to be moved.")
    ] = False,
    memo: Memo = True,
    log_level: LogLevelOption = None,
    log_format: LogFormatOption = None,
) -> None:
    """Run everything in a configuration on this machine, until Ctrl-C or SIGTERM.

    What runs where is told once every process answers. SIGHUP is `reload`, SIGUSR2 `upgrade`;
    SIGUSR1 has log files opened anew.
    """
    from edgecache.supervisor import banner as present
    from edgecache.supervisor import start

    wanted, installation = _loaded(config), _dev_installation() if dev else None

    def tell(children: Sequence[Child], pids: Mapping[str, int]) -> None:
        if installation is not None:
            installation.mode.prepared()
        if as_json:
            to_log = wanted.access_log.target == "stdout"  # whose lines are all there is
            typer.echo(present.as_json(children, pids, wanted), err=to_log)
        else:
            present.print_table(wanted, config, children, pids)

    with _refusals():
        raise typer.Exit(start.up(wanted, config, tell, installation))


def _dev_installation() -> DevInstallation:
    from edgecache.runtime.dev_mode import make_dev_mode
    from edgecache.supervisor.dev_installation import DevInstallation

    return DevInstallation(make_dev_mode())


@app.command(epilog="Example: edgecache edge --config edgecache.toml --location LHR50")
def edge(
    location: Annotated[str, typer.Option(help="Which of the file's locations.")],
    config: ConfigPath = DEFAULT_CONFIG,
    memo: Memo = True,
    log_level: LogLevelOption = None,
    log_format: LogFormatOption = None,
    worker: Worker = 0,
) -> None:
    """One edge location, with all its workers."""
    from edgecache.supervisor import start

    with _refusals():
        raise typer.Exit(start.edge(_loaded(config), config, location, worker))


@app.command(epilog="Examples: edgecache regional; edgecache regional --name eu-1")
def regional(
    name: Annotated[str, typer.Option(help="Which of the file's regional_caches.")] = "",
    config: ConfigPath = DEFAULT_CONFIG,
    log_level: LogLevelOption = None,
    log_format: LogFormatOption = None,
) -> None:
    """A regional cache, between the edges and the origins."""
    from edgecache.supervisor import start

    with _refusals():
        raise typer.Exit(start.regional(_loaded(config), config, name))


@app.command(epilog="Example: edgecache control --config edgecache.toml")
def control(
    config: ConfigPath = DEFAULT_CONFIG,
    log_level: LogLevelOption = None,
    log_format: LogFormatOption = None,
) -> None:
    """The control plane: configuration, status of every node, metrics."""
    from edgecache.supervisor import start

    with _refusals():
        raise typer.Exit(start.part(_loaded(config), config, "control"))


@app.command(epilog="Example: edgecache nameserver --config edgecache.toml")
def nameserver(
    config: ConfigPath = DEFAULT_CONFIG,
    log_level: LogLevelOption = None,
    log_format: LogFormatOption = None,
    worker: Worker = 0,
) -> None:
    """The authoritative name server, with all its workers."""
    from edgecache.supervisor import start

    with _refusals():
        raise typer.Exit(start.name_server(_loaded(config), config, worker))


@app.command(epilog="Example: edgecache origin --config edgecache.toml")
def origin(
    config: ConfigPath = DEFAULT_CONFIG,
    log_level: LogLevelOption = None,
    log_format: LogFormatOption = None,
) -> None:
    """The bucket of the configuration, behind its gate."""
    from edgecache.supervisor import start

    with _refusals():
        raise typer.Exit(start.part(_loaded(config), config, "bucket"))


@app.command(epilog="Examples: edgecache check edgecache.toml; edgecache check --settings")
def check(
    file: Annotated[Path | None, typer.Argument(help="As --config.")] = None,
    config: ConfigPath = DEFAULT_CONFIG,
    settings: Annotated[
        bool, typer.Option("--settings", help="Tell every number, its bounds and why.")
    ] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Tell the JSON schema of a file, for editors.")
    ] = False,
    files: Annotated[
        bool, typer.Option("--files/--no-files", help="Open the files that it names.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Tell every problem of a configuration file at once, each with its place."""
    if settings:
        print_settings(as_json=as_json)
    if schema:
        print_schema()
    if file is not None or not (settings or schema):
        check_file(file or config, files=files, as_json=as_json)


@app.command(epilog="Example: edgecache reload --config edgecache.toml")
def reload(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Apply a changed configuration file without dropping requests. A bad one changes nothing.

    Where it asks for other addresses, workers or limits, processes are replaced as by `upgrade`.
    """
    control_commands.reload(config, as_json=as_json)


@app.command(epilog="Example: edgecache upgrade --config edgecache.toml")
def upgrade(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Replace every process of `up`, or of roles that run alone, without dropping requests."""
    control_commands.upgrade(_loaded(config), config, as_json=as_json)


@app.command(epilog="Example: edgecache explain http://localhost:8080/ -H 'Accept-Encoding: br'")
def explain(
    url: Annotated[str, typer.Argument(help="As a viewer would ask for it.")],
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", help="'Name: value', several times.")
    ] = None,
    method: Annotated[str, typer.Option("--method", "-X", help="The method.")] = "GET",
    http_version: Annotated[str, typer.Option("--http", help="1.1, 2 or 3.")] = "",
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="Tell it as JSON.")] = False,
) -> None:
    """Tell what would happen to a request and why: rules, key, origin, and what nodes hold."""
    import msgspec

    from edgecache.cli.explain import NotExplainedError, explanation
    from edgecache.cluster.control_access import control_access
    from edgecache.control.rest.explain import ExplainQuery

    loaded = None if names_control() else _loaded(config)
    control = control_access(loaded) if loaded else control_of(config)
    try:
        wanted = ExplainQuery(url, method, tuple(header or []), http_version)
        told, note = explanation(loaded, control, wanted)
    except ValueError as error:
        _refuse([str(error)])
    except NotExplainedError as error:
        _fail(str(error))
    if as_json:
        typer.echo(msgspec.json.encode(told).decode())
        return
    from edgecache.cli.explain import print_tree

    print_tree(told, note)


def _address(text: str, option: str) -> TcpAddress:
    try:
        return tcp_address(text)
    except ValueError as error:
        _refuse([f"{option}: {text} {error}"])


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """What cannot be started is told on standard error, with exit code 2."""
    from edgecache.supervisor.start import StartRefusedError

    try:
        yield
    except StartRefusedError as error:
        _refuse(error.lines)


add_set_option(app)
