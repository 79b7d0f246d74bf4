"""Message framing: readers of bodies by length, in chunks or to the end of the connection.

Law: the same bytes give the same verdict however they are cut. RFC 9112 §6-§7. Each reader is
sans-IO: it takes bytes as they come and gives the pieces of the body among them; `done` says that
the end was seen, `rest` holds what came after it. A message that breaks the grammar raises
BadMessage, one that ends too early Truncated (from `eof`). A read full of tiny chunks is not taken
in at once: `behind` says that there is more, and who feeds gives others their turn before it goes
on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from edgecache.http.message import (
    BadMessage,
    BadReason,
    Fields,
    HeadLimits,
    content_length,
    require_chunked,
)

EXTENSION_BYTES_MAX = 4_096  # a chunk's line; a quarter of what Go's net/http admits in all
OVERHEAD_RATIO_MAX = 8  # framing bytes for each body byte; one-byte chunks need 5
CHUNKS_AT_ONCE = 1_024  # of one feeding: a millisecond
BODY_BYTES_PER_S_MIN = 240  # Kestrel's MinRequestBodyDataRate and MinResponseDataRate
OVERHEAD_BYTES_FREE = 16_384  # Go's net/http: 16 KiB before the ratio is asked

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PLAIN = rb"[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]*"
_QUOTED = rb'"' + _PLAIN + rb"(?:\\[\t\x20-\x7e\x80-\xff]" + _PLAIN + rb')*"'
# §7.1.1 would admit blanks around `;` and `=` as bad white space; no sender we know writes them,
# and readers that skip them disagree on where they end.
_EXTENSION = rb"(?:;" + _TOKEN + rb"(?:=(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?)*"
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})" + _EXTENSION + rb"\r\n")
_BARE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})\r\n")  # of most chunks
_TRAILER_LINE = re.compile(_TOKEN + rb":[\t\x20-\x7e\x80-\xff]*\r\n")


class Truncated(BadMessage):
    """The bytes ended before the body did."""

    def __init__(self) -> None:
        super().__init__(BadReason.TRUNCATED)


class Reader(Protocol):
    """Common part of the three readers."""

    done: bool
    """The end of the body was seen."""
    behind: bool
    """More is here than was taken in: feed nothing, a turn later, to go on."""
    rest: bytes
    """Bytes after the end: the next message, when there is one."""

    def feed(self, data: bytes) -> list[bytes]:
        """The pieces of the body in `data`, none of them empty. BadMessage when it is malformed."""
        ...

    def eof(self) -> None:
        """No more bytes will come. Truncated when the body has not ended."""
        ...


class LengthReader:
    """A body of `length` bytes; none at all when 0 (§6.2)."""

    behind = False

    def __init__(self, length: int) -> None:
        self.done = length == 0
        self.rest = b""
        self._left = length

    def feed(self, data: bytes) -> list[bytes]:
        left = self._left - len(data)
        if left > 0:
            self._left = left
            return [data] if data else []
        if self.done:
            self.rest += data
            return []
        self.done = True
        if left:
            data, self.rest = data[:left], data[left:]
        return [data]

    def eof(self) -> None:
        if not self.done:
            raise Truncated


class UntilCloseReader:
    """A body that ends with its connection (§6.3, rule 8)."""

    behind = False

    def __init__(self) -> None:
        self.done = False
        self.rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        return [data] if data else []

    def eof(self) -> None:
        self.done = True


class ChunkedReader:
    """A body in chunks (§7.1). Extensions are read and dropped, trailers too (§6.5.1 of 9110)."""

    def __init__(self, limits: HeadLimits) -> None:
        self.done = False
        self.rest = b""
        self.behind = False
        self._held = bytearray()  # the start of a line, or of the CRLF after a chunk; or all behind
        self._read: _Step = ChunkedReader._size  # unbound: a bound one would be a cycle
        self._left = 0
        self._body_bytes = 0
        self._overhead_bytes = 0
        self._trailer_bytes_left = limits.head_bytes_max
        self._trailers_left = limits.fields_max

    def feed(self, data: bytes) -> list[bytes]:
        if self.done:
            self.rest += data
            return []
        if self._held:
            if not self.behind and self._still_a_line(data):
                return []
            self._held += data
            data, self._held = bytes(self._held), bytearray()
        pieces: list[bytes] = []
        at, end, some = 0, len(data), CHUNKS_AT_ONCE
        while at < end and not self.done and some > 0:
            if self._left:
                piece = data[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                continue
            if self._read is ChunkedReader._size:
                whole = len(pieces)
                at = self._whole_chunks(data, at, pieces, some)
                some -= len(pieces) - whole
            after = self._read(self, data, at) if some > 0 else at
            if after == at:
                break
            at, some = after, some - 1
        self.behind = some <= 0 and at < end and not self.done
        if self.done:
            self.rest = data[at:]
        else:
            self._held += data[at:]
        return pieces

    def _still_a_line(self, data: bytes) -> bool:
        """Keep more of a line whose end has not come; nothing that is kept is looked at again."""
        if self._read is ChunkedReader._chunk_end or b"\n" in data:
            return False
        bytes_max, _ = self._line_bound()
        if len(self._held) + len(data) >= bytes_max:
            return False
        self._held += data
        return True

    def _line_bound(self) -> tuple[int, BadReason]:
        if self._read is ChunkedReader._size:
            return EXTENSION_BYTES_MAX, BadReason.CHUNK_OVERHEAD
        return self._trailer_bytes_left, BadReason.TRAILER

    def _whole_chunks(self, data: bytes, at: int, pieces: list[bytes], most: int) -> int:
        """Take at most so many chunks that are here whole and plain; gives where the next begins.

        As the steps below would, one by one: tiny chunks would cost four calls each.
        """
        body, overhead = self._body_bytes, self._overhead_bytes
        for _ in range(most):
            line = _BARE_LINE.match(data, at)
            if line is None:
                break
            length, begin = int(line[1], 16), line.end()
            end = begin + length
            if not length or data[end : end + 2] != b"\r\n":
                break
            body, overhead = body + length, overhead + begin - at + 2
            _bound_overhead(overhead, body)
            pieces.append(data[begin:end])
            at = end + 2
        self._body_bytes, self._overhead_bytes = body, overhead
        return at

    def eof(self) -> None:
        if not self.done:
            raise Truncated

    # Each reads one element at `at` and gives where the next begins, or `at` when it is not whole.

    def _size(self, data: bytes, at: int) -> int:
        after = _line_end(data, at, *self._line_bound())
        if after == at:
            return at
        match = _SIZE_LINE.fullmatch(data, at, after)
        if match is None:
            raise BadMessage(BadReason.CHUNK)
        self._left = int(match[1], 16)
        self._body_bytes += self._left
        self._overhead_bytes += after - at + 2
        self._read = ChunkedReader._chunk_end if self._left else ChunkedReader._trailer
        _bound_overhead(self._overhead_bytes, self._body_bytes)
        return after

    def _chunk_end(self, data: bytes, at: int) -> int:
        if not b"\r\n".startswith(data[at : at + 2]):
            raise BadMessage(BadReason.CHUNK)
        if len(data) - at < 2:
            return at
        self._read = ChunkedReader._size
        return at + 2

    def _trailer(self, data: bytes, at: int) -> int:
        after = _line_end(data, at, *self._line_bound())
        if after == at:
            return at
        if data[at:after] == b"\r\n":
            self.done = True
            return after
        if _TRAILER_LINE.fullmatch(data, at, after) is None:
            raise BadMessage(BadReason.TRAILER)
        self._trailers_left -= 1
        self._trailer_bytes_left -= after - at
        if self._trailers_left < 0:
            raise BadMessage(BadReason.TRAILER, 431)
        return after


_Step = Callable[[ChunkedReader, bytes, int], int]


def _bound_overhead(overhead_bytes: int, body_bytes: int) -> None:
    if overhead_bytes > OVERHEAD_BYTES_FREE + OVERHEAD_RATIO_MAX * body_bytes:
        raise BadMessage(BadReason.CHUNK_OVERHEAD)


def _line_end(data: bytes, at: int, bytes_max: int, why: BadReason) -> int:
    """Where the line at `at` ends, after its LF; `at` when that has not come. Bounded."""
    after = data.find(b"\n", at, at + bytes_max) + 1
    if after:
        return after
    if len(data) - at >= bytes_max:
        raise BadMessage(why, 431 if why is BadReason.TRAILER else 400)
    return at


@dataclass(frozen=True, slots=True)
class NoBody:
    """The message ends with its head."""


@dataclass(frozen=True, slots=True)
class Length:
    """The body has so many bytes."""

    length: int


@dataclass(frozen=True, slots=True)
class Chunked:
    """The body says itself where it ends."""

    must_close: bool = False  # a Content-Length came too: nothing after it can be trusted


@dataclass(frozen=True, slots=True)
class UntilClose:
    """The body ends with the connection."""


Framing = NoBody | Length | Chunked | UntilClose
NONE = NoBody()


def response_framing(status: int, method: bytes, fields: Fields, minor: int) -> Framing:
    """How the body of a response to `method` ends (RFC 9112 §6.3). BadMessage (502) when unclear.

    With both fields Transfer-Encoding wins, the length is to be dropped and the connection closed
    after. An HTTP/1.0 response in chunks is refused: §6.1 calls its framing faulty.
    """
    if method == b"HEAD" or status < 200 or status in (204, 304):
        return NONE
    codings, lengths = [], []
    for name, value in fields:
        if name == b"content-length":
            lengths.append(value)
        elif name == b"transfer-encoding":
            codings.append(value)
    try:
        if codings:
            require_chunked(codings)
            if minor == 0:
                raise BadMessage(BadReason.CODING)
            return Chunked(must_close=bool(lengths))
        return Length(content_length(lengths)) if lengths else UntilClose()
    except BadMessage as error:
        raise BadMessage(error.why, 502) from None


def outlasts(framing: Framing) -> bool:
    """Whether the connection can be used after a body so framed."""
    must_close = isinstance(framing, Chunked) and framing.must_close
    return not must_close and not isinstance(framing, UntilClose)


def known_length(framing: Framing) -> int | None:
    """Bytes of a body so framed, when they are known beforehand."""
    if isinstance(framing, Length):
        return framing.length
    return 0 if isinstance(framing, NoBody) else None


def reader_for(framing: Framing, limits: HeadLimits) -> Reader:
    """A new reader of a body so framed."""
    if isinstance(framing, Length):
        return LengthReader(framing.length)
    if isinstance(framing, Chunked):
        return ChunkedReader(limits)
    return UntilCloseReader() if isinstance(framing, UntilClose) else LengthReader(0)


def request_body_length(grouped: dict[bytes, list[bytes]], old: bool) -> int | None:
    """Length of a request's body, None when it is chunked (RFC 9112 §6.3). BadMessage.

    `grouped`: field values by lower-case name; `old`: HTTP/1.0, which knows no codings.
    """
    codings = grouped.get(b"transfer-encoding")
    lengths = grouped.get(b"content-length")
    if codings is None:
        return 0 if lengths is None else content_length(lengths)
    if old or lengths is not None:  # RFC 9112 §6.1: both at once ought to be handled as an error
        raise BadMessage(BadReason.CODING)
    require_chunked(codings)
    return None
