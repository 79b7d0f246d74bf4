"""Secrets of an installation (`secrets.json`). Law: one file, which its owner alone can read.

The file is JSON: `{"peer": {"k1": "..."}, "identity": {...}, "operator": {...}, "viewer": {...}}`,
each an object of key id to secret, the newest last; a file without `viewer` has none of these. The
newest is used; all are accepted, so that keys can change one machine at a time. `origin` holds the
key pairs of stores by name: `{"minio": {"access_key_id": "...", "secret_access_key": "..."}}`.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import msgspec

ENV = "EDGECACHE_SECRETS"
FILE_NAME = "secrets.json"
FILE_BYTES_MAX = 65_536  # four times 16 keys need a tenth of it
SECRET_BYTES = 32  # of randomness: the output of HMAC-SHA-256 (RFC 2104 §3)
SECRET_CHARS_MIN = 32  # what a hand-written secret must have
ROOT = 0
KINDS = ("peer", "identity", "operator", "viewer")
KEYS_MAX = 16  # as many as a rotation ever overlaps
KEY_PAIRS_MAX = 100  # CloudFront's quota of origin access controls, which name them

_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KEY_PAIR_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_ACCESS_KEY_ID = re.compile(r"[\x21-\x2b\x2d\x2e\x30-\x7e]{1,128}")  # no "/" or ",": they end it
_SECRET = re.compile(r"[\x21-\x7e]{1,4096}")  # tokens of temporary credentials have a thousand
_NOT_A_SECRET = "not 1-4096 printable characters without blanks"


class SecretsError(Exception):
    """A secrets file that cannot be used, in one line: what is wrong, and what to do if known."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


class KeyPair(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Credentials of a store (Signature Version 4). Its repr names the key's id only."""

    access_key_id: str
    secret_access_key: str
    session_token: str = ""

    def __repr__(self) -> str:
        return f"KeyPair({self.access_key_id})"


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """Key id to secret, the newest last. Its repr names the ids only."""

    peer: Mapping[str, str]  # a tier to the next one
    identity: Mapping[str, str]  # us to origins
    operator: Mapping[str, str]  # people and nodes to control
    viewer: Mapping[str, str] = field(default_factory=dict)  # tokens that open private content
    origin: Mapping[str, KeyPair] = field(default_factory=dict, kw_only=True)  # us to stores

    def __repr__(self) -> str:
        kinds = ", ".join(f"{name}={[*keys]}" for name, keys in _kinds(self))
        return f"Secrets({kinds}, origin={[*self.origin]})"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    peer: dict[str, str]
    identity: dict[str, str]
    operator: dict[str, str]
    viewer: dict[str, str] = {}
    origin: dict[str, KeyPair] = {}

    def __repr__(self) -> str:
        return "_File(...)"


def _file(of: Secrets) -> _File:
    return _File(
        dict(of.peer), dict(of.identity), dict(of.operator), dict(of.viewer), dict(of.origin)
    )


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
        return _parse(path, _private_bytes(path))
    except OSError as error:
        raise SecretsError(path, error.strerror or str(error)) from error


def add_viewer_secret(
    state_dir: str | Path,
    env: Mapping[str, str],
    key_id: str,
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> Path:
    """A new secret for tokens of viewers, the newest of the file; its path. Raises as above."""
    present = load_secrets(state_dir, env, random)
    path = secrets_path(state_dir, env)
    if key_id in present.viewer:
        raise SecretsError(path, f"viewer.{key_id}: is there already")
    return _replace_file(
        path, replace(present, viewer={**present.viewer, key_id: _new_secret(random)}), random
    )


def put_key_pair(
    state_dir: str | Path,
    env: Mapping[str, str],
    name: str,
    pair: KeyPair | None,
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> Path:
    """The key pair of that name is `pair` from now on, or gone (None); the file's path.

    SecretsError as above, and when there is none to take away.
    """
    present = load_secrets(state_dir, env, random)
    path = secrets_path(state_dir, env)
    others = {other: held for other, held in present.origin.items() if other != name}
    if pair is None and len(others) == len(present.origin):
        raise SecretsError(path, f"origin.{name}: is not there")
    return _replace_file(
        path, replace(present, origin=others if pair is None else {**others, name: pair}), random
    )


def _replace_file(path: Path, by: Secrets, random: Callable[[int], bytes]) -> Path:
    """The file holds `by`, for whoever reads it from now on."""
    content = _file(by)
    _check_all(path, content)
    temporary = path.with_name(f".{path.name}.{random(8).hex()}")
    try:
        _write(temporary, content)
        owner = path.stat()
        if os.geteuid() == ROOT:  # whoever runs the processes must still be able to read it
            os.chown(temporary, owner.st_uid, owner.st_gid)
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
    content = _file(Secrets(*({"k1": _new_secret(random)} for _ in KINDS)))
    temporary = path.with_name(f".{path.name}.{random(8).hex()}")
    try:
        _write(temporary, content)
        os.link(temporary, path)  # unlike a rename it does not replace another process's file
    except FileExistsError:
        pass
    finally:
        temporary.unlink(missing_ok=True)


def _new_secret(random: Callable[[int], bytes]) -> str:
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


def _parse(path: Path, content: bytes) -> Secrets:
    try:
        file = msgspec.json.decode(content, type=_File)
    except msgspec.DecodeError as error:  # its words name places and types, never values
        raise SecretsError(path, str(error)) from None
    _check_all(path, file)
    kinds = Secrets(*(MappingProxyType(keys) for _, keys in _kinds(file)))
    return replace(kinds, origin=MappingProxyType(file.origin))


def _check_all(path: Path, file: _File) -> None:
    for kind, keys in _kinds(file):
        _check(path, kind, keys)
    if len(file.origin) > KEY_PAIRS_MAX:
        raise SecretsError(path, f"origin: {len(file.origin)} are more than {KEY_PAIRS_MAX}")
    for number, (name, pair) in enumerate(file.origin.items()):
        if not _KEY_PAIR_NAME.fullmatch(name):
            raise SecretsError(path, f"origin: name {number}: expected 1-64 of A-Z a-z 0-9 _ . -")
        if not _ACCESS_KEY_ID.fullmatch(pair.access_key_id):
            raise SecretsError(path, f"origin.{name}.access_key_id: not 1-128 printable characters")
        if not _SECRET.fullmatch(pair.secret_access_key):
            raise SecretsError(path, f"origin.{name}.secret_access_key: {_NOT_A_SECRET}")
        if pair.session_token and not _SECRET.fullmatch(pair.session_token):
            raise SecretsError(path, f"origin.{name}.session_token: {_NOT_A_SECRET}")


def _check(path: Path, kind: str, keys: Mapping[str, str]) -> None:
    if not (kind == "viewer" or keys) or len(keys) > KEYS_MAX:
        raise SecretsError(path, f"{kind}: {len(keys)} keys, expected 1 to {KEYS_MAX}")
    for number, (key_id, secret) in enumerate(keys.items()):
        if not _KEY_ID.fullmatch(key_id):
            raise SecretsError(path, f"{kind}: id {number}: expected 1-64 of A-Z a-z 0-9 _ -")
        if len(secret) < SECRET_CHARS_MIN:
            raise SecretsError(path, f"{kind}.{key_id}: shorter than {SECRET_CHARS_MIN} characters")
