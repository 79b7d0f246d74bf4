"""Commands about control: api, token, adopt, reload, upgrade, backup, restore; groups that ask it.

`reload` and `upgrade` ask the supervisor of this machine, or control where it is elsewhere.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import time
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from edgecache.cli import (
    access_keys,
    distributions,
    functions,
    invalidations,
    policies,
    releases,
    tags,
)
from edgecache.cli import sign as signing
from edgecache.cli.client import (
    ask_control,
    control_of,
    names_control,
    operator_token,
    signing_access,
)
from edgecache.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigPath,
    fail,
    load_config,
    print_json,
    print_result,
    print_rows,
    refuse,
)
from edgecache.cluster.control_access import REGION
from edgecache.config.model import Config

if TYPE_CHECKING:
    from edgecache.control.cloudfront.model import Operation
    from edgecache.control.state.backup import Restored

STAMP = "%Y%m%dT%H%M%SZ"
NOT_IN_IT = (
    "not in it: the configuration file and files that it names, what caches hold, logs, the bucket"
)

app = typer.Typer()
app.add_typer(distributions.app, name="distributions")
app.add_typer(policies.app, name="policies")
app.add_typer(functions.app, name="functions")
app.add_typer(tags.app, name="tags")
app.add_typer(releases.app, name="release")
app.add_typer(access_keys.app, name="access-keys")
app.command(epilog="Examples: edgecache invalidate EDEMO '/img/*' '#sale'")(
    invalidations.invalidate
)
app.command(epilog="Example: edgecache invalidations EDEMO")(invalidations.invalidations)
signing.keys_app.command("list", epilog=policies.LIST_EXAMPLE)(policies.list_keys)
signing.keys_app.command("add", epilog=policies.ADD_EXAMPLE)(policies.add_key)


@app.command(epilog="Example: edgecache api --list")
def api(
    supported: Annotated[
        bool, typer.Option("--list", help="Every operation, and whether it acts here.")
    ] = True,
    unsupported: Annotated[
        bool, typer.Option("--unsupported", help="Members of a distribution that do not act.")
    ] = False,
    names: Annotated[
        bool, typer.Option("--route53", help="Operations of Route 53's API instead.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Tell which operations of CloudFront's or Route 53's API control supports, and which members
    of a distribution it does not.
    """
    if unsupported:
        from edgecache.config.aws.unsupported import as_markdown

        typer.echo(as_markdown(), nl=False)
        return
    prefix, found, acting = _route53_operations() if names else _cloudfront_operations()
    if as_json:
        print_json({one.name: one.name in acting for one in found})
        return
    print_rows(("operation", "supported", "method", "path"), [
        (one.name, one.name in acting, one.method, f"{prefix}/{'/'.join(one.path)}")
        for one in found
    ])  # fmt: skip
    typer.echo(f"{len(acting)} of {len(found)} operations")


def _cloudfront_operations() -> tuple[str, list[Operation], Collection[str]]:
    """Where they are asked, all of them, and those that act."""
    from edgecache.control.cloudfront.model import PREFIX
    from edgecache.control.cloudfront.model import api as model
    from edgecache.control.cloudfront.operations import actions

    return PREFIX, sorted(model().operations.values(), key=_name_of), actions()


def _route53_operations() -> tuple[str, list[Operation], Collection[str]]:
    from edgecache.control.route53.model import PREFIX, route53
    from edgecache.control.route53.operations import route53_actions

    return PREFIX, sorted(route53().operations.values(), key=_name_of), route53_actions()


def _name_of(operation: Operation) -> str:
    return operation.name


@app.command(epilog='Examples: edgecache token; eval "$(edgecache token --aws)"')
def token(
    aws: Annotated[
        bool, typer.Option("--aws", help="Lines for a shell: what AWS's SDKs read.")
    ] = False,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Print an operator's token for curl, good for an hour, or the access key for SDKs."""
    if not aws:
        made = operator_token(load_config(config))
        print_result({"token": made}, made, as_json=as_json)
        return
    url, key, ca_file = signing_access(config)
    lines = {
        "AWS_ACCESS_KEY_ID": key.access_key_id,
        "AWS_SECRET_ACCESS_KEY": key.secret_access_key,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL_CLOUDFRONT": url,
        "AWS_ENDPOINT_URL_ROUTE_53": url,
        "AWS_CA_BUNDLE": ca_file,
    }
    given = {name: value for name, value in lines.items() if value}
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in given.items())
    print_result(given, exports, as_json=as_json)


