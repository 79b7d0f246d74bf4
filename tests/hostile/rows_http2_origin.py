"""Rows of section 15: origins that are asked by HTTP/2, and what they may do to us.

The origin is played with `h2`; the bystander is another request, of the same pool, behind each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import h2.connection
import h2.events
from h2.settings import SettingCodes

from edgecache.http.http2 import frames
from edgecache.http.http2.frames import ErrorCode, frame, reset_frame, settings_frame, window_frame
from edgecache.http.http2.header_block import integer, literal
from edgecache.upstream.endpoint import WireRequest
from edgecache.upstream.faults import UpstreamError
from edgecache.upstream.interface import WholeBody
from edgecache.upstream.pool import Pool
from tests.hostile.trial import Trial
from tests.upstream.http2.h2_origin import (
    ENDPOINT,
    GET,
    POST_HEAD,
    PlayedOrigin,
    answers,
    fault,
    played,
    quick,
    turns,
    whole,
)

OK_BLOCK = b"\x88"
ROUNDS_MAX = 2_000

Play = Callable[[PlayedOrigin, Pool], Coroutine[None, None, str]]


def _trial(play: Play, **how: Any) -> Callable[[bool], str]:
    """The play, and after it a request of somebody else to the same origin, which is well again."""

    def run(_memo: bool) -> str:
        said: list[str] = []

        async def main(origin: PlayedOrigin, pool: Pool) -> None:
            said.append(await play(origin, pool))
            origin.greeting, origin.settings = None, {}
            origin.on_event = answers(body=b"well")
            assert await whole(await pool.send(ENDPOINT, GET)) == b"well"

        played(main, **how)
        return said[0]

    return run


def _flood(one: Callable[[int], bytes]) -> Callable[[bool], str]:
    """Rounds of frames to one request until the connection ends."""

    async def play(origin: PlayedOrigin, pool: Pool) -> str:
        origin.greeting = settings_frame({})
        asking = asyncio.create_task(fault(pool, WireRequest(b"POST", GET.head)))
        await turns(20)
        rounds = 0
        while not origin.connections[-1].closing:
            rounds += 1
            assert rounds <= ROUNDS_MAX, "it goes on"
            origin.says(one(rounds))
            await turns(3)
        return f"closed after {rounds}, {await asking}"

    return _trial(play)


def _bomb() -> bytes:
    """A field of 4,000 bytes into the table, and 12,000 times that from there."""
    block = OK_BLOCK + b"\x40" + integer(1, 7) + b"a" + integer(4_000, 7) + b"b" * 4_000
    return frame(frames.HEADERS, 0x5, 1, block + b"\xbe" * 12_000)


async def _goes_away(origin: PlayedOrigin, pool: Pool) -> str:
    def leaves(state: h2.connection.H2Connection, event: Any) -> None:
        if isinstance(event, h2.events.StreamEnded):
            origin.says(frames.goaway_frame(0, ErrorCode.NO_ERROR))

    origin.on_event = leaves
    word = await fault(pool)
    return f"{word}, asked by {len(origin.connections)} connections"


async def _never_opens(origin: PlayedOrigin, pool: Pool) -> str:
    head = POST_HEAD.replace(b"Transfer-Encoding: chunked", b"Content-Length: 9")
    return f"{await fault(pool, quick(WireRequest(b'POST', head, WholeBody(b'z' * 9))))}"


async def _allows_none(origin: PlayedOrigin, pool: Pool) -> str:
    word = await fault(pool, quick(GET))
    return f"{word}, {len(origin.connections)} connection"


async def _refuses_all(origin: PlayedOrigin, pool: Pool) -> str:
    def refuses(state: h2.connection.H2Connection, event: Any) -> None:
        if isinstance(event, h2.events.StreamEnded):
            state.reset_stream(event.stream_id, ErrorCode.REFUSED_STREAM)

    origin.on_event = refuses
    word = await fault(pool)
    return f"{word}, asked {len(origin.heard(h2.events.RequestReceived))} times"


async def _says_nothing(origin: PlayedOrigin, pool: Pool) -> str:
    origin.greeting = b""
    return f"{await fault(pool, quick(GET))}, no request was said"


def _continuations(round_: int) -> bytes:
    kind = frames.HEADERS if round_ == 1 else frames.CONTINUATION
    return frame(kind, 0, 1, OK_BLOCK if round_ == 1 else b"")


def _empty_data(round_: int) -> bytes:
    begun = frame(frames.HEADERS, 4, 1, OK_BLOCK) if round_ == 1 else b""
    return begun + frame(frames.DATA, 0, 1, b"") * 100


def _interims(_round: int) -> bytes:
    return frame(frames.HEADERS, 4, 1, literal(b":status", b"103"))


def _beyond_the_window(round_: int) -> bytes:
    begun = frame(frames.HEADERS, 4, 1, OK_BLOCK) if round_ == 1 else b""
    return begun + frame(frames.DATA, 0, 1, b"x" * 16_384)


async def _unread(origin: PlayedOrigin, pool: Pool) -> str:
    """An origin that sends on, whatever windows say, to a response that nobody reads."""
    origin.greeting = settings_frame({})
    asking = asyncio.create_task(pool.send(ENDPOINT, GET))
    await turns(20)
    for round_ in range(1, 40):
        origin.says(_beyond_the_window(round_))
    reply = await asking
    held = 0
    try:
        while piece := reply.body.read_nowait():
            held += len(piece)
    except UpstreamError as error:
        word = error.fault
    assert held == 2 * 131_072
    origin.connections[-1].close()
    await turns()
    return f"{word}, 256 KiB held"


HTTP2_ORIGINS = [
    Trial("H40", "an origin's header block of 16 KiB that makes 48 MiB", _flood(lambda _: _bomb())),
    Trial("H41", "an origin's CONTINUATION without end", _flood(_continuations)),
    Trial("H42", "an origin that never opens a window",
          _trial(_never_opens, settings={SettingCodes.INITIAL_WINDOW_SIZE: 0})),
    Trial("H43", "an origin that says GOAWAY to each request", _trial(_goes_away)),
    Trial("H44", "an origin that refuses each stream", _trial(_refuses_all)),
    Trial("H45", "an origin that allows no stream",
          _trial(_allows_none, settings={SettingCodes.MAX_CONCURRENT_STREAMS: 0})),
    Trial("H46", "an origin's PING without end",
          _flood(lambda _: frame(frames.PING, 0, 0, bytes(8)) * 100)),
    Trial("H47", "an origin's SETTINGS without end",
          _flood(lambda _: settings_frame({SettingCodes.INITIAL_WINDOW_SIZE: 1}) * 100)),
    Trial("H48", "an origin's DATA without bytes", _flood(_empty_data)),
    Trial("H49", "an origin's WINDOW_UPDATE by a byte",
          _flood(lambda _: window_frame(0, 1) * 100)),
    Trial("H50", "an origin's frames of streams that have ended",
          _flood(lambda _: reset_frame(1, ErrorCode.CANCEL) * 100)),
    Trial("H51", "an origin that says nothing", _trial(_says_nothing)),
    Trial("H52", "an origin that sends beyond its windows", _trial(_unread)),
]  # fmt: skip
