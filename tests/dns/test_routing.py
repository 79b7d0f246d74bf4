"""The answer tree: Route 53's vectors, shares of weights, and a slow plain model of the rules."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping

import pytest

from edgecache.dns import routing
from edgecache.dns.closeness import AddressBlocks, DnsClient, LatencyTable, Position, closeness
from edgecache.dns.geography import biased_distance
from edgecache.dns.records import A, record_data
from edgecache.dns.routing import (
    MULTIVALUE_MAX,
    Candidate,
    RecordGroup,
    RoutingPolicy,
    RoutingWorld,
    choose,
)
from edgecache.rules.viewer.geo import GeoPlace

GERMANY, FRANCE = GeoPlace(country="DE"), GeoPlace(country="FR")
CALIFORNIA = GeoPlace(country="US", region="CA")
BRAZIL = GeoPlace(country="BR")


def client(place: GeoPlace = GERMANY, address: str = "203.0.113.7", bits: int = 32) -> DnsClient:
    return DnsClient(bytes(map(int, address.split("."))), bits, place)


def leaf(id: str, **facts: object) -> Candidate:
    made = Candidate(id=id, data=record_data(A, 60, [id.encode()]), check=id)
    for name, value in facts.items():
        setattr(made, name, value)
    return made


def alias(id: str, group: RecordGroup, **facts: object) -> Candidate:
    made = leaf(id, alias=group, evaluates=True, **facts)
    made.data, made.check = None, ""
    return made


def given_of(
    group: RecordGroup,
    who: DnsClient,
    *down: str,
    seed: int = 1,
    latencies: LatencyTable | None = None,
) -> list[str]:
    world = RoutingWorld(random.Random(seed).random, set(down), latencies or LatencyTable())
    return sorted(data.values[0].decode() for data in choose(group, who, world).data)


def shares(group: RecordGroup, *down: str, rounds: int = 4_000) -> dict[str, float]:
    world = RoutingWorld(random.Random(26).random, set(down))
    found = Counter(
        choose(group, client(), world).data[0].values[0].decode() for _ in range(rounds)
    )
    return {id: count / rounds for id, count in found.items()}


def test_weights_are_shares() -> None:
    group = RecordGroup(
        RoutingPolicy.WEIGHTED,
        [leaf("a", weight=10), leaf("b", weight=30), leaf("z", weight=0)],
    )
    found = shares(group)
    assert found.keys() == {"a", "b"}
    assert found["b"] == pytest.approx(0.75, abs=0.03)


def test_weights_of_nought_are_equal_and_count_when_no_other_is_up() -> None:
    noughts = RecordGroup(RoutingPolicy.WEIGHTED, [leaf("x", weight=0), leaf("y", weight=0)])
    assert shares(noughts)["x"] == pytest.approx(0.5, abs=0.03)
    mixed = RecordGroup(RoutingPolicy.WEIGHTED, [leaf("a", weight=5), leaf("z", weight=0)])
    assert shares(mixed, "a", rounds=50) == {"z": 1.0}
    assert shares(mixed, "a", "z", rounds=50) == {"a": 1.0}


def regions() -> RecordGroup:
    """Two regions by latency, each an alias of weighted records."""
    inner = {
        name: RecordGroup(
            RoutingPolicy.WEIGHTED,
            [leaf(f"{name}1", weight=1), leaf(f"{name}2", weight=1), leaf(f"{name}0", weight=0)],
        )
        for name in ("eu", "us")
    }
    return RecordGroup(
        RoutingPolicy.LATENCY,
        [alias(name, group, position=Position((name,))) for name, group in inner.items()],
    )


EU_FIRST = LatencyTable(areas={"*": {"eu": 10, "us": 90}})


@pytest.mark.parametrize(
    ("down", "possible"),
    [
        ((), {"eu1", "eu2"}),
        (("eu1",), {"eu2"}),
        (("eu1", "eu2"), {"eu0"}),  # only weight 0 is left
        (("eu1", "eu2", "eu0"), {"us1", "us2"}),  # the region is down
        (("eu1", "eu2", "eu0", "us1", "us2", "us0"), {"eu1", "eu2"}),  # everything is
    ],
)
def test_regions_back_out_to_the_next_best(down: tuple[str, ...], possible: set[str]) -> None:
    found = {given_of(regions(), client(), *down, seed=n, latencies=EU_FIRST)[0] for n in range(40)}
    assert found == possible


def test_an_alias_that_does_not_evaluate_is_not_backed_out_of() -> None:
    group = regions()
    group.candidates[0].evaluates = False
    found = given_of(group, client(), "eu1", "eu2", "eu0", latencies=EU_FIRST)
    assert found[0].startswith("eu")


def test_a_check_of_the_alias_counts_too() -> None:
    group = regions()
    group.candidates[0].check = "own"
    assert given_of(group, client(), "own", latencies=EU_FIRST)[0].startswith("us")


AREAS = [
    leaf("california", area=("", "US", "CA")),
    leaf("us", area=("", "US", "")),
    leaf("germany", area=("", "DE", "")),
    leaf("europe", area=("EU", "", "")),
    leaf("default", area=("", "*", "")),
]


@pytest.mark.parametrize(
    ("place", "down", "wanted"),
    [
        (CALIFORNIA, (), "california"),
        (CALIFORNIA, ("california",), "us"),
        (CALIFORNIA, ("california", "us"), "default"),
        (GeoPlace(country="US"), (), "us"),
        (GERMANY, (), "germany"),
        (GERMANY, ("germany",), "europe"),
        (GERMANY, ("germany", "europe", "default"), "germany"),
        (FRANCE, (), "europe"),
        (BRAZIL, (), "default"),
        (GeoPlace(), (), "default"),
        (GeoPlace(country="TR"), (), "europe"),  # as Route 53 counts it
    ],
)
def test_the_smallest_area_wins(place: GeoPlace, down: tuple[str, ...], wanted: str) -> None:
    group = RecordGroup(RoutingPolicy.GEOLOCATION, AREAS)
    assert given_of(group, client(place), *down) == [wanted]


def test_no_area_and_no_default_is_no_answer() -> None:
    group = RecordGroup(RoutingPolicy.GEOLOCATION, AREAS[:4])
    assert given_of(group, client(BRAZIL)) == []


@pytest.mark.parametrize(
    ("down", "wanted"), [((), "1"), (("1",), "2"), (("2",), "1"), (("1", "2"), "1")]
)
def test_failover(down: tuple[str, ...], wanted: str) -> None:
    group = RecordGroup(RoutingPolicy.FAILOVER, [leaf("2"), leaf("1", primary=True)])
    assert given_of(group, client(), *down) == [wanted]


@pytest.mark.parametrize(
    ("km", "bias", "wanted"), [(150, 50, 75), (100, 0, 100), (100, -50, 200), (100, 99, 1)]
)
def test_bias_shortens_and_lengthens(km: float, bias: int, wanted: float) -> None:
    assert biased_distance(km, bias) == pytest.approx(wanted)


def test_geoproximity_goes_by_biased_distance() -> None:
    """A at about 150 km with bias +50 is nearer than B at about 100 km."""
    here = GeoPlace(latitude="50.00000", longitude="10.00000")
    a = leaf("a", position=Position((), (50 + 150 / 111.2, 10.0)), bias=50)
    b = leaf("b", position=Position((), (50 - 100 / 111.2, 10.0)))
    group = RecordGroup(RoutingPolicy.GEOPROXIMITY, [b, a])
    assert given_of(group, client(here)) == ["a"]
    a.bias = 0
    assert given_of(group, client(here)) == ["b"]


def test_multivalue_gives_eight_that_are_up() -> None:
    group = RecordGroup(RoutingPolicy.MULTIVALUE, [leaf(f"{n:02}") for n in range(12)])
    down = [f"{n:02}" for n in range(3)]
    found = given_of(group, client(), *down)
    assert len(found) == MULTIVALUE_MAX
    assert not {*found} & {*down}
    every = [f"{n:02}" for n in range(12)]
    assert len(given_of(group, client(), *every)) == MULTIVALUE_MAX


CIDR = RecordGroup(
    RoutingPolicy.CIDR,
    [leaf("office", cidr="office"), leaf("isp", cidr="isp"), leaf("default", cidr="*")],
    blocks=AddressBlocks([("203.0.113.0/24", "office"), ("203.0.0.0/16", "isp")]),
)


@pytest.mark.parametrize(
    ("address", "bits", "down", "wanted"),
    [
        ("203.0.113.0", 24, (), "office"),
        ("203.0.113.0", 20, (), "isp"),  # the block is longer than the client's subnet
        ("203.0.9.0", 24, (), "isp"),
        ("198.51.100.0", 24, (), "default"),
        ("203.0.113.0", 24, ("office",), "default"),
    ],
)
def test_the_longest_block_decides(
    address: str, bits: int, down: tuple[str, ...], wanted: str
) -> None:
    assert given_of(CIDR, client(GERMANY, address, bits), *down) == [wanted]


def test_no_block_and_no_default_is_no_answer() -> None:
    group = RecordGroup(RoutingPolicy.CIDR, CIDR.candidates[:2], blocks=CIDR.blocks)
    assert given_of(group, client(GERMANY, "198.51.100.0", 24)) == []


def test_a_location_gives_up_the_share_that_its_weight_says() -> None:
    near = leaf("near", weight=30, position=Position(("near",)))
    far = leaf("far", weight=100, position=Position(("far",)))
    group = RecordGroup(RoutingPolicy.CLOSEST, [near, far])
    table = LatencyTable(areas={"*": {"near": 1, "far": 99}})
    world = RoutingWorld(random.Random(1).random, (), table)
    found = Counter(choose(group, client(), world).data[0].values[0].decode() for _ in range(4_000))
    assert found["near"] / 4_000 == pytest.approx(0.3, abs=0.03)
    near.weight = 0
    assert choose(group, client(), world).data[0].values[0] == b"far"
    world.down = {"far"}
    assert choose(group, client(), world).data[0].values[0] == b"near"


def test_steps_tell_what_was_passed_over() -> None:
    world = RoutingWorld(random.Random(1).random, {"eu1", "eu2", "eu0"}, EU_FIRST)
    group = regions()
    group.name = "www A"
    steps = choose(group, client(), world, explains=True).steps
    assert steps is not None
    assert (steps[0].group, steps[0].chosen, steps[0].passed_over) == ("www A", "us", ("eu",))
    assert steps[1].chosen in ("us1", "us2")


def test_orders_of_places_are_bounded_and_of_one_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "ORDERS_MAX", 4)
    group = RecordGroup(
        RoutingPolicy.LATENCY,
        [leaf("eu", position=Position(("eu",))), leaf("us", position=Position(("us",)))],
    )
    world = RoutingWorld(random.Random(1).random, (), EU_FIRST)
    for country in ("DE", "FR", "GB", "US", "CA", "BR"):
        who = client(GeoPlace(country=country))
        assert choose(group, who, world).data[0].values[0] == b"eu"
        assert len(world.orders) <= 4
    world.latencies = LatencyTable(areas={"*": {"eu": 90, "us": 10}})
    assert choose(group, client(), world).data[0].values[0] == b"us"
    world.latencies = EU_FIRST
    assert choose(group, client(), world).data[0].values[0] == b"eu"


def test_the_order_of_a_place_is_worked_out_once_without_a_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Position] = []
    plain = closeness

    def counted(who: DnsClient, position: Position, row: Mapping[str, float]) -> object:
        asked.append(position)
        return plain(who, position, row)

    monkeypatch.setattr(routing, "closeness", counted)
    group = RecordGroup(RoutingPolicy.LATENCY, [leaf("eu"), leaf("us")])
    world = RoutingWorld(random.Random(1).random)
    for _ in range(3):
        choose(group, client(), world)
    assert len(asked) == 2
