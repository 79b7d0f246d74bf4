"""Listening sockets under a supervisor. Law: what waits in a backlog outlives who was to take it.

The supervisor binds every socket, keeps it open, and hands it to each successor of a process. The
workers of a location have one each (SO_REUSEPORT): of several that accept from the same socket
the first awake takes nearly all (docs/decisions/008-sockets-belong-to-the-supervisor.md).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgecache.config.listen import Address, UnixAddress
from edgecache.supervisor.child import Child

LISTENING = "EDGECACHE_LISTENING"

Descriptors = dict[str, list[int]]  # by address, as written


class Share(msgspec.Struct, frozen=True):
    """What one process is handed: its own sockets, and its siblings' (see `siblings.py`)."""

    own: Descriptors = {}
    siblings: Descriptors = {}

    @property
    def fds(self) -> tuple[int, ...]:
        """All of them."""
        both = (*self.own.values(), *self.siblings.values())
        return tuple(fd for fds in both for fd in fds)


def bound(address: Address) -> socket.socket:
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


def handed() -> Share:
    """What the supervisor that started this process handed to it; to be called once."""
    text = os.environ.pop(LISTENING, "")
    share = msgspec.json.decode(text, type=Share) if text else Share()
    for fd in share.fds:
        os.set_inheritable(fd, False)
    return share


def taken(descriptors: Descriptors, address: Address | None) -> list[socket.socket]:
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


def held(addresses: Sequence[Address]) -> ListenSockets:
    """What the supervisor has for us; where there is none, sockets we bind ourselves. OSError."""
    share = handed()
    return ListenSockets(
        {address: taken(share.own, address) or [bound(address)] for address in addresses},
        {address: taken(share.siblings, address) for address in addresses},
    )


class Sockets:
    """All sockets of one supervisor, by address.

    One is closed only when nothing is to listen there any more, or nobody is left who does; with
    fewer workers than before, those that stay take over the others' sockets.
    """

    def __init__(self) -> None:
        self._held: dict[Address, list[socket.socket]] = {}

    def open(self, children: Iterable[Child]) -> None:
        """Bind what `children` lack. OSError: some of it is bound, and `keep_only` undoes that."""
        for address, names in _sharers(children).items():
            held = self._held.setdefault(address, [])
            while len(held) < len(names):
                held.append(bound(address))

    def share(self, child: Child, children: Sequence[Child]) -> Share:
        """What `child` is handed beside its siblings among `children`."""
        own: Descriptors = {}
        others: Descriptors = {}
        sharers = _sharers(children)
        for address in child.addresses:
            names = sharers[address]
            at = names.index(child.name)
            for number, one in enumerate(self._held[address]):
                into = own if number % len(names) == at else others
                into.setdefault(str(address), []).append(one.fileno())
        return Share(own, others)

    def renew(self, child: Child, living: Iterable[Child]) -> None:
        """`child` died: where nobody else listens, better refused at once than kept waiting.

        An edge whose regional cache is gone must hear so, to ask the origin instead.
        """
        served = {address for other in living for address in other.addresses}
        for address in child.addresses:
            if address not in served:
                self._bind_anew(address)

    def _bind_anew(self, address: Address) -> None:
        """A port below 1024 is not to be had again once root has been given up: there they wait."""
        fresh: list[socket.socket] = []
        try:
            fresh += [bound(address) for _ in self._held.get(address, ())]
        except PermissionError:
            return
        except OSError:
            fresh = []  # the next start tries again, and says why it cannot be had
        self.close([address])
        if fresh:
            self._held[address] = fresh

    def keep_only(self, children: Iterable[Child]) -> None:
        """Close what is for none of `children`."""
        wanted = _sharers(children)
        for address in [one for one in self._held if one not in wanted]:
            self.close([address])
            if isinstance(address, UnixAddress):
                Path(address.path).unlink(missing_ok=True)

    def holds(self, address: Address) -> bool:
        """Whether it is ours."""
        return address in self._held

    def close(self, addresses: Iterable[Address]) -> None:
        """Hold these no longer."""
        for address in addresses:
            for one in self._held.pop(address, ()):
                one.close()


def _sharers(children: Iterable[Child]) -> dict[Address, list[str]]:
    """Who listens where, in order."""
    found: dict[Address, list[str]] = {}
    for child in children:
        for address in child.addresses:
            found.setdefault(address, []).append(child.name)
    return found
