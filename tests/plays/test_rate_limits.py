"""Rate limits: a token for each request, whoever answers it, and 429 where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import structs

from edgecache.config.model import (
    AccessList,
    AccessRule,
    CustomErrorResponse,
    RateLimit,
    SemanticsName,
)
from edgecache.rules.routing import compile_routes
from edgecache.rules.semantics import SEMANTICS
from edgecache.store.memory_account import MemoryHolding
from tests.world.play import Play, Scene, config_of

HEAD = b"GET %b HTTP/1.1\r\nHost: site.test\r\nX-Key: k\r\n\r\n"
SLOW = {"requests_per_s": 0.1, "burst": 3}


def limits(*keys: str, **more: Any) -> dict[str, Any]:
    made = [RateLimit(name=f"by-{n}", key=key, **(SLOW | more)) for n, key in enumerate(keys)]
    return {"rate_limits": tuple(made)}


def scene(*keys: str, memo: bool = True, **more: Any) -> Scene:
    return Scene(behavior=limits(*keys), memo=memo, **more)


@pytest.fixture(params=[True, False], ids=["memo", "no-memo"])
def memo(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def plays() -> Iterator[Any]:
    opened: list[Play] = []

    def begin(wanted: Scene) -> Play:
        opened.append(Play(wanted))
        return opened[-1]

    yield begin
    for play in opened:
        play.close()


def store(play: Play, path: str = "/a", name: str = "first") -> None:
    play.viewer(name).asks(path)
    play.origin.hears(path)
    play.origin.answers(200, "body", cache="max-age=86400")
    play.viewer(name).gets(200, "body")


def statuses(play: Play, count: int, path: bytes = b"/a", name: str = "a") -> list[int]:
    said = []
    for _ in range(count):
        viewer = play.viewer(name).sends(HEAD % path)
        got = viewer.got()
        assert got is not None
        said.append(got.head.status)
        viewer.gets(got.head.status)
    return said


@pytest.mark.parametrize("semantics", list(SEMANTICS))
@pytest.mark.parametrize("regional", [False, True])
def test_hits_take_a_token_each(
    plays: Any, memo: bool, semantics: SemanticsName, regional: bool
) -> None:
    play = plays(scene("address", memo=memo, semantics=semantics, regional=regional))
    play.address = "192.0.2.9"
    store(play)
    play.address = "192.0.2.1"
    assert statuses(play, 5) == [200, 200, 200, 429, 429]
    play.advance(10)
    assert statuses(play, 2) == [200, 429]
    play.advance(3_600)
    assert statuses(play, 4, name="b") == [200, 200, 200, 429]  # on another connection
    assert play.counters.snapshot()["words"]["rate_limited"] == {"by-0": 4}


def test_the_refusal_says_when_to_come_again(plays: Any) -> None:
    play = plays(scene("address"))
    store(play)
    statuses(play, 2)
    got = play.viewer("a").asks("/a").gets(429, x_cache="Error")
    assert got.field("retry-after") == "10"
    assert got.field("cache-control") == "no-store"
    assert got.field("connection") is None
    play.advance(4.5)
    assert play.viewer("a").asks("/a").gets(429).field("retry-after") == "6"
    head = play.viewer("a").asks("/a", method="HEAD").gets(429)
    assert (head.body, head.field("retry-after")) == (b"", "6")
    play.access_log.flush()
    assert play.log.count(b"LimitExceeded") >= 3


def test_misses_errors_and_refusals_take_one_too(plays: Any, memo: bool) -> None:
    play = plays(scene("address", memo=memo, methods=("GET", "HEAD")))
    play.viewer("a").asks("/miss")
    play.origin.hears("/miss")
    play.origin.answers(404, "no")
    play.viewer("a").gets(404)
    play.viewer("a").asks("/a", method="DELETE").gets(403)  # the method
    store(play, name="a")
    play.viewer("a").asks("/other").gets(429)
    play.origin.hears_nothing()


def test_what_the_origin_is_asked_once_takes_one_token_from_each_viewer(plays: Any) -> None:
    play = plays(scene("address"))
    for name in "abcd":
        play.viewer(name).asks("/a")
    play.viewer("d").gets(429)
    play.origin.answers(200, "body", cache="max-age=60")
    for name in "abc":
        play.viewer(name).gets(200, "body")


def test_each_address_has_its_own(plays: Any, memo: bool) -> None:
    play = plays(scene("address", memo=memo))
    store(play)
    for number in range(2, 6):
        play.address = f"192.0.2.{number}"
        assert statuses(play, 4, name=f"v{number}") == [200, 200, 200, 429]


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
    ],
)
def test_ipv6_is_counted_by_64(
    plays: Any, memo: bool, first: str, second: str, shared: bool
) -> None:
    play = plays(scene("address", memo=memo))
    play.address = "198.51.100.1"
    store(play)
    play.address = first
    assert statuses(play, 3, name="one") == [200] * 3
    play.address = second
    assert statuses(play, 3, name="two") == [429 if shared else 200] * 3


def test_pipelined_requests_take_one_each(plays: Any, memo: bool) -> None:
    play = plays(scene("address", memo=memo))
    store(play)
    viewer = play.viewer("a").sends(HEAD % b"/a" * 5)
    play.loop.settle()
    said = []
    for _ in range(5):
        got = viewer.got()
        assert got is not None
        said.append(got.head.status)
        viewer.gets(got.head.status)
    assert said == [200, 200, 429, 429, 429]


BY_KEY: list[tuple[str, dict[str, str], dict[str, str]]] = [
    ("header:X-Key", {"x_key": "1"}, {"x_key": "2"}),
    ("cookie:session", {"cookie": "a=b; session=1"}, {"cookie": "a=b; session=2"}),
]


@pytest.mark.parametrize(("key", "one", "other"), BY_KEY)
def test_a_key_of_the_request_is_counted_wherever_it_comes_from(
    plays: Any, memo: bool, key: str, one: dict[str, str], other: dict[str, str]
) -> None:
    play = plays(scene(key, memo=memo))
    store(play)
    for number in range(3):
        play.address = f"192.0.2.{number + 10}"
        play.viewer(f"v{number}").asks("/a", **one).gets(200)
    play.viewer("v1").asks("/a", **one).gets(429)
    for _ in range(3):
        play.viewer("v1").asks("/a", **other).gets(200)
    play.viewer("v2").asks("/a", **other).gets(429)
    # who has no key is counted by address, as everybody behind it
    for _ in range(3):
        play.viewer("v1").asks("/a").gets(200)
    play.viewer("v1").asks("/a").gets(429)
    play.viewer("v2").asks("/a").gets(200)


def test_paths_have_a_bucket_each(plays: Any, memo: bool) -> None:
    play = plays(scene("path:1", memo=memo))
    store(play, "/a/1")
    assert statuses(play, 3, b"/a/1") == [200, 200, 429]
    assert statuses(play, 1, b"/a/2") == [429]
    assert statuses(play, 1, b"/x/../a/1") == [429]
    store(play, "/b/1")


def test_one_of_several_limits_refuses(plays: Any, memo: bool) -> None:
    wide = RateLimit(name="wide", key="address", requests_per_s=0.1, burst=5)
    narrow = RateLimit(name="narrow", key="path", requests_per_s=0.1, burst=3)
    play = plays(Scene(behavior={"rate_limits": (wide, narrow)}, memo=memo))
    store(play)
    assert statuses(play, 9) == [200, 200] + [429] * 7
    store(play, "/b", name="a")
    assert statuses(play, 2, b"/b") == [200, 429]
    assert play.counters.snapshot()["words"]["rate_limited"] == {"narrow": 7, "wide": 1}


def test_a_refused_body_closes_the_connection(plays: Any) -> None:
    play = plays(scene("address"))
    store(play)
    statuses(play, 2)
    viewer = play.viewer("a").asks("/a", method="POST", body="x" * 10)
    assert viewer.gets(429).field("connection") == "close"
    assert viewer.transport.closed
    play.origin.hears_nothing()


def test_no_page_stands_for_it(plays: Any) -> None:
    pages = tuple(
        CustomErrorResponse(error_code=code, response_page_path="/page", response_code=200)
        for code in (403, 503)
    )
    play = plays(scene("address", site={"custom_error_responses": pages}))
    store(play)
    statuses(play, 2)
    play.viewer("a").asks("/a").gets(429)
    play.origin.hears_nothing()


def test_it_is_asked_before_a_signature(plays: Any) -> None:
    play = plays(Scene(behavior={**limits("address"), "trusted_native_keys": ("k",)}))
    for _ in range(3):
        play.viewer("a").asks("/a").gets(403)
    play.viewer("a").asks("/a").gets(429)


def test_viewers_behind_a_proxy_have_a_bucket_each(plays: Any, memo: bool) -> None:
    """On one connection: those of its own words are the proxy's."""
    play = plays(scene("address", memo=memo, trusted_proxies=("10.0.0.0/8",)))
    store(play)
    play.address = "10.1.2.3"
    proxy = play.viewer("proxy")
    for viewer in ("203.0.113.1", "203.0.113.2", "2001:db8::1"):
        for status in (200, 200, 200, 429):
            proxy.asks("/a", x_forwarded_for=viewer).gets(status)
    proxy.asks("/a", x_forwarded_for="2001:db8::2").gets(429)  # of the same /64
    assert statuses(play, 4, name="proxy") == [200, 200, 200, 429]
    play.address = "198.51.100.9"  # whose word counts for nothing
    stranger = play.viewer("stranger")
    for status in (200, 200, 200, 429):
        stranger.asks("/a", x_forwarded_for="203.0.113.9").gets(status)


