"""Deadlines and places of connections to control and the bucket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from edgecache.config.model import Limits
from edgecache.node.control_connection import ControlConnection
from edgecache.node.service_connection import ServiceConnection, ServiceConnections
from edgecache.runtime.environment import pause
from tests.world.transport import FakeTransport

LIMITS = Limits(
    connections_max=8, connections_per_address_max=8, head_s_max=10, body_idle_s_max=30,
    write_idle_s_max=30, idle_s_max=75, head_bytes_max=4_096,
)  # fmt: skip
HALF = b"GET / HTTP/1.1\r\nHost: a\r\nX-"
WHOLE = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
NODE = b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: node\r\n\r\n"
WAITS = b"GET /waits HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"


class Service:
    """A process of an application: its clock, its places, its connections."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.gate = asyncio.Event()
        self.places = ServiceConnections(LIMITS, lambda: self.now, self._proves)
        self._settings = uvicorn.Config(
            self._app, interface="asgi3", proxy_headers=False, log_config=None, access_log=False
        )
        self._settings.load()
        self._state = ServerState()
        self._count = 0

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        if scope["path"] == "/waits":
            await self.gate.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"well"})

    def _proves(self, scope: Any) -> bool:
        return (b"authorization", b"node") in scope["headers"]

    def comes(self, address: str = "") -> Client:
        self._count += 1
        peer = (address or f"192.0.2.{self._count}", 40_000)
        return Client(self, FakeTransport(peer), self._settings, self._state)

    async def passes(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1
            self.places.sweep()
            await turns()


class Client:
    """One connection of the service, seen from outside."""

    def __init__(
        self, service: Service, transport: FakeTransport, settings: uvicorn.Config, state: Any
    ) -> None:
        self.transport = transport
        self.connection = ServiceConnection(settings, state, {}, places=service.places)
        self.connection.connection_made(transport)
        transport.is_not_read(self.connection)

    async def sends(self, data: bytes) -> Client:
        if not self.closed:
            self.connection.data_received(data)
            await turns()
        return self

    @property
    def closed(self) -> bool:
        return self.transport.closed

    @property
    def told(self) -> bytes:
        """The status line."""
        return bytes(self.transport.written).partition(b"\r\n")[0]


async def turns() -> None:
    for _ in range(10):
        await pause(0)


@pytest.fixture
def plays() -> Callable[[Callable[[Service], Awaitable[None]]], None]:
    def run(scene: Callable[[Service], Awaitable[None]]) -> None:
        async def whole() -> None:
            service = Service()
            await scene(service)
            service.gate.set()
            await turns()

        asyncio.run(whole())

    return run


Plays = Callable[[Callable[[Service], Awaitable[None]]], None]


@pytest.mark.parametrize("said", [b"", b"\r\n", HALF])
def test_a_head_has_its_time_however_it_trickles(plays: Plays, said: bytes) -> None:
    async def scene(service: Service) -> None:
        client = service.comes()
        await client.sends(said)
        for _ in range(9):
            await service.passes(1)
            await client.sends(b"a" if said == HALF else b"\r\n"[: len(said)])
            assert not client.closed
        await service.passes(1)
        assert client.closed
        assert not client.told

    plays(scene)


def test_the_next_head_has_no_more(plays: Plays) -> None:
    """Each byte takes back Uvicorn's own timer."""

    async def scene(service: Service) -> None:
        client = await service.comes().sends(WHOLE)
        assert client.told == b"HTTP/1.1 200 OK"
        await service.passes(3)
        await client.sends(HALF)
        for _ in range(9):
            await service.passes(1)
            await client.sends(b"a")
        assert not client.closed
        await service.passes(1)
        assert client.closed

    plays(scene)


def test_a_body_comes_at_a_rate(plays: Plays) -> None:
    async def scene(service: Service) -> None:
        slow, steady = service.comes(), service.comes()
        await slow.sends(POST)
        await steady.sends(POST.replace(b"1000", b"100000"))
        for _ in range(31):
            await service.passes(1)
            await slow.sends(b"x")
            await steady.sends(b"x" * 300)
        assert slow.closed
        assert not steady.closed

    plays(scene)


def test_an_answer_nobody_takes_is_broken_off(plays: Plays) -> None:
    async def scene(service: Service) -> None:
        client = service.comes()
        client.transport.set_write_buffer_limits(high=10)
        await client.sends(WHOLE)
        await service.passes(29)
        assert not client.closed
        await service.passes(1)
        assert client.transport.aborted

    plays(scene)


def test_our_own_answer_may_take_long(plays: Plays) -> None:
    async def scene(service: Service) -> None:
        client = await service.comes().sends(WAITS)
        await service.passes(300)
        service.gate.set()
        await turns()
        assert client.told == b"HTTP/1.1 200 OK"

    plays(scene)


def test_a_head_has_its_bytes(plays: Plays) -> None:
    async def scene(service: Service) -> None:
        client = await service.comes().sends(HALF)
        for _ in range(5):
            await client.sends(b"a" * 1_000)
        assert client.told == b"HTTP/1.1 431 Request Header Fields Too Large"
        assert client.closed

    plays(scene)


@pytest.mark.parametrize("said", [b"", HALF, WHOLE, POST])
def test_who_waits_for_its_client_makes_way(plays: Plays, said: bytes) -> None:
    """Four places are for those who have not proven who they are."""

    async def scene(service: Service) -> None:
        inside = [await service.comes().sends(said) for _ in range(4)]
        for _ in range(20):
            assert (await service.comes().sends(WHOLE)).told == b"HTTP/1.1 200 OK"
        assert all(client.closed for client in inside)

    plays(scene)


def test_who_does_not_read_makes_way_unless_it_is_proven(plays: Plays) -> None:
    async def scene(service: Service) -> None:
        unread = {}
        for said in (NODE, WHOLE):
            for n in range(4):
                client = unread[said, n] = service.comes()
                client.transport.set_write_buffer_limits(high=10)
                await client.sends(said)
        assert (await service.comes().sends(WHOLE)).told == b"HTTP/1.1 200 OK"
        assert [who for who, client in unread.items() if client.closed] == [(WHOLE, 0)]

    plays(scene)


def test_a_node_keeps_its_place(plays: Plays) -> None:
    async def scene(service: Service) -> None:
        nodes = [await service.comes().sends(NODE) for _ in range(4)]
        for _ in range(100):
            await service.comes().sends(HALF)
        assert not any(node.closed for node in nodes)
        for node in nodes:
            node.transport.written.clear()
            assert (await node.sends(NODE)).told == b"HTTP/1.1 200 OK"

    plays(scene)


def test_one_address_keeps_only_its_neighbors_out(plays: Plays) -> None:
    async def scene(service: Service) -> None:
        waiting = [await service.comes("2001:db8::1").sends(WAITS) for _ in range(4)]
        late = await service.comes("2001:db8::2").sends(WHOLE)
        assert late.told == b"HTTP/1.1 503 Service Unavailable"
        assert b"\r\nretry-after: 1\r\n" in late.transport.written
        assert late.closed
        assert not any(client.closed for client in waiting)

    plays(scene)


def test_who_leaves_leaves_nothing(plays: Plays) -> None:
    async def scene(service: Service) -> None:
        clients = [await service.comes().sends(said) for said in (b"", HALF, NODE, POST, WAITS)]
        for client in clients:
            client.connection.connection_lost(None)
        assert not list(service.places)

    plays(scene)


def test_the_socket_file_proves_its_user() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.socket() as tcp:
        connection: Any = object.__new__(ControlConnection)
        assert connection.comes_proven(ours)
        assert connection.client[0] == "unix"
        assert not connection.comes_proven(tcp)
        assert not connection.comes_proven(None)
