"""Upstream failures, cached for a moment. Law: what just failed is not asked again at once.

CloudFront Developer Guide, "Control how long CloudFront caches errors": an origin that cannot be
reached, and one that answers 5xx while a stale copy is at hand, is left alone for
ErrorCachingMinTTL.
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import ref

from cachetools import LRUCache

from edgecache.cache.outcome import FetchErrand
from edgecache.rules.caching.error_caching import error_caching_s
from edgecache.rules.caching.storability import failure_is_of_object
from edgecache.rules.routing import Route
from edgecache.store.invalidation import InvalidationState
from edgecache.upstream.faults import OF_LAMBDA, Fault, UpstreamError

KEYS_MAX = 10_000  # keys are chosen by strangers; 2 MB, as a number stands for each
FAILURE_BYTES = 200  # of one, with its place in the table
_OF_THE_MOMENT = frozenset(
    {Fault.BUSY, Fault.LOOP, Fault.TRUNCATED, Fault.CHANGED, Fault.OPEN, Fault.PEER}
    | {Fault.MAINTENANCE}
    | OF_LAMBDA
)

# An origin may give them for what is wrong with a Range; who asks for all of it does not get them.
PERHAPS_FOR_A_RANGE = frozenset(
    {Fault.RESPONSE_TIMEOUT, Fault.CLOSED, Fault.MALFORMED, Fault.HEAD_TOO_BIG}
)


@dataclass(frozen=True, slots=True)
class CachedFailure:
    """How upstream failed: with a fault, or (None) with a 5xx that a stale copy stood in for."""

    fault: Fault | None
    where: str
    route: ref[Route]  # of one generation: a changed configuration is tried at once
    until: float  # epoch seconds
    mark: int  # of the asking that failed


class FailureCache:
    """Failures by the hash of their key; the least recently met is forgotten first."""

    def __init__(self, marks: InvalidationState, keys_max: int = KEYS_MAX) -> None:
        self._marks = marks
        self._by_hash: LRUCache[int, CachedFailure] = LRUCache(keys_max)
        self._met = False  # whether one was ever remembered: asked with every miss

    def known(self, errand: FetchErrand, now: float) -> CachedFailure | None:
        """The failure that still counts for `errand`."""
        failure = self._by_hash.get(hash(errand.key)) if self._met else None
        if failure is None or failure.route() is not errand.route or now >= failure.until:
            return None
        return failure if self._marks.passes(errand.key, failure.mark) else None

    def failed(self, errand: FetchErrand, error: UpstreamError, now: float, mark: int) -> None:
        """Upstream, asked at `mark`, gave nothing.

        Not remembered is trouble of our own, or of one body, and what the request may have caused.
        """
        if error.fault in _OF_THE_MOMENT:
            return
        if not error.sent or failure_is_of_object(errand.request, errand.route, error.status):
            until = self._until(errand, error.status, now)
            self._note(
                errand, CachedFailure(error.fault, error.where, ref(errand.route), until, mark)
            )

    def stood_in(self, errand: FetchErrand, status: int, now: float, mark: int) -> None:
        """Upstream answered with a 5xx, and a stale copy was given instead."""
        if not failure_is_of_object(errand.request, errand.route, status):
            return
        until = self._until(errand, status, now)
        self._note(errand, CachedFailure(None, "", ref(errand.route), until, mark))

    def answered(self, errand: FetchErrand) -> None:
        """Forget the failure: upstream has answered."""
        if self._met:
            self._by_hash.pop(hash(errand.key), None)

    def has(self, key: bytes) -> bool:
        """Whether one is remembered for `key`, whether or not it still counts."""
        return self._met and hash(key) in self._by_hash

    def forget(self, key: bytes) -> None:
        """Upstream has answered what was asked for `key`."""
        if self._met:
            self._by_hash.pop(hash(key), None)

    def _until(self, errand: FetchErrand, status: int, now: float) -> float:
        return now + error_caching_s(errand.route.distribution.custom_error_responses, status)

    def _note(self, errand: FetchErrand, failure: CachedFailure) -> None:
        if errand.route.semantics.caches_failures:
            self._met = True
            self._by_hash[hash(errand.key)] = failure

    @property
    def size_bytes(self) -> int:
        """About what they take, in bytes."""
        return len(self._by_hash) * FAILURE_BYTES

    def __len__(self) -> int:
        return len(self._by_hash)
