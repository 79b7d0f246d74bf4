"""Invalidations on disk: accepted, listed, Completed. Law: accepted is on disk; Completed is true.

CloudFront API, CreateInvalidation, GetInvalidation, ListInvalidations. The numbers are the log's,
one order for all distributions, so that Completed of one implies Completed of all before it.
"""

from __future__ import annotations

import base64
import sqlite3
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from edgecache.cluster.log_entries import LogEntry, LogEntryKind
from edgecache.control.nodes.barrier import Barrier
from edgecache.control.nodes.control_group import ControlGroup
from edgecache.control.state.database import UNASKED, Authorship, StateDatabase
from edgecache.control.state.live_log import LiveLog
from edgecache.control.state.log import ControlLog
from edgecache.rules.invalidation.items import Item, ItemKind
from edgecache.rules.invalidation.matcher import GLOBS_MAX

ITEMS_MAX = 3_000  # CloudFront's quota for files in progress: in one batch never more
WILDCARDS_IN_PROGRESS_MAX = 15  # CloudFront's quota
LIVE_MAX = 20_000  # told to each node that starts; more wait for the sweep of the nodes
LIVE_BYTES_MAX = 64 * 1024 * 1024  # kept in memory; five batches of CloudFront's longest paths
LIVE_ITEMS_MAX = 100_000  # as many as nodes remember for a disk that does not answer: 20 MB
KEPT_MAX = 10_000  # of one distribution, the newest; older ones are no longer listed
HISTORY_SHARE = 1 / 2  # of each of these bounds, for a reserve
HISTORY_LEFT = 1 / 2  # of that, once it is reached: it is not looked through at each new one
LIST_MAX = 100  # CloudFront's most for MaxItems
_COLUMNS = "seq, id, distribution, caller_reference, created_at, items, soft, completed_at"


class ReferenceTakenError(Exception):
    """The caller reference names another invalidation of the distribution, with other items."""


class TooManyInvalidationsError(Exception):
    """More in progress than is allowed: the message says of what, and the bound."""


@dataclass(frozen=True, slots=True)
class InvalidationRequest:
    """Items an operator wants invalidated, and the caller reference."""

    distribution: str
    items: tuple[Item, ...]
    caller_reference: str
    soft: bool = False


@dataclass(frozen=True, slots=True)
class InvalidationRecord:
    """An invalidation. Times are epoch seconds; `completed_at` None: in progress."""

    seq: int
    id: str
    distribution: str
    caller_reference: str
    created_at: float
    items: tuple[Item, ...]
    soft: bool
    completed_at: float | None

    @property
    def status(self) -> str:
        """CloudFront's word."""
        return "InProgress" if self.completed_at is None else "Completed"

    @property
    def paths(self) -> tuple[str, ...]:
        """The items as CloudFront writes them; those beyond CloudFront as `kind:value`."""
        return tuple(item_text(kind, value) for kind, value in self.items)


