"""HTTP/2 as Chromium, httpx and the `h2` library speak it: a page, a seek, WebSockets beside."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import h2.connection
import h2.events
import httpx
import pytest

from tests.end_to_end.browser import browser
from tests.end_to_end.browser_scripts import CHAT, PROTOCOLS, SEEK
from tests.end_to_end.http2_edge import OBJECTS, SOUND_S, Http2Edge, http2_edge
from tests.end_to_end.processes import wait_for
from tests.end_to_end.viewers import ANSWER_S_MAX

Event = TypeVar("Event")


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Http2Edge]:
    with http2_edge(tmp_path_factory.mktemp("http2-clients")) as running:
        yield running


def test_a_page_a_seek_and_a_websocket_in_a_browser(edge: Http2Edge, tmp_path: Path) -> None:
    with browser(tmp_path, "--ignore-certificate-errors") as viewer:
        viewer.go(f"{edge.https}/page.html")
        assert viewer.run(PROTOCOLS) == {"h2": OBJECTS}
        assert viewer.run(CHAT) == "hello"
        assert viewer.run(SEEK, 300) == {"at": 300, "duration": SOUND_S}
    opened = wait_for("the WebSocket's record", lambda: edge.records("/chat"))
    assert [(one[8], one[16], one[23]) for one in opened] == [("101", "wss", "HTTP/2.0")]
    sought = wait_for("records of the seek", lambda: edge.seeks())
    assert {one[23] for one in sought} == {"HTTP/2.0"}


def test_httpx_asks_a_hundred_things_at_once(edge: Http2Edge) -> None:
    trusted = ssl.create_default_context(cafile=edge.trusted()[1])

    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(
            http2=True, verify=trusted, trust_env=False, timeout=ANSWER_S_MAX
        ) as client:
            first = await client.post(f"{edge.https}/up", content=b"x" * 300_000)
            rest = [client.get(f"{edge.https}/{number}/{1_000 + number}") for number in range(100)]
            return [first, *await asyncio.gather(*rest)]

    first, *answers = asyncio.run(ask())
    assert first.text.startswith("300000 ")
    assert {one.http_version for one in (first, *answers)} == {"HTTP/2"}
    assert [(one.status_code, len(one.content)) for one in answers] == [
        (200, 1_000 + number) for number in range(100)
    ]


def test_a_websocket_by_the_h2_library(edge: Http2Edge) -> None:
    """Its frames are masked by 0: `websockets` has no transport of HTTP/2."""
    context = ssl.create_default_context(cafile=edge.trusted()[1])
    context.set_alpn_protocols(["h2"])
    state = h2.connection.H2Connection()
    with (
        socket.create_connection(("127.0.0.1", edge.tls), ANSWER_S_MAX) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as sock,
    ):
        state.initiate_connection()
        sock.sendall(state.data_to_send())
        happened = _until(sock, state, h2.events.RemoteSettingsChanged)
        assert state.remote_settings.enable_connect_protocol == 1, happened
        state.send_headers(
            1,
            [
                (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"),
                (":path", "/chat"), (":authority", "localhost"), ("sec-websocket-version", "13"),
            ],
        )  # fmt: skip
        sock.sendall(state.data_to_send())
        response = _until(sock, state, h2.events.ResponseReceived)
        assert (b":status", b"200") in response.headers
        state.send_data(1, b"\x81\x85\0\0\0\0hello")
        sock.sendall(state.data_to_send())
        assert _until(sock, state, h2.events.DataReceived).data == b"\x81\x05hello"
        state.send_data(1, b"\x88\x82\0\0\0\0\x03\xe8", end_stream=True)
        sock.sendall(state.data_to_send())
        assert _until(sock, state, h2.events.DataReceived).data == b"\x88\x02\x03\xe8"
        _until(sock, state, h2.events.StreamEnded)


def _until(sock: ssl.SSLSocket, state: h2.connection.H2Connection, kind: type[Event]) -> Event:
    """Read until something of this kind has happened."""
    while data := sock.recv(65_536):
        for event in state.receive_data(data):
            if isinstance(event, kind):
                return event
        sock.sendall(state.data_to_send())
    raise AssertionError(f"the end came before {kind.__name__}")
