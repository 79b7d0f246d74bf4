"""Reuse of stored and arriving responses: which request they answer, fresh, stale or not at all.

Law: nothing outside this file decides that a stored response answers a request, that another
request gets what one has fetched, or that a request never meets the store or a flight (bypass).
Where the answer lies makes no difference: in a store, on its way, or just begun for who has waited.
So who comes while a body arrives gets what who comes afterwards would.

RFC 9111 §3.5, §4 (collapsed requests), §4.1, §5.2.1, RFC 5861; under CloudFront's rules the
request's own directives count for nothing: CloudFront Developer Guide, "Simultaneous requests for
the same object (request collapsing)", and "Minimum TTL" of a cache policy.
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from edgecache.config.model import CachePolicy
from edgecache.http.cache_control import Directives, parse_directives
from edgecache.http.message import (
    Fields,
    Request,
    Response,
    field_values,
    first_value,
    names_in,
)
from edgecache.rules.caching.freshness import Assessment, assess, directives_of
from edgecache.rules.caching.stored_parts import StoredPart, plan_from_part
from edgecache.rules.caching.vary import Selected, answers
from edgecache.rules.reasons import (
    Fetch,
    MissReason,
    Revalidate,
    Serve,
    ServeStale,
    Unsatisfiable,
    Verdict,
)
from edgecache.rules.response.status_and_ranges import ResponsePlan, plan_reply
from edgecache.rules.routing import Route
from edgecache.rules.semantics import Semantics
from edgecache.rules.viewer.access import asks_for_websocket, is_grpc_call


class StorableResponse(Protocol):
    """An answer that may be stored: its head as it is kept, what chose it, which part it is."""

    @property
    def head(self) -> Response: ...

    @property
    def selected(self) -> Selected: ...

    @property
    def part(self) -> StoredPart | None: ...

    def assessment(self, route: Route) -> Assessment:
        """Its freshness on `route`."""
        ...


class PendingEntry(Struct):
    """The entry a body on its way will be stored as. `part` None: all of it comes."""

    head: Response
    selected: Selected = ()
    part: StoredPart | None = None
    _route: Route | None = None
    _assessed: Assessment | None = None

    def assessment(self, route: Route) -> Assessment:
        """Its freshness on `route`, worked out once."""
        if self._assessed is None or self._route is not route:
            self._assessed, self._route = assess(self.head, route), route
        return self._assessed


def verdict(
    request: Request, held: StorableResponse, route: Route, now: float, *, chosen: bool = False
) -> Verdict:
    """The verdict on a response fetched for another request, at `now` (epoch seconds).

    `chosen`: a look-up has picked it among the variants under the request's key.
    """
    if held.selected and not chosen and not answers(held.selected, request.fields):
        return Fetch(MissReason.VARIANT)
    return judge(request, held.head, held.assessment(route), route.semantics, now)


def judge(
    request: Request, head: Response, assessment: Assessment, semantics: Semantics, now: float
) -> Verdict:
    """The verdict on the stored `head` for `request` at `now` (epoch seconds)."""
    until = assessment.fresh_until(head.received_at)
    if assessment.validate_always and semantics.refetches_vary_any:
        return Fetch(MissReason.VALIDATE)
    if not semantics.viewer_directives_count:
        return _judge_plain(head, assessment, until, now)
    wishes = request_directives(request.fields)
    if wishes is None:
        return _judge_plain(head, assessment, until, now)
    return _judge_with_wishes(wishes, head, assessment, now)


def request_directives(fields: Fields) -> Directives | None:
    """The request's Cache-Control, else its Pragma (RFC 9111 §5.4), else None."""
    named = names_in(fields)
    if b"cache-control" in named:
        return directives_of(fields)
    if b"pragma" not in named:
        return None
    pragma = parse_directives(tuple(field_values(fields, b"pragma")))
    return pragma if pragma.has(b"no-cache") else None


def has_validator(fields: Fields) -> bool:
    """Whether the response can be validated: an ETag or a Last-Modified."""
    return (
        first_value(fields, b"etag") is not None
        or first_value(fields, b"last-modified") is not None
    )


def accepted_staleness(wishes: Directives) -> float | None:
    """Seconds of staleness the viewer accepts (max-stale; any when it has no argument)."""
    if not wishes.has(b"max-stale"):
        return None
    if wishes.argument(b"max-stale") is None:
        return float("inf")
    return float(wishes.seconds(b"max-stale") or 0)


def refuses_stale(fields: Fields) -> bool:
    """Whether a request wants nothing stale, whoever else permits it (§5.2.1.1, §5.2.1.4)."""
    wishes = request_directives(fields)
    if wishes is None:
        return False
    impatient = wishes.has(b"max-age") and accepted_staleness(wishes) is None
    return impatient or wishes.has(b"no-cache")


def serves_on_error(head: Response, assessment: Assessment, now: float, *, cut_off: bool) -> bool:
    """Whether the stale `head` may be given because upstream failed (RFC 5861 §4).

    `cut_off`: it could not be reached, which RFC 9111 §4.2.4 calls disconnected. CloudFront serves
    a stale copy in either case unless `stale-if-error=0`; never one older than MaxTTL.
    """
    if assessment.never_stale or assessment.validate_always:
        return False
    allowed = assessment.stale_if_error_s
    if cut_off:
        allowed = max(allowed, assessment.stale_if_cut_off_s)
    return now < assessment.fresh_until(head.received_at) + allowed


