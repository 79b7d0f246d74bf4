"""The memo repeats a conclusion while its lease stands, and answers are made as if anew."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.config.model import Config
from edgecache.http.message import Fields
from edgecache.rules.replying import plan_reply
from edgecache.rules.routing import RouteTable, compile_routes
from edgecache.server.answering import Answer
from edgecache.server.memo import HEAD_BYTES_MAX, Memo
from edgecache.server.telling import NOTHING_ASKED
from edgecache.store.entry import Entry
from edgecache.store.marks import Marks
from edgecache.tier.answer import Found, Result
from edgecache.tier.build import from_entry, hit_trace
from tests.rules.pieces import NOW, answer, asks, rfc_site

TABLE = compile_routes(Config())
HEAD = b"GET /a HTTP/1.1\r\n\r\n"
ROUTE = rfc_site()
STORED = answer(200, "cache-control: max-age=60", "age: 5", "content-type: x", "x-a: 1", took=0.5)


def answered(
    entry: Entry | None = None, *, now: float = NOW, method: str = "GET", given_id: bytes = b"ID"
) -> Answer:
    """An answer as the listener makes it of a found entry."""
    entry = entry or Entry(b"k", STORED, b"body")
    entry.alive = True
    request = asks("/a", method=method)
    found = Found(entry, ROUTE, plan_reply(request, entry.head, 4, now), NOW + 55)
    outcome = from_entry(found, request, now, Result.HIT, hit_trace(found))
    ids: Fields = ((b"x-amz-cf-id", given_id),) if given_id else ()
    told: Fields = ((b"age", b"%d" % (outcome.age_s or 0)),)
    status: Fields = ((b"cache-status", outcome.trace.write("LHR50")),)
    return Answer(found, outcome, (*outcome.fields, *told, *status, *ids), TABLE)


MARKS = Marks()


def recalled(memo: Memo, *, table: RouteTable = TABLE, now: float = NOW) -> bool:
    return memo.recall(HEAD, table, MARKS, now) is not None


def test_what_was_learned_is_recalled_by_the_same_bytes_only() -> None:
    memo, one = Memo(), answered()
    memo.learn(HEAD, NOTHING_ASKED, one)
    found = memo.recall(HEAD, TABLE, MARKS, NOW)
    assert found is not None
    assert (found.answer, found.asked) == (one, NOTHING_ASKED)
    assert memo.recall(HEAD.replace(b"/a", b"/A"), TABLE, MARKS, NOW) is None


@pytest.mark.parametrize("broken", ["entry", "table", "time", "time, just"])
def test_a_lease_that_does_not_stand_is_forgotten_for_good(broken: str) -> None:
    memo, one = Memo(), answered()
    memo.learn(HEAD, NOTHING_ASKED, one)
    one.entry.alive = broken != "entry"
    table = compile_routes(Config()) if broken == "table" else TABLE
    now = {"time": NOW + 99, "time, just": one.until}.get(broken, NOW)
    assert not recalled(memo, table=table, now=now)
    one.entry.alive = True
    assert not recalled(memo)
    assert len(memo) == 0


def test_it_is_bounded_and_the_oldest_goes_first() -> None:
    memo = Memo(heads_max=3)
    for number in range(5):
        memo.learn(b"%d" % number, NOTHING_ASKED, answered())
    assert len(memo) == 3
    kept = [number for number in range(5) if memo.recall(b"%d" % number, TABLE, MARKS, NOW)]
    assert kept == [2, 3, 4]


def test_a_long_head_is_not_learned_nor_any_when_it_is_off() -> None:
    memo, off = Memo(), Memo(heads_max=0)
    memo.learn(b"x" * HEAD_BYTES_MAX, NOTHING_ASKED, answered())
    memo.learn(b"x" * (HEAD_BYTES_MAX + 1), NOTHING_ASKED, answered())
    off.learn(HEAD, NOTHING_ASKED, answered())
    assert (len(memo), len(off)) == (1, 0)


def test_learning_a_head_again_forgets_no_other() -> None:
    memo = Memo(heads_max=2)
    for head in (b"a", b"b", b"b"):
        memo.learn(head, NOTHING_ASKED, answered())
    assert memo.recall(b"a", TABLE, MARKS, NOW) is not None


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