class Invalidations:
    """The invalidations of one installation. Used from the state's thread, but for `wait`.

    `clock` gives epoch seconds, `random` so many random bytes. With `quotas` CloudFront's hold.
    """

    def __init__(
        self,
        state: StateDatabase,
        log: ControlLog,
        barrier: Barrier | ControlGroup,
        clock: Callable[[], float],
        random: Callable[[int], bytes],
    ) -> None:
        self._database = state
        self._log = log
        self._barrier = barrier
        self._clock = clock
        self._random = random

    def create(
        self, wanted: InvalidationRequest, by: Authorship = UNASKED, *, quotas: bool = False
    ) -> tuple[InvalidationRecord, bool]:
        """Accept one: it is on disk when this returns. False: it was accepted before.

        ReferenceTakenError, TooManyError; sqlite3.Error: nothing was accepted.
        """
        with self._database.writing():  # so that no other control accepts it meanwhile
            before = self._by_reference(wanted)
            if before is None:
                made = self._create(wanted, by, quotas=quotas)
            elif (before.items, before.soft) != (wanted.items, wanted.soft):
                raise ReferenceTakenError(wanted.caller_reference)
        if before is not None:
            return before, False
        record = self.get(wanted.distribution, made)
        assert record is not None
        return record, True

    def _create(self, wanted: InvalidationRequest, by: Authorship, *, quotas: bool) -> str:
        """Inside `writing`: accept one that is new; its id."""
        self._refuse_too_many(wanted, quotas=quotas)
        made = "I" + base64.b32encode(self._random(10)).decode()[:13]
        items = msgspec.json.encode(wanted.items).decode()
        body = {
            "id": made,
            "distribution": wanted.distribution,
            "items": msgspec.json.decode(items),
            "soft": wanted.soft,
        }
        now = self._clock()

        def keep(seq: int) -> None:
            self._database.execute(
                f"INSERT INTO invalidations ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
                (
                    seq,
                    made,
                    wanted.distribution,
                    wanted.caller_reference,
                    now,
                    items,
                    int(wanted.soft),
                ),
            )
            self._forget(wanted.distribution)

        self._log.append(LogEntryKind.INVALIDATION, body, keep, by)
        return made

    def get(self, distribution: str, name: str) -> InvalidationRecord | None:
        """The one with this id, its status as of now."""
        self.complete_applied()
        records = self._select("WHERE distribution = ? AND id = ?", (distribution, name))
        return records[0] if records else None

    def page(
        self, distribution: str, before: str = "", most: int = LIST_MAX
    ) -> list[InvalidationRecord]:
        """The newest first, after the one with id `before`; one more than `most` when there is."""
        self.complete_applied()
        bound = "AND seq < (SELECT seq FROM invalidations WHERE id = ?)" if before else ""
        values = (distribution, before) if before else (distribution,)
        return self._select(
            f"WHERE distribution = ? {bound} ORDER BY seq DESC LIMIT ?", (*values, most + 1)
        )

    def complete_applied(self) -> None:
        """Mark what every node has applied as Completed, on disk, before anybody is told."""
        rows = self._database.execute(
            "SELECT seq FROM invalidations WHERE completed_at IS NULL ORDER BY seq"
        ).fetchall()
        if rows and isinstance(self._barrier, ControlGroup):
            self._barrier.refresh()
        done = 0
        for (seq,) in rows:
            # What nodes are not told of yet is not Completed: leases are still given without it.
            if seq > self._log.live.last_seq or not self._barrier.applied_everywhere(seq):
                break
            done = seq
        if done:
            self._database.execute(
                "UPDATE invalidations SET completed_at = ? WHERE completed_at IS NULL AND seq <= ?",
                (self._clock(), done),
            )

    async def wait(self, record: InvalidationRecord, timeout_s: float) -> bool:
        """Wait on the loop, at most so long, until it can be Completed; whether that is so."""
        if record.completed_at is not None:
            return True
        return await self._barrier.wait(record.seq, timeout_s)

    def waiting_for(self, record: InvalidationRecord) -> list[str]:
        """The nodes that may serve what it removes still."""
        return self._barrier.waiting_for(record.seq)

    def lately(self, since: float, open_max: int, completed_max: int) -> list[InvalidationRecord]:
        """Those of all distributions in progress, the oldest first, then those Completed since
        then (epoch seconds), the newest first, of so many that came last.
        """
        self.complete_applied()
        going = self._select("WHERE completed_at IS NULL ORDER BY seq LIMIT ?", (open_max,))
        newest = "(SELECT seq FROM invalidations ORDER BY seq DESC LIMIT ?)"
        done = f"WHERE seq IN {newest} AND completed_at >= ? ORDER BY seq DESC"
        return going + self._select(done, (completed_max, since))

    def in_progress(self, distribution: str) -> list[InvalidationRecord]:
        """Those not Completed, the oldest first."""
        self.complete_applied()
        return self._select(
            "WHERE distribution = ? AND completed_at IS NULL ORDER BY seq", (distribution,)
        )

    def _refuse_too_many(self, wanted: InvalidationRequest, *, quotas: bool) -> None:
        if len(wanted.items) > ITEMS_MAX:
            raise TooManyInvalidationsError(f"more than {ITEMS_MAX} paths")
        live = self._log.live
        if live.invalidations >= LIVE_MAX or live.bytes > LIVE_BYTES_MAX:
            bound = f"more than {LIVE_MAX} invalidations or {LIVE_BYTES_MAX} bytes of them"
            raise TooManyInvalidationsError(f"{bound} that nodes have yet to sweep")
        _refuse_too_many_live(wanted, live.items)
        if not quotas:
            return
        open_items = [item for x in self.in_progress(wanted.distribution) for item in x.items]
        open_items += wanted.items
        if len(open_items) > ITEMS_MAX:
            raise TooManyInvalidationsError(f"more than {ITEMS_MAX} paths in progress")
        if sum(map(_is_wildcard, open_items)) > WILDCARDS_IN_PROGRESS_MAX:
            raise TooManyInvalidationsError(
                f"more than {WILDCARDS_IN_PROGRESS_MAX} wildcards in progress"
            )

    def _forget(self, distribution: str) -> None:
        self._database.execute(
            "DELETE FROM invalidations WHERE distribution = ? AND completed_at IS NOT NULL"
            " AND seq <= (SELECT seq FROM invalidations WHERE distribution = ?"
            " ORDER BY seq DESC LIMIT 1 OFFSET ?)",
            (distribution, distribution, KEPT_MAX),
        )

    def _by_reference(self, wanted: InvalidationRequest) -> InvalidationRecord | None:
        records = self._select(
            "WHERE distribution = ? AND caller_reference = ?",
            (wanted.distribution, wanted.caller_reference),
        )
        return records[0] if records else None

    def _select(self, clause: str, values: tuple[Any, ...]) -> list[InvalidationRecord]:
        query = f"SELECT {_COLUMNS} FROM invalidations {clause}"
        return [_record(row) for row in self._database.execute(query, values)]


