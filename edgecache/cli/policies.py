"""Commands of policies, and of public keys and key groups over CloudFront's API."""

from __future__ import annotations

from enum import StrEnum
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

app = typer.Typer(no_args_is_help=True, help="Policies: what is keyed, forwarded and added.")

LIST_EXAMPLE = "Example: edgecache keys list"
ADD_EXAMPLE = "Example: edgecache keys add team.public.pem --name team"


class PolicyKindName(StrEnum):
    """The three kinds of policy, as the API spells them."""

    CACHE = "CachePolicy"
    ORIGIN_REQUEST = "OriginRequestPolicy"
    RESPONSE_HEADERS = "ResponseHeadersPolicy"


_CALLS = {
    PolicyKindName.CACHE: ("list_cache_policies", "get_cache_policy"),
    PolicyKindName.ORIGIN_REQUEST: ("list_origin_request_policies", "get_origin_request_policy"),
    PolicyKindName.RESPONSE_HEADERS: (
        "list_response_headers_policies",
        "get_response_headers_policy",
    ),
}


@app.command("list", epilog="Example: edgecache policies list --custom")
def list_all(
    custom: Annotated[bool, typer.Option("--custom", help="Without CloudFront's own.")] = False,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """All policies, of all three kinds."""
    more = {"Type": "custom"} if custom else {}

    def work(client: Any) -> list[tuple[PolicyKindName, Any]]:
        return [
            (kind, item)
            for kind, (listing, _) in _CALLS.items()
            for item in getattr(client, listing)(**more)[f"{kind}List"].get("Items", [])
        ]

    found = call_api(config, work)
    if as_json:
        print_json([item for _, item in found])
        return
    print_rows(("kind", "type", "id", "name"), [
        (kind.removesuffix("Policy"), item["Type"], item[kind]["Id"],
         item[kind][f"{kind}Config"]["Name"])
        for kind, item in found
    ])  # fmt: skip


@app.command(epilog="Example: edgecache policies get 658327ea-f89d-4fab-a63d-7e88639e58f6")
def get(
    id: Annotated[str, typer.Argument(help="The policy's id.")],
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """One policy, as JSON."""

    def work(client: Any) -> Any:
        for kind, (_, getting) in _CALLS.items():
            try:
                return getattr(client, getting)(Id=id)
            except client.exceptions.ClientError as error:
                if error.response["Error"]["Code"] != f"NoSuch{kind}":
                    raise
        return None

    found = call_api(config, work)
    if found is None:
        fail(f"there is no policy {id}")
    print_json(found)


def list_keys(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """All public keys, and the key groups they are in."""

    def work(client: Any) -> tuple[list[Any], list[Any]]:
        keys = client.list_public_keys()["PublicKeyList"].get("Items", [])
        groups = client.list_key_groups()["KeyGroupList"].get("Items", [])
        return keys, [item["KeyGroup"] for item in groups]

    keys, groups = call_api(config, work)
    if as_json:
        print_json({"PublicKeys": keys, "KeyGroups": groups})
        return
    print_rows(("id", "name", "key groups"), [
        (key["Id"], key["Name"],
         ", ".join(one["Id"] for one in groups if key["Id"] in one["KeyGroupConfig"]["Items"]))
        for key in keys
    ])  # fmt: skip


def add_key(
    file: Annotated[Path, typer.Argument(help="PEM of a public key.")],
    name: Annotated[str, typer.Option(help="What to call it.")],
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Let control know a public key; its id is told, for a key group."""
    try:
        pem = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        refuse([f"{file}: {error}"])
    given = {"CallerReference": name, "Name": name, "EncodedKey": pem}
    made = call_api(config, lambda client: client.create_public_key(PublicKeyConfig=given))
    print_result(made["PublicKey"], made["PublicKey"]["Id"], as_json=as_json)
