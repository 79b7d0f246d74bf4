"""Host and port that a viewer named: forwarded, in the key, and in what a write invalidates."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgecache.config.model import (
    CachePolicy,
    HeaderSelection,
    OriginRequestPolicy,
    SemanticsName,
)
from edgecache.rules.invalidation.items import ItemKind
from tests.world.play import Play

Stage = Callable[..., Play]
BY_HOST = CachePolicy(headers=HeaderSelection(behavior="whitelist", items=("Host",)))
CACHE = "max-age=60"


@pytest.mark.parametrize("semantics", ["rfc9111", "cloudfront"])
@pytest.mark.parametrize("regional", [False, True])
def test_the_port_reaches_the_origin_and_makes_another_object(
    stage: Stage, semantics: SemanticsName, regional: bool
) -> None:
    """RFC 9110 §7.2: Host is the target URI's authority, of which redirects are made."""
    play = stage(semantics=semantics, regional=regional, policy=BY_HOST)
    for named, forwarded in (
        ("site.test:8080", "site.test:8080"),
        ("site.test:9090", "site.test:9090"),
        ("SITE.test.:080", "site.test"),  # http's own (RFC 9110 §4.2.3)
    ):
        play.viewer().asks("/a", host=named)
        play.origin.hears("/a", host=forwarded)
        play.origin.answers(200, forwarded, cache=CACHE)
        play.viewer().gets(200, forwarded)
        play.viewer().asks("/a", host=named).gets(200, forwarded)
    play.viewer().asks("/a").gets(200, "site.test")
    play.origin.hears_nothing()


@pytest.mark.parametrize(
    ("named", "proto", "forwarded"),
    [
        ("site.test:443", "https", "site.test"),
        ("site.test:80", "https", "site.test:80"),
        ("site.test:443", "http", "site.test:443"),
    ],
)
def test_the_default_port_is_that_of_the_scheme_the_viewer_used(
    rfc: Play, named: str, proto: str, forwarded: str
) -> None:
    rfc.viewer().asks("/a", host=named, x_forwarded_proto=proto)
    rfc.origin.hears("/a", host=forwarded)
    rfc.origin.answers(200, "a")
    rfc.viewer().gets(200)


@pytest.mark.parametrize("regional", [False, True])
@pytest.mark.parametrize(
    ("named", "keyed", "forwarded"),
    [
        ("site.test:443", False, "site.test:443"),
        ("site.test:80", False, "site.test"),
        ("site.test:443", True, "site.test"),
        ("site.test:80", True, "site.test:80"),
    ],
)
def test_all_tiers_read_one_authority_whatever_scheme_a_viewer_claims(
    stage: Stage, regional: bool, named: str, keyed: bool, forwarded: str
) -> None:
    """What is not forwarded bears on no port: else one viewer's port is in another's redirect."""
    names = ("Host", "X-Forwarded-Proto") if keyed else ("Host",)
    policy = CachePolicy(headers=HeaderSelection(behavior="whitelist", items=names))
    play = stage(semantics="cloudfront", regional=regional, policy=policy)
    proto = {"x_forwarded_proto": "https"}
    play.viewer("a").asks("/a", host=named, **proto)
    play.origin.hears("/a", host=forwarded)
    play.origin.answers(301, "", cache=CACHE, location=f"http://{forwarded}/b")
    play.viewer("a").gets(301)
    play.viewer("b").asks("/a", host=forwarded, **proto)
    assert play.viewer("b").gets(301, x_cache="Hit").field("location") == f"http://{forwarded}/b"
    other = "site.test:8080" if forwarded == "site.test" else "site.test"
    play.viewer("c").asks("/a", host=other, **proto)
    play.origin.hears("/a", host=other)
    play.origin.answers(301, "", cache=CACHE, location=f"http://{other}/b")
    assert play.viewer("c").gets(301, x_cache="Miss").field("location") == f"http://{other}/b"


@pytest.mark.parametrize(("cached", "forwarded"), [(True, "site.test"), (False, "site.test:81")])
def test_a_port_that_is_not_in_the_key_reaches_no_origin_for_others(
    stage: Stage, cached: bool, forwarded: str
) -> None:
    """Else one viewer would choose the port in everybody's redirects."""
    every = OriginRequestPolicy(headers=HeaderSelection(behavior="allViewer"))
    policy = CachePolicy() if cached else CachePolicy(ttl_s_max=0, ttl_s_default=0)
    play = stage(policy=policy, request_policy=every)
    play.viewer().asks("/a", host="site.test:81")
    play.origin.hears("/a", host=forwarded)
    play.origin.answers(200, "a")
    play.viewer().gets(200)


def test_a_write_removes_what_is_stored_of_its_own_port(rfc: Play) -> None:
    """RFC 9111 §4.4: of the target URI, and of those that Location names at the same origin."""
    for host in ("site.test:8080", "site.test"):
        for target in ("/a", "/b"):
            rfc.viewer().asks(target, host=host)
            rfc.origin.hears(target)
            rfc.origin.answers(200, "old", cache=CACHE)
            rfc.viewer().gets(200)
    rfc.viewer("w").asks("/a", "POST", "x", host="site.test:8080")
    rfc.origin.hears("/a")
    rfc.origin.answers(201, "", location="http://site.test:8080/b")
    rfc.viewer("w").gets(201)
    for target in ("/a", "/b"):
        rfc.viewer().asks(target).gets(200, "old")
        rfc.viewer().asks(target, host="site.test:8080")
        rfc.origin.hears(target)
        rfc.origin.answers(200, "new", cache=CACHE)
        rfc.viewer().gets(200, "new")


@pytest.mark.parametrize(
    ("named", "gone"),
    [("site.test", ["site.test", "site.test:8080"]), ("site.test:8080", ["site.test:8080"])],
)
def test_invalidation_by_host_names_one_port_or_all(rfc: Play, named: str, gone: list[str]) -> None:
    for host in ("site.test:8080", "site.test"):
        rfc.viewer().asks("/a", host=host)
        rfc.origin.hears("/a")
        rfc.origin.answers(200, "old", cache=CACHE)
        rfc.viewer().gets(200)
    rfc.operator.invalidates(items=((ItemKind.HOST, named),))
    for host in ("site.test:8080", "site.test"):
        rfc.viewer().asks("/a", host=host)
        if host in gone:
            rfc.origin.hears("/a")
            rfc.origin.answers(200, "new", cache=CACHE)
        rfc.viewer().gets(200, "new" if host in gone else "old")
