"""SQLite database of control: one file, its lock, its copies.

Law: what was committed survives a crash and a loss of power.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edgecache.control.state.database import Rows, StateBusyError, StateDatabase, StateError
from edgecache.control.state.migrations import MIGRATIONS

FILE_NAME = "control.sqlite"
LOCK_NAME = "control.lock"
ROOT = 0
BUSY_S_MAX = 1.0  # for another process's lock; who asks is told to come again

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


class SqliteDatabase(StateDatabase):
    """The database of an installation of one machine, or with one control: a file."""

    failures = (sqlite3.Error,)

    def __init__(self, folder: Path) -> None:
        """Open `folder/control.sqlite`, made and migrated when needed. StateError when neither."""
        super().__init__()
        self.path = folder / FILE_NAME
        self.name = str(self.path)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Made beforehand, since SQLite would make it readable to all; its side files inherit.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._connection = sqlite3.connect(
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
        self._connection.close()

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Rows:
        return self._connection.execute(statement, values)

    def _add_to_log(self, at: float, kind: str, body: str) -> int:
        insert = "INSERT INTO log (at, kind, body) VALUES (?, ?, ?)"
        seq = self._connection.execute(insert, (at, kind, body)).lastrowid
        assert seq is not None
        return seq

    @property
    def last_seq(self) -> int:
        return newest_number(self._connection)

    def begin_after(self, seq: int) -> None:
        self._connection.execute("DELETE FROM sqlite_sequence WHERE name = 'log'")
        self._connection.execute("INSERT INTO sqlite_sequence VALUES ('log', ?)", (seq,))

    def failure(self, error: Exception) -> StateError:
        return state_error(self.path, error)

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def _begin(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def _commit(self) -> None:
        self._connection.execute("COMMIT")

    def _roll_back(self) -> None:
        self._connection.execute("ROLLBACK")

    def _prepare(self) -> None:
        (fault,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if fault != "ok":
            raise StateError(f"{self.path}: damaged: {' '.join(fault.split())}{RESTORE}")
        self._connection.execute("PRAGMA journal_mode = WAL")
        # In WAL mode NORMAL may lose the last commits when power fails; an accepted entry must not.
        self._connection.execute("PRAGMA synchronous = FULL")
        keep_before_migration(self._connection, self.path)
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            for statements in MIGRATIONS[known_schema(self._connection, self.path) :]:
                for statement in statements:
                    self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def newest_number(database: sqlite3.Connection) -> int:
    """The number of the newest entry of the log; 0 when there is none."""
    row = database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'log'").fetchone()
    return 0 if row is None else int(row[0])  # none before the first; trimmed ones count


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
