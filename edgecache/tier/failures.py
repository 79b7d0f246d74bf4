"""Failures of late. Law: an upstream that just failed for a key is not asked again at once.

CloudFront Developer Guide, "Control how long CloudFront caches errors": an origin that cannot be
reached, and one that answers 5xx while a stale copy is at hand, is left alone for
ErrorCachingMinTTL.
"""

from __future__ import annotations

from dataclasses import dataclass

from cachetools import LRUCache

from edgecache.rules.error_pages import error_caching_s
from edgecache.rules.routing import Route
from edgecache.tier.answer import Errand
from edgecache.upstream.base import Fault, UpstreamError

KEYS_MAX = 10_000  # keys are chosen by strangers; 2 MB at 200 bytes each
_OF_THE_MOMENT = frozenset({Fault.BUSY, Fault.LOOP, Fault.TRUNCATED})


@dataclass(frozen=True, slots=True)
class Failure:
    """How upstream failed: with a fault, or (None) with a 5xx that a stale copy stood in for."""

    fault: Fault | None
    where: str
    route: Route  # of one generation: a changed configuration is tried at once
    until: float  # epoch seconds


class Failures:
    """What failed a moment ago, by key; the least recently met forgotten first."""

    def __init__(self, keys_max: int = KEYS_MAX) -> None:
        self._by_key: LRUCache[bytes, Failure] = LRUCache(keys_max)

    def known(self, errand: Errand, now: float) -> Failure | None:
        """The failure that still counts for this errand."""
        failure = self._by_key.get(errand.key)
        if failure is None or failure.route is not errand.route or now >= failure.until:
            return None
        return failure

    def failed(self, errand: Errand, error: UpstreamError, now: float) -> None:
        """Upstream gave nothing. Trouble of our own, or of one body, is not remembered."""
        if error.fault not in _OF_THE_MOMENT:
            self._note(errand, error.status, now, error.fault, error.where)

    def stood_in(self, errand: Errand, status: int, now: float) -> None:
        """Upstream answered with a 5xx, and a stale copy was given instead."""
        self._note(errand, status, now)

    def answered(self, errand: Errand) -> None:
        """Upstream is well again."""
        self._by_key.pop(errand.key, None)

    def _note(
        self, errand: Errand, status: int, now: float, fault: Fault | None = None, where: str = ""
    ) -> None:
        site = errand.route.distribution
        if site.semantics != "cloudfront" or not errand.key:
            return
        until = now + error_caching_s(site.custom_error_responses, status)
        self._by_key[errand.key] = Failure(fault, where, errand.route, until)

    def __len__(self) -> int:
        return len(self._by_key)
