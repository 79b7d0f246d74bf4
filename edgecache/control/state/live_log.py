"""Log of control in memory: what nodes are told of it, and their long polls.

Law: telling it, and granting the lease that comes with it, wait for no disk. It learns of an entry
once that is on disk; until then nodes are told, and get their leases, up to the number before it,
and nothing beyond is Completed.
"""

from __future__ import annotations

import asyncio
import contextlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from edgecache.cluster.log_entries import OURS, LogEntry, LogEntryKind, LogPage
from edgecache.control.state.database import EntryNumber
from edgecache.control.state.live_configuration import LiveConfiguration

PAGE_ENTRIES_MAX = 100  # the default MaxItems of CloudFront's list calls
PAGE_BYTES_MAX = 4 * 1024 * 1024  # four bodies of the API at their longest; one entry always fits
MARKS_KEPT = 4_096  # of the newest entries, for nodes that come from another control
NEWEST_ALONE = frozenset({LogEntryKind.RESET, LogEntryKind.CLOCK})
"""Kinds of which nodes are told the newest alone, as of configurations."""
CONFIGURATIONS = frozenset({LogEntryKind.CONFIG, LogEntryKind.CONFIG_CHANGE})
CHANGES_MAX = 16  # of one store or zone: more than come while a node is asking
GONE_MAX = 1_000  # zones: who heard nothing while so many were removed asks which there are
CHANGES_BYTES_MAX = 131_072  # of one store, beside the newest; CloudFront's updates have 75 KB


def _tell_nobody(_seq: int) -> None: ...


class LiveVersions:
    """Changes of what has versions (key value stores, zones), in order, with their bytes as JSON.

    `named`: the member of a body that says which one it is of. Of each the newest is told, so that
    who holds a former version knows; of those before it as many as are cheap to keep, so that nodes
    follow without asking for all of it. Of those that are gone, the newest `gone_max` are told.
    """

    def __init__(self, named: str, *, gone_max: int = 0) -> None:
        self._named, self._gone_max = named, gone_max
        self._entries: list[tuple[LogEntry, int]] = []

    def append(self, entry: LogEntry, size: int) -> None:
        """The next entry. What led to a whole new version, or to none, is of no use any more."""
        store, body = entry.body.get(self._named), entry.body
        former = [] if body.get("whole") or body.get("gone") else self._of(store)
        kept, left = {entry.seq}, CHANGES_BYTES_MAX
        for one, its_size in reversed(former[-(CHANGES_MAX - 1) :]):
            left -= its_size
            if left < 0:
                break
            kept.add(one.seq)
        self._entries.append((entry, size))
        self._entries = [
            (one, its_size)
            for one, its_size in self._entries
            if one.body.get(self._named) != store or one.seq in kept
        ]
        if body.get("gone"):
            gone = [one.seq for one, _ in self._entries if one.body.get("gone")]
            over = {*gone[: max(0, len(gone) - self._gone_max)]}
            self._entries = [pair for pair in self._entries if pair[0].seq not in over]

    def _of(self, store: object) -> list[tuple[LogEntry, int]]:
        return [pair for pair in self._entries if pair[0].body.get(self._named) == store]

    def after(self, seq: int) -> Sequence[tuple[LogEntry, int]]:
        """Those that follow number `seq`."""
        return self._entries[bisect_right(self._entries, seq, key=lambda pair: pair[0].seq) :]


