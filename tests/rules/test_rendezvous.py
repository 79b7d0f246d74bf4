"""Rendezvous hashing: shares, what a change moves, and which requests are for one object."""

from __future__ import annotations

from collections import Counter

import pytest

from edgecache.config.model import CachePolicy, RegionalCache
from edgecache.rules.caching.key import forwarded, slice_key
from edgecache.rules.rendezvous import (
    Member,
    RendezvousHash,
    by_region,
    home,
    object_key,
    within_bound,
)
from tests.rules.pieces import asks, chosen, headers, rfc_site, site_of

KEYS = [b"E1 /a/%d" % number for number in range(20_000)]


def places(members: list[Member]) -> list[str]:
    choice = RendezvousHash(members)
    return [members[choice.first(key)].name for key in KEYS]


@pytest.mark.parametrize("count", [2, 3, 5, 10, 20])
def test_objects_are_spread_evenly(count: int) -> None:
    found = Counter(places([Member(f"eu-{n}") for n in range(count)]))
    assert max(found.values()) < len(KEYS) / count * 1.1
    assert min(found.values()) > len(KEYS) / count * 0.9


@pytest.mark.parametrize("count", [2, 3, 5, 10])
def test_a_member_that_goes_moves_its_own_objects_only(count: int) -> None:
    members = [Member(f"eu-{n}") for n in range(count)]
    before, after = places(members), places(members[1:])
    moved = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert {old for old, _ in moved} == {"eu-0"}
    assert len(moved) / len(KEYS) <= 1 / count + 0.02


@pytest.mark.parametrize("count", [1, 2, 4, 9])
def test_one_that_comes_takes_its_share_of_each(count: int) -> None:
    members = [Member(f"eu-{n}") for n in range(count)]
    before, after = places(members), places([*members, Member("new")])
    moved = [new for old, new in zip(before, after, strict=True) if old != new]
    assert set(moved) == {"new"}
    assert len(moved) / len(KEYS) <= 1 / (count + 1) + 0.02


def test_shares_are_as_the_weights() -> None:
    members = [Member("a", 1), Member("b", 2), Member("c", 5)]
    found, choice = Counter(places(members)), RendezvousHash(members)
    for index, one in enumerate(members):
        assert found[one.name] / len(KEYS) == pytest.approx(one.weight / 8, abs=0.015)
        assert choice.share(index) == one.weight / 8


def test_a_weight_that_changes_moves_the_difference_only() -> None:
    before = places([Member("a", 1), Member("b", 1), Member("c", 1)])
    after = places([Member("a", 2), Member("b", 1), Member("c", 1)])
    moved = [new for old, new in zip(before, after, strict=True) if old != new]
    assert set(moved) == {"a"}
    assert len(moved) / len(KEYS) <= 1 / 2 - 1 / 3 + 0.02


def test_the_order_of_a_file_does_not_count() -> None:
    members = [Member("a"), Member("b", 2), Member("c")]
    assert places(members) == places(members[::-1])


def test_the_next_choice_is_the_first_without_the_one_that_is_gone() -> None:
    members = [Member(f"eu-{n}", 1 + n % 2) for n in range(5)]
    choice = RendezvousHash(members)
    for key in KEYS[:500]:
        rest = list(members)
        for index in choice.ranked(key):
            assert rest[RendezvousHash(rest).first(key)] == members[index]
            rest.remove(members[index])


def test_equal_weights_choose_as_the_formula_does() -> None:
    """The short way of equal weights is the same choice: a third weight moves none of the two."""
    plain = RendezvousHash([Member("a"), Member("b")])
    weighed = RendezvousHash([Member("a"), Member("b"), Member("c", 1e-9)])
    assert [plain.first(key) for key in KEYS[:2_000]] == [
        weighed.first(key) for key in KEYS[:2_000]
    ]


def test_a_region_has_its_own_and_the_others_come_next() -> None:
    caches = [RegionalCache(name=n, region=r) for n, r in (("a", "eu"), ("b", "us"), ("c", "eu"))]
    assert [[one.name for one in part] for part in by_region(caches, "eu")] == [["a", "c"], ["b"]]
    for region in ("", "asia"):
        assert by_region(caches, region) == (caches, [])
    assert {home(caches, "us", key).name for key in KEYS[:50]} == {"b"}
    assert {home(caches, "eu", key).name for key in KEYS[:50]} == {"a", "c"}


