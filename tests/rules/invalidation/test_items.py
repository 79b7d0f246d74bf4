"""Which items there are, what they name, and which tags an object carries."""

from __future__ import annotations

import pytest

from edgecache.config.model import Behavior, Distribution, Origin
from edgecache.rules.caching.key import cache_key
from edgecache.rules.invalidation.items import (
    InvalidationSubject,
    Item,
    ItemKind,
    item,
    items_of,
    subject_of,
    with_root,
)
from edgecache.rules.invalidation.tags import TAGS_MAX, tags_of
from tests.rules.caching.test_key import ALL_QUERY, BY_COLOR, EVERYTHING, QUERY_A
from tests.rules.pieces import asks


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("/", (ItemKind.PATH, "/")),
        ("/*", (ItemKind.PATH, "/*")),
        ("/a/*.jpg", (ItemKind.PATH, "/a/*.jpg")),
        ("/a%20b?x=1&y=%2F", (ItemKind.PATH, "/a%20b?x=1&y=%2F")),
        ("/" + "a" * 3_999, (ItemKind.PATH, "/" + "a" * 3_999)),
        ("#Product-7", (ItemKind.TAG, "product-7")),
    ],
)
def test_items_of_a_batch(text: str, read: Item) -> None:
    assert items_of([text]) == (read,)


@pytest.mark.parametrize(
    "text",
    ["", "a", "*", "/a b", "/ä", "/a\n", "/" + "a" * 4_000, "#", "#a b", "#a,b", "#" + "a" * 257],
)
def test_what_is_no_item_is_told_so(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        items_of([text])


def test_items_beyond_cloudfront_are_checked_too() -> None:
    assert item(ItemKind.HOST, "WWW.Example.com") == (ItemKind.HOST, "www.example.com")
    assert item(ItemKind.GLOB, "/*/a?.jpg") == (ItemKind.GLOB, "/*/a?.jpg")
    with pytest.raises(ValueError, match="does not start with /"):
        item(ItemKind.PREFIX, "a")


def test_the_root_names_the_object_that_stands_for_it() -> None:
    assert with_root(items_of(["/"]), "index.html") == items_of(["/", "/index.html"])
    assert with_root(items_of(["/"]), "") == items_of(["/"])
    assert with_root(items_of(["/a"]), "index.html") == items_of(["/a"])


@pytest.mark.parametrize(
    ("route", "target", "subject"),
    [
        (ALL_QUERY, "/a?b=2&a=1", b"/a?b=2&a=1"),
        (ALL_QUERY, "/a?", b"/a?"),
        (ALL_QUERY, "/a", b"/a"),
        (QUERY_A, "/a?b=2&a=1&a", b"/a?a=1&a"),
        (QUERY_A, "/a?b=2", b"/a"),
        (BY_COLOR, "/a?b=2", b"/a"),
        (EVERYTHING, "/a%20b", b"/a%20b"),
    ],
)
def test_the_subject_of_a_key(route: object, target: str, subject: bytes) -> None:
    key = cache_key(asks(target), route)  # type: ignore[arg-type]
    told = subject_of(key, (b"t",))
    assert (told.target, told.tags) == (subject, (b"t",))


def site(header: str = "", *, aliases: bool = False) -> Distribution:
    return Distribution(
        id="E1",
        origins=(Origin(id="o", domain_name="o.test"),),
        default_behavior=Behavior(origin="o"),
        cache_tag_header=header,
        cache_tag_aliases=aliases,
    )


@pytest.mark.parametrize(
    ("header", "aliases", "lines", "tags"),
    [
        ("", False, [(b"cache-tag", b"a")], ()),
        ("Cache-Tag", False, [(b"cache-tag", b"A, b ,,a")], (b"a", b"b")),
        ("Cache-Tag", False, [(b"cache-tag", b"a"), (b"cache-tag", b"b")], (b"a", b"b")),
        ("Cache-Tag", False, [(b"cache-tag", b"a b, c")], (b"c",)),
        ("Cache-Tag", False, [(b"cache-tag", b"x" * 257 + b", c")], (b"c",)),
        ("Cache-Tag", False, [(b"surrogate-key", b"a b")], ()),
        ("", True, [(b"surrogate-key", b"a b"), (b"xkey", b"b, c")], (b"a", b"b", b"c")),
        ("x-tags", True, [(b"x-tags", b"z"), (b"cache-tag", b"y")], (b"z", b"y")),
    ],
)
def test_the_tags_of_an_object(
    header: str, aliases: bool, lines: list[tuple[bytes, bytes]], tags: tuple[bytes, ...]
) -> None:
    assert tags_of(tuple(lines), site(header, aliases=aliases)) == tags


def test_more_tags_than_an_object_may_have_are_ignored() -> None:
    many = b",".join(b"t%d" % n for n in range(TAGS_MAX + 9))
    found = tags_of(((b"x-t", many),), site("X-T"))
    assert (len(found), found[-1]) == (TAGS_MAX, b"t%d" % (TAGS_MAX - 1))


def test_a_subject_has_no_host_where_the_key_has_none() -> None:
    assert subject_of(cache_key(asks("/a"), BY_COLOR), ()) == InvalidationSubject("EONE", b"/a")
