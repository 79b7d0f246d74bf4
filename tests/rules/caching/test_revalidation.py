"""Revalidation: what a 304 and a HEAD's 200 change (RFC 9111 §3.2, §4.3.4, §4.3.5)."""

from __future__ import annotations

import pytest

from edgecache.http.message import first_value
from edgecache.rules.caching.freshness import assess
from edgecache.rules.caching.revalidation import head_agrees, refreshed
from tests.rules.pieces import NOW, answer, date, rfc_site

STORED = answer(
    200,
    'etag: "v"',
    "cache-control: max-age=60",
    "content-length: 3",
    "content-type: text/plain",
    "age: 7",
    "via: 1.1 old",
    f"date: {date(0)}",
    "x-kept: 1",
    "x-twice: 1",
    "x-twice: 2",
)
LATER = NOW + 100


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("cache-control: max-age=9", "cache-control", "max-age=9"),
        ("expires: x", "expires", "x"),
        ("x-new: 2", "x-new", "2"),
        ("x-kept: 2", "x-kept", "2"),
        ("content-type: text/html", "content-type", "text/html"),
        ("content-foo: x", "content-foo", "x"),
        ("set-cookie: a=1", "set-cookie", "a=1"),
        ("content-length: 0", "content-length", "3"),
        ("content-encoding: gzip", "content-encoding", None),
        ("content-range: bytes 0-1/2", "content-range", None),
        ("transfer-encoding: chunked", "transfer-encoding", None),
        ("age: 2", "age", "2"),
        ("x-other: 1", "age", None),
        ("x-other: 1", "via", None),
        ("via: 1.1 new", "via", "1.1 new"),
        ("x-other: 1", "x-kept", "1"),
        ("x-other: 1", "date", date(0)),
        ("x-other: 1", "etag", '"v"'),
    ],
)
def test_a_304_updates_a_field(line: str, name: str, value: str | None) -> None:
    head = refreshed(STORED, answer(304, line, at=LATER))
    found = first_value(head.fields, name.encode())
    assert found == (None if value is None else value.encode())


def test_every_value_of_a_field_is_replaced() -> None:
    head = refreshed(STORED, answer(304, "x-twice: 3", at=LATER))
    assert [value for name, value in head.fields if name == b"x-twice"] == [b"3"]


def test_a_304_makes_it_fresh_from_its_own_time_on() -> None:
    head = refreshed(STORED, answer(304, f"date: {date(100)}", at=LATER, took=2.0))
    assert (head.status, head.requested_at, head.received_at) == (200, LATER - 2, LATER)
    assessment = assess(head, rfc_site())
    assert assessment.age_on_arrival_s == 2
    assert assessment.fresh_until(LATER) == LATER + 58
    assert STORED.received_at == NOW  # what was stored is as it was


@pytest.mark.parametrize(
    ("given_lines", "agrees"),
    [  # RFC 9111 §4.3.5
        ((), True),
        (('etag: "v"',), True),
        (('etag: "w"',), False),
        (('etag: W/"v"',), True),  # of another form of it
        (('etag: W/"w"',), False),
        (("etag: x",), False),
        (("content-length: 3",), True),
        (("content-length: 4",), False),
        (('etag: "v"', "content-length: 4"), False),
        (("last-modified: x",), False),
    ],
)
def test_a_head_agrees_with_what_is_stored(given_lines: tuple[str, ...], agrees: bool) -> None:
    assert head_agrees(STORED, 3, answer(200, *given_lines)) is agrees
