"""Outcomes of what arrives: for whom it was fetched, and for who joins it.

Law: for whom it was fetched the head is as received; who joins is told as of a stored one.
"""

from __future__ import annotations

from edgecache.cache.fill import Fill
from edgecache.cache.outcome import (
    COMPUTED,
    CacheResult,
    CacheStatus,
    FetchErrand,
    Outcome,
    less_length,
    part_of,
    stated_length,
)
from edgecache.http.message import Response, without
from edgecache.rules.response.status_and_ranges import ResponsePlan, plan_reply
from edgecache.store.entry import Entry
from edgecache.upstream.interface import Body


def from_whole(entry: Entry, errand: FetchErrand, now: float, leading: Response) -> Outcome:
    """The outcome, for whom it was fetched, of a body that came at once: the head as received."""
    plan = plan_reply(errand.request, leading, len(entry.body), now).single
    length = len(entry.body) if plan.span is None else plan.span.length
    gives = plan.has_body and errand.request.method != b"HEAD"
    return Outcome(
        status=plan.status,
        reason=leading.reason if plan.status == leading.status else b"",
        fields=less_length(plan.fields),
        body=part_of(entry.body, plan.span) if gives else None,
        length=stated_length(plan, length),
        result=CacheResult.MISS,
        trace=CacheStatus(why=errand.why, status=leading.status, stored=True),
        mark=entry.mark,
    )


def from_fill(fill: Fill, errand: FetchErrand, now: float, leading: Response) -> Outcome:
    """The outcome of a fill for whom it was begun: the head as received."""
    plan = plan_reply(errand.request, leading, fill.length, now).single
    trace = CacheStatus(why=errand.why, status=fill.head.status, stored=True)
    outcome = _reading(fill, errand, plan, trace)
    outcome.fields = less_length(plan.fields)
    return outcome


def from_joined(fill: Fill, errand: FetchErrand, plan: ResponsePlan, now: float) -> Outcome:
    """The outcome of a fill, by `plan`, for who joins it."""
    assert fill.pending is not None
    trace = CacheStatus(why=errand.why, status=fill.head.status, stored=True, collapsed=True)
    outcome = _reading(fill, errand, plan, trace)
    outcome.fields = without(plan.fields, COMPUTED)
    outcome.result = CacheResult.HIT
    outcome.age_s = int(fill.pending.assessment(errand.route).age(fill.head.received_at, now))
    return outcome


def _reading(fill: Fill, errand: FetchErrand, plan: ResponsePlan, trace: CacheStatus) -> Outcome:
    body: Body | bytes | memoryview | None = None
    if plan.has_body and errand.request.method != b"HEAD":
        whole = fill.whole
        body = fill.reader(plan.span) if whole is None else part_of(whole, plan.span)
    length = fill.length if plan.span is None else plan.span.length
    return Outcome(
        status=plan.status,
        reason=fill.head.reason if plan.status == fill.head.status else b"",
        fields=plan.fields,
        body=body,
        length=None if length is None else stated_length(plan, length),
        result=CacheResult.MISS,
        trace=trace,
        mark=fill.mark,
    )
