"""Head cache of HTTP/2: hits by the header block that asks for them, most of them undecoded.

Law: as HTTP/1.1's, whose lines, blocks, bounds and lease it has; it repeats what `decide` concluded
from the same header list. Two lists are the same

- when `request_head` makes the same head of them: under that a hit is learned;
- when their blocks have the same bytes, leave the dynamic table as it was, and build on the same
  one (RFC 7541 §2.2, §6): tables are that the same bytes have made (`HeaderBlockReader.table`).
  Such a block is known in two parts, `:path` and what is around it, which browsers repeat.

What is answered here has no stream: the whole response goes out with the others of its read. What
a window does not let, or waits for others, is left to `request_start`.
"""

from __future__ import annotations

from typing import Any, Protocol

from msgspec import Struct

from edgecache.http.http2.frames import (
    END_HEADERS,
    END_STREAM,
    HEADER_BYTES,
    HEADERS,
    WITH_PRIORITY,
    FrameReader,
)
from edgecache.http.http2.header_decoder import HeaderBlockReader, HeaderList
from edgecache.http.message import Request
from edgecache.server.http1.head_cache import (
    ANSWERS_MAX,
    BLOCKS_MAX,
    NUMBERS,
    CachedHit,
    FieldBlock,
    HeadCache,
    RepeatingConnection,
)
from edgecache.server.http1.head_cache_functions import FunctionHeadCache, FunctionHit
from edgecache.server.http1.rendered_hit import RenderedHitLease
from edgecache.server.http2.rendered_hit import RenderedBlock
from edgecache.server.http2.stream import Http2Connection
from edgecache.server.request_log import RequestSummary

REPEATED_MAX = 256  # for one connection in a turn: a millisecond
KNOWN_BYTES_MAX = 1_024  # of a block beside its path: a browser's that is repeated has 30
FIELDS_MAX = 32  # as browsers send; whatever their path, such a list is within its bound
_WHOLE = END_STREAM | END_HEADERS
_STARTS = {  # by type and flags of a frame: where its block begins
    bytes((HEADERS, _WHOLE)): HEADER_BYTES,
    bytes((HEADERS, _WHOLE | WITH_PRIORITY)): HEADER_BYTES + 5,
}
_FRAME_BYTES_MAX = len(NUMBERS)
_PSEUDO_MAX = 4
_PATHS = frozenset({0x84, 0x85})  # `/` and `/index.html` by their index (RFC 7541 §6.1)
_PATH_STARTS = _PATHS | {0x04, 0x05, 0x14, 0x15}  # or in full, and not put into the table (§6.2)


class KnownBlock(Struct, eq=False):
    """What is around `:path` in a block."""

    fields: FieldBlock
    method: bytes  # stands before the bytes of a path in the keys of lines


class ReceivedFrames(Protocol):
    """What one connection has received, as requests are taken from it here."""

    connection: Http2Connection
    reader: FrameReader
    blocks: HeaderBlockReader
    last_id: int
    last_taken: int
    since: float
    prefix: bytes
    """What was before `:path` in the last block that was looked for."""


