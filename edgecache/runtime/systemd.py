"""systemd's side of a service: notifications, the watchdog, sockets that are bound already.

Law: each variable is read once and taken from the environment, so that no child takes it for its
own. sd_notify(3), sd_watchdog_enabled(3) and sd_listen_fds(3): lines of text in a datagram, and
descriptors from 3 on. Without systemd there is no variable, and nothing is done.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

from edgecache.config.listen import Address, TcpAddress, UdpAddress, UnixAddress

FIRST_FD = 3  # SD_LISTEN_FDS_START
SOCKETS_MAX = 256
WATCHDOG_SHARE = 2  # sd_watchdog_enabled(3): a sign of life at half of the time


class ActivationError(Exception):
    """Sockets that were handed over cannot be used; the message says which and why."""


@dataclass(frozen=True, slots=True)
class ActivatedSocket:
    """A listening socket that systemd has bound, and its `FileDescriptorName`."""

    name: str
    bound: socket.socket

    def is_for(self, address: Address) -> bool:
        """Whether it is bound where `address` says; any-address is the same in both families."""
        there = self.bound.getsockname()
        if isinstance(address, UnixAddress):
            return isinstance(there, str) and os.path.abspath(address.path) == there
        if isinstance(address, UdpAddress):  # of systemd none is taken
            return False
        if not isinstance(there, tuple) or there[1] != address.port:
            return False
        own = TcpAddress(there[0], there[1])
        return (own.is_any and address.is_any) or own.host in _hosts(address)

    def __str__(self) -> str:
        there = self.bound.getsockname()
        where = f"{there[0]}:{there[1]}" if isinstance(there, tuple) else str(there)
        return f"{self.name or 'a socket'} at {where}"


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """The service manager that started this process; without one it is told nothing.

    `watchdog_s`: how long it waits for a sign of life, 0 when for none.
    """

    address: str = ""
    watchdog_s: float = 0.0
    sockets: tuple[ActivatedSocket, ...] = ()

    def notify(self, **states: str | int) -> None:
        """Tell it states, like `READY=1`. One that does not listen is not waited for."""
        if not self.address:
            return
        lines = "\n".join(f"{name}={value}" for name, value in states.items())
        where = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
            one.setblocking(False)
            one.sendto(lines.encode(), where)

    def reloading(self) -> None:
        """Tell it that a reload has begun; `READY=1` ends it."""
        self.notify(RELOADING=1, MONOTONIC_USEC=time.monotonic_ns() // 1000, STATUS="reloading")

    def assigned(self, wanted: Mapping[str, Address]) -> dict[Address, list[socket.socket]]:
        """Its sockets by the address that each is for: by where it is bound, else by its name.

        `wanted`: the addresses of this process, by what a `FileDescriptorName` may call them.
        ActivationError for a socket that is for none of them.
        """
        found: dict[Address, list[socket.socket]] = {}
        for one in self.sockets:
            fits = [address for address in wanted.values() if one.is_for(address)]
            address = fits[0] if fits else wanted.get(one.name)
            if address is None:
                known = ", ".join(f"{name} ({address})" for name, address in wanted.items())
                raise ActivationError(f"LISTEN_FDS: {one} is for no address here (known: {known})")
            found.setdefault(address, []).append(one.bound)
        return found


def service_manager(env: MutableMapping[str, str]) -> ServiceManager:
    """What the environment says of it. ActivationError for what is no listening socket."""
    taken = {name: env.pop(name, "") for name in _VARIABLES}
    watched = taken["WATCHDOG_PID"] in ("", str(os.getpid()))
    usec = taken["WATCHDOG_USEC"]
    watchdog_s = int(usec) / 1e6 if watched and usec.isdecimal() else 0.0
    return ServiceManager(taken["NOTIFY_SOCKET"], watchdog_s, tuple(_activated(taken)))


_VARIABLES = (
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
)


def _activated(variables: Mapping[str, str]) -> list[ActivatedSocket]:
    count = variables["LISTEN_FDS"]
    if variables["LISTEN_PID"] != str(os.getpid()) or not count.isdecimal():
        return []  # they were another process's, which started this one
    names = variables["LISTEN_FDNAMES"].split(":")
    found = []
    for number in range(min(int(count), SOCKETS_MAX)):
        fd = FIRST_FD + number
        os.set_inheritable(fd, False)
        name = names[number] if number < len(names) else ""
        found.append(ActivatedSocket(name, _listening(fd, name)))
    return found


def _listening(fd: int, name: str) -> socket.socket:
    try:
        bound = socket.socket(fileno=fd)
        if bound.type == socket.SOCK_STREAM and bound.getsockopt(
            socket.SOL_SOCKET, socket.SO_ACCEPTCONN
        ):
            return bound
        bound.close()
    except OSError as error:
        raise ActivationError(f"LISTEN_FDS: descriptor {fd} ({name}): {error.strerror}") from error
    raise ActivationError(f"LISTEN_FDS: descriptor {fd} ({name}) is no listening stream socket")


def _hosts(address: TcpAddress) -> set[str]:
    """The addresses that a host is, as `getsockname` spells them."""
    try:
        known = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError:
        return {address.host}
    return {str(place[0]) for *_, place in known}
