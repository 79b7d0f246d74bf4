"""Deciding on what is stored: served, served and renewed, validated, or fetched again."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from edgecache.cache.bodies import StoredBody
from edgecache.cache.environment import TierEnvironment
from edgecache.cache.outcome import (
    CacheResult,
    Errand,
    Hit,
    Outcome,
    Refusal,
    from_entry,
    hit_trace,
)
from edgecache.http.message import Request, first_value
from edgecache.rules.caching.key import forwards_ranges
from edgecache.rules.caching.partial import plan_from_part, single_range
from edgecache.rules.caching.reuse import has_validator, keeps_cookies, verdict
from edgecache.rules.reasons import (
    Fetch,
    MissReason,
    Revalidate,
    Serve,
    ServeStale,
    Unsatisfiable,
    Verdict,
)
from edgecache.rules.response.plan import plan_reply
from edgecache.rules.routing import Route
from edgecache.store.entry import Entry
from edgecache.store.invalidation import FilteredStore

ONLY_IF_CACHED = Refusal(504, "Nothing stored answers this only-if-cached request.", "Error")


def decide_entry(
    entry: Entry, request: Request, route: Route, now: float
) -> Hit | Errand | Refusal:
    """What may be done with the stored `entry` for `request`."""
    said = verdict(request, entry, route, now, chosen=True)
    if entry.part is not None and not isinstance(said, Unsatisfiable):
        return _decide_part(entry, request, route, said, now)
    match said:
        case Serve(until):
            plan = plan_reply(request, entry.head, entry.length, now)
            return _answering(Hit(entry, route, plan, until), request)
        case ServeStale():
            plan = plan_reply(request, entry.head, entry.length, now)
            again = Errand(request, route, entry.key, MissReason.EXPIRED, entry, True)
            return _answering(Hit(entry, route, plan, 0.0, again), request)
        case Revalidate(why):
            return Errand(request, route, entry.key, why, entry, not keeps_cookies(route))
        case Fetch(why):
            return Errand(request, route, entry.key, why, entry)
        case _:
            return ONLY_IF_CACHED


def _answering(found: Hit, request: Request) -> Hit | Errand:
    """An entry that answers; when its bytes come in blocks, they must be waited for."""
    if found.entry.blocks is None or not found.gives_body(request):
        return found
    return Errand(request, found.route, found.entry.key, MissReason.BLOCK, found=found)


def unconfirmed(entry: Entry, request: Request, route: Route) -> Errand:
    """What stands here may be served only once upstream has said that it still holds."""
    why = MissReason.UNCONFIRMED
    if entry.part is not None:
        return Errand(request, route, entry.key, why, part=part_to_ask(request, route))
    validates = has_validator(entry.head.fields) and not keeps_cookies(route)
    return Errand(request, route, entry.key, why, entry, validates)


def _decide_part(
    entry: Entry, request: Request, route: Route, said: Verdict, now: float
) -> Hit | Errand:
    """A part that is fresh answers ranges within it; one that is not is fetched again."""
    assert entry.part is not None
    if not isinstance(said, Serve):
        return Errand(
            request, route, entry.key, MissReason.EXPIRED, part=part_to_ask(request, route)
        )
    plan = plan_from_part(request, entry.head, entry.part, now)
    if plan is not None:
        return Hit(entry, route, plan, said.until)
    wanted = part_to_ask(request, route)
    return Errand(request, route, entry.key, MissReason.PARTIAL, entry, part=wanted)


def part_to_ask(request: Request, route: Route) -> bytes:
    """The Range to go upstream with, or nothing to ask for the whole."""
    if request.method != b"GET" or not forwards_ranges(route):
        return b""
    return single_range(first_value(request.fields, b"range")) or b""


@dataclass(frozen=True, slots=True)
class DiskLookup:
    """What a look came to: an outcome, or the errand to go upstream with; what is to be renewed."""

    errand: Errand
    outcome: Outcome | None = None
    refresh: Errand | None = None


async def look_deeper(
    standing: FilteredStore, world: TierEnvironment, errand: Errand
) -> DiskLookup:
    """Look on disk for what answers `errand`."""
    request, route = errand.request, errand.route
    entry = await standing.find(errand.key, request.fields)
    if isinstance(entry, MissReason):
        fallen = entry is MissReason.INVALIDATED
        return DiskLookup(replace(errand, why=entry) if fallen else errand)
    if entry.part is not None and entry.stored is not None:
        return DiskLookup(errand)  # parts are joined in memory
    now = world.clock()
    found = decide_entry(entry, request, route, now)
    if isinstance(found, Errand) and found.found is None:
        return DiskLookup(found)
    if isinstance(found, Refusal):
        return DiskLookup(errand)
    if not world.marks.confirmed(request.mark, now):
        return DiskLookup(unconfirmed(entry, request, route))
    if isinstance(found, Errand):
        return DiskLookup(found)
    trace = hit_trace(found)
    trace.detail = trace.detail or "disk"
    outcome = from_entry(found, request, now, CacheResult.HIT, trace)
    if isinstance(outcome.body, StoredBody) and not await outcome.body.begin():
        return DiskLookup(errand)
    return DiskLookup(errand, outcome, found.refresh)