@app.command(epilog="Examples: edgecache adopt EDEMO; edgecache adopt EDEMO --give-back")
def adopt(
    id: Annotated[str, typer.Argument(help="The distribution's id.")],
    give_back: Annotated[
        bool, typer.Option("--give-back", help="Let the file say again what it is.")
    ] = False,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Let the API take over a distribution that the configuration file declares.

    From then on the file's table for it counts no more.
    """
    method = "DELETE" if give_back else "POST"
    told = ask_control(config, method, f"/distributions/{quote(id, safe='')}/adoption")
    whose = "the file's again" if told["source"] == "file" else "the API's"
    print_result(told, f"{told['id']} is {whose}", as_json=as_json)


def reload(path: Path, *, as_json: bool) -> None:
    """Ask the supervisor to reload; where none runs on this machine, ask control to publish.

    `path` is the file of this machine. Where the environment names control, that reads its own.
    """
    from edgecache.supervisor import reload as reloading

    if names_control():
        _tell_result(asyncio.run(reloading.reload_at(control_of(path))), as_json=as_json)
        return
    config = load_config(path)
    try:
        result = asyncio.run(reloading.ask_supervisors(config.state_dir, "reload", path.resolve()))
    except reloading.NoSupervisorError as error:
        if config.control is None:
            refuse([f"{error}, and there is no [control] to ask"])
        result = asyncio.run(reloading.reload_control(config, path.resolve()))
    _tell_result(result, as_json=as_json)


def upgrade(config: Config, path: Path, *, as_json: bool) -> None:
    """Ask the supervisor to replace every process."""
    from edgecache.supervisor import reload as reloading

    try:
        result = asyncio.run(reloading.ask_supervisors(config.state_dir, "upgrade", path.resolve()))
    except reloading.NoSupervisorError as error:
        fail(str(error))
    _tell_result(result, as_json=as_json)


def _tell_result(result: object, *, as_json: bool) -> None:
    from edgecache.supervisor.reload import DONE, REFUSED, ReloadResult

    assert isinstance(result, ReloadResult)
    if as_json:
        print_json({"code": result.code, "lines": result.lines})
        raise typer.Exit(result.code)
    if result.code == REFUSED:
        refuse(list(result.lines))
    if result.code != DONE:
        fail(str(result))
    typer.echo(str(result))


@app.command(epilog="Examples: edgecache backup /var/backups/; edgecache backup state.tar")
def backup(
    target: Annotated[Path, typer.Argument(help="A new file, or a folder for one.")],
    secrets: Annotated[
        bool, typer.Option("--secrets/--without-secrets", help="With secrets and keys made here.")
    ] = True,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Write control's state and the secrets to one file, while everything runs."""
    import msgspec

    from edgecache.control.state.backup import BackupError, StatePlace, write_backup
    from edgecache.control.state.database import StateError

    found = load_config(config)
    _refuse_postgresql(found)
    now = time.time()
    if target.is_dir():
        target /= time.strftime(f"edgecache-{STAMP}.tar", time.gmtime(now))
    place = StatePlace(Path(found.state_dir), os.environ)
    try:
        manifest = write_backup(place, target, now, secrets=secrets)
    except (BackupError, StateError) as error:
        fail(str(error))
    if as_json:
        print_json({"file": str(target), **msgspec.to_builtins(manifest)})
        return
    typer.echo(f"{target}: {target.stat().st_size} bytes, log at {manifest.last_seq}")
    for name in manifest.files:
        typer.echo(f"  {name}")
    typer.echo(NOT_IN_IT if secrets else f"{NOT_IN_IT}, secrets")


@app.command(epilog="Example: edgecache restore /var/backups/edgecache-20261130T120000Z.tar")
def restore(
    file: Annotated[Path, typer.Argument(help="A backup, or a control.sqlite.schema-N.")],
    secrets: Annotated[
        bool, typer.Option("--secrets", help="Replace secrets that are there, too.")
    ] = False,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Put a backup in the place of control's state. Control has to be stopped.

    What it replaces is kept beside it. Nothing that any node stored before is served afterwards.
    """
    import msgspec

    from edgecache.control.state.backup import BackupError, StatePlace, restore_backup
    from edgecache.control.state.database import StateError

    found = load_config(config)
    _refuse_postgresql(found)
    _refuse_while_control_runs(found)
    place = StatePlace(Path(found.state_dir), os.environ)
    now = time.strftime(STAMP, time.gmtime())
    try:
        restored = restore_backup(place, file, now, secrets=secrets)
    except (BackupError, StateError) as error:
        fail(str(error))
    if as_json:
        print_json(msgspec.to_builtins(restored, enc_hook=str))
        return
    _tell(restored, file)


def _refuse_postgresql(config: Config) -> None:
    if config.control is not None and config.control.database:
        name = f"control.database = {config.control.database}"
        refuse([f"{name}: PostgreSQL has tools of its own (pg_dump, pg_basebackup): docs/state.md"])


def _refuse_while_control_runs(config: Config) -> None:
    """One of a former release holds no lock."""
    from edgecache.cluster.client import answers
    from edgecache.cluster.control_access import control_socket

    address = control_socket(config)
    if asyncio.run(answers(address, "control")):
        refuse([f"{address}: control runs: stop it first"])


def _tell(restored: Restored, file: Path) -> None:
    manifest = restored.manifest
    made = ""
    if manifest is not None:
        at = datetime.fromtimestamp(manifest.made_at, UTC)
        made = f" of {at:%Y-%m-%d %H:%M:%S} UTC, by edgecache {manifest.release}"
    typer.echo(f"restored from {file}{made}: {', '.join(restored.files)}")
    if restored.kept:
        typer.echo(f"left as it is: {', '.join(restored.kept)} (--secrets takes the backup's)")
    if restored.replaced is not None:
        typer.echo(f"what was there is in {restored.replaced}")
    if not restored.carried:
        typer.echo("keys and nodes that were revoked since count again: look at access-keys, nodes")
    typer.echo("next: start control; what the API changed since the backup is to be done again")
