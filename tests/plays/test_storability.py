"""Storing: what a shared cache may keep, of whom, and which fields of it. RFC 9111 §3."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.world.play import Play

AUTH = {"authorization": "Basic eDp5"}


def asks_twice(play: Play, status: int, asked: dict[str, str], **told: str) -> bool:
    """Whether the second of two like requests is answered from the store."""
    play.viewer().asks("/a", **asked)
    play.origin.hears("/a", **asked)
    play.origin.answers(status, "one", **told)
    play.viewer().gets(status, "one")
    play.viewer().asks("/a", **asked)
    kept = play.viewer().got() is not None
    if not kept:
        play.origin.answers(status, "one", **told)
    play.viewer().gets(status, "one")
    return kept


ROWS: list[tuple[str, int, dict[str, str], dict[str, str], bool]] = [
    # section, status, request, response, kept?
    ("§3", 200, {}, {"cache_control": "max-age=9"}, True),
    ("§3", 200, {}, {"cache_control": "max-age=9, no-store"}, False),
    ("§3", 200, {}, {"cache_control": "max-age=9, private"}, False),
    ("§3", 200, {}, {"cache_control": 'max-age=9, private="Foo"'}, True),
    ("§3", 200, {}, {"cache_control": "NO-STORE, max-age=9"}, False),
    ("§3.5", 200, AUTH, {"cache_control": "max-age=9"}, False),
    ("§3.5", 200, AUTH, {"cache_control": "max-age=9, public"}, True),
    ("§3.5", 200, AUTH, {"cache_control": "s-maxage=9"}, True),
    ("§3.5", 200, AUTH, {"cache_control": "max-age=9, must-revalidate"}, True),
    ("§3.5", 200, AUTH, {"cache_control": "max-age=9, proxy-revalidate"}, False),
    ("§5.2.2.3", 200, {}, {"cache_control": "max-age=9, no-store, must-understand"}, True),
    ("§5.2.2.3", 499, {}, {"cache_control": "max-age=9, must-understand"}, False),
    ("§5.2.2.3", 499, {}, {"cache_control": "max-age=9"}, True),
    ("§4.2.2", 200, {}, {"last_modified": "Tue, 05 Jan 2027 08:00:00 GMT"}, True),
    ("§4.2.2", 500, {}, {"last_modified": "Tue, 05 Jan 2027 08:00:00 GMT"}, False),
    ("§4.2.2", 404, {}, {"last_modified": "Tue, 05 Jan 2027 08:00:00 GMT"}, True),
    ("RFC 9213 §2.2", 200, {},
     {"cache_control": "no-store", "cdn_cache_control": "max-age=9"}, True),
    ("RFC 9213 §2.2", 200, {},
     {"cache_control": "max-age=9", "cdn_cache_control": "no-store"}, False),
    ("RFC 9213 §2.1", 200, {},
     {"cache_control": "max-age=9", "cdn_cache_control": "no-store;;"}, True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "asked", "told", "kept"),
    [row[1:] for row in ROWS],
    ids=[f"{row[0]} {number}" for number, row in enumerate(ROWS)],
)
def test_what_is_kept(
    rfc: Play, status: int, asked: dict[str, str], told: dict[str, str], kept: bool
) -> None:
    assert asks_twice(rfc, status, asked, **told) is kept


def test_what_needed_no_credentials_answers_those_who_have_them(rfc: Play) -> None:
    """§3.5 speaks of storing; what was stored for all is for these viewers too."""
    rfc.viewer().asks("/a")
    rfc.origin.answers(200, "one", cache="max-age=9")
    rfc.viewer().gets(200)
    rfc.viewer().asks("/a", **AUTH).gets(200, "one", x_cache="Hit")


@pytest.mark.parametrize("directive", ["private", "no-cache"])
@pytest.mark.parametrize("names", ['"Foo, Set-Cookie"', '"foo,set-cookie"'])
def test_named_fields_are_for_the_first_viewer_only(rfc: Play, directive: str, names: str) -> None:
    """§5.2.2.4, §5.2.2.7: they MUST NOT be stored, or not sent without validation."""
    rfc.viewer("a").asks("/a")
    rfc.viewer("b").asks("/a")
    rfc.origin.hears("/a")
    rfc.origin.answers(
        200, "one", cache=f"max-age=9, {directive}={names}", foo="1", set_cookie="a=b", bar="1"
    )
    rfc.origin.hears_nothing()
    first = rfc.viewer("a").gets(200)
    assert (first.field("foo"), first.field("set-cookie")) == ("1", "a=b")
    for name in ("b", "c"):
        if name == "c":
            rfc.viewer(name).asks("/a")
        later = rfc.viewer(name).gets(200, "one", x_cache="Hit")
        assert (later.field("foo"), later.field("set-cookie"), later.field("bar")) == (
            None, None, "1",
        )  # fmt: skip


def test_named_fields_of_a_304_are_for_who_asked_for_it(rfc: Play) -> None:
    """§5.2.2.4, §5.2.2.7 hold for what updates a stored response, too."""
    cache = 'max-age=9, private="Foo"'
    rfc.viewer().asks("/a")
    rfc.origin.answers(200, "one", cache=cache, etag='"1"', foo="1")
    rfc.viewer().gets(200)
    rfc.advance(10)
    rfc.viewer().asks("/a")
    rfc.origin.answers(304, "", cache=cache, etag='"1"', foo="2")
    assert rfc.viewer().gets(200, "one", x_cache="RefreshHit").field("foo") == "2"
    assert rfc.viewer().asks("/a").gets(200, x_cache="Hit").field("foo") is None


@pytest.mark.parametrize("cache", ["no-store", "private"])
def test_a_304_may_end_it(rfc: Play, cache: str) -> None:
    """§3: what the origin now says must not be kept is not kept."""
    rfc.viewer().asks("/a")
    rfc.origin.hears("/a")
    rfc.origin.answers(200, "one", cache="max-age=9", etag='"1"')
    rfc.viewer().gets(200)
    rfc.advance(10)
    rfc.viewer().asks("/a")
    rfc.origin.hears("/a", if_none_match='"1"')
    rfc.origin.answers(304, cache=cache, etag='"1"')
    got = rfc.viewer().gets(200, "one", x_cache="RefreshHit")
    assert "stored" not in (got.field("cache-status") or "")
    rfc.viewer().asks("/a")
    rfc.origin.hears("/a", if_none_match=None)
    rfc.origin.answers(200, "two")
    rfc.viewer().gets(200, "two", cache_status="fwd=uri-miss")


def test_own_targets_count_in_their_order(stage: Callable[..., Play]) -> None:
    """RFC 9213 §2.2: the first of the target list that is there and valid."""
    targets = ("Edgecache-Cache-Control", "CDN-Cache-Control")
    play = stage(semantics="rfc9111", site={"cache_control_targets": targets})
    play.viewer().asks("/a")
    play.origin.answers(
        200, "one", cache="no-store", edgecache_cache_control="max-age=9",
        cdn_cache_control="max-age=1",
    )  # fmt: skip
    play.viewer().gets(200)
    play.advance(8)
    play.viewer().asks("/a").gets(200, "one", cache_status="; hit; ttl=1")
    play.viewer().asks("/b")
    play.origin.answers(
        200, "one", cache="no-store", edgecache_cache_control="?",
        cdn_cache_control="max-age=3",
    )  # fmt: skip
    play.viewer().gets(200)
    play.viewer().asks("/b").gets(200, "one", cache_status="; hit; ttl=3")


def test_with_no_targets_cache_control_is_all_there_is(stage: Callable[..., Play]) -> None:
    play = stage(semantics="rfc9111", site={"cache_control_targets": ()})
    play.viewer().asks("/a")
    play.origin.answers(200, "one", cache="max-age=3", cdn_cache_control="max-age=9")
    play.viewer().gets(200)
    play.viewer().asks("/a").gets(200, "one", cache_status="; hit; ttl=3")


def test_targeted_control_reaches_the_tier_in_front(stage: Callable[..., Play]) -> None:
    """RFC 9213 §2.2: every cache of ours reads it."""
    targets = ("Edgecache-Cache-Control",)
    play = stage(semantics="rfc9111", regional=True, site={"cache_control_targets": targets})
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "one", cache="no-store", edgecache_cache_control="max-age=9")
    play.viewer().gets(200)
    play.viewer().asks("/a").gets(200, "one", cache_status="LHR50; hit; ttl=9")
