"""Origin connections of HTTP/2: what an origin may not say, and what it is called."""

from __future__ import annotations

import asyncio

import h2.connection
import h2.events
import pytest
from msgspec.structs import replace

from edgecache.http.http2 import frames
from edgecache.http.http2.frames import frame, reset_frame, settings_frame, window_frame
from edgecache.http.http2.header_block import literal
from edgecache.upstream.faults import Fault
from edgecache.upstream.pool import Pool
from tests.upstream.http2.h2_origin import (
    ENDPOINT,
    GET,
    PlayedOrigin,
    answers,
    fault,
    played,
    turns,
    whole,
)

HELLO = settings_frame({})
TWO_HUNDRED = b"\x88"  # `:status: 200`, static


def test_a_request_is_what_http11_would_have_said() -> None:
    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        origin.on_event = answers(body=b"hello")
        reply = await pool.send(ENDPOINT, GET)
        assert (reply.head.status, await whole(reply)) == (200, b"hello")
        assert reply.head.fields == ((b"x-a", b"b"),)
        (asked,) = origin.heard(h2.events.RequestReceived)
        assert [tuple(field) for field in asked.headers] == [
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "origin.test"),
            (":path", "/a?b"),
            ("via", "1.1 us"),
        ]

    played(main)


def test_after_goaway_what_is_under_way_is_finished_and_nothing_begun() -> None:
    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        asking = asyncio.create_task(pool.send(ENDPOINT, GET))
        await turns(20)
        origin.says(frames.goaway_frame(1, frames.ErrorCode.NO_ERROR))
        other = asyncio.create_task(pool.send(ENDPOINT, GET))
        await turns(20)
        assert len(origin.connections) == 2
        origin.connections[0].says(frame(frames.HEADERS, 0x5, 1, TWO_HUNDRED))
        assert (await asking).head.status == 200
        await turns()
        assert origin.connections[0].closing
        other.cancel()

    played(main)


def data(payload: bytes, *, ends: bool = False, stream_id: int = 1) -> bytes:
    return frame(frames.DATA, 1 if ends else 0, stream_id, payload)


def head(*fields: tuple[bytes, bytes], ends: bool = False, block: bytes = TWO_HUNDRED) -> bytes:
    block += b"".join([literal(*field) for field in fields])
    return frame(frames.HEADERS, 0x5 if ends else 0x4, 1, block)


BOMB = b"\x40\x01a" + b"\x7f\xa1\x1e" + b"b" * 4_000 + b"\xbe" * 12_000


