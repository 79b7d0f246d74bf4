"""Connections in memory: in order or broken, and nobody writes without end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from edgecache.testing.memory_network import HIGH_BYTES, MemoryTransport, connect
from edgecache.testing.virtual_loop import VirtualLoop


class Listed(asyncio.Protocol):
    """Keeps what happens to it."""

    def __init__(self, *, stays: bool = False) -> None:
        self.events: list[object] = []
        self.transport: MemoryTransport
        self._stays = stays

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(MemoryTransport, transport)

    def data_received(self, data: bytes) -> None:
        self.events.append(data)

    def eof_received(self) -> bool:
        self.events.append("end")
        return self._stays

    def connection_lost(self, exc: Exception | None) -> None:
        self.events.append(type(exc).__name__ if exc else "lost")

    def pause_writing(self) -> None:
        self.events.append("pause")

    def resume_writing(self) -> None:
        self.events.append("resume")


def pair(*, stays: bool = False) -> tuple[VirtualLoop, Listed, Listed]:
    loop, client, server = VirtualLoop(), Listed(), Listed(stays=stays)
    connect(loop, client, server, ("192.0.2.7", 5))
    return loop, client, server


def test_what_is_sent_arrives_in_order_and_then_the_end() -> None:
    loop, client, server = pair()
    client.transport.write(b"a")
    client.transport.writelines([b"b", b"c"])
    client.transport.close()
    loop.run_ready()
    assert server.events == [b"abc", "end", "lost"]
    assert client.events == ["lost"]
    assert server.transport.get_extra_info("peername") == ("192.0.2.7", 5)


def test_who_half_closes_is_still_answered() -> None:
    loop, client, server = pair(stays=True)
    client.transport.write_eof()
    loop.run_ready()
    server.transport.write(b"late")
    loop.run_ready()
    assert (server.events, client.events) == (["end"], [b"late"])


def test_a_reset_is_an_error_at_the_other_end() -> None:
    loop, client, server = pair()
    server.transport.pause_reading()
    client.transport.write(b"lost with it")
    client.transport.abort()
    loop.run_ready()
    assert server.events == ["ConnectionResetError"]


def test_who_is_not_read_is_held_up() -> None:
    loop, client, server = pair()
    server.transport.pause_reading()
    client.transport.write(bytes(HIGH_BYTES))
    assert client.events == []
    client.transport.write(b"1")
    loop.run_ready()
    assert (client.events, server.events) == (["pause"], [])
    assert client.transport.get_write_buffer_size() == HIGH_BYTES + 1
    server.transport.resume_reading()
    loop.run_ready()
    assert client.events == ["pause", "resume"]
    assert server.events == [bytes(HIGH_BYTES) + b"1"]


@pytest.mark.parametrize("end", [MemoryTransport.close, MemoryTransport.abort])
def test_what_is_written_to_who_has_gone_breaks_the_connection(
    end: Callable[[MemoryTransport], None],
) -> None:
    loop, client, server = pair(stays=True)
    end(client.transport)
    loop.run_ready()
    server.transport.write(b"x")
    loop.run_ready()
    assert server.events[-1] == "ConnectionResetError"
    assert server.transport.is_closing()
