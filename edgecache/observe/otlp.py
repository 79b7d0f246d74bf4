"""OTLP: spans in the protobuf encoding that collectors of OpenTelemetry take, and their answers.

Law: what is written here is read back by `opentelemetry-proto` in the tests. A span is encoded
once; a request is what goes before all spans of a process, and spans one after the other.

OpenTelemetry protocol 1.x, `trace/v1/trace.proto`, `common/v1/common.proto` and
`collector/trace/v1/trace_service.proto`; protobuf, "Encoding".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from struct import pack

from msgspec import Struct

SERVER, CLIENT = 2, 3  # SpanKind
CONTENT_TYPE = "application/x-protobuf"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_ERROR = 2  # StatusCode
_HAS_IS_REMOTE, _IS_REMOTE = 0x100, 0x200  # SpanFlags

Value = str | int | float
Attribute = tuple[str, Value]


class SpanEvent(Struct, frozen=True):
    """What happened at one moment of a span; `at_ms` in milliseconds since 1970."""

    name: str
    at_ms: int
    attributes: tuple[Attribute, ...] = ()


class TraceSpan(Struct, frozen=True):
    """A span as OpenTelemetry has it; ids are hexadecimal, an empty parent is none."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    name: str
    kind: int
    start_ms: int
    end_ms: int
    attributes: Sequence[Attribute]
    events: Sequence[SpanEvent] = ()
    failed: bool = False
    remote_parent: bool = False


def encoded_span(span: TraceSpan) -> bytes:
    """A span as a field of ScopeSpans; several are several, one after the other."""
    flags = 1 | _HAS_IS_REMOTE | (_IS_REMOTE if span.remote_parent else 0)
    parts = [
        _field(1, bytes.fromhex(span.trace_id.decode())),
        _field(2, bytes.fromhex(span.span_id.decode())),
        _field(4, bytes.fromhex(span.parent_id.decode())) if span.parent_id else b"",
        _field(5, span.name.encode()),
        _number(6, span.kind),
        _instant(7, span.start_ms),
        _instant(8, span.end_ms),
        *[_field(9, _key_value(one)) for one in span.attributes],
        *[_field(11, _event(one)) for one in span.events],
        _field(15, _number(3, _ERROR)) if span.failed else b"",
        _tag(16, _FIXED32) + pack("<I", flags),
    ]
    return _field(2, b"".join(parts))


def encoded_request(
    resource: Iterable[Attribute], version: str, spans: Iterable[bytes], schema: str
) -> bytes:
    """An ExportTraceServiceRequest of encoded spans. `resource`: whose they are."""
    scope = _field(1, b"edgecache") + _field(2, version.encode())
    described = b"".join([_field(1, _key_value(one)) for one in resource])
    of_scope = _field(1, scope) + b"".join(spans)
    return _field(1, _field(1, described) + _field(2, of_scope) + _field(3, schema.encode()))


def rejected_spans(answer: bytes) -> int:
    """How many spans an ExportTraceServiceResponse says were not taken; 0 where it is not sound."""
    try:
        partial = _first(answer, 1, _BYTES)
        count = _first(partial, 1, _VARINT) if isinstance(partial, bytes) else 0
    except IndexError:
        return 0
    return count if isinstance(count, int) else 0


def _first(message: bytes, number: int, kind: int) -> bytes | int:
    """The first field of this number and kind; no bytes: there is none. IndexError."""
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        value: bytes | int
        if tag & 7 == _VARINT:
            value, at = _read_varint(message, at)
        else:
            size = {_FIXED64: 8, _FIXED32: 4}.get(tag & 7, -1)
            if size < 0:
                if tag & 7 != _BYTES:
                    raise IndexError("a group, which no message has")
                size, at = _read_varint(message, at)
            value, at = message[at : at + size], at + size
        if tag == number << 3 | kind:
            return value
    return b""


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise IndexError("a number of more than ten bytes")


def _varint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def _tag(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _field(number: int, value: bytes) -> bytes:
    return _tag(number, _BYTES) + _varint(len(value)) + value


def _number(number: int, value: int) -> bytes:
    return _tag(number, _VARINT) + _varint(value & (1 << 64) - 1)


def _instant(number: int, at_ms: int) -> bytes:
    return _tag(number, _FIXED64) + pack("<Q", max(0, at_ms) * 1_000_000)


def _key_value(attribute: Attribute) -> bytes:
    name, value = attribute
    if isinstance(value, str):
        told = _field(1, value.encode("utf-8", "replace"))
    elif isinstance(value, int):
        told = _number(3, value)
    else:
        told = _tag(4, _FIXED64) + pack("<d", value)
    return _field(1, name.encode()) + _field(2, told)


def _event(event: SpanEvent) -> bytes:
    attributes = b"".join([_field(3, _key_value(one)) for one in event.attributes])
    return _instant(1, event.at_ms) + _field(2, event.name.encode()) + attributes
