"""What the patterns of live invalidations match, beside the plainest way to say it."""

from __future__ import annotations

import fnmatch
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecache.rules.invalidation.items import InvalidationSubject, Item, ItemKind, items_of
from edgecache.rules.invalidation.matcher import LiveInvalidations, PathPatterns


@pytest.mark.parametrize(
    ("path", "target", "goes"),
    [  # CloudFront Developer Guide, "Specify the files to invalidate"
        ("/a.jpg", b"/a.jpg", True),
        ("/a.jpg", b"/A.jpg", False),
        ("/a.jpg", b"/a.jpg?x=1", False),
        ("/a.jpg?x=1", b"/a.jpg?x=1", True),
        ("/a.jpg?x=1", b"/a.jpg", False),
        ("/a.jpg*", b"/a.jpg?x=1", True),
        ("/images/*", b"/images/", True),
        ("/images/*", b"/images/a/b.jpg", True),
        ("/images/*", b"/images", False),
        ("/images*", b"/images", True),
        ("/images*", b"/images2/a", True),
        ("/*", b"/", True),
        ("/a*b", b"/a*b", True),  # a star elsewhere is a star
        ("/a*b", b"/axb", False),
        ("/a*b*", b"/a*b/c", True),
        ("/%7Ea", b"/~a", False),
    ],
)
def test_paths(path: str, target: bytes, goes: bool) -> None:
    live = LiveInvalidations()
    live.add(5, "E1", items_of([path]), soft=False)
    assert live.hard_match(InvalidationSubject("E1", target), 4) == (5 if goes else 0)
    assert live.hard_match(InvalidationSubject("E1", target), 5) == 0
    assert live.hard_match(InvalidationSubject("E2", target), 4) == 0
    assert live.soft_match(InvalidationSubject("E1", target), 4) == 0


def test_tags_and_hosts() -> None:
    live = LiveInvalidations()
    live.add(1, "E1", items_of(["#a"]), soft=True)
    live.add(2, "E1", [(ItemKind.HOST, "x.test")], soft=False)
    assert live.soft_match(InvalidationSubject("E1", b"/", tags=(b"b", b"a")), 0) == 1
    assert live.soft_match(InvalidationSubject("E1", b"/", tags=(b"b",)), 0) == 0
    assert live.soft_match(InvalidationSubject("E1", b"/", tags=None), 0) == 1
    assert live.hard_match(InvalidationSubject("E1", b"/", b"x.test"), 1) == 2
    assert live.hard_match(InvalidationSubject("E1", b"/", b"y.test"), 1) == 0


def test_what_is_trimmed_is_forgotten_and_nothing_else() -> None:
    live = LiveInvalidations()
    for seq, path in enumerate(["/a", "/b*", "/a", "#t", "/c*"], 1):
        live.add(seq, "E1", items_of([path]), soft=False)
    live.add(6, "E1", [(ItemKind.GLOB, "/*x")], soft=False)
    live.add(7, "E2", items_of(["/a"]), soft=True)
    assert len(live) == 6
    live.trim(4)
    assert len(live) == 3
    assert live.hard_match(InvalidationSubject("E1", b"/cx"), 0) == 6
    live.trim(7)
    assert len(live) == 0


def lookups(patterns: PathPatterns, target: bytes) -> int:
    """The calls a look-up makes, of Python's functions and of its own."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        patterns.newest_match(InvalidationSubject("E1", target), 0)
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        (ItemKind.PATH, "/site/{:06}/*"),
        (ItemKind.PREFIX, "/site/{:06}/"),
        (ItemKind.GLOB, "/site/{:06}/*.jpg"),
        (ItemKind.GLOB, "/*/{:06}.jpg"),
        (ItemKind.GLOB, "/site/{:06}/*/thumb?.jpg"),
    ],
)
def test_a_look_up_among_many_takes_no_more_calls_than_among_few(kind: ItemKind, form: str) -> None:
    few, many = PathPatterns(), PathPatterns()
    for seq in range(1, 20_001):
        for patterns in (many, few) if seq < 3 else (many,):
            patterns.add(seq, [(kind, form.format(seq))])
    target = form.format(2).replace("*", "x").replace("?", "1").encode()
    assert many.newest_match(InvalidationSubject("E1", target), 0) == 2
    for asked in (target, b"/site/other"):
        assert lookups(many, asked) == lookups(few, asked)


LETTERS = st.text("ab/*?", max_size=6).map(lambda text: "/" + text)
KINDS = st.sampled_from([ItemKind.PATH, ItemKind.GLOB, ItemKind.PREFIX])


@given(st.lists(st.tuples(KINDS, LETTERS), max_size=12), LETTERS, st.integers(0, 12))
def test_they_match_as_the_plainest_reading_does(
    items: list[Item], target: str, after: int
) -> None:
    patterns = PathPatterns()
    expected = 0
    for seq, (kind, value) in enumerate(items, 1):
        patterns.add(seq, [(kind, value)])
        if seq > after and plainly(kind, value, target):
            expected = seq
    assert patterns.newest_match(InvalidationSubject("E1", target.encode()), after) == expected


def plainly(kind: ItemKind, value: str, target: str) -> bool:
    if kind is ItemKind.GLOB:
        return fnmatch.fnmatchcase(target, value)
    if kind is ItemKind.PREFIX or value.endswith("*"):
        return target.startswith(value if kind is ItemKind.PREFIX else value[:-1])
    return target == value
