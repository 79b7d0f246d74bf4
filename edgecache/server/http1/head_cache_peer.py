"""Head cache of a tier that other tiers ask. Law: as for viewers; a call's own lines are read anew.

What a tier of ours knows of invalidations stands in the block of fields, which is good under one
log of invalidations only. Its credential is for one head and checked for each: 5 µs.
"""

from __future__ import annotations

from edgecache.cluster.credentials import claimed_sender
from edgecache.http.message import Request
from edgecache.rules.routing import Route, RouteTable
from edgecache.server.http1.head_cache import (
    NUMBERS,
    CachedHit,
    FieldBlock,
    HeadCache,
    Lines,
    RepeatingConnection,
)
from edgecache.server.http1.head_cache_fields import BLOCK_BYTES_MAX, LINE_BYTES_MAX
from edgecache.server.http1.interface import Http1Connection
from edgecache.server.http1.rendered_hit import RenderedHitLease
from edgecache.server.request_log import RequestOutcome, RequestSummary
from edgecache.server.tls import Session
from edgecache.store.entry import Entry
from edgecache.upstream.peer import heads as peer_fields
from edgecache.upstream.peer.heads import read_peer_call

USES_LEAST = 3  # each edge asks once for what it keeps: most of it is not asked for again
_RENEWED = frozenset({peer_fields.MARK})


class PeerFieldBlock(FieldBlock, eq=False):
    """A block of fields that a peer sends, up to date when it was learned."""

    epoch: str = ""  # of the log of invalidations


class PeerHeadCache(HeadCache):
    """Hits for peers. All they say but what is a call's own is part of the key."""

    def hit(self, connection: Http1Connection, data: bytes, now: float) -> bool:
        call = read_peer_call(data)
        if call is None or len(data) >= len(NUMBERS):
            return False
        block = self.blocks.get(data[call.end :])
        if not isinstance(block, PeerFieldBlock):
            return False
        if block.epoch != connection.listener.marks.epoch:
            return False
        cached = block.lines[0].get(data[: call.start])
        if cached is None:
            return False
        session = connection.session
        if session is not None and not session.admits(claimed_sender(call.credential)):
            return False
        if not self._repeat(connection, cached, block, len(data), now, (call, data)):
            return False
        connection.outgoing.write(cached.answer.start, cached.answer.body)
        connection.deadline = now + connection.listener.limits.idle_s_max
        return True

    def learn(
        self,
        connection: RepeatingConnection,
        head: bytes,
        request: Request,
        summary: RequestSummary,
        lease: RenderedHitLease,
    ) -> None:
        listener, call, answer = connection.listener, read_peer_call(head), lease.answer
        if call is None or answer.has_id or answer.mark is None:
            return
        if answer.own_body or answer.entry.uses < USES_LEAST:
            return
        bare = call.without(head)
        if call.start > LINE_BYTES_MAX or len(bare) - call.start > BLOCK_BYTES_MAX:
            return
        lines = self.lines(request, None, listener.frontend.table)
        outcome = RequestOutcome(answer.status, answer.result, 0, answer.fields, route=answer.route)
        outcome.key, outcome.stored = answer.entry.key, answer.entry
        parts = listener.request_log.parts(summary, outcome)
        self.add_line(bare[: call.start], lines[0], CachedHit.of(lease, parts))
        listener.made()
        block = PeerFieldBlock(lines, None, parts.agent, parts.host, parts.rest, parts.extras)
        block.epoch = listener.marks.epoch
        self.add_block(bare, block)

    def lines(
        self, request: Request, session: Session | None, table: RouteTable
    ) -> tuple[Lines, ...]:
        if table is not self._table:
            self.clear()
            self._table, self._names = table, (None,)
        lasting = tuple([field for field in request.fields if field[0] not in _RENEWED])
        return (self._lines((None, b"", None, lasting)),)

    def place(self, route: Route) -> int:
        return 0

    def covers(self, place: int, entries: tuple[Entry, ...]) -> bool:
        return True
