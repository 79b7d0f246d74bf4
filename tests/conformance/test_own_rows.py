"""Rows of our own beside the public suite: what RFC 9111 and newer suites ask beyond 0.4.5.

Each says which section it is by.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tests.world.play import Play

ONE_DAY_AHEAD = "Sat, 16 Jan 2027 08:00:00"  # of the plays' clock
WEEK = "max-age=604800"


@dataclass(frozen=True)
class Row:
    """A response and whether the next request gets it without the origin being asked."""

    section: str
    fields: dict[str, str]
    reused: bool
    shows: dict[str, str | None] = field(default_factory=dict)  # in both responses
    first: dict[str, str | None] = field(default_factory=dict)  # in the first one


def expires(date: str, *, reused: bool, section: str = "RFC 9111 §5.3") -> Row:
    return Row(section, {"expires": date}, reused)


ROWS = [
    expires(f"{ONE_DAY_AHEAD} GMT", reused=True),
    expires(f"{ONE_DAY_AHEAD} gmt", reused=True, section="RFC 9111 §4.2"),
    expires(f"{ONE_DAY_AHEAD} UTC", reused=False, section="RFC 9111 §4.2"),
    expires(f"{ONE_DAY_AHEAD} +0000", reused=False, section="RFC 9111 §4.2"),
    expires("0", reused=False),
    expires("Saturday, 16-Jan-27 08:00:00 GMT", reused=True, section="RFC 9110 §5.6.7"),
    expires("Saturday, 16-Jan-27 08:00:00 UTC", reused=False, section="RFC 9111 §4.2"),
    Row("RFC 9111 §5.1", {"cache": WEEK, "age": "abc"}, True, first={"age": None}),
    Row("RFC 9111 §5.1", {"cache": WEEK, "age": "-7200"}, True, first={"age": None}),
    Row("RFC 9111 §5.1", {"cache": WEEK, "age": "7200.5"}, True, first={"age": None}),
    Row("RFC 9111 §5.1", {"cache": WEEK, "age": ""}, True, first={"age": None}),
    Row("RFC 9111 §5.1", {"cache": WEEK, "age": "5, 9999999"}, True, first={"age": "5"}),
    Row("RFC 9111 §5.1", {"cache": WEEK, "age": "604800, 0"}, False, first={"age": "604800"}),
    Row(
        "RFC 9111 §1.2.2", {"cache": WEEK, "age": "9" * 40}, False, first={"age": str(2**31)}
    ),
    Row(
        "RFC 9110 §7.6.1",
        {"cache": WEEK, "connection": "Set-Cookie, close", "set_cookie": "a=1"},
        True,
        shows={"set-cookie": None},
    ),
    Row(
        "RFC 9110 §7.6.1",
        {"cache": WEEK, "connection": "X-A", "x_a": "1", "x_b": "2"},
        True,
        shows={"x-a": None, "x-b": "2"},
    ),
    Row("RFC 9213 §2.1", {"cache": "no-store", "cdn_cache_control": "max-age=60"}, True),
    Row("RFC 9213 §2.1", {"cache": WEEK, "cdn_cache_control": "max-age=0"}, False),
    Row("RFC 9213 §2.1", {"cache": "no-store", "cdn_cache_control": "max-age=60, &"}, False),
    Row("RFC 9213 §2.1", {"cache": "no-store", "cdn_cache_control": 'max-age="60"'}, False),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.section} {row.fields}")
def test_what_is_reused(rfc: Play, row: Row) -> None:
    rfc.viewer().asks("/a")
    rfc.origin.hears("/a")
    rfc.origin.answers(200, "one", **row.fields)
    got = rfc.viewer().gets(200, "one")
    for name, value in {**row.shows, **row.first}.items():
        assert got.field(name) == value, name
    rfc.viewer().asks("/a")
    if not row.reused:
        rfc.origin.hears("/a")
        rfc.origin.answers(200, "two")
    got = rfc.viewer().gets(200, "one" if row.reused else "two")
    for name, value in row.shows.items():
        assert got.field(name) == value, name
    rfc.origin.hears_nothing()


@pytest.mark.parametrize("told", ['"new"', 'W/"new"'])
def test_a_304_with_another_validator_updates_nothing(rfc: Play, told: str) -> None:
    """RFC 9111 §4.3.4: it is none of the stored ones, so the whole is asked for."""
    rfc.viewer().asks("/a")
    rfc.origin.hears("/a")
    rfc.origin.answers(200, "old", cache="max-age=1", etag='"old"', x_told="old")
    rfc.viewer().gets(200, "old")
    rfc.advance(2)
    rfc.viewer().asks("/a")
    rfc.origin.hears("/a", if_none_match='"old"')
    rfc.origin.answers(304, etag=told, cache=WEEK, x_told="new")
    rfc.origin.hears("/a", if_none_match=None)
    rfc.origin.answers(200, "new", cache=WEEK, etag=told, x_told="new")
    rfc.viewer().gets(200, "new")
    rfc.viewer().asks("/a").gets(200, "new")


@pytest.mark.parametrize(
    ("name", "old", "new", "given"),
    [
        ("x-told", "a", "b", "b"),
        ("content-type", "text/plain", "text/html", "text/html"),
        ("content-security-policy", "default-src 'self'", "default-src *", "default-src *"),
        ("set-cookie", "a=1", "a=2", "a=2"),
        ("content-length", "3", "10", "3"),
        ("content-encoding", "x-a", "x-b", "x-a"),
        ("content-range", "a", "b", "a"),
    ],
)
def test_the_fields_a_304_updates(rfc: Play, name: str, old: str, new: str, given: str) -> None:
    """RFC 9111 §3.2: all but those that describe the stored bytes."""
    rfc.viewer().asks("/a")
    rfc.origin.hears("/a")
    rfc.origin.answers(200, "old", cache="max-age=1", etag='"1"', **{name: old})
    rfc.viewer().gets(200, "old")
    rfc.advance(2)
    rfc.viewer().asks("/a")
    rfc.origin.hears("/a", if_none_match='"1"')
    rfc.origin.answers(304, etag='"1"', cache=WEEK, **{name: new})
    assert rfc.viewer().gets(200, "old").field(name) == given
    assert rfc.viewer().asks("/a").gets(200, "old").field(name) == given


def test_stale_while_revalidate_is_given_within_its_window(rfc: Play) -> None:
    """RFC 5861 §3: stale-while-revalidate of newer suites."""
    rfc.viewer().asks("/a")
    rfc.origin.hears("/a")
    rfc.origin.answers(200, "one", cache="max-age=1, stale-while-revalidate=60", etag='"1"')
    rfc.viewer().gets(200, "one")
    rfc.advance(3)
    rfc.viewer().asks("/a").gets(200, "one", x_cache="Hit")
    rfc.origin.hears("/a", if_none_match='"1"')
    rfc.origin.answers(200, "two", cache=WEEK, etag='"2"')
    rfc.advance(1)
    rfc.viewer().asks("/a").gets(200, "two", x_cache="Hit")


def test_stale_while_revalidate_ends_with_its_window(rfc: Play) -> None:
    """RFC 5861 §3: stale-while-revalidate-window of newer suites."""
    rfc.viewer().asks("/a")
    rfc.origin.hears("/a")
    rfc.origin.answers(200, "one", cache="max-age=1, stale-while-revalidate=4", etag='"1"')
    rfc.viewer().gets(200, "one")
    rfc.advance(6)
    rfc.viewer().asks("/a")
    rfc.origin.hears("/a", if_none_match='"1"')
    rfc.origin.answers(200, "two", cache="no-cache", etag='"2"')
    rfc.viewer().gets(200, "two")


@pytest.mark.parametrize("newer", ["no-store", "no-store, max-age=0"])
def test_an_older_response_does_not_come_back_after_a_newer_one(rfc: Play, newer: str) -> None:
    """RFC 9111 §4: of those that are stored the newest; cc-resp-no-store-old-new asks which."""
    rfc.viewer().asks("/a")
    rfc.origin.hears("/a")
    rfc.origin.answers(200, "old", cache="max-age=60")
    rfc.viewer().gets(200, "old")
    rfc.viewer().asks("/a", cache_control="no-cache")
    rfc.origin.hears("/a")
    rfc.origin.answers(200, "new", cache=newer)
    rfc.viewer().gets(200, "new")
    rfc.viewer().asks("/a")
    rfc.origin.hears("/a")
    rfc.origin.answers(200, "newest", cache="max-age=60")
    rfc.viewer().gets(200, "newest")


def test_an_age_is_told_where_the_origin_was_asked_before(rfc: Play) -> None:
    """RFC 9111 §4, §5.1: other-age-update-max-age and other-date-update of newer suites."""
    rfc.viewer().asks("/a")
    rfc.origin.hears("/a")
    rfc.origin.answers(200, "one", cache=WEEK, age="30", expires=f"{ONE_DAY_AHEAD} GMT")
    date = rfc.viewer().gets(200).field("date")
    rfc.advance(5)
    got = rfc.viewer().asks("/a").gets(200, "one")
    assert int(got.field("age") or 0) >= 35
    assert got.field("date") == date
    assert got.field("expires") == f"{ONE_DAY_AHEAD} GMT"
