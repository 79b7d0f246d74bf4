"""The connections of a worker. Law: no viewer, and no address, takes all of them.

When there is no room, one that is at rest makes way for the newcomer; when none is found, the
newcomer is told 503 at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from edgecache.cache.outcome import Refusal
from edgecache.config.model import Limits
from edgecache.http.framing import BODY_BYTES_PER_S_MIN
from edgecache.server.request_log import NOTHING_ASKED

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


OVERDUE = Refusal(408, "The request did not arrive in time.", "ClientCommError", close=True)


def end_overdue(connection: ViewerConnection, now: float) -> None:
    """Close `connection`, whose deadline has come, or give it another one."""
    limits, body = connection.listener.limits, connection.body
    if connection.outgoing.paused or connection.transport.is_closing():
        _look_at_unsent(connection, now)
    elif connection.tunnel_idle_s:
        connection.transport.abort()
    elif connection.ended and connection.delivery is not None:
        _look_at_ended(connection, now)
    elif body is not None and not body.done:
        connection.deadline = body.overdue(now, limits.body_idle_s_max)
    elif connection.delivery is None:
        if connection.heads.held:
            connection.refuse(OVERDUE, NOTHING_ASKED, now)
        connection.transport.close()


def _look_at_unsent(connection: ViewerConnection, now: float) -> None:
    """A viewer that takes its answer at less than a rate has left."""
    before, unsent = connection.unsent_bytes, connection.transport.get_write_buffer_size()
    idle_s = connection.listener.limits.write_idle_s_max
    if unsent and 0 <= before < unsent + idle_s * BODY_BYTES_PER_S_MIN:
        connection.transport.abort()
    connection.unsent_bytes, connection.deadline = unsent, now + idle_s


def _look_at_ended(connection: ViewerConnection, now: float) -> None:
    """A viewer that has ended its side waits for an answer that comes, or is gone (nginx: 499)."""
    delivery = connection.delivery
    assert delivery is not None
    if delivery.sent_bytes == delivery.seen_bytes:
        connection.transport.abort()
    delivery.seen_bytes = delivery.sent_bytes
    connection.deadline = now + connection.listener.limits.half_closed_s_max
