"""Secrets of an installation (`secrets.json`). Law: files which their owner alone can change.

No one else reads them, but for a group that root or this process's own user lets in: a Secret that
Kubernetes mounts for a user who is not root has mode 0440.

The file is JSON: `{"peer": {"k1": "..."}, "identity": {...}, "viewer": {...}}`, each an object of
key id to secret, the newest last; a file without `viewer` has none of these. The newest is used;
all are accepted, so that keys can change one machine at a time. Of `dnssec`, which is there where a
zone is signed, name servers make the keys of zones. `origin` holds the key pairs of stores by name:
`{"minio": {"access_key_id": "...", "secret_access_key": "..."}}`.

Operators' secrets stand in a file of their own beside it, `operators.json`, which the machine of
control alone has: `{"operator": {"k1": "..."}}`. A `secrets.json` of a former release has that
part, too; only control and the command line take it from there, until `split_operators`.
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
from typing import TypeVar

import msgspec

ENV = "EDGECACHE_SECRETS"
FILE_NAME = "secrets.json"
OPERATORS_NAME = "operators.json"
FILE_BYTES_MAX = 65_536  # four times 16 keys need a tenth of it
SECRET_BYTES = 32  # of randomness: the output of HMAC-SHA-256 (RFC 2104 §3)
SECRET_CHARS_MIN = 32  # what a hand-written secret must have
ROOT = 0
KINDS = ("peer", "identity", "viewer")
MAY_BE_NONE = ("viewer", "identity", "dnssec")  # an edge that asks no origins has no identity
KEYS_MAX = 16  # as many as a rotation ever overlaps
KEY_PAIRS_MAX = 100  # CloudFront's quota of origin access controls, which name them

_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KEY_PAIR_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_ACCESS_KEY_ID = re.compile(r"[\x21-\x2b\x2d\x2e\x30-\x7e]{1,128}")  # no "/" or ",": they end it
_HOST_KEY = r"[!-+\-.0-<>-~:]{1,255}=[A-Za-z0-9+/]{43}="  # as origin/identity.py reads them
_HOST_KEYS = re.compile(rf"hosts:{_HOST_KEY}(,{_HOST_KEY})*")
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
    viewer: Mapping[str, str] = field(default_factory=dict)  # tokens that open private content
    origin: Mapping[str, KeyPair] = field(default_factory=dict, kw_only=True)  # us to stores
    dnssec: Mapping[str, str] = field(default_factory=dict, kw_only=True)  # keys of signed zones

    def __repr__(self) -> str:
        kinds = ", ".join(f"{name}={[*keys]}" for name, keys in _kinds(self))
        return f"Secrets({kinds}, origin={[*self.origin]}, dnssec={[*self.dnssec]})"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    peer: dict[str, str]
    identity: dict[str, str]
    viewer: dict[str, str] = {}
    origin: dict[str, KeyPair] = {}
    dnssec: dict[str, str] = {}
    operator: dict[str, str] = {}  # of a former release

    def __repr__(self) -> str:
        return "_File(...)"


class _OperatorsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    operator: dict[str, str]

    def __repr__(self) -> str:
        return "_OperatorsFile(...)"


def _kinds(secrets_: Secrets | _File) -> tuple[tuple[str, Mapping[str, str]], ...]:
    return (
        ("peer", secrets_.peer),
        ("identity", secrets_.identity),
        ("viewer", secrets_.viewer),
    )


def secrets_path(state_dir: str | Path, env: Mapping[str, str]) -> Path:
    """The file that counts: the one `EDGECACHE_SECRETS` names, else `secrets.json` in state_dir."""
    named = env.get(ENV, "")
    return Path(named) if named else Path(state_dir) / FILE_NAME


def operators_path(state_dir: str | Path, env: Mapping[str, str]) -> Path:
    """The file of operators' secrets: beside the one above."""
    return secrets_path(state_dir, env).with_name(OPERATORS_NAME)


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
    _make_if_missing(path, env, lambda: _new_file(random), random)
    return read_secrets(state_dir, env)


def read_secrets(state_dir: str | Path, env: Mapping[str, str]) -> Secrets:
    """The same, by a process that runs: a file that is missing is a SecretsError, and not made."""
    return _secrets(_read(secrets_path(state_dir, env)))


