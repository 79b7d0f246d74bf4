"""Request tracing: ids from few calls to the random source, none where none is begun."""

from __future__ import annotations

import pytest

from edgecache.config.model import TraceMode, Tracing
from edgecache.http.head import parse_request_head
from edgecache.http.message import HeadLimits
from edgecache.http.trace_context import TraceContext
from edgecache.server.request_tracing import BATCH, RequestTracing

TRACE = TraceContext(b"1" * 32, b"2" * 16, True, b"a=1")


class Source:
    """Random bytes that count up, and how often they were asked for."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, count: int) -> bytes:
        self.calls += 1
        numbers = (self.calls << 32 | number for number in range(count // 8))
        return b"".join(number.to_bytes(8) for number in numbers)


def test_every_span_and_trace_is_another_and_the_source_is_asked_once_for_many() -> None:
    source = Source()
    tracing = RequestTracing(Tracing(context="propagate"), source)
    spans, traces = set(), set()
    for _ in range(BATCH):
        continued, begun = tracing.sent_on(TRACE), tracing.sent_on(None)
        assert continued is not None
        assert begun is not None
        assert (continued.trace_id, continued.state) == (TRACE.trace_id, TRACE.state)
        spans |= {continued.span_id, begun.span_id}
        traces.add(begun.trace_id)
    assert len(spans) == 2 * BATCH
    assert len(traces) == BATCH
    assert source.calls == 2


@pytest.mark.parametrize(("mode", "begins"), [("extract", False), ("inject", True)])
def test_where_none_is_begun_nothing_is_asked_for(mode: TraceMode, begins: bool) -> None:
    source = Source()
    assert (RequestTracing(Tracing(context=mode), source).sent_on(None) is None) is not begins
    assert source.calls == begins


@pytest.mark.parametrize(("share", "sampled"), [(0, False), (1, True)])
def test_the_share_that_is_sampled(share: float, sampled: bool) -> None:
    tracing = RequestTracing(Tracing(context="inject", sampled_share=share), Source())
    begun = tracing.sent_on(None)
    assert begun is not None
    assert begun.sampled is sampled


def test_ignored_the_reader_of_heads_is_as_it_was() -> None:
    assert RequestTracing(Tracing(), Source()).reader(parse_request_head) is parse_request_head


def test_heads_are_read_with_their_traces_taken_out() -> None:
    read = RequestTracing(Tracing(context="extract"), Source()).reader(parse_request_head)
    parent = TRACE.parent.decode()
    head = f"GET / HTTP/1.1\r\nHost: a\r\nTraceParent: {parent}\r\nTraceState: a=1\r\n\r\n"
    request = read(head.encode(), HeadLimits(), b"http", ("", 0))
    assert request.fields == ((b"host", b"a"),)
    assert request.trace == TRACE
