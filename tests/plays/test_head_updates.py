"""What a HEAD's answer does to the stored GET: no more than a GET's would (RFC 9111 §3, §4.3.5).

Under both sets of rules, with one tier and with two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from edgecache.config.model import CachePolicy, Selection, SemanticsName
from edgecache.rules.routing import compile_routes
from tests.world.play import Play, config_of

Stage = Callable[..., Play]
PERSONAL = CachePolicy(cookies=Selection(behavior="all"))
SCENES = pytest.mark.parametrize(
    ("semantics", "regional"),
    [("rfc9111", False), ("rfc9111", True), ("cloudfront", False), ("cloudfront", True)],
)


def scene(stage: Stage, semantics: SemanticsName, regional: bool) -> Play:
    return stage(semantics=semantics, regional=regional, policy=PERSONAL)


def stores(play: Play, **answer: str) -> None:
    """The object is stored for a second."""
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "hello", **{"cache": "max-age=1", **answer})
    play.viewer().gets(200, "hello")


def heads(play: Play, **answer: str) -> None:
    """It is stale, and alice's HEAD is answered by the origin."""
    play.advance(2)
    play.viewer("alice").asks("/a", "HEAD")
    play.origin.hears("/a")
    play.origin.answers(200, "", **{"content_length": "5", **answer})
    play.viewer("alice").gets(200)


def is_asked_anew(play: Play) -> None:
    """Nobody is given what is stored without asking."""
    play.viewer("bob").asks("/a")
    play.origin.hears("/a")
    play.origin.answers(200, "after", cache="max-age=60")
    got = play.viewer("bob").gets(200, "after")
    assert got.field("set-cookie") is None


@SCENES
@pytest.mark.parametrize("cache", [
    "private, max-age=600", "no-store, max-age=600", 'private="Set-Cookie", max-age=600',
    'no-cache="Set-Cookie", max-age=600', "max-age=600",
])  # fmt: skip
def test_a_head_gives_nobody_the_cookie_of_another(
    stage: Stage, semantics: SemanticsName, regional: bool, cache: str
) -> None:
    """Without a strong validator in common nothing is taken from it at all."""
    play = scene(stage, semantics, regional)
    stores(play)
    heads(play, cache=cache, set_cookie="session=alice")
    is_asked_anew(play)


@SCENES
@pytest.mark.parametrize("cache", ["private, max-age=600", "no-store, max-age=600"])
def test_a_head_that_may_not_be_stored_outdates_the_get(
    stage: Stage, semantics: SemanticsName, regional: bool, cache: str
) -> None:
    """§3: the origin no longer wants it stored, whatever validators agree."""
    play = scene(stage, semantics, regional)
    stores(play, etag='"1"')
    heads(play, cache=cache, etag='"1"', set_cookie="session=alice")
    play.viewer("bob").asks("/a")
    play.origin.hears("/a", if_none_match=None)
    play.origin.answers(200, "after", cache="max-age=60")
    play.viewer("bob").gets(200, "after")


@SCENES
@pytest.mark.parametrize("name", ["private", "no-cache"])
def test_fields_it_keeps_to_one_viewer_are_not_stored(
    stage: Stage, semantics: SemanticsName, regional: bool, name: str
) -> None:
    """§5.2.2.4, §5.2.2.7: also where the strong validator is the stored one."""
    play = scene(stage, semantics, regional)
    stores(play, etag='"1"')
    heads(play, cache=f'{name}="Set-Cookie", max-age=600', etag='"1"', set_cookie="s=alice")
    play.viewer("bob").asks("/a")
    if semantics == "cloudfront":  # and there, where cookies are forwarded, nothing is validated
        play.origin.hears_nothing()
    got = play.viewer("bob").gets(200, "hello", x_cache="Hit")
    assert got.field("set-cookie") is None


@SCENES
@pytest.mark.parametrize("told", [{}, {"etag": 'W/"1"'}, {"last_modified": "yesterday"}])
def test_a_monitor_keeps_nothing_fresh(
    stage: Stage, semantics: SemanticsName, regional: bool, told: dict[str, str]
) -> None:
    """A HEAD brings no content: without a strong validator it proves nothing of the stored one."""
    play = scene(stage, semantics, regional)
    stores(play, **told)
    for _ in range(3):
        heads(play, cache="max-age=1", **told)
    is_asked_anew(play)


@SCENES
def test_another_status_speaks_of_something_else(
    stage: Stage, semantics: SemanticsName, regional: bool
) -> None:
    """A stored 404 is not made fresh by a HEAD that says 200."""
    play = scene(stage, semantics, regional)
    play.viewer().asks("/a")
    play.origin.hears("/a")
    play.origin.answers(404, "gone!", cache="max-age=11", etag='"1"')
    play.viewer().gets(404)
    play.advance(10)
    heads(play, cache="max-age=600", etag='"1"')
    is_asked_anew(play)


@pytest.mark.parametrize("regional", [False, True])
@pytest.mark.parametrize("semantics", ["rfc9111", "cloudfront"])
def test_a_tag_it_brings_can_be_purged_by(
    stage: Stage, semantics: SemanticsName, regional: bool
) -> None:
    """What shows in the stored response is what invalidations go by."""
    site = {"cache_tag_header": "Cache-Tag"}
    play = stage(semantics=semantics, regional=regional, site=site)
    stores(play, etag='"1"')
    heads(play, cache="max-age=600", etag='"1"', cache_tag="news")
    assert play.viewer("bob").asks("/a").gets(200, "hello", x_cache="Hit").field("cache-tag")
    play.operator.invalidates("#news")
    is_asked_anew(play)


@pytest.mark.parametrize("regional", [False, True])
def test_a_head_of_the_compressed_form_outdates_no_plain_one(stage: Stage, regional: bool) -> None:
    """A GET that found no place to be compressed is stored plain, with the origin's own tag."""
    coded = CachePolicy(accept_encoding_gzip=True)
    play = stage(semantics="cloudfront", policy=coded, regional=regional)
    page = "<p>The quick brown fox jumps over the lazy dog.</p>" * 100
    told = {"cache": "max-age=60", "etag": '"1"', "content_type": "text/html"}
    play.viewer().asks("/a", accept_encoding="gzip")
    play.origin.answers(200, page, **told)
    play.viewer().gets(200, page)
    play.listener.frontend.table = compile_routes(config_of(replace(play.scene, compress=True)))
    play.advance(61)
    play.viewer().asks("/a", "HEAD", accept_encoding="gzip")
    play.origin.hears("/a")
    play.origin.answers(200, "", content_length=str(len(page)), **told)
    assert play.viewer().gets(200).field("etag") == 'W/"1"'
    play.viewer().asks("/a", accept_encoding="gzip")
    play.origin.hears("/a", if_none_match='"1"')
    play.origin.answers(304, "", **told)
    play.viewer().gets(200, page, x_cache="RefreshHit")
