"""Compression (gzip, Brotli) while storing. Law: one step of one body in each turn of the loop.

What is stored is the compressed form, so this is paid once for each key and never on a hit. Only
what comes from an origin is compressed, not what another tier has let pass (CloudFront Developer
Guide, "Serve compressed files"): that had seen whether the origin stated a length.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import brotli  # type: ignore[import-untyped]
from msgspec.structs import replace

from edgecache.http.message import Request, first_value
from edgecache.rules.caching.compression import coding_for, compressed_fields
from edgecache.rules.routing import Route
from edgecache.runtime.environment import LoopTurns
from edgecache.store.memory_account import BEHIND_BYTES, MemoryAccount, MemoryHolding
from edgecache.upstream.interface import Body, Reply

STEP_BYTES_MAX = 65_536  # two milliseconds at these levels: how long everyone else may wait
FLUSH_BYTES_MIN = 1_024  # below it a pause is not worth the bytes that a flush adds
GZIP_LEVEL = 6  # zlib's and Varnish's default; 9 takes twice the time for half a percent of size
GZIP_WINDOW = 31  # zlib's largest window (15), and 16 for a gzip header and trailer
BROTLI_QUALITY = 5  # 7 % smaller than gzip in less time; 9 takes three times that for 5 % more
AT_ONCE_MIN, AT_ONCE_MAX = 2, 16
STALLED_TIMES = 4  # so many times more where most have made no step
STALLED_S = 1.0
WAIT_S_MAX = 5.0  # for a place
WAITING_MAX = 256
COMPRESSION_BYTES = 2_621_440  # of one under way: Brotli's window and tables, as measured
MEMORY_SHARE = 1 / 16  # of the budget, for as many at once as that has room for
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


class Compressions:
    """The compressions of a process: few at once, the rest waits; their memory is accounted for.

    One that has made no step for a while, because its origin or its viewer is slow, keeps nobody
    waiting. Where that lets too many begin, or none ends in time, bodies go out as they came:
    CloudFront, too, "skips compressing an object when it experiences high traffic load".
    """

    def __init__(self, account: MemoryAccount) -> None:
        self._account = account
        self._turns = LoopTurns()
        self._stepped: dict[object, float] = {}  # those under way: their last step, by the loop
        self._waiters: deque[asyncio.Future[object]] = deque()
        share = int(account.budget_bytes * MEMORY_SHARE) // COMPRESSION_BYTES
        self._at_once = max(AT_ONCE_MIN, min(share, AT_ONCE_MAX))

    async def enter(self) -> object | None:
        """A place among those under way, to be given back by `leave`; None: compress nothing."""
        loop = asyncio.get_running_loop()
        if not self._waiters and self._has_room(loop):
            return self._begin(loop)
        helps = self._active(loop) >= self._at_once  # else all are slow, and none ends soon
        if not helps or len(self._waiters) >= WAITING_MAX:
            return None
        waiter: asyncio.Future[object] = loop.create_future()
        self._waiters.append(waiter)
        self._account.add(MemoryHolding.ARRIVING, BEHIND_BYTES)
        try:
            async with asyncio.timeout(WAIT_S_MAX):
                return await waiter
        except (TimeoutError, asyncio.CancelledError) as error:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            if waiter.done() and not waiter.cancelled():
                self.leave(waiter.result())  # it had just been given one
            if not isinstance(error, TimeoutError):
                raise
        finally:
            self._account.add(MemoryHolding.ARRIVING, -BEHIND_BYTES)
        return self._begin(loop) if self._has_room(loop) else None

    def leave(self, place: object) -> None:
        """The compression at `place` is over, or given up. Idempotent."""
        if self._stepped.pop(place, None) is None:
            return
        self._account.add(MemoryHolding.COMPRESSION, -COMPRESSION_BYTES)
        self._call_next(asyncio.get_running_loop())

    async def turn(self, place: object) -> None:
        """Return when the compression at `place` may make a step."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._turns.wait(loop, lambda: None if turn.done() else turn.set_result(None))
        await turn
        if place in self._stepped:
            self._stepped[place] = loop.time()

    def _has_room(self, loop: asyncio.AbstractEventLoop) -> bool:
        if len(self._stepped) < self._at_once:
            return True
        if len(self._stepped) >= self._at_once * STALLED_TIMES:
            return False
        return self._active(loop) < self._at_once

    def _active(self, loop: asyncio.AbstractEventLoop) -> int:
        since = loop.time() - STALLED_S
        return sum(at > since for at in self._stepped.values())

    def _begin(self, loop: asyncio.AbstractEventLoop) -> object:
        place = object()
        self._stepped[place] = loop.time()
        self._account.add(MemoryHolding.COMPRESSION, COMPRESSION_BYTES)
        return place

    def _call_next(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiters and self._has_room(loop):
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(self._begin(loop))


class CompressedBody:
    """A body in a content coding, compressed as it arrives, at a `place` among `compressions`.

    When the bytes pause, what came so far goes out. It ends as a whole only where `body` does.
    """

    def __init__(
        self, body: Body, coding: bytes, compressions: Compressions, place: object
    ) -> None:
        self.length: int | None = None
        self._body = body
        self._compressions = compressions
        self._place = place
        self._compressor = new_compressor(coding)
        self._piece = b""  # the last one taken from `body`
        self._position = 0  # in it; what stands before is compressed
        self._unflushed = 0  # bytes compressed of which some may not have come out
        self._ended = False

    async def read(self) -> bytes:
        while not self._ended:
            await self._compressions.turn(self._place)
            data = self._step() if self._position < len(self._piece) else await self._next_piece()
            if data:
                return data
        return b""

    def read_nowait(self) -> bytes | None:
        """Nothing until the end: a step belongs to who can give others their turn."""
        return b"" if self._ended else None

    def close(self) -> None:
        self._piece = b""
        self._compressions.leave(self._place)
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
        last = self._compressor.finish()
        self._compressions.leave(self._place)
        return last


async def compressed(
    reply: Reply, request: Request, route: Route, compressions: Compressions
) -> Reply:
    """An origin's `reply` as viewers and the store get it: compressed where the rules say so."""
    coding = coding_for(request, reply.head, _length(reply, request), route)
    if coding is None or reply.result:  # of another tier of ours
        return reply
    head = replace(reply.head, fields=compressed_fields(reply.head.fields, coding))
    if request.method == b"HEAD":
        return replace(reply, head=head)
    try:
        place = await compressions.enter()
    except BaseException:  # its viewer left
        reply.body.close()
        raise
    if place is None:
        return reply
    return replace(reply, head=head, body=CompressedBody(reply.body, coding, compressions, place))


def _length(reply: Reply, request: Request) -> int | None:
    """A HEAD's answer has no body; it states the length of the one a GET would bring."""
    if request.method != b"HEAD":
        return reply.body.length
    stated = first_value(reply.head.fields, b"content-length")
    return int(stated) if stated is not None and stated.isdigit() else None
