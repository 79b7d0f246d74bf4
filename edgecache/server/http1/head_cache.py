"""Head cache: hits by the raw bytes of the request's head, so that it need not be read again.

Law: it holds no rules and waits for nothing; it only repeats what `decide` concluded from the same
bytes, while the hit's lease stands. Without it everything is the same, but slower.

A head is known in two parts. Blocks of fields, as browsers repeat them with every request, lead to
what of them bears on responses (`key_fields`); under that stand the request lines they were sent
with, each with its hit. So a thousand browsers and a thousand lines need no million places. All of
it was accepted by the strict reader. A hit is one write, one line of the log, three additions: what
belongs to it is made once, what changes with time once a second (`RenderedHit.renew`), and for each
request there are only its id, its size and the connection it came by.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Protocol

from msgspec import Struct

from edgecache.cache.frontend import ViewerFrontend
from edgecache.cache.outcome import Hit
from edgecache.http.message import Fields, Request
from edgecache.observe.counters import Counters
from edgecache.observe.log_record import NO_TRACE, escaped, standard_line
from edgecache.rules.routing import Route, RouteTable
from edgecache.rules.viewer.access_list import AccessListMatcher
from edgecache.rules.viewer.client_shares import client_network
from edgecache.rules.viewer.rate_limits import RateLimitRule, TokenBuckets
from edgecache.server.http1.head_cache_fields import (
    BLOCK_BYTES_MAX,
    LINE_BYTES_MAX,
    Names,
    distinct_key_names,
    key_fields,
    key_names,
    worth_remembering,
)
from edgecache.server.http1.interface import Http1Connection
from edgecache.server.http1.rendered_hit import (
    HEAD_END,
    RenderedHit,
    RenderedHitLease,
    RenderedResponse,
)
from edgecache.server.listener import Listener
from edgecache.server.output_buffer import SMALL_BODY_BYTES
from edgecache.server.request_log import (
    LineTemplate,
    RequestOutcome,
    RequestSummary,
    logged_result,
    trace_columns,
)
from edgecache.server.tls import Certificate, Session
from edgecache.store.entry import Entry
from edgecache.store.eviction import REPRIEVES_MAX
from edgecache.store.memory_account import CONCLUSIONS_MAX
from edgecache.upstream.peer.heads import PeerCall

_TAB = ord("\t")  # in it ends a tail that has a part of the second line
ANSWERS_MAX = CONCLUSIONS_MAX  # lines are chosen by strangers
SWEPT_AT_ONCE = 4_096  # half a millisecond
BLOCKS_MAX = 4_096  # browsers under way at once, as the routing rules remember paths
NUMBERS = [b"%d" % number for number in range(LINE_BYTES_MAX + BLOCK_BYTES_MAX + 1)]

Lines = dict[bytes, "CachedHit"]
ADMITTED_MAX = 8  # access lists that a connection remembers; most distributions have one or two
BUCKETS_KNOWN_MAX = 32  # by one connection
Buckets = dict[RateLimitRule, int]  # by the limits that draw on them, without the peer's address
NO_BUCKETS: Buckets = {}
Kind = tuple[Certificate | None, bytes, Names, Fields]


class CachedHit(Struct, eq=False):
    """A rendered hit, as one request line asks for it, and the parts of its log line."""

    answer: RenderedHit
    until: float  # end of its lease, epoch seconds
    wire: RenderedResponse
    start: bytes  # cs-method to sc-status
    word: bytes  # cs-uri-query to x-edge-result-type
    end: bytes  # x-edge-response-result-type to fle-encrypted-fields
    tail: bytes  # time-to-first-byte to connection-id, and what of a second line is a hit's
    buckets: Buckets = NO_BUCKETS  # that its path says
    times: int = 0  # answered since `settle`; so the bytes
    used: bool = False  # repeated since its place was last looked at
    bytes_in: int = 0
    bytes_out: int = 0

    @classmethod
    def of(cls, lease: RenderedHitLease, parts: LineTemplate) -> CachedHit:
        """One that was not repeated yet."""
        return cls(*lease, parts.start, parts.word, parts.end, parts.tail)

    def settle(self, counters: Counters) -> None:
        """Count what was repeated since the last time, and tell the store of its use."""
        times, self.times, self.used = self.times, 0, True
        answer = self.answer
        answer.entry.uses += times
        if answer.block is not None:
            answer.block.uses += times
        of_site = counters.distributions[answer.route.distribution.id]
        of_site.statuses[answer.status // 100] += times
        of_site.bytes_in += self.bytes_in
        of_behavior = of_site.behaviors[answer.route.behavior.path_pattern]
        of_result = of_behavior[logged_result(answer.status, answer.result)]
        of_result.bytes_out += self.bytes_out
        of_result.time_taken.counts[0] += times
        self.bytes_in = self.bytes_out = 0


class FieldBlock(Struct, eq=False):
    """A block of fields: the lines known for all that are alike, and its parts of a log line."""

    lines: tuple[Lines, ...]  # by what bears on some route each; Host always does: a line is in one
    session: Session | None
    agent: bytes  # cs(Referer), cs(User-Agent)
    host: bytes  # x-host-header, cs-protocol
    rest: bytes  # time-taken to ssl-cipher
    extras: bytes = b""  # of a second line: see `LineTemplate`
    buckets: Buckets = NO_BUCKETS  # that its fields say, on any route of its site
    trusted: bool = False  # a trusted proxy sent it: what it says of its viewer counts
    address: bytes = b""  # of that viewer; empty: as the connection has it
    port: bytes = b""
    network: str = ""


class RepeatingConnection(Protocol):
    """A connection of any version of HTTP, as a hit that is given again has to do with it."""

    listener: Listener
    client: tuple[str, int]
    trusted: bool
    """Whether that is a trusted proxy: who its viewer is, each request says for itself."""
    network: str
    """Which client that is; see `ViewerStream`."""
    address: bytes
    """The client's address as the log has it; so `port`."""
    port: bytes
    admitted: tuple[AccessListMatcher, ...]
    """Access lists that have let this client in."""
    buckets: Buckets
    """Of rate limits: those of its viewer's address that are known."""
    session: Session | None
    """Of TLS."""


