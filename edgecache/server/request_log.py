"""Request log: what each request adds to counters and access log.

Law: logging never waits and never fails.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct
from xxhash import xxh3_64_hexdigest

from edgecache.cache.outcome import BY_FUNCTION, CacheResult
from edgecache.http.function_cache import BLOCK_BYTES, cached, register
from edgecache.http.message import (
    Fields,
    FunctionRecord,
    OriginRecord,
    Request,
    first_value,
    is_short,
)
from edgecache.http.trace_context import TraceContext
from edgecache.observe.access_log import AccessLog
from edgecache.observe.counters import Counters
from edgecache.observe.log_record import (
    HIT_EXTRAS,
    NO_TRACE,
    REMEMBERED_PLACE_BYTES,
    TRACE_EXTRAS,
    LogTimestamp,
    Record,
    RecordExtras,
    escaped,
    format_record,
    remembered_runs,
)
from edgecache.rules.caching.reuse import StorableResponse
from edgecache.rules.routing import Route
from edgecache.server.tls import Session

OWN_RESULTS = BY_FUNCTION | {CacheResult.LIMIT, CacheResult.CAPACITY}

register(remembered_runs, REMEMBERED_PLACE_BYTES)
_TRACE_ID, _SPAN_ID, _FLAGS = slice(3, 35), slice(36, 52), slice(53, 55)  # of a traceparent
_VERSIONS = ("", "HTTP/1.0", "HTTP/2.0", "HTTP/3.0")  # by the major one; HTTP/1.1 aside


class RepeatedHit(Protocol):
    """A hit that a head cache has given, to be counted later."""

    def settle(self, counters: Counters) -> None:
        """Add what was not counted yet."""
        ...


class RequestSummary(Struct, frozen=True):
    """A request as the log has it, whatever becomes of it."""

    method: bytes
    site: str
    stem: bytes
    referer: bytes | None
    agent: bytes | None
    query: bytes | None
    host: bytes | None
    protocol: bytes
    bytes_in: int
    forwarded_for: bytes | None
    version: str
    session: Session | None = None  # of TLS; its version and cipher are in the log
    distribution: str = ""  # id
    cookie: bytes | None = None
    trace: TraceContext | None = None  # with the span of who asks
    told: TraceContext | None = None  # what upstream was told of it, with our span

    @classmethod
    def by(
        cls,
        request: Request,
        site: tuple[str, str],
        bytes_in: int,
        session: Session | None = None,
    ) -> RequestSummary:
        """That of `request`, a head of `bytes_in` bytes; `site`: its distribution's name and id."""
        values = _logged_values if is_short(request.fields) else _logged_values.__wrapped__
        referer, agent, host, forwarded_for, cookie = values(request.fields)
        return cls(
            request.method,
            site[0],
            request.path,
            referer,
            agent,
            request.query,
            host,
            request.scheme,
            bytes_in,
            forwarded_for,
            "HTTP/1.1" if request.minor and request.major == 1 else _VERSIONS[request.major],
            session,
            site[1],
            cookie,
            request.trace,
        )


NOTHING_ASKED = RequestSummary(b"", "", b"", None, None, None, None, b"http", 0, None, "HTTP/1.1")


class RequestOutcome(Struct):
    """How a request ended."""

    status: int  # 0: the viewer left before an answer
    result: CacheResult
    bytes_out: int
    fields: Fields = ()
    detail: str = ""
    first_byte_s: float = 0.0
    length: int | None = None  # of its body, where `fields` do not say it
    route: Route | None = None  # distribution and behavior, where one was found
    reason: str = ""  # why it was not answered from the store, was refused, or failed: one word
    origin: OriginRecord | None = None  # what upstream did for it
    functions: FunctionRecord | None = None  # what functions did
    key: bytes = b""  # of the cache; empty: none was made
    stored: StorableResponse | None = None  # what it was answered from, or is stored as


