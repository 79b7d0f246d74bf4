"""The ordered log. Law: an entry that was given a number is on disk, and never changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import msgspec

from edgecache.config.model import Config
from edgecache.control.state import State

PAGE_ENTRIES_MAX = 100  # the default MaxItems of CloudFront's list calls
PAGE_BYTES_MAX = 4 * 1024 * 1024  # four bodies of the API at their longest; one entry always fits
CONFIGS_KEPT = 20  # former configurations, for people to look at; nodes read the newest alone


class Kind(StrEnum):
    """What an entry is about. Nodes pass over kinds they do not know."""

    CONFIG = "config"  # body: a whole configuration; its number is the generation
    INVALIDATION = "invalidation"  # body: see control.invalidations


class Entry(msgspec.Struct, frozen=True):
    """One entry: its number, when it was made (epoch seconds), its kind, and what it says."""

    seq: int
    at: float
    kind: str
    body: dict[str, Any]


class Page(msgspec.Struct, frozen=True):
    """A part of the log `epoch`, whose newest number is `last_seq`.

    Who has applied it has applied all up to `upto`. Invalidations up to `floor` are not told.
    """

    entries: list[Entry]
    last_seq: int
    upto: int
    epoch: str
    floor: int


class Log:
    """Entries numbered from 1 upward, kept in the state. Used from one thread."""

    def __init__(self, state: State, clock: Callable[[], float]) -> None:
        self._state = state
        self._database = state.connection
        self._clock = clock
        self._closed = False
        self._grown = asyncio.Event()  # replaced at each entry, so that every waiter sees its own

    def append(
        self, kind: str, body: dict[str, Any], beside: Callable[[int], None] | None = None
    ) -> int:
        """Write an entry durably; gives its number. sqlite3.Error: nothing was written.

        `beside` gets the number, and writes what is to be kept with the entry or not at all.
        """
        row = (self._clock(), kind, msgspec.json.encode(body).decode())
        insert = "INSERT INTO log (at, kind, body) VALUES (?, ?, ?)"
        with self._state.writing():
            seq = self._database.execute(insert, row).lastrowid
            assert seq is not None
            if beside is not None:
                beside(seq)
            if kind == Kind.CONFIG:
                self._drop_former_configs()
        self._wake()
        return seq

    def _drop_former_configs(self) -> None:
        self._database.execute(
            "DELETE FROM log WHERE kind = 'config' AND seq <="
            " (SELECT seq FROM log WHERE kind = 'config' ORDER BY seq DESC LIMIT 1 OFFSET ?)",
            (CONFIGS_KEPT,),
        )

    @property
    def epoch(self) -> str:
        """What tells this log from any other: made at random with its database."""
        return str(self._told("epoch"))

    @property
    def floor(self) -> int:
        """The number up to which invalidations are no longer told."""
        return int(self._told("floor"))

    def _told(self, name: str) -> str:
        (value,) = self._database.execute(
            "SELECT value FROM told WHERE name = ?", (name,)
        ).fetchone()
        return str(value)

    def trim(self, upto: int) -> int:
        """Tell invalidations up to number `upto` no more; how many went.

        To be called when no node has anything stored or under way that is older.
        """
        with self._state.writing():
            gone = self._database.execute(
                "DELETE FROM log WHERE kind = ? AND seq <= ?", (Kind.INVALIDATION, upto)
            ).rowcount
            self._database.execute(
                "UPDATE told SET value = ? WHERE name = 'floor' AND CAST(value AS INTEGER) < ?",
                (str(upto), upto),
            )
        return gone

    def invalidations_upto(self, seq: int) -> int:
        """How many invalidations with numbers up to `seq` are still told."""
        found = self._database.execute(
            "SELECT count(*) FROM log WHERE kind = ? AND seq <= ?", (Kind.INVALIDATION, seq)
        )
        return int(found.fetchone()[0])

    def after(self, seq: int, limit: int = PAGE_ENTRIES_MAX) -> Page:
        """The entries that follow number `seq`, in order, at most `limit`.

        Of configurations only the newest: a node that starts must not pass through former ones.
        """
        last, limit = self.last_seq, min(limit, PAGE_ENTRIES_MAX)
        rows = self._database.execute(
            "SELECT seq, at, kind, body FROM log WHERE seq > ?"
            " AND (kind != 'config' OR seq = (SELECT max(seq) FROM log WHERE kind = 'config'))"
            " ORDER BY seq LIMIT ?",
            (seq, limit + 1),
        ).fetchall()
        entries: list[Entry] = []
        left = PAGE_BYTES_MAX
        for row in rows[:limit]:
            left -= len(row[3])
            if entries and left < 0:
                break
            entries.append(_entry(row))
        whole = len(entries) == len(rows)
        upto = last if whole else entries[-1].seq
        return Page(entries, last, upto, self.epoch, self.floor)

    def newest(self, kind: str) -> Entry | None:
        """The last entry of a kind."""
        row = self._database.execute(
            "SELECT seq, at, kind, body FROM log WHERE kind = ? ORDER BY seq DESC LIMIT 1", (kind,)
        ).fetchone()
        return None if row is None else _entry(row)

    @property
    def generation(self) -> int:
        """The number of the newest configuration; 0 before the first."""
        row = self._database.execute("SELECT max(seq) FROM log WHERE kind = ?", (Kind.CONFIG,))
        return row.fetchone()[0] or 0

    @property
    def last_seq(self) -> int:
        """The number of the newest entry; 0 when there is none."""
        found = self._database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'log'")
        row = found.fetchone()  # none before the first entry; trimmed ones count
        return 0 if row is None else int(row[0])

    async def wait(self, after: int, timeout_s: float) -> Page:
        """As `after`, but when there is nothing yet, wait for it at most `timeout_s` seconds.

        Does not wait when `after` is beyond the newest entry: who asks follows another log.
        """
        if timeout_s > 0 and not self._closed and after == self.last_seq:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._grown.wait()
            except TimeoutError:
                pass
        return self.after(after)

    def close(self) -> None:
        """Let everyone go who waits, now and later: control is about to end."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        self._grown.set()
        self._grown = asyncio.Event()


def ensure_config(log: Log, config: Config) -> int:
    """Publish `config` unless it is what was published last; gives the generation it has."""
    body = msgspec.json.decode(msgspec.json.encode(config))
    newest = log.newest(Kind.CONFIG)
    if newest is not None and newest.body == body:
        return newest.seq
    return log.append(Kind.CONFIG, body)


def _entry(row: tuple[int, float, str, str]) -> Entry:
    seq, at, kind, body = row
    return Entry(seq, at, kind, msgspec.json.decode(body, type=dict[str, Any]))
