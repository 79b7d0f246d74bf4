"""What a request adds to counters and access log. Law: telling never waits and never fails."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable
from struct import iter_unpack
from typing import TYPE_CHECKING

from msgspec import Struct

from edgecache.cache.outcome import CacheResult
from edgecache.http.function_cache import BLOCK_BYTES, cached, register
from edgecache.http.message import Fields, Request, first_value, is_short
from edgecache.observe.access_log import (
    REMEMBERED_PLACE_BYTES,
    AccessLog,
    LogTimestamp,
    Record,
    escaped,
    format_record,
    remembered_runs,
)
from edgecache.observe.counters import Counters
from edgecache.server.tls import Session

if TYPE_CHECKING:
    from edgecache.server.http1.head_cache import CachedHit
    from edgecache.server.rendered_hit import RenderedHit


class RequestSummary(Struct, frozen=True):
    """What the log says of a request, whatever becomes of it; made once for remembered heads."""

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
    session: Session | None = None  # of TLS; what it settled is in the log

    @classmethod
    def by(
        cls, request: Request, site: str, bytes_in: int, session: Session | None = None
    ) -> RequestSummary:
        """What `request`, whose head has so many bytes, asked of the distribution `site`."""
        said = _said if is_short(request.fields) else _said.__wrapped__
        referer, agent, host, forwarded_for = said(request.fields)
        return cls(
            request.method,
            site,
            request.path,
            referer,
            agent,
            request.query,
            host,
            request.scheme,
            bytes_in,
            forwarded_for,
            "HTTP/1.1" if request.minor else "HTTP/1.0",
            session,
        )


_TOLD = (b"referer", b"user-agent", b"host", b"x-forwarded-for")


@cached(512, BLOCK_BYTES)  # as many blocks of fields as the reader of heads remembers
def _said(fields: Fields) -> tuple[bytes | None, ...]:
    named = dict(reversed(fields))
    return tuple(named.get(name) for name in _TOLD)


register(remembered_runs, REMEMBERED_PLACE_BYTES)
SHED_RESULTS = frozenset({CacheResult.LIMIT, CacheResult.CAPACITY})
NOTHING_ASKED = RequestSummary(b"", "", b"", None, None, None, None, b"http", 0, None, "HTTP/1.1")


class RequestOutcome(Struct):
    """How a request ended."""

    status: int  # 0: the viewer left before an answer
    result: CacheResult
    bytes_out: int
    fields: Fields = ()
    detail: str = ""
    first_byte_s: float = 0.0


class RequestLog:
    """Counts and records requests of one process."""

    def __init__(self, location: str, counters: Counters, log: AccessLog | None) -> None:
        self.counters = counters
        self.repeated: list[CachedHit] = []  # with something to be counted
        self.keep: Callable[[bytes], None] = _unheard if log is None else log.append_line
        self._location = location
        self._place = escaped(location)
        self._log = log
        self._stamp = LogTimestamp()

    def tell(
        self,
        asked: RequestSummary,
        told: RequestOutcome,
        client: tuple[str, int],
        request_id: bytes,
        now: float,
        taken_s: float,
    ) -> None:
        """A request ended at `now` (epoch seconds), `taken_s` after its first byte."""
        counters = self.counters
        result = told.result = _word(told)
        counters.requests[result] += 1
        counters.statuses[told.status // 100] += 1
        counters.bytes_out += told.bytes_out
        counters.bytes_in += asked.bytes_in
        counters.time_taken.observe(taken_s)
        if result is CacheResult.MISS:
            counters.miss_first_byte.observe(told.first_byte_s)
        if self._log is not None:
            self._log.append(self._recorded(asked, told, client, request_id, now, taken_s))

    @property
    def queued_bytes(self) -> int:
        """What waits to be written to the log."""
        return 0 if self._log is None else self._log.queued_bytes

    def parts(self, asked: RequestSummary, told: RequestOutcome) -> LineTemplate:
        """A line of a hit in parts: those that differ each time are left out."""
        told.result = _word(told)
        fields = format_record(self._recorded(asked, told, ("", 0), b"", 0.0, 0.0), _no_stamp)
        return LineTemplate.of(fields.split(b"\t"))

    def line_start(self, now: float, bytes_out: int) -> bytes:
        """The start of a line, through sc-bytes."""
        return b"%b\t%b\t%d\t" % (self._stamp.at(now), self._place, bytes_out)

    def settle(self) -> None:
        """Count what was repeated since the last time, and tell the store of its use."""
        counters, settled = self.counters, self.repeated
        self.repeated = []
        for known in settled:
            times, known.times, known.used = known.times, 0, True
            known.answer.entry.uses += times
            if known.answer.block is not None:
                known.answer.block.uses += times
            counters.requests[_word(known.answer)] += times
            counters.statuses[known.answer.status // 100] += times
            counters.bytes_in += known.bytes_in
            counters.bytes_out += known.bytes_out
            counters.time_taken.counts[0] += times
            known.bytes_in = known.bytes_out = 0

    def _recorded(
        self,
        asked: RequestSummary,
        told: RequestOutcome,
        client: tuple[str, int],
        request_id: bytes,
        now: float,
        taken_s: float,
    ) -> Record:
        first, last = _range_of(told)
        return (
            now,
            self._location,
            told.bytes_out,
            client[0],
            asked.method,
            asked.site,
            asked.stem,
            told.status,
            asked.referer,
            asked.agent,
            asked.query,
            None,  # cs(Cookie): only with IncludeCookies
            told.result,
            request_id,
            asked.host,
            asked.protocol,
            asked.bytes_in,
            taken_s,
            asked.forwarded_for,
            asked.session.protocol if asked.session else None,
            asked.session.cipher if asked.session else None,
            told.result,
            asked.version,
            None,
            None,
            client[1],
            told.first_byte_s,
            told.detail or told.result,
            first_value(told.fields, b"content-type"),
            _length_of(told.fields),
            first,
            last,
        )


class LineTemplate(Struct, frozen=True):
    """What of a hit's line stays the same, by what it belongs to; each with the tabs around it."""

    start: bytes
    agent: bytes
    word: bytes
    host: bytes
    rest: bytes
    end: bytes
    tail: bytes

    @classmethod
    def of(cls, fields: list[bytes]) -> LineTemplate:
        """From the 33 fields of a line."""

        def run(first: int, last: int) -> bytes:
            return b"\t".join(fields[first : last + 1])

        return cls(
            start=b"\t%b\t" % run(5, 8),  # cs-method to sc-status
            agent=run(9, 10) + b"\t",  # cs(Referer), cs(User-Agent)
            word=run(11, 13) + b"\t",  # cs-uri-query to x-edge-result-type
            host=b"\t%b\t" % run(15, 16),  # x-host-header, cs-protocol
            rest=b"\t%b\t" % run(18, 21),  # time-taken to ssl-cipher
            end=run(22, 25) + b"\t",  # x-edge-response-result-type to fle-encrypted-fields
            tail=b"\t" + run(27, 32),  # time-to-first-byte to sc-range-end, and the line end
        )


