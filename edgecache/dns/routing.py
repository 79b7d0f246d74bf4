"""The answer tree: which records of a group a client is given, by Route 53's routing policies.

Law: a group is ordered by its policy, and the first candidate counts whose check is up and which,
where it is an alias that evaluates its target, has a healthy record behind it; an alias is gone
into. Where no candidate qualifies, all are as good as healthy: the first counts. A group whose
policy has no candidate for a client (an area without a default) gives nothing.

Developer Guide: "Choosing a routing policy", "How Amazon Route 53 chooses records when health
checking is configured".
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate

from edgecache.dns.closeness import (
    NO_LATENCIES,
    AddressBlocks,
    Area,
    DnsClient,
    LatencyTable,
    Position,
    closeness,
)
from edgecache.dns.geography import biased_distance, distance_km
from edgecache.dns.records import RecordData

MULTIVALUE_MAX = 8  # records of an answer: Route 53's
ORDERS_MAX = 8_192  # of places and groups together
ORDER_BYTES = 600  # of one, with its key
WHOLE_WEIGHT = 100  # of a location that gives no client up
DEPTH_MAX = 16  # aliases of aliases
Draw = Callable[[], float]
"""A random number in [0, 1)."""


class RoutingPolicy(StrEnum):
    """By what a group is ordered."""

    SIMPLE = "simple"
    WEIGHTED = "weighted"
    LATENCY = "latency"
    FAILOVER = "failover"
    GEOLOCATION = "geolocation"
    GEOPROXIMITY = "geoproximity"
    MULTIVALUE = "multivalue"
    CIDR = "ip-based"
    CLOSEST = "closest"  # of edge locations: ours


OF_CLIENT = frozenset({
    RoutingPolicy.LATENCY, RoutingPolicy.GEOLOCATION, RoutingPolicy.GEOPROXIMITY,
    RoutingPolicy.CIDR, RoutingPolicy.CLOSEST,
})  # fmt: skip
"""Policies whose answers differ by client."""
BY_CHANCE = frozenset({RoutingPolicy.WEIGHTED, RoutingPolicy.MULTIVALUE, RoutingPolicy.CLOSEST})


@dataclass(slots=True, eq=False)
class Candidate:
    """A record set of a group: its records, or the group it is an alias of.

    `check` is what is asked whether it is up ("": it is). Of the rest a policy reads what is its
    own: `weight` also says of how many in a hundred of its closest clients a location gets.
    """

    id: str = ""
    data: RecordData | None = None
    alias: RecordGroup | None = None
    evaluates: bool = False
    check: str = ""
    weight: int = 0
    primary: bool = False
    area: Area = ("", "", "")
    position: Position = field(default_factory=Position)
    bias: int = 0
    cidr: str = ""  # the location of the collection; `*` is the default


@dataclass(slots=True, eq=False)
class RecordGroup:
    """The record sets of one name and type. `blocks`: of an IP-based one, to its locations."""

    policy: RoutingPolicy
    candidates: Sequence[Candidate] = ()
    name: str = ""  # as `explain` tells it
    blocks: AddressBlocks | None = None


@dataclass(slots=True)
class RoutingWorld:
    """What a choice depends on beside the client: what is down, chance, measured latencies.

    `orders` are candidates by closeness, of places that were met.
    """

    draw: Draw
    down: Collection[str] = frozenset()
    latencies: LatencyTable = NO_LATENCIES
    orders: dict[tuple[object, ...], tuple[object, tuple[Candidate, ...]]] = field(
        default_factory=dict
    )


@dataclass(frozen=True, slots=True)
class RoutingStep:
    """One group on the way to an answer: what was chosen there, and what was passed over."""

    group: str
    policy: RoutingPolicy
    chosen: str
    passed_over: tuple[str, ...] = ()
    regardless: bool = False  # none was up


@dataclass(slots=True)
class RoutingChoice:
    """The records of an answer (several of a multivalue group), and whether the client mattered."""

    data: list[RecordData] = field(default_factory=list)
    of_client: bool = False
    steps: list[RoutingStep] | None = None  # where they are asked for


def choose(
    group: RecordGroup, client: DnsClient, world: RoutingWorld, *, explains: bool = False
) -> RoutingChoice:
    """What `client` is given of `group`."""
    choice = RoutingChoice(steps=[] if explains else None)
    current: RecordGroup | None = group
    for _ in range(DEPTH_MAX):
        if current is None:
            break
        choice.of_client |= current.policy in OF_CLIENT
        found = eligible(current, client, world)
        chosen = pick(found, world.draw)
        choice.data += [one.data for one in chosen if one.data is not None]
        if choice.steps is not None:
            told = ", ".join(one.id for one in chosen)
            choice.steps.append(
                RoutingStep(current.name, current.policy, told, found.passed_over, found.regardless)
            )
        current = chosen[0].alias if len(chosen) == 1 else None
    return choice


@dataclass(frozen=True, slots=True, eq=False)
class EligibleCandidates:
    """The candidates of a group among which chance alone decides for a client, in their order.

    `totals` are running sums of their weights, where the shares go by these.
    """

    policy: RoutingPolicy
    candidates: tuple[Candidate, ...]
    totals: tuple[int, ...] = ()
    passed_over: tuple[str, ...] = ()  # ids of those that are not up
    regardless: bool = False  # none is up


def eligible(group: RecordGroup, client: DnsClient, world: RoutingWorld) -> EligibleCandidates:
    """The candidates of `group` that `client` may be given: those that are up; if none is, all."""
    order = tuple(ordered(group, client, world))
    if group.policy not in BY_CHANCE:
        return _first_up(group, order, world.down)
    up = tuple(one for one in order if is_up(one, world.down))
    known = {*up}
    passed_over = tuple(one.id for one in order if one not in known)
    left = up or order
    totals: tuple[int, ...] = ()
    if group.policy is RoutingPolicy.WEIGHTED:
        weighty = tuple(one for one in left if one.weight)
        left, totals = weighty or left, tuple(accumulate(one.weight for one in weighty))
    elif group.policy is RoutingPolicy.CLOSEST:
        whole = (at for at, one in enumerate(left, 1) if one.weight >= WHOLE_WEIGHT)
        left = left[: next(whole, len(left))]  # nobody is sent further than to such a one
    return EligibleCandidates(group.policy, left, totals, passed_over, not up)


def _first_up(
    group: RecordGroup, order: tuple[Candidate, ...], down: Collection[str]
) -> EligibleCandidates:
    for at, one in enumerate(order):
        if is_up(one, down):
            passed_over = tuple(before.id for before in order[:at])
            return EligibleCandidates(group.policy, (one,), (), passed_over)
    passed_over = tuple(one.id for one in order)
    return EligibleCandidates(group.policy, order[:1], (), passed_over, True)


def pick(found: EligibleCandidates, draw: Draw) -> Sequence[Candidate]:
    """One of them by chance; several of a multivalue group."""
    left = found.candidates
    if len(left) < 2:
        return left
    if found.totals:
        return (left[bisect_right(found.totals, draw() * found.totals[-1])],)
    if found.policy is RoutingPolicy.MULTIVALUE:
        return [*_shuffled(left, draw)][:MULTIVALUE_MAX]
    if found.policy is RoutingPolicy.CLOSEST:
        return (_closest_by_weight(left, draw),)
    return (left[int(draw() * len(left))],)


def _closest_by_weight(candidates: tuple[Candidate, ...], draw: Draw) -> Candidate:
    """A location of weight 30 is left out for 70 of a hundred clients, to the end."""
    for one in candidates:
        if one.weight >= WHOLE_WEIGHT or draw() * WHOLE_WEIGHT < one.weight:
            return one
    return next((one for one in candidates if one.weight), candidates[0])


def is_up(candidate: Candidate, down: Collection[str], depth: int = DEPTH_MAX) -> bool:
    """Whether its check is, and a record behind it where it evaluates its target."""
    if candidate.check and candidate.check in down:
        return False
    if candidate.alias is None or not candidate.evaluates or not depth:
        return True
    return has_healthy(candidate.alias, down, depth - 1)


def has_healthy(group: RecordGroup, down: Collection[str], depth: int = DEPTH_MAX) -> bool:
    """Whether any record of the group is up, whomever it is for."""
    return any(is_up(one, down, depth) for one in group.candidates)


def ordered(group: RecordGroup, client: DnsClient, world: RoutingWorld) -> Iterator[Candidate]:
    """The candidates for `client`, the best first where that is not by chance; those that are not
    for it are left out.
    """
    return _ORDERS[group.policy](group, client, world)


def _as_written(
    group: RecordGroup, _client: DnsClient, _world: RoutingWorld
) -> Iterator[Candidate]:
    return iter(group.candidates)


def _failover(group: RecordGroup, _client: DnsClient, _world: RoutingWorld) -> Iterator[Candidate]:
    yield from (one for one in group.candidates if one.primary)
    yield from (one for one in group.candidates if not one.primary)


def _geolocation(group: RecordGroup, client: DnsClient, _: RoutingWorld) -> Iterator[Candidate]:
    areas = {one.area: one for one in group.candidates}
    return (areas[area] for area in client.areas if area in areas)


def _by_closeness(
    group: RecordGroup, client: DnsClient, world: RoutingWorld
) -> Iterator[Candidate]:
    """The closest first; worked out once for all clients of a place."""
    row, place = world.latencies.of(client), client.place
    key = group, id(row), place.latitude, place.longitude, place.country
    known = world.orders.get(key)
    if known is not None and known[0] is row:
        return iter(known[1])
    order = tuple(sorted(group.candidates, key=lambda one: closeness(client, one.position, row)))
    if len(world.orders) >= ORDERS_MAX:
        world.orders.clear()
    world.orders[key] = row, order
    return iter(order)


def _geoproximity(group: RecordGroup, client: DnsClient, _: RoutingWorld) -> Iterator[Candidate]:
    here = client.coordinates

    def biased(one: Candidate) -> float:
        there = one.position.coordinates
        if here is None or there is None:
            return 0.0
        return biased_distance(distance_km(here, there), one.bias)

    return iter(sorted(group.candidates, key=biased))


def _cidr(group: RecordGroup, client: DnsClient, _world: RoutingWorld) -> Iterator[Candidate]:
    """The location of the longest block that holds the client's subnet, then the default."""
    assert group.blocks is not None
    location = group.blocks.find(client.address, client.bits)
    yield from (one for one in group.candidates if one.cidr == location)
    yield from (one for one in group.candidates if one.cidr == "*")


def _shuffled(candidates: Sequence[Candidate], draw: Draw) -> Iterator[Candidate]:
    left = [*candidates]
    while left:
        yield left.pop(int(draw() * len(left)))


_ORDERS: dict[
    RoutingPolicy, Callable[[RecordGroup, DnsClient, RoutingWorld], Iterator[Candidate]]
] = {
    RoutingPolicy.SIMPLE: _as_written,
    RoutingPolicy.WEIGHTED: _as_written,
    RoutingPolicy.LATENCY: _by_closeness,
    RoutingPolicy.FAILOVER: _failover,
    RoutingPolicy.GEOLOCATION: _geolocation,
    RoutingPolicy.GEOPROXIMITY: _geoproximity,
    RoutingPolicy.MULTIVALUE: _as_written,
    RoutingPolicy.CIDR: _cidr,
    RoutingPolicy.CLOSEST: _by_closeness,
}
