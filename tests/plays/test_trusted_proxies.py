"""Viewers behind a trusted proxy are told apart on one connection; nobody else's word counts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from edgecache.cache.frontend import FrontendEnvironment
from edgecache.config.model import (
    AccessList,
    AccessRule,
    CachePolicy,
    GeoRestriction,
    HeaderSelection,
    KeyGroup,
    Limits,
    OriginRequestPolicy,
    PublicKey,
    RateLimit,
)
from edgecache.http.forwarded_for import hop_fields
from edgecache.observe.log_record import parse_line
from edgecache.rules.routing import compile_routes
from edgecache.rules.viewer.geo import GeoPlace
from tests.rules.private.signers import RSA, in_url
from tests.world.play import Play, Scene, config_of

Stage = Callable[..., Play]
PROXY, STRANGER = "10.1.2.3", "198.51.100.66"
ONE, TWO = "203.0.113.1", "203.0.113.2"
TRUSTED: dict[str, Any] = {"trusted_proxies": ("10.0.0.0/8",)}
SEMANTICS = pytest.mark.parametrize("semantics", ["cloudfront", "rfc9111"])
LINE = re.compile(r"^[^#].*\n", re.MULTILINE)
ADDRESS, PROTOCOL, FORWARDED, PORT = 4, 16, 19, 26  # fields of a line


def lines(play: Play) -> list[list[str]]:
    play.access_log.flush()
    return [parse_line(line) for line in LINE.findall(play.log.decode())]


def told(play: Play, *places: int) -> list[tuple[str, ...]]:
    return [tuple(line[place] for place in places) for line in lines(play)]


def hears_of(play: Play, target: str) -> str:
    """X-Forwarded-For, as the origin of the next request gets it."""
    call = play.origin.hears(target)
    return dict(hop_fields(call.request, b"us"))[b"x-forwarded-for"].decode()


def stored(play: Play, target: str, **fields: str) -> None:
    play.viewer("filler").asks(target, **fields)
    play.origin.hears(target)
    play.origin.answers(200, "body", cache="max-age=1000")
    play.viewer("filler").gets(200, "body")


@SEMANTICS
@pytest.mark.parametrize("regional", [False, True])
def test_two_viewers_share_a_connection_of_a_proxy(
    stage: Stage, semantics: str, regional: bool
) -> None:
    play = stage(semantics=semantics, regional=regional, **TRUSTED)
    play.address = PROXY
    proxy = play.viewer("proxy")
    for number, (viewer, heard) in enumerate(((ONE, ONE), (f"8.8.8.8, {TWO}", f"8.8.8.8, {TWO}"))):
        proxy.asks(f"/{number}", x_forwarded_for=viewer)
        assert hears_of(play, f"/{number}") == heard
        play.origin.answers(200, "body", cache="max-age=1000")
        proxy.gets(200, "body", x_cache="Miss")
    for _ in range(3):
        proxy.asks("/0", x_forwarded_for=ONE).gets(200, x_cache="Hit")
        proxy.asks("/0", x_forwarded_for=f"{TWO}:5555").gets(200, x_cache="Hit")
        proxy.asks("/0").gets(200, x_cache="Hit")
    if play.head_cache is not None:
        assert [hit.times for hit in play.head_cache if hit.times] == [6]
    hits = [(ONE, "0"), (TWO, "5555"), (PROXY, "40000")]
    assert told(play, ADDRESS, PORT) == [(ONE, "0"), (TWO, "0"), *hits, *hits, *hits]
    assert told(play, FORWARDED)[:3] == [("-",), ("8.8.8.8",), ("-",)]


def test_a_strangers_fields_change_nothing_but_what_they_always_did(stage: Stage) -> None:
    play = stage(**TRUSTED)
    stored(play, "/a")
    for address, known in ((PROXY, ONE), (STRANGER, STRANGER), (PROXY, ONE)):
        play.address = address
        for _ in range(3):
            play.viewer(address).asks("/a", x_forwarded_for=ONE).gets(200, x_cache="Hit")
        assert told(play, ADDRESS)[-3:] == [(known,)] * 3
    play.viewer(STRANGER).asks("/b", x_forwarded_for=ONE)
    assert hears_of(play, "/b") == f"{ONE}, {STRANGER}"
    play.origin.answers(200, "")
    assert told(play, FORWARDED)[-1] == (ONE,)


@SEMANTICS
def test_only_a_trusted_proxy_makes_http_https(stage: Stage, semantics: str) -> None:
    """The same bytes from both, one after the other: what was remembered of one is not given."""
    behavior = {"viewer_protocol_policy": "redirect-to-https"}
    play = stage(semantics=semantics, behavior=behavior, **TRUSTED)
    claim = {"x_forwarded_for": ONE, "x_forwarded_proto": "https"}
    for address in (PROXY, STRANGER):
        play.address = address
        play.viewer(address)
    play.viewer(PROXY).asks("/a", **claim)
    play.origin.hears("/a")
    play.origin.answers(200, "secret", cache="max-age=1000")
    play.viewer(PROXY).gets(200, "secret")
    for _ in range(3):
        play.viewer(PROXY).asks("/a", **claim).gets(200, "secret", x_cache="Hit")
        got = play.viewer(STRANGER).asks("/a", **claim).gets(301)
        assert got.field("location") == "https://site.test/a"
        play.viewer(PROXY).asks("/a", x_forwarded_for=ONE).gets(301)
        play.viewer(PROXY).asks("/a", x_forwarded_for=ONE, x_forwarded_proto="http").gets(301)
    assert {*told(play, PROTOCOL, ADDRESS)} == {("https", ONE), ("http", STRANGER), ("http", ONE)}
    play.origin.hears_nothing()


def test_the_scheme_of_a_stranger_is_not_in_the_key(stage: Stage) -> None:
    """Under RFC 9111 X-Forwarded-Proto counts as the scheme: but not of whom nobody trusts."""
    play = stage(semantics="rfc9111", **TRUSTED)
    play.address = STRANGER
    play.viewer("stranger").asks("/a", x_forwarded_proto="https")
    call = play.origin.hears("/a", x_forwarded_proto=None)
    assert call.request.scheme == b"http"
    play.origin.answers(200, "plain", cache="max-age=1000")
    play.viewer("stranger").gets(200, "plain")
    play.viewer("stranger").asks("/a").gets(200, "plain", x_cache="Hit")
    play.address = PROXY
    play.viewer("proxy").asks("/a", x_forwarded_proto="https", x_forwarded_for=ONE)
    call = play.origin.hears("/a", x_forwarded_proto="https")
    assert call.request.scheme == b"https"
    play.origin.answers(200, "secure", cache="max-age=1000")
    play.viewer("proxy").gets(200, "secure")
    play.viewer("proxy").asks("/a", x_forwarded_for=TWO).gets(200, "plain", x_cache="Hit")


def test_what_one_address_may_have_is_for_the_viewer_behind(stage: Stage) -> None:
    play = stage(behavior={"trusted_key_groups": ("team",)}, **TRUSTED)
    keys = (PublicKey(id=RSA.key_id, pem=RSA.public_pem),)
    groups = (KeyGroup(id="team", keys=(RSA.key_id,)),)
    config = replace(config_of(play.scene), public_keys=keys, key_groups=groups)
    play.listener.frontend.table = compile_routes(config)
    policy = RSA.policy("http://site.test/*", int(play.clock.now + 100), address=f"{ONE}/32")
    target = in_url(RSA, "http://site.test/a", policy=policy).removeprefix("http://site.test")
    play.address = PROXY
    proxy = play.viewer("proxy")
    proxy.asks(target, x_forwarded_for=ONE)
    play.origin.hears("/a")
    play.origin.answers(200, "body", cache="max-age=1000")
    proxy.gets(200, "body")
    for _ in range(3):
        proxy.asks(target, x_forwarded_for=ONE).gets(200, "body", x_cache="Hit")
        proxy.asks(target, x_forwarded_for=f"{ONE}, {TWO}").gets(403)
        proxy.asks(target, x_forwarded_for=TWO).gets(403)
        proxy.asks(target).gets(403)


def places(address: str) -> GeoPlace:
    return GeoPlace(country={ONE: "CH", TWO: "JP"}.get(address, ""))


def test_the_country_is_that_of_the_viewer_behind(stage: Stage) -> None:
    restriction = GeoRestriction(kind="whitelist", countries=("CH",))
    world = FrontendEnvironment(place_of=places)
    play = stage(site={"geo_restriction": restriction}, world=world, **TRUSTED)
    play.address = PROXY
    proxy = play.viewer("proxy")
    proxy.asks("/a", x_forwarded_for=ONE)
    play.origin.answers(200, "body", cache="max-age=1000")
    proxy.gets(200, "body")
    for _ in range(2):
        proxy.asks("/a", x_forwarded_for=TWO).gets(403)
        proxy.asks("/a", x_forwarded_for=ONE).gets(200, x_cache="Hit")


def test_the_origin_hears_the_address_of_the_viewer_behind(stage: Stage) -> None:
    name = "CloudFront-Viewer-Address"
    headers = HeaderSelection(behavior="whitelist", items=(name,))
    play = stage(
        policy=CachePolicy(ttl_s_min=0, ttl_s_default=0, ttl_s_max=0),
        request_policy=OriginRequestPolicy(headers=headers),
        **TRUSTED,
    )
    play.address = PROXY
    for said, known in ((f"{ONE}:5555", f"{ONE}:5555"), (ONE, f"{ONE}:0"), ("", f"{PROXY}:40000")):
        play.viewer("proxy").asks("/a", **({"x_forwarded_for": said} if said else {}))
        play.origin.hears("/a", cloudfront_viewer_address=known)
        play.origin.answers(200, "")
        play.viewer("proxy").gets(200)


SHARE = 2
LIMITS = Limits(errands_per_address_max=SHARE, uploads_per_address_max=SHARE)
UPLOAD = (
    b"POST /up HTTP/1.1\r\nHost: site.test\r\nX-Forwarded-For: %b\r\nContent-Length: 9\r\n\r\nbegin"
)


def test_shares_are_those_of_viewers_and_not_of_the_proxy(stage: Stage) -> None:
    play = stage(limits=LIMITS, **TRUSTED)
    play.address = PROXY
    for number in range(SHARE + 1):
        play.viewer(f"one{number}").asks(f"/1{number}", x_forwarded_for=ONE)
        play.viewer(f"two{number}").asks(f"/2{number}", x_forwarded_for=f"203.0.113.{10 + number}")
    for number in range(SHARE):
        play.viewer(f"one{number}").gets_nothing()
    play.viewer(f"one{SHARE}").gets(503)
    for number in range(SHARE + 1):
        play.viewer(f"two{number}").gets_nothing()
    for _ in range(2 * SHARE + 1):
        play.origin.answers(200, "")


def test_uploads_are_those_of_viewers_and_not_of_the_proxy(stage: Stage) -> None:
    play = stage(limits=LIMITS, **TRUSTED)
    play.address = PROXY
    for number in range(SHARE):
        play.viewer(f"one{number}").sends(UPLOAD % ONE.encode())
    play.viewer("two").sends(UPLOAD % TWO.encode())
    play.viewer("late").sends(UPLOAD % ONE.encode())
    play.viewer("late").gets(503)
    play.viewer("two").gets_nothing()
    for name in ("one0", "one1", "two"):
        play.viewer(name).leaves()
    assert play.listener.connections.uploads.total == 0


def test_connections_of_a_proxy_are_no_single_viewers(stage: Stage) -> None:
    play = stage(limits=Limits(connections_per_address_max=2), **TRUSTED)
    play.address = PROXY
    for number in range(9):
        play.viewer(f"p{number}").sends(b"GET / HTTP/1.1\r\n")  # a head that is not whole
    play.address = STRANGER
    for number in range(2):
        play.viewer(f"s{number}").sends(b"GET / HTTP/1.1\r\n")
    play.viewer("late").gets(503)
    assert not any(play.viewer(f"p{number}").transport.closed for number in range(9))


def test_the_viewer_of_a_proxy_header_is_the_viewer_of_the_connection(stage: Stage) -> None:
    """And whoever it names may itself be a trusted proxy: a CDN in front of a balancer."""
    play = stage(limits=Limits(connections_per_address_max=2), **TRUSTED)
    play.address, play.source = "10.9.9.9", (ONE, 51_000)
    for _ in range(2):
        play.viewer("one").asks("/a", x_forwarded_for=TWO)
        if play.origin.waits:
            assert hears_of(play, "/a") == f"{TWO}, {ONE}"
            play.origin.answers(200, "body", cache="max-age=1000")
        play.viewer("one").gets(200, "body")
    play.viewer("same").sends(b"GET / HTTP/1.1\r\n")
    play.viewer("one").sends(b"GET / HTTP/1.1\r\n")
    play.viewer("late").gets(503)
    play.source = (PROXY, 51_000)
    play.viewer("cdn").asks("/a", x_forwarded_for=TWO).gets(200, x_cache="Hit")
    one = (ONE, "51000", TWO)
    assert told(play, ADDRESS, PORT, FORWARDED)[:2] == [one, one]
    assert told(play, ADDRESS, PORT, FORWARDED)[-1] == (TWO, "0", "-")


FIELDS: tuple[dict[str, str], ...] = (
    {},
    {"x_forwarded_for": ONE},
    {"x_forwarded_for": f"{ONE}, 10.7.7.7"},
    {"x_forwarded_for": TWO, "x_forwarded_proto": "https"},
    {"x_forwarded_for": TWO, "x_forwarded_proto": "http"},
    {"x_forwarded_proto": "https"},
    {"x_forwarded_for": "unknown", "x_forwarded_proto": "https, http"},
)
STEP = st.tuples(
    st.sampled_from([PROXY, STRANGER]), st.sampled_from(["/1", "/2?x"]), st.sampled_from(FIELDS)
)
POLICIES = ("allow-all", "redirect-to-https")
IDS = re.compile(rb"[\w-]{54}==")


@settings(max_examples=40)
@given(
    st.sampled_from(["cloudfront", "rfc9111"]),
    st.sampled_from(POLICIES),
    st.lists(STEP, max_size=14),
)
def test_a_transcript_is_the_same_with_and_without_the_head_cache(
    semantics: str, policy: str, steps: list[tuple[str, str, dict[str, str]]]
) -> None:
    scene: dict[str, Any] = {
        "semantics": semantics, "behavior": {"viewer_protocol_policy": policy}, **TRUSTED,
    }  # fmt: skip
    assert transcript(Scene(memo=True, **scene), steps) == transcript(
        Scene(memo=False, **scene), steps
    )


def transcript(scene: Scene, steps: list[tuple[str, str, dict[str, str]]]) -> object:
    """What each peer was told, the log but for ids, and what was counted."""
    play = Play(scene)
    for address, target, fields in steps:
        play.address = address
        play.viewer(address).asks(target, **fields)
        while any(not future.done() for _, future in play.origin._open):
            play.origin.answers(200, "body", cache="max-age=1000", etag='"e"')
    play.access_log.flush()
    written = {name: bytes(viewer.transport.written) for name, viewer in play.viewers.items()}
    counted = play.counters.snapshot()
    told = (
        {name: IDS.sub(b"ID", data) for name, data in written.items()},
        IDS.sub(b"ID", bytes(play.log)), counted["totals"], counted["words"],
    )  # fmt: skip
    play.close()
    return told


def test_an_access_list_is_asked_of_each_viewer_behind(stage: Stage) -> None:
    """One that has let in a viewer has not let in the others of its connection."""
    rules = (AccessRule(number=1, action="allow", sources=(ONE, STRANGER)),)
    play = stage(behavior={"access_list": AccessList(rules=rules)}, **TRUSTED)
    play.address = STRANGER
    stored(play, "/a")
    play.viewer("filler").asks("/a").gets(200, x_cache="Hit")
    play.address = PROXY
    for _ in range(3):
        play.viewer("proxy").asks("/a", x_forwarded_for=ONE).gets(200, x_cache="Hit")
        play.viewer("proxy").asks("/a", x_forwarded_for=TWO).gets(403)
        play.viewer("proxy").asks("/a").gets(403)
        play.viewer("filler").asks("/a").gets(200, x_cache="Hit")


def test_a_rate_limit_counts_viewers_and_not_the_proxy(stage: Stage) -> None:
    limits = (RateLimit(name="each", requests_per_s=0.01, burst=2),)
    play = stage(behavior={"rate_limits": limits}, **TRUSTED)
    stored(play, "/a")
    play.address = PROXY
    for viewer in (ONE, TWO, PROXY):
        fields = {} if viewer == PROXY else {"x_forwarded_for": viewer}
        for status in (200, 200, 429, 429):
            play.viewer("proxy").asks("/a", **fields).gets(status)