class LineTemplate(Struct, frozen=True):
    """What of a hit's line stays the same, by what it belongs to; each with the tabs around it."""

    start: bytes
    agent: bytes
    word: bytes
    host: bytes
    rest: bytes
    end: bytes
    tail: bytes
    extras: bytes  # what of the second line belongs to the head; empty: there is none

    @classmethod
    def of(cls, record: bytes) -> LineTemplate:
        """From the line or the two lines of a record."""
        line, _, second = record.partition(b"\n")
        fields = line.split(b"\t")
        of_hit = of_head = b""
        if second:
            extras = second.split(b"\t")
            of_hit = b"\t".join(extras[:HIT_EXTRAS]) + b"\t"
            of_head = (
                b"\t".join(extras[HIT_EXTRAS : -TRACE_EXTRAS - 1]) + b"\t"
            )  # the last: instant

        def run(first: int, last: int) -> bytes:
            return b"\t".join(fields[first : last + 1])

        return cls(
            start=b"\t%b\t" % run(5, 8),  # cs-method to sc-status
            agent=run(9, 10) + b"\t",  # cs(Referer), cs(User-Agent)
            word=run(11, 13) + b"\t",  # cs-uri-query to x-edge-result-type
            host=b"\t%b\t" % run(15, 16),  # x-host-header, cs-protocol
            rest=b"\t%b\t" % run(18, 21),  # time-taken to ssl-cipher
            end=run(22, 25) + b"\t",  # x-edge-response-result-type to fle-encrypted-fields
            tail=b"\t%b\n%b" % (run(27, 34), of_hit),  # time-to-first-byte to connection-id
            extras=of_head,
        )


