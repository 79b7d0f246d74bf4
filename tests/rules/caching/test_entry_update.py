"""What an answer does to what is stored: each kind of answer (RFC 9111 §3, §4.3.4, §4.3.5)."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from edgecache.http.message import Response, first_value
from edgecache.rules.caching.entry_update import FetchContext, update_of
from edgecache.rules.caching.stored_parts import StoredPart
from edgecache.rules.caching.vary import Selected, vary_names
from edgecache.rules.reasons import StoreReason
from edgecache.rules.routing import Route
from tests.rules.pieces import answer, asks, rfc_site, site_of


@dataclass(frozen=True)
class Stored:
    head: Response
    length: int = 3
    selected: Selected = ()
    tags: tuple[bytes, ...] = ()
    part: StoredPart | None = None


ROUTES = pytest.mark.parametrize("route", [rfc_site(), site_of()], ids=["rfc9111", "cloudfront"])
STORED = Stored(answer(200, 'etag: "1"', "cache-control: max-age=60"))
HEAD = asks("/a", method="HEAD")
FRESH = "cache-control: max-age=60"


@ROUTES
@pytest.mark.parametrize(
    ("status", "given_lines", "becomes"),
    [
        (200, ('etag: "1"', FRESH), "renewed"),
        (200, ('etag: "1"', FRESH, "content-length: 3"), "renewed"),
        (200, ('etag: "1"', "cache-control: no-store, max-age=60"), "removed"),
        (200, ('etag: "1"', "cache-control: private, max-age=60"), "removed"),
        (200, ('etag: "2"', FRESH), "removed"),
        (200, ('etag: "1"', FRESH, "content-length: 4"), "removed"),
        (200, ('etag: W/"1"', FRESH), "as it was"),  # of another form of the same thing
        (200, ('etag: W/"1"', "cache-control: no-store"), "removed"),
        (200, ('etag: W/"2"', FRESH), "removed"),
        (200, (FRESH,), "as it was"),
        (404, ('etag: "1"', FRESH), "as it was"),
        (405, (FRESH,), "as it was"),
        (500, (FRESH,), "as it was"),
    ],
)
def test_a_head(route: Route, status: int, given_lines: tuple[str, ...], becomes: str) -> None:
    update = update_of(FetchContext(HEAD, route), answer(status, *given_lines), STORED)
    assert update.displaces is (becomes == "removed")
    assert (update.kept is not None) is (becomes == "renewed")
    assert update.refused is StoreReason.METHOD


@ROUTES
def test_a_head_of_what_is_not_stored_whole_changes_nothing(route: Route) -> None:
    told = answer(200, 'etag: "2"', FRESH)
    part = Stored(STORED.head, part=StoredPart(0, 3, 9))
    for stored in (None, part):
        update = update_of(FetchContext(HEAD, route), told, stored)
        assert update.kept is None
        assert not update.displaces


@ROUTES
@pytest.mark.parametrize(
    ("status", "place", "stored"),
    [
        (200, None, True),
        (206, "bytes 0-2/9", True),
        (206, "bytes 0-3/9", False),
        (206, None, False),
        (416, "bytes */9", False),
        (301, None, False),
        (404, None, False),
        (503, None, False),
    ],
)
def test_an_answer_to_a_range(route: Route, status: int, place: str | None, stored: bool) -> None:
    """§3.3: the whole, or just that part; nothing else is for who asks for all of it."""
    told = (FRESH,) if place is None else (FRESH, f"content-range: {place}")
    exchange = FetchContext(asks(), route, wanted=b"bytes=0-2", body_bytes=3)
    update = update_of(exchange, answer(status, *told), None)
    assert (update.kept is not None) is stored
    assert update.refused is (None if stored else StoreReason.RANGE)


@ROUTES
def test_a_tiers_304_leaves_out_no_field_that_it_has(route: Route) -> None:
    stored = Stored(
        answer(200, 'etag: "1"', FRESH, "x-gone: 1", "x-new: 0", "content-encoding: br")
    )
    told = answer(304, 'etag: "1"', FRESH, "x-new: 1")
    for by_tier in (True, False):
        update = update_of(FetchContext(asks(), route, by_tier=by_tier), told, stored)
        assert update.kept is not None
        fields = update.kept.head.fields
        assert first_value(fields, b"x-gone") == (None if by_tier else b"1")
        assert first_value(fields, b"x-new") == b"1"
        assert first_value(fields, b"content-encoding") == b"br"


@pytest.mark.parametrize(
    ("held", "told", "varies", "selected"),
    [
        ("cookie", "accept-encoding", {b"cookie", b"accept-encoding"}, True),
        ("cookie", "", {b"cookie"}, True),
        ("cookie", "cookie", {b"cookie"}, True),
        ("", "foo", {b"foo"}, False),
    ],
)
def test_what_a_304_varies_by(held: str, told: str, varies: set[bytes], selected: bool) -> None:
    """§4.1: the body was chosen by what its own response said, and is of this request besides."""
    vary = () if not held else (f"vary: {held}",)
    chosen: Selected = ((b"cookie", b"a"),) if held else ()
    stored = Stored(answer(200, 'etag: "1"', FRESH, *vary), selected=chosen)
    request = asks("/a", "cookie: a", "accept-encoding: gzip")
    answered = answer(304, 'etag: "1"', *(() if not told else (f"vary: {told}",)))
    update = update_of(FetchContext(request, rfc_site()), answered, stored)
    assert update.kept is not None
    assert {name for name, _ in update.kept.selected} == varies
    assert set(vary_names(update.kept.head.fields)) == varies
    assert ((b"cookie", b"a") in update.kept.selected) is selected


@ROUTES
@pytest.mark.parametrize(
    ("status", "cache", "ends"),
    [
        (200, "no-store", True),
        (200, "private", True),
        (302, "no-store", True),
        (404, "no-store", True),
        (410, "no-store", True),
        (408, "no-store", False),
        (416, "no-store", False),
        (429, "no-store", False),
        (500, "no-store", False),
        (503, "no-store", False),
    ],
)
def test_what_is_not_stored_ends_what_was(
    route: Route, status: int, cache: str, ends: bool
) -> None:
    """RFC 5861 §4: an error is a status of 500 or more; all else is an answer."""
    told = answer(status, f"cache-control: {cache}")
    update = update_of(FetchContext(asks(), route), told, STORED)
    assert update.kept is None
    assert update.displaces is ends
