"""Response plans: status, stored fields and span of bytes for a request answered from the store.

Law: nothing outside this file decides which status and which bytes of a stored response a viewer
gets; fields that are not stored are added later (`response/headers.py`, `cache/frontend.py`).
RFC 9110 §13 (conditional requests), §14 (range requests), §15.4.5 (304); RFC 9111 §4.3.2;
CloudFront Developer Guide, "How CloudFront processes partial requests for an object".
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from msgspec import Struct

from edgecache.http.conditional import PreconditionResult, evaluate, if_range_matches, modified_at
from edgecache.http.message import (
    Fields,
    Request,
    Response,
    first_value,
    names_in,
    replaced,
    without,
)
from edgecache.http.ranges import (
    Span,
    acceptable,
    content_range,
    parse_range,
    resolve,
    unsatisfied,
)

# RFC 9110 §15.4.5: what a 304 must carry if a 200 would have.
NOT_MODIFIED_FIELDS = frozenset(
    {b"cache-control", b"content-location", b"date", b"etag", b"expires", b"vary"}
)
NOT_MODIFIED_EXTRA = frozenset({b"set-cookie", b"cdn-cache-control"})
CONDITIONAL = frozenset({b"if-none-match", b"if-modified-since", b"range"})
REFUSED = Span(0, -1)


class ResponsePlan(Struct, frozen=True):
    """A reply from a stored or arriving response: its head, and the bytes of the body it takes.

    `span` None is the whole body; an empty span is none of it. Several `spans` make a multipart
    body, which only a whole stored body can give.
    """

    status: int
    fields: Fields
    span: Span | None = None
    spans: tuple[Span, ...] = ()

    @property
    def single(self) -> ResponsePlan:
        """The plan where not all bytes are at hand: several ranges get the whole (§14.2)."""
        return ResponsePlan(200, self.fields) if self.spans else self

    @property
    def has_body(self) -> bool:
        if self.status in (204, 304):
            return False
        return self.span is None or self.span.length > 0


@dataclass(frozen=True, slots=True)
class Multipart:
    """A multipart/byteranges body, and the fields that go with it."""

    fields: Fields
    body: bytes


def plan_reply(request: Request, head: Response, total: int | None, now: float) -> ResponsePlan:
    """How `head`, with a body of `total` bytes (None while unknown), answers `request`."""
    if head.status not in (200, 206) or request.method not in (b"GET", b"HEAD"):
        return ResponsePlan(head.status, head.fields)
    if CONDITIONAL.isdisjoint(names_in(request.fields)):
        return ResponsePlan(head.status, head.fields)
    unchanged = plan_unchanged(request, head, now)
    if unchanged is not None:
        return unchanged
    if head.status == 206:
        return ResponsePlan(206, head.fields)
    wanted = first_value(request.fields, b"range")
    if wanted is not None and request.method == b"GET" and total and honors_range(request, head):
        return _partial(head, wanted, total)
    return ResponsePlan(200, head.fields)


def plan_unchanged(request: Request, head: Response, now: float) -> ResponsePlan | None:
    """The 304 that the conditions of a GET or HEAD come to, if they do (RFC 9111 §4.3.2).

    To a tier of ours it has every field that a 200 would have: it is asked to renew what it keeps,
    and would go on giving its viewers the former values of what a browser's 304 leaves out.
    """
    etag = first_value(head.fields, b"etag")
    compared = modified_at(head.fields, head.received_at)
    outcome = evaluate(request.fields, request.method, etag, compared, now)
    if outcome is not PreconditionResult.NOT_MODIFIED:
        return None
    told = head.fields if request.of_tier else _not_modified(head.fields)
    return ResponsePlan(304, told, REFUSED)


def honors_range(request: Request, head: Response) -> bool:
    """Whether the request's If-Range, if any, lets its Range count (RFC 9110 §13.1.5)."""
    condition = first_value(request.fields, b"if-range")
    if condition is None:
        return True
    etag = first_value(head.fields, b"etag")
    modified = first_value(head.fields, b"last-modified")
    return if_range_matches(condition, etag, modified, first_value(head.fields, b"date"))


def _not_modified(fields: Fields) -> Fields:
    kept = NOT_MODIFIED_FIELDS | NOT_MODIFIED_EXTRA
    if first_value(fields, b"etag") is None:
        kept |= {b"last-modified"}
    return tuple(field for field in fields if field[0] in kept)


def _partial(head: Response, wanted: bytes, total: int) -> ResponsePlan:
    specs = parse_range(wanted)
    if specs is None:
        return ResponsePlan(200, head.fields)
    spans = resolve(specs, total)
    if not spans:
        fields = without(head.fields, (b"content-length", b"content-type", b"content-encoding"))
        return ResponsePlan(416, replaced(fields, b"content-range", unsatisfied(total)), REFUSED)
    if len(spans) > 1:
        if len(spans) < len(specs) or not acceptable(spans):
            return ResponsePlan(200, head.fields)
        return ResponsePlan(206, head.fields, spans=spans)
    fields = replaced(head.fields, b"content-range", content_range(spans[0], total))
    return ResponsePlan(206, fields, spans[0])


def multipart(fields: Fields, spans: tuple[Span, ...], body: bytes) -> Multipart:
    """Several ranges in one body, multipart/byteranges (RFC 9110 §14.6).

    The boundary is a hash of the parts, which none of them can be made to contain. Of the parts
    alone, so that a few bytes of a large body cost what they are.
    """
    hashed, view = blake2b(digest_size=16), memoryview(body)
    for span in spans:
        hashed.update(view[span.first : span.last + 1])
    boundary = hashed.hexdigest().encode()
    inner = first_value(fields, b"content-type")
    type_line = b"" if inner is None else b"Content-Type: " + inner + b"\r\n"
    pieces = []
    for span in spans:
        stated = content_range(span, len(body))
        pieces.append(b"\r\n--%b\r\n%bContent-Range: %b\r\n\r\n" % (boundary, type_line, stated))
        pieces.append(body[span.first : span.last + 1])
    pieces.append(b"\r\n--%b--\r\n" % boundary)
    content_type = b"multipart/byteranges; boundary=" + boundary
    return Multipart(replaced(fields, b"content-type", content_type), b"".join(pieces))
