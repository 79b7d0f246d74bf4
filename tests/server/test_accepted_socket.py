"""Connections before HTTP, by PROXY header and TLS: counted, bounded, gone without a trace."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import uvloop
from msgspec.structs import replace

from edgecache.config.model import Limits
from edgecache.observe.counters import Counters
from edgecache.runtime.environment import pause
from edgecache.server.accepted_socket import AcceptingServer, Acceptor
from edgecache.server.connection_table import LATE_S, ConnectionTable
from edgecache.server.dev_certificate import ca_file, development_certificate
from edgecache.server.listener import Listener
from edgecache.server.location_access import LocationAccess

LIMITS = Limits(connections_per_address_max=3)
DEADLINE_S = 30


class Viewer(asyncio.Protocol):
    """In place of a viewer's connection: counted, and says who it is."""

    network = "127.0.0.1"
    gives_way = False

    def __init__(self, port: Port) -> None:
        self._port = port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._port.table.add(cast(Any, self))
        cast(asyncio.Transport, transport).write(b"hello")

    def connection_lost(self, exc: Exception | None) -> None:
        self._port.table.discard(cast(Any, self))


class Port:
    """A TLS port of our own, its clock and its table."""

    def __init__(
        self,
        folder: Path,
        listening: socket.socket,
        *,
        proxied: bool = False,
        tls: bool = True,
        head_s_max: float = LIMITS.head_s_max,
        access: LocationAccess | None = None,
    ) -> None:
        pem = development_certificate(folder, ["localhost"], datetime.now(UTC))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        self.now, self.table, self.connections = 1000.0, ConnectionTable(), set[Any]()
        self.trusts = ssl.create_default_context(cafile=str(ca_file(folder)))
        self.address = listening.getsockname()
        self._streams: list[asyncio.StreamWriter] = []
        self.counters = Counters()
        self.proxy = "127.0.0.1"  # whose headers are taken
        self.sources: list[tuple[str, int] | None] = []
        listener: Any = SimpleNamespace(
            clock=lambda: self.now,
            connections=self.table,
            tls=SimpleNamespace(context=context) if tls else None,
            proxied=proxied,
            access=access,
            takes_header_of=lambda peer: peer == self.proxy,
            request_log=SimpleNamespace(counters=self.counters),
            limits=replace(LIMITS, head_s_max=head_s_max),
            has_room=lambda one: self.table.make_room(one, LIMITS),
        )
        acceptor = Acceptor(cast(Listener, listener), self.connections, self._viewer)
        self.server = AcceptingServer(acceptor, listening, 16)

    def _viewer(self, source: tuple[str, int] | None, _transport: asyncio.Transport) -> Viewer:
        self.sources.append(source)
        return Viewer(self)

    async def says(self, *pieces: bytes) -> asyncio.StreamReader:
        """A connection whose first bytes these are, each sent when the last one was taken."""
        reader, writer = await asyncio.open_connection(*self.address)
        self._streams.append(writer)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            for _ in range(3):
                await pause(0)
        return reader

    async def says_nothing(self) -> asyncio.StreamReader:
        reader, writer = await asyncio.open_connection(*self.address)
        self._streams.append(writer)
        return reader

    async def speaks(self) -> bytes:
        reader, writer = await asyncio.open_connection(
            *self.address, ssl=self.trusts, server_hostname="localhost"
        )
        self._streams.append(writer)
        return await reader.readexactly(5)

    async def counts(self, number: int) -> None:
        while len(self.table) != number:
            await pause(0)

    async def ends(self) -> None:
        self.server.close()
        for writer in self._streams:
            writer.close()
        await self.counts(0)
        assert not self.connections


def plays(folder: Path, scene: Callable[[Port], Awaitable[None]], **port_is: Any) -> None:
    """`scene` at a port, on the loop of our processes."""

    async def run() -> None:
        port = Port(folder, socket.create_server(("127.0.0.1", 0)), **port_is)
        async with asyncio.timeout(DEADLINE_S):
            await scene(port)
            await port.ends()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def test_who_says_nothing_is_counted(tmp_path: Path) -> None:
    async def scene(port: Port) -> None:
        for number in (1, 2, 3):
            await port.says_nothing()
            await port.counts(number)

    plays(tmp_path, scene)


def test_a_viewer_takes_the_place_of_its_handshake(tmp_path: Path) -> None:
    async def scene(port: Port) -> None:
        assert await port.speaks() == b"hello"
        assert len(port.table) == 1
        assert not port.connections

    plays(tmp_path, scene)


def test_one_too_many_is_closed(tmp_path: Path) -> None:
    async def scene(port: Port) -> None:
        for _ in range(3):
            await port.says_nothing()
        late = await port.says_nothing()
        assert await late.read() == b""
        await port.counts(3)

    plays(tmp_path, scene)


def test_who_is_late_makes_way(tmp_path: Path) -> None:
    async def scene(port: Port) -> None:
        silent = [await port.says_nothing() for _ in range(3)]
        await port.counts(3)
        port.now += LATE_S
        assert await port.speaks() == b"hello"
        assert await silent[0].read() == b""
        await port.counts(3)

    plays(tmp_path, scene)


def test_who_leaves_or_speaks_something_else_is_forgotten(tmp_path: Path) -> None:
    async def scene(port: Port) -> None:
        for said in (b"", b"GET / HTTP/1.1\r\n\r\n"):
            reader, writer = await asyncio.open_connection(*port.address)
            writer.write(said)
            await port.counts(1)
            if not said:
                writer.close()
            await port.counts(0)
            writer.close()
            await reader.read()

    plays(tmp_path, scene)


def test_the_end_of_a_process_waits_for_none(tmp_path: Path) -> None:
    async def scene(port: Port) -> None:
        silent = await port.says_nothing()
        await port.counts(1)
        for one in list(port.connections):
            one.shutdown()
        assert await silent.read() == b""

    plays(tmp_path, scene)


class Exhausted(socket.socket):
    """A listening socket of a process without descriptors."""

    tries = 0

    def accept(self) -> Any:
        self.tries += 1
        raise OSError(errno.EMFILE, "Too many open files")


def test_without_descriptors_it_looks_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at once: the socket stays readable."""
    monkeypatch.setattr("edgecache.server.accepted_socket.EXHAUSTED_S", 3_600.0)

    async def scene(listening: Exhausted) -> None:
        port = Port(tmp_path, listening)
        await port.says_nothing()
        async with asyncio.timeout(DEADLINE_S):
            while not listening.tries:
                await pause(0)
        for _ in range(10):
            await pause(0)
        assert listening.tries == 1
        await port.ends()

    with Exhausted() as listening:
        listening.bind(("127.0.0.1", 0))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(scene(listening))
