"""Key pairs on disk: a private one its owner alone can read, and the public one beside it."""

from __future__ import annotations

import os
import secrets
import string
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from edgecache.rules.private.signer import PrivateKey

RSA_BITS = 2_048  # what CloudFront takes
ID_CHARS = 13  # after the K, as CloudFront's ids


def generated(kind: str) -> PrivateKey:
    """A new key: `rsa` or `ecdsa` (P-256)."""
    if kind == "ecdsa":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(65_537, RSA_BITS)


def written(name: str, key: PrivateKey) -> list[str]:
    """Both halves in files, and what to do with them. FileExistsError: never over another key."""
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
    return [
        f"# {name}.private.pem signs: keep it where URLs are made. For the configuration:",
        "[[public_keys]]",
        f'id = "{key_id}"',
        f'pem_file = "{name}.public.pem"',
        "",
        "[[key_groups]]",
        f'id = "{Path(name).name}"',
        f'keys = ["{key_id}"]',
    ]


def _create(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
