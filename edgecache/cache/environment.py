"""Environment of a tier. Law: nothing in a tier reads a clock or starts a task on its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from edgecache.observe.counters import Counters
from edgecache.store.invalidation import InvalidationState
from edgecache.store.memory_account import MemoryAccount
from edgecache.store.reserve.store import ReserveStore


@dataclass(frozen=True, slots=True)
class TierEnvironment:
    """Clock, task spawner, counters, bounds, invalidation state and memory account of a tier."""

    clock: Callable[[], float]  # epoch seconds that never step back
    spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
    counters: Counters
    object_bytes_max: int  # a larger response passes through, and is not stored
    waiters_max: int  # of one flight; more are refused with 503
    marks: InvalidationState = field(default_factory=InvalidationState)  # known in this process
    block_bytes: int = 1024 * 1024  # of a slice: what is larger comes in slices, if it can
    cdn_id: bytes = b"cloudfront"  # our name in CDN-Loop
    account: MemoryAccount = field(default_factory=lambda: MemoryAccount(1 << 30))
    reserve: ReserveStore | None = None  # asked after the disk, and before upstream
