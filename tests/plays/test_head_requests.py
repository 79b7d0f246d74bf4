"""HEAD: answered from a stored GET, and what its own answer says of that GET (RFC 9111 §4.3.5)."""

from __future__ import annotations

import pytest

from tests.world.play import Play

MODIFIED = "Tue, 12 Jan 2027 00:00:00 GMT"


def has_stored(play: Play, cache: str = "max-age=10") -> None:
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "one", cache=cache, etag='"1"', last_modified=MODIFIED)
    play.viewer().gets(200, "one")


def test_a_fresh_get_answers_head(rfc: Play) -> None:
    """RFC 9110 §9.3.2: the same fields, and no content."""
    has_stored(rfc)
    got = rfc.viewer().asks("/a", "HEAD").gets(200, "", x_cache="Hit", cache_status="; hit")
    assert got.field("content-length") == "3"
    assert got.field("etag") == '"1"'
    assert got.field("age") == "0"


def test_a_range_means_nothing_to_head(rfc: Play) -> None:
    """RFC 9110 §14.2: a Range of another method than GET is ignored."""
    has_stored(rfc)
    got = rfc.viewer().asks("/a", "HEAD", range="bytes=0-0").gets(200, "", x_cache="Hit")
    assert got.field("content-range") is None


def test_a_head_is_not_stored_as_a_get(rfc: Play) -> None:
    """RFC 9111 §3: a response to HEAD has no content to answer GET with."""
    rfc.viewer().asks("/a", "HEAD")
    rfc.origin.hears("/a")
    rfc.origin.answers(200, "", cache="max-age=60", content_length="3")
    got = rfc.viewer().gets(200, "")
    assert got.field("content-length") == "3"
    rfc.viewer().asks("/a")
    rfc.origin.hears("/a")
    rfc.origin.answers(200, "one", cache="max-age=60")
    rfc.viewer().gets(200, "one", x_cache="Miss")


def test_a_head_whose_answer_agrees_freshens_the_get(rfc: Play) -> None:
    """§4.3.5: validators and length as stored: update the stored response."""
    has_stored(rfc)
    rfc.advance(5)
    rfc.viewer().asks("/a", "HEAD", cache_control="no-cache")
    rfc.origin.hears("/a")
    rfc.origin.answers(
        200, "", cache="max-age=60", etag='"1"', last_modified=MODIFIED, content_length="3", new="1"
    )
    rfc.viewer().gets(200, "")
    rfc.advance(30)
    got = rfc.viewer().asks("/a").gets(200, "one", x_cache="Hit")
    assert got.field("new") == "1"
    assert got.field("age") == "30"


@pytest.mark.parametrize(
    "told",
    [{"etag": '"2"'}, {"content_length": "4"}, {"last_modified": "Wed, 13 Jan 2027 00:00:00 GMT"}],
)
def test_a_head_whose_answer_differs_outdates_the_get(rfc: Play, told: dict[str, str]) -> None:
    """§4.3.5: otherwise the cache ought to consider the stored response stale."""
    has_stored(rfc)
    fields = {"etag": '"1"', "last_modified": MODIFIED, "content_length": "3", **told}
    rfc.viewer().asks("/a", "HEAD", cache_control="no-cache")
    rfc.origin.hears("/a")
    rfc.origin.answers(200, "", cache="max-age=60", **fields)
    rfc.viewer().gets(200, "")
    rfc.viewer().asks("/a")
    rfc.origin.hears("/a")
    rfc.origin.answers(200, "two", cache="max-age=60", etag='"2"')
    rfc.viewer().gets(200, "two", x_cache="Miss")


def test_a_stale_get_may_be_validated_by_a_head(rfc: Play) -> None:
    """§4.3.1: with the stored validators, and a 304 speaks of the stored response."""
    has_stored(rfc)
    rfc.advance(11)
    rfc.viewer().asks("/a", "HEAD")
    call = rfc.origin.hears("/a", if_none_match='"1"')
    assert call.request.method == b"HEAD"
    rfc.origin.answers(304, etag='"1"', cache="max-age=60")
    rfc.viewer().gets(200, "", x_cache="RefreshHit")
    rfc.viewer().asks("/a").gets(200, "one", x_cache="Hit")


def test_a_head_that_fails_leaves_the_get_as_it_is(rfc: Play) -> None:
    """§4.3.5 speaks of a 200."""
    has_stored(rfc)
    rfc.viewer().asks("/a", "HEAD", cache_control="no-cache")
    rfc.origin.hears("/a")
    rfc.origin.answers(404, "", cache="max-age=60", content_length="9")
    rfc.viewer().gets(404, "")
    rfc.viewer().asks("/a").gets(200, "one", x_cache="Hit")
