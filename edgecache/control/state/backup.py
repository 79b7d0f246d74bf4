"""Backup of control's state in one file, made while control runs, and its restore.

Law: a backup is one commit's state, whole. The file (tar) is its owner's alone: `manifest.json`,
with the digest of each other file, comes first.

What is restored, from one or from a database that was kept before a migration, is another log (a
new epoch), so that nothing that any node stored before is served; what it replaces stays beside it.
Secrets that are there stay, unless they are asked for: a key that was dropped since does not come
back with a backup.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import sqlite3
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import msgspec

from edgecache import __version__
from edgecache.config.secrets import FILE_NAME as SECRETS_NAME
from edgecache.config.secrets import OPERATORS_NAME, operators_path, secrets_path
from edgecache.control.state.database import StateError
from edgecache.control.state.sqlite import (
    FILE_NAME,
    SqliteDatabase,
    copy_database,
    known_schema,
    state_error,
    state_lock,
)

FORMAT = 1
MANIFEST = "manifest.json"
MANIFEST_BYTES_MAX = 1024 * 1024  # a line for each file: thousands of certificates
SECRET_FILES = (SECRETS_NAME, OPERATORS_NAME)
SECRET_FOLDERS = ("cluster", "acme", "certificates", "tls")  # in state_dir; keys made here
SQLITE = b"SQLite format 3\0"  # "Database File Format" §1.3, sqlite.org
BLOCK = 1024 * 1024
CARRIED_OVER = (
    ("access_keys", "DELETE FROM main.{0} WHERE id NOT IN (SELECT id FROM replaced.{0})"),
    ("deleted_access_keys", "INSERT OR IGNORE INTO main.{0} SELECT * FROM replaced.{0}"),
    (
        "certificates",
        "INSERT OR REPLACE INTO main.{0} SELECT * FROM replaced.{0} WHERE revoked_at IS NOT NULL",
    ),
    (
        "join_tokens",
        "INSERT OR REPLACE INTO main.{0} SELECT * FROM replaced.{0} WHERE used_at IS NOT NULL",
    ),
    # Nodes that go on serving without a lease are waited for.
    ("leases", "INSERT OR REPLACE INTO main.{0} SELECT * FROM replaced.{0} WHERE serves"),
)
"""What stays of the database that is replaced; the first where it is the same log's."""
ROOT = 0

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*(/[A-Za-z0-9_][A-Za-z0-9_.@-]*){0,4}")


class BackupError(Exception):
    """It cannot be made or restored: the message names the file and says why."""


class BackupManifest(msgspec.Struct, frozen=True):
    """What a backup holds: its files, by name, and the SHA-256 of each."""

    format: int
    made_at: float  # epoch seconds
    release: str
    schema: int
    epoch: str
    last_seq: int
    secrets: bool
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class StatePlace:
    """Where an installation's state is: its folder, and its secrets, which may be elsewhere."""

    folder: Path
    env: Mapping[str, str]

    @property
    def database(self) -> Path:
        return self.folder / FILE_NAME

    def path(self, name: str) -> Path:
        """Where a file of a backup belongs."""
        if name == SECRETS_NAME:
            return secrets_path(self.folder, self.env)
        if name == OPERATORS_NAME:
            return operators_path(self.folder, self.env)
        return self.folder / name

    def secret_names(self) -> Iterator[str]:
        """The files of secrets there are."""
        for name in SECRET_FILES:
            if self.path(name).is_file():
                yield name
        for folder in SECRET_FOLDERS:
            for path in sorted((self.folder / folder).rglob("*")):
                name = path.relative_to(self.folder).as_posix()
                if path.is_file() and path.name != "lock" and _NAME.fullmatch(name):
                    yield name


def write_backup(place: StatePlace, target: Path, now: float, *, secrets: bool) -> BackupManifest:
    """Write the state as of its last commit to `target`, a file that is not there yet.

    BackupError, StateError.
    """
    if not place.database.is_file():
        raise BackupError(f"{place.database}: is not there: control has never run here")
    try:
        with TemporaryDirectory(prefix=".edgecache-backup-", dir=target.parent) as folder:
            copied = Path(folder) / FILE_NAME
            schema, epoch, last_seq = _copied_state(place.database, copied)
            names = [*place.secret_names()] if secrets else []
            sources = {FILE_NAME: copied, **{name: place.path(name) for name in names}}
            files = {name: _digest_of(path) for name, path in sources.items()}
            manifest = BackupManifest(
                FORMAT, now, __version__, schema, epoch, last_seq, secrets, files
            )
            packed = Path(folder) / "packed"
            _pack(packed, manifest, sources, now)
            os.link(packed, target)  # unlike a rename it replaces nothing
    except FileExistsError as error:
        raise BackupError(f"{target}: is there already; name another file") from error
    except OSError as error:
        raise BackupError(f"{target}: {(error.strerror or str(error)).lower()}") from error
    return manifest


