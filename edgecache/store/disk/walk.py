"""Check of a whole disk against invalidations and releases.

Law: what an invalidation names goes; what is left was checked against it.

Marks on disk are never raised one by one: once every row was looked at, one number says for all of
them how far they were checked, and the log may forget what stands below it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from edgecache.rules.invalidation.releases import ReleaseState as Becoming
from edgecache.store.disk.engine import DiskHead
from edgecache.store.disk.pending_changes import (
    Change,
    ForgetEntry,
    FormerRow,
    KeepEntry,
    RecheckedEntry,
)
from edgecache.store.disk.store import DiskStore
from edgecache.store.invalidation import InvalidationState

ROWS_PER_STEP = 200  # two milliseconds of the event loop


class DiskWalk:
    """Checks everything on a disk against the invalidations its process knows, and `becomes`:
    what the releases of now make of a key."""

    def __init__(
        self, disk: DiskStore, marks: InvalidationState, becomes: Callable[[bytes], Becoming]
    ) -> None:
        self._disk = disk
        self._marks = marks
        self._becomes = becomes

    async def check(self, target: int, *, releases: bool = False) -> bool:
        """Check all that is stored up to the mark `target`; False when the disk does not help.

        `releases`: they have changed. Nothing below `target` is under way. May be cancelled, and
        begun again.
        """
        if self._disk.checked >= target and not releases:
            return True  # by the process before this one
        await self._disk.sift_waiting(self._marks.stands)
        after = 0
        while True:
            some = await self._disk.heads(after, ROWS_PER_STEP)
            if some is None:
                return False
            if not some:
                break
            self._disk.amend([*self._judged(some)])
            after = some[-1].id
        self._disk.amend([RecheckedEntry(self._marks.spell(target))])
        await self._disk.settled()
        return self._disk.checked >= target

    def _judged(self, rows: Iterable[DiskHead]) -> Iterable[Change]:
        for row in rows:
            entry = row.entry
            if entry is None:
                yield ForgetEntry(row.id)
                continue
            self._disk.mark(entry, row.mark)
            stale_from, becomes = entry.stale_from, self._becomes(entry.key)
            if becomes is Becoming.DELETED or not self._marks.stands(entry):
                yield ForgetEntry(row.id)
                continue
            if entry.stale_from is not None and entry.stale_from != stale_from:
                mark, due = self._marks.spell(entry.told_mark), int(entry.stale_from)
                yield KeepEntry(entry, mark, row.id, due)
            elif row.former is not (becomes is Becoming.FORMER):
                yield FormerRow(row.id, not row.former)
