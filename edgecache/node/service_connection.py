"""Connections to control and the bucket: Uvicorn's, with the deadlines and bounds of viewers'.

Law: who has not proven that it may ask holds at most half of the places, and keeps a newcomer from
none of them by waiting: the oldest that waits for its client makes way. The other half is for who
has: nodes and operators at control, tiers that sign at the bucket.
"""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any, cast

from msgspec.structs import replace
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from edgecache.config.model import Limits
from edgecache.http.framing import BODY_BYTES_PER_S_MIN
from edgecache.rules.viewer.client_shares import client_network
from edgecache.server.connection_table import ConnectionTable
from edgecache.server.output_buffer import untaken_bytes

_FULL = b"Too many connections at once.\n"
_TOO_LARGE = b"The head of the request is too large.\n"

Proof = Callable[[MutableMapping[str, Any]], bool]
"""Whether the head of a request (an ASGI scope) proves that its sender may ask."""


@dataclass(slots=True, eq=False)
class ServiceConnections:
    """The connections of one process, and what each may do.

    `limits` are the process's: `connections_max` has what its descriptors are enough for.
    """

    limits: Limits
    clock: Callable[[], float]
    proves: Proof
    unproven: ConnectionTable = field(default_factory=ConnectionTable)
    proven: ConnectionTable = field(default_factory=ConnectionTable)
    _unproven_limits: Limits = field(init=False)
    _proven_limits: Limits = field(init=False)

    def __post_init__(self) -> None:
        limits = self.limits
        kept = limits.connections_max // 2
        self._proven_limits = replace(
            limits, connections_max=kept, connections_per_address_max=limits.connections_max
        )
        self._unproven_limits = replace(
            limits,
            connections_max=max(limits.connections_max - kept, 1),
            connections_per_address_max=max(limits.connections_per_address_max // 2, 1),
        )

    def enter(self, connection: ServiceConnection, *, proven: bool) -> bool:
        """Whether there is room for a newcomer, which is counted in any case."""
        table = self.proven if proven else self.unproven
        table.add(connection)
        return table.make_room(connection, self._proven_limits if proven else self._unproven_limits)

    def prove(self, connection: ServiceConnection) -> bool:
        """Move it among those that have proven who they are; False where there is no room."""
        if len(self.proven) >= self._proven_limits.connections_max:
            return False
        self.unproven.discard(connection)
        self.proven.add(connection)
        return True

    def leave(self, connection: ServiceConnection) -> None:
        """Forget it."""
        self.unproven.discard(connection)
        self.proven.discard(connection)

    def sweep(self) -> None:
        """Once a second: close what is overdue."""
        now = self.clock()
        for connection in list(self):
            if now >= connection.deadline:
                connection.end_overdue(now)

    def __iter__(self) -> Iterator[Any]:
        yield from self.unproven
        yield from self.proven


class ServiceConnection(HttpToolsProtocol):
    """One connection to control or the bucket."""

    protocol = "http1.1"
    held_bytes = 0

    def __init__(self, *arguments: Any, places: ServiceConnections, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.places = places
        self.network = ""
        self.deadline = math.inf
        self._proven = False
        self._head_bytes = 0  # of a head that is not whole yet
        self._body_began = -1.0  # when the head of a request was whole whose body is not; or below
        self._body_bytes = 0
        self._unsent_bytes = -1  # at the last look; -1: there was none

    # What the event loop calls.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.network = client_network(self.client[0]) if self.client else ""
        self._proven = self.comes_proven(transport.get_extra_info("socket"))
        self.deadline = self.places.clock() + self.places.limits.head_s_max
        if not self.places.enter(self, proven=self._proven):
            self._refuse(b"503 Service Unavailable\r\nretry-after: 1", _FULL)

    def connection_lost(self, exc: Exception | None) -> None:
        self.places.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._body_began < 0:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > self.places.limits.head_bytes_max:
            self._refuse(b"431 Request Header Fields Too Large", _TOO_LARGE)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unsent_bytes = untaken_bytes(self.transport)
        self.deadline = self.places.clock() + self.places.limits.write_idle_s_max

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unsent_bytes = -1
        self._renew()

    # What the parser calls.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self.cycle is not None:  # the first one's time runs since the connection was made
            self.deadline = self.places.clock() + self.places.limits.head_s_max

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._head_bytes, self._body_bytes = 0, 0
        self._body_began = self.places.clock()
        self.deadline = self._body_began + self.places.limits.body_idle_s_max
        if not self._proven and self.places.proves(cast(MutableMapping[str, Any], self.scope)):
            self._proven = self.places.prove(self)

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._body_began = -1.0
        super().on_message_complete()
        self._renew()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._renew()

    # What the table of connections asks.

    def comes_proven(self, connection: socket.socket | None) -> bool:
        """Whether the way it comes by proves who it is, before it has said a word."""
        return False

    @property
    def at_rest(self) -> bool:
        """Whether it waits for its client: nothing is asked, or not all of it has come."""
        return not (self._is_served or self.transport.is_closing())

    @property
    def gives_way(self) -> bool:
        """See `TableConnection`: who is proven may read as slowly as it is let."""
        unread = self.flow.write_paused and not self._proven
        return self.at_rest or (unread and not self.transport.is_closing())

    def close(self) -> None:
        """Close it once what was written is sent."""
        self.transport.close()

    def make_way(self) -> None:
        """See `TableConnection`."""
        self.transport.abort()

    def end_overdue(self, now: float) -> None:
        """Close this connection, whose deadline has come, or give it another one."""
        limits = self.places.limits
        if self.flow.write_paused or self.transport.is_closing():
            self._check_unsent(now)
        elif self._body_began >= 0:
            earned_s = self._body_bytes / BODY_BYTES_PER_S_MIN
            self.deadline = self._body_began + limits.body_idle_s_max + earned_s
            if now >= self.deadline:
                self.make_way()
        elif self.at_rest:
            self.close()
        else:
            self.deadline = math.inf  # what takes long is our answer

    @property
    def _is_served(self) -> bool:
        """Whether a request is here as a whole and not yet answered."""
        cycle = self.cycle
        return cycle is not None and not (cycle.response_complete or cycle.more_body)

    def _renew(self) -> None:
        limits, now = self.places.limits, self.places.clock()
        if self.transport.is_closing():
            self.deadline = now + limits.write_idle_s_max
        elif self._body_began < 0:
            self.deadline = math.inf if self._is_served else now + limits.idle_s_max
        else:
            self.deadline = self._body_began + limits.body_idle_s_max

    def _check_unsent(self, now: float) -> None:
        """A client that takes its response at less than a rate has left."""
        before, unsent = self._unsent_bytes, untaken_bytes(self.transport)
        idle_s = self.places.limits.write_idle_s_max
        if unsent and 0 <= before < unsent + idle_s * BODY_BYTES_PER_S_MIN:
            self.transport.abort()
        self._unsent_bytes, self.deadline = unsent, now + idle_s

    def _refuse(self, status: bytes, text: bytes) -> None:
        """Say why in one line, and close."""
        length = b"content-length: %d\r\nconnection: close\r\n\r\n" % len(text)
        fields = b"content-type: text/plain\r\n" + length
        self.transport.write(b"HTTP/1.1 %b\r\n%b%b" % (status, fields, text))
        self.close()
