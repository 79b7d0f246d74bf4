"""Request spans: the spans of one request at one tier, out of its record in the log.

Law: a record says all there is: who serves is asked nothing. A span is made for a request whose
trace is sampled, and for one without a trace that `begin` gives one. The tier's span has the id
that upstream was told of, so that the span of the tier behind it is its child; beside that one it
has a child for the time that upstream took.

OpenTelemetry, "Semantic conventions for HTTP spans" (1.27 and later); names of ours begin with
`edgecache.`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from edgecache.observe.histogram import Exemplar
from edgecache.observe.labeled_series import SEPARATOR
from edgecache.observe.log_record import COLUMNS, record_values
from edgecache.observe.otlp import CLIENT, SERVER, Attribute, SpanEvent, TraceSpan

SCHEMA = "https://opentelemetry.io/schemas/1.27.0"
SAMPLED = b"01"
_TAIL = 5  # trace-id, span-id, parent-span-id, trace-flags, timestamp(ms): a record's last
_NONE = b"-"
# "Sensitive content" of the convention url.query, and what else stands for a signature in one.
_SECRET = re.compile(
    r"((?:^|&)(?:AWSAccessKeyId|Signature|sig|X-Goog-Signature|X-Amz-Signature"
    r"|X-Amz-Security-Token|X-Amz-Credential)=)[^&]*"
)
_METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_TEXT: dict[str, str] = {
    "url.scheme": "cs-protocol",
    "url.path": "cs-uri-stem",
    "server.address": "x-host-header",
    "client.address": "c-ip",
    "user_agent.original": "cs(User-Agent)",
    "tls.protocol.version": "ssl-protocol",
    "tls.cipher": "ssl-cipher",
    "edgecache.location": "x-edge-location",
    "edgecache.request_id": "x-edge-request-id",
    "edgecache.distribution.id": "distribution-id",
    "edgecache.behavior": "cache-behavior-path-pattern",
    "edgecache.result": "x-edge-detailed-result-type",
    "edgecache.reason": "reason",
    "edgecache.cache_key.hash": "cache-key-hash",
    "edgecache.ttl_rule": "ttl-rule",
}
_NUMBERS: dict[str, str] = {
    "http.request.size": "cs-bytes",
    "http.response.size": "sc-bytes",
    "client.port": "c-port",
}
_TEXT_PLACES = [(name, COLUMNS[field]) for name, field in _TEXT.items()]
_NUMBER_PLACES = [(name, COLUMNS[field]) for name, field in _NUMBERS.items()]

Begun = tuple[bytes, bytes]
"""Trace and span id of a trace that is begun with a request which had none."""


class SpanIdentity(NamedTuple):
    """What identifies the span of a request: hexadecimal, an empty parent is none."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes


class RequestSpans(NamedTuple):
    """The spans of a record, the tier's own first, and what histograms may show of it."""

    spans: tuple[TraceSpan, ...]
    exemplars: tuple[tuple[str, Exemplar], ...]


