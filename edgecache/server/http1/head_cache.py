"""The memo. Law: it holds no rules; it only repeats what `decide` concluded from the same bytes.

A head is remembered in two parts. Blocks of fields, as browsers repeat them with every request,
lead to what of them bears on answers (`rules.bearing`); under that stand the request lines it was
asked for with, each with its answer. So a thousand browsers and a thousand lines need no million
places. All of it was accepted by the strict reader, and is used only while the answer's lease
stands. Without it everything is the same, but slower.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from edgecache.http.message import Fields, Request
from edgecache.rules.caching.key import has_cookies, lower_names
from edgecache.rules.caching.unkeyed_fields import PROTO
from edgecache.rules.routing import Route, RouteTable
from edgecache.server.output_buffer import SMALL_BODY_BYTES
from edgecache.server.rendered_hit import RenderedHit, RenderedHitLease
from edgecache.server.request_log import ID_CHARS, LineTemplate, RequestOutcome, RequestSummary
from edgecache.server.tls import Certificate, Session
from edgecache.store.entry import Entry
from edgecache.store.eviction import REPRIEVES_MAX
from edgecache.store.memory_account import CONCLUSIONS_MAX

if TYPE_CHECKING:
    from edgecache.server.http1.connection import ViewerConnection

ALWAYS = frozenset(
    # The message and its way: RFC 9110 §7.6, §8.6, §10.1.1, §14.2; RFC 8586.
    {b"host", b"connection", b"content-length", b"transfer-encoding", b"upgrade", b"expect"}
    | {b"te", b"trailer", b"keep-alive", b"proxy-connection", b"via", b"cdn-loop"}
    | {b"range", b"if-range", b"if-match", b"if-none-match"}
    | {b"if-modified-since", b"if-unmodified-since"}
    # The viewer's wishes, its rights, and what variants differ in most.
    | {b"cache-control", b"pragma", b"authorization", b"accept-encoding"}
    # CORS, of which response headers policies speak.
    | {b"origin", b"access-control-request-method", b"access-control-request-headers"}
)
PREFIXES = (b"edgecache-", b"sec-websocket-")  # between our tiers, and towards a tunnel
COOKIE = b"cookie"
DISTINCT_MAX = 4  # a request is looked for under each

Names = frozenset[bytes] | None


def bearing_names(route: Route) -> Names:
    """The fields (lower case) that bear on answers from the cache on `route`; None: all may."""
    if route.viewer_headers:
        return None  # made of the agent, of how many fields there are, of their order
    policy = route.behavior.cache_policy
    names = ALWAYS | set(lower_names(policy.headers.items))
    if route.semantics.scheme_in_key:
        names |= {PROTO}
    if has_cookies(policy) or route.trust is not None:  # signatures come in cookies, too
        names |= {COOKIE}
    return names


def distinct_names(table: RouteTable) -> tuple[Names, ...]:
    """What bears on the routes of `table`, each once; more than a few are made one."""
    found = tuple(dict.fromkeys(bearing_names(route) for route in table.routes()))
    if len(found) <= DISTINCT_MAX:
        return found
    return (None,) if None in found else (frozenset().union(*[names or () for names in found]),)


def bearing(fields: Fields, names: Names) -> Fields:
    """Those of a request's fields that bear, in their order."""
    if names is None:
        return fields
    return tuple([field for field in fields if field[0] in names or field[0].startswith(PREFIXES)])


ANSWERS_MAX = CONCLUSIONS_MAX  # lines are chosen by strangers
SWEPT_AT_ONCE = 4_096  # half a millisecond
BLOCKS_MAX = 4_096  # browsers under way at once, as the routing rules remember paths
LINE_BYTES_MAX = 1_024  # a signed URL has half of it; longer ones are read anew each time
BLOCK_BYTES_MAX = 4_096  # a browser's fields with its cookies
PRIVATE = b"edgecache-"  # what our own tiers tell each other is new each time

Lines = dict[bytes, "CachedHit"]
Kind = tuple[Certificate | None, Names, Fields]


class CachedHit:
    """An answer, as one line asks for it, with the parts of its log line that never change.

    `times` and the bytes count what was answered since the teller last asked; `used`: whether it
    was repeated since its place was last looked at.
    """

    __slots__ = (
        "answer", "bytes_in", "bytes_out", "end", "start", "tail", "times", "until", "used", "word",
    )  # fmt: skip

    def __init__(self, leased: RenderedHitLease, parts: LineTemplate) -> None:
        self.answer, self.until = leased
        self.start = parts.start  # cs-method to sc-status
        self.word = parts.word  # cs-uri-query to x-edge-result-type
        self.end = parts.end  # x-edge-response-result-type to fle-encrypted-fields
        self.tail = parts.tail  # time-to-first-byte to sc-range-end
        self.times = 0
        self.used = False
        self.bytes_in = 0
        self.bytes_out = 0


