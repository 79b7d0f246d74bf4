"""Ordered log of control. Law: an entry that was given a number is on disk, and never changes.

`ControlLog` is on disk. `LiveLog` is what nodes are told of it, in memory: telling it, and granting
the lease that comes with it, wait for no disk. It learns of an entry once that is on disk; until
then nodes are told, and get their leases, up to the number before it, and nothing
beyond is Completed.
"""

from __future__ import annotations

import asyncio
import contextlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import msgspec
from msgspec import structs

from edgecache.cluster.log_entries import OURS, LogEntry, LogEntryKind, LogPage
from edgecache.config.base import Model
from edgecache.config.model import Config
from edgecache.control.state.database import UNASKED, Authorship, StateDatabase

PAGE_ENTRIES_MAX = 100  # the default MaxItems of CloudFront's list calls
PAGE_BYTES_MAX = 4 * 1024 * 1024  # four bodies of the API at their longest; one entry always fits
CONFIGS_KEPT = 20  # former configurations, for people to look at; nodes read the newest alone
WRITES_KEPT_S = 60.0  # of those no node is told of; who else follows the log reads it each second

M = TypeVar("M", bound=Model)

LoopCall = Callable[[Callable[[], None]], None]
"""Has something done on the loop, after all that was handed over before."""


def _call_inline(done: Callable[[], None]) -> None:
    done()