def _copied_state(source: Path, to: Path) -> tuple[int, str, int]:
    """Copy a database; the version of its schema, its epoch and its newest number. StateError."""
    try:
        reading = sqlite3.connect(f"file:{quote(str(source))}?mode=ro", uri=True)
        with contextlib.closing(reading):
            copy_database(reading, to)
        with contextlib.closing(sqlite3.connect(to)) as copy:
            return _state_facts(copy, source)
    except sqlite3.Error as error:
        raise state_error(source, error) from error


def _state_facts(database: sqlite3.Connection, named: Path) -> tuple[int, str, int]:
    """The version of a sound database's schema, its epoch and its newest number. StateError."""
    (fault,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if fault != "ok":
        raise StateError(f"{named}: damaged: {' '.join(fault.split())}")
    schema = known_schema(database, named)
    (epoch,) = database.execute("SELECT value FROM told WHERE name = 'epoch'").fetchone()
    row = database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'log'").fetchone()
    return schema, str(epoch), 0 if row is None else int(row[0])


def _digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _pack(packed: Path, manifest: BackupManifest, sources: Mapping[str, Path], now: float) -> None:
    listing = packed.with_name(MANIFEST)
    listing.write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
    descriptor = os.open(packed, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            for name, path in {MANIFEST: listing, **sources}.items():
                member = tarfile.TarInfo(name)
                member.size, member.mode, member.mtime = path.stat().st_size, 0o600, int(now)
                with path.open("rb") as content:
                    tar.addfile(member, content)
        file.flush()
        os.fsync(descriptor)


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did.

    `manifest`: None when the file was a database alone; `replaced`: the folder of what was there;
    `kept`: secrets that are there and differ; `carried`: keys and certificates that were revoked
    since the backup stay so.
    """

    manifest: BackupManifest | None
    replaced: Path | None
    files: tuple[str, ...]
    kept: tuple[str, ...]
    carried: bool


def restore_backup(place: StatePlace, source: Path, now: str, *, secrets: bool) -> Restored:
    """Put the state of a backup in the place of what there is.

    `now` names the folder of what is replaced; `secrets`: replace those that are there, too.
    BackupError and StateError change nothing.
    """
    try:
        place.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (
            state_lock(place.folder, exclusive=True),
            TemporaryDirectory(prefix=".restore-", dir=place.folder) as folder,
        ):
            staged = Path(folder)
            manifest = _unpacked(source, staged)
            if manifest is not None:  # one alone is to be opened by the release before
                SqliteDatabase(staged).close()
            carried = _begin_anew(staged / FILE_NAME, place.database, source)
            names = [FILE_NAME] if manifest is None else [*manifest.files]
            new = [name for name in names if not place.path(name).is_file()]
            other = [*_differing(place, staged, names)]
            kept = () if secrets else tuple(name for name in other if name != FILE_NAME)
            files = tuple(
                name
                for name in reversed(names)  # the database comes last
                if name in new or (name in other and name not in kept)
            )
            replaced = _swap(place, staged, files, place.folder / f"replaced-{now}")
            return Restored(manifest, replaced, files, kept, carried)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise BackupError(f"{error.filename or source}: {why}") from error
    except sqlite3.Error as error:
        raise state_error(source, error) from error


def _is_database(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(SQLITE)) == SQLITE


def _unpacked(source: Path, staged: Path) -> BackupManifest | None:
    """Have the files of a backup in `staged`; what it says of itself. BackupError."""
    if _is_database(source):
        _copied_state(source, staged / FILE_NAME)
        return None
    with source.open("rb") as file:
        try:
            with tarfile.open(fileobj=file, mode="r:") as tar:
                return _checked(tar, staged)
        except (tarfile.TarError, msgspec.DecodeError) as error:
            raise BackupError(f"{source}: not a backup, or damaged: {error}") from None
        except ValueError as error:
            raise BackupError(f"{source}: {error}") from None


def _checked(tar: tarfile.TarFile, staged: Path) -> BackupManifest:
    """Unpack each file that the manifest names and no other. ValueError says what is wrong."""
    first = tar.next()
    if first is None or first.name != MANIFEST or not first.isreg():
        raise ValueError(f"not a backup: {MANIFEST} does not come first")
    if first.size > MANIFEST_BYTES_MAX:
        raise ValueError(f"{MANIFEST}: more than {MANIFEST_BYTES_MAX} bytes")
    manifest = msgspec.json.decode(_content(tar, first).read(), type=BackupManifest)
    if manifest.format != FORMAT or FILE_NAME not in manifest.files:
        raise ValueError(f"a backup of another release ({manifest.release})")
    for name, digest in manifest.files.items():
        member = tar.next()
        if member is None or member.name != name or not member.isreg() or not _belongs(name):
            raise ValueError(f"damaged: {name} is not where it should be")
        if _write(_content(tar, member), staged / name) != digest:
            raise ValueError(f"damaged: {name} is not what was put in")
    return manifest


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> tarfile.ExFileObject:
    content = tar.extractfile(member)
    assert isinstance(content, tarfile.ExFileObject)
    return content


def _belongs(name: str) -> bool:
    known = (FILE_NAME, *SECRET_FILES)
    return name in known or bool(_NAME.fullmatch(name) and name.split("/")[0] in SECRET_FOLDERS)


def _write(content: tarfile.ExFileObject, path: Path) -> str:
    """A file with this content; its SHA-256."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest = hashlib.sha256()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        while block := content.read(BLOCK):
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def _begin_anew(path: Path, replaced: Path, named: Path) -> bool:
    """Make a database another log; whether what was revoked since stays so.

    StateError when it is not sound, or of a later release.
    """
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        _, epoch, _ = _state_facts(database, named)
        carried = _is_database(replaced) and _carried_over(database, replaced, epoch)
        database.execute("UPDATE told SET value = lower(hex(randomblob(8))) WHERE name = 'epoch'")
        database.execute("PRAGMA journal_mode = DELETE")
    return carried


def _carried_over(database: sqlite3.Connection, replaced: Path, epoch: str) -> bool:
    """Take over what the replaced database says of who is let in no more; whether it is the same
    log's, and could be read.
    """
    try:
        database.execute("ATTACH ? AS replaced", (str(replaced),))
        (of,) = database.execute("SELECT value FROM replaced.told WHERE name = 'epoch'").fetchone()
        wanted = CARRIED_OVER if of == epoch else CARRIED_OVER[1:]
        there = {name for (name,) in database.execute("SELECT name FROM replaced.sqlite_master")}
        whole = [_carries(database, text.format(table)) for table, text in wanted if table in there]
        database.execute("DETACH replaced")
    except sqlite3.Error:
        return False
    return bool(of == epoch) and all(whole)


def _carries(database: sqlite3.Connection, statement: str) -> bool:
    """Whether what is to be taken over has a place: a former schema lacks tables."""
    try:
        database.execute(statement)
    except sqlite3.OperationalError:
        return False
    return True


def _differing(place: StatePlace, staged: Path, names: Iterable[str]) -> Iterator[str]:
    """Those that are there already, with another content."""
    for name in names:
        path = place.path(name)
        if path.is_file() and _digest_of(path) != _digest_of(staged / name):
            yield name


def _swap(place: StatePlace, staged: Path, names: Iterable[str], aside: Path) -> Path | None:
    """Put the staged files where they belong; the folder of those that were there."""
    _fold_log(place.database, aside)
    for name in names:
        path = place.path(name)
        if path.is_file():
            aside.mkdir(mode=0o700, exist_ok=True)
            _put(path, aside / name, place.folder)
        _put(staged / name, path, place.folder)
    return aside if aside.is_dir() else None


def _fold_log(path: Path, aside: Path) -> None:
    """Leave no write-ahead log beside a database: it would be taken for that of the next one."""
    if _is_database(path):  # of what is none SQLite would delete the log
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path)) as one:
            one.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for side in ("-wal", "-shm"):
        beside = path.with_name(f"{path.name}{side}")
        if beside.exists():
            aside.mkdir(mode=0o700, exist_ok=True)
            os.replace(beside, aside / beside.name)


def _put(source: Path, to: Path, owner: Path) -> None:
    """A copy at `to`, whole or not at all and on disk, of whom `owner` belongs to."""
    to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = to.with_name(f".{to.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file, source.open("rb") as content:
            shutil.copyfileobj(content, file, BLOCK)
            file.flush()
            os.fsync(descriptor)
        if os.geteuid() == ROOT:  # whoever runs the processes must be able to read it
            facts = owner.stat()
            os.chown(temporary, facts.st_uid, facts.st_gid)
            if to.parent.parent == owner:
                os.chown(to.parent, facts.st_uid, facts.st_gid)
        os.replace(temporary, to)
    finally:
        temporary.unlink(missing_ok=True)
