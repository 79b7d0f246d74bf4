"""Replying. Law: nothing outside this file decides status, fields and span of what a viewer gets.

RFC 9110 §13 (conditional requests), §14 (range requests), §15.4.5 (304); RFC 9111 §4.3.2;
CloudFront Developer Guide, "How CloudFront processes partial requests for an object".
"""

from __future__ import annotations

from dataclasses import dataclass

from edgecache.http.conditions import Outcome, evaluate, if_range_matches, modified_at
from edgecache.http.message import Fields, Request, Response, first_value, replaced, without
from edgecache.http.ranges import Span, content_range, parse_range, resolve, unsatisfied

# RFC 9110 §15.4.5: what a 304 must carry if a 200 would have.
NOT_MODIFIED_FIELDS = frozenset(
    {b"cache-control", b"content-location", b"date", b"etag", b"expires", b"vary"}
)
NOT_MODIFIED_EXTRA = frozenset({b"set-cookie", b"cdn-cache-control"})
REFUSED = Span(0, -1)


@dataclass(frozen=True, slots=True)
class Plan:
    """A reply from a stored or arriving response: its head, and the bytes of the body it takes.

    `span` None is the whole body; an empty span is none of it.
    """

    status: int
    fields: Fields
    span: Span | None = None

    @property
    def has_body(self) -> bool:
        return self.span is None or self.span.length > 0


def plan_reply(request: Request, head: Response, total: int | None, now: float) -> Plan:
    """How `head`, with a body of `total` bytes (None while unknown), answers `request`."""
    if head.status != 200 or request.method not in (b"GET", b"HEAD"):
        return Plan(head.status, head.fields)
    etag = first_value(head.fields, b"etag")
    modified = first_value(head.fields, b"last-modified")
    compared = modified_at(head.fields, head.received_at)
    outcome = evaluate(request.fields, request.method, etag, compared, now)
    if outcome is Outcome.NOT_MODIFIED:
        return Plan(304, _not_modified(head.fields), REFUSED)
    wanted = first_value(request.fields, b"range")
    if wanted is not None and request.method == b"GET" and total:
        condition = first_value(request.fields, b"if-range")
        dated = first_value(head.fields, b"date")
        if condition is None or if_range_matches(condition, etag, modified, dated):
            return _partial(head, wanted, total)
    return Plan(200, head.fields)


def _not_modified(fields: Fields) -> Fields:
    kept = NOT_MODIFIED_FIELDS | NOT_MODIFIED_EXTRA
    if first_value(fields, b"etag") is None:
        kept |= {b"last-modified"}
    return tuple(field for field in fields if field[0] in kept)


def _partial(head: Response, wanted: bytes, total: int) -> Plan:
    specs = parse_range(wanted)
    if specs is None:
        return Plan(200, head.fields)
    spans = resolve(specs, total)
    if not spans:
        fields = without(head.fields, (b"content-length", b"content-type", b"content-encoding"))
        return Plan(416, replaced(fields, b"content-range", unsatisfied(total)), REFUSED)
    if len(spans) > 1:
        return Plan(200, head.fields)
    fields = replaced(head.fields, b"content-range", content_range(spans[0], total))
    return Plan(206, fields, spans[0])
