"""Connection table: open connections of one process, bounded in all and per client.

Law: no client takes all of them. One is counted from its accept on, before any handshake. When
there is no room, the oldest that gives way makes way for the newcomer; when none is found, the
newcomer is told 503 at once. What counts as one client is `client_network`'s to say.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import islice

from edgecache.config.model import Limits
from edgecache.rules.viewer.client_shares import ClientShares
from edgecache.server.stream import TableConnection

LOOKED_AT_MAX = 256  # for one that gives way: a flood of newcomers must not cost a walk of all each
LATE_S = 2.0  # a head or a handshake that takes longer gives way: more than four round trips


class ConnectionTable:
    """All that are open, also by the client they come from; the oldest first.

    Beside them what their requests hold: `errands` wait for what is not in memory, `uploads` are
    bodies that arrive, `websockets` tunnels, `streams` responses that may go on for ever.
    """

    __slots__ = ("_all", "_by_network", "errands", "room", "streams", "uploads", "websockets")

    def __init__(self) -> None:
        self._all: dict[TableConnection, None] = {}
        self._by_network: dict[str, dict[TableConnection, None]] = {}
        self.room: Callable[[], int] = _boundless  # for how many there are descriptors now
        self.errands = ClientShares()
        self.uploads = ClientShares()
        self.websockets = ClientShares()
        self.streams = ClientShares()

    def add(self, connection: TableConnection) -> None:
        """Register a connection."""
        self._all[connection] = None
        self._by_network.setdefault(connection.network, {})[connection] = None

    def discard(self, connection: TableConnection) -> None:
        """Forget it."""
        self._all.pop(connection, None)
        neighbors = self._by_network.get(connection.network, {})
        neighbors.pop(connection, None)
        if not neighbors:
            self._by_network.pop(connection.network, None)

    def make_room(self, newcomer: TableConnection, limits: Limits) -> bool:
        """Whether `newcomer`, which is counted already, may stay."""
        neighbors = self._by_network.get(newcomer.network, {})
        # Who comes over a socket file has no address: it is a process of this machine.
        if newcomer.network and len(neighbors) > limits.connections_per_address_max:
            return _close_oldest(neighbors, newcomer)
        most = min(limits.connections_max, self.room())
        return len(self._all) <= most or _close_oldest(self._all, newcomer)

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[TableConnection]:
        return iter(self._all)


def _boundless() -> int:
    return sys.maxsize


def _close_oldest(among: dict[TableConnection, None], newcomer: TableConnection) -> bool:
    """Close one that gives way; whether there was one. Who does not is looked at again last."""
    for other in list(islice(among, LOOKED_AT_MAX)):
        if other.gives_way and other is not newcomer:
            other.make_way()
            return True
        del among[other]
        among[other] = None
    return False
