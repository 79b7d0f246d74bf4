"""The secrets of an installation. Law: they stand in one file its owner alone can read.

The file is JSON: `{"peer": {"k1": "..."}, "identity": {...}, "operator": {...}, "viewer": {...}}`,
each an object of key id to secret, the newest last; a file without `viewer` has none of these. The
newest is used; all are accepted, so that keys can change one machine at a time.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import msgspec

ENV = "EDGECACHE_SECRETS"
FILE_NAME = "secrets.json"
FILE_BYTES_MAX = 65_536  # four times 16 keys need a tenth of it
SECRET_BYTES = 32  # of randomness: the output of HMAC-SHA-256 (RFC 2104 §3)
SECRET_CHARS_MIN = 32  # what a hand-written secret must have
KINDS = ("peer", "identity", "operator", "viewer")
KEYS_MAX = 16  # as many as a rotation ever overlaps

_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class SecretsError(Exception):
    """One line: the file, what is wrong with it, and what to do where that is known."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """Key id to secret, the newest last. Its repr names the ids only."""

    peer: Mapping[str, str]  # a tier to the next one
    identity: Mapping[str, str]  # us to origins
    operator: Mapping[str, str]  # people and nodes to control
    viewer: Mapping[str, str] = field(default_factory=dict)  # tokens that open private content

    def __repr__(self) -> str:
        kinds = ", ".join(f"{name}={[*keys]}" for name, keys in _kinds(self))
        return f"Secrets({kinds})"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    peer: dict[str, str]
    identity: dict[str, str]
    operator: dict[str, str]
    viewer: dict[str, str] = {}

    def __repr__(self) -> str:
        return "_File(...)"


def _kinds(secrets_: Secrets | _File) -> tuple[tuple[str, Mapping[str, str]], ...]:
    return (
        ("peer", secrets_.peer),
        ("identity", secrets_.identity),
        ("operator", secrets_.operator),
        ("viewer", secrets_.viewer),
    )


def secrets_path(state_dir: str | Path, env: Mapping[str, str]) -> Path:
    """The file that counts: the one `EDGECACHE_SECRETS` names, else `secrets.json` in state_dir."""
    named = env.get(ENV, "")
    return Path(named) if named else Path(state_dir) / FILE_NAME


def load_secrets(
    state_dir: str | Path,
    env: Mapping[str, str],
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> Secrets:
    """The installation's secrets; made first when the file is missing.

    `random` gives as many bytes as it is asked for. Processes that start together agree: the
    first file to appear whole is everybody's. SecretsError for a file that cannot be made or
    read, that others can read, or that is not of the form above.
    """
    path = secrets_path(state_dir, env)
    try:
        if not path.exists():
            if not env.get(ENV):
                path.parent.mkdir(parents=True, exist_ok=True)
            _create(path, random)
        return _parsed(path, _private_bytes(path))
    except OSError as error:
        raise SecretsError(path, error.strerror or str(error)) from error


def add_viewer_secret(
    state_dir: str | Path,
    env: Mapping[str, str],
    key_id: str,
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> Path:
    """A new secret for tokens of viewers, the newest of the file; its path. Raises as above."""
    known = load_secrets(state_dir, env, random)
    path = secrets_path(state_dir, env)
    kinds = {kind: dict(keys) for kind, keys in _kinds(known)}
    if key_id in kinds["viewer"]:
        raise SecretsError(path, f"viewer.{key_id}: is there already")
    kinds["viewer"][key_id] = _drawn(random)
    _check(path, "viewer", kinds["viewer"])
    temporary = path.with_name(f".{path.name}.{random(8).hex()}")
    try:
        _write(temporary, _File(**kinds))
        os.replace(temporary, path)
    except OSError as error:
        raise SecretsError(path, error.strerror or str(error)) from error
    return path


def _write(path: Path, file_: _File) -> None:
    """A new file of its owner's alone, on the disk when this returns."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(file_)) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _create(path: Path, random: Callable[[int], bytes]) -> None:
    """Makes the file appear whole or not at all; leaves one that is already there."""
    made = _File(**{kind: {"k1": _drawn(random)} for kind in KINDS})
    temporary = path.with_name(f".{path.name}.{random(8).hex()}")
    try:
        _write(temporary, made)
        os.link(temporary, path)  # unlike a rename it does not replace another process's file
    except FileExistsError:
        pass
    finally:
        temporary.unlink(missing_ok=True)


def _drawn(random: Callable[[int], bytes]) -> str:
    return base64.urlsafe_b64encode(random(SECRET_BYTES)).rstrip(b"=").decode()


def _private_bytes(path: Path) -> bytes:
    """The file's content; the rights are asked of the open file, so that both are one file's."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe must not hold us up
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise SecretsError(path, "not a regular file")
        if mode & 0o077:
            rights = f"others can use it (mode {stat.S_IMODE(mode):04o})"
            raise SecretsError(path, f"{rights}; run: chmod 600 {path}")
        content = file.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX:
        raise SecretsError(path, f"more than {FILE_BYTES_MAX} bytes")
    return content


def _parsed(path: Path, content: bytes) -> Secrets:
    try:
        file = msgspec.json.decode(content, type=_File)
    except msgspec.DecodeError as error:  # its words name places and types, never values
        raise SecretsError(path, str(error)) from None
    for kind, keys in _kinds(file):
        _check(path, kind, keys)
    return Secrets(*(MappingProxyType(keys) for _, keys in _kinds(file)))


def _check(path: Path, kind: str, keys: Mapping[str, str]) -> None:
    if not (kind == "viewer" or keys) or len(keys) > KEYS_MAX:
        raise SecretsError(path, f"{kind}: {len(keys)} keys, expected 1 to {KEYS_MAX}")
    for number, (key_id, secret) in enumerate(keys.items()):
        if not _KEY_ID.fullmatch(key_id):
            raise SecretsError(path, f"{kind}: id {number}: expected 1-64 of A-Z a-z 0-9 _ -")
        if len(secret) < SECRET_CHARS_MIN:
            raise SecretsError(path, f"{kind}.{key_id}: shorter than {SECRET_CHARS_MIN} characters")
