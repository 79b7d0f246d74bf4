"""The answer tree beside a slow plain model of the rules, for any tree and whatever is down."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from edgecache.dns.closeness import DnsClient, LatencyTable, Position
from edgecache.dns.records import RecordData
from edgecache.dns.route_memo import RouteMemo
from edgecache.dns.routing import Candidate, RecordGroup, RoutingPolicy, RoutingWorld, choose
from tests.dns.test_routing import AREAS, BRAZIL, CALIFORNIA, GERMANY, alias, client, leaf

# The model: what may be given, worked out from the rules as they are written, by enumeration.

CLIENTS = (client(GERMANY), client(CALIFORNIA), client(BRAZIL, "198.51.100.1", 24))
MODEL_TABLE = LatencyTable(areas={"*": {f"r{n}": float(n) for n in range(6)}})


@dataclass
class Known:
    client: DnsClient


def healthy(one: Candidate, down: set[str]) -> bool:
    if one.check in down:
        return False
    if one.alias is not None and one.evaluates:
        return any(healthy(other, down) for other in one.alias.candidates)
    return True


def ranks(group: RecordGroup, who: DnsClient) -> list[list[Candidate]]:
    """The candidates in ranks: of those of a rank any may come first."""
    every = list(group.candidates)
    match group.policy:
        case RoutingPolicy.SIMPLE:
            return [[one] for one in every]
        case RoutingPolicy.WEIGHTED:
            return [[c for c in every if c.weight], [c for c in every if not c.weight]]
        case RoutingPolicy.FAILOVER:
            return [[c for c in every if c.primary], [c for c in every if not c.primary]]
        case RoutingPolicy.LATENCY:
            return [[c] for c in sorted(every, key=lambda c: int(c.position.names[0][1:]))]
        case RoutingPolicy.GEOLOCATION:
            return [[c for c in every if c.area == area] for area in who.areas]
    raise AssertionError(group.policy)


def possible(group: RecordGroup, who: DnsClient, down: set[str]) -> set[str]:
    """The records that a client may be given."""
    ordered = [rank for rank in ranks(group, who) if rank]
    for rank in ordered:
        good = [one for one in rank if healthy(one, down)]
        if good:
            return set().union(*(behind(one, who, down) for one in good))
    return set().union(*(behind(one, who, down) for one in ordered[0])) if ordered else set()


def behind(one: Candidate, who: DnsClient, down: set[str]) -> set[str]:
    return {one.id} if one.alias is None else possible(one.alias, who, down)


def any_group(dice: random.Random, depth: int, names: Iterator[int]) -> RecordGroup:
    policy = dice.choice([
        RoutingPolicy.SIMPLE, RoutingPolicy.WEIGHTED, RoutingPolicy.FAILOVER,
        RoutingPolicy.LATENCY, RoutingPolicy.GEOLOCATION,
    ])  # fmt: skip
    count = {RoutingPolicy.SIMPLE: 1, RoutingPolicy.FAILOVER: 2}.get(policy, dice.randint(1, 4))
    areas = dice.sample([one.area for one in AREAS], count)
    candidates = []
    for number in range(count):
        facts: dict[str, object] = {
            "weight": dice.choice([0, 0, 1, 5]),
            "primary": number == 0,
            "position": Position((f"r{number}",)),
            "area": areas[number],
        }
        id = str(next(names))
        if depth and dice.random() < 0.5:
            one = alias(id, any_group(dice, depth - 1, names), **facts)
            one.evaluates = dice.random() < 0.7
            one.check = dice.choice(["", id])
        else:
            one = leaf(id, **facts)
        candidates.append(one)
    return RecordGroup(policy, candidates)


@settings(max_examples=250, deadline=None)
@given(st.integers(0, 2**32), st.floats(0, 1))
def test_what_is_given_is_what_the_plain_rules_allow(seed: int, share_down: float) -> None:
    dice = random.Random(seed)
    names = iter(range(10_000))
    group = any_group(dice, 3, names)
    down = {str(n) for n in range(next(names)) if dice.random() < share_down}
    for who in CLIENTS:
        allowed = possible(group, who, down)
        world = RoutingWorld(dice.random, down, MODEL_TABLE)
        found: list[Sequence[RecordData]] = [choose(group, who, world).data for _ in range(12)]
        memo, asker = RouteMemo(world), Known(who)
        found += [memo.choose(group, who, asker)[0] for _ in range(12)]
        assert {data[0].values[0].decode() for data in found if data} <= allowed
        assert all(len(data) == 1 for data in found) or any_without_answer(group, who)


def any_without_answer(group: RecordGroup, who: DnsClient) -> bool:
    """Whether an area somewhere in the tree has nothing for the client."""
    if group.policy is RoutingPolicy.GEOLOCATION and not any(ranks(group, who)):
        return True
    return any(
        any_without_answer(one.alias, who) for one in group.candidates if one.alias is not None
    )