class RequestLog:
    """Counts and logs the requests of one process."""

    def __init__(self, location: str, counters: Counters, log: AccessLog | None) -> None:
        self.counters = counters
        self.repeated: list[RepeatedHit] = []  # with something to be counted
        self.extended = False  # whether a record has a second line: see `log_record`
        self.cookies = False  # and in it the cookies
        self.keep: Callable[[bytes], None] = _nowhere if log is None else log.append_line
        self._location = location
        self._place = escaped(location)
        self._log = log
        self._stamp = LogTimestamp()

    def tell(
        self,
        summary: RequestSummary,
        outcome: RequestOutcome,
        client: tuple[str, int],
        request_id: bytes,
        now: float,
        taken_s: float,
    ) -> None:
        """A request ended at `now` (epoch seconds), `taken_s` after its first byte."""
        counters = self.counters
        result = outcome.result = logged_result(outcome.status, outcome.result)
        route = outcome.route
        served = summary.distribution if route is None else route.distribution.id
        site = counters.distributions[served]
        site.statuses[outcome.status // 100] += 1
        site.bytes_in += summary.bytes_in
        of_result = site.behaviors["" if route is None else route.behavior.path_pattern][result]
        of_result.bytes_out += outcome.bytes_out
        of_result.time_taken.observe(taken_s)
        if result is CacheResult.MISS:
            counters.miss_first_byte.observe(outcome.first_byte_s)
        if self._log is not None:
            self._log.append(self._record(summary, outcome, client, request_id, now, taken_s))

    @property
    def queued_bytes(self) -> int:
        """What waits to be written to the log."""
        return 0 if self._log is None else self._log.queued_bytes

    def parts(self, summary: RequestSummary, outcome: RequestOutcome) -> LineTemplate:
        """A line of a hit in parts: those that differ each time are left out."""
        outcome.result = logged_result(outcome.status, outcome.result)
        record = self._record(summary, outcome, ("", 0), b"", 0.0, 0.0)
        return LineTemplate.of(format_record(record, _no_stamp))

    def line_start(self, now: float, bytes_out: int) -> bytes:
        """The start of a line, through sc-bytes."""
        return b"%b\t%b\t%d\t" % (self._stamp.at(now), self._place, bytes_out)

    def settle(self) -> None:
        """Count what was repeated since the last time."""
        hits, self.repeated = self.repeated, []
        for hit in hits:
            hit.settle(self.counters)

    def _record(
        self,
        summary: RequestSummary,
        outcome: RequestOutcome,
        client: tuple[str, int],
        request_id: bytes,
        now: float,
        taken_s: float,
    ) -> Record:
        first, last = _range_of(outcome)
        return (
            now,
            self._location,
            outcome.bytes_out,
            client[0],
            summary.method,
            summary.site if (r := outcome.route) is None or r.side is None else _served_name(r),
            summary.stem,
            outcome.status,
            summary.referer,
            summary.agent,
            summary.query,
            None,  # cs(Cookie): see `RecordExtras.cookie`
            outcome.result,
            request_id,
            summary.host,
            summary.protocol,
            summary.bytes_in,
            taken_s,
            summary.forwarded_for,
            summary.session.protocol if summary.session else None,
            summary.session.cipher if summary.session else None,
            outcome.result,
            summary.version,
            None,
            None,
            client[1],
            outcome.first_byte_s,
            outcome.detail or outcome.result,
            first_value(outcome.fields, b"content-type"),
            _length_of(outcome.fields) if outcome.length is None else outcome.length,
            first,
            last,
            self._extras(summary, outcome) if self.extended else None,
        )

    def _extras(self, summary: RequestSummary, outcome: RequestOutcome) -> RecordExtras:
        route, origin = outcome.route, outcome.origin or _NOT_ASKED
        functions, stored = outcome.functions or _NO_FUNCTIONS, outcome.stored
        rule = "" if route is None or stored is None else stored.assessment(route).rule
        trace, told = summary.trace, summary.told
        known = trace or told
        return RecordExtras(
            summary.distribution if route is None else route.distribution.id,
            "" if route is None else route.behavior.path_pattern,
            outcome.reason,
            origin.origin,
            origin.status,
            origin.first_byte_s,
            origin.last_byte_s,
            summary.cookie if self.cookies else None,
            None if known is None else known.trace_id,
            functions.request_data,
            functions.response_data,
            origin.asked_at,
            key_hash(outcome.key) if outcome.key else "",
            rule,
            None if told is None else told.span_id,
            None if trace is None else trace.span_id,
            None if known is None else known.flags,
        )


def _served_name(route: Route) -> str:
    """The name of the distribution that served a request: a staging one is not its host's."""
    return route.distribution.domain_name or route.distribution.id


def key_hash(key: bytes) -> str:
    """A cache key in 16 hexadecimal digits, the same in every process; keys hold cookies."""
    return xxh3_64_hexdigest(key)


def trace_columns(parent: bytes) -> bytes:
    """The fields of a record for a request of this traceparent of ours; empty: of no trace."""
    if not parent:
        return NO_TRACE
    return b"%b\t-\t%b\t%b" % (parent[_TRACE_ID], parent[_SPAN_ID], parent[_FLAGS])


def logged_result(status: int, result: CacheResult) -> CacheResult:
    """CloudFront's word for any response of an error's status is Error."""
    if status >= 400 and result not in OWN_RESULTS:
        return CacheResult.ERROR
    return result


_NO_FUNCTIONS = FunctionRecord(b"")
_NOT_ASKED = OriginRecord()
_LOGGED_FIELDS = (b"referer", b"user-agent", b"host", b"x-forwarded-for", b"cookie")


@cached(512, BLOCK_BYTES)  # as many blocks of fields as the reader of heads remembers
def _logged_values(fields: Fields) -> tuple[bytes | None, ...]:
    named = dict(reversed(fields))
    return tuple(named.get(name) for name in _LOGGED_FIELDS)


def _nowhere(_line: bytes) -> None: ...


def _no_stamp(_instant: float) -> bytes:
    return b"-\t-"


def _length_of(fields: Fields) -> int | None:
    value = first_value(fields, b"content-length")
    return int(value) if value is not None and value.isdigit() else None


def _range_of(outcome: RequestOutcome) -> tuple[int | None, int | None]:
    if outcome.status != 206:
        return None, None
    value = first_value(outcome.fields, b"content-range") or b""
    span = value.removeprefix(b"bytes ").partition(b"/")[0]
    first, _, last = span.partition(b"-")
    return (int(first), int(last)) if first.isdigit() and last.isdigit() else (None, None)
