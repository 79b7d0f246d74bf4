"""Redirects: where they lead, and that no viewer has a say in the host."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgecache.config.listen import ViewerPorts
from edgecache.config.viewer_rules import Redirect
from edgecache.http.head import parse_request_head
from edgecache.http.message import BadMessage, HeadLimits, Request
from edgecache.rules.viewer.redirects import compile_redirects, redirection
from tests.rules.pieces import asks

PORTS = ViewerPorts(8080, 8443)


def sent(request: Request, *rules: Redirect) -> tuple[int, str] | None:
    got = redirection(request, compile_redirects(rules), PORTS)
    return None if got is None else (got.status, got.location.decode())


WWW: dict[str, Any] = {"to_host": "www.site.test"}


@pytest.mark.parametrize(
    ("rule", "target", "more", "location"),
    [
        (WWW, "/a?b=c", {}, "http://www.site.test/a?b=c"),
        (WWW, "/a", {"scheme": b"https"}, "https://www.site.test/a"),
        (WWW, "/a", {"host": b"www.site.test"}, None),
        (WWW, "/a", {"port": b"8080"}, "http://www.site.test:8080/a"),  # who named our port
        (WWW, "/a", {"port": b"81"}, "http://www.site.test/a"),  # who named somebody else's
        (WWW, "//evil.test/a", {}, "http://www.site.test//evil.test/a"),
        (WWW, "*", {"method": "OPTIONS"}, "http://www.site.test/"),
        ({**WWW, "query": "drop"}, "/a?b=c", {}, "http://www.site.test/a"),
        ({**WWW, "hosts": ("site.test",)}, "/a", {"host": b"m.site.test"}, None),
        ({**WWW, "path": "/b/*"}, "/a", {}, None),
        ({"to_host": "https://site.test"}, "/a", {}, "https://site.test/a"),
        ({"to_host": "https://site.test"}, "/a", {"scheme": b"https"}, None),
        ({"to_host": "https://site.test:444"}, "/a", {"scheme": b"https"},
         "https://site.test:444/a"),
        (
            {"to_host": "https://site.test:444"}, "/a", {"scheme": b"https", "port": b"444"}, None,
        ),
        ({"to_host": "https://site.test"}, "/a", {"port": b"8080"}, "https://site.test:8443/a"),
        ({"trailing_slash": "add"}, "/a?b", {}, "/a/?b"),
        ({"trailing_slash": "add"}, "/a/", {}, None),
        ({"trailing_slash": "add"}, "/a/b.css", {}, None),
        ({"trailing_slash": "add"}, "/", {}, None),
        ({"trailing_slash": "add"}, "//evil.test", {}, None),  # a file, by its dot
        ({"trailing_slash": "add"}, "//evil", {}, "/evil/"),
        ({"trailing_slash": "remove"}, "//evil.test/", {}, "/evil.test"),
        ({"trailing_slash": "remove"}, "/a/", {}, "/a"),
        ({"trailing_slash": "remove"}, "/", {}, None),
        ({"trailing_slash": "remove"}, "//", {}, None),
        ({"path": "/old/*", "to": "/new/$1"}, "/old/a/b?c", {}, "/new/a/b?c"),
        ({"path": "old/*", "to": "/new/$1"}, "/old/a", {}, "/new/a"),
        ({"path": "/*/p-*", "to": "/$2/$1"}, "/blog/x/p-7", {}, "/7/blog/x"),
        ({"path": "/a?c/*", "to": "/$1"}, "/abc/d", {}, "/d"),
        ({"path": "/old/*", "to": "/new?id=$1"}, "/old/a&b=c+d", {}, "/new?id=a%26b%3Dc%2Bd"),
        ({"path": "/old/*", "to": "/new?id=$1"}, "/old/7?x=1", {}, "/new?id=7&x=1"),
        ({"path": "/*", "to": "/$1"}, "//evil.test/", {}, None),  # it is there already
        ({"path": "/go/*", "to": "/$1"}, "/go//evil.test", {}, "/evil.test"),
        ({"path": "/go*", "to": "/$1"}, "/go//evil.test", {}, "/evil.test"),
        ({"path": "/go/*", "to": "/$1"}, "/go/..//evil.test", {}, None),
        ({"path": "/go/*", "to": "/x$1"}, "/go/%0d%0aSet-Cookie:a", {}, "/x%0d%0aSet-Cookie:a"),
        ({"path": "/go/*", "to": "/$1"}, "/go/%5cevil.test", {}, "/%5cevil.test"),
        ({"path": "/go/*", "to": "/x/$1"}, "/go/\xe9\"<>", {}, "/x/%E9%22%3C%3E"),
        ({"path": "/s/*", "to": "https://s.test/$1"}, "/s/a?b", {}, "https://s.test/a?b"),
        ({"path": "/s/*", "to": "https://s.test:444/$1"}, "/s/@evil.test", {},
         "https://s.test:444/@evil.test"),
        ({"path": "/s*", "to": "https://s.test/$1"}, "/s.evil.test/", {},
         "https://s.test/.evil.test/"),
        ({"path": "/a", "to": "/a"}, "/a", {}, None),
        ({"path": "/a", "to": "/a", "query": "drop"}, "/a?b", {}, "/a"),
        ({"path": "/a", "to": "http://site.test/a"}, "/a", {}, None),
    ],
)  # fmt: skip
def test_where_it_leads(
    rule: dict[str, Any], target: str, more: dict[str, Any], location: str | None
) -> None:
    got = sent(asks(target, **more), Redirect(**rule))
    assert (None if got is None else got[1]) == location


@pytest.mark.parametrize(
    ("status", "method", "given"),
    [
        (301, "GET", 301), (301, "HEAD", 301), (301, "POST", 308), (302, "PUT", 307),
        (302, "GET", 302), (303, "POST", 303), (307, "GET", 307), (308, "DELETE", 308),
    ],
)  # fmt: skip
def test_a_method_stays_what_it_was(status: int, method: str, given: int) -> None:
    got = sent(asks(method=method), Redirect(to_host="www.site.test", status=status))
    assert got is not None
    assert got[0] == given


def test_the_first_that_leads_elsewhere_counts() -> None:
    rules = (Redirect(**WWW), Redirect(path="/a", to="/b"), Redirect(path="/*", to="/c/$1"))
    assert sent(asks("/a", host=b"www.site.test"), *rules) == (301, "/b")
    got = redirection(asks("/x", host=b"www.site.test"), compile_redirects(rules), PORTS)
    assert got is not None
    assert got.index == 2


RULES = (
    [Redirect(to_host="www.site.test")],
    [Redirect(to_host="https://www.site.test")],
    [Redirect(trailing_slash="add")],
    [Redirect(trailing_slash="remove")],
    [Redirect(path="/*", to="/$1", query="drop")],
    [Redirect(path="*", to="/x?y=$1")],
    [Redirect(path="/*/*", to="/$2/$1")],
    [Redirect(path="/*", to="https://www.site.test/$1")],
    [Redirect(path="/*a*", to="/$1$2")],
)
HOSTILE = st.lists(
    st.sampled_from(
        ["/", "//", "\\", "evil.test", "%5c", "%2f", "..", ".", "@", ":", ";", "?", "#", "%0d%0a",
         "\t", "%09", "%", "a", "http:", "https://evil.test", "\xe9", "%u2215", "&", "=", "$1", "*"]
    )
)  # fmt: skip


@given(
    pieces=HOSTILE, rules=st.sampled_from(RULES), host=st.sampled_from(["site.test", "evil.test"])
)
@example(pieces=["/", "/", "evil.test"], rules=RULES[2], host="site.test")
def test_no_viewer_chooses_the_host(pieces: list[str], rules: list[Redirect], host: str) -> None:
    """A browser that follows goes to the operator's host, or stays where it was."""
    target = "/" + "".join(pieces)
    head = f"GET {target} HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Host: evil.test\r\n\r\n"
    try:
        request = parse_request_head(
            head.encode("latin-1"), HeadLimits(32_768, 8_192, 100), b"http", ("192.0.2.1", 1)
        )
    except BadMessage:
        return
    got = sent(request, *rules)
    if got is None:
        return
    location = got[1]
    assert re.fullmatch(r"[\x21-\x7e]+", location)
    assert "\\" not in location
    base = "http://stays.test/" + "deep/" * 3
    # Browsers read a backslash as a slash and leave out tabs and line ends (WHATWG URL).
    landed = urlsplit(urljoin(base, re.sub(r"[\t\r\n]", "", location.replace("\\", "/"))))
    assert landed.hostname in ("stays.test", "www.site.test")
    assert landed.scheme in ("http", "https")
