"""Queries by UDP and TCP, without sockets: seams, bounds, rates, and what fails."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import dns.message
import dns.rcode
import dns.tsig
import pytest

from edgecache.config.dns import DnsSettings
from edgecache.dns.rate_limit import ResponseRates
from edgecache.dns.responder import Responder, ResponderWorld
from edgecache.node import dns_listener
from edgecache.node.dns_listener import DnsConnection, DnsDatagrams, DnsListener, plain_address
from tests.dns.zones import example_zone


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self, address: str = "192.0.2.9") -> None:
        super().__init__()
        self.address = address
        self.written = bytearray()
        self.sent: list[bytes] = []
        self.closed = self.aborted = self.reads = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return (self.address, 5_300) if name == "peername" else default

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self.written += data

    def sendto(self, data: bytes, addr: Any = None) -> None:
        self.sent.append(data)

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def get_write_buffer_size(self) -> int:
        return len(self.written)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Transfers:
    """A transfer of three messages."""

    async def transfer(self, message: bytes, address: str) -> AsyncIterator[bytes]:
        for number in range(3):
            yield bytes([number]) * 4

    size_bytes = 7

    def signed(self, message: bytes, address: str, bytes_max: int) -> bytes:
        return message[:2] + b"\x80\x05" + b"signed"

    def use(self, settings: DnsSettings, zones: object, *, tells: bool) -> None: ...

    def tell_all(self) -> None: ...


def listener_of(clock: Clock | None = None, connections_max: int = 4) -> DnsListener:
    responder = Responder(ResponderWorld(random.Random(1).random))
    responder.use([example_zone()])
    return DnsListener(responder, clock or Clock(), connections_max, 10, Transfers())


def framed(name: str = "www.example.test", type: str = "A") -> bytes:
    message = dns.message.make_query(name, type).to_wire()
    return len(message).to_bytes(2, "big") + message


def connected(listener: DnsListener, wire: Wire) -> DnsConnection:
    made = DnsConnection(listener)
    made.connection_made(wire)
    return made


def answers(wire: Wire) -> list[dns.message.Message]:
    found, at = [], 0
    while at < len(wire.written):
        length = int.from_bytes(wire.written[at : at + 2], "big")
        found.append(dns.message.from_wire(bytes(wire.written[at + 2 : at + 2 + length])))
        at += 2 + length
    return found


def test_queries_that_arrive_byte_by_byte_are_answered_in_order() -> None:
    wire = Wire()
    connection = connected(listener_of(), wire)
    for byte in framed() + framed("large.example.test"):
        connection.data_received(bytes([byte]))
    one, two = answers(wire)
    assert one.question[0].name.to_text() == "www.example.test."
    assert len(two.answer[0]) == 100  # by TCP it is whole


def test_several_queries_at_once_are_all_answered() -> None:
    wire = Wire()
    connected(listener_of(), wire).data_received(framed() * 20)
    assert len(answers(wire)) == 20


@pytest.mark.parametrize("sent", [b"\xff\xff" + b"x" * 100, b"\0\x03abc", b"\0\x0c" + b"\xff" * 12])
def test_what_is_no_query_ends_the_connection(sent: bytes) -> None:
    wire = Wire()
    connected(listener_of(), wire).data_received(sent)
    assert wire.aborted
    assert not wire.written


def test_an_idle_connection_is_closed_and_trickling_does_not_help() -> None:
    clock, wire = Clock(), Wire()
    listener = listener_of(clock)
    connection = connected(listener, wire)
    clock.now += 9
    connection.data_received(framed())
    clock.now += 9
    listener.sweep()
    assert not wire.aborted
    connection.data_received(framed()[:-1])  # nothing whole
    clock.now += 1
    listener.sweep()
    assert wire.aborted


def test_connections_have_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_listener, "PER_ADDRESS_MAX", 2)
    listener, wires = listener_of(), [Wire("192.0.2.1") for _ in range(3)]
    held = [connected(listener, wire) for wire in wires]
    assert [wire.aborted for wire in wires] == [False, False, True]
    others = [Wire(f"192.0.2.{number}") for number in range(2, 5)]
    held += [connected(listener, wire) for wire in others]
    assert [wire.aborted for wire in others] == [False, False, True]
    for connection in held:
        connection.connection_lost(None)
    assert not listener.connections
    again = Wire("192.0.2.1")
    connected(listener, again)
    assert not again.aborted


def test_who_does_not_read_is_not_answered_more() -> None:
    wire = Wire()
    connection = connected(listener_of(), wire)
    connection.pause_writing()
    connection.data_received(framed() * 3)
    assert not wire.written
    assert not wire.reads
    connection.resume_writing()
    assert wire.reads
    assert len(answers(wire)) == 3


def test_a_transfer_is_sent_message_by_message_and_what_comes_next_waits() -> None:
    async def play() -> bytes:
        listener, wire = listener_of(), Wire()
        connection = connected(listener, wire)
        connection.data_received(framed("example.test", "AXFR") + framed())
        (task,) = asyncio.all_tasks() - {asyncio.current_task()}
        await task
        return bytes(wire.written)

    written = asyncio.run(play())
    assert written[:18] == b"\0\x04" + bytes(4) + b"\0\x04" + b"\x01" * 4 + b"\0\x04" + b"\x02" * 4
    assert dns.message.from_wire(written[20:]).answer


def test_a_query_that_fails_is_told_servfail(caplog: pytest.LogCaptureFixture) -> None:
    listener, wire = listener_of(), Wire()
    datagrams = DnsDatagrams(listener)
    datagrams.connection_made(wire)
    listener.responder.public = None  # type: ignore[assignment]
    datagrams.datagram_received(framed()[2:], ("192.0.2.1", 53))
    assert dns.message.from_wire(wire.sent[0]).rcode() == dns.rcode.SERVFAIL
    assert "could not be answered" in caplog.text
    assert listener.rcodes == {"servfail": 1}


def test_what_is_over_the_rate_gets_no_more_bytes_than_it_sent() -> None:
    listener, wire = listener_of(), Wire()
    listener.rates = ResponseRates(2)
    datagrams = DnsDatagrams(listener)
    datagrams.connection_made(wire)
    query = framed("large.example.test")[2:]
    for _ in range(10):
        datagrams.datagram_received(query, ("192.0.2.1", 53))
    late = wire.sent[2:]
    assert len(late) == 4
    assert all(len(one) <= len(query) for one in late)
    assert listener.rcodes == {"noerror": 2, "dropped": 4, "truncated": 4}


def test_silence_for_what_is_no_query() -> None:
    wire = Wire()
    datagrams = DnsDatagrams(listener_of())
    datagrams.connection_made(wire)
    for data in (b"", b"x", bytes.fromhex("1234 8000 0001 0000 0000 0000")):
        datagrams.datagram_received(data, ("192.0.2.1", 53))
    assert wire.sent == []


def test_an_ipv4_address_in_ipv6_is_ipv4_s() -> None:
    assert plain_address(("::ffff:192.0.2.1", 53)) == "192.0.2.1"
    assert plain_address(("2001:db8::1", 53)) == "2001:db8::1"
    assert plain_address(None) == ""


def test_a_signed_query_is_for_who_knows_the_keys() -> None:
    query = dns.message.make_query("example.test", "SOA")
    query.use_tsig(dns.tsig.Key("key.", "c2VjcmV0"))
    wire = Wire()
    datagrams = DnsDatagrams(listener_of())
    datagrams.connection_made(wire)
    datagrams.datagram_received(query.to_wire(), ("192.0.2.1", 53))
    assert wire.sent[0].endswith(b"signed")


def test_what_is_held_is_counted_by_who_holds_it() -> None:
    listener = listener_of()
    listener.rates.per_s = 10
    before = listener.memory
    assert (before["rate_limits"], before["connections"], before["transfers"]) == (0, 0, 7)
    assert before["zones"] > 5_000
    for number in range(3):
        listener.datagram(framed()[2:], f"192.0.{number}.1")
    connection = DnsConnection(listener)
    connection.connection_made(Wire())
    connection.data_received(b"\x0f\xff" + bytes(1_000))
    after = listener.memory
    assert after["rate_limits"] > 0
    assert after["connections"] > 1_000
    connection.connection_lost(None)
    assert listener.memory["connections"] == 0
