"""Results of a request: hit, errand or refusal, and the outcome of entry, fill or reply.

Law: a hit carries the lease on which its answer may be repeated. Hit, errand and refusal are what
`decide` concludes; a hit and an errand end in an outcome.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Self

from msgspec import Struct, field
from msgspec.structs import replace

from edgecache.cache.bodies import SlicedBody, StoredBody
from edgecache.functions.event import FunctionResponse
from edgecache.functions.run_template import RunStep
from edgecache.http.message import (
    Fields,
    FunctionRecord,
    OriginRecord,
    Request,
    Response,
    combined_value,
    first_value,
    without,
)
from edgecache.http.ranges import Span
from edgecache.http.trace_context import Traces
from edgecache.rules.caching.error_caching import Replacement
from edgecache.rules.caching.reuse import PendingEntry
from edgecache.rules.reasons import FORWARDED, MissReason, StoreReason
from edgecache.rules.response.status_and_ranges import ResponsePlan, multipart, plan_reply
from edgecache.rules.routing import Route
from edgecache.store.entry import Entry
from edgecache.upstream.interface import Body, Reply, WholeBody

COMPUTED = frozenset({b"age", b"cache-status", b"content-length"})
LENGTH = frozenset({b"content-length"})


class CacheResult(StrEnum):
    """How a request was answered: CloudFront's x-edge-result-type, and the word in X-Cache."""

    HIT = "Hit"
    REFRESH_HIT = "RefreshHit"
    MISS = "Miss"
    ERROR = "Error"
    REDIRECT = "Redirect"
    LIMIT = "LimitExceeded"
    CAPACITY = "CapacityExceeded"
    FUNCTION_RESPONSE = "FunctionGeneratedResponse"
    FUNCTION_EXECUTION = "FunctionExecutionError"
    FUNCTION_VALIDATION = "FunctionValidationError"
    FUNCTION_THROTTLED = "FunctionThrottledError"
    LAMBDA_RESPONSE = "LambdaGeneratedResponse"
    LAMBDA_EXECUTION = "LambdaExecutionError"
    LAMBDA_VALIDATION = "LambdaValidationError"
    LAMBDA_LIMIT = "LambdaLimitExceeded"


BY_FUNCTION = frozenset(one for one in CacheResult if one.startswith(("Function", "Lambda")))
"""Results that X-Cache names whatever the status is."""


class Refusal(Struct, frozen=True):
    """An answer of our own: an error page, a redirect, (204) nothing, or what a function gave."""

    status: int
    why: str  # for the page and the log: one sentence
    detail: str = "Error"  # CloudFront's x-edge-detailed-result-type
    close: bool = False
    fields: Fields = ()  # beside those of every page
    result: CacheResult = CacheResult.ERROR
    tried: MissReason | None = None  # why upstream was asked first, in vain
    code: str = ""  # of a signature's refusal, whose page is CloudFront's XML
    text: str = ""  # the whole body, where it is no page
    reason: str = ""  # why, in one word: for the log
    given: FunctionResponse | None = None  # the whole of it, by a function
    asked: tuple[Request, Route] | None = None  # whose policies bear on it; None: on no page
    functions: FunctionRecord | None = None


class HitRuns(Struct, frozen=True):
    """What functions said of a hit, one after the other, on the lease that it would have without
    them: who asks with the same bytes, and is told the same by them, may be given the same.
    """

    until: float  # epoch seconds
    steps: tuple[RunStep, ...]


class Hit(Struct, frozen=True):
    """A stored entry answers, without waiting."""

    entry: Entry
    route: Route
    plan: ResponsePlan
    until: float  # epoch seconds; 0: not to be repeated
    refresh: FetchErrand | None = None  # to be run in the background
    block: Entry | None = None  # where the entry is in slices: the one that has all of `piece`
    piece: memoryview | None = None  # the bytes of the span
    functions: FunctionRecord | None = None  # of the functions that have seen it
    runs: HitRuns | None = None  # of those functions, where they are all that may differ next time

    def gives_body(self, request: Request) -> bool:
        """Whether bytes of the body go out."""
        return self.plan.has_body and request.method != b"HEAD"


