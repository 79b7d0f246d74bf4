"""Outcomes, built: from a stored entry, from a fill under way, from an upstream's reply."""

from __future__ import annotations

from edgecache.cache.bodies import SlicedBody, StoredBody
from edgecache.cache.fill import Fill
from edgecache.cache.outcome import CacheResult, CacheStatus, Errand, Hit, Outcome, part_of
from edgecache.http.message import Fields, Request, Response, first_value, without
from edgecache.rules.response.plan import ResponsePlan, multipart, plan_reply
from edgecache.store.entry import Entry
from edgecache.upstream.interface import Body, Reply, WholeBody

COMPUTED = frozenset({b"age", b"cache-status", b"content-length"})
_LENGTH = frozenset({b"content-length"})


def from_entry(
    found: Hit, request: Request, now: float, result: CacheResult, trace: CacheStatus
) -> Outcome:
    """What a stored entry gives."""
    entry, plan = found.entry, found.plan
    assessment = entry.assessment(found.route)
    trace.ttl_s = int(assessment.fresh_until(entry.head.received_at) - now)
    body: Body | bytes | memoryview
    fields = plan.fields
    if entry.blocks is not None:
        plan = plan.single
        body = found.piece or b""  # see tier.large
        length = entry.length if plan.span is None else plan.span.length
    elif entry.stored is not None:
        plan = plan.single
        body = StoredBody(entry.stored, plan.span)
        length = entry.length if plan.span is None else plan.span.length
    elif plan.spans:
        several = multipart(fields, plan.spans, entry.body)
        body, fields, length = several.body, several.fields, len(several.body)
    else:
        body = part_of(entry.body, plan.span)
        length = len(body)
    return Outcome(
        status=plan.status,
        reason=entry.head.reason if plan.status == entry.head.status else b"",
        fields=without(fields, COMPUTED),
        body=None if request.method == b"HEAD" or not plan.has_body else body,
        length=_stated_length(plan, length),
        result=result,
        trace=trace,
        age_s=int(assessment.age(entry.head.received_at, now)),
        mark=entry.told_mark,
    )


def hit_trace(found: Hit) -> CacheStatus:
    """The member of Cache-Status for an entry given without asking anyone."""
    return CacheStatus(hit=True, detail="stale-while-revalidate" if found.refresh else "")


def from_whole(entry: Entry, errand: Errand, now: float, leading: Response) -> Outcome:
    """What a body that came at once gives to who asked for it, who gets the head as it came."""
    plan = plan_reply(errand.request, leading, len(entry.body), now).single
    length = len(entry.body) if plan.span is None else plan.span.length
    gives = plan.has_body and errand.request.method != b"HEAD"
    return Outcome(
        status=plan.status,
        reason=leading.reason if plan.status == leading.status else b"",
        fields=_less_length(plan.fields),
        body=part_of(entry.body, plan.span) if gives else None,
        length=_stated_length(plan, length),
        result=CacheResult.MISS,
        trace=CacheStatus(why=errand.why, status=leading.status, stored=True),
        mark=entry.mark,
    )


def from_fill(fill: Fill, errand: Errand, now: float, leading: Response) -> Outcome:
    """What a fill gives to who began it, who gets the head as it came."""
    plan = plan_reply(errand.request, leading, fill.length, now).single
    trace = CacheStatus(why=errand.why, status=fill.head.status, stored=True)
    outcome = _reading(fill, errand, plan, trace)
    outcome.fields = _less_length(plan.fields)
    return outcome


def from_joined(fill: Fill, errand: Errand, plan: ResponsePlan, now: float) -> Outcome:
    """What a fill gives, by `plan`, to who joins it."""
    pending = fill.pending
    assert pending is not None
    trace = CacheStatus(why=errand.why, status=fill.head.status, stored=True, collapsed=True)
    outcome = _reading(fill, errand, plan, trace)
    outcome.fields = without(plan.fields, COMPUTED)
    outcome.result = CacheResult.HIT
    outcome.age_s = int(pending.assessment(errand.route).age(fill.head.received_at, now))
    return outcome


def _reading(fill: Fill, errand: Errand, plan: ResponsePlan, trace: CacheStatus) -> Outcome:
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
        length=None if length is None else _stated_length(plan, length),
        result=CacheResult.MISS,
        trace=trace,
        mark=fill.mark,
    )


def from_reply(reply: Reply, errand: Errand, now: float, result: CacheResult) -> Outcome:
    """What an upstream's reply gives when it is not stored: the viewer's conditions still hold."""
    request, head = errand.request, reply.head
    trace = CacheStatus(why=errand.why, status=head.status)
    plan = ResponsePlan(head.status, head.fields)
    # We asked for the whole, without the viewer's conditions. To a tier, a HEAD's answer is told as
    # it is: made a 304, it would renew what only a GET's may.
    if errand.key and not (request.of_tier and request.method == b"HEAD"):
        plan = plan_reply(request, head, reply.body.length, now).single
    length = reply.body.length if plan.span is None else plan.span.length
    body: Body | bytes | None = reply.body
    if not plan.has_body or request.method == b"HEAD":
        reply.body.close()
        body = None
    elif plan.span is not None:
        body = SlicedBody(reply.body, plan.span)
    elif isinstance(body, WholeBody):
        body = body.read_nowait()
    return Outcome(
        status=plan.status,
        reason=head.reason if plan.status == head.status else b"",
        fields=_less_length(plan.fields),
        body=body,
        length=_announced(head.fields, request, plan, length),
        result=result,
        trace=trace,
        mark=reply.mark or 0,
    )


def _announced(
    fields: Fields, request: Request, plan: ResponsePlan, length: int | None
) -> int | None:
    """A HEAD or 304 has no body, but may say how long one would be."""
    if request.method == b"HEAD":
        stated = first_value(fields, b"content-length")
        return int(stated) if stated is not None and stated.isdigit() else None
    return None if length is None else _stated_length(plan, length)


def _stated_length(plan: ResponsePlan, length: int) -> int | None:
    """Content-Length, which 204 and 304 do not carry (RFC 9110 §8.6)."""
    return None if plan.status in (204, 304) else length


def _less_length(fields: Fields) -> Fields:
    return without(fields, _LENGTH)
