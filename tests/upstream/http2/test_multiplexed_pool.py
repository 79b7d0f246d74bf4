"""Connections of HTTP/2 by endpoint: shared, bounded, and what is asked once more."""

from __future__ import annotations

import asyncio
from typing import Any

import h2.connection
import h2.events
import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from msgspec.structs import replace

from edgecache.http.http2 import frames
from edgecache.http.http2.frames import settings_frame
from edgecache.upstream.endpoint import WireRequest
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.interface import WholeBody
from edgecache.upstream.pool import Pool
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
)

HELLO = settings_frame({})
TWO_HUNDRED = b"\x88"  # `:status: 200`, static


def test_requests_share_a_connection_and_another_is_opened_beyond_its_room() -> None:
    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        asking = [asyncio.create_task(pool.send(ENDPOINT, GET)) for _ in range(5)]
        await turns(20)
        assert len(origin.heard(h2.events.RequestReceived)) == 5
        assert len(origin.connections) == 3  # 2, 2, 1
        for task in asking:
            task.cancel()
        await turns()
        assert len(origin.heard(h2.events.StreamReset)) == 5  # nobody waits for them

    played(main, settings={SettingCodes.MAX_CONCURRENT_STREAMS: 2})


def test_beyond_the_endpoints_connections_requests_wait_in_a_bounded_line() -> None:
    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        narrow = replace(ENDPOINT, connections_max=1)
        asking = [asyncio.create_task(pool.send(narrow, GET)) for _ in range(6)]
        await turns(20)
        assert [task.done() for task in asking] == [False] * 5 + [True]
        with pytest.raises(UpstreamError) as caught:
            asking[5].result()
        assert caught.value.fault is Fault.BUSY
        asking[0].cancel()
        await turns(20)
        assert len(origin.heard(h2.events.RequestReceived)) == 2  # the next has its room
        for task in asking[1:5]:
            task.cancel()
        await turns()

    played(main, settings={SettingCodes.MAX_CONCURRENT_STREAMS: 1})


def test_what_was_not_done_is_asked_once_more_by_another_connection() -> None:
    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        def first_goes(state: h2.connection.H2Connection, event: Any) -> None:
            if isinstance(event, h2.events.StreamEnded):
                if state is origin.state(0):
                    origin.connections[0].says(frames.goaway_frame(0, frames.ErrorCode.NO_ERROR))
                else:
                    answers()(state, event)

        origin.on_event = first_goes
        assert (await pool.send(ENDPOINT, GET)).head.status == 200
        assert len(origin.connections) == 2
        assert origin.connections[0].closing

    played(main)


def test_an_origin_that_always_leaves_is_asked_twice_and_no_more() -> None:
    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        def goes(state: h2.connection.H2Connection, event: Any) -> None:
            if isinstance(event, h2.events.StreamEnded):
                origin.says(frames.goaway_frame(0, frames.ErrorCode.NO_ERROR))

        origin.on_event = goes
        assert await fault(pool) is Fault.CLOSED
        assert len(origin.connections) == 2

    played(main)


def test_what_it_refuses_is_asked_again_unless_its_body_has_gone() -> None:
    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        def refuses(state: h2.connection.H2Connection, event: Any) -> None:
            if isinstance(event, h2.events.StreamEnded):
                state.reset_stream(event.stream_id, ErrorCodes.REFUSED_STREAM)

        origin.on_event = refuses
        assert await fault(pool) is Fault.CLOSED
        assert len(origin.heard(h2.events.RequestReceived)) == 2
        head = POST_HEAD.replace(b"Transfer-Encoding: chunked", b"Content-Length: 1")
        assert await fault(pool, WireRequest(b"POST", head, WholeBody(b"z"))) is Fault.CLOSED
        assert len(origin.heard(h2.events.RequestReceived)) == 3

    played(main)


def test_a_late_origin_and_the_connection_it_was_late_on() -> None:
    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        assert await fault(pool, quick(GET)) is Fault.RESPONSE_TIMEOUT
        await turns()
        assert origin.connections[0].closing  # perhaps nobody is there any more
        origin.on_event = answers()
        await pool.send(ENDPOINT, GET)
        assert len(origin.connections) == 2

    played(main)


def test_a_connection_at_rest_that_was_closed_is_not_noticed_by_who_asks() -> None:
    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        origin.on_event = answers()
        await pool.send(ENDPOINT, GET)

        def closes(state: h2.connection.H2Connection, event: Any) -> None:
            if isinstance(event, h2.events.StreamEnded) and state is origin.state(0):
                origin.connections[0].close()
            else:
                answers()(state, event)

        origin.on_event = closes
        assert (await pool.send(ENDPOINT, GET)).head.status == 200
        assert len(origin.connections) == 2

    played(main)
