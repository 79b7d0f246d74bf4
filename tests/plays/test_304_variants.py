"""A 304 gives a viewer its own variant, or what one strong tag names (RFC 9111 §4.3.4): nobody is
given another's by it. With one tier and with two."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgecache.http.message import first_value
from tests.world.play import Play

Stage = Callable[..., Play]
TIERS = pytest.mark.parametrize("regional", [False, True])


def scene(stage: Stage, regional: bool) -> Play:
    return stage(semantics="rfc9111", regional=regional)


def stores(play: Play, body: str, asked: dict[str, str], **answer: str) -> None:
    play.viewer().asks("/v", **asked)
    play.origin.hears("/v")
    play.origin.answers(200, body, **{"cache": "max-age=10", **answer})
    play.viewer().gets(200, body)


NGINX = {"vary": "Accept-Encoding"}
GZIP = {"accept_encoding": "gzip"}


def nginx_stores(play: Play, *, gzip: bool) -> None:
    """Stock nginx with `gzip on; gzip_vary on`: the tag of what it codes is made weak."""
    if gzip:
        stores(play, "coded", GZIP, etag='W/"1"', content_encoding="gzip", **NGINX)
    else:
        stores(play, "plain", {}, etag='"1"', **NGINX)


@TIERS
@pytest.mark.parametrize("gzip", [True, False])
def test_another_coding_is_fetched(stage: Stage, regional: bool, gzip: bool) -> None:
    """Its condition is met by either form: nginx says 304 with the strong tag to both."""
    play = scene(stage, regional)
    nginx_stores(play, gzip=gzip)
    play.viewer("bob").asks("/v", **({} if gzip else GZIP))
    call = play.origin.hears("/v", if_modified_since=None)
    if first_value(call.request.fields, b"if-none-match") is not None:
        play.origin.answers(304, etag='"1"', cache="max-age=10", **NGINX)
    else:
        play.origin.answers(200, "other", etag='"1"', cache="max-age=10", **NGINX)
    play.viewer("bob").gets(200, "other")


@TIERS
def test_ones_own_coding_is_validated(stage: Stage, regional: bool) -> None:
    """nginx compares before it codes: its 304 has the strong tag of what came with a weak one."""
    play = scene(stage, regional)
    nginx_stores(play, gzip=True)
    nginx_stores(play, gzip=False)
    play.advance(11)
    play.viewer("bob").asks("/v", **GZIP)
    play.origin.hears("/v", if_none_match='W/"1"')
    play.origin.answers(304, etag='"1"', cache="max-age=10", **NGINX)
    got = play.viewer("bob").gets(200, "coded", x_cache="RefreshHit")
    assert got.field("etag") == 'W/"1"'


@TIERS
@pytest.mark.parametrize("name", ["cookie", "authorization", "origin"])
@pytest.mark.parametrize("told", [{"etag": '"1"'}, {}])
def test_nothing_is_offered_across_what_makes_it_anothers(
    stage: Stage, regional: bool, name: str, told: dict[str, str]
) -> None:
    play = scene(stage, regional)
    answer = {"cache": "public, max-age=10", "vary": name, **told}
    stores(play, "alice's", {name: "alice"}, **answer)
    play.viewer("bob").asks("/v", **{name: "bob"})
    play.origin.hears("/v", if_none_match=None, if_modified_since=None)
    play.origin.answers(200, "bob's", cache="public, max-age=10", vary=name, **told)
    play.viewer("bob").gets(200, "bob's")


@TIERS
@pytest.mark.parametrize("given", ["set_cookie", "access_control_allow_origin"])
def test_nor_what_was_given_to_one(stage: Stage, regional: bool, given: str) -> None:
    play = scene(stage, regional)
    stores(play, "one", {"foo": "1"}, vary="Foo", etag='"1"', **{given: "alice"})
    play.viewer("bob").asks("/v", foo="2")
    play.origin.hears("/v", if_none_match=None)
    play.origin.answers(200, "two", cache="max-age=10", vary="Foo", etag='"1"')
    assert play.viewer("bob").gets(200, "two").field(given.replace("_", "-")) is None


@TIERS
def test_a_weak_tag_of_another_is_not_offered(stage: Stage, regional: bool) -> None:
    play = scene(stage, regional)
    stores(play, "one", {"foo": "1"}, vary="Foo", etag='W/"1"')
    play.viewer("bob").asks("/v", foo="2")
    play.origin.hears("/v", if_none_match=None)
    play.origin.answers(200, "two", cache="max-age=10", vary="Foo", etag='W/"1"')
    play.viewer("bob").gets(200, "two")


@pytest.mark.parametrize("told", [{}, {"etag": 'W/"1"'}, {"etag": '"2"'}])
def test_a_lone_candidate_of_another_is_not_taken_unseen(rfc: Play, told: dict[str, str]) -> None:
    """§4.3.4: only its strong tag names it."""
    stores(rfc, "one", {"foo": "1"}, vary="Foo", etag='"1"')
    rfc.viewer("bob").asks("/v", foo="2")
    rfc.origin.hears("/v", if_none_match='"1"')
    rfc.origin.answers(304, cache="max-age=10", vary="Foo", **told)
    rfc.origin.hears("/v", if_none_match=None)
    rfc.origin.answers(200, "two", cache="max-age=10", vary="Foo", etag='"2"')
    rfc.viewer("bob").gets(200, "two")


@TIERS
@pytest.mark.parametrize(("held", "told"), [('"old"', '"new"'), ('W/"old"', 'W/"new"')])
def test_a_304_with_another_tag_updates_nothing(
    stage: Stage, regional: bool, held: str, told: str
) -> None:
    """§4.3.4: what it speaks of is not here: it is asked for without conditions."""
    play = scene(stage, regional)
    stores(play, "old", {}, etag=held)
    play.advance(11)
    play.viewer("bob").asks("/v")
    play.origin.hears("/v", if_none_match=held)
    play.origin.answers(304, etag=told, cache="max-age=10")
    play.origin.hears("/v", if_none_match=None)
    play.origin.answers(200, "new", etag=told, cache="max-age=10")
    play.viewer("bob").gets(200, "new", x_cache="Miss")


def test_nor_does_one_with_another_date(rfc: Play) -> None:
    """A file put back to an older one is "not modified since" the date of what is stored."""
    stores(rfc, "new", {}, last_modified="Tue, 12 Jan 2027 00:00:00 GMT")
    rfc.advance(11)
    rfc.viewer("bob").asks("/v")
    rfc.origin.hears("/v", if_modified_since="Tue, 12 Jan 2027 00:00:00 GMT")
    rfc.origin.answers(304, last_modified="Mon, 11 Jan 2027 00:00:00 GMT")
    rfc.origin.hears("/v", if_modified_since=None)
    rfc.origin.answers(200, "old", cache="max-age=10")
    rfc.viewer("bob").gets(200, "old")


@pytest.mark.parametrize(("held", "told"), [('"1-gzip"', '"1"'), ('"1"', '"1-gzip"')])
def test_a_tag_marked_on_the_way_out_is_the_same(rfc: Play, held: str, told: str) -> None:
    """Apache's DeflateAlterETag, by that suffix alone."""
    stores(rfc, "one", {}, etag=held)
    rfc.advance(11)
    rfc.viewer("bob").asks("/v")
    rfc.origin.hears("/v", if_none_match=held)
    rfc.origin.answers(304, etag=told, cache="max-age=60")
    assert rfc.viewer("bob").gets(200, "one", x_cache="RefreshHit").field("etag") == held


