"""Planned miss: a request that was sent upstream by a plan, until it is answered or handed over.

Law: it answers only what the plan has a template for, whole, to a viewer that is as it was; all
else it hands over, with the exchange under way, to the errand that the general path would run. For
its connection it stands in the place of that errand's task and stream.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import replace

from edgecache.cache.fetch_plan import BegunFetch, ReceivedReply
from edgecache.cache.outcome import CacheResult, Errand, FetchErrand, Outcome, Refusal
from edgecache.http.message import OriginRecord
from edgecache.server.http1.stream import Http1Stream
from edgecache.server.request_log import RequestOutcome, RequestSummary
from edgecache.server.response_writer import ResponseWriter
from edgecache.server.stream import ViewerBody
from edgecache.upstream.exchange import Exchange
from edgecache.upstream.interface import Reply

if TYPE_CHECKING:
    from edgecache.http.response_lines import ResponseLine
    from edgecache.server.http1.miss_plans import MissPlan
    from edgecache.server.http1.reply_template import ReplyTemplate

logger = logging.getLogger("edgecache.server")

BODY_BYTES_MAX = 32_768  # below what a transport holds before it would have its writer wait


class MissCall(NamedTuple):
    """What one request says for itself: its id, the bytes of its head, whose it is.

    `network`: whose share it takes; empty: nobody's. `admits`: whether who asks may, which is asked
    once, and last: a credential is used up by it.
    """

    id: bytes
    received: int
    client: tuple[str, int]
    network: str
    admits: Callable[[], bool] | None = None


class PlannedMiss:
    """One request under way; see `Http1Connection.stream` for what it has of a stream's."""

    streams = False  # nothing was written of the response
    sent_bytes = 0

    __slots__ = ("_asked", "_begun", "_connection", "_plan", "_target", "seen_bytes")

    def __init__(
        self, connection: Any, plan: MissPlan, target: tuple[bytes, bytes | None], asked: MissCall
    ) -> None:
        self.seen_bytes = 0
        self._connection = connection
        self._plan = plan
        self._target = target
        self._asked = asked
        self._begun: BegunFetch | None = None

    def begin(self, now: float) -> bool:
        """Ask upstream, if that can be done at once."""
        asked = self._asked
        peer = asked.client[0].encode()
        self._begun = self._plan.fetch.begin(self._target, asked.id, peer, self, now)
        return self._begun is not None

    # For the connection, as its task.

    def cancel(self) -> None:
        """The viewer is gone."""
        begun, connection = self._begun, self._connection
        if begun is None:
            return
        self._begun = None
        asked_at = begun.exchange.requested_at
        self._plan.fetch.abandon(begun)
        connection.listener.connections.errands.give_back(self._asked.network)
        errand = self._plan.fetch.errand(begun, self._target, self._asked.client)
        self._writer(Http1Stream(connection, errand.request)).record_left(
            errand, self._plan.fetch.upstream.origin, asked_at
        )

    # For the connection to upstream.

    def admitted(self) -> bool:
        """See PlannedAnswer."""
        admits = self._asked.admits
        return admits is None or admits()

    def take(self, exchange: Exchange, data: bytes) -> bool:
        """See PlannedAnswer."""
        begun, end = self._begun, data.find(b"\r\n\r\n")
        length = len(data) - end - 4
        if end < 0 or length > BODY_BYTES_MAX or begun is None or not self._connection.takes_answer:
            return False
        try:
            lines = self._plan.lines_of(data[:end])
            template = None if lines is None else self._plan.template(lines, begun.exchange.mark)
        except Exception:  # of our own: the general path may do better
            logger.exception("an answer was not understood: id %s", self._asked.id.decode())
            return False
        if lines is None or template is None or lines[template.length_at].length != length:
            return False
        if not self._plan.fetch.fits(length):
            return False
        self._begun = None
        self._connection.listener.connections.errands.give_back(self._asked.network)
        try:
            self._answer(begun, (lines, template), exchange.requested_at, data[end + 4 :])
        except Exception:
            logger.exception("an answer failed on its way out: id %s", self._asked.id.decode())
            self._plan.fetch.abandon(begun)
            self._connection.transport.abort()
        return True

    def _answer(
        self, begun: BegunFetch, came: tuple[list[ResponseLine], ReplyTemplate], asked_at: float,
        body: bytes,
    ) -> None:  # fmt: skip
        """Store what came, send it, and tell of it."""
        (lines, template), connection = came, self._connection
        now = connection.listener.clock()
        fields = [line.field for line in lines[1:]]
        times = asked_at, now
        received = ReceivedReply(
            template.status, template.reason, fields, times, body, template.reusable
        )
        entry = self._plan.fetch.conclude(begun, template.judged, received)
        head = template.head(lines, self._asked.id, len(body))
        connection.outgoing.write(head, body)
        self._tell(template, (begun, entry, asked_at), (len(head), len(body)), now)
        connection.answered()

    def hand_over(self, exchange: Exchange) -> asyncio.Future[Reply]:
        """See PlannedAnswer."""
        begun, connection = self._begun, self._connection
        assert begun is not None, "an exchange is concluded or handed over, once"
        self._begun = None
        arrived: asyncio.Future[Reply] = connection.loop.create_future()
        plan = self._plan.fetch
        plan.upstream.released(begun.exchange)
        errand = plan.errand(begun, self._target, self._asked.client)
        stream = Http1Stream(connection, errand.request)
        writer = self._writer(stream)
        writer.origin.begin(plan.upstream.origin, exchange.requested_at)
        exchange.outgoing = replace(
            exchange.outgoing, on_interim=writer.send_interim, record=writer.origin
        )
        connection.run(writer.run(errand, None), stream)
        return arrived

    def _writer(self, stream: Http1Stream) -> PlannedResponseWriter:
        listener = self._connection.listener
        return PlannedResponseWriter(listener, stream, self._summary(), self._asked.id)

    def _summary(self) -> RequestSummary:
        path, query = self._target
        return replace(self._plan.summary, stem=path, query=query, bytes_in=self._asked.received)

    def _tell(
        self, template: ReplyTemplate, came: tuple[BegunFetch, Any, float],
        sizes: tuple[int, int], now: float,
    ) -> None:  # fmt: skip
        """Count and log what was answered; `sizes` are those of head and body."""
        (begun, entry, asked_at), connection, plan = came, self._connection, self._plan
        outcome, log = template.judged.outcome, connection.listener.request_log
        taken_s = now - connection.began
        if not log.extended:
            self._count(template, sum(sizes), taken_s)
            start = log.line_start(now, sum(sizes))
            asked = self._target, self._asked.id, self._asked.received
            by = connection.address, connection.port
            log.keep(template.log_line(start, by, asked, taken_s, sizes[1]))
            return
        record = OriginRecord(
            plan.fetch.upstream.origin, template.status, asked_at, max(asked_at, now)
        )
        record.ended_at, record.result = record.head_at, template.judged.told_result
        told = RequestOutcome(
            outcome.status, outcome.result, sum(sizes), template.logged, outcome.trace.detail,
            taken_s, sizes[1], plan.route, outcome.trace.why or "", record, None, begun.key, entry,
        )  # fmt: skip
        log.tell(self._summary(), told, connection.client, self._asked.id, now, taken_s)

    def _count(self, template: ReplyTemplate, sent: int, taken_s: float) -> None:
        """Count what was answered, as `RequestLog.tell` does."""
        counters, plan = self._connection.listener.request_log.counters, self._plan
        site = counters.distributions[plan.summary.distribution]
        site.statuses[template.status // 100] += 1
        site.bytes_in += self._asked.received
        of_result = site.behaviors[plan.route.behavior.path_pattern][template.result]
        of_result.bytes_out += sent
        of_result.time_taken.observe(taken_s)
        if template.result is CacheResult.MISS:
            counters.miss_first_byte.observe(taken_s)


class PlannedResponseWriter(ResponseWriter):
    """The writer of a request that a planned miss was handed over with: it is counted already."""

    __slots__ = ()

    def record_left(self, errand: FetchErrand, origin: str, asked_at: float) -> None:
        """The viewer left before `origin` answered what was asked then (epoch seconds)."""
        self._route, self._key = errand.route, errand.key
        self.origin.begin(origin, asked_at)
        self._record_left(errand)

    async def _fetch(self, errand: Errand, _body: ViewerBody | None) -> Outcome | Refusal:
        """What comes of the errand."""
        try:
            return await self._listener.frontend.run(errand, None, self.send_interim)
        finally:
            self._listener.connections.errands.give_back(self._network)
