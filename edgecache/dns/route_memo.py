"""Memo of routes: how far down the answer tree nothing but the client decides.

Law: what is remembered holds for what is down and for the latencies that there were; others are a
new beginning. What chance decides is drawn for each query. Strangers choose what is kept here, so
there is a bound on all of it together.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from edgecache.dns.closeness import DnsClient, LatencyTable
from edgecache.dns.records import RecordData
from edgecache.dns.routing import (
    DEPTH_MAX,
    OF_CLIENT,
    ORDER_BYTES,
    EligibleCandidates,
    RecordGroup,
    RoutingWorld,
    eligible,
    pick,
)

ROUTES_MAX = 32_768
ROUTE_BYTES = 600  # of one, with its key


class RoutingState(Protocol):
    """What routes depend on. `down` and `latencies` are replaced, and never changed."""

    @property
    def draw(self) -> Callable[[], float]: ...

    @property
    def down(self) -> Collection[str]: ...

    @property
    def latencies(self) -> LatencyTable: ...


class RoutedClient(Protocol):
    """Whom an answer is for, worked out where it is not remembered."""

    @property
    def client(self) -> DnsClient: ...


@dataclass(frozen=True, slots=True, eq=False)
class AnswerRoute:
    """Where a client gets without chance: to record sets, or to candidates that it is to draw from.

    `of_client`: whether another client could have got elsewhere.
    """

    data: tuple[RecordData, ...]
    drawn: EligibleCandidates | None
    of_client: bool


class RouteMemo:
    """Routes by group and client."""

    def __init__(self, state: RoutingState) -> None:
        self._state = state
        self._routes: dict[tuple[RecordGroup, object], AnswerRoute] = {}
        self._world = RoutingWorld(state.draw, state.down, state.latencies)

    def __len__(self) -> int:
        return len(self._routes)

    @property
    def size_bytes(self) -> int:
        """What is held, as estimated."""
        return len(self._routes) * ROUTE_BYTES + len(self._world.orders) * ORDER_BYTES

    def clear(self) -> None:
        """Forget all: there are other groups."""
        self._begin()

    def choose(
        self, group: RecordGroup, key: object, who: RoutedClient
    ) -> tuple[Sequence[RecordData], bool]:
        """The record sets for `who`, whom `key` tells from others; whether who asks matters."""
        state, world = self._state, self._world
        if world.down is not state.down or world.latencies is not state.latencies:
            self._look(state)
        of_client = False
        for _ in range(DEPTH_MAX):
            route = self._routes.get((group, key)) or self._found(group, key, who)
            of_client |= route.of_client
            if route.drawn is None:
                return route.data, of_client
            chosen = pick(route.drawn, state.draw)
            if len(chosen) > 1:
                return [one.data for one in chosen if one.data is not None], of_client
            (candidate,) = chosen
            if candidate.alias is None:
                return (candidate.data,) if candidate.data is not None else (), of_client
            group = candidate.alias
        return (), of_client

    def _look(self, state: RoutingState) -> None:
        """What is down was told anew, and may be the same."""
        known = self._world
        if known.latencies is state.latencies and set(known.down) == set(state.down):
            known.down = state.down
        else:
            self._begin()

    def _begin(self) -> None:
        state = self._state
        self._routes = {}
        self._world = RoutingWorld(state.draw, state.down, state.latencies)

    def _found(self, group: RecordGroup, key: object, who: RoutedClient) -> AnswerRoute:
        route = _route(group, who.client, self._world)
        if len(self._routes) >= ROUTES_MAX:
            self._routes.clear()
        self._routes[group, key] = route
        return route


def _route(group: RecordGroup, client: DnsClient, world: RoutingWorld) -> AnswerRoute:
    of_client = False
    for _ in range(DEPTH_MAX):
        of_client |= group.policy in OF_CLIENT
        found = eligible(group, client, world)
        if len(found.candidates) != 1:
            return AnswerRoute((), found if found.candidates else None, of_client)
        (one,) = found.candidates
        if one.alias is None:
            return AnswerRoute((one.data,) if one.data is not None else (), None, of_client)
        group = one.alias
    return AnswerRoute((), None, of_client)