class LiveLog:
    """The log `epoch` in memory, for nodes: the newest configuration, invalidations that they have
    yet to sweep, and changes of key value stores and zones.

    Changed and waited for on the loop; its numbers may be read from any thread.
    """

    def __init__(self, epoch: str, floor: int, last_seq: int) -> None:
        self.epoch = epoch
        self.floor = floor
        self.last_seq = last_seq  # the number of the newest entry; 0 when there is none
        self.on_growth: Callable[[int], None] = _tell_nobody  # called with each newer number
        self.bytes = 0  # of the entries as JSON; the next two have bounds of their own
        self.versions: dict[str, LiveVersions] = {
            LogEntryKind.KEY_VALUES: LiveVersions("store"),
            LogEntryKind.DNS_ZONE: LiveVersions("zone", gone_max=GONE_MAX),
        }
        self.configuration = LiveConfiguration()
        self.items: Counter[tuple[str, str]] = Counter()  # by distribution and kind of item
        self._seqs: list[int] = []  # in order; beside them the entries and their sizes
        self._entries: list[tuple[LogEntry, int]] = []
        self._marks: dict[int, str] = {}  # of the newest entries, in order
        self._closed = False
        self._grown = asyncio.Event()  # replaced at each entry, so that every waiter sees its own

    @property
    def invalidations(self) -> int:
        """How many are told."""
        return len(self._seqs)

    @property
    def entries(self) -> Sequence[tuple[LogEntry, int]]:
        """What is told but of configurations and versions, in order, each with its bytes."""
        return self._entries

    @property
    def config(self) -> LogEntry | None:
        """The newest configuration, whole; its body is the text of it."""
        return self.configuration.whole()[0] if self.configuration.generation else None

    @property
    def generation(self) -> int:
        """The number of the newest configuration; 0 before the first."""
        return self.configuration.generation

    def mark_of(self, seq: int) -> str:
        """The mark of an entry, among the newest MARKS_KEPT; empty when it is not known."""
        return self._marks.get(seq, "")

    def remember(self, numbers: Iterable[EntryNumber]) -> None:
        """Marks of entries, in order, also of those that are told no more: all up to them is known.

        What is no more in the log by now is not told to nodes either.
        """
        for seq, mark in numbers:
            self._marks[seq] = mark
            self.last_seq = max(self.last_seq, seq)
        while len(self._marks) > MARKS_KEPT:
            del self._marks[next(iter(self._marks))]
        self.on_growth(self.last_seq)
        self._wake()

    def append(self, entry: LogEntry, size: int, mark: str = "") -> None:
        """The next entry, of so many bytes as JSON; it is on disk."""
        if entry.kind in NEWEST_ALONE:
            self._keep(lambda one: one.kind != entry.kind, len(self._seqs))
        versions = self.versions.get(entry.kind)
        if entry.kind in CONFIGURATIONS:
            self.configuration.append(entry, size)
        elif versions is not None:
            versions.append(entry, size)
        elif entry.kind != LogEntryKind.WRITE:
            self._seqs.append(entry.seq)
            self._entries.append((entry, size))
            self.bytes += size
        self.items = self.items + Counter(_items(entry))  # another: a thread may look at this one
        self.last_seq = max(self.last_seq, entry.seq)
        self.remember([EntryNumber(entry.seq, mark)] if mark else [])

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
        """How many with numbers up to `seq` are told of invalidations."""
        return bisect_right(self._seqs, seq)

    def after(self, seq: int, limit: int = PAGE_ENTRIES_MAX, held: int = 0) -> LogPage:
        """The entries that follow number `seq`, in order, at most `limit`.

        Of configurations only the newest: a node that starts must not pass through former ones.
        `held` is the one that a node has, if it knows changes: it is told what has changed since.
        """
        first, most = bisect_right(self._seqs, seq), min(limit, PAGE_ENTRIES_MAX)
        others = [*self._versions_after(seq), *self.configuration.after(seq, held)]
        next_ones = [*self._entries[first : first + most], *others]
        if others:
            next_ones.sort(key=lambda pair: pair[0].seq)
        entries: list[LogEntry] = []
        left = PAGE_BYTES_MAX
        for entry, size in next_ones[:most]:
            left -= size
            if entries and left < 0:
                break
            entries.append(entry)
        whole = len(entries) == len(self._seqs) - first + len(others)
        upto = self.last_seq if whole else entries[-1].seq
        return LogPage(
            entries, self.last_seq, upto, self.epoch, self.floor, OURS.protocol, OURS.release,
            mark=self.mark_of(upto),
        )  # fmt: skip

    def _versions_after(self, seq: int) -> list[tuple[LogEntry, int]]:
        found = [pair for one in self.versions.values() for pair in one.after(seq)]
        return sorted(found, key=lambda pair: pair[0].seq)

    def of_another_history(self, mark: str) -> LogPage:
        """What a node is told that was told an entry which is not in this log: to begin anew."""
        return LogPage(
            [], self.last_seq, 0, f"{self.epoch}-{mark}", self.floor, OURS.protocol, OURS.release
        )

    async def wait(self, after: int, timeout_s: float, held: int = 0) -> LogPage:
        """As `after`, but when there is nothing yet, wait for it at most `timeout_s` seconds.

        Does not wait when `after` is beyond the newest entry: who asks follows another log.
        """
        if timeout_s > 0 and not self._closed and after == self.last_seq:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._grown.wait()
            except TimeoutError:
                pass
        return self.after(after, held=held)

    async def reach(self, seq: int, timeout_s: float) -> bool:
        """Wait at most so long until number `seq` is told; whether it is."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self.last_seq < seq and not self._closed:
                    await self._grown.wait()
        return self.last_seq >= seq

    def close(self) -> None:
        """End every wait, now and later: control is about to end."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        self._grown.set()
        self._grown = asyncio.Event()


def _items(entry: LogEntry) -> Iterator[tuple[str, str]]:
    """The distribution and kind of each item of an invalidation."""
    if entry.kind == LogEntryKind.INVALIDATION:
        distribution = entry.body.get("distribution", "")
        for kind, _ in entry.body.get("items", ()):
            yield distribution, kind