class HeadCache:
    """Rendered hits by the heads that asked for them; the oldest is forgotten first (CLOCK)."""

    def __init__(self, answers_max: int = ANSWERS_MAX, blocks_max: int = BLOCKS_MAX) -> None:
        self.blocks: dict[bytes, FieldBlock] = {}
        self._answers_max = answers_max
        self._blocks_max = blocks_max
        self._kinds: dict[Kind, Lines] = {}
        self._order: deque[tuple[Lines, bytes]] = deque()
        self._count = 0  # places in the order that are still good
        self._swept = 0  # how far a sweep has come
        self._table: RouteTable | None = None
        self._names: tuple[Names, ...] = ()

    def hit(self, connection: Http1Connection, data: bytes, now: float) -> bool:
        """Answer `data`, if it is one head whose hit is known and whose lease stands."""
        cut = data.find(b"\r\n")
        block = self.blocks.get(data[cut:])
        if (
            block is None
            or block.session is not connection.session
            or block.trusted is not connection.trusted
        ):
            return False
        line = data[:cut]
        for lines in block.lines:
            cached = lines.get(line)
            if cached is not None:
                break
        else:
            return False
        request_id = self._repeat(connection, cached, block, len(data), now)
        if not request_id:
            return False
        answer, body = cached.answer, cached.answer.body
        if len(body) <= SMALL_BODY_BYTES:
            connection.transport.write(b"".join((answer.start, request_id, HEAD_END, body)))
        else:
            connection.outgoing.write(b"".join((answer.start, request_id, HEAD_END)), body)
        connection.deadline = now + connection.listener.limits.idle_s_max
        return True

    def _repeat(
        self, connection: RepeatingConnection, cached: CachedHit, block: FieldBlock,
        received: int, now: float,  # the size of the head
        call: tuple[PeerCall, bytes] | None = None,  # of a peer: what its head says, and the head
    ) -> bytes:  # fmt: skip
        """Log and count a hit that is given again, if its lease stands: only here is that judged.

        Gives the id it is to be sent with; empty: it may not be given.
        """
        answer, wire, listener = cached.answer, cached.wire, connection.listener
        marks, entry = listener.marks, answer.entry
        if not (
            entry.alive
            and now < cached.until
            and answer.table is listener.frontend.table
            and now < marks.lease_until
            and (entry.mark == marks.last or marks.stands(entry))
            # a peer is told of the mark, which a soft invalidation raises
            and (entry.stale_from is None if answer.mark is None else answer.mark == entry.mark)
            and (answer.block is None or answer.block.alive)
            and ((by := answer.route.access_list) is None or call or by in connection.admitted)
            and (not answer.limits or call or takes_tokens(connection, cached, block, now))
        ):
            return b""
        if now >= wire.same_until:
            wire.renew(now, listener.request_log)
        if call is None:
            request_id, trace = listener.ids.next(), NO_TRACE  # none is remembered that has one
        else:  # its credential is judged last, for it is used up
            if not listener.admits_repeated(*call):
                return b""
            request_id, trace = call[0].id, trace_columns(call[0].trace)
        log, tail = listener.request_log, cached.tail
        if block.extras and tail[-1] == _TAB:
            tail = b"%b%b%b\t%d\n" % (tail, block.extras, trace, now * 1_000)
        elif tail[-1] == _TAB:  # the other half of the second line was not remembered
            tail = standard_line(tail)
        line = (
            wire.line_start, block.address or connection.address, cached.start, block.agent,
            cached.word, request_id, block.host, NUMBERS[received], block.rest, cached.end,
            block.port or connection.port, tail,
        )  # fmt: skip
        log.keep(b"".join(line))
        if not cached.times:
            log.repeated.append(cached)
        cached.times += 1
        cached.bytes_in += received
        cached.bytes_out += wire.sent_bytes
        return request_id

    def learn(
        self,
        connection: RepeatingConnection,
        head: bytes,
        request: Request,
        summary: RequestSummary,
        lease: RenderedHitLease,
    ) -> None:
        """Keep a hit that may be repeated, by the bytes that asked for it."""
        listener, answer = connection.listener, lease.answer
        if answer.own_id or answer.own_body or not answer.has_id:
            return
        if self.full and not answer.again:  # most of what is asked for once is not asked again
            return
        if not worth_remembering(head, listener.limits.head_bytes_max):
            return
        lines = self.lines(request, connection.session, listener.frontend.table)
        place = self.place(answer.route)
        if not self.covers(place, listener.frontend.tier.store.peek(answer.entry.key)):
            return
        outcome = RequestOutcome(answer.status, answer.result, 0, answer.fields, route=answer.route)
        outcome.key, outcome.stored = answer.entry.key, answer.entry
        parts = listener.request_log.parts(summary, outcome)
        cached = CachedHit.of(lease, parts)
        block = FieldBlock(
            lines, connection.session, parts.agent, parts.host, parts.rest, parts.extras
        )
        if answer.limits:
            by_path = [limit for limit in answer.limits if limit.kind == "path"]
            cached.buckets = named_buckets(connection, by_path, request)
        site = listener.frontend.table.by_id[answer.route.distribution.id]  # Host is in a block
        if site.limits_by_fields:
            block.buckets = named_buckets(connection, site.limits_by_fields, request)
        self.add_line(head[: head.find(b"\r\n")], lines[place], cached)
        listener.made()
        if connection.trusted:
            block.trusted = True
            if request.client != connection.client:
                address, port = request.client
                block.address, block.port = escaped(address), b"%d" % port
                block.network = client_network(address)
        self.add_block(head, block)

    def lines(
        self, request: Request, session: Session | None, table: RouteTable
    ) -> tuple[Lines, ...]:
        """What is known for blocks like the one of `request`, by what bears on some route."""
        if table is not self._table:
            self.clear()
            self._table, self._names = table, distinct_key_names(table)
        certificate = None if session is None else session.certificate
        scheme, fields = request.scheme, request.fields
        kinds = [(certificate, scheme, names, key_fields(fields, names)) for names in self._names]
        return tuple([self._lines(kind) for kind in kinds])

    def _lines(self, kind: Kind) -> Lines:
        lines = self._kinds.get(kind)
        if lines is None:
            if len(self._kinds) >= self._blocks_max * len(self._names):
                del self._kinds[next(iter(self._kinds))]
            lines = self._kinds[kind] = {}
        return lines

    def place(self, route: Route) -> int:
        """Which of `lines` an answer on `route` belongs to."""
        return self._names.index(key_names(route)) if len(self._names) > 1 else 0

    def covers(self, place: int, entries: tuple[Entry, ...]) -> bool:
        """Whether the variants under a key differ in nothing but what bears there."""
        names = self._names[place]
        return names is None or all(
            name in names for entry in entries for name, _ in entry.selected
        )

    def add_line(self, line: bytes, lines: Lines, cached: CachedHit) -> None:
        """Keep the hit for a line."""
        if line not in lines:
            if self.full:
                self._forget_one()
            self._order.append((lines, line))
            self._count += 1
        lines[line] = cached

    def _forget_one(self) -> None:
        """The first that was not repeated since it came to its place; the others go to the end."""
        order, place = self._order, self._next_place()
        for _ in range(REPRIEVES_MAX):
            cached = place[0].get(place[1])
            if cached is None:  # a sweep was quicker
                return
            if not cached.used and not cached.times:
                break
            cached.used = False
            order.append(place)
            place = self._next_place()
        self._count -= place[0].pop(place[1], None) is not None

    def _next_place(self) -> tuple[Lines, bytes]:
        self._swept = max(0, self._swept - 1)
        return self._order.popleft()

    def add_block(self, head: bytes, block: FieldBlock) -> None:
        """Keep the block of fields of `head`."""
        fields = head[head.find(b"\r\n") :]
        if len(self.blocks) >= self._blocks_max and fields not in self.blocks:
            del self.blocks[next(iter(self.blocks))]
        self.blocks[fields] = block

    def sweep(self) -> None:
        """Let go of what will not be given again, and of the bodies it holds: a part each time."""
        start, after = self._swept, self._swept + SWEPT_AT_ONCE
        self._swept = 0 if after >= len(self._order) else after
        for lines, line in islice(self._order, start, after):
            cached = lines.get(line)
            if cached is not None and not cached.answer.alive:
                del lines[line]  # its place stays in the order until its turn comes
                self._count -= 1

    def clear(self) -> None:
        """Forget everything."""
        self.blocks.clear()
        self._kinds.clear()
        self._order.clear()
        self._count = self._swept = 0

    def __iter__(self) -> Iterator[CachedHit]:
        hits = {id(lines[line]): lines[line] for lines, line in self._order if line in lines}
        return iter(hits.values())

    def __len__(self) -> int:
        return self._count

    @property
    def full(self) -> bool:
        """Whether something must be forgotten for what is learned."""
        return len(self._order) >= self._answers_max


