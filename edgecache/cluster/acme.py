"""What control tells edges of ACME (RFC 8555): challenges to answer, certificates to show.

Law: a private key goes to an edge sealed with a key that this edge's place and control alone have,
and is kept in a file of its owner's alone.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

CHALLENGE_PATH = b"/.well-known/acme-challenge/"  # RFC 8555 §8.3
FOLDER = "certificates"

_TOKEN = re.compile(rb"[A-Za-z0-9_-]{1,128}")  # base64url of 128 bits or more (§8.3), with room


def challenge_token(path: bytes) -> str:
    """The token of a challenge that `path`, as received, asks for; empty when it is none."""
    token = path[len(CHALLENGE_PATH) :]
    return token.decode() if path.startswith(CHALLENGE_PATH) and _TOKEN.fullmatch(token) else ""


def certificate_path(state_dir: str | Path, id: str) -> Path:
    """Where the certificate issued for distribution `id` is, with its key and chain."""
    return Path(state_dir) / FOLDER / f"{id}.pem"


def keep_certificate(state_dir: str | Path, id: str, pem: bytes) -> bool:
    """Have the file be `pem`, whole, for its owner alone; False when it was. OSError."""
    path = certificate_path(state_dir, id)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.read_bytes() == pem:
        return False
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return True
