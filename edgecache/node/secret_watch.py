"""Secrets of this process, read again when a file changes. Law: none comes from control.

It reads them from its own files. A changed file is noticed within `WATCH_S`, so that keys come and
go without a restart. What cannot be read leaves what was read before, says so once, and is tried
again until it can. A file is made at a start alone.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from edgecache.config.model import Config, Origin
from edgecache.config.origins import credential_of
from edgecache.config.secrets import (
    KeyPair,
    Secrets,
    SecretsError,
    load_secrets,
    read_secrets,
    secrets_path,
)
from edgecache.origin.identity import IdentitySigner
from edgecache.upstream.origin_auth import OriginAuth, OriginCredentials

logger = logging.getLogger("edgecache.server")

WATCH_S = 0.5  # half of what a key may take to reach a node
VALUE_BYTES_MAX = 4_096  # of a header that is a secret; a token of a store's has a thousand

_VALUE = re.compile(rb"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?")  # RFC 9110 §5.5, ASCII
FileStamp = tuple[int, ...] | None
PeerUser = Callable[[Mapping[str, str]], None]
"""Takes over secrets of peers, by id. ValueError when they are of no use to it."""


class SecretWatch:
    """Secrets of one process: `secrets.json`, and the values and files that origins name.

    `state_dir` is this machine's own; `env` its environment; `clock` gives epoch seconds.
    `renew_tls` is called when certificates we show may have changed. SecretsError when there are
    none to begin with.
    """

    def __init__(
        self,
        config: Config,
        env: Mapping[str, str],
        clock: Callable[[], float],
        renew_tls: Callable[[], None],
        spare: KeyPair | None = None,
    ) -> None:
        """`spare` signs where there is no key pair of an access control's own (dev mode)."""
        self._spare = spare
        self.secrets: Secrets = load_secrets(config.state_dir, env)
        self.proofs = OriginAuth(OriginCredentials(clock))
        self._path = secrets_path(config.state_dir, env)
        self._state_dir = config.state_dir
        self._env = env
        self._clock = clock
        self._renew_tls = renew_tls
        self._signer: IdentitySigner | None = None
        self._values: dict[str, bytes] = {}
        self._peer_users: list[PeerUser] = []
        self._files: tuple[str, ...] = ()
        self._stamps: tuple[FileStamp, ...] = ()
        self._unread: dict[str, FileStamp] = {}  # files that could not be read, as they were then
        self.use(config)

    def use(self, config: Config) -> Mapping[str, str]:
        """Read the secrets of `config`; those of viewers' tokens, by id. Blocks on the disk."""
        self._files = (str(self._path), *dict.fromkeys(_files(config)))
        stamps = tuple(map(file_stamp, self._files))  # first: what changes meanwhile is read again
        if stamps != self._stamps:
            self._renew_tls()
        self._stamps = stamps
        self._unread = {path: at for path, at in self._unread.items() if path in self._files}
        found = self._read_secrets()
        self.secrets = self.secrets if found is None else found
        self._values = self._read(config)
        for user in self._peer_users:
            try:
                user(self.secrets.peer)
            except ValueError as error:
                logger.error("secrets were not read anew: %s: peer: %s", self._path, error)
        signer = self._identity_signer()
        controls = {control.id: control for control in config.origin_access_controls}
        key_pairs = self.secrets.origin
        if self._spare is not None:
            names = map(credential_of, config.origin_access_controls)
            key_pairs = {**dict.fromkeys(names, self._spare), **key_pairs}
        else:
            for line in missing_key_pairs(config, self.secrets, self._path):
                logger.error("requests are not sent: %s", line)
        credentials = OriginCredentials(self._clock, signer, controls, key_pairs, self._values)
        self.proofs.use(credentials)
        return self.secrets.viewer

    def value(self, reference: str) -> bytes | None:
        """What a reference of the configuration stands for; None while it cannot be read."""
        return self._values.get(reference)

    def _identity_signer(self) -> IdentitySigner | None:
        """The one signer of this process: another would be a newcomer to every gate."""
        keys = self.secrets.identity
        if not keys:
            return None
        if self._signer is None:
            self._signer = IdentitySigner(keys, self._clock)
        self._signer.use(keys)
        return self._signer

    def tell_peers(self, user: PeerUser) -> None:
        """Tell `user` the secrets of peers, now and whenever they change. SecretsError."""
        try:
            user(self.secrets.peer)
        except ValueError as error:
            raise SecretsError(self._path, f"peer: {error}") from None
        self._peer_users.append(user)

    def changed(self) -> bool:
        """Whether a file has changed since it was read, or can be read as it could not before."""
        if tuple(map(file_stamp, self._files)) != self._stamps:
            return True
        return any(self._can_read(path) for path in tuple(self._unread))

    def _can_read(self, path: str) -> bool:
        if path == str(self._path):
            return self._read_secrets() is not None
        try:
            secret_value(f"file:{path}", self._env)
        except (OSError, ValueError):
            return False
        return True

    def _read_secrets(self) -> Secrets | None:
        """What the file holds; None when it cannot be read, which is said once of a file."""
        path = str(self._path)
        stamp = file_stamp(path)
        try:
            found = read_secrets(self._state_dir, self._env)
        except SecretsError as error:
            if path not in self._unread or self._unread[path] != stamp:
                logger.error("secrets were not read anew: %s", error)
            self._unread[path] = stamp
            return None
        self._unread.pop(path, None)
        return found

    def _read(self, config: Config) -> dict[str, bytes]:
        values: dict[str, bytes] = {}
        for where, reference in _references(config):
            path = reference.removeprefix("file:") if reference.startswith("file:") else ""
            try:
                values[reference] = secret_value(reference, self._env)
            except (OSError, ValueError) as error:
                logger.error("%s: %s: %s", where, reference, _reason(error))
                if reference in self._values:
                    values[reference] = self._values[reference]
                if path:
                    self._unread[path] = file_stamp(path)
            else:
                self._unread.pop(path, None)
        return values


