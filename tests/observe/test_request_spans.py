"""Spans out of records: which have one, whose child it is, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from edgecache.observe.log_record import RecordExtras, format_record
from edgecache.observe.otlp import CLIENT, SERVER, Attribute, TraceSpan
from edgecache.observe.request_spans import Begun, RequestSpans, SpanIdentity, SpanSource
from tests.observe.test_log_record import record

TRACE, ASKER, OWN = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7", b"b7ad6b7169203331"
MADE = b"1111111111111111"
END_MS = 1_704_110_400_000  # of `record`


def source(begin: Callable[[], Begun | None] = lambda: None) -> SpanSource:
    return SpanSource(lambda: MADE, begin)


def lines(status: int = 200, values: dict[int, Any] | None = None, **extras: Any) -> bytes:
    made: list[Any] = list(record(status=status))
    traced = {"trace_id": TRACE, "trace_flags": b"01", "parent_span_id": ASKER}
    made[32] = RecordExtras("E1", "/img/*", **{**traced, **extras})
    for place, value in (values or {}).items():
        made[place] = value
    return format_record(tuple(made), lambda _: b"2024-01-01\t12:00:00")


def spans(line: bytes) -> RequestSpans:
    made, who = source(), source().identity(line)
    assert who is not None
    return made.spans(line, who)


def said(span: TraceSpan) -> dict[str, Any]:
    attributes: dict[str, Attribute] = {one[0]: one for one in span.attributes}
    assert len(attributes) == len(span.attributes), "each once"
    return {name: value for name, (_, value) in attributes.items()}


@pytest.mark.parametrize(
    ("extras", "identity"),
    [
        ({}, SpanIdentity(TRACE, MADE, ASKER)),  # a hit: upstream was told nothing
        ({"span_id": OWN}, SpanIdentity(TRACE, OWN, ASKER)),
        ({"span_id": OWN, "parent_span_id": None}, SpanIdentity(TRACE, OWN, b"")),  # begun here
        ({"trace_flags": b"00"}, None),
        ({"trace_flags": b"00", "span_id": OWN}, None),
    ],
)
def test_the_span_of_a_sampled_trace_is_the_one_upstream_was_told_of(
    extras: dict[str, Any], identity: SpanIdentity | None
) -> None:
    made = source(lambda: pytest.fail("it has a trace"))
    assert made.identity(lines(**extras)) == identity


def test_a_request_without_a_trace_may_begin_one() -> None:
    untraced = lines(trace_id=None, trace_flags=None, parent_span_id=None)
    assert source().identity(untraced) is None
    assert source(lambda: (TRACE, OWN)).identity(untraced) == SpanIdentity(TRACE, OWN, b"")


def test_a_hit_has_one_span_by_the_semantic_conventions() -> None:
    hit = lines(key_hash="0011223344556677", ttl_rule="max-age", values={10: b"a=1&Signature=x&b"})
    (own,), _ = spans(hit)
    assert (own.trace_id, own.span_id, own.parent_id) == (TRACE, MADE, ASKER)
    assert (own.name, own.kind, own.failed, own.remote_parent) == (
        "GET /img/*",
        SERVER,
        False,
        True,
    )
    assert own.end_ms == END_MS
    assert 0 <= own.end_ms - own.start_ms < 60_000
    expected = {
        "http.request.method": "GET", "http.response.status_code": 200, "url.scheme": "http",
        "url.query": "a=1&Signature=REDACTED&b", "edgecache.cache_key.hash": "0011223344556677",
        "edgecache.ttl_rule": "max-age", "edgecache.distribution.id": "E1",
        "edgecache.behavior": "/img/*", "client.port": 54321, "network.protocol.version": "1.1",
    }  # fmt: skip
    assert {name: said(own).get(name) for name in expected} == expected
    assert "error.type" not in said(own)


def test_a_miss_has_a_child_for_what_upstream_took() -> None:
    miss = lines(
        reason="absent", origin="web", origin_status=200, origin_first_byte_s=0.25,
        origin_last_byte_s=1.5, origin_asked_at=END_MS / 1_000 - 2, span_id=OWN,
    )  # fmt: skip
    own, origin = spans(miss).spans
    assert (own.span_id, origin.parent_id, origin.span_id, origin.kind) == (OWN, OWN, MADE, CLIENT)
    assert (origin.start_ms, origin.end_ms) == (END_MS - 2_000, END_MS - 500)
    assert [(one.name, one.at_ms) for one in origin.events] == [
        ("edgecache.origin.first_byte", END_MS - 1_750)
    ]
    assert said(origin)["edgecache.origin.id"] == "web"
    assert said(own)["edgecache.reason"] == "absent"
    assert (own.failed, origin.failed) == (False, False)


@pytest.mark.parametrize(
    ("status", "extras", "failed", "error"),
    [
        (404, {"origin_status": 404}, (False, True), (None, "404")),
        (502, {}, (True, True), ("502", "_OTHER")),
        (0, {}, (True, True), ("ClientHungUpRequest", "_OTHER")),
    ],
)
def test_what_failed_says_so(
    status: int, extras: dict[str, Any], failed: tuple[bool, bool], error: tuple[str | None, str]
) -> None:
    own, origin = spans(lines(status, origin="web", origin_asked_at=1.0, **extras)).spans
    assert (own.failed, origin.failed) == failed
    assert (said(own).get("error.type"), said(origin).get("error.type")) == error


def test_functions_are_events() -> None:
    (own,), _ = spans(lines(request_data="a b", response_data="ok"))
    assert [(one.name, one.attributes[0][1]) for one in own.events] == [
        ("edgecache.function.viewer_request", "a b"),
        ("edgecache.function.viewer_response", "ok"),
    ]


def test_what_strangers_send_is_text() -> None:
    (own,), _ = spans(lines(values={4: b"BR\x00EW", 6: b"/\xff\x1b[31m", 9: b"\t\n<b>"}))
    assert own.name == "HTTP /img/*"
    assert said(own)["http.request.method"] == "_OTHER"
    assert said(own)["url.path"] == "/�\x1b[31m"
    assert said(own)["user_agent.original"] == "\t\n<b>"


def test_histograms_may_show_it() -> None:
    miss = lines(values={12: "Miss", 17: 0.3, 26: 0.2}, origin="web", origin_first_byte_s=0.1)
    shown = dict(spans(miss).exemplars)
    assert {name: one.value for name, one in shown.items()} == {
        "distribution_time_taken\tE1\tMiss": 0.3,
        "miss_first_byte": 0.2,
        "origin_first_byte\tweb": 0.1,
    }
    assert {(one.trace_id, one.span_id, one.at) for one in shown.values()} == {
        (TRACE.decode(), MADE.decode(), END_MS / 1_000)
    }
