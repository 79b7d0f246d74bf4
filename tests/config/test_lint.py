"""Warnings: what is legal and hardly meant, each with its exact place."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from edgecache.config.lint import covers, lint
from edgecache.config.model import Config

ORIGIN: dict[str, Any] = {"id": "web", "domain_name": "o.test"}
OAC = {"id": "E1"}
D = "distributions[0].default_behavior"


def places(default: dict[str, Any] | None = None, **more: Any) -> list[str]:
    whole = {name: more.pop(name, []) for name in ("locations", "origin_access_controls")}
    whole |= {"bucket": more.pop("bucket", None)}
    site = {
        "id": "E1",
        "origins": [ORIGIN],
        "default_behavior": {"origin": "web"} | (default or {}),
    }
    table = {"distributions": [site | more], **whole}
    return [problem.where for problem in lint(msgspec.convert(table, Config))]


ALL = {"behavior": "all"}
CORS = {"cors": {"allow_origins": ["*"], "allow_methods": ["GET"]}}
TLS = [{"name": "L", "listen": "127.0.0.1:1", "listen_tls": "127.0.0.1:2"}]
BUCKET = {"listen": "127.0.0.1:8070", "folder": "f"}
SENT_HOST = {
    "aliases": ["localhost", "a.test"],
    "origins": [{"id": "web", "domain_name": "127.0.0.1", "http_port": 8070}],
    "default_behavior": {
        "origin": "web",
        "cache_policy": {"headers": {"behavior": "whitelist", "items": ["Host"]}},
    },
}
DENIED = {"number": 1, "action": "deny", "sources": ["192.0.2.0/24"]}
WITH_OPTIONS = ["GET", "HEAD", "OPTIONS"]


@pytest.mark.parametrize(
    ("location", "warned"),
    [
        ({"listen_tls": "127.0.0.1:2"}, False),
        ({"protocols": ["http1.1", "h2c"]}, False),
        ({}, True),
    ],
)
def test_calls_of_grpc_come_by_http2(location: dict[str, Any], warned: bool) -> None:
    found = places({"grpc": True}, locations=[{"name": "L", "listen": "127.0.0.1:1"} | location])
    assert (f"{D}.grpc" in found) is warned


@pytest.mark.parametrize(
    ("default", "expected"),
    [
        ({}, []),
        (
            {
                "cache_policy": {
                    "ttl_s_min": 1,
                    "headers": {"behavior": "whitelist", "items": ["Authorization"]},
                }
            },
            [f"{D}.cache_policy.ttl_s_min"],
        ),
        ({"compress": True}, [f"{D}.compress"]),
        ({"compress": True, "cache_policy": {"accept_encoding_gzip": True}}, []),
        ({"compress": True, "cache_policy": {"accept_encoding_brotli": True}}, []),
        (
            {
                "compress": True,
                "cache_policy": {"ttl_s_max": 0, "ttl_s_default": 0, "accept_encoding_gzip": True},
            },
            [f"{D}.compress"],
        ),
        ({"cache_policy": {"cookies": ALL}}, [f"{D}.cache_policy.cookies"]),
        (
            {"cache_policy": {"cookies": ALL, "ttl_s_max": 0, "ttl_s_default": 0}},
            [],
        ),
        ({"origin_request_policy": {"cookies": ALL}}, [f"{D}.origin_request_policy.cookies"]),
        (
            {"origin_request_policy": {"headers": {"behavior": "allViewer"}}},
            [f"{D}.origin_request_policy.headers"],
        ),
        ({"response_headers_policy": CORS}, [f"{D}.allowed_methods"]),
        (
            {
                "response_headers_policy": {
                    "cors": {"allow_origins": ["*"], "allow_credentials": True}
                }
            },
            [f"{D}.response_headers_policy.cors.allow_credentials"],
        ),
        (
            {
                "response_headers_policy": {
                    "cors": {"allow_origins": ["a.test"], "allow_credentials": True}
                }
            },
            [],
        ),
        (
            {"response_headers_policy": CORS, "allowed_methods": WITH_OPTIONS},
            [f"{D}.cached_methods"],
        ),
        (
            {
                "response_headers_policy": CORS,
                "allowed_methods": WITH_OPTIONS,
                "cached_methods": WITH_OPTIONS,
            },
            [],
        ),
        ({"forwarded_values": {"headers": ["*"]}}, [f"{D}.forwarded_values.headers"]),
        ({"basic_auth": {"file": "f"}}, [f"{D}.basic_auth"]),
        ({"basic_auth": {"file": "f"}, "viewer_protocol_policy": "https-only"}, []),
        (
            {"purge": {"access_list": {"default": "allow", "rules": [DENIED]}}},
            [f"{D}.purge", f"{D}.purge.access_list.default", f"{D}.purge"],
        ),
    ],
)
def test_behaviors(default: dict[str, Any], expected: list[str]) -> None:
    assert places(default) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"aliases": ["a.test"]}, []),
        ({"aliases": ["a.test"], "locations": TLS}, ["distributions[0].aliases"]),
        ({"aliases": ["a.localhost", "127.0.0.1"], "locations": TLS}, []),
        ({"origins": [ORIGIN, ORIGIN | {"id": "spare"}]}, ["distributions[0].origins[1]"]),
        (
            {"origins": [ORIGIN | {"access_control_id": "E1"}], "origin_access_controls": [OAC]},
            ["distributions[0].origins[0].protocol_policy"],
        ),
        (
            {"origins": [ORIGIN | {"access_control_id": "E1", "protocol_policy": "https-only"}]},
            ["distributions[0].origins[0].access_control_id"],
        ),
        (
            {"origins": [ORIGIN | {"secret_headers": {"x-a": "env:V"}}]},
            ["distributions[0].origins[0].secret_headers"],
        ),
        (
            {
                "behaviors": [
                    {"path_pattern": "/a/*", "origin": "web"},
                    {"path_pattern": "a/b?.*", "origin": "web"},
                ]
            },
            ["distributions[0].behaviors[1].path_pattern"],
        ),
        ({"behaviors": [{"path_pattern": "*", "origin": "web"}]}, [D]),
        (SENT_HOST | {"bucket": BUCKET}, [f"{D}.origin"]),
        (SENT_HOST | {"bucket": BUCKET | {"hosts": ["A.test"]}}, []),
        (SENT_HOST | {"bucket": BUCKET | {"listen": "127.0.0.1:8071"}}, []),
        (SENT_HOST | {"bucket": BUCKET, "default_behavior": {"origin": "web"}}, []),
    ],
)
def test_distributions(changes: dict[str, Any], expected: list[str]) -> None:
    assert places(**changes) == expected


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("/*", "/a", True),
        ("/*", "/*", True),
        ("/a*", "/*", False),
        ("/?", "/a", True),
        ("/a", "/?", False),
        ("/?", "/*", False),
        ("/*.jpg", "/a/*.jpg", True),
        ("/*.jpg", "/*.jp?", False),
        ("/**", "/a*b?", True),
        ("/a?c*", "/a?cd", True),
        ("/a/*", "/a", False),
    ],
)
def test_what_a_pattern_covers(wide: str, narrow: str, expected: bool) -> None:
    assert covers(wide, narrow) is expected


@pytest.mark.parametrize(
    ("default", "expected"),
    [
        ({"origin_request_policy": {"headers": {"behavior": "allViewer"}, "cookies": ALL}}, []),
        ({"compress": True, "cache_policy": {"accept_encoding_gzip": True}}, [f"{D}.compress"]),
    ],
)
def test_under_rfc9111_other_things_are_hardly_meant(
    default: dict[str, Any], expected: list[str]
) -> None:
    assert places(default, semantics="rfc9111", aliases=["a.test", "b.test"]) == expected


@pytest.mark.parametrize(
    ("control", "warned"),
    [
        ({}, False),
        ({"listen": "127.0.0.1:8090"}, False),
        ({"listen": "[::1]:8090"}, False),
        ({"listen": "localhost:8090"}, False),
        ({"listen": "10.1.2.3:8090"}, False),
        ({"listen": "edgecache:8090"}, False),
        ({"listen": "0.0.0.0:8090"}, True),
        ({"listen": "[::]:8090"}, True),
        ({"listen": "8.8.8.8:8090"}, True),
        ({"listen": "cdn.example.com:8090"}, True),
        ({"listen": "0.0.0.0:8090", "certificate_file": "c", "key_file": "k"}, False),
    ],
)
def test_control_where_strangers_reach_it(control: dict[str, str], warned: bool) -> None:
    found = [problem.where for problem in lint(msgspec.convert({"control": control}, Config))]
    assert found == (["control.listen"] if warned else [])