def load_operators(
    state_dir: str | Path,
    env: Mapping[str, str],
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> Mapping[str, str]:
    """Operators' secrets by id, the newest last; made first when there are none. As above.

    No node asks for them. Those in a `secrets.json` of a former release count while there is no
    `operators.json`.
    """
    path = operators_path(state_dir, env)
    if not path.exists() and not has_former_operators(state_dir, env):
        _make_if_missing(path, env, lambda: _OperatorsFile({"k1": new_secret(random)}), random)
    return read_operators(state_dir, env)


def read_operators(state_dir: str | Path, env: Mapping[str, str]) -> Mapping[str, str]:
    """The same, by a process that runs: where there are none, SecretsError."""
    path, former = operators_path(state_dir, env), secrets_path(state_dir, env)
    if not path.exists() and former.exists() and (found := _read(former).operator):
        return MappingProxyType(found)
    return MappingProxyType(_read_operators(path).operator)


def change_keys(
    state_dir: str | Path,
    env: Mapping[str, str],
    kind: str,
    change: Callable[[Mapping[str, str]], Mapping[str, str]],
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> Path:
    """Replace the secrets of `kind` (a part of the file, or `operator`); the file they are in."""
    if kind != "operator":
        path = secrets_path(state_dir, env)
        load_secrets(state_dir, env, random)
        file = _read(path)
        by = {kind: dict(change(getattr(file, kind)))}
        return _replace_file(path, msgspec.structs.replace(file, **by), random)
    split_operators(state_dir, env, random)
    keys = change(load_operators(state_dir, env, random))
    return _replace_file(operators_path(state_dir, env), _OperatorsFile(dict(keys)), random)


def split_operators(
    state_dir: str | Path,
    env: Mapping[str, str],
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> bool:
    """Move operators' secrets of a former release to a file of their own; False if there are none.

    They are in both files for a moment, and never in none.
    """
    former, path = secrets_path(state_dir, env), operators_path(state_dir, env)
    if not former.exists() or not (file := _read(former)).operator:
        return False
    _make_if_missing(path, env, lambda: _OperatorsFile(file.operator), random)
    _replace_file(former, msgspec.structs.replace(file, operator={}), random)
    return True


def has_former_operators(state_dir: str | Path, env: Mapping[str, str]) -> bool:
    """Whether `secrets.json` is of a former release and holds what its nodes need not know."""
    path = secrets_path(state_dir, env)
    return path.exists() and bool(_read(path).operator)


def spelled(
    of: Secrets, peer: Mapping[str, str], *, with_origins: bool, with_zones: bool = False
) -> str:
    """The text of a file with these secrets of peers; with what opens origins, or without.

    `with_zones`: with what zones are signed by, which name servers alone need.
    """
    identity, origin = (dict(of.identity), dict(of.origin)) if with_origins else ({}, {})
    zones = dict(of.dnssec) if with_zones else {}
    file = _File(dict(peer), identity, dict(of.viewer), origin, zones)
    return msgspec.json.format(msgspec.json.encode(file)).decode() + "\n"


def peer_secrets(text: str) -> Mapping[str, str]:
    """The secrets of peers in the text of a file, as `spelled` gives it. ValueError."""
    return msgspec.json.decode(text, type=_File).peer


def _make_if_missing(
    path: Path,
    env: Mapping[str, str],
    content: Callable[[], _File | _OperatorsFile],
    random: Callable[[int], bytes],
) -> None:
    try:
        if not path.exists():
            if not env.get(ENV):
                path.parent.mkdir(parents=True, exist_ok=True)
            _create(path, content(), random)
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
    if key_id in present.viewer:
        path = secrets_path(state_dir, env)
        raise SecretsError(path, f"viewer.{key_id}: is there already")
    added = {**present.viewer, key_id: new_secret(random)}
    return change_keys(state_dir, env, "viewer", lambda _: added, random)


def add_zone_secret(
    state_dir: str | Path,
    env: Mapping[str, str],
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> Mapping[str, str]:
    """The secrets of signed zones; one is made where there are none. SecretsError as above."""
    present = load_secrets(state_dir, env, random).dnssec
    if present:
        return present
    added = {"k1": new_secret(random)}
    change_keys(state_dir, env, "dnssec", lambda _: added, random)
    return added


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
    by = others if pair is None else {**others, name: pair}
    return _replace_file(path, msgspec.structs.replace(_read(path), origin=by), random)


def _replace_file(
    path: Path, content: _File | _OperatorsFile, random: Callable[[int], bytes]
) -> Path:
    """The file holds `content`, for whoever reads it from now on."""
    _check_all(path, content)
    temporary = path.with_name(f".{path.name}.{random(8).hex()}")
    try:
        _write(temporary, content)
        owner = path.stat()
        if os.geteuid() == ROOT:  # whoever runs the processes must still be able to read it
            os.chown(temporary, owner.st_uid, owner.st_gid)
            os.chmod(temporary, stat.S_IMODE(owner.st_mode) & 0o640)
        os.replace(temporary, path)
    except OSError as error:
        raise SecretsError(path, error.strerror or str(error)) from error
    finally:
        temporary.unlink(missing_ok=True)  # one that was not moved has all secrets in it
    return path


def _write(path: Path, file_: _File | _OperatorsFile) -> None:
    """A new file of its owner's alone, on the disk when this returns."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(file_)) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _create(path: Path, content: _File | _OperatorsFile, random: Callable[[int], bytes]) -> None:
    """Makes the file appear whole or not at all; leaves one that is already there."""
    temporary = path.with_name(f".{path.name}.{random(8).hex()}")
    try:
        _write(temporary, content)
        os.link(temporary, path)  # unlike a rename it does not replace another process's file
    except FileExistsError:
        pass
    finally:
        temporary.unlink(missing_ok=True)


def _new_file(random: Callable[[int], bytes]) -> _File:
    peer, identity, viewer = ({"k1": new_secret(random)} for _ in KINDS)
    return _File(peer, identity, viewer)


def new_secret(random: Callable[[int], bytes]) -> str:
    """A secret of as many random bytes as a key of HMAC-SHA-256 has, in base64url."""
    return base64.urlsafe_b64encode(random(SECRET_BYTES)).rstrip(b"=").decode()


def _private_bytes(path: Path) -> bytes:
    """The file's content; the rights are asked of the open file, so that both are one file's."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe must not hold us up
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise SecretsError(path, "not a regular file")
        if status.st_mode & _rights_refused(status.st_uid):
            rights = f"others can use it (mode {stat.S_IMODE(status.st_mode):04o})"
            raise SecretsError(path, f"{rights}; run: chmod 600 {path}")
        content = file.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX:
        raise SecretsError(path, f"more than {FILE_BYTES_MAX} bytes")
    return content


def _rights_refused(owner: int) -> int:
    """The bits of a mode that no secrets file of this owner may have: PostgreSQL's rule for keys.

    A group may read what is root's or ours; of anybody else's file nobody knows who is let in.
    """
    return 0o037 if owner in (ROOT, os.geteuid()) else 0o077


F = TypeVar("F", "_File", "_OperatorsFile")


def _read(path: Path) -> _File:
    return _parse(path, _File)


def _read_operators(path: Path) -> _OperatorsFile:
    return _parse(path, _OperatorsFile)


def _parse(path: Path, shape: type[F]) -> F:
    try:
        file = msgspec.json.decode(_private_bytes(path), type=shape)
    except msgspec.DecodeError as error:  # its words name places and types, never values
        raise SecretsError(path, str(error)) from None
    except OSError as error:
        raise SecretsError(path, error.strerror or str(error)) from error
    _check_all(path, file)
    return file


def _secrets(file: _File) -> Secrets:
    kinds = Secrets(*(MappingProxyType(keys) for _, keys in _kinds(file)))
    origin, dnssec = MappingProxyType(file.origin), MappingProxyType(file.dnssec)
    return replace(kinds, origin=origin, dnssec=dnssec)


def _check_all(path: Path, file: _File | _OperatorsFile) -> None:
    if file.operator or isinstance(file, _OperatorsFile):
        _check(path, "operator", file.operator)
    if isinstance(file, _OperatorsFile):
        return
    for kind, keys in (*_kinds(file), ("dnssec", file.dnssec)):
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
    if not (keys or kind in MAY_BE_NONE) or len(keys) > KEYS_MAX:
        raise SecretsError(path, f"{kind}: {len(keys)} keys, expected 1 to {KEYS_MAX}")
    for number, (key_id, secret) in enumerate(keys.items()):
        if not _KEY_ID.fullmatch(key_id):
            raise SecretsError(path, f"{kind}: id {number}: expected 1-64 of A-Z a-z 0-9 _ -")
        if len(secret) < SECRET_CHARS_MIN:
            raise SecretsError(path, f"{kind}.{key_id}: shorter than {SECRET_CHARS_MIN} characters")
        if kind == "identity" and secret.startswith("hosts:") and not _HOST_KEYS.fullmatch(secret):
            raise SecretsError(path, f"{kind}.{key_id}: not keys of hosts (hosts:NAME=KEY,...)")
