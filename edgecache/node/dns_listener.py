"""Listener for DNS queries by UDP and TCP (RFC 1035 §4.2, RFC 7766).

Law: nobody's slowness is another's. A datagram is answered in the turn it comes; a connection has
one message under way, is closed when nothing whole has come for a while or it does not read what
it asked for, and of all of them there are so many. What fails while a query is answered costs that
query: it is told SERVFAIL, and logged.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Protocol, cast

from edgecache.config.dns import DnsSettings
from edgecache.dns.message import Query, Rcode, read_query, write_error, write_truncated
from edgecache.dns.rate_limit import RateVerdict, ResponseRates
from edgecache.dns.records import AXFR, IXFR
from edgecache.dns.responder import Responder
from edgecache.dns.zone import DnsZone

logger = logging.getLogger("edgecache.dns")

MESSAGE_BYTES_MAX = 4_096  # of a query by TCP: no real one is near it
TCP_ANSWER_BYTES_MAX = 65_535
WRITE_BYTES_MAX = 256 * 1024  # that a connection has not read yet
BACKLOG = 256
CONNECTION_BYTES = 2_048  # of one beside what it holds for its client
PER_ADDRESS_MAX = 64  # connections of one address
TICK_S = 1.0


class TransferSource(Protocol):
    """Answers signed queries, and transfers of zones: messages that follow each other."""

    @property
    def size_bytes(self) -> int:
        """What versions of zones hold, as estimated."""
        ...

    def signed(self, message: bytes, address: str, bytes_max: int) -> bytes:
        """The answer to a query with a signature; `bytes_max` as `Responder.answer` has it."""
        ...

    def use(self, settings: DnsSettings, zones: Mapping[bytes, DnsZone], *, tells: bool) -> None:
        """Transfer these zones from now on; with `tells` their secondaries hear of changes."""
        ...

    def tell_all(self) -> None:
        """Tell every secondary what there is."""
        ...

    def transfer(self, message: bytes, address: str) -> AsyncIterator[bytes]:
        """The messages of the answer to a query for AXFR or IXFR."""
        ...


class DnsListener:
    """The sockets of one worker. `clock`: steady seconds; `transfers`: of zones, by TCP alone."""

    def __init__(
        self,
        responder: Responder,
        clock: Callable[[], float],
        connections_max: int,
        idle_s_max: float,
        transfers: TransferSource,
    ) -> None:
        self.responder = responder
        self.rates = ResponseRates(0)
        self.rcodes: Counter[str] = Counter()  # of answers; `dropped`, `truncated` beside them
        self.transfers = transfers
        self.connections: set[DnsConnection] = set()
        self.clock = clock
        self.connections_max = connections_max
        self.idle_s_max = idle_s_max
        self._of_address: Counter[str] = Counter()
        self._datagrams: list[asyncio.DatagramTransport] = []
        self._servers: list[asyncio.Server] = []

    async def open(self, sockets: Sequence[socket.socket]) -> None:
        """Answer at these, on the running loop."""
        loop = asyncio.get_running_loop()
        for one in sockets:
            if one.type == socket.SOCK_DGRAM:
                transport, _ = await loop.create_datagram_endpoint(
                    lambda: DnsDatagrams(self), sock=one
                )
                self._datagrams.append(transport)
            else:
                self._servers.append(
                    await loop.create_server(lambda: DnsConnection(self), sock=one, backlog=BACKLOG)
                )

    @property
    def memory(self) -> dict[str, int]:
        """Bytes that are held, by who holds them: the words of the metric."""
        return {
            "zones": self.responder.zones_bytes,
            "remembered": self.responder.remembered_bytes,
            "rate_limits": self.rates.size_bytes,
            "connections": sum(one.held_bytes for one in self.connections),
            "transfers": self.transfers.size_bytes,
        }

    def close(self) -> None:
        """Take nothing more; connections go on until their last answer."""
        for transport in self._datagrams:
            transport.close()
        for server in self._servers:
            server.close()
        for connection in [*self.connections]:
            connection.finish()

    def sweep(self) -> None:
        """Close the connections that have been idle for too long."""
        now = self.clock()
        for connection in [*self.connections]:
            if now >= connection.deadline:
                connection.abort()

    def admit(self, connection: DnsConnection) -> bool:
        """Whether there is a place for a connection, which it then has."""
        full = len(self.connections) >= self.connections_max
        if full or self._of_address[connection.address] >= PER_ADDRESS_MAX:
            return False
        self.connections.add(connection)
        self._of_address[connection.address] += 1
        return True

    def forget(self, connection: DnsConnection) -> None:
        """A connection has ended."""
        if connection in self.connections:
            self.connections.discard(connection)
            self._of_address[connection.address] -= 1
            if not self._of_address[connection.address]:
                del self._of_address[connection.address]

    def datagram(self, data: bytes, address: str) -> bytes | None:
        """The answer to a datagram; None: silence."""
        query = read_query(data)
        if query is None:
            return None
        verdict = self.rates.take(address, self.clock())
        if verdict is RateVerdict.ANSWER:
            return self.answer(query, data, address, 0)
        self.rcodes["dropped" if verdict is RateVerdict.DROP else "truncated"] += 1
        return None if verdict is RateVerdict.DROP else write_truncated(query)

    def answer(self, query: Query, message: bytes, address: str, bytes_max: int) -> bytes:
        """The answer to a query, which stands in `message`, whatever happens."""
        try:
            if query.is_signed and not query.rcode:
                answer = self.transfers.signed(message, address, bytes_max)
            else:
                answer = self.responder.answer_query(query, address, bytes_max)
        except Exception:
            logger.exception("a query for %r could not be answered", query.question)
            answer = write_error(query, Rcode.SERVFAIL)
        self.rcodes[_RCODES[answer[3] & 0xF]] += 1
        return answer


_RCODES = [str(number) for number in range(16)]
for _rcode in Rcode:
    if _rcode < len(_RCODES):
        _RCODES[_rcode] = _rcode.name.lower()


def plain_address(source: Any) -> str:
    """The address of a socket's peer as text; of one that is IPv4's in IPv6, IPv4's."""
    text = str(source[0]) if source else ""
    return text[7:] if text.startswith("::ffff:") and "." in text else text


