"""Repeating to other tiers. Law: as for viewers; a call's own lines are read each time.

What a tier of ours may have is what it proved, and what it knows of invalidations: both stand in
the block of fields, which is good for a while only, and under one log of invalidations only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecache.http.message import Request
from edgecache.rules.routing import Route, RouteTable
from edgecache.server.http1.head_cache import (
    BLOCK_BYTES_MAX,
    LINE_BYTES_MAX,
    NUMBERS,
    CachedHit,
    FieldBlock,
    HeadCache,
    Lines,
    note,
    renew,
)
from edgecache.server.rendered_hit import RenderedHitLease
from edgecache.server.request_log import RequestOutcome, RequestSummary
from edgecache.server.tls import Session
from edgecache.store.entry import Entry
from edgecache.upstream.peer import heads as peer_fields
from edgecache.upstream.peer.heads import read_peer_call

if TYPE_CHECKING:
    from edgecache.server.http1.connection import ViewerConnection

BLOCK_S_MAX = 5.0  # a credential may outlive its end by this, beside what PeerCredentials grants
USES_LEAST = 3  # each edge asks once for what it keeps: most of it is not asked for again
_RENEWED = frozenset({peer_fields.CREDENTIAL, peer_fields.MARK})


class PeerFieldBlock(FieldBlock):
    """A block of fields that a peer sends, admitted and up to date when it was learned."""

    __slots__ = ("epoch", "until")

    epoch: str
    until: float


class PeerHeadCache(HeadCache):
    """Answers to peers. All they say bears on them, but for what only opens the door."""

    def lines(
        self, request: Request, session: Session | None, table: RouteTable
    ) -> tuple[Lines, ...]:
        if table is not self._table:
            self.clear()
            self._table, self._names = table, (None,)
        said = tuple([field for field in request.fields if field[0] not in _RENEWED])
        return (self._lines((None, None, said)),)

    def place(self, route: Route) -> int:
        return 0

    def covers(self, place: int, entries: tuple[Entry, ...]) -> bool:
        return True


def repeated_call(connection: ViewerConnection, memo: HeadCache, data: bytes, now: float) -> bool:
    """Answer `data`, if it is one head whose answer is remembered and whose lease stands."""
    call = read_peer_call(data)
    if call is None or len(data) >= len(NUMBERS):
        return False
    block = memo.blocks.get(data[call.end :])
    if not isinstance(block, PeerFieldBlock):
        return False
    known = block.lines[0].get(data[: call.start])
    if known is None:
        return False
    answer, listener = known.answer, connection.listener
    marks, entry = listener.marks, answer.entry
    if not (
        now < block.until
        and block.epoch == marks.epoch
        and entry.alive
        and answer.table is listener.front.table
        and now < marks.lease_until
        and (entry.mark == marks.last or marks.stands(entry))
        and answer.mark == entry.mark  # which the answer tells; a soft invalidation raises it, too
        and now < known.until
        and (answer.block is None or answer.block.alive)
    ):
        return False
    if now >= answer.same_until:
        renew(answer, connection, now)
    connection.outgoing.write(answer.start, answer.body)
    note(connection, known, block, call.id, len(data))
    connection.deadline = now + listener.limits.idle_s_max
    return True


def remember_call(
    connection: ViewerConnection,
    head: bytes,
    request: Request,
    asked: RequestSummary,
    leased: RenderedHitLease,
) -> None:
    """Let an answer that may be repeated be known by the bytes that asked for it."""
    listener, call = connection.listener, read_peer_call(head)
    memo, answer = listener.memo, leased.answer
    if memo is None or call is None or answer.has_id or answer.mark is None:
        return
    if answer.own_body or answer.entry.uses < USES_LEAST:
        return
    bare = call.without(head)
    if call.start > LINE_BYTES_MAX or len(bare) - call.start > BLOCK_BYTES_MAX:
        return
    lines = memo.lines(request, None, listener.front.table)
    parts = listener.teller.parts(
        asked, RequestOutcome(answer.status, answer.result, 0, answer.fields)
    )
    memo.learn(bare, lines[0], CachedHit(leased, parts))
    listener.made()
    block = PeerFieldBlock(lines, None, parts.agent, parts.host, parts.rest)
    block.epoch = listener.marks.epoch
    block.until = listener.clock() + BLOCK_S_MAX
    memo.learn_block(bare, block)