def plan_from_arriving(
    request: Request, pending: PendingEntry, total: int | None, route: Route, now: float
) -> ResponsePlan | None:
    """The response plan of `request` from a body on its way; None when it must ask for itself.

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


def is_outlived(pending: PendingEntry, route: Route, now: float) -> bool:
    """Whether a body on its way was fresh and is not any more: who comes now begins anew.

    What was fresh at no time outlives nothing: nobody need wait for the like of it.
    """
    assessment = pending.assessment(route)
    grace_s = 0.0 if assessment.never_stale else assessment.stale_while_revalidate_s
    until = assessment.fresh_until(pending.head.received_at) + grace_s
    return assessment.lifetime_s > 0 and now >= until


def bypass(request: Request, route: Route) -> MissReason | None:
    """Why nothing is looked up, stored or shared for `request`; None when it has a key."""
    if asks_for_websocket(request):
        return MissReason.UPGRADE
    if route.behavior.grpc and is_grpc_call(request, route):
        return MissReason.GRPC
    plain = request.method in (b"GET", b"HEAD") and not request.has_body
    if not plain and not caches_options(request, route):
        return MissReason.METHOD
    if route.semantics.policy_ttls_decide and caching_disabled(route.behavior.cache_policy):
        return MissReason.DISABLED
    return None


def caches_options(request: Request, route: Route) -> bool:
    """Whether this is an OPTIONS that CloudFront keeps, under a key of its own (CachedMethods)."""
    return (
        request.method == b"OPTIONS"
        and not request.has_body
        and route.semantics.caches_options
        and "OPTIONS" in route.behavior.cached_methods
    )


def caching_disabled(policy: CachePolicy) -> bool:
    """All three TTLs zero: nothing is looked up, stored or collapsed."""
    return policy.ttl_s_min == policy.ttl_s_default == policy.ttl_s_max == 0


def forwards_cookies(route: Route) -> bool:
    """Whether any cookie reaches the origin on this route."""
    extra = route.behavior.origin_request_policy
    return route.behavior.cache_policy.cookies.behavior != "none" or (
        extra is not None and extra.cookies.behavior != "none"
    )


def cookies_are_personal(route: Route) -> bool:
    """CloudFront sends no conditional requests where cookies are forwarded."""
    return route.semantics.forwarded_cookies_are_personal and forwards_cookies(route)


def collapses(request: Request, route: Route) -> bool:
    """Whether `request` may wait for another's flight; it is known to have a key.

    CloudFront never collapses where cookies are forwarded: answers are likely personal. A HEAD's
    answer has no body to share.
    """
    return request.method != b"HEAD" and not cookies_are_personal(route)


def _judge_plain(head: Response, assessment: Assessment, until: float, now: float) -> Verdict:
    if assessment.validate_always:
        return _ask_again(head, MissReason.VALIDATE)
    if now < until:
        return Serve(until)
    if not assessment.never_stale and now < until + assessment.stale_while_revalidate_s:
        return ServeStale()
    reason = MissReason.EXPIRED if assessment.lifetime_s > 0 else MissReason.VALIDATE
    return _ask_again(head, reason)


def _ask_again(head: Response, why: MissReason) -> Verdict:
    return Revalidate(why) if has_validator(head.fields) else Fetch(why)


def _judge_with_wishes(
    wishes: Directives, head: Response, assessment: Assessment, now: float
) -> Verdict:
    """RFC 9111 §5.2.1, the request's own directives."""
    verdict = _judge_wishes(wishes, head, assessment, now)
    if wishes.has(b"only-if-cached") and not isinstance(verdict, Serve | ServeStale):
        return Unsatisfiable()
    return verdict


def _judge_wishes(
    wishes: Directives, head: Response, assessment: Assessment, now: float
) -> Verdict:
    until = assessment.fresh_until(head.received_at)
    if wishes.has(b"no-cache"):
        return _ask_again(head, MissReason.REQUEST)
    wanted_until = _wanted_until(wishes, head, assessment)
    if now > wanted_until:
        return _ask_again(head, MissReason.REQUEST)
    accepted = accepted_staleness(wishes)
    strict = assessment.validate_always or assessment.never_stale
    if accepted is not None and not strict and until <= now <= until + accepted:
        return Serve(min(until + accepted, wanted_until))
    verdict = _judge_plain(head, assessment, until, now)
    if isinstance(verdict, Serve):
        return Serve(min(verdict.until, wanted_until))
    if isinstance(verdict, ServeStale) and wishes.has(b"max-age") and accepted is None:
        return _ask_again(head, MissReason.REQUEST)  # §5.2.1.1: nothing stale is wanted
    return verdict


def _wanted_until(wishes: Directives, head: Response, assessment: Assessment) -> float:
    """Until when the response is young and fresh enough for the request (max-age, min-fresh)."""
    until = float("inf")
    max_age = wishes.seconds(b"max-age")
    if max_age is not None:
        until = head.received_at + max_age - assessment.age_on_arrival_s
    min_fresh = wishes.seconds(b"min-fresh")
    if min_fresh:
        until = min(until, assessment.fresh_until(head.received_at) - min_fresh)
    return until
