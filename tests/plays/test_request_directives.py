"""Request directives: a viewer may ask for more, or less, than freshness (RFC 9111 §5.2.1)."""

from __future__ import annotations

import pytest

from tests.world.play import Play

# cache-control of the response, age in seconds, cache-control of the request, answered from store?
ROWS = [
    ("§5.2.1.1", "max-age=60", 10, "max-age=20", True),
    ("§5.2.1.1", "max-age=60", 10, "max-age=10", True),
    ("§5.2.1.1", "max-age=60", 11, "max-age=10", False),
    ("§5.2.1.1", "max-age=60", 0, "max-age=0", True),
    ("§5.2.1.1", "max-age=60", 1, "max-age=0", False),
    ("§5.2.1.2 max-stale", "max-age=10", 15, "max-stale", True),
    ("§5.2.1.2 max-stale", "max-age=10", 9_999, "max-stale", True),
    ("§5.2.1.2 with seconds", "max-age=10", 15, "max-stale=5", True),
    ("§5.2.1.2 with seconds", "max-age=10", 16, "max-stale=5", False),
    ("§5.2.2.2", "max-age=10, must-revalidate", 15, "max-stale", False),
    ("§5.2.2.8", "max-age=10, proxy-revalidate", 15, "max-stale", False),
    ("§5.2.2.10", "s-maxage=10", 15, "max-stale", False),
    ("§5.2.2.4", "max-age=10, no-cache", 5, "max-stale", False),
    ("§5.2.1.3 min-fresh", "max-age=60", 10, "min-fresh=50", True),
    ("§5.2.1.3 min-fresh", "max-age=60", 11, "min-fresh=50", False),
    ("§5.2.1.4 no-cache", "max-age=60", 1, "no-cache", False),
    ("§5.2.1.4 no-cache", "max-age=60, immutable", 1, "no-cache", False),
    ("§5.2.3 unknown", "max-age=60", 10, "frobnicate=0", True),
    ("§5.2.1.1 and max-stale", "max-age=10", 15, "max-age=20, max-stale=9", True),
    ("§5.2.1.1 and max-stale", "max-age=10", 15, "max-age=12, max-stale=9", False),
]


@pytest.mark.parametrize(("cache", "age", "wish", "stored"), [row[1:] for row in ROWS])
def test_what_the_request_asks_for(
    rfc: Play, cache: str, age: int, wish: str, stored: bool
) -> None:
    rfc.viewer().asks("/a")
    rfc.origin.hears("/a")
    rfc.origin.answers(200, "one", cache=cache, etag='"1"')
    rfc.viewer().gets(200)
    rfc.advance(age)
    later = rfc.viewer("later").asks("/a", cache_control=wish)
    if stored:
        rfc.origin.hears_nothing()
        got = later.gets(200, "one", cache_status="; hit")
        assert got.field("age") == str(age)
    else:
        rfc.origin.hears("/a", if_none_match='"1"')
        rfc.origin.answers(304, etag='"1"', cache=cache)
        later.gets(200, "one", x_cache="RefreshHit", cache_status="fwd=")


def test_no_store_of_the_request_keeps_the_answer_out(rfc: Play) -> None:
    """§5.2.1.5; it does not keep a stored answer from it."""
    for _ in range(2):
        rfc.viewer().asks("/a", cache_control="no-store")
        rfc.origin.hears("/a")
        rfc.origin.answers(200, "one", cache="max-age=60")
        got = rfc.viewer().gets(200, "one")
        assert "stored" not in (got.field("cache-status") or "")


def test_only_if_cached_gets_what_is_here_or_504(rfc: Play) -> None:
    """§5.2.1.7."""
    rfc.viewer().asks("/a", cache_control="only-if-cached").gets(504)
    rfc.viewer().asks("/a")
    rfc.origin.hears("/a")
    rfc.origin.answers(200, "one", cache="max-age=10", etag='"1"')
    rfc.viewer().gets(200)
    rfc.viewer().asks("/a", cache_control="only-if-cached").gets(200, "one", x_cache="Hit")
    rfc.advance(11)
    rfc.viewer().asks("/a", cache_control="only-if-cached").gets(504)
    rfc.viewer().asks("/a", cache_control="only-if-cached, max-stale").gets(200, "one")
    rfc.origin.hears_nothing()


def test_pragma_is_no_cache_where_nothing_newer_is_said(rfc: Play) -> None:
    """§5.4."""
    rfc.viewer().asks("/a")
    rfc.origin.hears("/a")
    rfc.origin.answers(200, "one", cache="max-age=60")
    rfc.viewer().gets(200)
    rfc.viewer().asks("/a", pragma="no-cache", cache_control="x").gets(200, x_cache="Hit")
    rfc.viewer().asks("/a", pragma="no-cache")
    rfc.origin.hears("/a")
    rfc.origin.answers(200, "two", cache="max-age=60")
    rfc.viewer().gets(200, "two", cache_status="fwd=request")


def test_a_reload_renews_what_everyone_gets(rfc: Play) -> None:
    """§5.2.1.4: the answer to no-cache is stored like any other."""
    rfc.viewer().asks("/a")
    rfc.origin.answers(200, "one", cache="max-age=60")
    rfc.viewer().gets(200)
    rfc.viewer().asks("/a", cache_control="no-cache")
    rfc.origin.answers(200, "two", cache="max-age=60")
    rfc.viewer().gets(200, "two")
    rfc.viewer("b").asks("/a").gets(200, "two", x_cache="Hit")