class LiveLog:
    """The log `epoch` in memory, for nodes: the newest configuration, and invalidations that they
    have yet to sweep.

    Changed and waited for on the loop; its numbers may be read from any thread.
    """

    def __init__(self, epoch: str, floor: int, last_seq: int) -> None:
        self.epoch = epoch
        self.floor = floor
        self.last_seq = last_seq  # the number of the newest entry; 0 when there is none
        self.bytes = 0  # of the entries as JSON
        self.items: Counter[tuple[str, str]] = Counter()  # by distribution and kind of item
        self._seqs: list[int] = []  # in order; beside them the entries and their sizes
        self._entries: list[tuple[LogEntry, int]] = []
        self._config: LogEntry | None = None
        self._closed = False
        self._grown = asyncio.Event()  # replaced at each entry, so that every waiter sees its own

    @property
    def invalidations(self) -> int:
        """How many are told."""
        return len(self._seqs) - (self._config is not None)

    @property
    def config(self) -> LogEntry | None:
        """The newest configuration."""
        return self._config

    @property
    def generation(self) -> int:
        """The number of the newest configuration; 0 before the first."""
        config = self._config
        return 0 if config is None else config.seq

    def append(self, entry: LogEntry, size: int) -> None:
        """The next entry, of so many bytes as JSON; it is on disk."""
        if entry.kind == LogEntryKind.CONFIG:
            self._keep(lambda one: one.kind != LogEntryKind.CONFIG, len(self._seqs))
            self._config = entry
        if entry.kind != LogEntryKind.WRITE:
            self._seqs.append(entry.seq)
            self._entries.append((entry, size))
            self.bytes += size
        self.items = self.items + Counter(_items(entry))  # another: a thread may look at this one
        self.last_seq = max(self.last_seq, entry.seq)
        self._wake()

    def trim(self, upto: int) -> None:
        """Invalidations up to number `upto` are told no more."""
        self.floor = max(self.floor, upto)
        self._keep(
            lambda one: one.kind != LogEntryKind.INVALIDATION, bisect_right(self._seqs, upto)
        )

    def _keep(self, keeps: Callable[[LogEntry], bool], among: int) -> None:
        """Of the first entries those that are to be kept, and all the others."""
        first = self._entries[:among]
        gone = [(entry, size) for entry, size in first if not keeps(entry)]
        self._entries[:among] = [(entry, size) for entry, size in first if keeps(entry)]
        self._seqs[:among] = [entry.seq for entry, _ in self._entries[: among - len(gone)]]
        self.bytes -= sum(size for _, size in gone)
        # Kinds of which none are left are gone from it.
        self.items = self.items - Counter(item for entry, _ in gone for item in _items(entry))

    def entries_upto(self, seq: int) -> int:
        """How many entries with numbers up to `seq` are told."""
        return bisect_right(self._seqs, seq)

    def after(self, seq: int, limit: int = PAGE_ENTRIES_MAX) -> LogPage:
        """The entries that follow number `seq`, in order, at most `limit`.

        Of configurations only the newest: a node that starts must not pass through former ones.
        """
        first = bisect_right(self._seqs, seq)
        entries: list[LogEntry] = []
        left = PAGE_BYTES_MAX
        for entry, size in self._entries[first : first + min(limit, PAGE_ENTRIES_MAX)]:
            left -= size
            if entries and left < 0:
                break
            entries.append(entry)
        whole = first + len(entries) == len(self._seqs)
        upto = self.last_seq if whole else entries[-1].seq
        return LogPage(
            entries, self.last_seq, upto, self.epoch, self.floor, OURS.protocol, OURS.release
        )

    async def wait(self, after: int, timeout_s: float) -> LogPage:
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
        """End every wait, now and later: control is about to end."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        self._grown.set()
        self._grown = asyncio.Event()


class ControlLog:
    """Entries numbered from 1 upward, kept in the state and used from its thread.

    `live` is what nodes are told of it, on the loop: `hand` takes there what is on disk.
    """

    def __init__(
        self, state: StateDatabase, clock: Callable[[], float], hand: LoopCall = _call_inline
    ) -> None:
        self._state = state
        self._database = state
        self._clock = clock
        self._hand = hand
        self.live = LiveLog(str(self._told("epoch")), int(self._told("floor")), self.last_seq)
        for row in self._database.execute(
            "SELECT seq, at, kind, body FROM log WHERE kind = 'invalidation'"
            " OR seq = (SELECT max(seq) FROM log WHERE kind = 'config') ORDER BY seq"
        ):
            self.live.append(_entry(row), len(row[3]))

    def append(
        self,
        kind: str,
        body: dict[str, Any],
        beside: Callable[[int], None] | None = None,
        by: Authorship = UNASKED,
    ) -> int:
        """Write an entry durably; gives its number. sqlite3.Error: nothing was written.

        `beside` gets the number, and writes what is to be kept with the entry or not at all.
        """
        return self.append_text(kind, msgspec.json.encode(body).decode(), beside, by)

    def append_text(
        self,
        kind: str,
        text: str,
        beside: Callable[[int], None] | None = None,
        by: Authorship = UNASKED,
    ) -> int:
        """Write an entry, whose body is JSON already, durably; gives its number. See `append`."""
        row = (self._clock(), kind, text)
        with self._state.writing():
            seq = self._database.add_entry(*row, by)
            if beside is not None:
                beside(seq)
            if kind == LogEntryKind.CONFIG:
                self._drop_former_configs()
            told = partial(self.live.append, _entry((seq, *row)), len(row[2]))
            self._state.on_commit(partial(self._hand, told))
        return seq

    @contextlib.contextmanager
    def recorded(self, by: Authorship) -> Iterator[None]:
        """What is written inside gets a number, and its author; nodes are told of the number."""
        with self._state.writing():
            yield
            self.record(by)

    def record(self, by: Authorship) -> int:
        """Number a change that is no news for nodes, so that it has its place among the others."""
        former = "DELETE FROM log WHERE kind = ? AND at < ?"
        with self._state.writing():
            self._database.execute(former, (LogEntryKind.WRITE, self._clock() - WRITES_KEPT_S))
            return self.append_text(LogEntryKind.WRITE, "{}", None, by)

    def _drop_former_configs(self) -> None:
        self._database.execute(
            "DELETE FROM log WHERE kind = 'config' AND seq <="
            " (SELECT seq FROM log WHERE kind = 'config' ORDER BY seq DESC LIMIT 1 OFFSET ?)",
            (CONFIGS_KEPT,),
        )

    @property
    def epoch(self) -> str:
        """Identity of this log: drawn at random with its database."""
        return self.live.epoch

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
                "DELETE FROM log WHERE kind = ? AND seq <= ?", (LogEntryKind.INVALIDATION, upto)
            ).rowcount
            self._database.execute(
                "UPDATE told SET value = ? WHERE name = 'floor' AND CAST(value AS BIGINT) < ?",
                (str(upto), upto),
            )
            self._state.on_commit(partial(self._hand, partial(self.live.trim, upto)))
        return gone

    def newest(self, kind: str) -> LogEntry | None:
        """The last entry of a kind."""
        row = self._newest_row(kind)
        return None if row is None else _entry(row)

    def newest_text(self, kind: str) -> tuple[int, str] | None:
        """The number and the JSON of the last entry of a kind."""
        row = self._newest_row(kind)
        return None if row is None else (row[0], row[3])

    def _newest_row(self, kind: str) -> tuple[int, float, str, str] | None:
        row: tuple[int, float, str, str] | None = self._database.execute(
            "SELECT seq, at, kind, body FROM log WHERE kind = ? ORDER BY seq DESC LIMIT 1", (kind,)
        ).fetchone()
        return row

    @property
    def generation(self) -> int:
        """The number of the newest configuration; 0 before the first."""
        row = self._database.execute(
            "SELECT max(seq) FROM log WHERE kind = ?", (LogEntryKind.CONFIG,)
        )
        return row.fetchone()[0] or 0

    @property
    def last_seq(self) -> int:
        """The number of the newest entry; 0 when there is none."""
        return self._database.last_seq


def _items(entry: LogEntry) -> Iterator[tuple[str, str]]:
    """The distribution and kind of each item of an invalidation."""
    if entry.kind == LogEntryKind.INVALIDATION:
        distribution = entry.body.get("distribution", "")
        for kind, _ in entry.body.get("items", ()):
            yield distribution, kind


def publish_config(log: ControlLog, config: Config, by: Authorship = UNASKED) -> int:
    """Publish `config` unless it was published last; gives its generation."""
    text = msgspec.json.encode(_with_own_defaults(config)).decode()
    newest = log.newest_text(LogEntryKind.CONFIG)
    if newest is not None and newest[1] == text:
        return newest[0]
    return log.append_text(LogEntryKind.CONFIG, text, None, by)


def _entry(row: tuple[int, float, str, str]) -> LogEntry:
    seq, at, kind, body = row
    return LogEntry(seq, at, kind, msgspec.json.decode(body, type=dict[str, Any]))


def _with_own_defaults(piece: M) -> M:
    """The same, each part that equals its default being that: only such are left out of JSON.

    So that a node of the former release is told of no setting that is not in use.
    """
    changes: dict[str, Any] = {}
    for field in structs.fields(type(piece)):
        value = getattr(piece, field.name)
        if field.name == "locations":
            changes[field.name] = tuple(map(_with_own_defaults, value))
        elif value == field.default:
            changes[field.name] = field.default
        elif isinstance(value, Model):
            changes[field.name] = _with_own_defaults(value)
    return structs.replace(piece, **changes)