class FieldBlock:
    """A block of fields: the lines that are known for its like, and its parts of a log line."""

    __slots__ = ("agent", "host", "lines", "rest", "session")

    def __init__(
        self, lines: tuple[Lines, ...], session: Session | None, agent: bytes, host: bytes,
        rest: bytes,
    ) -> None:  # fmt: skip
        self.lines = (
            lines  # by what bears on some route each; Host always does, so a line is in one
        )
        self.session = session
        self.agent = agent  # cs(Referer), cs(User-Agent)
        self.host = host  # x-host-header, cs-protocol
        self.rest = rest  # time-taken to ssl-cipher


class HeadCache:
    """Answers by the bytes that asked for them; the oldest is forgotten first (CLOCK)."""

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

    def lines(
        self, request: Request, session: Session | None, table: RouteTable
    ) -> tuple[Lines, ...]:
        """What is known for blocks like the one of `request`, by what bears on some route."""
        if table is not self._table:
            self.clear()
            self._table, self._names = table, distinct_names(table)
        certificate = None if session is None else session.certificate
        kinds = [(certificate, names, bearing(request.fields, names)) for names in self._names]
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
        return self._names.index(bearing_names(route)) if len(self._names) > 1 else 0

    def covers(self, place: int, entries: tuple[Entry, ...]) -> bool:
        """Whether the variants under a key differ in nothing but what bears there."""
        names = self._names[place]
        return names is None or all(
            name in names for entry in entries for name, _ in entry.selected
        )

    def learn(self, head: bytes, lines: Lines, known: CachedHit) -> None:
        """Remember an answer to the line of `head`."""
        line = head[: head.find(b"\r\n")]
        if line not in lines:
            if self.full:
                self._forget_one()
            self._order.append((lines, line))
            self._count += 1
        lines[line] = known

    def _forget_one(self) -> None:
        """The first that was not repeated since it came to its place; the others go to the end."""
        order, place = self._order, self._next_place()
        for _ in range(REPRIEVES_MAX):
            known = place[0].get(place[1])
            if known is None:  # a sweep was quicker
                return
            if not known.used and not known.times:
                break
            known.used = False
            order.append(place)
            place = self._next_place()
        self._count -= place[0].pop(place[1], None) is not None

    def _next_place(self) -> tuple[Lines, bytes]:
        self._swept = max(0, self._swept - 1)
        return self._order.popleft()

    def learn_block(self, head: bytes, block: FieldBlock) -> None:
        """Remember the fields of `head`."""
        fields = head[head.find(b"\r\n") :]
        if len(self.blocks) >= self._blocks_max and fields not in self.blocks:
            del self.blocks[next(iter(self.blocks))]
        self.blocks[fields] = block

    def sweep(self) -> None:
        """Let go of what will not be given again, and of the bodies it holds: a part each time."""
        start, after = self._swept, self._swept + SWEPT_AT_ONCE
        self._swept = 0 if after >= len(self._order) else after
        for lines, line in islice(self._order, start, after):
            known = lines.get(line)
            if known is not None and not known.answer.alive:
                del lines[line]  # its place stays in the order until its turn comes
                self._count -= 1

    def clear(self) -> None:
        """Forget everything."""
        self.blocks.clear()
        self._kinds.clear()
        self._order.clear()
        self._count = self._swept = 0

    def __iter__(self) -> Iterator[CachedHit]:
        known = {id(lines[line]): lines[line] for lines, line in self._order if line in lines}
        return iter(known.values())

    def __len__(self) -> int:
        return self._count

    @property
    def full(self) -> bool:
        """Whether something must be forgotten for what is learned."""
        return len(self._order) >= self._answers_max


def worth_remembering(head: bytes, limit: int) -> bool:
    """Whether a head is such as comes again: in origin-form, short, and from no tier of ours."""
    cut = head.find(b"\r\n")
    return (
        cut <= LINE_BYTES_MAX
        and len(head) - cut <= BLOCK_BYTES_MAX
        and limit >= LINE_BYTES_MAX + BLOCK_BYTES_MAX
        and head[head.find(b" ") + 1 : cut].startswith(b"/")
        and PRIVATE not in head.lower()
    )


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