class DnsDatagrams(asyncio.DatagramProtocol):
    """Queries by UDP."""

    def __init__(self, listener: DnsListener) -> None:
        self._listener = listener
        self._transport: asyncio.DatagramTransport | None = None
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        answer = self._listener.datagram(data, plain_address(addr))
        if answer is not None and self._transport is not None and not self._paused:
            self._transport.sendto(answer, addr)

    def pause_writing(self) -> None:
        """The kernel takes no more: what is answered meanwhile is lost, as datagrams may be."""
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False

    def error_received(self, exc: Exception) -> None:
        """An ICMP message: who asked is gone."""


class DnsConnection(asyncio.Protocol):
    """Queries by TCP, each with two bytes of length before it; answered in order."""

    def __init__(self, listener: DnsListener) -> None:
        self._listener = listener
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._resumed: asyncio.Event | None = None
        self._paused = False
        self._leaving = False
        self.address = ""
        self.deadline = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.address = plain_address(transport.get_extra_info("peername"))
        if not self._listener.admit(self):
            self._transport.abort()
            return
        self._transport.set_write_buffer_limits(high=WRITE_BYTES_MAX)
        self._wait_again()

    def connection_lost(self, exc: Exception | None) -> None:
        self._listener.forget(self)
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._go_on()

    def eof_received(self) -> bool:
        return self._task is not None  # a transfer goes on

    def pause_writing(self) -> None:
        self._paused = True
        self._wait_again()
        assert self._transport is not None
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._paused = False
        assert self._transport is not None
        self._transport.resume_reading()
        if self._resumed is not None:
            self._resumed.set()
        self._go_on()

    @property
    def held_bytes(self) -> int:
        """What it holds: messages that have come in part, and answers that are not read yet."""
        assert self._transport is not None
        return CONNECTION_BYTES + len(self._buffer) + self._transport.get_write_buffer_size()

    def finish(self) -> None:
        """Close once what is under way has been sent."""
        self._leaving = True
        if self._task is None and self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def _wait_again(self) -> None:
        self.deadline = self._listener.clock() + self._listener.idle_s_max

    def _go_on(self) -> None:
        """Answer whole messages, as long as they are read and none of them is a transfer."""
        assert self._transport is not None
        while not (self._paused or self._leaving) and self._task is None and len(self._buffer) >= 2:
            length = self._buffer[0] << 8 | self._buffer[1]
            if length > MESSAGE_BYTES_MAX:
                self._transport.abort()
                return
            if len(self._buffer) < 2 + length:
                break
            message = bytes(self._buffer[2 : 2 + length])
            del self._buffer[: 2 + length]
            self._wait_again()
            self._take(message)
        if len(self._buffer) > WRITE_BYTES_MAX:  # more than anybody may ask ahead
            self._transport.abort()

    def _take(self, message: bytes) -> None:
        assert self._transport is not None
        query, transfers = read_query(message), self._listener.transfers
        if query is None:
            self._transport.abort()
            return
        if query.type in (AXFR, IXFR) and not query.rcode:
            answers = transfers.transfer(message, self.address)
            self._task = asyncio.get_running_loop().create_task(self._transfer(answers))
            return
        self._send(self._listener.answer(query, message, self.address, TCP_ANSWER_BYTES_MAX))

    def _send(self, answer: bytes) -> None:
        assert self._transport is not None
        self._transport.write(len(answer).to_bytes(2, "big") + answer)

    async def _transfer(self, answers: AsyncIterator[bytes]) -> None:
        try:
            async for answer in answers:
                while self._paused:
                    self._resumed = asyncio.Event()
                    await self._resumed.wait()
                self._wait_again()
                self._send(answer)
        except Exception:
            logger.exception("a transfer to %s has failed", self.address)
            self.abort()
        finally:
            self._task = None
        if self._transport is not None and not self._transport.is_closing():
            if self._leaving:
                self._transport.close()
            else:
                self._go_on()


async def sweep_for_good(listener: DnsListener) -> None:
    """Look for idle connections once a second."""
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            await asyncio.sleep(TICK_S)
            listener.sweep()
