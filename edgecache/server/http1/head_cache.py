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

from edgecache.http.message import Fields, Request
from edgecache.rules.caching.head_cache_fields import Names, bearing, bearing_names, distinct_names
from edgecache.rules.routing import Route, RouteTable
from edgecache.server.rendered_hit import RenderedHitLease
from edgecache.server.request_log import LineTemplate
from edgecache.server.tls import Certificate, Session
from edgecache.store.entry import Entry
from edgecache.store.eviction import REPRIEVES_MAX
from edgecache.store.memory_budget import CONCLUSIONS_MAX

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