class SpanSource:
    """Makes spans of a process's records. `new_id` gives a span id; `begin` a trace for a request
    without one, or None: it has no span.
    """

    def __init__(self, new_id: Callable[[], bytes], begin: Callable[[], Begun | None]) -> None:
        self._new_id = new_id
        self._begin = begin

    def identity(self, record: bytes) -> SpanIdentity | None:
        """Who the span of a record is; None where there is to be none. Both of its lines."""
        _, trace_id, span_id, parent, flags, _ = record.rsplit(b"\t", _TAIL)
        if trace_id == _NONE:
            begun = self._begin()
            return None if begun is None else SpanIdentity(*begun, b"")
        if flags != SAMPLED:
            return None
        own = self._new_id() if span_id == _NONE else span_id
        return SpanIdentity(trace_id, own, b"" if parent == _NONE else parent)

    def spans(self, record: bytes, who: SpanIdentity) -> RequestSpans:
        """The spans of a record."""
        values = record_values(record)
        end_ms = int(values[COLUMNS["timestamp(ms)"]])
        start_ms = end_ms - _ms(values[COLUMNS["time-taken"]])
        method, status = _text(values[COLUMNS["cs-method"]]), int(values[COLUMNS["sc-status"]])
        known = method if method in _METHODS else "_OTHER"
        route = _text(values[COLUMNS["cache-behavior-path-pattern"]])
        own = TraceSpan(
            *who,
            f"{'HTTP' if known == '_OTHER' else known} {route}".rstrip(),
            SERVER,
            start_ms,
            end_ms,
            [("http.request.method", known), *_attributes(values, status)],
            list(_function_events(values, start_ms, end_ms)),
            failed=status >= 500 or status == 0,
            remote_parent=bool(who.parent_id),
        )
        origin = self._origin_span(values, who, known, end_ms)
        return RequestSpans((own,) if origin is None else (own, origin), _exemplars(values, own))

    def _origin_span(
        self, values: Sequence[bytes], who: SpanIdentity, method: str, end_ms: int
    ) -> TraceSpan | None:
        """The time that upstream took: from when it was asked, which was perhaps tried before."""
        asked = values[COLUMNS["origin-timestamp(ms)"]]
        if asked == _NONE:
            return None
        start_ms = int(asked)
        first, last = values[COLUMNS["origin-fbl"]], values[COLUMNS["origin-lbl"]]
        status, origin = values[COLUMNS["origin-status"]], values[COLUMNS["origin-id"]]
        attributes: list[Attribute] = [
            ("http.request.method", method),
            ("edgecache.origin.id", _text(origin)),
        ]
        if status != _NONE:
            attributes.append(("http.response.status_code", int(status)))
        failed = status == _NONE or status >= b"400"
        if failed:
            attributes.append(("error.type", "_OTHER" if status == _NONE else status.decode()))
        events = []
        if first != _NONE:
            events.append(SpanEvent("edgecache.origin.first_byte", start_ms + _ms(first)))
        until = max(start_ms, end_ms) if last == _NONE else start_ms + _ms(last)
        return TraceSpan(
            who.trace_id,
            self._new_id(),
            who.span_id,
            method,
            CLIENT,
            start_ms,
            until,
            attributes,
            events,
            failed=failed,
        )


def _attributes(values: Sequence[bytes], status: int) -> Iterator[Attribute]:
    for name, place in _TEXT_PLACES:
        if values[place] != _NONE:
            yield name, _text(values[place])
    for name, place in _NUMBER_PLACES:
        if values[place] != _NONE:
            yield name, int(values[place])
    if (query := values[COLUMNS["cs-uri-query"]]) != _NONE:
        yield "url.query", _SECRET.sub(r"\1REDACTED", _text(query))
    version = values[COLUMNS["cs-protocol-version"]]
    yield "network.protocol.version", version.removeprefix(b"HTTP/").removesuffix(b".0").decode()
    yield "edgecache.first_byte_s", float(values[COLUMNS["time-to-first-byte"]])
    if status:
        yield "http.response.status_code", status
    if status >= 500 or status == 0:
        yield "error.type", str(status) if status else "ClientHungUpRequest"


def _function_events(values: Sequence[bytes], start_ms: int, end_ms: int) -> Iterator[SpanEvent]:
    """What functions gave `cf.logCustomData`: at the request, and at the response."""
    for event, at_ms in (("request", start_ms), ("response", end_ms)):
        data = values[COLUMNS[f"viewer-{event}-log-data"]]
        if data != _NONE:
            said = (("edgecache.function.log_data", _text(data)),)
            yield SpanEvent(f"edgecache.function.viewer_{event}", at_ms, said)


def _exemplars(values: Sequence[bytes], span: TraceSpan) -> tuple[tuple[str, Exemplar], ...]:
    site, result = values[COLUMNS["distribution-id"]], _text(values[COLUMNS["x-edge-result-type"]])
    name = "none" if site == _NONE else _text(site)
    series = [
        (SEPARATOR.join(("distribution_time_taken", name, result)), values[COLUMNS["time-taken"]])
    ]
    if result == "Miss":
        series.append(("miss_first_byte", values[COLUMNS["time-to-first-byte"]]))
    if (first := values[COLUMNS["origin-fbl"]]) != _NONE:
        origin = _text(values[COLUMNS["origin-id"]])
        series.append((f"origin_first_byte{SEPARATOR}{origin}", first))
    trace, own = span.trace_id.decode(), span.span_id.decode()
    at = span.end_ms / 1_000
    return tuple([(one, Exemplar(float(value), at, trace, own)) for one, value in series])


def _ms(seconds: bytes) -> int:
    return round(float(seconds) * 1_000)


def _text(value: bytes) -> str:
    """A value as it was sent, percent-encoded in the log; what is no UTF-8 is replaced."""
    return unquote_to_bytes(value).decode("utf-8", "replace")
