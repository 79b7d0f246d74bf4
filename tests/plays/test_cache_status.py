"""Cache-Status: what was done with a request, and why. RFC 9211 §2."""

from __future__ import annotations

import pytest

from edgecache.upstream.faults import Fault
from tests.world.play import Play
from tests.world.viewer import Got


def own(got: Got) -> str:
    """Our member, the last one."""
    return (got.field("cache-status") or "").rpartition(", ")[2]


def stores(play: Play, cache: str = "max-age=10", **fields: str) -> Got:
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "one", cache=cache, **fields)
    return play.viewer().gets(200, "one")


def test_a_miss_and_a_hit(rfc: Play) -> None:
    """§2.1 hit, §2.2 fwd, §2.3 fwd-status, §2.4 ttl, §2.5 stored."""
    assert own(stores(rfc)).startswith("LHR50; fwd=uri-miss; fwd-status=200; stored")
    rfc.advance(4)
    assert own(rfc.viewer().asks("/a").gets(200)) == "LHR50; hit; ttl=6"


@pytest.mark.parametrize(("method", "asked"), [
    ("GET", {}), ("HEAD", {}), ("GET", {"range": "bytes=0-0"}), ("GET", {"if_none_match": "*"}),
])  # fmt: skip
def test_a_hit_never_has_fwd(rfc: Play, method: str, asked: dict[str, str]) -> None:
    """§2.1, §2.2: they exclude each other."""
    stores(rfc)
    got = rfc.viewer().asks("/a", method, **asked).got()
    assert got is not None
    assert own(got) == "LHR50; hit; ttl=10"


FORWARDED: list[tuple[str, int, str, dict[str, str], str]] = [
    # what is stored, seconds later, the request, the reason (§2.2)
    ("max-age=10", 0, "POST", {}, "method"),
    ("max-age=10", 0, "GET", {"foo": "2"}, "vary-miss"),
    ("max-age=10", 11, "GET", {}, "stale"),
    ("max-age=10, no-cache", 0, "GET", {}, "stale"),
    ("max-age=10", 0, "GET", {"cache_control": "no-cache"}, "request"),
    ("max-age=10", 5, "GET", {"cache_control": "max-age=1"}, "request"),
]


@pytest.mark.parametrize(("cache", "later", "method", "fields", "reason"), FORWARDED)
def test_why_it_went_forward(
    rfc: Play, cache: str, later: int, method: str, fields: dict[str, str], reason: str
) -> None:
    stores(rfc, cache, vary="Foo")
    rfc.advance(later)
    rfc.viewer().asks("/a", method, **fields)
    rfc.origin.hears("/a")
    rfc.origin.answers(200, "two")
    member = own(rfc.viewer().gets(200, "two"))
    assert member.startswith(f"LHR50; fwd={reason}; fwd-status=200")


def test_a_validation_says_the_origins_status_not_the_viewers(rfc: Play) -> None:
    """§2.3: "the status code [...] received in response to the forwarded request"."""
    stores(rfc, etag='"1"')
    rfc.advance(11)
    rfc.viewer().asks("/a")
    rfc.origin.answers(304, cache="max-age=20", etag='"1"')
    member = own(rfc.viewer().gets(200, "one"))
    assert member.startswith("LHR50; fwd=stale; fwd-status=304; stored; ttl=20")


def test_who_waited_for_another_was_collapsed(rfc: Play) -> None:
    """§2.6."""
    rfc.viewer("a").asks("/a")
    rfc.viewer("b").asks("/a")
    rfc.origin.hears("/a")
    rfc.origin.answers(200, "one", cache="max-age=10")
    assert "collapsed" not in own(rfc.viewer("a").gets(200))
    assert "; collapsed" in own(rfc.viewer("b").gets(200))
    rfc.origin.hears_nothing()


@pytest.mark.parametrize("cache", ["no-store", "private"])
def test_what_is_not_stored_is_not_said_to_be(rfc: Play, cache: str) -> None:
    """§2.5."""
    assert "stored" not in own(stores(rfc, cache))


def test_stale_has_a_ttl_below_zero(rfc: Play) -> None:
    """§2.4: "Negative values indicate staleness"."""
    stores(rfc)
    rfc.advance(15)
    rfc.viewer().asks("/a")
    rfc.origin.fails()
    assert own(rfc.viewer().gets(200, "one")) == "LHR50; hit; ttl=-5; detail=stale-cut-off"


@pytest.mark.parametrize(("fault", "detail"), [
    (Fault.REFUSED, "OriginConnectError"), (Fault.NAME, "OriginDnsError"),
    (Fault.CLOSED, "OriginCommError"),
])  # fmt: skip
def test_a_page_of_ours_says_that_upstream_was_tried(rfc: Play, fault: Fault, detail: str) -> None:
    """§2.2: fwd, without a fwd-status where no status came."""
    rfc.viewer().asks("/a")
    rfc.origin.fails(fault)
    assert own(rfc.viewer().gets(502)) == f"LHR50; fwd=uri-miss; detail={detail}"


def test_a_refusal_of_ours_went_nowhere(rfc: Play) -> None:
    rfc.viewer().asks("/a", cache_control="only-if-cached")
    assert "fwd" not in own(rfc.viewer().gets(504))


def test_the_caches_behind_us_come_first(rfc: Play) -> None:
    """§2: each cache appends; on a hit theirs spoke of another request and is not repeated."""
    got = stores(rfc, cache_status="inner; hit")
    assert (got.field("cache-status") or "").startswith("inner; hit, LHR50; fwd=uri-miss")
    assert rfc.viewer().asks("/a").gets(200).field("cache-status") == "LHR50; hit; ttl=10"


# Age of the origin's response, seconds later, Age and ttl told (RFC 9111 §4.2.3)
AGES: list[tuple[dict[str, str], int, int, int]] = [
    ({}, 3, 3, 7),
    ({"age": "4"}, 3, 7, 3),
    ({"age": "x"}, 3, 3, 7),
    ({"age": "4, 5"}, 0, 4, 6),
]


@pytest.mark.parametrize(("told", "later", "age", "ttl"), AGES)
def test_age_and_ttl_agree(rfc: Play, told: dict[str, str], later: int, age: int, ttl: int) -> None:
    """RFC 9111 §5.1, §4.2.3."""
    stores(rfc, **told)
    rfc.advance(later)
    got = rfc.viewer().asks("/a").gets(200)
    assert got.field("age") == str(age)
    assert own(got) == f"LHR50; hit; ttl={ttl}"


def test_an_old_date_counts_as_age(rfc: Play) -> None:
    """RFC 9111 §4.2.3: apparent_age."""
    stores(rfc, date="Fri, 15 Jan 2027 07:59:55 GMT")
    got = rfc.viewer().asks("/a").gets(200)
    assert got.field("age") == "5"
