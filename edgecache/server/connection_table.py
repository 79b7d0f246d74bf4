"""The connections of a worker. Law: no viewer, and no address, takes all of them.

When there is no room, one that is at rest makes way for the newcomer; when none is found, the
newcomer is told 503 at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from edgecache.config.model import Limits

if TYPE_CHECKING:
    from edgecache.server.http1.connection import ViewerConnection

LOOKED_AT_MAX = 64  # for one at rest: a flood of newcomers must not cost a walk of all each


class ConnectionTable:
    """All that are open, also by the address they come from."""

    __slots__ = ("_all", "_by_address", "errands")

    def __init__(self) -> None:
        self._all: set[ViewerConnection] = set()
        self._by_address: dict[str, set[ViewerConnection]] = {}
        self.errands = 0  # requests that wait for what is not in memory

    def add(self, connection: ViewerConnection) -> None:
        """One has come."""
        self._all.add(connection)
        self._by_address.setdefault(connection.client[0], set()).add(connection)

    def discard(self, connection: ViewerConnection) -> None:
        """One is gone."""
        self._all.discard(connection)
        neighbors = self._by_address.get(connection.client[0], set())
        neighbors.discard(connection)
        if not neighbors:
            self._by_address.pop(connection.client[0], None)

    def make_room(self, newcomer: ViewerConnection, limits: Limits) -> bool:
        """Whether `newcomer`, which is counted already, may stay."""
        address = newcomer.client[0]
        neighbors = self._by_address.get(address, set())
        # Who comes over a socket file has no address: it is a process of this machine.
        if address and len(neighbors) > limits.connections_per_address_max:
            return _one_leaves(neighbors, newcomer)
        return len(self._all) <= limits.connections_max or _one_leaves(self._all, newcomer)

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[ViewerConnection]:
        return iter(self._all)


def _one_leaves(among: Iterable[ViewerConnection], newcomer: ViewerConnection) -> bool:
    """Close one that is at rest."""
    for other in islice(among, LOOKED_AT_MAX):
        if other.at_rest and other is not newcomer:
            other.transport.close()
            return True
    return False