class WatchedIdentity:
    """Keys of our identity, for a gate in this process; a changed file counts within `WATCH_S`."""

    def __init__(self, state_dir: str, env: Mapping[str, str], clock: Callable[[], float]) -> None:
        self._state_dir, self._env = state_dir, env
        self._path = str(secrets_path(state_dir, env))
        self._clock = clock
        self._keys = load_secrets(self._state_dir, self._env).identity
        self._stamp, self._looked_at = file_stamp(self._path), clock()
        self._unread: FileStamp = self._stamp  # of the last file that was tried

    def keys(self) -> Mapping[str, str]:
        """The keys as they are now: the same object until they change."""
        if self._clock() - self._looked_at >= WATCH_S:
            self._looked_at = self._clock()
            if file_stamp(self._path) != self._stamp:
                self._read_anew()
        return self._keys

    def _read_anew(self) -> None:
        """Take over what the file has; one that cannot be read is tried again at the next look."""
        stamp = file_stamp(self._path)
        try:
            self._keys = read_secrets(self._state_dir, self._env).identity
            self._stamp = stamp
        except SecretsError as error:
            if stamp != self._unread:
                logger.error("secrets were not read anew: %s", error)
        self._unread = stamp


def secret_value(reference: str, env: Mapping[str, str]) -> bytes:
    """The value of `env:NAME` or `file:PATH`, without the end of its line. OSError, ValueError."""
    kind, _, name = reference.partition(":")
    if kind == "env":
        if name not in env:
            raise ValueError("is not set")
        value = env[name].encode()
    else:
        with open(name, "rb") as file:
            value = file.read(VALUE_BYTES_MAX + 1).rstrip(b"\r\n")
    if len(value) > VALUE_BYTES_MAX or not _VALUE.fullmatch(value):
        raise ValueError("is not the value of a header")
    return value


def missing_key_pairs(config: Config, secrets: Secrets, path: Path) -> Iterator[str]:
    """A line for each access control that signs with a key pair which is not there."""
    used = {origin.access_control_id for _, origin in _origins(config)}
    for index, control in enumerate(config.origin_access_controls):
        name = credential_of(control)
        if control.signing_behavior == "never" or control.id not in used or name in secrets.origin:
            continue
        where = f"origin_access_controls[{index}].credential"
        yield f'{where}: no key pair "{name}" in {path}; run: edgecache keys store {name}'


def missing_values(config: Config, env: Mapping[str, str]) -> Iterator[str]:
    """A line for each secret that is named, and whose value is not there."""
    database = "" if config.control is None else config.control.database
    own = [("control.database", database)] if database else []
    for where, reference in [*own, *_references(config)]:
        try:
            secret_value(reference, env)
        except (OSError, ValueError) as error:
            yield f"{where}: {reference}: {_reason(error)}"


def _origins(config: Config) -> Iterator[tuple[str, Origin]]:
    for i, distribution in enumerate(config.distributions):
        for j, origin in enumerate(distribution.origins):
            yield f"distributions[{i}].origins[{j}]", origin


def _references(config: Config) -> Iterator[tuple[str, str]]:
    for where, origin in _origins(config):
        for name, reference in origin.secret_headers.items():
            yield f"{where}.secret_headers.{name}", reference
    for name, reference in config.tracing.otlp_headers.items():
        yield f"tracing.otlp_headers.{name}", reference


def _files(config: Config) -> Iterator[str]:
    """Paths of the files watched beside secrets.json."""
    for _, reference in _references(config):
        if reference.startswith("file:"):
            yield reference.removeprefix("file:")
    for _, origin in _origins(config):
        yield from filter(None, (origin.client_certificate_file, origin.client_key_file))


def file_stamp(path: str) -> FileStamp:
    """What changes with a file's content, or with who may read it; None without a file."""
    try:
        facts = os.stat(path)
    except OSError:
        return None
    times = facts.st_mtime_ns, facts.st_ctime_ns  # the latter for rights, which change no content
    return *times, facts.st_size, facts.st_ino, facts.st_mode


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return str(error)