class Http2HeadCache(HeadCache):
    """Rendered hits by header lists, and by blocks that stand for these."""

    def __init__(self, answers_max: int = ANSWERS_MAX, blocks_max: int = BLOCKS_MAX) -> None:
        super().__init__(answers_max, blocks_max)
        self._known: dict[tuple[bytes, bytes, bytes], KnownBlock] = {}

    def clear(self) -> None:
        super().clear()
        self._known.clear()

    def repeat(self, received: ReceivedFrames, now: float) -> int:
        """Answer the requests that come next, as far as they are known; how many."""
        connection, reader, last_taken = received.connection, received.reader, received.last_taken
        held, at, last_id, count = reader.held, reader.at, received.last_id, 0
        writer, session, trusted = connection.writer, connection.session, connection.trusted
        room = -1 if writer.settings.shrinks_table else writer.whole_bytes_max()
        if room < 0 or not isinstance(held, bytes):
            return 0
        while count < REPEATED_MAX:
            found = self._find(received, held, at)
            if found is None:
                break
            cached, fields, end = found
            id_bytes = held[at + 5 : at + 9]
            stream_id = int.from_bytes(id_bytes, "big")
            if not (last_id < stream_id <= last_taken and stream_id & 1):
                break
            if fields.session is not session or fields.trusted is not trusted:
                break
            body = cached.answer.body
            if len(body) > room or writer.paused:
                break
            request_id = self._repeat(connection, cached, fields, end - at, now)
            if not request_id:
                break
            wire: RenderedBlock = cached.wire  # type: ignore[assignment]
            writer.send_rendered(wire, id_bytes, request_id, body)
            room = min(room, writer.window)
            at, last_id, count = end, stream_id, count + 1
        if count:
            reader.take(at)
            received.last_id, received.since = last_id, now
            connection.listener.request_log.counters.http2_requests += count
        return count

    def learn(
        self,
        connection: RepeatingConnection,
        head: bytes,
        request: Request,
        summary: RequestSummary,
        lease: RenderedHitLease,
    ) -> None:
        """Keep a hit that may be repeated, by the head made of its list."""
        wire = lease.wire
        if isinstance(wire, RenderedBlock) and wire.fits_frames:
            super().learn(connection, head, request, summary, lease)

    def hit(
        self, connection: Any, data: bytes, now: float, listed: HeaderList | None = None
    ) -> bool:
        """Answer the request whose head `request_head` made of `listed`, if its hit is known."""
        cut = data.find(b"\r\n")
        fields = self.blocks.get(data[cut:])
        if (
            fields is None
            or listed is None
            or fields.session is not connection.session
            or fields.trusted is not connection.trusted
            or listed.size >= len(NUMBERS)
        ):
            return False
        line = data[:cut]
        for lines in fields.lines:
            cached = lines.get(line)
            if cached is not None:
                break
        else:
            return False
        writer, body = connection.writer, cached.answer.body
        if writer.settings.shrinks_table or not writer.fits(len(body)):
            return False
        request_id = self._repeat(connection, cached, fields, listed.size, now)
        if not request_id:
            return False
        id_bytes = listed.stream_id.to_bytes(4, "big")
        writer.send_rendered(cached.wire, id_bytes, request_id, body)
        if listed.block and len(listed.fields) <= FIELDS_MAX:
            self._know(listed, fields, lines, line[: line.find(b" ")], cached)
        return True

    def _find(
        self, received: ReceivedFrames, held: bytes, at: int
    ) -> tuple[CachedHit, FieldBlock, int] | None:
        """The hit of the frame at `at`, if that is a request and it is known; and its end."""
        try:
            start = _STARTS.get(held[at + 3 : at + 5])
            if start is None or held[at]:
                return None
            end = at + HEADER_BYTES + (held[at + 1] << 8 | held[at + 2])
            start += at
            prefix = received.prefix
            place = start + len(prefix)
            if not held.startswith(prefix, start) or held[place] not in _PATH_STARTS:
                place = path_place(held, start)
                prefix = received.prefix = held[start:place]
            size = held[place + 1]  # of a path that is not indexed, and mostly below 127
            after = place + 2 + (size & 0x7F)
            if held[place] >= 0x80 or size & 0x7F == 0x7F:
                after = path_end(held, place)
        except IndexError:
            return None
        if not after <= end <= len(held) or end - at >= _FRAME_BYTES_MAX:
            return None
        known = self._known.get((received.blocks.table, prefix, held[after:end]))
        if known is not None:
            line = known.method + held[place:after]
            for lines in known.fields.lines:
                cached = lines.get(line)
                if cached is not None:
                    return cached, known.fields, end
        return None

    def _know(
        self,
        listed: HeaderList,
        fields: FieldBlock,
        lines: dict[bytes, CachedHit],
        method: bytes,
        cached: CachedHit,
    ) -> None:
        """The block of `listed` stands for it."""
        block = listed.block
        try:
            place = path_place(block, 0)
            after = path_end(block, place)
        except IndexError:
            return
        if len(block) - after + place > KNOWN_BYTES_MAX:
            return
        key = (listed.table, block[:place], block[after:])
        if len(self._known) >= self._blocks_max and key not in self._known:
            del self._known[next(iter(self._known))]
        self._known[key] = KnownBlock(fields, method)
        self.add_line(method + block[place:after], lines, cached)


class Http2FunctionHeadCache(FunctionHeadCache):
    """Hits behind functions, by heads that `request_head` makes of header lists: HTTP/1.1's memory.

    One is given where all of it goes out at once; where not, it is decided by what functions have
    said, and a stream sends it.
    """

    def give(
        self, connection: Http2Connection, head: bytes, now: float, listed: HeaderList
    ) -> bool:
        """Answer the request whose head `request_head` made of `listed`, if its hit is known."""
        if listed.size >= len(NUMBERS):
            return False
        found = self.repeated(connection, head, listed.size, now)
        if found is None:
            return False
        cached, request_id = found
        id_bytes, wire = listed.stream_id.to_bytes(4, "big"), cached.wire
        assert isinstance(wire, RenderedBlock), "no other is learned"
        connection.writer.send_rendered(wire, id_bytes, request_id, cached.answer.body)
        return True

    def fits(self, connection: Any, cached: CachedHit) -> bool:
        writer = connection.writer
        return not writer.settings.shrinks_table and writer.fits(len(cached.answer.body))

    def learn(
        self,
        connection: RepeatingConnection,
        head: bytes,
        request: Request,
        summary: RequestSummary,
        lease: RenderedHitLease | FunctionHit,
    ) -> None:
        """Keep a hit that functions have seen."""
        wire = lease.wire
        if isinstance(wire, RenderedBlock) and wire.fits_frames:
            super().learn(connection, head, request, summary, lease)


def path_place(block: bytes, at: int) -> int:
    """Where `:path` is in the block that begins at `at`. IndexError: in no such place.

    Among the first, and not by an index of the dynamic table. What is before it are whole fields.
    """
    for _ in range(_PSEUDO_MAX):
        byte = block[at]
        if byte in _PATH_STARTS:
            return at
        if 0x80 < byte < 0xFF:
            at += 1
        elif byte < 0x20 and 0 < byte & 0x0F < 0x0F and block[at + 1] & 0x7F < 0x7F:
            at += 2 + (block[at + 1] & 0x7F)
        else:
            break
    raise IndexError


def path_end(block: bytes, at: int) -> int:
    """Where the path at `at` ends. IndexError: it is too long."""
    if block[at] in _PATHS:
        return at + 1
    size = block[at + 1] & 0x7F
    if size < 0x7F:
        return at + 2 + size
    if block[at + 2] >= 0x80:
        raise IndexError
    return at + 3 + size + block[at + 2]
