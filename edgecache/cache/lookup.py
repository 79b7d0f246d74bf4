"""Lookup: a stored entry and a request give a hit, a stale hit, a validation or a fetch.

Law: an entry on disk or in the reserve is judged like one in memory.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from edgecache.cache.bodies import StoredBody
from edgecache.cache.environment import TierEnvironment
from edgecache.cache.fetch_request import range_to_forward
from edgecache.cache.outcome import (
    CacheResult,
    FetchErrand,
    Hit,
    Outcome,
    Refusal,
    SlicesErrand,
    from_entry,
    hit_trace,
)
from edgecache.http.message import Request
from edgecache.rules.caching.reuse import cookies_are_personal, has_validator, verdict
from edgecache.rules.caching.stored_parts import plan_from_part
from edgecache.rules.reasons import (
    Fetch,
    MissReason,
    Revalidate,
    Serve,
    ServeStale,
    Unsatisfiable,
    Verdict,
)
from edgecache.rules.response.status_and_ranges import plan_reply
from edgecache.rules.routing import Route
from edgecache.store.entry import Entry
from edgecache.store.invalidation import FilteredStore

ONLY_IF_CACHED = Refusal(
    504, "Nothing stored answers this only-if-cached request.", "Error", reason="only-if-cached"
)


def decide_entry(
    entry: Entry, request: Request, route: Route, now: float
) -> Hit | FetchErrand | SlicesErrand | Refusal:
    """How the stored `entry`, which `request` selects, answers it."""
    judgment = verdict(request, entry, route, now, chosen=True)
    if entry.part is not None and not isinstance(judgment, Unsatisfiable):
        return _decide_part(entry, request, route, judgment, now)
    match judgment:
        case Serve(until):
            plan = plan_reply(request, entry.head, entry.length, now)
            return _waiting_for_slices(Hit(entry, route, plan, until), request)
        case ServeStale():
            plan = plan_reply(request, entry.head, entry.length, now)
            again = FetchErrand(request, route, entry.key, MissReason.EXPIRED, entry, True)
            return _waiting_for_slices(Hit(entry, route, plan, 0.0, again), request)
        case Revalidate(why):
            validate = not cookies_are_personal(route)
            return FetchErrand(request, route, entry.key, why, entry, validate)
        case Fetch(why):
            return FetchErrand(request, route, entry.key, why, entry)
        case _:
            return ONLY_IF_CACHED


def _waiting_for_slices(hit: Hit, request: Request) -> Hit | SlicesErrand:
    """A hit; when its body is in slices, they must be waited for."""
    if hit.entry.blocks is None or not hit.gives_body(request):
        return hit
    return SlicesErrand(request, hit.route, hit)


def unconfirmed(entry: Entry, request: Request, route: Route) -> FetchErrand:
    """Validation of an entry that may have been invalidated, as our lease on the log is over."""
    why = MissReason.UNCONFIRMED
    if entry.part is not None:
        return FetchErrand(request, route, entry.key, why, part=range_to_forward(request, route))
    validates = has_validator(entry.head.fields) and not cookies_are_personal(route)
    return FetchErrand(request, route, entry.key, why, entry, validates)


def _decide_part(
    entry: Entry, request: Request, route: Route, judgment: Verdict, now: float
) -> Hit | FetchErrand:
    """A part that is fresh answers ranges within it; one that is not is fetched again."""
    assert entry.part is not None
    if not isinstance(judgment, Serve):
        return FetchErrand(
            request, route, entry.key, MissReason.EXPIRED, part=range_to_forward(request, route)
        )
    plan = plan_from_part(request, entry.head, entry.part, now)
    if plan is not None:
        return Hit(entry, route, plan, judgment.until)
    wanted = range_to_forward(request, route)
    return FetchErrand(request, route, entry.key, MissReason.PARTIAL, entry, part=wanted)


class DeepHit(Struct, frozen=True):
    """An entry on disk, or in the reserve, answers, its first bytes at hand."""

    outcome: Outcome
    refresh: FetchErrand | None = None  # to be run in the background


async def look_up_below(
    store: FilteredStore, world: TierEnvironment, errand: FetchErrand
) -> DeepHit | SlicesErrand | FetchErrand:
    """How an entry on disk, or in the reserve, answers `errand`; a FetchErrand goes upstream."""
    entry = await store.find(errand.key, errand.request.fields)
    if not isinstance(entry, MissReason):
        return await _decide_found(entry, world, errand, "disk")
    if entry is MissReason.INVALIDATED:
        errand = replace(errand, why=entry)
    reserved = await store.find_in_reserve(errand.key, errand.request.fields)
    if reserved is None:
        return errand
    reserved.assessment(errand.route)  # so that the store knows when it expires
    store.restore(reserved)
    return await _decide_found(reserved, world, errand, "reserve")


async def _decide_found(
    entry: Entry, world: TierEnvironment, errand: FetchErrand, where: str
) -> DeepHit | SlicesErrand | FetchErrand:
    request, route = errand.request, errand.route
    if entry.part is not None and entry.stored is not None:
        return errand  # parts are joined in memory
    now = world.clock()
    conclusion = decide_entry(entry, request, route, now)
    match conclusion:
        case FetchErrand():
            return conclusion
        case Refusal():
            return errand
        case _ if not world.marks.confirmed(request.mark, now):
            return unconfirmed(entry, request, route)
        case SlicesErrand():
            return conclusion
        case Hit():
            return await _deep_hit(conclusion, request, now, where) or errand


async def _deep_hit(hit: Hit, request: Request, now: float, where: str) -> DeepHit | None:
    """None when the body is not to be had."""
    trace = hit_trace(hit)
    trace.detail = trace.detail or where
    outcome = from_entry(hit, request, now, CacheResult.HIT, trace)
    if isinstance(outcome.body, StoredBody) and not await outcome.body.begin():
        return None
    return DeepHit(outcome, hit.refresh)