class _Errand(Struct, frozen=True):
    """Work that must be awaited to answer `request`, which is prepared for `route` alone."""

    request: Request
    route: Route

    def identified(
        self, request_id: bytes, traces: Traces, record: OriginRecord | None = None
    ) -> Self:
        """The errand under this id, unless an outer tier has given it one, of these traces."""
        asked, (trace, amzn) = self.request, traces
        own = replace(asked, id=asked.id or request_id, trace=trace, amzn_trace=amzn, record=record)
        return replace(self, request=own)


class FetchErrand(_Errand, frozen=True):
    """Fetch what is stored under `key`: from disk, along with another fetch, or from upstream."""

    key: bytes
    why: MissReason
    stale: Entry | None = None  # what may be validated, or served should upstream fail
    validate: bool = False
    part: bytes = b""  # the Range to ask with; empty: ask for the whole
    since: int = 0  # number of the last write when upstream was asked: see store.invalidation
    received: Request | None = None  # the request as it came, of which that for a page is made

    @property
    def flight_key(self) -> bytes:
        """Errands with the same one may share a flight."""
        return self.key + b"range:" + self.part if self.part else self.key


class PassErrand(_Errand, frozen=True):
    """Pass the request on for its viewer alone: nothing is looked up, nothing stored."""

    why: MissReason
    received: Request | None = None


class SlicesErrand(_Errand, frozen=True):
    """Serve a stored entry whose slices must be waited for."""

    hit: Hit
    received: Request | None = None
    why: ClassVar[MissReason] = MissReason.BLOCK

    def anew(self, why: MissReason) -> FetchErrand:
        """The errand that fetches the object as if nothing of it were stored."""
        return FetchErrand(self.request, self.route, self.hit.entry.key, why)


class ErrorPageErrand(_Errand, frozen=True):
    """Fetch the page that stands for an error concluded already."""

    page: Replacement
    received: Request | None = None
    why: ClassVar[MissReason] = MissReason.ERROR


class TriggerErrand(_Errand, frozen=True):
    """Run the Lambda functions of viewers' events before and after what the tier concludes."""

    why: MissReason
    received: Request | None = None


StoredAnswer = Hit | SlicesErrand  # a stored entry answers, at once or slice by slice
TierErrand = FetchErrand | PassErrand | SlicesErrand
Errand = TierErrand | ErrorPageErrand | TriggerErrand


class CacheStatus(Struct):
    """One member of Cache-Status (RFC 9211) as values."""

    hit: bool = False
    why: MissReason | None = None
    status: int | None = None  # fwd-status
    stored: bool = False
    collapsed: bool = False
    ttl_s: int | None = None
    detail: str = ""

    def write(self, name: str) -> bytes:
        """The member in the field's syntax."""
        parts = [name]
        if self.hit:
            parts.append("hit")
        elif self.why is not None:
            parts.append(f"fwd={FORWARDED[self.why]}")
            if self.status is not None:
                parts.append(f"fwd-status={self.status}")
        if self.stored:
            parts.append("stored")
        if self.collapsed:
            parts.append("collapsed")
        if self.ttl_s is not None:
            parts.append(f"ttl={self.ttl_s}")
        detail = self.detail or (self.why if self.why is not None and not self.hit else "")
        if detail:
            parts.append(f"detail={detail}")
        return "; ".join(parts).encode()


