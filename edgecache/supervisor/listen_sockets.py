"""Listening sockets of a supervisor. Law: a backlog outlives the process that was to accept it.

The supervisor binds every socket, keeps it open, and hands it to each successor of a process. The
workers of a location have one each (SO_REUSEPORT): of several that accept from the same socket
the first awake takes nearly all (docs/decisions/008-sockets-belong-to-the-supervisor.md).
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from edgecache.config.listen import Address, UnixAddress
from edgecache.runtime.inherited import (
    Descriptors,
    SocketShare,
    bind,
)
from edgecache.supervisor.child import Child


class Sockets:
    """Every listening socket of a supervisor, by address.

    One is closed only when nothing is to listen there any more, or nobody is left who does; with
    fewer workers than before, those that stay take over the others' sockets. Those that systemd has
    bound (`activated`) are never bound anew; where they are fewer than workers, these share them.
    """

    def __init__(self, activated: Mapping[Address, Sequence[socket.socket]] | None = None) -> None:
        self._held = {address: [*held] for address, held in (activated or {}).items()}
        self._activated = frozenset(self._held)

    def open(self, children: Iterable[Child]) -> None:
        """Bind what `children` lack. OSError: some of it is bound, and `keep_only` undoes that."""
        for address, names in _sharers(children).items():
            held = self._held.setdefault(address, [])
            while len(held) < len(names):
                shared = address in self._activated and held
                held.append(held[0].dup() if shared else bind(address))

    def share(self, child: Child, children: Sequence[Child]) -> SocketShare:
        """The descriptors for `child`: its own, and those of its siblings among `children`."""
        own: Descriptors = {}
        others: Descriptors = {}
        sharers = _sharers(children)
        for address in child.addresses:
            names = sharers[address]
            at = names.index(child.name)
            for number, one in enumerate(self._held[address]):
                into = own if number % len(names) == at else others
                into.setdefault(str(address), []).append(one.fileno())
        return SocketShare(own, others)

    def rebind_unserved(self, child: Child, living: Iterable[Child]) -> None:
        """Bind anew where `child` died and nobody else listens: refused is better than waiting.

        An edge whose regional cache is gone must hear so, to ask the origin instead.
        """
        served = {address for other in living for address in other.addresses}
        for address in child.addresses:
            if address not in served and address not in self._activated:
                self._bind_anew(address)

    def _bind_anew(self, address: Address) -> None:
        """A port below 1024 is not to be had again once root has been given up: there they wait."""
        fresh: list[socket.socket] = []
        try:
            fresh += [bind(address) for _ in self._held.get(address, ())]
        except PermissionError:
            return
        except OSError:
            fresh = []  # the next start tries again, and says why it cannot be had
        self.close([address])
        if fresh:
            self._held[address] = fresh

    def keep_only(self, children: Iterable[Child]) -> None:
        """Close the sockets of every address that none of `children` has."""
        wanted = _sharers(children)
        for address in [one for one in self._held if one not in wanted]:
            self.close([address])
            if isinstance(address, UnixAddress) and address not in self._activated:
                Path(address.path).unlink(missing_ok=True)

    def holds(self, address: Address) -> bool:
        """Whether this supervisor has a socket there."""
        return address in self._held

    def close(self, addresses: Iterable[Address]) -> None:
        """Close the sockets of these addresses."""
        for address in addresses:
            for one in self._held.pop(address, ()):
                one.close()


def _sharers(children: Iterable[Child]) -> dict[Address, list[str]]:
    """Names of the processes that listen on each address, in order."""
    names: dict[Address, list[str]] = {}
    for child in children:
        for address in child.addresses:
            names.setdefault(address, []).append(child.name)
    return names
