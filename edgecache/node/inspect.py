"""What a node tells of a request instead of serving it. Law: a look leaves no trace.

Who asks proves to be of this installation, as peers do. Nothing is counted or logged, no origin is
asked, and no entry grows more recent by it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
from msgspec.structs import replace

from edgecache.cache.frontend import ViewerFrontend
from edgecache.cache.lookup import decide_entry
from edgecache.cache.outcome import Errand, Hit, Refusal
from edgecache.cache.peer_frontend import Frontend
from edgecache.cache.tier import Tier
from edgecache.cluster.inspection import (
    NAMED,
    OBJECTS,
    STATS,
    DryRunReport,
    InventoryQuery,
    NodeNamed,
    StoreObjects,
    StoreStats,
)
from edgecache.http.message import Request, first_value, names_in
from edgecache.http.serialize import response_head
from edgecache.node.disk_dry_run import DiskDryRun
from edgecache.node.inventory import named_in, objects_of, stats_of
from edgecache.rules.caching.bypass import bypass
from edgecache.rules.caching.key import cache_key
from edgecache.rules.caching.vary import answers
from edgecache.rules.explain.entry import (
    EntryFacts,
    LookupExplanation,
    StoredExplanation,
    TierExplanation,
    stored,
)
from edgecache.rules.explain.request import placed
from edgecache.rules.forwarding import of_no_hop
from edgecache.rules.reasons import MissReason
from edgecache.rules.routing import Route
from edgecache.store.entry import Entry
from edgecache.upstream.peer import fields as peer_fields


@dataclass(frozen=True, slots=True)
class Inspector:
    """What a listener's front and tier would do, told to those who may know."""

    node: str
    role: str
    location: str
    front: Frontend
    admits: Callable[[bytes], bool]
    disk_trials: DiskDryRun = field(default_factory=DiskDryRun)

    def reply(self, request: Request, now: float) -> bytes:
        """The whole response; empty when `request` is to be served like any other."""
        if peer_fields.EXPLAIN not in names_in(request.fields):
            return b""
        credential = first_value(request.fields, peer_fields.CREDENTIAL)
        if credential is None or not self.admits(credential):
            return b""
        told = self._what(first_value(request.fields, peer_fields.EXPLAIN) or b"", request, now)
        body = msgspec.json.encode(told)
        fields = (
            (b"content-type", b"application/json"),
            (b"cache-control", b"no-store"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        )
        return response_head(200, b"", fields) + body

    def _what(
        self, asked: bytes, request: Request, now: float
    ) -> TierExplanation | StoreStats | StoreObjects | NodeNamed:
        who, tier = (self.node, self.role, self.location), self.front.tier
        if asked == STATS:
            return stats_of(who, tier, now)
        if asked.startswith(OBJECTS):
            wanted = InventoryQuery.read(request.path.decode("latin-1"), asked)
            return objects_of(who, tier.store, wanted, now)
        if asked.startswith(NAMED):
            trial = DryRunReport.read(asked)
            return named_in(who, tier, trial, self.disk_trials.ask(tier, trial, now))
        return self.story(request, now)

    def story(self, request: Request, now: float) -> TierExplanation:
        """What stands in the reply, as a value."""
        found = self._routed(request)
        if found is None:
            return self._told(LookupExplanation.REFUSE, "no site answers to this host")
        inner, route = found
        inner = of_no_hop(inner)
        passes = bypass(inner, route)
        if passes is not None:
            return self._told(LookupExplanation.BYPASS, passes)
        return self._looked_up(self.front.tier, inner, route, now)

    def _routed(self, request: Request) -> tuple[Request, Route] | None:
        if not isinstance(self.front, ViewerFrontend):
            routed = self.front.routed(request)
            return None if isinstance(routed, Refusal) else routed
        viewer = replace(
            request,
            fields=peer_fields.public(request.fields),
            scheme=first_value(request.fields, peer_fields.SCHEME) or request.scheme,
            client=("", 0),
        )
        where = placed(viewer, self.front.table)
        return None if where is None else (where.request, where.route)

    def _looked_up(self, tier: Tier, request: Request, route: Route, now: float) -> TierExplanation:
        entries = tier.standing.peek(cache_key(request, route))
        if not entries:
            return self._told(LookupExplanation.FETCH, MissReason.ABSENT)
        own = next((e for e in entries if answers(e.selected, request.fields)), None)
        held = tuple(_stored(entry, route, now, entry is own) for entry in entries)
        if own is None:
            return self._told(LookupExplanation.FETCH, MissReason.VARIANT, held)
        concluded = decide_entry(own, request, route, now)
        return self._told(*_words(concluded), held)

    def _told(
        self, what: LookupExplanation, why: str = "", held: tuple[StoredExplanation, ...] = ()
    ) -> TierExplanation:
        return TierExplanation(self.node, self.role, self.location, what, str(why), held)


def _stored(entry: Entry, route: Route, now: float, own: bool) -> StoredExplanation:
    held = EntryFacts(entry.head, entry.length, entry.size_bytes, entry.selected, entry.part)
    return stored(held, route, entry.assessment(route), now, answers=own)


def _words(concluded: Hit | Errand | Refusal) -> tuple[LookupExplanation, str]:
    match concluded:
        case Hit(refresh=None):
            return LookupExplanation.HIT, ""
        case Hit():
            return LookupExplanation.STALE, MissReason.EXPIRED
        case Errand(found=Hit() as found):  # in blocks; those that are missing are fetched
            return _words(found)
        case Errand(validate=True, why=why):
            return LookupExplanation.VALIDATE, why
        case Errand(why=why):
            return LookupExplanation.FETCH, why
        case _:
            return LookupExplanation.REFUSE, "only-if-cached"
