"""What a configuration must hold as a whole: tables of what is wrong and the exact words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from edgecache.config.checks.configuration import check
from edgecache.config.model import Config
from edgecache.config.problems import Problems

ORIGIN: dict[str, Any] = {"id": "web", "domain_name": "origin.example"}
SITE: dict[str, Any] = {"id": "E1", "origins": [ORIGIN], "default_behavior": {"origin": "web"}}


def problems(table: dict[str, Any]) -> list[str]:
    collected = Problems()
    check(msgspec.convert(table, Config), collected)
    return [str(problem) for problem in collected.found]


def site(**changes: Any) -> dict[str, Any]:
    return {"distributions": [SITE | changes]}


def behavior(**changes: Any) -> dict[str, Any]:
    return site(behaviors=[{"path_pattern": "/a", "origin": "web"} | changes])


def origin(**changes: Any) -> dict[str, Any]:
    return site(origins=[ORIGIN | changes])


def locations(*listens: str) -> dict[str, Any]:
    places = [{"name": f"L{i}", "listen": listen} for i, listen in enumerate(listens)]
    return {"locations": places, "distributions": [SITE]}


B = "distributions[0].behaviors[0]"
P = "distributions[0].origins[0]"


def many(count: int) -> dict[str, Any]:
    """So many distributions, and control's own probe."""
    ours = [SITE | {"origins": [ORIGIN | {"reach": "own"}]}]
    return {"distributions": [*(SITE | {"id": f"X{n}"} for n in range(count)), *ours]}


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (site(), []),
        ({"brand": "two words"}, ['brand: "two words" is not one word (a token of RFC 9110)']),
        (many(500), []),
        (many(501), ["distributions: 501 are more than 500 (quotas.distributions)"]),
        ({"state_dir": ""}, ['state_dir: "" is not a path']),
        (
            {"locations": [{"name": "A", "listen": "127.0.0.1:1"}]},
            ["distributions: empty, and there is no [control] to add any by its API"],
        ),
        (
            {"locations": [{"name": "A", "listen": "h:1"}], "control": {"listen": "h:2"}},
            [],  # the API makes some
        ),
        (
            locations() | {"locations": [{"name": "A B", "listen": "127.0.0.1:1"}]},
            ['locations[0].name: "A B" is not a name (letters, digits, -)'],
        ),
        (
            locations()
            | {
                "locations": [
                    {"name": "A", "listen": "127.0.0.1:1"},
                    {"name": "A", "listen": "127.0.0.1:2"},
                ]
            },
            ['locations[1].name: "A" names another location too'],
        ),
    ],
)
def test_the_whole(table: dict[str, Any], expected: list[str]) -> None:
    assert problems(table) == expected


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (locations("127.0.0.1:1", "[::1]:1", "localhost:65535"), []),
        (locations("8080"), ['locations[0].listen: "8080" is not HOST:PORT or unix:NAME']),
        (locations("h:0"), ['locations[0].listen: "h:0" has a port outside 1 to 65535']),
        (locations("h:65536"), ['locations[0].listen: "h:65536" has a port outside 1 to 65535']),
        (locations("::1:80"), ['locations[0].listen: "::1:80" is not HOST:PORT or unix:NAME']),
        (
            locations("unix:edge.sock"),
            [
                'locations[0].listen: "unix:edge.sock": only a regional cache listens'
                " on a socket file"
            ],
        ),
        (
            locations("h:1", "h:1"),
            ['locations[1].listen: "h:1" is already taken by locations[0].listen'],
        ),
        (
            locations("0.0.0.0:1") | {"control": {"listen": "127.0.0.1:1"}},
            ['locations[0].listen: "0.0.0.0:1" is already taken by control.listen'],
        ),
        ({"regional": {"listen": "unix:run/r.sock"}}, []),
        ({"regional": {"listen": "127.0.0.1:7000"}}, []),
        (
            {"regional": {"listen": "unix:../r.sock"}},
            ['regional.listen: "unix:../r.sock" is not HOST:PORT or unix:NAME'],
        ),
        (
            {"state_dir": "/" + "d" * 100, "regional": {}},
            [
                'regional.listen: "unix:regional.sock" makes a socket path longer than 107 bytes:'
                f" /{'d' * 100}/regional.sock"
            ],
        ),
    ],
)
def test_addresses(table: dict[str, Any], expected: list[str]) -> None:
    assert problems(table) == expected


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (site(aliases=["*", "*.a.example", "127.0.0.1", "[::1]", "a"]), []),
        (site(id=""), ['distributions[0].id: "" is not an id (letters, digits, - _ .)']),
        (
            {"distributions": [SITE, SITE]},
            ['distributions[1].id: "E1" is another distribution\'s too'],
        ),
        (
            {
                "distributions": [
                    SITE | {"aliases": ["a.example"]},
                    SITE | {"id": "E2", "aliases": ["A.example"]},
                ]
            },
            ['distributions[1].aliases[0]: "A.example" is already distributions[0].aliases[0]'],
        ),
        (
            site(domain_name="d.example", aliases=["d.example"]),
            ['distributions[0].aliases[0]: "d.example" is already distributions[0].domain_name'],
        ),
        (
            site(aliases=["a.example:80"]),
            [
                'distributions[0].aliases[0]: "a.example:80" is not a host name,'
                ' "*.name" or "*" (without port)'
            ],
        ),
        (
            site(aliases=[f"a{i}" for i in range(101)]),
            ["distributions[0].aliases: 101 are more than 100 (quotas.aliases_per_distribution)"],
        ),
        (
            site(default_root_object="a b.html"),
            [
                "distributions[0].default_root_object: not printable ASCII without blanks of at "
                "most 255 characters"
            ],
        ),
        (
            site(default_root_object="/index.html"),
            ['distributions[0].default_root_object: "/index.html" starts with /'],
        ),
    ],
)
def test_names(table: dict[str, Any], expected: list[str]) -> None:
    assert problems(table) == expected


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (origin(domain_name="unix:/run/app.sock"), []),
        (origin(domain_name="[::1]", path="/a/b", custom_headers={"X-A": "b"}), []),
        (site(origins=[]), ["distributions[0].origins: empty: a distribution needs an origin"]),
        (
            site(origins=[ORIGIN, ORIGIN]),
            ['distributions[0].origins[1].id: "web" is already the id of another origin'],
        ),
        (
            origin(domain_name="http://h"),
            [
                f'{P}.domain_name: "http://h" is not a host name'
                " (leave out the scheme; ports are http_port and https_port)"
            ],
        ),
        (
            origin(domain_name="h:80"),
            [f'{P}.domain_name: "h:80" is not a host name (ports are http_port and https_port)'],
        ),
        (
            origin(domain_name=""),
            [f'{P}.domain_name: "" is not a host name, an address or unix:/path'],
        ),
        (
            origin(domain_name="unix:/s", protocol_policy="https-only"),
            [f'{P}.protocol_policy: a Unix socket is asked with "http-only"'],
        ),
        (origin(path="a"), [f'{P}.path: "a" must start with / and not end so']),
        (origin(path="/a/"), [f'{P}.path: "/a/" must start with / and not end so']),
        (origin(path="/a?b"), [f'{P}.path: "/a?b" has characters no path has']),
        (
            origin(custom_headers={"X-Edgecache-Mark": "x", "edgecache-peer": "x"}),
            [
                f"{P}.custom_headers.X-Edgecache-Mark: not allowed as a custom header",
                f"{P}.custom_headers.edgecache-peer: not allowed as a custom header",
            ],
        ),
        (
            origin(custom_headers={"Host": "x", "X-Amz-A": "x"}),
            [
                f"{P}.custom_headers.Host: not allowed as a custom header",
                f"{P}.custom_headers.X-Amz-A: not allowed as a custom header",
            ],
        ),
        (
            origin(custom_headers={"A": "b\r\nC: d"}),
            [f"{P}.custom_headers.A: not a header's value of at most 1783 characters"],
        ),
        (
            origin(custom_headers={"A B": "c"}),
            [f'{P}.custom_headers: "A B" is not a header\'s name'],
        ),
    ],
)
def test_origins(table: dict[str, Any], expected: list[str]) -> None:
    assert problems(table) == expected


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (behavior(path_pattern="/a*.?pg"), []),
        (behavior(path_pattern="*" * 255), []),
        (
            behavior(path_pattern="*" * 256),
            [f"{B}.path_pattern: 256 characters are outside 1 to 255"],
        ),
        (
            behavior(path_pattern="/a b"),
            [f'{B}.path_pattern: "/a b" has characters CloudFront refuses: " "'],
        ),
        (
            site(
                behaviors=[
                    {"path_pattern": "/a", "origin": "web"},
                    {"path_pattern": "a", "origin": "web"},
                ]
            ),
            [
                'distributions[0].behaviors[1].path_pattern: "a" is already the pattern of'
                " behaviors[0], so this one is never reached"
            ],
        ),
        (
            site(default_behavior={"origin": "web", "path_pattern": "/x"}),
            [
                "distributions[0].default_behavior.path_pattern:"
                ' the default behavior is always for "*"'
            ],
        ),
        (behavior(origin="img"), [f'{B}.origin: "img" is not an origin (known: "web")']),
        (behavior(allowed_methods=["HEAD", "GET", "OPTIONS"]), []),
        (
            behavior(allowed_methods=["GET"]),
            [
                f'{B}.allowed_methods: ["GET"] is not ["GET", "HEAD"] or'
                ' ["GET", "HEAD", "OPTIONS"] or'
                ' ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]'
            ],
        ),
        (
            behavior(cached_methods=["GET", "HEAD", "OPTIONS"]),
            [f'{B}.cached_methods: "OPTIONS" is not in allowed_methods'],
        ),
        (
            behavior(cached_methods=["POST"]),
            [f'{B}.cached_methods: ["POST"] is not ["GET", "HEAD"] or ["GET", "HEAD", "OPTIONS"]'],
        ),
    ],
)
def test_behaviors(table: dict[str, Any], expected: list[str]) -> None:
    assert problems(table) == expected


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({"ttl_s_min": 600, "ttl_s_max": 300}, ["ttl_s_min: 600 is greater than ttl_s_max 300"]),
        (
            {"ttl_s_min": 9, "ttl_s_default": 8},
            ["ttl_s_default: 8 is less than ttl_s_min 9"],
        ),
        (
            {"ttl_s_default": 9, "ttl_s_max": 8},
            ["ttl_s_default: 9 is greater than ttl_s_max 8"],
        ),
        (
            {"headers": {"behavior": "allViewer"}},
            [
                'headers.behavior: "allViewer" is not one of "none", "whitelist"'
                " (the only ones for a cache key)"
            ],
        ),
        (
            {"headers": {"behavior": "whitelist", "items": ["A", "a"]}},
            ['headers.items: named twice: "A", "a"'],
        ),
        ({"cookies": {"behavior": "whitelist", "items": ["A", "a"]}}, []),
        (
            {"headers": {"behavior": "whitelist", "items": ["A:"]}},
            ['headers.items[0]: "A:" is not a header\'s name'],
        ),
        (
            {"cookies": {"behavior": "whitelist"}},
            ['cookies.items: empty, but behavior is "whitelist"'],
        ),
        (
            {"query_strings": {"behavior": "all", "items": ["a"]}},
            ['query_strings.items: not used with behavior "all"'],
        ),
        (
            {"query_strings": {"behavior": "allExcept", "items": ["a b"]}},
            ['query_strings.items[0]: "a b" is not a name'],
        ),
    ],
)
def test_cache_policies(policy: dict[str, Any], expected: list[str]) -> None:
    assert problems(behavior(cache_policy=policy)) == [
        f"{B}.cache_policy.{line}" for line in expected
    ]


def test_some_headers_only_a_cache_policy_forwards() -> None:
    policy = {"headers": {"behavior": "whitelist", "items": ["Accept", "authorization"]}}
    assert problems(behavior(origin_request_policy=policy)) == [
        f'{B}.origin_request_policy.headers.items[1]: "authorization"'
        " can only be forwarded by a cache policy"
    ]
