"""Span export: spans of sampled requests to a collector of OpenTelemetry, by OTLP over HTTP.

Law: no viewer waits for a collector. Spans are made of records on the log's thread, at most
SPANS_PER_S of a process; what is more, what finds no room, and what the collector does not take
after some tries is lost and counted. What may be secret in its headers stands in no configuration.

OpenTelemetry protocol 1.x, "OTLP/HTTP"; "Semantic conventions", "Resource".
"""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import random
from socket import gethostname
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from edgecache import __version__
from edgecache.config.model import Config, Tracing
from edgecache.http.trace_context import TraceContext
from edgecache.node.realtime_streams import HttpPost
from edgecache.node.send_queue import SEND_S, BatchReceiver, SendQueue, SendWorld, StreamError
from edgecache.observe.counters import Counters
from edgecache.observe.otlp import (
    CONTENT_TYPE,
    Attribute,
    encoded_request,
    encoded_span,
    rejected_spans,
)
from edgecache.observe.request_spans import SCHEMA, Begun, SpanIdentity, SpanSource
from edgecache.rules.trace_propagation import (
    BEGINS,
    SPAN_BYTES,
    TRACE_BYTES,
    begun,
    continued,
)
from edgecache.runtime.environment import pause, random_bytes, wall_clock
from edgecache.store.memory_account import MemoryHolding

if TYPE_CHECKING:
    from edgecache.node.node import Node

logger = logging.getLogger("edgecache.server")

SPANS_PER_S = 1_000  # strangers may ask for them by traceparent; what they cost is bounded by it
PATH = "/v1/traces"
_EACH = TRACE_BYTES + SPAN_BYTES
_BATCH = 128  # traces from one call to the random source
_ANY = TraceContext(b"", b"", sampled=True)


@dataclass(frozen=True, slots=True)
class SpanWorld:
    """What the export of spans needs of its process. `measure` is told how many bytes it holds."""

    clock: Callable[[], float]
    pause: Callable[[float], Awaitable[None]]
    random: Callable[[], float]
    random_bytes: Callable[[int], bytes]
    counters: Counters
    measure: Callable[[int], None]


class TraceIds:
    """Ids of spans, and of the traces that are begun for requests of which nobody was told any."""

    def __init__(self, share: float, random_bytes: Callable[[int], bytes]) -> None:
        """`share` of the traces are sampled; 0: none is begun."""
        self._share = share
        self._random_bytes = random_bytes
        self._ready = b""
        self._used = 0

    def span(self) -> bytes:
        """The id of a span."""
        return continued(_ANY, self._chance(SPAN_BYTES)).span_id

    def trace(self) -> Begun | None:
        """A trace, and the span that begins it; None: it is not sampled."""
        if not self._share:
            return None
        trace = begun(self._chance(_EACH), self._share)
        return (trace.trace_id, trace.span_id) if trace.sampled else None

    def _chance(self, count: int) -> bytes:
        if self._used + count > len(self._ready):
            self._ready, self._used = self._random_bytes(_EACH * _BATCH), 0
        start, self._used = self._used, self._used + count
        return self._ready[start : self._used]


class OtlpReceiver:
    """A collector: takes encoded spans by a POST for each batch.

    `headers` gives those of a request, or raises StreamError; `rejected` is told how many of a
    batch that it took it has not kept.
    """

    def __init__(
        self,
        post: HttpPost,
        resource: Sequence[Attribute],
        headers: Callable[[], Mapping[str, str]],
        rejected: Callable[[int], None],
    ) -> None:
        self._post = post
        self._resource = resource
        self._headers = headers
        self._rejected = rejected

    async def send(self, pieces: Sequence[bytes]) -> None:
        """See `BatchReceiver`."""
        fields = {**self._headers(), "content-type": CONTENT_TYPE}
        content = encoded_request(self._resource, __version__, pieces, SCHEMA)
        if count := rejected_spans(await self._post.post(content, fields)):
            self._rejected(min(count, len(pieces)))

    async def close(self) -> None:
        """See `BatchReceiver`."""
        await self._post.close()


