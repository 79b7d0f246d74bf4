"""What a request adds to counters and access log. Law: telling never waits and never fails."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from edgecache.http.message import Fields, Request, first_value
from edgecache.observe.access_log import AccessLog
from edgecache.observe.counters import Counters
from edgecache.server.tls import Session
from edgecache.tier.answer import Result


@dataclass(frozen=True, slots=True)
class Asked:
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
    ) -> Asked:
        """What `request`, whose head has so many bytes, asked of the distribution `site`."""
        referer, agent, host, forwarded_for = _said(request.fields)
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


@lru_cache(maxsize=2_048)  # as many blocks of fields as the reader of heads remembers
def _said(fields: Fields) -> tuple[bytes | None, ...]:
    named = dict(reversed(fields))
    return tuple(named.get(name) for name in _TOLD)


SHED_RESULTS = frozenset({Result.LIMIT, Result.CAPACITY})
NOTHING_ASKED = Asked(b"", "", b"", None, None, None, None, b"http", 0, None, "HTTP/1.1")


@dataclass(slots=True)
class Told:
    """How a request ended."""

    status: int  # 0: the viewer left before an answer
    result: Result
    bytes_out: int
    fields: Fields = ()
    detail: str = ""
    first_byte_s: float = 0.0


class Teller:
    """Counts and records requests of one process."""

    def __init__(self, location: str, counters: Counters, log: AccessLog | None) -> None:
        self.counters = counters
        self._location = location
        self._log = log

    def tell(
        self, asked: Asked, told: Told, client: tuple[str, int], request_id: bytes, now: float,
        taken_s: float,
    ) -> None:  # fmt: skip
        """A request ended at `now` (epoch seconds), `taken_s` after its first byte."""
        counters = self.counters
        if told.status >= 400 and told.result not in SHED_RESULTS:
            told.result = Result.ERROR  # CloudFront's word for any response of an error's status
        result = told.result
        counters.requests[result] += 1
        counters.statuses[told.status // 100] += 1
        counters.bytes_out += told.bytes_out
        counters.bytes_in += asked.bytes_in
        counters.time_taken.observe(taken_s)
        if result is Result.MISS:
            counters.miss_first_byte.observe(told.first_byte_s)
        if self._log is not None:
            self._record(asked, told, client, request_id, now, taken_s)

    def _record(
        self, asked: Asked, told: Told, client: tuple[str, int], request_id: bytes, now: float,
        taken_s: float,
    ) -> None:  # fmt: skip
        assert self._log is not None
        first, last = _range_of(told)
        self._log.append(
            (
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
        )


def _length_of(fields: Fields) -> int | None:
    value = first_value(fields, b"content-length")
    return int(value) if value is not None and value.isdigit() else None


def _range_of(told: Told) -> tuple[int | None, int | None]:
    if told.status != 206:
        return None, None
    value = first_value(told.fields, b"content-range") or b""
    span = value.removeprefix(b"bytes ").partition(b"/")[0]
    first, _, last = span.partition(b"-")
    return (int(first), int(last)) if first.isdigit() and last.isdigit() else (None, None)
