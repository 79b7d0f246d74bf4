"""Siblings: the other workers of a location. Law: who waits for a worker that is gone is let in.

The kernel deals new connections out to all sockets of a port, also to those of a worker that was
killed a moment ago or stopped. A few times a second each worker takes what waits there longer than
a live one leaves it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass

PAUSE_S = 0.25  # noticed by few who wait for a page
ADOPTED_MAX = 256  # at one time: so many handshakes are some 10 ms of work


@dataclass(frozen=True, slots=True)
class OrphanListener:
    """Sockets of siblings, and what serves who comes in there."""

    sockets: Sequence[socket.socket]
    protocol: Callable[[], asyncio.Protocol]
    context: ssl.SSLContext | None = None
    handshake_s_max: float | None = None


def accept_waiting(door: OrphanListener, most: int = ADOPTED_MAX) -> list[socket.socket]:
    """Connections nobody has taken, at most so many."""
    found: list[socket.socket] = []
    for one in door.sockets:
        # Nothing waits, or nobody has listened there yet, or descriptors have run out.
        with contextlib.suppress(OSError):
            while len(found) < most:
                found.append(one.accept()[0])
    return found


async def adopt_orphans(doors: Sequence[OrphanListener]) -> None:
    """Take in whoever waits at a door of siblings, until cancelled."""
    adopting: set[asyncio.Task[None]] = set()
    while True:
        await asyncio.sleep(PAUSE_S)
        for door in doors:
            for connection in accept_waiting(door):
                task = asyncio.create_task(_adopt(door, connection))
                adopting.add(task)
                task.add_done_callback(adopting.discard)


async def _adopt(door: OrphanListener, connection: socket.socket) -> None:
    connection.setblocking(False)
    try:
        await asyncio.get_running_loop().connect_accepted_socket(
            door.protocol,
            connection,
            ssl=door.context,
            ssl_handshake_timeout=door.handshake_s_max if door.context else None,
        )
    except OSError:  # ssl.SSLError and timeouts are: it left, or speaks something else
        connection.close()
