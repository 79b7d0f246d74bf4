"""What is never stored is asked for with the viewer's own conditions: no body comes in vain.

RFC 9110 §13.1.2, §13.1.3; RFC 9111 §4.3.2 has a cache that stores nothing of it forward them.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgecache.config.model import CachePolicy, SemanticsName
from tests.world.play import Play

Stage = Callable[..., Play]
NEVER = "private, no-store"
BOTH: list[SemanticsName] = ["rfc9111", "cloudfront"]


def asked_first(play: Play, cache: str = NEVER, **fields: str) -> None:
    """Somebody asks for /a: from then on it is known to be for one alone."""
    play.viewer("first").asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "one", cache=cache, etag='"1"', **fields)
    play.viewer("first").gets(200, "one")


@pytest.mark.parametrize("semantics", BOTH)
@pytest.mark.parametrize("regional", [False, True])
@pytest.mark.parametrize(
    ("name", "value"),
    [("if_none_match", '"1"'), ("if_modified_since", "Mon, 11 Jan 2027 00:00:00 GMT")],
)
def test_the_viewers_condition_reaches_the_origin(
    stage: Stage, semantics: SemanticsName, regional: bool, name: str, value: str
) -> None:
    play = stage(semantics=semantics, regional=regional)
    asked_first(play)
    play.viewer().asks("/a", **{name: value})
    play.origin.hears("/a", **{name: value})
    play.origin.answers(304, "", cache=NEVER, etag='"1"', x_a="1")
    got = play.viewer().gets(304, "", x_cache="Miss")
    assert (got.field("etag"), got.field("x-a")) == ('"1"', "1")


@pytest.mark.parametrize("semantics", BOTH)
def test_who_asks_without_gets_the_whole_and_hears_nothing_of_it(
    stage: Stage, semantics: SemanticsName
) -> None:
    play = stage(semantics=semantics)
    asked_first(play)
    play.viewer("a").asks("/a", if_none_match='"1"')
    play.viewer("b").asks("/a")
    play.origin.hears("/a", if_none_match='"1"')
    play.origin.answers(304, "", cache=NEVER, etag='"1"')
    play.viewer("a").gets(304)
    play.origin.hears("/a", if_none_match=None)
    play.origin.answers(200, "one", cache=NEVER, etag='"1"')
    play.viewer("b").gets(200, "one")


def test_what_may_be_stored_by_then_is_stored(rfc: Play) -> None:
    asked_first(rfc)
    rfc.viewer().asks("/a", if_none_match='"1"')
    rfc.origin.hears("/a", if_none_match='"1"')
    rfc.origin.answers(200, "two", cache="max-age=60", etag='"2"')
    rfc.viewer().gets(200, "two")
    rfc.viewer("b").asks("/a").gets(200, "two", x_cache="Hit")
    rfc.viewer("c").asks("/a", if_none_match='"2"').gets(304, x_cache="Hit")


def test_what_may_be_stored_is_asked_for_whole(rfc: Play) -> None:
    """A 304 would leave nothing to store; so it is again after a while."""
    rfc.viewer().asks("/a", if_none_match='"1"')
    rfc.origin.hears("/a", if_none_match=None)
    rfc.origin.answers(200, "one", cache=NEVER, etag='"1"')
    rfc.viewer().gets(304)
    rfc.advance(121)
    rfc.viewer("later").asks("/a", if_none_match='"1"')
    rfc.origin.hears("/a", if_none_match=None)
    rfc.origin.answers(200, "one", cache="max-age=60", etag='"1"')
    rfc.viewer("later").gets(304)


@pytest.mark.parametrize("name", ["if_match", "if_unmodified_since", "range"])
def test_a_condition_that_may_fail_for_this_viewer_alone_stays_here(rfc: Play, name: str) -> None:
    """A 412 would be stored for all where an origin says that it may be."""
    asked_first(rfc)
    values = {"if_match": '"0"', "range": "bytes=0-0"}
    value = values.get(name, "Mon, 11 Jan 2027 00:00:00 GMT")
    rfc.viewer().asks("/a", if_none_match='"9"', **{name: value})
    heard = {"range": value} if name == "range" else {name: None}
    rfc.origin.hears("/a", **heard)
    rfc.origin.answers(200, "one", cache=NEVER, etag='"1"')
    assert rfc.viewer().got() is not None


def test_a_304_that_nobody_asked_for_is_still_none(rfc: Play) -> None:
    asked_first(rfc)
    rfc.viewer().asks("/a")
    rfc.origin.answers(304, "", etag='"1"')
    rfc.viewer().gets(502)


def hears_one_for_all(play: Play) -> None:
    """Four browsers have a copy each: one asks for the whole, which all are answered from."""
    names = [f"browser-{number}" for number in range(4)]
    for name in names:
        play.viewer(name).asks("/a", if_none_match='"1"')
    play.origin.hears("/a", if_none_match=None)
    play.origin.answers(200, "one", cache="max-age=600", etag='"1"')
    for name in names:
        play.viewer(name).gets(304)
    play.origin.hears_nothing()
    play.viewer("later").asks("/a").gets(200, "one", x_cache="Hit")


@pytest.mark.parametrize("semantics", BOTH)
@pytest.mark.parametrize(
    ("method", "status", "cache"),
    [
        ("HEAD", 200, "max-age=600"),
        ("HEAD", 200, NEVER),
        ("GET", 503, "no-store"),
        ("GET", 429, "no-store"),
        ("GET", 206, "no-store"),
    ],
)
def test_what_says_nothing_of_the_object_leaves_it_for_all(
    stage: Stage, semantics: SemanticsName, method: str, status: int, cache: str
) -> None:
    play = stage(semantics=semantics)
    play.viewer("first").asks("/a", method)
    play.origin.hears("/a")
    body = "" if method == "HEAD" else "one"
    play.origin.answers(status, body, cache=cache)
    assert play.viewer("first").got() is not None
    hears_one_for_all(play)


@pytest.mark.parametrize("fields", [{"authorization": "Basic x"}, {"cache_control": "no-store"}])
def test_what_a_request_forbids_leaves_the_object_for_all(
    rfc: Play, fields: dict[str, str]
) -> None:
    rfc.viewer("first").asks("/a", **fields)
    rfc.origin.hears("/a")
    rfc.origin.answers(200, "one", cache="max-age=600", etag='"1"')
    rfc.viewer("first").gets(200)
    hears_one_for_all(rfc)


@pytest.mark.parametrize("semantics", BOTH)
def test_a_304_that_may_be_kept_makes_it_for_all_again(
    stage: Stage, semantics: SemanticsName
) -> None:
    play = stage(semantics=semantics)
    asked_first(play)
    play.viewer().asks("/a", if_none_match='"1"')
    play.origin.hears("/a", if_none_match='"1"')
    play.origin.answers(304, "", cache="max-age=600", etag='"1"')
    play.viewer().gets(304)
    hears_one_for_all(play)


@pytest.mark.parametrize("cache", [None, NEVER])
def test_a_304_that_says_nothing_of_it_changes_nothing(rfc: Play, cache: str | None) -> None:
    asked_first(rfc)
    for _ in range(2):
        rfc.viewer().asks("/a", if_none_match='"1"')
        rfc.origin.hears("/a", if_none_match='"1"')
        rfc.origin.answers(304, "", cache=cache, etag='"1"')
        rfc.viewer().gets(304)


def test_what_was_stored_since_is_for_all(rfc: Play) -> None:
    asked_first(rfc)
    rfc.viewer().asks("/a")
    rfc.origin.hears("/a")
    rfc.origin.answers(200, "one", cache="max-age=600", etag='"1"')
    rfc.viewer().gets(200)
    rfc.operator.invalidates("/a")
    hears_one_for_all(rfc)


@pytest.mark.parametrize("regional", [False, True])
@pytest.mark.parametrize(
    ("condition", "etag", "vary"),
    [
        ({"if_none_match": 'W/"1"'}, 'W/"1"', "Accept-Encoding"),
        ({"if_none_match": "*"}, 'W/"1"', "Accept-Encoding"),
        ({"if_modified_since": "Mon, 11 Jan 2027 00:00:00 GMT"}, 'W/"1"', "Accept-Encoding"),
        ({"if_none_match": '"1"'}, '"1"', None),  # it has it as the origin does
    ],
)
def test_a_304_of_what_was_compressed_here_has_the_tag_of_that(
    stage: Stage, regional: bool, condition: dict[str, str], etag: str, vary: str | None
) -> None:
    """RFC 9110 §15.4.5: ETag and Vary as in the 200."""
    coded = CachePolicy(accept_encoding_gzip=True)
    play = stage(policy=coded, compress=True, regional=regional)
    page = "<p>The quick brown fox jumps over the lazy dog.</p>" * 100
    play.viewer().asks("/a", accept_encoding="gzip")
    play.origin.hears("/a")
    play.origin.answers(200, page, cache=NEVER, etag='"1"', content_type="text/html")
    got = play.viewer().gets(200)
    assert (got.field("etag"), got.field("vary")) == ('W/"1"', "Accept-Encoding")
    play.viewer().asks("/a", accept_encoding="gzip", **condition)
    play.origin.hears("/a", **condition)
    play.origin.answers(304, "", cache=NEVER, etag='"1"')
    got = play.viewer().gets(304)
    assert (got.field("etag"), got.field("vary")) == (etag, vary)
    assert got.field("edgecache-origin-etag") is None


def test_a_304_of_what_is_not_compressed_here_passes_as_it_came(rfc: Play) -> None:
    asked_first(rfc)
    date = "Mon, 11 Jan 2027 00:00:00 GMT"
    rfc.viewer().asks("/a", accept_encoding="gzip", if_modified_since=date)
    rfc.origin.answers(304, "", cache=NEVER, etag='"1"')
    got = rfc.viewer().gets(304)
    assert (got.field("etag"), got.field("vary")) == ('"1"', None)
