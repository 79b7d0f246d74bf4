"""What a tier and its front conclude. Law: an answer carries the lease on which it may be repeated.

A *found* entry, an *errand*, a *refusal* are conclusions of `decide`; an *outcome* is what an
errand ends in.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct, field
from msgspec.structs import replace

from edgecache.http.message import Fields, Request, Response
from edgecache.http.ranges import Span
from edgecache.rules.reasons import FORWARDED, MissReason, StoreReason
from edgecache.rules.response.plan import ResponsePlan
from edgecache.rules.routing import Route
from edgecache.store.entry import Entry
from edgecache.upstream.interface import Body


class CacheResult(StrEnum):
    """How a request was answered: CloudFront's x-edge-result-type, and the word in X-Cache."""

    HIT = "Hit"
    REFRESH_HIT = "RefreshHit"
    MISS = "Miss"
    ERROR = "Error"
    REDIRECT = "Redirect"
    LIMIT = "LimitExceeded"
    CAPACITY = "CapacityExceeded"


class Refusal(Struct, frozen=True):
    """We answer ourselves: with an error page, a redirect, or (204) nothing."""

    status: int
    why: str  # for the page and the log: one sentence
    detail: str = "Error"  # CloudFront's x-edge-detailed-result-type
    close: bool = False
    fields: Fields = ()  # beside those of every page
    result: CacheResult = CacheResult.ERROR
    tried: MissReason | None = None  # why upstream was asked first, in vain
    code: str = ""  # of a signature's refusal, whose page is CloudFront's XML


class Errand(Struct, frozen=True):
    """Work that must be awaited to answer `request`."""

    request: Request
    route: Route
    key: bytes  # empty when nothing is looked up or stored
    why: MissReason
    stale: Entry | None = None  # what may be validated, or served should upstream fail
    validate: bool = False
    part: bytes = b""  # the Range to ask with; empty: ask for the whole
    found: Hit | None = None  # an entry answers, whose blocks must be waited for
    since: int = 0  # number of the last write when upstream was asked: see store.writes
    error: int = 0  # a status concluded already, for which only a page is to be fetched
    received: Request | None = None  # as it came; `request` is prepared for `route` alone

    @property
    def flight_key(self) -> bytes:
        """Errands with the same one may share a flight."""
        return self.key + b"range:" + self.part if self.part else self.key

    def identified(self, request_id: bytes) -> Errand:
        """The errand under this id, unless an outer tier has given it one."""
        if self.request.id:
            return self
        return replace(self, request=replace(self.request, id=request_id))


class Hit(Struct, frozen=True):
    """A stored entry answers, without waiting."""

    entry: Entry
    route: Route
    plan: ResponsePlan
    until: float  # epoch seconds; 0: not to be repeated
    refresh: Errand | None = None  # to be run in the background
    block: Entry | None = None  # where the entry is in blocks: the one that has all of `piece`
    piece: memoryview | None = None  # the bytes of the span

    def gives_body(self, request: Request) -> bool:
        """Whether bytes of the body go out."""
        return self.plan.has_body and request.method != b"HEAD"


class CacheStatus(Struct):
    """One member of Cache-Status (RFC 9211), before it is written."""

    hit: bool = False
    why: MissReason | None = None
    status: int | None = None  # fwd-status
    stored: bool = False
    collapsed: bool = False
    ttl_s: int | None = None
    detail: str = ""

    def write(self, name: str) -> bytes:
        """The member as it stands in the field."""
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
    """What a tier gives for a request, before its front adds what only the front knows.

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
    if span is None:
        return data
    return memoryview(data)[span.first : span.last + 1]
