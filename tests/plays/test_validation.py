"""Validation: what is offered to the origin, which stored response its 304 means, what it updates.

RFC 9111 §4.3, RFC 9110 §13 and §15.4.5.
"""

from __future__ import annotations

import pytest

from tests.world.play import Play


def stores(play: Play, body: str, etag: str | None, foo: str, **fields: str) -> None:
    tag = {} if etag is None else {"etag": etag}
    play.viewer().asks("/v", foo=foo)
    play.origin.hears("/v")
    play.origin.answers(200, body, cache="max-age=10", vary="Foo", **tag, **fields)
    play.viewer().gets(200, body)


def test_every_stored_tag_is_offered_and_the_304_chooses(rfc: Play) -> None:
    """§4.3.1: a list of the entity tags of all stored responses; §4.3.3: the one it names."""
    stores(rfc, "one", '"1"', "1")
    stores(rfc, "two", '"2"', "2")
    rfc.viewer().asks("/v", foo="3")
    rfc.origin.hears("/v", if_none_match='"2", "1"', foo="3")
    rfc.origin.answers(304, etag='"1"', cache="max-age=60", vary="Foo")
    got = rfc.viewer().gets(200, "one", cache_status="fwd=vary-miss; fwd-status=304; stored")
    assert got.field("etag") == '"1"'
    rfc.viewer().asks("/v", foo="3").gets(200, "one", x_cache="Hit")


def test_a_304_may_name_another_variant_than_the_stale_one(rfc: Play) -> None:
    """§4.3.3, §4.3.4."""
    stores(rfc, "one", '"1"', "1")
    stores(rfc, "two", '"2"', "2")
    rfc.advance(11)
    rfc.viewer().asks("/v", foo="1")
    rfc.origin.hears("/v", if_none_match='"1", "2"')
    rfc.origin.answers(304, etag='"2"', cache="max-age=60", vary="Foo")
    rfc.viewer().gets(200, "two", x_cache="RefreshHit")
    rfc.viewer().asks("/v", foo="1").gets(200, "two", x_cache="Hit")


@pytest.mark.parametrize("told", ['"9"', None])
def test_a_304_of_none_we_know_is_no_answer(rfc: Play, told: str | None) -> None:
    """§4.3.3: with no stored response chosen, "the cache [...] can make another request"."""
    stores(rfc, "one", '"1"', "1")
    stores(rfc, "two", '"2"', "2")
    rfc.advance(11)
    rfc.viewer().asks("/v", foo="1")
    rfc.origin.hears("/v", if_none_match='"1", "2"')
    rfc.origin.answers(304, vary="Foo", **({} if told is None else {"etag": told}))
    rfc.origin.hears("/v", if_none_match=None, if_modified_since=None)
    rfc.origin.answers(200, "nine", cache="max-age=60", etag='"9"', vary="Foo")
    rfc.viewer().gets(200, "nine", x_cache="Miss")
    rfc.viewer().asks("/v", foo="1").gets(200, "nine", x_cache="Hit")


def test_last_modified_is_asked_with_when_it_is_all_there_is(rfc: Play) -> None:
    """§4.3.1."""
    modified = "Tue, 12 Jan 2027 00:00:00 GMT"
    stores(rfc, "one", None, "1", last_modified=modified)
    rfc.advance(11)
    rfc.viewer().asks("/v", foo="1")
    rfc.origin.hears("/v", if_modified_since=modified, if_none_match=None)
    rfc.origin.answers(304, cache="max-age=60", vary="Foo")
    rfc.viewer().gets(200, "one", x_cache="RefreshHit")


def test_with_one_stored_both_validators_go_up(rfc: Play) -> None:
    """§4.3.1, RFC 9110 §13.1.3: a recipient that knows entity tags ignores the date."""
    modified = "Tue, 12 Jan 2027 00:00:00 GMT"
    stores(rfc, "one", 'W/"1"', "1", last_modified=modified)
    rfc.advance(11)
    rfc.viewer().asks("/v", foo="1")
    rfc.origin.hears("/v", if_modified_since=modified, if_none_match='W/"1"')
    rfc.origin.answers(304, etag='W/"1"', cache="max-age=60", vary="Foo")
    rfc.viewer().gets(200, "one", x_cache="RefreshHit")


