"""Key pairs of S3-compatible stores: put into `secrets.json` of this machine, and taken away."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from edgecache.cli.options import DEFAULT_CONFIG, ConfigPath, loaded, refuse

EXAMPLES = (
    "Examples: edgecache keys store minio --access-key-id AKIAIOSFODNN7EXAMPLE < secret;"
    " edgecache keys store minio --remove"
)


def store(
    name: Annotated[str, typer.Argument(help="As origin access controls name it.")],
    access_key_id: Annotated[str, typer.Option(help="The id of the key.")] = "",
    temporary: Annotated[
        bool, typer.Option("--temporary", help="A session token follows on a second line.")
    ] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take the key pair away.")] = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Keep a store's key pair for origin access controls, in place of one of the same name.

    The secret is read from standard input, so that it is in no list of processes. Nodes of this
    machine sign with it within a second.
    """
    from edgecache.config.secrets import KeyPair, SecretsError, put_key_pair

    if remove is bool(access_key_id):
        refuse(["--access-key-id or --remove: one of them is needed"])
    pair = None
    if not remove:
        secret = _asked("secret access key")
        pair = KeyPair(access_key_id, secret, _asked("session token") if temporary else "")
    try:
        path = put_key_pair(loaded(config).state_dir, os.environ, name, pair)
    except SecretsError as error:
        refuse([str(error)])
    if remove:
        typer.echo(f"# {path} does not have it any more.")
        return
    typer.echo(f"# {path} has it. For the configuration, beside the origin's access_control_id:")
    typer.echo(f'[[origin_access_controls]]\nid = "{name}"\nregion = "us-east-1"')


def _asked(what: str) -> str:
    if sys.stdin.isatty():
        return str(typer.prompt(what, hide_input=True))
    return sys.stdin.readline().strip()
