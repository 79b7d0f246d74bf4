"""Marks: what stands, what falls, what cannot be judged, and what another log makes of it."""

from __future__ import annotations

import pytest

from edgecache.http.message import Response
from edgecache.rules.invalidation.items import items_of
from edgecache.store.entry import Entry
from edgecache.store.invalidation import UNKNOWN, Invalidation, InvalidationState

KEY = b"2:E12:/a"


def entry(mark: int = 0, tags: tuple[bytes, ...] = ()) -> Entry:
    return Entry(KEY, Response(200, b"", ()), b"x", mark=mark, tags=tags)


def told(*paths: str, soft: bool = False) -> InvalidationState:
    """Marks that have applied one invalidation for each path, numbered from 1."""
    marks = InvalidationState()
    for seq, path in enumerate(paths, 1):
        marks.apply(Invalidation(seq, 100.0 + seq, "E1", items_of([path]), soft))
    return marks


@pytest.mark.parametrize(
    ("paths", "mark", "stands"),
    [
        ((), 0, True),
        (("/a",), 0, False),
        (("/a",), 1, True),
        (("/b",), 0, True),
        (("/a", "/b"), 1, True),
        (("/b", "/a"), 1, False),
        (("/b",), 9, False),  # of another log
        (("/b",), UNKNOWN, False),
    ],
)
def test_what_stands(paths: tuple[str, ...], mark: int, stands: bool) -> None:
    marks, one = told(*paths), entry(mark)
    assert marks.passes(KEY, mark, ()) is stands
    assert marks.stands(one) is stands
    assert one.mark == (len(paths) if stands else mark)


def test_a_soft_one_makes_stale_from_when_it_was_accepted() -> None:
    marks, one = told("/b", "/a", soft=True), entry()
    assert marks.stands(one)
    assert (one.stale_from, one.mark) == (102.0, 2)


def test_what_is_below_the_floor_cannot_be_judged() -> None:
    marks = told("/b", "/b", "/b")
    marks.trim(2)
    assert [marks.passes(KEY, mark, ()) for mark in range(4)] == [False, False, True, True]
    assert marks.live == 1


def test_an_entry_told_again_is_passed_over() -> None:
    marks = told("/b", "/b")
    marks.apply(Invalidation(1, 0.0, "E1", items_of(["/a"])))
    assert marks.stands(entry())


def test_nothing_of_a_former_log_stands_in_another() -> None:
    marks = InvalidationState()
    marks.begin("one", 0)
    for seq in (1, 2, 3):
        marks.apply(Invalidation(seq, 0.0, "E1", items_of(["/b"])))
    before = [entry(mark) for mark in range(4)]
    marks.begin("two", 0)
    assert not any(map(marks.stands, before))
    young = entry(marks.last)
    assert marks.stands(young)
    marks.apply(Invalidation(1, 0.0, "E1", items_of(["/a"])))
    assert not marks.stands(young)
    assert marks.number(marks.last) == 1


def test_a_mark_is_told_with_the_name_of_its_log() -> None:
    one, other = InvalidationState(), InvalidationState()
    for marks in (one, other):
        marks.begin("aa", 0)
        for seq in (1, 2):
            marks.apply(Invalidation(seq, 0.0, "E1", items_of(["/b"])))
    other.begin("bb", 0)
    assert one.spell(2) == b"aa:2"
    assert one.read(b"aa:2") == 2
    assert other.read(other.spell(other.last)) == other.last
    for odd in (b"bb:2", b"aa:", b"aa:-1", b"aa", b"", None, b"aa:" + b"9" * 19):
        assert one.read(odd) == UNKNOWN


@pytest.mark.parametrize(
    ("now", "asked", "confirmed"),
    [(9.9, 0, True), (10.0, 0, False), (9.9, 1, True), (9.9, 2, False), (9.9, UNKNOWN, False)],
)
def test_confirmed_for_whom(now: float, asked: int, confirmed: bool) -> None:
    marks = told("/b")
    marks.lease_until = 10.0
    assert marks.confirmed(asked, now) is confirmed


def test_a_dry_run_names_what_would_go() -> None:
    one, other = entry(tags=(b"t",)), entry()
    other.key = b"2:E12:/b"
    for site, path, named in (
        ("E1", "#t", [one]),
        ("E1", "/*", [one, other]),
        ("E1", "/c", []),
        ("E2", "/*", []),
    ):
        assert list(InvalidationState.named([one, other], site, items_of([path]))) == named