def test_the_viewers_conditions_are_answered_here(rfc: Play) -> None:
    """§4.3.2: from the validated response, whatever the origin was asked."""
    stores(rfc, "one", '"1"', "1")
    rfc.advance(11)
    rfc.viewer().asks("/v", foo="1", if_none_match='"1"')
    rfc.origin.hears("/v", if_none_match='"1"')
    rfc.origin.answers(304, etag='"1"', cache="max-age=60", vary="Foo")
    rfc.viewer().gets(304, "", x_cache="RefreshHit")
    rfc.advance(61)
    rfc.viewer().asks("/v", foo="1", if_none_match='"0"')
    rfc.origin.hears("/v", if_none_match='"1"')
    rfc.origin.answers(304, etag='"1"', cache="max-age=60", vary="Foo")
    rfc.viewer().gets(200, "one", x_cache="RefreshHit")


def test_what_a_304_updates_and_what_not(rfc: Play) -> None:
    """§3.2: every field of the 304, less those that speak of the bytes."""
    rfc.viewer().asks("/a")
    rfc.origin.hears("/a")
    rfc.origin.answers(
        200, "one", cache="max-age=10", etag='"1"', kept="1", changed="1", content_type="text/plain"
    )
    rfc.viewer().gets(200)
    rfc.advance(11)
    rfc.viewer().asks("/a")
    rfc.origin.answers(
        304, cache="max-age=60", etag='"1"', changed="2", added="2", content_encoding="gzip",
        content_range="bytes 0-1/9", content_type="text/html",
    )  # fmt: skip
    got = rfc.viewer().gets(200, "one")
    assert got.field("kept") == "1"
    assert got.field("changed") == got.field("added") == "2"
    assert got.field("content-type") == "text/html"
    assert got.field("content-encoding") is None
    assert got.field("content-range") is None
    assert got.field("content-length") == "3"
    assert got.field("cache-control") == "max-age=60"


def test_a_304_to_a_viewer_carries_what_it_must(rfc: Play) -> None:
    """RFC 9110 §15.4.5: these fields of the 200, and no Content-Length of its own."""
    rfc.viewer().asks("/a")
    rfc.origin.answers(
        200, "one", cache="max-age=60", etag='"1"', vary="Foo", content_location="/a.en",
        expires="Fri, 15 Jan 2027 09:00:00 GMT", content_type="text/plain", other="x",
    )  # fmt: skip
    rfc.viewer().gets(200)
    got = rfc.viewer().asks("/a", if_none_match='W/"1"').gets(304, "")
    for name in ("cache-control", "content-location", "date", "etag", "expires", "vary"):
        assert got.field(name) is not None, name
    for name in ("content-type", "content-length", "other", "last-modified"):
        assert got.field(name) is None, name


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"if_none_match": "*"}, 304),
        ({"if_none_match": '"0", "1"'}, 304),
        ({"if_none_match": 'W/"1"'}, 304),
        ({"if_none_match": '"2"'}, 200),
        ({"if_none_match": "1"}, 200),
        ({"if_modified_since": "Tue, 12 Jan 2027 00:00:00 GMT"}, 304),
        ({"if_modified_since": "Mon, 11 Jan 2027 23:59:59 GMT"}, 200),
        ({"if_modified_since": "yesterday"}, 200),
        # §13.1.3: If-Modified-Since does not count beside If-None-Match
        ({"if_none_match": '"2"', "if_modified_since": "Tue, 12 Jan 2027 00:00:00 GMT"}, 200),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_conditions_of_viewers(rfc: Play, method: str, asked: dict[str, str], status: int) -> None:
    """RFC 9110 §13.2.2, RFC 9111 §4.3.2."""
    rfc.viewer().asks("/a")
    rfc.origin.answers(
        200, "one", cache="max-age=60", etag='"1"', last_modified="Tue, 12 Jan 2027 00:00:00 GMT"
    )
    rfc.viewer().gets(200)
    rfc.viewer().asks("/a", method, **asked).gets(status, x_cache="Hit")


def test_a_new_response_replaces_the_one_that_was_asked_about(rfc: Play) -> None:
    """§4.3.3: a full response replaces it."""
    stores(rfc, "one", '"1"', "1")
    rfc.advance(11)
    rfc.viewer().asks("/v", foo="1")
    rfc.origin.answers(200, "two", etag='"2"', cache="max-age=60", vary="Foo")
    rfc.viewer().gets(200, "two", x_cache="Miss", cache_status="fwd=stale; fwd-status=200")
    rfc.viewer().asks("/v", foo="1").gets(200, "two", x_cache="Hit")
