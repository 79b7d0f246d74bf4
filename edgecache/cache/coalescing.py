"""Request coalescing (single flight). Law: one fetch for a key is under way, all others wait.

A flight ends in one of the ways of `FlightEnd`, and each who waits hears which.
"""

from __future__ import annotations

import asyncio
from enum import StrEnum

from cachetools import LRUCache
from msgspec import Struct

from edgecache.cache.fill import Fill
from edgecache.http.message import Request
from edgecache.upstream.faults import UpstreamError

UNCACHEABLE_S = 120.0  # Varnish's hit-for-miss: its default for what is not cacheable
UNCACHEABLE_KEYS_MAX = 10_000  # keys are chosen by strangers; 1.5 MB, as a number stands for each
UNCACHEABLE_BYTES = 150  # of one, with its place in the table


class FlightEnd(StrEnum):
    """How a flight ended for those who waited."""

    FILLING = "filling"  # the head is here, the body is coming: read along
    STORED = "stored"  # look again: the store has it
    STALE = "stale"  # upstream answered with an error: who may have a stale entry gets that
    UNCACHEABLE = "uncacheable"  # nothing to share: each asks for itself
    FAILED = "failed"  # upstream failed: one of the waiting may try again
    ABANDONED = "abandoned"  # the leader left before there was a head: another leads
    WAITED_TOO_LONG = "waited-too-long"  # this one asks for itself


class FlightResult(Struct, frozen=True):
    """A flight's end, with the fill or the error it brought."""

    ending: FlightEnd
    fill: Fill | None = None
    error: UpstreamError | None = None


class Flight:
    """One fetch under way, and who waits for it."""

    def __init__(self, key: bytes = b"", mark: int = 0, attempt: int = 1) -> None:
        self.key = key  # it began under; its errand may go on under another
        self.since = 0  # number of the last write as it began: see store.invalidation
        self.mark = mark  # what it may be joined for: see store.invalidation
        self.attempt = attempt  # 2 when it follows one that failed
        self.request: Request | None = None  # of a slice: it began for
        self.landing: FlightResult | None = None
        self.waiting: dict[asyncio.Future[FlightResult], None] = {}  # in the order they came

    async def join(self, wait_s_max: float) -> FlightResult:
        """Wait for the ending, at most so many seconds."""
        if self.landing is not None:
            return self.landing
        future: asyncio.Future[FlightResult] = asyncio.get_running_loop().create_future()
        self.waiting[future] = None
        try:
            async with asyncio.timeout(wait_s_max):
                return await future
        except TimeoutError:
            return FlightResult(FlightEnd.WAITED_TOO_LONG)
        finally:
            self.waiting.pop(future, None)

    def land(self, landing: FlightResult) -> None:
        """Tell everyone who waits."""
        self.landing = landing
        for future in self.waiting:
            if not future.done():
                future.set_result(landing)


class Flights:
    """The flights of one tier, by key."""

    def __init__(self) -> None:
        self._by_key: dict[bytes, Flight] = {}

    def get(self, key: bytes) -> Flight | None:
        """The flight for `key` that can be joined."""
        return self._by_key.get(key)

    def open(self, key: bytes, mark: int = 0, attempt: int = 1) -> Flight:
        """Begin a flight at `mark`. There is none for `key`."""
        assert key not in self._by_key
        flight = self._by_key[key] = Flight(key, mark, attempt)
        return flight

    def land(self, flight: Flight, landing: FlightResult) -> None:
        """End a flight's wait. It stays to be joined only while its body is coming."""
        flight.land(landing)
        if landing.ending is not FlightEnd.FILLING:
            self.close(flight)

    def close(self, flight: Flight) -> None:
        """Nobody can join it any more."""
        if self._by_key.get(flight.key) is flight:
            del self._by_key[flight.key]

    def lowest_mark(self, default: int) -> int:
        """The lowest mark of those under way, and of what begins now at `default`."""
        return min((default, *(flight.mark for flight in self._by_key.values())))

    def __len__(self) -> int:
        return len(self._by_key)


class UncacheableKeys:
    """Keys whose last answer could be neither stored nor shared, for a while; by their hashes.

    What of a key is asked with a viewer's own conditions then: nobody else could use the whole.
    Whoever is taken for such a key, by chance, gets a right answer all the same.
    """

    def __init__(self, keys_max: int = UNCACHEABLE_KEYS_MAX) -> None:
        self._until: LRUCache[int, float] = LRUCache(keys_max)
        self._met = False  # whether there ever was one: asked with every miss

    def add(self, key: bytes, now: float) -> None:
        """The answer that came at `now` (epoch seconds) was for one alone."""
        self._met = True
        self._until[hash(key)] = now + UNCACHEABLE_S

    def discard(self, key: bytes) -> None:
        """The newest answer is for all, or would have been."""
        if self._met:
            self._until.pop(hash(key), None)

    def has(self, key: bytes, now: float) -> bool:
        """Whether the next answer is likely to be for one alone, too."""
        return now < self._until.get(hash(key), 0.0)

    @property
    def size_bytes(self) -> int:
        """About what they take, in bytes."""
        return len(self._until) * UNCACHEABLE_BYTES

    def __len__(self) -> int:
        return len(self._until)