class Outcome(Struct):
    """Response of a tier to a request, before its frontend decorates it.

    `body` None: no body follows. `length` None: it ends when it ends. `age_s` None: no Age is ours
    to say, and the upstream's, if any, stands in `fields`.
    """

    status: int
    reason: bytes
    fields: Fields
    body: Body | bytes | memoryview | None
    length: int | None
    result: CacheResult
    trace: CacheStatus = field(default_factory=CacheStatus)
    age_s: int | None = None
    not_stored: StoreReason | None = None
    mark: int = 0  # which invalidations it is newer than
    stored: Entry | PendingEntry | None = None  # what it is given from, or is stored as

    def as_head(self, now: float) -> Response:
        """The outcome's head as an upstream's response, for an outer tier."""
        fields = self.fields
        if self.age_s is not None:
            fields = (*fields, (b"age", b"%d" % self.age_s))
        if self.body is None and self.length is not None:  # of a HEAD: there is no body to say it
            fields = (*fields, (b"content-length", b"%d" % self.length))
        return Response(self.status, self.reason, fields, now, now)


def part_of(data: bytes, span: Span | None) -> bytes | memoryview:
    """The bytes of `data` a plan asks for, without copying them."""
    return data if span is None else memoryview(data)[span.first : span.last + 1]


def from_entry(
    hit: Hit, request: Request, now: float, result: CacheResult, trace: CacheStatus
) -> Outcome:
    """The outcome of a hit."""
    entry, plan = hit.entry, hit.plan
    assessment = entry.assessment(hit.route)
    trace.ttl_s = int(assessment.fresh_until(entry.head.received_at) - now)
    body: Body | bytes | memoryview
    fields = plan.fields
    if entry.blocks is not None:
        plan = plan.single
        body = hit.piece or b""  # see cache.slices.object
        length = entry.length if plan.span is None else plan.span.length
    elif entry.stored is not None:
        plan = plan.single
        body = StoredBody(entry.stored, plan.span)
        length = entry.length if plan.span is None else plan.span.length
    elif plan.spans:
        parts = multipart(fields, plan.spans, entry.body)
        body, fields, length = parts.body, parts.fields, len(parts.body)
    else:
        body = part_of(entry.body, plan.span)
        length = len(body)
    reason = entry.head.reason if plan.status == entry.head.status else b""
    if hit.functions is not None:
        reason = hit.functions.reason or reason
    return Outcome(
        status=plan.status,
        reason=reason,
        fields=without(fields, COMPUTED),
        body=None if request.method == b"HEAD" or not plan.has_body else body,
        length=stated_length(plan, length),
        result=result,
        trace=trace,
        age_s=int(assessment.age(entry.head.received_at, now)),
        mark=entry.told_mark,
        stored=entry,
    )


def age_field(outcome: Outcome) -> Fields:
    """Age, where it is ours to say."""
    return () if outcome.age_s is None else ((b"age", b"%d" % outcome.age_s),)


def cache_status(outcome: Outcome, name: str) -> bytes:
    """Cache-Status: the origin's side first, ours last (RFC 9211 §2)."""
    own = outcome.trace.write(name)
    before = combined_value(outcome.fields, b"cache-status")
    return own if before is None or outcome.trace.hit else before + b", " + own


def hit_trace(hit: Hit) -> CacheStatus:
    """The member of Cache-Status of a hit."""
    return CacheStatus(hit=True, detail="stale-while-revalidate" if hit.refresh else "")


def from_reply(
    reply: Reply, errand: FetchErrand | PassErrand, now: float, result: CacheResult
) -> Outcome:
    """The outcome of a reply that is not stored: the viewer's conditions still hold."""
    request, head = errand.request, reply.head
    trace = CacheStatus(why=errand.why, status=head.status)
    plan = ResponsePlan(head.status, head.fields)
    # We asked for the whole, without the viewer's conditions. To a tier, a HEAD's answer is told as
    # it is: made a 304, it would renew what only a GET's may.
    fetched = isinstance(errand, FetchErrand)
    if fetched and not (request.of_tier and request.method == b"HEAD"):
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
        fields=without(plan.fields, LENGTH),
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
    return None if length is None else stated_length(plan, length)


def stated_length(plan: ResponsePlan, length: int) -> int | None:
    """Content-Length, which 204 and 304 do not carry (RFC 9110 §8.6)."""
    return None if plan.status in (204, 304) else length