BY_PATH = site_of()
BY_COLOR = site_of(CachePolicy(headers=headers("X-Color"), accept_encoding_gzip=True))
BY_HOST = site_of(CachePolicy(headers=headers("Host")))
ALL_COOKIES = site_of(CachePolicy(cookies=chosen("all")))
ALL_QUERY = site_of(CachePolicy(query_strings=chosen("all")))
QUERY_A = site_of(CachePolicy(query_strings=chosen("whitelist", "a")))

SAME = [
    ("a query that is in no key", BY_PATH, asks("/a?b=1"), asks("/a")),
    ("a header of the key", BY_COLOR, asks("/a", "x-color: red"), asks("/a", "x-color: blue")),
    ("codings", BY_COLOR, asks("/a", "accept-encoding: gzip"), asks("/a")),
    ("cookies", ALL_COOKIES, asks("/a", "cookie: a=1"), asks("/a", "cookie: a=2")),
    ("ranges", ALL_QUERY, asks("/a?b", "range: bytes=0-1"), asks("/a?b")),
    ("methods", ALL_QUERY, asks("/a?b", method="POST"), asks("/a?b", method="HEAD")),
    ("parameters that are not chosen", QUERY_A, asks("/a?a=1&b=2"), asks("/a?c=3&a=1")),
    ("an empty query", BY_PATH, asks("/a?"), asks("/a")),
]
DIFFERENT = [
    ("paths", BY_PATH, asks("/a"), asks("/b")),
    ("queries", ALL_QUERY, asks("/a?b=1"), asks("/a?b=2")),
    ("chosen parameters", QUERY_A, asks("/a?a=1"), asks("/a?a=2")),
    ("hosts", BY_HOST, asks("/a"), asks("/a", host=b"two")),
    ("the target URI", rfc_site(), asks("/a?b=1"), asks("/a?b=2")),
]


@pytest.mark.parametrize(("what", "route", "one", "other"), SAME, ids=[row[0] for row in SAME])
def test_one_object_at_one_place(what: str, route: object, one: object, other: object) -> None:
    assert object_key(one, route) == object_key(other, route)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("what", "route", "one", "other"), DIFFERENT, ids=[r[0] for r in DIFFERENT]
)
def test_objects_that_differ(what: str, route: object, one: object, other: object) -> None:
    assert object_key(one, route) != object_key(other, route)  # type: ignore[arg-type]


@pytest.mark.parametrize("row", [*SAME, *DIFFERENT], ids=lambda row: row[0])
@pytest.mark.parametrize("cacheable", [True, False])
def test_what_is_forwarded_is_of_the_same_object(row: tuple[str, ...], cacheable: bool) -> None:
    """An edge chooses by what it forwards, control's explanation by what a viewer asks."""
    _, route, *requests = row
    for request in requests:
        told = forwarded(request, route, cacheable=cacheable)  # type: ignore[arg-type]
        assert object_key(told, route) == object_key(request, route)  # type: ignore[arg-type]


def test_blocks_are_of_the_object_they_are_blocks_of() -> None:
    """What is chosen by is made of the request, and never of a block's key."""
    request = asks("/a?b", "range: bytes=0-1048575")
    assert slice_key(b"", 1) not in object_key(request, ALL_QUERY)


@pytest.mark.parametrize(("under_way", "in_all", "share", "factor", "may"), [
    (0, 0, 1 / 3, 125, True),  # the first of all
    (1, 1, 1 / 3, 125, False),  # ceil(1.25 · 2 / 3) = 1
    (1, 2, 1 / 3, 125, True),  # ceil(1.25 · 3 / 3) = 2
    (41, 100, 1 / 3, 125, True),  # ceil(1.25 · 101 / 3) = 43
    (43, 100, 1 / 3, 125, False),
    (62, 100, 1 / 2, 125, True),  # twice the weight of two others
    (0, 1_000, 0.01, 100, True),
])  # fmt: skip
def test_the_bound_is_a_part_more_than_its_share(
    under_way: int, in_all: int, share: float, factor: int, may: bool
) -> None:
    assert within_bound(under_way, in_all, share, factor) is may
