"""Repeating: a hit out of bytes made before. Law: nothing is concluded here, nothing waits.

One write, one line of the log, three additions. What belongs to an answer is made once, what
changes with time once a second (`RenderedHit.head`), and for each request there are only its id,
its size and the connection it came by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgecache.http.message import Request
from edgecache.server.http1.head_cache import (
    BLOCK_BYTES_MAX,
    LINE_BYTES_MAX,
    CachedHit,
    FieldBlock,
    HeadCache,
    worth_remembering,
)
from edgecache.server.output_buffer import SMALL_BODY_BYTES
from edgecache.server.rendered_hit import RenderedHit, RenderedHitLease
from edgecache.server.request_id import ID_CHARS
from edgecache.server.request_log import RequestOutcome, RequestSummary

if TYPE_CHECKING:
    from edgecache.server.http1.connection import ViewerConnection

NUMBERS = [b"%d" % number for number in range(LINE_BYTES_MAX + BLOCK_BYTES_MAX + 1)]
_HEAD_END = b"\r\n\r\n"


def repeated(connection: ViewerConnection, memo: HeadCache, data: bytes, now: float) -> bool:
    """Answer `data`, if it is one head whose answer is remembered and whose lease stands."""
    cut = data.find(b"\r\n")
    block = memo.blocks.get(data[cut:])
    if block is None or block.session is not connection.session:
        return False
    line = data[:cut]
    for lines in block.lines:
        known = lines.get(line)
        if known is not None:
            break
    else:
        return False
    answer, listener = known.answer, connection.listener
    marks, entry = listener.marks, answer.entry
    if not (
        entry.alive
        and now < known.until
        and answer.table is listener.front.table
        and now < marks.lease_until
        and (entry.mark == marks.last or marks.stands(entry))
        and entry.stale_from is None
        and (answer.block is None or answer.block.alive)
    ):
        return False
    if now >= answer.same_until:
        renew(answer, connection, now)
    request_id, body = listener.ids.next(), answer.body
    if len(body) <= SMALL_BODY_BYTES:
        connection.transport.write(b"".join((answer.start, request_id, _HEAD_END, body)))
    else:
        connection.outgoing.write(b"".join((answer.start, request_id, _HEAD_END)), body)
    note(connection, known, block, request_id, len(data))
    connection.deadline = now + listener.limits.idle_s_max
    return True


def note(
    connection: ViewerConnection,
    known: CachedHit,
    block: FieldBlock,
    request_id: bytes,
    received: int,
) -> None:
    """The line of the log, and what the teller counts, of an answer that was repeated."""
    answer, teller = known.answer, connection.listener.teller
    line = (
        answer.line_start, connection.address, known.start, block.agent, known.word, request_id,
        block.host, NUMBERS[received], block.rest, known.end, connection.port, known.tail,
    )  # fmt: skip
    teller.keep(b"".join(line))
    if not known.times:
        teller.repeated.append(known)
    known.times += 1
    known.bytes_in += received
    known.bytes_out += answer.sent_bytes


def renew(answer: RenderedHit, connection: ViewerConnection, now: float) -> None:
    """What an answer says of this second, for the wire and for the log."""
    answer.start = answer.head(now)
    answer.sent_bytes = len(answer.start) + len(answer.body)
    if answer.has_id:
        answer.sent_bytes += ID_CHARS + len(_HEAD_END)
    answer.line_start = connection.listener.teller.line_start(now, answer.sent_bytes)
    answer.same_until = int(now) + 1.0


def remember(
    connection: ViewerConnection,
    head: bytes,
    request: Request,
    asked: RequestSummary,
    leased: RenderedHitLease,
) -> None:
    """Let an answer that may be repeated be known by the bytes that asked for it."""
    listener, answer = connection.listener, leased.answer
    memo = listener.memo
    if memo is None or answer.own_id or answer.own_body or not answer.has_id:
        return
    if memo.full and not answer.again:  # most of what is asked for once is not asked for again
        return
    if not worth_remembering(head, listener.limits.head_bytes_max):
        return
    lines = memo.lines(request, connection.session, listener.front.table)
    place = memo.place(answer.route)
    if not memo.covers(place, listener.front.tier.store.peek(answer.entry.key)):
        return
    told = RequestOutcome(answer.status, answer.result, 0, answer.fields)
    parts = listener.teller.parts(asked, told)
    known = CachedHit(leased, parts)
    memo.learn(head, lines[place], known)
    listener.made()
    block = FieldBlock(lines, connection.session, parts.agent, parts.host, parts.rest)
    memo.learn_block(head, block)