class SpanExport:
    """The spans of one process. See `log_outputs.RecordConsumer`."""

    extended = True
    shows_cookies = False  # no span has them

    def __init__(
        self,
        source: SpanSource,
        world: SpanWorld,
        receiver: Callable[[Callable[[int], None]], BatchReceiver],
        whom: str,
    ) -> None:
        """`receiver` is made of what counts spans that it has not kept; `whom` is its name."""
        self._source = source
        self._world = world
        way = SendWorld(world.pause, world.random, self._count)
        self._queue = SendQueue("spans", whom, receiver(self._count_rejected), way)
        self._second, self._in_second = 0, 0  # which second that was, and its spans

    def use(self, config: Config) -> None:
        """Where spans go is said at the start of a process; headers are read with secrets."""

    def offer(self, records: Sequence[bytes]) -> None:
        """Queue the spans of records that are sampled. On the log's thread."""
        for record in records:
            if record.count(b"\n") < 2:  # made before somebody wanted more of it
                continue
            who = self._source.identity(record)
            if who is not None:
                self._make(record, who)

    def hand_over(self) -> None:
        """A successor serves: what waits here is sent all the same."""

    async def run(self) -> None:
        """Send what waits, for ever."""
        while True:
            await self._world.pause(SEND_S)
            self.step()

    def step(self) -> None:
        """One turn of `run`."""
        self._queue.step()
        held = self._queue.size_bytes + self._world.counters.exemplars.size_bytes
        self._world.measure(held)

    async def sent(self) -> None:
        """Wait until nothing is on its way."""
        await self._queue.sent()

    async def close(self) -> None:
        """Send what waits, and let go."""
        await self._queue.close()

    def _make(self, record: bytes, who: SpanIdentity) -> None:
        if not self._has_room():
            self._queue.lose(1)
            return
        made = self._source.spans(record, who)
        for span in made.spans:
            self._queue.put(encoded_span(span))
        for series, exemplar in made.exemplars:
            self._world.counters.exemplars.note(series, exemplar)

    def _has_room(self) -> bool:
        second = int(self._world.clock())
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        return self._in_second <= SPANS_PER_S

    def _count(self, what: str, spans: int) -> None:
        counters = self._world.counters
        if what == "sent":
            counters.spans_sent += spans
        else:
            counters.spans_lost += spans

    def _count_rejected(self, spans: int) -> None:
        """The batch will be counted as sent."""
        self._count("sent", -spans)
        self._count("lost", spans)


def span_exports(node: Node, tracing: Tracing, machine: str) -> list[SpanExport]:
    """The export of a process's spans; none where no collector is named."""
    if not tracing.otlp_endpoint:
        return []
    counters = node.listener.request_log.counters
    measure = partial(node.listener.account.measure, MemoryHolding.SPANS)
    world = SpanWorld(wall_clock, pause, random, random_bytes, counters, measure)
    begins = node.role == "edge" and tracing.context in BEGINS
    ids = TraceIds(tracing.sampled_share if begins else 0, random_bytes)
    post = HttpPost(endpoint_url(tracing.otlp_endpoint), tracing.otlp_ca_file)

    def headers() -> dict[str, str]:
        values = {}
        for name, reference in tracing.otlp_headers.items():
            value = None if node.secrets is None else node.secrets.value(reference)
            if value is None:
                raise StreamError(f"{reference} of otlp_headers cannot be read")
            values[name] = value.decode("ascii")
        return values

    def receiver(rejected: Callable[[int], None]) -> BatchReceiver:
        return OtlpReceiver(post, resource_of(node, machine), headers, rejected)

    whom = urlsplit(tracing.otlp_endpoint).netloc
    return [SpanExport(SpanSource(ids.span, ids.trace), world, receiver, whom)]


def endpoint_url(endpoint: str) -> str:
    """Where spans are posted to: `/v1/traces` of a collector, unless a path is named."""
    url = urlsplit(endpoint)
    return url._replace(path=PATH).geturl() if url.path in ("", "/") else endpoint


def resource_of(node: Node, machine: str) -> tuple[Attribute, ...]:
    """Whose spans they are, by the semantic conventions."""
    return (
        ("service.name", "edgecache"),
        ("service.version", __version__),
        ("service.instance.id", f"{machine}/{node.name}"),
        ("host.name", gethostname()),
        ("process.pid", os.getpid()),
        ("edgecache.tier", node.role),
        ("edgecache.node", node.name),
        *((("edgecache.location", node.location),) if node.location else ()),
    )
