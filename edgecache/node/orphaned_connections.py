"""Orphaned connections: adopts those in the backlog of a sibling worker that is gone.

Law: who waits for a worker that is gone is let in. The kernel deals new connections out to all
sockets of a port, also to those of a worker that was killed a moment ago or stopped. A few times a
second each worker takes what waits there longer than a live one leaves it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

PAUSE_S = 0.25  # noticed by few who wait for a page
ADOPTED_MAX = 256  # at one time: so many handshakes are some 10 ms of work


@dataclass(frozen=True, slots=True)
class OrphanListener:
    """Sockets of sibling workers, and who serves a connection accepted there.

    `shakes_hands` takes it instead where the port speaks TLS.
    """

    sockets: Sequence[socket.socket]
    protocol: Callable[[], asyncio.Protocol]
    shakes_hands: Callable[[socket.socket], None] | None = None


def accept_waiting(listener: OrphanListener, most: int = ADOPTED_MAX) -> list[socket.socket]:
    """Accept the connections that wait there, at most so many; not blocking."""
    accepted: list[socket.socket] = []
    for waiting in listener.sockets:
        # Nothing waits, or nobody has listened there yet, or descriptors have run out.
        with contextlib.suppress(OSError):
            while len(accepted) < most:
                accepted.append(waiting.accept()[0])
    return accepted


async def adopt_orphans(listeners: Sequence[OrphanListener]) -> None:
    """Adopt the waiting connections of all listeners, a few times a second, until cancelled."""
    adopting: set[asyncio.Task[None]] = set()
    while True:
        await asyncio.sleep(PAUSE_S)
        for listener in listeners:
            for connection in accept_waiting(listener):
                if listener.shakes_hands is not None:
                    listener.shakes_hands(connection)
                    continue
                task = asyncio.create_task(_adopt(listener, connection))
                adopting.add(task)
                task.add_done_callback(adopting.discard)


async def _adopt(listener: OrphanListener, connection: socket.socket) -> None:
    connection.setblocking(False)
    try:
        await asyncio.get_running_loop().connect_accepted_socket(listener.protocol, connection)
    except OSError:  # it left
        connection.close()
