"""The answer tree: which records of a group a client is given, by Route 53's routing policies.

Law: a group is ordered by its policy, and the first candidate counts whose check is up and which,
where it is an alias that evaluates its target, has a healthy record behind it; an alias is gone
into. Where no candidate qualifies, all are as good as healthy: the first counts. A group whose
policy has no candidate for a client (an area without a default) gives nothing.

Developer Guide: "Choosing a routing policy", "How Amazon Route 53 chooses records when health
checking is configured".
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

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
ORDERS_MAX = 1_024  # places of clients, of one group
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
    orders: dict[tuple[object, ...], tuple[object, tuple[Candidate, ...]]] = field(
        default_factory=dict
    )  # by closeness, of places that were met
    sound: bool | None = None  # see `_is_sound`; None: it is not known yet


@dataclass(slots=True)
class RoutingWorld:
    """What a choice depends on beside the client: what is down, chance, measured latencies."""

    draw: Draw
    down: Collection[str] = frozenset()
    latencies: LatencyTable = NO_LATENCIES


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
        if current.policy is RoutingPolicy.MULTIVALUE:
            _choose_several(current, world, choice)
            break
        candidate = _choose_one(current, client, world, choice.steps)
        if candidate is None:
            break
        if candidate.data is not None:
            choice.data.append(candidate.data)
        current = candidate.alias
    return choice


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


def _choose_one(
    group: RecordGroup, client: DnsClient, world: RoutingWorld, steps: list[RoutingStep] | None
) -> Candidate | None:
    if not world.down and steps is None and _is_sound(group):
        return next(ordered(group, client, world), None)
    first: Candidate | None = None
    passed_over: list[str] = []
    for candidate in ordered(group, client, world):
        if is_up(candidate, world.down):
            if steps is not None:
                steps.append(
                    RoutingStep(group.name, group.policy, candidate.id, tuple(passed_over))
                )
            return candidate
        passed_over.append(candidate.id)
        first = first or candidate
    if steps is not None:
        told = "" if first is None else first.id
        steps.append(RoutingStep(group.name, group.policy, told, tuple(passed_over), True))
    return first


def _is_sound(group: RecordGroup) -> bool:
    """Whether every candidate is up when no check is down; worked out once."""
    if group.sound is None:
        group.sound = all(is_up(one, ()) for one in group.candidates)
    return group.sound


def _choose_several(group: RecordGroup, world: RoutingWorld, choice: RoutingChoice) -> None:
    up = [one for one in group.candidates if is_up(one, world.down)]
    chosen = [*_shuffled(up or group.candidates, world.draw)][:MULTIVALUE_MAX]
    choice.data += [one.data for one in chosen if one.data is not None]
    if choice.steps is not None:
        told = ", ".join(one.id for one in chosen)
        passed_over = tuple(one.id for one in group.candidates if one not in up)
        choice.steps.append(RoutingStep(group.name, group.policy, told, passed_over, not up))


def ordered(group: RecordGroup, client: DnsClient, world: RoutingWorld) -> Iterator[Candidate]:
    """The candidates for `client`, the best first; those that are not for it are left out."""
    return _ORDERS[group.policy](group, client, world)


def _as_written(
    group: RecordGroup, _client: DnsClient, _world: RoutingWorld
) -> Iterator[Candidate]:
    return iter(group.candidates)


def _weighted(group: RecordGroup, _client: DnsClient, world: RoutingWorld) -> Iterator[Candidate]:
    """By chance, each by its share of the weights left; those of weight 0 when no other is up."""
    left = [one for one in group.candidates if one.weight]
    total = sum(one.weight for one in left)
    while left:
        point = world.draw() * total
        for chosen in left:
            point -= chosen.weight
            if point < 0:
                break
        total -= chosen.weight
        left.remove(chosen)
        yield chosen
    yield from _shuffled([one for one in group.candidates if not one.weight], world.draw)


def _failover(group: RecordGroup, _client: DnsClient, _world: RoutingWorld) -> Iterator[Candidate]:
    yield from (one for one in group.candidates if one.primary)
    yield from (one for one in group.candidates if not one.primary)


def _geolocation(group: RecordGroup, client: DnsClient, _: RoutingWorld) -> Iterator[Candidate]:
    areas = {one.area: one for one in group.candidates}
    return (areas[area] for area in client.areas if area in areas)


def _latency(group: RecordGroup, client: DnsClient, world: RoutingWorld) -> Iterator[Candidate]:
    return iter(_by_closeness(group, client, world.latencies))


def _by_closeness(
    group: RecordGroup, client: DnsClient, latencies: LatencyTable
) -> tuple[Candidate, ...]:
    """The candidates, the closest first; worked out once for all clients of a place."""
    row, place = latencies.of(client), client.place
    key = id(row), place.latitude, place.longitude, place.country
    known = group.orders.get(key)
    if known is not None and known[0] is row:
        return known[1]
    order = tuple(
        sorted(group.candidates, key=lambda one: closeness(client, one.position, latencies))
    )
    if len(group.orders) >= ORDERS_MAX:
        group.orders.clear()
    group.orders[key] = row, order
    return order


def _closest(group: RecordGroup, client: DnsClient, world: RoutingWorld) -> Iterator[Candidate]:
    """By closeness; a location of weight 30 is left out for 70 of a hundred clients, to the end."""
    left_out = []
    for one in _latency(group, client, world):
        if one.weight < 100 and world.draw() * 100 >= one.weight:
            left_out.append(one)
        else:
            yield one
    yield from sorted(left_out, key=lambda one: one.weight == 0)


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
    RoutingPolicy.WEIGHTED: _weighted,
    RoutingPolicy.LATENCY: _latency,
    RoutingPolicy.FAILOVER: _failover,
    RoutingPolicy.GEOLOCATION: _geolocation,
    RoutingPolicy.GEOPROXIMITY: _geoproximity,
    RoutingPolicy.MULTIVALUE: _as_written,
    RoutingPolicy.CIDR: _cidr,
    RoutingPolicy.CLOSEST: _closest,
}
