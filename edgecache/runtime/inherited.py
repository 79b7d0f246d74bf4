"""What a process inherits from its supervisor: sockets, two pipes, a heartbeat, variables.

The one pipe is never written to: its end of file says that the supervisor is gone. On the other a
process that takes over from a predecessor says that it serves. By its heartbeat a process says once
a second what it is fit for, and is given orders: one end of a pair of sockets, whose datagrams are
JSON. Law: each variable is read once, and taken from the environment, so that no grandchild takes
it for its own; and who is not heard of is not well, since who spins or is stopped cannot say so.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec

from edgecache.config.listen import Address, UdpAddress, UnixAddress

PARENT_FD_ENV = "EDGECACHE_PARENT_FD"
SERVING_FD_ENV = "EDGECACHE_SERVING_FD"
LISTENING_ENV = "EDGECACHE_LISTENING"
HEARTBEAT_FD_ENV = "EDGECACHE_HEARTBEAT_FD"
BEAT_S = 1.0
BEAT_BYTES_MAX = 4_096
DATAGRAMS_BYTES = 1024 * 1024  # that wait to be read: a second at 8 Mbit/s, if the kernel lets it
HEAD_CACHE_ENV = "EDGECACHE_MEMO"  # `off` for a process and its children: --no-memo
HAND_OVER = signal.SIGQUIT  # nginx's word for a graceful end
EXIT_CONFIGURATION = 2  # a child's way to say that starting it again is no use
EXIT_STATE = 3  # of control under a supervisor: nor here, but nodes may start without it

Descriptors = dict[str, list[int]]  # by address, as written


class SocketShare(msgspec.Struct, frozen=True):
    """Descriptors a process inherits: its own sockets, and its siblings' to adopt orphans from."""

    own: Descriptors = {}
    siblings: Descriptors = {}

    @property
    def fds(self) -> tuple[int, ...]:
        """Every descriptor of both."""
        both = (*self.own.values(), *self.siblings.values())
        return tuple(fd for fds in both for fd in fds)


@dataclass(frozen=True, slots=True)
class ListenSockets:
    """Listening sockets of one process, by address: its own, and its siblings'."""

    own: dict[Address, list[socket.socket]]
    siblings: dict[Address, list[socket.socket]]


def listen_sockets(addresses: Sequence[Address]) -> ListenSockets:
    """Sockets inherited from the supervisor; without one, sockets bound here. OSError."""
    share = inherited_share()
    return ListenSockets(
        {address: sockets_at(share.own, address) or [bind(address)] for address in addresses},
        {address: sockets_at(share.siblings, address) for address in addresses},
    )


def inherited_share() -> SocketShare:
    """The descriptors that the supervisor handed to this process; to be called once."""
    text = os.environ.pop(LISTENING_ENV, "")
    share = msgspec.json.decode(text, type=SocketShare) if text else SocketShare()
    for fd in share.fds:
        os.set_inheritable(fd, False)
    return share


def sockets_at(descriptors: Descriptors, address: Address | None) -> list[socket.socket]:
    """Sockets, not blocking, of the descriptors that are for `address`."""
    sockets = [socket.socket(fileno=fd) for fd in descriptors.get(str(address), ())]
    for one in sockets:
        one.setblocking(False)
    return sockets


def bind(address: Address) -> socket.socket:
    """A new socket on `address`, not listening yet. OSError when it cannot be had."""
    if isinstance(address, UnixAddress):
        Path(address.path).parent.mkdir(parents=True, exist_ok=True)
        Path(address.path).unlink(missing_ok=True)  # the check before start found nobody on it
        unix = socket.socket(socket.AF_UNIX)
        unix.bind(address.path)
        os.chmod(address.path, 0o600)
        return unix
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    datagrams = isinstance(address, UdpAddress)
    made = socket.socket(family, socket.SOCK_DGRAM if datagrams else socket.SOCK_STREAM)
    if datagrams:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, DATAGRAMS_BYTES)
    else:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        made.bind((address.host, address.port))
    except OSError:
        made.close()
        raise
    return made


def has_parent() -> bool:
    """Whether a supervisor of ours started this process."""
    return PARENT_FD_ENV in os.environ


def watch_parent(loop: asyncio.AbstractEventLoop, on_gone: Callable[[], None]) -> bool:
    """Call `on_gone` once, on the loop, when the supervisor that started us is gone.

    False when none did. To be called once in a process: the variable is taken from the environment.
    """
    text = os.environ.pop(PARENT_FD_ENV, "")
    if not text.isdecimal():
        return False
    fd = int(text)
    try:
        os.set_inheritable(fd, False)
        loop.add_reader(fd, _on_end_of_file, loop, fd, on_gone)
    except OSError:
        return False  # a wrapper between the two closed it
    return True


def report_serving() -> None:
    """Tell the supervisor, where it waits for it, that this process serves. Called once."""
    text = os.environ.pop(SERVING_FD_ENV, "")
    if text.isdecimal():
        with contextlib.suppress(OSError):  # it may have given us up meanwhile
            os.write(int(text), b"1")
            os.close(int(text))


def disable_head_cache() -> None:
    """Turn off the head cache (`server/http1/head_cache.py`) of this process and its children."""
    os.environ[HEAD_CACHE_ENV] = "off"


def head_cache_enabled() -> bool:
    """Whether this process is to have a head cache."""
    return os.environ.get(HEAD_CACHE_ENV) != "off"


def _on_end_of_file(loop: asyncio.AbstractEventLoop, fd: int, on_gone: Callable[[], None]) -> None:
    loop.remove_reader(fd)
    os.close(fd)
    on_gone()


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
    reopen: int = 0  # how often it was asked that log files be opened anew


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

    def close(self) -> None:
        """Say and hear nothing any more."""
        if self._end is not None:
            self._end.close()
            self._end = None

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
            self.close()
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
