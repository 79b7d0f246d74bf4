"""Sharing: what is on its way answers whom it would answer if it were stored, and nobody else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecache.cache.lookup import decide_entry
from edgecache.cache.outcome import Errand, Hit
from edgecache.config.model import CachePolicy, SemanticsName
from edgecache.http.conditional import same_strong
from edgecache.http.ranges import Span
from edgecache.rules.caching.reuse import PendingEntry, is_outlived, plan_from_arriving
from edgecache.rules.caching.stored_parts import StoredPart
from edgecache.rules.caching.vary import selected_by
from edgecache.store.entry import Entry
from edgecache.store.memory import MemoryStore
from tests.rules.pieces import NOW, answer, asks, lines, site_of

KEY, BODY = b"key", b"0123456789"
CACHE = ("max-age=9", "max-age=0", "no-cache", "max-age=9, no-cache", "max-age=2, s-maxage=9",
         "max-age=3, stale-while-revalidate=9", "max-age=3, must-revalidate",
         "max-age=9, public")  # fmt: skip
WISHES = ("no-cache", "max-age=1", "max-age=0", "min-fresh=5", "max-stale", "max-stale=3",
          "only-if-cached, max-age=1")  # fmt: skip
CHOSEN = ("cookie: a", "cookie: b", "accept-encoding: gzip", "accept-encoding: gzip , br")
ASKED = ("range: bytes=2-4", "range: bytes=0-", 'if-range: "v"', 'if-range: "w"',
         'if-none-match: "v"', 'if-none-match: "w"', "authorization: x")  # fmt: skip
POLICY = CachePolicy(ttl_s_min=0)


def some_of(lines: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(lines), max_size=2, unique_by=lambda line: line.split(":")[0])


@settings(max_examples=600, derandomize=True)
@given(
    st.sampled_from(("rfc9111", "cloudfront")),
    st.sampled_from(CACHE),
    st.sampled_from((None, "cookie", "accept-encoding", "accept-encoding, cookie", "*")),
    st.sampled_from((None, StoredPart(2, 3, 10), StoredPart(0, 5, 10))),
    some_of(CHOSEN),
    some_of(CHOSEN),
    some_of(ASKED),
    st.sampled_from((None, *WISHES)),
    st.sampled_from((0.0, 1.0, 4.0, 9.0, 20.0)),
)
def test_who_comes_meanwhile_gets_what_who_comes_afterwards_does(
    semantics: SemanticsName,
    cache: str,
    vary: str | None,
    part: StoredPart | None,
    first: list[str],
    chosen: list[str],
    asked: list[str],
    wishes: str | None,
    later_s: float,
) -> None:
    """The same answer, on its way and stored, answers a request alike."""
    route, now = site_of(POLICY, semantics=semantics), NOW + later_s
    varies = [f"vary: {vary}"] if vary else []
    head = answer(200, f"cache-control: {cache}", 'etag: "v"', *varies)
    selected = selected_by(lines(*first), head.fields) if semantics == "rfc9111" else ()
    request = asks("/a", *chosen, *asked, *([f"cache-control: {wishes}"] if wishes else []))
    plan = plan_from_arriving(request, PendingEntry(head, selected, part), len(BODY), route, now)

    store = MemoryStore(1 << 20)
    body = BODY if part is None else BODY[part.first : part.after]
    store.put(Entry(KEY, head, body, selected, part))
    entry = store.get(KEY, request.fields)
    found = None if entry is None else decide_entry(entry, request, route, now)
    if isinstance(found, Hit):
        assert plan == found.plan.single
    else:
        assert plan is None
        assert found is None or isinstance(found, Errand) or found.status == 504


@pytest.mark.parametrize(
    ("asked", "status", "span"),
    [  # of bytes 2 to 4 of 10, under "v"
        (("range: bytes=2-4",), 206, Span(0, 2)),
        (("range: bytes=3-3",), 206, Span(1, 1)),
        (("range: bytes=2-5",), None, None),
        (("range: bytes=1-4",), None, None),
        ((), None, None),
        (("range: bytes=2-4", 'if-range: "v"'), 206, Span(0, 2)),
        (("range: bytes=2-4", 'if-range: "w"'), None, None),
        (("range: bytes=2-4", 'if-range: W/"v"'), None, None),
        (("range: bytes=2-4", "if-range: Tue, 05 Jan 2027 08:00:00 GMT"), None, None),
        (("range: bytes=2-4", 'if-none-match: "v"'), 304, Span(0, -1)),
        (("range: bytes=2-4", 'if-none-match: "w"'), 206, Span(0, 2)),
    ],
)  # fmt: skip
def test_a_part_on_its_way(asked: tuple[str, ...], status: int | None, span: Span | None) -> None:
    """RFC 9110 §13.1.2, §13.1.5, §13.2.2."""
    head = answer(200, "cache-control: max-age=9", 'etag: "v"')
    pending = PendingEntry(head, (), StoredPart(2, 3, 10))
    plan = plan_from_arriving(asks("/a", *asked), pending, 3, site_of(semantics="rfc9111"), NOW)
    assert (plan and plan.status, plan and plan.span) == (status, span)


@pytest.mark.parametrize(
    ("cache", "later_s", "expected"),
    [
        ("max-age=9", 8.9, False),
        ("max-age=9", 9, True),
        ("max-age=0", 0, False),
        ("no-cache", 99, False),
        ("max-age=9, stale-while-revalidate=5", 13, False),
        ("max-age=9, stale-while-revalidate=5", 14, True),
        ("max-age=9, must-revalidate, stale-while-revalidate=5", 9, True),
    ],
)
def test_what_was_fresh_is_outlived(cache: str, later_s: float, expected: bool) -> None:
    pending = PendingEntry(answer(200, f"cache-control: {cache}"))
    assert is_outlived(pending, site_of(semantics="rfc9111"), NOW + later_s) is expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ('"a"', '"a"', True), ('"a"', '"b"', False),
        ('W/"a"', 'W/"a"', False), ('"a"', 'W/"a"', False),
    ],
)  # fmt: skip
def test_blocks_of_one_version(one: str, other: str, expected: bool) -> None:
    """RFC 9110 §15.3.7.3."""
    assert same_strong(answer(206, f"etag: {one}"), answer(200, f"etag: {other}")) is expected
    assert not same_strong(answer(206), answer(206))
