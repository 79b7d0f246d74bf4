"""Heartbeat of a process to its supervisor: once a second what it is fit for; and orders back.

Law: who is not heard of is not well. A process that spins or is stopped cannot say so itself. Each
has a pair of sockets with its supervisor, whose datagrams are JSON; the end of one is the end of
the process. What it says is what `/ready` of its node and control tell.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from enum import StrEnum

import msgspec

HEARTBEAT_FD_ENV = "EDGECACHE_HEARTBEAT_FD"
BEAT_S = 1.0
BEAT_BYTES_MAX = 4_096


class Unready(StrEnum):
    """Why a node is not ready; `?exclude=` of `/ready` takes these words."""

    STARTING = "starting"  # it has not said anything yet
    CONFIGURATION = "configuration"  # control has published none that it has heard
    LEASE = "lease"  # control has not confirmed what it serves by
    UPSTREAM = "upstream"  # the regional cache does not answer
    SILENT = "silent"  # a process that runs, and does not say so
    DRAINING = "draining"
    STOPPING = "stopping"


class Beat(msgspec.Struct, frozen=True):
    """What a process says of itself: why it is not ready, by word; open connections of viewers."""

    unready: dict[str, str] = {}
    connections: int = 0


class Orders(msgspec.Struct, frozen=True):
    """What a supervisor tells a process."""

    drain: bool = False


class Heartbeat:
    """The end of the pair of sockets that a process has; without a supervisor there is none."""

    def __init__(self, end: socket.socket | None) -> None:
        self._end = end

    def send(self, beat: Beat) -> None:
        """Say it; a supervisor that does not read is not waited for."""
        if self._end is not None:
            with contextlib.suppress(OSError):
                self._end.send(msgspec.json.encode(beat))

    def obey(self, orders: Callable[[Orders], None]) -> None:
        """Call `orders` for each order, on the running loop."""
        if self._end is not None:
            loop = asyncio.get_running_loop()
            loop.add_reader(self._end.fileno(), self._take, loop, self._end, orders)

    def _take(
        self, loop: asyncio.AbstractEventLoop, end: socket.socket, orders: Callable[[Orders], None]
    ) -> None:
        try:
            received = end.recv(BEAT_BYTES_MAX)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:  # the supervisor has gone, and so do we
            loop.remove_reader(end.fileno())
            end.close()
            self._end = None
            return
        with contextlib.suppress(msgspec.DecodeError):
            orders(msgspec.json.decode(received, type=Orders))


def inherited_heartbeat() -> Heartbeat:
    """The one that the supervisor gave this process; to be called once."""
    text = os.environ.pop(HEARTBEAT_FD_ENV, "")
    if not text.isdecimal():
        return Heartbeat(None)
    fd = int(text)
    try:
        os.set_inheritable(fd, False)
        end = socket.socket(fileno=fd)
    except OSError:
        return Heartbeat(None)  # a wrapper between the two closed it
    end.setblocking(False)
    return Heartbeat(end)
