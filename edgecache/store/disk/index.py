"""SQLite index of the disk store: rows by digest, by id, by due time.

Law: a change is there whole or not at all.

WAL with synchronous=NORMAL: a commit survives the end of the process, a power cut may take the last
ones, never half of one. Pages are read, not mapped: a failing disk raises here, and kills nobody.
Why SQLite: docs/decisions/010.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from types import MappingProxyType

VERSION = 1  # of the tables and of what stands in them; another one is begun anew
IDS_AT_ONCE = 900  # SQLite allows 999 parameters in a statement at least
BUSY_S = 5.0  # for another connection of ours to end its commit
WAL_BYTES_KEPT = 16 * 1024 * 1024

_TABLES = """
CREATE TABLE entries(
  id INTEGER PRIMARY KEY, -- in order of arrival, never used again; the name of the body's file
  digest BLOB NOT NULL,
  size INTEGER NOT NULL, -- bytes that count against the budget
  record BLOB NOT NULL,
  body BLOB -- NULL: in a file
);
CREATE INDEX by_digest ON entries(digest);
CREATE TABLE totals(
  checked BLOB NOT NULL,
  objects INTEGER NOT NULL,
  size INTEGER NOT NULL,
  next_id INTEGER NOT NULL,
  hand INTEGER NOT NULL
);
INSERT INTO totals VALUES(x'', 0, 0, 1, 0);
"""

# Since when (epoch seconds) a row leaves before the rest; FORMER_S less while it is of a former
# release. Beside the other table, so that an index of before is opened as it is: rows without a
# line here wait for their turn.
_DUE = """
CREATE TABLE IF NOT EXISTS due(id INTEGER PRIMARY KEY, at INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS by_due ON due(at);
"""
NEVER = 1 << 40  # seconds: later than any row expires
FORMER_S = 1 << 41
NO_NEWS: Mapping[int, bool] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Totals:
    """What the index holds, the next id, where eviction stopped, and what all were checked for."""

    checked: bytes = b""  # a mark
    objects: int = 0
    size: int = 0  # bytes
    next_id: int = 1
    hand: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One entry of the index; `body` None: in the file named after the id."""

    id: int
    digest: bytes
    size: int
    record: bytes
    body: bytes | None
    due: int = NEVER


@dataclass(frozen=True, slots=True)
class Size:
    """How much a row counts for, and whether its body is in a file."""

    id: int
    bytes: int
    filed: bool


class StrangeIndex(Exception):
    """What is there is not an index of this version."""


def digest_of(key: bytes) -> bytes:
    """What a key is found by; the key itself stands in the record."""
    return blake2b(key, digest_size=16).digest()


class DiskIndex:
    """Rows by digest and by id. One thread writes; any thread may read. sqlite3.Error."""

    def __init__(self, path: str) -> None:
        """StrangeIndex when what stands there is of another version."""
        self._path = path
        self._threads = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._writer = self._connected()
        try:
            self._prepare()
        except BaseException:
            self._writer.close()
            raise

    def _connected(self) -> sqlite3.Connection:
        found = sqlite3.connect(
            self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            found.execute("PRAGMA synchronous=NORMAL")
        except BaseException:  # what stands there may be no database
            found.close()
            raise
        return found

    def _prepare(self) -> None:
        writer = self._writer
        version = writer.execute("PRAGMA user_version").fetchone()[0]
        if version == 0 and not writer.execute("SELECT 1 FROM sqlite_master").fetchone():
            writer.execute("PRAGMA auto_vacuum=INCREMENTAL")
            writer.execute("PRAGMA journal_mode=WAL")
            writer.execute(f"PRAGMA journal_size_limit={WAL_BYTES_KEPT}")
            writer.executescript(f"BEGIN; {_TABLES} PRAGMA user_version={VERSION}; COMMIT;")
        elif version != VERSION:
            raise StrangeIndex(f"{self._path} is of version {version}, not {VERSION}")
        writer.executescript(f"BEGIN; {_DUE} COMMIT;")

    def close(self) -> None:
        """No call is under way, and none comes after."""
        for reader in self._readers:
            reader.close()
        self._readers.clear()
        self._writer.close()

    # Reading, in any thread.

    def find(self, digest: bytes) -> list[Row]:
        """The rows under a digest, the newest first."""
        found = self._reader().execute(
            "SELECT id, digest, size, record, body FROM entries WHERE digest = ? ORDER BY id DESC",
            (digest,),
        )
        return [Row(*row) for row in found]

    def _reader(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = getattr(self._threads, "reader", None)
        if found is None:
            found = self._threads.reader = self._connected()
            self._readers.append(found)
        return found

    def records(self, after: int, count: int) -> list[tuple[int, bytes, bool]]:
        """Ids and records of the next rows by id, and whether they are of a former release."""
        found = self._reader().execute(
            "SELECT id, record, coalesce(at < 0, 0) FROM entries LEFT JOIN due USING(id)"
            " WHERE id > ? ORDER BY id LIMIT ?",
            (after, count),
        )
        return [(row_id, record, bool(former)) for row_id, record, former in found]

    # Reading and writing, in the one thread that writes.

    def totals(self) -> Totals:
        return Totals(*self._writer.execute("SELECT * FROM totals").fetchone())

    def sizes(self, after: int, count: int) -> list[Size]:
        """The next rows by id."""
        found = self._writer.execute(
            "SELECT id, size, body IS NULL FROM entries WHERE id > ? ORDER BY id LIMIT ?",
            (after, count),
        )
        return [Size(row_id, size, bool(filed)) for row_id, size, filed in found]

    def due(self, now: float, count: int) -> list[Size]:
        """Rows that leave before the rest by `now` (epoch seconds), the longest due first."""
        found = self._writer.execute(
            "SELECT id, size, body IS NULL FROM due JOIN entries USING(id)"
            " WHERE at <= ? ORDER BY at LIMIT ?",
            (int(now), count),
        )
        return [Size(row_id, size, bool(filed)) for row_id, size, filed in found]

    def sizes_of(self, ids: Sequence[int]) -> list[Size]:
        """As many of these rows as there are."""
        found: list[Size] = []
        for start in range(0, len(ids), IDS_AT_ONCE):
            some = ids[start : start + IDS_AT_ONCE]
            places = ",".join("?" * len(some))
            rows = self._writer.execute(
                f"SELECT id, size, body IS NULL FROM entries WHERE id IN ({places})", tuple(some)
            )
            found += [Size(row_id, size, bool(filed)) for row_id, size, filed in rows]
        return found

    def commit(
        self,
        gone: Iterable[int],
        come: Sequence[Row],
        totals: Totals,
        former: Mapping[int, bool] = NO_NEWS,
    ) -> None:
        """Take rows away, put others in (in place of one of the same id), and say the totals.

        `former`: which rows are of a former release now, or are no longer.
        """
        writer = self._writer
        writer.execute("BEGIN IMMEDIATE")
        try:
            left = [(row_id,) for row_id in gone]
            writer.executemany("DELETE FROM entries WHERE id = ?", left)
            writer.executemany("DELETE FROM due WHERE id = ?", left)
            writer.executemany(
                "INSERT OR REPLACE INTO entries VALUES(?, ?, ?, ?, ?)",
                [(row.id, row.digest, row.size, row.record, row.body) for row in come],
            )
            writer.executemany(
                "INSERT OR REPLACE INTO due VALUES(?, ?)", [(row.id, row.due) for row in come]
            )
            self._note_former(former)
            writer.execute(
                "UPDATE totals SET checked = ?, objects = ?, size = ?, next_id = ?, hand = ?",
                (totals.checked, totals.objects, totals.size, totals.next_id, totals.hand),
            )
            writer.execute("COMMIT")
        except BaseException:
            if writer.in_transaction:
                writer.execute("ROLLBACK")
            raise

    def _note_former(self, former: Mapping[int, bool]) -> None:
        self._writer.executemany(
            "INSERT OR IGNORE INTO due SELECT id, ? FROM entries WHERE id = ?",
            [(NEVER, row_id) for row_id in former],
        )
        self._writer.executemany(
            "UPDATE due SET at = at - ? WHERE id = ? AND at >= 0",
            [(FORMER_S, row_id) for row_id, is_former in former.items() if is_former],
        )
        self._writer.executemany(
            "UPDATE due SET at = at + ? WHERE id = ? AND at < 0",
            [(FORMER_S, row_id) for row_id, is_former in former.items() if not is_former],
        )

    def shrink(self, pages: int) -> None:
        """Give so many free pages back to the file system."""
        self._writer.execute(f"PRAGMA incremental_vacuum({pages})").fetchall()

    def counted(self) -> tuple[int, int]:
        """Objects and bytes as the rows say, for a check. Walks all of them."""
        objects, size = self._writer.execute("SELECT count(*), sum(size) FROM entries").fetchone()
        strays = "SELECT count(*) FROM due WHERE id NOT IN (SELECT id FROM entries)"
        assert self._writer.execute(strays).fetchone() == (0,), "due, and not here"
        return objects, size or 0
