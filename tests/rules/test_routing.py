"""Routing: CloudFront's path patterns, alternate domain names, RFC 3986 §5.2.4 for matching."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgecache.config.model import Behavior, Config, Distribution, Origin, OriginGroup
from edgecache.http.target import normalized_path
from edgecache.rules.routing import (
    RouteTable,
    compile_routes,
    matched_route,
    pattern,
    route,
)


@pytest.mark.parametrize(
    ("path_pattern", "path", "matches"),
    [
        ("*", "/", True),
        ("*", "/a/b/c", True),
        ("*.jpg", "/x.jpg", True),
        ("*.jpg", "/a/b/c.jpg", True),
        ("*.jpg", "/x.jpg/y", False),
        ("*.jpg", "/x.JPG", False),
        ("*.jpg", "/xjpg", False),
        ("*.jpg", "/.jpg", True),
        ("images/*", "/images/", True),
        ("images/*", "/images/a/b", True),
        ("images/*", "/images", False),
        ("images/*", "/more/images/a", False),
        ("/images/*", "/images/a", True),
        ("a??.txt", "/a12.txt", True),
        ("a??.txt", "/a1.txt", False),
        ("a??.txt", "/a123.txt", False),
        ("a?b", "/a/b", True),
        ("a*b", "/ab", True),
        ("a*b", "/a//b", True),
        ("a.b", "/axb", False),
        ("a+(b)$", "/a+(b)$", True),
        ("a+(b)$", "/aa(b)", False),
        ("*a*a", "/a", False),
        ("*a*a", "/aa", True),
        ("index.html", "/index.html", True),
        ("index.html", "/index.html\n", False),
        ("a*b", "/a\nb", True),
        ("é", "/é", True),
        ("", "/", True),
        ("?", "/", False),
        ("?a", "/a", False),
        ("?a", "/xa", True),
        ("/?a", "/xa", True),
    ],
)
def test_pattern(path_pattern: str, path: str, matches: bool) -> None:
    assert (pattern(path_pattern).fullmatch(path.encode()) is not None) is matches


@given(st.text("ab/?*.", max_size=8), st.text("ab/.", max_size=8))
def test_a_leading_slash_in_a_pattern_makes_no_difference(relative: str, rest: str) -> None:
    path = ("/" + rest).encode()
    bare = relative.lstrip("/")
    assert bool(pattern(bare).fullmatch(path)) == bool(pattern("/" + bare).fullmatch(path))


def glob(path_pattern: str, path: str) -> bool:
    """The same by the definition, one character at a time."""
    if not path_pattern:
        return not path
    if path_pattern[0] == "*":
        return glob(path_pattern[1:], path) or (bool(path) and glob(path_pattern, path[1:]))
    same = bool(path) and path_pattern[0] in ("?", path[0])
    return same and glob(path_pattern[1:], path[1:])


@given(st.text("ab/?*", max_size=8), st.text("ab/", max_size=8))
@example("*ab*b", "ab/ab")
@example("?", "")
def test_pattern_against_its_definition(relative: str, rest: str) -> None:
    path = "/" + rest
    assert bool(pattern("/" + relative).fullmatch(path.encode())) == glob("/" + relative, path)


def test_a_long_path_costs_no_more_than_its_length_times_the_pattern() -> None:
    stars = pattern("/*/img/*/img/*/img/*/img/*/img/*/img/*.jpg")
    assert stars.fullmatch(b"/x" + b"/img" * 2040) is None
    assert stars.fullmatch(b"/x" + b"/img" * 2040 + b"/a.jpg") is not None


@pytest.mark.parametrize(
    ("path", "normalized"),
    [  # RFC 3986 §5.2.4, §5.4; doubled slashes are CloudFront's
        ("/", "/"),
        ("/a/b/c", "/a/b/c"),
        ("/a/b/c/./../../g", "/a/g"),
        ("/mid/content=5/../6", "/mid/6"),
        ("/a/.", "/a/"),
        ("/a/..", "/"),
        ("/a/b/..", "/a/"),
        ("/./g", "/g"),
        ("/../g", "/g"),
        ("/..", "/"),
        ("/.", "/"),
        ("/g.", "/g."),
        ("/.g", "/.g"),
        ("/g..", "/g.."),
        ("/..g", "/..g"),
        ("/a/...", "/a/..."),
        ("//a", "/a"),
        ("/a//b", "/a/b"),
        ("/a///b//", "/a/b/"),
        ("/a//../b", "/b"),
        ("/%2e%2e/a", "/%2e%2e/a"),
        ("*", "*"),
    ],
)
def test_normalized_path(path: str, normalized: str) -> None:
    assert normalized_path(path.encode()) == normalized.encode()


@given(st.text("/.ab%", max_size=24))
@example("/a/../..//./")
def test_normalized_path_is_idempotent_and_never_longer(rest: str) -> None:
    path = ("/" + rest).encode()
    once = normalized_path(path)
    assert normalized_path(once) == once
    assert len(once) <= len(path)
    assert once.startswith(b"/")
    segments = once.split(b"/")[1:]
    assert not {b".", b".."} & set(segments)
    assert b"" not in segments[:-1]


def test_the_first_behavior_that_matches_wins_and_the_default_is_last() -> None:
    site = table_of(behaviors("a/*", "*.jpg", "a/b.jpg")).by_id["E"]
    for path, found in (
        (b"/a/b.jpg", "a/*"),
        (b"/b.jpg", "*.jpg"),
        (b"/c", "default"),
        (b"/x/..//a/y", "a/*"),
        (b"/a/../b", "default"),
        (b"*", "default"),
    ):
        assert route(site, path).behavior.path_pattern == found, path


def test_a_route_is_made_once_for_each_behavior() -> None:
    site = table_of(behaviors("a/*")).by_id["E"]
    assert route(site, b"/a/1") is route(site, b"/a/2")
    assert route(site, b"/a/1").origin.id == "o"


@pytest.mark.parametrize(
    ("host", "found"),
    [
        (b"d1.cloudfront.net", "EXACT"),
        (b"www.example.com", "EXACT"),
        (b"shop.example.com", "WILD"),
        (b"a.b.example.com", "WILD"),
        (b"x.shop.example.com", "DEEP"),
        (b"example.com", None),
        (b"badexample.com", None),
        (b"other.test", None),
        (b"", None),
        (b"off.test", None),
        (b"off.example.com", None),  # a disabled distribution's own, though a wildcard would match
        (b"x.off.example.com", None),
        (b"xoff.example.com", "WILD"),
        (b"d2.cloudfront.net", None),
    ],
)
def test_a_host_finds_its_distribution(host: bytes, found: str | None) -> None:
    table = compile_routes(SITES)
    site = table.site(host)
    assert (site.distribution.id if site else None) == found
    assert set(table.by_id) == {"EXACT", "WILD", "DEEP"}


def test_a_star_answers_to_every_host_no_other_answers_to() -> None:
    table = table_of({"aliases": ("*", "named.test")})
    for host in (b"", b"whatever.test", b"named.test"):
        site = table.site(host)
        assert site is not None
        assert site.distribution.id == "E"


def test_the_star_of_a_disabled_distribution_answers_to_nobody() -> None:
    assert table_of({"aliases": ("*",), "enabled": False}).site(b"whatever.test") is None


def test_a_behavior_of_a_group_is_asked_of_its_first_member() -> None:
    group = OriginGroup(id="g", members=("p", "o"), status_codes=(503,))
    origins = tuple(Origin(id=name, domain_name=f"{name}.test") for name in ("o", "p"))
    site = compile_routes(
        Config(
            distributions=(
                Distribution(
                    id="E",
                    origins=origins,
                    origin_groups=(group,),
                    default_behavior=Behavior(origin="g"),
                    behaviors=(Behavior(origin="o", path_pattern="/one/*"),),
                ),
            )
        )
    ).by_id["E"]
    found = route(site, b"/a")
    assert (found.origin.id, found.group) == ("p", group)
    assert [origin.id for origin in found.origins] == ["p", "o"]
    assert route(site, b"/one/a").group is None


def behaviors(*patterns: str) -> dict[str, Any]:
    return {"behaviors": tuple(Behavior(origin="o", path_pattern=one) for one in patterns)}


def distribution(name: str, **more: Any) -> Distribution:
    default = Behavior(origin="o", path_pattern="default")
    origins = (Origin(id="o", domain_name="origin.test"),)
    return Distribution(id=name, origins=origins, default_behavior=default, **more)


def table_of(more: dict[str, Any]) -> RouteTable:
    return compile_routes(Config(distributions=(distribution("E", **more),)))


SITES = Config(
    distributions=(
        distribution("WILD", aliases=("*.example.com",)),
        distribution("EXACT", domain_name="D1.cloudfront.net", aliases=("WWW.example.com",)),
        distribution("DEEP", aliases=("*.shop.example.com",)),
        distribution(
            "OFF",
            domain_name="d2.cloudfront.net",
            aliases=("off.test", "off.example.com", "*.off.example.com"),
            enabled=False,
        ),
    )
)


PRIVATE_SITE = Distribution(
    id="E1",
    aliases=("h",),
    origins=(Origin(id="o", domain_name="o.test"),),
    behaviors=(
        Behavior(origin="o", path_pattern="/public/*"),
        Behavior(origin="o", path_pattern="/private/*", trusted_native_keys=("k",)),
        Behavior(origin="o", path_pattern="/staff/*", trusted_native_keys=("l",)),
        Behavior(origin="o", path_pattern="/index.html", trusted_native_keys=("k",)),
    ),
    default_behavior=Behavior(origin="o"),
    default_root_object="index.html",
)
REFUSED = "400"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/private/a", "/private/*"),
        ("/private%2Fa", "/private/*"),
        ("/private%2fa", "/private/*"),
        ("/%70rivate/a", "/private/*"),
        ("/private%252Fa", "/private/*"),
        ("/private%25252Fa", "/private/*"),
        ("/private\\a", "/private/*"),
        ("/private%5Ca", "/private/*"),
        ("/private;x/a", "/private/*"),
        ("/private;x=1%2F/a", "/private/*"),
        ("/private;x%2Fy/%61", "/private/*"),
        ("/private%3Bx/a", "/private/*"),
        ("//private/a", "/private/*"),
        ("/private%C0%AFa", "/private/*"),
        ("/private%E0%80%AFa", "/private/*"),
        ("/private%EF%BC%8Fa", "/private/*"),
        ("/private%u002Fa", "/private/*"),
        ("/private%2Fa%3Fb", "/private/*"),
        ("//", "/index.html"),
        ("/index.html%3F", "/index.html"),
        ("/public%2Fa", "*"),
        ("/public/%61", "/public/*"),
        ("/public/a%20b;c=d", "/public/*"),
        ("/public/private%252Fa", "/public/*"),
        ("/a%ZZ", "*"),
        ("/caf%C3%A9/100%25", "*"),
        ("/...;/a..b/.well-known", "*"),
        ("/public/../private/a", REFUSED),
        ("/private/../public/a", REFUSED),
        ("/public/./a", REFUSED),
        ("/public/..%2Fprivate/a", REFUSED),
        ("/public/%2e%2e/private/a", REFUSED),
        ("/public/%252e%252e/private/a", REFUSED),
        ("/public/%25252525252e/private/a", REFUSED),
        ("/public/..\\private/a", REFUSED),
        ("/x/..%5cprivate/a", REFUSED),
        ("/public/..;/private/a", REFUSED),
        ("/public/..;a=b/private/a", REFUSED),
        ("/public/..%3B/private/a", REFUSED),
        ("/public/..%00/private/a", REFUSED),
        ("/public/.%00./private/a", REFUSED),
        ("/public/.%09./private/a", REFUSED),
        ("/public/..%20/private/a", REFUSED),
        ("/public/%C0%AE%C0%AE/private/a", REFUSED),
        ("/public/%F0%80%80%AE./private/a", REFUSED),
        ("/public/..%C1%9Cprivate/a", REFUSED),
        ("/public/%u002e%u002e/private/a", REFUSED),
        ("/public/%EF%BC%8E%EF%BC%8E/private/a", REFUSED),
        ("/public/..%3Fa", REFUSED),
        ("/public/..%23a", REFUSED),
        ("/private/a%00", REFUSED),
        ("/private;/staff/..;/a", REFUSED),
        ("/private;%2F..%2Fstaff/a", REFUSED),
        ("/staff%2Fa;/../b", REFUSED),
        ("/%" + "25" * 20 + "2e", REFUSED),  # encoded more often than anybody means it
    ],
)
def test_no_reading_of_a_path_is_a_way_around_a_signature(path: str, expected: str) -> None:
    site = compile_routes(Config(distributions=(PRIVATE_SITE,)), {"k": "1" * 32}).site(b"h")
    assert site is not None
    found = matched_route(site, path.encode())
    assert (REFUSED if found is None else found.behavior.path_pattern) == expected


def test_readings_under_different_signers_are_refused() -> None:
    behaviors = (
        Behavior(origin="o", path_pattern="/a/*%2F*", trusted_native_keys=("k",)),
        Behavior(origin="o", path_pattern="/a/b/*", trusted_native_keys=("l",)),
    )
    config = Config(distributions=(distribution("E", behaviors=behaviors),))
    site = compile_routes(config, {"k": "1" * 32, "l": "2" * 32}).by_id["E"]
    assert matched_route(site, b"/a/b%2Fc") is None
    found = matched_route(site, b"/a/c%2Fc")
    assert found is not None
    assert found.behavior.path_pattern == "/a/*%2F*"


def test_where_nothing_is_private_no_path_is_refused() -> None:
    site = table_of(behaviors("a/*")).by_id["E"]
    for path in (b"/x/..;/a", b"/..%2f", b"/a\\..\\b", b"/%252e%252e/", b"/%00"):
        assert matched_route(site, path) is route(site, path)
