"""What a process inherits from its supervisor: sockets, and the two pipes between them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgecache.config.listen import Address, UnixAddress

PARENT_FD_ENV = "EDGECACHE_PARENT_FD"


SERVING_FD_ENV = "EDGECACHE_SERVING_FD"


HEAD_CACHE_ENV = (
    "EDGECACHE_MEMO"  # `off` in the environment of a process and its children: --no-memo
)


def report_serving() -> None:
    """Tell the supervisor that asked for it; to be called once in a process."""
    text = os.environ.pop(SERVING_FD_ENV, "")
    if text.isdecimal():
        with contextlib.suppress(OSError):  # it may have given us up meanwhile
            os.write(int(text), b"1")
            os.close(int(text))


def disable_head_cache() -> None:
    """Let this process and its children do without the memo (see server.memo)."""
    os.environ[HEAD_CACHE_ENV] = "off"


def head_cache_enabled() -> bool:
    """Whether this process is to have a memo."""
    return os.environ.get(HEAD_CACHE_ENV) != "off"


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
        loop.add_reader(fd, _gone, loop, fd, on_gone)
    except OSError:
        return False  # a wrapper between the two closed it
    return True


def _gone(loop: asyncio.AbstractEventLoop, fd: int, on_gone: Callable[[], None]) -> None:
    loop.remove_reader(fd)
    os.close(fd)
    on_gone()


LISTENING_ENV = "EDGECACHE_LISTENING"


Descriptors = dict[str, list[int]]  # by address, as written


class SocketShare(msgspec.Struct, frozen=True):
    """What one process is handed: its own sockets, and its siblings' (see `siblings.py`)."""

    own: Descriptors = {}
    siblings: Descriptors = {}

    @property
    def fds(self) -> tuple[int, ...]:
        """All of them."""
        both = (*self.own.values(), *self.siblings.values())
        return tuple(fd for fds in both for fd in fds)


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
    tcp = socket.socket(family)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        tcp.bind((address.host, address.port))
    except OSError:
        tcp.close()
        raise
    return tcp


def inherited_share() -> SocketShare:
    """What the supervisor that started this process handed to it; to be called once."""
    text = os.environ.pop(LISTENING_ENV, "")
    share = msgspec.json.decode(text, type=SocketShare) if text else SocketShare()
    for fd in share.fds:
        os.set_inheritable(fd, False)
    return share


def sockets_at(descriptors: Descriptors, address: Address | None) -> list[socket.socket]:
    """The sockets among `descriptors` that are for `address`."""
    found = [socket.socket(fileno=fd) for fd in descriptors.get(str(address), ())]
    for one in found:
        one.setblocking(False)
    return found


@dataclass(frozen=True, slots=True)
class ListenSockets:
    """The sockets of one process, by address: its own, and its siblings'."""

    own: dict[Address, list[socket.socket]]
    siblings: dict[Address, list[socket.socket]]


def listen_sockets(addresses: Sequence[Address]) -> ListenSockets:
    """What the supervisor has for us; where there is none, sockets we bind ourselves. OSError."""
    share = inherited_share()
    return ListenSockets(
        {address: sockets_at(share.own, address) or [bind(address)] for address in addresses},
        {address: sockets_at(share.siblings, address) for address in addresses},
    )


HAND_OVER = signal.SIGQUIT  # nginx's word for a graceful end
EXIT_CONFIGURATION = 2  # a child's way to say that starting it again is no use
