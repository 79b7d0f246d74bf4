"""Transmission of one connection: which response's bytes go next, datagrams out, QUIC's timer.

Law: the library is given no more than it may send, and no more in all than `IN_FLIGHT_BYTES_MAX`:
what waits for a window stays with its stream. The most urgent goes first, and of those that are not
incremental one after the other (RFC 9218 §10). What the library keeps to send it again stands in
the account.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from edgecache.server.http3.quic import IN_FLIGHT_BYTES_MAX, ViewerQuicConnection
from edgecache.server.http3.stream import Http3Stream
from edgecache.store.memory_account import MemoryAccount, MemoryHolding


class DatagramSocket(Protocol):
    """Where datagrams go out."""

    loop: asyncio.AbstractEventLoop

    def send(self, datagram: bytes, address: Any) -> None:
        """Send a datagram, or lose it."""
        ...


class Transmission:
    """What goes to one viewer."""

    def __init__(
        self, port: DatagramSocket, quic: ViewerQuicConnection, account: MemoryAccount
    ) -> None:
        self._port, self._quic, self._account = port, quic, account
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._counted_bytes = 0  # that the account has been told of

    def send(
        self, streams: Iterable[Http3Stream], on_closed: Callable[[Http3Stream], None]
    ) -> None:
        """Send what windows, congestion and pacing let; `on_closed` hears of responses handed over.

        Whatever the library throws.
        """
        now = self._port.loop.time()
        while True:
            fed = self._feed(streams, on_closed)
            datagrams = self._quic.datagrams_to_send(now)
            if not self._quic.may_send:
                return
            for datagram, address in datagrams:
                self._port.send(datagram, address)
            if not (fed and datagrams):
                return

    def _feed(
        self, streams: Iterable[Http3Stream], on_closed: Callable[[Http3Stream], None]
    ) -> bool:
        """Give the library what streams have; whether that was something."""
        waiting = [one for one in streams if one.sendable]
        if not waiting:
            return False
        waiting.sort(key=lambda one: (one.priority.urgency, one.priority.incremental))
        room, fed = IN_FLIGHT_BYTES_MAX - self._quic.in_flight_bytes, False
        for stream in waiting:
            size = max(0, min(room, stream.queued_bytes, self._quic.takes(stream.id)))
            ends = stream.whole and size == stream.queued_bytes
            if size or ends:
                self._quic.send_stream_data(stream.id, stream.take(size), ends)
                room, fed = room - size, True
            if ends:
                stream.local_closed = True
                on_closed(stream)
            elif size and not stream.priority.incremental:
                break  # those behind it wait until it can send no more
        return fed

    def count(self, *, over: bool) -> None:
        """Tell the account of what the library keeps; `over`: of nothing."""
        kept = 0 if over else self._quic.in_flight_bytes + self._quic.reassembly_bytes
        self._account.add(MemoryHolding.UNSENT, kept - self._counted_bytes)
        self._counted_bytes = kept

    def set_timer(self, on_timer: Callable[[], None]) -> None:
        """Call `on_timer` when QUIC has something to do."""
        due, timer = self._quic.get_timer(), self._timer
        if timer is not None and (due is None or self._timer_at > due):
            timer.cancel()
            timer = None
        if timer is None and due is not None:
            timer, self._timer_at = self._port.loop.call_at(due, on_timer), due
        self._timer = timer

    def timer_fired(self) -> bool:
        """The timer has fired; whether QUIC has something to do now."""
        self._timer = None
        due = self._quic.get_timer()
        return due is not None and self._port.loop.time() >= due

    def stop(self) -> None:
        """Nothing is sent any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.count(over=True)