def _word(told: RequestOutcome | RenderedHit) -> CacheResult:
    """CloudFront's word for any response of an error's status is Error."""
    if told.status >= 400 and told.result not in SHED_RESULTS:
        return CacheResult.ERROR
    return told.result


def _unheard(_line: bytes) -> None: ...


def _no_stamp(_instant: float) -> bytes:
    return b"-\t-"


def _length_of(fields: Fields) -> int | None:
    value = first_value(fields, b"content-length")
    return int(value) if value is not None and value.isdigit() else None


def _range_of(told: RequestOutcome) -> tuple[int | None, int | None]:
    if told.status != 206:
        return None, None
    value = first_value(told.fields, b"content-range") or b""
    span = value.removeprefix(b"bytes ").partition(b"/")[0]
    first, _, last = span.partition(b"-")
    return (int(first), int(last)) if first.isdigit() and last.isdigit() else (None, None)


ID_BYTES = 40  # CloudFront's: 56 characters, the last two `==`
ID_CHARS = 56
BATCH = 256  # ids from one call to the random source
_LONG = ID_BYTES - 1  # a whole number of groups of three: a batch is encoded in one go
_LONG_CHARS = _LONG // 3 * 4
_ENDS = [urlsafe_b64encode(bytes((byte,))) for byte in range(256)]


class RequestIds:
    """Ids, made in batches from an injected source of random bytes."""

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self._ready: list[bytes] = []

    def next(self) -> bytes:
        """An id never given before."""
        ready = self._ready
        if not ready:
            data = self._random_bytes(ID_BYTES * BATCH)
            starts = urlsafe_b64encode(data[: _LONG * BATCH])
            ends = map(_ENDS.__getitem__, data[_LONG * BATCH :])
            cut = iter_unpack(f"{_LONG_CHARS}s", starts)
            ready.extend([start + end for (start,), end in zip(cut, ends, strict=True)])
        return ready.pop()
