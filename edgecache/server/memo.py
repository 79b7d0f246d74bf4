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

from edgecache.http.message import Fields, Request
from edgecache.rules.bearing import Names, bearing, bearing_names, distinct_names
from edgecache.rules.routing import Route, RouteTable
from edgecache.server.answering import Answer
from edgecache.server.tls import Certificate, Session
from edgecache.store.entry import Entry

ANSWERS_MAX = 16_384  # lines are chosen by strangers; nginx's keys_zone=1m holds half as many keys
BLOCKS_MAX = 4_096  # browsers under way at once, as the routing rules remember paths
LINE_BYTES_MAX = 1_024  # a signed URL has half of it; longer ones are read anew each time
BLOCK_BYTES_MAX = 4_096  # a browser's fields with its cookies
ANSWER_BYTES = 3_000  # of what is made of an entry for the wire and the log, beside its line
PRIVATE = b"edgecache-"  # what our own tiers tell each other is new each time

Lines = dict[bytes, "Remembered"]
Kind = tuple[Certificate | None, Names, Fields]


class Remembered:
    """An answer, as one line asks for it, with the parts of its log line that never change.

    `times` and the bytes count what was answered since the teller last asked.
    """

    __slots__ = ("answer", "bytes_in", "bytes_out", "end", "start", "tail", "times", "word")

    def __init__(self, answer: Answer, start: bytes, word: bytes, end: bytes, tail: bytes) -> None:
        self.answer = answer
        self.start = start  # cs-method to sc-status
        self.word = word  # cs-uri-query to x-edge-result-type
        self.end = end  # x-edge-response-result-type to fle-encrypted-fields
        self.tail = tail  # time-to-first-byte to sc-range-end
        self.times = 0
        self.bytes_in = 0
        self.bytes_out = 0


class Block:
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


class Memo:
    """Answers by the bytes that asked for them, the oldest forgotten first."""

    def __init__(self, answers_max: int = ANSWERS_MAX, blocks_max: int = BLOCKS_MAX) -> None:
        self.blocks: dict[bytes, Block] = {}
        self._answers_max = answers_max
        self._blocks_max = blocks_max
        self._kinds: dict[Kind, Lines] = {}
        self._order: deque[tuple[Lines, bytes]] = deque()
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

    def learn(self, head: bytes, lines: Lines, known: Remembered) -> None:
        """Remember an answer to the line of `head`."""
        line = head[: head.find(b"\r\n")]
        if line not in lines:
            self._order.append((lines, line))
        lines[line] = known
        while len(self._order) > self._answers_max:
            forgotten, line = self._order.popleft()
            del forgotten[line]

    def learn_block(self, head: bytes, block: Block) -> None:
        """Remember the fields of `head`."""
        fields = head[head.find(b"\r\n") :]
        if len(self.blocks) >= self._blocks_max and fields not in self.blocks:
            del self.blocks[next(iter(self.blocks))]
        self.blocks[fields] = block

    def sweep(self) -> None:
        """Let go of what will not be given again, and of the bodies it holds."""
        dead = [place for place in self._order if not place[0][place[1]].answer.alive]
        if dead:
            for lines, line in dead:
                del lines[line]
            self._order = deque(place for place in self._order if place[1] in place[0])

    def clear(self) -> None:
        """Forget everything."""
        self.blocks.clear()
        self._kinds.clear()
        self._order.clear()

    def __iter__(self) -> Iterator[Remembered]:
        return (lines[line] for lines, line in self._order)

    def __len__(self) -> int:
        return len(self._order)

    @property
    def size_bytes(self) -> int:
        """About what it takes, beside the bodies, which belong to the store."""
        blocks = sum(len(fields) + 1_000 for fields in self.blocks)
        return blocks + sum(len(line) + ANSWER_BYTES for _, line in self._order)


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
