"""Compression (gzip, Brotli) while storing. Law: after each step of a body others get a turn.

What is stored is the compressed form, so this is paid once for each key and never on a hit.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import brotli  # type: ignore[import-untyped]
from msgspec.structs import replace

from edgecache.http.message import Request, first_value
from edgecache.rules.caching.compression import coding_for, compressed_fields
from edgecache.rules.routing import Route
from edgecache.upstream.interface import Body, Reply

STEP_BYTES_MAX = 65_536  # two milliseconds at these levels: how long everyone else may wait
FLUSH_BYTES_MIN = 1_024  # below it a pause is not worth the bytes that a flush adds
GZIP_LEVEL = 6  # zlib's and Varnish's default; 9 takes twice the time for half a percent of size
GZIP_WINDOW = 31  # zlib's largest window (15), and 16 for a gzip header and trailer
BROTLI_QUALITY = 5  # 7 % smaller than gzip in less time; 9 takes three times that for 5 % more
BROTLI_WINDOW = 19  # 512 KiB, ngx_brotli's default: bounds the memory of one compression


@dataclass(frozen=True, slots=True)
class Compressor:
    """A compression under way: each call gives the bytes that are ready, perhaps none."""

    feed: Callable[[bytes], bytes]
    flush: Callable[[], bytes]  # all that was fed can be decoded from what has come out
    finish: Callable[[], bytes]


def new_compressor(coding: bytes) -> Compressor:
    """A new compression in `coding`: `br` or `gzip`."""
    if coding == b"br":
        stream = brotli.Compressor(quality=BROTLI_QUALITY, lgwin=BROTLI_WINDOW)
        return Compressor(stream.process, stream.flush, stream.finish)
    assert coding == b"gzip", coding
    deflate = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, GZIP_WINDOW)
    return Compressor(deflate.compress, lambda: deflate.flush(zlib.Z_SYNC_FLUSH), deflate.flush)


class CompressedBody:
    """A body in a content coding, compressed as it arrives.

    When the bytes pause, what came so far goes out. It ends as a whole only where `body` does.
    """

    def __init__(self, body: Body, coding: bytes) -> None:
        self.length: int | None = None
        self._body = body
        self._compressor = new_compressor(coding)
        self._piece = b""  # the last one taken from `body`
        self._position = 0  # in it; what stands before is compressed
        self._unflushed = 0  # bytes compressed of which some may not have come out
        self._ended = False

    async def read(self) -> bytes:
        while not self._ended:
            await asyncio.sleep(0)  # a turn for everyone else between two steps
            data = self._step() if self._position < len(self._piece) else await self._next_piece()
            if data:
                return data
        return b""

    def read_nowait(self) -> bytes | None:
        """Nothing until the end: a step belongs to who can give others their turn."""
        return b"" if self._ended else None

    def close(self) -> None:
        self._piece = b""
        self._body.close()

    def _step(self) -> bytes:
        """Compress the next bytes of the piece."""
        step = self._piece[self._position : self._position + STEP_BYTES_MAX]
        self._position += len(step)
        self._unflushed += len(step)
        return self._compressor.feed(step)

    async def _next_piece(self) -> bytes:
        """Take the next piece, once what was compressed of those before has gone out."""
        piece = self._body.read_nowait()
        if piece is None and self._unflushed >= FLUSH_BYTES_MIN:
            self._unflushed = 0
            return self._compressor.flush()
        self._piece = await self._body.read() if piece is None else piece
        self._position = 0
        if self._piece:
            return self._step()
        self._ended = True
        return self._compressor.finish()


def compressed(reply: Reply, request: Request, route: Route) -> Reply:
    """`reply` as viewers and the store get it: compressed where the rules say so."""
    coding = coding_for(request, reply.head, _length(reply, request), route)
    if coding is None:
        return reply
    head = replace(reply.head, fields=compressed_fields(reply.head.fields, coding))
    if request.method == b"HEAD":
        return replace(reply, head=head)
    return replace(reply, head=head, body=CompressedBody(reply.body, coding))


def _length(reply: Reply, request: Request) -> int | None:
    """A HEAD's answer has no body; it states the length of the one a GET would bring."""
    if request.method != b"HEAD":
        return reply.body.length
    stated = first_value(reply.head.fields, b"content-length")
    return int(stated) if stated is not None and stated.isdigit() else None
