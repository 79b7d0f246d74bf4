"""WebSockets to origins by HTTP/2: extended CONNECT (RFC 8441), and the tunnel it opens."""

from __future__ import annotations

import asyncio
from typing import Any

import h2.connection
import h2.events
import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from edgecache.http.message import first_value
from edgecache.rules.viewer.access import upgrades
from edgecache.upstream.endpoint import WireRequest
from edgecache.upstream.faults import Fault, UpstreamError
from edgecache.upstream.http2 import stream
from edgecache.upstream.pool import Pool
from edgecache.upstream.tunnel import TUNNEL_BYTES_MAX, OpenTunnel
from tests.upstream.http2.h2_origin import (
    ENDPOINT,
    GET,
    PlayedOrigin,
    answers,
    fault,
    played,
    quick,
    turns,
    whole,
)

HEAD = (
    b"GET /chat HTTP/1.1\r\nHost: origin.test\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
)
WEBSOCKET = WireRequest(b"GET", HEAD, upgrade=True)
TAKES_THEM = {"settings": {SettingCodes.ENABLE_CONNECT_PROTOCOL: 1}}


def accepts(state: h2.connection.H2Connection, event: Any) -> None:
    if isinstance(event, h2.events.RequestReceived):
        headers = [(":status", "200"), ("sec-websocket-protocol", "chat")]
        state.send_headers(event.stream_id, headers)


async def opened(origin: PlayedOrigin, pool: Pool) -> OpenTunnel:
    origin.on_event = accepts
    reply = await pool.send(ENDPOINT, WEBSOCKET)
    assert reply.head.status == 101
    assert isinstance(reply.body, OpenTunnel)
    return reply.body


def said(origin: PlayedOrigin) -> bytes:
    """What came to the origin through the tunnel."""
    return b"".join(one.data for one in origin.heard(h2.events.DataReceived))


async def tells(origin: PlayedOrigin, data: bytes, *, ends: bool = False) -> None:
    origin.state().send_data(1, data, end_stream=ends)
    origin.flush()
    await turns()


def test_it_is_asked_for_by_connect_and_told_as_an_upgrade() -> None:
    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        origin.on_event = accepts
        reply = await pool.send(ENDPOINT, WEBSOCKET)
        (asked,) = origin.heard(h2.events.RequestReceived)
        fields = dict(asked.headers)
        assert (fields[":method"], fields[":protocol"]) == ("CONNECT", "websocket")
        assert (fields[":path"], fields["sec-websocket-version"]) == ("/chat", "13")
        assert fields.keys().isdisjoint({"upgrade", "connection", "sec-websocket-key", "te"})
        assert upgrades(reply.head.fields)
        proof = first_value(reply.head.fields, b"sec-websocket-accept")  # RFC 6455 §1.3
        assert proof == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        assert first_value(reply.head.fields, b"sec-websocket-protocol") == b"chat"
        reply.body.close()
        await turns()

    played(main, **TAKES_THEM)


def test_who_has_not_announced_it_is_not_asked() -> None:
    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        assert await fault(pool, WEBSOCKET) is Fault.NO_UPGRADE
        assert not origin.heard(h2.events.RequestReceived)
        origin.on_event = answers()
        assert (await pool.send(ENDPOINT, GET)).head.status == 200

    played(main)


def test_bytes_pass_both_ways() -> None:
    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        tunnel = await opened(origin, pool)
        tunnel.write(b"ping")
        await tunnel.writable()
        await turns()
        assert said(origin) == b"ping"
        await tells(origin, b"pong")
        assert await tunnel.read() == b"pong"
        tunnel.close()
        await turns()
        assert origin.heard(h2.events.StreamReset)

    played(main, **TAKES_THEM)


def test_a_refusal_is_a_response() -> None:
    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        def refuses(state: h2.connection.H2Connection, event: Any) -> None:
            if isinstance(event, h2.events.RequestReceived):
                state.send_headers(event.stream_id, [(":status", "403")])
                state.send_data(event.stream_id, b"no", end_stream=True)

        origin.on_event = refuses
        reply = await pool.send(ENDPOINT, WEBSOCKET)
        assert reply.head.status == 403
        assert await whole(reply) == b"no"
        await turns()
        assert [one.error_code for one in origin.heard(h2.events.StreamReset)] == [
            ErrorCodes.CANCEL
        ]

    played(main, **TAKES_THEM)


def test_the_viewer_ends_first() -> None:
    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        tunnel = await opened(origin, pool)
        tunnel.write(b"bye")
        tunnel.end_writing()
        await turns()
        assert said(origin) == b"bye"
        assert origin.heard(h2.events.StreamEnded)
        await tells(origin, b"farewell", ends=True)
        assert [await tunnel.read(), await tunnel.read()] == [b"farewell", b""]
        tunnel.hang_up()
        await turns()
        assert not origin.heard(h2.events.StreamReset)

    played(main, **TAKES_THEM)


def test_the_origin_ends_first_and_hears_the_last_words() -> None:
    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        tunnel = await opened(origin, pool)
        await tells(origin, b"", ends=True)
        assert await tunnel.read() == b""
        tunnel.write(b"last")
        tunnel.end_writing()
        tunnel.hang_up()
        await turns()
        assert said(origin) == b"last"
        assert origin.heard(h2.events.StreamEnded)
        assert not origin.heard(h2.events.StreamReset)

    played(main, **TAKES_THEM)


def test_an_origin_that_breaks_off_is_a_fault_of_the_tunnel() -> None:
    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        tunnel = await opened(origin, pool)
        origin.state().reset_stream(1, ErrorCodes.INTERNAL_ERROR)
        origin.flush()
        await turns()
        with pytest.raises(UpstreamError):
            await tunnel.read()
        await tunnel.writable()
        tunnel.close()

    played(main, **TAKES_THEM)


def test_an_origin_that_does_not_follow_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HANG_UP_S", 0.02)

    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        tunnel = await opened(origin, pool)
        over = asyncio.get_running_loop().create_future()
        origin.on_event = lambda _, event: (
            over.set_result(None) if isinstance(event, h2.events.StreamReset) else None
        )
        tunnel.write(b"last")
        tunnel.hang_up()
        await asyncio.wait_for(over, 5)
        assert said(origin) == b"last"
        assert origin.heard(h2.events.StreamEnded)

    played(main, **TAKES_THEM)


def test_an_origin_that_says_nothing_is_late() -> None:
    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        assert await fault(pool, quick(WEBSOCKET)) is Fault.RESPONSE_TIMEOUT
        await turns()
        assert origin.heard(h2.events.StreamReset)

    played(main, **TAKES_THEM)


def test_what_an_origin_does_not_take_is_bounded() -> None:
    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        tunnel = await opened(origin, pool)
        tunnel.write(b"x" * (TUNNEL_BYTES_MAX + 70_000))
        tunnel.write(b"y" * (TUNNEL_BYTES_MAX + 1))
        waiting = asyncio.create_task(tunnel.writable())
        await turns()
        assert not waiting.done()
        tunnel.close()
        await turns()
        assert waiting.done()

    played(main, **TAKES_THEM)


def test_one_that_is_silent_stays() -> None:
    """How long it may be is for who sees both directions: `read_s` is not asked."""

    async def main(origin: PlayedOrigin, pool: Pool) -> None:
        origin.on_event = accepts
        reply = await pool.send(ENDPOINT, quick(WEBSOCKET))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reply.body.read(), 0.25)
        assert not origin.heard(h2.events.StreamReset)
        reply.body.close()
        await turns()

    played(main, **TAKES_THEM)
