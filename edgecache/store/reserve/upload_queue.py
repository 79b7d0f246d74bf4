"""Queue of what is to be written to the reserve or removed from it.

Law: nobody waits for it, and it is bounded in bytes and in number; what finds no room is told so.

Changes of one name are done in their order, one after the other; those of others side by side, a
few at once. A write that fails is given up: the object is fetched, and written, another time. A
removal that fails is tried again, as what it names may answer somebody else's request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from edgecache.rules.caching.vary import Selected
from edgecache.store.entry import Entry
from edgecache.store.memory_account import MemoryAccount, MemoryHolding

NAMES_MAX = 10_000  # that wait: heads of objects in blocks, and removals; 2 MB
RETRY_S = 5.0

Write = Callable[[Entry], Awaitable[None]]
Remove = Callable[[str], Awaitable[bool]]


class UploadQueue:
    """Changes by the name of what is under a key (`sealed_object.object_name`).

    `write` and `remove` do one and never raise; `remove` says if it is done.
    """

    def __init__(
        self,
        write: Write,
        remove: Remove,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        account: MemoryAccount,
    ) -> None:
        self.bytes_max = 0
        self.workers_max = 1
        self.waiting_bytes = 0
        self._write = write
        self._remove = remove
        self._spawn = spawn
        self._account = account
        self._waiting: dict[str, dict[Selected | None, Entry | None]] = {}  # None: remove
        self._running: set[str] = set()
        self._workers: set[asyncio.Task[None]] = set()
        self._retry: asyncio.TimerHandle | None = None
        self._closed = False

    def __len__(self) -> int:
        """Names that wait or are being written."""
        return len(self._waiting) + len(self._running)

    def add(self, name: str, entry: Entry) -> bool:
        """Have `entry` written; False when there is no room."""
        listed = self._waiting.get(name, {})
        size = len(entry.body)
        former = listed.get(entry.selected)
        freed = len(former.body) if former is not None else 0
        if self._closed or self.waiting_bytes + size - freed > self.bytes_max:
            return False
        if not listed and len(self._waiting) >= NAMES_MAX:
            return False
        self._hold(size - freed)
        self._waiting.setdefault(name, {})[entry.selected] = entry
        self._start()
        return True

    def remove(self, name: str) -> str | None:
        """Have `name` removed, before what is added later; a name that lost its place for it.

        What of it waits to be written is not.
        """
        for entry in self._waiting.pop(name, {}).values():
            self._hold(-_size(entry))
        pushed_out = None
        if len(self._waiting) >= NAMES_MAX:
            pushed_out = next(iter(self._waiting))
            for entry in self._waiting.pop(pushed_out).values():
                self._hold(-_size(entry))
        self._waiting[name] = {None: None}
        self._start()
        return pushed_out

    async def close(self) -> None:
        """Do what waits, and take nothing more."""
        self._closed = True
        self._start()
        while self._workers:
            await asyncio.wait([*self._workers])
        if self._retry is not None:
            self._retry.cancel()
        for changes in self._waiting.values():
            for entry in changes.values():
                self._hold(-_size(entry))
        self._waiting.clear()

    async def settled(self) -> None:
        """Wait until nothing is under way."""
        while self._workers:
            await asyncio.wait([*self._workers])

    def _start(self) -> None:
        if self._retry is None and len(self._workers) < self.workers_max and self._next():
            worker = self._spawn(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._ended)

    def _ended(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        if not worker.cancelled():
            self._start()

    def _next(self) -> str | None:
        """What has waited longest, of that which nothing is being done about."""
        return next((name for name in self._waiting if name not in self._running), None)

    async def _work(self) -> None:
        while self._retry is None and (name := self._next()) is not None:
            changes = self._waiting.pop(name)
            self._running.add(name)
            try:
                for selected, entry in [*changes.items()]:
                    if entry is not None:
                        await self._write(entry)
                    elif not await self._remove(name) and not self._closed:
                        self._put_back(name, changes)
                        changes = {}
                        break
                    del changes[selected]
                    self._hold(-_size(entry))
            finally:
                self._running.discard(name)
                for entry in changes.values():
                    self._hold(-_size(entry))

    def _put_back(self, name: str, changes: dict[Selected | None, Entry | None]) -> None:
        """A removal failed: it and what follows it wait, unless newer changes begin with one."""
        newer = self._waiting.pop(name, {})
        if None in newer:
            for entry in changes.values():
                self._hold(-_size(entry))
            changes = {}
        for selected, entry in newer.items():
            if (former := changes.pop(selected, None)) is not None:
                self._hold(-_size(former))
            changes[selected] = entry
        self._waiting[name] = changes
        if self._retry is None:
            self._retry = asyncio.get_running_loop().call_later(RETRY_S, self._try_again)

    def _try_again(self) -> None:
        self._retry = None
        self._start()

    def _hold(self, size: int) -> None:
        if size:
            self.waiting_bytes += size
            self._account.add(MemoryHolding.RESERVE, size)


def _size(entry: Entry | None) -> int:
    return 0 if entry is None else len(entry.body)
