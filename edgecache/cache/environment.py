"""Environment of a tier, and names of its brand and node in what it sends.

Law: nothing in a tier reads a clock or starts a task on its own.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from edgecache.config.model import BRAND
from edgecache.observe.counters import Counters
from edgecache.store.invalidation import InvalidationState
from edgecache.store.memory_account import MemoryAccount
from edgecache.store.reserve.store import ReserveStore

PSEUDONYM_CHARS = 32


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


def product_name(brand: str) -> bytes:
    """What a brand calls itself in Server, Via and on pages."""
    return b"CloudFront" if brand == BRAND else brand.encode()


def via_pseudonym(node: str, brand: str) -> bytes:
    """What Via calls one of ours (RFC 9110 §7.6.3), by its location or its own name.

    CloudFront's are 32 letters and digits, whatever the location is called; so are ours then.
    """
    name = f"{node.lower()}.{brand}.net"
    if brand == BRAND:
        name = f"{hashlib.sha256(node.encode()).hexdigest()[:PSEUDONYM_CHARS]}.{brand}.net"
    elif node == brand:
        name = brand
    return b"%b (%b)" % (name.encode(), product_name(brand))