MALFORMED = [  # what comes after SETTINGS to the first request, and what it is called
    ("no status", head(block=literal(b"x-a", b"b"), ends=True), Fault.MALFORMED),
    ("status of four digits", head(block=literal(b":status", b"2000")), Fault.MALFORMED),
    ("a pseudo-field late", head((b":status", b"200")), Fault.MALFORMED),
    ("upper case", head((b"X-A", b"b"), ends=True), Fault.MALFORMED),
    ("a field of one connection", head((b"connection", b"close")), Fault.MALFORMED),
    ("transfer-encoding", head((b"transfer-encoding", b"chunked")), Fault.MALFORMED),
    ("a line end", head((b"x-a", b"b\r\nset-cookie: c=d")), Fault.MALFORMED),
    ("a blank before", head((b"x-a", b" b")), Fault.MALFORMED),
    ("two lengths", head((b"content-length", b"1"), (b"content-length", b"1")), Fault.MALFORMED),
    ("a length and no body", head((b"content-length", b"1"), ends=True), Fault.MALFORMED),
    ("too much", head((b"content-length", b"1")) + data(b"ab", ends=True), Fault.MALFORMED),
    ("too much, and on", head((b"content-length", b"1")) + data(b"ab"), Fault.MALFORMED),
    ("too little", head((b"content-length", b"3")) + data(b"ab", ends=True), Fault.MALFORMED),
    ("DATA first", data(b"ab"), Fault.MALFORMED),
    ("101", head(block=literal(b":status", b"101")), Fault.MALFORMED),
    ("trailers that go on", head() + head(block=literal(b"x-a", b"b")), Fault.MALFORMED),
    ("a push", frame(5, 4, 1, b"\0\0\0\2\x88"), Fault.MALFORMED),
    ("an idle stream", frame(frames.HEADERS, 0x5, 3, TWO_HUNDRED), Fault.MALFORMED),
    ("a stream of its own", frame(frames.HEADERS, 0x5, 2, TWO_HUNDRED), Fault.MALFORMED),
    ("a window of 0", window_frame(1, 0), Fault.MALFORMED),
    ("windows too large", window_frame(0, 2**31 - 1) * 2, Fault.MALFORMED),
    ("a frame too long", b"\0\x40\x01\0\0\0\0\0\1", Fault.MALFORMED),
    ("a block cut short", frame(frames.HEADERS, 0x5, 1, b"\x40\x05ab"), Fault.MALFORMED),
    ("fields without number", head(*[(b"a", b"b")] * 101, ends=True), Fault.HEAD_TOO_BIG),
    ("a bomb", frame(frames.HEADERS, 0x5, 1, b"\x88" + BOMB[:16_000]), Fault.HEAD_TOO_BIG),
    (
        "CONTINUATION without end",
        frame(frames.HEADERS, 0, 1, TWO_HUNDRED) + frame(frames.CONTINUATION, 0, 1) * 40,
        Fault.HEAD_TOO_BIG,
    ),
    ("a flood of PING", frame(frames.PING, 0, 0, bytes(8)) * 1_100, Fault.MALFORMED),
    ("a flood of SETTINGS", HELLO * 1_100, Fault.MALFORMED),
    ("a flood of empty DATA", head() + data(b"") * 1_100, Fault.TRUNCATED),
    ("a flood of WINDOW_UPDATE", window_frame(1, 1) * 1_100, Fault.MALFORMED),
    ("a reset", reset_frame(1, frames.ErrorCode.INTERNAL_ERROR), Fault.CLOSED),
    ("a reset behind the head", head() + reset_frame(1, frames.ErrorCode.CANCEL), Fault.TRUNCATED),
    ("HTTP/1.1 wanted", reset_frame(1, frames.ErrorCode.HTTP_1_1_REQUIRED), Fault.NOT_HTTP2),
]


@pytest.mark.parametrize(
    ("says", "expected"),
    [row[1:] for row in MALFORMED],
    ids=[row[0] for row in MALFORMED],
)
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "byte by byte"])
def test_what_an_origin_may_not_say(says: bytes, expected: Fault, cut: bool) -> None:
    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        origin.greeting = HELLO
        asking = asyncio.create_task(fault(pool, replace(GET, method=b"POST")))
        await turns(20)
        pieces = [says[at : at + 1] for at in range(len(says))] if cut else [says]
        for piece in pieces:
            origin.says(piece)
            if origin.connections[-1].paused:
                await turns(20)
        await turns(60)
        assert asking.done(), "it is still waited for"
        assert await asking is expected

    played(main)


@pytest.mark.parametrize(
    "greeting",
    [
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        frame(frames.PING, 0, 0, bytes(8)),
        frames.SETTINGS_ACK,
    ],
)
def test_an_origin_that_speaks_something_else_has_heard_no_request(greeting: bytes) -> None:
    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        origin.greeting = greeting
        assert await fault(pool) is Fault.NOT_HTTP2
        assert b"origin.test" not in origin.connections[0].written

    played(main)


class Agreed:
    """TLS that has agreed on a protocol."""

    def __init__(self, protocol: str | None) -> None:
        self._protocol = protocol

    def selected_alpn_protocol(self) -> str | None:
        return self._protocol


@pytest.mark.parametrize("protocol", ["http/1.1", None])
def test_without_h2_agreed_nothing_is_said(protocol: str | None) -> None:
    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        origin.tls = Agreed(protocol)
        assert await fault(pool) is Fault.NOT_HTTP2
        assert origin.connections[0].written == b""

    played(main, reads=False)
