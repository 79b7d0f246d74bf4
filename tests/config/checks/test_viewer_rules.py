"""Viewer rules that cannot be meant are told, each with its place and the way out."""

from __future__ import annotations

import pytest

from edgecache.config.checks.viewer_rules import check_viewer_rules
from edgecache.config.decode import Decoder
from edgecache.config.model import Distribution
from edgecache.config.problems import Problems

ORIGIN = {"id": "o", "domain_name": "origin.test", "custom_headers": {"X-Own": "1"}}


def told(rules: dict[str, object]) -> list[str]:
    problems = Problems()
    table = {
        "id": "E1",
        "aliases": ["site.test", "*.wild.test"],
        "origins": [ORIGIN],
        "default_behavior": {"origin": "o", **rules},
    }
    site = Decoder(problems).read(Distribution, table, "")
    if not problems.found:
        check_viewer_rules(site, site.default_behavior, "b", problems)
    return [str(one) for one in problems.found]


def test_good_rules_pass() -> None:
    redirects = [
        {"to_host": "www.site.test"},
        {"to_host": "https://site.test:8443", "hosts": ["site.test", "a.wild.test"]},
        {"trailing_slash": "add", "status": 308},
        {"path": "/a/*/b-*", "to": "/c/$2?d=$1", "query": "drop"},
        {"path": "/a/*", "to": "https://[::1]:8443/$1"},
    ]
    headers = {"set": {"X-Team": "blue", "X-Forwarded-Proto": "https"}, "remove": ["Cookie"]}
    assert told({"redirects": redirects, "request_headers": headers}) == []


@pytest.mark.parametrize(
    ("redirect", "problem"),
    [
        ({}, "b.redirects[0]: needs one of to, to_host and trailing_slash, and has none"),
        (
            {"to": "/a", "to_host": "a.test"},
            "b.redirects[0]: needs one of to, to_host and trailing_slash, and has to and to_host",
        ),
        ({"to": "/a", "status": 200}, "b.redirects[0].status: 200 is not one of 301,"),
        ({"to": "//evil.test"}, 'b.redirects[0].to: "//evil.test" is neither a path'),
        ({"to": "/\\evil.test"}, "is neither a path with one slash"),
        ({"to": "evil.test/a"}, "is neither a path with one slash nor http(s)://HOST/PATH"),
        ({"to": "https://$1/a", "path": "/*"}, "is neither a path"),
        ({"to": "https://site.test$1", "path": "/*"}, "is neither a path"),
        ({"to": "https://site.test//a"}, "is neither a path"),
        ({"to": "https://user@site.test/a"}, "is neither a path"),
        ({"to": "https://site.test:99999/a"}, "is neither a path"),
        ({"to": "javascript:alert(1)"}, "is neither a path"),
        ({"to": "/a\r\nX: y"}, "has characters no URL has"),
        ({"to": "/a b"}, "has characters no URL has"),
        ({"to": "/a\\b"}, "has characters no URL has"),
        ({"to": "/$a"}, "or a $ without a number"),
        ({"to": "/$1"}, "$1 is no star of path, which has 0"),
        ({"to": "/$2", "path": "/*"}, "$2 is no star of path, which has 1"),
        ({"to": "/$1$1", "path": "/*"}, "$1 stands there twice"),
        ({"to": "/" + "a" * 2_048}, "2049 characters are more than 2048"),
        ({"to": "/a", "path": "/a b"}, 'b.redirects[0].path: "/a b" is not a path pattern'),
        ({"to": "/a", "path": "*" * 10}, "b.redirects[0].path: more than 9 stars"),
        ({"to": "/a", "hosts": ["evil.test"]}, 'hosts[0]: "evil.test" is not a name of this'),
        ({"to_host": "a b"}, 'b.redirects[0].to_host: "a b" is not a host'),
        ({"to_host": "a.test/x"}, "is not a host"),
        ({"to_host": "a.test:8443"}, "is not a host"),  # of which scheme?
        ({"to_host": "$1"}, "is not a host"),
        ({"trailing_slash": "both"}, "is not one of"),
        ({"query": "some"}, "is not one of"),
    ],
)
def test_a_redirect_that_cannot_be_meant(redirect: dict[str, object], problem: str) -> None:
    (found,) = told({"redirects": [redirect]})
    assert problem in found


@pytest.mark.parametrize(
    "name",
    [
        "Host", "Connection", "TE", "Transfer-Encoding", "Content-Length", "Content-Type",
        "Keep-Alive", "Proxy-Authorization", "Upgrade", "Via", "X-Forwarded-For", "CDN-Loop",
        "X-Amz-Cf-Id", "traceparent", "CloudFront-Viewer-Address", "Edgecache-Mark",
        "X-Edgecache-Identity", "Sec-WebSocket-Key", "Expect", "X_Forwarded_For",
        "Range", "If-None-Match", "Origin",
    ],
)  # fmt: skip
def test_what_is_not_a_rules_to_say(name: str) -> None:
    for rules in ({"set": {name: "a"}}, {"remove": [name]}):
        (found,) = told({"request_headers": rules})
        assert "is not a rule's to say" in found


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ({"remove": ["a b"]}, 'b.request_headers.remove[0]: "a b" is not a header\'s name'),
        ({"set": {"X-A": "a\r\nb"}}, "b.request_headers.set.X-A: not a header's value"),
        ({"set": {"X-A": " a"}}, "not a header's value"),
        ({"set": {"X-A": "é"}}, "not a header's value"),
        ({"set": {"X-Own": "2"}}, "is a header of an origin too"),
        ({"set": {"Authorization": "Bearer x"}}, "secret_headers of the origin"),
        ({"set": {"Accept-Encoding": "br"}}, "accept_encoding_gzip"),
        ({"remove": [f"x-{n}" for n in range(31)]}, "31 headers are more than 30"),
    ],
)
def test_headers_that_cannot_be_meant(headers: dict[str, object], problem: str) -> None:
    (found,) = told({"request_headers": headers})
    assert problem in found


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ({"basic_auth": {"file": ""}}, 'b.basic_auth.file: "" is not a path'),
        ({"basic_auth": {"file": "f", "realm": 'a"b'}}, "printable characters without quotes"),
        ({"basic_auth": {"file": "f", "realm": "a\r\nb"}}, "b.basic_auth.realm: "),
        ({"basic_auth": {"file": "f", "realm": ""}}, "b.basic_auth.realm: "),
        ({"basic_auth": {}}, "default_behavior.basic_auth.file: missing"),
        ({"maintenance": {"retry_after_s": 0}}, "0 is outside 1 to 2592000 seconds"),
        ({"maintenance": {"message": "a\nb"}}, "b.maintenance.message: not one line of at most"),
        ({"maintenance": {"message": "a" * 501}}, "not one line of at most 500 characters"),
        ({"purge": {}}, "default_behavior.purge.access_list: missing"),
    ],
)
def test_other_rules_that_cannot_be_meant(rules: dict[str, object], problem: str) -> None:
    (found,) = told(rules)
    assert problem in found