@TIERS
def test_what_a_304_varies_by_is_added_to_what_was_stored(stage: Stage, regional: bool) -> None:
    """A body that was chosen by a cookie is still so when its 304 forgets to say it."""
    play = scene(stage, regional)
    answer = {"etag": '"1"', "vary": "Cookie"}
    stores(play, "alice's", {"cookie": "alice"}, **answer)
    play.advance(11)
    play.viewer().asks("/v", cookie="alice", accept_encoding="gzip")
    play.origin.hears("/v", if_none_match='"1"')
    play.origin.answers(304, etag='"1"', cache="max-age=10", vary="Accept-Encoding")
    got = play.viewer().gets(200, "alice's")
    assert got.field("vary") == "Accept-Encoding, Cookie"
    play.viewer("bob").asks("/v", cookie="bob", accept_encoding="gzip")
    play.origin.hears("/v", if_none_match=None)
    play.origin.answers(200, "bob's", cache="max-age=10", vary="Cookie")
    play.viewer("bob").gets(200, "bob's")
    for _ in range(2):
        play.viewer().asks("/v", cookie="alice", accept_encoding="gzip").gets(200, "alice's")


def test_the_newest_of_what_answers_is_given_whoever_asked_before(rfc: Play) -> None:
    """§4: also to who has been given the older one from memory."""
    both = {"accept_encoding": "gzip", "origin": "o"}
    stores(rfc, "old", both, vary="Accept-Encoding")
    for _ in range(2):
        rfc.viewer().asks("/v", **both).gets(200, "old", x_cache="Hit")
    rfc.advance(1)
    stores(rfc, "new", {"accept_encoding": "br", "origin": "o"}, vary="Origin")
    rfc.viewer().asks("/v", **both).gets(200, "new", x_cache="Hit")
