"""Answers are made as if anew, whenever they are given."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from edgecache.cache.outcome import CacheResult, Hit, from_entry, hit_trace
from edgecache.config.model import Config
from edgecache.http.message import Fields
from edgecache.rules.response.status_and_ranges import plan_reply
from edgecache.rules.routing import compile_routes
from edgecache.server.http1.rendered_hit import RenderedHit
from edgecache.store.entry import Entry
from tests.rules.pieces import NOW, answer, asks, rfc_site

TABLE = compile_routes(Config())
ROUTE = rfc_site()
STORED = answer(200, "cache-control: max-age=60", "age: 5", "content-type: x", "x-a: 1", took=0.5)


def answered(
    entry: Entry | None = None, *, now: float = NOW, method: str = "GET", given_id: bytes = b"ID"
) -> RenderedHit:
    """An answer as the listener makes it of a found entry."""
    entry = entry or Entry(b"k", STORED, b"body")
    entry.alive = True
    request = asks("/a", method=method)
    found = Hit(entry, ROUTE, plan_reply(request, entry.head, 4, now), NOW + 55)
    outcome = from_entry(found, request, now, CacheResult.HIT, hit_trace(found))
    ids: Fields = ((b"x-amz-cf-id", given_id),) if given_id else ()
    told: Fields = ((b"age", b"%d" % (outcome.age_s or 0)),)
    status: Fields = ((b"cache-status", outcome.trace.write("LHR50")),)
    return RenderedHit(found, outcome, (*outcome.fields, *told, *status, *ids), TABLE)


@given(st.integers(0, 54), st.integers(0, 54))
def test_an_answer_given_later_is_the_answer_concluded_then(first: int, later: int) -> None:
    """Law: the memo costs nothing but speed."""
    entry = Entry(b"k", STORED, b"body")
    remembered = answered(entry, now=NOW + first)
    remembered.head(NOW + first)
    now = NOW + max(first, later)
    assert remembered.head(now) == answered(entry, now=now).head(now)


def test_the_head_says_age_and_ttl_of_the_second_it_is_given_in() -> None:
    one = answered()
    for seconds, age, ttl in ((0, 5, 54), (0.4, 5, 54), (1, 6, 53), (10.25, 15, 44), (80, 85, -25)):
        head = one.head(NOW + seconds)
        assert b"\r\nAge: %d\r\n" % age in head, seconds
        assert b"\r\nCache-Status: LHR50; hit; ttl=%d\r\n" % ttl in head, seconds
        assert head.endswith(b"X-Amz-Cf-Id: ")


def test_an_answer_has_the_fields_of_the_entry_and_its_length_once() -> None:
    one = answered()
    head = one.head(NOW).lower()
    for line in (b"x-a: 1", b"content-type: x", b"content-length: 4", b"cache-control: max-age=60"):
        assert head.count(b"\r\n" + line + b"\r\n") == 1
    assert (bytes(one.body), one.status) == (b"body", 200)


def test_an_answer_to_head_has_the_length_and_no_body() -> None:
    one = answered(method="HEAD")
    assert b"\r\nContent-Length: 4\r\n" in one.head(NOW)
    assert bytes(one.body) == b""


def test_an_answer_without_an_id_ends_its_head() -> None:
    one = answered(given_id=b"")
    assert not one.has_id
    assert one.head(NOW).endswith(b"\r\n\r\n")


def test_an_answer_from_before_it_was_received_is_of_no_negative_age() -> None:
    entry = Entry(b"k", replace(STORED, fields=(), requested_at=NOW), b"body")
    assert b"\r\nAge: 0\r\n" in answered(entry).head(NOW - 5)
