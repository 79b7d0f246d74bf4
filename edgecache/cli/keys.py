"""Key files: a viewer-signature key pair on disk, and a store's key pair in `secrets.json`.

Law: a private half is made readable by its owner alone, and never over another key.
"""

from __future__ import annotations

import os
import secrets
import string
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecache.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigPath,
    load_config,
    print_result,
    refuse,
)

if TYPE_CHECKING:
    from edgecache.rules.private.signer import PrivateKey

RSA_BITS = 2_048  # what CloudFront takes
ID_CHARS = 13  # after the K, as CloudFront's ids
STORE_EXAMPLES = (
    "Examples: edgecache keys store minio --access-key-id AKIAIOSFODNN7EXAMPLE < secret;"
    " edgecache keys store minio --remove"
)


def generate_private_key(kind: str) -> PrivateKey:
    """A new key: `rsa` (2048 bits) or `ecdsa` (P-256)."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if kind == "ecdsa":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(65_537, RSA_BITS)


def write_key_pair(name: str, key: PrivateKey) -> tuple[str, list[str]]:
    """Write both halves as PEM files; an id, and what to configure. FileExistsError."""
    from cryptography.hazmat.primitives import serialization

    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    _create(Path(f"{name}.private.pem"), private, 0o600)
    _create(Path(f"{name}.public.pem"), public, 0o644)
    letters = string.ascii_uppercase + string.digits
    key_id = "K" + "".join(secrets.choice(letters) for _ in range(ID_CHARS))
    return key_id, [
        f"# {name}.private.pem signs: keep it where URLs are made. For the configuration:",
        "[[public_keys]]",
        f'id = "{key_id}"',
        f'pem_file = "{name}.public.pem"',
        "",
        "[[key_groups]]",
        f'id = "{Path(name).name}"',
        f'keys = ["{key_id}"]',
    ]


def store(
    name: Annotated[str, typer.Argument(help="As origin access controls name it.")],
    access_key_id: Annotated[str, typer.Option(help="The id of the key.")] = "",
    temporary: Annotated[
        bool, typer.Option("--temporary", help="A session token follows on a second line.")
    ] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take the key pair away.")] = False,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
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
        secret = _read_secret("secret access key")
        pair = KeyPair(access_key_id, secret, _read_secret("session token") if temporary else "")
    try:
        path = put_key_pair(load_config(config).state_dir, os.environ, name, pair)
    except SecretsError as error:
        refuse([str(error)])
    if remove:
        text = f"# {path} does not have it any more."
    else:
        text = f"# {path} has it. For the configuration, beside the origin's access_control_id:\n"
        text += f'[[origin_access_controls]]\nid = "{name}"\nregion = "us-east-1"'
    print_result({"name": name, "file": str(path), "removed": remove}, text, as_json=as_json)


def _create(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _read_secret(what: str) -> str:
    """A line of standard input, typed unseen where that is a terminal."""
    if sys.stdin.isatty():
        return str(typer.prompt(what, hide_input=True))
    return sys.stdin.readline().strip()
