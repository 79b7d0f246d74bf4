"""Commands of tags: labels of distributions over CloudFront's API."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from edgecache.cli.client import call_api
from edgecache.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, print_json, print_rows, refuse

app = typer.Typer(no_args_is_help=True, help="Tags of distributions.")

Id = Annotated[str, typer.Argument(help="The distribution's id.")]


@app.command("list", epilog="Example: edgecache tags list EDEMO")
def list_all(id: Id, config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """The tags of a distribution."""
    _tell(id, config, as_json=as_json)


@app.command("set", epilog="Example: edgecache tags set E2EXAMPLE stage=test owner=me")
def set_tags(
    id: Id,
    tags: Annotated[list[str], typer.Argument(help="KEY=VALUE, several times.")],
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Add tags to a distribution, or give them other values."""
    pairs = [tag.partition("=") for tag in tags]
    if not all(equals for _, equals, _ in pairs):
        refuse(["TAGS: each is KEY=VALUE"])
    items = [{"Key": key, "Value": value} for key, _, value in pairs]
    call_api(config, lambda client: client.tag_resource(Resource=_arn(client, id),
                                                      Tags={"Items": items}))  # fmt: skip
    _tell(id, config, as_json=as_json)


@app.command(epilog="Example: edgecache tags remove E2EXAMPLE owner")
def remove(
    id: Id,
    keys: Annotated[list[str], typer.Argument(help="KEY, several times.")],
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Take tags from a distribution."""
    call_api(config, lambda client: client.untag_resource(Resource=_arn(client, id),
                                                        TagKeys={"Items": keys}))  # fmt: skip
    _tell(id, config, as_json=as_json)


def _arn(client: Any, id: str) -> str:
    return str(client.get_distribution(Id=id)["Distribution"]["ARN"])


def _tell(id: str, config: Path, *, as_json: bool) -> None:
    def work(client: Any) -> list[dict[str, str]]:
        found: Any = client.list_tags_for_resource(Resource=_arn(client, id))
        items: list[dict[str, str]] = found["Tags"].get("Items", [])
        return items

    items = call_api(config, work)
    if as_json:
        print_json({item["Key"]: item["Value"] for item in items})
        return
    print_rows(("key", "value"), [(item["Key"], item["Value"]) for item in items])
