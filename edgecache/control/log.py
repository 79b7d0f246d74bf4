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


class Kind(StrEnum):
    """What an entry is about. Nodes pass over kinds they do not know."""

    CONFIG = "config"  # body: a whole configuration; its number is the generation


class Entry(msgspec.Struct, frozen=True):
    """One entry: its number, when it was made (epoch seconds), its kind, and what it says."""

    seq: int
    at: float
    kind: str
    body: dict[str, Any]


class Log:
    """Entries numbered from 1 upward, kept in the state. Used from one thread."""

    def __init__(self, state: State, clock: Callable[[], float]) -> None:
        self._database = state.connection
        self._clock = clock
        self._closed = False
        self._grown = asyncio.Event()  # replaced at each entry, so that every waiter sees its own

    def append(self, kind: str, body: dict[str, Any]) -> int:
        """Write an entry durably; gives its number. sqlite3.Error: nothing was written."""
        row = (self._clock(), kind, msgspec.json.encode(body).decode())
        cursor = self._database.execute("INSERT INTO log (at, kind, body) VALUES (?, ?, ?)", row)
        assert cursor.lastrowid is not None
        self._wake()
        return cursor.lastrowid

    def after(self, seq: int, limit: int = PAGE_ENTRIES_MAX) -> list[Entry]:
        """The entries that follow number `seq`, in order, at most `limit`.

        Of configurations only the newest: a node that starts must not pass through former ones.
        """
        rows = self._database.execute(
            "SELECT seq, at, kind, body FROM log WHERE seq > ?"
            " AND (kind != 'config' OR seq = (SELECT max(seq) FROM log WHERE kind = 'config'))"
            " ORDER BY seq LIMIT ?",
            (seq, min(limit, PAGE_ENTRIES_MAX)),
        )
        return [_entry(row) for row in rows]

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
        return self._database.execute("SELECT max(seq) FROM log").fetchone()[0] or 0

    async def wait(self, after: int, timeout_s: float) -> list[Entry]:
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
