"""Connection table: viewers' open connections, bounded in all and per client address.

Law: no viewer, and no address, takes all of them. When there is no room, one that is at rest makes
way for the newcomer; when none is found, the newcomer is told 503 at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from edgecache.config.model import Limits
from edgecache.server.stream import TableConnection

LOOKED_AT_MAX = 64  # for one at rest: a flood of newcomers must not cost a walk of all each


class ConnectionTable:
    """All that are open, also by the address they come from."""

    __slots__ = ("_all", "_by_address", "errands")

    def __init__(self) -> None:
        self._all: set[TableConnection] = set()
        self._by_address: dict[str, set[TableConnection]] = {}
        self.errands = 0  # requests that wait for what is not in memory

    def add(self, connection: TableConnection) -> None:
        """Register a connection."""
        self._all.add(connection)
        self._by_address.setdefault(connection.client[0], set()).add(connection)

    def discard(self, connection: TableConnection) -> None:
        """Forget it."""
        self._all.discard(connection)
        neighbors = self._by_address.get(connection.client[0], set())
        neighbors.discard(connection)
        if not neighbors:
            self._by_address.pop(connection.client[0], None)

    def make_room(self, newcomer: TableConnection, limits: Limits) -> bool:
        """Whether `newcomer`, which is counted already, may stay."""
        address = newcomer.client[0]
        neighbors = self._by_address.get(address, set())
        # Who comes over a socket file has no address: it is a process of this machine.
        if address and len(neighbors) > limits.connections_per_address_max:
            return _close_resting(neighbors, newcomer)
        return len(self._all) <= limits.connections_max or _close_resting(self._all, newcomer)

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[TableConnection]:
        return iter(self._all)


def _close_resting(among: Iterable[TableConnection], newcomer: TableConnection) -> bool:
    """Close one that is at rest; whether there was one."""
    for other in islice(among, LOOKED_AT_MAX):
        if other.at_rest and other is not newcomer:
            other.close()
            return True
    return False