def may_repeat(connection: RepeatingConnection, hit: Hit, request: Request) -> bool:
    """Whether what `hit` gives may be given again to who sends the same head.

    It was decided for this connection, which remembers the access list that let it in.
    """
    access_list = hit.route.access_list
    worth = hit.until > 0 and request.length == 0 and not hit.route.depends_on_viewer
    if connection.trusted:  # a proxy's viewers are asked one by one
        return worth and access_list is None and not connection.listener.has_list
    if access_list is not None and access_list not in connection.admitted:
        connection.admitted = (access_list, *connection.admitted[: ADMITTED_MAX - 1])
    return worth


def takes_tokens(
    connection: RepeatingConnection, cached: CachedHit, block: FieldBlock, now: float
) -> bool:
    """Whether every limit of a hit's behavior lets it be given once more; then a token is gone.

    To be asked last. What is one too many is refused by `decide`, which says so.
    """
    frontend, limits = connection.listener.frontend, cached.answer.limits
    assert isinstance(frontend, ViewerFrontend), "peers have no limits"
    drawn_on = []
    for limit in limits:
        bucket = cached.buckets.get(limit, block.buckets.get(limit))
        if bucket is None:
            bucket = address_bucket(connection, block, limit, frontend.buckets)
        drawn_on.append(bucket)
    return frontend.buckets.take(limits, drawn_on, now) is None


def address_bucket(
    connection: RepeatingConnection, block: FieldBlock, limit: RateLimitRule, table: TokenBuckets
) -> int:
    """The bucket of the viewer's address, which the connection, or a proxy's block, keeps."""
    if block.network:
        bucket = table.bucket(limit, None, block.network)
        block.buckets = {**block.buckets, limit: bucket}
        return bucket
    known = connection.buckets
    bucket = known.get(limit, -1)
    if bucket < 0:
        network = connection.network or client_network(connection.client[0])
        bucket = known[limit] = table.bucket(limit, None, network)
        if len(known) > BUCKETS_KNOWN_MAX:  # of former configurations, too
            del known[next(iter(known))]
    return bucket


def named_buckets(
    connection: RepeatingConnection, limits: Iterable[RateLimitRule], request: Request
) -> Buckets:
    """The buckets of `request` that no address says, of those limits that have one."""
    frontend = connection.listener.frontend
    assert isinstance(frontend, ViewerFrontend), "peers have no limits"
    values = ((limit, limit.value(request)) for limit in limits)
    return {one: frontend.buckets.bucket(one, value) for one, value in values if value is not None}
