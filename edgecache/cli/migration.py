"""Command import: templates, Terraform's states and live accounts become a configuration.

Law: what cannot be taken over is told with its place, all of it at once, and nothing is written.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecache.cli.client import call_api
from edgecache.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigPath,
    fail,
    print_json,
    print_rows,
    refuse,
)
from edgecache.cluster.control_access import REGION

if TYPE_CHECKING:
    from edgecache.control.migration.folder import FolderChange, FolderSettings
    from edgecache.control.migration.resource_documents import ResourceDocuments

app = typer.Typer()
FILE_BYTES_MAX = 64 * 1024 * 1024


Source = Annotated[
    Path | None,
    typer.Argument(help="A template (JSON, YAML), or what `terraform show -json` printed."),
]
Ids = Annotated[
    list[str] | None,
    typer.Option("--id", metavar="ID", help="A distribution of a live account instead."),
]
EndpointUrl = Annotated[str, typer.Option(help="Where that account's API is, if it is not AWS.")]
Into = Annotated[Path | None, typer.Option(help="The folder to write.")]
IntoControl = Annotated[
    bool, typer.Option("--into-control", help="Write to control instead, over its API.")
]
Parameters = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=TEXT", help="A parameter of the template, AWS::Region too."),
]
Values = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=TEXT",
        help="What only AWS knows: LogicalId.Attribute, LogicalId (Ref), or an export.",
    ),
]
Listen = Annotated[str, typer.Option(help="Where viewers come, in the folder's file.")]
ListenControl = Annotated[str, typer.Option(help="Where control is, in the folder's file.")]
GeoDatabase = Annotated[str, typer.Option(help="A file that tells countries (mmdb).")]
IgnoreUnsupported = Annotated[
    bool, typer.Option("--ignore-unsupported", help="Serve without what is not done.")
]
Replace = Annotated[
    bool, typer.Option("--replace", help="Change the files of a folder that differs.")
]


@app.command(
    "import",
    epilog="Examples: edgecache import template.json --parameter Stage=test --into site;"
    " edgecache import --id E2EXAMPLE --into site",
)
def import_all(
    source: Source = None,
    id: Ids = None,
    endpoint_url: EndpointUrl = "",
    into: Into = None,
    into_control: IntoControl = False,
    parameter: Parameters = None,
    value: Values = None,
    listen: Listen = "127.0.0.1:8080",
    listen_control: ListenControl = "127.0.0.1:8090",
    geo_database: GeoDatabase = "",
    ignore_unsupported: IgnoreUnsupported = False,
    replace: Replace = False,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Take over a CloudFormation or CDK template, a Terraform state, or a live account.

    Distributions, policies, keys, access controls, functions and stores become a folder of files,
    or are made in control. A second run changes nothing. What is not taken over is told by logical
    id; if viewers would notice, nothing is written.
    """
    from edgecache.control.migration.folder import FolderSettings
    from edgecache.control.migration.resource_documents import MigrationError

    if (source is None) == (not id):
        refuse(["give a file, or --id of a live account"])
    if (into is None) != into_control:
        refuse(["give --into FOLDER, or --into-control"])
    settings = FolderSettings(
        listen=listen,
        control=listen_control,
        geo_database=str(Path(geo_database).absolute()) if geo_database else "",
        ignore_unsupported=ignore_unsupported,
    )
    parameters, values = _pairs(parameter, "--parameter"), _pairs(value, "--value")
    try:
        if source is not None:
            documents = _read_file(source, parameters, values)
        else:
            documents = _read_account(id or [], endpoint_url)
        if into is None:
            _write_to_control(documents, config, as_json=as_json)
        else:
            _write_folder(documents, into, settings, (replace, as_json))
    except MigrationError as error:
        fail(str(error))


def _read_file(
    path: Path, parameters: dict[str, str], attributes: dict[str, str]
) -> ResourceDocuments:
    from edgecache.control.migration.template import read_template, read_template_file
    from edgecache.control.migration.terraform_state import is_state, read_state

    template = read_template_file(_text(path), path.name)
    if is_state(template):
        return read_state(template, path.name)
    return read_template(template, path.name, parameters=parameters, attributes=attributes)


def _read_account(ids: list[str], endpoint_url: str) -> ResourceDocuments:
    """Distributions of an account, by the credentials that AWS's tools find."""
    import botocore.session
    from botocore.exceptions import BotoCoreError

    from edgecache.control.migration.live_account import LiveAccount, store_reader
    from edgecache.control.migration.resource_documents import ResourceDocuments

    session = botocore.session.Session()
    url = endpoint_url or None
    try:
        client, stores = (
            session.create_client(service, region_name=REGION, endpoint_url=url)
            for service in ("cloudfront", "cloudfront-keyvaluestore")
        )
    except (BotoCoreError, ValueError) as error:
        fail(f"the account: {error}")
    documents = ResourceDocuments(endpoint_url or "the account")
    return LiveAccount(client, store_reader(stores), documents).read(ids)


def _write_folder(
    documents: ResourceDocuments, into: Path, settings: FolderSettings, how: tuple[bool, bool]
) -> None:
    from edgecache.control.migration.folder import write_folder

    replace, as_json = how
    try:
        change = write_folder(documents, into, settings, replace=replace)
    except OSError as error:
        fail(f"{into}: {error.strerror or error}")
    _tell(documents, change, into, as_json=as_json)


def _write_to_control(documents: ResourceDocuments, config: Path, *, as_json: bool) -> None:
    from edgecache.control.migration.account_update import AccountUpdate

    changes = call_api(config, lambda client: AccountUpdate(client).write(documents))
    left_out = [*map(str, documents.left_out)]
    if as_json:
        rows = [
            {"kind": str(one.kind), "place": one.place, "id": one.id, "what": one.word}
            for one in changes
        ]
        print_json({"resources": rows, "left_out": left_out})
        return
    for line in left_out:
        typer.echo(f"left out: {line}")
    print_rows(
        ("what", "kind", "id", "of"),
        [(one.word, str(one.kind), one.id, one.place) for one in changes],
    )


def _text(path: Path) -> str:
    try:
        with path.open("rb") as opened:
            data = opened.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        refuse([f"{path}: {(error.strerror or str(error)).lower()}"])
    if len(data) > FILE_BYTES_MAX:
        refuse([f"{path}: larger than {FILE_BYTES_MAX} bytes"])
    try:
        return data.decode()
    except UnicodeDecodeError:
        refuse([f"{path}: not UTF-8 text"])


def _pairs(given: list[str] | None, option: str) -> dict[str, str]:
    pairs = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            refuse([f"{option}: {text} is not NAME=TEXT"])
        pairs[name] = value
    return pairs


def _tell(
    documents: ResourceDocuments, change: FolderChange, folder: Path, *, as_json: bool
) -> None:
    left_out = [*map(str, documents.left_out)]
    if as_json:
        resources = [
            {"kind": str(one.kind), "id": one.id, "place": one.place} for one in documents.resources
        ]
        print_json(
            {
                "folder": str(folder),
                "resources": resources,
                "new": change.new,
                "changed": change.changed,
                "left_out": left_out,
                "to_do": change.to_do,
            }
        )
        return
    for line in left_out:
        typer.echo(f"left out: {line}")
    for line in change.to_do:
        typer.echo(f"to do: {line}")
    new, changed = len(change.new), len(change.changed)
    what = f"{new} files new, {changed} changed" if new or changed else "nothing changed"
    typer.echo(f"{folder}: {len(documents.resources)} resources, {what}")
