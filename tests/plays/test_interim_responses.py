"""Interim responses: passed on before the final one, never stored (RFC 9110 §15.2, RFC 8297)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.world.play import Play


def test_early_hints_reach_the_viewer_who_asked_first(rfc: Play) -> None:
    rfc.viewer().asks("/a")
    rfc.origin.hears("/a")
    rfc.origin.interim(103, link="</a.css>; rel=preload")
    got = rfc.viewer().gets(103)
    assert got.field("link") == "</a.css>; rel=preload"
    rfc.viewer().gets_nothing()
    rfc.origin.answers(200, "one", cache="max-age=60")
    got = rfc.viewer().gets(200, "one", x_cache="Miss")
    assert got.field("link") is None


def test_the_next_viewer_gets_the_final_response_alone(rfc: Play) -> None:
    """RFC 9111 §3: only a final response is stored."""
    rfc.viewer().asks("/a")
    rfc.origin.interim(103, link="</a.css>")
    rfc.origin.interim(103, link="</b.css>")
    rfc.origin.answers(200, "one", cache="max-age=60")
    rfc.viewer().gets(103)
    rfc.viewer().gets(103)
    rfc.viewer().gets(200, "one")
    got = rfc.viewer("b").asks("/a").gets(200, "one", x_cache="Hit")
    assert got.field("link") is None


def test_a_method_that_is_passed_through_has_them_too(rfc: Play) -> None:
    rfc.viewer().asks("/a", "POST", body="x")
    rfc.origin.interim(103, link="</a.css>")
    rfc.origin.answers(200, "done")
    rfc.viewer().gets(103)
    rfc.viewer().gets(200, "done")


def test_http_1_0_knows_none(rfc: Play) -> None:
    """RFC 9110 §15.2: MUST NOT be sent to an HTTP/1.0 client."""
    rfc.viewer().sends(b"GET /a HTTP/1.0\r\nHost: site.test\r\n\r\n")
    rfc.origin.interim(103, link="</a.css>")
    rfc.viewer().gets_nothing()
    rfc.origin.answers(200, "one", cache="max-age=60")
    rfc.viewer().gets(200, "one")


def test_their_hop_by_hop_fields_stay_behind(rfc: Play) -> None:
    """RFC 9110 §7.6.1."""
    rfc.viewer().asks("/a")
    rfc.origin.interim(103, link="</a.css>", connection="foo", foo="1", keep_alive="x")
    rfc.origin.answers(200, "one")
    got = rfc.viewer().gets(103)
    assert (got.field("foo"), got.field("keep-alive"), got.field("connection")) == (None,) * 3
    rfc.viewer().gets(200)


@pytest.mark.parametrize("regional", [False, True], ids=["one-tier", "two-tiers"])
@pytest.mark.parametrize("status", [100, 101, 102, 104, 199])
def test_others_than_early_hints_stay_behind(
    status: int, regional: bool, stage: Callable[..., Play]
) -> None:
    """See docs/decisions: a viewer has nothing of them, and may take them for what they are not."""
    play = stage(regional=regional)
    play.viewer().asks("/a")
    play.origin.interim(status, link="</a.css>")
    play.viewer().gets_nothing()
    play.origin.answers(200, "one")
    play.viewer().gets(200, "one")


def test_what_is_ours_to_say_is_not_said_by_them(play: Play) -> None:
    play.viewer().asks("/a")
    play.origin.interim(103, link="</a.css>", edgecache_mark="1", x_edgecache_identity="1")
    play.origin.answers(200, "one")
    got = play.viewer().gets(103)
    assert [name for name, _ in got.head.fields] == [b"link"]
    play.viewer().gets(200)
