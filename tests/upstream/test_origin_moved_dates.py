"""Dates of origins while the clock is moved."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from edgecache.http.message import Fields, Response
from edgecache.upstream.interface import Call, Reply, WholeBody
from edgecache.upstream.origin import MovedDates, moved_dates

NOON = b"Tue, 15 Nov 1994 12:00:00 GMT"
ONE = b"Tue, 15 Nov 1994 13:00:00 GMT"


@pytest.mark.parametrize(
    ("name", "value", "moved"),
    [
        (b"date", NOON, ONE),
        (b"expires", NOON, ONE),
        (b"expires", b"0", b"0"),
        (b"expires", b"Thu, 01 Jan 1970 00:00:00 GMT", b"Thu, 01 Jan 1970 00:00:00 GMT"),
        (b"date", b"noon", b"noon"),
        (b"last-modified", NOON, NOON),
        (b"x-date", NOON, NOON),
    ],
)
def test_what_is_moved(name: bytes, value: bytes, moved: bytes) -> None:
    assert moved_dates(((name, value), (b"a", b"b")), 3_600) == ((name, moved), (b"a", b"b"))


class Origins:
    """Upstream with one answer."""

    def __init__(self, fields: Fields) -> None:
        self.head = Response(200, b"OK", fields)

    async def fetch(self, call: Call) -> Reply:
        return Reply(self.head, WholeBody(b""))


def test_an_answer_is_left_as_it_is_until_the_clock_was_moved() -> None:
    moved_s = 0.0
    upstream = MovedDates(Origins(((b"date", NOON),)), lambda: moved_s)
    call = cast(Call, None)
    assert asyncio.run(upstream.fetch(call)).head.fields == ((b"date", NOON),)
    moved_s = 3_600.0
    assert asyncio.run(upstream.fetch(call)).head.fields == ((b"date", ONE),)
