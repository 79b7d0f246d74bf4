"""One request on a connection of HTTP/2: windows, both ways at once, its deadline."""

from __future__ import annotations

import asyncio
from typing import Any

import h2.connection
import h2.events
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from msgspec.structs import replace

from edgecache.http.http2.frames import settings_frame
from edgecache.http.message import Response
from edgecache.upstream.endpoint import WireRequest
from edgecache.upstream.faults import Fault
from edgecache.upstream.interface import TrailedBody, WholeBody
from edgecache.upstream.pool import Pool
from tests.upstream.http2.h2_origin import (
    ENDPOINT,
    GET,
    OK,
    POST_HEAD,
    PlayedOrigin,
    SpokenBody,
    answers,
    fault,
    played,
    quick,
    turns,
    whole,
)

HELLO = settings_frame({})
TWO_HUNDRED = b"\x88"  # `:status: 200`, static


def test_a_large_body_comes_no_faster_than_it_is_read() -> None:
    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        left = bytearray(b"x" * 1_000_000)
        begun: list[int] = []

        def on_event(state: h2.connection.H2Connection, event: Any) -> None:
            if isinstance(event, h2.events.StreamEnded):
                state.send_headers(1, OK)
                begun.append(1)
            while begun and left and (size := min(state.local_flow_control_window(1), 16_384)):
                state.send_data(1, bytes(left[:size]), end_stream=size >= len(left))
                del left[:size]

        origin.on_event = on_event
        reply = await pool.send(ENDPOINT, GET)
        await turns(50)
        assert 1_000_000 - len(left) <= 2 * 131_072 + 16_384  # nobody reads
        assert len(await whole(reply)) == 1_000_000

    played(main)


def test_a_body_goes_out_as_far_as_windows_let() -> None:
    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        head = POST_HEAD.replace(b"Transfer-Encoding: chunked", b"Content-Length: 100000")
        request = WireRequest(b"POST", head, WholeBody(b"y" * 100_000))
        asking = asyncio.create_task(pool.send(ENDPOINT, request))
        await turns(20)
        heard = sum(len(event.data) for event in origin.heard(h2.events.DataReceived))
        assert heard == 65_535  # of both windows
        state = origin.state()
        state.increment_flow_control_window(50_000)
        state.increment_flow_control_window(50_000, 1)
        origin.flush()
        await turns(20)
        assert origin.heard(h2.events.StreamEnded)
        state.send_headers(1, OK, end_stream=True)
        origin.flush()
        assert (await asking).head.status == 200

    played(main)


def test_both_ways_at_once_with_trailers_of_both() -> None:
    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        def echo(state: h2.connection.H2Connection, event: Any) -> None:
            if isinstance(event, h2.events.RequestReceived):
                state.send_headers(event.stream_id, OK)
            elif isinstance(event, h2.events.DataReceived) and event.data:
                state.send_data(event.stream_id, event.data.upper())
            elif isinstance(event, h2.events.TrailersReceived):
                state.send_headers(event.stream_id, [("grpc-status", "0")], end_stream=True)

        origin.on_event = echo
        body = SpokenBody()
        reply = await pool.send(ENDPOINT, WireRequest(b"POST", POST_HEAD, body, two_way=True))
        for word in (b"one", b"two"):
            body.pieces.put_nowait(word)
            assert await reply.body.read() == word.upper()
        body.pieces.put_nowait(b"")
        assert await reply.body.read() == b""
        assert isinstance(reply.body, TrailedBody)
        assert reply.body.trailers == ((b"grpc-status", b"0"),)
        (asked,) = origin.heard(h2.events.RequestReceived)
        assert ("te", "trailers") in [tuple(field) for field in asked.headers]
        (sent,) = origin.heard(h2.events.TrailersReceived)
        assert [tuple(field) for field in sent.headers] == [("x-sent", "last")]

    played(main)


def test_trailers_that_cannot_be_written_end_the_call() -> None:
    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        body = SpokenBody()
        body.trailers = ((b"x y", b"a"),)
        body.pieces.put_nowait(b"")
        call = WireRequest(b"POST", POST_HEAD, body, two_way=True)
        assert await fault(pool, call) is Fault.TRUNCATED
        await turns()
        assert origin.heard(h2.events.StreamReset)

    played(main)


def test_of_other_requests_trailers_are_dropped() -> None:
    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        origin.on_event = answers(body=b"b", trailers=[("x-late", "1")])
        reply = await pool.send(ENDPOINT, GET)
        assert await whole(reply) == b"b"
        assert isinstance(reply.body, TrailedBody)
        assert reply.body.trailers == ()

    played(main)


def test_who_leaves_a_call_resets_it_and_its_upload() -> None:
    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        def begin(state: h2.connection.H2Connection, event: Any) -> None:
            if isinstance(event, h2.events.RequestReceived):
                state.send_headers(event.stream_id, OK)

        origin.on_event = begin
        call = WireRequest(b"POST", POST_HEAD, SpokenBody(), two_way=True)
        reply = await pool.send(ENDPOINT, call)
        reply.body.close()
        await turns()
        (reset,) = origin.heard(h2.events.StreamReset)
        assert reset.error_code is ErrorCodes.CANCEL
        assert len(asyncio.all_tasks()) == 1

    played(main)


def test_interim_responses_pass_and_are_bounded() -> None:
    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        told: list[Response] = []

        def hints(count: int) -> Any:
            def on_event(state: h2.connection.H2Connection, event: Any) -> None:
                if isinstance(event, h2.events.StreamEnded):
                    for _ in range(count):
                        state.send_headers(event.stream_id, [(":status", "103"), ("link", "x")])
                    state.send_headers(event.stream_id, OK, end_stream=True)

            return on_event

        origin.on_event = hints(2)
        reply = await pool.send(ENDPOINT, replace(GET, on_interim=told.append))
        assert (reply.head.status, [one.status for one in told]) == (200, [103, 103])
        origin.on_event = hints(17)
        assert await fault(pool) is Fault.MALFORMED

    played(main)


def test_a_window_that_is_never_opened_is_a_late_origin() -> None:
    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        head = POST_HEAD.replace(b"Transfer-Encoding: chunked", b"Content-Length: 9")
        request = quick(WireRequest(b"POST", head, WholeBody(b"z" * 9)))
        assert await fault(pool, request) is Fault.RESPONSE_TIMEOUT
        assert origin.heard(h2.events.DataReceived) == []

    played(main, settings={SettingCodes.INITIAL_WINDOW_SIZE: 0})


def test_a_call_in_which_nobody_speaks_is_late() -> None:
    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        call = quick(WireRequest(b"POST", POST_HEAD, SpokenBody(), two_way=True))
        assert await fault(pool, call) is Fault.RESPONSE_TIMEOUT

    played(main)
