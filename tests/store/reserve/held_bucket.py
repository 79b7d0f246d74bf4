"""A bucket in memory that does at once what it is asked for, fails, or waits until it is let go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from edgecache.config.caches import Reserve
from edgecache.config.secrets import KeyPair
from edgecache.store.memory_account import MemoryAccount
from edgecache.store.reserve.bucket import BucketError, ReserveBucket
from edgecache.upstream.endpoint import Network
from edgecache.upstream.pool import Pool
from edgecache.upstream.resolver import LookupThreads, NameResolver

_T = TypeVar("_T")
PAIR = KeyPair("AKIDRESERVE", "a/secret+of/the=store")
SETTINGS = Reserve(endpoint="http://store.test", bucket="media", object_bytes_min=0, fresh_s_min=50)


def at_once(work: Callable[[], _T], /) -> Awaitable[_T]:
    """A thread that is none."""

    async def call() -> _T:
        return work()

    return call()


class HeldBucket(ReserveBucket):
    """Objects by name. `asked` are the requests in order, `METHOD name`."""

    def __init__(self, settings: Reserve = SETTINGS) -> None:
        self.settings = settings
        self.objects: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.failing = ""
        self.holding = False
        self.account = MemoryAccount(1 << 30)
        self._gates: list[asyncio.Future[None]] = []
        nowhere = Pool(Network(NameResolver(LookupThreads(), lambda: 0.0)), lambda: 0.0)
        super().__init__(settings, nowhere, lambda: PAIR, lambda: 0.0, self.account)

    async def get(self, name: str, bytes_max: int) -> bytes | None:
        await self._ask_for("GET", name)
        data = self.objects.get(name)
        assert data is None or len(data) <= bytes_max
        return data

    async def put(self, name: str, data: bytes, sha256: str) -> None:
        await self._ask_for("PUT", name)
        self.objects[name] = data

    async def delete(self, name: str) -> None:
        await self._ask_for("DELETE", name)
        self.objects.pop(name, None)

    async def _ask_for(self, method: str, name: str) -> None:
        self.asked.append(f"{method} {name}")
        if self.failing:
            raise BucketError(self.failing)
        if self.holding:
            gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._gates.append(gate)
            await gate

    def let_go(self) -> None:
        """What waits goes on, and nothing waits any more."""
        self.holding = False
        gates, self._gates = self._gates, []
        for gate in gates:
            if not gate.done():
                gate.set_result(None)

    def methods(self) -> list[str]:
        """What it was asked to do since the last look."""
        asked, self.asked = self.asked, []
        return [one.partition(" ")[0] for one in asked]
