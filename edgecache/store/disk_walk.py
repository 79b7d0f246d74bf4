"""A walk over a disk. Law: what an invalidation names goes; what is left was checked against it.

Marks on disk are never raised one by one: once every row was looked at, one number says for all of
them how far they were checked, and the log may forget what stands below it.
"""

from __future__ import annotations

from collections.abc import Iterable

from edgecache.store.disk import DiskStore
from edgecache.store.disk_changes import Change, Checked, Forget, Keep
from edgecache.store.entry import Entry
from edgecache.store.marks import Marks

ROWS_PER_STEP = 200  # two milliseconds of the event loop


class DiskWalk:
    """Checks everything on a disk against the invalidations its process knows."""

    def __init__(self, disk: DiskStore, marks: Marks) -> None:
        self._disk = disk
        self._marks = marks

    async def check(self, target: int) -> bool:
        """Check all that is stored up to the mark `target`; False when the disk does not help.

        Nothing below `target` is under way. May be cancelled, and begun again.
        """
        if self._disk.checked >= target:
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
            after = some[-1][0]
        self._disk.amend([Checked(self._marks.spell(target))])
        await self._disk.settled()
        return self._disk.checked >= target

    def _judged(self, rows: Iterable[tuple[int, Entry | None, bytes]]) -> Iterable[Change]:
        for row_id, entry, mark in rows:
            if entry is None:
                yield Forget(row_id)
                continue
            self._disk.mark(entry, mark)
            stale_from = entry.stale_from
            if not self._marks.stands(entry):
                yield Forget(row_id)
            elif entry.stale_from != stale_from:
                yield Keep(entry, self._marks.spell(entry.told_mark), row_id)
