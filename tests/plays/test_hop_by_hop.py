"""Hop-by-hop: what is meant for one connection goes no further (RFC 9110 §7.6.1), both ways."""

from __future__ import annotations

import pytest

from tests.world.play import Play

HOPS = [
    "keep_alive", "proxy_connection", "te", "trailer", "upgrade", "proxy_authorization",
    "proxy_authenticate", "proxy_authentication_info",
]  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_viewers_do_not_reach_the_origin(rfc: Play, method: str) -> None:
    sent = dict.fromkeys(HOPS, "1")
    rfc.viewer().asks("/a", method, connection="foo, Bar", foo="1", bar="1", baz="1", **sent)
    rfc.origin.hears("/a", baz="1", foo=None, bar=None, connection=None, **dict.fromkeys(HOPS))
    rfc.origin.answers(200, "one")
    rfc.viewer().gets(200)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_origins_do_not_reach_viewers_nor_the_store(rfc: Play, method: str) -> None:
    """RFC 9111 §3.1: nor are they stored."""
    sent = dict.fromkeys(HOPS, "1")
    rfc.viewer().asks("/a", method)
    rfc.origin.answers(
        200, "one", cache="max-age=60", connection="foo, Bar", foo="1", bar="1", baz="1", **sent
    )
    got = [rfc.viewer().gets(200)]
    if method == "GET":
        got.append(rfc.viewer().asks("/a").gets(200, x_cache="Hit"))
    for each in got:
        assert each.field("baz") == "1"
        for name in ("foo", "bar", "connection", *HOPS):
            assert each.field(name.replace("_", "-")) is None, name


@pytest.mark.parametrize("name", ["cache_control", "vary", "etag"])
def test_connection_cannot_take_away_what_everyone_needs(rfc: Play, name: str) -> None:
    """§7.6.1: a sender MUST NOT list fields intended for all recipients."""
    fields = {"cache_control": "max-age=60", "vary": "Foo", "etag": '"1"'}
    rfc.viewer().asks("/a")
    rfc.origin.answers(200, "one", connection=name.replace("_", "-"), **fields)
    assert rfc.viewer().gets(200).field(name.replace("_", "-")) == fields[name]
    rfc.viewer().asks("/a").gets(200, x_cache="Hit")


def test_via_names_every_hop(rfc: Play) -> None:
    """§7.6.3."""
    rfc.viewer().asks("/a")
    rfc.origin.answers(200, "one", cache="max-age=60", via="1.1 inner")
    for result in ("Miss", "Hit"):
        via = rfc.viewer().gets(200, x_cache=result).field("via") or ""
        assert via.startswith("1.1 inner, 1.1 ")
        rfc.viewer().asks("/a")
    rfc.viewer().gets(200)


def test_a_lone_expectation_is_not_passed_on(rfc: Play) -> None:
    """§10.1.1: 100-continue is answered here, where the connection ends."""
    rfc.viewer().asks("/a", expect="100-continue")
    rfc.origin.hears("/a", expect=None)
    rfc.origin.answers(200, "one")
    rfc.viewer().gets(200)
