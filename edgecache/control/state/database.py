"""SQLite database of control: schema, migrations, transactions.

Law: what was committed survives a crash and a loss of power.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

FILE_NAME = "control.sqlite"
LOCK_NAME = "control.lock"
ROOT = 0
BEFORE = "nodes of a control before this one"  # who a new database may have forgotten
BUSY_S_MAX = 1.0  # for another process's lock; who asks is told to come again

MIGRATIONS = (
    (
        "CREATE TABLE log ("
        " seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL,"
        " kind TEXT NOT NULL, body TEXT NOT NULL)",
        "CREATE INDEX log_by_kind ON log (kind, seq)",
    ),
    (
        "CREATE TABLE told (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        "INSERT INTO told VALUES ('epoch', lower(hex(randomblob(8)))), ('floor', '0')",
        "CREATE TABLE invalidations ("
        " seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, distribution TEXT NOT NULL,"
        " caller_reference TEXT NOT NULL, created_at REAL NOT NULL, items TEXT NOT NULL,"
        " soft INTEGER NOT NULL, completed_at REAL,"
        " UNIQUE (distribution, caller_reference))",
        "CREATE INDEX invalidations_open ON invalidations (seq) WHERE completed_at IS NULL",
        "CREATE TABLE leases ("
        " name TEXT NOT NULL, instance TEXT NOT NULL, serves INTEGER NOT NULL,"
        " PRIMARY KEY (name, instance)) WITHOUT ROWID",
        # Whoever follows a log that was lost may still have its lease: see barrier.
        f"INSERT INTO leases VALUES ('{BEFORE}', '', 0)",
    ),
    (
        "CREATE TABLE resources ("
        " kind TEXT NOT NULL, id TEXT NOT NULL, domain_name TEXT NOT NULL, etag TEXT NOT NULL,"
        " created_at REAL NOT NULL, modified_at REAL NOT NULL, generation INTEGER NOT NULL,"
        " reference TEXT NOT NULL, config TEXT NOT NULL, tags TEXT NOT NULL,"
        " PRIMARY KEY (kind, id)) WITHOUT ROWID",
        "CREATE TABLE adopted (id TEXT PRIMARY KEY) WITHOUT ROWID",
    ),
    (
        "CREATE TABLE releases ("
        " distribution TEXT NOT NULL, pattern TEXT NOT NULL, number INTEGER NOT NULL,"
        " created_at REAL NOT NULL, current INTEGER NOT NULL,"
        " PRIMARY KEY (distribution, pattern, number)) WITHOUT ROWID",
    ),
    (
        "CREATE TABLE access_keys ("
        " id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, sealed BLOB NOT NULL,"
        " created_at REAL NOT NULL, used_at REAL, actions TEXT NOT NULL,"
        " distributions TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE deleted_access_keys (id TEXT PRIMARY KEY) WITHOUT ROWID",
    ),
    (
        "CREATE TABLE join_tokens ("
        " digest TEXT PRIMARY KEY, place TEXT NOT NULL, ends REAL NOT NULL, used_at REAL"
        ") WITHOUT ROWID",
        "CREATE TABLE certificates ("
        " serial TEXT PRIMARY KEY, place TEXT NOT NULL, instance TEXT NOT NULL,"
        " names TEXT NOT NULL, issued_at REAL NOT NULL, ends REAL NOT NULL, revoked_at REAL"
        ") WITHOUT ROWID",
    ),
)
"""Statements from each version of the schema to the next; `user_version` counts those done."""


_PASSING = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL}
)  # what another process or a disk may be over with; "Result and Error Codes", sqlite.org


_PASSING_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE})

RESTORE = "; bring back a backup (edgecache restore), or move it away to begin without what it held"
DENIED = "; it has to be the user's who runs control"
_WAYS_OUT = {
    sqlite3.SQLITE_NOTADB: RESTORE,
    sqlite3.SQLITE_CORRUPT: RESTORE,
    sqlite3.SQLITE_CANTOPEN: DENIED,
    sqlite3.SQLITE_READONLY: DENIED,
    sqlite3.SQLITE_PERM: DENIED,
    sqlite3.SQLITE_FULL: "; make room on its disk",
}


class StateError(Exception):
    """The state cannot be used: the message names the file and says why."""


class StateBusyError(StateError):
    """The state cannot be used now: another process holds it, or the disk fails or is full."""


def state_error(path: Path, error: Exception) -> StateError:
    """An error of the database, or of a row that cannot be read, as a StateError of its file.

    Its line has the way out, where there is one.
    """
    if isinstance(error, OSError):
        kind = StateBusyError if error.errno in _PASSING_ERRORS else StateError
        way_out = DENIED if isinstance(error, PermissionError) else ""
        return kind(f"{path}: {(error.strerror or str(error)).lower()}{way_out}")
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # extended codes have more above
    kind = StateBusyError if code in _PASSING else StateError
    return kind(f"{path}: {error}{_WAYS_OUT.get(code, '')}")


@contextlib.contextmanager
def state_lock(folder: Path, *, exclusive: bool = False) -> Iterator[None]:
    """Held by each control while it runs, and exclusively by who replaces the database.

    StateBusyError: the other holds it. Beside SQLite's locks, which nobody holds between writes.
    """
    path = folder / LOCK_NAME
    kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise state_error(path, error) from error
    try:
        if os.geteuid() == ROOT:  # whoever runs control must be able to hold it
            os.fchown(descriptor, folder.stat().st_uid, folder.stat().st_gid)
        _lock(descriptor, kind, path)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, kind: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = (
            "control runs: stop it first" if kind == fcntl.LOCK_EX else "a restore is under way"
        )
        raise StateBusyError(f"{path}: {holder}") from error


class StateDatabase:
    """The open database of one control process. Used from one thread at a time."""

    def __init__(self, folder: Path) -> None:
        """Open `folder/control.sqlite`, made and migrated when needed. StateError when neither."""
        self.path = folder / FILE_NAME
        self._on_commit: list[Callable[[], None]] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Made beforehand, since SQLite would make it readable to all; its side files inherit.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self.connection = sqlite3.connect(
                self.path,
                timeout=BUSY_S_MAX,
                isolation_level=None,
                cached_statements=32,
                check_same_thread=False,  # opened by one, used by another: database_thread
            )
        except (OSError, sqlite3.Error) as error:
            raise state_error(self.path, error) from error
        try:
            self._prepare()
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise state_error(self.path, error) from error
        except StateError:
            self.close()
            raise

    def close(self) -> None:
        self.connection.close()

    def on_commit(self, told: Callable[[], None]) -> None:
        """Inside `writing`: call `told` when the transaction is on disk; never if it fails."""
        self._on_commit.append(told)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """All that is written inside is on disk when this ends, or none of it when it raises.

        Inside another one it is a part of that.
        """
        if self.connection.in_transaction:
            yield
            return
        self.connection.execute("BEGIN IMMEDIATE")
        self._on_commit.clear()
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            # A COMMIT that failed may leave its transaction open, and the next would be part of it.
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise
        for told in self._on_commit:
            told()

    def _prepare(self) -> None:
        (fault,) = self.connection.execute("PRAGMA quick_check(1)").fetchone()
        if fault != "ok":
            raise StateError(f"{self.path}: damaged: {' '.join(fault.split())}{RESTORE}")
        self.connection.execute("PRAGMA journal_mode = WAL")
        # In WAL mode NORMAL may lose the last commits when power fails; an accepted entry must not.
        self.connection.execute("PRAGMA synchronous = FULL")
        keep_before_migration(self.connection, self.path)
        with self.connection:
            self.connection.execute("BEGIN IMMEDIATE")
            for statements in MIGRATIONS[known_schema(self.connection, self.path) :]:
                for statement in statements:
                    self.connection.execute(statement)
            self.connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def known_schema(database: sqlite3.Connection, path: Path) -> int:
    """The version of a database's schema. StateError for a later release's, with the way back."""
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version <= len(MIGRATIONS):
        return int(version)
    former = [at for at in range(len(MIGRATIONS), 0, -1) if former_path(path, at).exists()]
    way_out = f"or go back: edgecache restore {former_path(path, former[0])}" if former else ""
    raise StateError(
        f"{path}: written by a later version (schema {version}, this release knows"
        f" {len(MIGRATIONS)}); run that release{', ' if former else RESTORE}{way_out}"
    )


def former_path(path: Path, schema: int) -> Path:
    """Where a database is kept as it was before a migration from the version `schema`."""
    return path.with_name(f"{path.name}.schema-{schema}")


def keep_before_migration(database: sqlite3.Connection, path: Path) -> None:
    """Copy a database that is about to be migrated; the one kept of its version is replaced."""
    version = known_schema(database, path)
    if 0 < version < len(MIGRATIONS):
        copy_database(database, former_path(path, version))


def copy_database(database: sqlite3.Connection, to: Path) -> None:
    """A copy of the last commit as a file of its owner's, whole or not at all. OSError too.

    Whoever writes meanwhile is not held up; it has one file, no log beside it.
    """
    temporary = to.with_name(f".{to.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    os.close(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        with contextlib.closing(sqlite3.connect(temporary)) as copy:
            database.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, to)
    finally:
        temporary.unlink(missing_ok=True)
