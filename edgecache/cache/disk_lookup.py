"""Looking deeper: the disk may have what memory has not. Law: it is judged like the latter."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from edgecache.cache.bodies import StoredBody
from edgecache.cache.environment import TierEnvironment
from edgecache.cache.lookup import decide_entry, unconfirmed
from edgecache.cache.outcome import CacheResult, Errand, Outcome, Refusal
from edgecache.cache.outcome_builder import from_entry, hit_trace
from edgecache.rules.reasons import MissReason
from edgecache.store.invalidation_filter import FilteredStore


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
