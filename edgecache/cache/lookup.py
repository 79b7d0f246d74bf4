"""Deciding on what is stored: served, served and renewed, validated, or fetched again."""

from __future__ import annotations

from edgecache.cache.outcome import Errand, Hit, Refusal
from edgecache.http.message import Request, first_value
from edgecache.rules.caching.bypass import keeps_cookies
from edgecache.rules.caching.partial import plan_from_part, single_range
from edgecache.rules.caching.reuse import has_validator
from edgecache.rules.caching.sharing import verdict
from edgecache.rules.forwarding import forwards_ranges
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
