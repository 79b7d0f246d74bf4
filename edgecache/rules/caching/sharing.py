"""Sharing. Law: nothing outside this file decides that another request gets what one has fetched.

Where the answer lies makes no difference: in a store, on its way, or just begun for who has waited.
So who comes while a body arrives gets what who comes afterwards would. RFC 9111 §3.5, §4 (collapsed
requests), §4.1, §5.2.1; CloudFront Developer Guide, "Simultaneous requests for the same object
(request collapsing)".
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from edgecache.http.message import Request, Response
from edgecache.rules.caching.freshness import Assessment, assess
from edgecache.rules.caching.partial import StoredPart, plan_from_part
from edgecache.rules.caching.reuse import judge
from edgecache.rules.caching.slices import strong_tag
from edgecache.rules.caching.vary import Selected, answers
from edgecache.rules.reasons import Fetch, MissReason, Serve, ServeStale, Verdict
from edgecache.rules.response.plan import ResponsePlan, plan_reply
from edgecache.rules.routing import Route


class StorableResponse(Protocol):
    """An answer that may be stored: its head as it is kept, what chose it, which part it is."""

    @property
    def head(self) -> Response: ...

    @property
    def selected(self) -> Selected: ...

    @property
    def part(self) -> StoredPart | None: ...

    def assessment(self, route: Route) -> Assessment:
        """What its fields mean for its reuse on `route`."""
        ...


class PendingEntry(Struct):
    """What a body on its way will be stored with. `part` None: all of it comes."""

    head: Response
    selected: Selected = ()
    part: StoredPart | None = None
    _route: Route | None = None
    _assessed: Assessment | None = None

    def assessment(self, route: Route) -> Assessment:
        """What its fields mean for its reuse on `route`, worked out once."""
        if self._assessed is None or self._route is not route:
            self._assessed, self._route = assess(self.head, route), route
        return self._assessed


def verdict(
    request: Request, held: StorableResponse, route: Route, now: float, *, chosen: bool = False
) -> Verdict:
    """What may be done for `request` at `now` (epoch seconds) with what is held of another's.

    `chosen`: a look-up has picked it among the variants under the request's key.
    """
    if held.selected and not chosen and not answers(held.selected, request.fields):
        return Fetch(MissReason.VARIANT)
    return judge(request, held.head, held.assessment(route), route.semantics, now)


def joined(
    request: Request, pending: PendingEntry, total: int | None, route: Route, now: float
) -> ResponsePlan | None:
    """What `request` gets of a body on its way; None when it must ask for itself.

    `total`: bytes of the whole, None while unknown. A stale answer is read along where it might be
    given stale: the refresh that goes with that is the fill itself.
    """
    said = verdict(request, pending, route, now)
    if not isinstance(said, Serve | ServeStale):
        return None
    if pending.part is not None:
        fresh = isinstance(said, Serve)
        return plan_from_part(request, pending.head, pending.part, now) if fresh else None
    return plan_reply(request, pending.head, total, now).single


def outlived(pending: PendingEntry, route: Route, now: float) -> bool:
    """Whether a body on its way was fresh and is not any more: who comes now begins anew.

    What was fresh at no time is not outlived: nobody need wait for the like of it.
    """
    assessment = pending.assessment(route)
    grace_s = 0.0 if assessment.never_stale else assessment.stale_while_revalidate_s
    until = assessment.fresh_until(pending.head.received_at) + grace_s
    return assessment.lifetime_s > 0 and now >= until


def same_version(one: Response, other: Response) -> bool:
    """Whether blocks under these heads are of one representation, for whoever may have it."""
    tag = strong_tag(one.fields)
    return tag is not None and tag == strong_tag(other.fields)