def test_who_is_not_let_in_takes_nobodys_tokens(plays: Any, memo: bool) -> None:
    rule = AccessRule(number=1, action="deny", sources=("198.51.100.0/24",))
    lists = {"access_list": AccessList(default="allow", rules=(rule,))}
    play = plays(Scene(behavior={**limits("path"), **lists}, memo=memo))
    store(play)
    play.address = "198.51.100.1"
    assert statuses(play, 5, name="out") == [403] * 5
    play.address = "192.0.2.7"
    assert statuses(play, 3, name="in") == [200, 200, 429]


def test_what_is_remembered_of_fields_grows_with_no_other_sites_limits(plays: Any) -> None:
    play = plays(scene("header:X-Key", "cookie:id"))
    config = config_of(play.scene)
    (own,) = config.distributions
    others = [structs.replace(own, id=f"E{n}", domain_name=f"{n}.test", aliases=()) for n in "ab"]
    sites = structs.replace(config, distributions=(own, *others))
    play.listener.frontend.table = compile_routes(sites)
    store(play)
    for _ in range(3):
        play.viewer("a").asks("/a", x_key="k", cookie="id=1").gets(200, x_cache="Hit")
    assert {len(block.buckets) for block in play.head_cache.blocks.values()} == {2}


def test_an_origins_own_429_is_its_own(plays: Any) -> None:
    play = plays(scene("address"))
    play.viewer("a").asks("/a")
    play.origin.answers(429, "slower", retry_after="7")
    assert play.viewer("a").gets(429, "slower").field("retry-after") == "7"
    assert not play.counters.snapshot()["words"]["rate_limited"]


def test_the_table_is_in_the_account(plays: Any) -> None:
    play = plays(scene("address"))
    play.advance(1)
    assert play.account.held[MemoryHolding.RATE_LIMITS] == 0
    store(play)
    play.advance(1)
    assert play.account.held[MemoryHolding.RATE_LIMITS] == 1024 * 1024
