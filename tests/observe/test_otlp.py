"""OTLP: what is encoded is read back by OpenTelemetry's own messages."""

from __future__ import annotations

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from edgecache.observe.otlp import (
    CLIENT,
    SERVER,
    Attribute,
    SpanEvent,
    TraceSpan,
    encoded_request,
    encoded_span,
    rejected_spans,
)

TRACE, OWN, PARENT = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7", b"b7ad6b7169203331"


def read(*spans: TraceSpan) -> ExportTraceServiceRequest:
    resource: list[Attribute] = [
        ("service.name", "edgecache"),
        ("process.pid", 4_000_000_000),
        ("share", 0.5),
    ]
    content = encoded_request(resource, "0.2.0", map(encoded_span, spans), "https://schema/1")
    request: ExportTraceServiceRequest = ExportTraceServiceRequest.FromString(content)
    return request


def test_a_span_is_read_back() -> None:
    event = SpanEvent("first byte", 1_704_110_400_123, (("n", -1),))
    attributes: list[Attribute] = [
        ("url.path", "/ü"),
        ("http.response.status_code", 200),
        ("s", 0.25),
        ("e", ""),
    ]
    span = TraceSpan(TRACE, OWN, PARENT, "GET *", SERVER, 1_704_110_400_000, 1_704_110_400_250,
                attributes, [event], failed=True, remote_parent=True)  # fmt: skip
    (of_resource,) = read(span).resource_spans
    told = {one.key: one.value for one in of_resource.resource.attributes}
    assert told["service.name"].string_value == "edgecache"
    assert (told["process.pid"].int_value, told["share"].double_value) == (4_000_000_000, 0.5)
    assert of_resource.schema_url == "https://schema/1"
    (of_scope,) = of_resource.scope_spans
    assert (of_scope.scope.name, of_scope.scope.version) == ("edgecache", "0.2.0")
    (got,) = of_scope.spans
    ids = (got.trace_id.hex(), got.span_id.hex(), got.parent_span_id.hex())
    assert ids == (TRACE.decode(), OWN.decode(), PARENT.decode())
    assert (got.name, got.kind, got.status.code, got.flags) == ("GET *", 2, 2, 0x301)
    assert got.start_time_unix_nano == 1_704_110_400_000_000_000
    assert got.end_time_unix_nano == 1_704_110_400_250_000_000
    values = {one.key: one.value for one in got.attributes}
    assert values["url.path"].string_value == "/ü"
    assert values["http.response.status_code"].int_value == 200
    assert values["s"].double_value == 0.25
    assert values["e"].WhichOneof("value") == "string_value"
    (happened,) = got.events
    assert (happened.name, happened.time_unix_nano) == ("first byte", 1_704_110_400_123_000_000)
    assert happened.attributes[0].value.int_value == -1


def test_a_root_of_another_kind_among_several() -> None:
    spans = [TraceSpan(TRACE, OWN, b"", "a", kind, 0, 1, []) for kind in (SERVER, CLIENT)]
    first, second = read(*spans).resource_spans[0].scope_spans[0].spans
    assert (first.parent_span_id, first.kind, second.kind) == (b"", 2, 3)
    assert (first.status.code, first.flags) == (0, 0x101)


@pytest.mark.parametrize("count", [0, 1, 127, 128, 70_000])
def test_a_collector_says_how_many_it_has_not_kept(count: int) -> None:
    answer = ExportTraceServiceResponse()
    answer.partial_success.error_message = "too many"
    answer.partial_success.rejected_spans = count
    assert rejected_spans(answer.SerializeToString()) == count


@pytest.mark.parametrize(
    "answer", [b"", b"{}", b"\x0a", b"\x0a\x02\x08", b"\x0a\x7f\x08\xff", b"\xff" * 40, b"\x0b\x01"]
)
def test_an_answer_that_is_not_sound_says_nothing(answer: bytes) -> None:
    assert rejected_spans(answer) == 0
