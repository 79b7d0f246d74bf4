"""Export of spans: to a collector, by its answers; bounded, counted, and in no viewer's way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from edgecache.node.realtime_streams import HttpPost
from edgecache.node.send_queue import BatchReceiver, StreamError
from edgecache.node.span_export import (
    PATH,
    SPANS_PER_S,
    OtlpReceiver,
    SpanExport,
    SpanWorld,
    TraceIds,
    endpoint_url,
)
from edgecache.observe.counters import Counters
from edgecache.observe.request_spans import SpanSource
from edgecache.rules.trace_propagation import SPAN_BYTES
from tests.observe.test_request_spans import TRACE, lines

RESOURCE = (("service.name", "edgecache"), ("edgecache.tier", "edge"))
MISS = lines(origin="web", origin_asked_at=1.0)  # two spans


UNEXTENDED = MISS[: MISS.index(b"\n") + 1]


def chance(count: int) -> bytes:
    return bytes(range(1, 17)) * (count // 16 + 1)


class Collector:
    """A collector that answers as it is told to, the last answer for good."""

    def __init__(self, *answers: httpx.Response) -> None:
        self.answers = [*answers]
        self.heard: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.heard.append(request)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def spans(self) -> list[Any]:
        read = [ExportTraceServiceRequest.FromString(one.content) for one in self.heard]
        return [
            span
            for request in read
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


class Process:
    """The export of one process, whose second is `now`."""

    def __init__(
        self,
        collector: Collector,
        headers: Callable[[], Mapping[str, str]] = dict,
        share: float = 0,
    ) -> None:
        self.now = 0.0
        self.counters = Counters()
        self.sizes: list[int] = []
        post = HttpPost("http://collector:4318/v1/traces", "", httpx.MockTransport(collector))

        def receiver(rejected: Callable[[int], None]) -> BatchReceiver:
            return OtlpReceiver(post, RESOURCE, headers, rejected)

        async def pause(_seconds: float) -> None:
            return

        world = SpanWorld(
            lambda: self.now, pause, lambda: 1.0, chance, self.counters, self.sizes.append
        )
        ids = TraceIds(share, chance)
        self.export = SpanExport(SpanSource(ids.span, ids.trace), world, receiver, "collector")

    def offer(self, *records: bytes) -> None:
        self.export.offer(records)

    async def step(self) -> None:
        self.export.step()
        await self.export.sent()
        self.export.step()

    @property
    def counted(self) -> tuple[int, int]:
        return self.counters.spans_sent, self.counters.spans_lost


def play(collector: Collector, *records: bytes, **more: Any) -> Process:
    """One turn of a process that was offered some records."""

    async def scene() -> Process:
        process = Process(collector, **more)
        process.offer(*records)
        await process.step()
        await process.export.close()
        return process

    return asyncio.run(scene())


def test_spans_are_posted_with_whose_they_are_and_headers_by_reference() -> None:
    collector = Collector(httpx.Response(200))
    process = play(collector, MISS, headers=lambda: {"authorization": "Bearer x"})
    (request,) = collector.heard
    assert request.headers["content-type"] == "application/x-protobuf"
    assert request.headers["authorization"] == "Bearer x"
    own, origin = collector.spans()
    assert (own.trace_id.hex(), origin.parent_span_id) == (TRACE.decode(), own.span_id)
    assert process.counted == (2, 0)
    assert process.sizes[-1] > 0, "exemplars are kept"
    assert {name.partition("\t")[0] for name, _ in process.counters.exemplars.items()} == {
        "distribution_time_taken"
    }


def test_who_is_not_sampled_has_no_span() -> None:
    collector = Collector(httpx.Response(200))
    process = play(collector, lines(trace_flags=b"00"), UNEXTENDED, lines(trace_id=None))
    assert (collector.heard, process.counted) == ([], (0, 0))


def test_a_share_of_requests_without_a_trace_begins_one() -> None:
    collector = Collector(httpx.Response(200))
    play(collector, lines(trace_id=None, parent_span_id=None), share=1)
    (own,) = collector.spans()
    assert (own.parent_span_id, len(own.trace_id), len(own.span_id)) == (b"", 16, 8)


@pytest.mark.parametrize("share", [0.01, 0.5])
def test_so_many_begin_one_as_are_to_be_sampled(share: float) -> None:
    import random

    ids = TraceIds(share, random.Random(1).randbytes)
    begun = [ids.trace() for _ in range(4_000)]
    assert sum(one is not None for one in begun) == pytest.approx(4_000 * share, rel=0.5)
    assert len({one for one in begun if one}) == sum(one is not None for one in begun)
    assert len(ids.span()) == 2 * SPAN_BYTES


def test_what_a_collector_has_not_kept_is_lost() -> None:
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = 1
    process = play(Collector(httpx.Response(200, content=answer.SerializeToString())), MISS)
    assert process.counted == (1, 1)


@pytest.mark.parametrize(("status", "asked"), [(503, 5), (429, 5), (400, 1), (401, 1), (404, 1)])
def test_only_what_may_pass_is_tried_again(status: int, asked: int) -> None:
    collector = Collector(httpx.Response(status))
    process = play(collector, MISS)
    assert (len(collector.heard), process.counted) == (asked, (0, 2))


def test_a_collector_that_comes_back_is_sent_what_was_tried_before() -> None:
    collector = Collector(httpx.Response(503), httpx.Response(200))
    assert play(collector, MISS).counted == (2, 0)


def test_without_the_secret_of_a_header_nothing_is_sent() -> None:
    def missing() -> Mapping[str, str]:
        raise StreamError("env:TOKEN of otlp_headers cannot be read")

    collector = Collector(httpx.Response(200))
    process = play(collector, MISS, headers=missing)
    assert (collector.heard, process.counted) == ([], (0, 2))


def test_no_more_are_made_in_a_second_than_a_bound() -> None:
    async def scene() -> None:
        process = Process(Collector(httpx.Response(200)))
        process.offer(*[lines()] * (SPANS_PER_S + 5))
        await process.step()
        assert process.counted == (SPANS_PER_S, 5)
        process.now = 1.0
        process.offer(lines())
        await process.step()
        assert process.counted == (SPANS_PER_S + 1, 5)

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://127.0.0.1:4318", f"http://127.0.0.1:4318{PATH}"),
        ("https://c/", f"https://c{PATH}"),
        ("https://c/otlp/v1/traces?tenant=a", "https://c/otlp/v1/traces?tenant=a"),
    ],
)
def test_a_collectors_path_is_known(endpoint: str, url: str) -> None:
    assert endpoint_url(endpoint) == url
