"""Ordered log of control. Law: an entry that was given a number is on disk, and never changes.

Here is what is on disk; `live_log.py` is what nodes are told of it. What other controls append to
the same database is told like what this one does, in one order.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, TypeVar

import msgspec
from msgspec import structs

from edgecache.cluster.configuration_change import (
    ConfigurationChange,
    ConfigurationText,
    TextChange,
)
from edgecache.cluster.log_entries import LogEntry, LogEntryKind
from edgecache.config.base import Model
from edgecache.config.model import Config
from edgecache.control.state.database import UNASKED, Authorship, EntryNumber, StateDatabase
from edgecache.control.state.live_log import CONFIGURATIONS, MARKS_KEPT, LiveLog

CONFIGS_KEPT = 20  # whole former ones, for people to look at; nodes read the newest alone
CHANGED_BYTES_MIN = 256 * 1024  # of changes after a whole configuration, or as many as that has
_OF_NEWEST = (  # rows that the newest configuration is made of, in order
    "kind IN ('config', 'config-change')"
    " AND seq >= (SELECT max(seq) FROM log WHERE kind = 'config')"
)
WRITES_KEPT_S = 60.0  # of those no node is told of; who else follows the log reads it each second

M = TypeVar("M", bound=Model)

LoopCall = Callable[[Callable[[], None]], None]
"""Has something done on the loop, after all that was handed over before."""


def _call_inline(done: Callable[[], None]) -> None:
    done()


class ControlLog:
    """Entries numbered from 1 upward, kept in the state and used from its thread.

    `live` is what nodes are told of it, on the loop: `hand` takes there what is on disk, whichever
    control wrote it.
    """

    def __init__(
        self, state: StateDatabase, clock: Callable[[], float], hand: LoopCall = _call_inline
    ) -> None:
        self._state = state
        self._database = state
        self._clock = clock
        self.hand = hand
        self._floor, self._handed = int(self._told("floor")), self.last_seq
        self.live = LiveLog(str(self._told("epoch")), self._floor, self._handed)
        self.live.remember(reversed(self._numbers("ORDER BY seq DESC LIMIT ?", MARKS_KEPT)))
        for row in self._database.execute(
            "SELECT seq, at, kind, body FROM log WHERE kind = 'invalidation'"
            " OR kind = 'key-values' OR kind = 'dns-zone'"
            f" OR ({_OF_NEWEST}) ORDER BY seq"
        ):
            self.live.append(_told_entry(row), len(row[3]))
        self._sizes = self._read_sizes()
        state.on_change(("log", "told"), self._follow)

    def now(self) -> float:
        """The time that the next entry would have (epoch seconds)."""
        return self._clock()

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
            seq, mark = self._database.add_entry(*row, by)
            if beside is not None:
                beside(seq)
            if kind == LogEntryKind.CONFIG:
                self._drop_former_configs()
            self._state.on_commit(partial(self._tell, _told_entry((seq, *row)), len(text), mark))
        return seq

    def append_change(self, change: ConfigurationChange, by: Authorship) -> int | None:
        """Publish what follows from the newest configuration by `change`; gives its generation.

        None: it is time for the whole, since reading the newest takes all changes from there on.
        """
        text = msgspec.json.encode(change).decode()
        whole, changed = self._sizes
        if changed + len(text) > max(whole, CHANGED_BYTES_MIN):
            return None
        return self.append_text(LogEntryKind.CONFIG_CHANGE, text, None, by)

    def _read_sizes(self) -> tuple[int, int]:
        """The bytes of the newest whole configuration, and of all changes since."""
        rows = self._database.execute(f"SELECT kind, length(body) FROM log WHERE {_OF_NEWEST}")
        sizes = Counter[str]()
        for kind, size in rows:
            sizes[kind] += size
        return sizes[LogEntryKind.CONFIG], sizes[LogEntryKind.CONFIG_CHANGE]

    def _tell(self, entry: LogEntry, size: int, mark: str) -> None:
        self._handed = entry.seq
        if entry.kind == LogEntryKind.CONFIG:
            self._sizes = size, 0
        elif entry.kind == LogEntryKind.CONFIG_CHANGE:
            self._sizes = self._sizes[0], self._sizes[1] + size
        self.hand(partial(self.live.append, entry, size, mark))

    def _follow(self) -> None:
        """Tell what other controls have appended and trimmed, in order."""
        after, last_seq = self._handed, self.last_seq
        numbers = self._numbers("WHERE seq > ? ORDER BY seq", after)
        rows = self._database.execute(
            "SELECT seq, at, kind, body FROM log WHERE seq > ? ORDER BY seq", (after,)
        ).fetchall()
        floor = int(self._told("floor"))
        marks = {number.seq: number.mark for number in numbers}
        for row in rows:
            self._tell(_told_entry(row), len(row[3]), marks.get(row[0], ""))
        self._handed = last_seq
        self.hand(partial(self.live.remember, numbers))
        if floor > self._floor:
            self._trimmed(floor)

    def _numbers(self, which: str, value: int) -> list[EntryNumber]:
        rows = self._database.execute(f"SELECT seq, mark FROM changes {which}", (value,))
        return [EntryNumber(int(seq), str(mark)) for seq, mark in rows]

    def mark_of(self, seq: int) -> str:
        """The mark of an entry as the database has it; empty when it has none."""
        found = self._numbers("WHERE seq = ?", seq)
        return found[0].mark if found else ""

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
            "DELETE FROM log WHERE kind IN ('config', 'config-change') AND seq <="
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
            self._state.on_commit(partial(self._trimmed, upto))
        return gone

    def _trimmed(self, upto: int) -> None:
        self._floor = max(self._floor, upto)
        self.hand(partial(self.live.trim, upto))

    def newest(self, kind: str) -> LogEntry | None:
        """The last entry of a kind; of configurations the newest, as a whole."""
        row = self._newest_row(kind)
        return None if row is None else _entry(row)

    def newest_text(self, kind: str) -> tuple[int, str] | None:
        """The number and the JSON of the last entry of a kind, as `newest`."""
        row = self._newest_row(kind)
        return None if row is None else (row[0], row[3])

    def _newest_config_row(self) -> tuple[int, float, str, str] | None:
        rows = self._database.execute(
            f"SELECT seq, at, kind, body FROM log WHERE {_OF_NEWEST} ORDER BY seq"
        ).fetchall()
        if not rows:
            return None
        seq, at, _, _ = rows[-1]
        text = configuration_text(body for _, _, _, body in rows)
        return seq, at, LogEntryKind.CONFIG, text

    def _newest_row(self, kind: str) -> tuple[int, float, str, str] | None:
        if kind == LogEntryKind.CONFIG:
            return self._newest_config_row()
        row: tuple[int, float, str, str] | None = self._database.execute(
            "SELECT seq, at, kind, body FROM log WHERE kind = ? ORDER BY seq DESC LIMIT 1", (kind,)
        ).fetchone()
        return row

    @property
    def generation(self) -> int:
        """The number of the newest configuration; 0 before the first."""
        row = self._database.execute(
            "SELECT max(seq) FROM log WHERE kind IN (?, ?)",
            (LogEntryKind.CONFIG, LogEntryKind.CONFIG_CHANGE),
        )
        return row.fetchone()[0] or 0

    @property
    def last_seq(self) -> int:
        """The number of the newest entry; 0 when there is none."""
        return self._database.last_seq


def publish_config(log: ControlLog, config: Config, by: Authorship = UNASKED) -> int:
    """Publish `config` unless it was published last; gives its generation."""
    text = msgspec.json.encode(_with_own_defaults(config)).decode()
    newest = log.newest_text(LogEntryKind.CONFIG)
    if newest is not None and newest[1] == text:
        return newest[0]
    return log.append_text(LogEntryKind.CONFIG, text, None, by)


def configuration_text(bodies: Iterable[str]) -> str:
    """The JSON of a configuration: the first of `bodies` is a whole one, the others change it."""
    first, *changes = bodies
    text = ConfigurationText(first.encode())
    for body in changes:
        text.apply(msgspec.json.decode(body, type=TextChange))
    return text.text.decode()


def _told_entry(row: tuple[int, float, str, str]) -> LogEntry:
    """As nodes are told it: what of a configuration is told is not read by control."""
    seq, at, kind, body = row
    if kind in CONFIGURATIONS:
        return LogEntry(seq, at, kind, msgspec.Raw(body.encode()))
    return _entry(row)


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