def _refuse_too_many_live(wanted: InvalidationRequest, live: Mapping[tuple[str, str], int]) -> None:
    """Every node keeps them, and looks among them for whatever it stored before they came."""
    if sum(live.values()) + len(wanted.items) > LIVE_ITEMS_MAX:
        raise TooManyInvalidationsError(
            f"more than {LIVE_ITEMS_MAX} items that nodes have yet to sweep"
        )
    globs = live.get((wanted.distribution, ItemKind.GLOB), 0)
    globs += sum(kind is ItemKind.GLOB for kind, _ in wanted.items)
    if globs > GLOBS_MAX:
        raise TooManyInvalidationsError(f"more than {GLOBS_MAX} globs that nodes have yet to sweep")


def _record(row: sqlite3.Row | tuple[Any, ...]) -> InvalidationRecord:
    seq, name, distribution, reference, created_at, items, soft, completed_at = row
    read = msgspec.json.decode(items, type=tuple[tuple[ItemKind, str], ...])
    return InvalidationRecord(
        seq, name, distribution, reference, created_at, read, bool(soft), completed_at
    )


def item_text(kind: ItemKind, value: str) -> str:
    if kind is ItemKind.PATH:
        return value
    return f"#{value}" if kind is ItemKind.TAG else f"{kind}:{value}"


def _is_wildcard(item: Item) -> bool:
    kind, value = item
    return kind in (ItemKind.GLOB, ItemKind.PREFIX) or value.endswith("*")


def history_start(live: LiveLog, since: float) -> int:
    """The number up to which nothing is told for a reserve with objects from `since` (epoch s).

    A reserve is not walked over: what is in it can be judged only by the invalidations that came
    since it was written, and what is older than the log tells is fetched anew. So the log tells
    them though every node has swept them, and never so many that one would be refused.
    """
    entries = live.entries
    first = bisect_left(entries, since, key=lambda told: told[0].at)
    if _is_too_much(live, HISTORY_SHARE):
        first = max(first, _first_of_few(entries, HISTORY_SHARE * HISTORY_LEFT))
    older = (one for one, _ in reversed(entries[:first]) if one.kind == LogEntryKind.INVALIDATION)
    newest = next(older, None)  # a mark is the number of an invalidation
    return 0 if newest is None else newest.seq


def _is_too_much(live: LiveLog, share: float) -> bool:
    globs = (count for (_, kind), count in live.items.items() if kind == ItemKind.GLOB)
    return (
        live.invalidations > LIVE_MAX * share
        or live.bytes > LIVE_BYTES_MAX * share
        or sum(live.items.values()) > LIVE_ITEMS_MAX * share
        or max(globs, default=0) > GLOBS_MAX * share
    )


def _first_of_few(entries: Sequence[tuple[LogEntry, int]], share: float) -> int:
    """The index from which on the newest entries are within this share of every bound."""
    size, items, globs = 0, 0, Counter[str]()
    for index in range(len(entries) - 1, -1, -1):
        entry, entry_bytes = entries[index]
        named = entry.body.get("items", ())
        size += entry_bytes
        items += len(named)
        globs[entry.body.get("distribution", "")] += sum(kind == ItemKind.GLOB for kind, _ in named)
        if (
            len(entries) - index > LIVE_MAX * share
            or size > LIVE_BYTES_MAX * share
            or items > LIVE_ITEMS_MAX * share
            or max(globs.values(), default=0) > GLOBS_MAX * share
        ):
            return index + 1
    return 0
