"""Requests with a body on one connection: back-pressure, early responses, bodies that fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from edgecache.upstream.endpoint import Timeouts, WireRequest
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.interface import WholeBody
from edgecache.upstream.response import ResponseBody
from tests.upstream.wire import OK5, World, everything, play, turn

POST = b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\n"


def test_a_body_is_sent_after_the_head() -> None:
    async def main(world: World) -> None:
        outgoing = WireRequest(b"POST", POST, WholeBody(b"hello"))
        reply = await world.ask(lambda: None, turn_then(world, OK5 + b"hello"), outgoing=outgoing)
        assert everything(reply) == b"hello"
        assert world.wire.written == POST + b"hello"
        assert world.released_times == 1

    play(main)


def turn_then(world: World, data: bytes) -> Callable[[], object]:
    loop = asyncio.get_running_loop()
    return lambda: loop.call_soon(world.connection.data_received, data)


def test_o20_an_early_response_is_delivered_and_the_upload_stopped() -> None:
    async def main(world: World) -> None:
        body = ResponseBody(5, world.connection)
        body.push([b"he"])
        outgoing = WireRequest(b"POST", POST, body)
        reply = await world.ask(turn_then(world, OK5 + b"early"), outgoing=outgoing)
        assert everything(reply) == b"early"
        assert (world.wire.ended, world.released_times) == ("abort", 0)
        assert world.wire.written == POST + b"he"

    play(main)


def test_an_upload_waits_until_the_connection_takes_more() -> None:
    async def main(world: World) -> None:
        body = ResponseBody(5, world.connection)
        body.push([b"he"])
        world.connection.pause_writing()
        asking = asyncio.get_running_loop().create_task(
            world.connection.ask(WireRequest(b"POST", POST, body))
        )
        await turn()
        await turn()
        body.push([b"llo"])
        body.end()
        await turn()
        assert world.wire.written == POST + b"he"
        world.connection.resume_writing()
        for _ in range(3):
            await turn()
        assert world.wire.written == POST + b"hello"
        world.connection.data_received(OK5 + b"hello")
        assert everything(await asking) == b"hello"

    play(main)


def test_c19_a_body_that_fails_breaks_the_request_off() -> None:
    async def main(world: World) -> None:
        body = ResponseBody(None, world.connection)
        body.push([b"he"])
        body.end(UpstreamError(Fault.TRUNCATED, "viewer"))
        with pytest.raises(UpstreamError) as failed:
            await world.ask(outgoing=WireRequest(b"POST", POST, body))
        assert failed.value.where == "viewer"
        assert world.wire.ended == "abort"
        assert not world.wire.written.endswith(b"0\r\n\r\n")

    play(main)


def test_an_upload_the_origin_does_not_take_times_out() -> None:
    async def main(world: World) -> None:
        world.connection.pause_writing()
        outgoing = WireRequest(b"POST", POST, WholeBody(b"hello"), Timeouts(response_s=0.001))
        with pytest.raises(UpstreamError) as failed:
            await world.ask(outgoing=outgoing)
        assert failed.value.fault is Fault.RESPONSE_TIMEOUT

    play(main)
